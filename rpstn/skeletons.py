"""Skeletons: which joints a data set has, and how they are connected.

The one table of all data sets. No joint count is written anywhere else in the code: networks, losses, scores and figures ask
the skeleton.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from rpstn.errors import UserError, suggest


@dataclass(frozen=True)
class Skeleton:
    """Define the joints of one data set, in its own order.

    joints      names, left and right being the person's own.
    limbs       pairs of joint indices that a bone connects; drawn as a stick figure.
    flip_pairs  pairs that swap when the image is mirrored.
    torso       two joints whose distance is the torso size, the unit of PCK by torso.
    order       all joints along the limbs, left and right separate: the order of a relation matrix in figures.
    sigmas      OKS constants per joint where the data set defines them, else None.
    unscored    joints that the data set's own mean leaves out.
    Raises UserError for repeated names, a pair outside the joints, and an order that does not name each joint once.
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
        """Return the index of a joint by name. Raises UserError for a name that the skeleton does not have."""
        if joint not in self.joints:
            near = suggest(joint, self.joints)
            raise UserError(f"skeleton {self.name!r} has no joint {joint!r}{near}; it has {', '.join(self.joints)}")
        return self.joints.index(joint)

    @cached_property
    def flip_permutation(self) -> tuple[int, ...]:
        """List from which joint each joint's value comes after mirroring; its own inverse."""
        permutation = list(range(len(self)))
        for left, right in self.flip_pairs:
            permutation[left], permutation[right] = right, left
        return tuple(permutation)

    @cached_property
    def joint_types(self) -> dict[str, tuple[int, ...]]:
        """Group left and right of the same joint, as reported results do: {"shoulder": (1, 2), ...}."""
        groups: dict[str, tuple[int, ...]] = {}
        for index, joint in enumerate(self.joints):
            name = joint.removeprefix("left_").removeprefix("right_")
            groups[name] = (*groups.get(name, ()), index)
        return groups

    @cached_property
    def graph(self) -> tuple[tuple[float, ...], ...]:
        """Build the adjacency matrix (K,K): 1 for a limb and for each joint itself, else 0."""
        linked = {*self.limbs, *((b, a) for a, b in self.limbs), *((joint, joint) for joint in range(len(self)))}
        return tuple(tuple(float((i, j) in linked) for j in range(len(self))) for i in range(len(self)))

    @cached_property
    def scored(self) -> tuple[int, ...]:
        """List the joints of the data set's own mean."""
        return tuple(index for index in range(len(self)) if index not in self.unscored)


PENN_ACTION = Skeleton(
    name="penn_action",
    joints=(
        *("head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
        *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    limbs=((0, 1), (0, 2), (1, 2), (1, 3), (3, 5), (2, 4), (4, 6), (1, 7), (2, 8), (7, 8), (7, 9), (9, 11), (8, 10), (10, 12)),
    flip_pairs=((1, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 12)),
    torso=(2, 7),
    order=(0, 1, 3, 5, 7, 9, 11, 2, 4, 6, 8, 10, 12),
)

SUB_JHMDB = Skeleton(
    name="sub_jhmdb",
    joints=(
        *("neck", "belly", "face", "right_shoulder", "left_shoulder", "right_hip", "left_hip"),
        *("right_elbow", "left_elbow", "right_knee", "left_knee", "right_wrist", "left_wrist", "right_ankle", "left_ankle"),
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
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
        *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
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

# Joints and their order: the annotation file's ids (Andriluka et al. 2014). Pelvis and thorax are stored as the middles of
# the hips and of the shoulders, so a score over them would count these twice; the set's own mean leaves them out.
MPII = Skeleton(
    name="mpii",
    joints=(
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("pelvis", "thorax", "upper_neck", "head_top"),
        *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    ),
    limbs=(
        *((0, 1), (1, 2), (2, 6), (6, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 9)),
        *((10, 11), (11, 12), (12, 7), (7, 13), (13, 14), (14, 15)),
    ),
    flip_pairs=((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)),
    torso=(13, 2),
    order=(9, 8, 7, 6, 13, 14, 15, 3, 4, 5, 12, 11, 10, 2, 1, 0),
    unscored=(6, 7),
)

# Leeds Sports Poses and its extension (Johnson and Everingham 2010, 2011).
LSP = Skeleton(
    name="lsp",
    joints=(
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
        *("neck", "head_top"),
    ),
    limbs=(
        *((0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (6, 7), (7, 8), (8, 12), (12, 9), (9, 10), (10, 11)),
        *((12, 13), (8, 2), (9, 3)),
    ),
    flip_pairs=((0, 5), (1, 4), (2, 3), (6, 11), (7, 10), (8, 9)),
    torso=(9, 2),
    order=(13, 12, 9, 10, 11, 3, 4, 5, 8, 7, 6, 2, 1, 0),
)

# Joints and their order: PoseTrack2018's files (Andriluka et al. 2018), which list COCO's ears and never label them.
# "head_bottom" is where head and neck meet. The set's own score measures by head boxes and defines no sigmas.
POSETRACK18 = Skeleton(
    name="posetrack18",
    joints=("nose", "head_bottom", "head_top", *COCO.joints[3:]),
    limbs=(
        *((2, 0), (0, 1), (0, 3), (0, 4), (1, 5), (1, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
        *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    ),
    flip_pairs=((3, 4), (5, 6), (7, 8), (9, 10), (11, 12), (13, 14), (15, 16)),
    torso=(6, 11),
    order=(2, 0, 1, 3, 5, 7, 9, 11, 13, 15, 4, 6, 8, 10, 12, 14, 16),
    unscored=(3, 4),
)

# Joints and their order: the format page of HiEve (Lin et al. 2020).
HIEVE = Skeleton(
    name="hieve",
    joints=(
        *("nose", "chest", "right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
        *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    ),
    limbs=((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (8, 11)),
    flip_pairs=((2, 5), (3, 6), (4, 7), (8, 11), (9, 12), (10, 13)),
    torso=(2, 11),
    order=(0, 1, 5, 6, 7, 11, 12, 13, 2, 3, 4, 8, 9, 10),
)

SKELETONS: dict[str, Skeleton] = {
    skeleton.name: skeleton for skeleton in (PENN_ACTION, SUB_JHMDB, COCO, MPII, LSP, POSETRACK18, HIEVE)
}


def get_skeleton(name: str) -> Skeleton:
    """Look up a skeleton by name. Raises UserError with the known names."""
    if not isinstance(name, str) or name not in SKELETONS:
        raise UserError(f"no skeleton is called {name!r}; known are {', '.join(SKELETONS)}")
    return SKELETONS[name]


def name_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """Describe a skeleton in a checkpoint's metadata: by its name and, where this table does not have it, in full."""
    return {"skeleton": skeleton.name} | ({} if SKELETONS.get(skeleton.name) == skeleton else {"own_skeleton": asdict(skeleton)})


def skeleton_of(metadata: Mapping[str, Any]) -> Skeleton:
    """Read the skeleton that `name_skeleton` described. Raises UserError for an unknown name."""
    if "own_skeleton" not in metadata:
        return get_skeleton(metadata["skeleton"])
    return Skeleton(**{name: _tuples(value) for name, value in metadata["own_skeleton"].items()})


def _tuples(value: Any) -> Any:
    """Return lists as tuples at any depth: JSON, in which files hold the metadata, has lists alone."""
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value
