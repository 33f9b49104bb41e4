"""What a learned relation has to differ from: the identity, uniform weights, an untrained network, perfect heatmaps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch.optim.swa_utils import update_bn

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.datasets.transforms import apply_affine, crop_affine, window_box
from rpstn.datasets.windows import make_window
from rpstn.evaluate.inference import predict_clips
from rpstn.heatmaps import encode
from rpstn.models.backbones import STRIDE
from rpstn.models.pixels import normalize
from rpstn.models.relation import JointRelationExtractor
from rpstn.models.rpstn import RPSTN
from rpstn.relations.measures import Relations, collect


def untrained(model: RPSTN, seed: int = 0) -> RPSTN:
    """Make a network of the same configuration with fresh weights, in evaluation mode, on the same device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = RPSTN(model.config).eval()
    return fresh.to(next(model.parameters()).device)


def recalibrate_batchnorm(
    model: RPSTN, metadata: dict[str, Any], dataset: ClipDataset, *, window: int = 5, batch: int = 4, limit: int = 16
) -> RPSTN:
    """Give an untrained network's BatchNorms the statistics of data: of the first windows of up to `limit` clips.

    Fresh statistics (mean 0, standard deviation 1) fit no data: the heatmaps, and with them the relation, would be those
    of no network in training. Returns the same network, in evaluation mode.
    """
    length = min([window, *(len(clip) for clip in dataset)])
    clips = [dataset[index] for index in range(min(limit, len(dataset)))]
    device = next(model.parameters()).device

    def inputs() -> Iterator[torch.Tensor]:
        for first in range(0, len(clips), batch):
            parts = [make_window(clip, dataset.skeleton, 0, length, metadata["size"]) for clip in clips[first : first + batch]]
            frames = torch.from_numpy(np.stack([part.frames for part in parts])).to(device)
            yield normalize(frames, metadata["input"])

    update_bn(inputs(), model)
    return model.eval()


@torch.inference_mode()
def ideal_relations(
    dataset: ClipDataset, metadata: dict[str, Any], scale: str = "none", window: int = 8, layout: str = "paper"
) -> Relations:
    """Compute the relations of perfect heatmaps: the targets at the true joints, in the crops that the network gets.

    They come from the poses and the softmax alone, without any learning. Absent joints are empty maps.
    scale, layout  as for the `JointRelationExtractor`; take the network's layout to compare them with its relations.
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
    return Relations.of(np.concatenate(parts), dataset)


def baseline_relations(
    model: RPSTN, metadata: dict[str, Any], dataset: ClipDataset, *, window: int = 8, batch: int = 8, seed: int = 0
) -> dict[str, np.ndarray]:
    """Compute what a learned relation has to differ from, by name: matrices (N,K,K) of all frames, or one (1,K,K).

    "identity"         each joint keeps to itself.
    "uniform"          each joint takes the same weight from all joints.
    "untrained"        the relations of the same network with fresh weights.
    "ideal heatmaps"   the relations of perfect heatmaps, unscaled, in the network's layout.
    Take measures that are not linear, such as the entropy, of each matrix, and average them afterwards.
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
