"""Many means at once, one per pair of joints, with what a bootstrap over groups says of them together.

Of 156 intervals of 95 %, about eight miss zero by chance. So a pair counts as significantly different from zero only by a bound
that holds for all pairs at once: that of the largest |t| of all means (the max-t method; Westfall and Young, 1993). How large it
gets by chance is found by flipping the signs of whole groups, which changes nothing where the pairs have no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from rpstn.metrics.groups import DRAWS, LEAST, resample, sums_per_group
from rpstn.metrics.intervals import Interval, bounds

FLIPS = 4096  # patterns of signs: all there are, or as many drawn at random


@dataclass(frozen=True)
class PairMeans:
    """Means of P quantities, (P,) each.

    estimate     the mean over all samples; NaN for a quantity without any.
    low, high    bounds of each quantity's own interval; NaN for one with samples in fewer than five groups.
    significant  whether |t| exceeds the bound that holds for all P together.
    groups       number of groups with a sample.
    level        of the intervals and of the common bound.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    significant: np.ndarray
    groups: int
    level: float = 0.95


def pair_means(
    values: np.ndarray, groups: Sequence[Any] | np.ndarray, *, draws: int = DRAWS, level: float = 0.95, seed: int = 0
) -> PairMeans:
    """Average samples (N,P), NaN left out, with a bootstrap over groups (N,), and test which means differ from zero.

    A quantity is significant at a level that holds for all P together: by flipped signs (`_differ`). That is exact where a
    group's effect is as likely to be -x as x, however the P depend on each other. Where effects are strongly skewed over groups,
    it is not: of eleven or twenty groups with exponential effects, two studies of three call some null significant among 156.
    Nothing is significant with fewer than six groups, and no quantity with samples in fewer than five of them or with the same
    mean in all.
    """
    _, sums, counts = sums_per_group(values, groups)
    estimate = _means(sums, counts, np.ones((1, len(sums))))[0]
    number = (counts > 0).sum(axis=0)
    many = number >= LEAST
    low, high = np.full((2, len(estimate)), np.nan)
    significant = np.zeros(len(estimate), dtype=bool)
    if many.any():
        drawn = resample(lambda weights: _means(sums, counts, weights), len(sums), draws, level, seed)
        for index in np.flatnonzero(many):
            low[index], high[index] = bounds(drawn[:, index], number[index], level)
        significant[many] = _differ(sums[:, many], counts[:, many], level, seed)
    return PairMeans(estimate, low, high, significant, int(counts.any(axis=1).sum()), level)


def _differ(sums: np.ndarray, counts: np.ndarray, level: float, seed: int) -> np.ndarray:
    """Test which of the means of sums, counts (G,P) differ from zero, at a level that holds for all: (P,) bool.

        t_p = sum_g s_g S_gp / sqrt(n_p / (n_p - 1) sum_g (s_g S_gp - m_p C_gp)^2),    m_p = sum_g s_g S_gp / sum_g C_gp

    for sums S, counts C and signs s_g of the groups, of which n_p have samples of p; t is computed for every pattern of signs. A
    mean is significant if its |t| is reached by the largest |t| of all P in no more than 1 - level of the patterns, the one
    without a flip among them. Source: Westfall and Young (1993), with sign flips as the resampling.
    """
    t = _t(_signs(len(sums), seed), sums, counts)
    own = t[0]
    varying = np.isfinite(own)
    largest = t[:, varying].max(axis=1, initial=0.0)
    reached = largest[:, None] >= own * (1 - 1e-9)  # the same pattern may differ by rounding
    return varying & (reached.mean(axis=0) <= 1 - level)


def _t(signs: np.ndarray, sums: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Compute |t| of all P for patterns (F,G): (F,P); infinite where all groups have the same mean."""
    number = (counts > 0).sum(axis=0)
    total, square = signs @ sums, (sums**2).sum(axis=0)
    mean = total / counts.sum(axis=0)
    spread = square - 2 * mean * (signs @ (sums * counts)) + mean**2 * (counts**2).sum(axis=0)
    spread = np.where(spread > 1e-12 * square, spread, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(np.abs(total) / np.sqrt(number / (number - 1) * spread), nan=np.inf, posinf=np.inf)


def _signs(groups: int, seed: int) -> np.ndarray:
    """Make patterns (F,G) of 1 and -1, the one without a flip first; the first group keeps its sign: -s has the |t| of s."""
    if 2 ** (groups - 1) <= FLIPS:
        flipped = np.arange(2 ** (groups - 1))[:, None] >> np.arange(groups)[::-1] & 1
    else:
        flipped = np.random.default_rng(seed).integers(0, 2, (FLIPS, groups))
        flipped[0] = 0
    return 1.0 - 2.0 * flipped


def rank_interval(
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Correlate two quantities in rank (Spearman) over P pairs, each a mean over samples, with a bootstrap over groups.

    first, second  (N,P) of the same frames, NaN left out of a mean. A draw takes the same groups for both.
    The interval's samples are the pairs that both have. Sampling noise pulls a rank correlation towards zero, in a draw more than
    in the whole: bounds are cautious, and may lie a little nearer to zero than the estimate altogether. So they do not say how
    far from 1 the correlation is; `rank_ceiling` is what to hold them against. NaN where one of the two is constant, and bounds
    NaN with fewer than five groups. Raises ValueError for shapes that do not fit.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(f"the two have shapes {np.shape(first)} and {np.shape(second)}; they must be the same")
    _, sums_a, counts_a = sums_per_group(first, groups)
    _, sums_b, counts_b = sums_per_group(second, groups)
    used = (counts_a.sum(axis=0) > 0) & (counts_b.sum(axis=0) > 0)
    parts = [part[:, used] for part in (sums_a, counts_a, sums_b, counts_b)]

    def correlations(weights: np.ndarray) -> np.ndarray:
        a, b = _means(parts[0], parts[1], weights), _means(parts[2], parts[3], weights)
        known = np.isfinite(a) & np.isfinite(b)
        whole = known.all(axis=1)
        found = np.empty(len(a))
        found[whole] = _spearman(a[whole], b[whole])
        found[~whole] = [float(_spearman(a[row, known[row]], b[row, known[row]])) for row in np.flatnonzero(~whole)]
        return found

    number, pairs = len(sums_a), int(used.sum())
    estimate = float(correlations(np.ones((1, number)))[0])
    if np.isnan(estimate):
        return Interval(estimate, np.nan, np.nan, number, pairs, level)
    drawn = resample(correlations, number, draws, level, seed)
    return Interval(estimate, *bounds(drawn, number, level), number, pairs, level)


def rank_ceiling(values: np.ndarray, groups: Sequence[Any] | np.ndarray, *, splits: int = 200, seed: int = 0) -> float:
    """Estimate how well the means of P quantities would agree in rank with the same means over as many other groups.

        2 r / (1 + r),    r = Spearman's correlation between the means of two halves of the groups, averaged over splits

    values (N,P) of samples, NaN left out, in groups (N,). A split puts the groups in random order and takes the odd ones against
    the even ones. Half as many groups are noisier; the formula of Spearman and Brown (1910) says what all of them would give. 0
    where the halves do not agree at all, NaN with fewer than five groups.

    A quantity that is known exactly and ranks the P as their true means do would correlate with the noisy means at the root of
    this, which is more; and in draws of a bootstrap, which are noisier, still at no less than this. So bounds of `rank_interval`
    that lie below it do so for another reason than noise in `values`.
    """
    _, sums, counts = sums_per_group(values, groups)
    if len(sums) < LEAST:
        return np.nan
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(splits):
        odd = rng.permutation(len(sums)) % 2 == 1
        halves = _means(sums, counts, np.stack([odd, ~odd]).astype(np.float64))
        found.append(float(_spearman(*halves[:, np.isfinite(halves).all(axis=0)])))
    agreement = float(np.mean(found))
    return 2 * agreement / (1 + agreement) if agreement > 0 else agreement * 0


def _spearman(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlate ranks (Pearson) along the last axis, equal values sharing the mean of their ranks: (...,P) -> (...)."""
    if a.shape[-1] < 3:
        return np.full(a.shape[:-1], np.nan)
    a, b = (rankdata(part, axis=-1) for part in (a, b))
    a, b = a - a.mean(axis=-1, keepdims=True), b - b.mean(axis=-1, keepdims=True)
    scale = np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), scale, out=np.full(a.shape[:-1], np.nan), where=scale > 0)


def _means(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Average per draw: (D,P) for weights (D,G); NaN where a draw has no sample."""
    numbers = weights @ counts
    return np.divide(weights @ sums, numbers, out=np.full_like(numbers, np.nan), where=numbers > 0)
