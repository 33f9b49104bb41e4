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
# **Question.** What does the network make of a video of yours? Where is it sure of a joint, where does it only
# carry on what it saw before, and what does a joint take from the others meanwhile?
#
# **Time.** Seconds on two CPU cores for the clip shown here; for a video of your own a few hundredths of a second a
# frame.
#
# Give a video with `rpstn run your_video -p video path/to/video.mp4`, or write its path into the next cell. A clip of a data set
# is given by `-p dataset penn_action -p root path/to/Penn_Action -p clip 3`; its labels then serve as the truth. With data of your
# own, `-p dataset own`, name weights that find your joints as `checkpoint`. Nothing leaves your machine.

# %% tags=["parameters"]
from typing import Optional

video: Optional[str] = None  # a video file or a folder of frames; None: a clip of the data set
boxes: str = "auto"  # auto: the box follows the pose; x,y,width,height: a fixed box; a .json or .csv file of boxes
checkpoint: Optional[str] = None  # file that training wrote; None: the package's weights, for real or for drawn people
limit: Optional[int] = 240  # frames that are looked at, from the first on; None: all
dataset: str = "embedded"  # data set whose clip is shown where no video is given: embedded, penn_action, sub_jhmdb, own, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
split: str = "test"  # train, val or test
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
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
from rpstn.models.calibration import COMMAND
from rpstn.notebooks.results import prediction_table
from rpstn.notebooks.run import CHECKOUT
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
share = np.mean([word == "lost" for word in seen.status])
Markdown(
    (
        f"**Video:** `{seen.name}`"
        if video
        else f"**Video:** {split} clip `{truth.id}` of `{dataset}`" + (truth.action and f" ({truth.action})")
    )
    + f"; {len(seen)} frames of {seen.frames.shape[2]} x {seen.frames.shape[1]} px"
    + ("" if seen.scale == 1 else f" (made smaller for the figures, by {seen.scale:.2f}; the network saw all pixels)")
    + f" at {seen.fps:.3g} a second; "
    f"boxes: {'follow the pose' if boxes == 'auto' else f'`{boxes}`'}.\n\n"
    f"**Weights:** `{seen.weights.name}`, trained on {seen.weights.trained_on}"
    + ("" if seen.weights.val_pck is None else f"; `PCK@0.2` on its val split {seen.weights.val_pck:.1%}")
    + f". They find the {len(skeleton)} joints of the skeleton `{skeleton.name}`"
    + (f", of which the labels give {labeled.any(axis=0).sum()}" if truth else "")
    + ".\n\n"
    + (
        ""
        if not share
        else f"The person was **lost** in {share:.0%} of the frames: the network was too unsure to call it a person.\n\n"
    )
    + f"On people or images of another kind than these weights were trained on, expect less. `{seen.weights.command}` trains on your own "
    "copy of a data set; pass what it writes as `checkpoint`."
)

# %% [markdown]
# ## What the network sees
#
# The network looks at a square around the person, not at the frame. With `auto` that square is found in the first
# frame and then follows the joints: from frame to frame it moves to where they are, and changes its size slowly. Most
# failures on a new video start here. So look at the lower row first: is the person whole in it, and about as large in all
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
measured = seen.weights.calibration.measured_on
Markdown(
    f"For these weights the limit is {seen.limit:.2f}. "
    + (
        f"It was measured on {measured}: a tenth of the joints that can be seen lie below it there."
        if measured
        else f"It is **assumed**: nothing was measured for them, which `{COMMAND}` does."
    )
)

# %% mystnb={"figure": {"name": "fig-video-poses"}, "image": {"alt": "A row of frames with stick figures drawn on the person."}}
subset = np.where(seen.hidden, OCCLUDED, VISIBLE)
axes = plots.filmstrip(
    {"found": seen.frames}, columns, poses={"found": seen.joints}, visibility={"found": subset}, skeleton=skeleton
)

# %% [markdown]
# *Poses on the frames. Hidden joints are hollow, limbs to them dashed. The person's left is orange, the right blue.*

# %% [markdown]
# In JupyterLab the next cell shows a slider and a play button that go through all frames. They need a running notebook,
# so in the built book the row above stands for them.

# %%
try:
    display(plots.frame_slider(seen.images(), seen.fps))
except UserError as missing:  # without ipywidgets
    print(missing)

# %% [markdown]
# ## Where it is sure
#
# One row a joint, one column a frame. A hand that passes behind the body shows as a dark stretch, if the network
# notices. It need not: a network that carries the pose along is often sure of a joint that it cannot see. That is what it
# was built for, and it makes confidence a poor witness of what is visible.

# %% mystnb={"figure": {"name": "fig-video-confidence"}, "image": {"alt": "Colored rows, one a joint, over the frames of the video, with framed stretches."}}
hidden = None if truth is None else truth.visibility[: len(seen)] == OCCLUDED
ax = plots.joint_rows(seen.confidence, skeleton, vmax=1.0, marked=seen.hidden, hidden=hidden)

# %% [markdown]
# *Confidence of each joint over time. Framed: stretches in which the network does not see the joint well. White lines:
# frames in which it truly is hidden, where that is known.*

# %% tags=["hide-input"]
rows = {
    plots.short(name): {
        key: "-" if value is None else f"{value:.2f}" if isinstance(value, float) else str(value) for key, value in row.items()
    }
    for name, row in seen.summary().items()
}
pd.DataFrame(rows).T

# %% tags=["hide-input"]
doubt = seen.hidden[seen.present]  # frames without a box say nothing of what is seen
words = f"The network does not see {doubt.mean():.1%} of the joints well (confidence below {seen.limit:.2f}). "
if truth is None:
    words += "Which joints truly are hidden is not known for this video."
elif hidden[seen.present].any() and doubt.any():
    behind = hidden[seen.present]
    words += (
        f"Truly hidden are {behind.mean():.1%}. Of these the network notices {doubt[behind].mean():.0%}; of the joints that it calls "
        f"hidden, {behind[doubt].mean():.0%} are. "
        + (
            "**Here its doubt says little about what can be seen.**"
            if min(doubt[behind].mean(), behind[doubt].mean()) < 0.5
            else "**Here its doubt is a fair guide to what can be seen.**"
        )
    )
Markdown(words)

# %% [markdown]
# ## What a joint takes from the others
#
# In each frame the JRE weighs how much of its heatmap a joint takes from every other joint. The matrices below are those of
# the frames above them, on one scale. Whether a hidden joint takes more is measured over all test clips in
# [Joint relations](06_relations.ipynb).

# %% mystnb={"figure": {"name": "fig-video-relations"}, "image": {"alt": "A row of frames with stick figures; under each a square matrix of weights."}}
few = [columns[place] for place in np.linspace(0, len(columns) - 1, min(4, len(columns))).round().astype(int)]
if seen.relations is None:
    fig, ax = plt.subplots(figsize=(4, 0.6))
    ax.text(0, 0, "this network has no relations")
    ax.set_axis_off()
else:
    axes = plots.relation_moments(seen.frames, seen.joints, seen.relations, skeleton, few, visibility=subset, sums=seen.sums)

# %% [markdown]
# *Frames with their poses, and the relation of each: row i says what refined joint i takes from the joints.*

# %% mystnb={"figure": {"name": "fig-video-taken"}, "image": {"alt": "Colored rows, one a joint, over the frames of the video."}}
taken = np.full(seen.confidence.shape, np.nan) if seen.relations is None else rpstn.relations.off_diagonal_weight(seen.relations)
ax = plots.joint_rows(taken, skeleton, label="taken from other joints", vmax=1.0, marked=seen.hidden)

# %% [markdown]
# *Share of its refined heatmap that each joint takes from other joints, over time. Framed: stretches in which the
# network does not see the joint well.*

# %% tags=["hide-input"]
known = np.isfinite(taken)
groups = {"sees well": taken[~seen.hidden & known], "does not see well": taken[seen.hidden & known]}
Markdown(
    "This network has no relations, so there is nothing to compare."
    if not known.any()
    else "In this video, "
    + ", ".join(
        f"joints that the network {how} take {part.mean():.1%} from others on average"
        if len(part)
        else f"there is no joint that it {how}"
        for how, part in groups.items()
    )
    + ". A low peak makes this by arithmetic alone: the weights are a softmax of how much heatmaps overlap, and a flat one overlaps "
    "with itself no more than with others. One video is an image, not a measurement."
)

# %% [markdown]
# ## The film
#
# Joints have the color of the confidence, and hidden ones are hollow. The gray rectangle is where the network looked. Beside the
# image runs the relation of the frame.

# %% tags=["hide-input"]
path = write_webm(
    Path(out or default_place("runs", "your_video")) / "film.webm",
    seen.images(),
    fps=min(seen.fps, 12.0) if video is None else seen.fps,
)
HTML(plots.video(path, "The video with the pose that was found, hidden joints hollow; beside it the relation of each frame."))

# %% [markdown]
# ## How much following costs
#
# Where the truth is known, as for a clip of a data set, one can ask what was lost by not knowing the boxes. The same network
# looks at the same frames once more, in the true boxes.

# %% tags=["hide-input"]
if not labeled.any():
    found = Markdown("The joints of this video are not known, so there is no score. `rpstn evaluate` scores labeled clips.")
else:
    size = truth.boxes[: len(seen), 2:].max(axis=1)
    given = watch(source, checkpoint, truth.boxes, limit=limit)
    scores = {
        name: float((np.linalg.norm(poses - truth.joints[: len(seen)], axis=-1) <= 0.2 * size[:, None])[labeled].mean())
        for name, poses in (("as above", seen.to_video(seen.joints)), ("in the true boxes", given.to_video(given.joints)))
    }
    found = Markdown(
        f"Joints within 0.2 of the person's size, hidden ones included: {scores['as above']:.1%} with boxes `{boxes}`, "
        f"{scores['in the true boxes']:.1%} in the true boxes ({labeled.sum()} joints of one clip: the difference is an image, not a "
        "measurement)."
    )
found

# %% [markdown]
# ## The same in one call
#
# All of this is in three arrays, and in three commands. Two attributes say what to make of the arrays: `status` says for each frame
# whether the person was found, followed or lost, and `hidden` which joints the network does not see well.

# %%
predicted = rpstn.predict(source, checkpoint, boxes, frames=limit)
poses, confidences, relations = predicted
print(poses.shape, confidences.shape, None if relations is None else relations.shape)
print("frames in which the person was lost:", int((predicted.status == "lost").sum()))
print("the same confidences as above:", bool(np.allclose(confidences, seen.confidence, atol=1e-4, equal_nan=True)))

# %% [markdown]
# `rpstn predict VIDEO` does it for videos of any length and for several people, with poses as JSON and CSV and an annotated
# `.webm`; memory does not grow with the video. `rpstn export CHECKPOINT -o DIR` writes the network as ONNX for programs without torch:
# one graph for the first frame, one for every later one, which takes heatmaps and features that the frame before left.
# And if the joints that you care about are not a person's, label a few clips and train on them:
# [Data sets](../book/datasets.md) shows it, from the first label to the poses of a new video.

# %% [markdown]
# ## How good is it on real people?
#
# `benchmarks/predict_quality.py` ran the weights that `rpstn predict` takes by itself on real clips that they never saw: with the boxes of
# the labels, and with "auto", which gets no box and has to find the person first. A person whom it loses counts as wrong.

# %% tags=["hide-input"]
quality = read_json(CHECKOUT / "results" / "predict_quality.json")
Markdown(
    f"{prediction_table(quality)}\n\nMeasured on: {quality['on']}, {quality['clips']} clips of {quality['groups']} groups, "
    f"{quality['frames']:,} frames; `PCK@0.2` by person size, percent. With auto, the person was lost in {quality['lost']:.1%} of the frames."
)

# %% [markdown]
# It has limits. A film without any person, a wall or a hedge, may still get a skeleton: what the network has seen in training always
# had a person in it. Look at the scores, and see the film, before you believe it.

# %% [markdown]
# ## Files in, files out
#
# **Boxes in.** `--boxes` takes one box for all frames, `x,y,width,height`, or a file. `x` and `y` are the left and upper
# edge. All four are pixels of the video, not parts of the frame. Two corners are not taken for a box and cannot be told from
# one: subtract first. Frames count from 0. A CSV file has a head line, and a column `id` if there are several people. It may also
# be called `track_id`, `person` or `person_id`. Any other column is refused, so that nothing you say is passed over:
#
# ```text
# frame,id,x,y,width,height
# 0,ann,40,32,96,210
# 1,ann,42,32,96,210
# 1,bob,300,40,88,190
# ```
#
# A JSON file says the same in entries, in any order:
#
# ```json
# [{"frame": 0, "id": "ann", "box": [40, 32, 96, 210]},
#  {"frame": 1, "id": "ann", "box": [42, 32, 96, 210]},
#  {"frame": 1, "id": "bob", "box": [300, 40, 88, 190]}]
# ```
#
# with the same names for `id`, and every other key refused; or, for one person, as a list with one entry a frame:
#
# ```json
# [[40, 32, 96, 210], null, [44, 32, 96, 210]]
# ```
#
# A frame may lack a person's box: `null`, NaN and no entry mean the same. A gap of up to 15 frames is bridged evenly between
# the boxes before and after it. In a longer gap, before the first box and after the last, the person gets no pose. Nor do
# they in a box that lies outside the frame. What was bridged, or lies outside, stands in the notes.
#
# **Poses out.** `poses.json` first says what was predicted: the video's size and rate, the joints by name, the weights, the
# limits of confidence, notes and a summary. Then follows one entry a frame. Here one of a network with two joints:
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
# - `hidden` lists the joints that the network does not see well, by their place, from 0. (`categories[0].skeleton` counts
#   from 1, as COCO does.) They have coordinates too.
# - `score` is the mean confidence over the joints.
# - `bbox` is where the network looked, not a box around the joints: the fixed box, or a square that moves. What it saw is a
#   square, a quarter larger than the longer side of `bbox`.
# - `status` says how that place was found. `given`: your box. `found`: by a search, and the network starts anew. `followed`:
#   from the frame before. `lost`: there is a pose, but the network is too unsure to call it a person; all joints are then
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
# **A film to look at.** `annotated.webm` is for the eye. It has an even rate, so where the times of your file have gaps, a
# frame stands for several images: image 100 of the film need not be frame 100 of the poses. The number of the frame is
# written below the image. The film also has another size than the video. Measure in `poses.json`, not in the film.
