"""Whose body it is: build, hair, clothes, colors, patterns; and the body's surface in any pose."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpstn.embedded.build_motion import PARENTS, POINTS, SEGMENTS
from rpstn.embedded.mesh import HAIRS, Template, smoothstep, template, template_pose

SKIN, HAIR, SHIRT, TROUSERS, SHOES, SOCKS = range(6)
_SKINS = ((0.96, 0.80, 0.69), (0.89, 0.70, 0.56), (0.80, 0.60, 0.45), (0.66, 0.47, 0.33), (0.48, 0.32, 0.21), (0.31, 0.20, 0.14))
_HAIR_COLORS = ((0.08, 0.06, 0.05), (0.2, 0.12, 0.07), (0.4, 0.24, 0.12), (0.72, 0.55, 0.3), (0.5, 0.2, 0.1), (0.6, 0.6, 0.6))


@dataclass(frozen=True)
class Build:
    """Proportions as factors on the template: bone lengths and girths."""

    height: float
    legs: float
    arms: float
    shoulders: float
    hips: float
    limb_girth: float
    trunk_girth: float
    belly: float  # meters added in front
    bust: float  # meters added in front
    head: float


@dataclass(frozen=True)
class Clothes:
    """What is worn. Colors are RGB 0..1; lengths along the limb in meters."""

    colors: np.ndarray  # (6, 3) by material
    second: np.ndarray  # (6, 3) the other color of a pattern
    sleeve: float  # the arm coordinate at which sleeves end
    hem: float  # height from the root at which trousers end
    waist: float  # height at which the shirt ends
    collar: float
    pattern: tuple[str, str]  # of shirt and trousers
    front: str  # what marks the front of the shirt: open (a jacket over something lighter or darker), bib, none
    inner: np.ndarray  # (3,) what an open jacket shows, or the bib's paper
    period: float  # meters
    loose: tuple[float, float]  # meters between skin and shirt, trousers
    gloss: float
    texture: np.ndarray  # (32, 32, 32) float32, about -1..1, tileable folds and grain


@dataclass(frozen=True)
class Body:
    """A person's surface in the template's pose.

    rest (V, 3) meters, built and clothed; original (V, 3) the template's own vertices, in which colors are painted; points
    (16, 3) where the skeleton lies in rest; lengths (16,) factors on bones for motion.with_proportions; part (F,) segment of each
    face; flesh (13,) meters that the surface may lie before a joint of Penn Action's order without hiding it.
    """

    hair: str
    build: Build
    clothes: Clothes
    template: Template
    rest: np.ndarray
    normals: np.ndarray
    points: np.ndarray
    lengths: np.ndarray
    part: np.ndarray
    flesh: np.ndarray


def _color(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> tuple[float, ...]:
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))


def _noise_block(rng: np.random.Generator) -> np.ndarray:
    """Draw tileable noise (32, 32, 32): a few octaves of cubic-like interpolated random numbers, about -1..1."""
    total = np.zeros((32, 32, 32), np.float32)
    for size, gain in ((4, 1.0), (8, 0.6), (16, 0.4)):
        block: Any = rng.standard_normal((size,) * 3).astype(np.float32)
        for axis in range(3):
            block = np.repeat(block, 32 // size, axis)
        for axis in range(3):
            width = 32 // size
            block = sum(np.roll(block, k - width // 2, axis) for k in range(width)) / width
        total += gain * block / block.std()
    return (total / (3 * total.std())).astype(np.float32)


def make_build(rng: np.random.Generator, female: bool) -> Build:
    """Draw a build at random."""
    weight = rng.normal(0.0, 1.0)
    return Build(
        height=float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.12)),
        legs=float(rng.uniform(0.97, 1.03)),
        arms=float(rng.uniform(0.97, 1.04)),
        shoulders=float(rng.uniform(0.84, 0.94) if female else rng.uniform(0.93, 1.06)),
        hips=float(rng.uniform(1.0, 1.14) if female else rng.uniform(0.92, 1.04)),
        limb_girth=float(np.clip((0.93 if female else 1.02) + 0.09 * weight, 0.8, 1.3)),
        trunk_girth=float(np.clip((0.9 if female else 1.0) + 0.08 * weight, 0.82, 1.25)),
        belly=float(max(0.0, 0.02 * weight + rng.normal(0.005, 0.015))),
        bust=float(rng.uniform(0.012, 0.04) if female else 0.0),
        head=float(rng.uniform(0.93, 1.03)),
    )


def make_clothes(rng: np.random.Generator, skirt: bool) -> Clothes:
    """Draw clothes at random."""
    colors, second = np.zeros((6, 3)), np.zeros((6, 3))
    position = rng.uniform(0, len(_SKINS) - 1.001)
    index, share = int(position), position % 1
    colors[SKIN] = np.array(_SKINS[index]) * (1 - share) + np.array(_SKINS[index + 1]) * share
    colors[HAIR] = np.array(_HAIR_COLORS[rng.choice(6, p=[0.35, 0.25, 0.15, 0.12, 0.06, 0.07])]) * rng.uniform(0.8, 1.2)
    colors[SHIRT] = _color(rng, (0.0, 0.9), (0.15, 0.98))
    dull = rng.random() < 0.6
    colors[TROUSERS] = _color(rng, (0.0, 0.45), (0.1, 0.6)) if dull else _color(rng, (0.2, 0.9), (0.2, 0.95))
    if rng.random() < 0.2:  # jeans
        colors[TROUSERS] = np.array((0.18, 0.25, 0.42)) * rng.uniform(0.6, 1.5)
    colors[SHOES] = _color(rng, (0.0, 0.6), (0.08, 0.95))
    colors[SOCKS] = (0.9, 0.9, 0.9) if rng.random() < 0.6 else _color(rng, (0, 0.5), (0.1, 0.5))
    if rng.random() < 0.06:
        colors[TROUSERS] = colors[SHIRT]
    for material in (SHIRT, TROUSERS):
        second[material] = _color(rng, (0.0, 0.9), (0.1, 0.98))
    sleeve = [rng.uniform(0.1, 0.22), rng.uniform(0.24, 0.3), rng.uniform(0.5, 0.54), -0.02][
        rng.choice(4, p=[0.4, 0.1, 0.38, 0.12])
    ]
    hem = [-0.8, -0.5, rng.uniform(-0.36, -0.2)][rng.choice(3, p=[0.62, 0.1, 0.28])]
    plain = ["plain", "stripes", "columns", "checks", "blotches", "block"]
    pattern = (
        plain[rng.choice(6, p=[0.4, 0.15, 0.07, 0.12, 0.14, 0.12])],
        plain[rng.choice(6, p=[0.74, 0.03, 0.08, 0.07, 0.08, 0.0])],
    )
    front = ("open", "bib", "none")[rng.choice(3, p=[0.5, 0.3, 0.2])]
    # Far from the shirt in brightness, as a jacket is from the shirt below it; a bib is nearly white.
    bright = colors[SHIRT].mean() < 0.45 or front == "bib"
    inner = _color(rng, (0.0, 0.25), (0.85, 1.0)) if bright else _color(rng, (0.0, 0.6), (0.04, 0.2))
    return Clothes(
        front=front, inner=np.array(inner, np.float32),
        colors=np.clip(colors, 0.02, 1.0).astype(np.float32), second=second.astype(np.float32), sleeve=float(sleeve),
        hem=float(-0.385 if skirt else hem), waist=float(rng.uniform(-0.12, 0.05)), collar=float(rng.uniform(0.47, 0.53)),
        pattern=pattern, period=float(rng.uniform(0.04, 0.14)),
        loose=(float(rng.uniform(0.003, 0.02)), float(rng.uniform(0.003, 0.02))),
        gloss=float(rng.uniform(0.0, 0.25)), texture=_noise_block(rng),
    )  # fmt: skip


def make_body(seed: np.random.SeedSequence) -> Body:
    """Make a person from a seed."""
    rng = np.random.default_rng(seed)
    female = rng.random() < 0.5
    skirt = female and rng.random() < 0.22
    hair = HAIRS[rng.choice(5, p=[0.2, 0.5, 0.2, 0.02, 0.08] if female else [0.68, 0.05, 0.02, 0.12, 0.13])]
    build, clothes, shape = make_build(rng, female), make_clothes(rng, skirt), template(hair, skirt)
    lengths = np.full(len(POINTS), build.height)
    for index, name in enumerate(POINTS):
        if name.endswith(("knee", "ankle")):
            lengths[index] *= build.legs
        elif name.endswith(("elbow", "wrist")):
            lengths[index] *= build.arms
        elif name.endswith("shoulder"):
            lengths[index] *= build.shoulders
        elif name == "head":
            lengths[index] *= build.head
    lengths[0] = build.height * build.legs
    rest, points = _shape(shape, build, clothes, lengths)
    part = shape.weights[shape.faces].sum(1).argmax(1)
    limb, trunk = build.height * build.limb_girth, build.height * build.trunk_girth
    loose = max(clothes.loose)
    # Twice the limb's radius at the joint: what lies before it when the limb points at up to 60 degrees out of the image.
    flesh = np.array([0.16 * build.height, *2 * [0.145 * trunk], *2 * [0.1 * limb], *2 * [0.085 * limb],
                      *2 * [0.195 * trunk], *2 * [0.135 * limb], *2 * [0.105 * limb]]) + loose  # fmt: skip
    return Body(hair, build, clothes, shape, rest, _normals(rest, shape.faces), points, lengths, part, flesh)


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    corners = vertices[faces]
    face = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.stack([np.bincount(faces.ravel(), np.repeat(face[:, k], 3), len(vertices)) for k in range(3)], -1)
    return total / np.maximum(np.linalg.norm(total, axis=-1, keepdims=True), 1e-12)


def _shape(shape: Template, build: Build, clothes: Clothes, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the template's vertices with this build and these clothes, and the skeleton they belong to."""
    points, rotations = template_pose()
    new = np.zeros_like(points)
    for index, name in enumerate(POINTS[1:], start=1):
        parent = POINTS.index(PARENTS[name])
        new[index] = new[parent] + (points[index] - points[parent]) * lengths[index]
    v = shape.vertices
    out = np.zeros_like(v)
    normals = _normals(v, shape.faces)
    for index, name in enumerate(SEGMENTS):
        point = POINTS.index(name)
        child = next((k for k, n in enumerate(POINTS) if PARENTS.get(n) == name and not n.endswith(("hip", "shoulder"))), None)
        local = (v - points[point]) @ rotations[index]  # in the segment's own axes; bones lie along y
        stretch = lengths[child] if child is not None else build.height
        if name in ("root", "chest"):
            side = build.shoulders if name == "chest" else build.hips
            factor = np.array([build.trunk_girth, stretch / build.height, build.trunk_girth * side]) * build.height
        elif name == "neck":
            factor = np.full(3, build.height * build.head)
        elif name.endswith("ankle"):
            factor = np.full(3, build.height)
        else:
            factor = np.array([build.limb_girth * build.height, stretch, build.limb_girth * build.height])
            if name.endswith("elbow"):  # hands do not fatten with the arm
                hand = smoothstep(-local[:, 1], 0.22, 0.28)[:, None]
                factor = factor * (1 - hand) + np.array([build.height, stretch, build.height]) * hand
        weight = shape.weights[:, index, None]
        out += weight * ((local * factor) @ rotations[index].T + new[point])
    front = np.clip(normals[:, 0], 0, 1) * (shape.arm < -0.05)
    out[:, 0] += front * build.belly * np.exp(-(((v[:, 1] - 0.1) / 0.12) ** 2))
    breast = np.exp(-(((v[:, 1] - 0.33) / 0.07) ** 2) - ((np.abs(v[:, 2]) - 0.075) / 0.06) ** 2)
    out[:, 0] += front * build.bust * breast
    shirt, trousers = shirt_mask(v, shape.arm, clothes), trousers_mask(v, shape.arm, clothes)
    shoes = (v[:, 1] < -0.83) & (shape.arm < -0.05)
    swing = 1.0 + 0.5 * np.clip((clothes.waist + 0.1 - v[:, 1]) * 4, 0, 1)
    out += normals * (shirt * clothes.loose[0] * swing + trousers * clothes.loose[1] + 0.006 * shoes)[:, None]
    return out, new


def shirt_mask(v: np.ndarray, arm: np.ndarray, clothes: Clothes) -> np.ndarray:
    """Say where the shirt is, of template positions (..., 3) and arm coordinates (...)."""
    body = (v[..., 1] > clothes.waist) & (v[..., 1] < clothes.collar - 0.35 * np.maximum(v[..., 0], 0))
    return np.where(arm > -0.05, arm < clothes.sleeve, body)


def trousers_mask(v: np.ndarray, arm: np.ndarray, clothes: Clothes) -> np.ndarray:
    """Say where the trousers or the skirt are, likewise."""
    return (v[..., 1] <= clothes.waist) & (v[..., 1] > clothes.hem) & (arm < -0.05)


def pose_body(body: Body, points: np.ndarray, matrices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the surface in T poses: vertices and unit normals (T, V, 3) float32, in meters.

    points (T, 16, 3) and matrices (T, 13, 3, 3) as motion.with_proportions gives them. Linear blend skinning:
    v = sum_s w_s (R_s B_s^T (rest - b_s) + p_s), B_s and b_s the segment's rotation and position in rest.
    """
    _, bind = template_pose()
    at = [POINTS.index(name) for name in SEGMENTS]
    turn = (matrices @ bind.transpose(0, 2, 1)).astype(np.float32)  # (T, 13, 3, 3)
    shift = points[:, at].astype(np.float32) - np.einsum("tsij,sj->tsi", turn, body.points[at].astype(np.float32))
    weights = body.template.weights.astype(np.float32)
    rest, normal = body.rest.astype(np.float32), body.normals.astype(np.float32)
    # Row i of the blended rotation, for i = x, y, z: (T, V, 3).
    rows = [weights @ turn[:, :, i] for i in range(3)]
    shifts = weights @ shift
    vertices = np.stack([_dot(row, rest) + shifts[..., i] for i, row in enumerate(rows)], -1)
    normals = np.stack([_dot(row, normal) for row in rows], -1)
    normals /= np.maximum(np.sqrt(_dot(normals, normals)), 1e-6)[..., None]
    return vertices, normals


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Take the dot product over a last axis of length 3, much faster than a sum over it."""
    return a[..., 0] * b[..., 0] + a[..., 1] * b[..., 1] + a[..., 2] * b[..., 2]
