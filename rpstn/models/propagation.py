"""JRPSP, the joint relation guided pose semantics propagator, and the global matching that applies its kernels.

Dang, Yin, Zhang, "Relation-Based Associative Joint Location for Human Pose Estimation in Videos", IEEE TIP 31, 2022.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from rpstn.errors import positive, whole


def _correlate(features: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Cross-correlate depthwise per sample: every (sample, channel) is a group of one grouped convolution."""
    batch, channels, height, width = features.shape
    side = kernels.shape[-1]
    out = functional.conv2d(
        features.reshape(1, batch * channels, height, width),
        kernels.reshape(batch * channels, 1, side, side),
        padding=side // 2,
        groups=batch * channels,
    )
    return out.reshape(features.shape)


def _kernel_gradient(features: torch.Tensor, gradient: torch.Tensor, side: int) -> torch.Tensor:
    """Compute the kernels' gradient (B,C,side,side): the padded features correlated with the gradient as one large kernel.

    d loss / d kernels[v, u] = sum_{y, x} gradient[y, x] * features[y + v - r, x + u - r]
    """
    batch, channels, height, width = features.shape
    padded = functional.pad(features, [side // 2] * 4)
    if features.device.type == "cpu":
        out = functional.conv2d(
            padded.reshape(1, batch * channels, *padded.shape[-2:]),
            gradient.reshape(batch * channels, 1, height, width),
            groups=batch * channels,
        )
        return out.reshape(batch, channels, side, side)
    # GPU convolutions are not made for kernels of 64 x 64; one shifted product per entry is limited by memory bandwidth alone.
    out = torch.empty(batch, channels, side, side, dtype=features.dtype, device=features.device)
    for v in range(side):
        for u in range(side):
            out[..., v, u] = (gradient * padded[..., v : v + height, u : u + width]).sum(dim=(-2, -1))
    return out


class _GlobalMatching(torch.autograd.Function):
    """Correlate with a backward pass of its own: the general one of grouped convolutions is many times slower."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(features, kernels)
        return _correlate(features, kernels)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        features, kernels = ctx.saved_tensors
        for_features = for_kernels = None
        gradient = gradient.contiguous()
        if ctx.needs_input_grad[0]:
            # The adjoint of a correlation is a correlation with the kernels rotated by 180 degrees.
            for_features = _correlate(gradient, kernels.flip(-2, -1))
        if ctx.needs_input_grad[1]:
            for_kernels = _kernel_gradient(features, gradient, kernels.shape[-1])
        return for_features, for_kernels


def global_matching(features: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Correlate each sample's features with its own kernels, channel by channel: the dynamic convolution.

        out[b, c, y, x] = sum_{v, u} kernels[b, c, v, u] * features[b, c, y + v - r, x + u - r],   r = (k - 1) / 2

    features (B,C,H,W), kernels (B,C,k,k) -> (B,C,H,W). Cross-correlation, stride 1, zero padding. Computed in float32 at
    least, also under autocast: 16-bit depthwise convolutions are slow on CPUs and lose the detail of small kernels.
    Raises ValueError for an even k, shapes that do not fit, empty features, and features that are integers.
    """
    if features.ndim != 4 or kernels.ndim != 4 or kernels.shape[:2] != features.shape[:2] or kernels.shape[2] != kernels.shape[3]:
        raise ValueError(
            "global matching takes features (B,C,H,W) and kernels (B,C,k,k), "
            f"not {tuple(features.shape)} and {tuple(kernels.shape)}"
        )
    if kernels.shape[-1] % 2 == 0:
        raise ValueError(f"global matching needs an odd kernel side, not {kernels.shape[-1]}: an even one has no center")
    if 0 in features.shape or not features.is_floating_point():
        found = f"{tuple(features.shape)}, {features.dtype}"
        raise ValueError(f"global matching needs features of at least one value, in floating point, not {found}")
    with torch.autocast(features.device.type, enabled=False):
        if features.dtype in (torch.float16, torch.bfloat16):
            features = features.float()
        # One sample's kernels are a depthwise convolution's; a graph is for any number of samples.
        if not torch.is_grad_enabled() and not torch.compiler.is_compiling() and len(features) == 1:
            return functional.conv2d(
                features, kernels.to(features.dtype).transpose(0, 1), padding=kernels.shape[-1] // 2, groups=features.shape[1]
            )
        return _GlobalMatching.apply(features.contiguous(), kernels.to(features.dtype).contiguous())


class GlobalMatching(nn.Module):
    """Apply `global_matching`: features (B,C,H,W), kernels (B,C,k,k) -> (B,C,H,W)."""

    def forward(self, features: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        return global_matching(features, kernels)


class ShiftedMatching(GlobalMatching):
    """Compute the same as a sum of shifted products, one per kernel entry: what an exported graph does.

    A grouped convolution has as many groups as samples times channels, and a graph fixes the number of groups: the batch size
    could not vary. Meant for inference: a backward pass would keep k * k products.
    """

    def forward(self, features: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
        side, (height, width) = kernels.shape[-1], features.shape[-2:]
        padded = functional.pad(features, [side // 2] * 4)
        total = torch.zeros_like(features)
        for v in range(side):
            for u in range(side):
                total = total + kernels[..., v, u, None, None] * padded[..., v : v + height, u : u + width]
        return total


KERNEL_STARTS = ("delta", "average")


def fuse_convolution(joints: int, channels: int, heatmap_std: float) -> nn.Conv2d:
    """Make Conv_a, 1x1 over heatmaps and features.

    The heatmaps' standard deviation is about 0.05, the features' about 1. The heatmaps' weights start larger by the inverse, so
    that X_t initially contains as much of the pose as of the image.
    """
    convolution = nn.Conv2d(joints + channels, channels, 1)
    with torch.no_grad():
        convolution.weight[:, :joints] /= heatmap_std
    return convolution


def kernel_side(features: int) -> int:
    """Compute the kernels' size for features of a given size: 64 -> 7, 48 -> 5, 32 -> 3, 16 -> 1."""
    side = features - 2  # the first convolution has no padding
    for _ in range(3):
        side //= 2
    return side


class PoseSemanticsPropagator(nn.Module):
    """Turn the pose semantics of frame t into kernels for frame t + 1.

        X_t     = Conv_a(M'_t (+) F(I_t))          1x1 over joints and channels
        kernels = S(X_t)                           three times [Conv 3x3, BN, ReLU, MaxPool 2], then Conv 3x3, BN

    heatmaps (B,K,h,w) and features (B,C,h,w) of frame t -> kernels (B,C,k,k); k follows from h (`kernel_side`): the kernel's
    positions are positions in the image, at a coarse resolution.

    start      "delta": 1 is added at each kernel's center, and the rest starts at a hundredth of that: the features of frame
               t + 1 pass through at first, so a trained head still understands a trained encoder, at any size. "average": the
               last normalization starts with weight and bias 1/9, a plain average of 3 x 3 kernels; those of 256 px are 7 x 7,
               and blur what they pass on.
    fuse_norm  a BatchNorm after Conv_a, as in the released code.
    Raises ValueError for joints and channels that are not whole numbers of at least 1, a standard deviation that is not positive,
    heatmaps and features that do not fit, and ones too small for a kernel.
    """

    def __init__(self, joints: int, channels: int, heatmap_std: float = 0.055, fuse_norm: bool = False, start: str = "delta"):
        super().__init__()
        if start not in KERNEL_STARTS:
            raise ValueError(f"kernels start as one of {', '.join(KERNEL_STARTS)}, not {start!r}")
        self.delta = start == "delta"
        self.joints, self.channels = whole("joints", joints), whole("channels", channels)
        positive("heatmap_std", heatmap_std)
        self.fuse = fuse_convolution(joints, channels, heatmap_std)
        self.fuse_norm = nn.BatchNorm2d(channels) if fuse_norm else nn.Identity()
        layers: list[nn.Module] = []
        for index in range(3):
            layers += [
                nn.Conv2d(channels, channels, 3, padding=0 if index == 0 else 1),
                nn.BatchNorm2d(channels),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
            ]
        last = nn.BatchNorm2d(channels)
        nn.init.constant_(last.weight, 0.01 if self.delta else 1.0 / 9)
        nn.init.constant_(last.bias, 0.0 if self.delta else 1.0 / 9)
        self.semantics = nn.Sequential(*layers, nn.Conv2d(channels, channels, 3, padding=1), last)

    def forward(self, heatmaps: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        expected = (features.shape[0], self.joints, *features.shape[2:])
        if features.ndim != 4 or features.shape[1] != self.channels or tuple(heatmaps.shape) != expected:
            raise ValueError(
                f"the propagator takes heatmaps (B,{self.joints},h,w) and features (B,{self.channels},h,w), "
                f"not {tuple(heatmaps.shape)} and {tuple(features.shape)}"
            )
        if min(map(kernel_side, features.shape[2:])) < 1:
            raise ValueError(f"features of {tuple(features.shape[2:])} are too small for a kernel; give 10 x 10 or more")
        kernels = self.semantics(self.fuse_norm(self.fuse(torch.cat([heatmaps.to(features.dtype), features], dim=1))))
        if not self.delta:
            return kernels
        side = kernels.shape[-1]
        return kernels + functional.pad(kernels.new_ones(1, 1, 1, 1), [side // 2, (side - 1) // 2] * 2)
