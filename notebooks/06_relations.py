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
# # Joint relations
#
# **Question.** Which joints take from which, once the network has learned? Does it take more for a joint that
# is hidden? And what would be lost if every joint kept to itself, took from the wrong joints, or from one joint less?
#
# **Time.** About a minute and a half on two CPU cores: a trained network predicts the test split three times, and its second
# half, behind the encoder, is computed once more for each intervention.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variant: str = "rpstn"  # whose relations: a variant with relations, see rpstn.recipes.VARIANTS
window: int = 24  # frames that go through the network at once
batch: int = 8  # windows at once
clip: int = 0  # which test clip is looked at over time
arrows: int = 10  # weights drawn on the body
shown: int = 5  # actions drawn beside the average
interventions: list = ["identity", "average", "uniform", "permuted"]  # put in the relation's place; also cut:JOINT:SOURCE
every: int = 4  # single pairs are cut in one frame of so many
carried: int = 10  # so many pairs, the largest weights first, are also cut in all frames of a clip
seed: int = 2021  # of the untrained network, and of the bootstrap

# %%
# %matplotlib inline
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from rpstn import EvaluateConfig, load_checkpoint, open_dataset, plots, relations
from rpstn.datasets import OCCLUDED, VISIBLE
from rpstn.effects import MEASURES, CutPlan, cut_pairs, landed, own_loss, square, study
from rpstn.evaluate import predict_clips
from rpstn.interventions import Cut, all_pairs, named
from rpstn.metrics import contrast_interval, interval
from rpstn.metrics.pairs import pair_means, rank_interval
from rpstn.notebooks import CHECKOUT
from rpstn.recipes import TITLES, find_checkpoints
from rpstn.runs import read_json

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
test = open_dataset(config.dataset, config.root, split="test", fold=config.fold, seed=config.seed)
skeleton = test.skeleton
for name in interventions:  # a name that is none, or of a joint that is not there, stops here and not in minutes
    named(name, skeleton, average=np.eye(len(skeleton)))
model, meta = load_checkpoint(config.checkpoint)
predictions = predict_clips(model, meta, test, config.window, batch=config.batch)
learned = relations.collect(predictions, test)

# %% tags=["hide-input"]
path = config.checkpoint
Markdown(
    f"Relations of **{TITLES[variant]}** (`{path.parent.name}/{path.name}`, scale `{model.config.relation_scale}`, layout "
    f"`{model.config.relation_layout}`): {len(learned.matrices)} frames of {len(test)} test clips of `{test.name}` from "
    f"{len(set(learned.sources))} sources."
)

# %% [markdown]
# ## The average relation, beside its baselines
#
# A relation says little by itself. Four others stand beside it. In the **identity**, every joint keeps to
# itself. In the **uniform** relation, every joint takes from all alike. The **untrained** network has the
# same modules with fresh weights. And the relation of **ideal heatmaps** is computed from the true poses: it
# is there without any learning.

# %%
sums = "rows" if model.config.relation_layout == "paper" else "columns"
average = learned.mean()
matrices = {"learned": learned.matrices} | relations.baselines(
    model, meta, test, window=config.window, batch=config.batch, seed=config.seed
)
panels = {name: stack.mean(axis=0, dtype=np.float64) for name, stack in matrices.items()}

# %% mystnb={"figure": {"caption": "Average relations on the test split, all on one scale. Joints are ordered along the limbs, left and right apart.", "name": "fig-relations-average"}, "image": {"alt": "Five square matrices: learned, identity, uniform, untrained, ideal heatmaps."}}
axes = plots.relation_panels(panels, skeleton, sums=sums)

# %% [markdown]
# The diagonal takes all the colour. Without it, one sees what joints take from each other:

# %% mystnb={"figure": {"caption": "The learned relation and that of ideal heatmaps without their diagonals, on one scale.", "name": "fig-relations-off"}, "image": {"alt": "Two square matrices with a grey diagonal and coloured weights between joints."}}
axes = plots.relation_panels({name: panels[name] for name in ("learned", "ideal heatmaps")}, skeleton, sums=sums, diagonal=False)

# %% [markdown]
# In numbers, measured in the relation of each frame and then averaged. (The entropy of the average relation
# would be larger: it also holds that relations differ from frame to frame.)

# %% tags=["hide-input"]
axis = -1 if sums == "rows" else -2
pd.DataFrame(
    {
        name: {
            "weight off the diagonal (%)": 100 * relations.off_diagonal_mass(stack).mean(),
            "entropy, 1 = uniform": relations.entropy(stack, axis).mean(),
            "asymmetry, 0 = symmetric": pd.Series(relations.asymmetry(stack)).mean() + 0.0,
            "matrices": len(stack),
        }
        for name, stack in matrices.items()
    }
).T.round(3).astype({"matrices": int})

# %%
masses = {name: float(relations.off_diagonal_mass(matrix)) for name, matrix in panels.items()}
frames = relations.off_diagonal_mass(learned.matrices)
bounds = interval(frames, learned.sources, seed=config.seed)
off = ~np.eye(len(skeleton), dtype=bool)
giving = np.where(off, average, 0).sum(axis=0) / max(average[off].sum(), 1e-12)  # share of each source joint
likeness = np.corrcoef(average[off], panels["ideal heatmaps"][off])[0, 1] if average[off].std() > 0 else float("nan")

# %% tags=["hide-input"]
Markdown(
    f"In the learned relation, this part of the weight lies off the diagonal: {bounds.text(unit=' %', counted='frames')}. Ideal heatmaps "
    f"alone would give {masses['ideal heatmaps']:.1%}. "
    + (
        "**The relation is close to the identity**: most joints keep to themselves. "
        if masses["learned"] < 0.05
        else "**The relation is close to uniform**: it hardly tells joints apart. "
        if masses["learned"] > 0.9 * masses["uniform"]
        else "**The relation is neither the identity nor uniform.** "
    )
    + f"Of what joints take from each other, {giving.max():.0%} comes from {plots.short(skeleton.joints[int(giving.argmax())])} "
    + f"({1 / len(skeleton):.0%} if all gave alike). "
    + (
        f"Off the diagonal it resembles that of ideal heatmaps (correlation {likeness:.2f}): what relates joints is mostly that "
        "they are near each other in the picture."
        if likeness > 0.7
        else f"Off the diagonal it differs from that of ideal heatmaps (correlation {likeness:.2f})."
    )
)

# %% [markdown]
# ## Which axis sums to one, and what asymmetry means
#
# The Gram matrix $G = \bar M \bar M^\top$ is symmetric: two joints overlap as much as they overlap. The softmax along rows makes
# it a relation, $W_{ij} = e^{G_{ij}} / Z_i$ with $Z_i = \sum_k e^{G_{ik}}$, so that refined joint $i$ is a mean of all joints. What is not
# symmetric comes from the divisors alone,
#
# $$\frac{W_{ij}}{W_{ji}} = \frac{Z_j}{Z_i}.$$
#
# $Z_i$ is large where joint $i$ has a strong heatmap. So between two joints, the one with the weaker heatmap should take more from
# the stronger one than it gives. An asymmetric relation therefore does not say that influence between two joints has a direction
# that was learned: it says whose heatmap is weak. (The released code lets columns sum to one, which exchanges taking and giving; a
# manual graph, multiplied onto $G$, makes $G$ itself asymmetric.)

# %%
with np.errstate(divide="ignore"):
    logs = np.log(learned.matrices.astype(np.float64))
turned = np.swapaxes(logs, 1, 2) - logs  # log Z_i - log Z_j with rows
loop = turned[:, 0, 1] + turned[:, 1, 2] + turned[:, 2, 0]  # three divisors around a circle cancel

# %% tags=["hide-input"]
Markdown(
    f"Around three joints the divisors cancel: the logarithms of the three ratios add up to {np.abs(loop[np.isfinite(loop)]).max():.1e} at most, where "
    f"a single one is {np.abs(turned[np.isfinite(turned)]).mean():.2f} on average. "
    + (
        "So the asymmetry of each of these matrices is one number a joint, as the formula says."
        if np.abs(loop[np.isfinite(loop)]).max() < 0.01
        else "So this relation is asymmetric beyond its divisors, as with a manual graph."
    )
    + " Whether it is the weaker heatmap that takes more is counted below, where the heatmaps are at hand."
)

# %% [markdown]
# ## On the body
#
# An arrow leads from the joint that gives to the joint that takes; the widest arrow is the largest weight of
# both panels.

# %% mystnb={"figure": {"caption": "The largest weights off the diagonal, learned and of ideal heatmaps, on a schematic body that faces the reader.", "name": "fig-relations-body"}, "image": {"alt": "Two stick figures with curved arrows between joints."}}
top = max(float(panels[name][off].max()) for name in ("learned", "ideal heatmaps"))
fig, axes = plt.subplots(1, 2, figsize=(6.4, 4))
for ax, name in zip(axes, ("learned", "ideal heatmaps"), strict=True):
    plots.relation_on_skeleton(panels[name], skeleton, ax=ax, count=arrows, vmax=top, title=name)

# %%
pd.DataFrame(relations.strongest(average, skeleton, count=arrows), columns=["refined joint", "takes from", "weight"]).round(3)

# %% [markdown]
# ## By action
#
# If relations follow the pose, they follow the action. The average over all frames of the split, and one panel
# an action, on one scale, without the diagonal.

# %% mystnb={"figure": {"caption": "Average relation of the whole test split, and of the actions with most clips, without the diagonal, on one scale.", "name": "fig-relations-actions"}, "image": {"alt": "Several square matrices, the first for all actions and one for each action, with a grey diagonal."}}
counts = pd.Series([item.action for item in test]).value_counts()
by_action = learned.by_action()
axes = plots.relation_panels(
    {"all actions": average} | {action: by_action[action] for action in counts.index[:shown]},
    skeleton,
    sums=sums,
    diagonal=False,
)

# %% tags=["hide-input"]
pd.DataFrame(
    {
        action: {
            "clips": len(set(learned.clips[rows])),
            "sources": len(set(learned.sources[rows])),
            "weight off the diagonal (%)": round(100 * float(frames[rows].mean()), 1),
            "largest weight": "{} from {} {:.2f}".format(
                *relations.strongest(learned.matrices[rows].mean(axis=0), skeleton, 1)[0]
            ),
            "distance from the average": round(float(np.linalg.norm((learned.matrices[rows].mean(axis=0) - average)[off])), 3),
        }
        for action, rows in {
            "all actions": np.ones(len(frames), dtype=bool),
            **{action: learned.actions == action for action in counts.index},
        }.items()
    }
).T

# %% [markdown]
# ## Over time
#
# The weights of one clip, frame by frame. Shaded frames are those in which a joint of these pairs is hidden.
# Every `window` frames the network starts anew.

# %% mystnb={"figure": {"caption": "The largest weights off the diagonal over the frames of one clip. Frames with a hidden joint among them are shaded.", "name": "fig-relations-time"}, "image": {"alt": "A few lines over the frames of a clip."}}
own = predictions.relations[clip]
largest = relations.strongest(own.mean(axis=0), skeleton, 4)
names = {name for i, j, _ in largest for name in (i, j)}
hidden = (test[clip].visibility[:, [skeleton.index(name) for name in names]] == OCCLUDED).any(axis=1)
ax = plots.relation_over_time(own, skeleton, [(i, j) for i, j, _ in largest], hidden=hidden)
title = ax.set_title(f"{test[clip].action}, clip {test[clip].id}")

# %% [markdown]
# ## A frame, a clip, an action, the data set
#
# The same relation at four levels. If one matrix served all frames, they would look alike; if the relation followed the pose from
# frame to frame, the first ones would differ most.

# %% mystnb={"figure": {"caption": "One clip's relation in its first, middle and last frame, then averaged over the clip, over all clips of its action, and over the data set. Without the diagonal, on one scale.", "name": "fig-relations-levels"}, "image": {"alt": "Six square matrices with a grey diagonal: three frames, a clip, an action, a data set."}}
instants = list(dict.fromkeys([0, len(own) // 2, len(own) - 1]))
axes = plots.relation_panels(
    {f"frame {t}": own[t] for t in instants}
    | {f"clip {test[clip].id}": own.mean(axis=0), test[clip].action: by_action[test[clip].action], "data set": average},
    skeleton,
    sums=sums,
    diagonal=False,
)

# %%
parts = relations.variance_shares(learned)

# %% tags=["hide-input"]
largest_part = max(parts, key=parts.get)
Markdown(
    f"Of the variance of all weights off the diagonal, {parts['actions']:.0%} lies between actions, {parts['clips']:.0%} between clips of one "
    f"action, and {parts['frames']:.0%} between frames of one clip. "
    + {
        "actions": "**The relation follows the action** more than anything else.",
        "clips": "**The relation differs most from clip to clip**: with the person and the view more than with the action.",
        "frames": "**The relation changes most from frame to frame**: it follows the pose, not the kind of motion.",
    }[largest_part]
    + " Following the pose is what the arithmetic makes it do, since heatmaps overlap where joints are near each other. Whether the "
    "network uses it is another question, asked next but one."
)

# %% [markdown]
# ## Does a hidden joint ask more?
#
# A joint whose heatmap is weak takes more from others: the softmax says so. Is it what happens? The table has the
# share of a refined joint's weights that lies on all others, apart for joints that are seen and joints that are
# hidden. But wrists are hidden more often than heads, and the two rows are of different joints. The answer
# therefore compares each joint with itself: the share where it is hidden minus the share where it is seen, averaged over
# joints, both from the same sources in each draw of the bootstrap.

# %%
taken = relations.taken(learned.matrices)  # (N,K)
visibility = np.concatenate([item.visibility for item in test])
asked = {
    name: interval(np.where(visibility == value, taken, np.nan), learned.sources, seed=config.seed)
    for name, value in (("visible", VISIBLE), ("occluded", OCCLUDED))
}
more = contrast_interval(taken, visibility == OCCLUDED, visibility == VISIBLE, learned.sources, seed=config.seed)

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "taken from others (%)": f"{100 * item.estimate:.1f}",
            "95 % interval": f"{100 * item.low:.1f} - {100 * item.high:.1f}",
            "joints": item.samples,
            "sources": item.groups,
        }
        for name, item in asked.items()
        if item.samples
    }
).T

# %% tags=["hide-input"]
Markdown(
    "This data set does not say which joints were hidden, so the question stays open here."
    if not more.samples
    else "Hidden minus visible, the same joint: "
    + more.text(signed=True, digits=2, unit=" percentage points")
    + ". "
    + (
        "**A hidden joint takes more from others than the same joint when it is seen.**"
        if more.low > 0
        else "**A hidden joint takes less from others than the same joint when it is seen.**"
        if more.high < 0
        else "**No difference can be told.**"
    )
    + (
        ""
        if sums == "rows"
        else " In this layout columns sum to 1, so a share is what a joint's row gives to others of its own sum; and the product is "
        "read in another memory order, so it does not say whose heatmap is taken."
    )
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
#
# PCK counts a joint only when it crosses the circle's edge, and a small effect hides between two such crossings. So finer measures
# stand beside it: the distance from the truth, and the heatmap's value at the true place, in units of an ideal peak and as a share of its own
# peak. The last one does not change when a whole heatmap becomes higher or lower. In all of them, a loss is positive.

# %%
replaced = {name: named(name, skeleton, average=average, seed=config.seed) for name in interventions}
done = study(model, meta, test, replaced, window=config.window, batch=config.batch, keep_maps=True)
sights = {"all": np.ones_like(done.truth.scored), "visible": visibility == VISIBLE, "occluded": visibility == OCCLUDED}
effects = {}
for name, changed in done.changed.items():
    for measured, loss in done.own.loss(changed).items():
        for sight, members in sights.items():
            values = np.where(members, loss, np.nan)
            if np.isfinite(values).any():
                effects[measured, name, sight] = interval(values, done.truth.sources, pool="joints", seed=config.seed)

# %% mystnb={"figure": {"caption": "What the network loses when its relations are replaced, by three measures, with 95 % intervals over sources. Positive: it was better with its own. Filled points: the interval excludes zero.", "name": "fig-relations-intervention"}, "image": {"alt": "Three panels of points with horizontal intervals, one row an intervention, one colour a kind of joints, beside lines of no difference."}}
columns = {"pck": "PCK@0.2 (points)", "distance": "distance (% of person)", "share": "value at the truth (% of peak)"}
fig, axes = plt.subplots(1, 3, figsize=(10.4, 0.55 * len(replaced) + 1.3), sharey=True)
for ax, (measured, label) in zip(axes, columns.items(), strict=True):
    plots.effect_points(
        {
            name: {f"{sight} joints": effects[measured, name, sight] for sight in sights if (measured, name, sight) in effects}
            for name in replaced
        },
        ax,
        label=f"loss in {label}",
        legend=ax is axes[1],
    )

# %% tags=["hide-input"]
pd.DataFrame(
    {
        (name, sight): {
            text: f"{100 * item.estimate:+.2f} ({100 * item.low:+.2f} to {100 * item.high:+.2f})"
            for measured, text in MEASURES.items()
            for item in [effects[measured, name, sight]]
        }
        for name in replaced
        for sight in sights
        if ("pck", name, sight) in effects
    }
).T

# %% tags=["hide-input"]
costs = {
    "identity": "each joint keeping to itself",
    "average": "the data set's average in every frame",
    "uniform": "all joints alike",
    "permuted": "the relations of other joints",
}


def answer(item, digits=2):
    told = "a loss" if item.low > 0 else "a gain" if item.high < 0 else "not told apart from zero"
    return f"{100 * item.estimate:+.{digits}f} ({told})"


def verdict(name):
    loss = {measured: effects[measured, name, "all"] for measured in columns}
    losing, gaining = ([key for key, item in loss.items() if told(item)] for told in (lambda x: x.low > 0, lambda x: x.high < 0))
    if "pck" in losing:
        return "**The network finds fewer joints without its own relations.**"
    if "pck" in gaining:
        return "**The network finds more joints so than with its own relations.**"
    if losing and not gaining:
        return "**No joint more or less is found; the heatmaps are less sure of the place.**"
    if gaining and not losing:
        return "**No joint more or less is found; the heatmaps are surer of the place than with the learned relations.**"
    return "**It makes no difference that can be told.**" if not losing else "**The measures disagree.**"


Markdown(
    f"All joints, {effects['pck', interventions[0], 'all'].samples} of them from {effects['pck', interventions[0], 'all'].groups} sources; losses in PCK "
    "(points), distance (% of the person) and value at the truth (% of the peak):\n\n"
    + "\n".join(
        f"- {costs.get(name, name)}: "
        + ", ".join(answer(effects[measured, name, "all"]) for measured in columns)
        + f". {verdict(name)}"
        for name in interventions
    )
)

# %%
strength = np.square(done.before.astype(np.float64)).sum(axis=(2, 3))  # the Gram matrix's diagonal
weaker = relations.weaker_takes_more(done.relations if sums == "rows" else np.swapaxes(done.relations, 1, 2), strength)
weaker = interval(weaker, done.truth.sources, seed=config.seed)

# %% tags=["hide-input"]
Markdown(
    "The heatmaps that enter the relation are now at hand, and with them the question left open above. Of all pairs of joints in all frames, "
    f"the one with the weaker heatmap {'takes' if sums == 'rows' else 'gives'} more than the other in {weaker.text(unit=' %', counted='frames')}. "
    + (
        "**Asymmetry is about strength**: it says whose heatmap is weak."
        if weaker.low > 0.9
        else "**Strength explains most of the asymmetry, not all of it**: what a joint overlaps with counts too."
        if weaker.low > 0.5
        else "**Strength does not explain the asymmetry.**"
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
pairs = all_pairs(len(skeleton))
rows = slice(None, None, plan.every)
losses = cut_pairs(model, done, pairs, rows=rows)
sources = done.truth.sources[rows]
weights = np.stack([done.relations[rows, i, j] for i, j in pairs], axis=1)
owed = {measured: own_loss(loss, pairs) for measured, loss in losses.items()}
means = {measured: pair_means(loss, sources, seed=config.seed) for measured, loss in owed.items()}
ranks = {measured: rank_interval(weights, loss, sources, seed=config.seed) for measured, loss in owed.items()}

# %% mystnb={"figure": {"caption": "The learned relation, and what refined joint i loses in a frame when it is cut off from joint j. Dots: losses told apart from zero with a bound that holds for all pairs together.", "name": "fig-relations-owed"}, "image": {"alt": "Four square matrices with grey diagonals: the weights in green, and three losses in red and blue."}}
panels = {
    "loss in PCK@0.2 (points)": "pck",
    "loss in distance (% of person)": "distance",
    "loss at the truth (% of peak)": "share",
}
axes = plots.owed_panels(
    square(weights.mean(axis=0), pairs, len(skeleton)),
    {title: square(100 * np.nan_to_num(means[key].estimate), pairs, len(skeleton)) for title, key in panels.items()},
    skeleton,
    {title: square(means[key].sure, pairs, len(skeleton)) > 0 for title, key in panels.items()},
    sums=sums,
)

# %% mystnb={"figure": {"caption": "Each pair of joints: its weight in the average relation, and what the refined joint loses at the true place when it is cut, with 95 % intervals over sources, each by itself. Filled: told apart from zero among all pairs.", "name": "fig-relations-weight-loss"}, "image": {"alt": "A scatter of points with vertical intervals; the largest are named by their joints."}}
ax = plots.weight_against_loss(
    weights.mean(axis=0), means["share"], pairs, skeleton, label="loss at the truth (% of peak)", factor=100
)

# %% tags=["hide-input"]
pd.DataFrame(
    {
        text: {
            "largest loss": f"{100 * np.nanmax(means[key].estimate):+.3f}",
            "where": "{} from {}".format(
                *(plots.short(skeleton.joints[k]) for k in pairs[int(np.nanargmax(means[key].estimate))])
            ),
            "largest gain": f"{-100 * np.nanmin(means[key].estimate):+.3f}",
            "pairs told apart from zero": int(means[key].sure.sum()),
            "rank correlation with the weight": f"{ranks[key].estimate:+.2f} ({ranks[key].low:+.2f} to {ranks[key].high:+.2f})",
            "share of the change in joint i itself": f"{landed(losses[key], pairs):.0%}",
        }
        for key, text in MEASURES.items()
    }
).T

# %% tags=["hide-input"]
told = {key: int(item.sure.sum()) for key, item in means.items()}
rank = ranks["share"]
Markdown(
    f"Of {len(pairs)} pairs, cut in {len(sources)} frames from {len(set(sources))} sources, "
    + (
        "**none loses PCK that could be told apart from zero**; the largest mean loss is "
        if not told["pck"]
        else f"**{told['pck']} change the PCK of their joint**; the largest mean loss is "
    )
    + f"{100 * np.nanmax(means['pck'].estimate):.2f} points. By the value at the truth, {told['share']} of them are told apart from zero, and the largest "
    f"mean loss is {100 * np.nanmax(means['share'].estimate):.2f} % of the peak. "
    + (
        "**No single pair carries the pose.** "
        if not told["pck"] and np.nanmax(means["pck"].estimate) < 0.02
        else "**A few pairs matter by themselves.** "
        if told["pck"]
        else ""
    )
    + f"Between a pair's weight and its loss at the truth, the rank correlation is {rank.estimate:+.2f} (95 % interval {rank.low:+.2f} to {rank.high:+.2f}): "
    + (
        "**the more a joint takes, the more it owes.**"
        if rank.low > 0.5
        else "**a large weight makes a loss likelier, and is far from being one.** Reading influence off the relation would mislead."
        if rank.low > 0
        else "**where the weight is large, the loss is smaller, or a gain.** Reading influence off the relation would mislead."
        if rank.high < 0
        else "**the weight does not say what is owed.** Reading influence off the relation would mislead."
    )
    + f" And only {landed(losses['share'], pairs):.0%} of the change that cutting row $i$ makes lies in joint $i$: behind the relation a 1x1 convolution mixes all joints, and "
    "before it another one has mixed them too. Names of rows and columns are a manner of speaking."
)

# %% [markdown]
# ## Does a cut add up over time?
#
# In a network with propagation, a frame's heatmaps write the kernels of the next. A cut in every frame could add up. For the largest
# weights this is measured: the pair is cut in all frames of one clip from each source, and set beside the cut in one frame alone.

# %%
order = np.argsort(-weights.mean(axis=0), kind="stable")[: plan.carried]
chosen = {item.source: index for index, item in reversed(list(enumerate(test)))}  # the first clip of each source
few = replace(test, clips=tuple(test.clips[index] for index in sorted(chosen.values())))
cuts = {number: Cut(*pairs[number]) for number in order}
whole = study(model, meta, few, cuts, window=config.window, batch=config.batch)
here = np.isin(done.truth.clips, sorted(chosen.values()))
once = cut_pairs(model, done, [pairs[number] for number in order], rows=here)
both = {}
for measured in columns:
    always = np.stack([whole.own.loss(whole.changed[number])[measured][:, pairs[number][0]] for number in order] or [[]], axis=1)
    alone = own_loss(once[measured], [pairs[number] for number in order]) if len(order) else always
    both[measured] = {"in one frame": alone, "in all frames": always}

# %% tags=["hide-input"]
added = {
    measured: {name: interval(values, whole.truth.sources, seed=config.seed) for name, values in parts.items()}
    for measured, parts in both.items()
    if len(order)
}
grown = {
    measured: interval(parts["in all frames"] - parts["in one frame"], whole.truth.sources, seed=config.seed)
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
adds = [MEASURES[measured].split(" (")[0] for measured, item in grown.items() if item.low > 0]
Markdown(
    "No pair was cut in all frames (`carried` is 0)."
    if not len(order)
    else f"Mean loss of the refined joint over the {len(order)} largest weights, on {len(few)} clips of {len(set(whole.truth.sources))} sources. "
    + (
        "This network does not propagate, so both are the same but for rounding."
        if model.config.propagation == "none"
        else f"**A cut adds up over time** by: {', '.join(adds)}."
        if adds
        else "**It cannot be told that a cut adds up over time**: what is carried does not make a missing pair worse."
    )
)

# %% [markdown]
# ## Does the unscaled softmax collapse?
#
# The arithmetic says that it nearly does at the start: with nothing in the way, the diagonal of the Gram matrix
# wins. Does training change that, and would another scale? `benchmarks/relation_scale.py` started the variant
# without propagation from one encoder under each scale, and trained all for the same number of steps. It
# measured the relations on the test split before and after.

# %% tags=["hide-input"]
study = read_json(CHECKOUT / "results" / "relation_scale.json")
stages = {"ideal heatmaps": "of ideal heatmaps", "start": "at the start", "trained": "after training"}
pd.DataFrame(
    {
        scale: {
            **{f"off the diagonal {title} (%)": 100 * row[key]["off_diagonal_mass"] for key, title in stages.items()},
            **{f"entropy {title}": row[key]["entropy"] for key, title in stages.items()},
            **{f"PCK@0.2 {stages[key]} (%)": 100 * row[key]["pck"] for key in ("start", "trained")},
        }
        for scale, row in study["rows"].items()
    }
).T.round(2)

# %% tags=["hide-input"]
plain, off = study["rows"]["none"], "off_diagonal_mass"
best = max(study["rows"], key=lambda scale: study["rows"][scale]["trained"]["pck"])
spread = [row["trained"]["pck"] for row in study["rows"].values()]
Markdown(
    f"Measured on {study['measured_on']['clips']} {study['measured_on']['split']} clips of `{study['measured_on']['data_set']}`, after "
    f"{study['measured_on']['steps']:,} steps each. Without a scale, {plain['start'][off]:.1%} of the weight lies off the diagonal at the start "
    f"and {plain['trained'][off]:.1%} after training. "
    + (
        "**Training moves the unscaled relation towards the identity.** "
        if plain["trained"][off] < plain["start"][off]
        else "**Training moves the unscaled relation away from the identity.** "
    )
    + f"The learned factor ends at {study['rows']['learned']['trained']['factor']:.2f}. Scores after training lie within "
    f"{100 * (max(spread) - min(spread)):.1f} points of each other, the highest with `{best}`; one run each, so small differences mean nothing."
)
