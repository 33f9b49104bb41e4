"""The place: ground, wall or landscape, light, and the things that stand or move in it."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rpstn.embedded import textures, things
from rpstn.embedded.camera import Camera


@dataclass(frozen=True)
class Light:
    """direction (3,) unit, towards the light; sun, sky, bounce (3,) RGB; shadow 0..1 how much of the ground's light it takes."""

    direction: np.ndarray
    sun: np.ndarray
    sky: np.ndarray
    bounce: np.ndarray
    shadow: float
    softness: float  # pixels


@dataclass(frozen=True)
class Place:
    """Textures with their layout in the world. Ground: y = 0. Backdrop: a plane through `foot` along `along`."""

    ground: np.ndarray
    ground_far: np.ndarray
    ground_scale: float  # texture pixels per meter
    backdrop: np.ndarray
    backdrop_scale: float
    foot: np.ndarray
    along: np.ndarray
    light: Light
    defocus: float


@dataclass(frozen=True)
class Thing:
    """A flat thing that always faces the camera: texture RGBA, path (T, 3) of the middle of its lower edge, in meters."""

    kind: str
    texture: np.ndarray
    path: np.ndarray
    width: float
    height: float


def make_place(seed: np.random.SeedSequence, camera: Camera, vertices: np.ndarray) -> Place:
    """Make a place from a seed, laid out behind the person as this camera sees them."""
    rng = np.random.default_rng(seed)
    indoor = bool(rng.random() < 0.42)
    forward = camera.axes[:, 2].mean(0) * (1.0, 0.0, 1.0)
    forward /= np.linalg.norm(forward)
    turn = rng.uniform(-0.45, 0.45)
    normal = np.array(
        [np.cos(turn) * forward[0] - np.sin(turn) * forward[2], 0, np.sin(turn) * forward[0] + np.cos(turn) * forward[2]]
    )
    beyond = float((vertices @ normal).max()) + (rng.uniform(0.6, 3.5) if indoor else rng.uniform(5.0, 22.0))
    backdrop = textures.wall(rng) if indoor else textures.landscape(rng)
    scale = 64.0 if indoor else 256.0 / (rng.uniform(0.45, 0.75) * (beyond - float((camera.position @ normal).mean())))
    floor = textures.ground(rng, indoor)
    azimuth, height = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(35, 80) if indoor else rng.uniform(22, 70))
    direction = np.array([np.cos(azimuth) * np.cos(height), np.sin(height), np.sin(azimuth) * np.cos(height)])
    warmth = rng.normal(0, 0.06)
    tone = np.array([1 + warmth, 1.0, 1 - warmth])
    sunny = rng.uniform(0.15, 0.55) if indoor else rng.uniform(0.1, 0.85)
    average = floor.reshape(-1, 3).mean(0) / 255.0
    light = Light(
        direction, sunny * tone, (0.62 - 0.25 * sunny) * rng.uniform(0.9, 1.15) * np.array([1 - warmth / 2, 1.0, 1 + warmth]),
        (0.3 * average + 0.12), float(0.25 + 0.45 * sunny), float(rng.uniform(0.8, 2.5) if sunny > 0.4 else rng.uniform(2, 5)),
    )  # fmt: skip
    along = np.cross((0.0, 1.0, 0.0), normal)
    foot = normal * beyond + along * rng.uniform(-6, 6)
    far = cv2.GaussianBlur(floor, (0, 0), 9)
    return Place(floor, far, floor.shape[0] / 12.0, backdrop, scale, foot, along, light, float(rng.uniform(0.3, 1.3)))


def draw_place(place: Place, camera: Camera, frame: int) -> np.ndarray:
    """Draw ground and backdrop as one frame's camera sees them: (size, size, 3) float32 0..1."""
    size = camera.size
    rows = place.backdrop.shape[0]
    to_wall = np.array(
        [[place.backdrop_scale, 0, place.backdrop.shape[1] / 2], [0, -place.backdrop_scale, rows - 0.5], [0, 0, 1]]
    )
    plane = camera.plane(frame, place.foot, place.along, np.array([0, 1.0, 0]))
    line = np.cross(plane @ (0, 0, 1.0), plane @ (1.0, 0, 1.0))  # the backdrop's foot in the image
    line /= np.hypot(line[0], line[1]) * (1 if line[1] > 0 else -1)
    x = np.arange(size, dtype=np.float32)
    below = (np.float32(line[0]) * x[None, :] + np.float32(line[1]) * x[:, None] + np.float32(line[2]))[..., None]
    edge = below[:, [0, -1], 0]
    first = int(np.searchsorted(edge.max(1), -1.0))  # rows from here on show ground
    last = int(np.searchsorted(edge.min(1), 1.0)) + 1  # rows up to here show backdrop
    image = np.empty((size, size, 3), np.float32)
    if last > 0:
        back = _warp(place.backdrop, plane @ np.linalg.inv(to_wall), 0, min(last, size), size)
        image[:last] = cv2.GaussianBlur(back, (0, 0), place.defocus)
    if first < size:
        to_floor = np.array(
            [[place.ground_scale, 0, place.ground.shape[1] / 2], [0, place.ground_scale, place.ground.shape[0] / 2], [0, 0, 1]]
        )
        flat = camera.plane(frame, np.zeros(3), np.array([1.0, 0, 0]), np.array([0, 0, 1.0])) @ np.linalg.inv(to_floor)
        near = _warp(place.ground, flat, first, size, size)
        far = _warp(place.ground_far, flat, first, size, size)
        share = np.clip(below[first:] / (0.35 * size), 0, 1)  # far ground is smooth, or it would flicker
        floor = far + share * (near.astype(np.float32) - far)
        seam = max(0, last - first)
        image[last:] = floor[seam:]
        cover = np.clip(below[first:last] + 0.5, 0, 1)
        image[first:last] += cover * (floor[:seam] - image[first:last])
    image *= np.float32(1 / 255)
    return image


def _warp(texture: np.ndarray, homography: np.ndarray, top: int, bottom: int, width: int) -> np.ndarray:
    """Draw rows top to bottom of a texture seen through a homography from texture pixels to image pixels; mirrored on and on."""
    shift = np.array([[1, 0, 0], [0, 1, -top], [0, 0, 1.0]])
    return cv2.warpPerspective(
        texture, shift @ homography, (width, bottom - top), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


def draw_shadow(image: np.ndarray, place: Place, camera: Camera, frame: int, bones: np.ndarray, radii: np.ndarray) -> None:
    """Darken the ground where the body's bones (N, 2, 3), of radii (N,) meters, take its light. Changes `image`."""
    light = place.light
    lifted = np.maximum(bones[..., 1], 0.0)
    on_ground = bones - light.direction * (lifted / light.direction[1])[..., None]
    on_ground[..., 1] = 0.0
    pixels, depth = camera.at(frame).project(on_ground.reshape(1, -1, 3))
    pixels, depth = pixels.reshape(-1, 2, 2), depth.reshape(-1, 2)
    direct = np.zeros(image.shape[:2], np.uint8)
    contact = np.zeros(image.shape[:2], np.uint8)
    for (a, b), d, radius, height in zip(pixels, depth, radii, lifted.min(-1), strict=True):
        if d.min() < 0.3:
            continue
        thick = max(1, int(round(2 * radius * camera.focal[frame] / d.mean())))
        start, end = ([int(v) for v in np.clip(p * 16, -30000, 30000)] for p in (a, b))
        cv2.line(direct, start, end, 255, min(thick, 200), cv2.LINE_AA, 4)
        if height < 0.3:
            cv2.line(contact, start, end, int(255 * (1 - height / 0.3)), min(thick, 200), cv2.LINE_AA, 4)
    soft = cv2.GaussianBlur(direct, (0, 0), place.light.softness).astype(np.float32) * (light.shadow / 255.0)
    touch = cv2.GaussianBlur(contact, (0, 0), 1.6).astype(np.float32) * (0.35 / 255.0)
    image *= ((1 - soft) * (1 - touch))[..., None]


def make_things(seed: np.random.SeedSequence, camera: Camera, points: np.ndarray, place: Place) -> list[Thing]:
    """Make the things in the scene: some behind the person; in six clips of ten some that pass in front."""
    rng = np.random.default_rng(seed)
    frames = len(points)
    center = points.mean((0, 1)) * (1.0, 0.0, 1.0)
    view = camera.axes[:, 2].mean(0) * (1.0, 0.0, 1.0)
    view /= np.linalg.norm(view)
    side = np.cross(view, (0.0, 1.0, 0.0))
    reach = float(np.abs((points - center) @ view).max())
    beyond = np.cross(place.along, (0.0, 1.0, 0.0))  # the way the backdrop faces away from the camera
    found = []
    for _ in range(rng.integers(0, 4)):  # behind
        kind = str(rng.choice(("trunk", "bush", "crate", "board", "barrel", "fence", "plant", "pole")))
        spot = center + view * (reach + rng.uniform(0.8, 3.0)) + side * rng.uniform(-2.2, 2.2)
        through = float((spot - place.foot) @ beyond) + 0.25  # meters behind the backdrop
        spot = spot - beyond * max(through, 0.0)
        found.append(_thing(rng, kind, np.broadcast_to(spot, (frames, 3)), 1.0))
    if rng.random() < 0.62:
        for _ in range(rng.choice((1, 2, 3), p=(0.62, 0.3, 0.08))):
            found.append(_passing(rng, camera, points, side, reach))
    return found


def _thing(rng: np.random.Generator, kind: str, path: np.ndarray, scale: float) -> Thing:
    width, height = (s * scale * rng.uniform(0.8, 1.25) for s in things.SIZES[kind])
    return Thing(kind, things.thing(rng, kind), np.array(path, np.float64), width, height)


_STANDING = ("pole", "trunk", "bush", "board", "barrel", "fence", "plant", "pillar", "crate")
_STANDING_ODDS = (0.24, 0.15, 0.14, 0.13, 0.07, 0.04, 0.13, 0.05, 0.05)
_MOVING, _MOVING_ODDS = ("ball", "trolley", "crate"), (0.35, 0.45, 0.2)


def _passing(rng: np.random.Generator, camera: Camera, points: np.ndarray, side: np.ndarray, reach: float) -> Thing:
    """Make a thing between camera and person that comes before a joint at some moment, for about 1 to 8 frames.

    Either it stands and camera or person pass it, or it moves through the scene itself: it rolls, or flies.
    """
    frames = len(points)
    clock = np.arange(frames)
    for _ in range(6):
        moment = int(rng.integers(1, max(2, frames - 2)))
        joint = rng.integers(points.shape[1])
        goal = points[moment, joint]
        gap = camera.position[moment] - goal
        away = float(np.linalg.norm(gap))
        nearer = min(reach + rng.uniform(0.2, 2.0), 0.62 * away)
        anchor = goal + gap / away * nearer
        kind = str(rng.choice(_STANDING, p=_STANDING_ODDS))
        thing = _thing(rng, kind, np.broadcast_to(anchor * (1, 0, 1), (frames, 3)), rng.uniform(0.55, 0.9))
        # How many pixels per frame the joint moves behind it, and so for how long it is behind it.
        track = camera.project(np.stack([points[:, joint], thing.path], 1))[0][:, :, 0]
        before, after = max(moment - 2, 0), min(moment + 2, frames - 1)
        speed = abs((track[after, 0] - track[after, 1]) - (track[before, 0] - track[before, 1])) / max(after - before, 1)
        width = thing.width * camera.focal[moment] / (away - nearer)
        if thing.height > 0.8 * anchor[1] and 1.0 < width / max(speed, 1e-3) < 7.5:
            return thing
    kind = str(rng.choice(_MOVING, p=_MOVING_ODDS))
    thing = _thing(rng, kind, np.zeros((frames, 3)), rng.uniform(0.7, 1.2 if kind == "trolley" else 1.0))
    velocity = thing.width / rng.uniform(1.3, 5.0) * rng.choice((-1.0, 1.0))  # meters a frame
    path = anchor + side * velocity * (clock - moment)[:, None]
    path[:, 1] = 0.0
    if kind == "ball":  # thrown: it falls, and bounces off the ground
        fall = rng.uniform(0.015, 0.035)
        height = anchor[1] - thing.height / 2 + rng.normal(0, 0.03) * (clock - moment) - fall * (clock - moment) ** 2
        path[:, 1] = np.abs(height)
    return Thing(kind, thing.texture, path, thing.width, thing.height)
