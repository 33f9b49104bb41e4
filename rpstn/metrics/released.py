"""The released evaluator as it is, so that its scores can stand beside the correct ones of the same predictions.

Facts about it (repository YHDang/pose-estimation, commit f7dcd3e), in our own words. It works in pixels of the
heatmaps, 64 a side, into which a person's box is stretched. A joint is called correct if

    || (p - t) / 6.4 + (1, 1) ||  <=  0.2 * size

with p the predicted and t the true position, and four things are unusual about that:

1. The distance is divided by a tenth of the map's size, 6.4 px, and then compared with a threshold in px: at a torso of
   25.6 px the radius is not 5.1 px but 32.8 px, more than half the map.
2. 1 is added to both components inside the norm, after the division: the circle's center lies 6.4 px left of and above
   the joint, so an exact prediction has a distance of 1.41, not 0.
3. The size is that of a clip's first frame, for all five frames.
4. Joints that are not visible count like all others; a missing one has its target in the map's corner.

In `rpstn.metrics.keypoints.pck` none of this holds. At threshold 0.2 and a person who fills the crop, with a torso of 25.6 px,
predictions off by Gaussian noise of 8 px score 0.998 here and 0.214 there, and guesses score 0.557 here; with person
size, they score 1.000. Whether the published numbers came from this evaluator is not known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import one_of
from rpstn.metrics.keypoints import PCK, REFERENCES, as_array, summarize

SIDE = 64  # px of the released heatmaps
FRAMES = 5  # of a released clip


def released_correct(predicted: Any, target: Any, size: Any, *, threshold: float = 0.2, side: int = SIDE) -> np.ndarray:
    """Judge joints as the released evaluator does: (N,T,K) float64 of 1 and 0.

    predicted, target  (N,T,K,2) heatmap px of N clips. All joints are scored.
    size               (N,) heatmap px, of each clip's first frame; see `first_frame_sizes`.
    Raises ValueError for shapes that do not fit.
    """
    predicted, target = as_array(predicted).astype(np.float64), as_array(target).astype(np.float64)
    size = as_array(size).astype(np.float64)
    if target.ndim != 4 or target.shape[-1] != 2 or predicted.shape != target.shape:
        raise ValueError(f"predicted {predicted.shape} and target {target.shape} must both be (N, T, K, 2)")
    if size.shape != target.shape[:1]:
        raise ValueError(f"size {size.shape} must be (N,) = {target.shape[:1]}: one length per clip")
    unit = side / 10
    distance = np.linalg.norm((predicted - target) / unit + 1.0, axis=-1)
    return (distance <= threshold * size[:, None, None]).astype(np.float64)


def first_frame_sizes(target: Any, torso: tuple[int, int], reference: str, *, side: int = SIDE) -> np.ndarray:
    """Compute the length that the released evaluator measures a clip by, (N,) heatmap px.

    reference  "torso": the distance of the torso pair in the first frame, hidden or not. "person": the box, which is stretched
               to the whole map, so its side. Raises ValueError for another reference.
    """
    one_of("reference", reference, REFERENCES)
    first = as_array(target).astype(np.float64)[:, 0]
    if reference == "person":
        return np.full(len(first), float(side))
    return np.linalg.norm(first[:, torso[0]] - first[:, torso[1]], axis=-1)


def released_pck(
    predicted: Any, target: Any, *, torso: tuple[int, int], reference: str = "torso", threshold: float = 0.2, side: int = SIDE
) -> PCK:
    """Compute the released score of clips: (N,T,K,2) heatmap px. Errors as for `released_correct` and `first_frame_sizes`."""
    size = first_frame_sizes(target, torso, reference, side=side)
    judged = released_correct(predicted, target, size, threshold=threshold, side=side)
    return summarize(judged.reshape(-1, judged.shape[-1]))


def to_map(points: Any, boxes: Any, *, side: int = SIDE) -> np.ndarray:
    """Map source px to px of a map into which each frame's box is stretched, whatever its aspect: (T,K,2) and (T,4) to (T,K,2).

    Nothing lies outside a map: points beyond it are moved to its border.
    """
    points, boxes = as_array(points).astype(np.float64), as_array(boxes).astype(np.float64)
    inside = (points - boxes[:, None, :2]) / np.maximum(boxes[:, None, 2:], 1e-6) * side
    return inside.clip(0, side - 1)


def released_correct_frames(
    predictions: Predictions,
    dataset: ClipDataset,
    *,
    reference: str = "torso",
    threshold: float = 0.2,
    side: int = SIDE,
    frames: int = FRAMES,
) -> np.ndarray:
    """Judge the joints of all frames as the released evaluator does: (N,K) of 1 and 0, in the data set's order.

    Each clip is cut into stretches of five frames, the last as short as what is left; the released test takes one at random
    from each video. A joint that was not predicted is wrong, an absent one has its target in the map's corner.
    Raises UserError where predictions and data set do not belong together.
    """
    predictions.check(dataset)
    judged = []
    for clip, joints in zip(dataset, predictions.joints, strict=True):
        known = (clip.visibility != ABSENT)[..., None]
        target = np.where(known, to_map(clip.joints, clip.boxes, side=side), 0.0)
        predicted = to_map(joints, clip.boxes, side=side)
        for start in range(0, len(clip), frames):
            here = slice(start, start + frames)
            size = first_frame_sizes(target[None, here], dataset.skeleton.torso, reference, side=side)
            found = released_correct(predicted[None, here], target[None, here], size, threshold=threshold, side=side)
            judged.append(found.reshape(-1, found.shape[-1]))
    return np.concatenate(judged)


def released_score(predictions: Predictions, dataset: ClipDataset, **settings: Any) -> PCK:
    """Score predictions as the released evaluator does; `rpstn.metrics.scores.score` scores them correctly.

    Settings and errors as for `released_correct_frames`.
    """
    return summarize(released_correct_frames(predictions, dataset, **settings))


def noisy(target: Any, standard_deviation: float, *, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Make predictions off by Gaussian noise of so many px in x and y, kept inside the map as an argmax is. Shape of target."""
    target = as_array(target).astype(np.float64)
    return (target + np.random.default_rng(seed).normal(0.0, standard_deviation, target.shape)).clip(0, side - 1)


def guesses(shape: tuple[int, ...], *, side: int = SIDE, seed: int = 0) -> np.ndarray:
    """Draw predictions uniformly from the map: shape (...,2), heatmap px."""
    return np.random.default_rng(seed).uniform(0.0, side - 1, shape)
