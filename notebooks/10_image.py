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
# # The JRE in image networks
#
# **Question.** What does the joint relation extractor add to a network that sees one image at a time: how many
# more joints does it find, and what does that cost?
#
# **Time.** About two minutes on two CPU cores with the values below. A run that was interrupted goes on where it
# stopped, and one that is finished is taken as it is.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded (frames as single images), coco, mpii, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # official split of sub_jhmdb: 1, 2 or 3; without meaning for the others
out: Optional[str] = None  # folder of the training runs; None: runs/<dataset>/image-<network>
network: str = "small"  # small, or one of rpstn.models.image.IMAGE_NETWORKS: simplebaseline_resnet50, hrnet_w32, ...
weights: Optional[str] = None  # official checkpoint of that network to start from; None: random weights
relation_scale: str = "none"  # divisor of the JRE's Gram matrix: none, sqrt, mean, learned
relation_layout: str = "paper"  # paper: rows of the relation sum to 1; released: as the authors' code has it
pretrain_steps: int = 550  # steps of the network alone, from which both start; 0: none
pretrain_lr: float = 3e-3  # highest learning rate of these steps
steps: int = 150  # further steps of each network, without and with the JRE
lr: float = 1.5e-3  # highest learning rate of the further steps
batch: int = 24  # images a step
accumulate: int = 1  # parts that a batch is computed in, to save memory
size: int = 128  # side of the square input in px, a multiple of 32
sigma: float = 1.5  # width of the targets' peaks, in heatmap px
flip_test: bool = False  # average with the prediction for the mirrored image
repeats: int = 100  # images that the time is measured on
workers: int = 0  # processes that read ahead; 0 reads between the steps
seed: int = 2021  # of weights, samples, augmentation and bootstrap

# %%
# %matplotlib inline
import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from rpstn import EvaluateConfig, load_checkpoint, open_dataset, plots, relations
from rpstn.evaluate.inference import predict_clips
from rpstn.evaluate.scoring import evaluate
from rpstn.metrics import paired_interval
from rpstn.metrics.scores import samples
from rpstn.models.cost import cost, seconds_per_image
from rpstn.models.image import IMAGE_NETWORKS, image_network, with_relation
from rpstn.relations.interventions import Fixed, intervened
from rpstn.runs import describe_device
from rpstn.train import TrainConfig
from rpstn.train.recipes import ImageRecipe, run_folder
from rpstn.video.calibrate import calibrate_run

config = TrainConfig(
    dataset=dataset,
    root=root,
    fold=fold,
    out=out or f"{run_folder(dataset, fold)}/image-{network}",
    network=network,
    encoder_weights=weights,
    propagation="none",
    relation_scale=relation_scale,
    relation_layout=relation_layout,
    frames=1,
    size=size,
    sigma=sigma,
    batch=batch,
    accumulate=accumulate,
    lr=lr,
    workers=workers,
    seed=seed,
)
recipe = ImageRecipe(config, pretrain_steps=pretrain_steps, steps=steps, pretrain_lr=pretrain_lr)
titles = {"alone": "without JRE", "with_jre": "with JRE", "again": "without JRE, again"}
plots.use_style()

# %% [markdown]
# ## One module behind the last layer
#
# The paper plugs the JRE onto SimpleBaseline ([Xiao et al., 2018](../book/references.md)) and HRNet
# ([Sun et al., 2019](../book/references.md)) and trains them on COCO ([Lin et al., 2014](../book/references.md)). Nothing in the
# module asks for video: it takes the $K$ heatmaps $M$ that a network makes of one image, and gives them back refined,
#
# $$W_r = \operatorname{softmax}(\bar M \bar M^\top), \qquad Z = \operatorname{Conv}_o\big(W_r \operatorname{Conv}_g(M)\big) + M.$$
#
# So it goes behind any network that turns images into heatmaps. This is all it takes, with a network of somebody else's:

# %%
network_of_yours = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, 4, 1), torch.nn.ReLU(), torch.nn.Conv2d(16, 13, 1))
plugged = with_relation(network_of_yours).eval()
images = torch.rand(2, 3, 128, 128)
heatmaps, relation = plugged.forward_with_relation(images)
print(tuple(heatmaps.shape), tuple(relation.shape), torch.equal(heatmaps, network_of_yours(images)))

# %% [markdown]
# The refined heatmaps, one relation an image, and `True`: until it is trained, the network returns what it returned
# before, bit for bit. Its number of joints was found out by itself.
#
# ## What it costs the published networks
#
# Both 1x1 convolutions mix $K$ maps, and the two products with the $K \times K$ relation take $K^2 h w$ multiplications
# each. Beside a backbone that is little. The table is for 17 joints and images of 256 x 192 px, as COCO is usually run;
# it is computed from shapes.

# %% tags=["hide-input"]
with torch.device("metadata"):  # shapes alone
    pairs = {name: (image_network(name, 17), with_relation(image_network(name, 17))) for name in IMAGE_NETWORKS}
table = {name: (cost(alone), cost(both)) for name, (alone, both) in pairs.items()}
pd.DataFrame(
    {
        name: {
            "parameters (million)": f"{alone.parameters / 1e6:.2f}",
            "multiply-adds (billion)": f"{alone.multiply_adds / 1e9:.2f}",
            "GFLOPs as published tables count": f"{alone.reported:.1f}",
            "JRE: parameters": f"+ {both.parameters - alone.parameters}",
            "JRE: multiply-adds": f"+ {both.multiply_adds / alone.multiply_adds - 1:.3%}",
        }
        for name, (alone, both) in table.items()
    }
).T

# %% [markdown]
# ## A fair pair
#
# Two networks are compared. They start from the same weights, and then see the same images in the same order, varied in
# the same way, for the same number of steps. What differs is the JRE. A third one says what chance does: the network without
# JRE again, from the same start, on other samples. The crops are square, as everywhere in this book,
# while published COCO tables have 256 x 192 px: scores of one shape do not belong beside scores of the other.

# %% tags=["hide-input"]
common = [f"{pretrain_steps} common steps of the network alone"] if pretrain_steps else []
begin = [f"the official weights `{weights.split('/')[-1]}`" if weights else "random weights"]
Markdown(
    f"**The plan:** `{network}` from {', then '.join(begin + common)}; from there {steps} steps without and {steps} steps with the "
    f"JRE (layout `{relation_layout}`, scale `{relation_scale}`). Every step sees {batch} images of {size} x {size} px of `{dataset}`."
    + (
        " The official code puts heatmap pixel $u$ at input pixel $4u$, this package at $4u + 1.5$: the first steps also have to "
        "learn that, in both networks alike."
        if weights
        else ""
    )
)

# %%
results = recipe.train(calibrate=calibrate_run)
checkpoints = {titles[name]: results[name].checkpoint for name in titles}

# %% mystnb={"figure": {"name": "fig-image-curves"}, "image": {"alt": "Falling loss curves of the common start and of the networks, and their scores at the end."}}
axes = plots.training_curves({titles.get(name, "common start"): result.run / "log.csv" for name, result in results.items()})

# %% [markdown]
# *Training loss (left) and `PCK@0.2` by person size on the val split (right) against the step of each run; the others
# go on where the common start ends, if there is one.*

# %% [markdown]
# ## Scores and cost side by side
#
# Every image of the test split is predicted in a crop of its own, around the true box.

# %%
scored = {
    name: evaluate(
        EvaluateConfig(
            checkpoint=path,
            dataset=dataset,
            root=root,
            fold=fold,
            seed=seed,
            window=1,
            batch=32,
            flip_test=flip_test,
            out=f"{config.out}/test/{name.replace(' ', '_')}",
        )
    )
    for name, path in checkpoints.items()
}
networks = {name: load_checkpoint(path)[0].network for name, path in checkpoints.items()}
spent = seconds_per_image(networks, (size, size), repeats=repeats)
costs = {name: cost(part, (size, size)) for name, part in networks.items()}

# %% tags=["hide-input"]
metrics = {name: result.metrics for name, result in scored.items()}
has_torso = any(part["scores"]["torso"]["all"]["mean"] is not None for part in metrics.values())
columns = {
    name: {
        "parameters": f"{costs[name].parameters:,}",
        "multiply-adds (million)": f"{costs[name].multiply_adds / 1e6:.2f}",
        "time per image (ms)": f"{1e3 * spent[name]:.2f}",
        "PCK@0.2, person (%)": f"{100 * part['scores']['person']['all']['mean']:.1f}",
        **({"PCK@0.2, torso (%)": f"{100 * part['scores']['torso']['all']['mean']:.1f}"} if has_torso else {}),
        **(
            {key: f"{100 * part['oks'][key]:.1f}" for key in ("AP", "AP50", "AP75", "AR")}
            if part.get("oks", {}).get("mean") is not None
            else {}
        ),
    }
    for name, part in metrics.items()
}
pd.DataFrame(columns)

# %% tags=["hide-input"]
counted = metrics["with JRE"]["counted"]
test = open_dataset(dataset, root, split="test", fold=fold)
Markdown(
    f"Measured on {counted['frames']} images of `{dataset}` (test) from {counted['groups']} groups, {counted['visible_joints']} "
    f"visible and {counted['occluded_joints']} occluded joints; boxes: ground truth; "
    + ("mirrored images averaged in; " if flip_test else "")
    + f"cost and time for one image of {size} x {size} px on {describe_device()}, the time being the median of {repeats}, the "
    "networks taking turns. "
    + (
        "AP is COCO's own, of this part of val2017, rescored and after OKS-NMS; it has no interval."
        if any(part.get("oks", {}).get("mean") is not None for part in metrics.values())
        else ""
    )
)

# %% [markdown]
# ## Can the two be told apart?
#
# The difference of the two networks on the same joints, with 95 % intervals over groups; and that of the two networks
# without JRE, which differ in their samples alone.

# %%
effects = {}
for reference, subset in (("person", "all"), ("person", "visible"), ("person", "occluded"), ("torso", "all")):
    rows = {name: samples(result.predictions, test, reference=reference, subset=subset) for name, result in scored.items()}
    first = rows.pop("without JRE")
    for name, part in rows.items():
        effect = paired_interval(part.correct, first.correct, first.groups, pool="joints", seed=seed)
        if effect.samples:
            effects[f"{name}: {reference} size, {subset} joints"] = effect

# %% mystnb={"figure": {"name": "fig-image-effect"}, "image": {"alt": "Points with horizontal intervals beside a line of no difference."}}
ax = plots.interval_points(effects)

# %% [markdown]
# *`PCK@0.2` of the network with the JRE, and of the second network without it, minus that of the first network without
# it, with 95 % intervals over groups. Filled points: the interval excludes zero.*

# %% tags=["hide-input"]
effect, chance = (effects[f"{name}: person size, all joints"] for name in ("with JRE", "without JRE, again"))
extra = costs["with JRE"].multiply_adds / costs["without JRE"].multiply_adds - 1
unit = " percentage points"
Markdown(
    f"All joints by person size: with the JRE minus without it {effect.text(signed=True, digits=2, unit=unit)}; without it again, "
    f"on other samples, {chance.text(signed=True, digits=2, unit=unit)}. "
    + (
        "**The two cannot be told apart on this data**: the interval holds zero, or there is none."
        if not effect.excludes_zero
        else "**The difference is no larger than that between two trainings without the JRE**, so it cannot be put down to the JRE."
        if abs(effect.estimate) <= abs(chance.estimate)
        else f"**The network finds {'more' if effect.low > 0 else 'fewer'} joints with the JRE**, and the difference is larger than "
        "that between two trainings without it. Two trainings are few to judge chance by; more seeds would say more."
    )
    + f" The JRE costs {costs['with JRE'].parameters - costs['without JRE'].parameters} parameters and {extra:.2%} more "
    f"multiply-adds. The intervals say how a difference varies over groups of the test split, not over trainings (seed {seed})."
)

# %% [markdown]
# ## What the JRE learned
#
# The relation has no weights of its own: it is the softmax of how much the network's heatmaps overlap. What it looks like
# follows from the heatmaps, and with the scale `none` from how high their peaks are. Beside it stand the identity, in which every joint keeps to
# itself, and the relation of ideal heatmaps at the true joints.

# %%
model, metadata = load_checkpoint(checkpoints["with JRE"])
found = relations.collect(scored["with JRE"].predictions, test)
scale = relation_scale if relation_scale != "learned" else "none"
ideal = relations.ideal_relations(test, metadata, scale=scale, window=1, layout=relation_layout)
sums = "rows" if relation_layout == "paper" else "columns"
stacks = {
    "trained": found.matrices,
    "ideal heatmaps": ideal.matrices,
    "identity": np.eye(len(test.skeleton))[None],
}
panels = {name: stack.mean(axis=0, dtype=np.float64) for name, stack in stacks.items()}

# %% mystnb={"figure": {"name": "fig-image-relation"}, "image": {"alt": "Three square matrices: trained, ideal heatmaps, identity."}}
axes = plots.relation_panels(panels, test.skeleton, sums=sums)

# %% [markdown]
# *Average relations on the test split, on one scale: of the trained network, of ideal heatmaps, and the identity.*

# %% mystnb={"figure": {"name": "fig-image-off"}, "image": {"alt": "A square matrix with a gray diagonal and colored weights between joints."}}
ax = plots.relation_matrix(panels["trained"], test.skeleton, sums=sums, diagonal=False)

# %% [markdown]
# *The relation of the trained network without its diagonal: what joints take from each other.*

# %% [markdown]
# A relation may be learned and not be used. So the same network predicts the test split once more, with the identity in
# place of every relation; nothing else is changed.

# %%
with intervened(model, Fixed.identity(len(test.skeleton))):
    alone = predict_clips(model, metadata, test, 1, batch=32, flip_test=flip_test)
used = paired_interval(
    samples(scored["with JRE"].predictions, test, reference="person").correct,
    samples(alone, test, reference="person").correct,
    np.repeat([clip.group for clip in test], [len(clip) for clip in test]),
    pool="joints",
    seed=seed,
)
mass = {name: float(relations.off_diagonal_mass(stack).mean()) for name, stack in stacks.items()}
gain = model.relation.o[1].weight.detach().abs()

# %% tags=["hide-input"]
Markdown(
    f"Off the diagonal lies {mass['trained']:.1%} of the trained network's relation, and {mass['ideal heatmaps']:.1%} of that of ideal "
    "heatmaps. "
    + (
        "**The relation is close to the identity**: most joints keep to themselves. "
        if mass["trained"] < 0.05
        else f"**The relation is close to uniform** ({1 - 1 / len(test.skeleton):.1%} would be). "
        if mass["trained"] > 0.9 * (1 - 1 / len(test.skeleton))
        else "**It is neither the identity nor uniform.** "
    )
    + f"The normalization at the JRE's end started at a weight of 0 and came to {gain.mean():.3f} on average. "
    + f"The relations change the score by {used.text(signed=True, digits=2, unit=' percentage points')}: "
    + (
        "the network does better with them than with each joint for itself."
        if used.low > 0
        else "the network would do better if each joint kept to itself."
        if used.high < 0
        else "no difference that can be told. If the JRE adds anything to the network, it may come from its two convolutions alone, which "
        "mix joints in the same way for every image."
    )
)
