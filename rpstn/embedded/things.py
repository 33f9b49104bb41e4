"""Things that stand or move in a scene, before people or behind them, as images with an outline."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rpstn.embedded.textures import color, noise, tint

# Usual width and height in meters.
SIZES = {
    "pole": (0.1, 3.6), "trunk": (0.25, 4.6), "bush": (0.85, 0.8), "crate": (0.65, 0.6), "board": (0.6, 1.15),
    "barrel": (0.55, 0.85),
    "fence": (1.6, 0.8), "plant": (0.6, 1.2), "pillar": (0.4, 3.8), "ball": (0.34, 0.34), "trolley": (0.5, 1.2),
}  # fmt: skip


@dataclass(frozen=True)
class _Canvas:
    """What a thing is drawn on: u (1, w) from -1 left to 1 right, v (h, 1) from 0 top to 1 bottom.

    grain (h, w) is noise, light where on u the light falls from, shade (h, w) the brightness of something round.
    """

    rng: np.random.Generator
    u: np.ndarray
    v: np.ndarray
    grain: np.ndarray
    light: float
    shade: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels of the texture."""
        return self.v.shape[0], self.u.shape[1]


# The image (h, w, 3), or what broadcasts to it, and where it is (h, w) bool.
_Drawn = tuple[np.ndarray, np.ndarray]


def thing(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Draw a thing to stand or move before people or behind them: RGBA (h, w, 4) uint8, alpha 0 or 255, row 0 the top."""
    w, h = SIZES[kind]
    scale = 110 / max(min(h, 3 * w), w)  # texture pixels per meter; tall things are drawn three widths high and stretched
    width, height = max(12, int(w * scale)), max(12, int(min(h, 3 * w) * scale))
    u = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    v = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    grain = noise(rng, height, width, (18, 7, 3), 0.7)
    light = rng.uniform(-0.7, 0.7)
    shade = np.sqrt(np.clip(1 - (u - light) ** 2 / 3.2, 0.05, 1)) + 0 * v
    image, alpha = _DRAW[kind](_Canvas(rng, u, v, grain, light, shade))
    rgb = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.dstack([rgb, np.where(np.broadcast_to(alpha, (height, width)), 255, 0).astype(np.uint8)])


def _pole(c: _Canvas) -> _Drawn:
    image = tint(color(c.rng, (0.0, 0.5), (0.3, 0.95)), 0.05 * c.grain, 1.0)
    if c.rng.random() < 0.3:
        image = np.where((((c.v * c.rng.uniform(4, 9)) % 1) < 0.5)[..., None], image, color(c.rng, (0.0, 0.9), (0.2, 1.0)))
    return image * c.shade[..., None], np.ones(c.shape, bool)


def _trunk(c: _Canvas) -> _Drawn:
    bark = noise(c.rng, *c.shape, (14, 4, 2), 0.9)
    image = tint(color(c.rng, (0.2, 0.5), (0.2, 0.5), (0.04, 0.1)), 0.25 * bark, 1.0) * c.shade[..., None]
    return image, np.abs(c.u + 0.12 * np.sin(7 * c.v + c.rng.uniform(0, 6))) < 0.75 + 0.2 * c.v**4


def _leaves(c: _Canvas) -> _Drawn:
    """Return what bush and plant share: a green image, and the leaves (h, w) as noise."""
    leaves = noise(c.rng, *c.shape, (14, 7, 3.5, 2), 0.85)
    return tint(color(c.rng, (0.3, 0.75), (0.2, 0.6), (0.15, 0.38)), 0.35 * leaves, 1.0) * (1.15 - 0.5 * c.v)[..., None], leaves


def _bush(c: _Canvas) -> _Drawn:
    image, leaves = _leaves(c)
    return image, c.u**2 + (1.05 * (1 - c.v) - 0.05) ** 2 * 1.1 < 0.82 + 0.16 * leaves


def _plant(c: _Canvas) -> _Drawn:
    image, leaves = _leaves(c)
    alpha = (np.abs(c.u) < 0.85 - 0.35 * c.v + 0.25 * leaves) & (c.v < 0.68)
    pot = (c.v >= 0.66) & (np.abs(c.u) < 0.55 - 0.5 * (c.v - 0.66))
    image = np.where(pot[..., None], color(c.rng, (0.2, 0.7), (0.3, 0.8), (0.0, 0.1)) * c.shade[..., None], image)
    return image, alpha | pot


def _crate(c: _Canvas) -> _Drawn:
    image = tint(color(c.rng, (0.1, 0.7), (0.3, 0.8)), 0.1 * c.grain, 1.0)
    brace = np.abs(np.abs(c.u) - (1 - 2 * c.v) * c.rng.choice((-1, 1))) < 0.12
    border = (np.abs(c.u) > 0.86) | (c.v < 0.08) | (c.v > 0.92) | brace
    image = image * np.where(border, 1.0, c.rng.uniform(0.6, 0.85))[..., None]
    return image * np.where(c.u < c.rng.uniform(-0.3, 0.6), 1.0, 0.75)[..., None], np.ones(c.shape, bool)


def _board(c: _Canvas) -> _Drawn:
    image = color(c.rng, (0.2, 0.9), (0.4, 1.0)) * (1 + 0.04 * c.grain[..., None])
    sign = c.v < 0.62
    printed = (np.abs(c.u) < 0.8) & (c.v > 0.08) & (c.v < 0.54) & ((c.v * 9 % 1) < 0.6)
    letters = (noise(c.rng, *c.shape, (9, 4)) > 0.7) & printed
    image = np.where(letters[..., None], color(c.rng, (0.0, 0.9), (0.0, 1.0)), image)
    return np.where(sign[..., None], image, 0.3), sign | (np.abs(np.abs(c.u) - 0.7) < 0.07)


def _trolley(c: _Canvas) -> _Drawn:
    """Draw boxes on wheels."""
    image = color(c.rng, (0.0, 0.4), (0.3, 0.8)) * (1 + 0.04 * c.grain[..., None])
    level, boxes = 0.93, c.v < 0
    while level > 0.15:
        tall, wide, at = c.rng.uniform(0.15, 0.4), c.rng.uniform(0.55, 0.98), c.rng.uniform(-0.1, 0.1)
        box = (c.v < level) & (c.v > level - tall) & (np.abs(c.u - at) < wide)
        tape = np.where(np.abs(c.v - level + tall / 2) < 0.012, 0.8, 1.0)[..., None]
        paint = color(c.rng, (0.1, 0.6), (0.4, 0.9), (0.03, 0.14) if c.rng.random() < 0.6 else (0.0, 1.0))
        paint = paint * np.where(c.u < 0.35, 1.0, 0.72)[..., None]
        image = np.where(box[..., None], paint * tape * (1 + 0.05 * c.grain[..., None]), image)
        boxes, level = boxes | box, level - tall
    wheels = (np.abs(np.abs(c.u) - 0.65) < 0.13) & (c.v > 0.955)
    base = (c.v >= 0.92) & (c.v <= 0.96)
    return np.where((wheels | base)[..., None], 0.12, image), boxes | wheels | base


def _barrel(c: _Canvas) -> _Drawn:
    image = color(c.rng, (0.2, 0.9), (0.3, 0.9)) * (1 + 0.08 * c.grain[..., None]) * c.shade[..., None]
    hoops = (np.abs(c.v - 0.33) < 0.03) | (np.abs(c.v - 0.67) < 0.03)
    return image * np.where(hoops, 0.7, 1.0)[..., None], np.abs(c.u) < 0.9 + 0.1 * np.sin(np.pi * c.v)


def _fence(c: _Canvas) -> _Drawn:
    image = tint(color(c.rng, (0.0, 0.5), (0.3, 0.95), (0.03, 0.14)), 0.1 * c.grain, 1.0)
    period = c.rng.uniform(10, 16)
    pales = ((np.arange(c.shape[1]) % period) < period * 0.5)[None, :]
    rails = (np.abs(c.v - 0.25) < 0.06) | (np.abs(c.v - 0.75) < 0.06)
    return image * np.where(pales[..., None], 1.0, 0.8), (pales & (c.v > 0.06)) | rails


def _ball(c: _Canvas) -> _Drawn:
    y = 2 * c.v - 1
    shade = np.sqrt(np.clip(1 - 0.6 * ((c.u - c.light) ** 2 + (y + 0.4) ** 2), 0.1, 1))
    swirl = np.sin(3 * c.u + 4 * y + 2 * c.grain * 0.2) > 0
    image = np.where(swirl[..., None], color(c.rng, (0.4, 1.0), (0.5, 1.0)), color(c.rng, (0.0, 1.0), (0.5, 1.0)))
    return image * shade[..., None], c.u**2 + y**2 < 0.98


_DRAW: dict[str, Callable[[_Canvas], _Drawn]] = {
    "pole": _pole, "pillar": _pole, "trunk": _trunk, "bush": _bush, "plant": _plant, "crate": _crate, "board": _board,
    "trolley": _trolley, "barrel": _barrel, "fence": _fence, "ball": _ball,
}  # fmt: skip
