"""A person's box: made from the joints where a data set has none, checked against them where it has one."""

from __future__ import annotations

import numpy as np

from rpstn.errors import UserError

# px. No image has as many a side; what lies further out is no position.
FARTHEST = 1e6
# A box with a shorter side holds nobody. The smallest of the real labels at hand is 0.67 px wide (Penn Action).
LEAST_EXTENT = 0.5


def joints_box(points: np.ndarray, margin: float) -> np.ndarray | None:
    """Find the smallest box (4,) float32 that holds points (N,2), grown by margin * its longer side to each side.

    None where the points have no extent.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    grown = margin * float((high - low).max())
    if grown <= 0:
        return None
    return np.concatenate([low - grown, high - low + 2 * grown]).astype(np.float32)


def check_near(
    joints: np.ndarray,
    counted: np.ndarray,
    boxes: np.ndarray,
    where: str,
    remedy: str,
    *,
    margin: float = 0.5,
    share: float = 0.5,
) -> None:
    """Raise UserError, with `where` in front, for stored boxes that belong to somebody else, or to another image.

    joints   (...,K,2) px of one person, and counted (...,K) bool, the ones that must lie in their boxes; without any,
             nothing is checked.
    boxes    (...,4) x, y, width, height, one per K joints.
    margin   by how much of its longer side a box is grown to each side. Twice that for one or two joints, such as a hand
             that reaches out of the box.
    share    of the counted joints that must lie in the grown boxes. In the labels of COCO, PoseTrack2018 and MPII at hand
             all joints do, by the default margin.
    """
    count = int(counted.sum())
    low, extent = np.asarray(boxes)[..., None, :2], np.asarray(boxes)[..., None, 2:]
    grown = (margin if count > 2 else 2 * margin) * extent.max(axis=-1, keepdims=True)
    near = ((joints >= low - grown) & (joints <= low + extent + grown)).all(axis=-1)
    within = int((near & counted).sum())
    if within < share * count:
        raise UserError(f"{where}: only {within} of {count} joints lie in or near the person's box; {remedy}")


def fill_boxes(boxes: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Replace boxes (T,4) x, y, width, height that have no extent (LEAST_EXTENT) by that of the nearest frame that has one.

    Returns them as float32, or None where no box has an extent, and how many were replaced.
    """
    boxes = np.asarray(boxes, np.float64)
    # The comparison with NaN is false.
    valid = (np.abs(boxes) <= FARTHEST).all(axis=1) & (boxes[:, 2:] >= LEAST_EXTENT).all(axis=1)
    good = np.flatnonzero(valid)
    if not len(good):
        return None, len(boxes)
    nearest = good[np.abs(np.arange(len(boxes))[:, None] - good).argmin(axis=1)]
    return boxes[nearest].astype(np.float32), int((~valid).sum())


def square(box: np.ndarray) -> np.ndarray:
    """Make the square (4,) around a box's middle with its longer side."""
    middle, side = box[:2] + box[2:] / 2, box[2:].max()
    return np.array([*(middle - side / 2), side, side], np.float64)


def is_inside(box: np.ndarray, size: tuple[int, int]) -> bool:
    """Say whether a box shows any of a frame of (height, width)."""
    height, width = size
    return bool(box[0] < width - 0.5 and box[1] < height - 0.5 and box[0] + box[2] > -0.5 and box[1] + box[3] > -0.5)
