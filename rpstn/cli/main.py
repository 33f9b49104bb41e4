"""`rpstn ...`: the command line. Options come from the same dataclasses that the library takes.

What a user can mend (UserError) is told in one line, without a traceback, and ends with exit code 2; a
notebook or run that fails by itself ends with 1, an interruption with 130.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from rpstn import __version__
from rpstn.cli.data import data_check, data_list, data_make
from rpstn.cli.scores import evaluate, folds, publish
from rpstn.cli.streams import escaping
from rpstn.cli.words import bind, pairs, parse, refuse_empty
from rpstn.errors import UserError, suggest
from rpstn.runs.places import check_file
from rpstn.runs.project import default_place
from rpstn.runs.ranks import idle_rank

USAGE = """\
usage: rpstn COMMAND [OPTIONS]       (rpstn COMMAND --help explains one)

  data list                 the data sets: where to get them, terms, size, layout, and what is here
  data make NAME [ROOT]     make a data set that is computed: embedded
  data check NAME [ROOT]    read every label of a data set and report what is wrong with it
  train                     train a network; goes on where an interrupted run stopped
  evaluate --checkpoint F   score a checkpoint on a split
  publish --name NAME       score finished runs for results/NAME.json, which the book's tables are made of
  folds --checkpoint 'F'    score three checkpoints, one for each split of sub_jhmdb ({fold} in F), and their mean
  ablate                    train and score the ablation's cells, each once; stop it and go on at any time
  ablate merge FOLDER ...   put finished cells, of one machine or several, into results/ablations.json
  predict VIDEO             poses of a video, a folder of frames or a camera (its index): JSON, CSV and an annotated .webm
  convert CHECKPOINT -o OUT make a checkpoint of this package from one of the authors' files
  export CHECKPOINT -o DIR  write a network as ONNX, checked against torch (needs the extra export)
  bench                     time this package against the released code's way (needs a checkout of the book)
  run [NOTEBOOK ...]        execute the book's notebooks, in order (needs a checkout of the book)

Data lies in ROOT, else in $RPSTN_DATA/NAME, else in data/NAME in the checkout or the working directory.
Exit codes: 0 done; 1 a check or a notebook failed; 2 a mistake, which one line explains; 130 interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. arguments: those after `rpstn`; sys.argv if not given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    with escaping():
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        return _dispatch(words)
    except UserError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("rpstn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
        return 1
    except OSError as error:  # a place that cannot be read or written; without a name, it is a fault of the program
        named = isinstance(error.filename, str | bytes | os.PathLike)
        if not named and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f"{os.fsdecode(error.filename)}: " if named else ""
        return _refuse(f"{where}{error.strerror}; name a place that can be read and written, or see to this one")
    except UnicodeEncodeError as error:  # of a path on a system whose file names are not UTF-8; `escaping` takes all output
        if error.encoding != sys.getfilesystemencoding():
            raise
        return _refuse(f"{error.object}: no file here can have that name ({error}); set LC_ALL=C.UTF-8 or PYTHONUTF8=1")
    except SystemExit as stop:  # tyro has printed its help
        return stop.code if isinstance(stop.code, int) else 0


def _refuse(message: str) -> int:
    print(f"rpstn: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _dispatch(words: list[str]) -> int:
    if idle := idle_rank():
        print(f"rpstn: {idle}", file=sys.stderr)
        return 0
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"rpstn {__version__}")
        return 0
    command = _choose(words[0], _COMMANDS, "rpstn")
    refuse_empty(words)
    if command is _DATA:
        if len(words) < 2 or words[1] in ("-h", "--help"):
            print(
                "\n".join(["usage: rpstn data COMMAND", "", *(line for line in USAGE.splitlines() if line.startswith("  data "))])
            )
            return 0 if len(words) > 1 else 2
        return bind(_choose(words[1], _DATA, "rpstn data"), words[2:], f"rpstn data {words[1]}")() or 0
    if command in (train, evaluate, publish, folds, ablate, predict):
        return command(words[1:]) or 0
    return bind(command, pairs(words[1:]) if command is run else words[1:], f"rpstn {words[0]}")() or 0


def _choose(word: str, known: dict[str, Any], where: str) -> Any:
    if word not in known:
        raise UserError(f"{where} has no command {word!r}{suggest(word, known)}; it has: {', '.join(known)}")
    return known[word]


def _report(path: Path, metrics: dict[str, Any]) -> None:
    """Single numbers and the place of all of them."""
    for name, value in metrics.items():
        if isinstance(value, float):
            print(f"{name:20} {value:.4g}")
        elif isinstance(value, int | str):
            print(f"{name:20} {value}")
    print(path)


def train(words: list[str]) -> None:
    """Train a network, or go on with an interrupted run, or report a finished one."""
    from rpstn.models.weights import calibration_of
    from rpstn.train.config import TrainConfig
    from rpstn.train.loop import train as run
    from rpstn.video.calibrate import calibrate_run

    result = run(parse(TrainConfig, words, "rpstn train"), calibrate=calibrate_run)
    limits = calibration_of(result.checkpoint)
    if limits.measured_on:
        print(f"joints below confidence {limits.hidden_below:g} count as hidden (measured on {limits.measured_on})")
    _report(result.checkpoint, result.metrics)


def ablate(words: list[str]) -> None:
    """The ablation's cells; with the word merge, what is finished of them."""
    from rpstn.metrics.tables import aligned, markdown
    from rpstn.notebooks.ablation_results import interval_words, merge_cells, paper_table, read_cells, summarize
    from rpstn.notebooks.ablations import AblationConfig
    from rpstn.notebooks.ablations import ablate as run

    if words[:1] == ["merge"]:
        if len(words) == 1:
            raise UserError("rpstn ablate merge needs the folders to merge: rpstn ablate merge FOLDER [FOLDER ...]")
        study = bind(merge_cells, words[1:], "rpstn ablate merge")()
    else:
        study = summarize(read_cells(run(parse(AblationConfig, words, "rpstn ablate"))))
    print(aligned(markdown(paper_table(study))))
    print(interval_words(study))


def predict(words: list[str]) -> int:
    """Predict a video into files; 130 if Ctrl-C stopped it."""
    from rpstn.video.job import PredictConfig, predict_video
    from rpstn.video.output.summary import summary_lines

    # The words of the dataclass's own comments explain the options; VIDEO is the one that has no default.
    config = parse(PredictConfig, words, "rpstn predict", config=(tyro.conf.PositionalRequiredArgs,))
    result = predict_video(config)
    rate = f", {result.frames / result.seconds:.1f} a second" if not config.resume and result.seconds else ""
    print(f"{config.video}: {result.frames} frames{rate}" + ("" if result.complete else ", interrupted"))
    for line in (
        *result.weights.lines(config.hidden_below),
        *(f"note: {note}" for note in result.notes),
        *summary_lines(result.summary),
    ):
        print(line)
    for path in result.files:
        print(path)
    if result.signal is not None and not result.complete:
        print("rpstn: interrupted; go on with --resume, or start over with --overwrite", file=sys.stderr)
        return 128 + result.signal
    return 0


def run(
    notebooks: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[NOTEBOOK ...]")] = (),
    /,
    *,
    profile: str = "demo",
    parameters: Annotated[
        tuple[tuple[str, str], ...],
        tyro.conf.UseAppendAction,
        tyro.conf.arg(name="parameter", aliases=("-p",), metavar="NAME VALUE"),
    ] = (),
    out: Path | None = None,
    force: bool = False,
    list_parameters: Annotated[bool, tyro.conf.arg(name="list")] = False,
) -> int:
    """Execute the book's notebooks in their order. What ran before with the same sources, data and values is
    kept.

    Executed notebooks become pages of the book, in book/executed of the checkout, if they ran with the demo or
    the paper profile as it is. Smoke runs, and runs with a value that is not the profile's own, go to
    runs/notebooks/NAME in the checkout that one works in; NAME is the profile and those values, such as smoke,
    demo-sub_jhmdb or demo-steps=2000. So a trial never replaces a page. --out names any other folder.

    Args:
        notebooks: short names such as data or train; all of them if none is given.
        profile: a set of parameter values: smoke (seconds), demo (minutes on two cores), paper (a GPU and real data).
        parameters: a value for one parameter, in every named notebook that has it; may be given again.
        out: folder for the executed notebooks; see above if not given.
        force: execute again what is fresh, too.
        list_parameters: only list notebooks, parameters and their values under this profile.
    """
    from rpstn.notebooks.run import run_notebooks

    return run_notebooks(notebooks, profile=profile, values=dict(parameters), out=out, force=force, only_list=list_parameters)


def bench(
    rows: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ROW ...]")] = (),
    /,
    *,
    out: Path | None = None,
    quick: bool = False,
) -> None:
    """Time this package against a plain re-creation of how the released code computes the same, as ratios of one run.

    Args:
        rows: matching, step, inference, loading, relation; all of them if none is given.
        out: JSON file to write; runs/bench.json if not given.
        quick: small sizes and few repetitions, to see that everything works.
    """
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / "benchmarks").is_dir():
        raise UserError(
            "rpstn bench needs a checkout of the book: this installation has the package alone, without benchmarks/; clone the "
            "repository and call rpstn bench, or make bench, there"
        )
    check_file(out)
    sys.path.insert(0, str(checkout))
    from benchmarks.bench import bench as run

    run(rows, out=out or default_place("runs", "bench.json"), quick=quick)


def convert(
    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")],
    /,
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="OUT")],
) -> None:
    """Make a checkpoint of this package from one of the authors' (.pth.tar). Variant and depths are read from its keys.

    Args:
        checkpoint: the authors' file.
        out: file to write, such as rpstn_penn_action.pt.
    """
    from rpstn.models.released import convert as run

    check_file(out)
    config = run(checkpoint, out).config
    print(
        f"{out}: {config.skeleton}, {config.joints} joints, initializer {config.initializer}, encoder {config.encoder}; "
        "it takes BGR pixels of 0 to 255 at 256 px"
    )


def export(
    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")],
    /,
    out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="DIR")],
    *,
    tolerance: float = 1e-4,
) -> None:
    """Write a network as ONNX, for programs without torch, and check it against torch with onnxruntime.

    A network that sees every frame for itself becomes frame.onnx; one that carries the pose from frame to frame becomes
    first.onnx and next.onnx. They take uint8 RGB crops of the checkpoint's size, as many at once as one likes. export.json
    says what goes in and comes out. Files that differ from torch are not kept.

    Args:
        checkpoint: file that training wrote, or shipped weights such as embedded_rpstn.
        out: folder to write to.
        tolerance: largest difference, as a part of an output's largest value.
    """
    from rpstn.models.files import find_weights
    from rpstn.models.onnx import export as run
    from rpstn.models.onnx import lines

    for line in lines(run(find_weights(checkpoint), out, tolerance=tolerance)):
        print(line)


_DATA: dict[str, Callable[..., int | None]] = {"list": data_list, "make": data_make, "check": data_check}
_COMMANDS: dict[str, Any] = {
    "data": _DATA,
    "train": train,
    "evaluate": evaluate,
    "publish": publish,
    "folds": folds,
    "ablate": ablate,
    "predict": predict,
    "convert": convert,
    "export": export,
    "bench": bench,
    "run": run,
}
