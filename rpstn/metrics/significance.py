"""What a difference and its interval say: a p-value, corrected for how many there are; what could have been found; equivalence.

All of it follows from an `Interval`: its half-width is t_{1 - alpha/2, df} standard errors. Where an interval comes from a
bootstrap, df is one less than the groups, which is what its levels are made for (`rpstn.metrics.intervals.levels`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtr, stdtrit
from scipy.stats import nct

from rpstn.metrics.endpoints import PRIMARY, Endpoint
from rpstn.metrics.intervals import Interval


@dataclass(frozen=True)
class Finding:
    """What a difference says.

    item        the difference.
    kind        "better", "worse" (significant), "equivalent", "open" (neither), "one training" or "no interval".
    p           two-sided, adjusted where there are others; NaN without an interval.
    adjusted    whether p is Holm's.
    detectable  smallest effect that such an interval excludes zero for, with the endpoint's power; NaN without an interval.
    """

    item: Interval
    kind: str
    p: float
    adjusted: bool
    detectable: float


def judge(items: Mapping[str, Interval], endpoint: Endpoint = PRIMARY, primary: str | None = None) -> dict[str, Finding]:
    """Judge differences by name: the primary one by itself, all others together, corrected for their number (Holm).

    Significant is p <= 1 - level. What is not significant and lies within the endpoint's margin is equivalent.
    """
    rest = holm({name: p_value(item) for name, item in items.items() if name != primary and testable(item)})
    found = {}
    for name, item in items.items():
        p = rest.get(name, p_value(item) if testable(item) else float("nan"))
        found[name] = Finding(item, _kind(item, p, endpoint), p, name in rest, detectable_effect(item, endpoint.power))
    return found


def _kind(item: Interval, p: float, endpoint: Endpoint) -> str:
    if np.isnan(item.low):
        return "no interval"
    if item.one_training:
        return "one training"
    if p <= 1 - endpoint.level:
        return "better" if item.estimate > 0 else "worse"
    return "equivalent" if equivalent(item, endpoint.margin, 1 - endpoint.level) else "open"


def testable(item: Interval) -> bool:
    """Tell whether a difference has an interval that says something about other trainings."""
    return not (np.isnan(item.low) or item.one_training)


def p_value(item: Interval) -> float:
    """Compute the two-sided p-value of a difference: 2 P(T_df > |estimate| / standard error); NaN without bounds.

    It is at most 1 - level where the bounds exclude zero, and only there. Of bounds that are not symmetric, that towards zero
    counts.
    """
    error, df = _error(item)
    if np.isnan(error):
        return float("nan")
    if error == 0:
        return float(item.estimate == 0)
    return float(2 * stdtr(df, -abs(item.estimate) / error))


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Adjust p-values so that the chance of any false finding among them stays below the level they are held against.

        p~_(i) = max_{j <= i} min(1, (m - j + 1) p_(j)),   p_(1) <= ... <= p_(m)

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics 6, 1979. Returned
    are all names, in their order. Raises ValueError for a value that is no probability.
    """
    if not all(0 <= value <= 1 for value in p.values()):
        raise ValueError(f"p-values lie between 0 and 1, unlike those of {dict(p)}")
    order = sorted(p, key=lambda name: p[name])
    adjusted, largest = {}, 0.0
    for index, name in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - index) * p[name]))
        adjusted[name] = largest
    return {name: adjusted[name] for name in p}


def detectable_effect(item: Interval, power: float = PRIMARY.power) -> float:
    """Compute the smallest effect whose interval, of this standard error, excludes zero with that power; NaN without bounds.

    The effect is d standard errors, where a noncentral t of noncentrality d lies beyond t_{1 - alpha/2, df} with probability
    `power`: 2.80 for many degrees of freedom, at 95 % and 80 %. Raises ValueError for a power that is not between alpha/2 and 1.
    """
    upper = (1 + item.level) / 2
    if not 1 - upper < power < 1:
        raise ValueError(f"power must lie between {1 - upper:g} and 1, not {power}")
    error, df = _error(item)
    if np.isnan(error):
        return float("nan")
    limit = float(stdtrit(df, upper))
    return error * float(brentq(lambda shift: nct.sf(limit, df, shift) - power, 0, 4 * limit + 10, xtol=1e-6))


def equivalent(item: Interval, margin: float, alpha: float = 0.05) -> bool:
    """Tell whether a difference lies within +-margin, by two one-sided tests at alpha each (Schuirmann, 1987).

    This is so where the 1 - 2 alpha interval lies within the margin. False without bounds, and with one training.
    """
    if not testable(item):
        return False
    error, df = _error(item)
    return abs(item.estimate) + error * float(stdtrit(df, 1 - alpha)) < margin


def _error(item: Interval) -> tuple[float, float]:
    """Return standard error and degrees of freedom; NaN without bounds."""
    if np.isnan(item.low):
        return float("nan"), float("nan")
    df = item.groups - 1 if item.df is None else item.df
    half = item.estimate - item.low if item.estimate > 0 else item.high - item.estimate
    return max(half, 0.0) / float(stdtrit(df, (1 + item.level) / 2)), df
