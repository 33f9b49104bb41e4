"""What single pairs of a relation are worth: their weights, and what is lost when they are cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from rpstn.metrics.pairs import PairMeans
from rpstn.plots.relations import relation_matrix
from rpstn.plots.style import BLUE, DARK, short, styled
from rpstn.skeletons import Skeleton


@styled
def effect_panels(
    weights: np.ndarray,
    losses: Mapping[str, np.ndarray],
    skeleton: Skeleton,
    significant: Mapping[str, np.ndarray] | None = None,
    *,
    sums: str = "rows",
) -> np.ndarray:
    """Draw the relation (K,K) without its diagonal, and what refined joint i loses when it is cut off from joint j.

    losses       by title, (K,K) on the axes of the relation, each with a color scale of its own. Positive: the joint loses.
    significant  by the same titles, (K,K) bool: losses that are significantly different from zero, marked by a dot.
    Returns the axes used, the relation's first.
    """
    panels = {"weight in the relation": np.asarray(weights), **losses}
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    axes = plt.subplots(rows, columns, figsize=(4.5 * columns, 3.9 * rows), squeeze=False)[1]
    order = list(skeleton.order)
    for number, (ax, (title, matrix)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        relation_matrix(
            matrix, skeleton, ax, title=title, diagonal=False, sums=sums if number == 0 else "",
            label="weight" if number == 0 else "loss",
        )  # fmt: skip
        if number % columns:
            ax.set_ylabel("")
        if number + columns < len(panels):
            ax.set_xlabel("")
        if significant is not None and title in significant:
            i, j = np.nonzero(np.asarray(significant[title])[np.ix_(order, order)])
            ax.plot(j + 0.5, i + 0.5, "o", ms=2.2, color="black")
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    return axes.flat[: len(panels)]


@styled
def weight_against_loss(
    weights: np.ndarray,
    losses: PairMeans,
    pairs: Sequence[tuple[int, int]],
    skeleton: Skeleton,
    ax: Axes | None = None,
    *,
    label: str = "loss",
    factor: float = 1.0,
    names: int = 6,
) -> Axes:
    """Draw each pair as a point: its weight (P,), and what the refined joint loses without it, with that pair's interval.

    names   number of points that are named: those with the largest losses or gains.
    factor  multiplies the losses.
    Filled points are significantly different from zero among all pairs.
    """
    ax = ax or plt.subplots(figsize=(6.4, 3.6))[1]
    middle, low, high = (factor * np.asarray(part) for part in (losses.estimate, losses.low, losses.high))
    ax.vlines(weights, low, high, color=BLUE, lw=0.8, alpha=0.45)
    for members, fill in ((losses.significant, BLUE), (~losses.significant, "white")):
        ax.plot(np.asarray(weights)[members], middle[members], "o", ms=4, color=fill, mec=BLUE, mew=0.9)
    ax.axhline(0, color=DARK, lw=1)
    named = np.argsort(-np.abs(np.nan_to_num(middle)), kind="stable")[:names]
    near = 0.04 * float(np.nan_to_num([*middle, *high]).max() - np.nan_to_num([*middle, *low]).min())
    for number in named:
        i, j = pairs[number]
        # To the left of its point where another one that is named lies to the right of it at this height.
        left = any(abs(middle[number] - middle[other]) < near and weights[number] < weights[other] for other in named)
        ax.annotate(
            f"{short(skeleton.joints[i])} from {short(skeleton.joints[j])}", (weights[number], middle[number]),
            xytext=(-6 if left else 6, 3), textcoords="offset points", fontsize=7, ha="right" if left else "left",
        )  # fmt: skip
    ax.set(xlabel="weight in the average relation", ylabel=label)
    ax.margins(x=0.12)
    return ax
