"""The one error that a user can fix, and checks that every room makes: of numbers, and of names to choose from."""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any


class UserError(ValueError):
    """Report that something outside the program is wrong: a path, a file, a value.

    The message says three things: which file or value, why it cannot be used, and what to do. The command line prints it without
    a traceback. Programming errors are ordinary Python exceptions.
    """


class OutOfRange(UserError, IndexError):
    """Report an index of something that does not exist; an IndexError too, as Python's sequences raise."""


def whole(name: str, value: Any, least: int = 1) -> int:
    """Return the value, a whole number of at least `least`. Raises UserError for anything else, also for True and 3.0."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}; give another")
    return int(value)


def check_seed(seed: Any) -> int:
    """Return a seed, a whole number of 0 to 2**32 - 1, as NumPy and torch take it. Raises UserError for anything else."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**32:
        raise UserError(f"seed must be a whole number of 0 to 2**32 - 1, not {seed!r}; give another")
    return int(seed)


def positive(name: str, value: Any) -> float:
    """Return the value, a finite number above 0. Raises UserError for anything else, also for True."""
    if isinstance(value, bool) or not isinstance(value, Real) or not (math.isfinite(value) and float(value) > 0):
        raise UserError(f"{name} must be a finite number above 0, not {value!r}; give another")
    return float(value)


def one_of(name: str, value: Any, known: Collection[Any]) -> None:
    """Raise ValueError for a value that is none of those known."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}, not {value!r}")


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest known names for a mistyped one: `; did you mean 'x' or 'y'?`, or nothing if none is close."""
    near = difflib.get_close_matches(name, list(known), n=2, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(item) for item in near)}?" if near else ""
