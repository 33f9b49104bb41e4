"""A clip is one person in one stretch of video, with what is known of the joints. Pixels are read on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np

from rpstn.datasets.truth import Truth
from rpstn.errors import OutOfRange, UserError
from rpstn.skeletons import Skeleton

# The states of a joint in a frame. The numbers are those of COCO's visibility flag.
ABSENT, OCCLUDED, VISIBLE = 0, 1, 2

T = TypeVar("T")


class FrameSource(Protocol):
    """Where a clip's pixels come from: an image folder, a video file, an array."""

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""

    def __len__(self) -> int:
        """Return the number of frames."""

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Read frames by index: (N,H,W,3) uint8 RGB."""


def frame_numbers(indices: Sequence[int], count: int, where: str) -> list[int]:
    """Return the indices of frames as a list. Raises OutOfRange, with `where` in front, for one that none of `count` frames has.

    Frames count from 0; one before the first is none, so that a mistaken index is not the last frame.
    """
    for index in indices:
        if isinstance(index, bool) or not isinstance(index, Integral) or not 0 <= index < count:
            there = f"0 to {count - 1}" if count else "none"
            raise OutOfRange(f"{where}: there is no frame {index!r}; there are {there}")
    return [int(index) for index in indices]


@dataclass(frozen=True)
class Clip:
    """One person's clip.

    id          name within the data set.
    group       unit of independence: the video, or the stretch of motion. Splits and the bootstrap go by it: clips that share
                motion have one group. (Embedded training clips that join two stretches are named after both,
                "a+b"; no such clip is in val or test, where intervals are measured.)
    action      what is done.
    joints      (T,K,2) float32, 0-based pixels of the source image, the top-left pixel's center being (0, 0).
    visibility  (T,K) uint8: ABSENT, OCCLUDED or VISIBLE.
    boxes       (T,4) float32: x, y, width, height of the person in each frame.
    frames      the pixels.
    truth       what else the data set says.
    """

    id: str
    group: str
    action: str
    joints: np.ndarray
    visibility: np.ndarray
    boxes: np.ndarray
    frames: FrameSource
    truth: Truth = Truth()

    @classmethod
    def of_image(
        cls, id: str, group: str, joints: np.ndarray, visibility: np.ndarray, box: np.ndarray, frames: FrameSource, truth: Truth
    ) -> Clip:
        """Make the clip of a single image: joints (K,2), visibility (K,) and box (4,) of its one frame; without an action."""
        labels = joints.astype(np.float32)[None], visibility.astype(np.uint8)[None]
        return cls(id, group, "", *labels, box.astype(np.float32)[None], frames, truth)

    def __post_init__(self) -> None:
        length, joints = self.visibility.shape
        if self.joints.shape != (length, joints, 2) or self.boxes.shape != (length, 4) or len(self.frames) != length:
            raise UserError(
                f"clip {self.id!r}: joints {self.joints.shape}, visibility {self.visibility.shape}, boxes {self.boxes.shape} and "
                f"{len(self.frames)} frames do not fit together; repair or remove this clip's label file"
            )

    def __len__(self) -> int:
        return len(self.visibility)


def known(value: T | None, clip: Clip, what: str) -> T:
    """Return what is known of a clip, a part of its truth. Raises UserError where it is None."""
    if value is None:
        raise UserError(f"clip {clip.id!r}: its data set does not say {what}; choose a data set that does")
    return value


@dataclass(frozen=True)
class ClipDataset:
    """One split of a data set: an ordered collection of clips that share a skeleton.

    left_out             how many damaged entries were skipped, because that was asked for.
    fold                 which fold it is of, where a data set has several that share clips (sub_jhmdb); else None.
    detections_left_out  by reason, how many of a detector's rows could not be used.
    """

    name: str
    skeleton: Skeleton
    split: str
    root: Path
    clips: tuple[Clip, ...]
    left_out: int = 0
    fold: int | None = None
    detections_left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> Clip:
        try:
            return self.clips[index]
        except IndexError:
            there = f"0 to {len(self) - 1}" if self.clips else "none"
            raise OutOfRange(f"data set {self.name}, split {self.split}: there is no clip {index}; there are {there}") from None

    def __iter__(self) -> Iterator[Clip]:
        return iter(self.clips)

    def checksum(self) -> str:
        """Return the SHA-256 of ids and labels: two runs on the same labels have the same one."""
        digest = hashlib.sha256(f"{self.name} {self.split} {self.skeleton.name}".encode())
        for clip in self.clips:
            digest.update(clip.id.encode(errors="surrogateescape"))
            for array in (clip.joints, clip.visibility, clip.boxes):
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()
