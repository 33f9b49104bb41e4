"""What comparisons and interventions show, in the words that their intervals carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval
from rpstn.occlusion.recovery import Effects, horizon
from rpstn.runs.directory import defaults
from rpstn.runs.same_run import NUMBERLESS
from rpstn.train.config import TrainConfig

# The measures that a reader is shown, with their units; a loss is positive in all of them.
MEASURED = {"pck": "PCK@0.2 (points)", "distance": "distance (% of person)", "share": "value at the truth (% of peak)"}

# What stands in the relation's place, by the name of the intervention.
IN_PLACE = {
    "identity": "each joint keeping to itself",
    "average": "the data set's average in every frame",
    "uniform": "all joints alike",
    "permuted": "the relations of other joints, by one random permutation",
}

# What a loss and a gain mean by the finer measures.
FINER = {
    "distance": ("joints lie farther from the truth", "joints lie nearer to the truth"),
    "share": ("the heatmaps are less sure of the place", "the heatmaps are surer of the place"),
}

# What a variant's name says, and what cannot change what is learned.
APART = {"relation", "propagation", "root", "aux_root"} | NUMBERLESS


def how_trained(trainings: Mapping[str, Mapping[str, Any] | None]) -> str:
    """One or two sentences: steps and start of several networks, and what else differs between them.

    trainings  by the network's name, the parameters of its run (`rpstn.models.manifests.training_of`), or None where no
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
    runs = {name: defaults(TrainConfig) | dict(run) for name, run in trainings.items() if run is not None}
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


def left_out(count: int, why: str) -> str:
    """What stands behind a number of clips where others had to be left out: " (left out: 3 WHY)"; nothing where none had."""
    return f" (left out: {count} {why})" if count else ""


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
    """Up to how many frames a gain lasts (`rpstn.occlusion.recovery.horizon`), or that it does not."""
    frames = horizon(gain)
    if frames is None:
        return "**nothing can be said**: there are too few groups"
    if not frames:
        return f"**no horizon**: after {gain.labels[0]} frame, the interval is not above zero"
    return f"**up to {frames} frame{'' if frames == 1 else 's'}**"


def effects_table(found: Mapping[str, Mapping[str, Effects]], network: str, baseline: str) -> dict[str, dict[str, Any]]:
    """What occluders do to a network, as cells of a table: a row for each kind of occluder.

    found  by kind of occluder, then by the other networks: `rpstn.occlusion.recovery.effects` of `network` beside each.
    """
    return {
        kind: {
            "joints hidden 1-5 frames": row[baseline].hidden.samples,
            f"PCK there, {network} (%)": f"{100 * row[baseline].hidden.estimate:.1f}" if row[baseline].hidden.samples else "",
            **{f"gain over {name}": points(effects.gain) for name, effects in row.items()},
            f"back 1-3 frames: gain over {baseline}": points(row[baseline].reappeared_gain),
            f"back: {network} against itself as filmed": points(row[baseline].reappeared_cost),
            f"not hidden so far: error of {network}, change": points(row[baseline].unoccluded_joints),
            f"not hidden so far: error of {baseline}, change": points(row[baseline].unoccluded_joints_baseline),
        }
        for kind, row in found.items()
    }


def effects_words(found: Mapping[str, Effects], network: str, baseline: str) -> str:
    """Markdown: behind how many kinds of occluders a network finds more or fewer joints than a baseline, and which."""

    def among(name: str, sign: int, what: str = "") -> str:
        return told_in({kind: getattr(row, name) for kind, row in found.items()}, sign, what)

    return (
        f"- **Hidden joints**: {network} finds more than {baseline} in {among('gain', 1, 'kinds of occluders')}, fewer in "
        f"{among('gain', -1)}.\n"
        f"- **Back again**: it finds more of them in {among('reappeared_gain', 1)}, fewer in {among('reappeared_gain', -1)}.\n"
        f"- **Wrong poses carried on**: against itself as filmed, it finds fewer of the joints that are back in "
        f"{among('reappeared_cost', -1)}. (The occluder has left the image in all these frames.)\n"
        f"- **Not hidden so far**: their error grows in {among('unoccluded_joints', 1)} for {network}, in "
        f"{among('unoccluded_joints_baseline', 1)} for {baseline}.\n\n"
        "An effect counts here if its interval excludes zero. Each kind is tested by itself: of twenty without any effect, about "
        "one would count."
    )


def verdict_words(gain: HiddenCurve, network: str, baseline: str) -> str:
    """Markdown: in which bins of a gain its interval lies above zero, and in which below, and how many bins were tested."""
    marked = list(zip(gain.labels, gain.intervals, strict=True))
    wins = ", ".join(label for label, item in marked if item.low > 0)
    losses = ", ".join(label for label, item in marked if item.high < 0)
    return (
        f"Behind occluders, and against {baseline}, the gain of {network} has an interval above zero for joints hidden for "
        + (f"**{wins}** frames" if wins else "**no** number of frames")
        + (f", and one below zero for **{losses}** frames" if losses else "")
        + f", among {np.isfinite(gain.column('low')).sum()} bins of which each was tested by itself, at 95 %."
    )


def answer(item: Interval, digits: int = 2) -> str:
    """A loss in percent, and whether it can be told from zero."""
    if np.isnan(item.low):
        told = "no interval"
    else:
        told = "a loss" if item.low > 0 else "a gain" if item.high < 0 else "not told apart from zero"
    return f"{100 * item.estimate:+.{digits}f} ({told})"


def verdict(losses: Mapping[str, Interval]) -> str:
    """One sentence on a replacement. losses: by measure, those of MEASURED; joints found count before finer measures."""
    if all(np.isnan(item.low) for item in losses.values()):
        return "Nothing can be said: there are too few groups."
    if losses["pck"].excludes_zero:
        fewer = losses["pck"].low > 0
        return f"The network finds {'fewer' if fewer else 'more'} joints so than with its own relations."
    losing = [words[0] for name, words in FINER.items() if losses[name].low > 0]
    gaining = [words[1] for name, words in FINER.items() if losses[name].high < 0]
    if not losing + gaining:
        return "No difference can be told."
    finer = ", but ".join(" and ".join(said) for said in (losing, gaining) if said)
    return f"Whether more or fewer joints are found cannot be told; {finer}."


def ranked(rank: Interval, ceiling: float) -> str:
    """The rank correlation of weights and losses (`rank_interval`), held against `rank_ceiling` of the losses."""
    value = rank.brief(percent=False, signed=True, digits=2) or "not known"
    if np.isnan(rank.low):
        return f"{value}. **From so little, nothing can be said of it.**"
    below = rank.high < ceiling
    mislead = " Read as influence, the relation would mislead."
    if rank.low > 0:
        told = (
            f"**A large weight makes a loss likelier, but tells less of it than other losses do.**{mislead}"
            if below
            else "**The more a joint takes, the more it owes**, as far as losses so noisy can tell."
        )
    elif rank.high < 0:
        told = f"**Where the weight is large, the loss is smaller, or a gain.**{mislead}"
    elif below:
        told = f"**Whether the weight tells anything of the loss cannot be told; it tells less than other losses do.**{mislead}"
    else:
        told = "**Whether the weight says what is owed cannot be told**: the losses are too noisy for that."
    return (
        f"{value}. Noise in the losses alone keeps it from 1: losses measured on as many other groups would correlate with "
        f"these at about {ceiling:+.2f}, by halves of the groups against each other. The bounds are cautious: each draw is "
        f"noisier than the whole, which pulls them towards zero. {told}"
    )


def landing(part: float) -> str:
    """Say how much of a cut's change lies in the refined joint itself (`own_share`); nothing of NaN."""
    if np.isnan(part):
        return ""
    only = "only " if part < 0.5 else ""
    return (
        f"Of the change that cutting a pair of row $i$ makes, {only}{part:.0%} lies in joint $i$ and the rest in others: behind "
        "the relation a 1x1 convolution mixes all joints, and before it another one has mixed them too. Names of rows and "
        "columns are a manner of speaking."
    )


def adding(grown: Interval, propagates: bool) -> str:
    """What a cut in all frames costs more than a cut in one frame, in the value at the truth: a measure chosen beforehand."""
    if not propagates:
        return "This network does not propagate, so both are the same but for rounding."
    if np.isnan(grown.low):
        return "**Nothing can be said**: there are too few groups."
    amount = f"{100 * abs(grown.estimate):.3f} % of the peak"
    if grown.low > 0:
        return f"**A cut adds up over time**: in all frames it costs {amount} more than in one."
    if grown.high < 0:
        return f"**A cut does not add up over time**: in all frames it costs {amount} less than in one."
    return "**Whether a cut adds up over time cannot be told.**"
