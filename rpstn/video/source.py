"""Frames to predict, one after another, from wherever they come: a video file, a folder, a camera, an array.

Every source gives (H,W,3) uint8 RGB of one size, with the time at which each frame is to be shown. Nothing is kept: a source
that is iterated holds one frame. Frames are counted as they are decoded, since headers are often wrong, and times are the
stream's own where it has them, so a variable frame rate stays one.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np

from rpstn.errors import UserError
from rpstn.runs.paths import expanded
from rpstn.runs.quiet import quiet
from rpstn.video.array_input import ArrayInput, is_frames
from rpstn.video.image_input import FrameFolder, ImageFile
from rpstn.video.image_pages import is_image
from rpstn.video.input_frames import DEFAULT_FPS, FPS, Frame, VideoInput, as_rgb, fit, same_size, usable
from rpstn.video.video_file import VideoFile

__all__ = [
    "ArrayInput", "Camera", "Frame", "FrameFolder", "ImageFile", "VideoFile", "VideoInput", "as_rgb", "camera_index", "fit",
    "open_input",
]  # fmt: skip

_CAMERAS = 10**9  # no camera has this index; OpenCV takes what fits 32 bits
_PATIENCE, _PAUSE = 1.0, 0.02  # seconds in which a camera may fail to give a frame, and between two tries
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/+", re.IGNORECASE)  # of two letters at least: C:/ is a drive


def open_input(video: Any, fps: float | None = None) -> VideoInput:
    """Open the source that `video` names.

    video  path of a video file, of an image file (one upright frame, or all the images that it holds) or of a folder of images
           (in the order of the numbers in their names); a camera's index, as a number or as text; an array or tensor (T,H,W,3),
           (T,H,W,4), (T,H,W,1) or (T,H,W) of uint8, RGB, or of one frame (H,W,3) or (H,W); or a list of such frames.
    fps    frames per second of images or an array, which have no times of their own.

    Raises UserError for what is not there or is no such thing. A file or folder without frames and a camera that gives none
    raise it when the first frame is asked for.
    """
    if fps is not None and not usable(fps):
        raise UserError(f"fps is {fps}; give frames per second between {FPS[0]:g} and {FPS[1]:g}")
    if is_frames(video):
        return ArrayInput(video, fps or DEFAULT_FPS)
    if isinstance(video, int | np.integer) and not isinstance(video, bool):
        return Camera(int(video))
    if not isinstance(video, str | os.PathLike) or isinstance(os.fspath(video), bytes):
        raise UserError(
            f"video is of type {type(video).__name__}; give a path, a camera's index, or frames: a uint8 array (T,H,W,3) of RGB, "
            "or a list of such arrays (H,W,3)"
        )
    if not os.fspath(video):  # as of a shell's variable that is not set; as a path, it would be the working directory
        raise UserError("the path of the video is empty; name a video, an image or a folder")
    path = expanded(video)
    if os.path.isdir(path):  # Path.is_dir raises OSError for a name that is too long
        return FrameFolder(path, fps or DEFAULT_FPS)
    if os.path.isfile(path):
        return ImageFile(path, fps or DEFAULT_FPS) if is_image(path) else VideoFile(path)
    index = camera_index(video)
    if index is not None:
        return Camera(index)
    raise UserError(_why_not_there(os.fspath(video)))


def _why_not_there(video: str) -> str:
    if video.lower().startswith("file:/"):
        return f"{video}: addresses are not read; give the path alone, without file://"
    if _ADDRESS.match(video):
        return (
            f"{video}: addresses are not read. Save the video as a file and give that (a stream, for example, with ffmpeg -i "
            "ADDRESS -t 60 clip.mp4), or read frames with cv2.VideoCapture and give them to rpstn.predict as an array of RGB"
        )
    if os.path.exists(video):
        return f"{video}: this is neither a file nor a folder; give a camera by its index, such as 0, or save the video as a file"
    return f"{video}: there is no such video file or folder; check the path, or give a camera's index such as 0"


def camera_index(video: str | os.PathLike[str]) -> int | None:
    """Give the index of the camera that `video` names; None where it is a path.

    A file or folder whose name is a number is a path; so is a number beyond all cameras, such as a date.
    """
    if os.path.exists(video) or not re.fullmatch(r"\d{1,9}", str(video)):
        return None
    return int(str(video))


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
    """The next image of a camera; None where it gives none for a while. A single read may fail."""
    until = time.monotonic() + _PATIENCE
    while True:
        whole, image = capture.read()
        if whole:
            return image
        if time.monotonic() >= until or not capture.isOpened():
            return None
        time.sleep(_PAUSE)
