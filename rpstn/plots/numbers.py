"""Scores, training logs and intervals."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from rpstn.errors import UserError
from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval
from rpstn.plots.style import COLORS, DARK, LIGHT, legend_above, short, styled


@styled
def pck_bars(scores: Mapping[str, Mapping[str, float | None]], ax: Axes | None = None) -> Axes:
    """Draw a bar per joint, or type of joints, for several methods side by side.

    scores  by method: fraction by joint, e.g. metrics["scores"]["person"]["all"]["joint_types"]; None or NaN leaves a gap.
    """
    ax = ax or plt.subplots()[1]
    names = list(dict.fromkeys(name for values in scores.values() for name in values))
    width = 0.8 / len(scores)
    for number, (method, values) in enumerate(scores.items()):
        heights = 100 * np.array([values.get(name) for name in names], float)  # None becomes NaN
        x = np.arange(len(names)) + (number - (len(scores) - 1) / 2) * width
        ax.bar(x, heights, 0.92 * width, label=method)
    ax.set(xticks=range(len(names)), xticklabels=[short(name) for name in names], ylabel="PCK@0.2 (%)", ylim=(0, 100))
    ax.grid(False, axis="x")
    if len(names) > 8:
        plt.setp(ax.get_xticklabels(), rotation=40, ha="right", rotation_mode="anchor")
    if len(scores) > 1:
        legend_above(ax, min(len(scores), 4))
    return ax


@styled
def training_curves(logs: Mapping[str, str | Path]) -> np.ndarray:
    """Draw loss and validation PCK against the step, from log.csv files by the run's name. Raises UserError for another file."""
    axes = plt.subplots(1, 2, figsize=(7.4, 2.9))[1]
    loss, score = axes
    for name, path in logs.items():
        values = _read_log(path)
        for ax, column, factor in ((loss, "loss", 1), (score, "val_pck", 100)):
            if len(values[column]):
                marker = "o" if len(values[column]) < 30 else None
                ax.plot(values[column][:, 0], factor * values[column][:, 1], label=name, marker=marker, ms=3)
    loss.set(xlabel="step", ylabel="training loss", yscale="log")
    score.set(xlabel="step", ylabel="PCK@0.2 on val (%)")
    if len(logs) > 1:
        score.legend()
    return axes


def _read_log(path: str | Path) -> dict[str, np.ndarray]:
    """Read (N,2) steps and values of the columns that are drawn."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        return {
            column: np.array([(float(row["step"]), float(row[column])) for row in rows if row[column]])
            for column in ("loss", "val_pck")
        }
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path}: not a training log ({error!r}); give the log.csv of a run directory") from error


@styled
def hidden_curves(
    curves: Mapping[str, HiddenCurve],
    ax: Axes | None = None,
    *,
    label: str = "found within 0.2 torso (%)",
    counted: str = "frames hidden so far",
) -> Axes:
    """Draw PCK, or a gain, against the number of frames hidden, with intervals over groups as bars.

    curves   by method, over the same bins; under each bin, how many joints the first curve has, and from how many groups.
    counted  what the bins count.
    """
    ax = ax or plt.subplots(figsize=(6.4, 3.6))[1]
    bins = {curve.bins for curve in curves.values()}
    if len(bins) != 1:
        raise ValueError(f"the curves have different bins: {sorted(bins)}")
    markers = "os^Dv<>"
    for number, (name, curve) in enumerate(curves.items()):
        x = np.arange(len(curve.bins)) + 0.09 * (number - (len(curves) - 1) / 2)
        middle, low, high = (100 * curve.column(field) for field in ("estimate", "low", "high"))
        known = ~np.isnan(low)
        (line,) = ax.plot(x, middle, marker=markers[number % len(markers)], label=name)
        ax.vlines(x[known], low[known], high[known], color=line.get_color(), lw=1.2, alpha=0.75)
    first = next(iter(curves.values()))
    labels = [f"{name}\n({item.samples} / {item.groups})" for name, item in zip(first.labels, first.intervals, strict=True)]
    ax.set(xticks=range(len(labels)), xticklabels=labels, ylabel=label, xlabel=f"{counted} (joints / groups)")
    legend_above(ax, min(len(curves), 3))  # bars fill the axes
    return ax


@styled
def effect_points(
    effects: Mapping[str, Mapping[str, Interval]], ax: Axes | None = None, *, label: str = "loss", legend: bool = True
) -> Axes:
    """Draw losses with their intervals: one row per intervention, one color per kind of joints; filled where zero is outside."""
    ax = ax or plt.subplots(figsize=(4.6, 0.5 * len(effects) + 1))[1]
    kinds = list(dict.fromkeys(kind for parts in effects.values() for kind in parts))
    for row, parts in enumerate(effects.values()):
        for kind, item in parts.items():
            number = kinds.index(kind)
            y, color = row + 0.22 * (number - (len(kinds) - 1) / 2), COLORS[number % len(COLORS)]
            ax.plot([100 * item.low, 100 * item.high], [y, y], color=color, solid_capstyle="butt")
            face = color if item.excludes_zero else "white"
            ax.plot(100 * item.estimate, y, "o", color=face, mec=color, label=kind if row == 0 else None)
    ax.axvline(0, color=DARK, lw=1)
    ax.set(yticks=range(len(effects)), yticklabels=list(effects), xlabel=label)
    ax.xaxis.set_major_locator(MaxNLocator(5))
    ax.set_ylim(len(effects) - 0.5, -0.5)
    ax.grid(False, axis="y")
    if legend and len(kinds) > 1:
        legend_above(ax, len(kinds))
    return ax


@styled
def interval_points(
    intervals: Mapping[str, Interval], ax: Axes | None = None, label: str = "difference in PCK@0.2 (percentage points)"
) -> Axes:
    """Draw estimates with their intervals and numbers of groups, one row each, and the line of no difference."""
    ax = ax or plt.subplots(figsize=(6.4, 0.45 * len(intervals) + 1))[1]
    rows = {f"{name}\n({item.groups} groups)": {"all": item} for name, item in intervals.items()}
    return effect_points(rows, ax, label=label)


@styled
def interval_panels(
    panels: Mapping[str, Mapping[str, Interval]], label: str = "difference in PCK@0.2 (percentage points)"
) -> np.ndarray:
    """Draw several `interval_points` below each other, on one scale; a panel without intervals says so."""
    heights = [max(1, len(part)) for part in panels.values()]
    size = (6.8, 0.45 * sum(heights) + 0.9 * len(panels))
    axes = plt.subplots(len(panels), 1, figsize=size, height_ratios=heights, sharex=True, squeeze=False, layout="constrained")[1]
    axes = axes[:, 0]
    for ax, (title, part) in zip(axes, panels.items(), strict=True):
        if part:
            interval_points(part, ax, label if ax is axes[-1] else "")
        else:
            ax.text(0.5, 0.5, "nothing to count", ha="center", va="center", transform=ax.transAxes)
            ax.set(yticks=[], xlabel=label if ax is axes[-1] else "")
        ax.set_title(title)
    return axes


@styled
def over_frames(
    lines: Mapping[str, np.ndarray],
    hidden: np.ndarray,
    dotted: Mapping[str, np.ndarray] | None = None,
    first: int = 0,
    ax: Axes | None = None,
    label: str = "",
) -> Axes:
    """Draw a value over the frames of a clip, one line per network, the frames in which something is hidden shaded.

    lines   by network, (T,), from frame `first` on. dotted: a second line each, of the same color.
    hidden  (frames,) bool.
    """
    ax = ax or plt.subplots(figsize=(7.2, 3.0))[1]
    for name, values in lines.items():
        (line,) = ax.plot(np.arange(first, first + len(values)), values, label=name)
        if dotted is not None:
            ax.plot(np.arange(first, first + len(dotted[name])), dotted[name], ls=":", color=line.get_color(), lw=1)
    for frame in np.flatnonzero(hidden):
        ax.axvspan(frame - 0.5, frame + 0.5, color=LIGHT, lw=0, zorder=0)
    ax.set(xlabel="frame", ylabel=label, ylim=(0, None))
    if lines:
        ax.legend()
    return ax
