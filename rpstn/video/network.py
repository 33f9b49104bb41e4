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
from rpstn.models.convolutions import fuse
from rpstn.models.movenet import WIDTHS
from rpstn.models.pixels import normalize
from rpstn.models.rpstn import RPSTN, State, move_state
from rpstn.runs.devices import choose_device, use_bf16
from rpstn.skeletons import Skeleton, skeleton_of
from rpstn.video.tracking import PADDING


class Memory(NamedTuple):
    """What a frame leaves for the next one, and the crop (4,) in px of the frame, without padding, in which it was seen."""

    state: State
    box: np.ndarray


class Look(NamedTuple):
    """What the network makes of one crop of a frame.

    box        (4,) px of the frame, the crop without its padding.
    joints     (K,2) px of the frame; confidence (K,).
    relation   (K,K), or None for a network without.
    memory     what the next frame is to be given; None for an image network.
    """

    box: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    relation: np.ndarray | None
    memory: Memory | None


class PoseNetwork:
    """Look at crops of frames with a checkpoint's network. RPSTN's state is passed along; an image network has none.

    model      becomes this object's own: on a CPU its convolutions are fused, which changes numbers by their rounding.
    precision  "fp32", "bf16", or "auto": bfloat16 on a CPU that computes it, for networks with MoveNet's features, which take
               half the time then; their joints move by 0.2 % of the person (median), and score alike.
    """

    def __init__(
        self, model: torch.nn.Module, metadata: Mapping[str, Any], device: torch.device, precision: str = "auto"
    ) -> None:
        config: Any = getattr(model, "config", None)
        pays = device.type == "cpu" and getattr(config, "encoder", None) in WIDTHS
        self.bf16 = use_bf16(precision, device) and (pays or precision != "auto")
        self.model, self.metadata, self.device = model.to(device).eval(), metadata, device
        if device.type == "cpu":
            self.model = fuse(self.model, fold=True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.moves = isinstance(model, RPSTN) and (config.carry != "none" or config.propagation == "concat")
        self.skeleton: Skeleton = skeleton_of(metadata)

    @property
    def sums(self) -> str:
        """What of a relation sums to one: "rows", or "columns" in the released layout."""
        config: Any = self.model.config
        return "columns" if config.relation_layout == "released" else "rows"

    @classmethod
    def load(cls, checkpoint: str | Path, device: str | torch.device = "auto", precision: str = "auto") -> PoseNetwork:
        """Load a checkpoint. Raises UserError for one, or a device, that cannot be used."""
        chosen = choose_device(device)  # before the checkpoint is read
        return cls(*load_checkpoint(checkpoint), chosen, precision)

    @classmethod
    def of(
        cls, model: torch.nn.Module, metadata: Mapping[str, Any], device: str = "auto", precision: str = "auto"
    ) -> PoseNetwork:
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
        return cls(copy.deepcopy(model), metadata, chosen, precision)

    @torch.inference_mode()
    def look(self, pixels: np.ndarray, box: np.ndarray, memory: Memory | None = None) -> Look:
        """Look at the crop around `box` (4,) in pixels (H,W,3) uint8 RGB. memory: what the frame before left; None at first."""
        size = self.metadata["size"]
        affine = crop_affine(box, size, padding=PADDING)
        crop = torch.from_numpy(warp(pixels[None], affine, size)).to(self.device)
        frame = normalize(crop, self.metadata["input"])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            if isinstance(self.model, RPSTN):
                output, state = self.model.step(frame, None if memory is None else self._state_in(box, memory))
                memory = Memory(state, box)
            else:
                output, memory = self.model(frame[:, None]), None
        heatmaps = output.heatmaps[0, 0].float()
        joints, confidence = decode(heatmaps, size / heatmaps.shape[-1])
        return Look(
            box,
            apply_affine(joints.cpu().numpy(), invert_affine(affine)),
            confidence.cpu().numpy(),
            None if output.relations is None else output.relations[0, 0].float().cpu().numpy(),
            memory,
        )

    def _state_in(self, box: np.ndarray, memory: Memory) -> State:
        """Return a state as it lies in a crop: moved there, where the network carries positions and the crop has changed.

        Matching alone looks everywhere for what it carries: it does not matter to it where that lay.
        """
        if not self.moves or np.array_equal(memory.box, box):
            return memory.state
        size = self.metadata["size"]
        before, now = (crop_affine(each, size, padding=PADDING) for each in (memory.box, box))
        return move_state(memory.state, before, now, size)
