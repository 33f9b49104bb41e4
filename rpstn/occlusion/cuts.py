"""Cuts in a video: two clips spliced, and what a network makes of the frames after the cut if it is told of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import Clip, ClipDataset, FrameSource
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.transforms import window_box
from rpstn.datasets.truth import Truth
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.occlusion.occluders import clip_generator


class SplicedFrames:
    """Show one FrameSource's first frames, then another's."""

    def __init__(self, first: FrameSource, second: FrameSource, at: int, length: int) -> None:
        self.first, self.second, self.at, self.length = first, second, at, length

    @property
    def size(self) -> tuple[int, int]:
        return self.first.size

    def __len__(self) -> int:
        return self.length

    def read(self, indices: Sequence[int]) -> np.ndarray:
        wanted = np.asarray(indices, dtype=np.int64)
        before = wanted < self.at
        frames = np.empty((len(wanted), *self.size, 3), np.uint8)
        if before.any():
            frames[before] = self.first.read(wanted[before].tolist())
        if not before.all():
            frames[~before] = self.second.read((wanted[~before] - self.at).tolist())
        return frames


def splice(first: Clip, second: Clip, at: int, length: int) -> Clip:
    """Join the first `at` frames of one clip and the first frames of another, `length` frames in all: a cut in the video.

    `truth.since_cut` is (T,) int64: 1 in the first frame after the cut, counting on; 0 before it. The group is that of the
    second clip, since it is the frames after the cut that are scored. Raises UserError for a cut outside the clip, for
    clips that are too short, and for images of different sizes.
    """
    if not 0 < at < length:
        raise UserError(f"a cut at frame {at} does not lie inside {length} frames; choose one between 1 and {length - 1}")
    for clip, needed in ((first, at), (second, length - at)):
        if len(clip) < needed:
            raise UserError(f"clip {clip.id!r} has {len(clip)} frames, the splice needs {needed} of it; cut elsewhere")
    if first.frames.size != second.frames.size:
        raise UserError(
            f"clips {first.id!r} and {second.id!r} have images of {first.frames.size} and {second.frames.size} px "
            "(height, width); splice clips of one size"
        )

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(first, name)[:at], getattr(second, name)[: length - at]])

    return Clip(
        id=f"{first.id} cut at {at} to {second.id}",
        group=second.group,
        action=second.action,
        joints=joined("joints"),
        visibility=joined("visibility"),
        boxes=joined("boxes"),
        frames=SplicedFrames(first.frames, second.frames, at, length),
        truth=Truth(since_cut=np.maximum(np.arange(length) - at + 1, 0)),
    )


def splice_dataset(dataset: ClipDataset, at: int, length: int, seed: int = 0) -> ClipDataset:
    """Put before every clip of a data set the start of a clip of another group, drawn by the seed and the clip's name.

    Clips whose images have a size that no other group has are left out.
    Raises UserError where no clip is left, as with a single group, and what `splice` raises.
    """
    clips = []
    for clip in dataset:
        others = [other for other in dataset if other.group != clip.group and other.frames.size == clip.frames.size]
        if not others:
            continue
        first = others[clip_generator(clip, seed).integers(len(others))]
        clips.append(splice(first, clip, at, length))
    if not clips:
        raise UserError(
            f"among {len(dataset)} {dataset.split} clips of {dataset.name}, none has images as large as another group's; "
            "a cut needs two groups with images of one size: take more clips"
        )
    return replace(dataset, name=f"{dataset.name} with cuts", clips=tuple(clips))


def predict_restarted(
    model: torch.nn.Module, metadata: dict[str, Any], dataset: ClipDataset, window: int = 24, **settings: Any
) -> Predictions:
    """Predict clips with a cut by a network that restarts in the first frame after it.

    Frames before the cut stay NaN. The crop is the one that the whole spliced clip has, so that what differs from
    `predict_clips` on the same data set is what was carried over the cut and nothing else. settings as for `predict_clips`.
    Raises UserError for a clip without a cut, and for one longer than the window, in which the network restarts anyway.
    """
    tails = replace(dataset, clips=tuple(_after_cut(clip, window) for clip in dataset))
    predictions = predict_clips(model, metadata, tails, window, **settings)

    def whole(values: list[np.ndarray]) -> list[np.ndarray]:
        return [
            np.concatenate([np.full((len(clip) - len(value), *value.shape[1:]), np.nan, value.dtype), value])
            for clip, value in zip(dataset, values, strict=True)
        ]

    ids = tuple(clip.id for clip in dataset)
    return Predictions(ids, whole(predictions.joints), whole(predictions.confidence), [None] * len(ids), window)


def _after_cut(clip: Clip, window: int) -> Clip:
    """Take the frames after the cut, with the spliced clip's box in every one."""
    if clip.truth.since_cut is None or not isinstance(clip.frames, SplicedFrames):
        raise UserError(f"clip {clip.id!r} has no cut; make one with rpstn.occlusion.cuts.splice")
    if window and len(clip) > window:
        raise UserError(f"clip {clip.id!r} has {len(clip)} frames, the window {window}; splice clips that fit into one window")
    at = clip.frames.at
    boxes = np.repeat(window_box(clip.boxes)[None], len(clip) - at, axis=0).astype(np.float32)
    frames = SplicedFrames(clip.frames.second, clip.frames.second, 0, len(clip) - at)
    return replace(clip, joints=clip.joints[at:], visibility=clip.visibility[at:], boxes=boxes, frames=frames, truth=Truth())
