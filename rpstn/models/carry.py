"""Carrying positions: a gate between what a frame shows and what the frame before knew. Ours; the paper has none.

Matching (`rpstn.models.propagation`) correlates the new frame's features with kernels, so it commutes with their shifts: it can
carry what to look for, and no position. Where a joint is hidden, its position is in M'_t alone.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from rpstn.errors import whole

WIDTH = 64
_CLOSED = -1.5  # where the gate starts: 18 % of what was known, 82 % of what is seen


class CarryGate(nn.Module):
    """Mix the heatmaps that this frame shows with those of the frame before, per joint and pixel.

        M = (1 - g) M_{t+1} + g M'_t + d,      g = sigmoid(up(a) + b + 2 (max M'_t - max M_{t+1}) - 1.5)

    a, b and d come from M'_t, M_{t+1} and F(I_{t+1}) at half their resolution, through a 3x3 convolution to 64 channels and a
    dilated 5x5 one with a shortcut: a (1x1) and d (1x1) per pixel, b (linear) from the mean over the image. d starts at zero,
    and a and b nearly so: the gate starts nearly closed, and opens where a peak that was there is gone. A plain convolution
    over the same would have to learn to hold; this one can from the start.

    joints    K.
    channels  C of the features.
    scale     standard deviation of heatmaps: of the targets that they learn.
    before, now (B,K,h,w) and features (B,C,h,w) -> (B,K,h,w). `opening` is a module whose output is g (B,K,h,w), for hooks.
    Raises ValueError for shapes that do not fit.
    """

    def __init__(self, joints: int, channels: int, scale: float):
        super().__init__()
        self.joints, self.channels, self.scale = whole("joints", joints), whole("channels", channels), scale
        self.norm = nn.BatchNorm2d(channels)
        self.reduce = nn.Conv2d(2 * joints + channels, WIDTH, 3, stride=2, padding=1)
        self.context = nn.Conv2d(WIDTH, WIDTH, 5, padding=4, dilation=2)
        self.local = nn.Conv2d(WIDTH, joints, 1)
        self.overall = nn.Linear(WIDTH, joints)
        self.update = nn.Conv2d(WIDTH, joints, 1)
        self.opening = nn.Sigmoid()
        for layer in (self.local, self.overall):
            nn.init.normal_(layer.weight, std=0.01)
        for layer in (self.local, self.overall, self.update):
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        nn.init.zeros_(self.update.weight)

    def forward(self, before: torch.Tensor, now: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        expected = (features.shape[0], self.joints, *features.shape[2:])
        if tuple(before.shape) != expected or tuple(now.shape) != expected or features.shape[1] != self.channels:
            shapes = ", ".join(str(tuple(value.shape)) for value in (before, now, features))
            raise ValueError(
                f"the gate takes heatmaps (B,{self.joints},h,w) twice and features (B,{self.channels},h,w), not {shapes}"
            )
        x = F.relu(self.reduce(torch.cat([before / self.scale, now / self.scale, self.norm(features)], dim=1)))
        x = x + F.relu(self.context(x))
        opening, update, overall = self.local(x), self.update(x), self.overall(x.mean(dim=(2, 3)))
        with torch.autocast(now.device.type, enabled=False):  # heatmaps keep their full precision
            before, now = before.float(), now.float()
            peaks = (before.amax(dim=(2, 3)) - now.amax(dim=(2, 3))) * 2
            shift = overall.float() + peaks + _CLOSED
            gate = self.opening(_up(opening.float(), now) + shift[..., None, None])
            return (1 - gate) * now + gate * before + self.scale * _up(update.float(), now)


def _up(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """Upsample maps to the size of others."""
    return F.interpolate(values, size=like.shape[-2:], mode="bilinear", align_corners=False)
