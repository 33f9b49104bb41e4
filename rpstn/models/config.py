"""What decides what an RPSTN computes: its configuration, stored in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch

from rpstn.errors import one_of, whole
from rpstn.models.backbones import ENCODERS, STRIDE, usual_input
from rpstn.models.movenet import WIDTHS
from rpstn.models.pixels import INPUTS
from rpstn.models.propagation import KERNEL_STARTS, kernel_side
from rpstn.models.relation import LAYOUTS, SCALES, square
from rpstn.skeletons import SKELETONS, get_skeleton

RELATIONS = ("on", "off", "manual")
PROPAGATIONS = ("matching", "concat", "none")
CARRIES = ("none", "gated")
NETWORK_VARIANTS = ("paper", "released_penn_action", "released_sub_jhmdb")
SHARED = "shared"  # the initializer that is no backbone of its own


@dataclass(frozen=True)
class RPSTNConfig:
    """Define everything that decides what the network computes; stored in every checkpoint.

    joints           K, the number of joints.
    encoder          backbone of F, shared by all frames.
    initializer      backbone of P, which finds the pose in the first frame; "shared": P is a head on F, and no second backbone.
                     Unused without propagation.
    relation         "on", "off", or "manual": the Gram matrix is multiplied by a learnable K x K graph.
    propagation      "matching": the frame before determines the kernels (the paper). "concat": its pose is concatenated instead
                     (the paper's Cat). "none": every frame on its own (the paper's "without P").
    relation_layout  "paper": rows of the relation sum to 1. "released": as the authors' code has it.
    relation_scale   divisor of the Gram matrix: "none", "sqrt" (of h w), "mean" (h w) or "learned".
    input            how pixels are normalized (`rpstn.models.pixels`): "rgb_imagenet", "bgr_imagenet", "released_bgr255" or
                     "rgb_symmetric"; "auto" takes what the encoder's published weights expect: "rgb_symmetric" for MoveNet, else
                     "rgb_imagenet".
    variant          "paper", or as the released code connects the parts: "released_penn_action", "released_sub_jhmdb".
    skeleton         name of the skeleton whose joints these are, if it is a known one.
    graph            initial manual graph; None takes the skeleton's limbs and each joint itself.
    carry            "none" (the paper), or "gated" (ours, `rpstn.models.carry`): what frame t knew of positions also reaches
                     frame t + 1. Goes with every propagation.
    kernel_start     what matching's kernels are before training: "delta", which changes nothing, or "average", a blur, as
                     versions before 0.3 had it.
    Raises ValueError for an unknown choice, or choices that do not go together, and TypeError for an unknown key.
    """

    joints: int
    encoder: str = "resnet50"
    initializer: str = "resnet101"
    relation: str = "on"
    propagation: str = "matching"
    relation_layout: str = "paper"
    relation_scale: str = "none"
    input: str = "auto"
    variant: str = "paper"
    skeleton: str | None = None
    graph: tuple[tuple[float, ...], ...] | None = None
    carry: str = "none"
    kernel_start: str = "delta"

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", whole("joints", self.joints))
        if self.input == "auto":
            object.__setattr__(self, "input", usual_input(self.encoder, self.initializer))
        for name, known in (
            ("encoder", ENCODERS),
            ("initializer", (*ENCODERS, SHARED)),
            ("relation", RELATIONS),
            ("propagation", PROPAGATIONS),
            ("relation_layout", LAYOUTS),
            ("relation_scale", SCALES),
            ("input", INPUTS),
            ("variant", NETWORK_VARIANTS),
            ("carry", CARRIES),
            ("kernel_start", KERNEL_STARTS),
        ):
            one_of(name, getattr(self, name), known)
        if {self.encoder, self.initializer} & set(WIDTHS) and self.input != "rgb_symmetric":
            raise ValueError(f"MoveNet takes pixels from -1 to 1: choose input 'rgb_symmetric', not {self.input!r}")
        if self.variant != "paper" and (self.propagation != "matching" or self.relation == "off" or self.carry != "none"):
            raise ValueError(
                f"variant {self.variant!r} has a relation, matching and no gate; choose the variant 'paper' to change these"
            )
        if self.skeleton is not None and len(get_skeleton(self.skeleton)) != self.joints:
            raise ValueError(
                f"skeleton {self.skeleton!r} has {len(get_skeleton(self.skeleton))} joints, the network {self.joints}"
            )
        if self.graph is not None:
            object.__setattr__(self, "graph", tuple(map(tuple, square(self.graph, self.joints))))

    @classmethod
    def released(cls, variant: str, *, initializer: str = "resnet101", encoder: str = "resnet50") -> RPSTNConfig:
        """Configure the network as the released code connects it (repository YHDang/pose-estimation, commit f7dcd3e).

        variant  "penn_action" (13 joints) or "sub_jhmdb" (15), which has one normalization more.
        It takes BGR pixels of 0 to 255. Raises ValueError for another variant.
        """
        if variant not in ("penn_action", "sub_jhmdb"):
            raise ValueError(f"the released code has the variants penn_action and sub_jhmdb, not {variant!r}")
        return cls(
            joints=len(get_skeleton(variant)), encoder=encoder, initializer=initializer, relation_layout="released",
            input="released_bgr255", variant=f"released_{variant}", skeleton=variant, kernel_start="average",
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as checkpoints and manifests hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> RPSTNConfig:
        """Invert `to_dict`; what older versions did not store is as they had it. Raises TypeError for an unknown key."""
        return cls(**{"kernel_start": "average", **values})

    @property
    def recurrent(self) -> bool:
        """Tell whether a frame leaves something for the next one."""
        return self.propagation != "none" or self.carry != "none"

    def start_graph(self) -> tuple[tuple[float, ...], ...]:
        """Return the initial manual graph: `graph`, or 1 for each joint itself and each limb of the skeleton."""
        if self.graph is not None:
            return self.graph
        if self.skeleton is not None:
            return get_skeleton(self.skeleton).graph
        # The one known skeleton of that size, if there is one.
        fitting = [skeleton for skeleton in SKELETONS.values() if len(skeleton) == self.joints]
        return fitting[0].graph if len(fitting) == 1 else tuple(map(tuple, torch.eye(self.joints).tolist()))


def check_size(height: int, width: int) -> None:
    """Raise ValueError for an input size in pixels that does not lead to odd, square kernels."""
    sides = kernel_side(height // STRIDE), kernel_side(width // STRIDE)
    if height % 32 or width % 32 or sides[0] != sides[1] or sides[0] < 1 or sides[0] % 2 == 0:
        raise ValueError(f"frames of {height} x {width} px do not lead to odd, square kernels; use 64, 128, 192 or 256 px a side")
