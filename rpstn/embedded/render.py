"""Draw a clip: the body, the things before and behind it, the place, the lens; and the exact state of every joint."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.embedded import paint
from rpstn.embedded.bodies import Body, pose_body
from rpstn.embedded.build_motion import PARENTS, POINTS, SEGMENTS
from rpstn.embedded.camera import Camera
from rpstn.embedded.raster import rasterize
from rpstn.embedded.scene import Light, Place, Thing, draw_place, draw_shadow
from rpstn.skeletons import PENN_ACTION

FINE = 2  # the body is drawn at twice the image's resolution, then averaged
BY_NONE, BY_BODY, BY_THING = 0, 1, 2
JOINTS = [POINTS.index(name) for name in PENN_ACTION.joints]  # Penn Action's joints among the points
# Segments that meet in each joint: their surface does not hide it, unless it passes in front from elsewhere.
_MEETING = {
    "head": ("neck",), "shoulder": ("chest", "shoulder"), "elbow": ("shoulder", "elbow"), "wrist": ("elbow",),
    "hip": ("root", "hip"), "knee": ("hip", "knee"), "ankle": ("knee", "ankle"),
}  # fmt: skip


def _own_segments() -> np.ndarray:
    """Say whether a segment meets in a joint, (13 joints, 13 segments)."""
    own = np.zeros((len(JOINTS), len(SEGMENTS)), bool)
    for row, joint in enumerate(PENN_ACTION.joints):
        side, _, name = joint.rpartition("_")
        for segment in _MEETING[name]:
            own[row, SEGMENTS.index(segment if segment in ("neck", "chest", "root") else f"{side}_{segment}")] = True
    return own


OWN = _own_segments()
# The head's surface is bound to neck and chest: both belong to it only where the head is.
_BONES = [(POINTS.index(parent), POINTS.index(name)) for name, parent in PARENTS.items()]
_RADII = {"knee": 0.07, "ankle": 0.045, "elbow": 0.045, "wrist": 0.035, "head": 0.1, "shoulder": 0.06, "hip": 0.1}


@dataclass(frozen=True)
class Lens:
    """What happens between scene and file: blur in pixels, noise in gray values, exposure, contrast, color cast."""

    blur: float
    streak: float  # pixels of camera movement blur
    angle: float
    noise: float
    exposure: float
    contrast: float
    cast: np.ndarray
    vignette: float
    quality: int


def make_lens(rng: np.random.Generator) -> Lens:
    """Draw a lens at random."""
    return Lens(
        blur=float(rng.uniform(0.0, 0.75)) if rng.random() < 0.7 else float(rng.uniform(0.6, 1.1)),
        streak=float(rng.uniform(1.5, 4.0)) if rng.random() < 0.25 else 0.0,
        angle=float(rng.uniform(0, np.pi)),
        noise=float(rng.uniform(0.5, 6.0)),
        exposure=float(np.exp(rng.normal(0.16, 0.15))),
        contrast=float(rng.uniform(0.85, 1.15)),
        cast=1 + rng.normal(0, 0.04, 3).astype(np.float32),
        vignette=float(rng.uniform(0, 0.3)),
        quality=int(rng.integers(78, 96)),
    )


@dataclass(frozen=True)
class Rendered:
    """frames (T, S, S, 3) uint8 RGB; joints (T, 13, 2) pixels; state, occluded_by (T, 13); corners (T, 4) of the body's box:
    x, y of its least and greatest pixel coordinates, held to the frame; quality: of the JPEG files.
    """

    frames: np.ndarray
    joints: np.ndarray
    state: np.ndarray
    occluded_by: np.ndarray
    corners: np.ndarray
    quality: int


def joint_states(
    joints: np.ndarray,
    depth: np.ndarray,
    flesh: np.ndarray,
    surface: np.ndarray,
    segment: np.ndarray,
    cover: np.ndarray,
    size: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Find state and cause of occlusion of each joint of one frame, from the depth order at its own pixel.

    joints (K, 2) pixels, depth (K,) meters; flesh (K,) meters of its own segments that may lie before a joint; surface (h, w)
    depth of the body's nearest surface, infinite elsewhere, and segment (h, w) which one it is, at FINE times the size; cover
    (h, w) depth of the nearest thing, infinite where none is.
    A joint is visible if the first surface met on the way to its pixel belongs to a segment that meets in the joint and lies no
    further before it than the flesh is thick there. A thing hides it if it is nearer than that surface.
    """
    x, y = joints.T
    # Penn Action marks what is missing by coordinates at the origin: the outermost half pixel counts as outside.
    inside = (x > 0) & (y > 0) & (x <= size - 1) & (y <= size - 1)
    column = np.clip(np.round(joints[:, 0] * FINE + (FINE - 1) / 2), 0, size * FINE - 1).astype(int)
    row = np.clip(np.round(joints[:, 1] * FINE + (FINE - 1) / 2), 0, size * FINE - 1).astype(int)
    front, owner, thing = surface[row, column], segment[row, column], cover[row, column]
    on_body = np.isfinite(front)
    own = OWN[np.arange(len(joints)), np.where(on_body, owner, 0)] & (depth - front <= flesh)
    by_body = on_body & ~own & (front < depth)
    by_thing = thing < np.minimum(np.where(on_body, front, depth), depth)
    hidden_by = np.where(by_thing, BY_THING, np.where(by_body, BY_BODY, BY_NONE))
    state = np.where(hidden_by > 0, OCCLUDED, VISIBLE)
    return np.where(inside, state, ABSENT).astype(np.uint8), np.where(inside, hidden_by, BY_NONE).astype(np.uint8)


@dataclass(frozen=True)
class DrawnThing:
    """A thing in one frame: where in the fine image, RGBA (h, w, 4) float32 not premultiplied, depth in meters."""

    rows: slice
    columns: slice
    image: np.ndarray
    depth: float


def _draw_thing(thing: Thing, camera: Camera, frame: int, light: np.ndarray) -> DrawnThing | None:
    """Draw one thing as the camera sees it; None if it is outside the image."""
    pixel, depth = camera.at(frame).project(thing.path[frame][None, None])
    distance = float(depth[0, 0])
    if distance < 0.3:
        return None
    side = camera.size * FINE
    meter = camera.focal[frame] / distance * FINE
    x, y = pixel[0, 0] * FINE + (FINE - 1) / 2
    width, height = thing.width * meter, thing.height * meter
    left, right = int(np.floor(max(0, x - width / 2))), int(np.ceil(min(side, x + width / 2)))
    top, bottom = int(np.floor(max(0, y - height))), int(np.ceil(min(side, y)))
    if right <= left or bottom <= top:
        return None
    h, w = thing.texture.shape[:2]
    matrix = np.array([[width / w, 0, x - width / 2 - left], [0, height / h, y - height - top]])
    image = cv2.warpAffine(thing.texture, matrix, (right - left, bottom - top), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))
    image = image.astype(np.float32) / 255.0
    image[..., :3] *= light
    return DrawnThing(slice(top, bottom), slice(left, right), image, distance)


def _blend(layer: np.ndarray, image: np.ndarray, alpha: np.ndarray) -> None:
    """Put an image over a layer of premultiplied RGBA, in place."""
    layer *= 1 - alpha
    layer[..., :3] += image[..., :3] * alpha
    layer[..., 3:] += alpha


def render(
    body: Body, points: np.ndarray, matrices: np.ndarray, camera: Camera, place: Place, things: list[Thing], lens: Lens,
    rng: np.random.Generator, surface: tuple[np.ndarray, np.ndarray] | None = None,
) -> Rendered:  # fmt: skip
    """Draw a clip. points (T, 16, 3) meters and matrices (T, 13, 3, 3) as motion.with_proportions gives them; surface: what
    pose_body makes of them, where it is known already.
    """
    frames, size = len(points), camera.size
    vertices, normals = surface or pose_body(body, points, matrices)
    outline, outline_depth = camera.project(vertices)
    joints, joint_depth = camera.project(points[:, JOINTS])
    images, states, causes, corners = [], [], [], []
    light = place.light
    flat = (light.sun * 0.5 + light.sky * 0.8 + light.bounce * 0.3).astype(np.float32)  # on things, which have no shape
    radii = np.array([_RADII.get(POINTS[end].rpartition("_")[2], 0.13) for _, end in _BONES])
    # One field of noise for the clip, from which each frame takes another part.
    grain = lens.noise * rng.standard_normal((size + 48, size + 48, 3), dtype=np.float32)
    for t in range(frames):
        image = draw_place(place, camera, t)
        draw_shadow(image, place, camera, t, points[t][_BONES], radii)
        drawn = [d for d in (_draw_thing(thing, camera, t, flat) for thing in things) if d is not None]
        drawn.sort(key=lambda d: -d.depth)
        layer, near, segment = _draw_body(body, normals[t], outline[t], outline_depth[t], camera, place.light, t)
        cover = _put_things(image, layer, near, drawn, float(outline_depth[t].max()))
        state, cause = joint_states(joints[t], joint_depth[t], body.flesh, near, segment, cover, size)
        layer = cv2.resize(layer, (size, size), interpolation=cv2.INTER_AREA)
        image *= 1 - layer[..., 3:]
        image += layer[..., :3]
        top, left = rng.integers(0, 49, 2)
        images.append(_expose(image, lens, grain[top : top + size, left : left + size]))
        states.append(state)
        causes.append(cause)
        low, high = outline[t].min(0), outline[t].max(0)
        corners.append(np.clip(np.concatenate([low, high]), 0, size - 1))
    return Rendered(np.stack(images), joints, np.stack(states), np.stack(causes), np.stack(corners), lens.quality)


def _draw_body(
    body: Body, normals: np.ndarray, outline: np.ndarray, depth: np.ndarray, camera: Camera, light: Light, t: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw the body in one frame at FINE times the size: premultiplied RGBA (h, w, 4), its depth (h, w), infinite elsewhere, and
    the segment seen (h, w).
    """
    side = camera.size * FINE
    layer = np.zeros((side, side, 4), np.float32)
    near = np.full((side, side), np.inf, np.float32)
    segment = np.zeros((side, side), np.int16)
    shape = body.template
    pixel, face, weights, z = rasterize(outline * FINE + (FINE - 1) / 2, depth, shape.faces, side, side)
    if len(pixel) == 0:
        return layer, near, segment
    # Position, arm coordinate and normal together, weighted corner by corner: (N, 7).
    vertices = np.concatenate([shape.vertices, shape.arm[:, None], normals], 1, dtype=np.float32)
    carried = sum(vertices[c] * w[:, None] for c, w in zip(shape.faces[face].T, weights, strict=True))
    normal = carried[:, 4:]
    normal /= np.maximum(np.sqrt(normal[:, 0] ** 2 + normal[:, 1] ** 2 + normal[:, 2] ** 2), 1e-6)[:, None]
    part = body.part[face]
    color = paint.albedo(body, carried[:, :3], carried[:, 3], part == SEGMENTS.index("neck"))
    shaded = paint.shade(color, normal, -camera.axes[t, 2], light, body.clothes.gloss)
    row, column = np.divmod(pixel, side)
    near[row, column] = z
    segment[row, column] = part
    top, bottom, left, right = row.min(), row.max() + 1, column.min(), column.max() + 1
    patch = near[top:bottom, left:right]
    mask = np.isfinite(patch)
    reach = max(3, int(0.16 * camera.focal[t] / float(np.median(z)) * FINE) | 1)  # pixels
    shaded *= paint.crevices(np.where(mask, patch, 0), mask, reach)[row - top, column - left, None]
    layer[row, column, :3] = shaded
    layer[row, column, 3] = 1.0
    return layer, near, segment


def _put_things(image: np.ndarray, layer: np.ndarray, near: np.ndarray, drawn: list[DrawnThing], furthest: float) -> np.ndarray:
    """Add the things, sorted from the furthest, to the frame `image` where they lie behind all of the body (`furthest` meters),
    else to the body's layer, each pixel in its order. Returns the nearest thing's depth at every fine pixel.
    """
    cover = np.full(near.shape, np.inf, np.float32)
    behind = [d for d in drawn if d.depth > furthest]
    for d in behind:
        h, w = (int(np.ceil(s.stop / FINE)) - s.start // FINE for s in (d.rows, d.columns))
        whole = np.zeros((h * FINE, w * FINE, 4), np.float32)
        y, x = d.rows.start % FINE, d.columns.start % FINE
        whole[y : y + d.image.shape[0], x : x + d.image.shape[1]] = d.image
        whole = cv2.resize(whole, (w, h), interpolation=cv2.INTER_AREA)
        part = image[d.rows.start // FINE :, d.columns.start // FINE :][:h, :w]
        part *= 1 - whole[..., 3:]
        part += whole[..., :3] * whole[..., 3:]
    for d in drawn[len(behind) :]:
        part, depth = layer[d.rows, d.columns], near[d.rows, d.columns]
        solid = d.image[..., 3] * (d.depth < depth)  # before the body, or next to it
        _blend(part, d.image, solid[..., None])
        # What stands further off than the body, but nearer than its furthest point, is seen past its outline only; the
        # pixels of the body already cover it.
        inside = cover[d.rows, d.columns]
        np.minimum(inside, np.where(d.image[..., 3] > 0.5, np.float32(d.depth), np.inf), out=inside)
    for d in behind:
        inside = cover[d.rows, d.columns]
        np.minimum(inside, np.where(d.image[..., 3] > 0.5, np.float32(d.depth), np.inf), out=inside)
    return cover


def _expose(image: np.ndarray, lens: Lens, grain: np.ndarray) -> np.ndarray:
    """Expose the scene (S, S, 3) float32 to uint8, as lens and sensor do. grain (S, S, 3): noise in gray values."""
    size = image.shape[0]
    if lens.streak:
        length = int(np.ceil(lens.streak)) | 1
        kernel = np.zeros((length, length), np.float32)
        reach = lens.streak / 2 * np.array([np.cos(lens.angle), np.sin(lens.angle)])
        for step in np.linspace(-1, 1, 2 * length):
            x, y = np.round(length // 2 + reach * step).astype(int)
            kernel[np.clip(y, 0, length - 1), np.clip(x, 0, length - 1)] += 1
        image = cv2.filter2D(image, -1, kernel / kernel.sum())
    if lens.blur > 0.25:
        image = cv2.GaussianBlur(image, (0, 0), lens.blur)
    axis = np.linspace(-1, 1, size, dtype=np.float32) ** 2
    fall = 1 - lens.vignette * 0.5 * (axis[:, None] + axis)
    image = image * (fall[..., None] * (255 * lens.contrast * lens.exposure * lens.cast).astype(np.float32))
    image += grain
    image += np.float32(127.5 * (1 - lens.contrast) + 0.5)
    return np.clip(image, 0, 255, out=image).astype(np.uint8)
