"""Skeletons: which joints a data set has, and how they belong together.

One table for every data set. No joint count stands anywhere else in the code: networks, losses, scores and figures
ask the skeleton.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from rpstn.errors import UserError


@dataclass(frozen=True)
class Skeleton:
    """Joints of one data set, in its own order.

    joints      names, left and right being the person's own.
    limbs       pairs of joint indices that a bone connects; what is drawn as a stick figure.
    flip_pairs  pairs that exchange places when the image is mirrored.
    torso       two joints whose distance is the torso size, the unit of PCK by torso.
    order       all joints along the limbs, left and right apart: the order in which a relation matrix is drawn.
    sigmas      OKS constants per joint where the data set defines them, else None.
    unscored    joints that the data set's own mean leaves out.
    """

    name: str
    joints: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    flip_pairs: tuple[tuple[int, int], ...]
    torso: tuple[int, int]
    order: tuple[int, ...]
    sigmas: tuple[float, ...] | None = None
    unscored: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.joints)
        if len(set(self.joints)) != count:
            raise UserError(f"skeleton {self.name!r}: joint names repeat in {self.joints}; give each joint its own name")
        pairs = (*self.limbs, *self.flip_pairs, self.torso)
        if any(not 0 <= joint < count for pair in pairs for joint in pair):
            raise UserError(f"skeleton {self.name!r}: a pair names a joint outside 0..{count - 1}; check {pairs}")
        if sorted(self.order) != list(range(count)):
            raise UserError(f"skeleton {self.name!r}: order must name each of the {count} joints once, not {self.order}")

    def __len__(self) -> int:
        return len(self.joints)

    def index(self, joint: str) -> int:
        """Index of a joint by name."""
        if joint not in self.joints:
            raise UserError(f"skeleton {self.name!r} has no joint {joint!r}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    @cached_property
    def flip_permutation(self) -> tuple[int, ...]:
        """Where each joint's value comes from after mirroring; its own inverse."""
        permutation = list(range(len(self)))
        for left, right in self.flip_pairs:
            permutation[left], permutation[right] = right, left
        return tuple(permutation)

    @cached_property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Left and right of the same joint together, as published tables have them: {"shoulder": (1, 2), ...}."""
        groups: dict[str, tuple[int, ...]] = {}
        for index, joint in enumerate(self.joints):
            name = joint.removeprefix("left_").removeprefix("right_")
            groups[name] = (*groups.get(name, ()), index)
        return groups

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """The joints of the data set's own mean."""
        return tuple(index for index in range(len(self)) if index not in self.unscored)


PENN_ACTION = Skeleton(
    name="penn_action",
    joints=(
        "head",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    limbs=((0, 1), (0, 2), (1, 2), (1, 3), (3, 5), (2, 4), (4, 6), (1, 7), (2, 8), (7, 8), (7, 9), (9, 11), (8, 10), (10, 12)),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)),
    torso=(2, 7),
    order=(0, 1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12),
)

SUB_JHMDB = Skeleton(
    name="sub_jhmdb",
    joints=(
        "neck",
        "belly",
        "face",
        "right_shoulder",
        "left_shoulder",
        "right_hip",
        "left_hip",
        "right_elbow",
        "left_elbow",
        "right_knee",
        "left_knee",
        "right_wrist",
        "left_wrist",
        "right_ankle",
        "left_ankle",
    ),
    limbs=((2, 0), (0, 1), (0, 3), (0, 4), (3, 7), (7, 11), (4, 8), (8, 12), (1, 5), (1, 6), (5, 9), (9, 13), (6, 10), (10, 14)),
    flip_pairs=((3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14)),
    torso=(4, 5),
    order=(2, 0, 1, 4, 8, 12, 6, 10, 14, 3, 7, 11, 5, 9, 13),
    unscored=(0, 1),
)

# Joints and their order: COCO's person_keypoints files. Sigmas: COCO's key point evaluation (Lin et al. 2014).
COCO = Skeleton(
    name="coco",
    joints=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    limbs=(
        *((0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
        *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    ),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    torso=(6, 11),
    order=(0, 1, 3, 5, 7, 9, 11, 13, 15, 2, 4, 6, 8, 10, 12, 14, 16),
    sigmas=(
        *(0.026, 0.025, 0.025, 0.035, 0.035),  # head
        *(0.079, 0.079, 0.072, 0.072, 0.062, 0.062),  # arms
        *(0.107, 0.107, 0.087, 0.087, 0.089, 0.089),  # legs
    ),
)

SKELETONS: dict[str, Skeleton] = {skeleton.name: skeleton for skeleton in (PENN_ACTION, SUB_JHMDB, COCO)}


def get_skeleton(name: str) -> Skeleton:
    """The skeleton of that name; raises UserError with the known names."""
    if name not in SKELETONS:
        raise UserError(f"no skeleton is called {name!r}; known are {', '.join(SKELETONS)}")
    return SKELETONS[name]
