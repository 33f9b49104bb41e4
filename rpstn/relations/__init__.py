"""What the relation is and does: measures, baselines, interventions, effects."""

from rpstn.relations.controls import baselines, ideal_relations
from rpstn.relations.measures import (
    Relations,
    around_three,
    asymmetry,
    collect,
    entropy,
    off_diagonal_mass,
    strongest,
    taken,
    variance_shares,
    weaker_takes_more,
)

__all__ = [
    "Relations",
    "around_three",
    "asymmetry",
    "baselines",
    "collect",
    "entropy",
    "ideal_relations",
    "off_diagonal_mass",
    "strongest",
    "taken",
    "variance_shares",
    "weaker_takes_more",
]
