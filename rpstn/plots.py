"""Figures. Every function takes and returns axes, draws what it is given, and computes no score.

Nothing else in the package imports matplotlib and seaborn than this module and `rpstn.figures`, where the
functions are. Colours and sizes come from style.mplstyle, which each function applies to what it draws;
`use_style()` applies it to the rest of a notebook.
"""

from rpstn.figures.interventions import effect_points, owed_panels, weight_against_loss
from rpstn.figures.numbers import hidden_curves, interval_panels, interval_points, over_frames, pck_bars, training_curves
from rpstn.figures.pictures import filmstrip, heatmap_over, hidden_heatmaps, image, skeleton_overlay
from rpstn.figures.relations import (
    kernel_grid,
    relation_matrix,
    relation_on_skeleton,
    relation_over_time,
    relation_panels,
)
from rpstn.figures.score import accepted_circles, noise_curves
from rpstn.figures.scrubber import film, scrubber
from rpstn.figures.stream import joint_rows, relation_moments, stretches
from rpstn.figures.style import SIDES, STYLE, short, side, standing, use_style

__all__ = [
    "SIDES",
    "STYLE",
    "accepted_circles",
    "effect_points",
    "film",
    "filmstrip",
    "heatmap_over",
    "hidden_curves",
    "hidden_heatmaps",
    "image",
    "interval_panels",
    "interval_points",
    "joint_rows",
    "kernel_grid",
    "noise_curves",
    "over_frames",
    "owed_panels",
    "pck_bars",
    "relation_matrix",
    "relation_moments",
    "relation_on_skeleton",
    "relation_over_time",
    "relation_panels",
    "scrubber",
    "short",
    "side",
    "skeleton_overlay",
    "standing",
    "stretches",
    "training_curves",
    "use_style",
    "weight_against_loss",
]
