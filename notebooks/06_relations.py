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
# is hidden? What each of these weights is worth is another question, and the next chapter's.
#
# **Time.** Half a minute on two CPU cores: a trained network predicts the test split three times.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variant: str = "rpstn"  # whose relations: a variant with relations, see rpstn.train.recipes.VARIANTS
window: int = 8  # frames that go through the network at once
batch: int = 8  # windows at once
clip: int = 0  # which test clip is looked at over time
arrows: int = 10  # weights drawn on the body
shown: int = 5  # actions drawn beside the average
seed: int = 2021  # of the untrained network, and of the bootstrap

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown

from rpstn import EvaluateConfig, load_checkpoint, open_dataset, plots, relations
from rpstn.datasets import OCCLUDED, VISIBLE
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics import contrast_interval, interval
from rpstn.notebooks.run import CHECKOUT
from rpstn.runs import read_json
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
plots.use_style()

# %%
test = open_dataset(config.dataset, config.root, split="test", fold=config.fold)
skeleton = test.skeleton
model, metadata = load_checkpoint(config.checkpoint)
predictions = predict_clips(model, metadata, test, config.window, batch=config.batch)
learned = relations.collect(predictions, test)

# %% tags=["hide-input"]
path = config.checkpoint
Markdown(
    f"Relations of **{TITLES[variant]}** (`{path.parent.name}/{path.name}`, scale `{model.config.relation_scale}`, layout "
    f"`{model.config.relation_layout}`): {len(learned.matrices)} frames of {len(test)} test clips of `{test.name}` from "
    f"{len(set(learned.groups))} groups."
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
matrices = {"learned": learned.matrices} | relations.baseline_relations(
    model, metadata, test, window=config.window, batch=config.batch, seed=config.seed
)
panels = {name: stack.mean(axis=0, dtype=np.float64) for name, stack in matrices.items()}

# %% mystnb={"figure": {"name": "fig-relations-average"}, "image": {"alt": "Five square matrices: learned, identity, uniform, untrained, ideal heatmaps."}}
axes = plots.relation_panels(panels, skeleton, sums=sums)

# %% [markdown]
# *Average relations on the test split, all on one scale. Joints are ordered along the limbs, left and right apart.*

# %% [markdown]
# The diagonal takes all the color. Without it, one sees what joints take from each other:

# %% mystnb={"figure": {"name": "fig-relations-off"}, "image": {"alt": "Two square matrices with a gray diagonal and colored weights between joints."}}
axes = plots.relation_panels({name: panels[name] for name in ("learned", "ideal heatmaps")}, skeleton, sums=sums, diagonal=False)

# %% [markdown]
# *The learned relation and that of ideal heatmaps without their diagonals, on one scale.*

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
bounds = interval(frames, learned.groups, seed=config.seed)
off = ~np.eye(len(skeleton), dtype=bool)
giving = np.where(off, average, 0).sum(axis=0) / max(average[off].sum(), 1e-12)  # share of each group joint
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
        "they are near each other in the image."
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
around = relations.cycle_residual(learned.matrices)  # of each matrix, the largest sum of three logarithms of ratios
around = around[np.isfinite(around)]

# %% tags=["hide-input"]
Markdown(
    (
        "In no frame do three joints all take from each other: the softmax chooses one joint alone, and ratios of zeros say nothing."
        if not len(around)
        else "Around any three joints the divisors cancel, so that the logarithms of the three ratios should add up to zero. Over all triples of joints "
        f"of {len(around)} frames they add up to {around.max():.1e} at most. "
        + (
            "So the asymmetry of each of these matrices is one number a joint, as the formula says."
            if around.max() < 0.01
            else "So this relation is asymmetric beyond its divisors, as with a manual graph."
        )
    )
    + " Whether it is the weaker heatmap that takes more is counted in the next chapter, where the heatmaps are at hand."
)

# %% [markdown]
# ## On the body
#
# An arrow leads from the joint that gives to the joint that takes; the widest arrow is the largest weight of
# both panels.

# %% mystnb={"figure": {"name": "fig-relations-body"}, "image": {"alt": "Two stick figures with curved arrows between joints."}}
top = max(float(panels[name][off].max()) for name in ("learned", "ideal heatmaps"))
fig, axes = plt.subplots(1, 2, figsize=(6.4, 4))
for ax, name in zip(axes, ("learned", "ideal heatmaps"), strict=True):
    plots.relation_on_skeleton(panels[name], skeleton, ax=ax, count=arrows, vmax=top, title=name)

# %% [markdown]
# *The largest weights off the diagonal, learned and of ideal heatmaps, on a schematic body that faces the reader.*

# %%
pd.DataFrame(relations.strongest(average, skeleton, count=arrows), columns=["refined joint", "takes from", "weight"]).round(3)

# %% [markdown]
# ## By action
#
# If relations follow the pose, they should follow the action too. The average over all frames of the split, and one panel
# an action, on one scale, without the diagonal. The table says how many groups (videos, or stretches of motion) an action
# has. Where it has one alone, its panel is that of one stretch of motion, and may be no other's of the same action.

# %% mystnb={"figure": {"name": "fig-relations-actions"}, "image": {"alt": "Several square matrices, the first for all actions and one for each action, with a gray diagonal."}}
counts = pd.Series([item.action for item in test]).value_counts()
groups = {action: len(set(learned.groups[learned.actions == action])) for action in counts.index}
single = [action for action, number in groups.items() if number == 1]
by_action = learned.by_action()
axes = plots.relation_panels(
    {"all actions": average} | {action: by_action[action] for action in counts.index[:shown]},
    skeleton,
    sums=sums,
    diagonal=False,
)

# %% [markdown]
# *Average relation of the whole test split, and of the actions with most clips, without the diagonal, on one scale.*

# %% tags=["hide-input"]
pd.DataFrame(
    {
        action: {
            "clips": len(set(learned.clips[rows])),
            "groups": groups.get(action, len(set(learned.groups))),
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

# %% mystnb={"figure": {"name": "fig-relations-time"}, "image": {"alt": "A few lines over the frames of a clip."}}
own = predictions.relations[clip]
largest = relations.strongest(own.mean(axis=0), skeleton, 4)
names = {name for i, j, _ in largest for name in (i, j)}
hidden = (test[clip].visibility[:, [skeleton.index(name) for name in names]] == OCCLUDED).any(axis=1)
ax = plots.relation_over_time(own, skeleton, [(i, j) for i, j, _ in largest], hidden=hidden)
title = ax.set_title(f"{test[clip].action}, clip {test[clip].id}")

# %% [markdown]
# *The largest weights off the diagonal over the frames of one clip. Frames with a hidden joint among them are shaded.*

# %% [markdown]
# ## A frame, a clip, an action, the data set
#
# The same relation at four levels. If one matrix served all frames, they would look alike; if the relation followed the pose from
# frame to frame, the first ones would differ most.

# %% mystnb={"figure": {"name": "fig-relations-levels"}, "image": {"alt": "Six square matrices with a gray diagonal: three frames, a clip, an action, a data set."}}
instants = list(dict.fromkeys([0, len(own) // 2, len(own) - 1]))
axes = plots.relation_panels(
    {f"frame {t}": own[t] for t in instants}
    | {f"clip {test[clip].id}": own.mean(axis=0), test[clip].action: by_action[test[clip].action], "data set": average},
    skeleton,
    sums=sums,
    diagonal=False,
)

# %% [markdown]
# *One clip's relation in its first, middle and last frame, then averaged over the clip, over all clips of its action,
# and over the data set. Without the diagonal, on one scale.*

# %%
parts = relations.variance_shares(learned)

# %% tags=["hide-input"]
largest_part = max(parts, key=parts.get)
Markdown(
    "Nothing off the diagonal differs between any two frames: **one matrix serves them all.**"
    if np.isnan(parts["frames"])
    else f"Of the variance of all weights off the diagonal, {parts['actions']:.0%} lies between actions, {parts['groups']:.0%} between the groups of "
    f"one action, {parts['clips']:.0%} between clips of one group, and {parts['frames']:.0%} between frames of one clip. "
    + (
        f"{len(single)} of the {len(groups)} actions have one group alone: what that stretch of motion has of its own counts for the action there. "
        if single
        else ""
    )
    + {
        "actions": "**The relation differs most from action to action.**"
        if not single
        else "**The relation differs most between kinds of motion**; whether it is the action or the single stretch that it follows, cannot be told.",
        "groups": "**The relation differs most from source to source** of one action: with the stretch of motion more than with the action.",
        "clips": "**The relation differs most from clip to clip**: with the person and the view more than with the motion.",
        "frames": "**The relation changes most from frame to frame**: it follows the pose, not the kind of motion.",
    }[largest_part]
    + " Following the pose is what the arithmetic makes it do, since heatmaps overlap where joints are near each other. Whether the "
    "network uses it is another question, asked in the next chapter."
)

# %% [markdown]
# ## Does a hidden joint ask more?
#
# A joint whose heatmap is weak takes more from others: the softmax says so. Is it what happens? The table has the
# share of a refined joint's weights that lies on all others, apart for joints that are seen and joints that are
# hidden. But wrists are hidden more often than heads, and the two rows are of different joints. The answer
# therefore compares each joint with itself: the share where it is hidden minus the share where it is seen, averaged over
# joints, both from the same groups in each draw of the bootstrap.

# %%
taken = relations.off_diagonal_weight(learned.matrices)  # (N,K)
visibility = np.concatenate([item.visibility for item in test])
asked = {
    name: interval(np.where(visibility == value, taken, np.nan), learned.groups, seed=config.seed)
    for name, value in (("visible", VISIBLE), ("occluded", OCCLUDED))
}
more = contrast_interval(taken, visibility == OCCLUDED, visibility == VISIBLE, learned.groups, seed=config.seed)

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "taken from others (%)": f"{100 * item.estimate:.1f}",
            "95 % interval": f"{100 * item.low:.1f} - {100 * item.high:.1f}" if np.isfinite(item.low) else "none",
            "joints": item.samples,
            "groups": item.groups,
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
# ## Does the unscaled softmax collapse?
#
# Where the diagonal of the Gram matrix is far above the rest, the softmax leaves nothing to other joints, and the relation is the
# identity. Is it so at the start? Does training change it, and would another scale? `benchmarks/relation_scale.py` started the variant
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
collapsed = [stages[key] for key in ("start", "trained") if plain[key][off] < 0.05]
best = max(study["rows"], key=lambda scale: study["rows"][scale]["trained"]["pck"])
spread = [row["trained"]["pck"] for row in study["rows"].values()]
Markdown(
    f"Measured on {study['measured_on']['clips']} {study['measured_on']['split']} clips of `{study['measured_on']['data_set']}`, after "
    f"{study['measured_on']['steps']:,} steps each. Without a scale, {plain['start'][off]:.1%} of the weight lies off the diagonal at the start "
    f"and {plain['trained'][off]:.1%} after training. "
    + (
        f"**It is nearly the identity {' and '.join(collapsed)}.** "
        if collapsed
        else "**It collapses to the identity neither at the start nor after training.** "
    )
    + f"In this one run, training changed the share by {100 * (plain['trained'][off] - plain['start'][off]):+.1f} points; another run may do otherwise. "
    + f"The learned factor ends at {study['rows']['learned']['trained']['factor']:.2f}. Scores after training lie within "
    f"{100 * (max(spread) - min(spread)):.1f} points of each other, the highest with `{best}`; one run each, so small differences mean nothing."
)
