"""Frames, poses on them, heatmaps over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from rpstn.datasets.clip import ABSENT, VISIBLE
from rpstn.plots.style import DARK, SIDES, SKY_BLUE, bare, side, styled
from rpstn.skeletons import Skeleton

_OUTLINE = [effects.withStroke(linewidth=3.6, foreground="black", alpha=0.55)]


@styled
def image(frame: np.ndarray, ax: Axes | None = None, title: str | None = None) -> Axes:
    """Show a frame (H,W,3) without ticks."""
    ax = ax or plt.subplots(figsize=(3.2, 3.2))[1]
    ax.imshow(frame)
    bare(ax)
    if title:
        ax.set_title(title)
    return ax


@styled
def skeleton_overlay(
    frame: np.ndarray | None,
    joints: np.ndarray,
    skeleton: Skeleton,
    visibility: np.ndarray | None = None,
    ax: Axes | None = None,
    title: str | None = None,
    legend: bool = False,
) -> Axes:
    """Draw a pose on a frame.

    frame       (H,W,3), or None for the pose alone.
    joints      (K,2) pixels of that frame.
    visibility  (K,): occluded joints are drawn hollow, absent ones not at all; None: all are visible.
    The person's left is vermilion, the right blue; limbs to a hidden joint are dashed.
    """
    visibility = np.full(len(skeleton), VISIBLE) if visibility is None else np.asarray(visibility)
    if frame is not None:
        ax = image(frame, ax, title)
        ax.set(xlim=(-0.5, frame.shape[1] - 0.5), ylim=(frame.shape[0] - 0.5, -0.5))
    else:
        ax = ax or plt.subplots(figsize=(3.2, 4))[1]
        ax.set_aspect("equal")
        if not ax.yaxis_inverted():
            ax.invert_yaxis()
        if title:
            ax.set_title(title)
    for a, b in skeleton.limbs:
        if ABSENT in (visibility[a], visibility[b]):
            continue
        sides = {side(skeleton.joints[a]), side(skeleton.joints[b])} - {"middle"}
        color = SIDES[sides.pop()] if len(sides) == 1 else SIDES["middle"]
        style = "-" if min(visibility[a], visibility[b]) == VISIBLE else "--"
        ax.plot(*joints[[a, b]].T, color=color, ls=style, path_effects=_OUTLINE)
    for joint, name in enumerate(skeleton.joints):
        if visibility[joint] == ABSENT:
            continue
        hollow, color = visibility[joint] != VISIBLE, SIDES[side(name)]
        edge, width, face = (color, 1.6, "white") if hollow else ("white", 0.7, color)
        ax.plot(*joints[joint], "o", ms=5, mec=edge, mew=width, mfc=face, zorder=3)
    if legend:
        for name in ("left", "right"):
            ax.plot([], [], "o-", color=SIDES[name], label=f"the person's {name}")
        ax.plot([], [], "o", mfc="white", mec=DARK, label="hidden")
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=3, columnspacing=1, handlelength=1.2)
    return ax


@styled
def heatmap_over(
    frame: np.ndarray,
    heatmap: np.ndarray,
    ax: Axes | None = None,
    title: str | None = None,
    vmax: float | None = None,
    truth: np.ndarray | None = None,
) -> Axes:
    """Draw a heatmap (h,w) over its frame (S,S,3), in register: heatmap pixel u covers input pixels u S/h ... (u + 1) S/h.

    vmax   value drawn in full color; None: the highest.
    truth  (2,) true position in input pixels, drawn as a ring.
    """
    ax = image(frame, ax, title)
    height, width = frame.shape[:2]
    top = float(heatmap.max()) if vmax is None else vmax
    strength = np.clip(heatmap / max(top, 1e-12), 0, 1)
    ax.imshow(
        strength, cmap="magma", vmin=0, vmax=1, alpha=0.25 + 0.6 * strength, interpolation="bilinear",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip
    if truth is not None:
        ax.plot(*truth, "o", ms=9, mfc="none", mec=SKY_BLUE, mew=1.6)
    return ax


@styled
def filmstrip(
    rows: Mapping[str, np.ndarray],
    columns: Sequence[int],
    *,
    poses: Mapping[str, np.ndarray] | None = None,
    visibility: Mapping[str, np.ndarray] | None = None,
    skeleton: Skeleton | None = None,
) -> np.ndarray:
    """Draw frames x variants: one row per variant, one column per frame of `columns`.

    rows        frames (T,H,W,3) by the variant's name.
    poses       (T,K,2) by name, in pixels of those frames, with the skeleton to draw them.
    visibility  (T,K) by name.
    Returns the axes (rows, columns).
    """
    axes = _grid(len(rows), len(columns))
    for row, (name, frames) in zip(axes, rows.items(), strict=True):
        for ax, column in zip(row, columns, strict=True):
            if poses and name in poses and skeleton is not None:
                subset = visibility[name][column] if visibility and name in visibility else None
                skeleton_overlay(frames[column], poses[name][column], skeleton, subset, ax)
            else:
                image(frames[column], ax)
        _row_name(row[0], name)
    for ax, column in zip(axes[0], columns, strict=True):
        ax.set_title(f"frame {column}")
    return axes


@styled
def hidden_heatmaps(
    frames: np.ndarray,
    heatmaps: Mapping[str, np.ndarray],
    joint: int,
    columns: Sequence[int],
    *,
    truth: np.ndarray,
    hidden: np.ndarray,
) -> np.ndarray:
    """Draw the heatmaps of one joint over time, one row per network, all on one color scale.

    frames    (T,S,S,3), the network's input.
    heatmaps  (T,K,h,w) by the network's name.
    truth     (T,K,2) input pixels, drawn as rings.
    hidden    (T,) bool, noted above the frame.
    Returns the axes (networks, columns).
    """
    axes = _grid(len(heatmaps), len(columns))
    top = max(float(maps[list(columns), joint].max()) for maps in heatmaps.values())
    for row, (name, maps) in zip(axes, heatmaps.items(), strict=True):
        for ax, t in zip(row, columns, strict=True):
            heatmap_over(frames[t], maps[t, joint], ax, vmax=top, truth=truth[t, joint])
        _row_name(row[0], name)
    for ax, t in zip(axes[0], columns, strict=True):
        ax.set_title(f"frame {t}" + (", hidden" if hidden[t] else ""))
    return axes


def _grid(rows: int, columns: int) -> np.ndarray:
    return plt.subplots(rows, columns, figsize=(1.5 * columns + 0.3, 1.55 * rows + 0.3), squeeze=False)[1]


def _row_name(ax: Axes, name: str) -> None:
    ax.set_ylabel(name, rotation=90, labelpad=4)
