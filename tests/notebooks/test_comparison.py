"""What is said of two networks' training is what their manifests say."""

import numpy as np
import pytest

from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval
from rpstn.notebooks.words import (
    effects_table,
    effects_words,
    horizon_words,
    how_trained,
    left_out,
    points,
    told_in,
    told_in_words,
    verdict_words,
)
from rpstn.occlusion.recovery import Effects

RUN = {
    "steps": 350, "init": "runs/a/encoder/best.pt", "lr": 0.0015, "relation": "on", "propagation": "matching",
    "out": "runs/a/rpstn", "augmentation": {"flip": 0.5},
}  # fmt: skip


def test_a_fair_comparison_is_called_one():
    plain = RUN | {"relation": "off", "propagation": "none", "out": "runs/a/frame_by_frame"}
    said = how_trained({"RPSTN": RUN, "frame by frame": plain})
    assert said == "Both networks made 350 training steps from the same encoder."
    # A run of an older version says nothing of settings that came later.
    later = plain | {"aux_dataset": None, "aux_fraction": 0.5, "aux_root": "lsp"}
    assert how_trained({"RPSTN": RUN, "frame by frame": later}) == said
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


def test_clips_that_were_left_out_are_counted():
    assert f"14 clips{left_out(2, 'with nothing to hide')}" == "14 clips (left out: 2 with nothing to hide)"
    assert left_out(0, "with nothing to hide") == ""


def test_a_horizon_in_words():
    up, around = Interval(0.02, 0.01, 0.03, 5, 50), Interval(0.01, -0.01, 0.03, 5, 50)
    bins = ((1, 1), (2, 4))
    assert horizon_words(HiddenCurve(bins, (up, up))) == "**up to 4 frames**"
    assert horizon_words(HiddenCurve(bins, (up, around))) == "**up to 1 frame**"
    assert "no horizon" in horizon_words(HiddenCurve(bins, (around, up)))
    assert "nothing can be said" in horizon_words(HiddenCurve(bins, (Interval(0.1, np.nan, np.nan, 1, 5), up)))


def test_effects_of_occluders_are_counted_and_tabled():
    def item(low, high):
        return Interval((low + high) / 2, low, high, samples=40, groups=11)

    def row(gain, carried):
        return Effects(item(0.5, 0.7), item(0.4, 0.6), gain, item(-0.1, 0.2), carried, item(0.01, 0.02), item(-0.01, 0.02))

    found = {"limb": row(item(0.01, 0.03), item(-0.05, -0.01)), "bar": row(item(-0.02, 0.03), item(-0.02, 0.03))}
    said = effects_words(found, "RPSTN", "alone")
    assert "RPSTN finds more than alone in 1 of 2 kinds of occluders (limb), fewer in 0 of 2." in said
    assert "finds fewer of the joints that are back in 1 of 2 (limb)" in said
    assert "error grows in 2 of 2 (limb; bar) for RPSTN, in 0 of 2 for alone" in said
    rows = effects_table({kind: {"alone": effects, "other": effects} for kind, effects in found.items()}, "RPSTN", "alone")
    assert rows["limb"]["gain over other"] == points(found["limb"].gain) and rows["bar"]["PCK there, RPSTN (%)"] == "60.0"


def test_a_gains_bins_in_words():
    bins = ((1, 1), (2, 2), (3, 5))
    up, around, down = Interval(0.1, 0.01, 0.2, 30, 5), Interval(0.0, -0.1, 0.1, 30, 5), Interval(-0.1, -0.2, -0.01, 30, 5)
    said = verdict_words(HiddenCurve(bins, (up, around, down)), "RPSTN", "alone")
    assert "hidden for **1** frames, and one below zero for **3-5** frames, among 3 bins" in said
    untold = verdict_words(HiddenCurve(bins, (around, around, Interval(0.1, np.nan, np.nan, 1, 1))), "RPSTN", "alone")
    assert "**no** number of frames, among 2 bins" in untold
