"""Videos for the book: .webm, which browsers play and OpenCV's wheel writes (VP8 or VP9)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.video_frames import count_frames
from rpstn.errors import UserError
from rpstn.runs.files import replacing
from rpstn.runs.opencv_paths import opencv_path
from rpstn.runs.paths import expanded
from rpstn.runs.quiet import quiet

CODECS = {"vp8": "VP80", "vp9": "VP90"}


def write_webm(path: str | Path, frames: Iterable[np.ndarray], fps: float = 12.0, codec: str = "vp8") -> Path:
    """Write RGB frames as .webm, whole or not at all, and read it back to check.

    frames  (H,W,3) uint8, all of one size. An odd width or height is padded by one pixel, which the codec needs.
    Returns the path. Raises UserError for another suffix or codec, ValueError for frames that are not such images or for none
    at all, OSError where OpenCV cannot write or the file does not hold as many frames as it was given.
    """
    path = expanded(path)
    if path.suffix != ".webm" or codec not in CODECS:
        raise UserError(f"{path} with codec {codec!r}: name a .webm file and one of {', '.join(CODECS)}")
    with replacing(path.absolute()) as temporary:
        with contextlib.closing(WebmWriter(temporary, fps, CODECS[codec])) as writer:
            for frame in frames:
                writer.write(frame)
        if not writer.count:
            raise ValueError("there are no frames to write")
        found = count_frames(temporary)
        if found != writer.count:
            raise OSError(f"{path}: {writer.count} frames were written but {found} can be read; try another codec")
    return path


class WebmWriter:
    """Write a .webm frame by frame; `close` makes the file whole, also after fewer frames than were planned.

    frames  (H,W,3) uint8 RGB, all of one size. An odd width or height is padded by one pixel, which the codec needs.
    `write` raises ValueError for another frame and OSError where OpenCV cannot write.
    """

    def __init__(self, path: Path, fps: float, code: str = CODECS["vp8"]) -> None:
        self.path, self.fps, self.code = path, fps, code
        self.count = 0
        self._writer: cv2.VideoWriter | None = None
        self._size: tuple[int, ...] | None = None

    def write(self, frame: np.ndarray, times: int = 1) -> None:
        """Add a frame, `times` times in a row."""
        frame = np.asarray(frame)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or self._size not in (None, frame.shape):
            raise ValueError(f"frame {self.count} is {frame.dtype} {frame.shape}; frames are (H,W,3) uint8 of one size")
        if self._writer is None:
            self._size = frame.shape
            even = (frame.shape[1] + frame.shape[1] % 2, frame.shape[0] + frame.shape[0] % 2)
            with quiet(), opencv_path(self.path) as name:
                self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*self.code), self.fps, even)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write {self.code} to {self.path}; install opencv-python from its wheel")
        if frame.shape[0] % 2 or frame.shape[1] % 2:
            frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        image = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        for _ in range(times):
            self._writer.write(image)
        self.count += times

    def close(self) -> None:
        """End the file; a second call does nothing."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None
