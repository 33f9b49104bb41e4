"""What occluders and cuts do to a network, and what propagation gains or loses by them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpstn.metrics.hidden import HiddenCurve
from rpstn.notebooks.words.common import bullets, listed, plural, points, significant_in
from rpstn.occlusion.baselines import GIVEAWAY
from rpstn.occlusion.question import ASKED_MEASURE, Answer
from rpstn.occlusion.recovery import Effects, horizon


def answer_table(answer: Answer) -> dict[str, dict[str, str]]:
    """Make one row per network and rule: the share that it finds, by measure, and what the first network finds more."""
    return {
        f"*{name}*" if name in answer.rules else name: {
            "joints": str(next(iter(measures.values())).samples),
            **{f"within {measure} (%)": found.brief() for measure, found in measures.items()},
            "gain of the first over it": points(answer.gains[name]) if name in answer.gains else "",
        }
        for name, measures in answer.rows.items()
    }


def answer_words(answer: Answer) -> str:
    """Say whether the first network finds more hidden joints than the others, and than the best rule; the worse news first."""
    names = [name for name in answer.rows if name not in answer.rules]
    first, shares = names[0], {name: measures[ASKED_MEASURE] for name, measures in answer.rows.items()}
    if not shares[first].samples:
        return "No joint is hidden here after it was visible, so there is nothing to compare."
    best = max(answer.rules, key=lambda name: shares[name].estimate)
    finds, its = (f"{100 * shares[name].estimate:.1f} %" for name in (first, best))
    if shares[best].estimate > shares[first].estimate:
        said = f"**{first} finds fewer hidden joints than a rule that sees no image**: {finds}; *{best}* finds {its}."
    else:
        said = f"**{first} finds more hidden joints than every rule that sees no image**: {finds}; *{best}* finds {its}."
    beaten = sum(item.low > 0 for item in answer.gains.values())
    return f"{said} It finds significantly more than {beaten} of the {len(answer.gains)} others (within {ASKED_MEASURE})."


def giveaway_table(guesses: Mapping[str, Mapping[str, tuple[float, float]]]) -> dict[str, dict[str, str]]:
    """Make one row per protocol: what the middle of its patch finds, and a point drawn in it, by measure.

    guesses  by protocol and measure: `rpstn.occlusion.baselines.middle_and_chance`.
    """
    return {
        protocol: {
            f"within {measure} (%)": f"{100 * middle:.1f} / {100 * chance:.1f}" for measure, (middle, chance) in measures.items()
        }
        for protocol, measures in guesses.items()
    }


def giveaway_words(guesses: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Name the measures by which some protocol's patches tell where joints are, and those by which none does."""
    measures = list(dict.fromkeys(measure for found in guesses.values() for measure in found))
    worst = {measure: max(found[measure][0] - found[measure][1] for found in guesses.values()) for measure in measures}
    honest = [f"{measure} (at most {100 * gap:.1f} points)" for measure, gap in worst.items() if gap <= GIVEAWAY]
    rest = [f"{measure} ({100 * gap:.1f} points)" for measure, gap in worst.items() if gap > GIVEAWAY]
    lines = []
    if honest:
        lines.append(f"The middle of the patch is less than {100 * GIVEAWAY:.0f} points above chance within {listed(honest)}.")
    if rest:
        lines.append(f"**No conclusion is drawn within {listed(rest)}**: there the middle is too good a guess.")
    return " ".join(lines)


def horizon_words(gain: HiddenCurve) -> str:
    """Say up to how many frames a gain lasts (`rpstn.occlusion.recovery.horizon`), or that it does not."""
    frames = horizon(gain)
    if frames is None:
        return "**too few groups to say**"
    if not frames:
        return f"**no horizon**: the interval is not above zero after {gain.labels[0]} frame"
    return f"**up to {plural(frames, 'frame')}**"


def horizons_words(gains: Mapping[str, HiddenCurve]) -> str:
    """List the horizon of several gains."""
    return bullets(f"{name}: {horizon_words(gain)}." for name, gain in gains.items())


def effects_table(found: Mapping[str, Mapping[str, Effects]], network: str, baseline: str) -> dict[str, dict[str, Any]]:
    """Make one row per kind of occluder of what it does to a network.

    found  by kind of occluder, then by the other networks: `rpstn.occlusion.recovery.effects` of `network` beside each.
    """
    return {
        kind: {
            "joints hidden for 1-5 frames": row[baseline].hidden.samples,
            f"their PCK, {network} (%)": f"{100 * row[baseline].hidden.estimate:.1f}" if row[baseline].hidden.samples else "",
            **{f"gain over {name}": points(effects.gain) for name, effects in row.items()},
            f"reappeared 1-3 frames ago: gain over {baseline}": points(row[baseline].reappeared_gain),
            f"reappeared: {network}, change": points(row[baseline].reappeared_cost),
            f"unoccluded joints: error of {network}, change": points(row[baseline].unoccluded_joints),
            f"unoccluded joints: error of {baseline}, change": points(row[baseline].unoccluded_joints_baseline),
        }
        for kind, row in found.items()
    }


def effects_words(found: Mapping[str, Effects], network: str, baseline: str) -> str:
    """Count the kinds of occluders under which a network finds more or fewer joints than a baseline, and name them."""

    def among(name: str, sign: int, noun: str = "") -> str:
        return significant_in({kind: getattr(row, name) for kind, row in found.items()}, sign, noun)

    return bullets(
        [
            f"**Hidden joints**: {network} finds more than {baseline} under {among('gain', 1, 'kinds of occluders')}, fewer "
            f"under {among('gain', -1)}.",
            f"**Reappeared joints**: it finds more of them under {among('reappeared_gain', 1)}, fewer under "
            f"{among('reappeared_gain', -1)}.",
            f"**Wrong poses carried on**: compared with itself on the unoccluded video, it finds fewer reappeared joints under "
            f"{among('reappeared_cost', -1)}.",
            f"**Unoccluded joints**: their error grows under {among('unoccluded_joints', 1)} for {network}, under "
            f"{among('unoccluded_joints_baseline', 1)} for {baseline}.",
        ]
    )
