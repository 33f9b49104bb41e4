"""Intervals over groups and seeds at once: both are drawn with replacement, independently of each other.

A network trained once more with another seed scores differently, on the same clips. An interval over groups alone
leaves that out; one over all scores of all seeds, as if they were independent, counts every clip several times. Drawing
both factors (a crossed design; Owen, "The pigeonhole bootstrap", 2007) keeps them apart.

The smaller number of the two decides how far the quantiles are moved outwards (`rpstn.metrics.intervals.levels`). Sources are
seldom few, seeds often are: with two to four of them the levels lie beyond all draws, and what is returned is the range of the
draws. It has no level. Where trainings differ more than groups do, it is too narrow: three seeds span their true mean three
times in four.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rpstn.metrics.intervals import LEAST, Interval, levels


def count_by_group(right: np.ndarray, groups: Sequence | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right and wrong (N,K) of 1, 0 and NaN, by group: names (G,), hits (G,K), counts (G,K) of scored samples, sorted by name."""
    right = np.asarray(right, dtype=np.float64)
    names, index = np.unique(np.asarray(groups), return_inverse=True)
    if right.ndim != 2 or index.shape != right.shape[:1]:
        raise ValueError(f"right {right.shape} must be (N,K) with a group for each row, not {np.shape(groups)}")
    hits, counts = np.zeros((2, len(names), right.shape[1]))
    np.add.at(hits, index, np.nan_to_num(right))
    np.add.at(counts, index, ~np.isnan(right))
    return names, hits, counts


def mean_score(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Mean over joints of hits / counts, a joint without a sample left out: (...,K) -> (...); NaN where no joint has one."""
    present = counts > 0
    part = np.divide(hits, counts, out=np.zeros_like(hits), where=present)
    number = present.sum(axis=-1)
    return np.divide(part.sum(axis=-1), number, out=np.full(part.shape[:-1], np.nan), where=number > 0)


def crossed_interval(
    hits: np.ndarray,
    counts: np.ndarray,
    baseline: np.ndarray | None = None,
    *,
    draws: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """The mean over joints, averaged over seeds, or its paired difference to a baseline, with its interval.

    hits      (R,G,K) right samples of R seeds, G groups, K joints.
    counts    (G,K) scored samples; all seeds are scored on the same.
    baseline  (R,G,K) of another method with the same seeds in the same order: each draw takes the same groups and the same
              seeds for both.
    Quantiles of the draws are those for n = min(R, G) groups, for n = G with one seed, where groups alone are drawn. With two
    to four seeds they are the range of the draws, which may be too narrow: `Interval.is_range`. Bounds are NaN with fewer than
    five groups. Returns an Interval; its groups are groups, its samples those of one seed. Raises ValueError for shapes that
    do not fit.
    """
    hits, counts = np.asarray(hits, dtype=np.float64), np.asarray(counts, dtype=np.float64)
    methods = hits[None] if baseline is None else np.stack([hits, np.asarray(baseline, dtype=np.float64)])
    if hits.ndim != 3 or counts.shape != hits.shape[1:]:
        raise ValueError(f"hits {hits.shape} must be (R,G,K) and counts {counts.shape} (G,K)")
    used = counts.sum(axis=1) > 0
    methods, counts = methods[:, :, used], counts[used]
    seeds, groups, samples = hits.shape[0], int(used.sum()), int(counts.sum())
    if not groups:
        return Interval(np.nan, np.nan, np.nan, 0, 0, level, seeds)

    def score(weights: np.ndarray) -> np.ndarray:  # (D,G) -> (M,D,R)
        drawn = np.einsum("dg,mrgk->mdrk", weights, methods)
        return mean_score(drawn, np.broadcast_to((weights @ counts)[:, None], drawn.shape[1:])[None].repeat(len(drawn), axis=0))

    def difference(values: np.ndarray) -> np.ndarray:
        return values[0] - values[1] if len(values) == 2 else values[0]

    estimate = float(difference(score(np.ones((1, groups))))[0].mean())
    if groups < LEAST:
        return Interval(estimate, np.nan, np.nan, groups, samples, level, seeds)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)
    runs = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
    values = (difference(score(drawn)) * runs).sum(axis=1)
    low, high = np.nanquantile(values, levels(groups if seeds == 1 else min(seeds, groups), level))
    return Interval(estimate, float(low), float(high), groups, samples, level, seeds)
