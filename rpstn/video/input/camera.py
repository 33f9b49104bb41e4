"""A camera as a source of frames: what it gives, when it gives it."""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import cv2
import numpy as np

from rpstn.errors import UserError
from rpstn.runs.quiet import quiet
from rpstn.video.input.frames import DEFAULT_FPS, Frame, as_rgb, same_size, usable

_CAMERAS = 10**9  # no camera has this index; OpenCV takes what fits 32 bits
_PATIENCE, _PAUSE = 1.0, 0.02  # seconds in which a camera may fail to give a frame, and between two tries


def camera_index(video: str | os.PathLike[str]) -> int | None:
    """Give the index of the camera that `video` names; None where it is a path.

    A file or folder whose name is a number is a path; so is a number beyond all cameras, such as a date.
    """
    if os.path.exists(video) or not re.fullmatch(r"\d{1,9}", str(video)):
        return None
    return int(str(video))


@dataclass
class Camera:
    """Read a camera by its index. Times are those at which frames arrived. Raises UserError for an index that no camera has."""

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
        return same_size(self._taken(), self.notes)

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
            self.fps = stated if usable(stated) else DEFAULT_FPS
            start = None
            for index in itertools.count():
                image = _patient_read(capture)
                if image is None:
                    if not index:
                        raise UserError(f"camera {self.index} gives no frame; see whether another program uses it")
                    self.notes.append(f"camera {self.index} stopped after {index} frames")
                    return
                now = time.monotonic()
                start = now if start is None else start
                rgb = as_rgb(image, f"a frame of {self.name}")
                yield Frame(index, now - start, np.ascontiguousarray(rgb[..., ::-1]))
        finally:
            capture.release()


def _patient_read(capture: cv2.VideoCapture) -> np.ndarray | None:
    """Return the next image of a camera; None where it gives none for a while. A single read may fail."""
    until = time.monotonic() + _PATIENCE
    while True:
        whole, image = capture.read()
        if whole:
            return image
        if time.monotonic() >= until or not capture.isOpened():
            return None
        time.sleep(_PAUSE)
