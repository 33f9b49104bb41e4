"""Confidence intervals by the bootstrap over groups (Efron and Tibshirani, 1993).

Frames of one video resemble each other, and so do clips cut from one stretch of motion. The unit that is
drawn with replacement is therefore the group of clips. Two methods are compared on the same
draws (paired), so that what makes a clip hard for both cancels.

Plain percentiles of the draws are too narrow for few groups: of eleven, they exclude a true zero nearly twice as often as they
say. So the levels are moved outwards: Hesterberg's expanded percentile interval ("What Teachers Should Know About the
Bootstrap", The American Statistician 69, 2015). It is still too narrow for five groups (it excludes a true zero about one time
in eleven), and where effects are strongly skewed over groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr, stdtrit

from rpstn.errors import one_of
from rpstn.metrics.groups import DRAWS, LEAST, mean_over_joints, resample, sums_per_group

POOLS = ("samples", "joints")


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval (`bounds`).

    estimate  the value on all groups.
    low, high bounds of the interval; NaN with fewer than five groups, which say too little about other groups.
    groups    number of groups with a scored sample.
    samples   number of scored joint samples.
    level     0.95 for a 95 % interval.
    seeds     number of trainings, where the interval is over them as well (`rpstn.metrics.crossed`).
    df        degrees of freedom of Student's t, of which the bounds are; None for the bounds of a bootstrap.
    """

    estimate: float
    low: float
    high: float
    groups: int
    samples: int
    level: float = 0.95
    seeds: int | None = None
    df: float | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the bounds; False without bounds, and with one training, which says nothing of others."""
        return not self.one_training and (self.low > 0 or self.high < 0)

    @property
    def one_training(self) -> bool:
        """Whether trainings count and there is one: the bounds are of groups alone."""
        return self.seeds == 1

    def __str__(self) -> str:
        return self.text()

    def text(
        self, *, percent: bool = True, signed: bool = False, digits: int = 1, unit: str = "", counted: str = "joints"
    ) -> str:
        """Write the interval in words: "81.3 (95 % interval 78.0 to 84.1; 412 joints, 12 groups)".

        percent  times 100. signed: with + or -, as a difference needs it. digits: after the point.
        unit     written after the estimate, e.g. " %". counted: what the samples are.
        """
        if not self.samples:
            return "nothing to count"
        estimate, low, high = self._numbers(percent, signed, digits)
        bounds = "no interval" if np.isnan(self.low) else f"{100 * self.level:g} % interval {low} to {high}"
        groups = f"{self.groups} group{'' if self.groups == 1 else 's'}"
        seeds = "" if self.seeds is None else f", {self.seeds} seed{'' if self.seeds == 1 else 's'}"
        return f"{estimate}{unit} ({bounds}; {self.samples} {counted}, {groups}{seeds})"

    def brief(self, *, percent: bool = True, signed: bool = False, digits: int = 1) -> str:
        """Write the interval for a table: "81.3 (78.0 to 84.1)"; empty without an estimate. Arguments as in `text`."""
        if not self.samples or np.isnan(self.estimate):
            return ""
        estimate, low, high = self._numbers(percent, signed, digits)
        return f"{estimate} ({'no interval' if np.isnan(self.low) else f'{low} to {high}'})"

    def _numbers(self, percent: bool, signed: bool, digits: int) -> list[str]:
        values = self.estimate, self.low, self.high
        return [f"{(100 if percent else 1) * value:{'+' if signed else ''}.{digits}f}" for value in values]


def levels(groups: int, level: float = 0.95) -> np.ndarray:
    """Compute between which quantiles of the draws the interval of n groups lies: the lower and the upper level.

        Phi(sqrt(n / (n - 1)) t_{n-1, alpha/2})  and 1 minus that,  alpha = 1 - level

    With them a mean of normal values gets Student's interval: t since its standard deviation is not known, the root since the
    bootstrap's is too small by that much. For n < 5 they lie beyond all draws. Source: Hesterberg (2015).
    """
    tail = ndtr(np.sqrt(groups / (groups - 1)) * stdtrit(groups - 1, (1 - level) / 2))
    return np.array([tail, 1 - tail])


def bounds(drawn: np.ndarray, groups: int, level: float = 0.95) -> tuple[float, float]:
    """Compute the expanded percentile interval of draws (D,), NaN left out; NaN for fewer than five groups."""
    if groups < LEAST:
        return np.nan, np.nan
    low, high = np.nanquantile(drawn, levels(groups, level))
    return float(low), float(high)


def interval(
    correct: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    pool: str = "samples",
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compute the interval of one method's PCK.

    correct  (N,K) or (N,) of 1, 0 and NaN, as `rpstn.metrics.correct` returns it.
    groups   (N,) the group of each row.
    pool     "samples": correct samples over scored samples of all joints (micro). "joints": the mean over
             joints, a joint without a sample in a draw being left out of that draw.

    Any quantity has such an interval, also an error or an effect: its values are averaged as those of a PCK. Raises ValueError
    for shapes that do not fit.
    """
    _, hits, counts = sums_per_group(_as_matrix(correct), groups)
    return _bootstrap(hits[None], counts, pool, draws, level, seed)


def paired_interval(
    correct_a: np.ndarray,
    correct_b: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    pool: str = "samples",
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compute the interval of the difference PCK(a) - PCK(b) of two methods on the same samples.

    Arguments as for `interval`. Raises ValueError where the two do not score the same samples.
    """
    correct_a, correct_b = _as_matrix(correct_a), _as_matrix(correct_b)
    if correct_a.shape != correct_b.shape:
        raise ValueError(f"the two methods have {correct_a.shape} and {correct_b.shape} samples; they must be the same")
    if not np.array_equal(np.isnan(correct_a), np.isnan(correct_b)):
        raise ValueError("the two methods are not scored on the same samples")
    _, hits_a, counts = sums_per_group(correct_a, groups)
    _, hits_b, _ = sums_per_group(correct_b, groups)
    return _bootstrap(np.stack([hits_a, hits_b]), counts, pool, draws, level, seed)


def contrast_interval(
    values: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    *,
    draws: int = DRAWS,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Compute the interval of mean(first) - mean(second) of one quantity, within each joint, then averaged over joints.

    For two kinds of samples that exclude each other, such as hidden and visible joints. Both means of a draw
    come from the same groups. Joints are compared with themselves only, so it does not matter that one kind
    is more common among some joints than among others.

    values         (N,K) or (N,); NaN is left out.
    first, second  bool of the same shape: which samples belong to which kind.
    groups         (N,) the group of each row.
    A joint counts if it has samples of both kinds; in a draw in which it lacks one, it is left out of that
    draw. samples are those of both kinds in the joints that count, groups are those that have samples of the
    rarer kind. Raises ValueError for shapes that do not fit and for samples of both kinds at once.
    """
    values, first, second = _as_matrix(values), _as_matrix(first) > 0, _as_matrix(second) > 0
    if first.shape != values.shape or second.shape != values.shape:
        raise ValueError(f"values are {values.shape}, the two kinds {first.shape} and {second.shape}; they must be the same")
    if (first & second).any():
        raise ValueError("a sample belongs to both kinds; a contrast needs kinds that exclude each other")
    known = ~np.isnan(values)
    both = (first & known).any(axis=0) & (second & known).any(axis=0)
    parts = [sums_per_group(np.where(members, values, np.nan)[:, both], groups)[1:] for members in (first, second)]
    if not both.any():
        return Interval(np.nan, np.nan, np.nan, 0, 0, level)
    sums, counts = (np.stack(part) for part in zip(*parts, strict=True))  # (2,G,K) each
    number = int((counts.sum(axis=2) > 0).sum(axis=1).min())
    used = counts.sum(axis=(0, 2)) > 0
    sums, counts = sums[:, used], counts[:, used]
    estimate = float(_contrast(sums, counts, np.ones((1, sums.shape[1])))[0])
    drawn = resample(lambda weights: _contrast(sums, counts, weights), sums.shape[1], draws, level, seed)
    return Interval(estimate, *bounds(drawn, number, level), number, int(counts.sum()), level)


def _contrast(sums: np.ndarray, counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Compute the contrast of sums, counts (2,G,K) per row of weights (D,G): (D,), NaN where no joint has both kinds."""
    totals, numbers = weights @ sums, weights @ counts  # (2,D,K)
    means = np.divide(totals, numbers, out=np.zeros_like(totals), where=numbers > 0)
    present = (numbers > 0).all(axis=0)
    total, joints = np.where(present, means[0] - means[1], 0.0).sum(axis=-1), present.sum(axis=-1)
    return np.divide(total, joints, out=np.full(len(weights), np.nan), where=joints > 0)


def _as_matrix(correct: np.ndarray) -> np.ndarray:
    correct = np.asarray(correct, dtype=np.float64)
    if correct.ndim not in (1, 2):
        raise ValueError(f"correct must be (N, K) or (N,), not {correct.shape}")
    return correct[:, None] if correct.ndim == 1 else correct


def _bootstrap(hits: np.ndarray, counts: np.ndarray, pool: str, draws: int, level: float, seed: int) -> Interval:
    """Draw groups for hits (M,G,K) of one method, or of two whose difference is meant; counts (G,K)."""
    one_of("pool", pool, POOLS)
    used = counts.sum(axis=1) > 0
    hits, counts = hits[:, used], counts[used]
    number, samples = len(counts), int(counts.sum())
    if number == 0:
        return Interval(np.nan, np.nan, np.nan, 0, 0, level)
    estimate = float(_score(hits, counts, np.ones((1, number)), pool)[0])
    drawn = resample(lambda weights: _score(hits, counts, weights, pool), number, draws, level, seed)
    return Interval(estimate, *bounds(drawn, number, level), number, samples, level)


def _score(hits: np.ndarray, counts: np.ndarray, weights: np.ndarray, pool: str) -> np.ndarray:
    """Compute the score, or the difference of two, per row of weights (D,G): how often each group was drawn."""
    drawn_counts = weights @ counts  # (D,K)
    drawn_hits = np.stack([weights @ method for method in hits])  # (M,D,K)
    if pool == "samples":
        values = drawn_hits.sum(axis=-1) / drawn_counts.sum(axis=-1)
    else:
        values = mean_over_joints(drawn_hits, drawn_counts)
    return values[0] - values[1] if len(values) == 2 else values[0]
