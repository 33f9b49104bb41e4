"""What occluders and cuts do is told as the intervals say."""

import numpy as np

from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval
from rpstn.notebooks import words
from rpstn.occlusion.question import Answer
from rpstn.occlusion.recovery import Effects

UP, DOWN, AROUND = Interval(0.1, 0.01, 0.2, 5, 30), Interval(-0.1, -0.2, -0.01, 5, 30), Interval(0.0, -0.1, 0.1, 5, 30)
NONE = Interval(0.1, np.nan, np.nan, 1, 1)


def test_a_horizon():
    bins = ((1, 1), (2, 4))
    assert words.horizon_words(HiddenCurve(bins, (UP, UP))) == "**up to 4 frames**"
    assert words.horizon_words(HiddenCurve(bins, (UP, AROUND))) == "**up to 1 frame**"
    assert words.horizon_words(HiddenCurve(bins, (AROUND, UP))) == "**no horizon**: the interval is not above zero after 1 frame"
    assert words.horizon_words(HiddenCurve(bins, (NONE, UP))) == "**too few groups to say**"
    assert words.horizons_words({"a - b": HiddenCurve(bins, (UP, UP))}) == "- a - b: **up to 4 frames**."


def effects(gain, carried):
    def item(low, high):
        return Interval((low + high) / 2, low, high, samples=40, groups=11)

    return Effects(item(0.5, 0.7), item(0.4, 0.6), gain, item(-0.1, 0.2), carried, item(0.01, 0.02), item(-0.01, 0.02))


FOUND = {"limb": effects(UP, DOWN), "half": effects(AROUND, AROUND)}


def test_effects_of_occluders_are_counted():
    assert words.effects_words(FOUND, "RPSTN", "alone").splitlines() == [
        "- **Hidden joints**: RPSTN finds more than alone under 1 of 2 kinds of occluders (limb), fewer under 0 of 2.",
        "- **Reappeared joints**: it finds more of them under 0 of 2, fewer under 0 of 2.",
        "- **Wrong poses carried on**: compared with itself on the unoccluded video, it finds fewer reappeared joints under 1 of "
        "2 (limb).",
        "- **Unoccluded joints**: their error grows under 2 of 2 (limb; half) for RPSTN, under 0 of 2 for alone.",
    ]


def test_effects_of_occluders_in_a_table():
    rows = words.effects_table({kind: {"alone": row, "other": row} for kind, row in FOUND.items()}, "RPSTN", "alone")
    assert rows["limb"]["gain over other"] == "+10.0 (+1.0 to +20.0)" and rows["half"]["their PCK, RPSTN (%)"] == "60.0"
    assert rows["limb"]["joints hidden for 1-5 frames"] == 40
    bare = Effects(*[Interval(np.nan, np.nan, np.nan, 0, 0)] * 7)
    assert words.effects_table({"half": {"alone": bare}}, "RPSTN", "alone")["half"]["their PCK, RPSTN (%)"] == ""


def answer(network, rule, gain):
    def share(value):
        return {"0.2 torso": Interval(value, value - 0.1, value + 0.1, 5, 30), "0.1 person": Interval(value, 0.1, 0.9, 5, 30)}

    return Answer("occluder", {"RPSTN": share(network), "alone": share(0.3), "hold": share(rule)}, ("hold",), {"alone": gain})


def test_an_answer_begins_with_the_rule_that_needs_no_image():
    assert words.answer_words(answer(0.4, 0.6, UP)) == (
        "**RPSTN finds fewer hidden joints than a rule that sees no image**: 40.0 %; *hold* finds 60.0 %. It finds significantly "
        "more than 1 of the 1 others (within 0.2 torso)."
    )
    assert words.answer_words(answer(0.7, 0.6, AROUND)) == (
        "**RPSTN finds more hidden joints than every rule that sees no image**: 70.0 %; *hold* finds 60.0 %. It finds "
        "significantly more than 0 of the 1 others (within 0.2 torso)."
    )
    nothing = Interval(np.nan, np.nan, np.nan, 0, 0)
    bare = Answer("anything", {"RPSTN": {"0.2 torso": nothing}, "hold": {"0.2 torso": nothing}}, ("hold",), {})
    assert words.answer_words(bare).startswith("No joint is hidden here")


def test_an_answer_in_a_table():
    rows = words.answer_table(answer(0.4, 0.6, UP))
    assert list(rows) == ["RPSTN", "alone", "*hold*"] and rows["*hold*"]["within 0.2 torso (%)"] == "60.0 (50.0 to 70.0)"
    assert (
        rows["alone"]["gain of the first over it"] == "+10.0 (+1.0 to +20.0)" and not rows["RPSTN"]["gain of the first over it"]
    )


def test_protocols_that_give_joints_away_are_named():
    limb, half = {"0.1 person": (0.12, 0.08), "0.2 person": (0.43, 0.24)}, {"0.1 person": (0.1, 0.05), "0.2 person": (0.3, 0.2)}
    guesses = {"limb": limb, "half": half}
    assert words.giveaway_words(guesses) == (
        "The middle of the patch is less than 10 points above chance within 0.1 person (at most 5.0 points). **No conclusion is "
        "drawn within 0.2 person (19.0 points)**: there the middle is too good a guess."
    )
    assert words.giveaway_words({"limb": {"0.1 person": (0.12, 0.08)}}).endswith("(at most 4.0 points).")
    assert words.giveaway_words({"limb": {"0.2 person": (0.4, 0.2)}}).startswith("**No conclusion")
    assert words.giveaway_table(guesses)["limb"]["within 0.2 person (%)"] == "43.0 / 24.0"
