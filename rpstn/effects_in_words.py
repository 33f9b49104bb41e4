"""What an intervention costs, in the words that its intervals carry; see `rpstn.effects`.

An interval that holds zero says that an effect cannot be told, not that there is none; and where there is no interval, nothing
is said.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rpstn.metrics.intervals import Interval

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
        return "Nothing can be said: there are too few sources."
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
        f"{value}. Noise in the losses alone keeps it from 1: losses measured on as many other sources would correlate with "
        f"these at about {ceiling:+.2f}, by halves of the sources against each other. The bounds are cautious: each draw is "
        f"noisier than the whole, which pulls them towards zero. {told}"
    )


def landing(part: float) -> str:
    """How much of a cut's change lies in the refined joint itself (`rpstn.effects.landed`); nothing is said of NaN."""
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
        return "**Nothing can be said**: there are too few sources."
    amount = f"{100 * abs(grown.estimate):.3f} % of the peak"
    if grown.low > 0:
        return f"**A cut adds up over time**: in all frames it costs {amount} more than in one."
    if grown.high < 0:
        return f"**A cut does not add up over time**: in all frames it costs {amount} less than in one."
    return "**Whether a cut adds up over time cannot be told.**"
