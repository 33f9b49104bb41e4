"""A box that follows a pose: from where the joints are in this frame to where to look in the next.

    box' = box + rate * (box around the joints - box)

once for the center, which may move fast, and once, slower, for the longer side, which in a video changes slowly while single
wrong joints would make it jump. Only joints with a fair confidence count. Functions of plain arrays, which
`rpstn.video.stream` calls.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rpstn.datasets.boxes import joints_box, square
from rpstn.errors import UserError
from rpstn.models.calibration import Calibration

LEAST_CROP = 1 / 16  # shortest crop of a search, as a part of the frame's longer side
PADDING = 1.25  # of crops in training: the crop's side as a multiple of the box's longer side


@dataclass(frozen=True)
class Following:
    """Say how a box follows a pose.

    lost_below      mean confidence over the joints under which a frame counts as one without the person.
    confident_from  mean confidence from which a search that sees a person in the whole frame looks no further.
    trusted         confidence from which a joint counts for where the box is.
    center_rate     rate of the box's center, of 1.
    size_rate       rate of its longer side, of 1.
    margin          what lies around the joints, as a fraction of their longer extent, on each side. Boxes of the embedded data
                    set are 1.18 times as large as their joints' extent (median), those of a person's outline more.
    patience        frames in a row without the person after which a new search begins.
    zooms           looks that a search takes to come closer.
    starts          positions from which a search comes closer, the best that the first looks gave.
    """

    lost_below: float = 0.3
    confident_from: float = 0.45
    trusted: float = 0.2
    center_rate: float = 0.7
    size_rate: float = 0.25
    margin: float = 0.1
    patience: int = 5
    zooms: int = 3
    starts: int = 3

    def __post_init__(self) -> None:
        for name in ("center_rate", "size_rate"):
            if not 0 < getattr(self, name) <= 1:
                raise UserError(f"{name} is {getattr(self, name)}; a rate of following lies above 0 and is at most 1")
        if self.patience < 1 or self.zooms < 0 or self.starts < 1:
            raise UserError(f"patience is {self.patience}, zooms {self.zooms}, starts {self.starts}; give at least 1, 0 and 1")

    @classmethod
    def by(cls, calibration: Calibration, lost_below: float | None = None) -> Following:
        """Take a checkpoint's own limits, or another `lost_below` than its own.

        The factors were chosen with the embedded weights on 16 training clips of sub-JHMDB. A search is never content with what
        counts as lost.
        """
        low, lost = calibration.hidden_below, calibration.lost_below if lost_below is None else lost_below
        return cls(lost_below=lost, confident_from=max(calibration.confident_from, lost), trusted=0.5 * low)


def whole_frame(size: tuple[int, int]) -> np.ndarray:
    """Give the box (4,) whose crop is as wide as the longer side of a frame of (height, width), and centered in it."""
    height, width = size
    side = max(height, width) / PADDING
    return np.array([(width - 1) / 2 - side / 2, (height - 1) / 2 - side / 2, side, side])


def search_boxes(size: tuple[int, int]) -> list[np.ndarray]:
    """List where to look for a person who is small in the frame or off its center: squares that overlap by half.

    Their crops have the frame's shorter side, and 0.6 of it; a frame that is little more than a line has few, larger ones.
    """
    height, width = size
    found = []
    for share in (1.0, 0.6):
        crop = max(share * min(height, width), LEAST_CROP * max(height, width))
        columns, rows = _starts(width, crop), _starts(height, crop)
        side, edge = crop / PADDING, (crop - crop / PADDING) / 2
        found += [np.array([x + edge - 0.5, y + edge - 0.5, side, side]) for y in rows for x in columns]
    return found


def _starts(length: float, crop: float) -> np.ndarray:
    if crop >= length:
        return np.array([(length - crop) / 2])
    return np.linspace(0, length - crop, int(np.ceil((length - crop) / (crop / 2))) + 1)


def pose_box(joints: np.ndarray, confidence: np.ndarray, following: Following) -> np.ndarray | None:
    """Give the square box (4,) around the trusted joints (K,2); None for fewer than a third of all, or all at one position."""
    trusted = confidence >= following.trusted
    if trusted.sum() < max(len(joints) / 3, 2):
        return None
    box = joints_box(np.asarray(joints[trusted], np.float64), following.margin)
    return None if box is None else square(box)


def move(box: np.ndarray, target: np.ndarray, following: Following, size: tuple[int, int]) -> np.ndarray:
    """Give the square box of the next frame; its side stays between 0.05 of the frame's shorter side and twice its longer."""
    center, aim = box[:2] + box[2:] / 2, target[:2] + target[2:] / 2
    center = center + following.center_rate * (aim - center)
    side = box[2] + following.size_rate * (target[2] - box[2])
    side = float(np.clip(side, 0.05 * min(size), 2 * max(size)))
    return np.array([*(center - side / 2), side, side])


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Divide what two boxes (4,) share by what they cover together, 0 to 1."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    shared = np.clip(high - low, 0, None).prod()
    return float(shared / (one[2:].prod() + other[2:].prod() - shared))
