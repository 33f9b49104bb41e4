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
# # Training
#
# **Question.** What do RPSTN and its variants learn in the same number of steps, from the same encoder?
#
# **Time.** Minutes on two CPU cores with the values below; it is the longest notebook of the book. An interrupted run is
# resumed where it stopped, and a finished one is reused.

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # data set, as `rpstn data list` names it: embedded, penn_action, sub_jhmdb, ...
root: Optional[str] = None  # folder of the data set; None: $RPSTN_DATA/<dataset>, else data/<dataset>
fold: int = 1  # split of sub_jhmdb: 1, 2 or 3; ignored for other data sets
out: Optional[str] = None  # folder of the training runs; None: runs/<dataset>
variants: list[str] = ["rpstn", "frame_by_frame", "without_propagation"]  # names in rpstn.train.recipes.VARIANTS
encoder: str = "small"  # backbone of the encoder: small, movenet_thunder, efficientnet_lite0, resnet18 ... 152
initializer: str = "small"  # backbone of the pose initializer: the encoder's, or shared, a head on it
encoder_weights: Optional[str] = None  # checkpoint whose encoder this one starts from; imagenet: published weights
images: Optional[str] = None  # data set of single images that the encoder is trained on first, such as lspet
images_root: Optional[str] = None  # folder of the images; None: $RPSTN_DATA/<images>, else data/<images>
images_steps: int = 10000  # steps on images, where there are any
images_size: Optional[int] = None  # input size on images, px; None: as on clips
images_lr: Optional[float] = None  # highest learning rate on images; None: as on the encoder's frames
aux_fraction: float = 0.0  # fraction of each of the encoder's batches that stays images, so that it does not forget them
pretrain_steps: int = 4000  # steps of the encoder, on single frames
pretrain_lr: float = 3e-3  # highest learning rate of the encoder's training
steps: int = 250  # steps of each variant, on clips
lr: float = 1.5e-3  # highest learning rate of the variants
init_rate: float = 0.25  # learning rate of what a variant takes from the encoder, as a fraction of lr
batch: int = 5  # clips per step; the encoder takes batch x frames single frames
accumulate: int = 1  # parts in which a batch is computed, to save memory
frames: int = 8  # frames of a clip
size: int = 128  # size of the input in px: 64, 128, 192 or 256
sigma: float = 1.5  # width of the targets' peaks, in heatmap px
brightness: float = 0.1  # range of what is added to all values, in either direction, as a fraction of 255
contrast: float = 0.2  # range of the factor around mid-gray, on either side of 1
color: float = 0.1  # range of each channel's factor, on either side of 1
full_rotation_prob: float = 0.0  # fraction of the samples rotated by any angle, not by 40 degrees at most: people lie and roll
erasing: float = 0.6  # fraction of the variants' clips with a painted occluder; of the encoder's frames 0.6
erasing_size: list[float] = [0.1, 0.5]  # range of its sides, as fractions of the input's; of the encoder's frames 0.1 to 0.5
validate_every: int = 600  # steps between validations; 0: at the end only
precision: str = "auto"  # auto: bf16 where the device is fast at it; fp32, bf16
workers: int = 0  # processes that read ahead; 0 reads between the steps
seed: int = 2021  # of weights, samples and augmentation
shown: int = 3  # validation clips drawn at the end

# %%
# %matplotlib inline
from dataclasses import replace

import matplotlib.pyplot as plt
import pandas as pd

from rpstn import load_checkpoint, open_dataset, plots
from rpstn.datasets.transforms import Augmentation
from rpstn.evaluate.inference import predict_window
from rpstn.runs import read_json
from rpstn.runs.memory import keep_memory
from rpstn.train import TrainConfig
from rpstn.train.recipes import TITLES, ImagePretraining, Recipe, run_folder
from rpstn.video.calibrate import calibrate_run

varied = Augmentation(full_rotation_prob=full_rotation_prob, brightness=brightness, contrast=contrast, color=color)
config = TrainConfig.of(
    dataset=dataset,
    root=root,
    fold=fold,
    out=out or run_folder(dataset, fold),
    encoder=encoder,
    initializer=initializer,
    encoder_weights=encoder_weights,
    frames=frames,
    size=size,
    sigma=sigma,
    augmentation=varied,
    batch=batch,
    accumulate=accumulate,
    lr=lr,
    init_rate=init_rate,
    validate_every=validate_every,
    precision=precision,
    workers=workers,
    seed=seed,
)
recipe = Recipe(
    config,
    pretrain_steps=pretrain_steps,
    steps=steps,
    pretrain_lr=pretrain_lr,
    images=ImagePretraining(images, images_root, images_steps, images_size, images_lr, aux_fraction) if images else None,
    clips=replace(varied, erasing=erasing, erasing_size=tuple(erasing_size)),
)
plots.use_style()

# %% [markdown]
# ## The plan
#
# The paper pre-trains its encoder on single images. So does this plan: the encoder first learns frame by
# frame; if `images` names a data set of single images, on those first. A hundred clips show few people, and an encoder soon
# memorizes them; with `aux_fraction`, a part of every batch stays images. Every variant then starts from that encoder and
# sees the same clips, in the same order, for the same number of steps. What differs between two variants is what their names say:
#
# - **RPSTN**: relation and propagation;
# - **frame by frame**: neither, each frame by itself;
# - **without propagation**: the relation alone;
# - **without relation**: the propagation alone;
# - **concat**: the pose of the frame before is concatenated to the features, instead of writing kernels.
#
# The loss is the squared error between predicted and true heatmaps over all annotated joints,
#
# $$L = \frac{\sum_{t,k} w_{tk} \, \lVert \hat M_{tk} - M_{tk} \rVert^2}{\sum_{t,k} w_{tk}},$$
#
# with $w_{tk} = 1$ for a joint that is visible or occluded and $0$ for one that is absent.

# %% tags=["hide-input"]
pd.DataFrame(
    {
        TITLES.get(name, name): {
            "relation": part.model.relation,
            "propagation": part.model.propagation,
            "frames": part.data.frames,
            "batch": part.data.batch,
            "steps": part.optimizer.steps,
            "learning rate": part.optimizer.lr,
        }
        for name, part in {
            **({"images": recipe.start} if recipe.start else {}),
            "encoder": recipe.encoder,
            **{name: recipe.variant(name) for name in variants},
        }.items()
    }
).T

# %% [markdown]
# ## Training

# %%
keep_memory()  # this process trains: what a step frees stays for the next one
results = recipe.train(variants, calibrate=calibrate_run)

# %% [markdown]
# ## Learning curves

# %% mystnb={"figure": {"name": "fig-train-curves"}, "image": {"alt": "Falling loss curves and rising score curves of the encoder and the variants."}}
axes = plots.training_curves({TITLES.get(name, name): result.run / "log.csv" for name, result in results.items()})

# %% [markdown]
# *Training loss (left) and `PCK@0.2` by person size on the val split (right) against the step.*

# %% [markdown]
# The scores below are those of the checkpoints that did best on the val split, over all annotated joints and by person size. They
# selected the checkpoint, so they flatter it a little; the test split is left for the next chapter.

# %% tags=["hide-input"]
manifests = {name: read_json(result.run / "manifest.json") for name, result in results.items()}
pd.DataFrame(
    {
        TITLES.get(name, name): {
            "PCK@0.2 on val (%)": round(100 * result.metrics["val_pck"], 1),
            "parameters (million)": round(result.metrics["parameters"] / 1e6, 2),
            "steps": result.metrics["steps"],
            "minutes": round(manifests[name]["seconds"] / 60, 1),
        }
        for name, result in results.items()
    }
).T

# %% tags=["hide-input"]
first = next(iter(manifests.values()))
validation = open_dataset(config.data.dataset, config.data.root, split="val", fold=config.data.fold)
measured = {"clips": len(validation), "groups": len({clip.group for clip in validation})}
trained = {"trained on": first["device"], "precision": first["precision"], "seed": config.seed}
pd.DataFrame({f"{config.data.dataset}, val": measured | trained}).T

# %% [markdown]
# ## A look at the predictions
#
# The truth, and each network's predictions, in the middle of a few val clips. Numbers can hide what a look
# shows: left and right limbs exchanged, joints that land on the other leg, poses that lag behind the
# motion.

# %% tags=["hide-input"] mystnb={"figure": {"name": "fig-train-look"}, "image": {"alt": "Frames of a few clips in columns; one row with the true poses and one row for each network with its predictions."}}
clips = [validation[index] for index in range(0, len(validation), max(1, len(validation) // shown))][:shown]
models = {TITLES[name]: load_checkpoint(results[name].checkpoint) for name in variants}
fig, axes = plt.subplots(len(models) + 1, len(clips), figsize=(2 * len(clips), 2 * len(models) + 2), squeeze=False)
for column, clip in enumerate(clips):
    for row, (name, (model, metadata)) in enumerate(models.items(), start=1):
        seen = predict_window(model, metadata, clip, 0, min(len(clip), 12))
        image, ax = seen.window.frames[-1], axes[row, column]
        plots.skeleton_overlay(image, seen.joints[-1], validation.skeleton, ax=ax)
        axes[row, 0].set_ylabel(name)
    truth = plots.skeleton_overlay(
        image,
        seen.window.joints[-1],
        validation.skeleton,
        seen.window.visibility[-1],
        axes[0, column],
        title=clip.action,
    )
label = axes[0, 0].set_ylabel("truth")

# %% [markdown]
# *True poses and predictions on val clips. Orange is the person's left, blue the right; hollow true joints are hidden.*
