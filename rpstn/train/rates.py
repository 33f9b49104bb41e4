"""Learning rates: over the steps of a run, and of what starts trained."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from rpstn.models.convolutions import fuse
from rpstn.train.config import OptimizerConfig

BACKBONES = ("encoder.", "initializer.")  # of an RPSTN


def learning_rate(step: int, config: OptimizerConfig) -> float:
    """Give the rate of a step: linear warm-up over the first steps, a fifth of all at most; then half a cosine down to 0."""
    warmup = min(config.warmup, config.steps // 5)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def fuse_backbones(model: nn.Module) -> None:
    """Fuse the convolutions of backbones that stay as they are: their part of a step takes half of the time."""
    for name in BACKBONES:
        part = getattr(model, name.rstrip("."), None)
        if part is not None:
            fuse(part)


def parameter_groups(model: nn.Module, trained: list[str], config: OptimizerConfig) -> list[dict[str, Any]]:
    """Sort parameters by the share of the learning rate that they take: less for modules that start trained, and for backbones.

    Backbones whose share is 0 are frozen: they take no gradient, which saves most of a step's time.
    """
    prefixes = tuple(f"{name}." for name in trained)
    shares: dict[float, list[nn.Parameter]] = {1.0: [], config.init_rate: []}
    for name, parameter in model.named_parameters():
        share = config.init_rate if name.startswith(prefixes) else 1.0
        if name.startswith(BACKBONES):
            share *= config.encoder_rate
            parameter.requires_grad_(share > 0)
        if share > 0:
            shares.setdefault(share, []).append(parameter)
    return [{"params": group, "share": share} for share, group in shares.items() if group]


def running_mean(model: nn.Module, decay: float) -> AveragedModel | None:
    """Make the running mean of a network's weights and statistics; None for decay 0.

    mean <- d mean + (1 - d) weights,   d = min(decay, (n + 1) / (n + 10)) at update n, so that the start is soon forgotten.
    """
    if decay == 0:
        return None

    def blend(mean: torch.Tensor, value: torch.Tensor, count: torch.Tensor | int) -> torch.Tensor:
        share = min(decay, (int(count) + 1) / (int(count) + 10))
        return mean.lerp(value, 1 - share) if mean.is_floating_point() else value

    return AveragedModel(model, avg_fn=blend, use_buffers=True)
