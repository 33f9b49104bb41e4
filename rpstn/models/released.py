"""Other people's weights: the authors' checkpoints, and ResNets trained on images.

Files are read with weights_only=True: no code in them runs. Loading is strict: every key that is missing, unexpected or of
another shape is named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from rpstn.errors import UserError
from rpstn.models.backbones import BACKBONES, Bottleneck, PoseResNet
from rpstn.models.checkpoints import check_fold, read_checkpoint, save_checkpoint
from rpstn.models.efficientnet import PoseEfficientNet, imagenet_file, our_key, published
from rpstn.models.files import find_weights, load_tensors
from rpstn.models.rpstn import RPSTN, RPSTNConfig

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
_MANY = 30  # keys that an error lists of one kind


def load_released_checkpoint(
    path_or_state_dict: str | Path | Mapping[str, torch.Tensor], config: RPSTNConfig | None = None
) -> RPSTN:
    """The network of one of the authors' checkpoints, in eval mode, float32; computes what their code computes, to rounding.

    path_or_state_dict  a file (`.pth.tar` with `state_dict` inside, or the state dict itself), or a state dict; keys with or
                        without the `module.` that DataParallel puts before them.
    config              `RPSTNConfig.released(...)`; None reads variant and depths from the keys.
    Raises UserError for a file that cannot be read, and for weights that do not fit, naming every key that is missing, unexpected
    or of another shape.
    """
    state, where = _read(path_or_state_dict)
    config = infer_config(state, where) if config is None else config
    if config.wiring == "paper":
        raise UserError(f"{where}: the authors' weights need RPSTNConfig.released(...), not the paper's wiring")
    model = RPSTN(config)
    _load(model, {_ours(key): (key, value) for key, value in state.items()}, where)
    return model.eval()


def infer_config(state: Mapping[str, torch.Tensor], where: str = "the state dict") -> RPSTNConfig:
    """`RPSTNConfig.released(...)` for a released state dict: the variant from the number of joints, the depths from the blocks.

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
    """Makes one of our own checkpoints of a released one and returns its network. Raises UserError as loading does."""
    model = load_released_checkpoint(checkpoint)
    name = model.config.skeleton
    meta = {"skeleton": name, "dataset": name, "size": 256, "sigma": 2.0, "frames": 5, "input": model.config.input}
    save_checkpoint(out, model, meta)
    return model


def load_backbone(
    backbone: PoseResNet | PoseEfficientNet,
    path_or_state_dict: str | Path | Mapping[str, torch.Tensor],
    fold: int | None = None,
) -> list[str]:
    """Starts a PoseResNet from a SimpleBaseline pose ResNet, a torchvision ResNet, or the encoder of one of our own checkpoints.

    Its depth must be the same; an RPSTN's joints may be others, since the encoder knows of none. A classifier (`fc`) or last
    layer (`final_layer`) in the file is left out; a torchvision file has no `deconv_layers`, which then stay as they are.
    Everything else must fit. A PoseEfficientNet starts from published ImageNet weights, which know nothing of its decoder; the
    path "imagenet" stands for those that the extra of that name installs. Returns the names of the modules loaded.
    fold  official split that the network is to be trained on (`check_fold`), where the file is one of our own checkpoints.
    Raises UserError as above.
    """
    state, where = _read(path_or_state_dict)
    if isinstance(backbone, PoseEfficientNet) and published(state):
        taken = {ours: (key, value) for key, value in state.items() if (ours := our_key(key)) is not None}
        _load(backbone, taken, where, optional=("lateral.", "mix."))
        return sorted({key.split(".")[0] for key in taken})
    if {"encoder.conv1.weight", "encoder.stem.weight"} & state.keys():  # an RPSTN of ours: its encoder alone
        if fold is not None and not isinstance(path_or_state_dict, Mapping):
            check_fold(read_checkpoint(path_or_state_dict)["meta"], fold, where)
        state = {key.removeprefix("encoder."): value for key, value in state.items() if key.startswith("encoder.")}
    taken = {key: (key, value) for key, value in state.items() if not key.startswith(("fc.", "final_layer."))}
    whole = any(key.startswith("deconv_layers.") for key in taken)
    left = () if whole else ("deconv_layers.",)
    _load(backbone, taken, where, optional=left)
    return sorted({key.split(".")[0] for key in taken})


def _read(source: str | Path | Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    """A state dict without `module.` prefixes, and how to call it in an error."""
    where, content = "the state dict", source
    source = imagenet_file() if source == "imagenet" else source
    if not isinstance(source, Mapping):
        source = find_weights(source)
        where = str(source)
        # A training script's best score, a NumPy number, may lie beside the weights: plain data, like the rest.
        numbers = (np._core.multiarray.scalar, np.dtype, type(np.dtype(np.float64)))
        content = load_tensors(source, remedy="download it again, or give another file", allowed=numbers)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise UserError(f"{where} holds no state dict (names to tensors), also not under `state_dict`")
    return {str(key).removeprefix("module."): value for key, value in content.items()}, where


def _ours(key: str) -> str:
    """Our name for a released key; one that we do not know stays as it is, and is reported."""
    for theirs, ours in _MODULES.items():
        if key.startswith(f"{theirs}."):
            return ours + key[len(theirs) :]
    return key


def _depth(keys: set[str], part: str, where: str) -> str:
    """Which ResNet the keys of initializer or encoder are of."""
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


def _load(
    module: torch.nn.Module, state: dict[str, tuple[str, torch.Tensor]], where: str, optional: tuple[str, ...] = ()
) -> None:
    """Loads {our key: (their key, tensor)} strictly; keys that begin with one of `optional` may be missing."""
    own = module.state_dict()
    counters = {key for key in own if key.endswith("num_batches_tracked")}  # older files lack them; nothing depends on them
    missing = [key for key in own if key not in state and key not in counters and not key.startswith(optional or ("\0",))]
    unexpected = [theirs for key, (theirs, _) in state.items() if key not in own]
    shapes = [
        f"{theirs} is {tuple(value.shape)}, not {tuple(own[key].shape)}"
        for key, (theirs, value) in state.items()
        if key in own and value.shape != own[key].shape
    ]
    parts = [
        f"{len(names)} {kind}: {', '.join(names[:_MANY])}" + (" ..." if len(names) > _MANY else "")
        for kind, names in (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
        if names
    ]
    if parts:
        raise UserError(f"{where} does not fit the network. Keys {'; '.join(parts)}")
    module.load_state_dict({key: value for key, (_, value) in state.items()}, strict=False)
