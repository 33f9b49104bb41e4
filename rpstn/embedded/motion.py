"""The stored human motion: sampling at any rate, wrapping cycles, mirroring, joining.

The array next to this file holds fifteen motion-capture clips as points and segment rotations (see build_motion.py for
how it was computed, NOTICE.txt for its licenses). Meters and seconds; y up, x forward, z to the person's right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from rpstn.embedded.build_motion import PARENTS, POINTS, SEGMENTS, multiply, offset, quaternions_to_matrices

RATE = 60.0  # frames per second at which motions are joined


def _other_side(name: str) -> str:
    return name.replace("right", "#").replace("left", "right").replace("#", "left")


_POINT_MIRROR = [POINTS.index(_other_side(name)) for name in POINTS]
_SEGMENT_MIRROR = [SEGMENTS.index(_other_side(name)) for name in SEGMENTS]


@dataclass(frozen=True)
class Poses:
    """Poses of one person over T instants: points (T, 16, 3) in meters, rotations (T, 13, 4) as quaternions w x y z."""

    points: np.ndarray
    rotations: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, part: slice | np.ndarray) -> Poses:
        return Poses(self.points[part], self.rotations[part])

    def mirrored(self) -> Poses:
        """Mirror the motion: left and right exchanged, z negated."""
        return Poses(
            self.points[:, _POINT_MIRROR] * (1.0, 1.0, -1.0), self.rotations[:, _SEGMENT_MIRROR] * (1.0, -1.0, -1.0, 1.0)
        )

    def moved(self, yaw: float, shift: np.ndarray) -> Poses:
        """Rotate about the vertical through the origin by `yaw` radians, then shift by (3,) meters."""
        turn = np.array([np.cos(yaw / 2), 0.0, np.sin(yaw / 2), 0.0])
        matrix = quaternions_to_matrices(turn)
        return Poses(self.points @ matrix.T + shift, multiply(turn, self.rotations))


@dataclass(frozen=True)
class Motion:
    """One captured motion. `cyclic`: after `duration` seconds it begins again, from where it has come to."""

    name: str
    cyclic: bool
    times: np.ndarray
    poses: Poses

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return float(self.times[-1])

    def sample(self, times: np.ndarray) -> Poses:
        """Sample poses at `times` (T,) seconds, linear between frames. Times are held to the captured interval."""
        index = np.clip(np.searchsorted(self.times, times, side="right") - 1, 0, len(self.times) - 2)
        span = self.times[index + 1] - self.times[index]
        weight = np.clip((times - self.times[index]) / span, 0.0, 1.0)
        return _mix(self.poses[index], self.poses[index + 1], weight)


@lru_cache(maxsize=1)
def load_motions() -> dict[str, Motion]:
    """Load all stored motions by name."""
    with (files("rpstn.embedded") / "motion.npz").open("rb") as file:
        stored = dict(np.load(file, allow_pickle=False))
    motions = {}
    for number, name in enumerate(stored["names"].tolist()):
        part = slice(stored["first"][number], stored["first"][number + 1])
        points = stored["points"][part].astype(np.float64) + stored["root"][part][:, None].astype(np.float64)
        rotations = stored["rotations"][part] / 32767.0
        rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
        times = stored["times"][part].astype(np.float64)
        motions[name] = Motion(name, bool(stored["cyclic"][number]), times, Poses(points, rotations))
    return motions


def _mix(first: Poses, second: Poses, weight: np.ndarray) -> Poses:
    """Mix (1 - weight) first + weight second, (T,), rotations along the shorter way."""
    weight = weight[:, None, None]
    sign = np.where((first.rotations * second.rotations).sum(-1, keepdims=True) < 0, -1.0, 1.0)
    rotations = (1 - weight) * first.rotations + weight * sign * second.rotations
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    return Poses((1 - weight) * first.points + weight * second.points, rotations)


def _alignment(fixed: np.ndarray, moving: np.ndarray) -> tuple[float, np.ndarray]:
    """Find yaw (radians) and horizontal shift (3,) that bring points `moving` (16, 3) nearest to `fixed` (16, 3)."""
    a, b = fixed[:, [0, 2]], moving[:, [0, 2]]
    ca, cb = a.mean(0), b.mean(0)
    # A turn by yaw about y maps (x, z) to (x cos + z sin, z cos - x sin).
    (xa, za), (xb, zb) = (a - ca).T, (b - cb).T
    yaw = float(np.arctan2((xa * zb - za * xb).sum(), (xa * xb + za * zb).sum()))
    c, s = np.cos(yaw), np.sin(yaw)
    return yaw, np.array([ca[0] - (c * cb[0] + s * cb[1]), 0.0, ca[1] - (c * cb[1] - s * cb[0])])


def junction_distances(first: Poses, second: Poses) -> np.ndarray:
    """Measure how far apart poses are: (n, m) meters, mean over points, of each of n poses of `first` and each of m of `second`,
    which is rotated about the vertical and shifted along the ground to lie as near as it can.
    """
    (xa, ya, za), (xb, yb, zb) = (np.moveaxis(p.points, -1, 0) for p in (first, second))
    xa, za, xb, zb = (v - v.mean(1, keepdims=True) for v in (xa, za, xb, zb))
    yaw = np.arctan2(xa @ zb.T - za @ xb.T, xa @ xb.T + za @ zb.T)[..., None]
    c, s = np.cos(yaw), np.sin(yaw)
    dx = xa[:, None] - (c * xb + s * zb)
    dz = za[:, None] - (c * zb - s * xb)
    return np.sqrt(dx**2 + (ya[:, None] - yb) ** 2 + dz**2).mean(-1)


def join(first: Poses, second: Poses, overlap: int) -> Poses:
    """Join `first` and `second`, rotated and shifted to continue where `first` ends; they are faded over `overlap` poses."""
    yaw, shift = _alignment(first.points[-overlap // 2], second.points[overlap // 2])
    second = second.moved(yaw, shift)
    ramp = (np.arange(overlap) + 1.0) / (overlap + 1.0)
    faded = _mix(first[-overlap:], second[:overlap], ramp * ramp * (3 - 2 * ramp))
    parts = (first[:-overlap], faded, second[overlap:])
    return Poses(np.concatenate([p.points for p in parts]), np.concatenate([p.rotations for p in parts]))


def cycle(motion: Motion, seconds: float, start: float) -> Poses:
    """Wrap a cyclic motion as often as needed, from phase `start`, at RATE.

    What the last pose lacks to the first is spread over the last fifth of a cycle, so that nothing jumps.
    """
    count = int(round(motion.duration * RATE))
    one = motion.sample(np.linspace(0.0, motion.duration, count + 1))
    yaw, shift = _alignment(one.points[-1], one.points[0])
    goal = one[:1].moved(yaw, shift)
    ramp = np.clip((np.arange(count + 1) / count - 0.8) / 0.2, 0.0, 1.0)
    ramp = (ramp * ramp * (3 - 2 * ramp))[:, None, None]
    sign = np.sign((goal.rotations * one.rotations[-1:]).sum(-1, keepdims=True))
    rotations = one.rotations + ramp * (sign * goal.rotations - one.rotations[-1:])
    rotations /= np.linalg.norm(rotations, axis=-1, keepdims=True)
    closed = Poses(one.points + ramp * (goal.points - one.points[-1:]), rotations)
    points, turns, current = [], [], closed
    for _ in range(int(np.ceil((start + seconds) / motion.duration)) + 1):
        points.append(current.points[:-1])
        turns.append(current.rotations[:-1])
        current = current.moved(yaw, shift)
    first, length = int(round(start * RATE)), int(np.ceil(seconds * RATE)) + 2
    return Poses(np.concatenate(points), np.concatenate(turns))[first : first + length]


def stretch(motion: Motion, start: float, end: float) -> Poses:
    """Cut the motion from `start` to `end` seconds at RATE."""
    return motion.sample(np.arange(start, end + 1e-6, 1.0 / RATE))


def resample(poses: Poses, step: float, count: int) -> Poses:
    """Take `count` poses `step` seconds apart, from the beginning of poses at RATE."""
    position = np.clip(np.arange(count) * step * RATE, 0.0, len(poses) - 1.0)
    index = np.minimum(position.astype(int), len(poses) - 2)
    return _mix(poses[index], poses[index + 1], position - index)


def with_proportions(poses: Poses, lengths: Sequence[float] | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the motion to a person with other bones.

    lengths (16,): factor on the bone that ends in each point; the root's own factor scales its way through the world.
    Returns points (T, 16, 3) in meters and segment rotations (T, 13, 3, 3), both float64. Bones keep their directions and
    have exactly the skeleton's length times the factor; a limb's segment is rotated to lie along its bone.
    """
    points = np.empty_like(poses.points)
    points[:, 0] = poses.points[:, 0] * lengths[0]
    matrices = quaternions_to_matrices(poses.rotations)
    for index, name in enumerate(POINTS[1:], start=1):
        parent = POINTS.index(PARENTS[name])
        rest = offset(name)
        bone = poses.points[:, index] - poses.points[:, parent]
        bone = bone / np.linalg.norm(bone, axis=-1, keepdims=True)
        points[:, index] = points[:, parent] + bone * (np.linalg.norm(rest) * lengths[index])
        if name.endswith(("knee", "ankle", "elbow", "wrist", "head")):
            segment = SEGMENTS.index(PARENTS[name])
            now = matrices[:, segment] @ (rest / np.linalg.norm(rest))
            matrices[:, segment] = _shortest_turn(now, bone) @ matrices[:, segment]
    return points, matrices


def _shortest_turn(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return rotations (T, 3, 3) that take unit vectors `source` (T, 3) to `target` (T, 3); no two opposite."""
    axis = np.cross(source, target)
    zero = np.zeros(len(axis))
    x, y, z = axis.T
    skew = np.stack([np.stack([zero, -z, y], -1), np.stack([z, zero, -x], -1), np.stack([-y, x, zero], -1)], -2)
    cosine = (source * target).sum(-1)[:, None, None]
    return np.eye(3) + skew + skew @ skew / (1.0 + cosine)
