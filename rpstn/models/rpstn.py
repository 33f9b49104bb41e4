"""RPSTN: a joint's place from the image, from the other joints, and from the frame before.

Dang, Yin, Zhang, "Relation-Based Associative Joint Location for Human Pose Estimation in Videos", IEEE TIP 31, 2022.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import nn

from rpstn.errors import whole
from rpstn.models.backbones import ENCODERS, STRIDE, make_encoder
from rpstn.models.pixels import INPUTS
from rpstn.models.propagation import GlobalMatching, PoseSemanticsPropagator, fuse_convolution, kernel_side
from rpstn.models.relation import LAYOUTS, SCALES, JointRelationExtractor, square
from rpstn.skeletons import SKELETONS, get_skeleton

RELATIONS = ("on", "off", "manual")
PROPAGATIONS = ("matching", "concat", "none")


NETWORK_VARIANTS = ("paper", "released_penn_action", "released_sub_jhmdb")

# Standard deviation of ideal targets over a heatmap, sqrt(pi sigma^2 / (h w)): sigma 2 on 64 x 64, or sigma 1 on 32 x 32.
# Heatmaps are numbers of about this size.
TARGET_STD = 0.055


@dataclass(frozen=True)
class RPSTNConfig:
    """Everything that decides what the network computes; stored in every checkpoint.

    joints           K, the number of joints.
    encoder          backbone of F, shared by all frames.
    initializer      backbone of P, which finds the pose in the first frame; unused without propagation.
    relation         "on", "off", or "manual": a learnable K x K graph is multiplied onto the Gram matrix.
    propagation      "matching": the frame before writes the kernels (the paper). "concat": its pose is concatenated instead (the
                     paper's Cat). "none": every frame for itself (the paper's "without P").
    relation_layout  "paper": rows of the relation sum to 1. "released": as the authors' code has it.
    relation_scale   divisor of the Gram matrix: "none", "sqrt" (of h w), "mean" (h w) or "learned".
    input            what the pixels are: "rgb_imagenet" (ImageNet's mean and deviation), "bgr_imagenet" or "released_bgr255".
    variant          "paper"; "released_penn_action" and "released_sub_jhmdb" connect the parts as the authors' code (`released`).
    skeleton         name of the skeleton whose joints these are, if it is a known one.
    graph            start of the manual graph; None takes the skeleton's limbs and each joint itself.
    """

    joints: int
    encoder: str = "resnet50"
    initializer: str = "resnet101"
    relation: str = "on"
    propagation: str = "matching"
    relation_layout: str = "paper"
    relation_scale: str = "none"
    input: str = "rgb_imagenet"
    variant: str = "paper"
    skeleton: str | None = None
    graph: tuple[tuple[float, ...], ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", whole("joints", self.joints))
        for name, known in (
            ("encoder", ENCODERS),
            ("initializer", ENCODERS),
            ("relation", RELATIONS),
            ("propagation", PROPAGATIONS),
            ("relation_layout", LAYOUTS),
            ("relation_scale", SCALES),
            ("input", INPUTS),
            ("variant", NETWORK_VARIANTS),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        if self.variant != "paper" and (self.propagation != "matching" or self.relation == "off"):
            raise ValueError(
                f"variant {self.variant!r} has a relation and propagation by matching; choose the paper's variant without"
            )
        if self.skeleton is not None and len(get_skeleton(self.skeleton)) != self.joints:
            raise ValueError(
                f"skeleton {self.skeleton!r} has {len(get_skeleton(self.skeleton))} joints, the network {self.joints}"
            )
        if self.graph is not None:
            object.__setattr__(self, "graph", tuple(map(tuple, square(self.graph, self.joints))))

    @classmethod
    def released(cls, variant: str, *, initializer: str = "resnet101", encoder: str = "resnet50") -> RPSTNConfig:
        """The network as the authors' code wires it (repository YHDang/pose-estimation, commit f7dcd3e).

        variant  "penn_action" (13 joints) or "sub_jhmdb" (15), which has one normalization more.
        It takes BGR pixels of 0 to 255. Raises ValueError for another variant.
        """
        if variant not in ("penn_action", "sub_jhmdb"):
            raise ValueError(f"the released code has the variants penn_action and sub_jhmdb, not {variant!r}")
        return cls(
            joints=len(get_skeleton(variant)), encoder=encoder, initializer=initializer, relation_layout="released",
            input="released_bgr255", variant=f"released_{variant}", skeleton=variant,
        )  # fmt: skip

    def to_dict(self) -> dict:
        """Plain values, as a checkpoint and a manifest hold them."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> RPSTNConfig:
        """The inverse of `to_dict`; an unknown key is a TypeError."""
        return cls(**values)

    def start_graph(self) -> tuple[tuple[float, ...], ...]:
        """The manual graph's start: `graph`, or 1 for each joint itself and each limb of the skeleton."""
        if self.graph is not None:
            return self.graph
        if self.skeleton is not None:
            return get_skeleton(self.skeleton).graph
        # The one known skeleton of that size, if there is one.
        fitting = [skeleton for skeleton in SKELETONS.values() if len(skeleton) == self.joints]
        return fitting[0].graph if len(fitting) == 1 else tuple(map(tuple, torch.eye(self.joints).tolist()))


def check_size(height: int, width: int) -> None:
    """Raises ValueError for an input size in px that does not lead to odd, square kernels."""
    sides = {kernel_side(height // STRIDE), kernel_side(width // STRIDE)}
    if height % 32 or width % 32 or min(sides) < 1 or any(side % 2 == 0 for side in sides) or len(sides) > 1:
        raise ValueError(f"frames of {height} x {width} px do not lead to odd, square kernels; use 64, 128, 192 or 256 px a side")


class RPSTNOutput(NamedTuple):
    """What a call returns, for B clips of T frames.

    heatmaps   (B,T,K,h,w), refined and normalized: M'.
    relations  (B,T,K,K); relations[b, t, i, j] is the weight of joint j in refined joint i. None with relation "off".
    kernels    (B,T-1,C,k,k): kernels[:, t - 1] carried the pose into frame t. None without matching, for
               T = 1, and in a first step.
    """

    heatmaps: torch.Tensor
    relations: torch.Tensor | None
    kernels: torch.Tensor | None


class Encoded(NamedTuple):
    """Features (T*B,C,h,w), those of all clips' first frames first, then of their second; how many clips there are, B; and the
    first frames' heatmaps before refinement (B,K,h,w), None without propagation.
    """

    features: torch.Tensor
    batch: int
    first: torch.Tensor | None


class State(NamedTuple):
    """What a frame leaves for the next one: its refined heatmaps (B,K,h,w) and its features (B,C,h,w)."""

    heatmaps: torch.Tensor
    features: torch.Tensor


class Head(nn.Module):
    """Features to heatmaps: BatchNorm, then Conv_d (1x1), then a fixed factor.

    The paper has the convolution alone. The normalization is ours: what the matching writes has the scale of kernels times
    features, and without a normalization behind it training diverged. Every variant has it, so that they start alike. The
    factor is the deviation of targets. With it the weights have the size that optimizers expect, and M keeps the targets' scale,
    which is what the relation's softmax sees: without it M grew until the relation chose one joint alone.
    plain  the convolution alone, as in the released code.
    """

    def __init__(self, channels: int, joints: int, plain: bool = False):
        super().__init__()
        self.norm = nn.Identity() if plain else nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, joints, 1)
        self.factor = 1.0 if plain else TARGET_STD
        nn.init.normal_(self.conv.weight, std=channels**-0.5)
        nn.init.zeros_(self.conv.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.factor * self.conv(self.norm(features))


class RPSTN(nn.Module):
    """Relation-based Pose Semantics Transfer Network.

        M'_1    = BN(R(P(I_1)))
        M_{t+1} = Conv_d(S(X_t) (x) F(I_{t+1})),   M'_{t+1} = BN(R(M_{t+1}))

    P initializer, F encoder, R joint relation extractor, S propagator, (x) global matching. Calling it takes frames
    (B,T,3,H,W) and returns an RPSTNOutput; `step` takes one frame at a time and gives the same numbers in eval mode.

    The released code is wired otherwise in five places, all marked in `__init__`, `_propagate` and `_refine` with `released`.
    """

    def __init__(self, config: RPSTNConfig):
        super().__init__()
        self.config = config
        self.encoder = make_encoder(config.encoder)
        channels = self.encoder.channels
        released = config.variant != "paper"
        self.head = Head(channels, config.joints, plain=released)
        if config.propagation != "none":
            self.initializer = make_encoder(config.initializer)
            self.initializer_head = Head(self.initializer.channels, config.joints, plain=released)
        if config.propagation == "matching":
            self.propagator = PoseSemanticsPropagator(config.joints, channels, TARGET_STD, fuse_norm=released)
            self.matching = GlobalMatching()
        elif config.propagation == "concat":
            self.fuse = fuse_convolution(config.joints, channels, TARGET_STD)  # X_t, as the propagator has it
            self.join = nn.Conv2d(2 * channels, channels, 1)
            with torch.no_grad():  # the next frame's features pass at first, so that this variant starts as the others do
                self.join.weight[:, :channels] *= 0.1
                self.join.weight[:, channels:] = torch.eye(channels)[:, :, None, None]
        if config.relation != "off":
            self.relation = JointRelationExtractor(
                config.joints,
                config.relation_layout,
                config.relation_scale,
                graph=config.start_graph() if config.relation == "manual" else None,
            )
        else:
            self.relation = None
        if released:
            # A 1x1 convolution on the next frame's features, which the paper does not have.
            self.value = nn.Conv2d(channels, channels, 1)
            # Two convolutions of the relation that the released code holds and never uses.
            self.unused = nn.ModuleDict({name: nn.Conv2d(config.joints, config.joints, 1) for name in ("theta", "phi")})
        # Frame by frame, without relation, nothing is to be refined: the head's heatmaps are the answer.
        bare = config.propagation == "none" and config.relation == "off"
        self.norm = nn.Identity() if bare else nn.BatchNorm2d(config.joints)
        self.expect_targets(0.0, TARGET_STD)

    def expect_targets(self, mean: float, deviation: float) -> None:
        """Sets the last BatchNorm to heatmaps of this mean and deviation, coming in and going out.

        A weight of 1 would start 18 times above the targets, and hundreds of steps would go into shrinking it. Behind a head that
        was trained frame by frame the normalization so starts as the identity.
        """
        if isinstance(self.norm, nn.BatchNorm2d) and self.config.variant == "paper":
            with torch.no_grad():
                for values, start in zip(
                    (self.norm.bias, self.norm.weight, self.norm.running_mean, self.norm.running_var),
                    (mean, (deviation**2 + self.norm.eps) ** 0.5, mean, deviation**2),
                    strict=True,
                ):
                    values.fill_(start)

    def forward(self, frames: torch.Tensor) -> RPSTNOutput:
        """(B,T,3,H,W) -> RPSTNOutput. Raises ValueError for a size whose kernels would not come out odd."""
        if frames.ndim != 5 or frames.shape[2] != 3 or frames.shape[1] < 1:
            raise ValueError(f"frames must be (B,T,3,H,W) with T >= 1, not {tuple(frames.shape)}")
        return self.locate(self.encode(frames))

    def encode(self, frames: torch.Tensor) -> Encoded:
        """What depends on the frames alone, (B,T,3,H,W): the costly half of a call. `locate` is the other half.

        Who intervenes on relations encodes once and locates as often as there are interventions.
        """
        check_size(*frames.shape[-2:])
        # F does not depend on other frames: all frames of all clips go through it in one batch. Frame after frame, so that those
        # of one time lie together: taken apart along a further axis, gradients came back in another memory layout than the
        # features have, and BatchNorm was several times slower.
        features = self.encoder(frames.transpose(0, 1).flatten(0, 1))
        first = None if self.config.propagation == "none" else self.initializer_head(self.initializer(frames[:, 0]))
        return Encoded(features, frames.shape[0], first)  # not len(frames): an exporter would fix the batch at its example's

    def locate(self, encoded: Encoded) -> RPSTNOutput:
        """Relations and propagation behind `encode`: forward(frames) = locate(encode(frames))."""
        if self.config.propagation == "none":
            found = self._refine(self.head(encoded.features))
            found = [None if part is None else part.unflatten(0, (-1, encoded.batch)).transpose(0, 1) for part in found]
            return RPSTNOutput(*found, None)
        features = encoded.features.split(encoded.batch)
        length = len(features)
        heatmaps, relation = self._refine(encoded.first)
        steps, state = [(heatmaps, relation, None)], State(heatmaps, features[0])
        for t in range(1, length):
            carried = self._carried(features[t])
            maps, kernels = self._propagate(state, carried)
            heatmaps, relation = self._refine(maps)
            steps.append((heatmaps, relation, kernels))
            state = State(heatmaps, carried)
        maps, relations, kernels = zip(*steps, strict=True)
        return RPSTNOutput(
            torch.stack(maps, dim=1),
            None if relations[0] is None else torch.stack(relations, dim=1),
            None if length == 1 or kernels[1] is None else torch.stack(kernels[1:], dim=1),
        )

    def step(self, frame: torch.Tensor, state: State | None = None) -> tuple[RPSTNOutput, State]:
        """One frame (B,3,H,W) of a stream; state None at the first. Returns an RPSTNOutput with T = 1 and the next state."""
        if frame.ndim != 4 or frame.shape[1] != 3:
            raise ValueError(f"a frame must be (B,3,H,W), not {tuple(frame.shape)}")
        check_size(*frame.shape[-2:])
        features = self.encoder(frame)
        kernels = None
        if self.config.propagation == "none":
            maps = self.head(features)
        elif state is None:
            maps = self.initializer_head(self.initializer(frame))
        else:
            features = self._carried(features)
            maps, kernels = self._propagate(state, features)
        heatmaps, relation = self._refine(maps)
        output = RPSTNOutput(*(None if part is None else part.unsqueeze(1) for part in (heatmaps, relation, kernels)))
        return output, State(heatmaps, features)

    def _carried(self, features: torch.Tensor) -> torch.Tensor:
        """Features of a frame after the first, as matching and the step after it take them: F's own, in the paper."""
        if self.config.variant == "paper":
            return features
        return self.propagator.fuse_norm(self.value(features))  # released: a second use of the BatchNorm behind Conv_a

    def _propagate(self, state: State, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Heatmaps of the next frame, before refinement, and the kernels that carried into it."""
        if self.config.propagation == "matching":
            kernels = self.propagator(state.heatmaps, state.features)
            matched = self.matching(features, kernels)
            if self.config.variant == "released_sub_jhmdb":
                matched = self.propagator.fuse_norm(matched)  # released: a third use of the same BatchNorm
            maps = self.head(matched)
            # released: the BatchNorm that follows the JRE stands before it too, from the second frame on.
            return (maps if self.config.variant == "paper" else self.norm(maps)), kernels
        before = self.fuse(torch.cat([state.heatmaps.to(state.features.dtype), state.features], dim=1))
        return self.head(self.join(torch.cat([before, features], dim=1))), None

    def _refine(self, heatmaps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """BN(R(M)), and the relation that R used. Small maps, K of them: full precision costs nothing here."""
        with torch.autocast(heatmaps.device.type, enabled=False):
            heatmaps, relation = heatmaps.to(self.head.conv.weight.dtype), None
            if self.relation is not None:
                relation = self.relation.relation(heatmaps)
                heatmaps = self.relation.apply_relation(heatmaps, relation)
            return self.norm(heatmaps), relation
