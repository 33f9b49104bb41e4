"""The one error a user can fix, and the checks of numbers that raise it everywhere."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any


class UserError(ValueError):
    """Something outside the program is wrong: a path, a file, a value.

    The message says three things: which file or value, why it cannot be used, and what to do. The command line
    prints it as it is, without a traceback. Programming errors are ordinary Python exceptions and keep theirs.
    """


class OutOfRange(UserError, IndexError):
    """A number of something that is not there. An IndexError, too, as Python's sequences raise it."""


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return the value, a whole number of at least `least`. UserError for anything else; True and 3.0 are none."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}; give another")
    return int(value)


def positive(name: str, value: Any) -> float:
    """Return the value, a finite number above 0. UserError for anything else; True is none."""
    if isinstance(value, bool) or not isinstance(value, Real) or not (math.isfinite(value) and value > 0):
        raise UserError(f"{name} must be a finite number above 0, not {value!r}; give another")
    return float(value)


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x' or 'y'?` for a mistyped name, or nothing if no known one is near."""
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(item) for item in near)}?" if near else ""
