"""Heatmaps: one map per joint of how likely the joint is at each position. Encoding, decoding and the loss.

Coordinates are 0-based pixels whose integer values are pixel centers. A heatmap is `stride` times smaller than the
network's input, and the two grids cover the same area, so heatmap pixel u is centered at input pixel

    x = (u + 1/2) * stride - 1/2.

Mirroring the input mirrors the heatmap exactly; with x = u * stride it would be shifted by most of a heatmap pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from rpstn.errors import one_of, positive, whole

REFINEMENTS = ("gaussian", "dark", "quarter", "none")


def to_heatmap(points: torch.Tensor, stride: float) -> torch.Tensor:
    """Convert input pixels to heatmap pixels; any shape."""
    return (points + 0.5) / stride - 0.5


def to_input(points: torch.Tensor, stride: float) -> torch.Tensor:
    """Convert heatmap pixels to input pixels; any shape."""
    return (points + 0.5) * stride - 0.5


def encode(joints: torch.Tensor, size: tuple[int, int], stride: float = 4.0, sigma: float = 2.0) -> torch.Tensor:
    """Encode joints as Gaussian targets with sub-pixel centers.

        target[k, v, u] = exp(-((u - u_k)^2 + (v - v_k)^2) / (2 sigma^2))

    joints  (..., K, 2), x and y in input pixels. Not rounded: a joint between two pixels gives a peak between them.
    size    (h, w) of the heatmaps.
    stride  input pixels per heatmap pixel.
    sigma   in heatmap pixels.
    Returns (..., K, h, w), float, at most 1. The map of an absent joint is meaningless: the loss gives it no weight.
    Raises ValueError for joints of another shape, a size that is not two whole numbers, a stride or sigma that is not positive.
    """
    if joints.ndim < 2 or joints.shape[-1] != 2:
        raise ValueError(f"joints must be (..., K, 2), x and y, not {tuple(joints.shape)}")
    if not isinstance(size, Sequence) or len(size) != 2:
        raise ValueError(f"size must be (h, w), the height and width of the heatmaps, not {size!r}")
    height, width = (whole(name, value) for name, value in zip(("h", "w"), size, strict=True))
    stride, sigma = positive("stride", stride), positive("sigma", sigma)
    center = to_heatmap(joints.float(), stride)
    positions = torch.arange(max(size), device=joints.device, dtype=torch.float32)
    # A Gaussian is separable: two vectors and one outer product per joint.
    profiles = torch.exp((positions - center[..., None]) ** 2 / (-2 * sigma**2))
    # Products of the far tails would be subnormal numbers, with which a CPU is many times slower than with zeros.
    profiles = profiles.masked_fill(profiles < 1.1e-19, 0.0)
    return profiles[..., 1, :height, None] * profiles[..., 0, None, :width]


def target_statistics(sigma: float, size: int) -> tuple[float, float]:
    """Compute mean and standard deviation of a target of size x size pixels whose joint is well inside.

    mean = 2 pi sigma^2 / size^2,   standard deviation = sqrt(pi sigma^2 / size^2 - mean^2)

    Raises ValueError for a sigma that is not positive and a size that is not a whole number of at least 1.
    """
    sigma, size = positive("sigma", sigma), whole("size", size)
    mean = 2 * math.pi * sigma**2 / size**2
    return mean, max(math.pi * sigma**2 / size**2 - mean**2, 1e-6) ** 0.5


def decode(heatmaps: torch.Tensor, stride: float = 4.0, refine: str = "gaussian") -> tuple[torch.Tensor, torch.Tensor]:
    """Decode heatmaps into joints: the highest pixel, then a sub-pixel step.

    heatmaps  (..., K, h, w).
    refine    "gaussian": the parabola through the logarithms of the peak and its two neighbors on each axis, which is exact
              for a Gaussian (Zhang et al. 2020 take the same step with a Hessian); "dark": the same after a blur of 5 x 5 pixels,
              as they do (DARK): the peaks of real networks are no Gaussians; "quarter": a quarter pixel towards the
              higher neighbor, as in most reported results; "none".
    Returns joints (..., K, 2) in input pixels and confidences (..., K), the values of the highest pixels. Raises ValueError for
    heatmaps without a pixel, a stride that is not positive, and an unknown refinement.
    """
    positive("stride", stride)
    if heatmaps.ndim < 2 or min(heatmaps.shape[-2:]) < 1:
        raise ValueError(f"heatmaps must be (..., h, w) with at least one pixel, not {tuple(heatmaps.shape)}")
    one_of("refine", refine, REFINEMENTS)
    heatmaps = heatmaps.float()
    height, width = heatmaps.shape[-2:]
    confidence, index = heatmaps.flatten(-2).max(dim=-1)
    flat = (_blurred(heatmaps) if refine == "dark" else heatmaps).flatten(-2)
    row, column = index // width, index % width

    def step(low: torch.Tensor, peak: torch.Tensor, high: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        if refine == "none":
            return torch.zeros_like(peak)
        if refine == "quarter":
            return torch.where(inside, 0.25 * torch.sign(high - low), 0.0)
        low, peak, high = (value.clamp_min(1e-6).log() for value in (low, peak, high))
        curvature = 2 * peak - low - high
        return torch.where(inside & (curvature > 1e-6), (high - low) / (2 * curvature).clamp_min(1e-6), 0.0).clamp(-0.5, 0.5)

    def at(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        index = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
        return flat.gather(-1, index[..., None])[..., 0]

    peak = at(row, column)
    x = column + step(at(row, column - 1), peak, at(row, column + 1), (column > 0) & (column < width - 1))
    y = row + step(at(row - 1, column), peak, at(row + 1, column), (row > 0) & (row < height - 1))
    return to_input(torch.stack([x, y], dim=-1), stride), confidence


def _blurred(heatmaps: torch.Tensor) -> torch.Tensor:
    """Blur maps (...,h,w) by a Gaussian of standard deviation 1.1 over 5 x 5 pixels, which is OpenCV's for that size."""
    profile = torch.exp(torch.arange(-2.0, 3.0, device=heatmaps.device) ** 2 / (-2 * 1.1**2))
    kernel = torch.outer(profile, profile) / profile.sum() ** 2
    maps = functional.pad(heatmaps.reshape(-1, 1, *heatmaps.shape[-2:]), [2, 2, 2, 2], mode="replicate")
    return functional.conv2d(maps, kernel[None, None]).reshape(heatmaps.shape)


def heatmap_loss(
    predicted: torch.Tensor,
    target: torch.Tensor,
    visibility: torch.Tensor,
    total: torch.Tensor | None = None,
    occluded_weight: float = 1.0,
) -> torch.Tensor:
    """Compute the squared error over annotated joints.

        L = sum_{b,t,k} w ||predicted - target||^2 / N,    w = 1 where the joint is annotated, else 0;  N = sum_{b,t,k} w

    predicted, target (B,T,K,h,w); visibility (B,T,K): 0 absent, 1 occluded, 2 visible. An occluded joint is annotated: it is
    learned like a visible one. An absent joint has no position, so it has no target and no loss. Errors are summed over pixels,
    so that the loss does not shrink with the share of background. `total` replaces N where these clips are a
    part of a larger batch: the parts' losses then add up to the batch's. `occluded_weight` makes w larger where a joint is
    occluded: where occluders are painted, this is what there is to carry. Raises ValueError for shapes that do not fit.
    """
    if predicted.shape != target.shape or visibility.shape != predicted.shape[:-2]:
        shapes = ", ".join(str(tuple(value.shape)) for value in (predicted, target, visibility))
        raise ValueError(f"predicted and target must be of one shape (B,T,K,h,w), and visibility (B,T,K), not {shapes}")
    weight = (visibility > 0).to(predicted.dtype)
    error = (predicted - target).square().sum(dim=(-2, -1))
    total = weight.sum() if total is None else total
    weight = torch.where(visibility == 1, weight * occluded_weight, weight)
    return (weight * error).sum() / total.clamp_min(1.0)
