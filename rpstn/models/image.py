"""Networks for single images, and the JRE plugged onto any of them.

SimpleBaseline (Xiao, Wu, Wei, "Simple Baselines for Human Pose Estimation and Tracking", ECCV 2018) and HRNet (Sun et al., CVPR
2019) are the two onto which Dang, Yin and Zhang (IEEE TIP 31, 2022) plug the joint relation extractor on COCO.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from rpstn.errors import whole
from rpstn.heatmaps import decode
from rpstn.models.backbones import PoseResNet
from rpstn.models.cost import dry_run
from rpstn.models.hrnet import HRNETS, HRNet
from rpstn.models.relation import JointRelationExtractor
from rpstn.models.released import _load, _read
from rpstn.models.rpstn import RPSTNOutput

if TYPE_CHECKING:
    from rpstn.models.image_config import ImageConfig

_RESNETS = {f"simplebaseline_{depth}": depth for depth in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")}
IMAGE_NETWORKS = (*_RESNETS, *HRNETS)  # the published ones; "small", ours for CPUs, is the one more that `image_network` knows


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
    if name in _RESNETS or name == "small":
        return SimpleBaseline(_RESNETS.get(name, name), joints)
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
    config  what a checkpoint needs to build it again (`rpstn.models.image_config`); None for a network that is not to be saved.
    """

    def __init__(self, network: nn.Module, config: ImageConfig | None = None):
        super().__init__()
        self.network = network
        self.config = config

    @property
    def relation(self) -> JointRelationExtractor | None:
        """The JRE, where there is one; what `rpstn.interventions` intervenes on."""
        return self.network.relation if isinstance(self.network, WithRelation) else None

    def forward(self, frames: torch.Tensor) -> RPSTNOutput:
        if frames.ndim != 5 or frames.shape[2] != 3:
            raise ValueError(f"frames must be (B,T,3,H,W), not {tuple(frames.shape)}")
        images = frames.flatten(0, 1)
        if isinstance(self.network, WithRelation):
            heatmaps, relations = self.network.forward_with_relation(images)
            return RPSTNOutput(heatmaps.unflatten(0, frames.shape[:2]), relations.unflatten(0, frames.shape[:2]), None)
        return RPSTNOutput(self.network(images).unflatten(0, frames.shape[:2]), None, None)


def load_official(
    network: nn.Module, path_or_state_dict: str | Path | Mapping[str, torch.Tensor], *, head: bool = True
) -> nn.Module:
    """Loads an official checkpoint of SimpleBaseline or HRNet by its own keys, and returns the network in eval mode.

    network             of `image_network`, of the file's kind, depth and joints, bare or `with_relation`: its JRE stays as it is.
    path_or_state_dict  a file (read with weights_only=True; no code in it runs) or a state dict, with or without `module.`.
    head                False leaves `final_layer` as it is, to start on other joints than the file's.
    What pixels the file's network takes is said by `official_input`; heatmap pixel u stands for its input pixel 4 u: decode with
    `official_decode`. `rpstn.official_networks` puts all of it together.
    Raises UserError for a file that cannot be read, and for weights that do not fit, naming every key that is missing, unexpected
    or of another shape.
    """
    state, where = _read(path_or_state_dict)
    own = ("final_layer.",) if not head else ()
    taken = {key: (key, value) for key, value in state.items() if not (own and key.startswith(own))}
    _load(network.network if isinstance(network, WithRelation) else network, taken, where, optional=own)
    return network.eval()


def official_input(name: str) -> str:
    """What pixels an official checkpoint of that network takes, as `rpstn.datasets.transforms.normalise` names it.

    HRNet's authors read pictures as RGB (their configurations say COLOR_RGB: true); SimpleBaseline's left OpenCV's BGR as it
    is, and took ImageNet's means, which are for RGB, in their order all the same (COLOR_RGB: false). Fed with the other
    order a network still finds people, but fewer.
    """
    return "bgr_imagenet" if name in _RESNETS else "rgb_imagenet"


def official_decode(heatmaps: torch.Tensor, stride: float = 4.0, refine: str = "quarter") -> tuple[torch.Tensor, torch.Tensor]:
    """Joints (...,K,2) in input pixels and confidences (...,K) of a network trained by the official code.

    That code puts heatmap pixel u at input pixel stride * u, where `rpstn.heatmaps.decode` puts it at the middle of the
    stride x stride pixels it covers.
    refine  "quarter": the highest pixel and a quarter of a pixel towards the higher neighbour, as that code does it: on both
            axes or, at the edge, on none, the edge being the first two columns and rows and the last one; and a map without a
            positive value has its joint at (0, 0). "gaussian" and "none" as `rpstn.heatmaps.decode`.
    """
    joints, confidence = decode(heatmaps, stride, refine)
    joints = joints - (stride - 1) / 2
    if refine == "quarter":
        peak, _ = decode(heatmaps, stride, "none")
        peak = peak - (stride - 1) / 2
        last = stride * (torch.tensor([heatmaps.shape[-1], heatmaps.shape[-2]], device=peak.device) - 1)
        inner = ((peak > stride) & (peak < last)).all(dim=-1, keepdim=True)
        joints = torch.where(inner, joints, peak) * (confidence > 0)[..., None]
    return joints, confidence


def flip_test(network: nn.Module, images: torch.Tensor, flip_permutation: Sequence[int], *, shift: bool = False) -> torch.Tensor:
    """Heatmaps (B,K,h,w), the mean over the images (B,3,H,W) and their mirror image, left and right joints exchanged.

    shift  moves the mirrored heatmaps one pixel to the right first, as the official code does: with its grid (see
           `official_decode`) mirroring displaces them by 3/4 of a pixel. With this project's grid it must be off.
    """
    heatmaps = network(images)
    mirrored = network(images.flip(-1)).flip(-1)[:, list(flip_permutation)]
    if shift:
        mirrored = torch.cat([mirrored[..., :1], mirrored[..., :-1]], dim=-1)
    return (heatmaps + mirrored) / 2
