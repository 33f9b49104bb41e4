"""What an occluder looks like: a rectangle over a frame, filled with a texture, painted when a frame is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from rpstn.datasets.clip import FrameSource

TEXTURES = ("image", "noise", "solid", "stripes")


def covers(patch: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Tell which points (...,2) lie in a patch (4,) left, top, right, bottom, its edges included: (...) bool."""
    points = np.asarray(points, dtype=np.float64)
    return np.asarray(((points >= patch[:2]) & (points <= patch[2:])).all(axis=-1))


class OccludedFrames:
    """Paint patches over another FrameSource's frames as they are read.

    frames   the frames to paint over.
    patches  by frame: left, top, right, bottom in pixels; a pixel is covered where its center is (`covers`).
    texture  what the patches show; it moves with them.
    seed     of the texture, and of the part of it that is shown.
    other    frames to cut the texture "image" from; None: "noise" instead.
    """

    def __init__(
        self, frames: FrameSource, patches: Mapping[int, np.ndarray], texture: str, seed: int, other: FrameSource | None = None
    ) -> None:
        self.frames, self.patches, self.texture, self.seed, self.other = frames, dict(patches), texture, seed, other
        self._image: np.ndarray | None = None

    @property
    def size(self) -> tuple[int, int]:
        return self.frames.size

    def __len__(self) -> int:
        return len(self.frames)

    def read(self, indices: Sequence[int]) -> np.ndarray:
        frames = np.array(self.frames.read(indices))
        for frame, index in zip(frames, indices, strict=True):
            if int(index) in self.patches:
                left, top, right, bottom = self.patches[int(index)]
                x, y = int(np.ceil(left)), int(np.ceil(top))
                columns = np.arange(max(x, 0), min(int(np.floor(right)) + 1, self.size[1]))
                rows = np.arange(max(y, 0), min(int(np.floor(bottom)) + 1, self.size[0]))
                image = self._shown()
                shown = np.ix_((rows - y) % image.shape[0], (columns - x) % image.shape[1])
                frame[np.ix_(rows, columns)] = image[shown]
        return frames

    def _shown(self) -> np.ndarray:
        """Make the texture once: it is not needed before a frame is read."""
        if self._image is None:
            rng = np.random.default_rng((self.seed, 1))
            if self.texture == "image" and self.other is not None:
                image = self.other.read([int(rng.integers(len(self.other)))])[0]
                self._image = np.roll(image, tuple(int(rng.integers(length)) for length in image.shape[:2]), axis=(0, 1))
            else:
                self._image = make_texture(self.size, self.texture, rng)
        return self._image


def make_texture(size: tuple[int, int], texture: str, rng: np.random.Generator) -> np.ndarray:
    """Make (H,W,3) uint8 of a drawn color: one color, stripes of two, or else cloudy noise around one."""
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
