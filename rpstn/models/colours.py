"""The order of colours in a network's first layer: what was trained on BGR, made to take RGB."""

from __future__ import annotations

import torch

from rpstn.datasets.transforms import IMAGENET_MEAN, IMAGENET_STD
from rpstn.models.backbones import PoseResNet


@torch.no_grad()
def take_rgb(network: PoseResNet) -> None:
    """Makes a network trained on "bgr_imagenet" compute the same from "rgb_imagenet", in place.

    Both are affine in the pixel, so with v the pixel's value of colour c, m ImageNet's means and s its deviations

        (v - m_c') / s_c' = a (v - m_c) / s_c + b,    a = s_c / s_c',  b = (m_c - m_c') / s_c',    c' = 2 - c

    and the first convolution W takes a in its weights and leaves b to the mean of the normalisation after it. Exact but for the
    three outermost pixels of each side, where zeros are padded that stand for another grey.
    """
    weight, norm = network.conv1.weight, network.bn1
    mean, deviation = (torch.tensor(values, device=weight.device) for values in (IMAGENET_MEAN, IMAGENET_STD))
    factor, added = deviation.flip(0) / deviation, (mean.flip(0) - mean) / deviation
    norm.running_mean -= (weight.sum(dim=(2, 3)) * added).sum(dim=1)
    weight.copy_((weight * factor[:, None, None]).flip(1))
