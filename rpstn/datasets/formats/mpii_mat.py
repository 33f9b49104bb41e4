"""MPII's MATLAB files: its annotations, and the head boxes of the valid list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, LEAST_EXTENT
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.formats.coco_json import plain_name
from rpstn.datasets.formats.mat import read_mat, read_numbers
from rpstn.datasets.request import collecting
from rpstn.errors import UserError
from rpstn.skeletons import MPII

ANNOTATIONS = "mpii_human_pose_v1_u12_1.mat"
_REMEDY = "restore the original file"


@dataclass(frozen=True)
class Person:
    """One annotated person as the files have it, 1-based.

    where       file and entry, for messages.
    joints      (16,2); visibility (16,).
    center      (2,) of the body; scale: its height / 200 px. NaN where the file has none.
    head_box    (4,) x, y, width, height, 0-based; None where the file has none.
    train       whether the image is one of the set's training images.
    """

    where: str
    id: str
    image: str
    joints: np.ndarray
    visibility: np.ndarray
    center: np.ndarray
    scale: float
    head_box: np.ndarray | None
    train: bool


def find_annotations(root: Path) -> Path | None:
    """Find the annotation file, if it is there."""
    return next((path for path in (root / ANNOTATIONS, root / "annot" / ANNOTATIONS) if path.is_file()), None)


def read_head_boxes(path: Path, count: int) -> np.ndarray:
    """Read head boxes (count,4) x, y, width, height, 0-based, of the valid list: `headboxes_src` (2,2,count), the corners."""
    label = read_numbers(path, "headboxes_src", 3, _REMEDY)
    if label.shape != (2, 2, count):
        raise UserError(
            f"{path}: headboxes_src has shape {label.shape}, expected (2, 2, {count}), one box for each entry of the valid "
            f"list; {_REMEDY}"
        )
    corners = label.astype(np.float64).transpose(2, 0, 1)
    # The comparison with NaN is false.
    sound = (np.abs(corners) <= FARTHEST).all(axis=(1, 2)) & (corners[:, 1] - corners[:, 0] >= LEAST_EXTENT).all(axis=1)
    if not sound.all():
        raise UserError(f"{path}: the head box of entry {int((~sound).argmax())} has no extent; {_REMEDY}")
    return np.concatenate([corners[:, 0] - 1, corners[:, 1] - corners[:, 0]], axis=1)


def read_annotations(path: Path, errors: list[UserError]) -> list[Person]:
    """Read all people with labeled joints. Entries that cannot be used go to errors.

    People in the background, who have no joints in the file, are left out: nobody labeled them.
    """
    stored = read_mat(path, ["RELEASE"], _REMEDY)
    if "RELEASE" not in stored:
        raise UserError(f"{path}: lacks RELEASE; {_REMEDY}")
    release = stored["RELEASE"]
    annotated, train = _items(_get(release, "annolist")), _get(release, "img_train")
    if not annotated or train is None or train.dtype.kind not in "biuf" or train.size != len(annotated):
        raise UserError(f"{path}: RELEASE lacks annolist and img_train of one length; {_REMEDY}")
    people: list[Person] = []
    for index, (entry, flag) in enumerate(zip(annotated, train.ravel(), strict=True)):
        for number, rect in enumerate(_items(entry.get("annorect"))):
            points = _items(_get(rect.get("annopoints"), "point"))
            if not points:
                continue
            where = f"{path}: image {index + 1}, person {number + 1}"
            with collecting(errors):
                people.append(_person(where, number, entry, rect, points, bool(flag == 1)))
    if not people and not errors:
        raise UserError(f"{path}: no person with joints is in it; {_REMEDY}")
    return people


def _person(where: str, number: int, entry: Any, rect: Any, points: list[Any], train: bool) -> Person:
    image = plain_name(_text(_get(entry.get("image"), "name")), where, _REMEDY)
    joints = np.full((len(MPII), 2), -1.0)
    visibility = np.full(len(MPII), ABSENT, np.uint8)
    for point in points:
        joint, x, y = (_number(where, key, point.get(key)) for key in ("id", "x", "y"))
        if joint not in range(len(MPII)):
            raise UserError(f"{where} has a joint {joint:g}, expected 0 to {len(MPII) - 1}; {_REMEDY}")
        if visibility[int(joint)] != ABSENT:
            raise UserError(f"{where} has joint {joint:g} twice; {_REMEDY}")
        joints[int(joint)] = x, y
        # Neck and head top come from the head's box and have no flag.
        flag = point.get("is_visible")
        hidden = _text(flag) == "0" or _optional(flag) == 0
        visibility[int(joint)] = OCCLUDED if hidden else VISIBLE
    middle = rect.get("objpos")
    center = np.array([_optional(_get(middle, key)) for key in ("x", "y")])
    corners = np.array([_optional(rect.get(key)) for key in ("x1", "y1", "x2", "y2")])
    head = np.concatenate([corners[:2] - 1, corners[2:] - corners[:2]])
    known = bool((np.abs(head) <= FARTHEST).all() and (head[2:] >= LEAST_EXTENT).all())
    scale = _optional(rect.get("scale"))
    name = f"{Path(image).stem}-{number + 1}"
    return Person(where, name, image, joints, visibility, center, scale, head if known else None, train)


def _items(value: Any) -> list[dict[str, Any]]:
    """Return the structs of a MATLAB struct array; none where it is something else."""
    return [item for item in np.asarray(value).ravel() if isinstance(item, dict)] if value is not None else []


def _get(value: Any, key: str) -> Any:
    """Return a field of a single struct; None where there is no such struct or field."""
    items = [value] if isinstance(value, dict) else _items(value)
    return items[0].get(key) if len(items) == 1 else None


def _text(value: Any) -> str | None:
    return str(value[0]) if isinstance(value, np.ndarray) and value.dtype.kind == "U" and value.size == 1 else None


def _optional(value: Any) -> float:
    """Return a number, or NaN for anything else."""
    single = isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf"
    return float(value.item()) if single else float("nan")


def _number(where: str, key: str, value: Any) -> float:
    number = _optional(value)
    if not np.isfinite(number) or abs(number) > FARTHEST:
        raise UserError(f"{where}: {key} of a joint is not a position; {_REMEDY}")
    return number
