"""Procedural images: noise, grounds, walls, landscapes, and things that stand or move in front of people."""

from __future__ import annotations

import colorsys

import cv2
import numpy as np


def noise(rng: np.random.Generator, height: int, width: int, scales: tuple[float, ...], fall: float = 0.5) -> np.ndarray:
    """Draw smooth noise (height, width) float32 with mean 0, standard deviation 1.

    It is a sum of octaves with features `scales` pixels wide, each weaker than the one before by `fall`.
    """
    total = np.zeros((height, width), np.float32)
    gain = 1.0
    for scale in scales:
        shape = (max(2, int(round(height / scale)) + 1), max(2, int(round(width / scale)) + 1))
        small = rng.standard_normal(shape).astype(np.float32)
        total += gain * cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        gain *= fall
    return (total - total.mean()) / max(float(total.std()), 1e-6)


Range = tuple[float, float]


def color(rng: np.random.Generator, saturation: Range, value: Range, hue: Range = (0.0, 1.0)) -> np.ndarray:
    """Draw a random RGB color (3,) 0..1 within ranges of hue, saturation and value."""
    return np.array(colorsys.hsv_to_rgb(rng.uniform(*hue) % 1.0, rng.uniform(*saturation), rng.uniform(*value)), np.float32)


def tint(base: np.ndarray, field: np.ndarray, strength: float) -> np.ndarray:
    """Vary the brightness of a color (3,) or image by a field (h, w)."""
    return base * (1.0 + strength * field[..., None])


def lines(count: int, period: float, width: float, phase: float) -> np.ndarray:
    """Draw lines: (count,) 1 on lines `width` pixels wide every `period` pixels, else 0."""
    return (((np.arange(count) + phase) % period) < width).astype(np.float32)


def _bricks(rng: np.random.Generator, side: int, course: float, length: float) -> np.ndarray:
    """Draw joints between bricks (side, side), 1 on mortar."""
    rows = np.arange(side)
    horizontal = lines(side, course, max(1.0, course * 0.12), rng.uniform(0, course))[:, None]
    shift = (rows // course % 2) * length / 2
    vertical = ((rows[None, :] + shift[:, None]) % length < max(1.0, length * 0.05)).astype(np.float32)
    return np.maximum(horizontal, vertical)


def ground(rng: np.random.Generator, indoor: bool, side: int = 384) -> np.ndarray:
    """Draw a floor seen from above: (side, side, 3) uint8, meant to be laid out over 12 m by 12 m."""
    coarse = noise(rng, side, side, (90, 40, 18, 8), 0.6)
    fine = noise(rng, side, side, (5, 2.5), 0.8)
    if indoor:
        kind = rng.choice(4)
        if kind == 0:  # boards
            base = color(rng, (0.25, 0.6), (0.35, 0.8), (0.05, 0.11))
            board = rng.uniform(5, 9)
            shade = rng.normal(0, 1, int(side / board) + 2).astype(np.float32)[(np.arange(side) / board).astype(int)]
            grain = cv2.resize(rng.standard_normal((side, 24)).astype(np.float32), (side, side), interpolation=cv2.INTER_LINEAR)
            image = tint(base, 0.1 * shade[:, None] + 0.05 * grain, 1.0)
            image = image * (1 - 0.45 * lines(side, board, 1.0, 0.0)[:, None, None])
        elif kind == 1:  # tiles
            base, tile = color(rng, (0.0, 0.3), (0.4, 0.9)), rng.uniform(10, 26)
            other = base * rng.uniform(0.5, 1.0) if rng.random() < 0.5 else base
            cells = (np.arange(side) // tile).astype(int)
            image = np.where(((cells[:, None] + cells) % 2)[..., None] == 0, base, other)
            joints = np.maximum(lines(side, tile, 1.0, 0)[:, None], lines(side, tile, 1.0, 0))
            image = tint(image, coarse, 0.04) * (1 - 0.3 * joints[..., None])
        elif kind == 2:  # carpet or mat
            image = tint(color(rng, (0.0, 0.35), (0.25, 0.75)), 0.06 * coarse + 0.08 * fine, 1.0)
        else:  # sports hall
            image = tint(color(rng, (0.1, 0.4), (0.45, 0.85), (0.02, 0.62)), coarse, 0.03)
            line = color(rng, (0.0, 0.8), (0.7, 1.0))
            mark = np.maximum(lines(side, 120, 2, rng.uniform(0, 120))[:, None], lines(side, 170, 2, rng.uniform(0, 170)))
            image = image * (1 - mark[..., None]) + line * mark[..., None]
    else:
        kind = rng.choice(5, p=[0.36, 0.22, 0.14, 0.14, 0.14])
        if kind == 0:  # grass
            base = color(rng, (0.35, 0.7), (0.25, 0.6), (0.19, 0.33))
            image = tint(base, 0.16 * coarse + 0.2 * fine, 1.0)
            image = image + 0.06 * noise(rng, side, side, (60, 25))[..., None] * np.array([1.0, 0.6, 0.0], np.float32)
        elif kind == 1:  # asphalt or concrete
            image = tint(color(rng, (0.0, 0.12), (0.25, 0.7)), 0.07 * coarse + 0.07 * fine, 1.0)
        elif kind == 2:  # paving
            joints = _bricks(rng, side, rng.uniform(8, 16), rng.uniform(14, 30))
            image = tint(color(rng, (0.05, 0.4), (0.4, 0.8), (0.02, 0.15)), 0.08 * coarse + 0.06 * fine, 1.0)
            image = image * (1 - 0.35 * joints[..., None])
        elif kind == 3:  # sand or earth
            image = tint(color(rng, (0.2, 0.5), (0.4, 0.85), (0.06, 0.12)), 0.08 * coarse + 0.08 * fine, 1.0)
        else:  # running track or court
            image = tint(
                color(rng, (0.3, 0.65), (0.35, 0.7), (0.0, 0.6) if rng.random() < 0.5 else (0.0, 0.06)),
                0.04 * coarse + 0.04 * fine,
                1.0,
            )
            mark = lines(side, rng.uniform(36, 70), 2, 0)[:, None, None]
            image = image * (1 - mark) + 0.92 * mark
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def wall(rng: np.random.Generator, height: int = 256, width: int = 640) -> np.ndarray:
    """Draw the wall of a room or hall, (height, width, 3) uint8, meant to be 4 m high and 10 m wide. Row 0 is the top."""
    base = color(rng, (0.0, 0.45), (0.35, 0.95))
    image: np.ndarray = np.broadcast_to(base, (height, width, 3)).astype(np.float32)
    kind = rng.choice(5, p=[0.4, 0.2, 0.15, 0.15, 0.1])
    if kind == 1:
        joints = _bricks(rng, width, rng.uniform(7, 14), rng.uniform(18, 34))[:height]
        image = tint(color(rng, (0.1, 0.6), (0.4, 0.8), (0.0, 0.1)), noise(rng, height, width, (20, 7)), 0.08)
        image = image * (1 - joints[..., None]) + 0.75 * joints[..., None]
    elif kind == 2:
        stripe = lines(width, rng.uniform(20, 60), rng.uniform(8, 24), 0)[None, :, None]
        image = image * (1 - stripe) + color(rng, (0.0, 0.6), (0.3, 1.0)) * stripe
    elif kind == 3:
        image = image * (1 - 0.4 * lines(width, rng.uniform(14, 40), 1.5, 0)[None, :, None])
    elif kind == 4:
        line = int(height * rng.uniform(0.55, 0.8))
        image = image.copy()
        image[line:] = color(rng, (0.05, 0.5), (0.2, 0.8))
    image = tint(image, noise(rng, height, width, (200, 90, 30)), 0.05).copy()
    for _ in range(rng.integers(2, 8)):  # images, windows, doors, cupboards
        w, h = int(rng.uniform(20, 110)), int(rng.uniform(25, 110))
        x = int(rng.uniform(0, width - w))
        y = height - h if rng.random() < 0.4 else int(rng.uniform(10, max(11, height * 0.75 - h)))
        fill = color(rng, (0.0, 0.8), (0.15, 1.0))
        inner = np.broadcast_to(fill, (h, w, 3)) * (1 + 0.25 * noise(rng, h, w, (40, 15, 6))[..., None])
        edge = max(2, w // 18)
        frame = color(rng, (0.0, 0.5), (0.1, 1.0))
        image[y : y + h, x : x + w] = frame
        image[y + edge : y + h - edge, x + edge : x + w - edge] = inner[edge : h - edge, edge : w - edge]
        if rng.random() < 0.4:
            image[y : y + h, x + w // 2 - 1 : x + w // 2 + 1] = frame
    image[-int(rng.uniform(5, 10)) :] *= rng.uniform(0.4, 0.9)
    light = np.linspace(rng.uniform(0.9, 1.15), rng.uniform(0.75, 1.0), height, dtype=np.float32)[:, None, None]
    return (np.clip(image * light, 0, 1) * 255).astype(np.uint8)


def landscape(rng: np.random.Generator, height: int = 256, width: int = 768) -> np.ndarray:
    """Draw what lies behind a place outdoors, (height, width, 3) uint8, to be wrapped around at a distance. Row 0 is the top."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = color(rng, (0.05, 0.6), (0.7, 1.0), (0.54, 0.63))
    image = sky * (1 - rows) + (0.5 * sky + 0.5 * color(rng, (0.0, 0.15), (0.8, 1.0))) * rows
    cloud = np.clip(noise(rng, height, width, (150, 60, 25, 10), 0.6) * 0.5 + rng.uniform(-0.4, 0.4), 0, 1)[..., None]
    image = image * (1 - 0.8 * cloud) + 0.8 * cloud * rng.uniform(0.8, 1.0)
    column = np.arange(width)
    row = np.arange(height)[:, None]
    if rng.random() < 0.5:  # hills
        line = height * (rng.uniform(0.5, 0.8) + 0.05 * noise(rng, 2, width, (200, 60))[0])
        hill = color(rng, (0.1, 0.4), (0.3, 0.65), (0.22, 0.6))
        image = np.where((row > line)[..., None], hill * (1 + 0.05 * noise(rng, height, width, (30, 8))[..., None]), image)
    if rng.random() < 0.55:  # buildings
        x = int(rng.uniform(-40, 40))
        while x < width:
            w, top = int(rng.uniform(40, 130)), int(height * rng.uniform(0.1, 0.75))
            if rng.random() < 0.75:
                body = color(rng, (0.0, 0.4), (0.3, 0.9), (0.0, 0.17))
                a, b = max(x, 0), min(x + w, width)
                if b > a:
                    part = np.broadcast_to(body, (height - top, b - a, 3)).copy()
                    px, py = rng.uniform(8, 16), rng.uniform(9, 18)
                    windows = lines(height - top, py, py * 0.55, 0)[:, None] * lines(b - a, px, px * 0.5, 0)
                    part = part * (1 - windows[..., None]) + color(rng, (0.0, 0.3), (0.1, 0.7)) * windows[..., None]
                    image[top:, a:b] = part
            x += w + int(rng.uniform(0, 30))
    leaves = noise(rng, height, width, (24, 10, 5, 2.5), 0.75)
    if rng.random() < 0.7:  # trees or bushes
        line = height * (rng.uniform(0.2, 0.8) + 0.11 * noise(rng, 2, width, (90, 40, 18), 0.7)[0]) + 5 * leaves
        green = color(rng, (0.25, 0.65), (0.15, 0.45), (0.12, 0.36))
        image = np.where((row > line)[..., None], green * (1 + 0.35 * leaves[..., None]), image)
    if rng.random() < 0.35:  # a fence or a wall
        top = int(height * rng.uniform(0.72, 0.9))
        fence = color(rng, (0.0, 0.5), (0.25, 0.9), (0.02, 0.15))
        solid = np.ones(width) if rng.random() < 0.5 else lines(width, rng.uniform(6, 14), rng.uniform(3, 5), 0)
        part = fence * (1 + 0.08 * leaves[top:, :, None]) * (1 - 0.3 * (column % 23 == 0)[None, :, None])
        image[top:] = np.where(solid[None, :, None] > 0, part, image[top:])
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)
