"""What lies outside the frames of one's own data (see reader.py), whether these are images, a video or an array."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rpstn.datasets.boxes import is_inside
from rpstn.datasets.clip import ABSENT
from rpstn.datasets.formats.coco_json import inside
from rpstn.errors import UserError


def keep_inside(
    where: str, joints: np.ndarray, visibility: np.ndarray, size: tuple[int, int], names: Sequence[str]
) -> tuple[np.ndarray, int]:
    """Make joints (T,K,2) outside frames of that (height, width) absent. Returns the visibility (T,K), and how many these are.

    Raises UserError, with `where` in front, where all are outside, and for one that is further out than the frame is wide or
    high: people reach out of a frame, but so far only typing errors do.
    """
    labeled = visibility != ABSENT
    beyond = labeled & ~inside(joints, size)
    pixels = f"the {size[1]}x{size[0]} pixels of its frames"
    if labeled.any() and (beyond == labeled).all():
        raise UserError(f"{where} has all its joints outside {pixels}; correct them")
    far = np.argwhere(labeled & _far(joints, joints, size))
    if len(far):
        frame, joint = far[0]
        more = f" (and {len(far) - 1} more)" if len(far) > 1 else ""
        raise UserError(
            f"{where}: {names[joint]} of frame {frame} lies at {_numbers(joints[frame, joint])}, far outside {pixels}{more}; "
            f"correct it, or make it absent (visibility 0)"
        )
    return np.where(beyond, ABSENT, visibility).astype(np.uint8), int(beyond.sum())


def check_boxes(where: str, boxes: np.ndarray, size: tuple[int, int]) -> None:
    """Raise UserError for a stated box (T,4) that reaches as far out, and for one that shows nothing of its frame."""
    outside = [frame for frame, box in enumerate(boxes) if (box[2:] > 0).all() and not is_inside(box, size)]
    if outside:
        raise UserError(
            f"{where}: the box {_numbers(boxes[outside[0]])} of frame {outside[0]} lies outside the {size[1]}x{size[0]} pixels "
            f"of its frames; correct it (x, y, width, height), or leave it out"
        )
    far = np.flatnonzero(_far(boxes[:, :2], boxes[:, :2] + boxes[:, 2:], size))
    if len(far):
        raise UserError(
            f"{where}: the box {_numbers(boxes[far[0]])} of frame {far[0]} reaches far outside the {size[1]}x{size[0]} pixels of "
            f"its frames; correct it (x, y, width, height)"
        )


def _far(low: np.ndarray, high: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Say whether what reaches from low to high (...,2) is further outside the frame than the frame is wide or high."""
    extent = np.array([size[1], size[0]])
    far: np.ndarray = np.any((low < -0.5 - extent) | (high > 2 * extent - 0.5), axis=-1)
    return far


def _numbers(values: np.ndarray) -> str:
    return "(" + ", ".join(f"{value:g}" for value in values.tolist()) + ")"
