"""What hidden joints score without a network, or with a network that knows nothing of time: rules that a memory has to beat.

`RULES` need no network. They are told what nobody knows who has to find a joint: which joints are hidden, where the patch is,
and where joints are, or were, while they are visible. So they are upper bounds of what such a rule can do. `filtered` are rules
over a network's own predictions, which know no truth.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from rpstn import filters
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.metrics.hidden import hidden_lengths
from rpstn.metrics.keypoints import correct, reference_sizes

Filter = Callable[[np.ndarray, np.ndarray], np.ndarray]

FILTERS: Mapping[str, Filter] = {
    "hold": filters.hold, "velocity": filters.velocity, "one-euro": filters.one_euro, "Kalman": filters.kalman,
}  # fmt: skip
GIVEAWAY = 0.1  # above chance, from which the middle of a patch tells where the joint is
UNIT = 100.0  # the person's size in the units that filters work in, whose settings are in pixels


def middle_of_patch(clip: Clip) -> np.ndarray:
    """Say that every joint is in the middle of the patch, as far as it lies in the image: (T,K,2), NaN where there is none."""
    middle = visible_patches(clip).reshape(-1, 2, 2).mean(axis=1)
    return np.repeat(middle[:, None], clip.visibility.shape[1], axis=1)


def visible_patches(clip: Clip) -> np.ndarray:
    """Compute the part of each frame's patch that lies in the image: (T,4) left, top, right, bottom, NaN where there is none.

    Raises UserError where the clip has no occluder.
    """
    if clip.truth.occlusion is None:
        raise UserError(f"clip {clip.id!r} has no occluder; make one with rpstn.occlusion.occlude")
    height, width = clip.frames.size
    edge = np.array([width - 1, height - 1, width - 1, height - 1], np.float64)
    return clip.truth.occlusion.patches.clip(0, edge)


def nearest_other_joint(clip: Clip) -> np.ndarray:
    """Say that a hidden joint is where that visible joint is that was nearest to it when it was last seen: (T,K,2).

    NaN where no joint is visible, and where it never was.
    """
    seen, found = clip.visibility == VISIBLE, np.full(clip.joints.shape, np.nan)
    lengths = hidden_lengths(clip.visibility)
    for t, k in zip(*np.nonzero(lengths > 0), strict=True):
        then = t - lengths[t, k]
        others = np.flatnonzero(seen[t] & (clip.visibility[then] != ABSENT))
        if len(others):
            distance = np.linalg.norm(clip.joints[then, others] - clip.joints[then, k], axis=-1)
            found[t, k] = clip.joints[t, others[distance.argmin()]]
    return found


def mean_of_other_joints(clip: Clip) -> np.ndarray:
    """Say that a hidden joint is in the middle of all joints that are visible: (T,K,2), NaN where none is."""
    seen = clip.visibility == VISIBLE
    count = seen.sum(axis=1)[:, None]
    total = np.where(seen[..., None], clip.joints, 0).sum(axis=1, dtype=np.float64)
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return np.repeat(mean[:, None], seen.shape[1], axis=1)


def true_hold(clip: Clip) -> np.ndarray:
    """Say that a hidden joint is where it truly was when it was last visible: (T,K,2)."""
    return filters.hold(clip.joints, clip.visibility == VISIBLE)


def true_velocity(clip: Clip) -> np.ndarray:
    """Say that a hidden joint goes on as it truly moved when it was last visible: (T,K,2)."""
    return filters.velocity(clip.joints, clip.visibility == VISIBLE)


RULES: Mapping[str, Callable[[Clip], np.ndarray]] = {
    "middle of the patch": middle_of_patch, "nearest other joint": nearest_other_joint,
    "mean of the other joints": mean_of_other_joints, "true position held": true_hold, "true velocity": true_velocity,
}  # fmt: skip


def rule_predictions(
    dataset: ClipDataset, rules: Mapping[str, Callable[[Clip], np.ndarray]] = RULES, window: int = 0
) -> dict[str, Predictions]:
    """Apply each rule to every clip; a joint that a rule says nothing of is NaN, which counts as wrong.

    window  of the networks that the rules stand beside: frames hidden are counted within it. The rules know nothing of it.
    """
    return {name: _predictions(dataset, [rule(clip) for clip in dataset], window=window) for name, rule in rules.items()}


def told(dataset: ClipDataset) -> list[np.ndarray]:
    """Give for each clip which joints are visible, by the labels: (T,K) bool."""
    return [clip.visibility == VISIBLE for clip in dataset]


def confident(predictions: Predictions, dataset: ClipDataset, quantile: float = 0.1) -> list[np.ndarray]:
    """Judge for each clip which joints a network is confident of: (T,K) bool.

    A joint's limit is that quantile of its confidence in all frames before an occluder comes (all frames of a clip without one).
    """
    predictions.check(dataset)
    before = []
    for clip, confidence in zip(dataset, predictions.confidence, strict=True):
        painted = clip.truth.occlusion.painted > 0 if clip.truth.occlusion else np.zeros(len(clip), bool)
        before.append(confidence[: int(painted.argmax()) if painted.any() else len(clip)])
    if not sum(map(len, before)):
        raise UserError(f"{dataset.name}: no frame comes before an occluder, to say what is confident; let it come later")
    limit = np.quantile(np.concatenate(before), quantile, axis=0)
    return [confidence >= limit for confidence in predictions.confidence]


def filtered(predictions: Predictions, dataset: ClipDataset, known: Sequence[np.ndarray]) -> dict[str, Predictions]:
    """Filter a network's predictions over time, by `FILTERS`, in clips scaled so that the person is 100 px large.

    known  (T,K) bool for each clip: the predictions that a filter takes (`told`, `confident`).
    A joint is as predicted where a filter knows nothing yet.
    """
    predictions.check(dataset)
    result = {}
    for name, smooth in FILTERS.items():
        joints = []
        for clip, found, some in zip(dataset, predictions.joints, known, strict=True):
            scale = UNIT / max(float(np.median(clip.boxes[:, 2:].max(axis=1))), 1.0)
            values = smooth(found * scale, some) / scale
            joints.append(np.where(np.isfinite(values), values, found))
        result[name] = _predictions(dataset, joints, predictions.confidence, predictions.window)
    return result


def _predictions(
    dataset: ClipDataset, joints: Sequence[np.ndarray], confidence: Sequence[np.ndarray] | None = None, window: int = 0
) -> Predictions:
    ids = tuple(clip.id for clip in dataset)
    known = list(confidence) if confidence is not None else [np.ones(clip.visibility.shape, np.float32) for clip in dataset]
    return Predictions(ids, [part.astype(np.float32) for part in joints], known, [None] * len(ids), window)


def middle_and_chance(dataset: ClipDataset, reference: str, threshold: float, points: int = 16) -> tuple[float, float]:
    """Score two guesses on all joints that the occluders hide: the middle of the patch, and chance.

    Chance is a point drawn uniformly in the patch, as far as it lies in the image: the share of the patch, on a grid of points x
    points, that lies within the threshold of the joint, averaged over joints. NaN where nothing is hidden.
    """
    hits, shares = [], []
    steps = (np.arange(points) + 0.5) / points
    unit = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    for clip in dataset:
        size = reference_sizes(clip.joints, clip.visibility, clip.boxes, dataset.skeleton, reference)
        patches = visible_patches(clip).reshape(-1, 2, 2)
        assert clip.truth.occlusion is not None
        hidden = clip.truth.occlusion.newly_hidden > 0
        hits.append(correct(middle_of_patch(clip), clip.joints, hidden, size=size, threshold=threshold))
        for t, k in zip(*np.nonzero(np.isfinite(hits[-1])), strict=True):
            guesses = patches[t, 0] + unit * (patches[t, 1] - patches[t, 0])
            distance = np.linalg.norm(guesses - clip.joints[t, k], axis=-1)
            shares.append(float((distance <= threshold * size[t]).mean()))
    return float(np.nanmean(np.concatenate(hits))) if shares else np.nan, float(np.mean(shares)) if shares else np.nan


def check_protocol(dataset: ClipDataset, reference: str, threshold: float) -> tuple[float, float]:
    """Return `middle_and_chance`. Raises UserError where the middle is more than GIVEAWAY above chance."""
    middle, chance = middle_and_chance(dataset, reference, threshold)
    if middle > chance + GIVEAWAY:
        raise UserError(
            f"{dataset.name}: the middle of the patch finds {100 * middle:.1f} % of the hidden joints within {threshold:g} of "
            f"the {reference}, a point drawn in it {100 * chance:.1f} %; such occluders tell where joints are: make `free` larger"
        )
    return middle, chance
