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
# **Time.** About two minutes on two CPU cores with the values below. An interrupted run is resumed where it
# stopped, and a finished one is reused.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded (frames as single images), coco, mpii, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: runs/<dataset>/image-<network>
network: str = "small"  # small, or one of rpstn.models.image.IMAGE_NETWORKS: simplebaseline_resnet50, hrnet_w32, ...
weights: Optional[str] = None  # the authors' checkpoint of that network to start from; None: random weights
relation_scale: str = "none"  # divisor of the JRE's Gram matrix: none, sqrt, mean, learned
relation_layout: str = "paper"  # paper: rows of the relation sum to 1; released: as in the authors' code
pretrain_steps: int = 550  # steps of the network alone, from which both start; 0: none
pretrain_lr: float = 3e-3  # highest learning rate of these steps
steps: int = 150  # further steps of each network, without and with the JRE
lr: float = 1.5e-3  # highest learning rate of the further steps
batch: int = 24  # images per step
accumulate: int = 1  # parts in which a batch is computed, to save memory
size: int = 128  # size of the square input in px, a multiple of 32
sigma: float = 1.5  # width of the targets' peaks, in heatmap px
flip_test: bool = False  # average with the prediction for the mirrored image
repeats: int = 100  # images on which the time is measured
published: list[str] = []  # networks of rpstn.models.image.IMAGE_NETWORKS whose costs are compared; []: all
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
from rpstn.notebooks import words
from rpstn.relations.interventions import Fixed, intervened
from rpstn.relations.share import effect_on_clips
from rpstn.runs import describe_device
from rpstn.runs.memory import keep_memory
from rpstn.train import TrainConfig
from rpstn.train.recipes import ImageRecipe, run_folder
from rpstn.video.calibrate import calibrate_run

config = TrainConfig.of(
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
# ## One module after the last layer
#
# The paper adds the JRE to SimpleBaseline ([Xiao et al., 2018](../book/references.md)) and HRNet
# ([Sun et al., 2019](../book/references.md)) and trains them on COCO ([Lin et al., 2014](../book/references.md)). Nothing in the
# module needs video: it takes the $K$ heatmaps $M$ that a network makes of one image, and returns them refined,
#
# $$W_r = \operatorname{softmax}(\bar M \bar M^\top), \qquad Z = \operatorname{Conv}_o\big(W_r \operatorname{Conv}_g(M)\big) + M.$$
#
# So it can follow any network that turns images into heatmaps. This is all it takes, with a network of your own:

# %%
network_of_yours = torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3, 4, 1), torch.nn.ReLU(), torch.nn.Conv2d(16, 13, 1))
plugged = with_relation(network_of_yours).eval()
images = torch.rand(2, 3, 128, 128)
heatmaps, relation = plugged.forward_with_relation(images)
print(tuple(heatmaps.shape), tuple(relation.shape), torch.equal(heatmaps, network_of_yours(images)))

# %% [markdown]
# The refined heatmaps, one relation per image, and `True`: until it is trained, the network returns what it returned
# before, bit for bit. The number of joints was inferred.
#
# ## What it costs the published networks
#
# The two 1x1 convolutions mix $K$ maps, and the two products with the $K \times K$ relation take $K^2 h w$ multiplications
# each. Compared with a backbone that is little. The table is for 17 joints and images of 256 x 192 px, as is usual for COCO;
# it is computed from shapes.

# %% tags=["hide-input"]
with torch.device("meta"):  # shapes alone
    pairs = {name: (image_network(name, 17), with_relation(image_network(name, 17))) for name in published or IMAGE_NETWORKS}
pd.DataFrame({name: words.network_costs(cost(alone), cost(both)) for name, (alone, both) in pairs.items()}).T

# %% [markdown]
# ## A fair pair
#
# Two networks are compared. They start from the same weights, and then see the same images in the same order, augmented in
# the same way, for the same number of steps. What differs is the JRE. A third one shows what chance does: the network without
# JRE again, from the same start, on other samples. The crops are square, as everywhere in this book,
# while published COCO tables have 256 x 192 px: scores at one shape are not comparable with scores at the other.
#
# The common start, if there is one, begins with random weights, or with the authors' checkpoint given as `weights`. The authors' code
# puts heatmap pixel $u$ at input pixel $4u$, this package at $4u + 1.5$: with such weights the first steps also have to learn that, in
# both networks alike.

# %% tags=["hide-input"]
plan = {"common start": recipe.start} | {title: recipe.variant(name) for name, title in titles.items()}
pd.DataFrame(
    {
        title: {
            "relation": run.model.relation,
            "steps": run.optimizer.steps,
            "learning rate": run.optimizer.lr,
            "images per step": run.data.batch,
            "seed": run.seed,
        }
        for title, run in plan.items()
        if run
    }
).T

# %%
keep_memory()  # this process trains: what a step frees stays for the next one
results = recipe.train(calibrate=calibrate_run)
checkpoints = {titles[name]: results[name].checkpoint for name in titles}

# %% mystnb={"figure": {"name": "fig-image-curves"}, "image": {"alt": "Falling loss curves of the common start and of the networks, and their scores at the end."}}
axes = plots.training_curves({titles.get(name, "common start"): result.run / "log.csv" for name, result in results.items()})

# %% [markdown]
# *Training loss (left) and `PCK@0.2` by person size on the val split (right) against the step of each run; the others
# continue where the common start ends, if there is one.*

# %% [markdown]
# ## Scores and cost side by side
#
# Every image of the test split is predicted in a crop of its own, around the true box. Cost and time are for one image; the time is
# the median over `repeats` images, with the networks taking turns. AP, where the data set has it, is COCO's own, on this part of
# val2017, rescored and after OKS-NMS; it has no interval.

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
seconds = seconds_per_image(networks, (size, size), repeats=repeats)
costs = {name: cost(part, (size, size)) for name, part in networks.items()}

# %% tags=["hide-input"]
pd.DataFrame({name: words.network_scores(costs[name], seconds[name], result.metrics) for name, result in scored.items()})

# %% tags=["hide-input"]
counted = words.counts_table(scored["with JRE"].metrics["counted"])
pd.DataFrame({f"{dataset}, test": counted | {"image, px": size, "flip test": flip_test, "device": describe_device()}}).T

# %% [markdown]
# ## Is the difference significant?
#
# The difference between the two networks on the same joints, with 95 % intervals over groups, and that between the two networks
# without JRE, which differ in their samples alone. The intervals say how a difference varies over groups of the test split, not over
# trainings.

# %%
test = open_dataset(dataset, root, split="test", fold=fold)
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
Markdown(words.jre_words(effect, chance))

# %% [markdown]
# ## What the JRE learned
#
# The relation has no weights of its own: it is the softmax of how much the network's heatmaps overlap. What it looks like
# follows from the heatmaps, and with the scale `none` from how high their peaks are. It is compared with the identity, in which every
# joint keeps to itself, and with the relation of ideal heatmaps at the true joints.

# %%
model, metadata = load_checkpoint(checkpoints["with JRE"])
moved = effect_on_clips(model, metadata, test, window=1)
scale = relation_scale if relation_scale != "learned" else "none"
sums = "rows" if relation_layout == "paper" else "columns"
stacks = {
    "trained": relations.collect(scored["with JRE"].predictions, test).matrices,
    "ideal heatmaps": relations.ideal_relations(test, metadata, scale=scale, window=1, layout=relation_layout).matrices,
    "identity": np.eye(len(test.skeleton))[None],
}
panels = {name: stack.mean(axis=0, dtype=np.float64) for name, stack in stacks.items()}

# %% tags=["hide-input"]
Markdown(words.effect_statement(moved))

# %% mystnb={"figure": {"name": "fig-image-relation"}, "image": {"alt": "Three square matrices: trained, ideal heatmaps, identity."}}
axes = plots.relation_panels(panels, test.skeleton, sums=sums)
plots.say_effect(axes, moved)

# %% [markdown]
# *Average relations on the test split, on one scale: of the trained network, of ideal heatmaps, and the identity.*

# %% mystnb={"figure": {"name": "fig-image-off"}, "image": {"alt": "A square matrix with a gray diagonal and colored weights between joints."}}
ax = plots.relation_matrix(panels["trained"], test.skeleton, sums=sums, diagonal=False)
plots.say_effect(ax, moved)

# %% [markdown]
# *The relation of the trained network without its diagonal: what joints take from each other.*

# %% [markdown]
# The share of the weight off the diagonal, and the weights of the JRE's last normalization, which start at 0:

# %% tags=["hide-input"]
mass = {name: float(relations.off_diagonal_mass(stack).mean()) for name, stack in stacks.items()}
normalization = float(model.relation.o[1].weight.detach().abs().mean())
shares = {f"off the diagonal, {name} (%)": f"{100 * part:.1f}" for name, part in mass.items()}
pd.DataFrame({"with JRE": shares | {"mean weight of the last normalization": f"{normalization:.3f}"}}).T

# %% tags=["hide-input"]
Markdown(words.closeness(mass["trained"], 1 - 1 / len(test.skeleton)))

# %% [markdown]
# A relation may be learned and not used. So the same network predicts the test split once more, with the identity in
# place of every relation; nothing else is changed.

# %%
with intervened(model, Fixed.identity(len(test.skeleton))):
    alone = predict_clips(model, metadata, test, 1, batch=32, flip_test=flip_test)
with_relations, without = (
    samples(predictions, test, reference="person") for predictions in (scored["with JRE"].predictions, alone)
)
used = paired_interval(with_relations.correct, without.correct, without.groups, pool="joints", seed=seed)

# %% tags=["hide-input"]
Markdown(words.used_words(used))
