"""`rpstn ...`: the command line. Options come from the same dataclasses and functions that the library has.

What a user can fix (UserError) is reported in one line, without a traceback, and ends with exit code 2; a notebook or run that
fails by itself ends with 1, an interruption with 130.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rpstn import __version__
from rpstn.cli.streams import escaping
from rpstn.errors import UserError, suggest
from rpstn.runs.memory import keep_memory
from rpstn.runs.ranks import idle_rank


@dataclass(frozen=True)
class Command:
    """One command of the table.

    words     what follows its name, as the table shows it.
    does      what it does, in a line.
    function  its module in rpstn.cli and its name there. Tyro reads the options from its annotations.
    pairs     whether it takes -p NAME=VALUE.
    """

    words: str
    does: str
    function: str
    pairs: bool = False

    def load(self) -> Callable[..., Any]:
        """Import the function."""
        module, _, name = self.function.partition(".")
        found: Callable[..., Any] = getattr(importlib.import_module(f"rpstn.cli.{module}"), name)
        return found


# The table of all commands stays ours: to print its own help, tyro would have to import the configuration of every command, and
# they load torch. Commands that share their first word are tyro's subcommands.
_COMMANDS = {
    "data list": Command("", "list the data sets: where to get them, terms, size, layout, and what is here", "data.list_sets"),
    "data make": Command("NAME [ROOT]", "make a data set that is computed: embedded", "data.make"),
    "data check": Command("NAME [ROOT]", "read every label of a data set and report what is wrong with it", "data.check"),
    "train": Command("", "train a network; an interrupted run is resumed", "training.train"),
    "evaluate": Command("--checkpoint F", "score a checkpoint on a split", "scores.evaluate"),
    "publish": Command(
        "--name NAME", "score finished runs for results/NAME.json, which the book's tables are made of", "studies.publish"
    ),
    "folds": Command(
        "--checkpoint 'F'", "score three checkpoints, one per split of sub_jhmdb ({fold} in F), and their mean", "scores.folds"
    ),
    "ablate run": Command(
        "", "train and score the ablation's runs, each once; stop and resume it any time (also: rpstn ablate)", "studies.run"
    ),
    "ablate merge": Command(
        "FOLDER ...", "put finished runs, of one machine or several, into results/ablations.json", "studies.merge"
    ),
    "predict": Command(
        "VIDEO", "poses of a video, a folder of frames or a camera (its index): JSON, CSV, annotated .webm", "prediction.predict"
    ),
    "calibrate": Command(
        "CHECKPOINT", "measure which of its confidences are low, for predict (training does it by itself)", "calibrate.calibrate"
    ),
    "convert": Command(
        "CHECKPOINT -o OUT", "make a checkpoint of this package from one of the authors' files", "weights.convert"
    ),
    "export": Command(
        "CHECKPOINT -o DIR", "write a network as ONNX, checked against torch (needs the extra export)", "weights.export"
    ),
    "bench": Command("", "time this package against the released code's way (needs a checkout of the book)", "book.bench"),
    "run": Command("[NOTEBOOK ...]", "execute the book's notebooks, in order (needs a checkout)", "book.run", pairs=True),
}
_REPEATING = ("train", "evaluate", "publish", "folds", "ablate")  # commands that take one large step again and again
# The subcommand that is meant where options follow the first word.
_IMPLIED = {"ablate": "run"}
_HELP = ("-h", "--help")
_USAGE = """\
usage: rpstn COMMAND [OPTIONS]       (rpstn COMMAND --help explains one)

{commands}

Data lies in ROOT, else in $RPSTN_DATA/NAME, else in data/NAME in the checkout or the working directory.
Exit codes: 0 done; 1 a check or a notebook failed; 2 a mistake, which one line explains; 130 interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. arguments: those after `rpstn`; sys.argv if not given."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words and words[0] in _REPEATING:
        keep_memory()
    with escaping(), warnings.catch_warnings():
        warnings.showwarning = _warn  # restored where the block ends
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        return _dispatch(words)
    except UserError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("rpstn: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has closed it
        sys.stderr.close()
        return 1
    except OSError as error:  # a place that cannot be read or written; without a name, it is a fault of the program
        named = isinstance(error.filename, str | bytes | os.PathLike)
        if not named and error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        where = f"{os.fsdecode(error.filename)}: " if named else ""
        return _refuse(f"{where}{error.strerror}; name a place that can be read and written, or make this one so")
    except UnicodeEncodeError as error:  # of a path on a system whose file names are not UTF-8; `escaping` takes all output
        if error.encoding != sys.getfilesystemencoding():
            raise
        return _refuse(f"{error.object}: no file here can have that name ({error}); set LC_ALL=C.UTF-8 or PYTHONUTF8=1")
    except SystemExit as stop:  # tyro has printed its help
        return stop.code if isinstance(stop.code, int) else 0


def _warn(message: Warning | str, *_place: Any, **_more: Any) -> None:
    """Show a warning in a line of ours: its place in the code says nothing to whoever runs a command."""
    print(f"rpstn: warning: {' '.join(str(message).split())}", file=sys.stderr)


def _refuse(message: str) -> int:
    print(f"rpstn: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _dispatch(words: list[str]) -> int:
    if idle := idle_rank():
        print(f"rpstn: {idle}", file=sys.stderr)
        return 0
    if not words or words[0] in _HELP:
        print(_usage())
        return 0 if words else 2
    if words[0] in ("-V", "--version"):
        print(f"rpstn {__version__}")
        return 0
    first, *rest = words
    _check_known(first, dict.fromkeys(name.partition(" ")[0] for name in _COMMANDS), "rpstn")
    found = {name.partition(" ")[2]: command for name, command in _COMMANDS.items() if name.partition(" ")[0] == first}
    if "" not in found:
        rest = _subcommand(first, rest, found)
    from rpstn.cli import words as reading  # with tyro, which `rpstn --help` can do without

    reading.refuse_empty(words)
    if any(command.pairs for command in found.values()):
        rest = reading.pairs(rest)
    return reading.bind({name: command.load() for name, command in found.items()}, rest, f"rpstn {first}")() or 0


def _subcommand(first: str, rest: list[str], known: Iterable[str]) -> list[str]:
    """Return the words after the first, with the subcommand that is implied; UserError for one that does not exist."""
    implied = [_IMPLIED[first]] if first in _IMPLIED else []
    if not rest:
        return implied
    if rest[0].startswith("-"):
        return rest if rest[0] in _HELP else implied + rest
    _check_known(rest[0], known, f"rpstn {first}")
    return rest


def _check_known(word: str, known: Iterable[str], where: str) -> None:
    if word not in known:
        raise UserError(f"{where} has no command {word!r}{suggest(word, known)}; it has: {', '.join(known)}")


def _usage() -> str:
    return _USAGE.format(
        commands="\n".join(f"  {f'{name} {command.words}':25} {command.does}" for name, command in _COMMANDS.items())
    )
