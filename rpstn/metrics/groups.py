"""Sums per group of samples, and groups drawn with replacement: what every interval of this room is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rpstn.errors import check_seed

DRAWS = 20_000  # of a bootstrap: of five groups, the 95 % levels take the 19th of them, and would take the 2nd of 2,000
_AT_ONCE = 2_000_000  # groups of a part of the draws, times draws
LEAST = 5  # groups: with four, the 95 % levels lie beyond the most extreme draw, four times the same group


def sums_per_group(values: np.ndarray, groups: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum samples (N,K), NaN left out, per group (N,): names (G,) in order, sums (G,K), numbers of samples (G,K).

    Raises ValueError for shapes that do not fit.
    """
    values = np.asarray(values, dtype=np.float64)
    try:
        names, index = np.unique(np.asarray(groups), return_inverse=True)
    except TypeError as error:  # such as None, which has no order
        raise ValueError("groups must be names or numbers, one kind of them; None is no group") from error
    if values.ndim != 2 or index.shape != values.shape[:1]:
        raise ValueError(f"values {values.shape} must be (N, K), and groups {np.shape(groups)} name a group for each row")
    known = ~np.isnan(values)
    sums, counts = np.zeros((2, len(names), values.shape[1]))
    np.add.at(sums, index, np.where(known, values, 0.0))
    np.add.at(counts, index, known)
    return names, sums, counts


def resample(score: Callable[[np.ndarray], np.ndarray], number: int, draws: int, level: float, seed: int) -> np.ndarray:
    """Score draws of groups with replacement, for intervals of that level: (D,...).

    score  takes how often each of G groups was drawn, (N,G) float64, and returns (N,...). It is called for a part of the draws at
           a time, so that thousands of groups fit into memory.
    Raises ValueError for a level outside 0 to 1 and for no draw.
    """
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"level must lie between 0 and 1 and draws be positive, not {level} and {draws}")
    rng = np.random.default_rng(check_seed(seed))
    block = max(1, _AT_ONCE // number)
    parts = [min(block, draws - first) for first in range(0, draws, block)]
    chances = np.full(number, 1 / number)
    return np.concatenate([score(rng.multinomial(number, chances, size=part).astype(np.float64)) for part in parts])


def mean_over_joints(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Average hits / counts over joints, one without a sample left out: (...,K) -> (...); NaN where no joint has one."""
    present = counts > 0
    fractions = np.divide(hits, counts, out=np.zeros_like(hits), where=present)
    number = present.sum(axis=-1)
    return np.divide(fractions.sum(axis=-1), number, out=np.full(fractions.shape[:-1], np.nan), where=number > 0)
