"""PoseResNet: image to features at a quarter of its size.

A ResNet (He et al. 2016) whose classifier is replaced by three transposed convolutions (Xiao et al. 2018, "SimpleBaseline").
Depths 18, 34, 50, 101 and 152 are theirs. "small" is ours, for CPUs: narrow, and with lateral connections that give the
upsampling path the detail that a few minutes of training would not recover from 4 x 4 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from rpstn.models.efficientnet import PoseEfficientNet
from rpstn.models.movenet import WIDTHS, PoseMoveNet


class BasicBlock(nn.Module):
    """Apply two 3x3 convolutions, and add a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y.add_(x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """Apply 1x1, 3x3 (with the stride) and widening 1x1 convolutions, and add a shortcut."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width * 4, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y.add_(x if self.downsample is None else self.downsample(x)))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module | None:
    if inputs == outputs and stride == 1:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


@dataclass(frozen=True)
class Backbone:
    """Describe what distinguishes one PoseResNet from another."""

    block: type[BasicBlock] | type[Bottleneck]
    layers: tuple[int, int, int, int]
    widths: tuple[int, int, int, int] = (64, 128, 256, 512)
    stem: int = 64
    channels: int = 256
    lateral: bool = False


BACKBONES: dict[str, Backbone] = {
    "resnet18": Backbone(BasicBlock, (2, 2, 2, 2)),
    "resnet34": Backbone(BasicBlock, (3, 4, 6, 3)),
    "resnet50": Backbone(Bottleneck, (3, 4, 6, 3)),
    "resnet101": Backbone(Bottleneck, (3, 4, 23, 3)),
    "resnet152": Backbone(Bottleneck, (3, 8, 36, 3)),
    "small": Backbone(BasicBlock, (1, 1, 1, 1), widths=(32, 64, 96, 128), stem=24, channels=64, lateral=True),
}

STRIDE = 4  # input pixels per feature pixel, for every PoseResNet


class PoseResNet(nn.Module):
    """Extract features: (B,3,H,W) -> (B,C,H/4,W/4); H and W multiples of 32. `channels` is C.

    The modules' names are those of torchvision's ResNets and SimpleBaseline's checkpoints (conv1, layer1, deconv_layers, ...).
    Raises ValueError for a name that is not in BACKBONES.
    """

    def __init__(self, name: str):
        super().__init__()
        if name not in BACKBONES:
            raise ValueError(f"no backbone is called {name!r}; known are {', '.join(BACKBONES)}")
        spec = BACKBONES[name]
        self.channels = spec.channels
        self.relu = nn.ReLU(inplace=True)
        if spec.lateral:  # two strided 3x3 cost a fifth of the 7x7 and pooling on a small image
            self.conv1 = nn.Conv2d(3, spec.stem, 3, 2, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(spec.stem)
            self.maxpool: nn.Module = nn.Sequential(
                nn.Conv2d(spec.stem, spec.stem, 3, 2, 1, bias=False), nn.BatchNorm2d(spec.stem), nn.ReLU(inplace=True)
            )
        else:
            self.conv1 = nn.Conv2d(3, spec.stem, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(spec.stem)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
        outputs = []
        inputs = spec.stem
        for index, (blocks, width) in enumerate(zip(spec.layers, spec.widths, strict=True)):
            stage = []
            for block in range(blocks):
                stage.append(spec.block(inputs, width, 2 if block == 0 and index > 0 else 1))
                inputs = width * spec.block.expansion
            setattr(self, f"layer{index + 1}", nn.Sequential(*stage))
            outputs.append(inputs)
        deconvolutions: list[nn.Module] = []
        for _ in range(3):
            deconvolutions += [
                nn.ConvTranspose2d(inputs, spec.channels, 4, 2, 1, bias=False),
                nn.BatchNorm2d(spec.channels),
                nn.ReLU(inplace=True),
            ]
            inputs = spec.channels
        self.deconv_layers = nn.Sequential(*deconvolutions)
        # One 1x1 per upsampling step, from the stage of the same resolution: layer3, layer2, layer1.
        self.lateral = nn.ModuleList(nn.Conv2d(width, spec.channels, 1) for width in outputs[2::-1]) if spec.lateral else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        stages = []
        for index in range(1, 5):
            x = getattr(self, f"layer{index}")(x)
            stages.append(x)
        if self.lateral is None:
            return self.deconv_layers(x)
        for index, lateral in enumerate(self.lateral):
            convolution, norm, relu = (self.deconv_layers[3 * index + offset] for offset in range(3))
            x = relu(norm(convolution(x)) + lateral(stages[2 - index]))
        return x


ENCODERS = (*BACKBONES, "efficientnet_lite0", *WIDTHS)
Encoder = PoseResNet | PoseEfficientNet | PoseMoveNet


def make_encoder(name: str) -> Encoder:
    """Make an encoder (B,3,H,W) -> (B,C,H/4,W/4), `channels` being C. Raises ValueError for a name that is not in ENCODERS."""
    if name in WIDTHS:
        return PoseMoveNet(name)
    return PoseEfficientNet() if name == "efficientnet_lite0" else PoseResNet(name)


def usual_input(*encoders: str) -> str:
    """Name the pixels that networks with these encoders usually take: what MoveNet's weights expect, else ImageNet's."""
    return "rgb_symmetric" if set(encoders) & set(WIDTHS) else "rgb_imagenet"
