"""What an occluder or a cut does beyond hiding: to joints that reappear, to joints that stay visible, to frames after a cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError, one_of
from rpstn.metrics.hidden import ASKED, HiddenCurve, hidden_curve, hidden_gain
from rpstn.metrics.intervals import Interval, interval, paired_interval
from rpstn.metrics.keypoints import reference_sizes
from rpstn.metrics.scores import samples

PARTS = ("reappeared", "unoccluded_joints", "after_cut")
MEASURES = ("pck", "error")
AFTER_BINS = ((1, 1), (2, 2), (3, 3), (4, 6), (7, 12))

Bins = Sequence[tuple[int, int]]


def part_frames(clip: Clip, part: str, window: int = 0) -> np.ndarray:
    """Count for how many frames each joint has belonged to a part of the clip: (T,K) int64, 0 where it does not.

    "reappeared"         visible, hidden by the occluder before, in a frame without any occluder: frames since it was last
                         hidden. An error there was carried: nothing in the image disturbs any more.
    "unoccluded_joints"  visible while the occluder hides other joints, and never hidden by it before: frames of the
                         occlusion so far.
    "after_cut"          annotated, in a frame after the cut: frames since the cut, 1 in the first one.
    window               frames after which the network restarts and with it the count; 0 for never.
    Raises UserError where the clip has no occluder, or no cut.
    """
    one_of("part", part, PARTS)
    if part == "after_cut":
        if clip.truth.since_cut is None:
            raise UserError(f"clip {clip.id!r} has no cut; make one with rpstn.occlusion.cuts.splice")
        return np.where(clip.visibility != ABSENT, clip.truth.since_cut[:, None], 0)
    if clip.truth.occlusion is None:
        raise UserError(f"clip {clip.id!r} has no occluder; make one with rpstn.occlusion.occlude")
    hidden, painted = clip.truth.occlusion.newly_hidden > 0, clip.truth.occlusion.painted > 0
    counts = np.zeros(clip.visibility.shape, dtype=np.int64)
    step = window or max(len(clip), 1)
    for start in range(0, len(clip), step):
        here = slice(start, start + step)
        counts[here] = _reappeared(hidden[here], painted[here]) if part == "reappeared" else _unoccluded(hidden[here])
    return np.where(clip.visibility == VISIBLE, counts, 0)


def _reappeared(hidden: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Count frames (T,K) since a joint was last hidden (T,K), in frames without any occluder (T,)."""
    frame = np.arange(len(hidden))[:, None]
    last = np.maximum.accumulate(np.where(hidden, frame, -1), axis=0)
    return np.where((last >= 0) & ~painted[:, None], frame - last, 0)


def _unoccluded(hidden: np.ndarray) -> np.ndarray:
    """Count frames (T,K) in which another joint has been hidden so far, for joints that have not been."""
    active = hidden.any(axis=1, keepdims=True)
    never = ~np.logical_or.accumulate(hidden, axis=0)
    return np.where(active & never, np.cumsum(active, axis=0), 0)


def part_samples(
    predictions: Predictions, dataset: ClipDataset, part: str, bins: Bins = AFTER_BINS, measure: str = "pck"
) -> tuple[list[np.ndarray], np.ndarray]:
    """List the values (N,K) per bin, NaN outside it, and the group of each row (N,).

    measure  "pck": 1 for a joint found, within 0.2 x torso size (`rpstn.metrics.hidden.ASKED`), else 0. "error": its distance
             over the person's size.
    """
    one_of("measure", measure, MEASURES)
    scored = samples(predictions, dataset, **ASKED)
    values = scored.correct
    if measure == "error":
        values = np.where(np.isnan(values), np.nan, np.concatenate(_errors(predictions, dataset)))
    frames = np.concatenate([part_frames(clip, part, predictions.window) for clip in dataset])
    return [np.where((frames >= low) & (frames <= high), values, np.nan) for low, high in bins], scored.groups


def _errors(predictions: Predictions, dataset: ClipDataset) -> list[np.ndarray]:
    errors = []
    for clip, joints in zip(dataset, predictions.joints, strict=True):
        size = reference_sizes(clip.joints, clip.visibility, clip.boxes, dataset.skeleton, "person")
        errors.append(np.linalg.norm(joints.astype(np.float64) - clip.joints, axis=-1) / size[:, None])
    return errors


def part_curve(
    predictions: Predictions, dataset: ClipDataset, part: str, bins: Bins = AFTER_BINS, *, measure: str = "pck", seed: int = 0
) -> HiddenCurve:
    """Score a part by the number of frames, with intervals over groups; measure: as for `part_samples`."""
    values, groups = part_samples(predictions, dataset, part, bins, measure)
    return HiddenCurve(tuple(bins), tuple(interval(value, groups, seed=seed) for value in values))


def part_gain(
    predictions: Predictions,
    baseline: Predictions,
    dataset: ClipDataset,
    part: str,
    bins: Bins = AFTER_BINS,
    *,
    measure: str = "pck",
    seed: int = 0,
) -> HiddenCurve:
    """Score `predictions` minus `baseline` on the same joints and frames, paired over groups; measure: as for `part_samples`.

    The baseline may be another network's on the same images, or the same network's on the clips without occluders
    (`unoccluded`).
    """
    ours, groups = part_samples(predictions, dataset, part, bins, measure)
    theirs, _ = part_samples(replace(baseline, window=predictions.window), dataset, part, bins, measure)
    return HiddenCurve(tuple(bins), tuple(paired_interval(a, b, groups, seed=seed) for a, b in zip(ours, theirs, strict=True)))


def unoccluded(predictions: Predictions, dataset: ClipDataset) -> Predictions:
    """Arrange predictions for clips without occluders like the occluded clips of `dataset`, so that both are scored alike.

    predictions  of a data set that holds every clip of `dataset` without its occluder.
    Raises UserError for a clip that is not among them.
    """
    indices = {name: index for index, name in enumerate(predictions.ids)}
    originals = [clip.truth.occlusion.unoccluded if clip.truth.occlusion else clip.id for clip in dataset]
    missing = [name for name in originals if name not in indices]
    if missing:
        raise UserError(
            f"there are no predictions for the unoccluded clip {missing[0]!r}; predict the data set without occluders"
        )
    chosen = [indices[name] for name in originals]
    return Predictions(
        ids=tuple(clip.id for clip in dataset),
        joints=[predictions.joints[index] for index in chosen],
        confidence=[predictions.confidence[index] for index in chosen],
        relations=[predictions.relations[index] for index in chosen],
        window=predictions.window,
    )


def horizon(gain: HiddenCurve) -> int | None:
    """Find the number of frames up to which a gain's interval lies above zero, bin after bin; 0 if that of the first does not.

    None where the first bin has no interval. Each bin is tested by itself, so a long horizon may stop early by chance.
    """
    if np.isnan(gain.intervals[0].low):
        return None
    last = 0
    for (_, high), item in zip(gain.bins, gain.intervals, strict=True):
        if not item.low > 0:
            break
        last = high
    return last


@dataclass(frozen=True)
class Effects:
    """Hold what one protocol does to one network, compared with a baseline; differences are paired over groups.

    PCK is by 0.2 of the torso.

    hidden, hidden_baseline     PCK of joints that the occluder has hidden for 1 to `up_to` frames.
    gain                        their difference: above zero, the network finds more of them.
    reappeared_gain             the same difference for joints that are visible again, at most `back` frames after they were
                                hidden, in frames without any occluder.
    reappeared_cost             the network there minus itself on the unoccluded clip: below zero, it carries a wrong pose on.
    unoccluded_joints           mean error of joints not hidden so far, over the person size, minus that on the unoccluded clip.
    unoccluded_joints_baseline  the same of the baseline.
    """

    hidden: Interval
    hidden_baseline: Interval
    gain: Interval
    reappeared_gain: Interval
    reappeared_cost: Interval
    unoccluded_joints: Interval
    unoccluded_joints_baseline: Interval


def effects(
    occluded: ClipDataset,
    predictions: Mapping[str, Predictions],
    unoccluded_predictions: Mapping[str, Predictions],
    network: str,
    baseline: str,
    *,
    up_to: int = 5,
    back: int = 3,
    seed: int = 0,
) -> Effects:
    """Measure one protocol.

    occluded                the data set with the occluder (`rpstn.occlusion.Protocol.hide`).
    predictions             for it, by network.
    unoccluded_predictions  for the clips without occluders, by network.
    """
    ours, theirs = predictions[network], predictions[baseline]
    clear = {name: unoccluded(unoccluded_predictions[name], occluded) for name in (network, baseline)}
    early, soon, all_along = ((1, up_to),), ((1, back),), ((1, max(len(clip) for clip in occluded)),)

    def gain(a: Predictions, b: Predictions, part: str, bins: Bins, measure: str = "pck") -> Interval:
        return part_gain(a, b, occluded, part, bins, measure=measure, seed=seed).intervals[0]

    return Effects(
        hidden=hidden_curve(ours, occluded, early, by="occluder", seed=seed).intervals[0],
        hidden_baseline=hidden_curve(theirs, occluded, early, by="occluder", seed=seed).intervals[0],
        gain=hidden_gain(ours, theirs, occluded, early, by="occluder", seed=seed).intervals[0],
        reappeared_gain=gain(ours, theirs, "reappeared", soon),
        reappeared_cost=gain(ours, clear[network], "reappeared", soon),
        unoccluded_joints=gain(ours, clear[network], "unoccluded_joints", all_along, "error"),
        unoccluded_joints_baseline=gain(theirs, clear[baseline], "unoccluded_joints", all_along, "error"),
    )
