"""Which confidence is low: measured for a checkpoint, on clips whose joints are known.

A joint's confidence is the height of its heatmap's peak. Targets have peaks of 1, but what a network reaches depends on the
network: one that was trained longer, or on easier images, is more confident. So the limits are read off labeled clips that
the checkpoint was not trained on, its val split, streamed as a video is, with the labels' boxes:

    hidden_below   the confidence under which one VISIBLE joint in ten lies. A joint below it is called hidden.
    lost_below     the mean confidence over the joints under which one frame in a hundred lies. Below it no person was found.
    confident_from the mean confidence under which one frame in four lies. A search that has found as much looks no further.

Confidence distinguishes a hidden joint from a seen one only in part: a network that carries the pose is often confident of a
joint that it cannot see, which is its purpose. `hidden_detected` says which share of the occluded joints lies below the limit,
and `correct` which share of the joints below and above it is within 0.2 of the person's size. "Hidden" in what `rpstn predict`
writes means: the network does not see it well.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.datasets.convert import convert_dataset
from rpstn.datasets.parts import parts_of
from rpstn.errors import UserError
from rpstn.evaluate.inference import check_checkpoint
from rpstn.evaluate.scoring import EvaluateConfig, as_trained
from rpstn.models.calibration import Calibration, calibration_file, calibration_of, checksum
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import find_weights, shipped_weights
from rpstn.runs.files import write_json
from rpstn.runs.progress import tqdm
from rpstn.skeletons import skeleton_of
from rpstn.video.network import PoseNetwork
from rpstn.video.predict import predict_streamed
from rpstn.video.tracking import Following

QUANTILE_HIDDEN, QUANTILE_LOST, QUANTILE_CONFIDENT = 0.10, 0.01, 0.25
LONGEST = 100  # frames of a clip that are held at once


def calibrate(
    checkpoint: str | Path, dataset: ClipDataset, *, frames: int = 0, device: str | torch.device = "auto", progress: bool = True
) -> Calibration:
    """Measure the limits on a ClipDataset with the checkpoint's skeleton, streamed as videos are, with the labels' boxes.

    frames  about so many of them, in clips spread evenly over the data set; 0: all.
    A clip of more than LONGEST frames is streamed in parts, so that any fits the memory; one whose boxes show nobody is left
    out. Raises UserError where the skeletons differ and where no joint is visible.
    """
    checkpoint = find_weights(checkpoint)
    network = PoseNetwork.load(checkpoint, device)
    check_checkpoint(dict(network.metadata), dataset)
    clips, found, fault = [], [], None
    parts = [part for clip in dataset for part in parts_of(clip, LONGEST)]
    for clip in tqdm(_spread(parts, frames), desc=f"calibrate {dataset.name}", unit="clip", disable=not progress):
        try:
            part, _ = predict_streamed(network, replace(dataset, clips=(clip,)), Following(), progress=False)
        except UserError as error:  # such as of a person four pixels tall
            fault = error
            continue
        clips.append(clip)
        found.append(part)
    if not clips:
        raise fault or UserError(f"data set {dataset.name}, split {dataset.split}: there are no clips to calibrate on")
    some = "" if len(clips) == len(parts) else f"{sum(map(len, clips))} frames of "
    return _measured(
        f"{dataset.name}, {some}split {dataset.split}, streamed with its boxes",
        checksum(checkpoint),
        clips,
        np.concatenate([part.joints[0] for part in found]),
        np.concatenate([part.confidence[0] for part in found]),
    )


def _spread(clips: Sequence[Clip], frames: int) -> list[Clip]:
    """Clips with about so many frames, spread evenly over all; all for 0."""
    length = sum(map(len, clips)) / max(len(clips), 1)
    count = min(max(int(frames / length), 1), len(clips)) if frames and length else len(clips)
    return [clips[index] for index in np.linspace(0, len(clips) - 1, count).round().astype(int)]


def _measured(where: str, checksum: str, clips: Sequence[Clip], joints: np.ndarray, confidence: np.ndarray) -> Calibration:
    visibility = np.concatenate([clip.visibility for clip in clips])
    truth = np.concatenate([clip.joints for clip in clips])
    sizes = np.concatenate([clip.boxes[:, 2:].max(axis=1) for clip in clips])
    looked = ~np.isnan(confidence)  # a frame whose box lies outside of it is not looked at
    seen, occluded = looked & (visibility == 2), looked & (visibility == 1)
    if not seen.any():
        raise UserError(f"{where}: no joint is visible; calibrate on another data set")
    low = float(np.quantile(confidence[seen], QUANTILE_HIDDEN))
    lost, confident = np.quantile(confidence[seen.any(axis=1)].mean(axis=1), (QUANTILE_LOST, QUANTILE_CONFIDENT))
    below = confidence < low
    correct = np.linalg.norm(joints - truth, axis=-1) <= 0.2 * sizes[:, None]
    known = seen | occluded
    return Calibration(
        hidden_below=round(low, 4),
        lost_below=round(float(lost), 4),
        confident_from=round(float(confident), 4),
        measured_on=where,
        joints=int(seen.sum()),
        frames=len(confidence),
        hidden_detected=round(float(below[occluded].mean()), 4) if occluded.any() else None,
        correct={
            name: round(float(correct[known & part].mean()), 4) if (known & part).any() else None
            for name, part in (("below", below), ("above", ~below))
        },
        sha256=checksum,
    )


def calibrate_run(
    checkpoint: Path, dataset: ClipDataset, frames: int, device: str | torch.device = "auto", progress: bool = True
) -> None:
    """Measure a run's checkpoint on its val split, and write the limits next to it; once, and not where frames is 0.

    A split that does not allow it, such as one without a visible joint, is a warning: the limits are then assumed.
    """
    if not frames or calibration_of(checkpoint).measured_on:
        return
    try:
        found = calibrate(checkpoint, dataset, frames=frames, device=device, progress=progress)
    except UserError as error:
        warnings.warn(f"{checkpoint}: which confidences are low could not be measured ({error})", stacklevel=2)
    else:
        write_json(calibration_file(checkpoint), asdict(found))


def calibrate_file(
    checkpoint: str | Path,
    dataset: str | None = None,
    root: str | Path | None = None,
    split: str = "val",
    fold: int | None = None,
) -> Path:
    """Measure a checkpoint's limits on a data set by its name, and write them next to it; return the file.

    dataset  None: the one that the checkpoint was trained on, and its fold.
    Raises UserError as `calibrate` does, where the data set is not there, and for weights that come with the package: their
    limits come with them, and are the same for everybody.
    """
    checkpoint = find_weights(checkpoint)
    if checkpoint.resolve() in {path.resolve() for path in shipped_weights().values()}:
        raise UserError(
            f"{checkpoint.name} comes with the package and has its limits, which are not replaced; copy the file, for example "
            f"with cp {checkpoint} . and calibrate the copy"
        )
    _, metadata = load_checkpoint(checkpoint)
    config = as_trained(EvaluateConfig(checkpoint, dataset, fold=fold), metadata)
    opened = open_dataset(str(config.dataset), root, split=split, fold=config.fold or 1)
    found = calibrate(checkpoint, convert_dataset(opened, skeleton_of(metadata)))
    return write_json(calibration_file(checkpoint), asdict(found))
