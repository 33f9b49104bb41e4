"""What is said of a network for single images with the JRE and without."""

import numpy as np
import pytest

from rpstn.metrics.intervals import Interval
from rpstn.models.cost import Cost
from rpstn.notebooks import words


def around(estimate, half=0.002):
    return Interval(estimate, estimate - half, estimate + half, 6, 90)


@pytest.mark.parametrize(
    ("effect", "chance", "said"),
    [
        (0.001, 0.0, "**No significant difference (smallest detectable effect"),
        (0.005, -0.006, "**The difference is no larger than that between two trainings without the JRE**"),
        (0.005, 0.001, "**The network finds more joints with the JRE**"),
        (-0.005, 0.001, "**The network finds fewer joints with the JRE**"),
    ],
)
def test_what_the_jre_adds(effect, chance, said):
    text = words.jre_words(around(effect), around(chance))
    assert said in text and f"with the JRE minus without, {100 * effect:+.2f} percentage points" in text


@pytest.mark.parametrize(
    ("used", "said"),
    [
        (around(0.005), "the network does better with them than with each joint by itself."),
        (around(-0.005), "the network would do better if each joint kept to itself."),
        (around(0.0), "inconclusive. If the JRE adds anything"),
        (Interval(0.1, np.nan, np.nan, 2, 9), "too few groups to say."),
    ],
)
def test_whether_its_relations_are_used(used, said):
    assert said in words.used_words(used)


def test_costs_in_a_table():
    alone = Cost(parameters=2_000_000, multiply_adds=1_000_000_000, reported=2.0)
    both = Cost(parameters=2_000_646, multiply_adds=1_010_000_000, reported=2.0)
    row = words.network_costs(alone, both)
    assert row["JRE: parameters"] == "+ 646" and row["JRE: multiply-adds"] == "+ 1.000%" and row["parameters (million)"] == "2.00"
    scores = {"scores": {"person": {"all": {"mean": 0.5}}, "torso": {"all": {"mean": None}}}}
    column = words.network_scores(alone, 0.002, scores)
    assert (
        column["time per image (ms)"] == "2.00" and column["PCK@0.2, person (%)"] == "50.0" and "PCK@0.2, torso (%)" not in column
    )
    oks = {"mean": 0.7, "AP": 0.6, "AP50": 0.8, "AP75": 0.7, "AR": 0.65}
    assert words.network_scores(alone, 0.002, scores | {"oks": oks})["AP75"] == "70.0"
    assert "AP" not in words.network_scores(alone, 0.002, scores | {"oks": oks | {"mean": None}})
