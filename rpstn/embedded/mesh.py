"""The template of a human body: one closed surface, its segments, and how it bends.

The surface is the zero level of a smooth union of ellipsoids and tapered capsules around the skeleton, arms lowered by
half and legs slightly apart, so that no two limbs merge. It is cut into triangles by surface nets (Gibson 1998): one
vertex in each grid cell that the surface crosses, at the mean of its edge crossings, then moved onto the surface.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from rpstn.embedded.build_motion import PARENTS, POINTS, SEGMENTS, offset

ARM_ANGLE, LEG_ANGLE = np.radians(42.0), np.radians(9.0)  # from the vertical, in the template's pose
HAIRS = ("short", "long", "bun", "none", "cap")


def _spread(angle: float, side: float) -> np.ndarray:
    """Make the rotation about x that lifts a hanging limb sideways by `angle`; side +1 is the person's right (z > 0)."""
    c, s = np.cos(angle), np.sin(angle) * side
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]]) if side else np.eye(3)


def template_pose() -> tuple[np.ndarray, np.ndarray]:
    """Return points (16, 3) in meters from the root and segment rotations (13, 3, 3) of the pose the template is built in."""
    rotations = {}
    for name in SEGMENTS:
        side = {"right": 1.0, "left": -1.0}.get(name.split("_")[0], 0.0)
        angle = ARM_ANGLE if name.endswith(("shoulder", "elbow")) else LEG_ANGLE if name.endswith(("hip", "knee")) else 0.0
        # Down is -y: a limb spread to the right gains z, one to the left loses it.
        rotations[name] = _spread(angle, side)
    points = {"root": np.zeros(3)}
    for name in POINTS[1:]:
        points[name] = points[PARENTS[name]] + rotations[PARENTS[name]] @ offset(name)
    return np.stack([points[name] for name in POINTS]), np.stack([rotations[name] for name in SEGMENTS])


def _length(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.sqrt(x * x + y * y + z * z)


def _ellipsoid(p: np.ndarray, center: tuple, radii: tuple) -> np.ndarray:
    x, y, z = ((p[..., k] - np.float32(center[k])) / np.float32(radii[k]) for k in range(3))
    k0 = _length(x, y, z)
    k1 = _length(*(q / np.float32(r) for q, r in zip((x, y, z), radii, strict=True)))
    return k0 * (k0 - 1.0) / np.maximum(k1, 1e-6)


def _capsule(p: np.ndarray, a: ArrayLike, b: ArrayLike, ra: float, rb: float) -> np.ndarray:
    start = np.asarray(a, np.float32)
    axis = np.asarray(b, np.float32) - start
    x, y, z = (p[..., k] - start[k] for k in range(3))
    t = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / (axis @ axis), 0.0, 1.0)
    return _length(x - t * axis[0], y - t * axis[1], z - t * axis[2]) - (ra + (rb - ra) * t)


def _union(first: np.ndarray, second: np.ndarray, k: float) -> np.ndarray:
    """Take the smooth minimum (Quilez): it rounds the seam over a width of k meters."""
    h = np.clip(0.5 + 0.5 * (second - first) / k, 0.0, 1.0)
    return second + (first - second) * h - k * h * (1.0 - h)


def _head(p: np.ndarray, hair: str) -> np.ndarray:
    d = _ellipsoid(p, (0.012, 0.62, 0.0), (0.096, 0.118, 0.078))
    d = _union(d, _ellipsoid(p, (0.042, 0.562, 0.0), (0.055, 0.058, 0.05)), 0.03)  # jaw
    d = _union(d, _capsule(p, (0.108, 0.625, 0.0), (0.122, 0.602, 0.0), 0.008, 0.015), 0.02)  # nose
    d = _union(d, _ellipsoid(p, (0.0, 0.607, 0.08), (0.02, 0.03, 0.012)), 0.008)  # ears
    if hair == "cap":
        d = _union(d, _ellipsoid(p, (0.0, 0.672, 0.0), (0.108, 0.078, 0.09)), 0.015)
        d = _union(d, _ellipsoid(p, (0.12, 0.672, 0.0), (0.075, 0.01, 0.065)), 0.012)
    elif hair != "none":
        d = _union(d, _ellipsoid(p, (-0.012, 0.648, 0.0), (0.102, 0.108, 0.09)), 0.012)
    if hair == "long":
        d = _union(d, _ellipsoid(p, (-0.062, 0.545, 0.0), (0.05, 0.145, 0.092)), 0.02)
    if hair == "bun":
        d = _union(d, _ellipsoid(p, (-0.115, 0.67, 0.0), (0.045, 0.045, 0.045)), 0.02)
    return d


def surface_distance(p: np.ndarray, hair: str, skirt: bool) -> np.ndarray:
    """Return the signed distance (about; meters, negative inside) of points p (..., 3) from the template's surface."""
    # One contiguous array per coordinate below; both sides are alike.
    p = np.moveaxis(np.stack([p[..., 0], p[..., 1], np.abs(p[..., 2])]).astype(np.float32), 0, -1)
    points = dict(zip(POINTS, template_pose()[0], strict=True))
    d = _ellipsoid(p, (-0.005, 0.0, 0.0), (0.1, 0.11, 0.152))
    d = _union(d, _ellipsoid(p, (-0.035, -0.045, 0.07), (0.085, 0.085, 0.075)), 0.04)  # buttocks
    d = _union(d, _ellipsoid(p, (0.002, 0.14, 0.0), (0.09, 0.16, 0.128)), 0.06)
    d = _union(d, _ellipsoid(p, (0.0, 0.32, 0.0), (0.108, 0.16, 0.155)), 0.06)
    d = _union(d, _ellipsoid(p, (0.055, 0.355, 0.07), (0.055, 0.06, 0.072)), 0.04)  # chest muscle
    d = _union(d, _capsule(p, (-0.02, 0.455, 0.0), (-0.024, 0.462, 0.16), 0.062, 0.05), 0.05)
    d = _union(d, _capsule(p, (-0.02, 0.44, 0.0), (0.008, 0.565, 0.0), 0.062, 0.052), 0.04)  # neck
    d = _union(d, _head(p, hair), 0.018)
    shoulder, elbow, wrist = (points[f"right_{name}"] for name in ("shoulder", "elbow", "wrist"))
    along = (wrist - elbow) / np.linalg.norm(wrist - elbow)
    across = np.array([0.0, along[2], -along[1]])  # away from the palm
    arm = _capsule(p, shoulder, elbow, 0.048, 0.038)
    arm = _union(arm, _capsule(p, shoulder + 0.02 * across, shoulder + 0.09 * along, 0.045, 0.04), 0.03)
    arm = _union(arm, _capsule(p, elbow, wrist, 0.036, 0.025), 0.02)
    arm = _union(arm, _capsule(p, elbow + 0.05 * along, elbow + 0.1 * along, 0.041, 0.036), 0.03)
    for x, reach, radius in ((0.026, 0.145, 0.0115), (0.009, 0.155, 0.0125), (-0.009, 0.15, 0.0125), (-0.026, 0.13, 0.011)):
        start = wrist + 0.02 * along + np.array([x * 0.6, 0, 0])
        arm = _union(arm, _capsule(p, start, wrist + reach * along - 0.012 * across + [x, 0, 0], 0.02, radius), 0.012)
    arm = _union(arm, _capsule(p, wrist + 0.03 * along, wrist + 0.095 * along + [0.055, 0, 0], 0.018, 0.011), 0.012)
    d = _union(d, arm, 0.035)
    hip, knee, ankle = (points[f"right_{name}"] for name in ("hip", "knee", "ankle"))
    leg = _capsule(p, hip, knee, 0.092, 0.054)
    leg = _union(leg, _capsule(p, knee, ankle, 0.053, 0.036), 0.03)
    down = (ankle - knee) / np.linalg.norm(ankle - knee)
    calf = knee + 0.11 * down + [-0.018, 0, 0]
    leg = _union(leg, _capsule(p, calf - 0.03 * down, calf + 0.06 * down, 0.05, 0.04), 0.04)
    leg = _union(leg, _capsule(p, ankle + [-0.03, -0.022, 0], ankle + [0.06, -0.024, 0.006], 0.034, 0.034), 0.025)
    leg = _union(leg, _capsule(p, ankle + [0.05, -0.026, 0.004], ankle + [0.125, -0.034, 0.01], 0.038, 0.024), 0.02)
    d = _union(d, leg, 0.035)
    if skirt:
        t = np.clip((0.09 - p[..., 1]) / 0.47, 0.0, 1.0)
        r = np.sqrt((p[..., 0] / 0.8) ** 2 + p[..., 2] ** 2) - (0.135 + 0.14 * t)
        d = _union(d, np.maximum(r * 0.75, np.abs(p[..., 1] + 0.145) - 0.235), 0.02)
    return d


@dataclass(frozen=True)
class Template:
    """vertices (V, 3) meters from the root; faces (F, 3) outward; weights (V, 13) of segments, rows sum to 1; arm (V,):
    meters along the arm from the shoulder, -0.1 where the vertex is no part of an arm; leg (V,) share of the legs.
    """

    vertices: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    arm: np.ndarray
    leg: np.ndarray


def _grid(knots: tuple[tuple[float, float], ...], end: float) -> np.ndarray:
    """Make grid lines with spacing that changes: knots are (from, spacing)."""
    lines, position = [], knots[0][0]
    while position < end:
        lines.append(position)
        position += [step for start, step in knots if position >= start - 1e-9][-1]
    return np.array([*lines, position], np.float32)


def _surface_nets(values: np.ndarray, lines: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Find vertices (V, 3) and triangles (F, 3) of the zero level of values on a grid; triangles turn outward."""
    inside = values < 0
    total = np.zeros([n - 1 for n in values.shape] + [3], np.float64)
    count = np.zeros([n - 1 for n in values.shape], np.int32)
    crossings = []
    for axis in range(3):
        low = [slice(None)] * 3
        high = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        where = np.argwhere(inside[tuple(low)] != inside[tuple(high)])
        end = where.copy()
        end[:, axis] += 1
        a, b = values[tuple(where.T)], values[tuple(end.T)]
        t = a / (a - b)
        point = np.stack([lines[k][where[:, k]] for k in range(3)], -1).astype(np.float64)
        point[:, axis] += t * (lines[axis][end[:, axis]] - lines[axis][where[:, axis]])
        others = [k for k in range(3) if k != axis]
        ring = []
        for i, j in ((-1, -1), (0, -1), (0, 0), (-1, 0)):
            cell = where.copy()
            cell[:, others[0]] += i
            cell[:, others[1]] += j
            np.add.at(total, tuple(cell.T), point)
            np.add.at(count, tuple(cell.T), 1)
            ring.append(cell)
        # The four cells around the edge make a quad; its turn follows from which end is inside and the axis' parity.
        turn = (a < 0) ^ (axis == 1)
        crossings.append((ring, turn))
    number = np.full(count.shape, -1)
    number[count > 0] = np.arange((count > 0).sum())
    vertices = total[count > 0] / count[count > 0][:, None]
    faces = []
    for ring, turn in crossings:
        quad = np.stack([number[tuple(cell.T)] for cell in ring], -1)
        quad = np.where(turn[:, None], quad, quad[:, ::-1])
        faces += [quad[:, [0, 1, 2]], quad[:, [0, 2, 3]]]
    return vertices, np.concatenate(faces)


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Rise smoothly from 0 at low to 1 at high."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3 - 2 * t)


def _skin(v: np.ndarray, skirt: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights (V, 13), arm coordinate (V,), share of the legs (V,) of template vertices."""
    points = dict(zip(POINTS, template_pose()[0], strict=True))
    torso = np.minimum.reduce([
        _capsule(v, (0, 0, -0.05), (0, 0, 0.05), 0.1, 0.1),
        _capsule(v, (0, 0.12, 0), (0, 0.3, 0), 0.12, 0.14),
        _capsule(v, (0, 0.4, -0.09), (0, 0.4, 0.09), 0.07, 0.07),
        _capsule(v, (0, 0.45, 0), (0, 0.65, 0), 0.06, 0.09),
    ])  # fmt: skip
    parts, chains, coordinate = [torso], [], {}
    for side in ("right", "left"):
        p = {name: points[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")}
        along = (p["wrist"] - p["shoulder"]) / np.linalg.norm(p["wrist"] - p["shoulder"])
        parts.append(_capsule(v, p["shoulder"] + 0.03 * along, p["wrist"] + 0.1 * along, 0.05, 0.03))
        u = (v - p["shoulder"]) @ along
        coordinate[side] = u
        elbow = smoothstep(u, 0.275 - 0.04, 0.275 + 0.04)
        chains.append({f"{side}_shoulder": 1 - elbow, f"{side}_elbow": elbow})
        down = (p["ankle"] - p["hip"]) / np.linalg.norm(p["ankle"] - p["hip"])
        parts.append(_capsule(v, p["hip"] + 0.05 * down, p["ankle"] + 0.05 * down, 0.085, 0.035))
        w = (v - p["hip"]) @ down
        knee = smoothstep(w, 0.4215 - 0.055, 0.4215 + 0.055)
        shin = _capsule(v, p["knee"], p["ankle"] - 0.02 * down, 0.045, 0.035)
        foot = _capsule(v, p["ankle"] + [-0.02, -0.03, 0], p["ankle"] + [0.12, -0.03, 0], 0.03, 0.03)
        ankle = smoothstep(shin - foot, -0.02, 0.02) * (w > 0.7)
        chains.append({f"{side}_hip": 1 - knee, f"{side}_knee": knee * (1 - ankle), f"{side}_ankle": knee * ankle})
    distances = np.stack(parts, -1)  # torso, right arm, right leg, left arm, left leg
    region = np.exp(-(distances - distances.min(-1, keepdims=True)) / 0.022)
    region /= region.sum(-1, keepdims=True)
    if skirt:  # the skirt goes with the pelvis above and with both thighs below
        cloth = (v[:, 1] < 0.07) & (v[:, 1] > -0.4) & (distances[:, [1, 3]].min(-1) > 0.04)
        down = smoothstep(-v[:, 1], -0.05, 0.3) * 0.8
        right = smoothstep(v[:, 2], -0.12, 0.12)
        mixed = np.stack([1 - down, 0 * down, down * right, 0 * down, down * (1 - right)], -1)
        region = np.where(cloth[:, None], mixed, region)
        for chain, side in ((chains[1], "right"), (chains[3], "left")):
            chain[f"{side}_hip"] = np.where(cloth, 1.0, chain[f"{side}_hip"])
            chain[f"{side}_knee"] = np.where(cloth, 0.0, chain[f"{side}_knee"])
            chain[f"{side}_ankle"] = np.where(cloth, 0.0, chain[f"{side}_ankle"])
    weights = np.zeros((len(v), len(SEGMENTS)))
    chest, neck = smoothstep(v[:, 1], 0.1, 0.3), smoothstep(v[:, 1], 0.47, 0.55)
    spine = {"root": 1 - chest, "chest": chest * (1 - neck), "neck": neck}
    for share, chain in zip(region.T, (spine, *chains), strict=True):
        for name, value in chain.items():
            weights[:, SEGMENTS.index(name)] += share * value
    arms = region[:, 1] + region[:, 3]
    u = np.where(v[:, 2] > 0, coordinate["right"], coordinate["left"])
    return weights, np.where(arms > 0.3, np.maximum(u, -0.09), -0.1), region[:, 2] + region[:, 4]


@cache
def template(hair: str = "short", skirt: bool = False) -> Template:
    """Make the body with that hair (one of HAIRS), in trousers or in a skirt. About 3,300 vertices; takes about 0.1 s once."""
    lines = (
        _grid(((-0.24, 0.025),), 0.26),
        _grid(((-0.93, 0.021), (-0.8, 0.032), (0.5, 0.018)), 0.8),
        _grid(((0.01, 0.02), (0.1, 0.03), (0.46, 0.023)), 0.81),
    )
    p = np.stack(np.meshgrid(*lines, indexing="ij"), -1)
    values = surface_distance(p, hair, skirt).astype(np.float64)
    values = np.concatenate([values[..., ::-1], values], -1)  # the left side mirrors the right
    lines = (*lines[:2], np.concatenate([-lines[2][::-1], lines[2]]))
    vertices, faces = _surface_nets(values, lines)
    step = 0.004
    for _ in range(2):  # Newton steps onto the surface
        value = surface_distance(vertices, hair, skirt)
        slope = np.stack(
            [surface_distance(vertices + step * e, hair, skirt) - value for e in np.eye(3)], -1
        ) / step  # fmt: skip
        move = value[:, None] * slope / np.maximum((slope**2).sum(-1, keepdims=True), 0.3)
        vertices = vertices - np.clip(move, -0.008, 0.008)
    return Template(vertices, faces, *_skin(vertices.astype(np.float32), skirt))
