"""What color the body's surface has: skin, face, hair, clothes with their patterns, and how light falls on it."""

from __future__ import annotations

import cv2
import numpy as np

from rpstn.embedded import bodies
from rpstn.embedded.bodies import HAIR, SHIRT, SHOES, SKIN, SOCKS, TROUSERS, Body
from rpstn.embedded.scene import Light


def _pattern(name: str, position: np.ndarray, grain: np.ndarray, period: float) -> np.ndarray:
    """Say where the second color of a pattern is, 0..1, at template positions (N, 3)."""
    x, y, z = position.T
    if name == "stripes":
        return (np.mod(y / period, 1.0) < 0.45).astype(np.float32)
    if name == "columns":
        return (np.mod((z + 0.3 * x) / period, 1.0) < 0.4).astype(np.float32)
    if name == "checks":
        return 0.5 * (np.mod(y / period, 1.0) < 0.5) + 0.5 * (np.mod((z + x) / period, 1.0) < 0.5)
    if name == "blotches":
        return (grain > 0.12).astype(np.float32)
    if name == "block":
        return (np.abs(y - 0.3) < 0.09).astype(np.float32)
    return np.zeros(len(position), np.float32)


def albedo(body: Body, position: np.ndarray, arm: np.ndarray, head: np.ndarray) -> np.ndarray:
    """Return the surface color (N, 3) at template positions (N, 3), arm coordinates (N,), where head (N,) bool."""
    clothes = body.clothes
    x, y, z = position.T
    # Folds and grain: two looks into the body's own noise, at 1.6 m and 0.4 m to the tile.
    index = np.floor(position * 20).astype(np.int32) & 31
    fine = np.floor(position * 80).astype(np.int32) & 31
    coarse_grain = clothes.texture[index[:, 0], index[:, 1], index[:, 2]]
    grain = 0.6 * coarse_grain + 0.6 * clothes.texture[fine[:, 0], fine[:, 1], fine[:, 2]]
    material = np.full(len(position), SKIN)
    shirt = bodies.shirt_mask(position, arm, clothes) & ~head
    trousers = bodies.trousers_mask(position, arm, clothes)
    leg = arm < -0.05
    material[leg & (y < -0.73) & (y <= clothes.hem)] = SOCKS
    material[shirt] = SHIRT
    material[trousers] = TROUSERS
    material[leg & (y < -0.815)] = SHOES
    face = head & (x > 0.03)
    ears = (np.abs(z) > 0.075) & (y < 0.635) & (x > -0.03)
    hairline = np.where(face, 0.683 - 0.5 * np.maximum(np.abs(z) - 0.035, 0), 0.60 - 0.02 * (x < -0.04))
    long_back = (y > 0.38) & (x < -0.035) & (np.abs(z) < 0.12)
    hair = head & (y > hairline) & ~ears & ~(face & (np.abs(z) < 0.07) & (y < 0.675))
    if body.hair == "long":
        hair |= long_back & (head | (arm < -0.05)) & (x < -0.055)
    if body.hair == "bun":
        hair |= head & (x < -0.09)
    if body.hair != "none":
        material[hair] = HAIR
    color = clothes.colors[material]
    for kind, pattern in ((SHIRT, clothes.pattern[0]), (TROUSERS, clothes.pattern[1])):
        where = np.flatnonzero(material == kind)
        if pattern != "plain" and len(where):
            share = _pattern(pattern, position[where], coarse_grain[where], clothes.period)[:, None]
            color[where] = color[where] * (1 - share) + clothes.second[kind] * share
    chest = shirt & leg & (x > 0.0)
    if clothes.front == "open":  # narrow at the collar, wider below
        color[chest & (np.abs(z) < 0.045 + 0.1 * np.clip(0.5 - y, 0, 0.6))] = clothes.inner
    if clothes.front == "bib":
        paper = chest & (np.abs(z) < 0.1) & (np.abs(y - 0.27) < 0.085)
        number = paper & (np.abs(y - 0.27) < 0.05) & (np.abs(z) < 0.075) & (np.mod(z, 0.05) < 0.022)
        color[paper], color[number] = clothes.inner, 0.1
    if body.hair == "cap":
        cap = head & ((y > 0.672) | ((x > 0.105) & (y > 0.655)))
        color[cap] = clothes.second[SHIRT]
    strength = np.array([0.05, 0.28, 0.16, 0.16, 0.12, 0.1], np.float32)[material]
    color = color * (1 + strength * grain)[:, None]
    at = np.flatnonzero(face & (material == SKIN))
    if len(at):
        fy, fz = y[at], np.abs(z[at])
        eye = ((fz - 0.032) / 0.015) ** 2 + ((fy - 0.632) / 0.0085) ** 2
        brow = (np.abs(fy - 0.655 + 0.15 * np.abs(fz - 0.03)) < 0.006) & (np.abs(fz - 0.034) < 0.02)
        mouth = ((fz / 0.024) ** 2 + ((fy - 0.553) / 0.008) ** 2) < 1
        color[at[eye < 2.2]] *= 0.6
        color[at[eye < 0.8]] = (0.08, 0.07, 0.07)
        color[at[brow]] = 0.6 * clothes.colors[HAIR] + 0.1
        color[at[mouth]] *= (0.85, 0.5, 0.5)
    return color


def shade(color: np.ndarray, normal: np.ndarray, view: np.ndarray, light: Light, gloss: float) -> np.ndarray:
    """Light surface colors (N, 3) with unit normals (N, 3), seen from direction view (3,): diffuse, sky, bounce, gloss."""
    sun = np.clip((normal @ light.direction.astype(np.float32) + 0.15) / 1.15, 0, 1)[:, None]
    up = (0.5 + 0.5 * normal[:, 1])[:, None]
    total = (
        sun * light.sun.astype(np.float32) * 1.15 + up * light.sky.astype(np.float32) + (1 - up) * light.bounce.astype(np.float32)
    )
    half = light.direction + view
    half = (half / np.linalg.norm(half)).astype(np.float32)
    shine = np.clip(normal @ half, 0, 1)[:, None] ** 24 * gloss
    # Surfaces that turn away from the eye look darker: fine cloth, hair and skin shade themselves.
    facing = np.clip(normal @ view.astype(np.float32), 0, 1)[:, None]
    return color * total * (0.72 + 0.28 * np.sqrt(facing)) + shine * light.sun.astype(np.float32)


def crevices(depth: np.ndarray, mask: np.ndarray, scale: int) -> np.ndarray:
    """Estimate, 0..1, how open the surface is, from the depth image (h, w): lower where nearer surfaces stand close by."""
    filled = np.where(mask, depth, 0.0).astype(np.float32)
    weight = mask.astype(np.float32)
    near = cv2.blur(filled, (scale, scale)) / np.maximum(cv2.blur(weight, (scale, scale)), 1e-3)
    return 1.0 - np.clip((filled - near - 0.01) * 3.5, 0.0, 0.45) * weight
