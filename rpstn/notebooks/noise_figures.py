"""Figures of the same predictions under two scores."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import patches
from matplotlib.axes import Axes

from rpstn.notebooks.noise import Circle, NoiseScores
from rpstn.plots.images import skeleton_overlay
from rpstn.plots.style import BLUE, DARK, VERMILION, short, styled
from rpstn.skeletons import Skeleton

COLORS = {"correct": BLUE, "released": VERMILION}
LINES = {"torso": "-", "person": "--"}


@styled
def noise_curves(scores: NoiseScores, ax: Axes | None = None, *, title: str | None = None, legend: bool = True) -> Axes:
    """Draw PCK against the standard deviation of Gaussian noise on the truth; at the right edge, as bars, that of guesses."""
    ax = ax or plt.subplots(figsize=(7.2, 3.8))[1]
    edge = 1.04 * max(scores.standard_deviations)
    for (metric, reference), values in scores.values.items():
        color, line = COLORS[metric], LINES[reference]
        ax.plot(scores.standard_deviations, [100 * value for value in values], line, color=color, label=f"{metric}, {reference}")
        ax.plot([edge, 1.08 * edge], [100 * scores.guesses[metric, reference]] * 2, line, color=color, lw=3)
    ax.text(1.04 * edge, 104, "guesses", ha="center", fontsize=8, color=DARK)
    ax.set(xlabel="noise: standard deviation in x and y (px of the map)", ylabel="PCK@0.2 (%)", ylim=(-2, 112))
    if title:
        ax.set_title(title)
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


@styled
def accepted_circles(
    joints: np.ndarray, skeleton: Skeleton, circles: Mapping[str, Mapping[str, Circle]], *, joint: str, side: int
) -> np.ndarray:
    """Draw one person (K,2) in the map, and for each reference the positions that each metric accepts for one joint.

    circles  by reference, by metric, in map px.
    """
    axes = plt.subplots(1, len(circles), figsize=(3.6 * len(circles), 3.9), squeeze=False)[1][0]
    for ax, (reference, parts) in zip(axes, circles.items(), strict=True):
        skeleton_overlay(None, joints, skeleton, ax=ax, title=f"{short(joint)}, by {reference}")
        for metric, circle in sorted(parts.items(), key=lambda item: -item[1].radius):  # the smaller one on top
            alpha = 0.55 if metric == "correct" else 0.25
            ax.add_patch(patches.Circle(circle.center, circle.radius, color=COLORS[metric], alpha=alpha, lw=1.5, label=metric))
        ax.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), xlabel="px of the map")
        ax.set_aspect("equal")
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return axes
