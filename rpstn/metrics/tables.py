"""Scores as a table in the form that papers print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, one row per method: left and right of each joint pooled, then the mean over joints with its
    interval.

    parts  by method, what `rpstn.metrics.scores.describe` returns, e.g. metrics["scores"]["person"]["all"].
    Percent with one decimal; an empty cell where a joint has no sample. "mean" is the plain mean over joints;
    where a data set leaves joints out of its own mean, that mean stands beside it under the number of its
    joints.
    """
    if not parts:
        raise ValueError("there are no scores to put into a table")
    groups = list(dict.fromkeys(name for part in parts.values() for name in part["groups"]))
    subsets = sorted({part["joints_scored"] for part in parts.values() if "joints_scored" in part})
    joints = {len(part["joints"]) for part in parts.values()}
    mean = f"mean ({joints.pop()} joints)" if subsets and len(joints) == 1 else "mean"
    head = ["", *groups, mean, "95 % interval", *(f"mean ({count} joints)" for count in subsets)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, part in parts.items():
        low, high = part["interval"]
        lines.append(
            [
                name,
                *(_percent(part["groups"].get(group)) for group in groups),
                _percent(part["mean"]),
                "" if low is None or high is None else f"{_percent(low)} to {_percent(high)}",
                *(
                    _percent(part["mean_scored"]) if part.get("joints_scored") == count else ""
                    for count in subsets
                ),
            ]
        )
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _percent(value: float | None) -> str:
    return "" if value is None or value != value else f"{100 * value:.1f}"
