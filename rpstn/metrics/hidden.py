"""PCK of hidden joints against the number of frames for which they have been hidden.

Joints that stay hidden for long are slow ones: with time the mix changes, and a curve over all of them may rise although each
joint is forgotten. So curves that are compared over time are stratified by the joint's speed (`joint_speeds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError, one_of
from rpstn.metrics.groups import DRAWS
from rpstn.metrics.intervals import Interval, interval, paired_interval
from rpstn.metrics.scores import samples

HIDDEN_BY = ("anything", "occluder")
SPEEDS = ("slow", "fast")
FAST = 0.02  # from this speed on a hidden joint is fast: of the person's size, a frame
# Every chapter and results file asks the same question: how many joints hidden for 1 to 5 frames are found, by this measure?
ASKED: dict[str, Any] = {"reference": "torso", "threshold": 0.2}
ASKED_BINS = ((1, 5),)
MEASURES: dict[str, dict[str, Any]] = {
    "0.2 torso": ASKED,
    "0.1 person": {"reference": "person", "threshold": 0.1},
    "0.2 person": {"reference": "person", "threshold": 0.2},
}
BINS = ((1, 1), (2, 2), (3, 3), (4, 5), (6, 8), (9, 12), (13, 20))


@dataclass(frozen=True)
class HiddenCurve:
    """PCK, or a difference of two, per bin of hidden frames.

    bins       first and last number of hidden frames of each bin, both included.
    intervals  one per bin, from a bootstrap over groups; NaN where a bin has no sample.
    """

    bins: tuple[tuple[int, int], ...]
    intervals: tuple[Interval, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(f"{low}" if low == high else f"{low}-{high}" for low, high in self.bins)

    def column(self, name: str) -> np.ndarray:
        """Collect one field of all intervals: "estimate", "low", "high", "groups" or "samples"."""
        return np.array([getattr(item, name) for item in self.intervals], dtype=np.float64)


def hidden_samples(
    predictions: Predictions,
    dataset: ClipDataset,
    bins: Sequence[tuple[int, int]] = BINS,
    *,
    reference: str = ASKED["reference"],
    threshold: float = ASKED["threshold"],
    by: str = "anything",
    speed: str | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """Judge hidden joints: correct or not (N,K) per bin, NaN outside the bin, and the group of each row (N,).

    by     "anything": every occluded joint. "occluder": those alone that `rpstn.occlusion.occlude` has hidden
           and that could be seen without it. The frames since a joint was last seen count for either, whatever
           hid it in between.
    speed  "slow" or "fast": those alone that move below, or from, `FAST` while they are hidden. None: all.
    Frames are counted within the windows that the network saw. Raises ValueError for another `by` or speed, UserError
    where no occluder was put into a clip.
    """
    one_of("by", by, HIDDEN_BY)
    part = samples(predictions, dataset, reference=reference, subset="occluded", threshold=threshold)
    lengths = np.concatenate([hidden_lengths(clip.visibility, predictions.window) for clip in dataset])
    if by == "occluder":
        bare = [clip.id for clip in dataset if clip.truth.occlusion is None]
        if bare:
            raise UserError(f"clip {bare[0]!r} has no occluder; make the data set with rpstn.occlusion.Protocol")
        newly = np.concatenate([clip.truth.occlusion.newly_hidden for clip in dataset if clip.truth.occlusion]) > 0
        lengths = np.where(newly, lengths, -1)
    if speed is not None:
        one_of("speed", speed, SPEEDS)
        speeds = np.concatenate([joint_speeds(clip) for clip in dataset])
        lengths = np.where(np.isfinite(speeds) & ((speeds >= FAST) == (speed == "fast")), lengths, -1)
    return [np.where((lengths >= low) & (lengths <= high), part.correct, np.nan) for low, high in bins], part.groups


def hidden_curve(
    predictions: Predictions,
    dataset: ClipDataset,
    bins: Sequence[tuple[int, int]] = BINS,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    **settings: Any,
) -> HiddenCurve:
    """Score hidden joints by the number of frames hidden so far; settings as for `hidden_samples`."""
    parts, groups = hidden_samples(predictions, dataset, bins, **settings)
    return HiddenCurve(tuple(bins), tuple(interval(part, groups, draws=draws, seed=seed) for part in parts))


def hidden_gain(
    predictions: Predictions,
    baseline: Predictions,
    dataset: ClipDataset,
    bins: Sequence[tuple[int, int]] = BINS,
    *,
    draws: int = DRAWS,
    seed: int = 0,
    **settings: Any,
) -> HiddenCurve:
    """Compute what `predictions` gain over `baseline`, paired over groups; settings as for `hidden_samples`.

    With `ASKED_BINS` this is one number: the gain on joints hidden for up to five frames.
    """
    if predictions.window != baseline.window:
        raise ValueError(f"predicted in windows of {predictions.window} and of {baseline.window} frames; use the same")
    ours, groups = hidden_samples(predictions, dataset, bins, **settings)
    theirs, _ = hidden_samples(baseline, dataset, bins, **settings)
    return HiddenCurve(
        tuple(bins), tuple(paired_interval(a, b, groups, draws=draws, seed=seed) for a, b in zip(ours, theirs, strict=True))
    )


def joint_speeds(clip: Clip) -> np.ndarray:
    """Compute how fast each hidden joint truly moves while it is hidden, (T,K) in sizes of the person a frame; NaN if visible.

        v = mean over t in (a, b] of |q_t - q_{t-1}| / s_t,    q the joint relative to the middle of the person's box

    a is the frame before the joint is hidden, b the last one in which it is, so all frames of one occlusion share one speed. s is
    the longer side of the box. Frames in which the joint has no label are left out.
    """
    boxes = clip.boxes.astype(np.float64)
    relative = clip.joints - (boxes[:, :2] + boxes[:, 2:] / 2)[:, None]
    relative[clip.visibility == ABSENT] = np.nan
    steps = np.full(clip.visibility.shape, np.nan)
    steps[1:] = np.linalg.norm(np.diff(relative, axis=0), axis=-1) / np.maximum(boxes[1:, 2:].max(axis=1), 1e-9)[:, None]
    hidden = clip.visibility != VISIBLE
    speeds = np.full(hidden.shape, np.nan)
    for joint in range(hidden.shape[1]):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], hidden[:, joint], [False]]).astype(np.int8)))
        for first, end in edges.reshape(-1, 2):
            known = steps[first:end, joint][np.isfinite(steps[first:end, joint])]
            if len(known):
                speeds[first:end, joint] = known.mean()
    return speeds


def hidden_lengths(visibility: np.ndarray, window: int = 0) -> np.ndarray:
    """Count for how many frames each joint has been hidden so far: (T,K) int64.

    0 where the joint is visible. n >= 1 where it is occluded and was last visible n frames ago. -1 where it
    is occluded but was never visible before, and where it is absent: nothing could have been carried into
    such a frame.
    window  frames after which the network is reset and with it the count; 0 for never.
    """
    visibility = np.asarray(visibility)
    length = len(visibility)
    result = np.empty(visibility.shape, dtype=np.int64)
    for start in range(0, length, window or max(length, 1)):
        part = visibility[start : start + window] if window else visibility
        frame = np.arange(len(part))[:, None]
        last = np.maximum.accumulate(np.where(part == VISIBLE, frame, -1), axis=0)
        result[start : start + len(part)] = np.where((last >= 0) & (part != ABSENT), frame - last, -1)
    return result
