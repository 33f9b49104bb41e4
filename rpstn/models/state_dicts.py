"""State dicts of other people's files: read without running code in them, and loaded strictly."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rpstn.errors import UserError
from rpstn.models.efficientnet import imagenet_file
from rpstn.models.files import find_weights, is_safetensors, load_tensors, read_tensors

_MANY = 30  # keys that an error lists of one kind


def read_state_dict(source: str | Path | Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], str]:
    """Read a state dict, without prefixes `module.`, and how an error calls it. Raises UserError for anything else."""
    where = "the state dict"
    content: Any = source
    source = imagenet_file() if source == "imagenet" else source
    if not isinstance(source, Mapping):
        source = find_weights(source)
        where = str(source)
        if is_safetensors(source):
            return {key.removeprefix("module."): value for key, value in read_tensors(source)[0].items()}, where
        # A training script's best score may be stored with the weights, as a NumPy number: plain data too. The first of these
        # types is the function that pickle makes it with.
        numbers = (np.float64(0).__reduce__()[0], np.dtype, type(np.dtype(np.float64)))
        content = load_tensors(source, remedy="download it again, or give another file", allowed=numbers)
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not content or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise UserError(f"{where} holds no state dict (names to tensors), also not under `state_dict`")
    return {str(key).removeprefix("module."): value for key, value in content.items()}, where


def load_strictly(
    module: torch.nn.Module, state: dict[str, tuple[str, torch.Tensor]], where: str, optional: tuple[str, ...] = ()
) -> None:
    """Load {our key: (their key, tensor)} strictly; keys that begin with one of `optional` may be missing.

    Raises UserError, naming every key that is missing, unexpected or of another shape.
    """
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
