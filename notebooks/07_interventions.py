# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What the relations are worth
#
# **Question.** The learned relations say which joints take from which. Does the network need them? What is lost if every joint keeps
# to itself, takes from the wrong joints, or takes from one joint less?
#
# **Time.** Half a minute on two CPU cores: the encoder sees the test split once, and everything after it is computed once more for
# each intervention.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variant: str = "rpstn"  # whose relations: a variant with relations, see rpstn.train.recipes.VARIANTS
window: int = 8  # frames that go through the network at once
batch: int = 8  # windows at once
interventions: list[str] = ["identity", "average", "uniform", "permuted"]  # replacing the relation; also cut:JOINT:SOURCE
every: int = 4  # single pairs are cut in one of this many frames
carried: int = 10  # number of pairs, the largest weights first, that are also cut in all frames of a clip
seed: int = 2021  # of the permutations, and of the bootstrap


# %%
# %matplotlib inline
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from rpstn import EvaluateConfig, load_checkpoint, open_dataset, plots, relations
from rpstn.datasets import OCCLUDED, VISIBLE
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics import interval
from rpstn.metrics.pairs import pair_means, rank_ceiling, rank_interval
from rpstn.notebooks import words
from rpstn.relations.effects import MEASURES, own_effect, own_share, pair_matrix
from rpstn.relations.interventions import Cut, all_pairs, named
from rpstn.relations.share import effect_on_clips
from rpstn.relations.study import CutPlan, StudySettings, study
from rpstn.train.recipes import TITLES, find_checkpoints

config = EvaluateConfig(
    checkpoint=find_checkpoints(dataset, out, fold=fold, variants=[variant])[variant],
    dataset=dataset,
    root=root,
    fold=fold,
    seed=seed,
    window=window,
    batch=batch,
)
plan = CutPlan(every=every, carried=carried)
plots.use_style()

# %%
test = open_dataset(config.dataset, config.root, split="test", fold=config.fold)
skeleton = test.skeleton
for name in interventions:  # an unknown name, or a joint that is not there, stops here and not minutes later
    named(name, skeleton, average=np.eye(len(skeleton)))
model, metadata = load_checkpoint(config.checkpoint)
learned = relations.collect(predict_clips(model, metadata, test, config.window, batch=config.batch), test)
sums = "rows" if model.config.relation_layout == "paper" else "columns"
average = learned.mean()
effect = effect_on_clips(model, metadata, test, window=config.window)
visibility = np.concatenate([item.visibility for item in test])

# %% tags=["hide-input"]
row = words.relations_row(config.checkpoint, model.config, len(test), len(set(learned.groups)))
pd.DataFrame({TITLES[variant]: row}).T

# %% tags=["hide-input"]
Markdown(words.effect_statement(effect))

# %% [markdown]
# ## Cause, not correlation: replacing the relation
#
# A relation that looks interesting need not matter. The test is to replace it and to change nothing else: the same network, the
# same frames, the same weights. Four replacements ask four questions.
#
# - **identity**: every joint keeps to itself. Are the relations used at all?
# - **average**: every frame gets the data set's mean relation. Does it matter that each frame has its own?
# - **uniform**: every joint takes equally from all. Does it matter which joints are taken from?
# - **permuted**: as much is taken as before, from the wrong joints. The same question, with weights as uneven as the learned ones.
#   It is one random permutation, the same in all frames; another one could cost more or less.
#
# PCK changes only when a joint crosses the edge of the circle, and a small effect hides between two such crossings. So finer measures
# are added: the distance from the truth, and the heatmap's value at the true position, as a share of an ideal peak and of its own
# peak. The last one does not change when a whole heatmap becomes higher or lower. In all of them, a loss is positive.

# %%
replaced = {name: named(name, skeleton, average=average, seed=config.seed) for name in interventions}
pairs = all_pairs(len(skeleton))  # single pairs come further down; the encoder's work is done once for both
settings = StudySettings(window=config.window, batch=config.batch, pairs=pairs, every=plan.every)
done = study(model, metadata, test, replaced, settings)

# %%
subsets = {"all": np.ones_like(done.truth.scored), "visible": visibility == VISIBLE, "occluded": visibility == OCCLUDED}
effects = {}
for name, changed in done.changed.items():
    for measured, loss in done.own.loss(changed).items():
        for subset, members in subsets.items():
            values = np.where(members, loss, np.nan)
            if np.isfinite(values).any():
                effects[measured, name, subset] = interval(values, done.truth.groups, pool="joints", seed=config.seed)

# %% mystnb={"figure": {"name": "fig-relations-intervention"}, "image": {"alt": "Three panels of points with horizontal intervals, one row per intervention, one color per kind of joints, beside lines of no difference."}}
counted = [subset for subset in subsets if ("pck", interventions[0], subset) in effects]
fig, axes = plt.subplots(1, 3, figsize=(10.4, 0.55 * len(replaced) + 1.3), sharey=True)
for ax, (measured, label) in zip(axes, words.MEASURED.items(), strict=True):
    points = {name: {f"{subset} joints": effects[measured, name, subset] for subset in counted} for name in replaced}
    plots.effect_points(points, ax, label=f"loss in {label}", legend=ax is axes[1])

# %% [markdown]
# *What the network loses when its relations are replaced, by three measures, with 95 % intervals over groups.
# Positive: it was better with its own relations. Filled points: the interval excludes zero.*

# %% tags=["hide-input"]
pd.DataFrame(
    {
        (name, subset): {
            title: effects[measured, name, subset].brief(signed=True, digits=2) for measured, title in MEASURES.items()
        }
        for name in replaced
        for subset in counted
    }
).T

# %% [markdown]
# Over all joints, by PCK (points), distance (% of the person's size) and value at the true position (% of the peak):

# %% tags=["hide-input"]
Markdown(words.replacements_words(effects, interventions))

# %% [markdown]
# The heatmaps that enter the relation are now at hand, and with them the question that the chapter before left open: which joint
# makes a relation asymmetric?

# %%
weaker = relations.weaker_takes_more(done.relations if sums == "rows" else np.swapaxes(done.relations, 1, 2), done.strength)
weaker = interval(weaker, done.truth.groups, seed=config.seed)

# %% tags=["hide-input"]
Markdown(words.weaker_words(weaker, sums))

# %% [markdown]
# ## What one joint contributes to another
#
# Now single pairs. The weight of joint $j$ in refined joint $i$ is set to zero, the rest of the row grows until it sums to 1 again,
# and what joint $i$ loses is measured. Done for all pairs, this gives a matrix on the axes of the relation: not how much joint
# $i$ takes from joint $j$, but the **effect** of joint $j$ on it. Each pair is cut in one frame at a time, with everything before
# that frame unchanged; so only what follows the heatmaps that enter the relation has to be computed again, and all pairs cost little.

# %%
groups = done.truth.groups[:: plan.every]
weights = np.stack([done.relations[:: plan.every, i, j] for i, j in pairs], axis=1)
single = {measured: own_effect(loss, pairs) for measured, loss in done.alone.items()}
means = {measured: pair_means(loss, groups, seed=config.seed) for measured, loss in single.items()}
ranks = {measured: rank_interval(weights, loss, groups, seed=config.seed) for measured, loss in single.items()}
ceilings = {measured: rank_ceiling(loss, groups, seed=config.seed) for measured, loss in single.items()}

# %% mystnb={"figure": {"name": "fig-relations-owed"}, "image": {"alt": "Four square matrices with gray diagonals: the weights in green, and three losses in red and blue."}}
panels = {
    "loss in PCK@0.2 (points)": means["pck"],
    "loss in distance (% of person)": means["distance"],
    "loss at the truth (% of peak)": means["share"],
}
axes = plots.effect_panels(
    pair_matrix(weights.mean(axis=0), pairs, len(skeleton)),
    {title: pair_matrix(100 * np.nan_to_num(item.estimate), pairs, len(skeleton)) for title, item in panels.items()},
    skeleton,
    {title: pair_matrix(item.significant, pairs, len(skeleton)) > 0 for title, item in panels.items()},
    sums=sums,
)
plots.say_effect(axes, effect)

# %% [markdown]
# *The learned relation, and what refined joint i loses in a frame when it is cut off from joint j. Dots: losses
# significantly different from zero, by a bound that holds for all pairs together.*

# %% mystnb={"figure": {"name": "fig-relations-weight-loss"}, "image": {"alt": "A scatter of points with vertical intervals; the largest are named by their joints."}}
ax = plots.weight_against_loss(
    weights.mean(axis=0), means["share"], pairs, skeleton, label="loss at the truth (% of peak)", factor=100
)
plots.say_effect(ax, effect)

# %% [markdown]
# *Each pair of joints: its weight in the average relation, and what the refined joint loses at the true position when the pair
# is cut, with 95 % intervals over groups, each by itself. Filled: significant among all pairs.*

# %% tags=["hide-input"]
joints = [plots.short(joint) for joint in skeleton.joints]
pd.DataFrame(words.pairs_table(means, ranks, ceilings, done.alone, pairs, joints)).T

# %% tags=["hide-input"]
Markdown(words.pairs_words(means, len(groups)))

# %% tags=["hide-input"]
Markdown(words.rank_words(ranks["share"], ceilings["share"]))

# %% tags=["hide-input"]
Markdown(words.own_share_words(own_share(done.alone["share"], pairs)))

# %% [markdown]
# ## Does a cut add up over time?
#
# In a network with propagation, a frame's heatmaps make the kernels of the next. A cut in every frame could add up. For the largest
# weights this is measured: the pair is cut in all frames of one clip from each group, and the loss is compared with that of a cut in
# one frame alone. The table gives mean losses of the refined joint, or nothing if `carried` is 0. The conclusion rests on the last
# measure, the heatmap's value at the true position as a share of its own peak.

# %%
order = np.argsort(-weights.mean(axis=0), kind="stable")[: plan.carried]
chosen = {item.group: index for index, item in reversed(list(enumerate(test)))}  # the first clip of each group
first_clips = replace(test, clips=tuple(test.clips[index] for index in sorted(chosen.values())))
largest = [pairs[number] for number in order]
cuts = {pair: Cut(*pair) for pair in largest}
settings = StudySettings(window=config.window, batch=config.batch, pairs=largest)
whole = study(model, metadata, first_clips, cuts, settings) if largest else None

# %%
added, growth = {}, {}
for measured in words.MEASURED if largest else ():
    always = np.stack([whole.own.loss(whole.changed[i, j])[measured][:, i] for i, j in largest], axis=1)
    alone = own_effect(whole.alone[measured], largest)
    values = {"in one frame": alone, "in all frames": always}
    added[measured] = {name: interval(loss, whole.truth.groups, seed=config.seed) for name, loss in values.items()}
    growth[measured] = interval(always - alone, whole.truth.groups, seed=config.seed)

# %% tags=["hide-input"]
pd.DataFrame(words.carried_table(added, growth)).T if added else None

# %% tags=["hide-input"]
Markdown(words.accumulation_words(growth["share"], model.config.propagation != "none")) if added else None
