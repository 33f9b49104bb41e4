"""COCO 2017 key points, as clips of one frame, from the official layout or with a detector's boxes.

    root/annotations/person_keypoints_train2017.json, person_keypoints_val2017.json
    root/train2017/000000000009.jpg ...     root/val2017/000000000139.jpg ...

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. The format: cocodataset.org/#format-data.

**Splits.** test is the official val2017, as in published tables (the labels of COCO's own test sets are not public). val is
a twentieth of the pictures of train2017, drawn by the seed; source is the picture, so its people stay together.

**People.** Crowds (`iscrowd`) and people without a labelled joint are left out, as usual: neither can be trained on, and
COCO's score asks for neither.

**Pixels.** Positions and boxes are used as stored, 0-based, which is what published tables do. A crop with padding 1.25
around the box (`transforms.crop_affine`) is the usual one.

**Detections.** A list of {"image_id", "category_id", "bbox", "score"}, the form of COCO's results; entries of other categories
than person are passed over. Each becomes a clip without labels, to be predicted and scored by OKS.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets import records
from rpstn.datasets.boxes import check_near
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS
from rpstn.errors import UserError
from rpstn.paths import expanded
from rpstn.skeletons import COCO

VALIDATION = 0.05
_REMEDY = "restore the official file, or skip damaged entries"
_IMAGES = "unpack train2017.zip and val2017.zip beside annotations/"
_YEARS = {"train": "train2017", "val": "train2017", "test": "val2017"}


def read_splits(
    root: Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
    detections: str | os.PathLike[str] | None = None,
) -> dict[str, list[Clip]]:
    """The people by split, in the order of pictures, then of annotations.

    seed         of the cut between train and val.
    labels_only  pictures may be absent (they fail when read).
    faults       where given, errors of single people are appended to it and the person is left out, instead of raised.
    detections   a detector's results for pictures of these splits; its boxes take the place of the labels.
    `fold` has no meaning here.

    A clip's extra holds image_id, annotation_id (-1 for a detection), area (px^2; a detection's: of its box), iscrowd, score
    (1.0 for a label) and detected. Raises UserError for files that cannot be used.
    """
    years = [year for year in ("train2017", "val2017") if any(_YEARS[split] == year for split in splits)]
    paths = {year: root / "annotations" / f"person_keypoints_{year}.json" for year in years}
    present = {year: path for year, path in paths.items() if path.is_file()}
    if not present:
        missing = " and ".join(str(path) for path in paths.values())
        raise UserError(f"{missing}: missing; unpack annotations_trainval2017.zip into the root")
    found: dict[str, list[Clip]] = {split: [] for split in splits}
    boxes = None if detections is None else _detections(expanded(detections))
    for year, path in present.items():
        content = records.read_json(path, _REMEDY)
        category = records.check_category(content, COCO.joints, str(path), _REMEDY)
        pictures = _pictures(content, path)
        files = None if labels_only else records.listing(root / year, _IMAGES)
        val = _draw(pictures, seed) if year == "train2017" else set()
        people = _annotations(content, path) if boxes is None else _taken(boxes, pictures)
        clips: dict[int, tuple[int, str, Clip]] = {}
        damaged = 0
        for where, entry in people:
            try:
                image = records.integer(entry, "image_id", where, _REMEDY)
                if image not in pictures:
                    raise UserError(f"{where}: image_id {image} is not among the file's images; {_REMEDY}")
                split = "test" if year == "val2017" else "val" if image in val else "train"
                if split not in found:
                    continue
                name, size = pictures[image]
                frames = ImageFrames((root / year / name,), size)
                if boxes is None:
                    clip = _labelled(entry, image, frames, where, category)
                else:
                    clip = _detected(entry, image, frames, where)
                if clip is None:
                    continue
                if files is not None and name not in files:
                    raise UserError(f"{root / year / name}: missing, though {where} is for it; {_IMAGES}")
                if entry["id"] in clips:
                    raise UserError(f"{where}: this id is there twice; {_REMEDY}")
                clips[entry["id"]] = (image, split, clip)
            except UserError as error:
                damaged += 1
                if faults is None:
                    raise
                faults.append(error)
        if not clips and not damaged and boxes is None:
            wanted = " and ".join(split for split in splits if _YEARS[split] == year)
            raise UserError(f"{path}: nobody in it has a labelled joint and belongs to {wanted}; {_REMEDY}")
        for _, (_, split, clip) in sorted(clips.items(), key=lambda item: (item[1][0], item[0])):
            found[split].append(clip)
    if boxes:
        where, entry = next(iter(boxes.values()))[0]
        names = ", ".join(path.name for path in present.values())
        raise UserError(f"{where}: image_id {entry['image_id']} is not in {names}; give detections in the pictures of this split")
    return found


def ground_truth(root: Path, split: str, seed: int = 0) -> dict[str, Any]:
    """The official label file of a split, whole, cut down to the split's pictures: what OKS scores by.

    seed  of the cut between train and val. Raises UserError for a file that cannot be used.
    """
    path = root / "annotations" / f"person_keypoints_{_YEARS[split]}.json"
    content = records.read_json(path, _REMEDY)
    records.check_category(content, COCO.joints, str(path), _REMEDY)
    kept = set(_pictures(content, path))
    if split != "test":
        val = _draw(kept, seed)
        kept = val if split == "val" else kept - val
    people = [entry for _, entry in _annotations(content, path) if entry.get("image_id") in kept]
    return content | {"images": [entry for entry in content["images"] if entry["id"] in kept], "annotations": people}


def _draw(pictures: Iterable[int], seed: int) -> set[int]:
    """A twentieth of the pictures, at least one where there are two."""
    ids = sorted(pictures)
    count = max(round(VALIDATION * len(ids)), int(len(ids) > 1))
    return {ids[index] for index in np.random.default_rng(seed).permutation(len(ids))[:count]}


def _pictures(content: Any, path: Path) -> dict[int, tuple[str, tuple[int, int]]]:
    """id -> file name, (height, width)."""
    pictures: dict[int, tuple[str, tuple[int, int]]] = {}
    for index, entry in enumerate(records.entries(content, "images", str(path), _REMEDY)):
        where = f"{path}: image {entry.get('id', f'at {index}')}"
        image, height, width = (records.integer(entry, key, where, _REMEDY) for key in ("id", "height", "width"))
        if not height or not width:
            raise UserError(f"{where}: has {width}x{height} pixels; {_REMEDY}")
        name = records.file_name(entry, where, _REMEDY)
        if len(name.parts) != 1:
            raise UserError(f"{where}: file_name {str(name)!r} is no plain name; {_REMEDY}")
        if image in pictures:
            raise UserError(f"{where}: this id is there twice; {_REMEDY}")
        pictures[image] = (name.name, (height, width))
    if not pictures:
        raise UserError(f"{path}: images is empty; {_REMEDY}")
    return pictures


def _annotations(content: Any, path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The file's annotations, each with what to call it in a message."""
    found = records.entries(content, "annotations", str(path), _REMEDY)
    return [(f"{path}: annotation {entry.get('id', f'at {index}')}", entry) for index, entry in enumerate(found)]


def _labelled(entry: dict[str, Any], image: int, frames: ImageFrames, where: str, category: int) -> Clip | None:
    """A person with labels; None for a crowd and for a person without a labelled joint."""
    identity, count, crowd, kind = (
        records.integer(entry, key, where, _REMEDY) for key in ("id", "num_keypoints", "iscrowd", "category_id")
    )
    if crowd > 1:
        raise UserError(f"{where}: iscrowd is {crowd}, expected 0 or 1; {_REMEDY}")
    if kind != category:
        raise UserError(f"{where}: category_id is {kind}, not that of a person, {category}; {_REMEDY}")
    joints, visibility = records.keypoints(entry, len(COCO), where, _REMEDY)
    labelled = visibility != ABSENT
    if count != labelled.sum():
        raise UserError(f"{where}: num_keypoints is {count}, labelled are {labelled.sum()}; {_REMEDY}")
    if crowd or not count:
        return None
    area = float(records.numbers(entry, "area", (), where, _REMEDY, limit=records.FARTHEST**2))
    if area <= 0:
        raise UserError(f"{where}: area is {area:g}, by which OKS cannot measure; {_REMEDY}")
    outside = labelled & ~records.inside(joints, frames.size)
    if (outside == labelled).all():
        raise UserError(f"{where}: all its joints lie outside the picture; {_REMEDY}")
    visibility[outside] = ABSENT
    place, seen = records.box(entry, where, _REMEDY), visibility == VISIBLE
    # A box surrounds what is seen: hidden joints may lie behind what cuts it off.
    check_near(joints, seen if seen.any() else visibility != ABSENT, place, f"{where}: bbox", _REMEDY)
    return _clip(
        f"{image:012d}_{identity}",
        joints,
        visibility,
        place,
        frames,
        {
            "image_id": image,
            "annotation_id": identity,
            "area": area,
            "iscrowd": 0,
            "score": 1.0,
            "detected": False,
            "boxes_repaired": 0,
            "joints_outside": int(outside.sum()),
        },
    )


def _detections(path: Path) -> dict[int, list[tuple[str, dict[str, Any]]]]:
    """A detector's people by image id, each with what to call it in a message."""
    content = records.read_json(path, "give a detector's results")
    if not isinstance(content, list):
        raise UserError(f"{path}: holds no list; a detector's results are a list of image_id, category_id, bbox, score")
    found: dict[int, list[tuple[str, dict[str, Any]]]] = {}
    for index, entry in enumerate(records.objects(content, str(path), "give a detector's results")):
        where = f"{path}: detection {index}"
        image = records.integer(entry, "image_id", where, _REMEDY)
        if entry.get("category_id", 1) == 1:
            found.setdefault(image, []).append((where, entry | {"id": index}))
    if not found:
        raise UserError(f"{path}: holds no detected person (category_id 1); give a person detector's results")
    return found


def _taken(boxes: dict[int, list[tuple[str, dict[str, Any]]]], pictures: Iterable[int]) -> list[tuple[str, dict[str, Any]]]:
    """The detections of these pictures, which leave the table: what stays belongs to none."""
    return [person for image in pictures for person in boxes.pop(image, ())]


def _detected(entry: dict[str, Any], image: int, frames: ImageFrames, where: str) -> Clip:
    score = float(records.numbers(entry, "score", (), where, _REMEDY))
    place = records.box(entry, where, _REMEDY)
    height, width = frames.size
    if place[0] >= width or place[1] >= height or (place[:2] + place[2:] <= 0).any():
        raise UserError(f"{where}: bbox {place.tolist()} lies outside the picture of {width}x{height}; {_REMEDY}")
    return _clip(
        f"{image:012d}_d{entry['id']}",
        np.zeros((len(COCO), 2)),
        np.full(len(COCO), ABSENT, np.uint8),
        place,
        frames,
        {
            "image_id": image,
            "annotation_id": -1,
            "area": float(place[2] * place[3]),
            "iscrowd": 0,
            "score": score,
            "detected": True,
            "boxes_repaired": 0,
            "joints_outside": 0,
        },
    )


def _clip(
    name: str, joints: np.ndarray, visibility: np.ndarray, place: np.ndarray, frames: ImageFrames, extra: dict[str, Any]
) -> Clip:
    return Clip(
        id=name,
        source=name.partition("_")[0],
        action="",
        joints=joints.astype(np.float32)[None],
        visibility=visibility[None],
        boxes=place.astype(np.float32)[None],
        frames=frames,
        extra=extra,
    )
