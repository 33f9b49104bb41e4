"""RPSTN: find a joint from the image, from the other joints, and from the frame before.

Dang, Yin, Zhang, "Relation-Based Associative Joint Location for Human Pose Estimation in Videos", IEEE TIP 31, 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from rpstn.models.backbones import make_encoder
from rpstn.models.carry import CarryGate
from rpstn.models.config import SHARED, RPSTNConfig, check_size
from rpstn.models.movenet import PoseMoveNet, known_joints
from rpstn.models.propagation import GlobalMatching, PoseSemanticsPropagator, fuse_convolution
from rpstn.models.relation import JointRelationExtractor
from rpstn.skeletons import get_skeleton

# Standard deviation of a target heatmap's values, sqrt(pi sigma^2 / (h w)) with sigma 2 on 64 x 64 or sigma 1 on 32 x 32 pixels:
# the scale of heatmaps.
TARGET_STD = 0.055


class RPSTNOutput(NamedTuple):
    """Hold what a call returns, for B clips of T frames.

    heatmaps   (B,T,K,h,w), refined and normalized: M'.
    relations  (B,T,K,K); relations[b, t, i, j] is the weight of joint j in refined joint i. None with relation "off".
    kernels    (B,T-1,C,k,k): kernels[:, t - 1] carried the pose into frame t. None without matching, for T = 1, and in a first
               step.
    """

    heatmaps: torch.Tensor
    relations: torch.Tensor | None
    kernels: torch.Tensor | None


class Encoded(NamedTuple):
    """Hold what depends on the frames alone.

    features  (T*B,C,h,w): of all clips' first frames, then of their second, ...
    batch     B, the number of clips.
    first     (B,K,h,w): the first frames' heatmaps before refinement; None without propagation.
    """

    features: torch.Tensor
    batch: int
    first: torch.Tensor | None


class State(NamedTuple):
    """Hold what a frame leaves for the next one: its refined heatmaps (B,K,h,w) and its features (B,C,h,w)."""

    heatmaps: torch.Tensor
    features: torch.Tensor


def move_state(state: State, before: np.ndarray, now: np.ndarray, size: int) -> State:
    """Move a state into another crop: what lay at a point of the frame lies at that point afterwards.

        values'(p) = values(A_before A_now^-1 p)      p in pixels of the crop, of which heatmap pixel u is number u * stride

    before, now  maps (2,3) from pixels of the frame to those of the crop (`rpstn.datasets.transforms.crop_affine`).
    size         of the crops, px. Interpolated linearly; zero beyond the old crop, of which nothing is known.
    """
    square = [np.vstack([affine, [0.0, 0.0, 1.0]]) for affine in (before, now)]
    map_back = square[0] @ np.linalg.inv(square[1])
    height, width = state.heatmaps.shape[-2:]
    stride = size / width
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    old = (map_back[:2, :2] @ np.stack([columns, rows]).reshape(2, -1) + map_back[:2, 2:] / stride).reshape(2, height, width)
    grid = np.stack([2 * old[0] / (width - 1) - 1, 2 * old[1] / (height - 1) - 1], axis=-1)
    where = torch.from_numpy(grid).to(state.heatmaps.device, torch.float32)[None]

    def moved(values: torch.Tensor) -> torch.Tensor:
        places = where.expand(values.shape[0], -1, -1, -1)
        return F.grid_sample(values.float(), places, align_corners=True).to(values.dtype)

    return State(moved(state.heatmaps), moved(state.features))


class Head(nn.Module):
    """Turn features (B,C,h,w) into heatmaps (B,K,h,w): BatchNorm, then Conv_d (1x1), then a fixed factor.

    The paper has the convolution alone. The normalization is ours: the matching's output has the scale of kernels times
    features, and without a normalization after it training diverged. Every variant has it, so that all start alike. The factor
    is the targets' standard deviation. With it the weights have the scale that optimizers expect, and M keeps the targets' scale,
    which is what the relation's softmax sees: without it M grew until the relation chose one joint alone.
    plain  the convolution alone, as in the released code.
    """

    def __init__(self, channels: int, joints: int, plain: bool = False):
        super().__init__()
        self.norm = nn.Identity() if plain else nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, joints, 1)
        self.factor = 1.0 if plain else TARGET_STD
        nn.init.normal_(self.conv.weight, std=channels**-0.5)
        assert self.conv.bias is not None
        nn.init.zeros_(self.conv.bias)

    @torch.no_grad()
    def pass_on(self, joints: dict[int, int], first: int, mean: float, std: float) -> None:
        """Start with the heatmaps among the features: joint k is feature `first` + joints[k], and 0 for joints not in it.

        mean, std  of targets, which the features' heatmaps are taken to have too.
        """
        if not isinstance(self.norm, nn.BatchNorm2d):
            return
        assert self.norm.running_mean is not None and self.norm.running_var is not None and self.conv.bias is not None
        self.norm.running_mean[first:] = mean
        self.norm.running_var[first:] = std**2
        for joint, feature in joints.items():
            self.conv.weight[joint] = 0.0
            self.conv.weight[joint, first + feature] = (std**2 + self.norm.eps) ** 0.5 / self.factor
            self.conv.bias[joint] = mean / self.factor

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.factor * self.conv(self.norm(features))


class RPSTN(nn.Module):
    """Predict the heatmaps of clips: the relation-based pose semantics transfer network.

        M'_1    = BN(R(P(I_1)))
        M_{t+1} = Conv_d(S(X_t) (x) F(I_{t+1})),   M'_{t+1} = BN(R(M_{t+1}))

    P initializer, F encoder, R joint relation extractor, S propagator, (x) global matching. Calling it takes frames
    (B,T,3,H,W) and returns an RPSTNOutput; `step` takes one frame at a time and gives the same numbers in eval mode.

    With `carry` "gated", a gate mixes M_{t+1} with M'_t before the relation (`rpstn.models.carry`).
    The released code differs in five places, all marked with `released` in `__init__`, `_carried` and `_seen`.
    """

    relation: JointRelationExtractor | None

    def __init__(self, config: RPSTNConfig):
        super().__init__()
        self.config = config
        self.encoder = make_encoder(config.encoder)
        channels = self.encoder.channels
        released = config.variant != "paper"
        self.head = Head(channels, config.joints, plain=released)
        if config.propagation != "none":
            inputs = channels
            if config.initializer != SHARED:  # a second backbone; else P is a head on F
                self.initializer = make_encoder(config.initializer)
                inputs = self.initializer.channels
            self.initializer_head = Head(inputs, config.joints, plain=released)
        if config.propagation == "matching":
            self.propagator = PoseSemanticsPropagator(
                config.joints, channels, TARGET_STD, fuse_norm=released, start=config.kernel_start
            )
            self.matching = GlobalMatching()
        elif config.propagation == "concat":
            self.fuse = fuse_convolution(config.joints, channels, TARGET_STD)  # X_t, as the propagator has it
            self.join = nn.Conv2d(2 * channels, channels, 1)
            with torch.no_grad():  # the next frame's features pass through, so that this variant starts as the others do
                self.join.weight[:, :channels] *= 0.1
                self.join.weight[:, channels:] = torch.eye(channels)[:, :, None, None]
        self.relation = None
        if config.relation != "off":
            graph = config.start_graph() if config.relation == "manual" else None
            self.relation = JointRelationExtractor(config.joints, config.relation_layout, config.relation_scale, graph)
        if config.carry == "gated":
            self.carry = CarryGate(config.joints, channels, TARGET_STD)
        if released:
            # A 1x1 convolution on the next frame's features, which the paper does not have.
            self.value = nn.Conv2d(channels, channels, 1)
            # Two convolutions of the relation that the released code holds and never uses.
            self.unused = nn.ModuleDict({name: nn.Conv2d(config.joints, config.joints, 1) for name in ("theta", "phi")})
        # Frame by frame and without relation there is nothing to refine: the head's heatmaps are the result.
        bare = config.propagation == "none" and config.relation == "off" and config.carry == "none"
        self.norm = nn.Identity() if bare else nn.BatchNorm2d(config.joints)
        self.expect_targets(0.0, TARGET_STD)

    @torch.no_grad()
    def expect_targets(self, mean: float, std: float) -> None:
        """Initialize the last BatchNorm for heatmaps of this mean and standard deviation, as its input and its output.

        A weight of 1 would start 18 times above the targets, and hundreds of steps would go into shrinking it. After a head that
        was trained frame by frame the normalization thus starts as the identity.
        Heads behind an encoder that has found joints before, MoveNet's, start with what it found (`Head.pass_on`).
        """
        if self.config.skeleton is not None:
            for head, backbone in self._heads():
                if isinstance(backbone, PoseMoveNet):
                    head.pass_on(known_joints(get_skeleton(self.config.skeleton)), backbone.first_heatmap, mean, std)
        if isinstance(self.norm, nn.BatchNorm2d) and self.config.variant == "paper":
            assert self.norm.running_mean is not None and self.norm.running_var is not None
            self.norm.bias.fill_(mean)
            self.norm.weight.fill_((std**2 + self.norm.eps) ** 0.5)
            self.norm.running_mean.fill_(mean)
            self.norm.running_var.fill_(std**2)

    def _heads(self) -> list[tuple[Head, nn.Module]]:
        """List the heads, each with the backbone whose features it takes."""
        pairs: list[tuple[Head, nn.Module]] = [(self.head, self.encoder)]
        if self.config.propagation != "none":
            pairs.append((self.initializer_head, self.encoder if self.config.initializer == SHARED else self.initializer))
        return pairs

    def _first(self, frame: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        """Find the pose in a first frame (B,3,H,W) with these features: P."""
        return self.initializer_head(features if self.config.initializer == SHARED else self.initializer(frame))

    def forward(self, frames: torch.Tensor) -> RPSTNOutput:
        """Predict clips: (B,T,3,H,W) -> RPSTNOutput. Raises ValueError for a size whose kernels would not be odd."""
        if frames.ndim != 5 or frames.shape[2] != 3 or frames.shape[1] < 1:
            raise ValueError(f"frames must be (B,T,3,H,W) with T >= 1, not {tuple(frames.shape)}")
        return self.locate(self.encode(frames))

    def encode(self, frames: torch.Tensor) -> Encoded:
        """Compute what depends on the frames (B,T,3,H,W) alone: the expensive half of a call. `locate` is the other half.

        For interventions on relations, encode once and locate once per intervention.
        """
        check_size(*frames.shape[-2:])
        # F does not depend on other frames: all frames of all clips go through it in one batch. Those of one time step are
        # contiguous: split along a further axis, gradients came back in another memory layout than the features have, and
        # BatchNorm was several times slower.
        features = self.encoder(frames.transpose(0, 1).flatten(0, 1))
        first = None if self.config.propagation == "none" else self._first(frames[:, 0], features[: frames.shape[0]])
        return Encoded(features, frames.shape[0], first)  # not len(frames): an exporter would fix the batch at its example's

    def locate(self, encoded: Encoded) -> RPSTNOutput:
        """Relate and propagate what `encode` returned: forward(frames) = locate(encode(frames))."""
        if encoded.first is None and self.config.carry == "none":
            heatmaps, relation = self._refine(self.head(encoded.features))
            relations = None if relation is None else _by_clip(relation, encoded.batch)
            return RPSTNOutput(_by_clip(heatmaps, encoded.batch), relations, None)
        features: Sequence[torch.Tensor] = torch.split(encoded.features, encoded.batch)
        heatmaps, relation = self._refine(self.head(features[0]) if encoded.first is None else encoded.first)
        maps, relations_used, kernels = [heatmaps], [relation], []
        state = State(heatmaps, features[0])
        for following in features[1:]:
            carried = self._carried(following)
            heatmaps, kernel = self._propagate(state, carried)
            heatmaps, relation = self._refine(heatmaps)
            maps.append(heatmaps)
            relations_used.append(relation)
            kernels.append(kernel)
            state = State(heatmaps, carried)
        return RPSTNOutput(torch.stack(maps, dim=1), _stack(relations_used), _stack(kernels))

    def step(self, frame: torch.Tensor, state: State | None = None) -> tuple[RPSTNOutput, State]:
        """Predict one frame (B,3,H,W) of a stream; state None at the first. Return an output with T = 1 and the next state."""
        if frame.ndim != 4 or frame.shape[1] != 3:
            raise ValueError(f"a frame must be (B,3,H,W), not {tuple(frame.shape)}")
        check_size(*frame.shape[-2:])
        features = self.encoder(frame)
        kernels = None
        if state is None:
            maps = self.head(features) if self.config.propagation == "none" else self._first(frame, features)
        else:
            features = self._carried(features)
            maps, kernels = self._propagate(state, features)
        heatmaps, relation = self._refine(maps)
        return RPSTNOutput(heatmaps.unsqueeze(1), _stack([relation]), _stack([kernels])), State(heatmaps, features)

    def _carried(self, features: torch.Tensor) -> torch.Tensor:
        """Return the features of a frame after the first, as matching and the next step take them: F's own, in the paper."""
        if self.config.variant != "paper":  # released: a second use of the BatchNorm after Conv_a
            features = self.propagator.fuse_norm(self.value(features))
        return features

    def _propagate(self, state: State, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Predict the next frame's heatmaps, before refinement, and the kernels that carried into it."""
        maps, kernels = self._seen(state, features)
        if self.config.carry == "gated":
            maps = self.carry(state.heatmaps, maps, features)
        return maps, kernels

    def _seen(self, state: State, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Predict what the next frame shows, guided by the pose before, and the kernels that carried into it."""
        if self.config.propagation == "none":
            return self.head(features), None
        if self.config.propagation == "matching":
            kernels = self.propagator(state.heatmaps, state.features)
            matched = self.matching(features, kernels)
            if self.config.variant == "released_sub_jhmdb":
                matched = self.propagator.fuse_norm(matched)  # released: a third use of the same BatchNorm
            maps = self.head(matched)
            # released: the BatchNorm that follows the JRE also precedes it, from the second frame on.
            return (maps if self.config.variant == "paper" else self.norm(maps)), kernels
        before = self.fuse(torch.cat([state.heatmaps.to(state.features.dtype), state.features], dim=1))
        return self.head(self.join(torch.cat([before, features], dim=1))), None

    def _refine(self, heatmaps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Compute BN(R(M)), and the relation that R used. K small maps: full precision costs nothing here."""
        with torch.autocast(heatmaps.device.type, enabled=False):
            heatmaps, relation = heatmaps.to(self.head.conv.weight.dtype), None
            if self.relation is not None:
                relation = self.relation.relation(heatmaps)
                heatmaps = self.relation.apply_relation(heatmaps, relation)
            return self.norm(heatmaps), relation


def _by_clip(values: torch.Tensor, batch: int) -> torch.Tensor:
    """Rearrange (T*B,...), time step by time step, to (B,T,...)."""
    return torch.unflatten(values, 0, (-1, batch)).transpose(0, 1)


def _stack(parts: Sequence[torch.Tensor | None]) -> torch.Tensor | None:
    """Stack the parts of T frames along axis 1; None where there are none."""
    found = [part for part in parts if part is not None]
    return torch.stack(found, dim=1) if found else None
