"""What a network makes of the frames behind a cut if it is told of the cut: it starts anew there, in the same crop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.datasets.transforms import window_box
from rpstn.errors import UserError
from rpstn.evaluate import predict_clips
from rpstn.predictions import Predictions
from rpstn.protocols import SplicedFrames


def predict_restarted(
    model: torch.nn.Module, meta: dict[str, Any], dataset: ClipDataset, window: int = 24, **settings
) -> Predictions:
    """Predictions for clips with a cut, by a network that starts anew in the first frame behind it.

    Frames before the cut stay NaN. The crop is the one that the whole spliced clip has, so that what differs from
    `predict_clips` on the same data set is what was carried over the cut and nothing else. settings as for `predict_clips`.
    Raises UserError for a clip without a cut, and for one longer than the window, in which the network starts anew anyhow.
    """
    tails = replace(dataset, clips=tuple(_behind(clip, window) for clip in dataset))
    found = predict_clips(model, meta, tails, window, **settings)

    def whole(values: list[np.ndarray]) -> list[np.ndarray]:
        return [
            np.concatenate([np.full((len(clip) - len(value), *value.shape[1:]), np.nan, value.dtype), value])
            for clip, value in zip(dataset, values, strict=True)
        ]

    ids = tuple(clip.id for clip in dataset)
    return Predictions(ids, whole(found.joints), whole(found.confidence), [None] * len(ids), window)


def _behind(clip: Clip, window: int) -> Clip:
    """The frames behind the cut, with the spliced clip's box in every one."""
    if not isinstance(clip.frames, SplicedFrames):
        raise UserError(f"clip {clip.id!r} has no cut; make one with rpstn.protocols.splice")
    if window and len(clip) > window:
        raise UserError(f"clip {clip.id!r} has {len(clip)} frames, the window {window}; splice clips that fit into one window")
    at = clip.frames.at
    boxes = np.repeat(window_box(clip.boxes)[None], len(clip) - at, axis=0).astype(np.float32)
    frames = SplicedFrames(clip.frames.second, clip.frames.second, 0, len(clip) - at)
    return replace(clip, joints=clip.joints[at:], visibility=clip.visibility[at:], boxes=boxes, frames=frames, extra={})
