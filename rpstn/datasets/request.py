"""What is asked of a data set's reader: one record for all of them, which also says what happens to damaged entries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rpstn.datasets.clip import Clip
from rpstn.datasets.splits import SPLITS
from rpstn.errors import UserError


@contextmanager
def collecting(errors: list[UserError]) -> Iterator[None]:
    """Append a UserError that is raised in the block to errors."""
    try:
        yield
    except UserError as error:
        errors.append(error)


@dataclass(frozen=True)
class Request:
    """The argument of each reader's `read_splits`, which returns the clips asked for by split.

    root         the data set's folder.
    splits       which to return.
    fold         1, 2 or 3, of sub_jhmdb. Without meaning for the others.
    seed         of the cut between train and val.
    labels_only  images and videos may be absent; they fail when they are read.
    faults       where given, errors of single entries are appended to it and these are left out, instead of raised.
    detections   a person detector's results for coco, whose boxes take the place of the labels.
    dropped      detections that cannot be used are counted in it, by reason.
    """

    root: Path
    splits: tuple[str, ...] = SPLITS
    fold: int = 1
    seed: int = 0
    labels_only: bool = False
    faults: list[UserError] | None = None
    detections: Path | None = None
    dropped: Counter[str] = field(default_factory=Counter)

    def report(self, error: UserError) -> None:
        """Note the error of a damaged entry where such are to be left out; else raise it."""
        if self.faults is None:
            raise error
        self.faults.append(error)

    @contextmanager
    def skipping(self) -> Iterator[None]:
        """Report a UserError that is raised in the block."""
        try:
            yield
        except UserError as error:
            self.report(error)

    def sort(self, clips: Iterable[tuple[str, Clip]]) -> dict[str, list[Clip]]:
        """Sort pairs of split and clip by split, in their order. Splits that are not asked for are left out."""
        found: dict[str, list[Clip]] = {split: [] for split in self.splits}
        for split, clip in clips:
            if split in found:
                found[split].append(clip)
        return found
