"""What an occluder looks like: shapes over a frame, filled with a texture, painted when a frame is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from rpstn.datasets.clip import FrameSource


@dataclass(frozen=True)
class Shapes:
    """Hold what covers one frame, in pixels: capsules (N,5) x, y, x, y, radius, and boxes (M,4) left, top, right, bottom."""

    capsules: np.ndarray = field(default_factory=lambda: np.zeros((0, 5)))
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))

    def cover(self, points: np.ndarray) -> np.ndarray:
        """Tell which points are covered: (...,2) in pixels -> (...) bool."""
        points = np.asarray(points, dtype=np.float64)
        inside = np.zeros(points.shape[:-1], dtype=bool)
        for x0, y0, x1, y1, radius in self.capsules:
            start, along = np.array([x0, y0]), np.array([x1 - x0, y1 - y0])
            share = np.clip((points - start) @ along / max(along @ along, 1e-12), 0, 1)
            inside |= np.linalg.norm(points - start - share[..., None] * along, axis=-1) <= radius
        for left, top, right, bottom in self.boxes:
            x, y = points[..., 0], points[..., 1]
            inside |= (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
        return inside

    def mask(self, size: tuple[int, int]) -> np.ndarray:
        """Tell which pixels of a frame of (height, width) are covered, as `cover` does, computed only near the shapes."""
        height, width = size
        covered = np.zeros(size, dtype=bool)
        around = [(Shapes(boxes=box[None]), box[:2], box[2:]) for box in self.boxes]
        for capsule in self.capsules:
            ends, radius = capsule[:4].reshape(2, 2), capsule[4]
            around.append((Shapes(capsules=capsule[None]), ends.min(axis=0) - radius, ends.max(axis=0) + radius))
        for shape, low, high in around:
            left, top = np.floor(low).clip(0, [width, height]).astype(int)
            right, bottom = (np.floor(high) + 2).clip(0, [width, height]).astype(int)
            grid = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), axis=-1)
            covered[top:bottom, left:right] |= shape.cover(grid)
        return covered

    @property
    def corner(self) -> np.ndarray:
        """Give the point that the texture moves with."""
        return self.capsules[0, :2] if len(self.capsules) else self.boxes[0, :2]


class OccludedFrames:
    """Paint shapes over another FrameSource's frames as they are read."""

    def __init__(self, frames: FrameSource, shapes: dict[int, Shapes], texture: str, seed: int) -> None:
        self.frames, self.shapes = frames, shapes
        self._texture = make_texture(frames.size, texture, seed)

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.size

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        frames = np.array(self.frames.read(indices))
        for frame, index in zip(frames, indices, strict=True):
            if int(index) in self.shapes:
                shapes = self.shapes[int(index)]
                x, y = np.round(shapes.corner).astype(int)
                covered = shapes.mask(self.size)
                frame[covered] = np.roll(self._texture, (y, x), axis=(0, 1))[covered]
        return frames


def make_texture(size: tuple[int, int], texture: str, seed: int) -> np.ndarray:
    """Make (H,W,3) uint8 of a seeded color: one color, stripes of two, or cloudy noise around one."""
    rng = np.random.default_rng((seed, 1))
    height, width = size
    color, other = rng.uniform(30, 225, (2, 3))
    if texture == "solid":
        image = np.broadcast_to(color, (height, width, 3))
    elif texture == "stripes":
        band = (np.arange(width)[None, :] + np.arange(height)[:, None]) // 4 % 2
        image = np.where(band[..., None] == 0, color, other)
    else:
        coarse = rng.normal(0, 1, (max(height // 12, 2), max(width // 12, 2), 3)).astype(np.float32)
        clouds = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        image = color + 30 * clouds + rng.normal(0, 8, (height, width, 3))
    return np.clip(image, 0, 255).astype(np.uint8)
