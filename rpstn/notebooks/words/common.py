"""Phrases that several chapters share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from rpstn.metrics.intervals import Interval
from rpstn.metrics.significance import detectable_effect

POINTS = " percentage points"


def listed(names: Sequence[str]) -> str:
    """Join names as a sentence does: "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def plural(count: int, noun: str) -> str:
    """Count a noun: "1 frame", "2 frames"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def bullets(lines: Iterable[str]) -> str:
    """Set lines as a Markdown list."""
    return "\n".join(f"- {line}" for line in lines)


def or_none(text: str, otherwise: str) -> str:
    """Return the text, or the sentence that stands for it where there is none."""
    return text or otherwise


def excluded(count: int, reason: str) -> str:
    """Say in parentheses how many clips were excluded: " (3 excluded: REASON)"; nothing where none was."""
    return f" ({count} excluded: {reason})" if count else ""


def points(item: Interval) -> str:
    """Print a difference for a table: "+1.2 (-0.3 to +2.9)"; empty where nothing was counted."""
    return item.brief(signed=True)


def bounds(interval: Sequence[float | None], missing: str = "none") -> str:
    """Print the bounds of an interval of fractions in percent, "78.0 to 84.1"; where it has none, the word for that."""
    low, high = interval
    return missing if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"


def finding(
    item: Interval,
    above: str = "**significantly more often**",
    below: str = "**significantly less often**",
    inconclusive: str | None = None,
    nothing: str = "**too few groups to say**",
) -> str:
    """Choose the words for a difference: its whole interval is above zero, below it, or neither; or there is no interval."""
    if not item.samples or np.isnan(item.low):
        return nothing
    if item.low <= 0 <= item.high:
        return f"**{no_difference(item)}**" if inconclusive is None else inconclusive
    return above if item.low > 0 else below


def no_difference(item: Interval) -> str:
    """Say that a difference is not significant, and how large it would have had to be to be found, in percentage points."""
    effect = 100 * detectable_effect(item)
    return f"no significant difference (smallest detectable effect {effect:.{1 if effect >= 0.1 else 2}f})"


def differences(items: Mapping[str, Interval], *words: str) -> str:
    """List differences in percentage points, each with what it shows; words as for `finding`."""
    return bullets(
        f"{name}: {item.text(signed=True, unit=POINTS)}: {finding(item, *words)}." for name, item in items.items() if item.samples
    )


def significant_in(items: Mapping[str, Interval], sign: int, noun: str = "") -> str:
    """Count the cases in which a difference is significantly positive (sign 1) or negative (-1), and name them.

    noun  what the cases are: "2 of 4 kinds (a; d)".
    """
    counted = {name: item for name, item in items.items() if item.samples and not np.isnan(item.low)}
    found = [name for name, item in counted.items() if (item.low > 0 if sign > 0 else item.high < 0)]
    return f"{len(found)} of {len(counted)}{noun and f' {noun}'}" + (f" ({'; '.join(found)})" if found else "")
