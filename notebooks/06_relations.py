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
# is hidden? What each of these weights is worth is a separate question, for the next chapter.
#
# **Time.** Half a minute on two CPU cores: a trained network predicts the test split three times.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variant: str = "rpstn"  # whose relations: a variant with relations, see rpstn.train.recipes.VARIANTS
window: int = 8  # frames that go through the network at once
batch: int = 8  # windows at once
clip: int = 0  # which test clip is shown over time
arrows: int = 10  # weights drawn on the body
shown: int = 5  # actions drawn next to the average
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
from rpstn.notebooks import CHECKOUT, words
from rpstn.relations.share import effect_on_clips
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
effect = effect_on_clips(model, metadata, test, window=config.window)

# %% tags=["hide-input"]
row = words.relations_row(config.checkpoint, model.config, len(test), len(set(learned.groups)))
pd.DataFrame({TITLES[variant]: row}).T

# %% [markdown]
# ## Does it do anything?
#
# A relation can look like anything and do nothing: the branch that it weighs ends in a normalization whose weight starts at zero, and
# training may leave it there. So first the test: the identity takes the place of every relation, nothing else is changed, and one
# counts the joints that move. [Interventions](07_interventions.ipynb) ask what is lost by it. The answer stands above
# every figure of this chapter.

# %% tags=["hide-input"]
Markdown(words.effect_statement(effect))

# %% [markdown]
# ## The average relation and its baselines
#
# A relation says little by itself. It is compared with four others. In the **identity**, every joint keeps to
# itself. In the **uniform** relation, every joint takes equally from all. The **untrained** network has the
# same modules with random weights. And the relation of **ideal heatmaps** is computed from the true poses: it
# exists without any learning.

# %%
sums = "rows" if model.config.relation_layout == "paper" else "columns"
average = learned.mean()
matrices = {"learned": learned.matrices} | relations.baseline_relations(
    model, metadata, test, window=config.window, batch=config.batch, seed=config.seed
)
panels = {name: stack.mean(axis=0, dtype=np.float64) for name, stack in matrices.items()}

# %% mystnb={"figure": {"name": "fig-relations-average"}, "image": {"alt": "Five square matrices: learned, identity, uniform, untrained, ideal heatmaps."}}
axes = plots.relation_panels(panels, skeleton, sums=sums)
plots.say_effect(axes, effect)

# %% [markdown]
# *Average relations on the test split, all on one scale. Joints are ordered along the limbs, left and right apart.*

# %% [markdown]
# The diagonal takes all the color. Without it, one sees what joints take from each other:

# %% mystnb={"figure": {"name": "fig-relations-off"}, "image": {"alt": "Two square matrices with a gray diagonal and colored weights between joints."}}
axes = plots.relation_panels({name: panels[name] for name in ("learned", "ideal heatmaps")}, skeleton, sums=sums, diagonal=False)
plots.say_effect(axes, effect)

# %% [markdown]
# *The learned relation and that of ideal heatmaps without their diagonals, on one scale.*

# %% [markdown]
# In numbers, measured in the relation of each frame and then averaged. (The entropy of the average relation
# would be larger, because relations differ from frame to frame.)

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
off = ~np.eye(len(skeleton), dtype=bool)
given = np.where(off, average, 0).sum(axis=0) / max(average[off].sum(), 1e-12)  # share of what each joint gives to others
correlation = np.corrcoef(average[off], panels["ideal heatmaps"][off])[0, 1] if average[off].std() > 0 else float("nan")

# %% tags=["hide-input"]
Markdown(f"{words.closeness(masses['learned'], masses['uniform'])} {words.resemblance(correlation)}")

# %% [markdown]
# How much of the learned weight lies off the diagonal, with its interval over groups, and which joint gives the largest
# share of it:

# %% tags=["hide-input"]
pd.DataFrame(
    {
        "learned": {
            "weight off the diagonal (%)": interval(frames, learned.groups, seed=config.seed).brief(),
            "joint that gives most": plots.short(skeleton.joints[int(given.argmax())]),
            "its share (%)": f"{100 * given.max():.0f}",
            "if all gave equally (%)": f"{100 / len(skeleton):.0f}",
        }
    }
).T

# %% [markdown]
# ## Which axis sums to one, and what asymmetry means
#
# The Gram matrix $G = \bar M \bar M^\top$ is symmetric: the overlap of two joints is the same from either side. The softmax along
# rows makes it a relation, $W_{ij} = e^{G_{ij}} / Z_i$ with $Z_i = \sum_k e^{G_{ik}}$, so that refined joint $i$ is a mean of all
# joints. Asymmetry comes from the divisors alone,
#
# $$\frac{W_{ij}}{W_{ji}} = \frac{Z_j}{Z_i}.$$
#
# $Z_i$ is large where joint $i$ has a strong heatmap. So of two joints, the one with the weaker heatmap should take more from
# the other than it gives. An asymmetric relation therefore does not say that the network has learned a direction of influence
# between two joints: it says whose heatmap is weak. (The released code lets columns sum to one, which exchanges taking and giving; a
# manual graph, multiplied onto $G$, makes $G$ itself asymmetric.)
#
# Around any three joints the divisors cancel, so the logarithms of the three ratios should add up to zero. Whether it is the
# weaker heatmap that takes more is counted in the next chapter, where the heatmaps are at hand.

# %%
residuals = relations.cycle_residual(learned.matrices)  # of each matrix, the largest sum of the three logarithms

# %% tags=["hide-input"]
Markdown(words.cycle_words(residuals[np.isfinite(residuals)]))

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
plots.say_effect(axes, effect)

# %% [markdown]
# *The largest weights off the diagonal, learned and of ideal heatmaps, on a schematic body that faces the reader.*

# %%
pd.DataFrame(relations.strongest(average, skeleton, count=arrows), columns=["refined joint", "takes from", "weight"]).round(3)

# %% [markdown]
# ## By action
#
# If relations follow the pose, they should follow the action too. The figure shows the average over all frames of the split and
# one panel per action, on one scale, without the diagonal. The table says how many groups (videos, or stretches of motion) an
# action has. An action with a single group shows one stretch of motion, which need not be typical of the action.

# %% mystnb={"figure": {"name": "fig-relations-actions"}, "image": {"alt": "Several square matrices, the first for all actions and one for each action, with a gray diagonal."}}
counts = pd.Series([item.action for item in test]).value_counts()
by_action = learned.by_action()
axes = plots.relation_panels(
    {"all actions": average} | {action: by_action[action] for action in counts.index[:shown]},
    skeleton,
    sums=sums,
    diagonal=False,
)
plots.say_effect(axes, effect)

# %% [markdown]
# *Average relation of the whole test split, and of the actions with the most clips, without the diagonal, on one scale.*

# %% tags=["hide-input"]
members = {"all actions": np.ones(len(frames), bool)} | {action: learned.actions == action for action in counts.index}
means = {action: learned.matrices[rows].mean(axis=0) for action, rows in members.items()}
pd.DataFrame(
    {
        action: {
            "clips": len(set(learned.clips[rows])),
            "groups": len(set(learned.groups[rows])),
            "weight off the diagonal (%)": round(100 * float(frames[rows].mean()), 1),
            "largest weight": "{} from {} {:.2f}".format(*relations.strongest(means[action], skeleton, 1)[0]),
            "distance from the average": round(float(np.linalg.norm((means[action] - average)[off])), 3),
        }
        for action, rows in members.items()
    }
).T

# %% [markdown]
# ## Over time
#
# The weights of one clip, frame by frame. Frames in which a joint of these pairs is hidden are shaded.
# Every `window` frames the network's state is reset.

# %% mystnb={"figure": {"name": "fig-relations-time"}, "image": {"alt": "A few lines over the frames of a clip."}}
own = predictions.relations[clip]
largest = relations.strongest(own.mean(axis=0), skeleton, 4)
names = {name for i, j, _ in largest for name in (i, j)}
hidden = (test[clip].visibility[:, [skeleton.index(name) for name in names]] == OCCLUDED).any(axis=1)
ax = plots.relation_over_time(own, skeleton, [(i, j) for i, j, _ in largest], hidden=hidden)
title = ax.set_title(f"{test[clip].action}, clip {test[clip].id}")
plots.say_effect(ax, effect)

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
plots.say_effect(axes, effect)

# %% [markdown]
# *One clip's relation in its first, middle and last frame, then averaged over the clip, over all clips of its action,
# and over the data set. Without the diagonal, on one scale.*

# %% [markdown]
# How the variance of all weights off the diagonal divides among these levels:

# %%
shares = relations.variance_shares(learned)
pd.DataFrame({"share of the variance (%)": {f"between {level}": f"{100 * part:.0f}" for level, part in shares.items()}}).T

# %% tags=["hide-input"]
single = sum(len(set(learned.groups[learned.actions == action])) == 1 for action in counts.index)
Markdown(words.variance_words(shares, single))

# %% [markdown]
# Following the pose is what the arithmetic makes the relation do, since heatmaps overlap where joints are near each other.
# Whether the network uses it is another question, asked in the next chapter.

# %% [markdown]
# ## Does an occluded joint take more?
#
# A joint whose heatmap is weak takes more from others: the softmax says so. Does it happen? The table gives the
# share of a refined joint's weights that lies on all others, for joints that are visible and joints that are
# occluded. But wrists are occluded more often than heads, so the two rows are about different joints. The answer
# therefore compares each joint with itself: the share where it is occluded minus the share where it is visible, averaged over
# joints, both from the same groups in each draw of the bootstrap.

# %%
taken = relations.off_diagonal_weight(learned.matrices)  # (N,K)
visibility = np.concatenate([item.visibility for item in test])
by_state = {
    name: interval(np.where(visibility == value, taken, np.nan), learned.groups, seed=config.seed)
    for name, value in (("visible", VISIBLE), ("occluded", OCCLUDED))
}
contrast = contrast_interval(taken, visibility == OCCLUDED, visibility == VISIBLE, learned.groups, seed=config.seed)

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {"taken from others (%)": item.brief(), "joints": item.samples, "groups": item.groups}
        for name, item in by_state.items()
        if item.samples
    }
).T

# %% tags=["hide-input"]
Markdown(words.hidden_weight_words(contrast, sums))

# %% [markdown]
# ## Does the unscaled softmax collapse?
#
# Where the diagonal of the Gram matrix is far above the rest, the softmax leaves nothing to other joints, and the relation is the
# identity. Is this so at the start? Does training change it, and would another scale? `benchmarks/relation_scale.py` started the
# variant without propagation from one encoder under each scale, trained all for the same number of steps, and
# measured the relations on the test split before and after. Each scale was trained once, so small differences mean nothing.

# %% tags=["hide-input"]
study = read_json(CHECKOUT / "results" / "relation_scale.json")
pd.DataFrame(words.scale_table(study)).T.round(2)

# %% tags=["hide-input"]
Markdown(words.scale_words(study))
