"""What occluders and cuts do is told as the intervals say."""

import numpy as np

from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval
from rpstn.notebooks import words
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


FOUND = {"limb": effects(UP, DOWN), "bar": effects(AROUND, AROUND)}


def test_effects_of_occluders_are_counted():
    assert words.effects_words(FOUND, "RPSTN", "alone").splitlines() == [
        "- **Hidden joints**: RPSTN finds more than alone under 1 of 2 kinds of occluders (limb), fewer under 0 of 2.",
        "- **Reappeared joints**: it finds more of them under 0 of 2, fewer under 0 of 2.",
        "- **Wrong poses carried on**: compared with itself on the unoccluded video, it finds fewer reappeared joints under 1 of "
        "2 (limb).",
        "- **Unoccluded joints**: their error grows under 2 of 2 (limb; bar) for RPSTN, under 0 of 2 for alone.",
    ]


def test_effects_of_occluders_in_a_table():
    rows = words.effects_table({kind: {"alone": row, "other": row} for kind, row in FOUND.items()}, "RPSTN", "alone")
    assert rows["limb"]["gain over other"] == "+10.0 (+1.0 to +20.0)" and rows["bar"]["their PCK, RPSTN (%)"] == "60.0"
    assert rows["limb"]["joints hidden for 1-5 frames"] == 40
    bare = Effects(*[Interval(np.nan, np.nan, np.nan, 0, 0)] * 7)
    assert words.effects_table({"bar": {"alone": bare}}, "RPSTN", "alone")["bar"]["their PCK, RPSTN (%)"] == ""


def test_the_bins_of_a_gain():
    bins = ((1, 1), (2, 2), (3, 5))
    assert words.bins_words(HiddenCurve(bins, (UP, AROUND, DOWN)), "RPSTN", "alone") == (
        "Under occluders, RPSTN finds significantly more joints than alone in the bins **1** (frames hidden), and significantly "
        "fewer in the bins **3-5**. Bins tested, each by itself at 95 %: 3."
    )
    said = words.bins_words(HiddenCurve(bins, (AROUND, AROUND, NONE)), "RPSTN", "alone")
    assert said.endswith("more joints than alone in **no bin**. Bins tested, each by itself at 95 %: 2.")


def test_joints_hidden_in_the_clips_as_they_are():
    assert "**significantly more often**" in words.natural_words({"a - b": UP})
    assert words.natural_words({}) == "This data set does not say which joints are hidden, so there is nothing to compare here."
