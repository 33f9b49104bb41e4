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
# # Evaluation
#
# **Question.** How often does each network find a joint, visible or occluded, and what do relation and propagation
# add to the same encoder run frame by frame?
#
# **Time.** Less than a minute on two CPU cores. The networks are those of the training chapter and those that ship
# with the package. Checkpoints and settings were chosen on the val split; nothing is trained or chosen on the
# test split, neither here nor in the chapters that follow, which score it again.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: runs/<dataset>
window: int = 8  # frames that go through a network at once, as in training; its state is reset after them
batch: int = 8  # windows at once
flip_test: bool = False  # average with the prediction for the mirrored frames
shown: int = 3  # number of best and of worst clips drawn
seed: int = 2021  # of the division into train and val, where a data set has no val; test is always the same


# %%
# %matplotlib inline
from dataclasses import replace

import numpy as np
import pandas as pd
from IPython.display import Markdown

from rpstn import EvaluateConfig, open_dataset, plots
from rpstn.datasets.transforms import apply_affine
from rpstn.datasets.windows import make_window
from rpstn.evaluate.folds import evaluate_folds, find_folds, means_by_split
from rpstn.evaluate.scoring import evaluate
from rpstn.metrics import summarize
from rpstn.metrics.scores import samples
from rpstn.models.manifests import training_of
from rpstn.notebooks import words
from rpstn.occlusion.question import ask
from rpstn.train.recipes import TITLES, find_checkpoints, run_folder, shipped_checkpoints

folder = out or run_folder(dataset, fold)
checkpoints = {TITLES[name]: path for name, path in find_checkpoints(dataset, folder, fold=fold).items()}
checkpoints |= {f"{TITLES[name]}, shipped": path for name, path in shipped_checkpoints(dataset).items()}
configs = {
    name: EvaluateConfig(
        checkpoint=path,
        dataset=dataset,
        root=root,
        fold=fold,
        seed=seed,
        window=window,
        batch=batch,
        flip_test=flip_test,
        out=f"{folder}/test/{name.replace(', ', '-').replace(' ', '_')}",
    )
    for name, path in checkpoints.items()
}
plots.use_style()

# %% [markdown]
# ## What counts as correct
#
# A joint is correct if its error is at most 0.2 times a reference length of the same frame,
#
# $$\operatorname{PCK} = \frac{1}{N} \sum_n \big[\, \lVert \hat p_n - p_n \rVert \le 0.2 \, s_n \,\big].$$
#
# Two lengths are in use. **Person** size is the longer side of the person's box. **Torso** size is the
# distance from a shoulder to the opposite hip; it is shorter, so the same errors count more. The mean is the
# plain mean over joints. Boxes are ground truth, and absent joints count in no score.

# %%
results = {name: evaluate(config) for name, config in configs.items()}
test = open_dataset(dataset, root, split="test", fold=fold)

# %% tags=["hide-input"]
counted = next(iter(results.values())).metrics["counted"]
pd.DataFrame({f"{dataset}, test": words.counts_table(counted)}).T

# %% [markdown]
# ## Scores by person size
#
# Intervals are 95 % bootstrap intervals over **groups**: the frames of one video resemble each other, so the
# bootstrap draws whole videos. Rows named "shipped", where there are any, are weights that come with the package. The
# last column gives the training steps of each network after its encoder; compare networks with the same number of steps.

# %% tags=["hide-input"]
scores = {name: result.metrics["scores"] for name, result in results.items()}
trainings = {name: training_of(path) for name, path in checkpoints.items()}
pd.DataFrame(words.score_table(scores, trainings, "person")).T

# %% mystnb={"figure": {"name": "fig-evaluate-joints"}, "image": {"alt": "Grouped bars: one group for each kind of joint, one bar for each network."}}
ax = plots.pck_bars({name: part["person"]["all"]["joint_types"] for name, part in scores.items()})

# %% [markdown]
# *`PCK@0.2` by person size for each kind of joint, all annotated joints of the test split.*

# %% [markdown]
# ## Scores by torso size

# %% tags=["hide-input"]
pd.DataFrame(words.score_table(scores, trainings, "torso")).T

# %% [markdown]
# ## All three splits
#
# Sub-JHMDB has three splits, and papers print the mean over them: a network is trained and scored three times. If
# all three have been trained (`-p fold 2` and `-p fold 3` train the others), a table follows here, with both means
# over joints: over all 15, and over the 13 without neck and belly. Other data sets have a single split.

# %% tags=["hide-input"]
folds = find_folds(folder, fold) if dataset == "sub_jhmdb" else {}
averages = {
    TITLES.get(name, name): evaluate_folds(
        replace(next(iter(configs.values())), out=f"{folder}/test/three-splits/{name}"), paths, progress=False
    ).metrics
    for name, paths in folds.items()
}
rows = {(name, row): cells for name, metrics in averages.items() for row, cells in means_by_split(metrics).items()}
pd.DataFrame(rows).T.map(lambda value: f"{100 * value:.1f}") if rows else None

# %% [markdown]
# ## Visible and occluded joints
#
# A mean over all joints hides the question of this book, since most joints are visible. Here visible and occluded joints
# are scored separately. Where a data set does not say which joints were occluded, those columns are missing; the chapter on
# occlusion hides joints on purpose.

# %% tags=["hide-input"]
pd.DataFrame(words.subset_table(scores, counted))

# %% [markdown]
# ## Motions that were never trained on
#
# Some motions may be kept for the test split. Their scores are given separately from those of motions that also occur
# in training. The intervals are over as many groups as the table says; with fewer than five there is none.

# %% tags=["hide-input"]
motions = sorted({clip.truth.motion or clip.action for clip in test if clip.truth.held_out})
Markdown(words.held_out_words(motions))

# %% tags=["hide-input"]
held_out = words.held_out_table({name: result.metrics for name, result in results.items()})
pd.DataFrame(held_out) if held_out else None

# %% [markdown]
# ## What relation and propagation add where a joint is hidden
#
# How many of the joints that were visible and then hidden for up to five frames are found? It is the question that
# [Occlusion](08_occlusion.ipynb), [Ablations](12_ablations.ipynb) and [Results](13_results.ipynb) ask as well, by the same function.
# In italics, rules that see no image: they are told where joints truly are, or were, while they are visible. The gain is paired: both
# networks are scored on the same joints, and each draw of the bootstrap takes the same groups for both.

# %%
answer = ask(test, {name: result.predictions for name, result in results.items()}, seed=seed)

# %% tags=["hide-input"]
pd.DataFrame(words.answer_table(answer)).T if any(row.samples for row in next(iter(answer.rows.values())).values()) else None

# %% tags=["hide-input"]
Markdown(words.answer_words(answer))

# %%
baselines = {name: name.replace("RPSTN", "frame by frame") for name in results if name.startswith("RPSTN")}
gains = {
    name: ask(test, {part: results[part].predictions for part in (name, other)}, seed=seed).gains[other]
    for name, other in baselines.items()
    if other in results
}

# %% tags=["hide-input"]
Markdown(words.hidden_gain_words(gains, baselines, trainings))

# %% [markdown]
# ## Best and worst clips
#
# The clips on which the first network of the table finds the most and the fewest joints, with its predictions in the
# middle frame of each.

# %%
name, result = next(iter(results.items()))
scored = samples(result.predictions, test, reference="person")
found = np.array([summarize(scored.of([index]).correct).micro for index in range(len(test))])
order = np.argsort(-found)
chosen = list(dict.fromkeys([*order[:shown], *order[-shown:]]))
windows = [make_window(test[index], test.skeleton, len(test[index]) // 2, 1, 160) for index in chosen]
predicted = [apply_affine(result.predictions.joints[i][part.start], part.affine) for i, part in zip(chosen, windows, strict=True)]

# %% mystnb={"figure": {"name": "fig-evaluate-clips"}, "image": {"alt": "Two rows of frames: true stick figures above, predicted ones below; the columns go from the best to the worst clips."}}
poses = {"truth": np.concatenate([part.joints for part in windows]), name: np.stack(predicted)}
axes = plots.filmstrip(
    dict.fromkeys(poses, np.concatenate([part.frames for part in windows])),
    columns=range(len(chosen)),
    poses=poses,
    skeleton=test.skeleton,
    visibility={"truth": np.concatenate([part.visibility for part in windows])},
)
for ax, index in zip(axes[0], chosen, strict=True):
    ax.set_title(f"{test[index].action} {found[index]:.0%}")

# %% [markdown]
# *True poses (top) and predictions (bottom) on the best clips (left) and the worst clips (right). The percentage is the
# share of correct joints in the clip, by person size.*

# %% [markdown]
# ## By action
#
# `PCK@0.2` by person size, all annotated joints. Actions with few groups say little.

# %% tags=["hide-input"]
actions = results[name].metrics["actions"]
clips = {action: {"clips": sum(clip.action == action for clip in test)} for action in actions}
groups = {action: {"groups": part["person"]["all"]["groups"]} for action, part in actions.items()}
means = {
    action: {
        label: f"{100 * result.metrics['actions'][action]['person']['all']['mean']:.1f}" for label, result in results.items()
    }
    for action in actions
}
pd.DataFrame({action: clips[action] | groups[action] | means[action] for action in actions}).T
