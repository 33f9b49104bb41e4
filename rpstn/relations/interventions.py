"""Interventions: another relation instead of the network's own, to distinguish what a relation does from what it looks like.

A large weight says that two heatmaps overlap. Whether the network needs it shows only when it is removed and nothing else is
changed. relation[i, j] is the weight of joint j in refined joint i, as in `rpstn.relations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from rpstn.errors import UserError
from rpstn.models.effect import extractor_of
from rpstn.skeletons import Skeleton

# Interventions on whole relations, by the name that `named` takes. A single pair is "cut:JOINT:SOURCE".
NAMES = ("identity", "average", "uniform", "permuted")


@dataclass(frozen=True)
class Intervention:
    """Replace a relation. This one keeps it; its subclasses do not."""

    def apply(self, relation: torch.Tensor, layout: str = "paper") -> torch.Tensor:
        """Return the relation (B,K,K) to use instead of this one, which is not changed.

        layout  "paper": rows sum to 1; "released": columns do.
        Raises UserError where the relation has other joints than the intervention is for.
        """
        return relation


@dataclass(frozen=True)
class Fixed(Intervention):
    """Use the same relation for every frame: the identity, uniform weights, or a data set's average.

    matrix  K rows of K finite numbers.
    """

    matrix: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        values = np.asarray(self.matrix, dtype=np.float64)
        if values.ndim != 2 or values.shape[0] != values.shape[1] or not np.isfinite(values).all():
            raise UserError(f"a relation must be K x K finite numbers, not an array of shape {values.shape}; give such a matrix")
        object.__setattr__(self, "matrix", tuple(tuple(row) for row in values.tolist()))

    @classmethod
    def identity(cls, joints: int) -> Fixed:
        """Make the identity: every joint takes from itself alone."""
        return cls(tuple(map(tuple, np.eye(joints))))

    @classmethod
    def uniform(cls, joints: int) -> Fixed:
        """Make uniform weights: every joint takes 1 / K from each."""
        return cls(tuple(map(tuple, np.full((joints, joints), 1 / joints))))

    def apply(self, relation: torch.Tensor, layout: str = "paper") -> torch.Tensor:
        _check_joints(relation, len(self.matrix), "the fixed relation")
        return relation.new_tensor(self.matrix).expand_as(relation).clone()


@dataclass(frozen=True)
class Permuted(Intervention):
    """Use the relation of other joints: joint i takes from joint j what order[i] took from order[j].

    The weights are the same, and the diagonal stays the diagonal; only the joints are wrong. That is the control for an
    intervention that makes the relation weaker: here it is as strong, at the wrong joints.
    """

    order: tuple[int, ...]

    def __post_init__(self) -> None:
        if sorted(self.order) != list(range(len(self.order))):
            raise UserError(f"order {tuple(self.order)} is no permutation; name each joint's index from 0 once")
        object.__setattr__(self, "order", tuple(int(joint) for joint in self.order))

    @classmethod
    def random(cls, joints: int, seed: int = 0) -> Permuted:
        """Draw an order in which no joint keeps its position. Raises UserError for fewer than two joints."""
        if joints < 2:
            raise UserError(f"{joints} joint cannot be permuted; a network of at least two joints is needed")
        rng = np.random.default_rng(seed)
        while True:  # about every third permutation is one
            order = rng.permutation(joints)
            if (order != np.arange(joints)).all():
                return cls(tuple(order.tolist()))

    def apply(self, relation: torch.Tensor, layout: str = "paper") -> torch.Tensor:
        _check_joints(relation, len(self.order), "the permutation")
        order = list(self.order)
        return relation[:, order][:, :, order]


@dataclass(frozen=True)
class Cut(Intervention):
    """Set the weight of joint `source` in refined joint `joint` to zero.

        relation[joint, source] -> 0, and the rest is scaled so that it sums to 1 again

    In layout "paper" the rest is the row: the joint takes from all others, itself included, in proportion to their weights. In
    layout "released" it is the column. If the rest is zero, it stays zero. A pair without weight leaves the relation unchanged,
    bit for bit. joint = source is allowed: nothing from itself.
    """

    joint: int
    source: int

    @classmethod
    def between(cls, skeleton: Skeleton, joint: str, source: str) -> Cut:
        """Make a cut by joint names. Raises UserError for a name that the skeleton does not have."""
        return cls(skeleton.index(joint), skeleton.index(source))

    def apply(self, relation: torch.Tensor, layout: str = "paper") -> torch.Tensor:
        if not 0 <= min(self.joint, self.source) <= max(self.joint, self.source) < relation.shape[-1]:
            raise UserError(
                f"the pair ({self.joint}, {self.source}) is not among {relation.shape[-1]} joints; "
                f"give two indices from 0 to {relation.shape[-1] - 1}"
            )
        changed = relation.clone()
        changed[:, self.joint, self.source] = 0
        line = (slice(None), self.joint) if layout == "paper" else (slice(None), slice(None), self.source)
        before, after = relation[line].sum(dim=-1, keepdim=True), changed[line].sum(dim=-1, keepdim=True)
        changed[line] = changed[line] * torch.where(after > 0, before / after.clamp_min(1e-30), 0.0)
        return changed


def named(name: str, skeleton: Skeleton, *, average: np.ndarray | None = None, seed: int = 0) -> Intervention:
    """Make an intervention by name, for notebooks and command lines.

    name     "identity", "average", "uniform", "permuted", or "cut:JOINT:SOURCE" with two joint names.
    average  (K,K), used by "average"; the mean of `rpstn.relations.Relations`.
    seed     of the permutation.
    Raises UserError for another name, for a joint that the skeleton does not have, and for "average" without one.
    """
    count = len(skeleton)
    kind, *joints = name.split(":")
    if kind == "cut" and len(joints) == 2:
        return Cut.between(skeleton, *joints)
    if name == "identity":
        return Fixed.identity(count)
    if name == "uniform":
        return Fixed.uniform(count)
    if name == "permuted":
        return Permuted.random(count, seed)
    if name == "average":
        if average is None:
            raise UserError("intervention 'average' needs the data set's average relation; give it as average")
        return Fixed(tuple(map(tuple, np.asarray(average, dtype=np.float64))))
    raise UserError(f"no intervention is called {name!r}; known are {', '.join(NAMES)}, and cut:JOINT:SOURCE with joints' names")


@contextmanager
def intervened(model: Any, intervention: Intervention) -> Iterator[Any]:
    """Make the network, within the block, use intervention.apply(relation) instead of its relation.

        with intervened(model, Fixed.identity(13)):
            changed = predict_clips(model, metadata, dataset)

    model  anything with a JRE as `model.relation`: an RPSTN, or an image network of `rpstn.models.image`.
    The relations in the network's output are the changed ones. Blocks may be nested: the inner one changes the outer one's
    result. It is a forward hook on the relation's softmax, which is removed when the block ends, also by an exception.
    Raises UserError for a network without relations.
    """
    extractor = extractor_of(model)

    def change(module: torch.nn.Module, inputs: tuple[torch.Tensor], relation: torch.Tensor) -> torch.Tensor:
        return intervention.apply(relation, extractor.layout)

    with extractor.softmax.register_forward_hook(change):
        yield model


@contextmanager
def watched(model: Any) -> Iterator[list[tuple[torch.Tensor, torch.Tensor]]]:
    """Record, within the block, what enters the relation and what comes out: heatmaps (B,K,h,w), relation (B,K,K).

    The list has one entry per use: one per frame with propagation, one for all frames of a call without.
    Raises UserError for a network without relations.
    """
    extractor = extractor_of(model)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    entered: list[torch.Tensor] = []

    def note_heatmaps(module: torch.nn.Module, inputs: tuple[torch.Tensor]) -> None:
        entered.append(inputs[0])

    def note_relation(module: torch.nn.Module, inputs: tuple[torch.Tensor], relation: torch.Tensor) -> None:
        seen.append((entered.pop(), relation))

    with extractor.gram.register_forward_pre_hook(note_heatmaps), extractor.softmax.register_forward_hook(note_relation):
        yield seen


def _check_joints(relation: torch.Tensor, count: int, what: str) -> None:
    if relation.shape[-1] != count:
        raise UserError(f"{what} is for {count} joints, the network has {relation.shape[-1]}; give one of the same joints")


def all_pairs(joints: int) -> Sequence[tuple[int, int]]:
    """List all ordered pairs (i, j), i != j, row by row."""
    return [(i, j) for i in range(joints) for j in range(joints) if i != j]
