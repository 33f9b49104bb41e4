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
# # Your own video
#
# **Question.** What does the network make of a video of yours? Where is it confident of a joint, where does it only
# carry on what it saw before, and what does a joint take from the others meanwhile?
#
# **Time.** Seconds on two CPU cores for the clip shown here; for a video of your own, a few hundredths of a second per
# frame.
#
# Pass a video with `rpstn run your_video -p video path/to/video.mp4`, or write its path into the next cell. A clip of a data set
# is selected with `-p dataset penn_action -p root path/to/Penn_Action -p clip 3`; its labels then serve as the truth. With data of
# your own, `-p dataset own`, pass weights that find your joints as `checkpoint`. Nothing leaves your machine.

# %% tags=["parameters"]
from typing import Optional

video: Optional[str] = None  # a video file or a folder of frames; None: a clip of the data set
boxes: str = "auto"  # auto: the box follows the pose; x,y,width,height: a fixed box; a .json or .csv file of boxes
checkpoint: Optional[str] = None  # file that training wrote; None: the package's weights, for real or for drawn people
limit: Optional[int] = 240  # number of frames used, from the first on; None: all
dataset: str = "embedded"  # data set whose clip is shown where no video is given: embedded, penn_action, sub_jhmdb, own, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
split: str = "test"  # train, val or test
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
clip: Optional[int] = None  # which clip of the split; None: the 25th, or the last where there are fewer
shown: int = 6  # frames drawn in the figures
out: Optional[str] = None  # folder of the annotated video; None: runs/your_video


# %%
# %matplotlib inline
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown, display

import rpstn
from rpstn import UserError, open_dataset, plots
from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE
from rpstn.notebooks import CHECKOUT, words
from rpstn.notebooks.results import prediction_table
from rpstn.runs import read_json
from rpstn.runs.paths import default_place
from rpstn.train.recipes import shipped_checkpoints
from rpstn.video import write_webm
from rpstn.video.watch import labels_for, watch

if video is None:
    data = open_dataset(dataset, root, split=split, fold=fold)
    clip = min(24, len(data) - 1) if clip is None else clip
    source = data[clip].frames.read(range(len(data[clip]))[:limit])
    checkpoint = checkpoint or shipped_checkpoints(dataset).get("rpstn")
else:
    source = video
plots.use_style()

# %%
seen = watch(source, checkpoint, boxes, limit=limit, progress=True)
skeleton = seen.skeleton
# The truth for the joints that these weights find, where it is known.
truth = labels_for(data, clip, skeleton) if video is None else None
labeled = np.zeros((len(seen), 0), bool) if truth is None else truth.visibility[: len(seen)] != ABSENT

# %% tags=["hide-input"]
title = seen.name if video else f"{dataset}, {split}, {truth.id} {truth.action}".strip()
pd.DataFrame({title: words.video_row(seen, boxes)}).T

# %% [markdown]
# The network saw all pixels, even where frames were scaled down for the figures. In frames in which the person is **lost**, it was
# not confident enough to call what it saw a person.

# %% tags=["hide-input"]
Markdown(words.weights_words(seen))

# %% [markdown]
# ## What the network sees
#
# The network looks at a square around the person, not at the whole frame. With `auto` that square is found in the first
# frame and then follows the joints: from frame to frame it moves to where they are, and its size changes slowly. Most
# failures on a new video start here. So look at the lower row first: is the whole person in it, and about as large in all
# images?

# %% mystnb={"figure": {"name": "fig-video-seen"}, "image": {"alt": "Upper row: frames of the video with a rectangle around the person. Lower row: the same person cropped to squares."}}
there = np.flatnonzero(seen.present)
columns = sorted(set(there[np.linspace(0, len(there) - 1, min(shown, len(there))).round().astype(int)].tolist()))
fig, axes = plt.subplots(2, len(columns), figsize=(1.6 * len(columns) + 0.3, 3.5), squeeze=False)
for (upper, lower), t in zip(axes.T, columns, strict=True):
    plots.image(seen.frames[t], upper, title=f"frame {t}")
    x, y, width, height = seen.boxes[t]
    upper.add_patch(plt.Rectangle((x, y), width, height, fill=False, ec="#D55E00", lw=1.5))
    plots.image(seen.crop(t), lower)

# %% [markdown]
# *Frames with the box in which the network looked (upper row), and what it saw: the box with a margin, scaled to its
# input (lower row).*

# %% [markdown]
# ## Poses
#
# A joint is **hidden**, here and below, where the network does not see it well: its confidence, the height of its
# heatmap's peak, lies below a limit.

# %% tags=["hide-input"]
Markdown(words.limit_words(seen.limit, seen.weights.calibration.measured_on))

# %% mystnb={"figure": {"name": "fig-video-poses"}, "image": {"alt": "A row of frames with stick figures drawn on the person."}}
visibility = np.where(seen.hidden, OCCLUDED, VISIBLE)
axes = plots.filmstrip(
    {"predicted": seen.frames},
    columns,
    poses={"predicted": seen.joints},
    visibility={"predicted": visibility},
    skeleton=skeleton,
)

# %% [markdown]
# *Poses on the frames. Hidden joints are hollow, limbs to them dashed. The person's left is orange, the right blue.*

# %% [markdown]
# In JupyterLab the next cell shows a slider and a play button that go through all frames. They need a running notebook,
# so the built book has only the row above.

# %%
try:
    display(plots.frame_slider(seen.images(), seen.fps))
except UserError as missing:  # without ipywidgets
    print(missing)

# %% [markdown]
# ## Where it is confident
#
# One row per joint, one column per frame. A hand that passes behind the body shows as a dark stretch, if the network
# notices. It need not: a network that carries the pose along is often confident of a joint that it cannot see. That is what it
# was built for, and it makes confidence a poor indicator of what is visible.

# %% mystnb={"figure": {"name": "fig-video-confidence"}, "image": {"alt": "Colored rows, one per joint, over the frames of the video, with framed stretches."}}
hidden = None if truth is None else truth.visibility[: len(seen)] == OCCLUDED
ax = plots.joint_rows(seen.confidence, skeleton, vmax=1.0, marked=seen.hidden, hidden=hidden)

# %% [markdown]
# *Confidence of each joint over time. Framed: stretches in which the network does not see the joint well. White lines:
# frames in which it truly is hidden, where that is known.*

# %% tags=["hide-input"]
pd.DataFrame(words.summary_table({plots.short(name): row for name, row in seen.summary().items()})).T

# %% tags=["hide-input"]
# Frames without a box say nothing of what is seen.
Markdown(words.doubt_words(seen.hidden[seen.present], None if hidden is None else hidden[seen.present]))

# %% [markdown]
# ## What a joint takes from the others
#
# In each frame the JRE weighs how much of its heatmap a joint takes from every other joint. The matrices below belong to
# the frames above them, on one scale; a network without relations has none. Above each figure stands what the relation does in this
# video: the share of the joints that move if the identity takes its place. Whether a hidden joint takes more is measured over all
# test clips in [Joint relations](06_relations.ipynb).

# %% mystnb={"figure": {"name": "fig-video-relations"}, "image": {"alt": "A row of frames with stick figures; under each a square matrix of weights."}}
moments = [columns[index] for index in np.linspace(0, len(columns) - 1, min(4, len(columns))).round().astype(int)]
if seen.relations is None:
    fig, ax = plt.subplots(figsize=(4, 0.6))
    ax.text(0, 0, "this network has no relations")
    ax.set_axis_off()
else:
    axes = plots.relation_moments(
        seen.frames, seen.joints, seen.relations, skeleton, moments, visibility=visibility, sums=seen.sums
    )
    plots.say_effect(axes, seen.effect)

# %% [markdown]
# *Frames with their poses, and the relation of each: row i says what refined joint i takes from the joints.*

# %% mystnb={"figure": {"name": "fig-video-taken"}, "image": {"alt": "Colored rows, one per joint, over the frames of the video."}}
taken = np.full(seen.confidence.shape, np.nan) if seen.relations is None else rpstn.relations.off_diagonal_weight(seen.relations)
ax = plots.joint_rows(taken, skeleton, label="taken from other joints", vmax=1.0, marked=seen.hidden)
plots.say_effect(ax, seen.effect)

# %% [markdown]
# *Share of its refined heatmap that each joint takes from other joints, over time. Framed: stretches in which the
# network does not see the joint well.*

# %% tags=["hide-input"]
pd.DataFrame(words.taken_table(taken, seen.hidden)).T

# %% [markdown]
# That a low peak takes more is arithmetic: the weights are a softmax of how much heatmaps overlap, and a flat one overlaps
# with itself no more than with others. One video is an illustration, not a measurement.

# %% [markdown]
# ## The annotated video
#
# Joints are colored by confidence, and hidden ones are hollow. The gray rectangle is where the network looked. Next to the
# image is the relation of the frame.

# %% tags=["hide-input"]
path = write_webm(
    Path(out or default_place("runs", "your_video")) / "video.webm",
    seen.images(),
    fps=min(seen.fps, 12.0) if video is None else seen.fps,
)
HTML(plots.video(path, "The video with the predicted pose, hidden joints hollow; beside it the relation of each frame."))

# %% [markdown]
# ## What following costs
#
# Where the truth is known, as for a clip of a data set, one can ask what was lost by not knowing the boxes. The same network
# looks at the same frames once more, in the true boxes. The table gives the joints within 0.2 of the person's size, hidden ones
# included. It is of one clip, so the difference is an illustration, not a measurement; for a video without labels there is no table.
# `rpstn evaluate` scores labeled clips.

# %% tags=["hide-input"]
found = {}
if labeled.any():
    size = truth.boxes[: len(seen), 2:].max(axis=1)
    given = watch(source, checkpoint, truth.boxes, limit=limit)
    for name, part in ((f"boxes {boxes}", seen), ("true boxes", given)):
        error = np.linalg.norm(part.to_video(part.joints) - truth.joints[: len(seen)], axis=-1)
        correct = (error <= 0.2 * size[:, None])[labeled]
        found[name] = {"correct (%)": f"{100 * correct.mean():.1f}", "joints": len(correct)}
pd.DataFrame(found).T if found else None

# %% [markdown]
# ## The same in one call
#
# All of this is in three arrays, and in three commands. Two attributes say how to read the arrays: `status` says for each frame
# whether the person was found, followed or lost, and `hidden` which joints the network does not see well.

# %%
predicted = rpstn.predict(source, checkpoint, boxes, frames=limit)
poses, confidences, relations = predicted
print(poses.shape, confidences.shape, None if relations is None else relations.shape)
print("frames in which the person was lost:", int((predicted.status == "lost").sum()))
print("the same confidences as above:", bool(np.allclose(confidences, seen.confidence, atol=1e-4, equal_nan=True)))

# %% [markdown]
# `rpstn predict VIDEO` does this for videos of any length and for several people, with poses as JSON and CSV and an annotated
# `.webm`; memory does not grow with the video. `rpstn export CHECKPOINT -o DIR` writes the network as ONNX for programs without torch:
# one graph for the first frame, and one for every later frame, which takes the heatmaps and features of the frame before.
# And if the joints that you care about are not a person's, label a few clips and train on them:
# [Data sets](../book/datasets.md) shows how, from the first label to the poses of a new video.

# %% [markdown]
# ## How good is it on real people?
#
# `benchmarks/predict_quality.py` ran the weights that `rpstn predict` uses by default on real clips that they never saw: with the boxes
# of the labels, and with "auto", which gets no box and has to find the person first. A person that it loses counts as wrong.

# %% tags=["hide-input"]
quality = read_json(CHECKOUT / "results" / "predict_quality.json")
Markdown(prediction_table(quality))

# %% [markdown]
# `PCK@0.2` by person size, in percent, measured on:

# %% tags=["hide-input"]
counted = {key: quality[key] for key in ("clips", "groups", "frames")}
pd.DataFrame({quality["on"]: counted | {"lost with auto (% of frames)": f"{100 * quality['lost']:.1f}"}}).T

# %% [markdown]
# It has limits. A video without any person, of a wall or a hedge, may still get a skeleton: in everything the network saw in training
# there was a person. Look at the scores, and watch the video, before you believe it.

# %% [markdown]
# ## Files in, files out
#
# **Boxes in.** `--boxes` takes one box for all frames, `x,y,width,height`, or a file. `x` and `y` are the left and upper
# edge. All four are pixels of the video, not fractions of the frame. Two corners are not a box, and cannot be distinguished from
# one: subtract first. Frames count from 0. A CSV file has a header line, and a column `id` if there are several people. It may also
# be called `track_id`, `person` or `person_id`. Any other column is refused, so that nothing in the file is silently ignored:
#
# ```text
# frame,id,x,y,width,height
# 0,ann,40,32,96,210
# 1,ann,42,32,96,210
# 1,bob,300,40,88,190
# ```
#
# A JSON file has the same entries, in any order:
#
# ```json
# [{"frame": 0, "id": "ann", "box": [40, 32, 96, 210]},
#  {"frame": 1, "id": "ann", "box": [42, 32, 96, 210]},
#  {"frame": 1, "id": "bob", "box": [300, 40, 88, 190]}]
# ```
#
# with the same names for `id`, and every other key refused; or, for one person, as a list with one entry per frame:
#
# ```json
# [[40, 32, 96, 210], null, [44, 32, 96, 210]]
# ```
#
# A frame may lack a person's box: `null`, NaN and no entry mean the same. A gap of up to 15 frames is interpolated between
# the boxes before and after it. In a longer gap, before the first box and after the last, the person gets no pose. The same holds
# for a box that lies outside the frame. The notes say what was interpolated and what lies outside.
#
# **Poses out.** `poses.json` first says what was predicted: the video's size and rate, the joints by name, the weights, the
# limits of confidence, notes and a summary. Then one entry per frame follows. Here is one from a network with two joints:
#
# ```json
# {"frame": 3, "time": 0.12, "people": [
#   {"id": "1", "status": "followed", "category_id": 1, "score": 0.58, "bbox": [38.5, 30.0, 212.0, 212.0],
#    "keypoints": [101.2, 44.9, 0.83, 97.4, 80.1, 0.33], "hidden": [1]}]}
# ```
#
# - `frame` counts from 0. `time` is in seconds since the first frame, by the file's own times where it has any. The images
#   of a folder have none; `--fps` gives their rate.
# - `keypoints` holds x, y and a confidence for each joint, in the order of `categories[0].keypoints`. The third number is the
#   height of the heatmap's peak. In COCO's labels it is a visibility of 0, 1 or 2; do not read one for the other.
# - `hidden` lists the joints that the network does not see well, by their index, from 0. (`categories[0].skeleton` counts
#   from 1, as COCO does.) They have coordinates too.
# - `score` is the mean confidence over the joints.
# - `bbox` is where the network looked, not a box around the joints: the fixed box, or a square that moves. The crop that it saw is a
#   square, a quarter larger than the longer side of `bbox`.
# - `status` says how that box was found. `given`: your box. `found`: by a search, and the network's state is reset. `followed`:
#   from the frame before. `lost`: there is a pose, but the network is not confident enough to call it a person; all joints are then
#   hidden.
# - `others` appears with boxes `auto`, in the few frames that were also searched for other people: a list of the boxes of those
#   that were seen. An empty list does not prove that there are none.
# - With `--relation` each person has a matrix `relation`. Row i says what refined joint i takes from the joints.
#
# `poses.csv` holds the joints as a table, one line for each joint of each person in each frame. `hidden` is 0 or 1:
#
# ```text
# frame,time,person,status,joint,x,y,confidence,hidden
# 3,0.12,1,followed,head,101.2,44.9,0.83,0
# ```
#
# **A video to look at.** `annotated.webm` is for viewing. Its frame rate is constant, so where the times of your file have gaps, a
# frame is shown several times: image 100 of the annotated video need not be frame 100 of the poses. The number of the frame is
# written below the image. The annotated video also differs from yours in size. Measure in `poses.json`, not in the annotated video.
