"""Poses that were not captured: limbs held a little differently, and arms that follow another motion.

Fifteen captured motions are few poses. Training clips vary them joint by joint; val and test show what was captured.
"""

from __future__ import annotations

import numpy as np

from rpstn.embedded.build_motion import PARENTS, POINTS, SEGMENTS, multiply, offset, quaternions_to_matrices
from rpstn.embedded.camera import smooth_noise
from rpstn.embedded.motion import Poses

_ARMS = ("right_shoulder", "right_elbow", "left_shoulder", "left_elbow")
# Standard deviation of the rotation that is added at most, in radians, by the segment's name without its side.
_TURNS = {"chest": 0.12, "neck": 0.18, "hip": 0.18, "knee": 0.25, "ankle": 0.12, "shoulder": 0.35, "elbow": 0.4}
_DRIFT = 0.4  # share of that which changes during the clip, over about _PACE frames
_PACE = 6.0
_CONJUGATE = np.array([1.0, -1.0, -1.0, -1.0])


def vary(poses: Poses, rng: np.random.Generator, arms: Poses | None = None) -> Poses:
    """Vary a motion: that of trunk and legs stays, with every joint rotated a little, by less or more from clip to clip.

    arms  T other poses, whose arms replace these, held to the trunk as they were held to their own.
    Knees and elbows keep to their hinge and to the side they bend to. Bones keep their lengths.
    """
    local = _local(poses.rotations)
    if arms is not None:
        theirs = _local(arms.rotations)
        for name in _ARMS:
            local[name] = theirs[name]
    strength = rng.uniform(0.0, 1.0)
    for name in SEGMENTS[1:]:
        size = strength * _TURNS[name.rpartition("_")[2]]
        held, drift = rng.standard_normal((1, 3)), smooth_noise(rng, len(poses), _PACE, 3)
        turn = size * (held * (1 - _DRIFT**2) ** 0.5 + _DRIFT * drift)
        if name.endswith(("knee", "elbow")):
            angle = 2 * np.arctan2(local[name][:, 3], local[name][:, 0])
            angle = (angle + np.pi) % (2 * np.pi) - np.pi
            # Knees bend to negative angles, elbows to positive ones; about 150 degrees at most.
            low, high = (-2.6, 0.0) if name.endswith("knee") else (0.0, 2.6)
            bent = np.clip(angle + turn[:, 2], np.minimum(low, angle), np.maximum(high, angle))
            local[name] = np.stack([np.cos(bent / 2), 0 * bent, 0 * bent, np.sin(bent / 2)], axis=-1)
        else:
            local[name] = multiply(local[name], _from_rotation_vector(turn))
    return _pose(poses.points[:, 0], local)


def _local(rotations: np.ndarray) -> dict[str, np.ndarray]:
    """Convert world rotations (T, 13, 4) to rotations relative to the parent segment, by segment; the root's stays."""
    world = dict(zip(SEGMENTS, np.moveaxis(rotations, 1, 0), strict=True))
    return {
        name: multiply(world[PARENTS[name]] * _CONJUGATE, own) if name in PARENTS else own.copy() for name, own in world.items()
    }


def _pose(root: np.ndarray, local: dict[str, np.ndarray]) -> Poses:
    """Convert root (T, 3) and relative rotations to poses by forward kinematics."""
    points, rotations = {"root": root}, {"root": local["root"]}
    for name in POINTS[1:]:
        parent = PARENTS[name]
        points[name] = points[parent] + quaternions_to_matrices(rotations[parent]) @ offset(name)
        if name in local:
            rotations[name] = multiply(rotations[parent], local[name])
    return Poses(np.stack([points[name] for name in POINTS], 1), np.stack([rotations[name] for name in SEGMENTS], 1))


def _from_rotation_vector(vector: np.ndarray) -> np.ndarray:
    """Convert rotation vectors (T, 3), in radians, to quaternions (T, 4)."""
    angle = np.linalg.norm(vector, axis=-1, keepdims=True)
    return np.concatenate([np.cos(angle / 2), 0.5 * np.sinc(angle / (2 * np.pi)) * vector], axis=-1)
