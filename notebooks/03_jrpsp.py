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
# # The propagator, step by step
#
# **Question.** How does the pose of frame $t$ reach frame $t+1$? The joint relation guided pose semantics
# propagator (JRPSP) turns what is known into small kernels; the global matching moves them over the next
# frame's features.
#
# **Time.** Seconds. Nothing is trained here. Trained weights are used where there are any; the notebook says which.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set of videos, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: shipped weights, else runs/<dataset>
size: int = 128  # size of an untrained network's input in px; a trained one has its own
encoder: str = "small"  # backbone of an untrained network
clip: int = 0  # which clip of the test split
frame: int = 0  # t, which frame of that clip comes first
frames: int = 12  # number of frames of the clip that are shown
seed: int = 2021  # of an untrained network's weights

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from torch.nn import functional

from rpstn import RPSTN, UserError, global_matching, load_checkpoint, open_dataset, plots
from rpstn.datasets.windows import make_window
from rpstn.models import STRIDE, kernel_side
from rpstn.models.manifests import training_of
from rpstn.models.pixels import normalize
from rpstn.notebooks import words
from rpstn.runs import seed_everything
from rpstn.train import TrainConfig
from rpstn.train.recipes import find_checkpoints

plan = TrainConfig.of(
    dataset=dataset,
    root=root,
    fold=fold,
    size=size,
    encoder=encoder,
    initializer=encoder,
    frames=frames,
    seed=seed,
)
seed_everything(plan.seed)
plots.use_style()

# %%
data = open_dataset(plan.data.dataset, plan.data.root, split="test", fold=plan.data.fold)
skeleton = data.skeleton
try:
    path = find_checkpoints(plan.data.dataset, out, fold=plan.data.fold, variants=["rpstn"])["rpstn"]
    model, metadata = load_checkpoint(path)
    origin, trained = f"{path.parent.name}/{path.name}", training_of(path) or {"steps": "not known"}
except UserError:
    model, metadata = RPSTN(plan.model_config(data)).eval(), {"size": plan.data.size, "skeleton": skeleton.name}
    origin, trained = "random weights, since no trained ones were found", {}

# %% [markdown]
# Everything below uses these weights:

# %% tags=["hide-input"]
pd.DataFrame({origin: {"training steps": trained.get("steps", 0), "input (px)": metadata["size"]}}).T

# %% [markdown]
# ## Two frames
#
# One crop serves all frames of a stretch, so that a joint moves in the crop as it does in the video.

# %%
length = min(plan.data.frames, len(data[clip]) - frame)
window = make_window(data[clip], skeleton, frame, length, metadata["size"])
pixels = normalize(torch.from_numpy(window.frames), model.config.input)[None]  # (1,T,3,S,S)

# %% mystnb={"figure": {"name": "fig-jrpsp-frames"}, "image": {"alt": "Two neighboring video frames of a person with a stick figure."}}
axes = plots.filmstrip(
    {data[clip].action: window.frames},
    columns=(0, 1),
    poses={data[clip].action: window.joints},
    visibility={data[clip].action: window.visibility},
    skeleton=skeleton,
)

# %% [markdown]
# *Frame t, from which the kernels come, and frame t + 1, to which they are applied; with the true pose.*

# %% [markdown]
# ## From pose and features to kernels
#
# What is known of the pose in frame $t$ is its refined heatmaps $M'_t$; what is known of the image is its
# features $f_t = F(I_t)$. A 1 x 1 convolution joins them, and a small network $S$ shrinks the result until
# only a few pixels are left. Those are the kernels: one for every channel.
#
# $$X_t = \operatorname{Conv}_a(M'_t \oplus f_t), \qquad \kappa_t = S(X_t)$$

# %%
with torch.inference_mode():
    output, state = model.step(pixels[:, 0])
    x = model.propagator.fuse(torch.cat([state.heatmaps, state.features], dim=1))
    shapes = {"heatmaps M'": state.heatmaps.shape, "features f": state.features.shape, "X": x.shape}
    for index, layer in enumerate(model.propagator.semantics):
        x = layer(x)
        shapes[f"S, layer {index}: {type(layer).__name__}"] = x.shape
kernels = x
pd.DataFrame({name: list(shape) for name, shape in shapes.items()}, index=["batch", "channels", "height", "width"]).T

# %% [markdown]
# The side of the kernels follows from the input's side, since each step only halves. Not every input leads to
# kernels with a center:

# %%
sides = [64, 96, 128, 160, 192, 224, 256]
table = pd.DataFrame({"input, px": sides, "kernel side": [kernel_side(side // STRIDE) for side in sides]})
table["has a center"] = np.where(table["kernel side"] % 2 == 1, "yes", "no")
table.set_index("input, px")

# %% [markdown]
# ## The global matching
#
# Each channel of the next frame's features is compared with its own kernel at every pixel:
#
# $$\tilde f_{t+1}[c, y, x] = \sum_{v, u} \kappa_t[c, v, u] \; f_{t+1}[c, y + v - r, x + u - r], \qquad r = \tfrac{k - 1}{2}$$
#
# This is a cross-correlation. To see what that means, take a kernel that is zero except for a one to the right
# of its center. It takes every value from its right neighbor, so the whole map moves one pixel to the
# left.

# %%
with torch.inference_mode():
    features = model.encoder(pixels[:, 1])  # (1,C,h,w)
delta = torch.zeros(1, features.shape[1], 3, 3)
delta[:, :, 1, 2] = 1
moved = global_matching(features, delta)
torch.testing.assert_close(moved[..., :-1], features[..., 1:])

# %% mystnb={"figure": {"name": "fig-jrpsp-delta"}, "image": {"alt": "A feature map, a three by three kernel with one bright entry, and the same feature map one pixel further left."}}
channel = int(features[0].std(dim=(1, 2)).argmax())  # the channel in which most happens
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.6))
for ax, image, title in zip(
    axes,
    (features[0, channel], delta[0, channel], moved[0, channel]),
    ("features", "kernel", "matched"),
    strict=True,
):
    ax.imshow(image)
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)

# %% [markdown]
# *One channel of the features, a kernel with a single 1 to the right of its center, and what the matching makes of them.*

# %% [markdown]
# The definition as a loop gives the same numbers, to within rounding. It is written for one channel here and takes one
# Python step per pixel; the package does all samples and channels at once.

# %%
kernel, plane = kernels[0, channel], features[0, channel]
r = kernel.shape[-1] // 2
padded = functional.pad(plane, [r] * 4)
looped = torch.empty_like(plane)
for row in range(plane.shape[0]):
    for column in range(plane.shape[1]):
        looped[row, column] = (kernel * padded[row : row + 2 * r + 1, column : column + 2 * r + 1]).sum()
matched = global_matching(features, kernels)
assert (looped - matched[0, channel]).abs().max() < 1e-4 * looped.abs().max()

# %% [markdown]
# A kernel with an even side has no center: it would move the map by half a pixel. The matching refuses it.

# %%
try:
    global_matching(features, torch.zeros(1, features.shape[1], 4, 4))
except ValueError as error:
    print(error)

# %% [markdown]
# ## The kernels of one clip
#
# The network makes new kernels in every frame, for the frame that follows.

# %%
with torch.inference_mode():
    clip_output = model(pixels)
carried = clip_output.kernels[0]  # (T-1,C,k,k)
torch.testing.assert_close(carried[0], kernels[0], rtol=1e-3, atol=1e-5)

# %% mystnb={"figure": {"name": "fig-jrpsp-kernels"}, "image": {"alt": "A grid of small square tiles in red, white and blue."}}
ax = plots.kernel_grid(carried[0].numpy(), title=origin)

# %% [markdown]
# *Kernels of the first channels, made by frame t for frame t + 1. Red is positive, blue negative.*

# %% mystnb={"figure": {"name": "fig-jrpsp-matched"}, "image": {"alt": "A video frame under a feature map, and under the same map after the matching."}}
fig, axes = plt.subplots(1, 2, figsize=(5.2, 2.6))
for ax, values, title in ((axes[0], features, "features"), (axes[1], matched, "matched")):
    plots.heatmap_over(window.frames[1], values[0, channel].clamp(min=0).numpy(), ax, title=f"{title}, channel {channel}")

# %% [markdown]
# *One channel of the features of frame t + 1 before and after the matching, over the frame.*

# %% [markdown]
# Are the kernels always the same? The next figure takes the kernels of each frame as one vector and shows how
# far it lies from the clip's mean kernel, as a fraction of the mean's length. That they differ does not say why:
# $X_t$ holds the image's features beside the pose's heatmaps. The exchange at the end takes the two apart.

# %%
mean = carried.mean(dim=0, keepdim=True)
change = (carried - mean).flatten(1).norm(dim=1) / mean.norm()

# %% mystnb={"figure": {"name": "fig-jrpsp-change"}, "image": {"alt": "A line over the frames of the clip."}}
fig, ax = plt.subplots(figsize=(6.4, 2.6))
ax.plot(np.arange(1, length), change.numpy(), marker="o")
labels = ax.set(xlabel="frame that the kernels are applied to", ylabel="distance from the mean", ylim=(0, None))

# %% [markdown]
# *Distance of each frame's kernels from the clip's mean kernels, as a fraction of the mean's length.*

# %% tags=["hide-input"]
Markdown(words.kernel_change_words(float(change.mean())))

# %% [markdown]
# ## What is carried: the pose, or the image?
#
# The test is an exchange. Frame $t+1$ is matched with the kernels that frame $t$ made for it, and again with
# kernels made with something of another clip: its heatmaps alone, its features alone, or both. What
# exchanged heatmaps change is what the pose tells the next frame; what exchanged features change is what the
# image tells it. If nothing changed, nothing would be carried. The table gives the changes relative to the length, for one pair of
# clips.

# %%
other = make_window(data[(clip + 1) % len(data)], skeleton, 0, 1, metadata["size"])
with torch.inference_mode():
    _, foreign = model.step(normalize(torch.from_numpy(other.frames), model.config.input))
    exchanged = {
        "heatmaps alone": model.propagator(foreign.heatmaps, state.features),
        "features alone": model.propagator(state.heatmaps, foreign.features),
        "both": model.propagator(foreign.heatmaps, foreign.features),
    }
    results = {name: global_matching(features, part) for name, part in exchanged.items()}
    changes = pd.DataFrame(
        {
            "matched features": {n: float((part - matched).norm() / matched.norm()) for n, part in results.items()},
            "heatmaps before refinement": {
                n: float((model.head(part) - model.head(matched)).norm() / model.head(matched).norm())
                for n, part in results.items()
            },
        }
    )
(100 * changes).map("{:.2g}".format).add_suffix(", change in %").rename_axis("from another clip")

# %% tags=["hide-input"]
pose, image = (changes.loc[name, "matched features"] for name in ("heatmaps alone", "features alone"))
Markdown(words.carried_words(pose, image, bool(trained)))
