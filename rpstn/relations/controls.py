"""What a learned relation has to differ from: the identity, uniform weights, an untrained network, perfect heatmaps."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.transforms import apply_affine, crop_affine, window_box
from rpstn.datasets.windows import make_window
from rpstn.evaluate.inference import predict_clips
from rpstn.heatmaps import encode
from rpstn.models.backbones import STRIDE
from rpstn.models.pixels import normalize
from rpstn.models.relation import JointRelationExtractor
from rpstn.models.rpstn import RPSTN
from rpstn.relations.measures import Relations, collect

# Baselines


def untrained(model: RPSTN, seed: int = 0) -> RPSTN:
    """A network of the same configuration with fresh weights, in evaluation mode, on the same device."""
    state = torch.random.get_rng_state()
    try:
        torch.manual_seed(seed)
        fresh = RPSTN(copy.deepcopy(model.config)).eval()
    finally:
        torch.random.set_rng_state(state)
    return fresh.to(next(model.parameters()).device)


@torch.no_grad()
def recalibrate_batchnorm(
    model: RPSTN,
    metadata: dict[str, Any],
    dataset: ClipDataset,
    *,
    window: int = 5,
    batch: int = 4,
    limit: int = 16,
) -> RPSTN:
    """Give an untrained network's BatchNorms real statistics, from the first windows of up to `limit` clips.

    Fresh statistics (mean 0, deviation 1) fit no data: the maps, and with them the relation, would be those
    of no network in training. Returns the same network, in evaluation mode.
    """
    norms = [part for part in model.modules() if isinstance(part, torch.nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    length = min([window, *(len(clip) for clip in dataset)])
    clips = [dataset[index] for index in range(min(limit, len(dataset)))]
    model.train()
    for first in range(0, len(clips), batch):
        parts = [make_window(clip, dataset.skeleton, 0, length, metadata["size"]).frames for clip in clips[first : first + batch]]
        frames = torch.from_numpy(np.stack(parts)).to(next(model.parameters()).device)
        model(normalize(frames, metadata["input"]))
    for norm in norms:
        norm.momentum = 0.1
    return model.eval()


@torch.inference_mode()
def ideal_relations(
    dataset: ClipDataset, metadata: dict[str, Any], scale: str = "none", window: int = 8, layout: str = "paper"
) -> Relations:
    """Relations of perfect heatmaps: the targets at the true joints, in the crops that the network gets;
    absent joints are empty maps.

    What is in them comes from the poses and the softmax alone, without any learning. scale, layout: as for the
    `JointRelationExtractor`; take the network's layout to set them beside its relations.
    """
    side = metadata["size"] // STRIDE
    extractor = JointRelationExtractor(len(dataset.skeleton), layout, scale).eval()
    parts = []
    for clip in dataset:
        step = window or len(clip)
        for start in range(0, len(clip), step):
            here = slice(start, start + step)
            affine = crop_affine(window_box(clip.boxes[here]), metadata["size"])
            joints = torch.from_numpy(apply_affine(clip.joints[here], affine))
            maps = encode(joints, (side, side), STRIDE, metadata["sigma"])
            maps = maps * torch.from_numpy(clip.visibility[here] != ABSENT)[..., None, None]
            parts.append(extractor.relation(maps).numpy())
    lengths = [len(clip) for clip in dataset]
    ends = np.cumsum(lengths)[:-1]
    zeros = [np.zeros((length, len(dataset.skeleton), 2), np.float32) for length in lengths]
    made = Predictions(
        tuple(clip.id for clip in dataset),
        zeros,
        [z[..., 0] for z in zeros],
        np.split(np.concatenate(parts), ends),
    )
    return collect(made, dataset)


def baselines(
    model: RPSTN,
    metadata: dict[str, Any],
    dataset: ClipDataset,
    *,
    window: int = 8,
    batch: int = 8,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """What a learned relation has to differ from, by name: matrices (N,K,K) of all frames, or one (1,K,K).

    "identity": each joint keeps to itself. "uniform": every joint takes from all alike. "untrained": the
    relations of the same network with fresh weights. "ideal heatmaps": those of perfect heatmaps, unscaled, in the network's
    layout.
    Measures that are not linear, such as the entropy, are taken of each matrix and then averaged.
    """
    count = len(dataset.skeleton)
    network = recalibrate_batchnorm(untrained(model, seed), metadata, dataset)
    fresh = predict_clips(network, metadata, dataset, window, batch=batch, progress=False)
    return {
        "identity": np.eye(count)[None],
        "uniform": np.full((1, count, count), 1 / count),
        "untrained": collect(fresh, dataset).matrices,
        "ideal heatmaps": ideal_relations(dataset, metadata, window=window, layout=model.config.relation_layout).matrices,
    }
