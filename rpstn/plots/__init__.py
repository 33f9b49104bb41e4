"""Figures. Every function returns its axes, draws what it is given, and computes no score.

Only this room and `rpstn.notebooks.noise_figures` import matplotlib and seaborn. Colors and sizes come from style.mplstyle,
which each function applies to what it draws; `use_style()` applies it to the rest of a notebook.
"""

from rpstn.plots.images import filmstrip, heatmap_over, hidden_heatmaps, image, skeleton_overlay
from rpstn.plots.numbers import (
    effect_points,
    hidden_curves,
    interval_panels,
    interval_points,
    over_frames,
    pck_bars,
    training_curves,
)
from rpstn.plots.pairs import effect_panels, weight_against_loss
from rpstn.plots.relations import (
    kernel_grid,
    relation_matrix,
    relation_on_skeleton,
    relation_over_time,
    relation_panels,
    say_effect,
)
from rpstn.plots.scrubber import frame_slider, video
from rpstn.plots.stream import joint_rows, relation_moments, stretches
from rpstn.plots.style import SIDES, STYLE, short, side, standing, use_style

__all__ = [
    "SIDES",
    "STYLE",
    "effect_panels",
    "effect_points",
    "filmstrip",
    "frame_slider",
    "heatmap_over",
    "hidden_curves",
    "hidden_heatmaps",
    "image",
    "interval_panels",
    "interval_points",
    "joint_rows",
    "kernel_grid",
    "over_frames",
    "pck_bars",
    "relation_matrix",
    "relation_moments",
    "relation_on_skeleton",
    "relation_over_time",
    "relation_panels",
    "say_effect",
    "short",
    "side",
    "skeleton_overlay",
    "standing",
    "stretches",
    "training_curves",
    "use_style",
    "video",
    "weight_against_loss",
]
