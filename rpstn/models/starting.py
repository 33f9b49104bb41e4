"""Initializing a network from other weights: what both have is copied, and whatever does not fit is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from rpstn.errors import UserError
from rpstn.models.author_checkpoints import author_input, load_author_checkpoint
from rpstn.models.backbones import Encoder, PoseResNet
from rpstn.models.checkpoints import check_fold, naming_the_file, read_checkpoint
from rpstn.models.config import SHARED, RPSTNConfig
from rpstn.models.efficientnet import PoseEfficientNet, has_imagenet_keys, our_key
from rpstn.models.image import FrameByFrame, ImageConfig, WithRelation
from rpstn.models.movenet import PoseMoveNet
from rpstn.models.pixels import take_rgb
from rpstn.models.rpstn import RPSTN
from rpstn.models.state_dicts import load_strictly, read_state_dict
from rpstn.skeletons import Skeleton, skeleton_of


def start_from(model: RPSTN, path: str | Path, skeleton: Skeleton | None = None, fold: int | None = None) -> list[str]:
    """Initialize a network from another's checkpoint: what both have is copied. Return the names of the modules copied.

    The checkpoint's encoder and head, trained frame by frame, become this network's encoder and head and, where the backbones
    are the same, its initializer too: P and F have the same task.
    skeleton  of the data that this network is to learn, where it may be one that only the checkpoint describes.
    fold      split of that data (`check_fold`).
    Raises UserError for a damaged file, and where the joints, the encoder or the split differ.
    """
    content = read_checkpoint(path)
    if "network" in content["config"]:
        raise UserError(f"{path} holds the image network {content['config']['network']}, not an RPSTN; start from an RPSTN")
    check_fold(content["metadata"], fold, path)
    with naming_the_file(path):
        other = RPSTNConfig.from_dict(content["config"])
    trained = skeleton_of(content["metadata"])
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
        elif model.config.initializer == SHARED:
            copies |= {"initializer_head": "head"}
        elif other.encoder == model.config.initializer:
            copies |= {"initializer": "encoder", "initializer_head": "head"}
        if other.propagation == model.config.propagation:
            copies |= {"propagator": "propagator"} if other.propagation == "matching" else {"fuse": "fuse", "join": "join"}
    if "gated" == other.carry == model.config.carry:
        copies["carry"] = "carry"
    if model.relation is not None and other.relation == model.config.relation:
        copies["relation"] = "relation"
    for target, source in copies.items():
        part = {key[len(source) + 1 :]: value for key, value in state.items() if key.startswith(f"{source}.")}
        with naming_the_file(path):
            getattr(model, target).load_state_dict(part, strict=True)
    return list(copies)


def start_image_from(model: FrameByFrame, path: str | Path, fold: int | None = None) -> list[str]:
    """Initialize an image network from a checkpoint of the same one, with or without the JRE: what both have is copied.

    A JRE that the checkpoint lacks remains the identity. Returns the names of the modules copied.
    fold  split that this network is to be trained on (`rpstn.models.checkpoints.check_fold`).
    Raises UserError where the networks, their joints, inputs or splits differ.
    """
    content = read_checkpoint(path)
    check_fold(content["metadata"], fold, path)
    other, own = content["config"], _config(model)
    if "network" not in other:
        raise UserError(f"{path} holds an RPSTN, this network is {own.network}; give a checkpoint of that image network")
    for name in ("network", "joints", "skeleton", "input"):
        if other.get(name) != getattr(own, name):
            raise UserError(f"{path} has {name} {other.get(name)}, this network {getattr(own, name)}; choose the same")
    state = content["state_dict"]
    # With a JRE the network is one level deeper.
    deep = "network.network." if other.get("relation") == "on" else "network."
    parts = {"network": (_bare(model), deep)}
    alike = all(other.get(name) == getattr(own, name) for name in ("relation", "relation_layout", "relation_scale"))
    if model.relation is not None and alike:
        parts["relation"] = (model.relation, "network.relation.")
    for module, prefix in parts.values():
        part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        with naming_the_file(path):
            module.load_state_dict(part, strict=True)
    # The names as the model has them: with a JRE, everything is one level deeper.
    return [f"network.{name}" for name in parts] if model.relation is not None else list(parts)


def start_image_from_author(model: FrameByFrame, path: str | Path) -> bool:
    """Initialize an image network from an author checkpoint of SimpleBaseline or HRNet; see `load_author_checkpoint`.

    Its last layer is copied where the file has as many joints as the skeleton **and** the skeleton is the one that those files
    are for: COCO's with 17 joints, MPII's with 16. Elsewhere the last layer stays random. SimpleBaseline's authors used BGR:
    where this network takes RGB, its first layer is converted (`rpstn.models.pixels`). Returns whether the last layer was copied.
    Raises UserError for a file that does not fit.
    """
    state, _ = read_state_dict(path)
    last = state.get("final_layer.weight")
    config = _config(model)
    head = last is not None and len(last) == config.joints and config.skeleton in ("coco", "mpii")
    network = load_author_checkpoint(_bare(model), path, head=head)
    if isinstance(network, PoseResNet) and (author_input(config.network), config.input) == ("bgr_imagenet", "rgb_imagenet"):
        take_rgb(network)
    return head


def _bare(model: FrameByFrame) -> nn.Module:
    """Return the network without its JRE."""
    return model.network.network if isinstance(model.network, WithRelation) else model.network


def _config(model: FrameByFrame) -> ImageConfig:
    """Return the configuration that every trained network has."""
    if model.config is None:
        raise ValueError("this network has no configuration; make it with image_model")
    return model.config


def load_backbone(
    backbone: Encoder, path_or_state_dict: str | Path | Mapping[str, torch.Tensor], fold: int | None = None
) -> list[str]:
    """Initialize an encoder: a PoseResNet from SimpleBaseline, a torchvision ResNet or the encoder of one of our checkpoints.

    The depth must be the same; an RPSTN's joints may be others, since they do not concern the encoder. A classifier (`fc`) or
    last layer (`final_layer`) in the file is left out; a torchvision file has no `deconv_layers`, which are then kept.
    Everything else must fit. A PoseEfficientNet starts from ImageNet weights, which have no decoder; the path "imagenet" means
    those that the extra of that name installs. Returns the names of the modules loaded.
    fold  split that the network is to be trained on (`check_fold`), where the file is one of our own checkpoints.
    Raises UserError for a file that cannot be read, that does not fit, or that was trained on another split.
    """
    state, where = read_state_dict(path_or_state_dict)
    if isinstance(backbone, PoseMoveNet):
        # A MoveNet as its converted files have it, or the encoder of an RPSTN.
        state = {key.removeprefix("encoder.").removeprefix("network."): value for key, value in state.items()}
        taken = {key: (key, value) for key, value in state.items() if key.startswith(("pyramid.", "heatmaps."))}
        load_strictly(backbone, taken, where)
        return ["heatmaps", "pyramid"]
    if isinstance(backbone, PoseEfficientNet) and has_imagenet_keys(state):
        taken = {ours: (key, value) for key, value in state.items() if (ours := our_key(key)) is not None}
        load_strictly(backbone, taken, where, optional=("lateral.", "mix."))
        return sorted({key.split(".")[0] for key in taken})
    if {"encoder.conv1.weight", "encoder.stem.weight"} & state.keys():  # an RPSTN of ours: its encoder alone
        if fold is not None and not isinstance(path_or_state_dict, Mapping):
            check_fold(read_checkpoint(path_or_state_dict)["metadata"], fold, where)
        state = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
    taken = {key: (key, value) for key, value in state.items() if not key.startswith(("fc.", "final_layer."))}
    whole = any(key.startswith("deconv_layers.") for key in taken)
    left = () if whole else ("deconv_layers.",)
    load_strictly(backbone, taken, where, optional=left)
    return sorted({key.split(".")[0] for key in taken})
