"""What is said of networks' training and scores: what their manifests and metrics say, as a reader sees it."""

import numpy as np
import pytest

from rpstn.metrics.intervals import Interval
from rpstn.notebooks import words

RUN = {
    "steps": 350, "init": "runs/a/encoder/best.safetensors", "lr": 0.0015, "relation": "on", "propagation": "matching",
    "out": "runs/a/rpstn", "augmentation": {"flip": 0.5},
}  # fmt: skip


def test_a_fair_comparison_is_called_one():
    plain = RUN | {"relation": "off", "propagation": "none", "out": "runs/a/frame_by_frame"}
    said = words.how_trained({"RPSTN": RUN, "frame by frame": plain})
    assert said == "Both networks were trained for 350 steps, starting from the same encoder."
    # A run of an older version says nothing of settings that came later.
    later = plain | {"aux_dataset": None, "aux_fraction": 0.5, "aux_root": "lsp"}
    assert words.how_trained({"RPSTN": RUN, "frame by frame": later}) == said
    three = words.how_trained({"a": RUN, "b": plain, "c": RUN})
    assert three == "All 3 networks were trained for 350 steps, starting from the same encoder."
    assert words.how_trained({"a": RUN}) == "a was trained for 350 steps, starting from `runs/a/encoder/best.safetensors`."


@pytest.mark.parametrize(
    "change, expected, absent",
    [
        (
            {"steps": 700},
            "for different numbers of steps (RPSTN: 350, alone: 700), starting from the same encoder",
            "also differ",
        ),
        (
            {"init": "runs/b/encoder/best.safetensors"},
            "different weights (RPSTN: `runs/a/encoder/best.safetensors`, alone: `runs/b/",
            "same enc",
        ),
        ({"init": None}, "alone: random weights", "the same encoder"),
        ({"lr": 0.003}, "also differ in lr (RPSTN: 0.0015, alone: 0.003)", "different"),
        ({"augmentation": {"flip": 0.0}}, "also differ in augmentation.", "flip"),
    ],
)
def test_a_difference_is_named(change, expected, absent):
    said = words.how_trained({"RPSTN": RUN, "alone": RUN | change})
    assert expected in said and absent not in said


def test_what_is_not_known_is_not_claimed():
    said = words.how_trained({"RPSTN": RUN, "alone": None})
    assert said == (
        "How alone was trained is not known, since its weights come without a manifest; a difference may be due to training."
    )
    both = words.how_trained({"a": RUN | {"init": None}, "b": RUN | {"init": None}})
    assert both == "Both networks were trained for 350 steps, starting from random weights."
    with pytest.raises(ValueError, match="no network"):
        words.how_trained({})


UP, DOWN = Interval(0.02, 0.01, 0.03, 5, 50), Interval(-0.02, -0.03, -0.01, 5, 50)
AROUND, NONE, SINGLE = Interval(0.01, -0.01, 0.03, 5, 50), Interval(*[np.nan] * 3, 0, 0), Interval(0.5, np.nan, np.nan, 1, 9)


def test_differences_are_told_as_their_intervals_say():
    chosen = [words.finding(item, "above", "below", "neither", "nothing") for item in (UP, DOWN, AROUND, NONE, SINGLE)]
    assert chosen == ["above", "below", "neither", "nothing", "nothing"]
    cases = {"a": UP, "b": DOWN, "c": AROUND, "d": UP, "e": NONE}
    assert words.significant_in(cases, 1) == "2 of 4 (a; d)" and words.significant_in(cases, -1) == "1 of 4 (b)"
    assert words.significant_in({"c": AROUND}, 1, "kinds") == "0 of 1 kinds"
    assert (
        words.points(UP) == "+2.0 (+1.0 to +3.0)" and words.points(NONE) == "" and words.points(SINGLE) == "+50.0 (no interval)"
    )
    lines = words.differences({"a - b": UP, "a - c": AROUND, "a - d": SINGLE, "none": NONE}).splitlines()
    assert lines == [
        "- a - b: +2.0 percentage points (95 % interval +1.0 to +3.0; 50 joints, 5 groups): **significantly more often**.",
        "- a - c: +1.0 percentage points (95 % interval -1.0 to +3.0; 50 joints, 5 groups): **no significant difference "
        "(smallest detectable effect 2.7)**.",
        "- a - d: +50.0 percentage points (no interval; 9 joints, 1 group): **too few groups to say**.",
    ]
    assert words.differences({"a": DOWN}, "**yes**", "**no**").endswith("**no**.")


def test_small_phrases():
    assert words.excluded(2, "nothing to hide") == " (2 excluded: nothing to hide)" and words.excluded(0, "nothing") == ""
    assert words.listed(["a"]) == "a" and words.listed(["a", "b", "c"]) == "a, b and c"
    assert words.plural(1, "frame") == "1 frame" and words.plural(1200, "frame") == "1,200 frames"


def part(**more):
    return {"mean": 0.25, "interval": [0.2, 0.3], "joint_types": {"head": 0.5, "neck": None}, "groups": 4, "samples": 30} | more


def scores(**more):
    subsets = {subset: part(**more) for subset in ("all", "visible", "occluded")}
    return {"RPSTN": {"person": subsets, "torso": subsets}}


def test_scores_in_a_table():
    row = words.score_table(scores(), {"RPSTN": {"steps": 7}}, "person")["RPSTN"]
    assert row == {"mean, all joints": "25.0", "95 % interval": "20.0 to 30.0", "head": "50.0", "groups": 4, "steps": 7}
    row = words.score_table(scores(interval=[None, None], joints_scored=13, mean_scored=0.5), {"RPSTN": None}, "torso")["RPSTN"]
    assert row["95 % interval"] == "none" and row["mean, 13 joints"] == "50.0" and row["steps"] == "not known"


def test_visible_and_occluded_joints_apart():
    table = words.subset_table(scores(), {"occluded_joints": 3})
    assert table["person size", "occluded"] == {"joints scored": "30", "RPSTN": "25.0"} and len(table) == 6
    assert ("person size", "occluded") not in words.subset_table(scores(), {"occluded_joints": 0})


def test_what_was_counted():
    counted = dict.fromkeys(("clips", "groups", "frames", "visible_joints", "occluded_joints", "absent_joints"), 2)
    row = words.counts_table(counted | {"frames_without_reference": {"torso": 1}})
    assert row["visible joints"] == 2 and row["frames without a torso"] == 1
    assert words.counts_table(counted)["frames without a torso"] == 0


def test_motions_that_are_held_out():
    assert words.held_out_words(["kick", "run"]) == "Held out of training as whole motions: **kick, run**."
    assert words.held_out_words([]) == "In this data set, no motion is held out for the test split."
    found = {"clips": 9} | scores()["RPSTN"]
    table = words.held_out_table({"RPSTN": {"held_out": found, "not_held_out": {"clips": 0}}})
    assert list(table) == [("held out", "person size"), ("held out", "torso size")]
    assert table["held out", "torso size"] == {"clips": 9, "groups": 4, "RPSTN": "25.0 (20.0 to 30.0)"}
    few = {"clips": 9} | scores(interval=[None, None])["RPSTN"]
    assert words.held_out_table({"a": {"held_out": few}})["held out", "person size"]["a"] == "25.0 (no interval)"
    assert words.held_out_table({"RPSTN": {}}) == {}


def test_gains_on_hidden_joints():
    trainings = {"RPSTN": RUN, "alone": RUN}
    said = words.hidden_gain_words({"RPSTN": UP}, {"RPSTN": "alone"}, trainings)
    assert said == (
        "- **RPSTN** minus alone, joints hidden for up to 5 frames, within 0.2 torso: +2.0 percentage points "
        "(95 % interval +1.0 to +3.0; 50 joints, 5 groups): **significantly different**. "
        "Both networks were trained for 350 steps, starting from the same encoder."
    )
    assert "**no significant difference (smallest detectable effect" in words.hidden_gain_words(
        {"RPSTN": AROUND}, {"RPSTN": "alone"}, trainings
    )
    assert words.hidden_gain_words({"RPSTN": NONE}, {"RPSTN": "alone"}, trainings).startswith("There is no gain to report")
