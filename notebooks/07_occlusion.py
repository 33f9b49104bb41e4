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
# find it more often than the same network that does not, and for how long?
#
# **Time.** About a minute on two CPU cores: each network predicts the test split as it is, and once more with
# occluders.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
variants: list = ["rpstn", "without_propagation", "frame_by_frame"]  # the first is compared with the others
clip: int = 0  # which test clip is looked at closely
joint: str = "left_wrist"  # the joint that is hidden in it
start: int = 8  # first hidden frame
length: int = 5  # hidden frames in the clip that is looked at
protocol: str = "limb"  # what is hidden in all test clips: joint, limb, half, person, bar or erasing
longest: int = 12  # hidden frames in all test clips
cover: float = 0.1  # radius of the occluder, as a part of the box's longer side
window: int = 24  # frames that go through a network at once; it starts anew after them
batch: int = 8  # windows at once
seed: int = 2021  # of the occluders and of the bootstrap

# %%
# %matplotlib inline
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
from IPython.display import Markdown

from rpstn import EvaluateConfig, UserError, load_checkpoint, open_dataset, plots
from rpstn.comparison import how_trained
from rpstn.datasets import OCCLUDED
from rpstn.evaluate import predict_clips, predict_window
from rpstn.metrics.hidden import BINS, hidden_curve, hidden_gain
from rpstn.occlusion import Occluder, occlude, occlude_dataset
from rpstn.recipes import TITLES, find_checkpoints, training_of

if len(set(variants)) < 2:
    raise UserError(f"variants is {variants}; this notebook compares the first with the others, so name at least two")
found = find_checkpoints(dataset, out, fold=fold, variants=variants)
configs = {
    TITLES[name]: EvaluateConfig(
        checkpoint=found[name], dataset=dataset, root=root, fold=fold, seed=seed, window=window, batch=batch
    )
    for name in variants
}
occluder = Occluder("joints", (joint,), start=start, length=length, size=cover, seed=seed)
first = TITLES[variants[0]]
plots.use_style()

# %% tags=["hide-input"]
test = open_dataset(dataset, root, split="test", fold=fold, seed=seed)
skeleton = test.skeleton
networks = {name: load_checkpoint(config.checkpoint) for name, config in configs.items()}
Markdown(
    "Networks: "
    + "; ".join(f"**{name}** (`{config.checkpoint.parent.name}/{config.checkpoint.name}`)" for name, config in configs.items())
    + f". Test split of `{dataset}`: {len(test)} clips from {len({item.source for item in test})} sources. "
    + how_trained({name: training_of(config.checkpoint) for name, config in configs.items()})
)

# %% [markdown]
# ## One clip, with and without an occluder
#
# A patch covers one joint for a few frames and moves with the body. Nothing else is changed, so whatever
# differs between the two clips is the patch's doing.

# %%
clean = test[clip]
hidden = occlude(clean, skeleton, occluder)
stretch = min(len(clean), window)
views = {
    name: predict_window(*next(iter(networks.values())), item, 0, stretch).window
    for name, item in (("as filmed", clean), ("hidden", hidden))
}
columns = list(range(max(0, start - 2), min(stretch, start + length + 3)))
columns = columns[:: -(-len(columns) // 8)]  # eight frames at most

# %% mystnb={"figure": {"caption": "The clip as filmed and with the occluder, with the true pose. Hidden joints are hollow.", "name": "fig-occlusion-clip"}, "image": {"alt": "Two rows of frames; in the lower row a patch covers one joint for some frames."}}
axes = plots.filmstrip(
    {name: view.frames for name, view in views.items()},
    columns,
    poses={name: view.joints for name, view in views.items()},
    visibility={name: view.visibility for name, view in views.items()},
    skeleton=skeleton,
)

# %% [markdown]
# ## What each network finds

# %%
seen = {name: predict_window(*network, clean, 0, stretch) for name, network in networks.items()}
blind = {name: predict_window(*network, hidden, 0, stretch) for name, network in networks.items()}

# %% mystnb={"figure": {"caption": "Predictions on the occluded clip, one row a network.", "name": "fig-occlusion-predictions"}, "image": {"alt": "Rows of frames with predicted stick figures, one row for the truth and one for each network."}}
axes = plots.filmstrip(
    {"truth": views["hidden"].frames, **{name: view.window.frames for name, view in blind.items()}},
    columns,
    poses={"truth": views["hidden"].joints, **{name: view.joints for name, view in blind.items()}},
    visibility={"truth": views["hidden"].visibility},
    skeleton=skeleton,
)

# %% [markdown]
# The heatmap of the hidden joint says more than the one place that is read from it: how sure the network is,
# and between which places it hesitates.

# %% mystnb={"figure": {"caption": "Heatmap of the hidden joint over time, one row a network, on one scale. The ring is the true place.", "name": "fig-occlusion-heatmaps"}, "image": {"alt": "Rows of frames under heatmaps of one joint, with a ring on its true place."}}
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

# %% tags=["hide-input"] mystnb={"figure": {"caption": "Error of the hidden joint over time, as a part of the person's size: with the occluder (lines) and without (dotted). Shaded: the frames in which it is hidden. Below the grey line it counts as found.", "name": "fig-occlusion-error"}, "image": {"alt": "Lines of errors over the frames of the clip, one colour a network, with the hidden frames shaded."}}
scale = np.linalg.norm(views["hidden"].affine[0, :2])  # input px per source px
person = clean.boxes[:stretch, 2:].max(axis=1) * scale
fig, ax = plt.subplots(figsize=(7.2, 3.2))
for name in networks:
    with_patch, without = (
        np.linalg.norm(view.joints[:, index] - views["hidden"].joints[:, index], axis=-1) / person
        for view in (blind[name], seen[name])
    )
    (line,) = ax.plot(with_patch, label=name)
    ax.plot(without, ls=":", color=line.get_color(), lw=1)
for t in np.flatnonzero(patched):
    ax.axvspan(t - 0.5, t + 0.5, color="#dddddd", lw=0, zorder=0)
ax.axhline(0.2, color="#888888", lw=1)
ax.set(xlabel="frame", ylabel=f"error of {plots.short(joint)} / person size", ylim=(0, None))
legend = ax.legend()

# %% [markdown]
# ## The kernels that carried
#
# What the pose of frame $t$ tells frame $t+1$ goes through the kernels. If the occluder changes them, it
# changes what is carried; if they still differ after it has gone, the network remembers it.

# %% tags=["hide-input"] mystnb={"figure": {"caption": "How far the kernels with the occluder lie from those without, as a part of their length, by the frame that they were carried into. Shaded: the hidden frames.", "name": "fig-occlusion-kernels"}, "image": {"alt": "A line over the frames of the clip that rises where the occluder is."}}
fig, ax = plt.subplots(figsize=(7.2, 2.6))
for name in networks:
    if seen[name].kernels is not None:
        change = np.linalg.norm((blind[name].kernels - seen[name].kernels).reshape(stretch - 1, -1), axis=1)
        ax.plot(
            np.arange(1, stretch),
            change / np.linalg.norm(seen[name].kernels.reshape(stretch - 1, -1), axis=1),
            label=name,
        )
for t in np.flatnonzero(patched):
    ax.axvspan(t - 0.5, t + 0.5, color="#dddddd", lw=0, zorder=0)
ax.set(xlabel="frame", ylabel="change of the kernels", ylim=(0, None))
legend = ax.legend()

# %% mystnb={"figure": {"caption": "Kernels of the first channels that were carried into the frame after the first hidden one.", "name": "fig-occlusion-kernel-grid"}, "image": {"alt": "A grid of small square tiles in red, white and blue."}}
fig, ax = plt.subplots(figsize=(6.4, 2.8))
carried = next((view.kernels for view in blind.values() if view.kernels is not None), None)
ax = plots.kernel_grid(carried[min(start, stretch - 2)], ax=ax, title=first) if carried is not None else ax.set_axis_off()

# %% [markdown]
# ## All test clips: occluders
#
# One clip is a story, not a measurement. Now every test clip gets an occluder, placed by the protocol and the
# seed. Counted are the joints that the occluder hid: those that can be seen where it is taken away. (Joints that
# the body hides anyway come below.) They stand by the number of frames since the joint was last seen. Intervals
# are 95 % bootstrap intervals over sources.

# %%
enough = replace(test, clips=tuple(item for item in test if len(item) >= start + longest))
if not len(enough):
    raise UserError(f"no test clip of {dataset} has {start + longest} frames; choose a smaller start or longest")
behind = occlude_dataset(enough, protocol, start=start, length=longest, seed=seed, size=cover)
occluded = {name: predict_clips(*networks[name], behind, config.window, batch=config.batch) for name, config in configs.items()}
bins = [bin for bin in BINS if bin[0] <= longest]
curves = {name: hidden_curve(predictions, behind, bins, by="occluder", seed=seed) for name, predictions in occluded.items()}

# %% mystnb={"figure": {"caption": "PCK@0.2 (person) of joints that an occluder hides, against the frames since they were last seen, all test clips that are long enough. Bars are 95 % intervals over sources, each bin by itself.", "name": "fig-occlusion-curve"}, "image": {"alt": "One line a network over the number of hidden frames, with vertical intervals."}}
ax = plots.hidden_curves(curves)

# %% [markdown]
# The lines share their joints, so a paired difference says more than two intervals side by side.

# %% mystnb={"figure": {"caption": "Gain of the first network over each of the others on the same hidden joints. Above zero, it finds more of them. Each bin has a 95 % interval by itself.", "name": "fig-occlusion-gain"}, "image": {"alt": "Lines of differences over the number of hidden frames, with vertical intervals beside zero."}}
others = [name for name in networks if name != first]
gains = {
    f"{first} - {name}": hidden_gain(occluded[first], occluded[name], behind, bins, by="occluder", seed=seed) for name in others
}
ax = plots.hidden_curves(gains, label="gain in PCK@0.2 (percentage points)")
line = ax.axhline(0, color="#444444", lw=1)

# %%
short = {
    name: hidden_gain(occluded[first], occluded[name], behind, ((1, 5),), by="occluder", seed=seed).intervals[0]
    for name in others
}

# %% tags=["hide-input"]
verdict = {(True, True): "**yes, more often**", (True, False): "**no, less often**"}
Markdown(
    f"Does {first} find joints that an occluder has hidden for up to five frames more often? {len(enough)} clips, protocol `{protocol}`:\n\n"
    + "\n".join(
        f"- than {name}: {gain.text(signed=True, unit=' percentage points')}: "
        f"{verdict.get((gain.excludes_zero, gain.estimate > 0), '**no difference can be told**')}."
        for name, gain in short.items()
    )
)

# %% [markdown]
# ## All test clips as they are
#
# Occluders are made. In the embedded set, joints are also hidden by the body itself and by things in the
# scene, and it is known exactly when.

# %%
known = any((item.visibility == OCCLUDED).any() for item in test)
natural = {
    name: predict_clips(*networks[name], test, config.window, batch=config.batch) for name, config in configs.items() if known
}
measured = {name: hidden_gain(natural[first], natural[name], test, ((1, 5),), seed=seed).intervals[0] for name in others if known}

# %% tags=["hide-input"]
Markdown(
    "The next figure counts joints that are hidden in the clips as they are."
    if known
    else "This data set does not say which joints are hidden in its clips: the next figure stays empty."
)

# %% tags=["hide-input"] mystnb={"figure": {"caption": "PCK@0.2 (person) of joints that are hidden in the clips as they are, and the paired gain on those hidden for up to five frames. Bars are 95 % intervals over sources.", "name": "fig-occlusion-natural"}, "image": {"alt": "One line a network over the number of hidden frames; beside it points with intervals and a line of no difference."}}
fig, (left, right) = plt.subplots(1, 2, figsize=(9.6, 3.4), width_ratios=(3, 2))
if known:
    plots.hidden_curves({name: hidden_curve(predictions, test, seed=seed) for name, predictions in natural.items()}, left)
    plots.interval_points({f"over\n{name}": gain for name, gain in measured.items()}, right)
else:
    left.text(0.5, 0.5, "hidden joints are not marked", ha="center", transform=left.transAxes)
    right.set_axis_off()

# %% tags=["hide-input"]
Markdown(
    f"Does {first} find joints more often that are hidden for up to five frames in the clips as they are?\n\n"
    + "\n".join(
        f"- than {name}: {gain.text(signed=True, unit=' percentage points')}: "
        f"{verdict.get((gain.excludes_zero, gain.estimate > 0), '**no difference can be told**')}."
        for name, gain in measured.items()
        if gain.samples
    )
    if known
    else "There is nothing to count here; the occluders above are the measurement."
)

# %% [markdown]
# ## What follows
#
# The comparison with **frame by frame** shows what relation and propagation do together; that with **without
# propagation** shows what propagation does. A network that wins on the first few bins and not on the later
# ones has a short memory: what it carries fades. Each bin's interval is a 95 % interval by itself: of twenty bins
# without any difference, about one would look like a win or a loss. The bins also share their clips. The gain
# over the first five frames together, above, is one number and needs no such care.

# %% tags=["hide-input"]
curve = gains[f"{first} - {others[-1]}"]
wins = [label for label, item in zip(curve.labels, curve.intervals, strict=True) if item.low > 0]
losses = [label for label, item in zip(curve.labels, curve.intervals, strict=True) if item.high < 0]
Markdown(
    f"Behind occluders, and against {others[-1]}, the gain of {first} has an interval above zero for joints hidden for "
    + (f"**{', '.join(wins)}** frames" if wins else "**no** number of frames")
    + (f", and one below zero for **{', '.join(losses)}** frames" if losses else "")
    + f", among {sum(item.samples > 0 for item in curve.intervals)} bins of which each was tested by itself, at 95 %."
)
