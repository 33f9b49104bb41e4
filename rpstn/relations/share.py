"""Whether a relation has any effect: how many joints it moves, and how much of a heatmap comes from it.

A relation can look like anything and do nothing. The branch that it weighs ends in a normalization whose weight starts at zero;
if training leaves it there, each joint keeps its own map, whatever the matrix says. So both numbers stand beside its figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.windows import make_window
from rpstn.evaluate.inference import check_checkpoint, cut_windows
from rpstn.models.effect import RelationEffect, relation_effect
from rpstn.models.pixels import normalize


@torch.inference_mode()
def effect_on_clips(
    model: torch.nn.Module, metadata: Mapping[str, Any], dataset: ClipDataset, *, window: int = 8, frames: int = 160
) -> RelationEffect:
    """Measure a relation's effect (`rpstn.models.effect.relation_effect`) on windows taken evenly from a data set.

    window  frames that go through the network at once. frames: about how many are used at most.
    Raises UserError for a network that does not fit the data set, or has no relation.
    """
    check_checkpoint(metadata, dataset)
    spans = cut_windows([len(clip) for clip in dataset], window)
    wanted = max(1, min(len(spans), frames // max(window, 1)))
    device = next(model.parameters()).device
    found = []
    for index in np.linspace(0, len(spans) - 1, wanted).round().astype(int):
        clip, start, length = spans[index]
        part = make_window(dataset[clip], dataset.skeleton, start, length, metadata["size"])
        pixels = normalize(torch.from_numpy(part.frames)[None].to(device), metadata["input"])
        found.append(relation_effect(model, pixels))
    return RelationEffect.pooled(found)
