"""Learning rates: over the steps of a run, and of what starts trained."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from rpstn.train.config import OptimizerConfig


def learning_rate(step: int, config: OptimizerConfig) -> float:
    """Give the rate of a step: linear warm-up over the first steps, a fifth of all at most; then half a cosine down to 0."""
    warmup = min(config.warmup, config.steps // 5)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def parameter_groups(model: nn.Module, trained: list[str], config: OptimizerConfig) -> list[dict[str, Any]]:
    """Sort parameters by the share of the learning rate that they take: less for modules that start trained."""
    prefixes = tuple(f"{name}." for name in trained)
    slow = [p for name, p in model.named_parameters() if name.startswith(prefixes)]
    fast = [p for name, p in model.named_parameters() if not name.startswith(prefixes)]
    groups = [{"params": fast, "share": 1.0}, {"params": slow, "share": config.init_rate}]
    return [group for group in groups if group["params"]]
