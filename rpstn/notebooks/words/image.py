"""What the JRE adds to a network for single images, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpstn.metrics.intervals import Interval
from rpstn.metrics.tables import percent
from rpstn.models.cost import Cost
from rpstn.notebooks.words.common import POINTS, finding, no_difference


def network_costs(alone: Cost, both: Cost) -> dict[str, str]:
    """Make a row of what a network costs, and what the JRE adds to it."""
    return {
        "parameters (million)": f"{alone.parameters / 1e6:.2f}",
        "multiply-adds (billion)": f"{alone.multiply_adds / 1e9:.2f}",
        "GFLOPs as their papers report": f"{alone.reported:.1f}",
        "JRE: parameters": f"+ {both.parameters - alone.parameters}",
        "JRE: multiply-adds": f"+ {both.multiply_adds / alone.multiply_adds - 1:.3%}",
    }


def network_scores(cost: Cost, seconds: float, metrics: Mapping[str, Any]) -> dict[str, str]:
    """Make a column of what a network costs and scores; measures that its data set does not have are left out."""
    column = {
        "parameters": f"{cost.parameters:,}",
        "multiply-adds (million)": f"{cost.multiply_adds / 1e6:.2f}",
        "time per image (ms)": f"{1e3 * seconds:.2f}",
    }
    for reference in ("person", "torso"):
        mean = metrics["scores"][reference]["all"]["mean"]
        if mean is not None:
            column[f"PCK@0.2, {reference} (%)"] = percent(mean)
    oks = metrics.get("oks", {})
    if oks.get("mean") is not None:
        column |= {key: percent(oks[key]) for key in ("AP", "AP50", "AP75", "AR")}
    return column


def jre_words(effect: Interval, chance: Interval) -> str:
    """Say whether the JRE changes the score, and by more than another training without it does.

    effect  PCK with the JRE minus without. chance: without it again, on other samples, minus without.
    """
    text = (
        f"All joints by person size: with the JRE minus without, {effect.text(signed=True, digits=2, unit=POINTS)}; without it "
        f"again, on other samples, {chance.text(signed=True, digits=2, unit=POINTS)}. "
    )
    if not effect.excludes_zero:
        return text + f"**{finding(effect, inconclusive=no_difference(effect), nothing='too few groups to say').capitalize()}**."
    if abs(effect.estimate) <= abs(chance.estimate):
        return (
            text
            + "**The difference is no larger than that between two trainings without the JRE**, so it cannot be attributed to it."
        )
    more = "more" if effect.low > 0 else "fewer"
    return text + (
        f"**The network finds {more} joints with the JRE**, and the difference is larger than that between two trainings without "
        "it. Two trainings are few to judge chance by; more seeds would say more."
    )


def used_words(used: Interval) -> str:
    """Say whether a network uses its relations. used: its PCK with them minus with the identity in their place."""
    found = finding(
        used,
        "the network does better with them than with each joint by itself",
        "the network would do better if each joint kept to itself",
        "inconclusive. If the JRE adds anything to the network, it may come from its two convolutions alone, which mix joints in "
        "the same way for every image",
        "too few groups to say",
    )
    return f"The relations change the score by {used.text(signed=True, digits=2, unit=POINTS)}: {found}."
