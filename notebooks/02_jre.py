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
# # The joint relation extractor, step by step
#
# **Question.** What does the joint relation extractor (JRE) compute from the heatmaps of one frame, and what
# can it do for a joint whose own heatmap says nothing?
#
# **Time.** Seconds. Nothing is trained here: the heatmaps are the ideal ones of a real pose, so that every
# number can be followed by hand.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
size: int = 128  # size of the network's input in px: 64, 128, 192 or 256
sigma: float = 1.5  # width of the heatmaps' peaks, in heatmap px
clip: int = 0  # which clip of the test split
frame: int = 0  # which frame of that clip
joint: str = "left_wrist"  # the joint that loses its heatmap
seed: int = 2021  # of the random weights

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch import nn

from rpstn import JointRelationExtractor, open_dataset, plots, relations
from rpstn.datasets.windows import make_window
from rpstn.heatmaps import decode, encode
from rpstn.models import STRIDE
from rpstn.runs import seed_everything
from rpstn.train import TrainConfig

config = TrainConfig.of(dataset=dataset, root=root, fold=fold, size=size, sigma=sigma, seed=seed).data
rng = seed_everything(seed)
plots.use_style()

# %% [markdown]
# ## One pose, one heatmap per joint
#
# A frame is cropped around the person. Each joint gets a heatmap: an image, `STRIDE` times smaller than the
# crop, with a Gaussian peak at the joint,
#
# $$M_k(v, u) = \exp\left(-\frac{(u - u_k)^2 + (v - v_k)^2}{2 \sigma^2}\right).$$

# %%
data = open_dataset(config.dataset, config.root, split="test", fold=config.fold)
skeleton = data.skeleton
window = make_window(data[clip], skeleton, frame, 1, config.size)

side = config.size // STRIDE
heatmaps = encode(torch.from_numpy(window.joints), (side, side), STRIDE, config.sigma)  # (1,K,h,w)
heatmaps = heatmaps * torch.from_numpy(window.visibility > 0)[..., None, None]  # an absent joint has no peak
heatmaps.shape

# %% mystnb={"figure": {"name": "fig-jre-pose"}, "image": {"alt": "A person with a stick figure; the same person with bright spots on every joint; the same with one spot on one joint."}}
chosen = skeleton.index(joint)
maps = heatmaps[0].numpy()
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.6))
plots.skeleton_overlay(window.frames[0], window.joints[0], skeleton, window.visibility[0], axes[0], title=data[clip].action)
plots.heatmap_over(window.frames[0], maps.max(axis=0), axes[1], title="all heatmaps")
ax = plots.heatmap_over(window.frames[0], maps[chosen], axes[2], title=plots.short(joint), truth=window.joints[0, chosen])

# %% [markdown]
# *The pose that everything below starts from, its heatmaps on top of each other, and the heatmap of one joint.*

# %% [markdown]
# ## Heatmaps as vectors, and what they have in common
#
# The JRE flattens each heatmap into one vector. $\bar M$ has one row per joint and one column per pixel. The Gram
# matrix $\bar M \bar M^\top$ then compares every joint with every other: entry $(i, j)$ is the overlap of two
# heatmaps. It is large where the two joints are near each other in the image, and next to zero where they
# are not.

# %%
flat = heatmaps.flatten(2)  # (1,K,h*w)
gram = flat @ flat.transpose(1, 2)  # (1,K,K)

# %% [markdown]
# Two Gaussians of the same width, a distance $d$ apart, overlap by $\pi \sigma^2 e^{-d^2 / 4 \sigma^2}$. The
# Gram matrix follows this formula, except for peaks that the heatmap's edge cuts off.

# %%
positions = torch.from_numpy(window.joints) / STRIDE  # differences of these are distances in heatmap px
formula = np.pi * config.sigma**2 * torch.exp(-(torch.cdist(positions, positions) ** 2) / (4 * config.sigma**2))
present = torch.from_numpy(window.visibility[0] > 0)
error = (gram - formula)[0][present][:, present].abs().max()

# %% tags=["hide-input"]
overlap = {"a whole peak with itself": f"{np.pi * config.sigma**2:.2f}"}
pd.DataFrame({"overlap": overlap | {"largest difference from the formula": f"{error:.2g}"}}).T

# %% mystnb={"figure": {"name": "fig-jre-gram"}, "image": {"alt": "A square matrix with a strong diagonal and a few weaker entries beside it."}}
ax = plots.relation_matrix(gram[0].numpy(), skeleton, sums="", label="overlap", title="Gram matrix")
labels = ax.set(xlabel="joint j", ylabel="joint i")

# %% [markdown]
# *Gram matrix of the ideal heatmaps. Joints are ordered along the limbs, left and right apart. Only neighbors in the
# image overlap.*

# %% [markdown]
# ## Softmax: from overlaps to weights
#
# $$W_r = \operatorname{softmax}(\bar M \bar M^\top)$$
#
# Each row of overlaps becomes a row of weights that sum to one. Row $i$ says from which joints the refined
# joint $i$ takes its heatmap. The next cell computes the relation with the package and holds it against the
# two lines of the formula.

# %%
jre = JointRelationExtractor(len(skeleton)).eval()
with torch.no_grad():
    relation = jre.relation(heatmaps)
torch.testing.assert_close(relation, gram.softmax(dim=2))
torch.testing.assert_close(relation.sum(dim=2), torch.ones(1, len(skeleton)))  # each row sums to 1

# %% mystnb={"figure": {"name": "fig-jre-relation"}, "image": {"alt": "Two square matrices: the identity, and a relation with a strong diagonal and a few weights beside it."}}
weights = relation[0].numpy()
axes = plots.relation_panels({"identity": np.eye(len(skeleton)), "this pose": weights}, skeleton)

# %% [markdown]
# *The relation of this pose beside the identity, in which every joint keeps to itself. Each row sums to one.*

# %% [markdown]
# The weight that lies off the diagonal, and the largest weights between two joints:

# %% tags=["hide-input"]
largest = relations.strongest(weights, skeleton, count=3)
pairs = {f"{plots.short(i)} from {plots.short(j)}": f"{weight:.2f}" for i, j, weight in largest}
pd.DataFrame({"weight": {"off the diagonal (%)": f"{100 * relations.off_diagonal_mass(weights):.1f}"} | pairs}).T

# %% mystnb={"figure": {"name": "fig-jre-body"}, "image": {"alt": "A person with a stick figure and curved arrows between joints that lie close together."}}
ax = plots.relation_on_skeleton(weights, skeleton, window.joints[0], frame=window.frames[0])

# %% [markdown]
# *The same weights on the body: an arrow leads from the joint that gives to the joint that takes.*

# %% [markdown]
# What relates two joints here is that they are near each other in the image, whatever they are called. The relation
# does not know that an elbow belongs to a wrist: it has no weights of its own. What is learned lies
# in the heatmaps that enter it and in the convolutions around it.
#
# ## Mixing, and the skip connection
#
# $$Z = \operatorname{Conv}_o(\operatorname{reshape}(W_r \operatorname{Conv}_g(M))) + M$$
#
# Both convolutions are 1 x 1: they mix joints and move nothing. Adding $M$ is a skip connection around the whole
# module. $\operatorname{Conv}_o$ ends in a normalization whose weight starts at zero. So a new JRE is the
# identity, and whatever it does later it has learned. The next cell checks it.

# %%
with torch.no_grad():
    assert torch.equal(jre(heatmaps), heatmaps)

# %% [markdown]
# ## A joint without a heatmap
#
# Now one joint is hidden so well that its heatmap is empty. All its overlaps are zero, and the softmax of
# equal numbers is an equal share: the refined joint takes equally from all joints. A heatmap that is merely
# weak lies in between. So a joint with a clear peak keeps to itself, and a joint without one takes from all.

# %%
weak, missing = heatmaps.clone(), heatmaps.clone()
weak[:, chosen] *= 0.5  # half as high
missing[:, chosen] = 0
with torch.no_grad():
    cases = {
        name: jre.relation(values)[0].numpy()
        for name, values in (("whole", heatmaps), ("half as high", weak), ("missing", missing))
    }

# %% mystnb={"figure": {"name": "fig-jre-missing"}, "image": {"alt": "Three square matrices; from left to right, one row spreads from its diagonal over all joints."}}
axes = plots.relation_panels(cases, skeleton)

# %% [markdown]
# *Relation with one joint's heatmap whole, half as high, and missing.*

# %% mystnb={"figure": {"name": "fig-jre-row"}, "image": {"alt": "Grouped bars, one group per joint: tall on the joint itself if its heatmap is whole, equal for all joints if it is missing."}}
order = list(skeleton.order)
rows = pd.DataFrame(
    {name: matrix[chosen][order] for name, matrix in cases.items()},
    index=[plots.short(skeleton.joints[j]) for j in order],
)
ax = rows.plot.bar(figsize=(7.2, 2.8), width=0.8, xlabel="from joint", ylabel=f"weight in {plots.short(joint)}")

# %% [markdown]
# *The row of that joint in the three relations.*

# %% tags=["hide-input"]
pd.DataFrame(
    {
        name: {
            "takes from each joint": f"{matrix[chosen].min():.3f} to {matrix[chosen].max():.3f}",
            "others take from it, at most": f"{np.delete(matrix[:, chosen], chosen).max():.3f}",
            "asymmetry of the matrix": f"{relations.asymmetry(matrix):.2f}",
        }
        for name, matrix in cases.items()
    }
).T

# %% [markdown]
# With its heatmap missing, the joint takes the same from every joint, and the matrix is no longer symmetric. An equal share of
# all heatmaps is not a pose yet: it says "somewhere on the body". To show the mix alone, both convolutions are set to pass
# everything on unchanged.

# %%
mixers = {layout: JointRelationExtractor(len(skeleton), layout=layout).eval() for layout in ("paper", "released")}
for mixer in mixers.values():
    for convolution in (mixer.g, mixer.o[0]):
        nn.init.dirac_(convolution.weight)
        nn.init.zeros_(convolution.bias)
    nn.init.ones_(mixer.o[1].weight)
with torch.no_grad():
    mix = {layout: (mixer(missing) - missing)[0].numpy() for layout, mixer in mixers.items()}

# %% mystnb={"figure": {"name": "fig-jre-mix"}, "image": {"alt": "A person with one bright spot on one joint; the same person with spots on all joints."}}
fig, axes = plt.subplots(1, 2, figsize=(5.2, 2.6))
plots.heatmap_over(window.frames[0], maps[chosen], axes[0], title="before", truth=window.joints[0, chosen])
ax = plots.heatmap_over(window.frames[0], mix["paper"][chosen], axes[1], title="from the others", truth=window.joints[0, chosen])

# %% [markdown]
# *The joint's heatmap: before it was removed, and what the others give instead.*

# %% [markdown]
# ## What the scale does
#
# The paper divides the Gram matrix by nothing. The softmax then sees overlaps of several units, and the
# diagonal wins. Divided by $\sqrt{h w}$, or by $h w$, the overlaps become small, the softmax nearly flat, and
# each joint becomes an average of all. The network's `relation_scale` chooses.

# %% mystnb={"figure": {"name": "fig-jre-scale"}, "image": {"alt": "Four square matrices, from a strong diagonal to an even gray."}}
scales = {
    name: JointRelationExtractor(len(skeleton), scale=name).relation(heatmaps)[0].detach().numpy()
    for name in ("none", "sqrt", "mean")
}
scales["uniform"] = np.full((len(skeleton), len(skeleton)), 1 / len(skeleton))
axes = plots.relation_panels(scales, skeleton, columns=4)

# %% [markdown]
# *One pose, three scales, one color scale. The last panel is a relation that carries no information.*

# %%
pd.DataFrame(
    {
        "weight off the diagonal (%)": {name: 100 * relations.off_diagonal_mass(matrix) for name, matrix in scales.items()},
        "entropy, 1 = uniform": {name: relations.entropy(matrix).mean() for name, matrix in scales.items()},
    }
).round(2)

# %% [markdown]
# ## Two layouts
#
# The released code differs from the paper in two ways. Its softmax runs over the other axis, so that columns
# sum to one. And it permutes the product $W_r G$ before it is reshaped into heatmaps, although the product
# already has the right order: pixels are read as joints. The next figure shows what each layout gives to a
# joint whose heatmap is whole.

# %% mystnb={"figure": {"name": "fig-jre-layout"}, "image": {"alt": "Left, a person with one bright spot on the ringed joint. Right, the same person under a scattered pattern."}}
with torch.no_grad():
    mix = {layout: (mixer(heatmaps) - heatmaps) for layout, mixer in mixers.items()}
fig, axes = plt.subplots(1, 2, figsize=(5.2, 2.6))
for ax, (layout, values) in zip(axes, mix.items(), strict=True):
    plots.heatmap_over(window.frames[0], values[0, chosen].numpy(), ax, title=layout, truth=window.joints[0, chosen])

# %% [markdown]
# *The mix for one joint in the paper's layout and in that of the released code. The ring marks the joint.*

# %% [markdown]
# How many joints have the highest pixel of their mix within two heatmap pixels of the joint? Whatever the released layout does for
# a network, it is not what the paper's formula says.

# %%
stay = {
    layout: int(((decode(values, STRIDE)[0] - torch.from_numpy(window.joints)).norm(dim=-1)[0][present] <= 2 * STRIDE).sum())
    for layout, values in mix.items()
}

# %% tags=["hide-input"]
pd.DataFrame({"peaks that stay": {f"layout {name}": f"{count} of {int(present.sum())}" for name, count in stay.items()}}).T
