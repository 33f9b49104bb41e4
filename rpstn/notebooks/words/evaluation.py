"""What networks are compared with, and how they score on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpstn.metrics.hidden import ASKED_BINS
from rpstn.metrics.intervals import Interval
from rpstn.metrics.tables import percent
from rpstn.notebooks.words.common import POINTS, bounds, bullets, finding, listed, or_none
from rpstn.occlusion.question import ASKED_MEASURE
from rpstn.runs.directory import defaults
from rpstn.runs.same_run import NUMBERLESS
from rpstn.train.config import TrainConfig

# What a variant's name says, and what cannot change what is learned.
APART = {"relation", "propagation", "root", "aux_root"} | NUMBERLESS

_DIFFERENT = ("**significantly different**", "**significantly different**")  # above zero, below it

# The counts of a metrics.json that tables of a chapter show.
COUNTS = ("clips", "groups", "frames", "visible_joints", "occluded_joints", "absent_joints")


def counts_table(counted: Mapping[str, Any]) -> dict[str, int]:
    """Make a row of what was scored, from "counted" of `rpstn.metrics.scores.score`."""
    missing = counted.get("frames_without_reference", {}).get("torso", 0)
    return {name.replace("_", " "): counted[name] for name in COUNTS} | {"frames without a torso": missing}


def how_trained(trainings: Mapping[str, Mapping[str, Any] | None]) -> str:
    """Compare how several networks were trained: steps and start, and whatever else differs, in one or two sentences.

    trainings  by the network's name, the parameters of its run (`rpstn.models.manifests.training_of`), or None where no
               manifest is found.
    Differences that the variants' names state (relation, propagation) and those of folders and speed (out, root,
    workers, device) are omitted. Raises ValueError for no network.
    """
    if not trainings:
        raise ValueError("there is no network to compare")
    unknown = [name for name, run in trainings.items() if run is None]
    if unknown:
        return (
            f"How {listed(unknown)} was trained is not known, since its weights come without a manifest; "
            "a difference may be due to training."
        )
    runs = {name: defaults(TrainConfig) | dict(run) for name, run in trainings.items() if run is not None}
    names = list(dict.fromkeys(key for run in runs.values() for key in run if key not in APART))
    differing = [key for key in names if any(run.get(key) != next(iter(runs.values())).get(key) for run in runs.values())]
    text = f"{_subject(list(runs))} trained {_steps(runs, differing)}, starting {_starts(runs, differing)}."
    rest = [key for key in differing if key not in ("steps", "init")]
    if rest:
        text += " They also differ in " + "; ".join(_each(runs, key, key) for key in rest) + "."
    return text


def _subject(names: list[str]) -> str:
    subjects = {1: f"{names[0]} was", 2: "Both networks were"}
    return subjects.get(len(names), f"All {len(names)} networks were")


def _steps(runs: Mapping[str, Mapping[str, Any]], differing: list[str]) -> str:
    if "steps" in differing:
        return "for " + _each(runs, "steps", "different numbers of steps")
    return f"for {next(iter(runs.values())).get('steps')} steps"


def _starts(runs: Mapping[str, Mapping[str, Any]], differing: list[str]) -> str:
    if "init" in differing:
        return "from different weights (" + ", ".join(f"{name}: {_start(run.get('init'))}" for name, run in runs.items()) + ")"
    first = next(iter(runs.values())).get("init")
    return "from the same encoder" if first and len(runs) > 1 else f"from {_start(first)}"


def _start(init: Any) -> str:
    return f"`{init}`" if init else "random weights"


def _each(runs: Mapping[str, Mapping[str, Any]], key: str, label: str) -> str:
    """Return the values of one parameter by network; the label alone where they are tables of their own."""
    if any(isinstance(run.get(key), Mapping) for run in runs.values()):
        return label
    return f"{label} (" + ", ".join(f"{name}: {run.get(key)}" for name, run in runs.items()) + ")"


def score_table(
    scores: Mapping[str, Mapping[str, Any]], trainings: Mapping[str, Mapping[str, Any] | None], reference: str
) -> dict[str, dict[str, Any]]:
    """Make one row per network: mean PCK in percent, its interval, joint types, groups, and training steps.

    scores     by network, "scores" of `rpstn.metrics.scores.score`.
    trainings  as for `how_trained`.
    reference  "person" or "torso".
    """
    rows = {}
    for name, part in scores.items():
        found = part[reference]["all"]
        row = {"mean, all joints": percent(found["mean"]), "95 % interval": bounds(found["interval"])}
        if "joints_scored" in found:  # the data set leaves joints out of its own mean
            row[f"mean, {found['joints_scored']} joints"] = percent(found["mean_scored"])
        row |= {joint: percent(value) for joint, value in found["joint_types"].items() if value is not None}
        rows[name] = row | {"groups": found["groups"], "steps": (trainings[name] or {}).get("steps", "not known")}
    return rows


def subset_table(scores: Mapping[str, Mapping[str, Any]], counted: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, str]]:
    """Make one column per reference and visibility subset: the number of joints, and each network's mean PCK in percent.

    Occluded joints are omitted where the data set marks none.
    """
    first = next(iter(scores.values()))
    subsets = [subset for subset in ("all", "visible", "occluded") if counted["occluded_joints"] or subset != "occluded"]
    return {
        (f"{reference} size", subset): {"joints scored": f"{first[reference][subset]['samples']}"}
        | {name: percent(part[reference][subset]["mean"]) for name, part in scores.items()}
        for reference in ("person", "torso")
        for subset in subsets
    }


def held_out_words(motions: list[str]) -> str:
    """Name the motions that occur in the test split alone, or say that there are none."""
    if not motions:
        return "In this data set, no motion is held out for the test split."
    return f"Held out of training as whole motions: **{', '.join(motions)}**."


def held_out_table(metrics: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    """Make one column per kind of motion and reference: clips, groups, and each network's mean PCK in percent with its interval.

    metrics  by network, what `rpstn.metrics.scores.score` returns; empty where one of them holds no such clips.
    """
    table = {}
    for part in ("not_held_out", "held_out"):
        if not all(found.get(part, {}).get("clips") for found in metrics.values()):
            continue
        for reference in ("person", "torso"):
            columns = {name: found[part][reference]["all"] for name, found in metrics.items()}
            table[part.replace("_", " "), f"{reference} size"] = {
                "clips": next(iter(metrics.values()))[part]["clips"],
                "groups": next(iter(columns.values()))["groups"],
                **{
                    name: f"{percent(value['mean'])} ({bounds(value['interval'], 'no interval')})"
                    for name, value in columns.items()
                },
            }
    return table


def hidden_gain_words(
    gains: Mapping[str, Interval], baselines: Mapping[str, str], trainings: Mapping[str, Mapping[str, Any] | None]
) -> str:
    """List what networks gain over their baselines on hidden joints, whether it is significant, and how the two were trained.

    gains, baselines  by network; gains: of `rpstn.occlusion.question.ask`.
    """
    lines = (
        f"**{name}** minus {baselines[name]}, joints hidden for up to {ASKED_BINS[-1][1]} frames, within {ASKED_MEASURE}: "
        f"{gain.text(signed=True, unit=POINTS)}: {finding(gain, *_DIFFERENT)}. "
        + how_trained({part: trainings[part] for part in (name, baselines[name])})
        for name, gain in gains.items()
        if gain.samples
    )
    return or_none(
        bullets(lines),
        "There is no gain to report: no joint is marked as hidden after it was visible, or one of the two networks is missing.",
    )
