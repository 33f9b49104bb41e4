"""Many means at once: what holds for each of them, for all together, and for their ranks."""

import numpy as np
import pytest

from rpstn.metrics.pairs import pair_means, rank_ceiling, rank_interval


def test_means_of_pairs_and_the_bound_for_all_of_them():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 10)
    values = rng.normal(0, 1, (200, 100))
    values[:, 7] += 2.0
    values[0, 3] = np.nan
    found = pair_means(values, groups, seed=1)
    np.testing.assert_allclose(found.estimate, np.nanmean(values, axis=0))
    assert found.significant[7] and found.significant.sum() <= 3, "of 99 without an effect hardly one is taken for one"
    alone = (found.low > 0) | (found.high < 0)
    assert alone.sum() > found.significant.sum() and alone[7]
    assert found.groups == 20 and not pair_means(values[:10], groups[:10]).significant.any()
    constant = pair_means(np.zeros((200, 3)), groups)
    assert not constant.significant.any() and (constant.estimate == 0).all()


@pytest.mark.parametrize("groups", [8, 11])
def test_the_bound_for_all_pairs_holds_with_few_sources(groups):
    """156 pairs without any effect: in no more than about 5 % of studies is one of them significant."""
    false = 0
    for seed in range(40):
        values = np.random.default_rng(seed).normal(size=(groups, 156))
        false += pair_means(values, np.arange(groups), draws=2, seed=seed).significant.any()
    assert false <= 6, f"{false} of 40"


def test_sure_means_by_hand():
    """Six groups have 32 patterns of signs, but for the sign of all; a common effect is reached by one of them, 1/32 < 5 %."""
    values = np.array([1.0, 2, 3, 4, 5, 6])[:, None]
    assert pair_means(values, range(6)).significant.all() and pair_means(-values, range(6)).significant.all()
    assert not pair_means(values, range(6), level=0.97).significant.any(), "1/32 > 3 %"
    assert not pair_means(values[:5], range(5)).significant.any(), "1/16 > 5 %"
    assert not pair_means(values * [[-1], [1], [1], [1], [1], [1]], range(6)).significant.any(), "two patterns reach it"
    rare = np.where(np.arange(20)[:, None] < [20, 4], 1.0 + np.arange(20)[:, None] / 20, np.nan)
    found = pair_means(rare, range(20))  # more groups than patterns are drawn for; the second has samples in four of them
    assert found.significant.tolist() == [True, False] and np.isnan(found.low[1]) and found.low[0] > 0
    uneven = pair_means(np.repeat(values, [1, 2, 3, 4, 5, 6], axis=0), np.repeat(np.arange(6), [1, 2, 3, 4, 5, 6]))
    assert uneven.significant.all() and uneven.estimate[0] == pytest.approx(91 / 21)


def test_the_ceiling_is_what_other_sources_would_agree_at():
    rng = np.random.default_rng(0)
    truth, groups = rng.normal(size=400), np.repeat(np.arange(12), 2)

    def measured(noise):
        return truth + noise * np.repeat(rng.normal(size=(12, 400)), 2, axis=0)

    for noise in (0.5, 2.0, 5.0):
        first, other = measured(noise), measured(noise)
        known = rank_interval(first.mean(axis=0)[None], other.mean(axis=0)[None], ["all"]).estimate
        assert rank_ceiling(first, groups) == pytest.approx(known, abs=0.08)
        perfect = rank_interval(np.broadcast_to(truth, first.shape), first, groups, draws=200)
        assert perfect.high > rank_ceiling(first, groups), "the truth itself is never said to lie below it"
    alone = measured(2.0)
    blind = rank_interval(rng.normal(size=alone.shape), alone, groups, draws=200)
    assert blind.high < rank_ceiling(alone, groups)
    assert rank_ceiling(alone, groups, seed=1) == rank_ceiling(alone, groups, seed=1)
    assert 0 <= rank_ceiling(rng.normal(size=(12, 400)), range(12)) < 0.2
    assert np.isnan(rank_ceiling(alone[:8], groups[:8])), "four groups"


def test_rank_correlation_by_hand_and_over_sources():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 8)
    slope = np.linspace(0, 1, 30)
    first = slope + 0.01 * rng.normal(size=(80, 30))
    found = rank_interval(first, np.exp(first), groups)
    assert found.estimate > 0.99 and 0.98 < found.low <= found.high and (found.samples, found.groups) == (30, 10)
    assert rank_interval(first, -first, groups).estimate == pytest.approx(-1)
    noise = rank_interval(first, rng.normal(size=(80, 30)), groups)
    assert noise.low < 0 < noise.high
    tied = rank_interval(np.array([[1.0, 2, 2, 3]]), np.array([[1.0, 2, 3, 4]]), ["a"])
    assert tied.estimate == pytest.approx(4.5 / np.sqrt(4.5 * 5)) and np.isnan(tied.low)
    assert np.isnan(rank_interval(first, np.ones_like(first), groups).estimate)
    with pytest.raises(ValueError, match="same"):
        rank_interval(first, first[:, :3], groups)
