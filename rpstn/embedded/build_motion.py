"""Derive the array of motion that the package carries from motion-capture files.

Run once, by the maintainers: `python -m rpstn.embedded.build_motion FOLDER OUTPUT`. FOLDER holds the fifteen
`humanoid3d_*.txt` files of DeepMimic, as PyPI's pybullet 3.2.7 ships them. Their licenses are in `NOTICE.txt`.

A row of a file: the frame's duration; the root's position; then rotations relative to the parent as quaternions
(w, x, y, z), of root, chest, neck, right hip, knee, ankle, shoulder, elbow, and the same on the left. Knee and elbow
are one angle about z. Meters; y up, x forward, z to the person's right.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

# The stored points. Sides are the person's own.
POINTS = (
    "root",
    "chest",
    "neck",
    "head",
    "right_hip",
    "right_knee",
    "right_ankle",
    "right_shoulder",
    "right_elbow",
    "right_wrist",
    "left_hip",
    "left_knee",
    "left_ankle",
    "left_shoulder",
    "left_elbow",
    "left_wrist",
)
# The points at which a rigid segment begins; each has a rotation. Hands move with their forearm.
SEGMENTS = tuple(name for name in POINTS if name not in ("head", "right_wrist", "left_wrist"))
PARENTS = {
    "chest": "root", "neck": "chest", "head": "neck",
    **{
        f"{side}_{child}": parent if parent in ("root", "chest") else f"{side}_{parent}"
        for side in ("right", "left")
        for child, parent in (("hip", "root"), ("knee", "hip"), ("ankle", "knee"),
                              ("shoulder", "chest"), ("elbow", "shoulder"), ("wrist", "elbow"))
    },
}  # fmt: skip
# From the parent's point to this point, in the parent's axes, in meters. The left side mirrors z.
OFFSETS = {
    "chest": (0.0, 0.236151, 0.0), "neck": (0.0, 0.223894, 0.0), "head": (0.0, 0.15, 0.0),
    "hip": (0.0, 0.0, 0.084887), "knee": (0.0, -0.421546, 0.0), "ankle": (0.0, -0.40987, 0.0),
    "shoulder": (-0.02405, 0.2435, 0.18311), "elbow": (0.0, -0.274788, 0.0), "wrist": (0.0, -0.258947, 0.0),
}  # fmt: skip


def offset(point: str) -> np.ndarray:
    """Return where `point` lies from its parent, in the parent's axes: (3,), meters."""
    side, _, name = point.rpartition("_")
    return np.array(OFFSETS[name or point]) * (1.0, 1.0, -1.0 if side == "left" else 1.0)


def quaternions_to_matrices(quaternions: np.ndarray) -> np.ndarray:
    """Convert unit quaternions (..., 4) in the order w, x, y, z to rotation matrices (..., 3, 3)."""
    w, x, y, z = np.moveaxis(quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def multiply(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Multiply quaternions (..., 4): the rotation `second`, followed by `first`."""
    a, b, c, d = np.moveaxis(first, -1, 0)
    w, x, y, z = np.moveaxis(second, -1, 0)
    return np.stack(
        [a * w - b * x - c * y - d * z, a * x + b * w + c * z - d * y,
         a * y - b * z + c * w + d * x, a * z + b * y - c * x + d * w], axis=-1,
    )  # fmt: skip


def forward_kinematics(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Convert rows of a motion file (T, 44) to points (T, 16, 3) in meters and segment rotations (T, 13, 4), in the world."""
    column = 4
    local: dict[str, np.ndarray] = {}
    for name in SEGMENTS:
        if name.endswith(("knee", "elbow")):
            half = rows[:, column] / 2
            local[name] = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=-1)
            column += 1
        else:
            local[name] = rows[:, column : column + 4] / np.linalg.norm(rows[:, column : column + 4], axis=-1, keepdims=True)
            column += 4
    points, rotations = {"root": rows[:, 1:4]}, {"root": local["root"]}
    for name in POINTS[1:]:
        parent = PARENTS[name]
        points[name] = points[parent] + quaternions_to_matrices(rotations[parent]) @ offset(name)
        if name in local:
            rotations[name] = multiply(rotations[parent], local[name])
    return np.stack([points[name] for name in POINTS], 1), np.stack([rotations[name] for name in SEGMENTS], 1)


def compute(folder: str | Path) -> dict[str, Any]:
    """Read all motion files of a folder as the arrays that are stored, N frames in all, of M motions.

    names (M,), cyclic (M,) bool, first (M + 1,) where a motion begins; times (N,) seconds from the motion's start;
    root (N, 3) meters; points (N, 16, 3) meters from the root, half precision (0.25 mm); rotations (N, 13, 4) as
    integers, 32767 being 1.
    """
    parts: dict[str, list[np.ndarray]] = {key: [] for key in ("times", "root", "points", "rotations")}
    names, cyclic, first = [], [], [0]
    for path in sorted(Path(folder).glob("humanoid3d_*.txt")):
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = np.array(content["Frames"], dtype=np.float64)
        points, rotations = forward_kinematics(rows)
        root = points[:, 0]
        parts["times"].append(np.concatenate([[0.0], np.cumsum(rows[:-1, 0])]).astype(np.float32))
        parts["root"].append(root.astype(np.float32))
        parts["points"].append((points - root[:, None]).astype(np.float16))
        parts["rotations"].append(np.round(rotations * 32767).astype(np.int16))
        names.append(path.stem.removeprefix("humanoid3d_"))
        cyclic.append(content["Loop"] == "wrap")
        first.append(first[-1] + len(rows))
    arrays = {key: np.concatenate(value) for key, value in parts.items()}
    return {"names": np.array(names), "cyclic": np.array(cyclic), "first": np.array(first), **arrays}


if __name__ == "__main__":
    np.savez_compressed(sys.argv[2], **compute(sys.argv[1]))
