"""What interventions cost: pairs of joints beside their weights, and whole relations replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rpstn.metrics.intervals import Interval
from rpstn.metrics.pairs import PairMeans
from rpstn.plots.relations import relation_matrix
from rpstn.plots.style import short, styled
from rpstn.skeletons import Skeleton


@styled
def effect_panels(
    weights: np.ndarray,
    losses: Mapping[str, np.ndarray],
    skeleton: Skeleton,
    sure: Mapping[str, np.ndarray] | None = None,
    *,
    sums: str = "rows",
    columns: int = 2,
) -> np.ndarray:
    """The relation (K,K) without its diagonal, and beside it what refined joint i loses when it is cut off from joint j.

    losses  by title, (K,K) on the axes of the relation, each with a color scale of its own. Positive: the joint loses.
    sure    by the same titles, (K,K) bool: losses that are told apart from zero, marked by a dot.
    Returns the axes used, the relation's first.
    """
    panels = {"weight in the relation": np.asarray(weights), **losses}
    columns = min(columns, len(panels))
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
        if sure is not None and title in sure:
            i, j = np.nonzero(np.asarray(sure[title])[np.ix_(order, order)])
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
    """Each pair as a point: its weight (P,), and what the refined joint loses without it, with that pair's interval.

    names   so many points are named: those with the largest losses or gains. factor multiplies the losses.
    Filled points are told apart from zero among all pairs.
    """
    ax = ax or plt.subplots(figsize=(6.4, 3.6))[1]
    middle, low, high = (factor * np.asarray(part) for part in (losses.estimate, losses.low, losses.high))
    ax.vlines(weights, low, high, color="#0072B2", lw=0.8, alpha=0.45)
    for told, fill in ((losses.sure, "#0072B2"), (~losses.sure, "white")):
        ax.plot(np.asarray(weights)[told], middle[told], "o", ms=4, color=fill, mec="#0072B2", mew=0.9)
    ax.axhline(0, color="#444444", lw=1)
    named = np.argsort(-np.abs(np.nan_to_num(middle)), kind="stable")[:names]
    near = 0.04 * float(np.nan_to_num([*middle, *high]).max() - np.nan_to_num([*middle, *low]).min())
    for place in named:
        i, j = pairs[place]
        # To the left of its point where another one that is named lies to the right of it at this height.
        left = any(abs(middle[place] - middle[other]) < near and weights[place] < weights[other] for other in named)
        ax.annotate(
            f"{short(skeleton.joints[i])} from {short(skeleton.joints[j])}", (weights[place], middle[place]),
            xytext=(-6 if left else 6, 3), textcoords="offset points", fontsize=7, ha="right" if left else "left",
        )  # fmt: skip
    ax.set(xlabel="weight in the average relation", ylabel=label)
    ax.margins(x=0.12)
    return ax


@styled
def effect_points(
    effects: Mapping[str, Mapping[str, Interval]],
    ax: Axes | None = None,
    *,
    label: str = "loss",
    factor: float = 100.0,
    legend: bool = True,
) -> Axes:
    """Losses with their intervals: one row an intervention, one color a kind of joints; filled where zero is outside."""
    ax = ax or plt.subplots(figsize=(4.6, 0.5 * len(effects) + 1))[1]
    colors = ("#0072B2", "#009E73", "#D55E00", "#CC79A7")
    kinds = list(dict.fromkeys(kind for parts in effects.values() for kind in parts))
    for row, parts in enumerate(effects.values()):
        for kind, item in parts.items():
            number = kinds.index(kind)
            place, color = row + 0.22 * (number - (len(kinds) - 1) / 2), colors[number % len(colors)]
            ax.plot([factor * item.low, factor * item.high], [place, place], color=color, lw=1.8, solid_capstyle="butt")
            ax.plot(
                factor * item.estimate, place, "o", ms=4.5, color=color if item.excludes_zero else "white", mec=color,
                label=kind if row == 0 else None,
            )  # fmt: skip
    ax.axvline(0, color="#444444", lw=1)
    ax.set(yticks=range(len(effects)), yticklabels=list(effects), xlabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_ylim(len(effects) - 0.5, -0.5)
    ax.grid(False, axis="y")
    if legend and len(kinds) > 1:
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(kinds), handlelength=1)
    return ax
