"""Frames that are in memory: an array, a tensor or a list of images. A shape that could mean two things is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from rpstn.errors import UserError
from rpstn.video.input.frames import DEFAULT_FPS, Frame, as_rgb, same_size

WANTED = "give (T,H,W,3) of uint8 in RGB with at least one frame"
_CHANNELS = (1, 3, 4)


@dataclass
class ArrayInput:
    """Give frames that are in memory, (T,H,W,3) uint8 RGB.

    (T,H,W) and (T,H,W,1) are gray, a fourth channel is dropped. (H,W) and (H,W,3) are one frame.

    frames  an array, a tensor of torch, or a list of images (H,W,3), (H,W,1), (H,W,4) or (H,W), which may differ in size.

    Raises UserError for other types of numbers, and for shapes that are no frames or could be two things, such as (3,H,W).
    """

    frames: Any
    fps: float = DEFAULT_FPS
    name: str = "array"
    live: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(self.frames, list | tuple):
            self._images = [_image(frame, index) for index, frame in enumerate(self.frames)]
            if not self._images:
                raise UserError(f"the list of frames is empty; {WANTED}")
        else:
            self._images = list(_stacked(_array(self.frames, "frames are")))
        self.count: int | None = len(self._images)

    def __iter__(self) -> Iterator[Frame]:
        frames = (Frame(index, index / self.fps, as_rgb(image, "a frame")) for index, image in enumerate(self._images))
        return same_size(frames, self.notes)


def is_frames(value: Any) -> bool:
    """Say whether a value is meant as frames: an array, a tensor, or a list of these."""
    if isinstance(value, list | tuple):
        return all(isinstance(item, np.ndarray | torch.Tensor) for item in value)
    return isinstance(value, np.ndarray | torch.Tensor)


def _array(value: np.ndarray | torch.Tensor, what: str) -> np.ndarray:
    """Return the value as an array of uint8. `what` opens the error, such as "frames are"."""
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.")
        remedy = _remedy(kind, "(frames * 255).round().to(torch.uint8)", "frames.to(torch.uint8)")
        shape, known = tuple(value.shape), value.dtype == torch.uint8
    else:
        kind, shape, known = str(value.dtype), value.shape, value.dtype == np.uint8
        remedy = _remedy(kind, "(frames * 255).round().astype(np.uint8)", "frames.astype(np.uint8)")
    if not known:
        raise UserError(f"{what} of shape {shape} and type {kind}, not uint8, so their range is not known; {remedy}")
    # A matrix of NumPy has two axes, whatever is taken of it.
    return value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)


def _remedy(kind: str, from_fractions: str, from_bytes: str) -> str:
    if "float" in kind:
        return f"if they are 0 to 1, give {from_fractions}; if 0 to 255, {from_bytes}"
    if kind == "uint16":
        return f"if they are 0 to 65535, give (frames // 257).astype(np.uint8); if 0 to 255, {from_bytes}"
    if "int" in kind:
        return f"if they are 0 to 255, give {from_bytes}"
    return WANTED


def _image(frame: np.ndarray | torch.Tensor, index: int) -> np.ndarray:
    """One image of a list."""
    image = _array(frame, f"frame {index} of the list is")
    if image.ndim not in (2, 3) or image.size == 0 or (image.ndim == 3 and image.shape[2] not in _CHANNELS):
        raise UserError(
            f"frame {index} of the list has the shape {image.shape}; give images (H,W,3) of uint8 in RGB, or (H,W) gray: "
            "channels come last, as np.moveaxis(frame, 0, -1) puts those of an array"
        )
    return image


def _stacked(array: np.ndarray) -> np.ndarray:
    """Return the array as (T,H,W) or (T,H,W,C) with C one of 1, 3, 4."""
    shape = array.shape
    where = f"frames are an array of shape {shape}"
    if array.size == 0 or array.ndim not in (2, 3, 4):
        more = ": several videos are given one after another" if array.ndim == 5 else ""
        raise UserError(f"{where}; {WANTED}{more}")
    if array.ndim == 2 or (array.ndim == 3 and shape[2] in _CHANNELS):
        return array[None]
    if array.ndim == 3:
        if shape[2] == 2:
            raise UserError(f"{where}: an image has 1, 3 or 4 channels; give frames[..., 0] for one gray image, or {WANTED[5:]}")
        if shape[0] in (3, 4):
            raise UserError(
                f"{where}: that is one image with its channels first, or {shape[0]} gray frames; give np.moveaxis(frames, 0, -1) "
                "for one image, frames[..., None] for gray frames"
            )
        return array
    if shape[3] not in _CHANNELS:
        axis = 1 if shape[1] in _CHANNELS else 0
        known = shape[axis] in _CHANNELS
        hint = f": channels come last, as np.moveaxis(frames, {axis}, -1) puts those of an array" if known else ""
        raise UserError(f"{where}; {WANTED}{hint}")
    return array
