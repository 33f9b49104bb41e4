"""The measurements of `rpstn bench`, as a table and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def bench_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Make one row per measurement: the times of both ways, their ratio, its target, and how far apart the results are."""
    return [
        {
            "measured": row["name"],
            "setting": row["setting"],
            "released style, ms": f"{1000 * row['theirs']:.4g}",
            "here, ms": f"{1000 * row['ours']:.4g}",
            "ratio": f"{row['ratio']:.1f}",
            "target": "" if row["asked"] is None else f"{row['asked']:g}",
            "difference": "" if row["agreement"] is None else f"{row['agreement']:.0e}",
        }
        for row in rows
    ]


def targets_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Name the measurements that miss their target, or say that none does."""
    missed = [row for row in rows if row["asked"] is not None and row["ratio"] < row["asked"]]
    if not missed:
        return "All rows reach their target."
    named = "; ".join(f"{row['name']}, {row['setting']} ({row['ratio']:.1f} of {row['asked']:g})" for row in missed)
    return f"Below the target: {named}."


def matching_words(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what share of the matrix rate the matching reaches, and what its target would take."""
    return "\n\n".join(
        f"The matching is {row['ratio']:.1f} times as fast as the released way, at {row['extra']['share of matrix rate']} of the "
        f"matrix rate. {row['asked']:g} times would take {row['asked'] / row['ratio']:.1f} times that share."
        for row in rows
        if row["name"] == "matching"
    )
