"""Networks for single images, and the JRE on top of any of them; built from a configuration, so that checkpoints can hold them.

SimpleBaseline (Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018) and HRNet (Sun et al., CVPR
2019) are the two to which Dang, Yin and Zhang (IEEE TIP 31, 2022) add the joint relation extractor on COCO.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from rpstn.errors import one_of, whole
from rpstn.models.backbones import PoseResNet, usual_input
from rpstn.models.cost import dry_run
from rpstn.models.hrnet import HRNETS, HRNet
from rpstn.models.movenet import JOINTS, WIDTHS, MoveNet
from rpstn.models.pixels import INPUTS
from rpstn.models.relation import LAYOUTS, SCALES, JointRelationExtractor
from rpstn.models.rpstn import RPSTNOutput

SIMPLE_BASELINES = {f"simplebaseline_{depth}": depth for depth in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")}
# Those of the papers; `image_network` also knows "small", ours for CPUs, and MoveNet.
IMAGE_NETWORKS = (*SIMPLE_BASELINES, *HRNETS)


class SimpleBaseline(PoseResNet):
    """Predict heatmaps by a PoseResNet and a 1x1 convolution: (B,3,H,W) -> (B,K,H/4,W/4); H and W multiples of 32.

    depth   "resnet18" ... "resnet152", or any other PoseResNet; the keys are those of the authors' checkpoints.
    joints  K.
    """

    def __init__(self, depth: str, joints: int):
        super().__init__(depth)
        self.joints = whole("joints", joints)
        self.final_layer = nn.Conv2d(self.channels, self.joints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        assert self.final_layer.bias is not None
        nn.init.zeros_(self.final_layer.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.final_layer(super().forward(images))


def image_network(name: str, joints: int) -> SimpleBaseline | HRNet | MoveNet:
    """Make one of IMAGE_NETWORKS, "small" or MoveNet, with random weights.

    Raises ValueError for another name, and for another number of joints than MoveNet has.
    """
    if name in SIMPLE_BASELINES or name == "small":
        return SimpleBaseline(SIMPLE_BASELINES.get(name, name), joints)
    if name in HRNETS:
        return HRNet(name, joints)
    if name in WIDTHS:
        if joints != JOINTS:
            raise ValueError(f"{name} finds COCO's {JOINTS} joints, not {joints}; for others, take it as encoder of an RPSTN")
        return MoveNet(name)
    raise ValueError(f"no image network is called {name!r}; known are small, {', '.join((*IMAGE_NETWORKS, *WIDTHS))}")


class WithRelation(nn.Module):
    """Refine a network's heatmaps by a JRE: (B,3,H,W) -> (B,K,h,w). See `with_relation`."""

    def __init__(self, network: nn.Module, joints: int, layout: str = "paper", scale: str = "none"):
        super().__init__()
        self.network = network
        self.joints = joints
        self.relation = JointRelationExtractor(joints, layout, scale)
        example = next((value for value in network.parameters() if value.is_floating_point()), None)
        if example is not None:
            self.relation.to(device=example.device, dtype=torch.promote_types(example.dtype, torch.float32))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_with_relation(images)[0]

    def forward_with_relation(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict refined heatmaps (B,K,h,w) and the relation (B,K,K) that refined them.

        relation[b, i, j] is the weight of joint j in the refined joint i; in layout "paper" rows sum to 1.
        Raises ValueError where the network returns anything but (B,K,h,w).
        """
        heatmaps = self.network(images)
        if not isinstance(heatmaps, torch.Tensor) or heatmaps.ndim != 4 or heatmaps.shape[1] != self.joints:
            found = tuple(heatmaps.shape) if isinstance(heatmaps, torch.Tensor) else type(heatmaps).__name__
            raise ValueError(f"the network must return heatmaps (B,{self.joints},h,w), not {found}")
        with torch.autocast(heatmaps.device.type, enabled=False):  # small maps, K of them: full precision costs nothing here
            heatmaps = heatmaps.to(self.relation.g.weight.dtype)
            relation = self.relation.relation(heatmaps)
            return self.relation.apply_relation(heatmaps, relation), relation


def with_relation(network: nn.Module, joints: int | None = None, layout: str = "paper", scale: str = "none") -> WithRelation:
    """Add a joint relation extractor to any network that turns (B,3,H,W) into heatmaps (B,K,h,w).

    The result returns what the network returns, bit for bit, until it is trained: the JRE starts as the identity. Both train
    together, or the JRE alone with `network.requires_grad_(False)`. The network itself is used, not a copy; it is the result's
    `.network`, the extractor its `.relation`.

    joints         K; None takes the network's attribute `joints`, else the shape of its output for an image of 256 x 256 pixels.
    layout, scale  of the `JointRelationExtractor`.
    Raises ValueError where K cannot be determined, and for an unknown layout or scale.
    """
    return WithRelation(network, _joints(network) if joints is None else joints, layout, scale)


def _joints(network: nn.Module) -> int:
    stated = getattr(network, "joints", None)
    if isinstance(stated, int):
        return stated
    try:
        shape = tuple(dry_run(network, (256, 256)).shape)
    except Exception as error:  # a network of any kind may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"the network's number of joints cannot be determined ({reason}); pass joints=") from error
    if len(shape) != 4:
        raise ValueError(f"the network returns {shape} for one image, not heatmaps (1,K,h,w)")
    return shape[1]


class FrameByFrame(nn.Module):
    """Run an image network on clips: (B,T,3,H,W) -> RPSTNOutput, so that whatever runs RPSTN runs it too.

    relations are those of the JRE, or None where the network has none; kernels are None: nothing is carried.
    config  from which a checkpoint builds it again; None for a network that is not saved.
    """

    def __init__(self, network: nn.Module, config: ImageConfig | None = None):
        super().__init__()
        self.network = network
        self.config = config

    @property
    def relation(self) -> JointRelationExtractor | None:
        """Return the JRE, if there is one; `rpstn.relations.interventions` intervenes on it."""
        return self.network.relation if isinstance(self.network, WithRelation) else None

    def forward(self, frames: torch.Tensor) -> RPSTNOutput:
        if frames.ndim != 5 or frames.shape[2] != 3:
            raise ValueError(f"frames must be (B,T,3,H,W), not {tuple(frames.shape)}")
        images = frames.flatten(0, 1)
        if isinstance(self.network, WithRelation):
            heatmaps, relation = self.network.forward_with_relation(images)
            relations = torch.unflatten(relation, 0, frames.shape[:2])
        else:
            heatmaps, relations = self.network(images), None
        return RPSTNOutput(torch.unflatten(heatmaps, 0, frames.shape[:2]), relations, None)


@dataclass(frozen=True)
class ImageConfig:
    """Define an image network, with or without the JRE. Raises ValueError for an unknown choice, TypeError for an unknown key.

    network          "small", one of `rpstn.models.image.IMAGE_NETWORKS`, or movenet_thunder or movenet_lightning.
    joints           K.
    relation         "on": the JRE after the network. "off": the network alone.
    relation_layout  and relation_scale: of the `JointRelationExtractor`.
    input            how pixels are normalized, as in RPSTNConfig; "auto" takes what the network usually takes.
    skeleton         name of the skeleton whose joints these are, if it is a known one.
    """

    network: str
    joints: int
    relation: str = "on"
    relation_layout: str = "paper"
    relation_scale: str = "none"
    input: str = "auto"
    skeleton: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", whole("joints", self.joints))
        if self.input == "auto":
            object.__setattr__(self, "input", usual_input(self.network))
        for name, known in (
            ("network", ("small", *IMAGE_NETWORKS, *WIDTHS)),
            ("relation", ("on", "off")),
            ("relation_layout", LAYOUTS),
            ("relation_scale", SCALES),
            ("input", INPUTS),
        ):
            one_of(name, getattr(self, name), known)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as checkpoints hold them."""
        return asdict(self)


def image_model(config: ImageConfig) -> FrameByFrame:
    """Make the network with random weights: frames (B,T,3,H,W) -> RPSTNOutput, every frame on its own.

    The JRE is made last, so that the same seed gives the network the same weights with and without it.
    """
    network: nn.Module = image_network(config.network, config.joints)
    if config.relation == "on":
        network = with_relation(network, config.joints, config.relation_layout, config.relation_scale)
    return FrameByFrame(network, config)


def check_image_size(size: int) -> None:
    """Raise ValueError for an input size in pixels that an image network cannot take."""
    if size < 32 or size % 32:
        raise ValueError(f"images of {size} x {size} px cannot be halved five times; use a multiple of 32 px a side")
