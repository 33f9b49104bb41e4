"""Named ways to hide a person's joints in all clips of a data set.

A protocol says what is hidden, for how long, and whether the occluder moves with the body. What it hides in a clip depends on
its seed and the clip's name only, so every network sees the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.errors import UserError, suggest
from rpstn.occlusion.occluders import ATTACHMENTS, KINDS, Occluder, clip_generator, occlude
from rpstn.skeletons import Skeleton

# What each protocol hides, and what an occluder is attached to, for figures and tables.
PROTOCOLS = {
    "joint": "one joint", "limb": "one limb", "half": "half the body", "person": "the whole person", "bar": "a moving bar",
    "erasing": "random erasing",
}  # fmt: skip
_ATTACHED = {"body": "on the body", "image": "in the image"}


@dataclass(frozen=True)
class Protocol:
    """Name one way to hide, for all clips of a data set; UserError for unknown names and for values no occluder can have.

    name      "joint": one joint. "limb": the two joints of one limb. "half": the joints of the left or of the right side.
              "person", "bar", "erasing": as the Occluder of that kind.
    attached  "body": the occluder follows the person; "image": it stays where its first frame put it (the bar still moves, and
              erasing takes its positions from the box of the first frame).
    start, length, size, texture, seed  as for `rpstn.occlusion.Occluder`.
    """

    name: str
    attached: str = "body"
    start: int = 6
    length: int = 12
    size: float = 0.1
    texture: str = "noise"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            near = suggest(self.name, PROTOCOLS)
            raise UserError(f"no occlusion protocol is called {self.name!r}{near}; choose one of {', '.join(PROTOCOLS)}")
        self._occluder("bar", (), self.seed)  # checks the rest

    @property
    def title(self) -> str:
        """Describe it for figures and tables: "one limb, on the body"."""
        return f"{PROTOCOLS[self.name]}, {_ATTACHED[self.attached]}"

    def choose(self, clip: Clip, skeleton: Skeleton) -> Occluder | None:
        """Choose the occluder for a clip, None where the clip has nothing that it could hide.

        Joints are drawn from those that are visible in the frame before the occlusion, if there are any. A joint that is
        annotated in none of the clip's frames has no position at which it could be hidden: half the body is then the rest of
        that side, and one joint or limb is another one. Raises UserError for a skeleton that has nothing that it could hide.
        """
        rng = clip_generator(clip, self.seed)
        seed = int(rng.integers(2**31))
        if self.name in KINDS:
            return self._occluder(self.name, (), seed)
        sets = self._sets(skeleton)
        annotated = (clip.visibility != ABSENT).any(axis=0)
        if self.name == "half":
            sets = [[joint for joint in side if annotated[joint]] for side in sets]
        known = [joints for joints in sets if joints and all(annotated[joints])]
        if not known:
            return None
        before = clip.visibility[min(max(self.start - 1, 0), len(clip) - 1)]
        candidates = [joints for joints in known if all(before[joints] == VISIBLE)] or known
        chosen = candidates[rng.integers(len(candidates))]
        return self._occluder("joints", tuple(skeleton.joints[joint] for joint in chosen), seed)

    def hide(self, dataset: ClipDataset) -> ClipDataset:
        """Put this protocol's occluder in front of every clip; those in which it has nothing to hide are left out.

        Raises UserError for a clip that is too short for it, and where no clip is left.
        """
        chosen = [(clip, self.choose(clip, dataset.skeleton)) for clip in dataset]
        clips = tuple(occlude(clip, dataset.skeleton, occluder) for clip, occluder in chosen if occluder is not None)
        if not clips:
            raise UserError(
                f"no {dataset.split} clip of {dataset.name} has annotated joints for protocol {self.name!r}; "
                "choose another protocol"
            )
        return replace(dataset, name=f"{dataset.name} behind {self.name}", clips=clips)

    def _occluder(self, kind: str, joints: tuple[str, ...], seed: int) -> Occluder:
        return Occluder(kind, joints, self.start, self.length, self.attached, self.size, self.texture, seed)

    def _sets(self, skeleton: Skeleton) -> list[list[int]]:
        """List the sets of joints of which one is hidden together."""
        if self.name == "joint":
            return [[joint] for joint in range(len(skeleton))]
        lacks = "limbs"
        sets: Sequence[Sequence[int]] = skeleton.limbs
        if self.name == "half":
            lacks = "joints whose names begin with left_ or right_"
            sets = [[skeleton.index(n) for n in skeleton.joints if n.startswith(side)] for side in ("left_", "right_")]
        if not any(sets):
            raise UserError(
                f"skeleton {skeleton.name!r} has no {lacks}, which protocol {self.name!r} hides; choose another protocol"
            )
        return [list(joints) for joints in sets]


def grid(names: Iterable[str] = PROTOCOLS, attached: Iterable[str] = ATTACHMENTS, **settings: Any) -> tuple[Protocol, ...]:
    """List every protocol with every attachment, in this order; settings as for `Protocol`, which raises UserError."""
    attached = tuple(attached)
    return tuple(Protocol(name, to, **settings) for name in names for to in attached)
