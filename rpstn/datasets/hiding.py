"""Occluders that training paints over a person, so that there is something to carry: over a joint, a limb, a half, or all of it.

Each stays for a run of frames, follows the body or stays in the image, and shows a piece of another image, noise or one color.
Joints lie anywhere in it, never at a known place: an occluder must not tell where they are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from rpstn.datasets.clip import ABSENT
from rpstn.skeletons import Skeleton

Texture = Callable[[np.random.Generator], np.ndarray]  # an image (H,W,3) uint8 from somewhere else
_CHAINS = (("shoulder", "elbow", "wrist"), ("hip", "knee", "ankle"))
_LOWER = ("hip", "knee", "ankle", "pelvis", "belly")
_MARGIN = (0.03, 0.2)  # from the joints to each side of the occluder, as fractions of the person's longer side


def joint_groups(skeleton: Skeleton) -> dict[str, list[list[int]]]:
    """List the groups of joints that an occluder may hide, by kind: "joint", "limb", "half" and "person"."""

    def named(*names: str) -> list[int]:
        return [index for index, joint in enumerate(skeleton.joints) if joint in names]

    sides = ("left_", "right_")
    limbs = [named(*(side + part for part in chain)) for side in sides for chain in _CHAINS]
    halves = [[index for index, joint in enumerate(skeleton.joints) if joint.startswith(side)] for side in sides]
    lower = [index for index, joint in enumerate(skeleton.joints) if joint.endswith(_LOWER)]
    halves += [lower, [index for index in range(len(skeleton)) if index not in lower]]
    kinds = {"joint": [[index] for index in range(len(skeleton))], "limb": limbs, "half": halves}
    groups = {kind: [group for group in found if group] for kind, found in kinds.items()}
    return {kind: found for kind, found in groups.items() if found} | {"person": [list(range(len(skeleton)))]}


def half_box(joints: np.ndarray, visibility: np.ndarray, skeleton: Skeleton, rng: np.random.Generator) -> np.ndarray | None:
    """Draw the upper or the lower half of the body: the box (4,) around its joints in all frames, with a fifth around it.

    joints (T,K,2) in source pixels, visibility (T,K). None where fewer than three of its joints are annotated.
    """
    halves = joint_groups(skeleton)["half"][-2:]
    group = halves[int(rng.integers(len(halves)))]
    points = joints[:, group][visibility[:, group] != ABSENT]
    if len(points) < 3 * len(joints):
        return None
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.2 * max(float((high - low).max()), 8.0)
    return np.concatenate([low - margin, high - low + 2 * margin])


def hide(
    frames: np.ndarray,
    joints: np.ndarray,
    visibility: np.ndarray,
    skeleton: Skeleton,
    longest: int,
    rng: np.random.Generator,
    texture: Texture | None = None,
) -> np.ndarray:
    """Paint one occluder over frames (T,S,S,3), in place; return where it is (T,4): x1 y1 x2 y2, with x2 = x1 where it is not.

    joints      (T,K,2) in pixels of the frames; visibility (T,K).
    longest     frames that it stays at most.
    texture     gives images to cut its pixels from; None: noise and colors alone.
    """
    length, size = frames.shape[:2]
    where = np.zeros((length, 4), np.int64)
    groups = joint_groups(skeleton)
    found = groups[str(rng.choice(list(groups)))]
    group = found[int(rng.integers(len(found)))]
    first = int(rng.integers(0, length))
    last = min(first + int(rng.integers(1, longest + 1)), length) - 1
    there = visibility[first, group] != ABSENT
    if not there.any():
        return where
    person = joints[first][visibility[first] != ABSENT]
    reach = max(float(np.ptp(person, axis=0).max()), size / 8)
    margins = rng.uniform(*_MARGIN, 4) * reach
    follows = bool(rng.random() < 0.5)
    patch = _patch(size, rng, texture)
    box = np.zeros(4)
    for t in range(first, last + 1):
        points = joints[t, group][visibility[t, group] != ABSENT]
        if t == first or (follows and len(points)):
            box = np.concatenate([points.min(axis=0) - margins[:2], points.max(axis=0) + margins[2:]])
        x1, y1, x2, y2 = np.clip(np.rint(box), 0, size).astype(int)
        if x1 < x2 and y1 < y2:
            frames[t, y1:y2, x1:x2] = patch[: y2 - y1, : x2 - x1]
            where[t] = x1, y1, x2, y2
    return where


def _patch(size: int, rng: np.random.Generator, texture: Texture | None) -> np.ndarray:
    """Make pixels (size,size,3) for an occluder."""
    kind = rng.random()
    if texture is not None and kind < 0.6:
        image = texture(rng)
        rows, columns = (np.arange(size) % length for length in image.shape[:2])
        top, left = (int(rng.integers(length)) for length in image.shape[:2])
        patch: np.ndarray = np.roll(image, (-top, -left), axis=(0, 1))[rows][:, columns]
        return patch
    if kind < 0.8:
        return rng.integers(0, 256, (size, size, 3)).astype(np.uint8)
    return np.broadcast_to(rng.integers(0, 256, 3).astype(np.uint8), (size, size, 3))
