"""What a relation looks like is said by its numbers alone."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from rpstn.metrics.intervals import Interval
from rpstn.models.effect import RelationEffect
from rpstn.notebooks import words


def test_whose_relations():
    config = SimpleNamespace(relation_scale="none", relation_layout="paper")
    row = words.relations_row(Path("runs/rpstn/best.safetensors"), config, 9, 3)
    assert row["weights"] == "rpstn/best.safetensors" and row["groups"] == 3


@pytest.mark.parametrize(
    ("mass", "said"),
    [(0.04, "close to the identity**"), (0.85, "close to uniform**"), (0.5, "neither the identity nor uniform.**")],
)
def test_how_close_a_relation_is(mass, said):
    assert said in words.closeness(mass, 0.9)


def test_whether_it_resembles_that_of_ideal_heatmaps():
    assert "it resembles the relation of ideal heatmaps (correlation 0.80)" in words.resemblance(0.8)
    assert words.resemblance(-0.1) == "Off the diagonal it differs from the relation of ideal heatmaps (correlation -0.10)."


def test_what_makes_it_asymmetric():
    assert "a single joint" in words.cycle_words(np.array([]))
    said = words.cycle_words(np.array([1e-7, 3e-7]))
    assert said.startswith(
        "Over all triples of joints in 2 frames, the three logarithms add up to 3.0e-07 at most. The asymmetry"
    )
    assert "beyond its divisors" in words.cycle_words(np.array([0.4]))


@pytest.mark.parametrize(
    ("largest", "single", "said"),
    [
        ("actions", 0, "**The relation differs most from action to action.**"),
        ("actions", 2, "inconclusive, since 2 of the actions have one group alone."),
        ("groups", 2, "from group to group** within an action"),
        ("clips", 0, "from clip to clip**"),
        ("frames", 0, "from frame to frame**: it follows the pose"),
    ],
)
def test_where_it_varies(largest, single, said):
    shares = dict.fromkeys(("actions", "groups", "clips", "frames"), 0.1) | {largest: 0.7}
    assert said in words.variance_words(shares, single)


def test_a_relation_that_never_varies():
    assert "**one matrix serves them all.**" in words.variance_words(dict.fromkeys(("actions", "frames"), np.nan), 0)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.01, 0.03, "**a joint takes more from others when it is occluded**"),
        (-0.03, -0.01, "**a joint takes less from others when it is occluded**"),
        (-0.01, 0.01, "**no significant difference (smallest detectable effect"),
        (np.nan, np.nan, "**too few groups to say**"),
    ],
)
def test_whether_an_occluded_joint_takes_more(low, high, said):
    contrast = Interval(0.02, low, high, 5, 40)
    assert said in words.hidden_weight_words(contrast, "rows") and "columns" not in words.hidden_weight_words(contrast, "rows")
    assert "In this layout columns sum to 1" in words.hidden_weight_words(contrast, "columns")
    assert "stays open" in words.hidden_weight_words(Interval(np.nan, np.nan, np.nan, 0, 0), "rows")


def study(start, trained):
    stage = {"entropy": 0.5, "pck": 0.9}
    row = {
        key: stage | {"off_diagonal_mass": mass}
        for key, mass in (("ideal heatmaps", 0.1), ("start", start), ("trained", trained))
    }
    on = {"clips": 9, "split": "test", "data_set": "embedded", "steps": 1200}
    return {"measured_on": on, "rows": {"none": row, "learned": row | {"trained": row["trained"] | {"factor": 1.1}}}}


@pytest.mark.parametrize(
    ("start", "trained", "said"),
    [
        (0.4, 0.4, "the relation collapses neither at the start nor after training.**"),
        (0.01, 0.4, "the relation is nearly the identity at the start.**"),
        (0.01, 0.02, "the relation is nearly the identity at the start and after training.**"),
    ],
)
def test_whether_the_softmax_collapses(start, trained, said):
    text = words.scale_words(study(start, trained))
    assert said in text and text.startswith("Measured on 9 test clips of `embedded`, after 1,200 steps each.") and "1.10" in text
    assert words.scale_table(study(start, trained))["none"]["off the diagonal, at the start (%)"] == 100 * start


def test_a_relation_without_effect_is_said_to_have_none_first():
    dead, alive = RelationEffect(0.0, 0.001, 600), RelationEffect(0.029, 0.15, 520)
    assert words.effect_statement(dead).startswith("**The relation shown here has no effect.** Whatever it looks like")
    assert "moves 0.0 % of the joints by more than 1 px (its branch is 0.1 % of the maps)" in words.effect_statement(dead)
    assert words.effect_statement(alive) == (
        "What the network would do without it: identity in the relation's place moves 2.9 % of the joints by more than 1 px (its "
        "branch is 15.0 % of the maps)."
    )
