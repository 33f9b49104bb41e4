"""Intervals over groups and seeds at once: both are samples of what could have been, crossed with each other.

A network trained once more with another seed scores differently, on the same clips. An interval over groups alone leaves that
out; one over all scores of all seeds, as if they were independent, counts every clip several times. So seeds and groups are two
crossed random factors: y_rg = mu + a_r + b_g + e_rg, of which the variance of the mean is estimated from mean squares, and the
degrees of freedom from theirs. This is how readers and cases are treated where several readers judge the same cases (Hillis, "A
marginal-mean ANOVA approach for analyzing multireader multicase radiological imaging data", Statistics in Medicine 33, 2014).

A bootstrap of both factors (Owen, "The pigeonhole bootstrap", 2007) counts the variance of e twice, and of few seeds its 95 %
levels lie beyond all draws: of five seeds it excludes a true zero in 0.7 % of the studies.
"""

from __future__ import annotations

import numpy as np
from scipy.special import stdtridf, stdtrit

from rpstn.metrics.groups import LEAST, mean_over_joints
from rpstn.metrics.intervals import Interval


def crossed_interval(
    hits: np.ndarray, counts: np.ndarray, baseline: np.ndarray | None = None, *, level: float = 0.95
) -> Interval:
    """Average over joints and seeds, or the paired difference to a baseline, with its interval over groups and seeds.

    hits      (R,G,K) correct samples of R seeds, G groups, K joints.
    counts    (G,K) scored samples; all seeds are scored on the same.
    baseline  (R,G,K) of another method with the same seeds in the same order, of which the difference is taken seed by seed and
              group by group.
    level     of the interval, between 0 and 1.

    The score of a seed is the mean over joints of the ratio of its sums, which is no mean over groups. The jackknife makes one:
    y_rg is G times the score less G - 1 times the score without group g (Tukey's pseudo-values); `crossed_error` has the rest.
    With one seed the interval is Student's, over groups alone. Bounds are NaN with fewer than five groups. The samples of the
    Interval are those of one seed. Raises ValueError for shapes that do not fit.
    """
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if hits.ndim != 3 or counts.shape != hits.shape[1:]:
        raise ValueError(f"hits {hits.shape} must be (R,G,K) and counts {counts.shape} (G,K)")
    if baseline is not None and np.shape(baseline) != hits.shape:
        raise ValueError(f"the baseline's hits {np.shape(baseline)} must have the shape of the others, {hits.shape}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    used = counts.sum(axis=1) > 0
    hits, counts = hits[:, used], counts[used]
    seeds, groups, samples = len(hits), len(counts), int(counts.sum())
    if not groups:
        return Interval(np.nan, np.nan, np.nan, 0, 0, level, seeds)
    estimate, values = _pseudo_values(hits, counts)
    if baseline is not None:
        other, others = _pseudo_values(np.asarray(baseline, dtype=np.float64)[:, used], counts)
        estimate, values = estimate - other, values - others
    if groups < LEAST:
        return Interval(estimate, np.nan, np.nan, groups, samples, level, seeds)
    shares = mean_over_joints(counts, counts.sum(axis=0))
    error, df = crossed_error(values, effective=float(shares.sum() ** 2 / (shares**2).sum()), level=level)
    half = error * float(stdtrit(df, (1 + level) / 2))
    return Interval(estimate, estimate - half, estimate + half, groups, samples, level, seeds, df)


def crossed_error(values: np.ndarray, *, effective: float | None = None, level: float = 0.95) -> tuple[float, float]:
    """Compute standard error and degrees of freedom of the mean of values (R,G), crossed over R seeds and G groups.

        V = (MS_r + c) / (R G),   c = max(MS_g - MS_e, 0)

    MS_r, MS_g, MS_e are the mean squares of seeds, of groups and of the rest. Where a sum of mean squares has few degrees of
    freedom in one of its parts, Satterthwaite's (1946),

        df = (MS_r + c)^2 / (MS_r^2 / (R - 1) + c^2 / (G - 1)),

    are too many, and Cochran's quantile (Biometrics 20, 1964), the mean of t_{R-1} and t_{G-1} weighted by MS_r and c, is too
    large. The quantile is the mean of the two; returned are the degrees of freedom that have it at this level. What that covers
    stands in `tests/metrics/test_crossed.py`. With one seed, V = MS_g / G with G - 1 degrees of freedom.

    effective  takes the place of G in G - 1 where groups are of unequal size: (sum n_g)^2 / sum n_g^2 (Kish, 1965). None: G.
    """
    seeds, groups = values.shape
    df_groups = max((groups if effective is None else effective) - 1, 1.0)
    by_seed, by_group = values.mean(axis=1, keepdims=True), values.mean(axis=0)
    between = seeds * float(by_group.var(ddof=1))
    if seeds == 1:
        return float(np.sqrt(between / groups)), df_groups
    rest = values - by_seed - by_group + values.mean()
    residual = float((rest**2).sum()) / ((seeds - 1) * (groups - 1))
    parts = np.array([groups * float(by_seed.var(ddof=1)), max(between - residual, 0.0)])
    dfs = np.array([seeds - 1.0, df_groups])
    total = parts.sum()
    if not total > 0:  # all seeds and groups have one value
        return 0.0, float(dfs.min())
    upper = (1 + level) / 2
    satterthwaite = stdtrit(total**2 / (parts**2 / dfs).sum(), upper)
    cochran = (parts * stdtrit(dfs, upper)).sum() / total
    # No more than all groups have, where one factor alone varies; beyond it the inversion is one of rounding.
    df = float(np.clip(stdtridf(upper, (satterthwaite + cochran) / 2), dfs.min(), dfs.sum()))
    return float(np.sqrt(total / (seeds * groups))), df


def _pseudo_values(hits: np.ndarray, counts: np.ndarray) -> tuple[float, np.ndarray]:
    """Compute the score of hits (R,G,K), counts (G,K), averaged over seeds, and the jackknife's pseudo-values (R,G)."""
    groups = len(counts)
    total, number = hits.sum(axis=1), counts.sum(axis=0)
    score = mean_over_joints(total, number)  # (R,)
    without = mean_over_joints(total[:, None] - hits, number - counts) if groups > 1 else score[:, None]
    return float(score.mean()), groups * score[:, None] - (groups - 1) * without
