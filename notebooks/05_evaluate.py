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
# **Question.** How often does each network find a joint, seen or hidden, and what do relation and propagation
# add to the same encoder frame by frame?
#
# **Time.** Less than a minute on two CPU cores. The networks are those of the train notebook and those that
# the package ships. Checkpoints and settings were chosen on the val split; nothing is trained or chosen on the
# test split, neither here nor in the notebooks that follow, which score it again.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: runs/<dataset>
window: int = 8  # frames that go through a network at once, as in training; it starts anew after them
batch: int = 8  # windows at once
flip_test: bool = False  # average with the prediction for the mirrored frames
hidden_up_to: int = 5  # frames: the gain on hidden joints counts those hidden for up to so many
shown: int = 3  # best and worst clips drawn of each
seed: int = 2021  # of the cut between train and val, where a set has no val; test is the same for all

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
from rpstn.metrics.hidden import hidden_gain
from rpstn.metrics.scores import samples
from rpstn.models.manifests import training_of
from rpstn.notebooks.words import how_trained
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
# ## What counts as found
#
# A joint is found if its error is at most 0.2 times a reference length of the same frame,
#
# $$\operatorname{PCK} = \frac{1}{N} \sum_n \big[\, \lVert \hat p_n - p_n \rVert \le 0.2 \, s_n \,\big].$$
#
# Two lengths are in use. **Person** size is the longer side of the person's box. **Torso** size is the
# distance from a shoulder to the opposite hip; it is shorter, so the same errors count more. The mean is the
# plain mean over joints.

# %%
results = {name: evaluate(config) for name, config in configs.items()}
test = open_dataset(dataset, root, split="test", fold=fold)
skeleton = test.skeleton

# %% tags=["hide-input"]
counted = next(iter(results.values())).metrics["counted"]
Markdown(
    f"**What was scored:** {counted['clips']} clips of `{dataset}` (test"
    + (f", split {fold}" if dataset == "sub_jhmdb" else "")
    + f") from {counted['groups']} groups, {counted['frames']} frames, {counted['visible_joints']} visible and "
    f"{counted['occluded_joints']} occluded joints; {counted['absent_joints']} absent joints count in no score. Boxes: ground truth. "
    f"Frames without a torso: {counted['frames_without_reference']['torso']}."
)

# %% [markdown]
# ## Scores by person size
#
# Intervals are 95 % bootstrap intervals over **groups**: frames of one video resemble each other, so it is
# videos that are drawn. Rows named "shipped", where there are any, are weights that come with the package. The
# last column has the training steps of each network behind its encoder; compare those that made as many.

# %% tags=["hide-input"]
scores = {name: result.metrics["scores"] for name, result in results.items()}
trainings = {name: training_of(path) for name, path in checkpoints.items()}
many = skeleton.unscored  # joints that the data set's own mean leaves out
tables = {
    reference: pd.DataFrame(
        {
            name: {
                "mean, all joints": f"{100 * part[reference]['all']['mean']:.1f}",
                "95 % interval": (
                    "none"
                    if None in part[reference]["all"]["interval"]
                    else "{:.1f} - {:.1f}".format(*(100 * np.array(part[reference]["all"]["interval"])))
                ),
                **(
                    {f"mean, {len(skeleton.scored)} joints": f"{100 * part[reference]['all']['mean_scored']:.1f}"} if many else {}
                ),
                **{
                    joint: f"{100 * value:.1f}"
                    for joint, value in part[reference]["all"]["joint_types"].items()
                    if value is not None
                },
                "groups": part[reference]["all"]["groups"],
                "steps": trainings[name]["steps"] if trainings[name] else "not known",
            }
            for name, part in scores.items()
        }
    ).T
    for reference in ("person", "torso")
}
tables["person"]

# %% [markdown]
# ## Scores by torso size

# %%
tables["torso"]

# %% mystnb={"figure": {"name": "fig-evaluate-joints"}, "image": {"alt": "Grouped bars: one group for each kind of joint, one bar for each network."}}
ax = plots.pck_bars({name: part["person"]["all"]["joint_types"] for name, part in scores.items()})

# %% [markdown]
# *`PCK@0.2` by person size for each kind of joint, all annotated joints of the test split.*

# %% [markdown]
# ## All three splits
#
# Sub-JHMDB has three splits, and what papers print is the mean over them: a network is trained and scored three times. Both
# means over joints are here, over all 15 and over the 13 without neck and belly.

# %% tags=["hide-input"]
thrice = find_folds(folder, fold) if dataset == "sub_jhmdb" else {}
averages = {
    TITLES.get(name, name): evaluate_folds(
        replace(next(iter(configs.values())), out=f"{folder}/test/three-splits/{name}"), paths, progress=False
    ).metrics
    for name, paths in thrice.items()
}
rows = {(name, row): cells for name, metrics in averages.items() for row, cells in means_by_split(metrics).items()}
why = (
    f"Only split {fold} is trained in `{folder}`, so there is no mean over splits: train the others with `-p fold 2` and `-p fold 3`."
    if dataset == "sub_jhmdb"
    else f"The data set `{dataset}` has one split only."
)
pd.DataFrame(rows).T.map(lambda value: f"{100 * value:.1f}") if rows else Markdown(why)

# %% [markdown]
# ## Seen and hidden joints apart
#
# A mean over all joints hides the question of this book: most joints are seen. Here they are apart.

# %% tags=["hide-input"]
cells = {
    (reference, subset): {name: part[reference][subset] for name, part in scores.items()}
    for reference in ("person", "torso")
    for subset in ("all", "visible", "occluded")
    if counted["occluded_joints"] or subset != "occluded"
}
pd.DataFrame({key: {name: f"{100 * part['mean']:.1f}" for name, part in column.items()} for key, column in cells.items()})

# %% tags=["hide-input"]
Markdown(
    "Number of scored joints: "
    + "; ".join(
        f"{subset} {next(iter(column.values()))['samples']}"
        for (reference, subset), column in cells.items()
        if reference == "person"
    )
    + (
        "."
        if counted["occluded_joints"]
        else ". This data set does not say which joints were hidden, so there is no score for occluded joints; the notebook on occlusion "
        "hides joints on purpose."
    )
)

# %% [markdown]
# ## Motions that were never trained on

# %% tags=["hide-input"]
held = {
    (part, reference): {name: result.metrics[part][reference]["all"] for name, result in results.items()}
    for part in ("not_held_out", "held_out")
    for reference in ("person", "torso")
    if all(result.metrics.get(part, {}).get("clips") for result in results.values())
}
motions = sorted({str(clip.extra.get("motion", clip.action)) for clip in test if np.any(clip.extra.get("held_out", False))})
Markdown(
    f"Held out of training as whole motions: **{', '.join(motions)}**. Their scores stand apart from those of other stretches of "
    "motions that occur in training. Brackets hold 95 % intervals over as many groups as the table says: few groups, little certainty."
    if motions
    else "This data set holds no motion back for the test split."
)

# %% tags=["hide-input"]
counts = {part: next(iter(results.values())).metrics.get(part, {}).get("clips") for part, _ in held}
table = pd.DataFrame(
    {
        (part.replace("_", " "), reference): {
            "clips": counts[part],
            "groups": next(iter(column.values()))["groups"],
            **{
                name: f"{100 * value['mean']:.1f} "
                + (
                    "({:.1f} - {:.1f})".format(*(100 * np.array(value["interval"])))
                    if None not in value["interval"]
                    else "(no interval)"  # fewer than five groups say too little about others
                )
                for name, value in column.items()
            },
        }
        for (part, reference), column in held.items()
    }
)
table if held else None

# %% [markdown]
# ## What relation and propagation add where a joint is hidden
#
# The gain is the difference of two networks' PCK on joints that were seen, and then hidden for a few frames. It
# is paired: both are scored on the same joints, and each draw of the bootstrap takes the same groups for both.

# %%
pairs = {
    name: (name, name.replace("RPSTN", "frame by frame"))
    for name in results
    if name.startswith("RPSTN") and name.replace("RPSTN", "frame by frame") in results
}
gains = {
    name: hidden_gain(results[a].predictions, results[b].predictions, test, ((1, hidden_up_to),), seed=seed).intervals[0]
    for name, (a, b) in pairs.items()
}
gains = {name: gain for name, gain in gains.items() if gain.samples}

# %% tags=["hide-input"]
verdict = {True: "so the two can be told apart", False: "so the two cannot be told apart on this data"}
Markdown(
    "\n".join(
        f"- **{name}** against {pairs[name][1]}, joints hidden for up to {hidden_up_to} frames: "
        f"{gain.text(signed=True, unit=' percentage points')}, {verdict[gain.excludes_zero]}. "
        + how_trained({part: trainings[part] for part in pairs[name]})
        for name, gain in gains.items()
    )
    or "No joint is marked as hidden after it was seen, or one of the two networks is missing: there is no gain to report."
)

# %% [markdown]
# ## Best and worst clips
#
# The clips on which the first network of the table finds most and fewest joints, with its predictions in the
# middle of each.

# %% mystnb={"figure": {"name": "fig-evaluate-clips"}, "image": {"alt": "Two rows of frames: true stick figures above, predicted ones below; the columns go from the best to the worst clips."}}
name, result = next(iter(results.items()))
right = samples(result.predictions, test, reference="person")
found = np.array([summarize(right.of([index]).correct).micro for index in range(len(test))])
order = np.argsort(-found)
chosen = list(dict.fromkeys([*order[:shown], *order[-shown:]]))
windows = [make_window(test[index], skeleton, len(test[index]) // 2, 1, 160) for index in chosen]
images = np.concatenate([part.frames for part in windows])
poses = {
    "truth": np.concatenate([part.joints for part in windows]),
    name: np.stack(
        [apply_affine(result.predictions.joints[i][part.start], part.affine) for i, part in zip(chosen, windows, strict=True)]
    ),
}
axes = plots.filmstrip(
    dict.fromkeys(poses, images),
    columns=range(len(chosen)),
    poses=poses,
    skeleton=skeleton,
    visibility={"truth": np.concatenate([part.visibility for part in windows])},
)
for ax, index in zip(axes[0], chosen, strict=True):
    ax.set_title(f"{test[index].action} {found[index]:.0%}")

# %% [markdown]
# *True poses (top) and predictions (bottom) on the best clips (left) and the worst clips (right). The number is the
# share of joints found in the clip, by person size.*

# %% [markdown]
# ## By action
#
# `PCK@0.2` by person size, all annotated joints. Actions with few groups say little.

# %% tags=["hide-input"]
actions = results[name].metrics["actions"]
pd.DataFrame(
    {
        action: {
            "clips": sum(clip.action == action for clip in test),
            "groups": part["person"]["all"]["groups"],
            **{
                label: f"{100 * result.metrics['actions'][action]['person']['all']['mean']:.1f}"
                for label, result in results.items()
            },
        }
        for action, part in actions.items()
    }
).T
