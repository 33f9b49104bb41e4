"""Named ways to hide a person's joints in all clips of a data set.

A protocol says what is hidden, for how long, and whether the occluder moves with the body. What it hides in a clip depends on
its seed and the clip's name only, so every network sees the same pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rpstn.datasets.clip import ClipDataset
from rpstn.errors import UserError, suggest
from rpstn.occlusion.occluders import ATTACHMENTS, PROTOCOLS, Occluder, occlude_dataset

WORDS = {
    "joint": "one joint", "limb": "one limb", "half": "half the body", "person": "the whole person", "bar": "a moving bar",
    "erasing": "random erasing",
}  # fmt: skip
PLACES = {"body": "on the body", "image": "in the image"}


@dataclass(frozen=True)
class Protocol:
    """One way to hide, for all clips of a data set.

    name      "joint", "limb", "half" (left or right side), "person", "bar" or "erasing"; see `rpstn.occlusion.occluders.choose`.
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
