"""What is said of two networks' training is what their manifests say."""

import numpy as np
import pytest

from rpstn.comparison import horizon_words, how_trained, points, told_in, told_in_words
from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval

RUN = {
    "steps": 350, "init": "runs/a/encoder/best.pt", "lr": 0.0015, "relation": "on", "propagation": "matching",
    "out": "runs/a/rpstn", "augmentation": {"flip": 0.5},
}  # fmt: skip


def test_a_fair_comparison_is_called_one():
    plain = RUN | {"relation": "off", "propagation": "none", "out": "runs/a/frame_by_frame"}
    said = how_trained({"RPSTN": RUN, "frame by frame": plain})
    assert said == "Both networks made 350 training steps from the same encoder."
    assert how_trained({"a": RUN, "b": plain, "c": RUN}).startswith("All 3 networks made 350 training steps from the same")


@pytest.mark.parametrize(
    "change, expected, absent",
    [
        ({"steps": 700}, "different numbers of training steps (RPSTN: 350, alone: 700) from the same encoder", "also differ"),
        ({"init": "runs/b/encoder/best.pt"}, "different starts (RPSTN: `runs/a/encoder/best.pt`, alone: `runs/b/", "same enc"),
        ({"init": None}, "alone: fresh weights", "the same encoder"),
        ({"lr": 0.003}, "also differ in lr (RPSTN: 0.0015, alone: 0.003)", "different"),
        ({"augmentation": {"flip": 0.0}}, "also differ in augmentation.", "flip"),
    ],
)
def test_a_difference_is_named(change, expected, absent):
    said = how_trained({"RPSTN": RUN, "alone": RUN | change})
    assert expected in said and absent not in said


def test_what_is_not_known_is_not_claimed():
    said = how_trained({"RPSTN": RUN, "alone": None})
    assert "alone" in said and "not known" in said and "same" not in said
    both = how_trained({"a": RUN | {"init": None}, "b": RUN | {"init": None}})
    assert both == "Both networks made 350 training steps from fresh weights."
    with pytest.raises(ValueError, match="no network"):
        how_trained({})


def test_differences_are_told_as_their_intervals_say():
    up, down, around = Interval(0.02, 0.01, 0.03, 5, 50), Interval(-0.02, -0.03, -0.01, 5, 50), Interval(0.01, -0.01, 0.03, 5, 50)
    none, single = Interval(np.nan, np.nan, np.nan, 0, 0), Interval(0.5, np.nan, np.nan, 1, 9)
    assert [told_in_words(item, "above", "below", "neither", "nothing") for item in (up, down, around, none, single)] == [
        "above", "below", "neither", "nothing", "nothing",
    ]  # fmt: skip
    cases = {"a": up, "b": down, "c": around, "d": up, "e": none}
    assert (
        told_in(cases, 1) == "2 of 4 (a; d)"
        and told_in(cases, -1) == "1 of 4 (b)"
        and told_in({"c": around}, 1, "kinds") == "0 of 1 kinds"
    )
    assert points(up) == "+2.0 (+1.0 to +3.0)" and points(none) == "" and points(single) == "+50.0 (no interval)"


def test_a_horizon_in_words():
    up, around = Interval(0.02, 0.01, 0.03, 5, 50), Interval(0.01, -0.01, 0.03, 5, 50)
    bins = ((1, 1), (2, 4))
    assert horizon_words(HiddenCurve(bins, (up, up))) == "**up to 4 frames**"
    assert horizon_words(HiddenCurve(bins, (up, around))) == "**up to 1 frame**"
    assert "no horizon" in horizon_words(HiddenCurve(bins, (around, up)))
    assert "nothing can be said" in horizon_words(HiddenCurve(bins, (Interval(0.1, np.nan, np.nan, 1, 5), up)))
