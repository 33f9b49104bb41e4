"""Scores as tables: in the form that papers print, and aligned for a terminal.

`python -m rpstn.notebooks.readme README.md results/embedded.json` puts the published scores into the README.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rpstn.metrics.keypoints import REFERENCES

VISIBILITY_SUBSETS = ("all", "visible", "occluded")


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
    groups = list(dict.fromkeys(name for part in parts.values() for name in part["joint_types"]))
    subsets = sorted({part["joints_scored"] for part in parts.values() if "joints_scored" in part})
    joints = {len(part["joints"]) for part in parts.values()}
    mean = f"mean ({joints.pop()} joints)" if subsets and len(joints) == 1 else "mean"
    head = ["", *groups, mean, "95 % interval", *(f"mean ({count} joints)" for count in subsets)]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, part in parts.items():
        lines.append(
            [
                name,
                *(percent(part["joint_types"].get(group)) for group in groups),
                percent(part["mean"]),
                _interval(part),
                *(percent(part["mean_scored"]) if part.get("joints_scored") == count else "" for count in subsets),
            ]
        )
    return _markdown(lines)


def means(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Markdown, one row per method: the mean over joints by reference length and by visibility.

    rows  by method, metrics["scores"]: [reference][subset] is what `describe` returns. The interval is that of
    all joints by person size.
    """
    if not rows:
        raise ValueError("there are no scores to put into a table")
    head = ["mean PCK, %"]
    for reference in REFERENCES:
        interval = ["95 % interval"] if reference == "person" else []
        head += [f"{reference}: all", *interval, *(f"{reference}: {subset}" for subset in VISIBILITY_SUBSETS[1:])]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    for name, scores in rows.items():
        cells = [name]
        for reference in REFERENCES:
            values = [percent(scores[reference][subset]["mean"]) for subset in VISIBILITY_SUBSETS]
            interval = [_interval(scores[reference]["all"])] if reference == "person" else []
            cells += [values[0], *interval, *values[1:]]
        lines.append(cells)
    return _markdown(lines)


def markdown(rows: Sequence[Mapping[str, str]], words: Sequence[str] = ()) -> str:
    """Markdown of rows that share their columns: the first column and those of `words` to the left, numbers to the right.

    Raises ValueError for no row.
    """
    if not rows:
        raise ValueError("there are no rows to put into a table")
    head = list(rows[0])
    rule = ["---" if name in (head[0], *words) else "---:" for name in head]
    return _markdown([head, rule, *([row[name] for name in head] for row in rows)])


def aligned(markdown: str) -> str:
    """A Markdown table for a terminal: columns of one width, names to the left and numbers to the right."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in markdown.splitlines()]
    rows = [row for row in rows if not all(set(cell) <= set("-:") and cell for cell in row)]
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def _interval(part: Mapping[str, Any]) -> str:
    low, high = part["interval"]
    return "" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def percent(value: float | None) -> str:
    """A share in percent with one decimal; empty where there is none."""
    return "" if value is None or value != value else f"{100 * value:.1f}"
