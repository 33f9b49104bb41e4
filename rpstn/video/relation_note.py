"""What the relation does in one video, measured on a few of its frames once the poses are there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from rpstn.datasets.transforms import crop_affine, warp
from rpstn.models.effect import RelationEffect, relation_effect
from rpstn.models.pixels import normalize
from rpstn.video.network import PoseNetwork
from rpstn.video.stream import LOST
from rpstn.video.tracking import PADDING

EVERY, MOST = 4, 12  # one frame in so many is kept, and so many at most


class RelationNote:
    """Keep the crops of a few frames, and measure what the relation does to them."""

    def __init__(self, network: PoseNetwork) -> None:
        self.network = network
        self.crops: list[np.ndarray] = []
        self.frames = 0

    def see(self, pixels: np.ndarray, box: np.ndarray | None) -> None:
        """Take the next frame (H,W,3) and where somebody was found in it, (4,) or None; every fourth frame is kept."""
        wanted = self.frames % EVERY == 0 and len(self.crops) < MOST
        self.frames += 1
        if wanted and box is not None and getattr(self.network.model, "relation", None) is not None:
            size = self.network.metadata["size"]
            self.crops.append(warp(pixels[None], crop_affine(box, size, padding=PADDING), size)[0])

    def effect(self) -> RelationEffect | None:
        """Measure what the relation does in the frames kept; None without any, as for a network without relations."""
        if not self.crops:
            return None
        crops = torch.from_numpy(np.stack(self.crops))[:, None].to(self.network.device)
        return relation_effect(self.network.model, normalize(crops, self.network.metadata["input"]))

    def notes(self) -> list[str]:
        """Say how many joints the relation moves, and whether that is none."""
        effect = self.effect()
        number = f"{len(self.crops)} frame{'s'[: len(self.crops) > 1]}"
        return [] if effect is None else [f"relation, in {number} looked at: {effect.words}"]


def found_box(entry: Mapping[str, Any]) -> np.ndarray | None:
    """Get the box of the first person who is not lost from a frame's entry in poses.json.

    It is rounded there, so that a resumed run, which reads it, says what an uninterrupted one does.
    """
    return next((np.array(person["bbox"]) for person in entry["people"] if person["status"] != LOST), None)
