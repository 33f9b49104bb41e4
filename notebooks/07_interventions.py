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
# to itself, takes from the wrong joints, or from one joint less?
#
# **Time.** Half a minute on two CPU cores: the encoder sees the test split once, and what lies behind it is computed once more for
# each intervention.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variant: str = "rpstn"  # whose relations: a variant with relations, see rpstn.train.recipes.VARIANTS
window: int = 8  # frames that go through the network at once
batch: int = 8  # windows at once
interventions: list[str] = ["identity", "average", "uniform", "permuted"]  # put in the relation's place; also cut:JOINT:SOURCE
every: int = 4  # single pairs are cut in one frame of so many
carried: int = 10  # so many pairs, the largest weights first, are also cut in all frames of a clip
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
from rpstn.notebooks.words import IN_PLACE, MEASURED, adding, answer, landing, ranked, verdict
from rpstn.relations.effects import MEASURES, own_effect, own_share, pair_matrix
from rpstn.relations.interventions import Cut, all_pairs, named
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
for name in interventions:  # a name that is none, or of a joint that is not there, stops here and not in minutes
    named(name, skeleton, average=np.eye(len(skeleton)))
model, metadata = load_checkpoint(config.checkpoint)
learned = relations.collect(predict_clips(model, metadata, test, config.window, batch=config.batch), test)
sums = "rows" if model.config.relation_layout == "paper" else "columns"
average = learned.mean()
visibility = np.concatenate([item.visibility for item in test])

# %% tags=["hide-input"]
path = config.checkpoint
Markdown(
    f"Relations of **{TITLES[variant]}** (`{path.parent.name}/{path.name}`, scale `{model.config.relation_scale}`, layout "
    f"`{model.config.relation_layout}`), {len(test)} test clips of `{test.name}` from {len(set(learned.groups))} groups."
)

# %% [markdown]
# ## Cause, not correlation: another relation in its place
#
# A relation that looks interesting need not matter. The test is to replace it and to change nothing else: the same network, the
# same frames, the same weights. Four replacements ask four questions.
#
# - **identity**: every joint keeps to itself. Are the relations used at all?
# - **average**: every frame gets the data set's mean relation. Does it matter that each frame has its own?
# - **uniform**: every joint takes from all alike. Does it matter which joints are taken from?
# - **permuted**: as much is taken as before, from the wrong joints. The same question, with weights as uneven as the learned ones.
#   It is one random permutation, the same in all frames; another one could cost more or less.
#
# PCK counts a joint only when it crosses the circle's edge, and a small effect hides between two such crossings. So finer measures
# stand beside it: the distance from the truth, and the heatmap's value at the true place, in units of an ideal peak and as a share of its own
# peak. The last one does not change when a whole heatmap becomes higher or lower. In all of them, a loss is positive.

# %%
replaced = {name: named(name, skeleton, average=average, seed=config.seed) for name in interventions}
pairs = all_pairs(len(skeleton))  # single pairs come further down; the encoder's work is done once for both
settings = StudySettings(window=config.window, batch=config.batch, pairs=pairs, every=plan.every)
done = study(model, metadata, test, replaced, settings)
subsets = {"all": np.ones_like(done.truth.scored), "visible": visibility == VISIBLE, "occluded": visibility == OCCLUDED}
effects = {}
for name, changed in done.changed.items():
    for measured, loss in done.own.loss(changed).items():
        for subset, members in subsets.items():
            values = np.where(members, loss, np.nan)
            if np.isfinite(values).any():
                effects[measured, name, subset] = interval(values, done.truth.groups, pool="joints", seed=config.seed)

# %% mystnb={"figure": {"name": "fig-relations-intervention"}, "image": {"alt": "Three panels of points with horizontal intervals, one row an intervention, one color a kind of joints, beside lines of no difference."}}
fig, axes = plt.subplots(1, 3, figsize=(10.4, 0.55 * len(replaced) + 1.3), sharey=True)
for ax, (measured, label) in zip(axes, MEASURED.items(), strict=True):
    plots.effect_points(
        {
            name: {
                f"{subset} joints": effects[measured, name, subset] for subset in subsets if (measured, name, subset) in effects
            }
            for name in replaced
        },
        ax,
        label=f"loss in {label}",
        legend=ax is axes[1],
    )

# %% [markdown]
# *What the network loses when its relations are replaced, by three measures, with 95 % intervals over groups.
# Positive: it was better with its own. Filled points: the interval excludes zero.*

# %% tags=["hide-input"]
pd.DataFrame(
    {
        (name, subset): {
            text: effects[measured, name, subset].brief(signed=True, digits=2) for measured, text in MEASURES.items()
        }
        for name in replaced
        for subset in subsets
        if ("pck", name, subset) in effects
    }
).T

# %% tags=["hide-input"]
Markdown(
    f"All joints, {effects['pck', interventions[0], 'all'].samples} of them from {effects['pck', interventions[0], 'all'].groups} groups; losses in PCK "
    "(points), distance (% of the person) and value at the truth (% of the peak):\n\n"
    + "\n".join(
        f"- {IN_PLACE.get(name, name)}: "
        + ", ".join(answer(effects[measured, name, "all"]) for measured in MEASURED)
        + f". **{verdict({measured: effects[measured, name, 'all'] for measured in MEASURED})}**"
        for name in interventions
    )
)

# %%
weaker = relations.weaker_takes_more(done.relations if sums == "rows" else np.swapaxes(done.relations, 1, 2), done.strength)
weaker = interval(weaker, done.truth.groups, seed=config.seed)

# %% tags=["hide-input"]
Markdown(
    "The heatmaps that enter the relation are now at hand, and with them the question that the chapter before left open: whose weight makes a "
    "relation asymmetric? Of all pairs of joints in all frames, "
    f"the one with the weaker heatmap {'takes' if sums == 'rows' else 'gives'} more than the other in {weaker.text(unit=' %', counted='frames')}. "
    + (
        "**Asymmetry is about strength**: it says whose heatmap is weak."
        if weaker.low > 0.9
        else "**Strength explains most of the asymmetry, not all of it**: what a joint overlaps with counts too."
        if weaker.low > 0.5
        else "**Strength does not explain the asymmetry**: more often it is the other way round."
        if weaker.high < 0.5
        else "**Whether strength explains the asymmetry cannot be told.**"
    )
)

# %% [markdown]
# ## What one joint owes to another
#
# Now single pairs. The weight of joint $j$ in refined joint $i$ is set to zero, the rest of the row grows until it sums to 1 again,
# and what joint $i$ loses is measured. Done for all pairs, this gives a matrix on the axes of the relation: not how much joint
# $i$ takes from joint $j$, but what it **owes** to it. Each pair is cut in one frame at a time, with everything before that
# frame as it was; so only what lies behind the heatmaps that enter the relation is computed again, and all pairs cost little.

# %%
rows = slice(None, None, plan.every)
losses = done.alone
groups = done.truth.groups[rows]
weights = np.stack([done.relations[rows, i, j] for i, j in pairs], axis=1)
owed = {measured: own_effect(loss, pairs) for measured, loss in losses.items()}
means = {measured: pair_means(loss, groups, seed=config.seed) for measured, loss in owed.items()}
ranks = {measured: rank_interval(weights, loss, groups, seed=config.seed) for measured, loss in owed.items()}
ceilings = {measured: rank_ceiling(loss, groups, seed=config.seed) for measured, loss in owed.items()}

# %% mystnb={"figure": {"name": "fig-relations-owed"}, "image": {"alt": "Four square matrices with gray diagonals: the weights in green, and three losses in red and blue."}}
panels = {
    "loss in PCK@0.2 (points)": "pck",
    "loss in distance (% of person)": "distance",
    "loss at the truth (% of peak)": "share",
}
axes = plots.effect_panels(
    pair_matrix(weights.mean(axis=0), pairs, len(skeleton)),
    {title: pair_matrix(100 * np.nan_to_num(means[key].estimate), pairs, len(skeleton)) for title, key in panels.items()},
    skeleton,
    {title: pair_matrix(means[key].significant, pairs, len(skeleton)) > 0 for title, key in panels.items()},
    sums=sums,
)

# %% [markdown]
# *The learned relation, and what refined joint i loses in a frame when it is cut off from joint j. Dots: losses told
# apart from zero with a bound that holds for all pairs together.*

# %% mystnb={"figure": {"name": "fig-relations-weight-loss"}, "image": {"alt": "A scatter of points with vertical intervals; the largest are named by their joints."}}
ax = plots.weight_against_loss(
    weights.mean(axis=0), means["share"], pairs, skeleton, label="loss at the truth (% of peak)", factor=100
)

# %% [markdown]
# *Each pair of joints: its weight in the average relation, and what the refined joint loses at the true place when it
# is cut, with 95 % intervals over groups, each by itself. Filled: told apart from zero among all pairs.*

# %% tags=["hide-input"]
pd.DataFrame(
    {
        text: {
            "largest loss": f"{100 * np.nanmax(means[key].estimate):+.3f}",
            "where": "{} from {}".format(
                *(plots.short(skeleton.joints[k]) for k in pairs[int(np.nanargmax(means[key].estimate))])
            ),
            "largest gain": f"{-100 * np.nanmin(means[key].estimate):+.3f}",
            "pairs told apart from zero": int(means[key].significant.sum()),
            "rank correlation with the weight": ranks[key].brief(percent=False, signed=True, digits=2),
            "with losses on other groups": f"{ceilings[key]:+.2f}" if np.isfinite(ceilings[key]) else "",
            "share of the change in joint i itself": f"{own_share(losses[key], pairs):.0%}".replace("nan%", ""),
        }
        for key, text in MEASURES.items()
    }
).T

# %% tags=["hide-input"]
told = {key: int(item.significant.sum()) for key, item in means.items()}
largest = {key: 100 * np.nanmax(item.estimate) for key, item in means.items()}
ends = 100 * np.nan_to_num(means["pck"].high, nan=-np.inf).max()
Markdown(
    f"Of {len(pairs)} pairs, cut in {len(groups)} frames from {len(set(groups))} groups, "
    + (
        f"**{told['pck']} change the PCK of their joint**; the largest mean loss is {largest['pck']:.2f} points. "
        if told["pck"]
        else f"**none changes PCK so that it could be told apart from zero** among all pairs. That is not to say that none matters: the "
        f"largest mean loss is {largest['pck']:.2f} points"
        + (f", and the pairs' own intervals end at {ends:.2f} points at most. " if np.isfinite(ends) else ". ")
    )
    + f"By the value at the truth, {told['share']} are told apart from zero, and the largest mean loss is {largest['share']:.2f} % of the peak.\n\n"
    f"Between a pair's weight and its loss at the truth, the rank correlation is {ranked(ranks['share'], ceilings['share'])}\n\n"
    + landing(own_share(losses["share"], pairs))
)

# %% [markdown]
# ## Does a cut add up over time?
#
# In a network with propagation, a frame's heatmaps write the kernels of the next. A cut in every frame could add up. For the largest
# weights this is measured: the pair is cut in all frames of one clip from each group, and set beside the cut in one frame alone.

# %%
order = np.argsort(-weights.mean(axis=0), kind="stable")[: plan.carried]
chosen = {item.group: index for index, item in reversed(list(enumerate(test)))}  # the first clip of each group
few = replace(test, clips=tuple(test.clips[index] for index in sorted(chosen.values())))
largest_pairs = [pairs[number] for number in order]
cuts = {pair: Cut(*pair) for pair in largest_pairs}
settings = StudySettings(window=config.window, batch=config.batch, pairs=largest_pairs)
whole = study(model, metadata, few, cuts, settings)
both = {}
for measured in MEASURED:
    always = np.stack([whole.own.loss(whole.changed[i, j])[measured][:, i] for i, j in largest_pairs] or [[]], axis=1)
    alone = own_effect(whole.alone[measured], largest_pairs) if largest_pairs else always
    both[measured] = {"in one frame": alone, "in all frames": always}

# %% tags=["hide-input"]
added = {
    measured: {name: interval(values, whole.truth.groups, seed=config.seed) for name, values in parts.items()}
    for measured, parts in both.items()
    if len(order)
}
grown = {
    measured: interval(parts["in all frames"] - parts["in one frame"], whole.truth.groups, seed=config.seed)
    for measured, parts in both.items()
    if len(order)
}
pd.DataFrame(
    {
        MEASURES[measured]: {name: answer(item, 3) for name, item in parts.items()} | {"difference": answer(grown[measured], 3)}
        for measured, parts in added.items()
    }
).T

# %% tags=["hide-input"]
Markdown(
    "No pair was cut in all frames (`carried` is 0)."
    if not len(order)
    else f"Mean loss of the refined joint over the {len(order)} largest weights, on {len(few)} clips of {len(set(whole.truth.groups))} groups. "
    "The question is put to the value at the truth, as a share of the peak. "
    + adding(grown["share"], model.config.propagation != "none")
)
