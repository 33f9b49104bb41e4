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
# # Occlusion: what propagation carries
#
# **Question.** A joint is hidden for a few frames. Does a network that carries the pose from frame to frame
# find it more often than the same network that does not, and for how long? And where does carrying hurt?
#
# **Time.** About two minutes on two CPU cores: each network predicts the test split as it is, once more with
# occluders, a part of it behind every kind of occluder, and clips with a cut.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variants: list[str] = []  # the first is compared with the others, by their names in rpstn.train.recipes; empty: all
clip: int = 0  # which test clip is looked at closely
joint: str = "left_wrist"  # the joint that is hidden in it
start: int = 8  # first hidden frame
length: int = 5  # hidden frames in the clip that is looked at
protocol: str = "limb"  # what is hidden in all test clips: joint, limb, half, person, bar or erasing
longest: int = 12  # hidden frames in all test clips
protocols: list[str] = ["joint", "limb", "half", "person", "bar", "erasing"]  # for the table of all kinds of occluders
attached: list[str] = ["body", "image"]  # where those occluders are: moving with the body, or staying in the image
table_start: int = 6  # first hidden frame in that table, so that frames are left after it
each: int = 1  # test clips of each group in that table; 0: all
cut: int = 12  # frame of the cut, in clips that go on as long behind it
cuts_each: int = 2  # test clips of each group that are put behind a cut; 0: all
film: Optional[str] = None  # .webm that is written; None: runs/occlusion-<dataset>.webm
cover: float = 0.1  # radius of the occluder, as a part of the box's longer side
window: int = 24  # frames that go through a network at once; it starts anew after them
batch: int = 8  # windows at once
precision: str = "auto"  # auto takes bf16 where the hardware has it; fp32; bf16
seed: int = 2021  # of occluders, cuts and bootstrap

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Markdown, Video

from rpstn import EvaluateConfig, UserError, load_checkpoint, open_dataset, plots
from rpstn.datasets import OCCLUDED
from rpstn.datasets.splits import first_per_group, with_min_length
from rpstn.evaluate.inference import predict_clips, predict_window
from rpstn.metrics.hidden import BINS, hidden_curve, hidden_gain
from rpstn.models.manifests import training_of
from rpstn.notebooks.words import effects_table, effects_words, horizon_words, how_trained, left_out, told_in_words, verdict_words
from rpstn.occlusion import Occluder, occlude
from rpstn.occlusion.cuts import predict_restarted, splice_dataset
from rpstn.occlusion.protocols import Protocol, grid
from rpstn.occlusion.recovery import effects, part_curve, part_gain
from rpstn.runs.devices import use_bf16
from rpstn.runs.paths import default_place
from rpstn.train.recipes import TITLES, find_checkpoints
from rpstn.video import compare_poses, write_webm

found = find_checkpoints(dataset, out, fold=fold, variants=variants or None)
if len(found) < 2:
    raise UserError(
        f"this notebook compares the first network with the others, but has {', '.join(found)} alone; name at least two"
    )
configs = {
    TITLES[name]: EvaluateConfig(checkpoint=path, dataset=dataset, root=root, fold=fold, seed=seed, window=window, batch=batch)
    for name, path in found.items()
}
occluder = Occluder("joints", (joint,), start=start, length=length, size=cover, seed=seed)
main = Protocol(protocol, start=start, length=longest, size=cover, seed=seed)
kinds = grid(protocols, attached, start=table_start, length=longest, size=cover, seed=seed)
first, *others = configs
baseline = TITLES["frame_by_frame"] if TITLES["frame_by_frame"] in others else others[-1]
plots.use_style()

# %% tags=["hide-input"]
test = open_dataset(dataset, root, split="test", fold=fold)
skeleton = test.skeleton
networks = {name: load_checkpoint(config.checkpoint) for name, config in configs.items()}
settings = {"window": window, "batch": batch, "amp": use_bf16(precision, next(networks[first][0].parameters()).device)}
Markdown(
    "Networks: "
    + "; ".join(f"**{name}** (`{config.checkpoint.parent.name}/{config.checkpoint.name}`)" for name, config in configs.items())
    + f". Test split of `{dataset}`: {len(test)} clips from {len({item.group for item in test})} groups. "
    + how_trained({name: training_of(config.checkpoint) for name, config in configs.items()})
)

# %% [markdown]
# ## One clip, with and without an occluder
#
# A patch covers one joint for a few frames and moves with the body. Nothing else is changed, so whatever
# differs between the two clips is the patch's doing.

# %%
clean = test[clip]
stretch = min(len(clean), window or len(clean))  # frames that the networks see at once
if start >= stretch:
    raise UserError(
        f"the occlusion starts in frame {start}, behind the {stretch} frames looked at; choose a smaller start or another window"
    )
hidden = occlude(clean, skeleton, occluder)
seen = {name: predict_window(*network, clean, 0, stretch) for name, network in networks.items()}
blind = {name: predict_window(*network, hidden, 0, stretch) for name, network in networks.items()}
views = {"as filmed": seen[first].window, "hidden": blind[first].window}  # what a network sees, and the truth in it
columns = list(range(max(0, start - 2), min(stretch, start + length + 3)))
columns = columns[:: -(-len(columns) // 8)]  # eight frames at most

# %% mystnb={"figure": {"name": "fig-occlusion-clip"}, "image": {"alt": "Two rows of frames; in the lower row a patch covers one joint for some frames."}}
axes = plots.filmstrip(
    {name: view.frames for name, view in views.items()},
    columns,
    poses={name: view.joints for name, view in views.items()},
    visibility={name: view.visibility for name, view in views.items()},
    skeleton=skeleton,
)

# %% [markdown]
# *The clip as filmed and with the occluder, with the true pose. Hidden joints are hollow.*

# %% [markdown]
# ## What each network finds

# %% mystnb={"figure": {"name": "fig-occlusion-predictions"}, "image": {"alt": "Rows of frames with predicted stick figures, one row for the truth and one for each network."}}
axes = plots.filmstrip(
    {"truth": views["hidden"].frames, **{name: view.window.frames for name, view in blind.items()}},
    columns,
    poses={"truth": views["hidden"].joints, **{name: view.joints for name, view in blind.items()}},
    visibility={"truth": views["hidden"].visibility},
    skeleton=skeleton,
)

# %% [markdown]
# *Predictions on the occluded clip, one row a network.*

# %% [markdown]
# The heatmap of the hidden joint says more than the one place that is read from it: how sure the network is,
# and between which places it hesitates.

# %% mystnb={"figure": {"name": "fig-occlusion-heatmaps"}, "image": {"alt": "Rows of frames under heatmaps of one joint, with a ring on its true place."}}
index = skeleton.index(joint)
patched = hidden.visibility[:stretch, index] == OCCLUDED
axes = plots.hidden_heatmaps(
    views["hidden"].frames,
    {name: view.heatmaps for name, view in blind.items()},
    index,
    columns,
    truth=views["hidden"].joints,
    hidden=patched,
)

# %% [markdown]
# *Heatmap of the hidden joint over time, one row a network, on one scale. The ring is the true place.*

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-occlusion-error"}, "image": {"alt": "Lines of errors over the frames of the clip, one color a network, with the hidden frames shaded."}}
person = clean.boxes[:stretch, 2:].max(axis=1) * np.linalg.norm(views["hidden"].affine[0, :2])  # input px
off = [
    {
        name: np.linalg.norm(view.joints[:, index] - views["hidden"].joints[:, index], axis=-1) / person
        for name, view in some.items()
    }
    for some in (blind, seen)
]
ax = plots.over_frames(off[0], patched, dotted=off[1], label=f"error of {plots.short(joint)} / person size")
line = ax.axhline(0.2, color="#888888", lw=1)

# %% [markdown]
# *Error of the hidden joint over time, as a part of the person's size: with the occluder (lines) and without (dotted).
# Shaded: the frames in which it is hidden. Below the gray line it counts as found.*

# %% [markdown]
# The same as a film, slowed down. Hollow joints are hidden.

# %% tags=["hide-input"]
shots = compare_poses(
    views["hidden"].frames,
    {"truth": views["hidden"].joints, **{name: view.joints for name, view in blind.items()}},
    skeleton,
    views["hidden"].visibility,
)
path = write_webm(film or default_place("runs", f"occlusion-{dataset}.webm"), shots, fps=6)
label = f"The clip beside itself: the true pose, then what {', '.join(blind)} found, while one joint is hidden for some frames."
Video(str(path), embed=True, html_attributes=f'controls loop muted width="100%" aria-label="{label}"')

# %% [markdown]
# ## The kernels that carried
#
# What the pose of frame $t$ tells frame $t+1$ goes through the kernels. If the occluder changes them, it
# changes what is carried; if they still differ after it has gone, the network remembers it.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-occlusion-kernels"}, "image": {"alt": "A line over the frames of the clip that rises where the occluder is."}}
kernels = {
    name: [look.kernels.reshape(stretch - 1, -1) for look in (view, seen[name])]
    for name, view in blind.items()
    if view.kernels is not None
}
changes = {name: np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1) for name, (a, b) in kernels.items()}
ax = plots.over_frames(changes, patched, first=1, label="change of the kernels")

# %% [markdown]
# *How far the kernels with the occluder lie from those without, as a part of their length, by the frame that they were
# carried into. Shaded: the hidden frames.*

# %% mystnb={"figure": {"name": "fig-occlusion-kernel-grid"}, "image": {"alt": "A grid of small square tiles in red, white and blue."}}
fig, ax = plt.subplots(figsize=(6.4, 2.8))
name, carried = next(((name, view.kernels) for name, view in blind.items() if view.kernels is not None), (None, None))
ax = plots.kernel_grid(carried[min(start, stretch - 2)], ax=ax, title=name) if carried is not None else ax.set_axis_off()

# %% [markdown]
# *Kernels of the first channels that were carried into the frame after the first hidden one.*

# %% [markdown]
# ## All test clips: occluders
#
# One clip is a story, not a measurement. Now every test clip gets an occluder, placed by the protocol and the
# seed. Counted are the joints that the occluder hid: those that can be seen where it is taken away. (Joints that
# the body hides anyway come below.) They stand by the number of frames since the joint was last seen. Intervals
# are 95 % bootstrap intervals over groups.

# %%
longer = with_min_length(test, start + longest)
behind = main.hide(longer)
bare = left_out(len(longer) - len(behind), "with nothing to hide")
occluded = {name: predict_clips(*network, behind, **settings) for name, network in networks.items()}
bins = [bin for bin in BINS if bin[0] <= longest]
curves = {name: hidden_curve(predictions, behind, bins, by="occluder", seed=seed) for name, predictions in occluded.items()}

# %% mystnb={"figure": {"name": "fig-occlusion-curve"}, "image": {"alt": "One line a network over the number of hidden frames, with vertical intervals."}}
ax = plots.hidden_curves(curves)

# %% [markdown]
# *`PCK@0.2` (person) of joints that an occluder hides, against the frames since they were last seen, all test clips
# that are long enough. Bars are 95 % intervals over groups, each bin by itself.*

# %% [markdown]
# The lines share their joints, so a paired difference says more than two intervals side by side.

# %% mystnb={"figure": {"name": "fig-occlusion-gain"}, "image": {"alt": "Lines of differences over the number of hidden frames, with vertical intervals beside zero."}}
gains = {
    f"{first} - {name}": hidden_gain(occluded[first], occluded[name], behind, bins, by="occluder", seed=seed) for name in others
}
ax = plots.hidden_curves(gains, label="gain in PCK@0.2 (percentage points)")
line = ax.axhline(0, color="#444444", lw=1)

# %% [markdown]
# *Gain of the first network over each of the others on the same hidden joints. Above zero, it finds more of them. Each
# bin has a 95 % interval by itself.*

# %%
short = {
    name: hidden_gain(occluded[first], occluded[name], behind, ((1, 5),), by="occluder", seed=seed).intervals[0]
    for name in others
}

# %% tags=["hide-input"]
Markdown(
    f"Does {first} find joints that an occluder has hidden for up to five frames more often? {len(behind)} clips{bare}, {main.title}:\n\n"
    + "\n".join(
        f"- than {name}: {gain.text(signed=True, unit=' percentage points')}: {told_in_words(gain)}."
        for name, gain in short.items()
    )
)

# %% tags=["hide-input"]
Markdown(
    "**The horizon** is the number of frames up to which every bin's interval of the gain lies above zero.\n\n"
    + "\n".join(f"- {name}: {horizon_words(item)}." for name, item in gains.items())
)

# %% [markdown]
# ## All test clips as they are
#
# Occluders are made. In the embedded set, joints are also hidden by the body itself and by things in the
# scene, and it is known exactly when.

# %%
known = any((item.visibility == OCCLUDED).any() for item in test)
natural = {name: predict_clips(*network, test, **settings) for name, network in networks.items()}
measured = {name: hidden_gain(natural[first], natural[name], test, ((1, 5),), seed=seed).intervals[0] for name in others if known}

# %% tags=["hide-input"]
Markdown(
    "The next figure counts joints that are hidden in the clips as they are."
    if known
    else "This data set does not say which joints are hidden in its clips: the next figure stays empty."
)

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-occlusion-natural"}, "image": {"alt": "One line a network over the number of hidden frames; beside it points with intervals and a line of no difference."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), width_ratios=(3, 2))
if known:
    plots.hidden_curves({name: hidden_curve(predictions, test, seed=seed) for name, predictions in natural.items()}, left)
    plots.interval_points({f"over\n{name}": gain for name, gain in measured.items()}, right)
else:
    left.text(0.5, 0.5, "hidden joints are not marked", ha="center", transform=left.transAxes)
    right.set_axis_off()

# %% [markdown]
# *`PCK@0.2` (person) of joints that are hidden in the clips as they are, and the paired gain on those hidden for up to
# five frames. Bars are 95 % intervals over groups.*

# %% tags=["hide-input"]
Markdown(
    f"Does {first} find joints more often that are hidden for up to five frames in the clips as they are?\n\n"
    + "\n".join(
        f"- than {name}: {gain.text(signed=True, unit=' percentage points')}: {told_in_words(gain)}."
        for name, gain in measured.items()
        if gain.samples
    )
    if known
    else "There is nothing to count here; the occluders above are the measurement."
)

# %% [markdown]
# ## Every kind of occluder
#
# One joint, one limb, half the body, the whole person; a bar that moves across; rectangles at random places. Each
# moves with the body, or stays where its first frame put it. For each, three questions. Are hidden joints found? Are
# joints found when they are **back** and the occluder has gone? And what happens to the joints that it has **not hidden so far**?

# %%
some = first_per_group(with_min_length(test, table_start + longest), each)
table, fewest = {}, len(some)
for kind in kinds:
    hidden_clips = kind.hide(some)
    fewest = min(fewest, len(hidden_clips))
    each_found = {name: predict_clips(*networks[name], hidden_clips, **settings, progress=False) for name in networks}
    table[kind.title] = {name: effects(hidden_clips, each_found, natural, first, name, seed=seed) for name in others}

# %% tags=["hide-input"]
pd.DataFrame(effects_table(table, first, baseline)).T

# %% tags=["hide-input"]
Markdown(
    f"Percentage points with 95 % intervals over the groups of {len(some)} clips"
    f"{left_out(len(some) - fewest, 'at most, where an occluder has nothing to hide')}; occluders cover frames {table_start} to "
    f"{table_start + longest - 1}. Gains are of {first} in `PCK@0.2` (person). The change of the error is in percent of the person's "
    "size, behind the occluder minus as filmed, of joints that are seen while others are hidden and that were not hidden before. "
    "Back are joints in frames without the occluder, 1 to 3 frames after it last hid them."
)

# %% mystnb={"figure": {"name": "fig-occlusion-protocols"}, "image": {"alt": "Two panels of points with horizontal intervals beside a line of no difference, one row for each kind of occluder."}}
axes = plots.interval_panels(
    {
        "hidden for 1-5 frames": {kind: row[baseline].gain for kind, row in table.items() if row[baseline].gain.samples},
        "visible again for 1-3 frames": {
            kind: row[baseline].reappeared_gain for kind, row in table.items() if row[baseline].reappeared_gain.samples
        },
    },
    label=f"gain of {first} over {baseline} (percentage points)",
)

# %% [markdown]
# *Gain of the first network over the baseline for every kind of occluder: on hidden joints (top), and on joints that
# are visible again, up to three frames after they were hidden (bottom). 95 % intervals over groups; filled points
# exclude zero.*

# %% tags=["hide-input"]
Markdown(effects_words({kind: row[baseline] for kind, row in table.items()}, first, baseline))

# %% [markdown]
# ## Where it hurts: after the occluder, and after a cut
#
# A pose that is carried can be wrong. Two cases where nothing is gained by it. **Back again**: the joint is visible, and
# what was believed of it in the dark only disturbs. **A cut**: the video goes on with another person at another place; all that is carried
# is wrong.
#
# For the cut, each clip is put behind the beginning of a clip of another source, with images of the same size. The network is
# not told. It stands beside frame by frame, and beside itself when it *is* told, starting anew in the first frame behind the cut,
# in the same crop.

# %%
uncut = first_per_group(with_min_length(test, cut), cuts_each)
cut_clips = splice_dataset(uncut, cut, 2 * cut, seed)
over = {name: predict_clips(*networks[name], cut_clips, **settings) for name in (first, baseline)}
told = predict_restarted(*networks[first], cut_clips, **settings)
since = {
    first: part_curve(over[first], cut_clips, "after_cut", seed=seed),
    f"{first}, told of the cut": part_curve(told, cut_clips, "after_cut", seed=seed),
    baseline: part_curve(over[baseline], cut_clips, "after_cut", seed=seed),
}

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-occlusion-after"}, "image": {"alt": "Two panels of lines over the number of frames, one line a network, with vertical intervals."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(10.4, 3.6))
back_bins = ((1, 1), (2, 2), (3, 4))
label, words = "PCK@0.2 (%)", "frames visible again"
plots.hidden_curves(
    {name: part_curve(occluded[name], behind, "reappeared", back_bins, seed=seed) for name in networks},
    left, label=label, counted=words,
)  # fmt: skip
axes = plots.hidden_curves(since, right, label=label, counted="frames since the cut")

# %% [markdown]
# *Left: `PCK@0.2` (person) of joints that were hidden, against the frames since they are visible again. Right:
# `PCK@0.2` (person) of all joints, against the frames since a cut. Bars are 95 % intervals over groups.*

# %%
pairs = {
    f"back for up to 3 frames: {first} - {baseline}": (occluded[first], occluded[baseline], behind, "reappeared", ((1, 3),)),
    f"cut up to 3 frames ago: {first} - {baseline}": (over[first], over[baseline], cut_clips, "after_cut", ((1, 3),)),
    f"cut up to 3 frames ago: {first} - itself, told": (over[first], told, cut_clips, "after_cut", ((1, 3),)),
    f"cut 4 to 12 frames ago: {first} - itself, told": (over[first], told, cut_clips, "after_cut", ((4, 12),)),
}
harm = {name: part_gain(*pair, seed=seed).intervals[0] for name, pair in pairs.items()}

# %% tags=["hide-input"]
verdicts = "**no, it helps even here**", "**yes, it hurts**", "**no harm can be told**"
Markdown(
    f"Does carrying hurt? {len(behind)} clips with an occluder{bare}, {len(cut_clips)} with a cut"
    f"{left_out(len(uncut) - len(cut_clips), 'with images of a size that no other source has')}:\n\n"
    + "\n".join(
        f"- {name}: {item.text(signed=True, unit=' percentage points')}: {told_in_words(item, *verdicts)}."
        for name, item in harm.items()
    )
)

# %% [markdown]
# ## What follows
#
# The comparison with **frame by frame** shows what relation and propagation do together; that with **without
# propagation** shows what propagation does beside a relation, and **without relation**, where it was trained, the propagation
# alone. A network that wins on the first few bins and not on the later
# ones has a short memory: what it carries fades. Each bin's interval is a 95 % interval by itself: of twenty bins
# without any difference, about one would look like a win or a loss. The bins also share their clips. The gain
# over the first five frames together, above, is one number and needs no such care.

# %% tags=["hide-input"]
Markdown(verdict_words(gains[f"{first} - {baseline}"], first, baseline))
