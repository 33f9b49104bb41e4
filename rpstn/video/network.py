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
from rpstn.models.pixels import normalize
from rpstn.models.rpstn import RPSTN, State, check_size
from rpstn.runs.devices import choose_device
from rpstn.skeletons import Skeleton, skeleton_of
from rpstn.video.tracking import PADDING


class Look(NamedTuple):
    """What the network makes of one crop: joints (K,2) px of the frame, confidence (K,), relation (K,K) or None, and its new
    state.
    """

    joints: np.ndarray
    confidence: np.ndarray
    relation: np.ndarray | None
    state: State | None


class PoseNetwork:
    """A checkpoint's network on a device, looking at crops of frames. RPSTN's state is passed along; an image network has
    none.
    """

    def __init__(self, model: torch.nn.Module, metadata: Mapping[str, Any], device: torch.device) -> None:
        self.model, self.metadata, self.device = model.to(device).eval(), metadata, device
        self.skeleton: Skeleton = skeleton_of(metadata)

    @classmethod
    def load(cls, checkpoint: str | Path, device: str = "auto") -> PoseNetwork:
        """Raises UserError for a checkpoint or a device that cannot be used."""
        place = choose_device(device)
        return cls(*load_checkpoint(checkpoint), place)

    @classmethod
    def of(cls, model: torch.nn.Module, metadata: Mapping[str, Any], device: str = "auto") -> PoseNetwork:
        """Take a network in memory with a checkpoint's metadata: a copy on the device, so that the caller's stays as it is.

        Raises UserError where they are no such pair.
        """
        place = choose_device(device)
        known = metadata if isinstance(metadata, Mapping) else {}
        lacking = [name for name in ("skeleton", "size", "input") if name not in known]
        if not isinstance(model, torch.nn.Module) or lacking:
            lacks = f", which lacks {', '.join(lacking)}" if lacking else ""
            raise UserError(
                f"({type(model).__name__}, {type(metadata).__name__}) is no network with its metadata{lacks}; give the pair that "
                "rpstn.load_checkpoint returns"
            )
        config = getattr(model, "config", None)
        for name, told in (("joints", len(skeleton_of(metadata))), ("input", metadata["input"])):
            if getattr(config, name, None) != told:
                raise UserError(
                    f"the network has {name} {getattr(config, name, None)}, its metadata says {told}; correct the metadata"
                )
        try:
            check_size(metadata["size"], metadata["size"])
        except (TypeError, ValueError) as error:
            raise UserError(f"the metadata has size {metadata['size']!r}: {error}") from None
        return cls(copy.deepcopy(model), metadata, place)

    @torch.inference_mode()
    def look(self, pixels: np.ndarray, box: np.ndarray, state: State | None = None) -> Look:
        """pixels (H,W,3) uint8 RGB, box (4,) in them; state: what the frame before left, None to start anew."""
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
            apply_affine(joints.cpu().numpy(), invert_affine(affine)),
            confidence.cpu().numpy(),
            None if output.relations is None else output.relations[0, 0].float().cpu().numpy(),
            state,
        )
