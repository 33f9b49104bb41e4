"""What counts as a finding, fixed beforehand: the endpoint, the comparison that it is for, and how large a difference matters.

Written down before the scores of several seeds on real people were made (`benchmarks/real_people.py`), and not changed after
them. The ablation's first grid, on drawn people, was known by then. The endpoint is for data sets that mark occluded joints, such
as the drawn people; Sub-JHMDB does not, so that there no comparison is primary and all are adjusted for their number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Endpoint:
    """One score, and how differences in it are judged.

    reference, subset, threshold  PCK of the joints of a visibility subset, within threshold times the reference length.
    comparison                    the one difference that needs no correction: of the full network, minus this variant (a name in
                                  `rpstn.train.recipes.VARIANTS`).
    level                         of intervals; 1 - level is the error that a family of tests is held to.
    power                         of the smallest detectable effect.
    margin                        a fraction: networks whose difference lies within it, either way, are equivalent.
    """

    reference: str
    subset: str
    threshold: float
    comparison: str
    level: float
    power: float
    margin: float


PRIMARY = Endpoint(
    reference="torso", subset="occluded", threshold=0.2, comparison="without_propagation", level=0.95, power=0.8, margin=0.01
)


def choose_seed(val: Mapping[int, float]) -> int:
    """Choose the training that is shipped or shown, of several that differ in their seed alone, from val scores by seed.

    The rule, written down before: the highest val score by the run's `validate_by`; the lowest number of those that score alike.
    Reported are the scores of all seeds, their mean and its interval: choosing is for what is used, and no test score enters it.
    Raises ValueError for no seed.
    """
    if not val:
        raise ValueError("there is no seed to choose from")
    return min(val, key=lambda seed: (-val[seed], seed))
