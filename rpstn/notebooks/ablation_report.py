"""An ablation in a reader's terms: differences with their intervals, what they say together, and a table in the paper's form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rpstn.metrics.endpoints import PRIMARY
from rpstn.metrics.intervals import Interval
from rpstn.metrics.significance import Finding, judge
from rpstn.metrics.tables import percent
from rpstn.notebooks.ablations import RUNS, VISIBILITY_SUBSETS
from rpstn.notebooks.published import PAPER_JOINTS, PublishedRow
from rpstn.skeletons import get_skeleton
from rpstn.train.recipes import VARIANTS

# The run that the full network is compared with by the primary endpoint.
PRIMARY_RUN = next(name for name, changes in RUNS.items() if changes == VARIANTS[PRIMARY.comparison])
_FIVE = 5  # seeds: with fewer, an earlier version's interval was the range of its draws


def loss_interval(study: Mapping[str, Any], name: str, reference: str = "torso", subset: str = "all") -> Interval | None:
    """Return what the full network scores more than a row, as an Interval for figures and sentences; None where it is unknown."""
    score = study["rows"][name]["scores"][reference][subset]
    if score["loss"] is None:
        return None
    return _interval(score["loss"], score, len(score["loss"]["seeds"]))


def _interval(part: Mapping[str, Any], score: Mapping[str, Any], seeds: int) -> Interval:
    """Return an estimate of a study with its interval.

    An earlier version recorded no degrees of freedom. Its bounds of five seeds or more are those of t with min(R, G) - 1, and too
    wide; of two to four seeds they were the range of its draws, which is no interval. So those are NaN.
    """
    low, high = (np.nan if value is None else value for value in part["interval"])
    if part.get("df") is None and 1 < seeds < _FIVE:
        low = high = np.nan
    older = None if np.isnan(low) else float(min(seeds, score["groups"]) - 1 if seeds > 1 else score["groups"] - 1)
    estimate = part.get("estimate", part.get("mean"))
    return Interval(estimate, low, high, score["groups"], score["samples"], seeds=seeds, df=part.get("df", older))


def has_intervals(study: Mapping[str, Any]) -> bool:
    """Tell whether a study's intervals are over groups and seeds together (`rpstn.metrics.crossed`), not an earlier version's."""
    return all("df" in score for row in study["rows"].values() for part in row["scores"].values() for score in part.values())


def findings(study: Mapping[str, Any]) -> dict[tuple[str, str], Finding]:
    """Judge what the full network scores more than each other row, by row and visibility subset: `PCK@0.2` by torso size.

    All are one family, but for the primary endpoint's comparison, which was fixed beforehand (`rpstn.metrics.endpoints`).
    """
    names = {f"{name} {subset}": (name, subset) for subset in VISIBILITY_SUBSETS for name in study["rows"]}
    items = {key: loss_interval(study, name, PRIMARY.reference, subset) for key, (name, subset) in names.items()}
    known = {key: item for key, item in items.items() if item is not None and item.samples}
    return {names[key]: found for key, found in judge(known, primary=f"{PRIMARY_RUN} {PRIMARY.subset}").items()}


def paper_table(
    study: Mapping[str, Any], published: Sequence[PublishedRow] = (), *, reference: str = "torso", subset: str = "all"
) -> list[dict[str, str]]:
    """Build rows in the form of the paper's table, in percent: those of the study, then published ones.

    Every row says what it was measured on. Where a joint or an interval is missing, its field is empty. A mean is given under
    the number of its joints, a published one too. What the full network scores more is over all.
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
        "interval": _bounds(_interval(score, score, len(row["seeds"]))),
        "seeds": str(len(row["seeds"])),
    }
    if "mean_scored" in score:
        shown[_mean(score["joints_scored"])] = percent(score["mean_scored"])
    if score["loss"] is not None:
        shown[f"full minus this ({joints} joints)"] = f"{100 * score['loss']['estimate']:+.1f}"
        shown["its interval"] = _bounds(_interval(score["loss"], score, len(score["loss"]["seeds"])), "+")
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


def _bounds(item: Interval, sign: str = "") -> str:
    return "" if np.isnan(item.low) else f"{100 * item.low:{sign}.1f} to {100 * item.high:{sign}.1f}"
