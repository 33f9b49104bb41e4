"""The words follow the intervals: found joints before finer measures, and no claim where an interval holds zero or is none."""

import numpy as np
import pytest

from rpstn.metrics.intervals import Interval
from rpstn.notebooks.words import MEASURED, adding, answer, landing, ranked, verdict


def around(estimate: float, half: float = 0.001) -> Interval:
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, level=0.95, groups=6, samples=10)


NONE = Interval(estimate=0.2, low=np.nan, high=np.nan, groups=1, samples=10)


@pytest.mark.parametrize(
    ("pck", "distance", "share", "said"),
    [
        (0.002, -0.002, 0.0, "fewer joints"),
        (-0.002, 0.002, 0.0, "more joints so"),
        (0.0, 0.002, -0.002, "farther from the truth, but the heatmaps are surer"),
        (0.0, 0.0, 0.002, "found cannot be told; the heatmaps are less sure of the place."),
        (0.0, -0.002, 0.0, "found cannot be told; joints lie nearer"),
        (0.0, 0.002, 0.002, "farther from the truth and the heatmaps are less sure"),
        (0.0, 0.0005, -0.0005, "No difference can be told."),
    ],
)
def test_the_verdict_follows_what_can_be_told(pck, distance, share, said):
    losses = dict(zip(MEASURED, map(around, (pck, distance, share)), strict=True))
    assert said in verdict(losses)


def test_an_answer_says_which_side_of_zero_it_lies_on():
    assert answer(around(0.012)) == "+1.20 (a loss)"
    assert answer(around(-0.012), 1) == "-1.2 (a gain)"
    assert answer(around(0.0005), 3) == "+0.050 (not told apart from zero)"
    assert answer(NONE) == "+20.00 (no interval)"


def test_nothing_is_said_where_there_is_no_interval():
    assert verdict(dict.fromkeys(MEASURED, NONE)) == "Nothing can be said: there are too few groups."
    assert "nothing can be said" in ranked(NONE, np.nan) and "mislead" not in ranked(NONE, np.nan)
    assert "Nothing can be said" in adding(NONE, True) and landing(np.nan) == ""


@pytest.mark.parametrize(
    ("rank", "ceiling", "said", "misleads"),
    [
        (around(0.4, 0.1), 0.8, "tells less of it than other losses do", True),
        (around(0.4, 0.1), 0.45, "the more it owes**, as far as", False),
        (around(-0.4, 0.1), 0.45, "the loss is smaller", True),
        (around(0.0, 0.1), 0.45, "anything of the loss cannot be told; it tells less", True),
        (around(0.0, 0.3), 0.25, "says what is owed cannot be told", False),
    ],
)
def test_a_rank_correlation_is_held_against_what_noise_leaves(rank, ceiling, said, misleads):
    text = ranked(rank, ceiling)
    assert said in text.replace("The more a joint takes, ", "") and ("mislead" in text) == misleads
    assert f"{ceiling:+.2f}" in text and "cautious" in text


def test_what_adds_up_and_where_it_lands():
    assert "adds up" in adding(around(0.01), True) and "costs 1.000 % of the peak more" in adding(around(0.01), True)
    assert "not add up" in adding(around(-0.01), True) and "costs 1.000 % of the peak less" in adding(around(-0.01), True)
    assert "cannot be told" in adding(around(0.0), True) and "does not propagate" in adding(around(0.01), False)
    assert "only 31%" in landing(0.31) and "only" not in landing(0.62)
