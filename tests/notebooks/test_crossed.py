"""Intervals over groups and seeds: what they hold by construction, and by simulation."""

import numpy as np
import pytest

from rpstn.metrics.groups import mean_over_joints, sums_per_group
from rpstn.metrics.intervals import interval, paired_interval
from rpstn.notebooks.crossed import crossed_interval


def made(rng, seeds=3, groups=12, joints=4, each=20, chance=0.6):
    counts = rng.integers(0, each, (groups, joints))
    return rng.binomial(counts, chance, (seeds, groups, joints)), counts


def test_counts_by_hand():
    right = np.array([[1, 0], [1, np.nan], [0, 1], [np.nan, 1]])
    names, hits, counts = sums_per_group(right, ["b", "a", "b", "a"])
    assert list(names) == ["a", "b"]
    np.testing.assert_array_equal(hits, [[1, 1], [1, 1]])
    np.testing.assert_array_equal(counts, [[1, 1], [2, 2]])
    np.testing.assert_array_equal(mean_over_joints(np.array([1.0, 3.0, 0.0]), np.array([2.0, 4.0, 0.0])), (0.5 + 0.75) / 2)
    assert np.isnan(mean_over_joints(np.zeros(2), np.zeros(2)))
    with pytest.raises(ValueError, match="group"):
        sums_per_group(right, ["a"])


def test_one_seed_is_the_bootstrap_over_groups():
    rng = np.random.default_rng(0)
    right = (rng.random((60, 5)) < 0.7).astype(float)
    right[rng.random(right.shape) < 0.3] = np.nan
    other = np.where(np.isnan(right), np.nan, (rng.random(right.shape) < 0.5).astype(float))
    groups = rng.integers(0, 8, 60)
    _, hits, counts = sums_per_group(right, groups)
    _, theirs, _ = sums_per_group(other, groups)
    alone, known = crossed_interval(hits[None], counts), interval(right, groups, pool="joints")
    assert alone.estimate == pytest.approx(known.estimate) and (alone.groups, alone.samples) == (known.groups, known.samples)
    np.testing.assert_allclose([alone.low, alone.high], [known.low, known.high], atol=0.015)
    pair, known = crossed_interval(hits[None], counts, theirs[None]), paired_interval(right, other, groups, pool="joints")
    np.testing.assert_allclose([pair.estimate, pair.low, pair.high], [known.estimate, known.low, known.high], atol=0.015)


def test_seeds_that_agree_add_nothing_and_seeds_that_differ_widen():
    hits, counts = made(np.random.default_rng(1))
    one = crossed_interval(hits[:1], counts)
    same = crossed_interval(hits[:1].repeat(12, axis=0), counts)  # as many as groups, so that both have the same levels
    assert same.high - same.low == pytest.approx(one.high - one.low, rel=0.1)
    apart = np.stack([counts, np.zeros_like(counts), counts // 2])
    wide = crossed_interval(apart, counts)
    assert wide.high - wide.low > 0.4 and wide.low < 0.35 < 0.65 < wide.high


def test_pairing_cancels_what_seeds_and_groups_share():
    rng = np.random.default_rng(2)
    counts = np.full((10, 3), 100)
    hard = rng.uniform(0.2, 0.8, (4, 10, 1))  # of each seed and group
    ours, theirs = np.round(counts * (hard + 0.05)), np.round(counts * hard)
    pair = crossed_interval(ours, counts, theirs)
    assert pair.estimate == pytest.approx(0.05, abs=0.003) and pair.low > 0.04 and pair.high < 0.06
    assert crossed_interval(ours, counts).high - crossed_interval(ours, counts).low > 0.1


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    """Seeds and groups both vary; an interval over groups alone misses the truth more often."""
    rng = np.random.default_rng(3)
    held = alone = 0
    counts = np.full((15, 1), 400)
    for trial in range(120):
        chance = 0.5 + rng.normal(0, 0.06, (8, 1, 1)) + rng.normal(0, 0.06, (1, 15, 1))
        hits = rng.binomial(400, chance.clip(0, 1))
        both = crossed_interval(hits, counts, draws=400, seed=trial)
        first = crossed_interval(hits[:1], counts, draws=400, seed=trial)
        held += both.low <= 0.5 <= both.high
        alone += first.low <= 0.5 <= first.high
    assert held >= 102 and alone < held - 20, (held, alone)


def test_three_seeds_get_the_range_of_the_draws_and_say_so():
    """Trainings differ, groups do not: three seeds reach from the lowest to the highest, eight get an interval."""
    counts = np.full((12, 1), 100)
    hits = np.array([40, 55, 70, 50, 52, 54, 56, 58])[:, None, None] * np.ones((1, 12, 1))
    few, many = crossed_interval(hits[:3], counts), crossed_interval(hits, counts)
    assert few.is_range and few.seeds == 3 and (few.low, few.high) == pytest.approx((0.4, 0.7), abs=1e-6)
    assert not many.is_range and 0.4 < many.low < many.estimate < many.high < 0.7
    assert "range of the draws 40.0 to 70.0" in str(few) and "3 seeds" in str(few) and "95 % interval" in str(many)


def test_little_to_draw_from():
    empty = crossed_interval(np.zeros((2, 3, 4)), np.zeros((3, 4)))
    assert empty.samples == 0 and np.isnan(empty.estimate)
    single = crossed_interval(np.ones((2, 1, 4)), np.full((1, 4), 2))
    assert single.estimate == 0.5 and np.isnan(single.low) and single.groups == 1 and not single.is_range
    assert np.isnan(crossed_interval(np.ones((6, 4, 4)), np.full((4, 4), 2)).low), "four groups"
    with pytest.raises(ValueError, match="R,G,K"):
        crossed_interval(np.ones((3, 4)), np.ones((3, 4)))
