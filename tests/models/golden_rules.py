"""Weights and inputs from names and seeds, by the rules under which the released network's outputs were recorded."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import torch


def weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, torch.Tensor]:
    """A tensor for each released key."""
    return {key: _weight(key, tuple(shape)) for key, shape in shapes.items()}


def _weight(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    random = np.random.RandomState(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.int64)
    if key.endswith("running_var"):
        values = random.uniform(0.5, 1.5, shape)
    elif key.endswith(("running_mean", "bias")):
        values = 0.1 * random.standard_normal(shape)
    elif len(shape) == 1:
        values = (
            random.uniform(0.1, 0.3, shape) if key.endswith(("bn2.weight", "bn3.weight")) else random.uniform(0.5, 1.0, shape)
        )
    else:
        values = random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))
    return torch.from_numpy(np.asarray(values, np.float32))


def noise(seed: int, shape: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).standard_normal(shape).astype(np.float32))


def distance(ours: torch.Tensor, golden: np.ndarray | torch.Tensor) -> float:
    """max |ours - golden| / max |golden|."""
    golden = torch.as_tensor(golden)
    return float((ours - golden).abs().max() / golden.abs().max())
