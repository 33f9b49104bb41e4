"""`rpstn ...`: the command line. Options come from the same dataclasses that the library takes.

What a user can mend (UserError) is told in one line, without a traceback, and ends with exit code 2; a
notebook or run that fails by itself ends with 1, an interruption with 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro

from rpstn import __version__
from rpstn.errors import UserError
from rpstn.parameters import suggest

USAGE = """\
usage: rpstn COMMAND [OPTIONS]       (rpstn COMMAND --help explains one)

  data list                 the data sets: where to get them, terms, size, layout, and what is here
  data make NAME [ROOT]     make a data set that is computed: embedded
  data check NAME [ROOT]    read every label of a data set and report what is wrong with it
  train                     train a network; goes on where an interrupted run stopped
  evaluate                  score a checkpoint on a split
  publish                   score finished runs for results/NAME.json, which the book's tables are made of
  folds                     score three checkpoints, one for each split of sub_jhmdb, and their mean
  ablate                    train and score the ablation's cells, each once; stop it and go on at any time
  ablate merge FOLDER ...   put finished cells, of one machine or several, into results/ablations.json
  predict VIDEO             poses of a video, a folder of frames or a camera (its index): JSON, CSV and an annotated .webm
  convert CHECKPOINT -o OUT make a checkpoint of this package from one of the authors' files
  export CHECKPOINT -o DIR  write a network as ONNX, checked against torch (needs the extra export)
  bench                     time this package against the released code's way (needs a checkout of the book)
  run [NOTEBOOK ...]        execute the book's notebooks, in order (needs a checkout of the book)

Data lies in ROOT, else in $RPSTN_DATA/NAME, else in data/NAME under the working directory."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. arguments: those after `rpstn`; sys.argv if not given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _dispatch(words)
    except UserError as error:
        print(f"rpstn: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("rpstn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
        return 1
    except SystemExit as stop:  # tyro has printed its help or its error
        return stop.code if isinstance(stop.code, int) else 0


def _dispatch(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"rpstn {__version__}")
        return 0
    command = _choose(words[0], _COMMANDS, "rpstn")
    if command is _DATA:
        if len(words) < 2 or words[1] in ("-h", "--help"):
            print(USAGE)
            return 0 if len(words) > 1 else 2
        return _call(_choose(words[1], _DATA, "rpstn data"), words[2:], f"rpstn data {words[1]}")
    if command in (train, evaluate, publish, folds, ablate, predict):
        return command(words[1:]) or 0
    return _call(command, words[1:], f"rpstn {words[0]}")


def _choose(word: str, known: dict[str, Any], where: str) -> Any:
    if word not in known:
        raise UserError(f"{where} has no command {word!r}{suggest(word, known)}; it has: {', '.join(known)}")
    return known[word]


def _call(function: Callable[..., int | None], words: list[str], name: str) -> int:
    return tyro.cli(function, args=words, prog=name) or 0


def _report(path: Path, metrics: dict[str, Any]) -> None:
    """Single numbers and the place of all of them."""
    for name, value in metrics.items():
        if isinstance(value, float):
            print(f"{name:20} {value:.4g}")
        elif isinstance(value, int | str):
            print(f"{name:20} {value}")
    print(path)


def _report_scores(out: Path, metrics: dict[str, Any]) -> None:
    """The scores as tables, what they were measured on, and where all of them are."""
    from rpstn.metrics.official import official_lines
    from rpstn.metrics.tables import aligned, table

    counted = metrics["counted"]
    without = counted["frames_without_reference"]
    fold = f", fold {metrics['fold']}" if metrics["dataset"] == "sub_jhmdb" else ""
    print(
        f"{metrics['checkpoint']['name']} on {metrics['dataset']}, split {metrics['split']}{fold}: "
        f"{counted['clips']} clips from {counted['sources']} sources, {counted['frames']} frames"
    )
    print(
        f"joints: {counted['visible_joints']} visible, {counted['occluded_joints']} occluded, "
        f"{counted['absent_joints']} absent (not scored)"
    )
    if metrics["convert_to"]:
        print(f"joints: made into those of {metrics['convert_to']}, so this is no official score of {metrics['dataset']}")
    if counted["entries_left_out"]:
        print(f"left out: {counted['entries_left_out']} damaged entries")
    flipped = ", mirrored frames averaged in" if metrics["flip_test"] else ""
    flipped += f", refinement: {metrics['refine']}" if metrics["refine"] != "gaussian" else ""
    window = f"windows of {metrics['window']} frames" if metrics["window"] else "whole clips"
    if "network" in metrics:
        window = "{network}, crops of {image_size[0]} x {image_size[1]} px as its authors cut them".format_map(metrics)
    print(f"boxes: {metrics['boxes']}; {window}{flipped}")
    for reference, parts in metrics["scores"].items():
        if all(part["mean"] is None for part in parts.values()):  # such as a detector's boxes, which have no labels
            print(f"\nPCK by {reference} size: none, for no joint here is labelled and has that size")
            continue
        left_out = f"; {without[reference]} frames without that size left out" if without[reference] else ""
        print(f"\nPCK@{metrics['threshold']:g} in percent, by {reference} size{left_out}")
        print(aligned(table(parts)))
    for line in ("", *official_lines(metrics)):
        print(line)
    for path in sorted(out.iterdir()):
        if path.name in ("metrics.json", "predictions.npz", "manifest.json"):
            print(path)


Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
Root = Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ROOT]")]


def data_list() -> None:
    """The data sets: where each comes from, on what terms, its size and layout, and what of it is here."""
    from rpstn.datasets import dataset_root
    from rpstn.datasets.catalogue import TABLE, found_files
    from rpstn.skeletons import get_skeleton

    for name, entry in TABLE.items():
        try:
            root = dataset_root(name)
        except UserError:
            print(f"{name:12} not here")
            layout = [f"{pattern} ({what})" for pattern, what in entry.layout]
        else:
            print(f"{name:12} in {root}")
            layout = [f"{pattern} ({what}): {count or 'none'}" for pattern, what, count in found_files(name, root)]
        joints = f"{len(get_skeleton(entry.skeleton))}, skeleton {entry.skeleton}" if entry.skeleton else "your own"
        rows = {"where": entry.remedy, "terms": entry.terms, "size": entry.size, "joints": joints}
        for title, text in rows.items():
            print(f"  {title:8} {text}")
        for index, line in enumerate(layout):
            print(f"  {'' if index else 'layout':8} {line}")
    place = os.environ.get("RPSTN_DATA")
    print(f"looked in {place}, which $RPSTN_DATA names" if place else "looked in data/; $RPSTN_DATA names another folder")


def data_make(
    name: Name,
    root: Root = None,
    /,
    *,
    train: int = 240,
    val: int = 30,
    test: int = 60,
    frames: int = 24,
    size: int = 160,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Make a data set that is computed: embedded. A set that is there with the same values is kept.

    Args:
        name: embedded; the others are recorded, and downloads.
        root: folder to make; $RPSTN_DATA/NAME, else data/NAME, if not given.
        train: clips to train on.
        val: clips to choose checkpoints by.
        test: clips to score.
        frames: of a clip.
        size: pixels a side.
        seed: of everything random. The same seed gives the same bytes.
        workers: processes; as many as there are cores if not given.
    """
    from rpstn.datasets import DATASETS

    if name not in DATASETS:
        near = suggest(name, DATASETS)
        raise UserError(f"there is no data set {name!r}{near}; there are {', '.join(DATASETS)}")
    if name != "embedded":
        raise UserError(f"data set {name!r} is recorded, not computed: {DATASETS[name]}")
    from rpstn.datasets.embedded import make_embedded

    folder = root or Path(os.environ.get("RPSTN_DATA") or "data") / name
    counts = {"train": train, "val": val, "test": test}
    make_embedded(folder, seed=seed, counts=counts, frames=frames, size=size, workers=workers)
    print(f"{name} is in {folder}")


def data_check(name: Name, root: Root = None, /, *, fold: int = 1, labels_only: bool = False) -> int:
    """Read all labels of a data set, and its frames, and report what is there and what cannot be used.

    Args:
        name: the data set, as `rpstn data list` names it.
        root: its folder; $RPSTN_DATA/NAME, else data/NAME, if not given.
        fold: split of sub_jhmdb: 1, 2 or 3.
        labels_only: leave the frames unread.
    """
    from tqdm import tqdm

    from rpstn.datasets.check import check_dataset

    bars: list[tqdm] = []

    def show(done: int, total: int) -> None:
        if not bars:
            bars.append(tqdm(desc=f"check {name}", total=total, unit="clip", leave=False))
        bars[0].update(done - bars[0].n)

    report = check_dataset(name, root, fold, pixels=not labels_only, progress=show)
    for bar in bars:
        bar.close()
    print(report)
    return 0 if report.ok else 1


def train(words: list[str]) -> None:
    """Train a network, or go on with an interrupted run, or report a finished one."""
    from rpstn.train import TrainConfig
    from rpstn.train import train as run

    result = run(tyro.cli(TrainConfig, args=words, prog="rpstn train"))
    _report(result.checkpoint, result.metrics)


def evaluate(words: list[str]) -> None:
    """Score a checkpoint on a split."""
    from rpstn.evaluate import EvaluateConfig
    from rpstn.evaluate import evaluate as run

    result = run(tyro.cli(EvaluateConfig, args=words, prog="rpstn evaluate"))
    _report_scores(result.out, result.metrics)


def publish(words: list[str]) -> None:
    """Score finished runs, and what propagation gains on hidden joints, for results/NAME.json."""
    from rpstn.publish import PublishConfig
    from rpstn.publish import publish as run

    print(run(tyro.cli(PublishConfig, args=words, prog="rpstn publish")))


def folds(words: list[str]) -> None:
    """Score three checkpoints, one trained on each split of sub_jhmdb, and take the mean over splits.

    {fold} in the checkpoint's path stands for 1, 2 and 3.
    """
    from rpstn.evaluate import EvaluateConfig
    from rpstn.folds import evaluate_folds, rows_of
    from rpstn.metrics.tables import aligned, table

    start = EvaluateConfig(checkpoint=tyro.MISSING, dataset="sub_jhmdb")
    config = tyro.cli(EvaluateConfig, args=words, prog="rpstn folds", default=start, description=folds.__doc__)
    result = evaluate_folds(config)
    for fold, counted in result.metrics["counted"].items():
        left_out = f", {counted['entries_left_out']} damaged entries left out" if counted["entries_left_out"] else ""
        name = result.metrics["checkpoints"][fold]["name"]
        print(f"split {fold}: {name}, {counted['clips']} clips, {counted['frames']} frames{left_out}")
    for reference in result.metrics["scores"]:
        print(f"\nPCK@{result.metrics['threshold']:g} in percent, by {reference} size")
        print(aligned(table(rows_of(result.metrics, reference))))
    print(f"\n{result.out / 'mean.json'}")


def ablate(words: list[str]) -> None:
    """The ablation's cells; with the word merge, what is finished of them."""
    from rpstn.ablation_results import merge_cells, paper_table, read_cells, summarise
    from rpstn.ablations import AblationConfig
    from rpstn.ablations import ablate as run
    from rpstn.metrics.tables import aligned, markdown

    if words[:1] == ["merge"]:
        study = tyro.cli(merge_cells, args=words[1:], prog="rpstn ablate merge")
    else:
        study = summarise(read_cells(run(tyro.cli(AblationConfig, args=words, prog="rpstn ablate"))))
    print(aligned(markdown(paper_table(study))))


def predict(words: list[str]) -> int:
    """Predict a video into files; 130 if Ctrl-C stopped it."""
    from rpstn.pose_summary import summary_lines
    from rpstn.prediction_run import PredictConfig, predict_video

    # The words of the dataclass's own comments explain the options; VIDEO is the one that has no default.
    config = tyro.cli(PredictConfig, args=words, prog="rpstn predict", config=(tyro.conf.PositionalRequiredArgs,))
    result = predict_video(config)
    rate = f", {result.frames / result.seconds:.1f} a second" if not config.resume and result.seconds else ""
    print(f"{config.video}: {result.frames} frames{rate}" + ("" if result.complete else ", interrupted"))
    for line in (*result.weights.lines(), *(f"note: {note}" for note in result.notes), *summary_lines(result.summary)):
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
    runs/notebooks/NAME under the working directory; NAME is the profile and those values, such as smoke,
    demo-sub_jhmdb or demo-steps=2000. So a trial never replaces a page. --out names any other folder.

    Args:
        notebooks: short names such as data or train; all of them if none is given.
        profile: a set of parameter values: smoke (seconds), demo (minutes on two cores), paper (a GPU and real data).
        parameters: a value for one parameter, in every named notebook that has it; may be given again.
        out: folder for the executed notebooks; see above if not given.
        force: execute again what is fresh, too.
        list_parameters: only list notebooks, parameters and their values under this profile.
    """
    from rpstn.notebooks import run_notebooks

    return run_notebooks(notebooks, profile=profile, values=dict(parameters), out=out, force=force, only_list=list_parameters)


def bench(
    rows: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="[ROW ...]")] = (),
    /,
    *,
    out: Path = Path("runs/bench.json"),
    quick: bool = False,
) -> None:
    """Time this package against a plain re-creation of how the released code computes the same, as ratios of one run.

    Args:
        rows: matching, step, inference, loading, relation; all of them if none is given.
        out: JSON file to write.
        quick: small sizes and few repetitions, to see that everything works.
    """
    checkout = Path(__file__).resolve().parents[1]
    if not (checkout / "benchmarks").is_dir():
        raise UserError(
            "rpstn bench needs a checkout of the book: this installation has the package alone, without benchmarks/; clone the "
            "repository and call rpstn bench, or make bench, there"
        )
    sys.path.insert(0, str(checkout))
    from benchmarks.bench import bench as run

    run(rows, out=out, quick=quick)


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
        checkpoint: file that training wrote.
        out: folder to write to.
        tolerance: largest difference, as a part of an output's largest value.
    """
    from rpstn.export import export as run
    from rpstn.export import lines

    for line in lines(run(checkpoint, out, tolerance=tolerance)):
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
