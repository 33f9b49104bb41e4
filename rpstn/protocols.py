"""Named ways to hide a person's joints in all clips of a data set, and what happens to the picture otherwise: a cut.

A protocol says what is hidden, for how long, and whether the occluder moves with the body. What it hides in a clip depends on
its seed and the clip's name only, so every network sees the same pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import Clip, ClipDataset, FrameSource
from rpstn.errors import UserError
from rpstn.occlusion import ATTACHMENTS, PROTOCOLS, Occluder, occlude_dataset
from rpstn.parameters import suggest

WORDS = {
    "joint": "one joint", "limb": "one limb", "half": "half the body", "person": "the whole person", "bar": "a moving bar",
    "erasing": "random erasing",
}  # fmt: skip
PLACES = {"body": "on the body", "image": "in the image"}


@dataclass(frozen=True)
class Protocol:
    """One way to hide, for all clips of a data set.

    name      "joint", "limb", "half" (left or right side), "person", "bar" or "erasing"; see `rpstn.occlusion.choose`.
    attached  "body": the occluder follows the person; "image": it stays where its first frame put it (the bar still moves, and
              erasing takes its places from the box of the first frame).
    start, length, size, texture, seed  as for `rpstn.occlusion.Occluder`.
    Raises UserError for a name that is not known and for values that no occluder can have.
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
        Occluder("bar", (), self.start, self.length, self.attached, self.size, self.texture, self.seed)  # checks the rest

    @property
    def title(self) -> str:
        """For figures and tables: "one limb, on the body"."""
        return f"{WORDS[self.name]}, {PLACES[self.attached]}"

    def hide(self, dataset: ClipDataset) -> ClipDataset:
        """The clips of the data set behind this protocol's occluder; those in which it has nothing to hide are left out.

        Raises UserError for a clip that is too short for it, and where no clip is left.
        """
        return occlude_dataset(
            dataset, self.name, start=self.start, length=self.length, seed=self.seed, attached=self.attached, size=self.size,
            texture=self.texture,
        )  # fmt: skip


def grid(names: Iterable[str] = PROTOCOLS, attached: Iterable[str] = ATTACHMENTS, **settings) -> tuple[Protocol, ...]:
    """Every protocol with every attachment, in this order; settings as for `Protocol`. Raises UserError for unknown names."""
    attached = tuple(attached)
    return tuple(Protocol(name, place, **settings) for name in names for place in attached)


def long_enough(dataset: ClipDataset, frames: int) -> ClipDataset:
    """The clips that have so many frames. Raises UserError where there is none, naming the longest."""
    clips = tuple(clip for clip in dataset if len(clip) >= frames)
    if not clips:
        longest = max((len(clip) for clip in dataset), default=0)
        raise UserError(
            f"no {dataset.split} clip of {dataset.name} has {frames} frames, the longest has {longest}; "
            "let the occlusion start earlier or make it shorter"
        )
    return replace(dataset, clips=clips)


def few(dataset: ClipDataset, each: int) -> ClipDataset:
    """The first `each` clips of every source, in the data set's order; 0 keeps all. No source is lost."""
    if each < 0:
        raise UserError(f"{each} clips of each source cannot be taken; give 0 for all of them")
    if not each:
        return dataset
    taken: dict[str, int] = {}
    clips = []
    for clip in dataset:
        taken[clip.source] = taken.get(clip.source, 0) + 1
        if taken[clip.source] <= each:
            clips.append(clip)
    return replace(dataset, clips=tuple(clips))


class SplicedFrames:
    """A FrameSource that shows one source's first frames, then another's."""

    def __init__(self, first: FrameSource, second: FrameSource, at: int, length: int) -> None:
        self.first, self.second, self.at, self.length = first, second, at, length

    @property
    def size(self) -> tuple[int, int]:
        return self.first.size

    def __len__(self) -> int:
        return self.length

    def read(self, indices: Sequence[int]) -> np.ndarray:
        wanted = np.asarray(indices, dtype=np.int64)
        before = wanted < self.at
        frames = np.empty((len(wanted), *self.size, 3), np.uint8)
        if before.any():
            frames[before] = self.first.read(wanted[before].tolist())
        if not before.all():
            frames[~before] = self.second.read((wanted[~before] - self.at).tolist())
        return frames


def splice(first: Clip, second: Clip, at: int, length: int) -> Clip:
    """The first `at` frames of one clip, then the first frames of another, `length` frames in all: a cut in the video.

    extra["since_cut"] is (T,) int64: 1 in the first frame after the cut, counting on; 0 before it. The source is that of the
    second clip, since it is the frames after the cut that are scored. Raises UserError for a cut outside the clip, for
    clips that are too short, and for pictures of different sizes.
    """
    if not 0 < at < length:
        raise UserError(f"a cut at frame {at} does not lie inside {length} frames; choose one between 1 and {length - 1}")
    for clip, needed in ((first, at), (second, length - at)):
        if len(clip) < needed:
            raise UserError(f"clip {clip.id!r} has {len(clip)} frames, the splice needs {needed} of it; cut elsewhere")
    if first.frames.size != second.frames.size:
        raise UserError(
            f"clips {first.id!r} and {second.id!r} have pictures of {first.frames.size} and {second.frames.size} px "
            "(height, width); splice clips of one size"
        )

    def joined(name: str) -> np.ndarray:
        return np.concatenate([getattr(first, name)[:at], getattr(second, name)[: length - at]])

    return Clip(
        id=f"{first.id} cut at {at} to {second.id}",
        source=second.source,
        action=second.action,
        joints=joined("joints"),
        visibility=joined("visibility"),
        boxes=joined("boxes"),
        frames=SplicedFrames(first.frames, second.frames, at, length),
        extra={"since_cut": np.maximum(np.arange(length) - at + 1, 0)},
    )


def splice_dataset(dataset: ClipDataset, at: int, length: int, seed: int = 0) -> ClipDataset:
    """The clips of a data set behind a cut from a clip of another source, drawn by the seed and the clip's name.

    A clip whose pictures have a size that no other source has is left out: the result has so many fewer.
    Raises UserError where no clip is left, as with one source alone, and what `splice` raises.
    """
    clips = []
    for clip in dataset:
        others = [other for other in dataset if other.source != clip.source and other.frames.size == clip.frames.size]
        if not others:
            continue
        rng = np.random.default_rng((seed, zlib.crc32(clip.id.encode(errors="surrogateescape"))))
        clips.append(splice(others[rng.integers(len(others))], clip, at, length))
    if not clips:
        raise UserError(
            f"among {len(dataset)} {dataset.split} clips of {dataset.name}, none has pictures as large as another source's; "
            "a cut needs two sources with pictures of one size: take more clips"
        )
    return replace(dataset, name=f"{dataset.name} with cuts", clips=tuple(clips))
