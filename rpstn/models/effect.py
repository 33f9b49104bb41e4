"""What a network's relation does to its output: the joints that it moves, and the part of the maps that comes from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models.relation import JointRelationExtractor

MOVED = 1.0  # input pixels: a joint is moved if it is farther than this from where the identity leaves it
LEAST = 0.01  # a relation that moves fewer of the joints has no effect


@dataclass(frozen=True)
class RelationEffect:
    """Hold what a relation does to joints and maps.

    moved   share of the joints that lie more than 1 input pixel from where they are with the identity in the relation's place.
    branch  the relation's branch as a part of the refined maps: mean of |Z - M| / |Z| over maps, both less their means over
            the pixels, since a constant moves no joint. M is what enters the JRE and Z what leaves it.
    joints  number of joints that were looked at.
    """

    moved: float
    branch: float
    joints: int

    @property
    def none(self) -> bool:
        """Whether the relation has no effect: it moves less than 1 % of the joints.

        Of fewer than 100 joints, as in a short video, none may move by chance: then its branch is less than 1 % as well.
        """
        return self.moved < LEAST and (self.joints >= 1 / LEAST or self.branch < LEAST)

    @property
    def words(self) -> str:
        """Say both numbers in a sentence, and what follows if they are next to nothing."""
        text = (
            f"identity in the relation's place moves {100 * self.moved:.1f} % of the joints by more than {MOVED:g} px "
            f"(its branch is {100 * self.branch:.1f} % of the maps)"
        )
        return f"{text}: this relation has no effect" if self.none else text

    @classmethod
    def pooled(cls, parts: Sequence[RelationEffect]) -> RelationEffect:
        """Average measurements, each by its number of joints. Raises ValueError for none."""
        joints = sum(part.joints for part in parts)
        if not joints:
            raise ValueError("there are no joints to average over")
        moved, branch = (sum(getattr(part, name) * part.joints for part in parts) / joints for name in ("moved", "branch"))
        return cls(moved, branch, joints)


def extractor_of(model: Any) -> JointRelationExtractor:
    """Return a network's JRE. Raises UserError for a network without relations."""
    extractor: JointRelationExtractor | None = getattr(model, "relation", None)
    if extractor is None:
        raise UserError("this network has no relations (relation is off); use a checkpoint trained with relation on")
    return extractor


@torch.inference_mode()
def relation_effect(model: Any, frames: torch.Tensor) -> RelationEffect:
    """Run a network twice, once with its relation and once with the identity in its place, and compare.

    model   an RPSTN or an image network, in evaluation mode. frames: (B,T,3,S,S), normalized.
    Either acts in all frames, so what is carried differs too. Hooks on the JRE do it; they are removed at the end.
    Raises UserError for a network without a relation.
    """
    extractor = extractor_of(model)
    entered: list[torch.Tensor] = []
    shares: list[torch.Tensor] = []

    def note(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        entered.append(inputs[0])

    def compare(module: torch.nn.Module, inputs: tuple[torch.Tensor], branch: torch.Tensor) -> None:
        parts = [value.float().flatten(2) for value in (branch + entered.pop(), branch)]
        maps, added = ((part - part.mean(dim=2, keepdim=True)).norm(dim=2) for part in parts)
        shares.append((added / maps.clamp_min(1e-12)).flatten())

    def identity(module: torch.nn.Module, inputs: tuple[torch.Tensor], relation: torch.Tensor) -> torch.Tensor:
        return torch.eye(relation.shape[-1], dtype=relation.dtype, device=relation.device).expand_as(relation)

    with extractor.gram.register_forward_pre_hook(note), extractor.o.register_forward_hook(compare):
        own = model(frames).heatmaps
    with extractor.softmax.register_forward_hook(identity):
        alone = model(frames).heatmaps
    stride = frames.shape[-1] / own.shape[-1]
    distance = (decode(own.float(), stride)[0] - decode(alone.float(), stride)[0]).norm(dim=-1)
    return RelationEffect(
        float((distance > MOVED).float().mean()), float(torch.cat(shares).clamp(max=1.0).mean()), distance.numel()
    )
