"""Checkpoints: a network, what it computes, and what it was trained for, in one file of plain values and tensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from rpstn.errors import UserError
from rpstn.models.rpstn import RPSTN, RPSTNConfig
from rpstn.runs import replacing
from rpstn.skeletons import Skeleton, skeleton_of

if TYPE_CHECKING:
    from rpstn.models.image import FrameByFrame

FORMAT = 1
META = ("skeleton", "size", "sigma", "frames", "dataset", "input")


def save_atomically(values: dict, path: str | Path) -> None:
    """torch.save, but a reader finds the old file or the new one, never a part."""
    with replacing(path) as temporary:
        torch.save(values, temporary)


def save_checkpoint(path: str | Path, model: RPSTN | FrameByFrame, meta: dict, *, half: bool = False) -> None:
    """Writes a checkpoint.

    model an RPSTN, or an image network of `rpstn.models.image_config.image_model`.
    meta  skeleton (name), size (input px), sigma (heatmap px), frames (clip length in training), dataset (name),
          input (what the pixels are); more may follow.
    half  weights as float16, for files that are shipped: half the size, and scores that differ by less than their interval.
    """
    missing = [key for key in META if key not in meta]
    if missing:
        raise ValueError(f"a checkpoint's meta lacks {', '.join(missing)}")
    state = model.state_dict()
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    save_atomically({"format": FORMAT, "config": model.config.to_dict(), "meta": dict(meta), "state_dict": state}, path)


def read_checkpoint(path: str | Path) -> dict:
    """The file's content, checked; raises UserError for a missing, broken or foreign file."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no checkpoint at {path}; train one with `rpstn train`, or give the path of an existing .pt file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds, from pickle's to its own
        raise UserError(
            f"{path} cannot be read as a checkpoint ({type(error).__name__}); train again, or give another file"
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT or not {"config", "meta", "state_dict"} <= content.keys():
        raise UserError(f"{path} is not an RPSTN checkpoint of format {FORMAT}; give a file that `rpstn train` wrote")
    return content


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> tuple[RPSTN | FrameByFrame, dict]:
    """The network in eval mode, float32, and its meta (with "config" added).

    An RPSTN, or an image network as one of clips: both take frames (B,T,3,H,W) and return an RPSTNOutput.
    """
    content = read_checkpoint(path)
    try:
        if "network" in content["config"]:
            from rpstn.models.image_config import ImageConfig, image_model  # late: they need this module

            model: RPSTN | FrameByFrame = image_model(ImageConfig(**content["config"]))
        else:
            model = RPSTN(RPSTNConfig.from_dict(content["config"]))
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: its network is not one of this version ({error}); train again, or update rpstn") from error
    try:
        model.load_state_dict(content["state_dict"], strict=True)
    except RuntimeError as error:
        raise UserError(
            f"{path}: the weights do not fit the network it names; the file is damaged, use another. {error}"
        ) from error
    return model.eval().to(device), {**content["meta"], "config": content["config"]}


def start_from(model: RPSTN, path: str | Path, skeleton: Skeleton | None = None) -> list[str]:
    """Starts a network from another's checkpoint: what both have is copied.

    The checkpoint's encoder and head, trained frame by frame, become this network's encoder and head and, where the
    backbones are the same, its initializer too: P and F answer the same question. Returns the names of the modules copied.
    skeleton  of the data that this network is to learn, where it may be one that only the checkpoint describes.
    Raises UserError where the joints or the encoder differ.
    """
    content = read_checkpoint(path)
    if "network" in content["config"]:
        raise UserError(f"{path} holds the image network {content['config']['network']}, not an RPSTN; start from an RPSTN")
    other = RPSTNConfig.from_dict(content["config"])
    trained = skeleton_of(content["meta"])
    alike = (other.joints, other.skeleton) == (model.config.joints, model.config.skeleton)
    if not alike or (skeleton is not None and trained.joints != skeleton.joints):
        wanted = skeleton.name if skeleton is not None else model.config.skeleton
        raise UserError(
            f"{path} is for {other.joints} joints of skeleton {trained.name}, this network for {model.config.joints} of "
            f"{wanted}; start from a checkpoint of the same skeleton: train that one with convert_to {wanted}"
        )
    if other.input != model.config.input:
        raise UserError(f"{path} expects input {other.input}, this network {model.config.input}; choose the same input")
    if other.encoder != model.config.encoder:
        raise UserError(f"{path} has encoder {other.encoder}, this network {model.config.encoder}; choose the same encoder")
    state = content["state_dict"]
    copies = {"encoder": "encoder", "head": "head"}
    if any(key.startswith("norm.") for key in state) and isinstance(model.norm, nn.BatchNorm2d):
        copies["norm"] = "norm"
    if model.config.propagation != "none":
        if other.propagation != "none" and other.initializer == model.config.initializer:
            copies |= {"initializer": "initializer", "initializer_head": "initializer_head"}
        elif other.encoder == model.config.initializer:
            copies |= {"initializer": "encoder", "initializer_head": "head"}
        if other.propagation == model.config.propagation:
            copies |= {"propagator": "propagator"} if other.propagation == "matching" else {"fuse": "fuse", "join": "join"}
    if model.relation is not None and other.relation == model.config.relation:
        copies["relation"] = "relation"
    for target, source in copies.items():
        part = {key[len(source) + 1 :]: value for key, value in state.items() if key.startswith(f"{source}.")}
        getattr(model, target).load_state_dict(part, strict=True)
    return list(copies)
