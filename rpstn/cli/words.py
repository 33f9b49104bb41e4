"""Words of the command line into calls: tyro reads them, and its errors, which are boxes of several lines, become one line."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import tyro

from rpstn.errors import UserError
from rpstn.runs.environment import environment
from rpstn.runs.paths import check_folder
from rpstn.runs.renamed import SETTINGS

T = TypeVar("T")
# A configuration whose fields are the options of a command: --steps, not --config.steps.
Options = Annotated[T, tyro.conf.arg(name="")]
# Sets a notebook's parameter: -p NAME VALUE.
PARAMETER = ("-p", "--parameter")
# What Python says of a text that is no number, in plain words.
_PLAIN = (
    (r"no type matching .*>: (.*)", r"\1"),  # of an optional number, what is wrong with it as a number
    (r"invalid literal for int\(\) with base 10: (.*)", r"\1 is not a whole number"),
    (r"could not convert string to float: (.*)", r"\1 is not a number"),
    (r"Error parsing [A-Z]\w*: ", ""),  # the name of a configuration's class
    (r"Error parsing ", ""),
    (r"Expected one of \{(.*)\}\.", r"name one of: \1"),
    (r"Unrecognized options: ", "unknown words: "),
    (r"Missing value for argument '(\w+)'\. Expected 1 values\.", r"missing: \1"),
    (r"Missing value for argument '(.*?)'\. Expected 1 values\.", r"\1 needs a value"),
    (r"Missing value for argument '(.*?)'\. Expected (\d+) values\.", r"\1 needs \2 values"),
)


def bind(functions: Mapping[str, Callable[..., Any]], words: Sequence[str], prog: str) -> Callable[[], Any]:
    """Make a call of a function from words.

    functions: by the word that chooses one of them; "" is one that needs no such word. Raises UserError of one line for words
    that do not fit, and for a configuration whose folder of results cannot be written to; SystemExit after --help.
    """
    calls = {name: _later(function) for name, function in functions.items()}
    tell = tyro.cli if "" in calls else tyro.extras.subcommand_cli_from_dict
    target: Any = calls.get("", calls)
    if {"-h", "--help"} & set(words):
        return tell(target, args=words, prog=prog)
    words = [_renamed(word) for word in words]
    output = io.StringIO()
    try:
        # A terminal so wide that no line is broken, which could be in the middle of a path.
        with environment(COLUMNS="100000"), contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            made = tell(target, args=words, prog=prog, registry=_rules())
    except SystemExit as stop:
        if not stop.code:  # such as a completion script
            print(output.getvalue(), end="")
            raise
        command = prog if "" in calls or not words else f"{prog} {words[0]}"
        raise UserError(f"{_one_line(output.getvalue())}; see {command} --help") from None
    sys.stderr.write(output.getvalue())  # such as warnings
    for value in made.keywords.values():
        out = getattr(value, "out", None) if dataclasses.is_dataclass(value) else None
        if out is not None:  # a configuration's folder of results
            check_folder(out)
    return made


def _later(function: Callable[..., Any]) -> Callable[..., Callable[[], Any]]:
    """Give a function with the same options that returns the call, so that what it raises is not taken for tyro's error."""

    @functools.wraps(function)
    def later(*arguments: Any, **options: Any) -> Callable[[], Any]:
        return functools.partial(function, *arguments, **options)

    return later


def _renamed(word: str) -> str:
    """Give an option under today's name where it is one of an older version."""
    option, equals, value = word.partition("=")
    name = option.removeprefix("--").removeprefix("augmentation.").replace("-", "_")
    if not option.startswith("--") or name not in SETTINGS:
        return word
    return option.replace(name.replace("_", "-"), SETTINGS[name].replace("_", "-")).replace(name, SETTINGS[name]) + equals + value


def refuse_empty(words: Sequence[str]) -> None:
    """Raise UserError for an empty word, which as a path would be the working directory; -p NAME '' is an empty text."""
    for index, word in enumerate(words):
        if not word and words[max(index - 2, 0)] not in PARAMETER:
            raise UserError(f"the word after {words[index - 1]} is empty; give a value, or leave the option out")
        if re.fullmatch(r"--[\w.-]+=", word):
            raise UserError(f"{word} is followed by nothing; give a value, or leave the option out")


def pairs(words: Sequence[str]) -> list[str]:
    """Write each -p NAME=VALUE as -p NAME VALUE. Raises UserError where one has no value."""
    found: list[str] = []
    rest = list(words)
    while rest:
        found.append(rest.pop(0))
        if found[-1] in PARAMETER:
            name, equals, value = rest.pop(0).partition("=") if rest else ("", "", "")
            if not equals:
                value = rest.pop(0) if rest else "--"
            if value.startswith("--"):  # the next option
                raise UserError(f"{found[-1]} takes a name and a value: {found[-1]} NAME VALUE, such as {found[-1]} steps 100")
            found += [name, value]
    return found


def _rules() -> tyro.constructors.ConstructorRegistry:
    """Let floats be finite: `nan` and `inf` pass every comparison that a configuration makes, or none."""
    registry = tyro.constructors.ConstructorRegistry()

    @registry.primitive_rule
    def finite(info: tyro.constructors.PrimitiveTypeInfo) -> tyro.constructors.PrimitiveConstructorSpec[float] | None:
        if info.type is not float:
            return None
        return tyro.constructors.PrimitiveConstructorSpec(
            nargs=1,
            metavar="FLOAT",
            instance_from_str=lambda texts: _finite(texts[0]),
            is_instance=lambda value: isinstance(value, float | int),
            str_from_instance=lambda value: [str(value)],
        )

    return registry


def _finite(text: str) -> float:
    value = float(text)
    if value - value:  # nan for both
        raise ValueError(f"{text!r} is not a finite number")
    return value


def _one_line(box: str) -> str:
    """Condense what tyro's box says: the fault, and the names that may have been meant.

    Without a terminal it has a title, and rules between its parts; each line begins with two blanks.
    """
    parts: list[list[str]] = [[]]
    for line in box.splitlines()[1:]:
        if set(line.strip()) == {"-"}:
            parts.append([])
        elif line.strip():
            parts[-1].append(line[2:].rstrip())
    fault, *others = [part for part in parts if part] or [[" ".join(box.split())]]
    if fault[0].startswith("Missing from"):  # each name has its explanation under it, further to the right
        said = f"missing: {', '.join(line.strip() for line in fault if re.match(r' {4}[^ ]', line))}"
    else:
        said = " ".join(line.strip() for line in fault)
    said += "".join(f"; {' '.join(line.strip() for line in part)}" for part in others if part[0].startswith("Unrecognized"))
    for pattern, plain in _PLAIN:
        said = re.sub(pattern, plain, said)
    heads = ("Perhaps you meant", "Arguments similar to")
    meant = [line.split()[0] for part in others if part[0].startswith(heads) for line in part if line.strip()[0] == "-"]
    return said + (f"; did you mean {' or '.join(meant[:2])}?" if meant else "")
