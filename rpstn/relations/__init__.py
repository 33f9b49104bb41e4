"""What the relation is and does: measures, baselines, interventions, effects."""

from rpstn.relations.controls import baselines, ideal_relations
from rpstn.relations.measures import (
    Relations,
    asymmetry,
    collect,
    cycle_residual,
    entropy,
    off_diagonal_mass,
    off_diagonal_weight,
    strongest,
    variance_shares,
    weaker_takes_more,
)

__all__ = [
    "Relations",
    "cycle_residual",
    "asymmetry",
    "baselines",
    "collect",
    "entropy",
    "ideal_relations",
    "off_diagonal_mass",
    "strongest",
    "off_diagonal_weight",
    "variance_shares",
    "weaker_takes_more",
]
