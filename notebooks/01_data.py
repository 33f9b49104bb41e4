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
# # Data: what a clip holds
#
# **Question.** What does the network see, and what is known about every joint?
#
# **Time.** Seconds. Labels are read and a few frames are drawn; nothing is learned.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
seed: int = 2021  # of the division into train and val, where a data set has no val, and of the augmentation shown
frames: int = 5  # frames of a training window
size: int = 128  # size of the network's input in px
sigma: float = 1.5  # width of the targets' peaks, in heatmap px
shown: int = 4  # clips in a filmstrip

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from matplotlib.patches import Polygon, Rectangle

from rpstn import open_dataset, plots
from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.transforms import apply_affine, crop_affine, invert_affine
from rpstn.datasets.windows import make_window
from rpstn.heatmaps import encode
from rpstn.metrics.hidden import hidden_lengths
from rpstn.models import STRIDE
from rpstn.notebooks import words
from rpstn.train import TrainConfig

config = TrainConfig.of(dataset=dataset, root=root, fold=fold, frames=frames, size=size, sigma=sigma, seed=seed).data
plots.use_style()

# %% [markdown]
# ## Clips, groups, splits
#
# A **clip** is one person in one stretch of video. Its **group** is the video, or the stretch of motion,
# that it was cut from. Two clips of one group resemble each other, so a group belongs to one split as a
# whole: the training data must not give away the test data.

# %%
splits = {name: open_dataset(config.dataset, config.root, split=name, fold=config.fold) for name in ("train", "val", "test")}
train = splits["train"]
skeleton = train.skeleton

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "clips": len(data),
            "groups": len({clip.group for clip in data}),
            "frames": sum(len(clip) for clip in data),
            "actions": len({clip.action for clip in data}),
        }
        for name, data in splits.items()
    }
).T

# %% tags=["hide-input"]
groups = {name: {clip.group for clip in data} for name, data in splits.items()}
shared = groups["train"] & groups["test"]
Markdown(words.shared_groups_words(len(shared)))

# %% [markdown]
# How many clips there are of each action:

# %%
pd.DataFrame({name: pd.Series([clip.action for clip in data]).value_counts() for name, data in splits.items()}).fillna(0).astype(
    int
)

# %% [markdown]
# ## A filmstrip
#
# One row per clip, time from left to right. The person's left is orange, the right is blue. A joint that is in
# the frame but hidden is drawn hollow. An absent joint (outside the frame, or not annotated) is not drawn.

# %% mystnb={"figure": {"name": "fig-data-filmstrip"}, "image": {"alt": "Rows of video frames, one row per clip, each frame with a stick figure drawn over the person."}}
first = {clip.action: index for index, clip in reversed(list(enumerate(train)))}
length = min(len(train[index]) for index in first.values())
strip = {
    action: make_window(train[index], skeleton, 0, length, config.size) for action, index in list(sorted(first.items()))[:shown]
}
axes = plots.filmstrip(
    {action: window.frames for action, window in strip.items()},
    columns=range(0, length, max(1, length // 6))[:6],
    poses={action: window.joints for action, window in strip.items()},
    visibility={action: window.visibility for action, window in strip.items()},
    skeleton=skeleton,
)

# %% [markdown]
# *Clips of the train split with their joints. Orange is the person's left, blue the right; hollow joints are hidden.*

# %% [markdown]
# ## One motion, several clips
#
# The same motion comes in several clips. In the embedded set, the body, its clothes, the view, the speed and
# the position differ between them; the person may also be mirrored. In a recorded set, other people perform the same
# action in other videos.

# %% mystnb={"figure": {"name": "fig-data-variations"}, "image": {"alt": "Three rows of video frames that show one motion by different bodies from different views."}}
motions = [clip.truth.motion or clip.action for clip in train]
common = pd.Series(motions).value_counts().index[0]
alike = [index for index, motion in enumerate(motions) if motion == common]
length = min(len(train[index]) for index in alike)
strip = {f"{common} {number}": make_window(train[i], skeleton, 0, length, config.size) for number, i in enumerate(alike[:3], 1)}
axes = plots.filmstrip({name: window.frames for name, window in strip.items()}, columns=range(0, length, max(1, length // 6))[:6])

# %% [markdown]
# *Clips of one motion (in a recorded set: of one action).*

# %% [markdown]
# Some motions may be kept for the test split as a whole. They show what the network does with a motion that
# it has never seen; their scores are reported separately.

# %% tags=["hide-input"]
held = sorted({clip.truth.motion or clip.action for clip in splits["test"] if clip.truth.held_out})
Markdown(words.held_out_words(held))

# %% [markdown]
# ## Visible, occluded, absent
#
# A joint is **visible** if it is seen in the frame, **occluded** if it is in the frame but hidden, and
# **absent** if it is outside the frame or not annotated. Occluded joints have a true position: they are learned, and
# scored separately from the visible ones.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-shares"}, "image": {"alt": "Horizontal bars, one per joint, divided into visible, occluded and absent shares."}}
visibility = np.concatenate([clip.visibility for clip in train])
shares = pd.DataFrame(
    {
        name: 100 * (visibility == value).mean(axis=0)
        for name, value in (("visible", VISIBLE), ("occluded", OCCLUDED), ("absent", ABSENT))
    },
    index=[plots.short(joint) for joint in skeleton.joints],
)
fig, ax = plt.subplots(figsize=(6.4, 3.6))
shares.iloc[::-1].plot.barh(stacked=True, ax=ax, color=["#0072B2", "#E69F00", "#bbbbbb"], width=0.8)
ax.set(xlabel="share of frames (%)", xlim=(0, 100))
legend = ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)

# %% [markdown]
# *Share of frames in which each joint is visible, occluded and absent; train split.*

# %% tags=["hide-input"]
hidden = visibility == OCCLUDED
by = [clip.truth.occluded_by for clip in train if clip.truth.occluded_by is not None]
Markdown(words.occluded_words(hidden, by))

# %% [markdown]
# For how long does a joint stay hidden? The answer decides what propagation can gain: what was seen one frame
# ago helps more than what was seen ten frames ago, and a joint that was never seen leaves nothing to carry.

# %% mystnb={"figure": {"name": "fig-data-hidden"}, "image": {"alt": "Histogram of the frames hidden so far; it falls from few frames to many."}}
so_far = np.concatenate([hidden_lengths(clip.visibility)[clip.visibility == OCCLUDED] for clip in train])
fig, ax = plt.subplots(figsize=(6.4, 2.8))
if len(so_far):
    ax.hist(so_far[so_far > 0], bins=np.arange(0.5, max(so_far.max(), 1) + 1.5))
else:
    ax.text(0.5, 0.5, "no joint is marked as occluded", ha="center", transform=ax.transAxes)
labels = ax.set(xlabel="frames hidden so far", ylabel="joints")

# %% [markdown]
# *Occluded joints by the number of frames since they were last visible, train split. A joint hidden for three frames
# counts once at one, two and three.*

# %% tags=["hide-input"]
Markdown(words.hidden_so_far_words(so_far))

# %% [markdown]
# ## From box to crop
#
# Every frame has a box around the person. The network's input is a square around the boxes of a whole window,
# padded by a quarter. The aspect ratio is kept: a body is never stretched. One crop serves all frames, so a joint
# moves in the crop as it does in the video.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-data-crop"}, "image": {"alt": "A frame with a box and a larger dashed square around a person; beside it the cut-out square."}}
clip = train[next(iter(first.values()))]
affine = crop_affine(clip.boxes[0], config.size)
corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * config.size - 0.5
fig, (left, right) = plt.subplots(1, 2, figsize=(6.6, 3.2))
plots.image(clip.frames.read([0])[0], left, title="frame, box, crop")
left.add_patch(Rectangle(clip.boxes[0, :2], *clip.boxes[0, 2:], fill=False, ec="white", lw=1.6))
left.add_patch(Polygon(apply_affine(corners, invert_affine(affine)), fill=False, ec="#E69F00", lw=1.6, ls="--"))
still = make_window(clip, skeleton, 0, 1, config.size)
ax = plots.skeleton_overlay(still.frames[0], still.joints[0], skeleton, still.visibility[0], right, title="input", legend=True)

# %% [markdown]
# *Left: a frame with the person's box (solid) and the square that is cut out (dashed). Right: the network's input.*

# %% [markdown]
# ## Windows and their augmentation
#
# Training sees windows: a few frames of a clip. Each is rotated, scaled, shifted, mirrored and recolored, with all
# its frames alike. Mirroring exchanges left and right, so that the person's left stays the person's left. Sometimes
# a patch moves through the window and hides what is behind it; the joints under it become occluded.

# %% mystnb={"figure": {"name": "fig-data-augmentation"}, "image": {"alt": "Four rows of the same few frames: unchanged, then rotated, scaled, mirrored and recolored with the skeleton following."}}
rng = np.random.default_rng(seed)
windows = {"original": make_window(clip, skeleton, 0, config.frames, config.size)}
for number in (1, 2, 3):
    windows[f"augmented {number}"] = make_window(clip, skeleton, 0, config.frames, config.size, config.augmentation, rng)
axes = plots.filmstrip(
    {name: window.frames for name, window in windows.items()},
    columns=range(config.frames),
    poses={name: window.joints for name, window in windows.items()},
    visibility={name: window.visibility for name, window in windows.items()},
    skeleton=skeleton,
)

# %% [markdown]
# *One training window, original (top) and as training may see it.*

# %% [markdown]
# ## Targets
#
# The network is trained to output one heatmap per joint: an image, a few times smaller than the input, with a
# Gaussian peak where the joint is. The peak's center is not rounded to a pixel.

# %% mystnb={"figure": {"name": "fig-data-targets"}, "image": {"alt": "A person with bright spots on all joints, then with one bright spot on a wrist, an ankle and a knee."}}
side = config.size // STRIDE
target = encode(torch.from_numpy(still.joints), (side, side), STRIDE, config.sigma)[0]
target = (target * torch.from_numpy(still.visibility[0] != ABSENT)[:, None, None]).numpy()
fig, axes = plt.subplots(1, 4, figsize=(8.2, 2.3))
plots.heatmap_over(still.frames[0], target.max(axis=0), axes[0], title="all joints")
for ax, name in zip(axes[1:], ("left_wrist", "right_knee", "right_ankle"), strict=True):
    joint = skeleton.index(name)
    plots.heatmap_over(still.frames[0], target[joint], ax, title=plots.short(name), vmax=1, truth=still.joints[0, joint])

# %% [markdown]
# *Targets over the input: of all joints together, and of single joints. Rings mark the true positions.*

# %% tags=["hide-input"]
pd.DataFrame({skeleton.name: {"joints": len(skeleton), "input (px)": config.size, "heatmap (px)": side}}).T
