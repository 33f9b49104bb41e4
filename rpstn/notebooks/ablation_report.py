"""An ablation in a reader's terms: differences with their intervals, verdicts in words, and a table in the paper's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rpstn.metrics.groups import LEAST
from rpstn.metrics.intervals import Interval
from rpstn.metrics.tables import percent
from rpstn.notebooks.published import PAPER_JOINTS, PublishedRow
from rpstn.skeletons import get_skeleton


def loss_interval(study: Mapping[str, Any], name: str, reference: str = "torso", subset: str = "all") -> Interval | None:
    """Return what the full network scores more than a row, as an Interval for figures and sentences; None where it is unknown."""
    score = study["rows"][name]["scores"][reference][subset]
    if score["loss"] is None:
        return None
    low, high = (np.nan if value is None else value for value in score["loss"]["interval"])
    seeds = len(score["loss"]["seeds"])
    return Interval(score["loss"]["estimate"], low, high, score["groups"], score["samples"], seeds=seeds)


def interval_words(study: Mapping[str, Any]) -> str:
    """Say in a sentence or two what the intervals of a study are: with few seeds they are not 95 % intervals."""
    seeds = sorted({len(row["seeds"]) for row in study["rows"].values()})
    few = [number for number in seeds if 1 < number < LEAST]
    sentences = []
    if seeds[0] == 1:
        sentences.append("With one seed, intervals are over groups alone.")
    if few:
        sentences.append(
            f"With {' or '.join(map(str, few))} seeds, the interval shown is the range of all draws. So few trainings allow no "
            "95 % interval, and where trainings differ more than groups do, the range is too narrow."
        )
    if seeds[-1] >= LEAST:
        sentences.append(f"With {LEAST} seeds or more, intervals are 95 % intervals over groups and seeds.")
    return " ".join(sentences)


def verdicts(study: Mapping[str, Any], *, reference: str = "torso", subset: str = "all") -> list[str]:
    """Write one sentence per row but the full network: better, worse, or inconclusive, and by how much.

    Fewer than five trainings of each decide nothing: chance between trainings is then not in the bounds, or not all of it.
    """
    items = {row["title"]: loss_interval(study, name, reference, subset) for name, row in study["rows"].items()}
    lines = [
        f"full against {title}: **{_verdict(item)}**; {item.text(signed=True, unit=' percentage points')}."
        for title, item in items.items()
        if item is not None and item.samples
    ]
    return lines or ["there is nothing to compare the full network with."]


def _verdict(item: Interval) -> str:
    if np.isnan(item.low):
        return "inconclusive: too few groups for an interval"
    if item.few_seeds:
        return "inconclusive: too few trainings"
    if not item.excludes_zero:
        return "inconclusive"
    return f"the full network is significantly {'better' if item.estimate > 0 else 'worse'}"


def paper_table(
    study: Mapping[str, Any], published: Sequence[PublishedRow] = (), *, reference: str = "torso", subset: str = "all"
) -> list[dict[str, str]]:
    """Build rows in the form of the paper's table, in percent: those of the study, then published ones.

    Every row says what it was measured on, and `interval_words` what its intervals are. Where a joint is missing its field is
    empty. A mean is given under the number of its joints, a published one too. What the full network scores more is over all.
    """
    measured = study["measured_on"]
    where = f"{measured['data_set']}, {measured['split']}: {measured['clips']} clips, {measured['groups']} groups"
    joints = len(get_skeleton(measured["skeleton"]))
    scores = {name: row["scores"][reference][subset] for name, row in study["rows"].items()}
    counts = {score.get("joints_scored") for score in scores.values()} | {row.joints for row in published}
    columns = [
        "",
        *PAPER_JOINTS,
        _mean(joints),
        "interval",
        *(_mean(count) for count in sorted(count for count in counts if count not in (None, joints))),
        f"full minus this ({joints} joints)",
        "its interval",
        "seeds",
        "measured on",
    ]
    rows = [_own_row(row, scores[name], joints) | {"measured on": where} for name, row in study["rows"].items()]
    rows += [_published_row(row) for row in published]
    return [{column: row.get(column, "") for column in columns} for row in rows]


def _own_row(row: Mapping[str, Any], score: Mapping[str, Any], joints: int) -> dict[str, str]:
    shown = {
        "": row["title"],
        **{joint: percent(value) for joint, value in score["joint_types"].items()},
        _mean(joints): percent(score["mean"]),
        "interval": _bounds(score["interval"]),
        "seeds": str(len(row["seeds"])),
    }
    if "mean_scored" in score:
        shown[_mean(score["joints_scored"])] = percent(score["mean_scored"])
    if score["loss"] is not None:
        shown[f"full minus this ({joints} joints)"] = f"{100 * score['loss']['estimate']:+.1f}"
        shown["its interval"] = _bounds(score["loss"]["interval"], "+")
    return shown


def _published_row(row: PublishedRow) -> dict[str, str]:
    return {
        "": row.method,
        **{joint: f"{value:.1f}" for joint, value in row.per_joint.items()},
        _mean(row.joints): f"{row.mean:.1f}",
        "measured on": f"{row.data_set}, {row.split}, as printed",
    }


def _mean(joints: int | None) -> str:
    return f"mean ({joints} joints)"


def _bounds(interval: Sequence[float | None], sign: str = "") -> str:
    known = [f"{100 * value:{sign}.1f}" for value in interval if value is not None]
    return " to ".join(known) if len(known) == len(interval) else ""
