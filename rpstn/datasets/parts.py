"""Parts of clips, for what need not see, or could not hold, a long video at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import Clip, FrameSource, frame_numbers
from rpstn.datasets.truth import Truth


@dataclass(frozen=True)
class PartFrames:
    """A FrameSource that shows `length` frames of another, from `first` on."""

    source: FrameSource
    first: int
    length: int

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        return self.source.size

    def __len__(self) -> int:
        return self.length

    def read(self, indices: Sequence[int]) -> np.ndarray:
        """Read frames by their index in the part: (N,H,W,3) uint8 RGB."""
        return self.source.read([self.first + index for index in frame_numbers(indices, self.length, "a part of a clip")])


def parts_of(clip: Clip, longest: int) -> list[Clip]:
    """Cut a clip into parts of at most so many frames; a clip that is no longer stays as it is. Parts have no `truth`."""
    if len(clip) <= longest:
        return [clip]
    found = []
    for first in range(0, len(clip), longest):
        here = slice(first, min(first + longest, len(clip)))
        arrays = {name: getattr(clip, name)[here] for name in ("joints", "visibility", "boxes")}
        frames = PartFrames(clip.frames, first, here.stop - first)
        found.append(replace(clip, id=f"{clip.id} from {first}", frames=frames, truth=Truth(), **arrays))
    return found
