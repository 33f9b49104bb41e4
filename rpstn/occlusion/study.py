"""What networks, and rules, find of the joints that an occluder hides, as counts.

What is counted is kept by group, so that intervals, over groups and over seeds, can be computed from a results file alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.truth import Truth
from rpstn.metrics.groups import sums_per_group
from rpstn.metrics.hidden import MEASURES, SPEEDS, hidden_samples
from rpstn.metrics.intervals import Interval, interval, paired_interval
from rpstn.metrics.scores import samples
from rpstn.occlusion.baselines import confident, filtered, rule_predictions, told
from rpstn.occlusion.cuts import SplicedFrames
from rpstn.occlusion.recovery import part_frames, unoccluded

STUDY_BINS = ((1, 5), (6, 8), (9, 12))

# By group: how many joints were found, of how many.
Counts = dict[str, tuple[int, int]]
# By row, measure and part.
Rows = dict[str, dict[str, dict[str, Counts]]]


def first_frames(dataset: ClipDataset, length: int) -> ClipDataset:
    """Cut every clip down to its first frames; what a data set says beyond labels is dropped. Shorter clips are left out."""
    return replace(dataset, clips=tuple(_cut(clip, length) for clip in dataset if len(clip) >= length))


def _cut(clip: Clip, length: int) -> Clip:
    frames = SplicedFrames(clip.frames, clip.frames, length, length)
    labels = {name: getattr(clip, name)[:length] for name in ("joints", "visibility", "boxes")}
    return replace(clip, frames=frames, truth=Truth(), **labels)


def network_rows(occluded: ClipDataset, predictions: Predictions, clear: Predictions) -> dict[str, Predictions]:
    """List what is scored of one network, by row.

    "network"          its predictions behind the occluder.
    "unoccluded"       the same frames without it: an upper bound.
    "hold", "velocity", "one-euro", "Kalman"  its own predictions over time, of the joints that the labels call visible.
    "hold, confident" and so on: of those that it is confident of (`rpstn.occlusion.baselines.confident`).

    clear  predictions for clips without occluders, by whose names the occluded ones know them.
    """
    sure = filtered(predictions, occluded, confident(predictions, occluded))
    return {
        "network": predictions,
        "unoccluded": unoccluded(clear, occluded),
        **filtered(predictions, occluded, told(occluded)),
        **{f"{name}, confident": found for name, found in sure.items()},
    }


def rule_rows(occluded: ClipDataset) -> dict[str, Predictions]:
    """List what needs no network, by row: `rpstn.occlusion.baselines.RULES`."""
    return rule_predictions(occluded)


def count_rows(occluded: ClipDataset, rows: Mapping[str, Predictions], bins: Sequence[tuple[int, int]] = STUDY_BINS) -> Rows:
    """Count what each row finds: [row][measure][part][group] -> (found, of how many); parts without a sample are left out.

    measure  of `rpstn.metrics.hidden.MEASURES`.
    part     frames hidden, such as "1-5"; these by the joint's speed, "1-5 slow" and "1-5 fast"; and "visible": joints that the
             occluder has not hidden, while it hides others.
    Only the joints that the data set scores count. Raises UserError where a clip has no occluder.
    """
    return {
        name: {measure: _count(occluded, found, bins, **settings) for measure, settings in MEASURES.items()}
        for name, found in rows.items()
    }


def _count(occluded: ClipDataset, found: Predictions, bins: Sequence[tuple[int, int]], **measure: Any) -> dict[str, Counts]:
    values: dict[str, np.ndarray] = {}
    for speed in (None, *SPEEDS):
        parts, _ = hidden_samples(found, occluded, bins, by="occluder", speed=speed, **measure)
        values |= {f"{low}-{high}" + (f" {speed}" if speed else ""): part for (low, high), part in zip(bins, parts, strict=True)}
    judged = samples(found, occluded, subset="visible", **measure)
    active = np.concatenate([part_frames(clip, "unoccluded_joints") for clip in occluded]) > 0
    values["visible"] = np.where(active, judged.correct, np.nan)
    scored = list(occluded.skeleton.scored)
    counted = {part: _by_group(rows[:, scored], judged.groups) for part, rows in values.items()}
    return {part: groups for part, groups in counted.items() if groups}


def _by_group(values: np.ndarray, groups: np.ndarray) -> Counts:
    names, hits, counts = sums_per_group(values, groups)
    pairs = zip(names, hits.sum(axis=1).astype(int), counts.sum(axis=1).astype(int), strict=True)
    return {str(name): (int(found), int(total)) for name, found, total in pairs if total}


def share(counts: Counts) -> float:
    """Compute the share found over all groups; NaN without any joint."""
    found, total = (sum(pair[number] for pair in counts.values()) for number in (0, 1))
    return found / total if total else float("nan")


def counts_interval(counts: Counts, **settings: Any) -> Interval:
    """Compute a share's interval over groups; settings as for `rpstn.metrics.intervals.interval`."""
    return _from_counts(interval, counts, **settings)


def counts_gain(ours: Counts, theirs: Counts, **settings: Any) -> Interval:
    """Compute the interval of a paired difference. Raises ValueError where the two do not count the same joints."""
    return _from_counts(paired_interval, ours, theirs, **settings)


def _from_counts(make: Callable[..., Interval], *counted: Counts, **settings: Any) -> Interval:
    """Write counts as ones and zeros, group after group in one order, and hand them on with the group of each."""
    totals = [{group: total for group, (_, total) in counts.items()} for counts in counted]
    if any(total != totals[0] for total in totals):
        raise ValueError("the two do not count the same joints")
    values = [
        np.concatenate([np.zeros(0), *((np.arange(total) < counts[group][0]) * 1.0 for group, total in totals[0].items())])
        for counts in counted
    ]
    return make(*values, np.repeat(list(totals[0]), list(totals[0].values())), **settings)


def packed(rows: Rows, groups: Sequence[str]) -> dict[str, Any]:
    """Write counts for a results file: "samples", which all rows share, and "found" of each row, one number for each group."""
    first = next(iter(rows.values()))

    def numbers(part: Counts, which: int) -> str:
        return " ".join(str(part.get(group, (0, 0))[which]) for group in groups)

    return {
        "samples": {name: {part: numbers(counts, 1) for part, counts in parts.items()} for name, parts in first.items()},
        "found": {
            row: {name: {part: numbers(counts, 0) for part, counts in parts.items()} for name, parts in measures.items()}
            for row, measures in rows.items()
        },
    }


def unpacked(content: Mapping[str, Any], groups: Sequence[str]) -> Rows:
    """Read what `packed` wrote."""

    def counts(found: str, samples: str) -> Counts:
        pairs = zip(map(int, found.split()), map(int, samples.split()), strict=True)
        return {group: pair for group, pair in zip(groups, pairs, strict=True) if pair[1]}

    return {
        row: {
            name: {part: counts(found, content["samples"][name][part]) for part, found in parts.items()}
            for name, parts in measures.items()
        }
        for row, measures in content["found"].items()
    }
