"""The two rules side by side."""

import pytest

from rpstn.metrics.intervals import Interval
from rpstn.notebooks import words
from rpstn.notebooks.noise import NoiseScores


def test_what_the_released_circle_holds():
    assert (
        words.coverage_words(True)
        == "**By person size, the released circle holds the whole map, so no prediction can be wrong.**"
    )
    assert words.coverage_words(False) == "By person size, the released circle holds only part of the map."


def test_noise_in_a_table():
    rules = {("correct", "torso"): (1.0, 0.2), ("released", "torso"): (1.0, 0.9)}
    scores = NoiseScores((0.0, 8.0), rules, dict.fromkeys(rules, 0.5), clips=1, frames=5, joints=13)
    table = words.noise_table(scores, dict.fromkeys(rules, 0.75), 8.0)
    assert table["correct, torso"] == {
        "truth, noise 0 px": "1.000", "truth, noise 8 px": "0.200", "noise that halves it, px": "5.0", "guesses": "0.500",
        "guesses, threshold 1": "0.750",
    }  # fmt: skip
    assert table["released, torso"]["noise that halves it, px"] == "above 8"


def test_whether_guesses_pass():
    assert words.guessing_words(0.98, 1.0) == ""
    assert words.guessing_words(0.999, 0.998) == (
        "By person size, no network here scores below 99.8 by the released rule, and guesses score 99.9: "
        "**that score does not distinguish a network from no network.**"
    )


def gaps(correct, released):
    sizes = {"correct": correct, "released": released}
    return {
        (metric, reference): Interval(size, size - 0.01, size + 0.01, 6, 90)
        for reference in ("torso", "person")
        for metric, size in sizes.items()
    }


@pytest.mark.parametrize(
    ("correct", "released", "said"),
    [(0.02, 0.001, "leaves less of the difference than"), (0.01, -0.02, "by one of the two sizes")],
)
def test_what_is_left_of_a_difference(correct, released, said):
    assert said in words.compression_words(gaps(correct, released))


def test_differences_in_a_table():
    table = words.gaps_table(gaps(0.02, -0.001))
    assert table["correct, torso"] == {"largest difference (points)": "2.00", "from zero": "significantly different"}
    assert table["released, person"] == {"largest difference (points)": "0.10", "from zero": "inconclusive"}
