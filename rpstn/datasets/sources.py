"""Where pixels come from: image folders, video files, arrays, and a cache in front of them."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.clip import ClipDataset, FrameSource, frame_numbers
from rpstn.datasets.image_damage import damage_in, is_cut_short
from rpstn.datasets.image_pages import count_images
from rpstn.datasets.video_frames import VideoFrames, count_frames, decode_video
from rpstn.errors import UserError
from rpstn.runs.quiet import hearing

__all__ = ["ArrayFrames", "FrameCache", "ImageFrames", "VideoFrames", "checksums", "count_frames", "decode_video", "read_image"]


def read_image(
    path: Path, *, upright: bool = False, remedy: str = "unpack or make the data set again, or remove the clip"
) -> np.ndarray:
    """Read one image as (H,W,3) uint8 RGB. UserError where it is missing, cut short, no image, or several.

    upright  rotated as its metadata say, as phones note it. Not for sets whose labels are given in stored pixels.
    remedy   what the user can do about a broken one.
    """
    return _decoded(path, _stored(path, remedy), upright, remedy)


def look_at_image(
    path: Path, *, upright: bool = False, remedy: str = "unpack or make the data set again, or remove the clip"
) -> tuple[np.ndarray, str]:
    """Read one image as read_image does, and say what its decoder found damaged in it; "" for nothing.

    Decoders draw what they can of such an image. They say so on stderr, which is shut for the whole process meanwhile: this is
    for looking at images once, not for reading them in a loop that trains.
    """
    data = _stored(path, remedy)
    with hearing() as said:
        image = _decoded(path, data, upright, remedy)
    return image, damage_in(said)


def checksum_pixels(dataset: ClipDataset) -> str:
    """Return the SHA-256 of what the frames of a data set are read from, clip by clip: files as they are stored, or arrays.

    With `ClipDataset.checksum`, which covers the labels, it says whether two scores are of the same data. A file that several
    clips share is read once. Raises UserError for a file that cannot be read.
    """
    digest, known = hashlib.sha256(), dict[Path, bytes]()

    def of_file(path: Path) -> bytes:
        if path not in known:
            known[path] = hashlib.sha256(_stored(path, "restore it, or remove the clip")).digest()
        return known[path]

    for clip in dataset:
        frames = clip.frames
        if isinstance(frames, ImageFrames):
            for path in frames.paths:
                digest.update(of_file(path))
        elif isinstance(frames, VideoFrames):
            digest.update(of_file(frames.path))
        else:
            digest.update(hashlib.sha256(np.ascontiguousarray(frames.read(range(len(frames)))).tobytes()).digest())
    return digest.hexdigest()


def checksums(dataset: ClipDataset) -> dict[str, str]:
    """Return the checksums of a data set's labels and pixels, as the manifest of a published number has them."""
    return {"labels": dataset.checksum(), "pixels": checksum_pixels(dataset)}


def _stored(path: Path, remedy: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read this image ({error.strerror}); {remedy}") from error


def _decoded(path: Path, data: bytes, upright: bool, remedy: str) -> np.ndarray:
    # Some versions of OpenCV fill the lost part of a JPEG that was cut short with gray, and say so on stderr only.
    whole = not is_cut_short(data)
    flags = cv2.IMREAD_COLOR_RGB | (0 if upright else cv2.IMREAD_IGNORE_ORIENTATION)
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data and whole else None
    except cv2.error:
        image = None
    if image is None:
        reason = "the file is empty" if not data else "it cannot be decoded" if whole else "it was cut short"
        raise UserError(f"{path}: broken image, {reason}; {remedy}")
    count = count_images(data)
    if count > 1:
        raise UserError(f"{path}: {count} images in one file, a frame is one image; save each to a file of its own")
    return image


# Sources compare by identity: two that read the same files are still two, and hashing long path lists costs
# time.
@dataclass(frozen=True, eq=False)
class ImageFrames:
    """Frames as image files, in order.

    paths     one file per frame.
    expected  (height, width) as the label states it; None: that of the first image.
    upright   rotated as their metadata say (see read_image).

    read raises UserError for a missing or broken image, and for one of another size, since its labels would
    be off.
    """

    paths: Sequence[Path]
    expected: tuple[int, int] | None = None
    upright: bool = False

    def __len__(self) -> int:
        return len(self.paths)

    def image(self, index: int) -> np.ndarray:
        """Read one frame (H,W,3) uint8 RGB, of whatever size it is."""
        return read_image(self.paths[index], upright=self.upright)

    def look_at(self, index: int) -> tuple[np.ndarray, str]:
        """Read one frame, and say what is damaged in it (see look_at_image)."""
        return look_at_image(self.paths[index], upright=self.upright)

    @cached_property
    def size(self) -> tuple[int, int]:
        if self.expected is not None:
            return self.expected
        if not self.paths:
            raise UserError("an image folder without images has no size; give at least one file")
        height, width = self.image(0).shape[:2]
        return height, width

    def read(self, indices: Sequence[int]) -> np.ndarray:
        frames = []
        for index in frame_numbers(indices, len(self), f"{self.paths[0].parent}" if self.paths else "an image folder"):
            frame = self.image(index)
            if frame.shape[:2] != self.size:
                raise UserError(
                    f"{self.paths[index]}: the image has {frame.shape[1]}x{frame.shape[0]} pixels, "
                    f"its clip's labels are for {self.size[1]}x{self.size[0]}; put back the original frame"
                )
            frames.append(frame)
        return np.stack(frames) if frames else np.empty((0, *self.size, 3), np.uint8)


@dataclass(frozen=True, eq=False)
class ArrayFrames:
    """Frames that are in memory already: (T,H,W,3) uint8 RGB."""

    array: np.ndarray

    def __post_init__(self) -> None:
        if self.array.ndim != 4 or self.array.shape[-1] != 3 or self.array.dtype != np.uint8:
            raise UserError(
                f"frames must be an array (T,H,W,3) of uint8 in RGB, not {self.array.shape} of "
                f"{self.array.dtype}; convert them first"
            )

    def __len__(self) -> int:
        return len(self.array)

    @property
    def size(self) -> tuple[int, int]:
        _, height, width, _ = self.array.shape
        return height, width

    def read(self, indices: Sequence[int]) -> np.ndarray:
        chosen: np.ndarray = self.array[np.asarray(frame_numbers(indices, len(self), "frames in memory"), int)]
        return chosen


class FrameCache:
    """Keeps decoded frames, so that each is read from disk once; the least recently used leave first.

    limit  bytes of pixels to keep. 380 clips of 24 frames at 160 x 160 take 0.70 GB.

    Safe between threads. A copy sent to another process starts empty.
    """

    def __init__(self, limit: int = 1 << 30) -> None:
        if limit < 0:
            raise UserError(f"a frame cache cannot hold {limit} bytes; give 0 (keep nothing) or more")
        self.limit = limit
        self._start()

    def _start(self) -> None:
        # The source is part of the key, so its identity cannot be reused while one of its frames is kept.
        self._frames: OrderedDict[tuple[FrameSource, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()
        self.bytes = 0

    def __getstate__(self) -> dict[str, int]:
        return {"limit": self.limit}

    def __setstate__(self, state: dict[str, int]) -> None:
        self.limit = state["limit"]
        self._start()

    def __len__(self) -> int:
        return len(self._frames)

    def read(self, source: FrameSource, indices: Sequence[int]) -> np.ndarray:
        """Read frames of a source, from memory where possible: (N,H,W,3) uint8 RGB."""
        wanted = frame_numbers(indices, len(source), "cached frames")
        found: dict[int, np.ndarray] = {}
        with self._lock:
            for index in set(wanted):
                frame = self._frames.get((source, index))
                if frame is not None:
                    self._frames.move_to_end((source, index))
                    found[index] = frame
        missing = sorted(set(wanted) - set(found))
        if missing:
            fresh = self._read(source, missing)
            found |= fresh
            self._keep(source, fresh)
        return np.stack([found[index] for index in wanted])

    @staticmethod
    def _read(source: FrameSource, indices: list[int]) -> dict[int, np.ndarray]:
        """Read at least the frames of those indices from the source."""
        if isinstance(source, VideoFrames):
            frames = source.read_whole()
            if frames.keys() >= set(indices):
                return frames
        # A view would keep its whole block alive after its neighbors have left.
        return {index: frame.copy() for index, frame in zip(indices, source.read(indices), strict=True)}

    def _keep(self, source: FrameSource, frames: dict[int, np.ndarray]) -> None:
        with self._lock:
            for index, frame in frames.items():
                if (source, index) not in self._frames:
                    self._frames[source, index] = frame
                    self.bytes += frame.nbytes
            while self.bytes > self.limit:
                _, oldest = self._frames.popitem(last=False)
                self.bytes -= oldest.nbytes
