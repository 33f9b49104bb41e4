"""Tables of scores, in the form that papers print: in Markdown, and aligned for a terminal.

`python -m rpstn.notebooks.readme README.md results/embedded.json` puts the scores of the shipped networks into the README.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tabulate import tabulate

from rpstn.metrics.keypoints import REFERENCES
from rpstn.metrics.scores import VISIBILITY_SUBSETS


def table(parts: Mapping[str, Mapping[str, Any]]) -> str:
    """Write scores as Markdown, one row per method: each joint, left and right pooled, then the mean over joints.

    parts  by method, what `rpstn.metrics.scores.describe` returns, e.g. metrics["scores"]["person"]["all"].
    Percent with one decimal; an empty cell where a joint has no sample. "mean" is the plain mean over joints, with its interval;
    where a data set leaves joints out of its own mean, that mean follows under the number of its joints.
    Raises ValueError for no method.
    """
    joint_types = dict.fromkeys(name for part in parts.values() for name in part["joint_types"])
    subsets = sorted({part["joints_scored"] for part in parts.values() if "joints_scored" in part})
    joints = {len(part["joints"]) for part in parts.values()}
    mean = f"mean ({joints.pop()} joints)" if subsets and len(joints) == 1 else "mean"
    rows = []
    for name, part in parts.items():
        row = {"": name} | {joint: percent(part["joint_types"].get(joint)) for joint in joint_types}
        row |= {mean: percent(part["mean"]), "95 % interval": _interval(part)}
        for count in subsets:
            row[f"mean ({count} joints)"] = percent(part["mean_scored"]) if part.get("joints_scored") == count else ""
        rows.append(row)
    return markdown(rows)


def means(methods: Mapping[str, Mapping[str, Any]]) -> str:
    """Write means over joints as Markdown, one row per method: by reference length and by visibility.

    methods  metrics["scores"] by method: [reference][subset] is what `describe` returns. The interval is that of all joints by
             person size.
    Raises ValueError for no method.
    """
    rows = []
    for name, scores in methods.items():
        row = {"mean PCK, %": name}
        for reference in REFERENCES:
            for subset in VISIBILITY_SUBSETS:
                row[f"{reference}: {subset}"] = percent(scores[reference][subset]["mean"])
                if (reference, subset) == ("person", "all"):
                    row["95 % interval"] = _interval(scores[reference][subset])
        rows.append(row)
    return markdown(rows)


def markdown(rows: Sequence[Mapping[str, str]], words: Sequence[str] = ()) -> str:
    """Write rows that share their columns as Markdown: the first column and those in `words` to the left, numbers to the right.

    Raises ValueError for no row.
    """
    if not rows:
        raise ValueError("there are no rows to put into a table")
    head = list(rows[0])
    sides = ["left" if name in (head[0], *words) else "right" for name in head]
    cells = [[row[name] for name in head] for row in rows]
    return tabulate(cells, head, tablefmt="pipe", colalign=sides, disable_numparse=True)


def aligned(markdown: str) -> str:
    """Write a Markdown table for a terminal, without its lines."""
    head, rule, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines())
    sides = ["right" if cell.endswith(":") else "left" for cell in rule]
    return tabulate([head, *rows], tablefmt="plain", colalign=sides, disable_numparse=True)


def _interval(part: Mapping[str, Any]) -> str:
    low, high = part["interval"]
    return "" if low is None or high is None else f"{percent(low)} to {percent(high)}"


def percent(value: float | None) -> str:
    """Write a share in percent with one decimal; empty where there is none."""
    return "" if value is None or value != value else f"{100 * value:.1f}"
