"""Named ways to hide a person's joints in all clips of a data set.

A protocol says what is hidden, for how long, and whether the occluder moves with the body. What it hides in a clip depends on
its seed and the clip's name only, so every network sees the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset, FrameSource
from rpstn.datasets.hiding import joint_groups
from rpstn.errors import UserError, suggest
from rpstn.occlusion.occluders import ATTACHMENTS, Occluder, clip_generator, occlude
from rpstn.skeletons import Skeleton

# What each protocol hides, and what an occluder is attached to, for figures and tables.
PROTOCOLS = {"joint": "one joint", "limb": "one limb", "half": "half the body", "person": "the whole person"}
_ATTACHED = {"body": "on the body", "image": "in the image"}


@dataclass(frozen=True)
class Protocol:
    """Name one way to hide, for all clips of a data set; UserError for unknown names and for values no occluder can have.

    name      "joint": one joint. "limb": an arm or a leg. "half": the left, right, lower or upper half. "person": everything.
              Whatever else lies under the patch is hidden, and counts, as well.
    start, length, attached, free, margin, texture, seed  as for `rpstn.occlusion.Occluder`.
    """

    name: str
    attached: str = "body"
    start: int = 8
    length: int = 12
    free: float = 0.35
    margin: float = 0.03
    texture: str = "image"
    seed: int = 2021

    def __post_init__(self) -> None:
        if self.name not in PROTOCOLS:
            near = suggest(self.name, PROTOCOLS)
            raise UserError(f"no occlusion protocol is called {self.name!r}{near}; choose one of {', '.join(PROTOCOLS)}")
        self._occluder((), self.seed)  # checks the rest

    @property
    def title(self) -> str:
        """Describe it for figures and tables: "one limb, on the body"."""
        return f"{PROTOCOLS[self.name]}, {_ATTACHED[self.attached]}"

    def choose(self, clip: Clip, skeleton: Skeleton) -> Occluder | None:
        """Choose the occluder for a clip, None where the clip has nothing that it could hide.

        Joints are drawn from those that are visible in the frame before the occlusion, if there are any. A joint without a
        label in all of the frames has no position at which it could be hidden: half the body is then the rest of that half, and
        one joint or limb is another one. Raises UserError for a skeleton that has nothing that it could hide.
        """
        rng = clip_generator(clip, self.seed)
        seed = int(rng.integers(2**31))
        fits = self.start + self.length <= len(clip)  # else `occlude` says that it does not
        hidden = slice(self.start, self.start + self.length) if fits else slice(None)
        annotated = (clip.visibility[hidden] != ABSENT).any(axis=0)
        if self.name == "person":
            return self._occluder((), seed) if annotated.any() else None
        sets = joint_groups(skeleton).get(self.name, [])
        if not sets:
            raise UserError(
                f"skeleton {skeleton.name!r} has no joints that protocol {self.name!r} hides, which knows them by names such as "
                "left_wrist; choose another protocol"
            )
        if self.name == "half":
            sets = [[joint for joint in half if annotated[joint]] for half in sets]
        known = [joints for joints in sets if joints and all(annotated[joints])]
        if not known:
            return None
        before = clip.visibility[min(max(self.start - 1, 0), len(clip) - 1)]
        candidates = [joints for joints in known if all(before[joints] == VISIBLE)] or known
        chosen = candidates[rng.integers(len(candidates))]
        return self._occluder(tuple(skeleton.joints[joint] for joint in chosen), seed)

    def hide(self, dataset: ClipDataset) -> ClipDataset:
        """Put this protocol's occluder in front of every clip; those in which it has nothing to hide are left out.

        The texture "image" shows a frame of a clip of another group. Raises UserError for a clip that is too short for it, and
        where no clip is left.
        """
        chosen = [(clip, self.choose(clip, dataset.skeleton)) for clip in dataset]
        clips = tuple(
            occlude(clip, dataset.skeleton, occluder, other_frames(clip, dataset, self.seed))
            for clip, occluder in chosen
            if occluder is not None
        )
        if not clips:
            raise UserError(
                f"no {dataset.split} clip of {dataset.name} has annotated joints for protocol {self.name!r}; "
                "choose another protocol"
            )
        return replace(dataset, name=f"{dataset.name} behind {self.name}", clips=clips)

    def _occluder(self, joints: tuple[str, ...], seed: int) -> Occluder:
        return Occluder(joints, self.start, self.length, self.attached, self.free, self.margin, self.texture, seed)


def other_frames(clip: Clip, dataset: ClipDataset, seed: int = 0) -> FrameSource | None:
    """Draw the frames of a clip of another group by the seed and the clip's name; None where there is no other group."""
    others = [other for other in dataset if other.group != clip.group]
    rng = np.random.default_rng((3, *clip_generator(clip, seed).integers(2**31, size=2)))
    return others[int(rng.integers(len(others)))].frames if others else None


def grid(names: Iterable[str] = PROTOCOLS, attached: Iterable[str] = ATTACHMENTS, **settings: Any) -> tuple[Protocol, ...]:
    """List every protocol with every attachment, in this order; settings as for `Protocol`, which raises UserError."""
    attached = tuple(attached)
    return tuple(Protocol(name, to, **settings) for name in names for to in attached)
