"""Pixels as a network takes them: what an input is called, how it is normalized, and BGR weights made to take RGB."""

from __future__ import annotations

import torch

from rpstn.errors import UserError
from rpstn.models.backbones import PoseResNet

INPUTS = ("rgb_imagenet", "bgr_imagenet", "released_bgr255")
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def normalize(frames: torch.Tensor, input: str = "rgb_imagenet") -> torch.Tensor:
    """Frames (...,H,W,3) uint8 RGB as the network takes them, (...,3,H,W) float32.

    input  "rgb_imagenet": (value / 255 - mean) / deviation with ImageNet's numbers, RGB;
           "bgr_imagenet": the same with blue and red exchanged but not the numbers, as SimpleBaseline's authors feed it;
           "released_bgr255": 0 .. 255, BGR, as the released code feeds its network.
    """
    if input not in INPUTS:
        raise UserError(f"input is {input!r}; give one of {', '.join(INPUTS)}")
    values = torch.empty(*frames.shape[:-3], 3, *frames.shape[-3:-1], device=frames.device)
    for channel in range(3):  # channel by channel is several times faster than over a last axis of three
        plane = values[..., channel, :, :]
        plane.copy_(frames[..., channel if input == "rgb_imagenet" else 2 - channel])
        if input != "released_bgr255":
            mean, deviation = 255 * IMAGENET_MEAN[channel], 255 * IMAGENET_STD[channel]
            plane.sub_(mean).mul_(1 / deviation)
    return values


@torch.no_grad()
def take_rgb(network: PoseResNet) -> None:
    """Makes a network trained on "bgr_imagenet" compute the same from "rgb_imagenet", in place.

    Both are affine in the pixel, so with v the pixel's value of color c, m ImageNet's means and s its deviations

        (v - m_c') / s_c' = a (v - m_c) / s_c + b,    a = s_c / s_c',  b = (m_c - m_c') / s_c',    c' = 2 - c

    and the first convolution W takes a in its weights and leaves b to the mean of the normalization after it. Exact but for the
    three outermost pixels of each side, where zeros are padded that stand for another gray.
    """
    weight, norm = network.conv1.weight, network.bn1
    mean, deviation = (torch.tensor(values, device=weight.device) for values in (IMAGENET_MEAN, IMAGENET_STD))
    factor, added = deviation.flip(0) / deviation, (mean.flip(0) - mean) / deviation
    norm.running_mean -= (weight.sum(dim=(2, 3)) * added).sum(dim=1)
    weight.copy_((weight * factor[:, None, None]).flip(1))
