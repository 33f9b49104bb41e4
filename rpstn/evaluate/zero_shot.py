"""MoveNet over labeled clips as it comes, decoded its own way: a peer that was trained on none of them.

Its 17 joints are COCO's. Those of a data set follow from them as labels do (`rpstn.datasets.convert`), but for a face or head
without counterpart by that name, for which its nose is taken. What has no counterpart is not predicted, and counts as missed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import VISIBLE, ClipDataset
from rpstn.datasets.convert import convert_joints
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.transforms import apply_affine, invert_affine
from rpstn.datasets.windows import Window, make_window
from rpstn.errors import UserError
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.image import FrameByFrame
from rpstn.models.movenet import JOINTS, SIDES, MoveNet, decode_movenet, known_joints
from rpstn.models.pixels import normalize
from rpstn.runs.ahead import Ahead
from rpstn.runs.progress import tqdm
from rpstn.skeletons import Skeleton, get_skeleton


def load_movenet(path: str | Path, name: str) -> tuple[MoveNet, dict[str, Any]]:
    """Load a MoveNet in evaluation mode, as it comes with the package or as `rpstn convert` wrote it, and its metadata.

    Raises UserError for a checkpoint of another network than `name`.
    """
    model, metadata = load_checkpoint(path)
    if not isinstance(model, FrameByFrame) or not isinstance(model.network, MoveNet) or metadata["config"]["network"] != name:
        raise UserError(f"{path} does not hold {name}; leave out the checkpoint, or give one that `rpstn convert` made of it")
    return model.network, metadata


@torch.inference_mode()
def predict_movenet(
    model: MoveNet, dataset: ClipDataset, size: int = SIDES["movenet_thunder"], *, batch: int = 16, progress: bool = True
) -> Predictions:
    """Predict the joints of every frame of every clip in source pixels, each frame cropped by its own box.

    size  input side in px; the weights were trained at `rpstn.models.movenet.SIDES`.
    """
    device = next(model.parameters()).device
    joints = [np.full((len(clip), len(dataset.skeleton), 2), np.nan, np.float32) for clip in dataset]
    confidence = [np.full((len(clip), len(dataset.skeleton)), np.nan, np.float32) for clip in dataset]
    places = [(clip, frame) for clip, entry in enumerate(dataset) for frame in range(len(entry))]

    def load() -> Iterator[tuple[list[tuple[int, int]], list[Window]]]:
        for first in range(0, len(places), batch):
            here = places[first : first + batch]
            yield here, [make_window(dataset[clip], dataset.skeleton, frame, 1, size) for clip, frame in here]

    with (
        Ahead(load(), size=1) as loaded,
        tqdm(total=len(places), desc=f"predict {dataset.name} {dataset.split}", unit="frame", disable=not progress) as bar,
    ):
        for here, windows in loaded:
            frames = torch.from_numpy(np.concatenate([window.frames for window in windows])).to(device)
            found, heights = decode_movenet(model.heads(normalize(frames, "rgb_symmetric")), 4.0)
            for (clip, frame), window, points, values in zip(
                here, windows, found.cpu().numpy(), heights.cpu().numpy(), strict=True
            ):
                source = apply_affine(points, invert_affine(window.affine))
                joints[clip][frame], confidence[clip][frame] = in_joints_of(dataset.skeleton, source, values)
            bar.update(len(here))
    return Predictions(tuple(clip.id for clip in dataset), joints, confidence, [None] * len(dataset), window=1)


def in_joints_of(skeleton: Skeleton, joints: np.ndarray, confidence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn MoveNet's joints (17,2) and confidences (17,) into those of a skeleton, NaN where it has no counterpart."""
    coco = get_skeleton("coco")
    points, states = convert_joints(joints, np.full(JOINTS, VISIBLE, np.uint8), coco, skeleton)
    nose = coco.index("nose")
    heights = np.full(len(skeleton), confidence.min(), np.float32)
    for ours, theirs in known_joints(skeleton).items():
        heights[ours] = confidence[theirs]
        if theirs == nose:
            points[ours], states[ours] = joints[nose], VISIBLE
    missing = states != VISIBLE
    points[missing], heights[missing] = np.nan, np.nan
    return points, heights
