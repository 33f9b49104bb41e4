"""What every source of frames gives, and how pixels become frames of one kind and size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import cv2
import numpy as np

from rpstn.errors import UserError

# Frames per second where a source does not say. Headers outside of FPS are wrong: browsers write 1000 for "varies".
DEFAULT_FPS, FPS = 25.0, (0.1, 300.0)


@dataclass(frozen=True, eq=False, slots=True)
class Frame:
    """One frame: its number from 0, seconds since the first, and its pixels (H,W,3) uint8 RGB."""

    index: int
    time: float
    pixels: np.ndarray


class VideoInput(Protocol):
    """Give frames one after another. `fps` and `notes` are final once the first frame, and the last, have been taken.

    name   what it is called, without its folder.
    fps    frames per second, as far as one number says it.
    count  frames that the source states; None where it does not. No promise.
    live   a camera: frames that nobody takes are lost, and it cannot be read again.
    notes  what was noticed about the frames and had to be corrected.
    """

    name: str
    fps: float
    count: int | None
    live: bool
    notes: list[str]

    def __iter__(self) -> Iterator[Frame]: ...


def usable(fps: float) -> bool:
    """Say whether a stated rate can be one."""
    return math.isfinite(fps) and FPS[0] <= fps <= FPS[1]


def as_rgb(image: np.ndarray, where: str) -> np.ndarray:
    """Give an image (H,W), (H,W,1), (H,W,3) or (H,W,4) of uint8 as (H,W,3): gray is repeated, a fourth channel dropped."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise UserError(
            f"{where} is {image.shape} of {image.dtype}; frames are (H,W,3) of uint8 in RGB, or gray, or with a fourth "
            "channel: convert them first"
        )
    if image.ndim == 2 or image.shape[2] == 1:
        return np.repeat(image.reshape(*image.shape[:2], 1), 3, axis=2)
    return np.ascontiguousarray(image[..., :3])


def fit(pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale a frame of another size into (height, width), with its aspect kept and black at two sides."""
    height, width = size
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = (min(max(round(pixels.shape[0] * scale), 1), height), min(max(round(pixels.shape[1] * scale), 1), width))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    canvas = np.zeros((height, width, 3), np.uint8)
    canvas[top : top + inner[0], left : left + inner[1]] = cv2.resize(pixels, inner[::-1], interpolation=method)
    return canvas


def same_size(frames: Iterator[Frame], notes: list[str]) -> Iterator[Frame]:
    """Give the frames, all of the first one's size. A pose has one grid of pixels from the first frame to the last."""
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
            frame = replace(frame, pixels=fit(frame.pixels, size))
        yield frame
