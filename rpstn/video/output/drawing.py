"""Poses drawn into frames, one or several next to each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import cv2
import numpy as np

from rpstn.datasets.clip import ABSENT, VISIBLE
from rpstn.skeletons import Skeleton

# The person's left and right as in the figures, and what lies between; RGB.
COLORS = {"left": (213, 94, 0), "right": (0, 114, 178), "": (0, 158, 115)}


def draw_pose(
    frame: np.ndarray,
    joints: np.ndarray,
    skeleton: Skeleton,
    visibility: np.ndarray | None = None,
    scale: int = 2,
) -> np.ndarray:
    """A copy of a frame (H,W,3) uint8, `scale` times as large, with a pose (K,2) in pixels of the frame.

    visibility  (K,): occluded joints are drawn hollow, absent ones not at all; None: all are visible. Joints
                that are not finite are left out.
    """
    canvas = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    if scale < 2:
        raise ValueError(f"scale {scale} leaves no room for joints; draw at least twice as large")
    subset = np.full(len(skeleton), VISIBLE) if visibility is None else np.asarray(visibility)
    shown = (subset != ABSENT) & np.isfinite(joints).all(axis=-1)
    # The center of source pixel 0 lies at (scale - 1) / 2 of the larger image.
    places = np.round(np.where(shown[:, None], joints, 0) * scale + (scale - 1) / 2).astype(int)
    sides = [name.partition("_")[0] for name in skeleton.joints]
    colors = [COLORS.get(side, COLORS[""]) for side in sides]
    for a, b in skeleton.limbs:
        if shown[a] and shown[b]:
            color = colors[a] if sides[a] == sides[b] or sides[b] not in COLORS else colors[b]
            cv2.line(canvas, places[a].tolist(), places[b].tolist(), (20, 20, 20), scale + 2, cv2.LINE_AA)
            cv2.line(canvas, places[a].tolist(), places[b].tolist(), color, scale, cv2.LINE_AA)
    for joint in np.flatnonzero(shown):
        place, white = places[joint].tolist(), (255, 255, 255)
        edge, face = (colors[joint], white) if subset[joint] != VISIBLE else (white, colors[joint])
        cv2.circle(canvas, place, 2 * scale, edge, -1, cv2.LINE_AA)
        cv2.circle(canvas, place, 2 * scale - 2, face, -1, cv2.LINE_AA)
    return canvas


def side_by_side(videos: Mapping[str, np.ndarray]) -> np.ndarray:
    """Videos (T,H,W,3) of one size beside each other, each under its name: (T,H+24,sum of W,3) uint8."""
    parts = []
    for name, frames in videos.items():
        title = np.full((24, frames.shape[2], 3), 255, np.uint8)
        cv2.putText(title, name, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (34, 34, 34), 1, cv2.LINE_AA)
        parts.append(np.concatenate([np.broadcast_to(title, (len(frames), *title.shape)), frames], axis=1))
    return np.concatenate(parts, axis=2)


def compare_poses(
    frames: np.ndarray,
    poses: Mapping[str, np.ndarray],
    skeleton: Skeleton,
    visibility: np.ndarray | None = None,
    scale: int = 2,
) -> np.ndarray:
    """One clip several times beside each other, each with a pose of its own: (T,H,W,3) uint8, for `write_webm`.

    frames      (T,S,S,3) uint8.
    poses       (T,K,2) pixels of those frames, by name: the truth, and what networks found.
    visibility  (T,K): joints that are occluded are drawn hollow in all of them, absent ones not at all.
    """
    subsets = [None] * len(frames) if visibility is None else visibility
    videos = {
        name: np.stack([draw_pose(*each, scale) for each in _drawn(frames, joints, skeleton, subsets)])
        for name, joints in poses.items()
    }
    return side_by_side(videos)


def _drawn(frames: np.ndarray, joints: np.ndarray, skeleton: Skeleton, subsets) -> Iterator[tuple]:
    for frame, pose, subset in zip(frames, joints, subsets, strict=True):
        yield frame, pose, skeleton, subset
