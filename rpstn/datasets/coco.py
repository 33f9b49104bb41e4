"""COCO 2017 key points, as clips of one frame, from the official layout or with a detector's boxes.

    root/annotations/person_keypoints_train2017.json, person_keypoints_val2017.json
    root/train2017/000000000009.jpg ...     root/val2017/000000000139.jpg ...

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. The format: cocodataset.org/#format-data.

**Splits.** test is the official val2017, as in published tables (the labels of COCO's own test sets are not public). val is
a twentieth of the images of train2017, drawn by the seed; source is the image, so its people stay together.

**People.** Crowds (`iscrowd`) and people without a labeled joint are left out, as usual: neither can be trained on, and
COCO's score asks for neither.

**Pixels.** Positions and boxes are used as stored, 0-based, which is what published tables do. A crop with padding 1.25
around the box (`transforms.crop_affine`) is the usual one.

**Detections.** A list of {"image_id", "category_id", "bbox", "score"}, the form of COCO's results. Each becomes a clip without
labels, to be predicted and scored by OKS. Rows of other categories, for other images, and with a box or score that is none are
left out and counted (`rpstn.datasets.coco_detections`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import check_near
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.coco_detections import Detection, in_words, read_detections
from rpstn.datasets.formats import coco_json
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS
from rpstn.errors import UserError
from rpstn.runs.paths import expanded
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
    dropped: Counter[str] | None = None,
) -> dict[str, list[Clip]]:
    """The people by split, in the order of images, then of annotations.

    seed         of the cut between train and val.
    labels_only  images may be absent (they fail when read).
    faults       where given, errors of single people are appended to it and the person is left out, instead of raised.
    detections   a detector's results for images of these splits; its boxes take the place of the labels.
    dropped      where given, detections that cannot be used are counted in it by reason.
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
    rows = None if detections is None else read_detections(expanded(detections))
    dropped = Counter() if dropped is None else dropped
    damaged = 0
    for year, path in present.items():
        content = coco_json.read_json(path, _REMEDY)
        category = coco_json.check_category(content, COCO.joints, str(path), _REMEDY)
        images = _images(content, path)
        files = None if labels_only else coco_json.listing(root / year, _IMAGES)
        val = _draw(images, seed) if year == "train2017" else set()
        people: Iterable[tuple[str, Any]] = _annotations(content, path)
        if rows is not None:  # they leave the table: what stays belongs to no image
            people = [(row.where, row) for image in images for row in rows.pop(image, ())]
        clips: list[tuple[int, int, str, Clip]] = []
        known: set[int] = set()
        broken = 0
        for where, entry in people:
            try:
                image, identity = (entry.image, entry.index) if rows is not None else _joined(entry, where, images, known)
                split = "test" if year == "val2017" else "val" if image in val else "train"
                if split not in found:
                    continue
                name, size = images[image]
                frames = ImageFrames((root / year / name,), size)
                if rows is None:
                    clip = _labeled(entry, image, frames, where, category)
                else:
                    clip = _detected(entry, frames, category, dropped)
                if clip is None:
                    continue
                if files is not None and name not in files:
                    raise UserError(f"{root / year / name}: missing, though {where} is for it; {_IMAGES}")
                clips.append((image, identity, split, clip))
            except UserError as error:
                broken += 1
                if faults is None:
                    raise
                faults.append(error)
        if not clips and not broken and rows is None:
            wanted = " and ".join(split for split in splits if _YEARS[split] == year)
            raise UserError(f"{path}: nobody in it has a labeled joint and belongs to {wanted}; {_REMEDY}")
        damaged += broken
        for _, _, split, clip in sorted(clips, key=lambda item: item[:2]):
            found[split].append(clip)
    if rows:
        names = " or ".join(path.name for path in present.values())
        dropped[f"for an image that is not in {names}"] += sum(map(len, rows.values()))
    if dropped and not damaged and not any(found.values()):
        raise UserError(
            f"{detections}: none of its detections can be used for {' and '.join(splits)}, left out: {in_words(dropped)}; give a "
            "person detector's results for the images of this split"
        )
    return found


def _joined(entry: dict[str, Any], where: str, images: Iterable[int], known: set[int]) -> tuple[int, int]:
    """The image and the id of an annotation, which joins those known."""
    image, identity = (coco_json.integer(entry, key, where, _REMEDY) for key in ("image_id", "id"))
    if image not in images:
        raise UserError(f"{where}: image_id {image} is not among the file's images; {_REMEDY}")
    if identity in known:
        raise UserError(f"{where}: this id is there twice; {_REMEDY}")
    known.add(identity)
    return image, identity


def ground_truth(root: Path, split: str, seed: int = 0) -> dict[str, Any]:
    """The official label file of a split, whole, cut down to the split's images: what OKS scores by.

    seed  of the cut between train and val. Raises UserError for a file that cannot be used.
    """
    path = root / "annotations" / f"person_keypoints_{_YEARS[split]}.json"
    content = coco_json.read_json(path, _REMEDY)
    coco_json.check_category(content, COCO.joints, str(path), _REMEDY)
    kept = set(_images(content, path))
    if split != "test":
        val = _draw(kept, seed)
        kept = val if split == "val" else kept - val
    people = [entry for _, entry in _annotations(content, path) if entry.get("image_id") in kept]
    return content | {"images": [entry for entry in content["images"] if entry["id"] in kept], "annotations": people}


def _draw(images: Iterable[int], seed: int) -> set[int]:
    """A twentieth of the images, at least one where there are two."""
    ids = sorted(images)
    count = max(round(VALIDATION * len(ids)), int(len(ids) > 1))
    return {ids[index] for index in np.random.default_rng(seed).permutation(len(ids))[:count]}


def _images(content: Any, path: Path) -> dict[int, tuple[str, tuple[int, int]]]:
    """id -> file name, (height, width)."""
    images: dict[int, tuple[str, tuple[int, int]]] = {}
    for index, entry in enumerate(coco_json.entries(content, "images", str(path), _REMEDY)):
        where = f"{path}: image {entry.get('id', f'at {index}')}"
        image, height, width = (coco_json.integer(entry, key, where, _REMEDY) for key in ("id", "height", "width"))
        if not height or not width:
            raise UserError(f"{where}: has {width}x{height} pixels; {_REMEDY}")
        name = coco_json.file_name(entry, where, _REMEDY)
        if len(name.parts) != 1:
            raise UserError(f"{where}: file_name {str(name)!r} is no plain name; {_REMEDY}")
        if image in images:
            raise UserError(f"{where}: this id is there twice; {_REMEDY}")
        images[image] = (name.name, (height, width))
    if not images:
        raise UserError(f"{path}: images is empty; {_REMEDY}")
    return images


def _annotations(content: Any, path: Path) -> list[tuple[str, dict[str, Any]]]:
    """The file's annotations, each with what to call it in a message."""
    found = coco_json.entries(content, "annotations", str(path), _REMEDY)
    return [(f"{path}: annotation {entry.get('id', f'at {index}')}", entry) for index, entry in enumerate(found)]


def _labeled(entry: dict[str, Any], image: int, frames: ImageFrames, where: str, category: int) -> Clip | None:
    """A person with labels; None for a crowd and for a person without a labeled joint."""
    identity, count, crowd, kind = (
        coco_json.integer(entry, key, where, _REMEDY) for key in ("id", "num_keypoints", "iscrowd", "category_id")
    )
    if crowd > 1:
        raise UserError(f"{where}: iscrowd is {crowd}, expected 0 or 1; {_REMEDY}")
    if kind != category:
        raise UserError(f"{where}: category_id is {kind}, not that of a person, {category}; {_REMEDY}")
    joints, visibility = coco_json.keypoints(entry, len(COCO), where, _REMEDY)
    labeled = visibility != ABSENT
    if count != labeled.sum():
        raise UserError(f"{where}: num_keypoints is {count}, labeled are {labeled.sum()}; {_REMEDY}")
    if crowd or not count:
        return None
    area = float(coco_json.numbers(entry, "area", (), where, _REMEDY, limit=coco_json.FARTHEST**2))
    if area <= 0:
        raise UserError(f"{where}: area is {area:g}, by which OKS cannot measure; {_REMEDY}")
    outside = labeled & ~coco_json.inside(joints, frames.size)
    if (outside == labeled).all():
        raise UserError(f"{where}: all its joints lie outside the image; {_REMEDY}")
    visibility[outside] = ABSENT
    place, seen = coco_json.box(entry, where, _REMEDY), visibility == VISIBLE
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


def _detected(row: Detection, frames: ImageFrames, category: int, dropped: Counter[str]) -> Clip | None:
    """A detected person; None, counted in dropped, for a row that cannot be used."""
    fault = row.fault(category, frames.size)
    if fault is not None:
        dropped[fault] += 1
        return None
    return _clip(
        f"{row.image:012d}_d{row.index}",
        np.zeros((len(COCO), 2)),
        np.full(len(COCO), ABSENT, np.uint8),
        row.box,
        frames,
        {
            "image_id": row.image,
            "annotation_id": -1,
            "area": float(row.box[2] * row.box[3]),
            "iscrowd": 0,
            "score": row.score,
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
        group=name.partition("_")[0],
        action="",
        joints=joints.astype(np.float32)[None],
        visibility=visibility[None],
        boxes=place.astype(np.float32)[None],
        frames=frames,
        extra=extra,
    )
