"""Ground truth in COCO's key point form, read with care, with the ids that COCO's own code can take.

pycocotools notes the id of the annotation that a detection matched, as a number, and takes 0 for "none". So every id is replaced
by a number from 1 on. Images keep the order of their own ids, by which COCO sorts detections of equal score; what the ids are
changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpstn.datasets.boxes import FARTHEST
from rpstn.datasets.formats import coco_json
from rpstn.errors import UserError
from rpstn.runs.paths import expanded
from rpstn.skeletons import Skeleton

CATEGORY = 1  # what the category of people is renumbered to
_REMEDY = "restore or complete the file"


@dataclass(frozen=True)
class GroundTruth:
    """What COCO's code scores by. content: in its form, ids from 1 on; images: own id -> number in content."""

    content: dict[str, Any]
    images: dict[int | str, int]


def read_ground_truth(source: str | Path | Mapping[str, Any], skeleton: Skeleton) -> GroundTruth:
    """Read a file in COCO's key point form, or its content, which is not changed.

    Ids are whole numbers or strings, each once. Annotations of other categories are left out. Raises UserError, with the name of
    the annotation, for what is missing or malformed.
    """
    if isinstance(source, str | Path):
        whole, where = coco_json.read_json(expanded(source), _REMEDY), str(source)
    else:
        whole, where = dict(source), "ground truth"
    if not isinstance(whole, dict) or not {"images", "annotations", "categories"} <= set(whole):
        raise UserError(f"{where}: has no images, annotations and categories; give a file in COCO's key point form")
    category, known = _person(whole, where, skeleton)
    listed = [identity for identity, _, _ in coco_json.identified(whole, "images", where, _REMEDY)]
    images = {image: number for number, image in enumerate(sorted(listed, key=coco_json.by_identity), 1)}
    annotations: list[dict[str, Any]] = []
    for _, place, entry in coco_json.identified(whole, "annotations", where, _REMEDY):
        kind = coco_json.identity(entry, "category_id", place, _REMEDY)
        if kind not in known:
            raise UserError(f"{place}: category_id {kind} is not among the file's categories; {_REMEDY}")
        image = coco_json.identity(entry, "image_id", place, _REMEDY)
        if image not in images:
            raise UserError(f"{place}: image_id {image} is not among the file's images; {_REMEDY}")
        if kind == category:
            numbered = {"id": len(annotations) + 1, "image_id": images[image], "category_id": CATEGORY}
            annotations.append(numbered | _scored(entry, len(skeleton), place))
    content = {
        "images": [{"id": number} for number in images.values()],
        "annotations": annotations,
        "categories": [{"id": CATEGORY}],
    }
    return GroundTruth(content, images)


def _person(whole: Any, where: str, skeleton: Skeleton) -> tuple[int | str, set[int | str]]:
    """Find the id of the one category that has the skeleton's joints, and the ids of all."""
    found = list(coco_json.identified(whole, "categories", where, _REMEDY))
    named = [(identity, entry["keypoints"]) for identity, _, entry in found if isinstance(entry.get("keypoints"), list | tuple)]
    persons = [(identity, joints) for identity, joints in named if len(joints) == len(skeleton)]
    if len(persons) != 1:
        raise UserError(
            f"{where}: {len(persons)} categories have the {len(skeleton)} key points of skeleton {skeleton.name!r}; "
            "exactly one must"
        )
    identity, joints = persons[0]
    if tuple(joints) != skeleton.joints and sorted(map(str, joints)) == sorted(skeleton.joints):
        raise UserError(
            f"{where}: category {identity} has the joints of skeleton {skeleton.name!r} in another order; bring its key points "
            "into the skeleton's order"
        )
    return identity, {identity for identity, _, _ in found}


def _scored(entry: Mapping[str, Any], joints: int, where: str) -> dict[str, Any]:
    """Collect what COCO's code reads of a person."""
    points, flags, crowd = coco_json.person(entry, joints, where, _REMEDY)
    count = int((flags > 0).sum())
    area = float(coco_json.numbers(entry, "area", (), where, _REMEDY, limit=FARTHEST**2))
    if area < 0 or (count and not area):
        raise UserError(f"{where}: area is {area:g}, by which OKS cannot measure; {_REMEDY}")
    box = coco_json.numbers(entry, "bbox", (4,), where, _REMEDY)
    if (box[2:] < 0).any():
        raise UserError(f"{where}: bbox is {box.tolist()}, a box of negative extent; {_REMEDY}")
    stored = [value for (x, y), flag in zip(points.tolist(), flags.tolist(), strict=True) for value in (x, y, flag)]
    return {"keypoints": stored, "num_keypoints": count, "iscrowd": int(crowd), "area": area, "bbox": box.tolist()}
