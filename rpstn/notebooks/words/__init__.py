"""Sentences and tables of the notebooks that depend on numbers: templates, one file per theme, every branch tested."""

from rpstn.notebooks.words.common import (
    bullets,
    differences,
    excluded,
    finding,
    listed,
    no_difference,
    plural,
    points,
    significant_in,
)
from rpstn.notebooks.words.evaluation import (
    APART,
    counts_table,
    held_out_table,
    held_out_words,
    hidden_gain_words,
    how_trained,
    score_table,
    subset_table,
)
from rpstn.notebooks.words.findings import endpoint_words, finding_words, gain_words, interval_words, verdicts
from rpstn.notebooks.words.image import jre_words, network_costs, network_scores, used_words
from rpstn.notebooks.words.interventions import (
    IN_PLACE,
    MEASURED,
    accumulation_words,
    carried_table,
    loss_words,
    own_share_words,
    pairs_table,
    pairs_words,
    rank_words,
    replacement_verdict,
    replacements_words,
    weaker_words,
)
from rpstn.notebooks.words.occlusion import (
    answer_table,
    answer_words,
    effects_table,
    effects_words,
    giveaway_table,
    giveaway_words,
    horizon_words,
    horizons_words,
)
from rpstn.notebooks.words.parts import (
    carried_words,
    hidden_so_far_words,
    kernel_change_words,
    occluded_words,
    shared_groups_words,
)
from rpstn.notebooks.words.performance import bench_table, matching_words, targets_words
from rpstn.notebooks.words.real_people import real_people_section
from rpstn.notebooks.words.relations import (
    closeness,
    cycle_words,
    effect_statement,
    hidden_weight_words,
    relations_row,
    resemblance,
    scale_table,
    scale_words,
    variance_words,
)
from rpstn.notebooks.words.results import (
    NONE_PUBLISHED,
    budget_row,
    converged_words,
    data_box,
    gains_section,
    gentle_section,
    grid_table,
    held_words,
    losses,
    paper_gains_table,
    published_grid_words,
    scores_section,
    split_section,
    training_section,
    uneven_gain_words,
)
from rpstn.notebooks.words.score import compression_words, coverage_words, gaps_table, guessing_words, noise_table
from rpstn.notebooks.words.video import doubt_words, limit_words, summary_table, taken_table, video_row, weights_words
