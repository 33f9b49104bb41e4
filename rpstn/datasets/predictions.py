"""Predictions of a network for whole clips, separate from the network that made them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.clip import ClipDataset
from rpstn.errors import UserError
from rpstn.runs.files import replacing
from rpstn.runs.paths import expanded


@dataclass(frozen=True)
class Predictions:
    """One entry per clip, in the data set's order.

    ids         the clips' names.
    joints      list of (T,K,2) float32, pixels of the source image.
    confidence  list of (T,K) float32, heights of the heatmaps' peaks.
    relations   list of (T,K,K) float32, or of None for a network without relations.
    window      frames after which the network was reset; 0: it saw whole clips.
    """

    ids: tuple[str, ...]
    joints: list[np.ndarray]
    confidence: list[np.ndarray]
    relations: list[np.ndarray | None]
    window: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def check(self, dataset: ClipDataset) -> None:
        """Raise UserError unless these are predictions for exactly the data set's clips."""
        ids = tuple(clip.id for clip in dataset)
        lengths = [len(clip) for clip in dataset]
        if ids != self.ids or lengths != [len(joints) for joints in self.joints]:
            raise UserError(
                f"these predictions ({len(self)} clips) are not for the {len(ids)} clips of {dataset.name} "
                f"{dataset.split}; open the split, fold and root that they were made on"
            )

    def save(self, path: Path) -> None:
        """Write a .npz, whole or not at all."""
        arrays: dict[str, Any] = {
            "ids": np.array(self.ids, dtype=np.str_),
            "lengths": np.array([len(joints) for joints in self.joints], dtype=np.int64),
            "window": np.array(self.window),
            "joints": np.concatenate(self.joints).astype(np.float32),
            "confidence": np.concatenate(self.confidence).astype(np.float32),
        }
        relations = [relation for relation in self.relations if relation is not None]
        if relations and len(relations) == len(self):
            arrays["relations"] = np.concatenate(relations).astype(np.float32)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @staticmethod
    def load(path: Path) -> Predictions:
        """Read what `save` wrote; raises UserError for a file that is missing or something else."""
        try:
            with np.load(expanded(path), allow_pickle=False) as file:
                arrays = dict(file)
            ends = np.cumsum(arrays["lengths"])[:-1]
            ids = tuple(str(name) for name in arrays["ids"])
            relations: list[np.ndarray | None] = [None] * len(ids)
            if "relations" in arrays:
                relations = list(np.split(arrays["relations"], ends))
            return Predictions(
                ids=ids,
                joints=np.split(arrays["joints"], ends),
                confidence=np.split(arrays["confidence"], ends),
                relations=relations,
                window=int(arrays["window"]),
            )
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not a predictions file ({error}); make it with `rpstn evaluate`") from error
