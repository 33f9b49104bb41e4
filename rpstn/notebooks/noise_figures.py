"""The same predictions under two scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle

from rpstn.notebooks.noise import NoiseScores
from rpstn.plots.images import skeleton_overlay
from rpstn.plots.style import short, styled
from rpstn.skeletons import Skeleton

COLORS = {"correct": "#0072B2", "released": "#D55E00"}
LINES = {"torso": "-", "person": "--"}


@styled
def noise_curves(scores: NoiseScores, ax: Axes | None = None, *, title: str | None = None, legend: bool = True) -> Axes:
    """PCK against the deviation of Gaussian noise on the truth; at the right edge, as bars, what guesses get."""
    ax = ax or plt.subplots(figsize=(7.2, 3.8))[1]
    edge = 1.04 * max(scores.deviations)
    for (metric, reference), values in scores.values.items():
        color, line = COLORS[metric], LINES[reference]
        ax.plot(scores.deviations, [100 * value for value in values], line, color=color, label=f"{metric}, {reference}")
        ax.plot([edge, 1.08 * edge], [100 * scores.guesses[metric, reference]] * 2, line, color=color, lw=3)
    ax.text(1.04 * edge, 104, "guesses", ha="center", fontsize=8, color="#444444")
    ax.set(xlabel="noise: standard deviation in x and y (px of the map)", ylabel="PCK@0.2 (%)", ylim=(-2, 112))
    if title:
        ax.set_title(title)
    if legend:
        ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


@styled
def accepted_circles(
    joints: object,
    skeleton: Skeleton,
    circles: Mapping[str, Mapping[str, tuple[tuple[float, float], float]]],
    axes: Sequence[Axes] | None = None,
    *,
    joint: str,
    side: int,
) -> list[Axes]:
    """The map with one person (K,2), and for each reference the places that each metric accepts for one joint.

    circles  by reference, by metric: center (x, y) and radius in map px.
    """
    axes = list(axes) if axes is not None else list(plt.subplots(1, len(circles), figsize=(3.6 * len(circles), 3.9))[1])
    for ax, (reference, parts) in zip(axes, circles.items(), strict=True):
        skeleton_overlay(None, joints, skeleton, ax=ax, title=f"{short(joint)}, by {reference}")
        for metric, (center, radius) in sorted(parts.items(), key=lambda item: -item[1][1]):  # the smaller one on top
            alpha = 0.55 if metric == "correct" else 0.25
            ax.add_patch(Circle(center, radius, fc=COLORS[metric], ec=COLORS[metric], alpha=alpha, lw=1.5, label=metric))
        ax.set(xlim=(-0.5, side - 0.5), ylim=(side - 0.5, -0.5), xlabel="px of the map")
        ax.set_aspect("equal")
    axes[0].legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return axes
