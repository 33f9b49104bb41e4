"""The correct score and the released one, on the same predictions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rpstn.metrics.intervals import Interval
from rpstn.notebooks.noise import NoiseScores, reaches

Rule = tuple[str, str]  # metric "correct" or "released", reference "torso" or "person"

REFERENCES = ("torso", "person")


def coverage_words(covers: bool) -> str:
    """Say whether the released circle by person size holds the whole map."""
    if covers:
        return "**By person size, the released circle holds the whole map, so no prediction can be wrong.**"
    return "By person size, the released circle holds only part of the map."


def noise_table(scores: NoiseScores, strict: Mapping[Rule, float], looked_at: float) -> dict[str, dict[str, str]]:
    """Make one row per rule: PCK of the truth with the least noise and with one more, of guesses, and the noise that halves it.

    strict  by rule, what guesses score at threshold 1. looked_at: one of the standard deviations of `scores`, map px.
    """
    column = scores.standard_deviations.index(looked_at)
    table = {}
    for rule, values in scores.values.items():
        half = reaches(scores, *rule)
        table[", ".join(rule)] = {
            f"truth, noise {scores.standard_deviations[0]:g} px": f"{values[0]:.3f}",
            f"truth, noise {looked_at:g} px": f"{values[column]:.3f}",
            "noise that halves it, px": f"{half:.1f}" if np.isfinite(half) else f"above {scores.standard_deviations[-1]:g}",
            "guesses": f"{scores.guesses[rule]:.3f}",
            "guesses, threshold 1": f"{strict[rule]:.3f}",
        }
    return table


def guessing_words(guesses: float, lowest: float) -> str:
    """Say whether the released score by person size distinguishes a network from guesses; nothing where it does.

    guesses  their score, a fraction. lowest: that of the worst network.
    """
    if guesses <= 0.99:
        return ""
    return (
        f"By person size, no network here scores below {100 * lowest:.1f} by the released rule, and guesses score "
        f"{100 * guesses:.1f}: **that score does not distinguish a network from no network.**"
    )


def gaps_table(largest: Mapping[Rule, Interval]) -> dict[str, dict[str, str]]:
    """Make one row per rule: the largest difference between networks, and whether it is significantly different from zero."""
    return {
        ", ".join(rule): {
            "largest difference (points)": f"{100 * abs(item.estimate):.2f}",
            "from zero": "significantly different" if item.excludes_zero else "inconclusive",
        }
        for rule, item in largest.items()
    }


def compression_words(largest: Mapping[Rule, Interval]) -> str:
    """Say whether the released rule leaves less of the difference between networks than the correct one, by both references."""
    size = {rule: abs(item.estimate) for rule, item in largest.items()}
    if all(size["released", reference] < size["correct", reference] for reference in REFERENCES):
        return "**In these numbers, the released rule leaves less of the difference than the correct one**, by both sizes."
    return "**In these numbers, the released rule leaves less of the difference by one of the two sizes at most.**"
