"""JRE, the joint relation extractor: what each joint's heatmap takes from all the others.

Dang, Yin, Zhang, "Relation-Based Associative Joint Location for Human Pose Estimation in Videos", IEEE TIP 31, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn

from rpstn.errors import one_of, whole

LAYOUTS = ("paper", "released")
SCALES = ("none", "sqrt", "mean", "learned")


def square(graph: Sequence[Sequence[float]], joints: int) -> list[list[float]]:
    """Return a graph, joints x joints finite numbers, as plain lists. Raises ValueError for anything else."""
    try:
        found = np.array(graph, dtype=np.float64)
    except (TypeError, ValueError):  # rows of different length, or words
        found = np.empty(0)
    if found.shape != (joints, joints) or not np.isfinite(found).all():
        raise ValueError(f"graph must be {joints} x {joints} finite numbers, one row per joint, not of shape {found.shape}")
    return found.tolist()


class GramMatrix(nn.Module):
    """Multiply every two heatmaps: (B,K,H,W) -> Mbar Mbar^T (B,K,K), in float32 at least, as it sums over all pixels."""

    def forward(self, heatmaps: torch.Tensor) -> torch.Tensor:
        flat = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32)).flatten(2)
        return flat @ flat.transpose(1, 2)


class JointRelationExtractor(nn.Module):
    """Refine each joint's heatmap by all others: (B,K,H,W) -> (B,K,H,W); the identity before training.

        W_r = softmax(Mbar Mbar^T)                 (K x K), Mbar being the heatmaps as K vectors of H W values
        Z   = Conv_o(reshape(W_r Conv_g(M))) + M   both convolutions 1x1 over joints

    Conv_o ends in a normalization whose weight starts at zero, so Z = M initially: adding a JRE to a trained network changes
    nothing until it is trained.

    joints  K.
    layout  "paper": W_r[i, j] is the weight of joint j in refined joint i, rows sum to 1. "released": the released code, where
            columns sum to 1 and the product is read in transposed memory order, which mixes channels with pixels.
    scale   what the Gram matrix is divided by before the softmax: "none" 1, "sqrt" sqrt(H W), "mean" H W, "learned" a factor
            that starts at 1.
    graph   None, or the initial learnable (K x K) matrix that multiplies the Gram matrix from the left ("manual graph").
    Raises ValueError for joints that are not a whole number of at least 1, an unknown layout or scale, a graph that is not
    K x K, and heatmaps of another number of joints.
    """

    def __init__(self, joints: int, layout: str = "paper", scale: str = "none", graph: Sequence[Sequence[float]] | None = None):
        super().__init__()
        one_of("layout", layout, LAYOUTS)
        one_of("scale", scale, SCALES)
        joints = whole("joints", joints)
        self.layout, self.scale = layout, scale
        # Modules without parameters, so that hooks can watch the heatmaps that enter and change the relation that comes out.
        self.gram = GramMatrix()
        self.softmax = nn.Softmax(dim=2 if layout == "paper" else 1)
        self.g = nn.Conv2d(joints, joints, 1)
        norm = nn.BatchNorm2d(joints)
        nn.init.zeros_(norm.weight)
        self.o = nn.Sequential(nn.Conv2d(joints, joints, 1), norm)
        self.log_scale = nn.Parameter(torch.zeros(())) if scale == "learned" else None
        self.graph = None if graph is None else nn.Parameter(torch.tensor(square(graph, joints), dtype=torch.float32))

    def relation(self, heatmaps: torch.Tensor) -> torch.Tensor:
        """Compute W_r (B,K,K) of heatmaps (B,K,H,W)."""
        self._check(heatmaps)
        with torch.autocast(heatmaps.device.type, enabled=False):  # the softmax sees sums over all pixels: full precision
            gram = self.gram(heatmaps)
            pixels = heatmaps.shape[2] * heatmaps.shape[3]
            if self.scale == "sqrt":
                gram = gram / pixels**0.5
            elif self.scale == "mean":
                gram = gram / pixels
            elif self.log_scale is not None:
                gram = gram * self.log_scale.exp()
            if self.graph is not None:
                gram = self.graph @ gram
            return self.softmax(gram)

    def apply_relation(self, heatmaps: torch.Tensor, relation: torch.Tensor) -> torch.Tensor:
        """Compute Z (B,K,H,W) for a given relation (B,K,K), which may be any other than the heatmaps' own."""
        self._check(heatmaps)
        mixed = relation.to(heatmaps.dtype) @ self.g(heatmaps).flatten(2).to(heatmaps.dtype)
        if self.layout == "released":
            # The product already is (B, K, H W). Permuting it first makes the reshape read pixels as joints.
            mixed = mixed.transpose(1, 2).contiguous()
        return self.o(mixed.reshape(heatmaps.shape)) + heatmaps

    def _check(self, heatmaps: torch.Tensor) -> None:
        if not isinstance(heatmaps, torch.Tensor):
            raise TypeError(f"heatmaps must be a tensor of torch, not {type(heatmaps).__name__}; give torch.as_tensor(heatmaps)")
        joints = self.g.in_channels
        if heatmaps.ndim != 4 or heatmaps.shape[1] != joints:
            raise ValueError(f"heatmaps must be (B,{joints},H,W), one for each of {joints} joints, not {tuple(heatmaps.shape)}")

    def forward(self, heatmaps: torch.Tensor) -> torch.Tensor:
        return self.apply_relation(heatmaps, self.relation(heatmaps))
