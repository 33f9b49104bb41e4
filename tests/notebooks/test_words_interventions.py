"""The words follow the intervals: joints found before finer measures, and no claim where an interval holds zero or is none."""

import numpy as np
import pytest

from rpstn.metrics.intervals import Interval
from rpstn.metrics.pairs import PairMeans
from rpstn.notebooks import words
from rpstn.notebooks.words import MEASURED
from rpstn.relations.effects import MEASURES


def around(estimate: float, half: float = 0.001) -> Interval:
    return Interval(estimate=estimate, low=estimate - half, high=estimate + half, level=0.95, groups=6, samples=10)


NONE = Interval(estimate=0.2, low=np.nan, high=np.nan, groups=1, samples=10)


@pytest.mark.parametrize(
    ("pck", "distance", "share", "said"),
    [
        (0.002, -0.002, 0.0, "The network finds fewer joints than with its own relations."),
        (-0.002, 0.002, 0.0, "The network finds more joints than with its own relations."),
        (0.0, 0.002, -0.002, "farther from the truth, but the heatmaps are more confident at the true position."),
        (0.0, 0.0, 0.002, "joints are found is inconclusive; the heatmaps are less confident at the true position."),
        (0.0, -0.002, 0.0, "Whether more or fewer joints are found is inconclusive; joints lie nearer to the truth."),
        (0.0, 0.002, 0.002, "farther from the truth and the heatmaps are less confident"),
        (0.0, 0.0005, -0.0005, "Inconclusive."),
    ],
)
def test_the_verdict_follows_what_is_significant(pck, distance, share, said):
    losses = dict(zip(MEASURED, map(around, (pck, distance, share)), strict=True))
    assert said in words.replacement_verdict(losses)


def test_a_loss_says_on_which_side_of_zero_it_lies():
    assert words.loss_words(around(0.012)) == "+1.20 (a loss)"
    assert words.loss_words(around(-0.012), 1) == "-1.2 (a gain)"
    assert words.loss_words(around(0.0005), 3) == "+0.050 (inconclusive)"
    assert words.loss_words(NONE) == "+20.00 (no interval)"


def test_replacements_are_listed():
    effects = {(measure, name, "all"): around(0.0005) for measure in MEASURED for name in ("identity", "cut:head:neck")}
    assert words.replacements_words(effects, ["identity", "cut:head:neck"]).splitlines() == [
        "- each joint keeping to itself: +0.05 (inconclusive), +0.05 (inconclusive), +0.05 (inconclusive). **Inconclusive.**",
        "- cut:head:neck: +0.05 (inconclusive), +0.05 (inconclusive), +0.05 (inconclusive). **Inconclusive.**",
    ]


def test_nothing_is_said_where_there_is_no_interval():
    assert words.replacement_verdict(dict.fromkeys(MEASURED, NONE)) == "Too few groups to say."
    assert "too little data" in words.rank_words(NONE, np.nan) and "mislead" not in words.rank_words(NONE, np.nan)
    assert words.accumulation_words(NONE, True) == "**Too few groups to say.**" and words.own_share_words(np.nan) == ""


@pytest.mark.parametrize(
    ("estimate", "half", "sums", "said"),
    [
        (0.95, 0.01, "rows", "**Asymmetry is about strength**"),
        (0.7, 0.1, "rows", "**Strength explains most of the asymmetry, but not all of it**"),
        (0.3, 0.1, "columns", "**Strength does not explain the asymmetry**"),
        (0.5, 0.1, "rows", "**Whether strength explains the asymmetry is inconclusive.**"),
    ],
)
def test_whose_weight_makes_a_relation_asymmetric(estimate, half, sums, said):
    text = words.weaker_words(around(estimate, half), sums)
    verb = {"rows": "takes", "columns": "gives"}[sums]
    assert said in text and f"the joint with the weaker heatmap {verb} more than the other in {100 * estimate:.1f} %" in text
    assert "10 frames, 6 groups" in text


@pytest.mark.parametrize(
    ("rank", "ceiling", "said", "misleads"),
    [
        (around(0.4, 0.1), 0.8, "predicts it less well than other losses do", True),
        (around(0.4, 0.1), 0.45, "**The more a joint takes, the more it loses by the cut**, as far as", False),
        (around(-0.4, 0.1), 0.45, "the loss is smaller", True),
        (around(0.0, 0.1), 0.45, "predicts the loss at all is inconclusive; it predicts it less well", True),
        (around(0.0, 0.3), 0.25, "**Whether the weight predicts the loss is inconclusive**", False),
    ],
)
def test_a_rank_correlation_is_held_against_what_noise_leaves(rank, ceiling, said, misleads):
    text = words.rank_words(rank, ceiling)
    assert said in text and ("mislead" in text) == misleads
    assert f"about {ceiling:+.2f}" in text and "cautious" in text


def means(significant, high=0.01):
    return PairMeans(np.array([0.002, -0.004]), np.array([0.001, -0.01]), np.full(2, high), np.array(significant), 6)


def test_how_many_pairs_matter():
    found = {"pck": means([True, False]), "share": means([True, True])}
    assert words.pairs_words(found, 40) == (
        "Each of 2 pairs was cut in 40 frames from 6 groups. **For 1 of them, the PCK of the joint changes significantly**; the "
        "largest mean loss is 0.20 points. By the value at the true position, 2 are significant, and the largest mean loss is "
        "0.20 % of the peak."
    )
    none = words.pairs_words({"pck": means([False, False]), "share": means([True, False])}, 40)
    assert (
        "**None changes PCK significantly.** That does not mean that none matters: the largest mean loss is 0.20 points" in none
    )
    assert "and the pairs' own intervals end at 1.00 points at most." in none
    assert "intervals" not in words.pairs_words({"pck": means([False, False], np.nan), "share": means([True, False])}, 40)


def test_pairs_in_a_table():
    losses = dict.fromkeys(MEASURES, np.zeros((2, 4, 2)))
    found = {key: means([True, False]) for key in MEASURES}
    ranks, ceilings = dict.fromkeys(MEASURES, around(0.4, 0.1)), dict.fromkeys(MEASURES, 0.5) | {"height": np.nan}
    table = words.pairs_table(found, ranks, ceilings, losses, [(0, 1), (1, 0)], ["head", "neck"])
    row = table[MEASURES["pck"]]
    assert row["largest loss"] == "+0.200" and row["pair"] == "head from neck" and row["largest gain"] == "+0.400"
    assert row["significant pairs"] == "1" and row["rank correlation with the weight"] == "+0.40 (+0.30 to +0.50)"
    assert row["with losses on other groups"] == "+0.50" and row["share of the change in joint i itself"] == ""
    assert table[MEASURES["height"]]["with losses on other groups"] == ""
    losses = dict.fromkeys(MEASURES, np.ones((2, 4, 2)))
    table = words.pairs_table(found, ranks, ceilings, losses, [(0, 1), (1, 0)], ["head", "neck"])
    assert table[MEASURES["pck"]]["share of the change in joint i itself"] == "50%"


def test_what_adds_up_and_where_it_lies():
    assert words.accumulation_words(around(0.01), True) == (
        "**A cut adds up over time**: in all frames it costs 1.000 % of the peak more than in one."
    )
    assert "does not add up over time**: in all frames it costs 1.000 % of the peak less" in words.accumulation_words(
        around(-0.01), True
    )
    assert words.accumulation_words(around(0.0), True) == "**Whether a cut adds up over time is inconclusive.**"
    assert "does not propagate" in words.accumulation_words(around(0.01), False)
    assert "only 31% lies in joint $i$" in words.own_share_words(0.31) and "only 62" not in words.own_share_words(0.62)
    row = words.carried_table({"pck": {"in one frame": around(0.01)}}, {"pck": around(0.0)})[MEASURES["pck"]]
    assert row == {"in one frame": "+1.000 (a loss)", "difference": "+0.000 (inconclusive)"}
