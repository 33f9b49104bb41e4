"""A person detector's results in COCO's form: a list of {"image_id", "category_id", "bbox", "score"}.

A detector of thousands of boxes gives a few that cannot be used: without extent, outside the image, NaN. Such rows are left out
and counted, and the rest is scored. A row that is not of the form at all is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rpstn.datasets.boxes import FARTHEST, LEAST_EXTENT
from rpstn.datasets.formats import coco_json
from rpstn.errors import UserError

_REMEDY = "give a detector's results: a list of image_id, category_id, bbox, score"


@dataclass(frozen=True)
class Detection:
    """One row of the file. category: None where the row names none. box (4,) x, y, width, height; it may be no box at all."""

    where: str
    index: int
    image: int | str
    category: int | str | None
    box: np.ndarray
    score: float

    def fault(self, category: int | str, size: tuple[int, int]) -> str | None:
        """Say why it cannot be used for people in an image of that (height, width); None where it can."""
        if self.category not in (None, category):
            return "of another category than person"
        if not np.isfinite([*self.box, self.score]).all() or np.abs(self.box).max() > FARTHEST:
            return "with a box or score that is no finite number"
        if (self.box[2:] < LEAST_EXTENT).any():
            return "with a box without extent"
        low, high = self.box[:2], self.box[:2] + self.box[2:]
        if low[0] >= size[1] or low[1] >= size[0] or (high <= 0).any():
            return "outside the image"
        return None


def read_detections(path: Path) -> dict[int | str, list[Detection]]:
    """Read the rows by image id, in the file's order. Raises UserError for a file that is no such list."""
    content = coco_json.read_json(path, _REMEDY)
    if not isinstance(content, list):
        raise UserError(f"{path}: holds no list; {_REMEDY}")
    found: dict[int | str, list[Detection]] = {}
    for index, entry in enumerate(coco_json.objects(content, str(path), _REMEDY)):
        where = f"{path}: detection {index}"
        image = coco_json.identity(entry, "image_id", where, _REMEDY)
        category = coco_json.identity(entry, "category_id", where, _REMEDY) if "category_id" in entry else None
        box, score = coco_json.array(entry, "bbox", (4,), where, _REMEDY), coco_json.array(entry, "score", (), where, _REMEDY)
        found.setdefault(image, []).append(Detection(where, index, image, category, box, float(score)))
    if not found:
        raise UserError(f"{path}: holds no detection; {_REMEDY}")
    return found


def in_words(dropped: Mapping[str, int]) -> str:
    """Say counts by reason as a sentence's part: "3 detections (2 outside the image, 1 with a box without extent)"."""
    total = sum(dropped.values())
    parts = ", ".join(f"{count} {reason}" for reason, count in sorted(dropped.items()))
    return f"{total} detection{'' if total == 1 else 's'} ({parts})"
