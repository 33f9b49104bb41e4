"""What a network sees in one crop of one frame: pixels and a box in, joints in pixels of the frame out."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from rpstn.datasets.transforms import apply_affine, crop_affine, invert_affine, warp
from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.config import check_size
from rpstn.models.pixels import normalize
from rpstn.models.rpstn import RPSTN, State
from rpstn.runs.devices import choose_device
from rpstn.skeletons import Skeleton, skeleton_of
from rpstn.video.tracking import PADDING


class Look(NamedTuple):
    """What the network makes of one crop of a frame.

    box        (4,) px of the frame, the crop without its padding.
    joints     (K,2) px of the frame; confidence (K,).
    relation   (K,K), or None for a network without.
    state      what the next frame is to be given.
    """

    box: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    relation: np.ndarray | None
    state: State | None


class PoseNetwork:
    """Look at crops of frames with a checkpoint's network. RPSTN's state is passed along; an image network has none."""

    def __init__(self, model: torch.nn.Module, metadata: Mapping[str, Any], device: torch.device) -> None:
        self.model, self.metadata, self.device = model.to(device).eval(), metadata, device
        self.skeleton: Skeleton = skeleton_of(metadata)

    @property
    def sums(self) -> str:
        """What of a relation sums to one: "rows", or "columns" in the released layout."""
        config: Any = self.model.config
        return "columns" if config.relation_layout == "released" else "rows"

    @classmethod
    def load(cls, checkpoint: str | Path, device: str | torch.device = "auto") -> PoseNetwork:
        """Load a checkpoint. Raises UserError for one, or a device, that cannot be used."""
        chosen = choose_device(device)  # before the checkpoint is read
        return cls(*load_checkpoint(checkpoint), chosen)

    @classmethod
    def of(cls, model: torch.nn.Module, metadata: Mapping[str, Any], device: str = "auto") -> PoseNetwork:
        """Take a network in memory with a checkpoint's metadata: a copy on the device, so that the caller's stays as it is.

        Raises UserError where they are no such pair.
        """
        chosen = choose_device(device)
        known = metadata if isinstance(metadata, Mapping) else {}
        lacking = [name for name in ("skeleton", "size", "input") if name not in known]
        if not isinstance(model, torch.nn.Module) or lacking:
            lacks = f", which lacks {', '.join(lacking)}" if lacking else ""
            raise UserError(
                f"({type(model).__name__}, {type(metadata).__name__}) is no network with its metadata{lacks}; give the pair that "
                "rpstn.load_checkpoint returns"
            )
        config = getattr(model, "config", None)
        for name, stated in (("joints", len(skeleton_of(metadata))), ("input", metadata["input"])):
            if getattr(config, name, None) != stated:
                raise UserError(
                    f"the network has {name} {getattr(config, name, None)}, its metadata says {stated}; correct the metadata"
                )
        try:
            check_size(metadata["size"], metadata["size"])
        except (TypeError, ValueError) as error:
            raise UserError(f"the metadata has size {metadata['size']!r}: {error}") from None
        return cls(copy.deepcopy(model), metadata, chosen)

    @torch.inference_mode()
    def look(self, pixels: np.ndarray, box: np.ndarray, state: State | None = None) -> Look:
        """Look at the crop around `box` (4,) in pixels (H,W,3) uint8 RGB. state: what the frame before left; None at first."""
        size = self.metadata["size"]
        affine = crop_affine(box, size, padding=PADDING)
        crop = torch.from_numpy(warp(pixels[None], affine, size)).to(self.device)
        frame = normalize(crop, self.metadata["input"])
        if isinstance(self.model, RPSTN):
            output, state = self.model.step(frame, state)
        else:
            output, state = self.model(frame[:, None]), None
        heatmaps = output.heatmaps[0, 0].float()
        joints, confidence = decode(heatmaps, size / heatmaps.shape[-1])
        return Look(
            box,
            apply_affine(joints.cpu().numpy(), invert_affine(affine)),
            confidence.cpu().numpy(),
            None if output.relations is None else output.relations[0, 0].float().cpu().numpy(),
            state,
        )
