"""A video's predictions over time: what each joint does in every frame, and the relation in some of them."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from rpstn.plots.images import skeleton_overlay
from rpstn.plots.relations import relation_matrix
from rpstn.plots.style import short, side, styled
from rpstn.skeletons import Skeleton


def stretches(mask: np.ndarray) -> list[tuple[int, int]]:
    """(start, stop) of each run of True in (T,), stop being the frame after the last."""
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
    marked_label: str = "found hidden",
    hidden_label: str = "truly hidden",
) -> Axes:
    """A number for each joint in each frame, as one colored row a joint.

    values  (T,K), NaN where there is none (gray).
    marked  (T,K) bool: stretches that are framed, such as those in which a joint is found hidden.
    hidden  (T,K) bool: stretches under a dark line, such as those in which a joint is known to be hidden.
    Joints stand in the skeleton's order, left and right apart. vmax: value in full color; None: the highest.
    """
    values, order = np.asarray(values, np.float64), list(skeleton.order)
    if values.ndim != 2 or values.shape[1] != len(skeleton):
        raise ValueError(
            f"values are {values.shape}; skeleton {skeleton.name!r} has {len(skeleton)} joints: give (T,{len(skeleton)})"
        )
    length = len(values)
    ax = ax or plt.subplots(figsize=(7.6, 0.24 * len(skeleton) + 1.0))[1]
    top = float(np.nanmax(values)) if vmax is None and np.isfinite(values).any() else vmax
    ax.set_facecolor("#d9d9d9")
    drawn = ax.imshow(values[:, order].T, aspect="auto", cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
    ax.set(yticks=range(len(order)), xlabel="frame")
    ax.set_yticklabels([short(skeleton.joints[joint]) for joint in order])
    ax.grid(False)
    for row, joint in enumerate(order):
        for start, stop in stretches(marked[:, joint]) if marked is not None else []:
            ax.add_patch(Rectangle((start - 0.5, row - 0.42), stop - start, 0.84, fill=False, ec="#D55E00", lw=1.3, zorder=3))
        for start, stop in stretches(hidden[:, joint]) if hidden is not None else []:
            ax.plot([start - 0.5, stop - 0.5], [row + 0.3, row + 0.3], color="black", lw=2.6, solid_capstyle="butt", zorder=4)
            ax.plot([start - 0.5, stop - 0.5], [row + 0.3, row + 0.3], color="white", lw=1.2, solid_capstyle="butt", zorder=4)
        if row and side(skeleton.joints[joint]) != side(skeleton.joints[order[row - 1]]):
            ax.axhline(row - 0.5, color="white", lw=2)
    ax.set(xlim=(-0.5, length - 0.5), ylim=(len(order) - 0.5, -0.5))
    ax.figure.colorbar(drawn, ax=ax, label=label, pad=0.01)
    keys = [Patch(fill=False, ec="#D55E00", label=marked_label)] if marked is not None else []
    if hidden is not None:
        (line,) = ax.plot([], [], color="white", lw=1.5, label=hidden_label)
        line.set_path_effects([effects.withStroke(linewidth=3.2, foreground="black")])
        keys.append(line)
    if keys:
        ax.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0.2)
    return ax


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
    diagonal: bool = True,
) -> np.ndarray:
    """Some frames with their poses, and under each the relation of that frame, all on one scale.

    frames (T,H,W,3), poses (T,K,2) px of them, relations (T,K,K), visibility (T,K); columns: which frames.
    Returns the axes (2, columns).
    """
    count = len(columns)
    figure, axes = plt.subplots(2, count, figsize=(2.15 * count + 1.3, 4.9), squeeze=False)
    chosen = np.asarray(relations)[list(columns)]
    off = ~np.eye(len(skeleton), dtype=bool)
    top = float((chosen if diagonal else chosen[:, off]).max()) or 1.0
    for place, t in enumerate(columns):
        subset = None if visibility is None else visibility[t]
        skeleton_overlay(frames[t], poses[t], skeleton, subset, axes[0, place], title=f"frame {t}")
        ax = relation_matrix(chosen[place], skeleton, axes[1, place], vmax=top, diagonal=diagonal, sums=sums, bar=False)
        if place:
            ax.set(yticks=[], ylabel="")
    figure.colorbar(axes[1, 0].collections[0], ax=list(axes[1]), shrink=0.8, label="weight")
    return axes
