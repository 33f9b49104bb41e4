"""MoveNet: a pose network for single people that Google trained, as plain modules; zero-shot peer and encoder.

MobileNetV2 with a feature pyramid down to a quarter of the input, and four heads in the manner of CenterNet (Zhou et al.,
"Objects as Points", 2019): heatmaps of 17 joints, the person's center, joints as seen from the center, and sub-pixel offsets.
"Thunder" is 1.75 times as wide and takes 256 px, "lightning" takes 192 px; both are convolutional and take any multiple of 32.

The weights are Google's (Apache-2.0, tfhub.dev/google/movenet/singlepose), BatchNorms folded into the convolutions;
`rpstn.models.movenet_files` reads them. Source of the design: Votel, Li, "Next-Generation Pose Detection with MoveNet and
TensorFlow.js", TensorFlow blog, 2021, and the published graph.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from rpstn.models.convolutions import SameConv
from rpstn.skeletons import Skeleton, get_skeleton

WIDTHS = {"movenet_lightning": 1.0, "movenet_thunder": 1.75}
SIDES = {"movenet_lightning": 192, "movenet_thunder": 256}  # input px that the weights were trained at
JOINTS = 17  # COCO's, in its order
FEATURES = 96  # channels before each head's last convolution

# MobileNetV2's groups: expansion, channels at width 1, repeats, stride of the first.
GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_LAST = 1280
_TAPS = {1: 24, 2: 32, 3: 64}  # groups whose outputs enter the pyramid, and their channels there
# Joints of ours that MoveNet has under another name: the middle of the face, and of the head, taken for the nose.
_NAMES = {"face": "nose", "head": "nose"}
_NEAR = 1.7998046875  # pixels added to distances before dividing by them, in Google's decoding


class InvertedResidual(nn.Module):
    """Apply 1x1 (widening), depthwise 3x3 and 1x1 (narrowing) convolutions; add the input where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int):
        super().__init__()
        width = inputs * expansion
        self.expand = SameConv(inputs, width, 1, bias=True, activation="relu6") if expansion > 1 else None
        self.depthwise = SameConv(width, width, 3, stride, groups=width, bias=True, activation="relu6")
        self.project = nn.Conv2d(width, outputs, 1)
        self.shortcut = inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x if self.expand is None else self.expand(x)
        y = self.project(self.depthwise(y))
        return x + y if self.shortcut else y


class Separable(nn.Module):
    """Apply a depthwise 3x3 and a 1x1 convolution, then ReLU."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.depthwise = SameConv(inputs, inputs, 3, groups=inputs)
        self.pointwise = SameConv(inputs, outputs, 1, bias=True, activation="relu")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.pointwise(self.depthwise(x))


class Pyramid(nn.Module):
    """Extract 24 channels at a quarter of the input: (B,3,H,W) -> (B,24,H/4,W/4); H and W multiples of 32."""

    def __init__(self, width: float):
        super().__init__()
        inputs = _channels(32 * width)
        self.stem = SameConv(3, inputs, 3, 2, bias=True, activation="relu6")
        groups = []
        for expansion, channels, repeats, stride in GROUPS:
            outputs, blocks = _channels(channels * width), []
            for index in range(repeats):
                blocks.append(InvertedResidual(inputs, outputs, stride if index == 0 else 1, expansion))
                inputs = outputs
            groups.append(nn.Sequential(*blocks))
        self.groups = nn.ModuleList(groups)
        self.last = SameConv(inputs, _LAST, 1, bias=True, activation="relu6")
        self.top = nn.Conv2d(_LAST, 64, 1)
        taps = {index: _channels(GROUPS[index][1] * width) for index in _TAPS}
        self.lateral = nn.ModuleList(nn.Conv2d(taps[index], _TAPS[index], 1) for index in sorted(_TAPS, reverse=True))
        self.smooth = nn.ModuleList([Separable(64, 32), Separable(32, 24), Separable(24, 24)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        taps = []
        for index, group in enumerate(self.groups):
            x = group(x)
            if index in _TAPS:
                taps.append(x)
        y = self.top(self.last(x))
        for lateral, smooth in zip(self.lateral, self.smooth, strict=True):
            y = smooth(F.interpolate(y, scale_factor=2.0, mode="bilinear", align_corners=False) + lateral(taps.pop()))
        return y


class HeatmapHead(nn.Module):
    """Find joints: (B,24,h,w) -> features (B,96,h,w) and heatmaps (B,17,h,w), 0 to 1."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = Separable(24, FEATURES)
        self.output = nn.Conv2d(FEATURES, JOINTS, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.hidden(x)
        return features, torch.sigmoid(self.output(features))


class PoseMoveNet(nn.Module):
    """Extract features: (B,3,H,W) -> (B,C,H/4,W/4); H and W multiples of 32. `channels` is C.

    The features are what MoveNet's heatmap head sees before its last convolution (96 channels), and the 17 heatmaps that
    it finds, as far as they are known before anything was trained here. Raises ValueError for an unknown name.
    """

    channels = FEATURES + JOINTS
    first_heatmap = FEATURES  # the feature that is the first joint's heatmap

    def __init__(self, name: str):
        super().__init__()
        if name not in WIDTHS:
            raise ValueError(f"no MoveNet is called {name!r}; known are {', '.join(WIDTHS)}")
        self.pyramid = Pyramid(WIDTHS[name])
        self.heatmaps = HeatmapHead()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat(self.heatmaps(self.pyramid(x)), dim=1)


class MoveNetOutput(NamedTuple):
    """Hold what MoveNet's heads say, for B images.

    heatmaps  (B,17,h,w), 0 to 1.
    center    (B,h,w), 0 to 1: how likely a person's center is here.
    regressed (B,17,2,h,w): joints relative to a center at this pixel, y and x, in heatmap pixels.
    offsets   (B,17,2,h,w): from this pixel to the joint, y and x, in heatmap pixels.
    """

    heatmaps: torch.Tensor
    center: torch.Tensor
    regressed: torch.Tensor
    offsets: torch.Tensor


class MoveNet(PoseMoveNet):
    """Predict heatmaps: (B,3,H,W) -> (B,17,H/4,W/4), 0 to 1. All of MoveNet, with the heads that an encoder does without."""

    joints = JOINTS

    def __init__(self, name: str):
        super().__init__(name)
        self.center = nn.Sequential(Separable(24, FEATURES), nn.Conv2d(FEATURES, 1, 1))
        self.regress = nn.Sequential(Separable(24, FEATURES), nn.Conv2d(FEATURES, 2 * JOINTS, 1))
        self.offset = nn.Sequential(Separable(24, FEATURES), nn.Conv2d(FEATURES, 2 * JOINTS, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.heatmaps(self.pyramid(x))[1]

    def heads(self, x: torch.Tensor) -> MoveNetOutput:
        """Compute all heads' outputs for images (B,3,H,W) of "rgb_symmetric" pixels."""
        shared = self.pyramid(x)
        pairs = [head(shared).unflatten(1, (JOINTS, 2)) for head in (self.regress, self.offset)]
        return MoveNetOutput(self.heatmaps(shared)[1], torch.sigmoid(self.center(shared))[:, 0], *pairs)


def known_joints(skeleton: Skeleton) -> dict[int, int]:
    """Find the joints of a skeleton that MoveNet has, as {ours: MoveNet's}; a face, or a head, is taken for the nose."""
    theirs = get_skeleton("coco")
    names = {index: _NAMES.get(joint, joint) for index, joint in enumerate(skeleton.joints)}
    return {index: theirs.index(name) for index, name in names.items() if name in theirs.joints}


def decode_movenet(output: MoveNetOutput, stride: float = 4.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Decode joints as Google does: joints (B,17,2), x and y in input pixels, and confidences (B,17).

        c   = argmax  center / (|p - middle| + 1.8)          the person nearest the middle of the image
        q_k = c + regressed_k(c)                             a first guess of joint k
        p_k = argmax  heatmap_k / (|p - q_k| + 1.8)          the peak near it
        joint k at p_k + offset_k(p_k)

    Distances are in heatmap pixels. Google counts a heatmap pixel from its upper left corner, `rpstn.heatmaps` from its
    center: the position is u * stride there. Compared on real people, both conventions are off by less than half a pixel.
    """
    _, joints, height, width = output.heatmaps.shape
    device = output.heatmaps.device
    rows = torch.arange(height, device=device, dtype=torch.float32)[:, None]
    columns = torch.arange(width, device=device, dtype=torch.float32)[None]

    def near(row: torch.Tensor | float, column: torch.Tensor | float) -> torch.Tensor:
        return ((rows - row).square() + (columns - column).square()).sqrt() + _NEAR

    def at(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        """Take values (B,17,2,h,w) at one pixel for each joint (B,17)."""
        return values.flatten(3).gather(3, index[:, :, None, None].expand(-1, -1, 2, 1))[..., 0]

    # Google's graph holds these reciprocals as a table of float16: rounded alike, ties fall as they do there.
    central = (1 / near(height / 2, width / 2)).half().float()
    index = (output.center * central).flatten(1).argmax(dim=1)[:, None].expand(-1, joints)
    guess = torch.stack([index // width, index % width], dim=-1) + at(output.regressed, index)
    weighted = output.heatmaps / near(guess[..., 0, None, None], guess[..., 1, None, None])
    index = weighted.flatten(2).argmax(dim=2)
    found = torch.stack([index // width, index % width], dim=-1) + at(output.offsets, index)
    confidence = output.heatmaps.flatten(2).gather(2, index[..., None])[..., 0]
    return found.flip(-1) * stride, confidence


def _channels(value: float) -> int:
    """Round a number of channels to a multiple of 8, never by more than a tenth down, as MobileNets do."""
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded
