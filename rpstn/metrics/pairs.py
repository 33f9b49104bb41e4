"""Many means at once, one for each pair of joints, with what a bootstrap over sources says of them together.

Of 156 intervals of 95 %, about eight miss zero by chance. So a pair counts as told apart from zero only by a bound that holds for
all pairs at once: the 95 % quantile, over bootstrap draws, of the largest deviation in units of its standard error (the max-t
method; Westfall and Young, 1993).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from rpstn.metrics.intervals import Interval, _draw


@dataclass(frozen=True)
class PairMeans:
    """Means of P quantities, (P,) each.

    estimate   the mean over all samples; NaN for a quantity without any.
    low, high  bounds of each quantity's own percentile interval.
    error      standard error, the deviation over bootstrap draws.
    sure       whether |estimate| exceeds the bound that holds for all P together.
    groups     number of groups with a sample. level of the intervals and of the common bound.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    error: np.ndarray
    sure: np.ndarray
    groups: int
    level: float = 0.95


def pair_means(
    values: np.ndarray, groups: Sequence | np.ndarray, *, draws: int = 2000, level: float = 0.95, seed: int = 0
) -> PairMeans:
    """Means over the samples (N,P), NaN left out, with a bootstrap over groups (N,).

    With fewer than two groups, and for a quantity that does not vary between draws, nothing is sure.
    """
    sums, counts = _per_group(values, groups)
    estimate = _means(sums, counts, np.ones((1, len(sums))))[0]
    if len(sums) < 2:
        nothing = np.full_like(estimate, np.nan)
        return PairMeans(estimate, nothing, nothing, nothing, np.zeros(len(estimate), bool), len(sums), level)
    drawn = _means(sums, counts, _draw(len(sums), draws, level, seed))
    low, high, error = np.full((3, len(estimate)), np.nan)
    seen = np.isfinite(drawn).any(axis=0)
    low[seen], high[seen] = np.nanquantile(drawn[:, seen], [(1 - level) / 2, (1 + level) / 2], axis=0)
    error[seen] = np.nanstd(drawn[:, seen], axis=0)
    varying = np.nan_to_num(error) > 1e-12 * max(1.0, float(np.nan_to_num(np.abs(estimate)).max()))
    scaled = np.abs(drawn - estimate)[:, varying] / error[varying]
    bound = np.quantile(np.nan_to_num(scaled).max(axis=1), level) if varying.any() else np.inf
    sure = np.zeros(len(estimate), dtype=bool)
    sure[varying] = np.abs(estimate[varying]) > bound * error[varying]
    return PairMeans(estimate, low, high, error, sure, len(sums), level)


def rank_interval(
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence | np.ndarray,
    *,
    draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Spearman's correlation, over P pairs, of two quantities that are means over samples, with a bootstrap over groups.

    first, second  (N,P) of the same frames, NaN left out of a mean. A draw takes the same sources for both.
    The interval's samples are the pairs that both have. Sampling noise pulls a rank correlation towards zero, in a draw more than
    in the whole: bounds are cautious, and may lie a little below the estimate altogether. NaN where one of the two is constant.
    """
    if np.shape(first) != np.shape(second):
        raise ValueError(f"the two have shapes {np.shape(first)} and {np.shape(second)}; they must be the same")
    sums_a, counts_a = _per_group(first, groups)
    sums_b, counts_b = _per_group(second, groups)
    used = (counts_a.sum(axis=0) > 0) & (counts_b.sum(axis=0) > 0)
    parts = [part[:, used] for part in (sums_a, counts_a, sums_b, counts_b)]

    def correlations(weights: np.ndarray) -> np.ndarray:
        a, b = _means(parts[0], parts[1], weights), _means(parts[2], parts[3], weights)
        with_both = np.isfinite(a) & np.isfinite(b)
        return np.array([_spearman(x[known], y[known]) for x, y, known in zip(a, b, with_both, strict=True)])

    number, pairs = len(sums_a), int(used.sum())
    estimate = float(correlations(np.ones((1, number)))[0])
    if number < 2 or np.isnan(estimate):
        return Interval(estimate, np.nan, np.nan, number, pairs, level)
    drawn = correlations(_draw(number, draws, level, seed))
    low, high = np.nanquantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), number, pairs, level)


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson's correlation of the ranks, equal values sharing the mean of their ranks."""
    if len(a) < 3:
        return np.nan
    a, b = rankdata(a), rankdata(b)
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else np.nan


def _per_group(values: np.ndarray, groups: Sequence | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums and numbers of samples, (G,P) each."""
    values = np.asarray(values, dtype=np.float64)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if values.ndim != 2 or index.shape != values.shape[:1]:
        raise ValueError(f"values {values.shape} must be (N, P), and groups {np.shape(groups)} name a group for each row")
    known = ~np.isnan(values)
    sums, counts = np.zeros((2, len(names), values.shape[1]))
    np.add.at(sums, index, np.where(known, values, 0.0))
    np.add.at(counts, index, known)
    return sums, counts


def _means(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(D,P) for weights (D,G); NaN where a draw has no sample."""
    numbers = weights @ counts
    return np.divide(weights @ sums, numbers, out=np.full_like(numbers, np.nan), where=numbers > 0)
