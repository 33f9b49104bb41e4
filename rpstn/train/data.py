"""What a training run sees: its splits, and its batches one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DataLoader, Subset

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.convert import convert_dataset
from rpstn.datasets.windows import TrainingWindows
from rpstn.errors import UserError
from rpstn.skeletons import get_skeleton
from rpstn.train.config import DataConfig, TrainConfig


@dataclass(frozen=True)
class TrainingData:
    """The splits of a run, with the joints to be learned.

    training    clips to learn.
    validation  clips that choose the checkpoint.
    aux_dataset single images that fill a part of every batch, with the joints of the clips; None where there are none.
    """

    training: ClipDataset
    validation: ClipDataset
    aux_dataset: ClipDataset | None

    def checksums(self) -> dict[str, str]:
        """Return the checksum of each one's labels by its role: what the manifest says the run was given."""
        parts = {"train": self.training, "val": self.validation, "aux_dataset": self.aux_dataset}
        return {role: part.checksum() for role, part in parts.items() if part is not None}


def open_training_data(config: DataConfig) -> TrainingData:
    """Open the splits that a run asks for.

    Raises UserError for clips asked of single images, and for an aux_dataset of clips.
    """
    training, validation = (_open(config, split) for split in ("train", "val"))
    aux = None
    if config.aux_dataset is not None:
        images = open_dataset(config.aux_dataset, config.aux_root, split="train", skip_damaged=True)
        if max(map(len, images)) > 1:  # the train clips of one split may be the test clips of another
            raise UserError(
                f"aux_dataset is {config.aux_dataset}, which holds clips; give a data set of single images, such as lspet"
            )
        aux = convert_dataset(images, training.skeleton)
    return TrainingData(training, validation, aux)


def batches(config: TrainConfig, data: TrainingData, first: int, device: torch.device) -> Iterator[dict[str, torch.Tensor]]:
    """Yield parts of batches, from step `first` on. With an aux_dataset, each part ends with its share of images."""
    count = config.data.aux_count
    loaders = [_loader(config, data.training, config.data.part_size - count, first, config.seed, device)]
    if data.aux_dataset is not None:
        # Another seed, or an image would be rotated and colored as the clip's frame of the same number is.
        loaders.append(_loader(config, data.aux_dataset, count, first, (config.seed + 1) % 2**32, device))
    for parts in zip(*loaders, strict=True):
        joined = parts[0] if len(parts) == 1 else {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        yield {name: value.to(device, non_blocking=True) for name, value in joined.items()}


def _loader(config: TrainConfig, dataset: ClipDataset, size: int, first: int, seed: int, device: torch.device) -> DataLoader:
    """Load `size` windows of a data set at a time, `accumulate` times per step."""
    given, steps, batch = config.data, config.optimizer.steps, size * config.data.accumulate
    windows = TrainingWindows(
        dataset, given.frames, given.size, steps=steps, batch=batch, seed=seed, augmentation=given.augmentation
    )
    return DataLoader(
        Subset(windows, range(first * batch, steps * batch)),
        batch_size=size,
        num_workers=given.workers,
        pin_memory=device.type == "cuda",
    )


def _open(config: DataConfig, split: str) -> ClipDataset:
    dataset = open_dataset(config.dataset, config.root, split=split, fold=config.fold, skip_damaged=config.skip_damaged)
    if config.frames > 1 and max(map(len, dataset)) == 1:
        raise UserError(f"{dataset.name} holds single images, no clips of {config.frames} frames; train on it with frames 1")
    return dataset if config.convert_to is None else convert_dataset(dataset, get_skeleton(config.convert_to))
