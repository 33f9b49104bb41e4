"""How well a network finds each joint in each frame, and what it loses when pairs of its relation are cut."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rpstn.errors import UserError
from rpstn.heatmaps import decode, to_heatmap
from rpstn.models.rpstn import RPSTN
from rpstn.relations.interventions import Cut

# What is measured of each joint, and how to read it.
MEASURES = {
    "pck": "PCK@0.2, person (percentage points)",
    "distance": "distance from the truth (% of the person's size)",
    "height": "heatmap at the true position (% of an ideal peak)",
    "share": "heatmap at the true position (% of its own peak)",
}
THRESHOLD = 0.2


@dataclass(frozen=True)
class Truth:
    """Hold what frames are measured against, N frames of K joints.

    joints      (N,K,2) input px.
    scored      (N,K) bool: annotated joints in frames with a reference length.
    person      (N,) the longer side of the person's box, input px.
    visibility  (N,K).
    groups      (N,) the unit of the bootstrap.
    clips       (N,) index of the clip.
    """

    joints: np.ndarray
    scored: np.ndarray
    person: np.ndarray
    visibility: np.ndarray
    groups: np.ndarray
    clips: np.ndarray

    def select(self, rows: Any) -> Truth:
        """Take some of the frames, by index, slice or mask."""
        return Truth(*(value[rows] for value in vars(self).values()))


@dataclass(frozen=True)
class JointScores:
    """Hold how well a network finds the joints of frames, (N,K) float32 each, NaN where a joint is not scored.

    pck       1 where the joint lies within 0.2 of the person's size from the truth, else 0.
    distance  from the truth, in sizes of the person.
    height    the heatmap's value at the true position, 1 for an ideal map; NaN also where the truth is outside the map.
    share     the same as a fraction of the map's highest value: 1 where the peak is at the true position, however high it is.
              What raises a whole map changes its height, and not its share.
    """

    pck: np.ndarray
    distance: np.ndarray
    height: np.ndarray
    share: np.ndarray

    def loss(self, changed: JointScores) -> dict[str, np.ndarray]:
        """Compute by measure what is lost from here to `changed`, (N,K): positive where `changed` is worse."""
        return {
            "pck": self.pck - changed.pck,
            "distance": changed.distance - self.distance,
            "height": self.height - changed.height,
            "share": self.share - changed.share,
        }


def measure(heatmaps: torch.Tensor, truth: Truth, stride: float) -> JointScores:
    """Measure heatmaps (N,K,h,w) against the truth. stride: input px per heatmap px."""
    joints, peak = (value.cpu().numpy() for value in decode(heatmaps, stride))
    distance = np.linalg.norm(joints - truth.joints, axis=-1) / truth.person[:, None]
    positions = to_heatmap(torch.from_numpy(truth.joints), stride).to(heatmaps.device)
    height = values_at(heatmaps, positions).cpu().numpy()
    values = (distance <= THRESHOLD, distance, height, height / np.maximum(peak, 1e-6))
    return JointScores(*(np.where(truth.scored, value, np.nan).astype(np.float32) for value in values))


def values_at(heatmaps: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Read heatmaps (...,K,h,w) at positions (...,K,2), x and y in heatmap px: (...,K), bilinear, NaN outside the map."""
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.flatten(-2)
    x, y = positions.to(heatmaps.dtype).unbind(-1)
    left, top = (part.floor().clamp(0, size - 2) for part, size in ((x, width), (y, height)))
    total = torch.zeros_like(x)
    for across in (0, 1):
        for down in (0, 1):
            weight = (1 - (x - left - across).abs()) * (1 - (y - top - down).abs())
            index = ((top + down) * width + left + across).long()
            total = total + weight * flat.gather(-1, index[..., None])[..., 0]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return torch.where(inside, total, torch.nan)


@torch.inference_mode()
def cut_pairs(
    model: RPSTN, heatmaps: torch.Tensor, relation: torch.Tensor, truth: Truth, stride: float, pairs: Sequence[tuple[int, int]]
) -> dict[str, np.ndarray]:
    """Compute what every joint loses in a frame when one pair (i, j) is cut in that frame alone: by measure, (pairs,N,K).

    The frames before it are as they were, so the heatmaps that enter the relation are too, and only

        M' = BN(Conv_o(W' Conv_g(M)) + M),     W' = Cut(i, j) of W

    has to be computed again. Without propagation that is the whole effect of a cut. With propagation a cut in all frames also
    acts through what is carried: `study` with the cuts as interventions measures that.

    heatmaps  (N,K,h,w), as they enter the relation.
    relation  (N,K,K), the network's own.
    truth     of these N frames. stride: input px per heatmap px.
    """
    extractor = model.relation
    if extractor is None:
        raise UserError("this network has no relations, so no pair can be cut; give one that was trained with a relation")
    own = measure(model.norm(extractor.apply_relation(heatmaps, relation)), truth, stride)
    losses: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
    for i, j in pairs:
        less = Cut(i, j).apply(relation, extractor.layout)
        changed = measure(model.norm(extractor.apply_relation(heatmaps, less)), truth, stride)
        for name, loss in own.loss(changed).items():
            losses[name].append(loss)
    return {name: np.stack(parts) for name, parts in losses.items()}


def own_effect(losses: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Select from losses (pairs,N,K) that of each pair's refined joint: (N,pairs)."""
    return np.stack([losses[number, :, i] for number, (i, _) in enumerate(pairs)], axis=1)


def own_share(losses: np.ndarray, pairs: Sequence[tuple[int, int]]) -> float:
    """Compute the share of the refined joints themselves in the absolute mean losses (pairs,N,K) of all joints."""
    known = np.isfinite(losses)
    counts = known.sum(axis=1)
    means = np.divide(np.abs(np.where(known, losses, 0.0).sum(axis=1)), counts, out=np.zeros(counts.shape), where=counts > 0)
    own = sum(means[number, i] for number, (i, _) in enumerate(pairs))
    return float(own / means.sum()) if means.any() else float("nan")


def pair_matrix(values: Sequence[float] | np.ndarray, pairs: Sequence[tuple[int, int]], joints: int) -> np.ndarray:
    """Arrange one value per pair (i, j) as a matrix (K,K), row i and column j; 0 where there is no such pair."""
    matrix = np.zeros((joints, joints))
    for value, (i, j) in zip(values, pairs, strict=True):
        matrix[i, j] = value
    return matrix
