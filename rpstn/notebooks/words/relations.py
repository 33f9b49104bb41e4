"""What a learned relation looks like: near the identity or not, and what it changes with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.metrics.intervals import Interval
from rpstn.models.config import RPSTNConfig
from rpstn.models.effect import RelationEffect
from rpstn.notebooks.words.common import POINTS, finding, listed

# Where most of the variance of the weights lies, in the words of a conclusion.
_LARGEST = {
    "actions": "**The relation differs most from action to action.**",
    "groups": (
        "**The relation differs most from group to group** within an action: it depends on the single motion more than on the "
        "action."
    ),
    "clips": "**The relation differs most from clip to clip**: it depends on the person and the view more than on the motion.",
    "frames": "**The relation differs most from frame to frame**: it follows the pose, not the kind of motion.",
}
_STAGES = {"ideal heatmaps": "ideal heatmaps", "start": "at the start", "trained": "after training"}


def relations_row(path: Path, config: RPSTNConfig, clips: int, groups: int) -> dict[str, Any]:
    """Make a row of whose relations are shown, and over what they are taken."""
    weights = f"{path.parent.name}/{path.name}"
    return {
        "weights": weights,
        "relation scale": config.relation_scale,
        "relation layout": config.relation_layout,
        "test clips": clips,
        "groups": groups,
    }


def effect_statement(effect: RelationEffect) -> str:
    """Say in how far a relation does anything, before it is looked at; the absence of an effect first."""
    text = f"{effect.words[0].upper()}{effect.words[1:]}."
    if effect.none:
        return (
            "**The relation shown here has no effect.** Whatever it looks like, the network finds the same joints without it. "
            f"{text} What follows describes a matrix, not an influence."
        )
    return f"What the network would do without it: {text[0].lower()}{text[1:]}"


def closeness(mass: float, uniform: float) -> str:
    """Say whether a relation is close to the identity, close to uniform, or neither.

    mass     share of its weight that lies off the diagonal; uniform: that of a uniform relation.
    """
    if mass < 0.05:
        return "**The relation is close to the identity**: most joints keep to themselves."
    if mass > 0.9 * uniform:
        return "**The relation is close to uniform**: it hardly distinguishes joints."
    return "**The relation is neither the identity nor uniform.**"


def resemblance(correlation: float) -> str:
    """Say whether a relation resembles that of ideal heatmaps off the diagonal, by the correlation of their weights."""
    if correlation > 0.7:
        return (
            f"Off the diagonal it resembles the relation of ideal heatmaps (correlation {correlation:.2f}): what relates two "
            "joints is mostly that they are near each other in the image."
        )
    return f"Off the diagonal it differs from the relation of ideal heatmaps (correlation {correlation:.2f})."


def cycle_words(residuals: np.ndarray) -> str:
    """Say whether a relation is asymmetric beyond its divisors: what three logarithms add up to at most, by frame."""
    if not len(residuals):
        return (
            "In no frame do three joints all take from each other: the softmax chooses a single joint, and zeros have no ratio."
        )
    largest = (
        f"Over all triples of joints in {len(residuals)} frames, the three logarithms add up to {residuals.max():.1e} at most. "
    )
    if residuals.max() < 0.01:
        return largest + "The asymmetry of each of these matrices is one number per joint, as the formula says."
    return largest + "This relation is asymmetric beyond its divisors, as with a manual graph."


def variance_words(shares: Mapping[str, float], single: int) -> str:
    """Say where most of the variance of the weights lies.

    shares  by level, `rpstn.relations.variance_shares`. single: number of actions with one group alone.
    """
    if np.isnan(shares["frames"]):
        return "No weight off the diagonal differs between any two frames: **one matrix serves them all.**"
    largest = max(shares, key=lambda level: shares[level])
    if largest == "actions" and single:
        return (
            "**The relation differs most between kinds of motion**; whether it depends on the action or on the single motion is "
            f"inconclusive, since {single} of the actions have one group alone."
        )
    return _LARGEST[largest]


def hidden_weight_words(contrast: Interval, sums: str) -> str:
    """Say whether a joint takes more from others when it is occluded.

    contrast  occluded minus visible, within each joint. sums: "rows" or "columns", which of the relation sum to 1.
    """
    if not contrast.samples:
        return "This data set does not say which joints were occluded, so the question stays open here."
    taken = finding(
        contrast,
        "**a joint takes more from others when it is occluded**",
        "**a joint takes less from others when it is occluded**",
    )
    text = f"Occluded minus visible, the same joint: {contrast.text(signed=True, digits=2, unit=POINTS)}: {taken}."
    if sums == "columns":
        text += (
            " In this layout columns sum to 1, so a share is what a joint's row gives to others, out of its own sum; and since "
            "the product is read in another memory order, it does not say whose heatmap is taken."
        )
    return text


def scale_table(study: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Make one row per scale of the study `results/relation_scale.json`: weight off the diagonal, entropy, and PCK, by stage."""
    return {
        scale: {
            **{f"off the diagonal, {title} (%)": 100 * row[key]["off_diagonal_mass"] for key, title in _STAGES.items()},
            **{f"entropy, {title}": row[key]["entropy"] for key, title in _STAGES.items()},
            **{f"PCK@0.2, {_STAGES[key]} (%)": 100 * row[key]["pck"] for key in ("start", "trained")},
        }
        for scale, row in study["rows"].items()
    }


def scale_words(study: Mapping[str, Any]) -> str:
    """Say whether the relation without a scale collapses to the identity."""
    on, plain = study["measured_on"], study["rows"]["none"]
    collapsed = [_STAGES[stage] for stage in ("start", "trained") if plain[stage]["off_diagonal_mass"] < 0.05]
    said = f"is nearly the identity {listed(collapsed)}" if collapsed else "collapses neither at the start nor after training"
    return (
        f"Measured on {on['clips']} {on['split']} clips of `{on['data_set']}`, after {on['steps']:,} steps each. "
        f"**Without a scale, the relation {said}.** The learned factor ends at "
        f"{study['rows']['learned']['trained']['factor']:.2f}."
    )
