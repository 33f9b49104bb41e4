"""Scores that others report, read from results/published.json; none is typed anywhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from rpstn.datasets.catalogue import TABLE
from rpstn.errors import UserError
from rpstn.notebooks import CHECKOUT
from rpstn.runs.files import read_json
from rpstn.skeletons import get_skeleton

PUBLISHED = CHECKOUT / "results" / "published.json"
# The groups of joints in the paper's tables, in their order.
PAPER_JOINTS = ("head", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")


@dataclass(frozen=True)
class PublishedRow:
    """One row of somebody's table.

    method, data_set   as printed; data_set by its name in this package.
    split              what it was measured on.
    metric, reference  "PCK@0.2" by "person" or "torso" size, "AP" by "OKS", "mAP" by "head size (PCKh)".
    per_joint          percent by group of joints, left and right together; empty where only a mean is known.
    mean               percent, as printed. It need not be the plain mean of per_joint.
    ms                 milliseconds per frame, as printed; None where the table has none.
    source, note       where it is printed, and what has to be known to read it.
    """

    method: str
    data_set: str
    split: str
    metric: str
    reference: str
    per_joint: Mapping[str, float]
    mean: float
    ms: float | None
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        values = [self.mean, *self.per_joint.values()]
        if not all(isinstance(value, int | float) and 0 <= value <= 100 for value in values):
            raise ValueError(f"{self.method} on {self.data_set}: scores are percent between 0 and 100, not {values}")
        if not self.source:
            raise ValueError(f"{self.method} on {self.data_set}: has no source")

    @property
    def joints(self) -> int | None:
        """Count the joints that the mean is of: as the note says, else all; None where the set leaves some out of its mean."""
        if said := re.search(r"mean over (\d+) joints", self.note):
            return int(said[1])
        skeleton = get_skeleton(TABLE[self.data_set].skeleton)
        return None if skeleton.unscored else len(skeleton)


def load_published(path: str | Path | None = None) -> tuple[PublishedRow, ...]:
    """Load all rows, in the file's order. path: another file of the same form.

    Raises UserError for a file that is missing or of another form, naming the row.
    """
    path = Path(path or PUBLISHED)
    content = read_json(path)
    try:
        rows: Sequence[Mapping[str, Any]] = content["rows"]
        known = {field.name for field in fields(PublishedRow)}
        for number, row in enumerate(rows):
            if unknown := set(row) - known:
                raise ValueError(f"row {number} has unknown keys: {', '.join(sorted(unknown))}")
        return tuple(PublishedRow(**row) for row in rows)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{path}: not a file of reported scores ({error}); restore it from the repository") from error


def missing_tables(path: str | Path | None = None) -> dict[str, str]:
    """Say for which data sets a table of the paper is left blank, and why."""
    return {item["data_set"]: item["reason"] for item in read_json(path or PUBLISHED).get("missing", [])}


def published_rows(path: str | Path | None = None, **wanted: Any) -> tuple[PublishedRow, ...]:
    """Find the rows whose fields have the wanted values, such as data_set="penn_action", reference="torso".

    Raises UserError where no row has them.
    """
    found = tuple(row for row in load_published(path) if all(getattr(row, name) == value for name, value in wanted.items()))
    if not found:
        raise UserError(
            f"no reported score with {', '.join(f'{k} {v!r}' for k, v in wanted.items())}; see results/published.json"
        )
    return found
