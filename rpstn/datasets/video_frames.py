"""Frames of a clip that lie in a video file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.clip import frame_numbers
from rpstn.datasets.decoding import Decoded, decode, missing_where, open_capture, packet_times
from rpstn.errors import UserError

_NAMED = 5


def count_frames(path: Path) -> int:
    """Count the frames of a video that can be decoded; none is kept."""
    return sum(1 for frame in _decoded(path) if frame.image is not None)


def decode_video(path: Path) -> np.ndarray:
    """Decode all frames of a video, (T,H,W,3) uint8 RGB. Frames are decoded and counted: headers are often wrong."""
    video = VideoFrames(path)
    return video.read(range(len(video)))


@dataclass(frozen=True, eq=False)
class VideoFrames:
    """Frames of one video file, decoded from its start at each read (seeking is not exact in all codecs).

    length    frames the labels speak of; None: as many as the file has, found by decoding once.
    expected  (height, width) as the labels state it; None: the video's.

    A frame that cannot be decoded keeps its number, and the others can be read. read raises UserError for such a frame, for a
    missing or broken file and where number or size of the frames differ.
    """

    path: Path
    length: int | None = None
    expected: tuple[int, int] | None = None

    @cached_property
    def _counted(self) -> int:
        return self._read()[1]

    def __len__(self) -> int:
        return self.length if self.length is not None else self._counted

    @cached_property
    def size(self) -> tuple[int, int]:
        return self.expected if self.expected is not None else self._first().shape[:2]

    def read(self, indices: Sequence[int]) -> np.ndarray:
        frames, count = self._read()
        wanted = frame_numbers(indices, count if self.length is None else self.length, f"{self.path}")
        lost = sorted(set(wanted) - frames.keys())
        if lost:
            raise self.broken(lost)
        return np.stack([frames[index] for index in wanted]) if wanted else np.empty((0, *self.size, 3), np.uint8)

    def read_whole(self) -> dict[int, np.ndarray]:
        """Read all frames that can be decoded, (H,W,3) uint8 RGB, by index. FrameCache keeps them: one costs as much as all."""
        return self._read()[0]

    def _read(self) -> tuple[dict[int, np.ndarray], int]:
        """Read all frames that can be decoded, and count all that there are."""
        doubts: list[int] = []
        frames: dict[int, np.ndarray] = {}
        count = 0
        for index, image in self._frames(doubts):
            count = index + 1
            if image is not None:
                frames[index] = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        if doubts:
            raise UserError(
                f"{self.path}: the file is damaged, frames are missing {missing_where(doubts)} and nobody can tell how many, so "
                f"labels may meet other frames; put a whole copy of the file in its place"
            )
        found = 1 + max(frames)
        if self.length is not None and self.length not in (found, count) and not found < self.length <= packet_count(self.path):
            raise UserError(
                f"{self.path}: {found} frames can be decoded, the labels are for {self.length}; "
                f"the file is cut short or belongs to other labels: unpack the data set again"
            )
        height, width = frames[min(frames)].shape[:2]
        if self.expected is not None and (height, width) != tuple(self.expected):
            raise UserError(
                f"{self.path}: the video has {width}x{height} pixels, its labels are for "
                f"{self.expected[1]}x{self.expected[0]}; put back the original file"
            )
        return frames, count

    def broken(self, lost: Sequence[int]) -> UserError:
        """Make the error that names frames which cannot be decoded."""
        named = ", ".join(map(str, lost[:_NAMED])) + (", ..." if len(lost) > _NAMED else "")
        which = f"frame {named}" if len(lost) == 1 else f"{len(lost)} frames ({named})"
        return UserError(f"{self.path}: {which} of {len(self)} cannot be decoded; put a whole copy of the file in its place")

    def _first(self) -> np.ndarray:
        return next(image for _, image in self._frames([]) if image is not None)

    def _frames(self, doubts: list[int]) -> Iterator[tuple[int, np.ndarray | None]]:
        """Yield index and pixels, BGR, of each frame; None for one that cannot be decoded. doubts: as in decode.

        Raises UserError where none can be.
        """
        if not self.path.is_file():
            raise UserError(f"{self.path}: there is no such video file; check the path")
        found = False
        for frame in _decoded(self.path, doubts):
            found = found or frame.image is not None
            yield frame.index, frame.image
        if not found:
            raise UserError(
                f"{self.path}: no frame of this video can be decoded; it is broken, or OpenCV lacks its codec "
                f"(convert it to .webm or .mp4)"
            )


def packet_count(path: Path) -> int:
    """Count the packets of a video file, one per frame, decodable or not."""
    times, unreadable = packet_times(path)
    return len(times) + len(unreadable)


def _decoded(path: Path, doubts: list[int] | None = None) -> Iterator[Decoded]:
    with open_capture(path) as capture:
        if capture.isOpened():
            yield from decode(path, capture, doubts)
