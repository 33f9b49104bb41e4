"""What the relation is and does: measures, baselines, interventions, effects."""

from rpstn.relations.baselines import baseline_relations, ideal_relations
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
    "asymmetry",
    "baseline_relations",
    "collect",
    "cycle_residual",
    "entropy",
    "ideal_relations",
    "off_diagonal_mass",
    "off_diagonal_weight",
    "strongest",
    "variance_shares",
    "weaker_takes_more",
]
