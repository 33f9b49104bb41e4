"""A video's predictions over time: what each joint does in every frame, and the relation in some of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from rpstn.plots.images import skeleton_overlay
from rpstn.plots.relations import relation_matrix, top_weight
from rpstn.plots.style import LIGHT, VERMILION, short, side, styled
from rpstn.skeletons import Skeleton


def stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """List (start, stop) of each run of True in (T,), stop being the frame after the last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], np.asarray(mask, bool), [False]]).astype(int)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


@styled
def joint_rows(
    values: np.ndarray,
    skeleton: Skeleton,
    ax: Axes | None = None,
    *,
    label: str = "confidence",
    vmax: float | None = None,
    marked: np.ndarray | None = None,
    hidden: np.ndarray | None = None,
) -> Axes:
    """Draw a number per joint and frame, as one colored row per joint.

    values  (T,K), NaN where there is none (gray).
    vmax    value in full color; None: the highest.
    marked  (T,K) bool: stretches in which a joint is found hidden; they are framed.
    hidden  (T,K) bool: stretches in which a joint is known to be hidden; they get a white line with a dark edge.
    Joints are in the skeleton's order, left and right apart.
    """
    values, order = np.asarray(values, np.float64), list(skeleton.order)
    if values.ndim != 2 or values.shape[1] != len(skeleton):
        raise ValueError(
            f"values are {values.shape}; skeleton {skeleton.name!r} has {len(skeleton)} joints: give (T,{len(skeleton)})"
        )
    ax = ax or plt.subplots(figsize=(7.6, 0.24 * len(skeleton) + 1.0))[1]
    top = float(np.nanmax(values)) if vmax is None and np.isfinite(values).any() else vmax
    ax.set_facecolor(LIGHT)
    drawn = ax.imshow(values[:, order].T, aspect="auto", cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
    ax.set(yticks=range(len(order)), xlabel="frame")
    ax.set_yticklabels([short(skeleton.joints[joint]) for joint in order])
    ax.grid(False)
    for row in range(1, len(order)):
        if side(skeleton.joints[order[row]]) != side(skeleton.joints[order[row - 1]]):
            ax.axhline(row - 0.5, color="white", lw=2)
    keys: list[Artist] = []
    if marked is not None:
        for row, start, stop in _row_stretches(marked, order):
            ax.add_patch(Rectangle((start - 0.5, row - 0.42), stop - start, 0.84, fill=False, ec=VERMILION, lw=1.3, zorder=3))
        keys.append(Patch(fill=False, ec=VERMILION, label="found hidden"))
    if hidden is not None:
        edge = [effects.withStroke(linewidth=2.6, foreground="black")]
        line: dict[str, Any] = {"color": "white", "lw": 1.2, "solid_capstyle": "butt", "path_effects": edge, "zorder": 4}
        for row, start, stop in _row_stretches(hidden, order):
            ax.plot([start - 0.5, stop - 0.5], [row + 0.3, row + 0.3], **line)
        keys += ax.plot([], [], label="truly hidden", **line)
    ax.set(xlim=(-0.5, len(values) - 0.5), ylim=(len(order) - 0.5, -0.5))
    ax.figure.colorbar(drawn, ax=ax, label=label, pad=0.01)
    if keys:
        ax.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


def _row_stretches(mask: np.ndarray, order: Sequence[int]) -> list[tuple[int, int, int]]:
    """List (row, start, stop) of the stretches of a mask (T,K), joints in the given order from row 0 on."""
    return [(row, *stretch) for row, joint in enumerate(order) for stretch in stretches(mask[:, joint])]


@styled
def relation_moments(
    frames: np.ndarray,
    poses: np.ndarray,
    relations: np.ndarray,
    skeleton: Skeleton,
    columns: Sequence[int],
    *,
    visibility: np.ndarray | None = None,
    sums: str = "rows",
) -> np.ndarray:
    """Draw some frames with their poses, and under each the relation of that frame, all on one scale.

    frames (T,H,W,3), poses (T,K,2) px of them, relations (T,K,K), visibility (T,K). columns: which frames.
    Returns the axes (2, columns).
    """
    count = len(columns)
    figure, axes = plt.subplots(2, count, figsize=(2.15 * count + 1.3, 4.9), squeeze=False)
    chosen = np.asarray(relations)[list(columns)]
    top = top_weight(chosen)
    for column, t in enumerate(columns):
        subset = None if visibility is None else visibility[t]
        skeleton_overlay(frames[t], poses[t], skeleton, subset, axes[0, column], title=f"frame {t}")
        ax = relation_matrix(chosen[column], skeleton, axes[1, column], vmax=top, sums=sums, bar=False)
        if column:
            ax.set(yticks=[], ylabel="")
    figure.colorbar(axes[1, 0].collections[0], ax=list(axes[1]), shrink=0.8, label="weight")
    return axes
