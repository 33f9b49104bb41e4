"""Checkpoints of the released code: their keys, their variants, and converting them to ours.

Files are read with weights_only=True: no code in them runs. Loading is strict: every key that is missing, unexpected or of
another shape is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import torch

from rpstn.errors import UserError
from rpstn.models.backbones import BACKBONES, Bottleneck
from rpstn.models.checkpoints import save_checkpoint
from rpstn.models.config import RPSTNConfig
from rpstn.models.rpstn import RPSTN
from rpstn.models.state_dicts import load_strictly, read_state_dict

# Names of the released code's modules, and ours. `fea_ext` is a Sequential, so its ResNet's parts have numbers.
_MODULES = {
    "pose_net.final_layer": "initializer_head.conv",
    "pose_net": "initializer",
    "fea_ext.0": "encoder.conv1",
    "fea_ext.1": "encoder.bn1",
    "fea_ext.4": "encoder.layer1",
    "fea_ext.5": "encoder.layer2",
    "fea_ext.6": "encoder.layer3",
    "fea_ext.7": "encoder.layer4",
    "fea_ext.8": "encoder.deconv_layers",
    "conv1x1_reduce_dim": "propagator.fuse",
    "bn": "propagator.fuse_norm",
    "dkd_param_adapter": "propagator.semantics",
    "pose_conv1x1_V": "value",
    "pose_conv1x1_U": "head.conv",
    "bn_u": "norm",
    "non_local_conv2d.g": "relation.g",
    "non_local_conv2d.W": "relation.o",
    "non_local_conv2d.theta": "unused.theta",
    "non_local_conv2d.phi": "unused.phi",
}


def load_released_checkpoint(
    path_or_state_dict: str | Path | Mapping[str, torch.Tensor], config: RPSTNConfig | None = None
) -> RPSTN:
    """Load a released checkpoint in evaluation mode, float32; it computes what the released code does, up to rounding.

    path_or_state_dict  a file (`.pth.tar` with `state_dict` inside, or the state dict itself), or a state dict; keys with or
                        without the prefix `module.` of DataParallel.
    config              `RPSTNConfig.released(...)`; None reads variant and depths from the keys.
    Raises UserError for a file that cannot be read, and for weights that do not fit, naming every key that is missing, unexpected
    or of another shape.
    """
    state, where = read_state_dict(path_or_state_dict)
    config = infer_config(state, where) if config is None else config
    if config.variant == "paper":
        raise UserError(f"{where}: the authors' weights need RPSTNConfig.released(...), not the paper's variant")
    model = RPSTN(config)
    load_strictly(model, {_ours(key): (key, value) for key, value in state.items()}, where)
    return model.eval()


def infer_config(state: Mapping[str, torch.Tensor], where: str = "the state dict") -> RPSTNConfig:
    """Infer `RPSTNConfig.released(...)` of a state dict: the variant from the number of joints, the depths from the blocks.

    Raises UserError where the keys are not those of the released network.
    """
    if "head.conv.weight" in state:
        raise UserError(
            f"{where} is not a checkpoint of the released network but one of this package already; there is nothing to convert"
        )
    variants = {13: "penn_action", 15: "sub_jhmdb"}
    joints = len(state["bn_u.weight"]) if "bn_u.weight" in state and state["bn_u.weight"].ndim == 1 else None
    if joints not in variants:
        found = "no key bn_u.weight" if joints is None else f"{joints} joints"
        raise UserError(
            f"{where} is not a checkpoint of the released network, which has 13 (Penn Action) or 15 joints (Sub-JHMDB): {found}; "
            "give a file of the authors' training script, or pass its config"
        )
    renamed = {_ours(key) for key in state}
    depths = {part: _depth(renamed, part, where) for part in ("initializer", "encoder")}
    return RPSTNConfig.released(variants[joints], **depths)


def convert(checkpoint: str | Path, out: str | Path) -> RPSTN:
    """Convert a released checkpoint to one of ours, and return its network. Raises UserError as loading does."""
    model = load_released_checkpoint(checkpoint)
    name = model.config.skeleton
    metadata = {"skeleton": name, "dataset": name, "size": 256, "sigma": 2.0, "frames": 5, "input": model.config.input}
    save_checkpoint(out, model, metadata)
    return model


def _ours(key: str) -> str:
    """Translate a released key to ours; an unknown one is kept, and reported."""
    for theirs, ours in _MODULES.items():
        if key.startswith(f"{theirs}."):
            return ours + key[len(theirs) :]
    return key


def _depth(keys: set[str], part: str, where: str) -> str:
    """Find the ResNet whose keys the initializer or encoder has."""
    layers = tuple(
        len({match[1] for key in keys if (match := re.match(rf"{part}\.layer{n}\.(\d+)\.", key))}) for n in range(1, 5)
    )
    bottleneck = f"{part}.layer1.0.conv3.weight" in keys
    for name, spec in BACKBONES.items():
        if not spec.lateral and spec.layers == layers and (spec.block is Bottleneck) == bottleneck:
            return name
    raise UserError(
        f"{where}: the {part} is no known ResNet; it has {layers} blocks, {'with' if bottleneck else 'without'} conv3"
    )
