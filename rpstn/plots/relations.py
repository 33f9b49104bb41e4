"""Relations as matrices, on the skeleton and over time; the kernels of the propagator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from textwrap import wrap

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch

from rpstn.models.effect import RelationEffect
from rpstn.plots.images import skeleton_overlay
from rpstn.plots.numbers import over_frames
from rpstn.plots.style import DARK, LIGHT, ORANGE, SIDES, bare, short, side, standing, styled
from rpstn.skeletons import Skeleton


@styled
def relation_matrix(
    relation: np.ndarray,
    skeleton: Skeleton,
    ax: Axes | None = None,
    *,
    title: str | None = None,
    vmax: float | None = None,
    diagonal: bool = True,
    sums: str = "rows",
    bar: bool = True,
    label: str = "weight",
) -> Axes:
    """Draw a relation (K,K) as a square: joints along the limbs, left and right apart.

    vmax      value in full color; give one for all panels of a figure.
    diagonal  False grays the diagonal out, so that the colors serve what joints take from each other.
    sums      the axis that sums to one: "rows" (layout "paper"), "columns" ("released"), or "" for another K x K matrix.
    """
    if sums not in ("rows", "columns", ""):
        raise ValueError(f"sums must be 'rows', 'columns' or '', not {sums!r}")
    count = len(skeleton)
    if np.shape(relation) != (count, count):
        raise ValueError(f"the relation is {np.shape(relation)}; skeleton {skeleton.name!r} has {count} joints")
    ax = ax or plt.subplots(figsize=(4.6, 4.2))[1]
    order = list(skeleton.order)
    matrix = np.asarray(relation, dtype=np.float64)[np.ix_(order, order)]
    mask = None if diagonal else np.eye(count, dtype=bool)
    shown = matrix if mask is None else matrix[~mask]
    ax.set_facecolor(LIGHT)
    labels = [short(skeleton.joints[joint]) for joint in order]
    signed = shown.min() < 0
    top = float(np.abs(shown).max()) if vmax is None else vmax
    sns.heatmap(
        matrix, ax=ax, mask=mask, vmin=-top if signed else 0, vmax=top, cmap="vlag" if signed else "mako_r",
        square=True, xticklabels=labels, yticklabels=labels, cbar=bar,
        cbar_kws={"shrink": 0.75, "label": label} if bar else None,
    )  # fmt: skip
    ax.grid(False)
    sides = [side(skeleton.joints[joint]) for joint in order]
    for row in range(1, count):
        if sides[row] != sides[row - 1]:
            ax.axhline(row, color=ORANGE, lw=1.2)
            ax.axvline(row, color=ORANGE, lw=1.2)
    ax.tick_params(length=0)
    ax.set_xlabel("from joint j" + (" (each column sums to 1)" if sums == "columns" else ""))
    ax.set_ylabel("refined joint i" + (" (each row sums to 1)" if sums == "rows" else ""))
    if title:
        ax.set_title(title)
    return ax


@styled
def say_effect(axes: Axes | np.ndarray, effect: RelationEffect | None) -> None:
    """Write above the figure of these axes how many joints the network's relation moves: one may be seen and do nothing.

    effect  None for a network without relations: nothing is written.
    """
    if effect is None:
        return
    figure = np.ravel(np.asarray(axes, dtype=object))[0].figure
    text = effect.words[0].upper() + effect.words[1:] + "."
    figure.text(0.01, 1.0, "\n".join(wrap(text, round(figure.get_figwidth() * 15))), fontsize=8, color=DARK, va="bottom")


@styled
def relation_panels(
    relations: Mapping[str, np.ndarray],
    skeleton: Skeleton,
    *,
    diagonal: bool = True,
    sums: str = "rows",
    columns: int = 3,
) -> np.ndarray:
    """Draw several relations side by side on one color scale, with one color bar; return the axes used."""
    columns = min(columns, len(relations))
    rows = -(-len(relations) // columns)
    figure, grid = plt.subplots(rows, columns, figsize=(2.65 * columns + 1.1, 2.6 * rows + 0.9), squeeze=False)
    axes = grid.ravel()
    top = top_weight(np.stack(list(relations.values())), diagonal)
    for number, (ax, (name, matrix)) in enumerate(zip(axes, relations.items(), strict=False)):
        relation_matrix(matrix, skeleton, ax, title=name, vmax=top, diagonal=diagonal, sums=sums, bar=False)
        if number % columns:
            ax.set(yticks=[], ylabel="")
        if number + columns < len(relations):
            ax.set(xticks=[], xlabel="")
    for ax in axes[len(relations) :]:
        ax.set_visible(False)
    figure.colorbar(axes[0].collections[0], ax=list(axes), shrink=0.6, label="weight")
    return axes[: len(relations)]


def top_weight(relations: np.ndarray, diagonal: bool = True) -> float:
    """Find the largest weight that is shown of several relations (N,K,K): the top of their color scale."""
    shown = relations if diagonal else relations[:, ~np.eye(relations.shape[-1], dtype=bool)]
    return float(shown.max()) or 1.0


@styled
def relation_on_skeleton(
    relation: np.ndarray,
    skeleton: Skeleton,
    joints: np.ndarray | None = None,
    ax: Axes | None = None,
    *,
    frame: np.ndarray | None = None,
    count: int = 12,
    vmax: float | None = None,
    title: str | None = None,
) -> Axes:
    """Draw the strongest weights off the diagonal as arrows from joint j to the joint i that takes from it.

    joints  (K,2) where to draw, pixels of `frame` if one is given; None: a schematic figure that faces the reader.
    count   number of arrows; their width is proportional to the weight.
    vmax    weight of the widest arrow.
    """
    joints = standing(skeleton) if joints is None else np.asarray(joints)
    ax = skeleton_overlay(frame, joints, skeleton, ax=ax, title=title)
    for line in ax.lines:
        line.set_alpha(0.45 if line.get_linestyle() != "None" else 1.0)
    if frame is None:
        bare(ax)
        ax.margins(0.15)
    off = np.where(np.eye(len(skeleton), dtype=bool), 0.0, relation)
    rows, columns = np.unravel_index(np.argsort(off, axis=None, kind="stable")[::-1][:count], off.shape)
    top = float(off.max()) if vmax is None else vmax
    for i, j in zip(rows, columns, strict=True):
        if off[i, j] <= 0:
            continue
        strength = min(off[i, j] / max(top, 1e-12), 1.0)
        ax.add_patch(
            FancyArrowPatch(
                joints[j], joints[i], connectionstyle="arc3,rad=0.25", arrowstyle="-|>",
                mutation_scale=5 + 7 * strength,
                lw=0.4 + 3 * strength, color=SIDES[side(skeleton.joints[j])], alpha=0.35 + 0.55 * strength,
                shrinkA=3, shrinkB=3, zorder=4,
            )
        )  # fmt: skip
    ax.set_xlabel(f"widest arrow: weight {top:.2g}")
    return ax


@styled
def relation_over_time(
    relations: np.ndarray, skeleton: Skeleton, pairs: Sequence[tuple[str, str]], hidden: np.ndarray, ax: Axes | None = None
) -> Axes:
    """Draw the weights of some pairs (refined joint, source joint) over the frames of a clip; hidden (T,) bool: shaded."""
    lines = {f"{short(i)} from {short(j)}": relations[:, skeleton.index(i), skeleton.index(j)] for i, j in pairs}
    return over_frames(lines, hidden, ax=ax, label="weight in the relation")


@styled
def kernel_grid(kernels: np.ndarray, ax: Axes | None = None, count: int = 32, title: str | None = None) -> Axes:
    """Draw the first kernels of (C,k,k) as tiles, on one symmetric color scale with zero in white."""
    kernels = np.asarray(kernels)[:count]
    count, k = kernels.shape[:2]
    columns = min(8, count)
    rows = -(-count // columns)
    sheet = np.full((rows * (k + 1) - 1, columns * (k + 1) - 1), np.nan)
    for number, kernel in enumerate(kernels):
        top, left = (k + 1) * (number // columns), (k + 1) * (number % columns)
        sheet[top : top + k, left : left + k] = kernel
    ax = ax or plt.subplots(figsize=(0.75 * columns + 1, 0.75 * rows + 0.4))[1]
    bound = float(np.abs(kernels).max()) or 1.0
    ax.set_facecolor(LIGHT)
    drawn = ax.imshow(sheet, cmap="RdBu_r", vmin=-bound, vmax=bound)
    ax.set(xticks=[], yticks=[], xlabel=f"channels 0 to {count - 1}, {k} x {k} each")
    ax.grid(False)
    ax.figure.colorbar(drawn, ax=ax, shrink=0.8, label="weight")
    if title:
        ax.set_title(title)
    return ax
