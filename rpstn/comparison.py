"""Whether trained networks can be compared, and what a comparison shows, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rpstn.metrics.aftermath import horizon
from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval

# What a variant's name says, and what cannot change what is learned.
APART = {"relation", "propagation", "out", "root", "workers", "device", "save_every"}


def how_trained(trainings: Mapping[str, Mapping[str, Any] | None]) -> str:
    """One or two sentences: steps and start of several networks, and what else differs between them.

    trainings  by the network's name, the parameters of its run (`rpstn.recipes.training_of`), or None where no
               manifest tells.
    Differences that the variants' names say (relation, propagation) and those of place and speed (out, root,
    workers, device) are left out. Raises ValueError for no network.
    """
    if not trainings:
        raise ValueError("there is no network to compare")
    unknown = [name for name, run in trainings.items() if run is None]
    if unknown:
        return (
            f"How {_listed(unknown)} came to be is not known, since no manifest lies beside the weights: "
            "a difference may be training's."
        )
    runs = {name: dict(run) for name, run in trainings.items() if run is not None}
    names = list(dict.fromkeys(key for run in runs.values() for key in run if key not in APART))
    differing = [key for key in names if any(run.get(key) != next(iter(runs.values())).get(key) for run in runs.values())]
    who = {1: next(iter(runs)), 2: "Both networks"}.get(len(runs), f"All {len(runs)} networks")
    steps = "steps" not in differing and next(iter(runs.values())).get("steps")
    made = f"made {steps} training steps" if steps else "made different numbers of " + _each(runs, "steps", "training steps")
    first = next(iter(runs.values())).get("init")
    if "init" in differing:
        start = "from different starts (" + ", ".join(f"{name}: {_start(run.get('init'))}" for name, run in runs.items()) + ")"
    else:
        start = "from the same encoder" if first and len(runs) > 1 else f"from {_start(first)}"
    text = f"{who} {made} {start}."
    rest = [key for key in differing if key not in ("steps", "init")]
    if rest:
        text += " They also differ in " + "; ".join(_each(runs, key, key) for key in rest) + "."
    return text


def _start(init: Any) -> str:
    return f"`{init}`" if init else "fresh weights"


def _each(runs: Mapping[str, Mapping[str, Any]], key: str, label: str) -> str:
    """The values of one parameter by network; the label alone where they are tables of their own."""
    if any(isinstance(run.get(key), Mapping) for run in runs.values()):
        return label
    return f"{label} (" + ", ".join(f"{name}: {run.get(key)}" for name, run in runs.items()) + ")"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def told_in_words(
    item: Interval,
    above: str = "**yes, more often**",
    below: str = "**no, less often**",
    neither: str = "**no difference can be told**",
    nothing: str = "**nothing can be said**",
) -> str:
    """What a difference shows: its whole interval lies above zero, below it, around it; or there is no interval."""
    if not item.samples or np.isnan(item.low):
        return nothing
    return above if item.low > 0 else below if item.high < 0 else neither


def told_in(items: Mapping[str, Interval], sign: int, what: str = "") -> str:
    """In how many of several cases a difference lies above zero (sign 1) or below it (-1), and in which.

    what  the cases are, behind their number: "2 of 4 kinds (a; d)".
    """
    counted = {name: item for name, item in items.items() if item.samples and not np.isnan(item.low)}
    found = [name for name, item in counted.items() if (item.low > 0 if sign > 0 else item.high < 0)]
    return f"{len(found)} of {len(counted)}{what and f' {what}'}" + (f" ({'; '.join(found)})" if found else "")


def points(item: Interval) -> str:
    """A difference with its interval, short enough for a table: "+1.2 (-0.3 to +2.9)"; empty where nothing was counted."""
    return item.brief(signed=True)


def horizon_words(gain: HiddenCurve) -> str:
    """Up to how many frames a gain lasts (`rpstn.metrics.aftermath.horizon`), or that it does not."""
    frames = horizon(gain)
    if frames is None:
        return "**nothing can be said**: there are too few sources"
    if not frames:
        return f"**no horizon**: after {gain.labels[0]} frame, the interval is not above zero"
    return f"**up to {frames} frame{'' if frames == 1 else 's'}**"
