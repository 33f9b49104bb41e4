"""How the released code computes RPSTN, re-created plainly: the yardstick that `rpstn bench` holds this package to.

The same numbers, computed as a first version would: the encoder once per frame, the matching as one grouped convolution left to
autograd, everything in float32, one target after the other in Python. Tests hold it to the package's network.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from rpstn.models import RPSTN


def grouped_matching(features: torch.Tensor, kernels: torch.Tensor) -> torch.Tensor:
    """Global matching as one grouped convolution. (B,C,H,W), (B,C,k,k) -> (B,C,H,W)."""
    batch, channels, height, width = features.shape
    side = kernels.shape[-1]
    stacked = features.reshape(1, batch * channels, height, width)
    weights = kernels.reshape(batch * channels, 1, side, side)
    return functional.conv2d(stacked, weights, padding=side // 2, groups=batch * channels).reshape(features.shape)


class ReleasedStyle(nn.Module):
    """The released variant around the modules of an RPSTN, which it shares. (B,T,3,H,W) -> heatmaps (B,T,K,h,w)."""

    def __init__(self, model: RPSTN):
        super().__init__()
        if model.config.variant == "paper":
            raise ValueError("the released style needs a network of RPSTNConfig.released(...)")
        self.model = model

    def refine(self, heatmaps: torch.Tensor) -> torch.Tensor:
        relation = self.model.relation
        batch, joints, height, width = heatmaps.shape
        flat = heatmaps.reshape(batch, joints, -1)
        weights = functional.softmax(torch.matmul(flat, flat.permute(0, 2, 1)), dim=1)
        product = torch.matmul(weights, relation.g(heatmaps).reshape(batch, joints, -1))
        product = product.permute(0, 2, 1).contiguous().reshape(batch, joints, height, width)
        return self.model.norm(relation.o(product) + heatmaps)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        net, shared = self.model, self.model.propagator.fuse_norm
        heatmaps = self.refine(net.initializer_head.conv(net.initializer(frames[:, 0])))
        features = net.encoder(frames[:, 0])
        found = [heatmaps]
        for t in range(1, frames.shape[1]):
            semantics = shared(net.propagator.fuse(torch.cat([heatmaps, features], dim=1)))
            kernels = net.propagator.semantics(semantics)
            features = shared(net.value(net.encoder(frames[:, t])))
            matched = grouped_matching(features, kernels)
            if net.config.variant == "released_sub_jhmdb":
                matched = shared(matched)
            heatmaps = self.refine(net.norm(net.head.conv(matched)))
            found.append(heatmaps)
        return torch.stack(found, dim=1)


def targets(joints: np.ndarray, side: int, stride: float, sigma: float) -> np.ndarray:
    """Gaussian targets (T,K,side,side) float32 of joints (T,K,2) in input px, one joint after the other."""
    length, count = joints.shape[:2]
    out = np.zeros((length, count, side, side), np.float32)
    for t in range(length):
        for k in range(count):
            center = (joints[t, k] + 0.5) / stride - 0.5
            x, y = np.meshgrid(np.arange(side), np.arange(side))
            out[t, k] = np.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * sigma**2))
    return out


def load_window(
    paths: list[Path], joints: np.ndarray, affine: np.ndarray, size: int, sigma: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """One clip from disk as a training sample: frames (T,3,S,S) float32 and targets (T,K,S/4,S/4).

    affine (2,3) is crop, scale and rotation in one. Each frame goes the way of a plain loader: read, resize, rotate, to float, to
    a tensor, and every joint with it.
    """
    scale = float(np.hypot(affine[0, 0], affine[1, 0]))
    turned = np.stack([affine[:, 0] / scale, affine[:, 1] / scale, affine[:, 2]], axis=1)
    frames, places = [], np.zeros_like(joints)
    for t, path in enumerate(paths):
        image = cv2.imread(str(path))
        height, width = image.shape[:2]
        image = cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))), interpolation=cv2.INTER_CUBIC)
        image = cv2.warpAffine(image, turned, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        pixels = image.astype(np.float32).transpose(2, 0, 1)
        frames.append(torch.from_numpy(np.ascontiguousarray(pixels)))
        for k in range(joints.shape[1]):
            places[t, k] = affine[:, :2] @ joints[t, k] + affine[:, 2]
    maps = targets(places, size // 4, 4.0, sigma)
    return torch.stack(frames), torch.from_numpy(maps)


def loss(heatmaps: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Squared error, joint after joint."""
    total = heatmaps.new_zeros(())
    for t in range(heatmaps.shape[1]):
        for k in range(heatmaps.shape[2]):
            total = total + functional.mse_loss(heatmaps[:, t, k], target[:, t, k])
    return total
