"""Poses drawn into frames, one or several next to each other."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from rpstn.datasets.clip import ABSENT, VISIBLE
from rpstn.skeletons import Skeleton

# The person's left and right as in the figures, and what lies between; RGB.
COLORS = {"left": (213, 94, 0), "right": (0, 114, 178), "": (0, 158, 115)}
Color = tuple[int, int, int]


def joint_colors(skeleton: Skeleton) -> list[Color]:
    """Give the color of each joint: its side of the person."""
    return [COLORS.get(name.partition("_")[0], COLORS[""]) for name in skeleton.joints]


def limb_colors(skeleton: Skeleton) -> list[Color]:
    """Give the color of each limb: that of its joints, and of the one on a side where they differ."""
    joints, between = joint_colors(skeleton), COLORS[""]
    return [joints[a] if joints[b] in (joints[a], between) else joints[b] for a, b in skeleton.limbs]


def draw_pose(
    frame: np.ndarray, joints: np.ndarray, skeleton: Skeleton, visibility: np.ndarray | None = None, scale: int = 2
) -> np.ndarray:
    """Draw a pose (K,2), in pixels of the frame, on a copy of a frame (H,W,3) uint8 that is `scale` times as large.

    visibility  (K,): occluded joints are drawn hollow, absent ones not at all; None: all are visible. Joints that are not
                finite are left out.
    Raises ValueError for a scale below 2.
    """
    if scale < 2:
        raise ValueError(f"scale {scale} leaves no room for joints; draw at least twice as large")
    canvas = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    seen = np.full(len(skeleton), VISIBLE) if visibility is None else np.asarray(visibility)
    shown = (seen != ABSENT) & np.isfinite(joints).all(axis=-1)
    # The center of source pixel 0 lies at (scale - 1) / 2 of the larger image.
    points = np.round(np.where(shown[:, None], joints, 0) * scale + (scale - 1) / 2).astype(int).tolist()
    for (a, b), color in zip(skeleton.limbs, limb_colors(skeleton), strict=True):
        if shown[a] and shown[b]:
            cv2.line(canvas, points[a], points[b], (20, 20, 20), scale + 2, cv2.LINE_AA)
            cv2.line(canvas, points[a], points[b], color, scale, cv2.LINE_AA)
    colors, white = joint_colors(skeleton), (255, 255, 255)
    for joint in np.flatnonzero(shown):
        edge, face = (colors[joint], white) if seen[joint] != VISIBLE else (white, colors[joint])
        cv2.circle(canvas, points[joint], 2 * scale, edge, -1, cv2.LINE_AA)
        cv2.circle(canvas, points[joint], 2 * scale - 2, face, -1, cv2.LINE_AA)
    return canvas


def side_by_side(videos: Mapping[str, np.ndarray]) -> np.ndarray:
    """Put videos (T,H,W,3) of one size next to each other, each under its name: (T,H+24,sum of W,3) uint8."""
    parts = []
    for name, frames in videos.items():
        title = np.full((24, frames.shape[2], 3), 255, np.uint8)
        cv2.putText(title, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (34, 34, 34), 1, cv2.LINE_AA)
        parts.append(np.concatenate([np.broadcast_to(title, (len(frames), *title.shape)), frames], axis=1))
    return np.concatenate(parts, axis=2)


def compare_poses(
    frames: np.ndarray, poses: Mapping[str, np.ndarray], skeleton: Skeleton, visibility: np.ndarray | None = None, scale: int = 2
) -> np.ndarray:
    """Draw one clip several times side by side, each time with another pose: (T,H,W,3) uint8, for `write_webm`.

    frames      (T,S,S,3) uint8.
    poses       (T,K,2) pixels of those frames, by name: the truth, and what networks found.
    visibility  (T,K): joints that are occluded are drawn hollow in all of them, absent ones not at all.
    """
    seen = np.full((len(frames), len(skeleton)), VISIBLE) if visibility is None else visibility
    videos = {
        name: np.stack(
            [draw_pose(frame, pose, skeleton, states, scale) for frame, pose, states in zip(frames, joints, seen, strict=True)]
        )
        for name, joints in poses.items()
    }
    return side_by_side(videos)
