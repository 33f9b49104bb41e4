"""What a network makes of one video."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rpstn.metrics.tables import percent
from rpstn.models.calibration import COMMAND
from rpstn.video.watch import Watched


def video_row(seen: Watched, boxes: str) -> dict[str, str]:
    """Make a row of what was watched. boxes: the parameter, "auto" or what was given."""
    height, width = seen.frames.shape[1:3]
    return {
        "frames": f"{len(seen)}",
        "size (px)": f"{width} x {height}",
        "scaled for the figures by": "" if seen.scale == 1 else f"{seen.scale:.2f}",
        "frames per second": f"{seen.fps:.3g}",
        "boxes": "following the pose" if boxes == "auto" else boxes,
        "lost (% of frames)": percent(float(np.mean([status == "lost" for status in seen.status]))),
    }


def weights_words(seen: Watched) -> str:
    """Say what weights a video was watched with, what they find, and how to train others."""
    weights = seen.weights
    text = f"**Weights:** `{weights.name}`, trained on {weights.trained_on}"
    if weights.val_pck is not None:
        text += f" (`PCK@0.2` on its val split: {weights.val_pck:.1%})"
    return (
        f"{text}. They find the {len(seen.skeleton)} joints of the skeleton `{seen.skeleton.name}`. On people or images unlike "
        f"those that they were trained on, expect less. `{weights.command}` trains on your own copy of a data set; pass what it "
        "writes as `checkpoint`."
    )


def limit_words(limit: float, measured_on: str | None) -> str:
    """Say below which confidence a joint counts as hidden, and how that was found."""
    text = f"For these weights the limit is {limit:.2f}. "
    if measured_on:
        return text + f"It was measured on {measured_on}: a tenth of the visible joints there lie below it."
    return text + f"It is **assumed**: nothing was measured for these weights; `{COMMAND}` measures it."


def summary_table(summary: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """Print the rows of `Watched.summary`: fractions with two digits, a dash for what is not known."""
    return {name: {key: _cell(value) for key, value in row.items()} for name, row in summary.items()}


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def doubt_words(doubt: np.ndarray, hidden: np.ndarray | None) -> str:
    """Say whether low confidence is a guide to what is hidden.

    doubt   bool: joints that the network does not see well. hidden: those that truly are hidden; None where that is not known.
    """
    text = f"The network does not see {doubt.mean():.1%} of the joints well. "
    if hidden is None:
        return text + "Which joints truly are hidden is not known for this video."
    if not hidden.any() or not doubt.any():
        return text + f"Truly hidden are {hidden.mean():.1%}."
    noticed, confirmed = doubt[hidden].mean(), hidden[doubt].mean()
    verdict = "says little about" if min(noticed, confirmed) < 0.5 else "is a fair guide to"
    return (
        f"{text}Truly hidden are {hidden.mean():.1%}. Of these the network notices {noticed:.0%}; of the joints that it calls "
        f"hidden, {confirmed:.0%} are. **Here its doubt {verdict} what can be seen.**"
    )


def taken_table(taken: np.ndarray, hidden: np.ndarray) -> dict[str, dict[str, str]]:
    """Make one row for joints that the network sees well and one for the others: how much they take from other joints.

    taken  share of each joint's weights that lies on others; NaN where there is no relation. hidden: bool of the same shape.
    """
    known = np.isfinite(taken)
    parts = {"sees well": taken[known & ~hidden], "does not see well": taken[known & hidden]}
    return {
        f"joints that the network {name}": {
            "taken from others (%)": percent(float(part.mean())) if len(part) else "-",
            "joints": f"{len(part)}",
        }
        for name, part in parts.items()
    }
