"""What the values of a configuration must be, whoever gives them: of their type, finite, and paths with `~` expanded."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np

from rpstn.errors import UserError
from rpstn.runs.paths import expanded

_WORDS = {int: "a whole number", float: "a finite number", bool: "True or False", str: "text", Path: "a path"}


def check_settings(config: Any, *, paths: tuple[str, ...] = (), where: str = "") -> None:
    """Check every field of a configuration dataclass against its type, and expand `~` in those that are paths.

    A bool is no number, and neither nan nor an infinity is one. `where` stands before a field's name in an error. Raises
    UserError that names the field and its value.
    """
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, kind = getattr(config, field.name), hints[field.name]
        if not _fits(value, kind):
            raise UserError(f"{where}{field.name} must be {_describe(kind)}, not {value!r}")
        if field.name in paths and value is not None and not os.fspath(value):
            raise UserError(f"{where}{field.name} is empty; give a path, or leave it out")
        if field.name in paths and value is not None:
            path = expanded(value) if Path in (kind, *get_args(kind)) else _as_text(value)
            object.__setattr__(config, field.name, path)  # the configuration is frozen, and not yet handed out


def _as_text(path: str | os.PathLike[str]) -> str:
    """Keep what was written, as config.json shows it, but for a leading ~."""
    text = os.fspath(path)
    return str(expanded(text)) if text.startswith("~") else text


def _fits(value: Any, kind: Any) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is tuple:
        if not isinstance(value, tuple | list):
            return False
        kinds = parts[:1] * len(value) if parts[-1] is Ellipsis else parts
        return len(kinds) == len(value) and all(map(_fits, value, kinds))
    if kind is bool:
        return isinstance(value, bool | np.bool_)
    if kind in (int, float):
        number = numbers.Integral if kind is int else numbers.Real
        return isinstance(value, number) and not isinstance(value, bool) and math.isfinite(value)
    if kind in (str, Path):
        return isinstance(value, str | os.PathLike)
    return isinstance(value, kind) if isinstance(kind, type) else True


def _describe(kind: Any) -> str:
    """Describe a type in words: `tuple[float, float]` is "2 values, each a finite number"."""
    origin, parts = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_describe(part) for part in parts))
    if origin is tuple:
        count = "a list of values" if parts[-1] is Ellipsis else f"{len(parts)} values"
        return f"{count}, each {_describe(parts[0])}"
    return "None" if kind is types.NoneType else _WORDS.get(kind, getattr(kind, "__name__", str(kind)))
