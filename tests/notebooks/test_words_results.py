"""Ablations and published runs on a page: every branch, with the words that a reader sees."""

import re

import pytest

from rpstn.metrics.intervals import Interval
from rpstn.notebooks import words
from rpstn.notebooks.ablations import AblationConfig
from rpstn.notebooks.published import load_published, published_rows
from rpstn.notebooks.results import load_results


def run(name, loss, seeds=5):
    scores = {"loss": loss, "groups": 11, "samples": 90}
    return {"title": name, "seeds": list(range(seeds)), "scores": {"torso": {"all": scores, "occluded": scores}}}


LOSS = {"estimate": 0.012, "interval": [0.002, 0.02], "seeds": [0, 1, 2, 3, 4]}
STUDY = {
    "rows": {"full": run("full network", None), "cat": run("Cat", LOSS, 2)},
    "budget": {"steps": 40, "batch": 4, "frames": 5, "augmentation": {"erasing": 0.6, "erasing_size": [0.1, 0.5]}},
    "measured_on": {"clips": 22, "split": "test", "groups": 11},
}


def test_the_grid():
    table = words.grid_table(AblationConfig(runs=("full",), batch=4, steps=60, hold="frames"))
    assert table["full"] == {"changed": "nothing", "clips per step": 4, "steps": 60, "in the paper": "yes", "here": "yes"}
    assert table["cat"]["changed"] == "propagation = concat" and table["cat"]["here"] == ""
    assert table["half_steps"]["changed"] == "steps = 30" and table["frames_2"] | {"clips per step": 16} == table["frames_2"]


def test_what_rows_of_another_length_hold_and_whether_training_converged():
    rows = {"full": {"changes": {}}, "frames_2": {"changes": {"frames": 2, "batch": 5}}}
    study = {"rows": rows, "budget": {"batch": 5, "frames": 8, "steps": 300}}
    assert words.held_words(study).endswith("5: longer clips are more frames to learn from, besides a longer memory.")
    rows["frames_2"]["changes"]["batch"] = 20
    assert "These take as many frames per step as the others, 40, as nearly" in words.held_words(study)
    assert words.held_words(study | {"rows": {}}) == "All rows see the same clips, those of propagation too."
    published = {"rows": {"full": run("full network", None)}, "budget": {"steps": 300}}
    assert words.converged_words(published) == (
        "Whether trainings of 300 steps have converged was not tested: no run took half as many."
    )
    published["rows"]["half_steps"] = run("half the steps", LOSS | {"estimate": 0.0, "interval": [-0.002, 0.002], "df": 8})
    assert words.converged_words(published).startswith(
        "All 300 steps against half as many, on all joints: equivalent: a difference above 1.0"
    )


def test_a_budget():
    row = words.budget_row(STUDY)
    assert (
        row["seeds"] == "2 to 5"
        and row["clips with a painted occluder"] == "60%"
        and row["its sides, up to"] == "50% of the input"
    )
    assert row["scored on"] == "22 test clips, 11 groups"
    assert words.budget_row(STUDY | {"rows": {"full": run("full network", None)}})["seeds"] == "5"


def test_which_grid_is_shown():
    assert words.published_grid_words("embedded", True) == "The published grid of `embedded`:"
    assert words.published_grid_words("own", False).startswith(
        "There is no published grid of `own` yet. Tables and figures below"
    )


def test_what_the_full_network_scores_more():
    assert words.losses(STUDY) == {"Cat": Interval(0.012, 0.002, 0.02, 11, 90, seeds=5, df=4)} == words.losses(STUDY, "occluded")
    paper = [row for row in published_rows(data_set="penn_action", reference="torso") if row.method.startswith("RPSTN")]
    table = words.paper_gains_table(STUDY, paper)
    assert table["full minus Cat"]["paper, R18"] == "+1.1" and table["full minus Cat"]["here"] == "+1.2 (+0.2 to +2.0)"
    assert table["full minus without P"]["here"] == ""


def test_from_which_joint_the_gain_comes():
    said = words.uneven_gain_words({"head": 98.0, "wrist": 92.0, "ankle": 95.0}, {"head": 97.5, "wrist": 92.5, "ankle": 81.0})
    assert "comes from one joint: ankle, by 14.0 points. The other joints differ by -0.5 to +0.5." in said


@pytest.mark.parametrize("section", [words.scores_section, words.gains_section, words.training_section])
def test_a_section_where_nothing_is_published(section):
    assert section(None) == "No run on this data set has been published here."
    assert words.gentle_section(None, {}) == words.gentle_section({}, None) == words.NONE_PUBLISHED


def test_sections_of_published_runs():
    def plainly(text):  # without the padding of tables
        return re.sub(" +", " ", text)

    runs = load_results()
    drawn, gentle = runs["embedded"], runs["embedded-gentle"]
    scores = plainly(words.scores_section(drawn))
    assert scores.startswith("| | head | shoulder") and "Measured on: data set embedded" in scores and "In the others" in scores
    gains = plainly(words.gains_section(drawn))
    assert gains.startswith("Joints hidden for 1 to 5 frames, `PCK` within 0.") and "| joints hidden by |" in gains
    assert "frame by frame" in gains and ", adjusted" in gains
    assert plainly(words.training_section(drawn)).startswith("| training | data set |")
    assert "First the training above, then this one" in words.gentle_section(gentle, drawn)
    split = words.split_section("sub_jhmdb-1", runs["sub_jhmdb-1"], load_published())
    assert split.startswith("### sub_jhmdb-1\n\n> **What these rows are measured on.** Split 1 of 3, test: 61 clips")
    assert (
        "Classes: 8 of the 12. Joints: the data set's own." in split
        and "`PCK@0.2` by person size" in split
        and "*SimpleBaseline-R50, flip test, 13 joints*" in split
    )


def test_the_box_says_what_the_joints_are():
    measured = {"official_split": 2, "split": "test", "clips": 5, "groups": 4, "frames": 90, "classes": "2 of 12 (a, b)"}
    frames = {"a": 0.06, "b": 0.03, "c": 0.05}
    labels = {"joints": "rebuilt", "mean_px": 0.047, "largest_px": 0.086, "compared": 45, "frames": frames}
    said = words.data_box({"measured_on": measured}, labels)
    assert "Split 2 of 3" in said and "Classes: 2 of 12 (a, b). Joints: rebuilt, 0.05 px from the official ones on" in said
    assert "(3 frames, 45 joints, 0.09 px at most)" in said
    assert "Classes: all 12." in words.data_box({"measured_on": measured | {"classes": ""}}, None)
