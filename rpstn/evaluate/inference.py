"""Running a network over clips: source pixels in, joints in source pixels out, one window or a whole split.

Each clip is cut into windows of `window` frames that do not overlap, so every frame is predicted and scored once. The last window
of a clip is as short as what is left: a recurrent network is reset at each window's first frame, and a window moved back over
frames already seen would give its frames more history than the others have.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rpstn.datasets import DATASETS
from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.transforms import apply_affine, invert_affine
from rpstn.datasets.windows import Window, make_window
from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models.checkpoints import check_fold
from rpstn.models.pixels import normalize
from rpstn.runs.ahead import Ahead
from rpstn.runs.progress import tqdm
from rpstn.skeletons import Skeleton, skeleton_of

Span = tuple[int, int, int]  # a window: index of its clip, first frame, number of frames


@dataclass(frozen=True)
class WindowPrediction:
    """One window with all that the network says of it, as NumPy.

    window      frames, true joints and visibility in input pixels.
    heatmaps    (T,K,h,w).
    joints      (T,K,2) input pixels; confidence (T,K).
    relations   (T,K,K) or None; kernels (T-1,C,k,k) or None.
    """

    window: Window
    heatmaps: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    relations: np.ndarray | None
    kernels: np.ndarray | None


def predict_clips(
    model: torch.nn.Module,
    metadata: dict[str, Any],
    dataset: ClipDataset,
    window: int = 8,
    *,
    batch: int = 8,
    flip_test: bool = False,
    refine: str = "gaussian",
    amp: bool = False,
    progress: bool = True,
) -> Predictions:
    """Predict the joints of every frame of every clip, in source pixels.

    model     in evaluation mode, on the device it is to run on: frames (B,T,3,S,S) -> heatmaps (B,T,K,h,w), relations or None.
    metadata  of the checkpoint: "skeleton", "size" (S, input pixels), "input".
    window    frames that go through the network at once; 0: whole clips.
    refine    how a position is found within a heatmap's pixel, see `rpstn.heatmaps.decode`.
    The crop of a window is the smallest box that holds the person's boxes in all its frames, without augmentation: the longer a
    window, the smaller a person who moves is in it, so windows as long as in training suit best.
    Raises UserError where the checkpoint does not fit the data set (`check_checkpoint`).
    """
    check_checkpoint(metadata, dataset)
    joints = [np.full((len(clip), len(dataset.skeleton), 2), np.nan, np.float32) for clip in dataset]
    confidence = [np.full((len(clip), len(dataset.skeleton)), np.nan, np.float32) for clip in dataset]
    relations: list[np.ndarray | None] = [None] * len(dataset)
    spans = cut_windows([len(clip) for clip in dataset], window)
    size, frames = metadata["size"], sum(length for *_, length in spans)

    def load() -> Iterator[tuple[list[Span], list[Window]]]:
        for some in batched(sorted(spans, key=lambda span: -span[2]), batch):  # the longest first
            yield some, [make_window(dataset[clip], dataset.skeleton, start, length, size) for clip, start, length in some]

    with (
        Ahead(load(), size=1) as loaded,
        tqdm(total=frames, desc=f"predict {dataset.name} {dataset.split}", unit="frame", disable=not progress) as bar,
    ):
        for some, windows in loaded:
            stack = torch.from_numpy(np.stack([part.frames for part in windows]))
            heatmaps, relation, _ = run_model(model, metadata, dataset.skeleton, stack, flip_test=flip_test, amp=amp)
            positions, heights = (value.cpu().numpy() for value in decode(heatmaps, size / heatmaps.shape[-1], refine))
            for row, ((clip, start, length), part) in enumerate(zip(some, windows, strict=True)):
                here = slice(start, start + length)
                joints[clip][here] = apply_affine(positions[row], invert_affine(part.affine))
                confidence[clip][here] = heights[row]
                if relation is not None:
                    whole = relations[clip]
                    if whole is None:
                        whole = relations[clip] = np.zeros((len(dataset[clip]), *relation.shape[2:]), np.float32)
                    whole[here] = relation[row].cpu().numpy()
            bar.update(sum(length for *_, length in some))
    return Predictions(
        ids=tuple(clip.id for clip in dataset), joints=joints, confidence=confidence, relations=relations, window=window
    )


def predict_window(
    model: torch.nn.Module, metadata: dict[str, Any], clip: Clip, start: int = 0, length: int | None = None
) -> WindowPrediction:
    """Predict one window of one clip, heatmaps and kernels included, for figures.

    length None: to the clip's end. Raises UserError for frames outside the clip and for a clip of other joints.
    """
    skeleton = skeleton_of(metadata)
    if length is None:
        length = len(clip) - start
    if not (0 <= start and 0 < length and start + length <= len(clip)):
        raise UserError(f"clip {clip.id!r} has {len(clip)} frames; {length} frames from frame {start} do not lie in it")
    if clip.visibility.shape[1] != len(skeleton):
        raise UserError(
            f"clip {clip.id!r} has {clip.visibility.shape[1]} joints and the checkpoint {len(skeleton)} "
            f"({skeleton.name}); choose a clip of a data set with that skeleton"
        )
    window = make_window(clip, skeleton, start, length, metadata["size"])
    frames = torch.from_numpy(np.ascontiguousarray(window.frames))[None]
    heatmaps, relations, kernels = run_model(model, metadata, skeleton, frames)
    joints, confidence = decode(heatmaps, metadata["size"] / heatmaps.shape[-1])
    always = [value[0].float().cpu().numpy() for value in (heatmaps, joints, confidence)]
    at_times = [None if value is None else value[0].float().cpu().numpy() for value in (relations, kernels)]
    return WindowPrediction(window, *always, *at_times)


@torch.inference_mode()
def run_model(
    model: torch.nn.Module,
    metadata: dict[str, Any],
    skeleton: Skeleton,
    frames: torch.Tensor,
    *,
    flip_test: bool = False,
    amp: bool = False,
) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
    """Run a network on uint8 frames (B,T,S,S,3): heatmaps (B,T,K,h,w) float32, relations (B,T,K,K) or None, kernels or None.

    With flip_test, heatmaps and relations are means over the frames and their mirror image, joints swapped left and right.
    """
    parameter = next(model.parameters(), None)
    device = torch.device("cpu") if parameter is None else parameter.device
    pixels = normalize(frames.to(device), metadata["input"])
    with torch.autocast(device.type, torch.bfloat16, enabled=amp):
        output = model(pixels)
        mirrored = model(pixels.flip(-1)) if flip_test else None
    heatmaps, relations = output.heatmaps.float(), output.relations
    if mirrored is not None:
        swap = list(skeleton.flip_permutation)
        heatmaps = (heatmaps + mirrored.heatmaps.float().flip(-1)[:, :, swap]) / 2
        if relations is not None:
            relations = (relations + mirrored.relations[:, :, swap][..., swap]) / 2
    return heatmaps, relations, output.kernels


def check_checkpoint(metadata: Mapping[str, Any], dataset: ClipDataset, where: str | Path = "the checkpoint") -> None:
    """Raise UserError where a checkpoint has other joints than the data set, or was trained on another of its splits.

    Everything that predicts the clips of a data set comes through here. where: how an error calls the checkpoint.
    """
    trained, given = skeleton_of(metadata), dataset.skeleton
    if (trained.name, trained.joints) != (given.name, given.joints):
        raise UserError(
            f"{where} finds the {len(trained)} joints of skeleton {trained.name!r}, but data set "
            f"{dataset.name!r} has the {len(given)} joints of {given.name!r}; evaluate it on a data set with "
            f"skeleton {trained.name!r}, or with convert_to {trained.name}, or train one with "
            f"`rpstn train --dataset {dataset.name}`"
        )
    check_fold(metadata, dataset.fold, where)


def trained_on(metadata: Mapping[str, Any], where: str | Path) -> str:
    """Name the data set that a checkpoint was trained on. Raises UserError, which calls it `where`, for an unknown one."""
    name: str = metadata["dataset"]
    if name not in DATASETS:
        raise UserError(
            f"{where} was trained on {name!r}, which is no data set of this package; name the one to use as dataset: "
            f"{', '.join(DATASETS)}"
        )
    return name


def cut_windows(lengths: Sequence[int], window: int) -> list[Span]:
    """Cut clips of these lengths into windows without overlap, in order; the last of a clip is as short as what is left.

    window  frames; 0: whole clips.
    """
    return [
        (clip, start, min(window or length, length - start))
        for clip, length in enumerate(lengths)
        for start in range(0, length, window or length)
    ]


def batched(spans: Iterable[Span], batch: int) -> Iterator[list[Span]]:
    """Join neighbors of one length to batches."""
    for _, same_length in groupby(spans, key=lambda span: span[2]):
        alike = list(same_length)
        yield from (alike[first : first + batch] for first in range(0, len(alike), batch))
