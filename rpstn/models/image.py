"""Networks for single images, and the JRE plugged onto any of them; built by description, so that they are kept in checkpoints.

SimpleBaseline (Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018) and HRNet (Sun et al., CVPR
2019) are the two onto which Dang, Yin and Zhang (IEEE TIP 31, 2022) plug the joint relation extractor on COCO.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import nn

from rpstn.errors import whole
from rpstn.models.backbones import PoseResNet
from rpstn.models.cost import dry_run
from rpstn.models.hrnet import HRNETS, HRNet
from rpstn.models.pixels import INPUTS
from rpstn.models.relation import LAYOUTS, SCALES, JointRelationExtractor
from rpstn.models.rpstn import RPSTNOutput

SIMPLE_BASELINES = {f"simplebaseline_{depth}": depth for depth in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")}
# the published ones; "small", ours for CPUs, is the one more that `image_network` knows
IMAGE_NETWORKS = (*SIMPLE_BASELINES, *HRNETS)


class SimpleBaseline(PoseResNet):
    """A PoseResNet and a 1x1 convolution: (B,3,H,W) -> heatmaps (B,K,H/4,W/4); H and W multiples of 32.

    depth   "resnet18" ... "resnet152", or any other PoseResNet; the keys are those of the authors' checkpoints.
    joints  K.
    """

    def __init__(self, depth: str, joints: int):
        super().__init__(depth)
        self.joints = whole("joints", joints)
        self.final_layer = nn.Conv2d(self.channels, self.joints, 1)
        nn.init.normal_(self.final_layer.weight, std=0.001)
        nn.init.zeros_(self.final_layer.bias)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.final_layer(super().forward(images))


def image_network(name: str, joints: int) -> SimpleBaseline | HRNet:
    """One of IMAGE_NETWORKS, or "small", with random weights. Raises ValueError for another name."""
    if name in SIMPLE_BASELINES or name == "small":
        return SimpleBaseline(SIMPLE_BASELINES.get(name, name), joints)
    if name in HRNETS:
        return HRNet(name, joints)
    raise ValueError(f"no image network is called {name!r}; known are small, {', '.join(IMAGE_NETWORKS)}")


class WithRelation(nn.Module):
    """A network and the JRE behind it: (B,3,H,W) -> refined heatmaps (B,K,h,w). See `with_relation`."""

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
        """Refined heatmaps (B,K,h,w) and the relation (B,K,K) that refined them.

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
    """Plugs a joint relation extractor onto any network that turns (B,3,H,W) into heatmaps (B,K,h,w).

    The result returns what the network returns, bit for bit, until it is trained: the JRE starts as the identity. Both
    train together, or the JRE alone with `network.requires_grad_(False)`; the network itself is used, not a copy, and stays
    reachable as `.network`, the extractor as `.relation`.

    joints         K; None asks the network: its attribute `joints`, else its output for an image of 256 x 256 px (computed on
                   shapes alone).
    layout, scale  of the `JointRelationExtractor`.
    Raises ValueError where K cannot be found out, and for an unknown layout or scale.
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
        raise ValueError(f"the network's number of joints cannot be found out ({reason}); pass joints=") from error
    if len(shape) != 4:
        raise ValueError(f"the network returns {shape} for one image, not heatmaps (1,K,h,w)")
    return shape[1]


class FrameByFrame(nn.Module):
    """An image network as a network of clips: (B,T,3,H,W) -> RPSTNOutput, so that whatever runs RPSTN runs it too.

    relations are those of the JRE, or None where the network has none; kernels are None: nothing is carried.
    config  what a checkpoint needs to build it again (`rpstn.models.image`); None for a network that is not to be saved.
    """

    def __init__(self, network: nn.Module, config: ImageConfig | None = None):
        super().__init__()
        self.network = network
        self.config = config

    @property
    def relation(self) -> JointRelationExtractor | None:
        """The JRE, where there is one; what `rpstn.relations.interventions` intervenes on."""
        return self.network.relation if isinstance(self.network, WithRelation) else None

    def forward(self, frames: torch.Tensor) -> RPSTNOutput:
        if frames.ndim != 5 or frames.shape[2] != 3:
            raise ValueError(f"frames must be (B,T,3,H,W), not {tuple(frames.shape)}")
        images = frames.flatten(0, 1)
        if isinstance(self.network, WithRelation):
            heatmaps, relations = self.network.forward_with_relation(images)
            return RPSTNOutput(heatmaps.unflatten(0, frames.shape[:2]), relations.unflatten(0, frames.shape[:2]), None)
        return RPSTNOutput(self.network(images).unflatten(0, frames.shape[:2]), None, None)


@dataclass(frozen=True)
class ImageConfig:
    """An image network, with or without the JRE behind it. Raises ValueError for an unknown choice, TypeError for an unknown key.

    network          "small", or one of `rpstn.models.image.IMAGE_NETWORKS`.
    joints           K.
    relation         "on": the JRE behind the network. "off": the network alone.
    relation_layout  and relation_scale: of the `JointRelationExtractor`.
    input            what the pixels are, as in RPSTNConfig.
    skeleton         name of the skeleton whose joints these are, if it is a known one.
    """

    network: str
    joints: int
    relation: str = "on"
    relation_layout: str = "paper"
    relation_scale: str = "none"
    input: str = "rgb_imagenet"
    skeleton: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", whole("joints", self.joints))
        for name, known in (
            ("network", ("small", *IMAGE_NETWORKS)),
            ("relation", ("on", "off")),
            ("relation_layout", LAYOUTS),
            ("relation_scale", SCALES),
            ("input", INPUTS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")

    def to_dict(self) -> dict:
        """Plain values, as a checkpoint holds them."""
        return asdict(self)


def image_model(config: ImageConfig) -> FrameByFrame:
    """The network with random weights: frames (B,T,3,H,W) -> RPSTNOutput, every frame for itself.

    The JRE is made last, so that the same seed gives the network the same weights with and without it.
    """
    network: nn.Module = image_network(config.network, config.joints)
    if config.relation == "on":
        network = with_relation(network, config.joints, config.relation_layout, config.relation_scale)
    return FrameByFrame(network, config)


def check_image_size(size: int) -> None:
    """Raises ValueError for an input side in px that an image network cannot take."""
    if size < 32 or size % 32:
        raise ValueError(f"images of {size} x {size} px cannot be halved five times; use a multiple of 32 px a side")
