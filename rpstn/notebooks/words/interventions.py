"""What is lost when a network's relations are replaced or cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rpstn.metrics.intervals import Interval
from rpstn.metrics.pairs import PairMeans
from rpstn.notebooks.words.common import bullets
from rpstn.relations.effects import MEASURES, own_share

# The measures that a reader is shown, with their units; a loss is positive in all of them.
MEASURED = {"pck": "PCK@0.2 (points)", "distance": "distance (% of person)", "share": "value at the true position (% of peak)"}

# What replaces the relation, by the name of the intervention.
IN_PLACE = {
    "identity": "each joint keeping to itself",
    "average": "the data set's average in every frame",
    "uniform": "all joints alike",
    "permuted": "the relations of other joints, by one random permutation",
}

# What a loss and a gain mean by the finer measures.
FINER = {
    "distance": ("joints lie farther from the truth", "joints lie nearer to the truth"),
    "share": ("the heatmaps are less confident at the true position", "the heatmaps are more confident at the true position"),
}

_MISLEADING = " Read as influence, the relation would mislead."


def loss_words(item: Interval, digits: int = 2) -> str:
    """Print a loss in percent, and whether it is significant."""
    if np.isnan(item.low):
        found = "no interval"
    else:
        found = "a loss" if item.low > 0 else "a gain" if item.high < 0 else "inconclusive"
    return f"{100 * item.estimate:+.{digits}f} ({found})"


def replacement_verdict(losses: Mapping[str, Interval]) -> str:
    """Sum up a replacement. losses: by measure, those of MEASURED; joints found count before finer measures."""
    if all(np.isnan(item.low) for item in losses.values()):
        return "Too few groups to say."
    if losses["pck"].excludes_zero:
        fewer = losses["pck"].low > 0
        return f"The network finds {'fewer' if fewer else 'more'} joints than with its own relations."
    losing = [words[0] for name, words in FINER.items() if losses[name].low > 0]
    gaining = [words[1] for name, words in FINER.items() if losses[name].high < 0]
    if not losing + gaining:
        return "Inconclusive."
    finer = ", but ".join(" and ".join(said) for said in (losing, gaining) if said)
    return f"Whether more or fewer joints are found is inconclusive; {finer}."


def replacements_words(effects: Mapping[tuple[str, str, str], Interval], names: Sequence[str]) -> str:
    """List, for each replacement, its losses over all joints and what they amount to.

    effects  by measure, name of the replacement, and visibility subset. names: of the replacements.
    """
    lines = []
    for name in names:
        losses = {measure: effects[measure, name, "all"] for measure in MEASURED}
        values = ", ".join(loss_words(item) for item in losses.values())
        lines.append(f"{IN_PLACE.get(name, name)}: {values}. **{replacement_verdict(losses)}**")
    return bullets(lines)


def weaker_words(share: Interval, sums: str) -> str:
    """Say whether asymmetry is explained by whose heatmap is weaker.

    share  of the pairs of joints, those in which the weaker heatmap takes more ("rows") or gives more ("columns").
    """
    verb = "takes" if sums == "rows" else "gives"
    text = f"Of all pairs of joints in all frames, the joint with the weaker heatmap {verb} more than the other in "
    text += f"{share.text(unit=' %', counted='frames')}. "
    if share.low > 0.9:
        return text + "**Asymmetry is about strength**: it says whose heatmap is weak."
    if share.low > 0.5:
        return text + "**Strength explains most of the asymmetry, but not all of it**: what a joint overlaps with counts too."
    if share.high < 0.5:
        return text + "**Strength does not explain the asymmetry**: more often it is the other way around."
    return text + "**Whether strength explains the asymmetry is inconclusive.**"


def pairs_table(
    means: Mapping[str, PairMeans],
    ranks: Mapping[str, Interval],
    ceilings: Mapping[str, float],
    losses: Mapping[str, np.ndarray],
    pairs: Sequence[tuple[int, int]],
    joints: Sequence[str],
) -> dict[str, dict[str, str]]:
    """Make one row per measure of what cutting single pairs costs.

    means, ranks, ceilings  by measure (`rpstn.metrics.pairs`). losses: by measure, of every joint, as `study` returns them.
    joints  names of all joints, as figures print them.
    """
    table = {}
    for key, title in MEASURES.items():
        worst = pairs[int(np.nanargmax(means[key].estimate))]
        part = own_share(losses[key], pairs)
        table[title] = {
            "largest loss": f"{100 * np.nanmax(means[key].estimate):+.3f}",
            "pair": " from ".join(joints[joint] for joint in worst),
            "largest gain": f"{-100 * np.nanmin(means[key].estimate):+.3f}",
            "significant pairs": str(int(means[key].significant.sum())),
            "rank correlation with the weight": ranks[key].brief(percent=False, signed=True, digits=2),
            "with losses on other groups": f"{ceilings[key]:+.2f}" if np.isfinite(ceilings[key]) else "",
            "share of the change in joint i itself": "" if np.isnan(part) else f"{part:.0%}",
        }
    return table


def pairs_words(means: Mapping[str, PairMeans], frames: int) -> str:
    """Say how many pairs of joints matter, by PCK and by the value at the true position."""
    pck, share = means["pck"], means["share"]
    ends = 100 * np.nan_to_num(pck.high, nan=-np.inf).max()
    largest = f"the largest mean loss is {100 * np.nanmax(pck.estimate):.2f} points"
    text = f"Each of {len(pck.estimate)} pairs was cut in {frames} frames from {pck.groups} groups. "
    if count := int(pck.significant.sum()):
        text += f"**For {count} of them, the PCK of the joint changes significantly**; {largest}."
    else:
        text += f"**None changes PCK significantly.** That does not mean that none matters: {largest}"
        text += f", and the pairs' own intervals end at {ends:.2f} points at most." if np.isfinite(ends) else "."
    return (
        f"{text} By the value at the true position, {int(share.significant.sum())} are significant, and the largest mean loss is "
        f"{100 * np.nanmax(share.estimate):.2f} % of the peak."
    )


def rank_words(rank: Interval, ceiling: float) -> str:
    """Say whether large weights go with large losses: their rank correlation, held against what noise in the losses allows.

    rank     `rpstn.metrics.pairs.rank_interval`. ceiling: `rank_ceiling` of the same losses.
    """
    value = rank.brief(percent=False, signed=True, digits=2) or "not known"
    text = f"Between a pair's weight and its loss at the true position, the rank correlation is {value}. "
    if np.isnan(rank.low):
        return text + "**That is too little data to say anything.**"
    text += (
        f"Noise in the losses alone keeps it below 1: losses measured on as many other groups would correlate with these at "
        f"about {ceiling:+.2f}, judging by halves of the groups. The bounds are cautious: each draw is noisier than the whole, "
        "which pulls them toward zero. "
    )
    below = rank.high < ceiling
    if rank.low > 0 and below:
        return text + f"**A large weight makes a loss more likely, but predicts it less well than other losses do.**{_MISLEADING}"
    if rank.low > 0:
        return text + "**The more a joint takes, the more it loses by the cut**, as far as such noisy losses can show."
    if rank.high < 0:
        return text + f"**Where the weight is large, the loss is smaller, or a gain.**{_MISLEADING}"
    if below:
        text += "**Whether the weight predicts the loss at all is inconclusive; it predicts it less well than other losses do.**"
        return text + _MISLEADING
    return text + "**Whether the weight predicts the loss is inconclusive**: the losses are too noisy."


def own_share_words(part: float) -> str:
    """Say how much of a cut's change lies in the refined joint itself (`own_share`); nothing for NaN."""
    if np.isnan(part):
        return ""
    only = "only " if part < 0.5 else ""
    return (
        f"Of the change caused by cutting a pair of row $i$, {only}{part:.0%} lies in joint $i$ and the rest in other joints: "
        "after the relation a 1x1 convolution mixes all joints, and another one has mixed them before it. The names of rows and "
        "columns are only convenient labels."
    )


def accumulation_words(growth: Interval, propagates: bool) -> str:
    """Say whether a cut in all frames costs more than a cut in one, in the value at the true position."""
    if not propagates:
        return "This network does not propagate, so the two are the same except for rounding."
    if np.isnan(growth.low):
        return "**Too few groups to say.**"
    amount = f"{100 * abs(growth.estimate):.3f} % of the peak"
    if growth.low > 0:
        return f"**A cut adds up over time**: in all frames it costs {amount} more than in one."
    if growth.high < 0:
        return f"**A cut does not add up over time**: in all frames it costs {amount} less than in one."
    return "**Whether a cut adds up over time is inconclusive.**"


def carried_table(added: Mapping[str, Mapping[str, Interval]], growth: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    """Make one row per measure: the mean loss of a cut in one frame and in all frames, and the difference."""
    return {
        MEASURES[measure]: {name: loss_words(item, 3) for name, item in parts.items()}
        | {"difference": loss_words(growth[measure], 3)}
        for measure, parts in added.items()
    }
