"""A person's box where a data set has none: around the joints."""

from __future__ import annotations

import numpy as np

# No picture has as many pixels a side; what lies further out is no position.
FARTHEST = 1e6


def joints_box(points: np.ndarray, margin: float) -> np.ndarray | None:
    """The smallest box (4,) float32 that holds points (N,2), grown by margin * its longer side to each side.

    None where the points have no extent.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    grown = margin * float((high - low).max())
    if grown <= 0:
        return None
    return np.concatenate([low - grown, high - low + 2 * grown]).astype(np.float32)


def fill_boxes(boxes: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Boxes (T,4) x, y, width, height with those that have no extent replaced by the nearest frame's that has one.

    Returns them as float32, or None where no box has an extent, and how many were replaced.
    """
    boxes = np.asarray(boxes, np.float64)
    # The comparison with NaN is false.
    valid = (np.abs(boxes) <= FARTHEST).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    good = np.flatnonzero(valid)
    if not len(good):
        return None, len(boxes)
    nearest = good[np.abs(np.arange(len(boxes))[:, None] - good).argmin(axis=1)]
    return boxes[nearest].astype(np.float32), int((~valid).sum())
