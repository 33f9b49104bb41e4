"""Relations of many frames, collected over a data set and reduced to numbers.

relation[i, j] is the weight of joint j in the refined joint i. In layout "paper" rows sum to 1, so a row says
where joint i takes its heatmap from. In layout "released" columns sum to 1, so a column says which joints joint j
gives to; measures take the axis.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.skeletons import Skeleton


@dataclass(frozen=True)
class Relations:
    """Hold the relation matrices of many frames.

    matrices  (N,K,K) float32.
    clips     (N,) index of the clip. frames (N,): index of the frame in it.
    actions   (N,) action of the clip. groups (N,): its group, the unit of the bootstrap.
    """

    matrices: np.ndarray
    clips: np.ndarray
    frames: np.ndarray
    actions: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, matrices: np.ndarray, dataset: ClipDataset) -> Relations:
        """Attach to matrices (N,K,K) of all frames of a data set, clip after clip, where each is from."""
        lengths = [len(clip) for clip in dataset]
        return cls(
            matrices=matrices,
            clips=np.repeat(np.arange(len(dataset)), lengths),
            frames=np.concatenate([np.arange(length) for length in lengths]),
            actions=np.repeat([clip.action for clip in dataset], lengths),
            groups=np.repeat([clip.group for clip in dataset], lengths),
        )

    def mean(self) -> np.ndarray:
        """Average all frames: (K,K), every frame with the same weight."""
        return self.matrices.mean(axis=0, dtype=np.float64)

    def by_action(self) -> dict[str, np.ndarray]:
        """Average all frames of each action: (K,K) by the action's name."""
        return {str(name): self.matrices[self.actions == name].mean(axis=0) for name in np.unique(self.actions)}


def collect(predictions: Predictions, dataset: ClipDataset) -> Relations:
    """Collect the relations that a network used while it predicted; UserError for a network without relations."""
    predictions.check(dataset)
    matrices = [relation for relation in predictions.relations if relation is not None]
    if len(matrices) < len(predictions.relations):
        raise UserError("this network has no relations (relation is off); use a checkpoint trained with relation on")
    return Relations.of(np.concatenate(matrices), dataset)


def off_diagonal_mass(relation: np.ndarray) -> np.ndarray:
    """Compute the share of all weight that lies off the diagonal: (...,K,K) -> (...).

    0 for the identity, 1 - 1/K for uniform weights.
    """
    relation = np.asarray(relation, dtype=np.float64)
    return 1 - np.trace(relation, axis1=-2, axis2=-1) / relation.sum(axis=(-2, -1))


def entropy(relation: np.ndarray, axis: int = -1) -> np.ndarray:
    """Compute the entropy of the weights that sum to 1 along `axis`, in units of log K: (...,K,K) -> (...,K).

    0 for the identity, 1 for uniform weights. axis: -1 for layout "paper" (rows sum to 1), -2 for "released".
    """
    relation = np.asarray(relation, dtype=np.float64)
    logs = np.log(np.where(relation > 0, relation, 1.0))
    return -(relation * logs).sum(axis=axis) / np.log(relation.shape[-1])


def off_diagonal_weight(relation: np.ndarray) -> np.ndarray:
    """Compute the share of refined joint i's weights that lies on other joints: (...,K,K) -> (...,K).

    1 - R_ii in layout "paper". In layout "released", where rows do not sum to 1, the row's own sum divides; NaN
    for a row without any weight.
    """
    relation = np.asarray(relation, dtype=np.float64)
    total = relation.sum(axis=-1)
    own = np.diagonal(relation, axis1=-2, axis2=-1)
    return 1 - np.divide(own, total, out=np.full_like(total, np.nan), where=total > 0)


def asymmetry(relation: np.ndarray) -> np.ndarray:
    """Compute sum |R_ij - R_ji| / sum |R_ij + R_ji| over i != j: (...,K,K) -> (...); 0 for a symmetric relation.

    The Gram matrix is symmetric, the softmax over rows is not: a strong joint (large diagonal) keeps to
    itself, while a weak one takes from it. NaN for a relation without any weight off the diagonal.
    """
    relation = np.asarray(relation, dtype=np.float64)
    off = relation * (1 - np.eye(relation.shape[-1]))
    mirrored = np.swapaxes(off, -1, -2)
    total = np.abs(off + mirrored).sum(axis=(-2, -1))
    difference = np.abs(off - mirrored).sum(axis=(-2, -1))
    return np.divide(difference, total, out=np.full_like(total, np.nan), where=total > 0)


def cycle_residual(relation: np.ndarray) -> np.ndarray:
    """Compute the largest |l_ij + l_jk + l_ki| over all triples of joints, where l_ij = log R_ji - log R_ij: (...,K,K) -> (...).

    It is 0, up to rounding, where one number per joint explains the asymmetry: R_ij / R_ji = Z_j / Z_i, as in the softmax of a
    symmetric Gram matrix. NaN where no three joints all take from each other. Weights below float32's normal range count as
    none: they have too few digits for a logarithm.
    """
    relation = np.asarray(relation, dtype=np.float64)
    logs = np.log(relation, out=np.full_like(relation, np.nan), where=relation >= np.finfo(np.float32).tiny)
    log_ratios = np.swapaxes(logs, -1, -2) - logs
    largest = np.full(relation.shape[:-2], np.nan)
    for i, j, k in combinations(range(relation.shape[-1]), 3):
        largest = np.fmax(largest, np.abs(log_ratios[..., i, j] + log_ratios[..., j, k] + log_ratios[..., k, i]))
    return largest


def variance_shares(relations: Relations) -> dict[str, float]:
    """Split the variance of the weights off the diagonal, over all frames, into shares that add up to 1.

    "actions"  between the averages of actions.
    "groups"   between the groups (stretches of motion) of one action; where an action has a single group, what is particular to
               that group counts for the action.
    "clips"    between the clips of one group.
    "frames"   between the frames of one clip.
    NaN where nothing differs at all.
    """
    off = ~np.eye(relations.matrices.shape[-1], dtype=bool)
    weights = relations.matrices[:, off].astype(np.float64)

    def averaged(labels: np.ndarray) -> np.ndarray:
        """Replace every frame's weights by the mean of the frames with its label."""
        _, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
        sums = np.zeros((len(counts), weights.shape[1]))
        np.add.at(sums, index, weights)
        return (sums / counts[:, None])[index]

    names = np.char.add(np.char.add(relations.actions.astype(str), "/"), relations.groups.astype(str))
    by_action, by_group, by_clip = (averaged(labels) for labels in (relations.actions, names, relations.clips))
    parts = {
        "actions": by_action - weights.mean(axis=0),
        "groups": by_group - by_action,
        "clips": by_clip - by_group,
        "frames": weights - by_clip,
    }
    sums = {name: float(np.square(part).sum()) for name, part in parts.items()}
    total = sum(sums.values())
    return {name: value / total if total > 1e-20 else float("nan") for name, value in sums.items()}


def weaker_takes_more(relation: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Compute the share of pairs in which the weaker joint takes more from the stronger one: (...,K,K), (...,K) -> (...).

    It is 0.5 if strength has nothing to do with it. Equal weights count half; pairs of equal strength are left out.
    strength  of each joint's heatmap, such as its sum of squares, the diagonal of the Gram matrix.
    """
    relation, strength = np.asarray(relation, dtype=np.float64), np.asarray(strength, dtype=np.float64)
    first, second = np.triu_indices(relation.shape[-1], 1)
    weaker = np.sign(strength[..., second] - strength[..., first])  # 1: the first is the weaker one
    more = np.sign(relation[..., first, second] - relation[..., second, first])  # 1: the first takes more
    unequal = weaker != 0
    return np.where(unequal, (1 + weaker * more) / 2, 0).sum(axis=-1) / np.maximum(unequal.sum(axis=-1), 1)


def strongest(relation: np.ndarray, skeleton: Skeleton, count: int = 5) -> list[tuple[str, str, float]]:
    """Find the largest weights off the diagonal of one (K,K) relation: (refined joint i, source joint j, weight)."""
    off = np.where(np.eye(len(skeleton), dtype=bool), -np.inf, relation)
    largest = np.argsort(off, axis=None, kind="stable")[::-1][:count]
    rows, columns = np.unravel_index(largest, off.shape)
    return [(skeleton.joints[i], skeleton.joints[j], float(relation[i, j])) for i, j in zip(rows, columns, strict=True)]
