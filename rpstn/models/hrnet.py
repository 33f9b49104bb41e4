"""HRNet: high resolution from start to end, with coarser branches in parallel, and exchange between all of them.

Sun, Xiao, Liu, Wang, "Deep High-Resolution Representation Learning for Human Pose Estimation", CVPR 2019. The modules'
names are those of the authors' checkpoints (conv1, transition1, stage2, ..., final_layer).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import nn

from rpstn.errors import whole
from rpstn.models.backbones import BasicBlock, Bottleneck

# Channels of the finest branch; each coarser one has half the resolution and twice the channels.
HRNETS = {"hrnet_w32": 32, "hrnet_w48": 48}

_BLOCKS = 4  # residual blocks in a branch, between two exchanges
_EXCHANGES = (1, 4, 3)  # exchanges in stages 2, 3 and 4, which have 2, 3 and 4 branches


def _unit(inputs: int, outputs: int, stride: int, *, relu: bool = True) -> nn.Sequential:
    """Make a 3x3 convolution and BatchNorm, mostly followed by a ReLU."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)


class Exchange(nn.Module):
    """Apply residual blocks to each branch, then sum all branches for each, at its resolution.

        y_i = relu(sum_j fuse_ij(x_j))

    fuse_ij is the identity for i = j, a 1x1 convolution and nearest upsampling from a coarser branch (j > i), and i - j strided
    3x3 convolutions from a finer one.

    channels  of the branches, the finest first.
    outputs   how many branches the result has; the last exchange of all gives the finest alone.
    """

    def __init__(self, channels: list[int], outputs: int):
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(*(BasicBlock(width, width, 1) for _ in range(_BLOCKS))) for width in channels)
        self.fuse_layers = nn.ModuleList(
            nn.ModuleList(self._fuse(channels, source, target) for source in range(len(channels))) for target in range(outputs)
        )
        self.relu = nn.ReLU(inplace=True)

    @staticmethod
    def _fuse(channels: list[int], source: int, target: int) -> nn.Module:
        if source == target:
            return nn.Identity()
        if source > target:
            return nn.Sequential(
                nn.Conv2d(channels[source], channels[target], 1, bias=False),
                nn.BatchNorm2d(channels[target]),
                nn.Upsample(scale_factor=2 ** (source - target), mode="nearest"),
            )
        steps = target - source  # only the last one changes the number of channels, and has no ReLU: the sum has it
        between = [_unit(channels[source], channels[source], 2) for _ in range(steps - 1)]
        return nn.Sequential(*between, _unit(channels[source], channels[target], 2, relu=False))

    def forward(self, features: list[torch.Tensor]) -> list[torch.Tensor]:
        features = [branch(x) for branch, x in zip(self.branches, features, strict=True)]
        rows = cast(Iterable[nn.ModuleList], self.fuse_layers)
        mixed = ([fuse(x) for fuse, x in zip(row, features, strict=True)] for row in rows)
        return [self.relu(sum(parts[1:], parts[0])) for parts in mixed]


class HRNet(nn.Module):
    """Predict heatmaps: (B,3,H,W) -> (B,K,H/4,W/4); H and W multiples of 32.

    name    "hrnet_w32" or "hrnet_w48".
    joints  K.
    Raises ValueError for another name.
    """

    def __init__(self, name: str, joints: int):
        super().__init__()
        if name not in HRNETS:
            raise ValueError(f"no HRNet is called {name!r}; known are {', '.join(HRNETS)}")
        self.joints = whole("joints", joints)
        width = HRNETS[name]
        self.conv1 = nn.Conv2d(3, 64, 3, 2, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.conv2 = nn.Conv2d(64, 64, 3, 2, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(*(Bottleneck(64 if index == 0 else 256, 64, 1) for index in range(4)))
        before = [256]
        for number, exchanges in enumerate(_EXCHANGES, start=1):
            channels = [width * 2**branch for branch in range(number + 1)]
            last = number == len(_EXCHANGES)
            setattr(self, f"transition{number}", self._transition(before, channels))
            stage = [Exchange(channels, 1 if last and index == exchanges - 1 else len(channels)) for index in range(exchanges)]
            setattr(self, f"stage{number + 1}", nn.Sequential(*stage))
            before = channels
        self.final_layer = nn.Conv2d(width, self.joints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)  # heatmaps near zero at first, as most of a target is
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)

    @staticmethod
    def _transition(before: list[int], channels: list[int]) -> nn.ModuleList:
        """Make the layers from the branches of one stage to those of the next, which has one more, coarser by two."""
        branches: list[nn.Module] = []
        for index, width in enumerate(channels):
            if index >= len(before):
                branches.append(nn.Sequential(_unit(before[-1], width, 2)))
            elif before[index] != width:
                branches.append(_unit(before[index], width, 1))
            else:
                branches.append(nn.Identity())
        return nn.ModuleList(branches)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % 32 or images.shape[3] % 32:
            raise ValueError(f"images must be (B,3,H,W) with H and W multiples of 32, not {tuple(images.shape)}")
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        features = [self.layer1(x)]
        for number in range(1, len(_EXCHANGES) + 1):
            transitions = getattr(self, f"transition{number}")
            # The new branch comes from the coarsest of the old ones.
            inputs = [*features, *[features[-1]] * (len(transitions) - len(features))]
            features = [transition(x) for transition, x in zip(transitions, inputs, strict=True)]
            features = getattr(self, f"stage{number + 1}")(features)
        return self.final_layer(features[0])
