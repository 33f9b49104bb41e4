"""Convert labels of one skeleton to labels of another, so that what was learned on one data set helps on the next.

A joint of the target is taken over where the source has one of the same name. Otherwise it may be computed from two
or more joints of the source; `RULES` is the whole list. A joint that is neither is ABSENT: it is better unlabeled
than wrong.

Heads differ most. The rules' weights were measured: p = middle of the shoulders + along * trunk, the trunk being the
vector from the middle of the hips to that of the shoulders; median of `along` (and its middle half) over people whose
joints are all labeled:

    Penn Action head   0.38 (0.31 .. 0.47), 67,181 frames      JHMDB face   0.37 (0.29 .. 0.46), 7,090 frames
    LSP extended neck  0.10 (0.02 .. 0.17), 5,135 images     JHMDB neck   0.14 (0.07 .. 0.20)
    LSP ext. head top  0.52 (0.39 .. 0.67)                     JHMDB belly -0.76 (-0.80 .. -0.73)
    COCO between ears  0.36 (0.32 .. 0.42), 15 people          COCO nose    0.33 (0.24 .. 0.39), and to the side
    MPII upper neck    0.07, head top 0.60, 5 people           MPII pelvis and thorax: the middles, exactly

So Penn Action's head and JHMDB's face are the middle of the head, LSP's and MPII's head top is its upper end, and the
four necks agree within 0.07 of the trunk. A nose is in front of the head and stands for nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import ABSENT, Clip, ClipDataset
from rpstn.errors import UserError
from rpstn.skeletons import Skeleton


@dataclass(frozen=True)
class Rule:
    """One way to a target joint: the weighted sum of source joints.

    parts  (source joint, weight); the weights sum to 1.
    exact  True where both data sets mean the same point, False for an approximation.
    note   what is approximated.
    """

    parts: tuple[tuple[str, float], ...]
    exact: bool
    note: str


def _middle(name: str) -> tuple[tuple[str, float], ...]:
    return ((f"left_{name}", 0.5), (f"right_{name}", 0.5))


def _trunk(along: float) -> tuple[tuple[str, float], ...]:
    """Return the point `along` trunks above the middle of the shoulders."""
    shoulders, hips = (1 + along) / 2, -along / 2
    weights = {"shoulder": shoulders, "hip": hips}
    return tuple((f"{side}_{joint}", weight) for joint, weight in weights.items() for side in ("left", "right"))


# For each target joint, the ways to it that are tried in this order, after the joint of the same name.
RULES: Mapping[str, tuple[Rule, ...]] = {
    "head": (
        Rule((("face", 1.0),), False, "JHMDB's face for the middle of the head: 0.01 of the trunk lower"),
        Rule((("neck", 0.35), ("head_top", 0.65)), False, "0.65 of the way from neck to head top"),
        Rule((("upper_neck", 0.4), ("head_top", 0.6)), False, "0.6 of the way from the head's lower to its upper end"),
        Rule((("head_bottom", 0.4), ("head_top", 0.6)), False, "0.6 of the way from the head's lower to its upper end"),
        Rule(_middle("ear"), False, "between the ears: 0.02 of the trunk lower"),
    ),
    "face": (
        Rule((("head", 1.0),), False, "Penn Action's head for the face: 0.01 of the trunk higher"),
        Rule((("neck", 0.35), ("head_top", 0.65)), False, "0.65 of the way from neck to head top"),
        Rule((("upper_neck", 0.4), ("head_top", 0.6)), False, "0.6 of the way from the head's lower to its upper end"),
        Rule((("head_bottom", 0.4), ("head_top", 0.6)), False, "0.6 of the way from the head's lower to its upper end"),
        Rule(_middle("ear"), False, "between the ears: 0.01 of the trunk lower"),
    ),
    "neck": (
        Rule((("upper_neck", 1.0),), False, "the head's lower end: 0.03 to 0.07 of the trunk lower"),
        Rule((("head_bottom", 1.0),), False, "the head's lower end"),
        Rule(_trunk(0.12), False, "0.12 of the trunk above the shoulders' middle; within 0.1 in half of all frames"),
    ),
    "upper_neck": (
        Rule((("head_bottom", 1.0),), False, "the head's lower end, as another set draws it"),
        Rule((("neck", 1.0),), False, "the neck: 0.03 to 0.07 of the trunk higher"),
    ),
    "head_bottom": (
        Rule((("upper_neck", 1.0),), False, "the head's lower end, as another set draws it"),
        Rule((("neck", 1.0),), False, "the neck: 0.03 to 0.07 of the trunk higher"),
    ),
    "thorax": (Rule(_middle("shoulder"), True, "defined as the middle of the shoulders"),),
    "pelvis": (Rule(_middle("hip"), True, "defined as the middle of the hips"),),
    "belly": (
        Rule(_trunk(-0.76), False, "0.76 of the way from the shoulders' middle to the hips'; within 0.07 in four of five frames"),
    ),
}


# Joints whose name two sets share while they draw them differently: the necks of LSP and JHMDB differ by 0.04 of the trunk.
APPROXIMATE = ("neck",)


def correspondence(source: Skeleton, target: Skeleton) -> dict[str, Rule | None]:
    """Find for each joint of the target how it is had from the source; None where it is ABSENT."""
    found: dict[str, Rule | None] = {}
    for joint in target.joints:
        exact = joint not in APPROXIMATE or source.name == target.name
        same = Rule(((joint, 1.0),), exact, "the same joint" if exact else "the same name, drawn differently")
        ways = [same, *RULES.get(joint, ())]
        found[joint] = next((rule for rule in ways if all(part in source.joints for part, _ in rule.parts)), None)
    return found


def convert_joints(
    joints: np.ndarray, visibility: np.ndarray, source: Skeleton, target: Skeleton
) -> tuple[np.ndarray, np.ndarray]:
    """Convert labels (...,K,2) px and (...,K) of the source to (...,J,2) float32 and (...,J) uint8 of the target.

    A computed joint is ABSENT where one of its parts is, else OCCLUDED where one of them is. Absent joints without any
    counterpart stand at (-1, -1). Raises UserError for shapes that do not fit the source and where the two skeletons
    share no joint.
    """
    joints, visibility = np.asarray(joints), np.asarray(visibility)
    if joints.shape != (*visibility.shape, 2) or visibility.shape[-1:] != (len(source),):
        raise UserError(
            f"joints {joints.shape} and visibility {visibility.shape} are no labels of skeleton {source.name!r}, "
            f"which has {len(source)} joints; give the skeleton that the labels have"
        )
    table = correspondence(source, target)
    if not any(table.values()):
        raise UserError(f"skeletons {source.name!r} and {target.name!r} share no joint; choose two that do")
    points = np.full((*joints.shape[:-2], len(target), 2), -1.0, np.float32)
    states = np.full((*joints.shape[:-2], len(target)), ABSENT, np.uint8)
    for index, name in enumerate(target.joints):
        rule = table[name]
        if rule is None:
            continue
        parts = [source.index(part) for part, _ in rule.parts]
        weights = np.array([weight for _, weight in rule.parts])
        points[..., index, :] = np.einsum("...pc,p->...c", joints[..., parts, :].astype(np.float64), weights)
        # ABSENT < OCCLUDED < VISIBLE: the least of the parts.
        states[..., index] = visibility[..., parts].min(axis=-1)
    return points, states


def convert_dataset(dataset: ClipDataset, target: Skeleton) -> ClipDataset:
    """Convert all clips to the target's joints. Name, split, root, boxes and pixels stay.

    Truth that is given per joint, such as occluded_by, goes over where the joint is the same one, and is 0 elsewhere.
    Raises UserError as convert_joints.
    """
    if dataset.skeleton == target:
        return dataset
    return replace(dataset, skeleton=target, clips=tuple(_convert(clip, dataset.skeleton, target) for clip in dataset))


def _convert(clip: Clip, source: Skeleton, target: Skeleton) -> Clip:
    joints, visibility = convert_joints(clip.joints, clip.visibility, source, target)
    shared = [name for name in target.joints if name in source.joints]
    there, here = [target.index(name) for name in shared], [source.index(name) for name in shared]

    def move(value: np.ndarray) -> np.ndarray:
        moved = np.zeros((len(clip), len(target)), value.dtype)
        moved[:, there] = value[:, here]
        return moved

    return replace(clip, joints=joints, visibility=visibility, truth=clip.truth.map_joints(move))
