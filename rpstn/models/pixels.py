"""Pixels as a network takes them: the names of inputs, their normalization, and converting BGR weights to RGB."""

from __future__ import annotations

import torch

from rpstn.errors import UserError
from rpstn.models.backbones import PoseResNet

INPUTS = ("rgb_imagenet", "bgr_imagenet", "released_bgr255", "rgb_symmetric")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize(frames: torch.Tensor, input: str = "rgb_imagenet") -> torch.Tensor:
    """Normalize frames (...,H,W,3) uint8 RGB as the network takes them, (...,3,H,W) float32.

    input  "rgb_imagenet": (value / 255 - mean) / std with ImageNet's mean and standard deviation, RGB;
           "bgr_imagenet": the same with blue and red swapped but not the means, as SimpleBaseline's authors do;
           "released_bgr255": 0 .. 255, BGR, as in the released code;
           "rgb_symmetric": value / 127.5 - 1, from -1 to 1, RGB, as MoveNet takes them.
    Raises UserError for another input.
    """
    if input not in INPUTS:
        raise UserError(f"input is {input!r}; give one of {', '.join(INPUTS)}")
    values = torch.empty(*frames.shape[:-3], 3, *frames.shape[-3:-1], device=frames.device)
    for channel in range(3):  # channel by channel is several times faster than over a last axis of three
        plane = values[..., channel, :, :]
        plane.copy_(frames[..., channel if input.startswith("rgb") else 2 - channel])
        if input == "rgb_symmetric":
            plane.mul_(1 / 127.5).sub_(1)
        elif input != "released_bgr255":
            mean, std = 255 * IMAGENET_MEAN[channel], 255 * IMAGENET_STD[channel]
            plane.sub_(mean).mul_(1 / std)
    return values


@torch.no_grad()
def take_rgb(network: PoseResNet) -> None:
    """Convert a network trained on "bgr_imagenet", in place, to compute the same from "rgb_imagenet".

    Both are affine in the pixel, so with v the pixel's value of color c, m ImageNet's means and s its standard deviations

        (v - m_c') / s_c' = a (v - m_c) / s_c + b,    a = s_c / s_c',  b = (m_c - m_c') / s_c',    c' = 2 - c

    where a is absorbed by the weights of the first convolution W and b by the mean of the normalization after it. Exact except
    for the three outermost pixels of each side, where the padded zeros stand for another gray.
    """
    weight, norm = network.conv1.weight, network.bn1
    assert norm.running_mean is not None
    mean, std = (torch.tensor(values, device=weight.device) for values in (IMAGENET_MEAN, IMAGENET_STD))
    factor, added = std.flip(0) / std, (mean.flip(0) - mean) / std
    norm.running_mean -= (weight.sum(dim=(2, 3)) * added).sum(dim=1)
    weight.copy_((weight * factor[:, None, None]).flip(1))
