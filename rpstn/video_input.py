"""Frames to predict, one after another, from wherever they come: a video file, a folder, a camera, an array.

Every source gives (H,W,3) uint8 RGB of one size, with the time at which each frame is to be shown. Nothing is kept: a source
that is iterated holds one frame. Frames are counted as they are decoded, since headers are often wrong, and times are the
stream's own where it has them, so a variable frame rate stays one.
"""

from __future__ import annotations

import itertools
import math
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import cv2
import numpy as np

from rpstn.datasets.own import PICTURES
from rpstn.datasets.sources import read_image
from rpstn.errors import UserError
from rpstn.opencv_paths import opencv_path
from rpstn.video import quiet

# Frames a second where a source does not say. Headers outside of FPS are wrong: browsers write 1000 for "varies".
DEFAULT_FPS, FPS = 25.0, (0.1, 300.0)
_LOOK = 12  # frames whose times tell the rate where the header does not
_CAMERAS = 10**9  # no camera has this index; OpenCV takes what fits 32 bits


class Frame(NamedTuple):
    """One frame: its number from 0, seconds since the first, and its pixels (H,W,3) uint8 RGB."""

    index: int
    time: float
    pixels: np.ndarray


class VideoInput(Protocol):
    """A source of frames. `fps` and `notes` are final once the first frame, and the last, have been taken.

    name   what it is called, without its folder.
    fps    frames a second, as far as one number says it.
    count  frames that the source states; None where it does not. No promise.
    live   a camera: frames that nobody takes are lost, and it cannot be read again.
    notes  what was noticed about the frames and had to be put right.
    """

    name: str
    fps: float
    count: int | None
    live: bool
    notes: list[str]

    def __iter__(self) -> Iterator[Frame]: ...


def open_input(video: str | os.PathLike[str] | int | np.ndarray, fps: float | None = None) -> VideoInput:
    """The source that `video` names.

    video  path of a video file or of a folder of pictures (in the order of the numbers in their names); a camera's index, as a
           number or as text; or an array (T,H,W,3), (T,H,W,4), (T,H,W,1) or (T,H,W) of uint8, RGB.
    fps    frames a second of a folder or an array, which have no times of their own.

    Raises UserError for what is not there or is no such thing. A file without a video stream, a file or folder without frames
    and a camera that gives none raise it when the first frame is asked for.
    """
    if fps is not None and not FPS[0] <= fps <= FPS[1]:
        raise UserError(f"fps is {fps}; give frames a second between {FPS[0]:g} and {FPS[1]:g}")
    if isinstance(video, np.ndarray):
        return ArrayInput(video, fps or DEFAULT_FPS)
    if isinstance(video, int) and not isinstance(video, bool):
        return Camera(video)
    if not isinstance(video, str | os.PathLike):
        raise UserError(
            f"video is of type {type(video).__name__}; give a path, a camera's index, or a uint8 array (T,H,W,3) of RGB frames"
        )
    path = Path(video)
    if os.path.isdir(path):  # Path.is_dir raises OSError for a name that is too long
        return FrameFolder(path, fps or DEFAULT_FPS)
    if os.path.isfile(path):
        return VideoFile(path)
    index = camera_index(video)
    if index is not None:
        return Camera(index)
    raise UserError(f"{path}: there is no such video file or folder; check the path, or give a camera's index such as 0")


def camera_index(video: str | os.PathLike[str]) -> int | None:
    """The index of the camera that `video` names; None where it is a path.

    A file or folder whose name is a number is a path; so is a number beyond all cameras, such as a date.
    """
    if os.path.exists(video) or not re.fullmatch(r"\d{1,9}", str(video)):
        return None
    return int(str(video))


def as_rgb(picture: np.ndarray, where: str) -> np.ndarray:
    """A picture (H,W), (H,W,1), (H,W,3) or (H,W,4) of uint8 as (H,W,3): grey is repeated, a fourth channel (opacity) dropped."""
    if picture.dtype != np.uint8 or picture.ndim not in (2, 3) or (picture.ndim == 3 and picture.shape[2] not in (1, 3, 4)):
        raise UserError(
            f"{where} is {picture.shape} of {picture.dtype}; frames are (H,W,3) of uint8 in RGB, or grey, or with a fourth "
            "channel: convert them first"
        )
    if picture.ndim == 2 or picture.shape[2] == 1:
        return np.repeat(picture.reshape(*picture.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(picture[..., :3])


def fit(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A frame of another size, scaled into (height, width) with its aspect kept and black at two sides."""
    height, width = size
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = (min(max(round(pixels.shape[0] * scale), 1), height), min(max(round(pixels.shape[1] * scale), 1), width))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner[0], left : left + inner[1]] = cv2.resize(pixels, inner[::-1], interpolation=method)
    return canvas


def _same_size(frames: Iterator[Frame], notes: list[str]) -> Iterator[Frame]:
    """The frames, all of the first one's size. A pose has one grid of pixels from the first frame to the last."""
    size = None
    for frame in frames:
        given = frame.pixels.shape[:2]
        size = size or given
        if given != size:
            if not any("are scaled" in note for note in notes):
                notes.append(
                    f"frame {frame.index} has {given[1]}x{given[0]} pixels, the first {size[1]}x{size[0]}: it and all others "
                    "that differ are scaled into the first one's size, and poses are in its pixels"
                )
            frame = frame._replace(pixels=fit(frame.pixels, size))
        yield frame


def _usable(fps: float) -> bool:
    return math.isfinite(fps) and FPS[0] <= fps <= FPS[1]


@dataclass
class VideoFile:
    """A video file, decoded from its start by OpenCV. Times are the stream's own where they increase.

    Raises UserError, when iterated, for a file without a video stream or without a frame that can be decoded.
    """

    path: Path
    fps: float = DEFAULT_FPS
    count: int | None = None
    live: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.path.name
        with self._opened() as capture:
            self._read_header(capture)

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        with quiet(), opencv_path(self.path) as name:  # OpenCV prints a page about a file that it cannot open
            capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG)
        try:
            if not capture.isOpened():
                try:
                    self.path.open("rb").close()
                except OSError as error:
                    raise UserError(
                        f"{self.path}: this file cannot be read ({error.strerror}); allow it, or give another"
                    ) from error
                empty = self.path.stat().st_size == 0
                reason = "the file is empty" if empty else "it has no video stream, or OpenCV lacks its codec"
                raise UserError(f"{self.path}: no video can be read, {reason}; give another file, or convert it to .webm or .mp4")
            yield capture
        finally:
            capture.release()

    def _read_header(self, capture: cv2.VideoCapture) -> None:
        stated = capture.get(cv2.CAP_PROP_FPS)
        self.fps = stated if _usable(stated) else 0.0
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = int(count) if math.isfinite(count) and 0 < count < 1e9 else None

    def __iter__(self) -> Iterator[Frame]:
        return _same_size(self._timed(), self.notes)

    def _timed(self) -> Iterator[Frame]:
        decoded = self._decoded()
        first = list(itertools.islice(decoded, _LOOK))
        if not first:
            raise UserError(
                f"{self.path}: no frame of this video can be decoded; it is broken or has none: give another file, or convert it"
            )
        if not self.fps:
            steps = np.diff([seconds for seconds, _ in first])
            steps = steps[steps > 0]
            rate = 1 / float(np.median(steps)) if len(steps) else 0.0
            self.fps = rate if _usable(rate) else DEFAULT_FPS
        start, last, index, guessed = first[0][0], -1.0, -1, 0
        for index, (seconds, pixels) in enumerate(self._from(first, decoded)):
            moment = seconds - start
            if not math.isfinite(moment) or moment <= last:
                # A stream without times, or with times that go back, is taken to run evenly.
                moment, guessed = last + 1 / self.fps if index else 0.0, guessed + bool(index)
            last = moment
            yield Frame(index, moment, pixels)
        if guessed:
            self.notes.append(f"{guessed} frames have no later time than the one before; taken to follow at {self.fps:g} fps")
        if self.count and index + 1 < self.count:
            self.notes.append(f"the file's header states {self.count} frames, {index + 1} can be decoded")

    @staticmethod
    def _from(first: list, rest: Iterator) -> Iterator:
        """What was looked at, given away one by one, then the rest."""
        while first:
            yield first.pop(0)
        yield from rest

    def _decoded(self) -> Iterator[tuple[float, np.ndarray]]:
        with self._opened() as capture:
            while True:
                with_picture, picture = capture.read()
                if not with_picture:
                    return
                seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                if picture.ndim == 3 and picture.shape[2] == 3:
                    yield seconds, cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
                else:
                    rgb = as_rgb(picture, f"a frame of {self.path.name}")
                    yield seconds, np.ascontiguousarray(rgb[..., ::-1])


@dataclass
class FrameFolder:
    """Pictures of a folder as frames, in the order of the numbers in their names (2.png before 10.png), upright."""

    path: Path
    fps: float = DEFAULT_FPS
    live: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.path.resolve().name
        try:
            found = [path for path in self.path.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
        except OSError as error:
            raise UserError(f"{self.path}: this folder cannot be read ({error.strerror}); allow it, or give another") from error
        self.paths = sorted(found, key=_natural)
        self.count: int | None = len(self.paths)
        if not self.paths:
            raise UserError(f"{self.path}: this folder has no pictures ({', '.join(PICTURES)}); give one of frames, or a video")

    def __iter__(self) -> Iterator[Frame]:
        return _same_size(self._read(), self.notes)

    def _read(self) -> Iterator[Frame]:
        """read_image makes RGB of grey, 16-bit and 4-channel pictures, and names the one that is broken."""
        # Removing it would move the times and the boxes of all frames behind it.
        remedy = "put a whole picture in its place, such as a copy of the one beside it"
        for index, path in enumerate(self.paths):
            pixels = read_image(path, upright=True, remedy=remedy)
            yield Frame(index, index / self.fps, pixels)


def _natural(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name)
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


@dataclass
class ArrayInput:
    """Frames that are in memory: (T,H,W,3) uint8 RGB; (T,H,W) and (T,H,W,1) are grey, a fourth channel is dropped."""

    array: np.ndarray
    fps: float = DEFAULT_FPS
    name: str = "array"
    live: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.array.ndim not in (3, 4) or self.array.size == 0:
            raise UserError(
                f"frames are an array of shape {self.array.shape}; give (T,H,W,3) of uint8 in RGB with at least one frame"
            )
        as_rgb(self.array[0], "a frame of the array")
        self.count: int | None = len(self.array)

    def __iter__(self) -> Iterator[Frame]:
        for index, picture in enumerate(self.array):
            yield Frame(index, index / self.fps, as_rgb(picture, "a frame of the array"))


@dataclass
class Camera:
    """A camera by its index. Times are those at which frames arrived. Raises UserError for an index that no camera has."""

    index: int
    fps: float = DEFAULT_FPS
    count: int | None = None
    live: bool = True
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = f"camera {self.index}"
        if abs(self.index) >= _CAMERAS:
            raise UserError(f"there is no {self.name}; the first camera is 0, and a path is given as text")

    def __iter__(self) -> Iterator[Frame]:
        return _same_size(self._taken(), self.notes)

    def _taken(self) -> Iterator[Frame]:
        with quiet():
            capture = cv2.VideoCapture(self.index)
        try:
            if not capture.isOpened():
                raise UserError(
                    f"camera {self.index} cannot be opened: it is not there, or another program has it; give the index of "
                    "another (the first is 0), or a video file"
                )
            stated = capture.get(cv2.CAP_PROP_FPS)
            self.fps = stated if _usable(stated) else DEFAULT_FPS
            start = None
            for index in itertools.count():
                with_picture, picture = capture.read()
                if not with_picture:
                    if not index:
                        raise UserError(f"camera {self.index} gives no frame; see whether another program uses it")
                    self.notes.append(f"camera {self.index} stopped after {index} frames")
                    return
                now = time.monotonic()
                start = now if start is None else start
                rgb = as_rgb(picture, f"a frame of {self.name}")
                yield Frame(index, now - start, np.ascontiguousarray(rgb[..., ::-1]))
        finally:
            capture.release()
