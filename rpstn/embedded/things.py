"""Things that stand or move in a scene, before people or behind them, as images with an outline."""

from __future__ import annotations

import numpy as np

from rpstn.embedded.textures import color, noise, tint

# Usual width and height in meters.
SIZES = {
    "pole": (0.1, 3.6), "trunk": (0.25, 4.6), "bush": (0.85, 0.8), "crate": (0.65, 0.6), "board": (0.6, 1.15),
    "barrel": (0.55, 0.85),
    "fence": (1.6, 0.8), "plant": (0.6, 1.2), "pillar": (0.4, 3.8), "ball": (0.34, 0.34), "trolley": (0.5, 1.2),
}  # fmt: skip


def thing(rng: np.random.Generator, kind: str) -> np.ndarray:
    """A thing to stand or move in front of people or behind: RGBA (h, w, 4) uint8, alpha 0 or 255, row 0 the top."""
    w, h = SIZES[kind]
    scale = 110 / max(min(h, 3 * w), w)  # texture pixels per meter; tall things are drawn three widths high and stretched
    width, height = max(12, int(w * scale)), max(12, int(min(h, 3 * w) * scale))
    u = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    v = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    grain = noise(rng, height, width, (18, 7, 3), 0.7)
    alpha = np.ones((height, width), bool)
    light = rng.uniform(-0.7, 0.7)
    round_shade = np.sqrt(np.clip(1 - (u - light) ** 2 / 3.2, 0.05, 1)) + 0 * v
    if kind in ("pole", "pillar"):
        image = tint(color(rng, (0.0, 0.5), (0.3, 0.95)), 0.05 * grain, 1.0)
        if rng.random() < 0.3:
            image = np.where((((v * rng.uniform(4, 9)) % 1) < 0.5)[..., None], image, color(rng, (0.0, 0.9), (0.2, 1.0)))
        image = image * round_shade[..., None]
    elif kind == "trunk":
        bark = noise(rng, height, width, (14, 4, 2), 0.9)
        image = tint(color(rng, (0.2, 0.5), (0.2, 0.5), (0.04, 0.1)), 0.25 * bark, 1.0) * round_shade[..., None]
        alpha = np.abs(u + 0.12 * np.sin(7 * v + rng.uniform(0, 6))) < 0.75 + 0.2 * v**4
    elif kind in ("bush", "plant"):
        leaves = noise(rng, height, width, (14, 7, 3.5, 2), 0.85)
        image = tint(color(rng, (0.3, 0.75), (0.2, 0.6), (0.15, 0.38)), 0.35 * leaves, 1.0) * (1.15 - 0.5 * v)[..., None]
        if kind == "bush":
            alpha = u**2 + (1.05 * (1 - v) - 0.05) ** 2 * 1.1 < 0.82 + 0.16 * leaves
        else:
            alpha = (np.abs(u) < 0.85 - 0.35 * v + 0.25 * leaves) & (v < 0.68)
            pot = (v >= 0.66) & (np.abs(u) < 0.55 - 0.5 * (v - 0.66))
            image = np.where(pot[..., None], color(rng, (0.2, 0.7), (0.3, 0.8), (0.0, 0.1)) * round_shade[..., None], image)
            alpha |= pot
    elif kind == "crate":
        image = tint(color(rng, (0.1, 0.7), (0.3, 0.8)), 0.1 * grain, 1.0)
        border = (np.abs(u) > 0.86) | (v < 0.08) | (v > 0.92) | (np.abs(np.abs(u) - (1 - 2 * v) * rng.choice((-1, 1))) < 0.12)
        image = (
            image
            * np.where(border, 1.0, rng.uniform(0.6, 0.85))[..., None]
            * np.where(u < rng.uniform(-0.3, 0.6), 1.0, 0.75)[..., None]
        )
    elif kind == "board":
        image = color(rng, (0.2, 0.9), (0.4, 1.0)) * (1 + 0.04 * grain[..., None])
        sign = v < 0.62
        letters = (noise(rng, height, width, (9, 4)) > 0.7) & (np.abs(u) < 0.8) & (v > 0.08) & (v < 0.54) & ((v * 9 % 1) < 0.6)
        image = np.where(letters[..., None], color(rng, (0.0, 0.9), (0.0, 1.0)), image)
        image = np.where(sign[..., None], image, 0.3)
        alpha = sign | (np.abs(np.abs(u) - 0.7) < 0.07)
    elif kind == "trolley":  # boxes on wheels
        image = color(rng, (0.0, 0.4), (0.3, 0.8)) * (1 + 0.04 * grain[..., None])
        level, boxes = 0.93, v < 0
        while level > 0.15:
            tall, wide, at = rng.uniform(0.15, 0.4), rng.uniform(0.55, 0.98), rng.uniform(-0.1, 0.1)
            box = (v < level) & (v > level - tall) & (np.abs(u - at) < wide)
            tape = np.abs(v - level + tall / 2) < 0.012
            paint = (
                color(rng, (0.1, 0.6), (0.4, 0.9), (0.03, 0.14) if rng.random() < 0.6 else (0.0, 1.0))
                * np.where(u < 0.35, 1.0, 0.72)[..., None]
            )
            image = np.where(box[..., None], paint * np.where(tape, 0.8, 1.0)[..., None] * (1 + 0.05 * grain[..., None]), image)
            boxes, level = boxes | box, level - tall
        wheels = (np.abs(np.abs(u) - 0.65) < 0.13) & (v > 0.955)
        base = (v >= 0.92) & (v <= 0.96)
        image = np.where((wheels | base)[..., None], 0.12, image)
        alpha = boxes | wheels | base
    elif kind == "barrel":
        image = color(rng, (0.2, 0.9), (0.3, 0.9)) * (1 + 0.08 * grain[..., None])
        image = (
            image * round_shade[..., None] * np.where((np.abs(v - 0.33) < 0.03) | (np.abs(v - 0.67) < 0.03), 0.7, 1.0)[..., None]
        )
        alpha = np.abs(u) < 0.9 + 0.1 * np.sin(np.pi * v)
    elif kind == "fence":
        image = tint(color(rng, (0.0, 0.5), (0.3, 0.95), (0.03, 0.14)), 0.1 * grain, 1.0)
        period = rng.uniform(10, 16)
        alpha = (
            (((np.arange(width) % period) < period * 0.5)[None, :] & (v > 0.06))
            | (np.abs(v - 0.25) < 0.06)
            | (np.abs(v - 0.75) < 0.06)
        )
        image = image * np.where(((np.arange(width) % period) < period * 0.5)[None, :, None], 1.0, 0.8)
    else:  # ball
        y = 2 * v - 1
        alpha = u**2 + y**2 < 0.98
        shade = np.sqrt(np.clip(1 - 0.6 * ((u - light) ** 2 + (y + 0.4) ** 2), 0.1, 1))
        swirl = np.sin(3 * u + 4 * y + 2 * grain * 0.2) > 0
        image = (
            np.where(swirl[..., None], color(rng, (0.4, 1.0), (0.5, 1.0)), color(rng, (0.0, 1.0), (0.5, 1.0))) * shade[..., None]
        )
    rgb = (np.clip(image, 0, 1) * 255).astype(np.uint8)
    return np.dstack([rgb, np.where(np.broadcast_to(alpha, (height, width)), 255, 0).astype(np.uint8)])
