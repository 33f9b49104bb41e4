"""The backbones by name: what may stand as `encoder` and `initializer` of an RPSTN."""

from __future__ import annotations

from rpstn.models.backbones import BACKBONES, PoseResNet
from rpstn.models.efficientnet import PoseEfficientNet

ENCODERS = (*BACKBONES, "efficientnet_lite0")


def make_encoder(name: str) -> PoseResNet | PoseEfficientNet:
    """(B,3,H,W) -> (B,C,H/4,W/4), `channels` being C. Raises ValueError for a name that is not in ENCODERS."""
    return PoseEfficientNet() if name == "efficientnet_lite0" else PoseResNet(name)
