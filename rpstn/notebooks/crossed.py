"""Intervals over groups and seeds at once: both are drawn with replacement, independently of each other.

A network trained once more with another seed scores differently, on the same clips. An interval over groups alone
leaves that out; one over all scores of all seeds, as if they were independent, counts every clip several times. Drawing
both factors (a crossed design; Owen, "The pigeonhole bootstrap", 2007) keeps them apart.

The smaller number of the two decides how far the quantiles are moved outwards (`rpstn.metrics.intervals.levels`). Groups are
seldom few, seeds often are: with two to four of them the levels are beyond all draws, and what is returned is the range of the
draws. It has no level. Where trainings differ more than groups do, it is too narrow: three seeds span their true mean three
times in four.
"""

from __future__ import annotations

import numpy as np

from rpstn.metrics.groups import LEAST, draw_groups, mean_over_joints
from rpstn.metrics.intervals import Interval, levels


def crossed_interval(
    hits: np.ndarray,
    counts: np.ndarray,
    baseline: np.ndarray | None = None,
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Average over joints and seeds, or the paired difference to a baseline, with its interval.

    hits      (R,G,K) correct samples of R seeds, G groups, K joints.
    counts    (G,K) scored samples; all seeds are scored on the same.
    baseline  (R,G,K) of another method with the same seeds in the same order: each draw takes the same groups and the same
              seeds for both.
    Quantiles of the draws are those for n = min(R, G) groups, for n = G with one seed, where groups alone are drawn. With two
    to four seeds they are the range of the draws, which may be too narrow: `Interval.is_range`. Bounds are NaN with fewer than
    five groups. The samples of the Interval are those of one seed. Raises ValueError for shapes that do not fit.
    """
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    if hits.ndim != 3 or counts.shape != hits.shape[1:]:
        raise ValueError(f"hits {hits.shape} must be (R,G,K) and counts {counts.shape} (G,K)")
    methods = hits[None] if baseline is None else np.stack([hits, np.asarray(baseline, dtype=np.float64)])
    used = counts.sum(axis=1) > 0
    methods, counts = methods[:, :, used], counts[used]
    seeds, groups, samples = hits.shape[0], int(used.sum()), int(counts.sum())
    if not groups:
        return Interval(np.nan, np.nan, np.nan, 0, 0, level, seeds)

    def score(weights: np.ndarray) -> np.ndarray:  # (D,G) -> (M,D,R)
        drawn = np.einsum("dg,mrgk->mdrk", weights, methods)
        return mean_over_joints(drawn, (weights @ counts)[:, None])

    def difference(values: np.ndarray) -> np.ndarray:
        return values[0] - values[1] if len(values) == 2 else values[0]

    estimate = float(difference(score(np.ones((1, groups))))[0].mean())
    if groups < LEAST:
        return Interval(estimate, np.nan, np.nan, groups, samples, level, seeds)
    rng = np.random.default_rng(seed)
    drawn = draw_groups(groups, draws, level, rng)
    runs = draw_groups(seeds, draws, level, rng) / seeds
    values = (difference(score(drawn)) * runs).sum(axis=1)
    low, high = np.nanquantile(values, levels(groups if seeds == 1 else min(seeds, groups), level))
    return Interval(estimate, float(low), float(high), groups, samples, level, seeds)
