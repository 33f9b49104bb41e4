"""What an intervention costs, in the words that its intervals carry; see `rpstn.effects`."""

from __future__ import annotations

from collections.abc import Mapping

from rpstn.metrics.intervals import Interval

# The measures that a reader is shown, with their units; a loss is positive in all of them.
MEASURED = {"pck": "PCK@0.2 (points)", "distance": "distance (% of person)", "share": "value at the truth (% of peak)"}

# What stands in the relation's place, by the name of the intervention.
IN_PLACE = {
    "identity": "each joint keeping to itself",
    "average": "the data set's average in every frame",
    "uniform": "all joints alike",
    "permuted": "the relations of other joints",
}


def answer(item: Interval, digits: int = 2) -> str:
    """A loss in percent, and whether it can be told from zero."""
    told = "a loss" if item.low > 0 else "a gain" if item.high < 0 else "not told apart from zero"
    return f"{100 * item.estimate:+.{digits}f} ({told})"


def verdict(losses: Mapping[str, Interval]) -> str:
    """One sentence on a replacement. losses: by measure, those of MEASURED; joints found count before finer measures."""
    losing = [name for name, item in losses.items() if item.low > 0]
    gaining = [name for name, item in losses.items() if item.high < 0]
    if "pck" in losing:
        return "The network finds fewer joints without its own relations."
    if "pck" in gaining:
        return "The network finds more joints so than with its own relations."
    if losing and gaining:
        return "The measures disagree."
    if losing:
        return "No joint more or less is found; the heatmaps are less sure of the place."
    if gaining:
        return "No joint more or less is found; the heatmaps are surer of the place than with the learned relations."
    return "It makes no difference that can be told."
