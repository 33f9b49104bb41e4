"""Videos for the book: .webm, which browsers play and OpenCV's wheel writes (VP8 or VP9)."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.clip import ABSENT, VISIBLE
from rpstn.datasets.sources import count_frames
from rpstn.errors import UserError
from rpstn.opencv_paths import opencv_path
from rpstn.runs import replacing
from rpstn.skeletons import Skeleton

# The person's left and right as in the figures, and what lies between; RGB.
COLOURS = {"left": (213, 94, 0), "right": (0, 114, 178), "": (0, 158, 115)}
CODECS = {"vp8": "VP80", "vp9": "VP90"}


def write_webm(path: str | Path, frames: Iterable[np.ndarray], fps: float = 12.0, codec: str = "vp8") -> Path:
    """Write RGB frames as .webm, whole or not at all, and read it back to check.

    frames  (H,W,3) uint8, all of one size. A side of odd length is repeated by one pixel, which the codec
            needs.
    Returns the path. Raises UserError for another suffix or codec, ValueError for frames that are not such
    images or for none at all, OSError where OpenCV cannot write or the file does not hold as many frames as
    it was given.
    """
    path = Path(path)
    if path.suffix != ".webm" or codec not in CODECS:
        raise UserError(f"{path} with codec {codec!r}: name a .webm file and one of {', '.join(CODECS)}")
    with replacing(path.absolute()) as temporary:
        count = _write(temporary, frames, fps, CODECS[codec])
        found = count_frames(temporary)
        if found != count:
            raise OSError(f"{path}: {count} frames were written but {found} can be read; try another codec")
    return path


class WebmWriter:
    """A .webm that is written frame by frame; `close` makes the file whole, also after fewer frames than were planned.

    frames  (H,W,3) uint8 RGB, all of one size. A side of odd length is repeated by one pixel, which the codec needs.
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
                self._writer = cv2.VideoWriter(name, cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*self.code), self.fps, even)
            if not self._writer.isOpened():
                raise OSError(f"OpenCV cannot write {self.code} to {self.path}; install opencv-python from its wheel")
        if frame.shape[0] % 2 or frame.shape[1] % 2:
            frame = np.pad(frame, ((0, frame.shape[0] % 2), (0, frame.shape[1] % 2), (0, 0)), mode="edge")
        picture = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
        for _ in range(times):
            self._writer.write(picture)
        self.count += times

    def close(self) -> None:
        """End the file; a second call does nothing."""
        if self._writer is not None:
            self._writer.release()
            self._writer = None


def _write(path: Path, frames: Iterable[np.ndarray], fps: float, code: str) -> int:
    writer = WebmWriter(path, fps, code)
    try:
        for frame in frames:
            writer.write(frame)
    finally:
        writer.close()
    if not writer.count:
        raise ValueError("there are no frames to write")
    return writer.count


class _Silence:
    """Sends file descriptor 2 away when the first block begins and brings it back when the last one ends.

    It belongs to the whole process: of two blocks that overlap in time, as those of two threads do, the second would keep, and
    bring back, what the first had put there.
    """

    def __init__(self) -> None:
        self._lock, self._blocks, self._kept = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                with open(os.devnull, "w") as nowhere:
                    self._kept = os.dup(2)
                    os.dup2(nowhere.fileno(), 2)
            self._blocks += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks:
                os.dup2(self._kept, 2)
                os.close(self._kept)


_SILENCE = _Silence()


def quiet() -> _Silence:
    """`with quiet():` keeps what C code prints on stderr out of terminals and notebooks. Blocks of several threads may overlap.

    For every .webm, FFmpeg notes that the codec's tag is none of the container's, takes the right one and
    goes on.
    """
    return _SILENCE


def draw_pose(
    frame: np.ndarray,
    joints: np.ndarray,
    skeleton: Skeleton,
    visibility: np.ndarray | None = None,
    scale: int = 2,
) -> np.ndarray:
    """A copy of a frame (H,W,3) uint8, `scale` times as large, with a pose (K,2) in pixels of the frame.

    visibility  (K,): occluded joints are drawn hollow, absent ones not at all; None: all are visible. Joints
                that are not finite are left out.
    """
    canvas = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    if scale < 2:
        raise ValueError(f"scale {scale} leaves no room for joints; draw at least twice as large")
    sight = np.full(len(skeleton), VISIBLE) if visibility is None else np.asarray(visibility)
    shown = (sight != ABSENT) & np.isfinite(joints).all(axis=-1)
    # The centre of source pixel 0 lies at (scale - 1) / 2 of the larger picture.
    places = np.round(np.where(shown[:, None], joints, 0) * scale + (scale - 1) / 2).astype(int)
    sides = [name.partition("_")[0] for name in skeleton.joints]
    colours = [COLOURS.get(side, COLOURS[""]) for side in sides]
    for a, b in skeleton.limbs:
        if shown[a] and shown[b]:
            colour = colours[a] if sides[a] == sides[b] or sides[b] not in COLOURS else colours[b]
            cv2.line(canvas, places[a].tolist(), places[b].tolist(), (20, 20, 20), scale + 2, cv2.LINE_AA)
            cv2.line(canvas, places[a].tolist(), places[b].tolist(), colour, scale, cv2.LINE_AA)
    for joint in np.flatnonzero(shown):
        place, white = places[joint].tolist(), (255, 255, 255)
        edge, face = (colours[joint], white) if sight[joint] != VISIBLE else (white, colours[joint])
        cv2.circle(canvas, place, 2 * scale, edge, -1, cv2.LINE_AA)
        cv2.circle(canvas, place, 2 * scale - 2, face, -1, cv2.LINE_AA)
    return canvas


def side_by_side(videos: Mapping[str, np.ndarray]) -> np.ndarray:
    """Videos (T,H,W,3) of one size beside each other, each under its name: (T,H+24,sum of W,3) uint8."""
    parts = []
    for name, frames in videos.items():
        title = np.full((24, frames.shape[2], 3), 255, np.uint8)
        cv2.putText(title, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (34, 34, 34), 1, cv2.LINE_AA)
        parts.append(np.concatenate([np.broadcast_to(title, (len(frames), *title.shape)), frames], axis=1))
    return np.concatenate(parts, axis=2)


def compare_poses(
    frames: np.ndarray,
    poses: Mapping[str, np.ndarray],
    skeleton: Skeleton,
    visibility: np.ndarray | None = None,
    scale: int = 2,
) -> np.ndarray:
    """One clip several times beside each other, each with a pose of its own: (T,H,W,3) uint8, for `write_webm`.

    frames      (T,S,S,3) uint8.
    poses       (T,K,2) pixels of those frames, by name: the truth, and what networks found.
    visibility  (T,K): joints that are occluded are drawn hollow in all of them, absent ones not at all.
    """
    sights = [None] * len(frames) if visibility is None else visibility
    films = {
        name: np.stack([draw_pose(*each, scale) for each in _drawn(frames, joints, skeleton, sights)])
        for name, joints in poses.items()
    }
    return side_by_side(films)


def _drawn(frames: np.ndarray, joints: np.ndarray, skeleton: Skeleton, sights) -> Iterator[tuple]:
    for frame, pose, sight in zip(frames, joints, sights, strict=True):
        yield frame, pose, skeleton, sight
