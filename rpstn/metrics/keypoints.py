"""PCK: the fraction of joints found within a fraction of the body's size.

A joint is correct if |predicted - target| <= threshold * size, all three in pixels of the same image. The size is taken per
frame, from the same frame as the joint (Yang and Ramanan, 2013; Zhang et al., Penn Action, 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rpstn.datasets.clip import ABSENT
from rpstn.errors import one_of
from rpstn.skeletons import Skeleton

REFERENCES = ("person", "torso")
HEAD_FRACTION = 0.6  # head size / diagonal of the head box, as MPII and PoseTrack define it
MPII_LEFT_OUT = (6, 7)  # pelvis and thorax, which published means leave out


@dataclass(frozen=True)
class PCK:
    """Fractions between 0 and 1.

    per_joint  (K,) fraction of correct samples of each joint; NaN for a joint without a scored sample.
    mean       plain mean of per_joint, NaN joints left out.
    micro      correct samples of all joints / scored samples of all joints.
    counts     (K,) number of scored samples of each joint.
    """

    per_joint: np.ndarray
    mean: float
    micro: float
    counts: np.ndarray


def as_array(values: Any) -> np.ndarray:
    """Make a NumPy array of an array, a list, or a tensor on any device."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
        if "bfloat16" in str(values.dtype):  # which NumPy lacks
            values = values.float()
    return np.asarray(values)


def _numbers(name: str, values: Any) -> np.ndarray:
    """Make float64 of numbers or truth values. Raises ValueError for anything else, such as text, and for complex numbers."""
    array = as_array(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{name} of type {array.dtype} must be numbers")
    # A matrix of NumPy keeps two axes, whatever is taken of it.
    return np.asarray(array, np.float64)


def correct(predicted: Any, target: Any, visible: Any, *, size: Any, threshold: float = 0.2) -> np.ndarray:
    """Judge which joints were found: (N,K) float64 of 1 (correct), 0 (wrong) and NaN (not scored).

    predicted, target  (N,K,2) pixels. A prediction that is not finite is wrong.
    visible            (N,K): what is scored, true or non-zero, not NaN. Pass `visibility == VISIBLE`, `== OCCLUDED` or
                       `!= ABSENT`.
    size               (N,) reference length in pixels. NaN says that the frame has none: it is not scored.
    threshold          fraction of the size; an error equal to threshold * size is correct.

    Raises ValueError for shapes that do not fit, for what is no number, for a size that is zero, negative or infinite, for a
    threshold that is not positive, and for a scored target that is not finite.
    """
    predicted, target = _numbers("predicted", predicted), _numbers("target", target)
    visible, size = _numbers("visible", visible), _numbers("size", size)
    if np.isnan(visible).any():
        raise ValueError("visible holds NaN; give true or false, or 0 for what is not scored")
    scored = visible.astype(bool)
    if target.ndim != 3 or target.shape[-1] != 2 or predicted.shape != target.shape:
        raise ValueError(f"predicted {predicted.shape} and target {target.shape} must both be (N, K, 2)")
    if scored.shape != target.shape[:2]:
        raise ValueError(f"visible {scored.shape} must be (N, K) = {target.shape[:2]}")
    if size.shape != target.shape[:1]:
        raise ValueError(f"size {size.shape} must be (N,) = {target.shape[:1]}: one reference length per frame")
    if not threshold > 0:
        raise ValueError(f"threshold must be positive, not {threshold}")
    known = ~np.isnan(size)
    if np.any(size[known] <= 0) or np.any(np.isinf(size)):
        raise ValueError("size must be positive and finite, or NaN for a frame without a reference length")
    scored = scored & known[:, None]
    if not np.isfinite(target[scored]).all():
        raise ValueError("a scored target is not finite; mark such joints as not visible")
    # The distance of a NaN prediction is NaN, and the comparison with NaN is False: wrong.
    distance = np.hypot(*np.moveaxis(predicted - np.where(scored[..., None], target, 0.0), -1, 0))
    within = distance <= threshold * np.where(known, size, 1.0)[:, None]
    return np.where(scored, within.astype(np.float64), np.nan)


def summarize(judged: np.ndarray) -> PCK:
    """Summarize what `correct` returns, (N,K) of 1, 0 and NaN, of one clip or of several concatenated."""
    scored = ~np.isnan(judged)
    counts = scored.sum(axis=0)
    hits = np.where(scored, judged, 0.0).sum(axis=0)
    per_joint = np.divide(hits, counts, out=np.full(len(counts), np.nan), where=counts > 0)
    mean = float(per_joint[counts > 0].mean()) if counts.any() else float("nan")
    micro = float(hits.sum() / counts.sum()) if counts.any() else float("nan")
    return PCK(per_joint=per_joint, mean=mean, micro=micro, counts=counts)


def pck(predicted: Any, target: Any, visible: Any, *, size: Any, threshold: float = 0.2) -> PCK:
    """Compute the percentage of correct keypoints, as a fraction, of NumPy arrays or tensors.

    A joint without a scored sample is NaN and left out of the mean. Shapes and errors as for `correct`.
    """
    return summarize(correct(predicted, target, visible, size=size, threshold=threshold))


def pckh(
    predicted: Any, target: Any, visible: Any, *, head_boxes: Any, threshold: float = 0.5, left_out: Sequence[int] = MPII_LEFT_OUT
) -> PCK:
    """Compute PCK by the size of the head (Andriluka et al., MPII, 2014): correct if |error| <= threshold * head size.

    predicted, target, visible  as for `correct`; MPII scores every annotated joint, hidden or not.
    head_boxes                  (N,4) x, y, width, height in pixels of the same image; see `head_sizes`.
    left_out                    joints that mean and micro do not count; the default suits MPII's 16 joints.

    `per_joint` and `counts` have all K joints. The column "Mean" of published MPII tables is `micro`: it weights
    each joint by its number of samples. Raises ValueError as `correct`, and for a joint left out that is not there.
    """
    judged = correct(predicted, target, visible, size=head_sizes(head_boxes), threshold=threshold)
    if any(not 0 <= joint < judged.shape[1] for joint in left_out):
        raise ValueError(f"left_out {tuple(left_out)} names a joint outside 0..{judged.shape[1] - 1}")
    rest = summarize(np.delete(judged, list(left_out), axis=1))
    return replace(summarize(judged), mean=rest.mean, micro=rest.micro)


def head_sizes(head_boxes: Any) -> np.ndarray:
    """Compute 0.6 times the diagonal of each head box (N,4) x, y, width, height: (N,) float64; NaN for a box without extent."""
    boxes = _numbers("head_boxes", head_boxes)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"head_boxes {boxes.shape} must be (N, 4): x, y, width, height")
    extent = np.where((boxes[:, 2:] > 0).all(axis=1), np.hypot(boxes[:, 2], boxes[:, 3]), np.nan)
    return HEAD_FRACTION * np.where(np.isfinite(extent), extent, np.nan)


def reference_sizes(joints: Any, visibility: Any, boxes: Any, skeleton: Skeleton, reference: str) -> np.ndarray:
    """Compute the reference length of each frame in pixels, (T,) float64; NaN where the frame has none.

    reference "person": the longer side of the frame's box. "torso": the distance of the skeleton's torso
    pair. joints (T,K,2), visibility (T,K), boxes (T,4) as in a Clip. A torso joint may be occluded, as long
    as its position is annotated. A frame where it is absent has no torso and is left out of the score by
    torso: taking the length from another frame would mix two poses. Such frames are counted by whoever
    reports the score. A box without extent, or two torso joints at one point, give NaN too. Raises ValueError
    for another reference, and for shapes that do not fit the skeleton or each other.
    """
    one_of("reference", reference, REFERENCES)
    boxes, joints = _numbers("boxes", boxes), _numbers("joints", joints)
    visibility = _numbers("visibility", visibility)
    length, count = len(boxes), len(skeleton)
    if boxes.shape != (length, 4) or joints.shape != (length, count, 2) or visibility.shape != (length, count):
        raise ValueError(
            f"joints {joints.shape}, visibility {visibility.shape} and boxes {boxes.shape} must be (T, {count}, 2), (T, {count}) "
            f"and (T, 4) for the {count} joints of {skeleton.name!r}"
        )
    if reference == "person":
        sizes = boxes[:, 2:].max(axis=1)
    else:
        first, second = skeleton.torso
        sizes = np.hypot(*(joints[:, first] - joints[:, second]).T)
        missing = (visibility[:, [first, second]] == ABSENT).any(axis=1)
        sizes = np.where(missing, np.nan, sizes)
    return np.where(np.isfinite(sizes) & (sizes > 0), sizes, np.nan)
