"""The words follow the intervals: found joints before finer measures, and no claim where an interval holds zero."""

import pytest

from rpstn.effects_in_words import MEASURED, answer, verdict
from rpstn.metrics.intervals import Interval


def around(estimate: float, half: float = 0.001) -> Interval:
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, level=0.95, groups=4, samples=10)


@pytest.mark.parametrize(
    ("pck", "distance", "share", "said"),
    [
        (0.002, -0.002, 0.0, "fewer joints"),
        (-0.002, 0.002, 0.0, "more joints so"),
        (0.0, 0.002, -0.002, "disagree"),
        (0.0, 0.0, 0.002, "less sure"),
        (0.0, -0.002, 0.0, "surer of the place"),
        (0.0, 0.0005, -0.0005, "no difference that can be told"),
    ],
)
def test_the_verdict_follows_what_can_be_told(pck, distance, share, said):
    losses = dict(zip(MEASURED, map(around, (pck, distance, share)), strict=True))
    assert said in verdict(losses)


def test_an_answer_says_which_side_of_zero_it_lies_on():
    assert answer(around(0.012)) == "+1.20 (a loss)"
    assert answer(around(-0.012), 1) == "-1.2 (a gain)"
    assert answer(around(0.0005), 3) == "+0.050 (not told apart from zero)"
