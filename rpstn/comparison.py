"""Whether trained networks can be compared: what their training had in common, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
