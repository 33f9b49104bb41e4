"""Geometry and color: from the source image to the network's input, and back.

Coordinates are 0-based pixels, integers being pixel centers, in the source image and in the input alike. An
image of `size` pixels a side therefore has its middle at (size - 1) / 2 and its edges at -0.5 and
size - 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from rpstn.errors import UserError
from rpstn.runs.settings import check_settings


def window_box(boxes: np.ndarray) -> np.ndarray:
    """Find the smallest box (4,) that holds all boxes (T,4) of a window; x, y, width, height in source pixels.

    One crop serves all frames of a window, so that a joint's move in the input is its move in the video.
    """
    boxes = np.asarray(boxes, np.float64)
    low = boxes[:, :2].min(axis=0)
    high = (boxes[:, :2] + boxes[:, 2:]).max(axis=0)
    return np.concatenate([low, high - low])


def crop_affine(
    box: np.ndarray, size: int, *, padding: float = 1.25, rotation: float = 0.0, scale: float = 1.0, flip: bool = False
) -> np.ndarray:
    """Make the map (2,3) from source pixels to the pixels of a square input of `size` a side; the aspect is kept.

    box       x, y, width, height in source pixels; its middle comes to ((size - 1) / 2, (size - 1) / 2).
    padding   side of the crop, as a multiple of the box's longer side.
    rotation  of the image, in degrees, counter-clockwise as one sees it.
    scale     a further factor on the crop's side: above 1 the person gets smaller.
    flip      mirror afterwards: x becomes size - 1 - x.

        p_input = k R (p_source - c) + (size - 1) / 2,    k = size / (longer side * padding * scale)

    Raises ValueError for a box without extent.
    """
    x, y, width, height = (float(value) for value in box)
    side = max(width, height) * padding * scale
    if not np.isfinite(side) or side <= 0:
        raise ValueError(f"box {[x, y, width, height]} with padding {padding} and scale {scale} gives no crop")
    k = size / side
    cos, sin = k * np.cos(np.deg2rad(rotation)), k * np.sin(np.deg2rad(rotation))
    linear = np.array([[cos, sin], [-sin, cos]])
    middle = (size - 1) / 2
    affine = np.column_stack([linear, middle - linear @ [x + width / 2, y + height / 2]])
    return flip_affine(affine, size) if flip else affine


def flip_affine(affine: np.ndarray, size: int) -> np.ndarray:
    """Follow the map (2,3) by mirroring an input of that width."""
    return np.stack([[0, 0, size - 1] - affine[0], affine[1]])


def apply_affine(points: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Apply the map (2,3) to points (...,2), as float64."""
    mapped: np.ndarray = np.asarray(points, np.float64) @ affine[:, :2].T + affine[:, 2]
    return mapped


def invert_affine(affine: np.ndarray) -> np.ndarray:
    """Invert the map (2,3)."""
    inverse = np.linalg.inv(affine[:, :2])
    return np.column_stack([inverse, -inverse @ affine[:, 2]])


def warp(frames: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """Warp frames (T,H,W,3) uint8 by the map (2,3) to (T,size,size,3) uint8, interpolated linearly.

    Beyond the image its edge is repeated: a constant border would be a step in brightness that the network
    sees in every crop at the image's edge, and a mean color is none for dark videos. Where the crop shrinks
    the image to less than half, the source is first averaged over whole blocks: linear interpolation alone
    would skip pixels.
    """
    # A mirrored map is drawn unmirrored and then reversed, so that a flip exchanges pixels exactly.
    flip = np.linalg.det(affine[:, :2]) < 0
    part = _shown_part(frames.shape[1:3], flip_affine(affine, size) if flip else affine, size)
    out = np.empty((len(frames), size, size, 3), np.uint8)
    drawn = np.empty((size, size, 4), np.uint8)
    for frame, target in zip(frames, out, strict=True):
        cv2.warpAffine(part.cut(frame), part.affine, (size, size), dst=drawn, flags=cv2.INTER_LINEAR, borderMode=part.border)
        cv2.cvtColor(drawn, cv2.COLOR_RGBA2RGB, dst=target)
    return np.ascontiguousarray(out[:, :, ::-1]) if flip else out


@dataclass(frozen=True)
class _Part:
    """The part of a source image that a crop shows.

    factor         the source is averaged over blocks of so many pixels a side; the part consists of blocks.
    columns, rows  as _within gives them.
    affine         (2,3) from the part's blocks to the crop.
    border         what OpenCV shows beyond the part.
    """

    factor: int
    columns: tuple[int, int, int, int]
    rows: tuple[int, int, int, int]
    affine: np.ndarray
    border: int

    def cut(self, frame: np.ndarray) -> np.ndarray:
        """Cut the part out of a frame (H,W,3): RGBA, since OpenCV warps four channels several times as fast as three."""
        x1, x2, left, right = self.columns
        y1, y2, above, below = self.rows
        part = frame[y1 * self.factor : y2 * self.factor, x1 * self.factor : x2 * self.factor]
        if self.factor > 1:
            part = cv2.resize(part, (x2 - x1, y2 - y1), interpolation=cv2.INTER_AREA)
        # Warping is faster, too, where OpenCV need not think of edges.
        part = cv2.cvtColor(part, cv2.COLOR_RGB2RGBA)
        return cv2.copyMakeBorder(part, above, below, left, right, cv2.BORDER_REPLICATE)


def _shown_part(shape: tuple[int, ...], affine: np.ndarray, size: int) -> _Part:
    """Find the part of images of that (height, width) that an unmirrored map (2,3) shows in `size` pixels a side."""
    factor = min(max(int(1 / np.sqrt(abs(np.linalg.det(affine[:, :2])))), 1), *shape)
    if factor > 1:
        # Block u covers the pixels factor * u .. factor * u + factor - 1; its center is at factor * u + (factor - 1) / 2.
        affine = np.column_stack([affine[:, :2] * factor, affine[:, :2].sum(axis=1) * (factor - 1) / 2 + affine[:, 2]])
    height, width = (length // factor for length in shape)
    corners = apply_affine(np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * (size - 1), invert_affine(affine))
    low, high = np.floor(corners.min(axis=0)).astype(int) - 1, np.ceil(corners.max(axis=0)).astype(int) + 1
    border = cv2.BORDER_CONSTANT
    if max(high - low) > 4 * size + 8:  # the image is a speck in the crop, and the rest would be all edge
        low, high = np.zeros(2, int), np.array([width, height]) - 1
        border = cv2.BORDER_REPLICATE
    affine = np.column_stack([affine[:, :2], affine[:, :2] @ low + affine[:, 2]])
    return _Part(factor, _within(low[0], high[0], width), _within(low[1], high[1], height), affine, border)


def _within(low: int, high: int, length: int) -> tuple[int, int, int, int]:
    """Cut positions low .. high to an axis of that length: the slice (first, end), and how many lie before and after it.

    Where none is on it, the slice is the nearest edge.
    """
    first, last = np.clip([low, high], 0, length - 1)
    missing = high - low - (last - first)
    before = int(np.clip(-low, 0, missing))
    return int(first), int(last) + 1, before, int(missing) - before


@dataclass(frozen=True)
class Augmentation:
    """How training windows are varied; the same for all frames of a window. Ranges are drawn from uniformly."""

    rotation: float = 40.0  # degrees to either side
    scale: tuple[float, float] = (0.8, 1.4)  # range of the factor on the crop's side; above 1 the person gets smaller
    translation: float = 0.05  # of the image to either side, as a fraction of the input's side
    flip: float = 0.5  # probability of mirroring, left and right joints exchanged
    brightness: float = 0.1  # range of what is added, to either side, as a fraction of 255
    contrast: float = 0.2  # range of the factor around mid-gray, 1 - contrast .. 1 + contrast
    color: float = 0.1  # range of each channel's factor, 1 - color .. 1 + color
    # Probability of a rectangle of color or noise that moves through some of the frames; visible joints under it become OCCLUDED
    erasing: float = 0.6
    erasing_size: tuple[float, float] = (0.1, 0.5)  # range of the rectangle's sides, as fractions of the input's side
    half_body: float = 0.0  # probability that the crop shows the upper or the lower half of the body alone
    # Probability of an occluder over a joint, a limb, a half or the whole person, of another image, noise or a color
    hiding: float = 0.0
    hiding_frames: int = 10  # frames that it stays at most
    strides: tuple[int, ...] = (1,)  # steps between frames to choose from
    reverse: float = 0.0  # probability of running backwards in time
    full_rotation_prob: float = 0.0  # probability that the rotation comes from the whole circle: for people who lie, roll or fall

    def __post_init__(self) -> None:
        check_settings(self, where="augmentation: ")
        # Ranges read back from JSON are lists.
        for name in ("scale", "erasing_size", "strides"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name in ("flip", "erasing", "half_body", "hiding", "reverse", "full_rotation_prob"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"augmentation: {name} is a probability, not {getattr(self, name)}; give 0 to 1")
        for name in ("rotation", "translation", "brightness", "contrast", "color"):
            if not getattr(self, name) >= 0:
                raise UserError(f"augmentation: {name} is {getattr(self, name)}; give 0 or more")
        for name in ("scale", "erasing_size"):
            given = getattr(self, name)
            if len(given) != 2 or not 0 < given[0] <= given[1]:
                raise UserError(f"augmentation: {name} is {given}; give two positive numbers, the smaller first")
        if self.hiding_frames < 1:
            raise UserError(f"augmentation: hiding_frames is {self.hiding_frames}; give a whole number from 1 on")
        if not self.strides or min(self.strides) < 1:
            raise UserError(f"augmentation: strides are {self.strides}; give at least one whole number from 1 on")

    @classmethod
    def none(cls) -> Augmentation:
        """Make one without any variation."""
        still: dict[str, Any] = {item.name: 0.0 for item in fields(cls) if item.type == "float"}
        return cls(**still, scale=(1.0, 1.0))

    def affine(self, box: np.ndarray, size: int, generator: np.random.Generator) -> tuple[np.ndarray, bool]:
        """Draw a random crop around box: the map (2,3) from source to input pixels, and whether it mirrors."""
        widest = 180.0 if self.full_rotation_prob and generator.random() < self.full_rotation_prob else self.rotation
        rotation = generator.uniform(-widest, widest)
        scale = generator.uniform(*self.scale)
        shift = generator.uniform(-self.translation, self.translation, 2) * size
        flip = bool(generator.random() < self.flip)
        affine = crop_affine(box, size, rotation=rotation, scale=scale, flip=flip)
        affine[:, 2] += shift
        return affine, flip

    def recolor(self, frames: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Change the light of frames (T,S,S,3) uint8, by one table of 256 values per channel for all of them."""
        gain = generator.uniform(1 - self.color, 1 + self.color, 3)
        contrast = generator.uniform(1 - self.contrast, 1 + self.contrast)
        added = generator.uniform(-self.brightness, self.brightness) * 255
        if not (self.color or self.contrast or self.brightness):
            return frames
        values = (np.arange(256)[:, None] - 127.5) * contrast + 127.5 + added
        table = np.clip(np.rint(values * gain), 0, 255).astype(np.uint8)
        flat = frames.reshape(-1, frames.shape[2], 3)
        return cv2.LUT(flat, table[None]).reshape(frames.shape)

    def erase(self, frames: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Hide a part of the frames (T,S,S,3), in place, behind one moving rectangle; return it (T,4): x1 y1 x2 y2.

        Its pixels are x1 .. x2 - 1, y1 .. y2 - 1; frames without it have x2 = x1. It stays for a run of one
        frame or more and moves evenly, as a thing in the scene does: a hidden joint was or will be
        seen.
        """
        length, size = frames.shape[:2]
        where = np.zeros((length, 4), np.int64)
        if generator.random() >= self.erasing:
            return where
        first, last = np.sort(generator.integers(0, length, 2))
        width, height = np.maximum(generator.uniform(*self.erasing_size, 2) * size, 1).astype(int)
        center = generator.uniform(0, size, 2)
        speed = generator.uniform(-0.06, 0.06, 2) * size
        color = generator.integers(0, 256, 3)
        noise = generator.random() < 0.5
        patch = generator.integers(0, 256, (height, width, 3)) if noise else np.broadcast_to(color, (height, width, 3))
        for t in range(first, last + 1):
            x, y = np.rint(center + speed * (t - first) - np.array([width, height]) / 2).astype(int)
            x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + width, size), min(y + height, size)
            if x1 < x2 and y1 < y2:
                frames[t, y1:y2, x1:x2] = patch[y1 - y : y2 - y, x1 - x : x2 - x]
                where[t] = x1, y1, x2, y2
        return where
