"""COCO 2017 keypoints, as clips of one frame, from its layout, with its own boxes or a detector's.

    root/annotations/person_keypoints_train2017.json, person_keypoints_val2017.json
    root/train2017/000000000009.jpg ...     root/val2017/000000000139.jpg ...

Source: T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. The format: cocodataset.org/#format-data.

**Splits.** test is val2017, as in reported tables (the labels of COCO's own test sets are not public). val is
a twentieth of the images of train2017, drawn by the seed; group is the image, so its people stay together.

**People.** Crowds (`iscrowd`) and people without a labeled joint are left out, as usual: neither can be trained on, and
COCO's score asks for neither. So are annotations of the file's other categories. Ids are numbers or strings.

**Pixels.** Positions and boxes are used as stored, 0-based, which is what reported tables do. A crop with padding 1.25
around the box (`transforms.crop_affine`) is the usual one.

**Detections.** A list of {"image_id", "category_id", "bbox", "score"}, the form of COCO's results. Each becomes a clip without
labels, to be predicted and scored by OKS. Rows of other categories, for other images, and with a box or score that is none are
left out and counted (`rpstn.datasets.coco_detections`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, check_near
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.coco_detections import Detection, in_words, read_detections
from rpstn.datasets.formats import coco_json
from rpstn.datasets.request import Request
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import cut_images
from rpstn.datasets.truth import CocoTruth, Truth
from rpstn.errors import UserError
from rpstn.runs.paths import expanded
from rpstn.skeletons import COCO

VALIDATION = 0.05
_REMEDY = "restore the original file, or skip damaged entries"
_IMAGES = "unpack train2017.zip and val2017.zip next to annotations/"
_YEARS = {"train": "train2017", "val": "train2017", "test": "val2017"}


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read the people by split, in the order of images, then of annotations or of a detector's rows.

    Raises UserError for files that cannot be used.
    """
    if request.detections is None:
        return _read_labels(request)
    return _read_detections(request, request.detections)


def _read_labels(request: Request) -> dict[str, list[Clip]]:
    found: list[tuple[str, Clip]] = []
    for year in _years(request):
        people: list[tuple[int | str, int | str, Clip]] = []
        known: set[int | str] = set()
        damaged = False
        for where, entry in _annotations(year.content, year.path):
            try:
                image, identity = _joined(entry, where, year.images, known)
                clip = _labeled(entry, year.frames(image), where, year) if year.split(image) in request.splits else None
                if clip is not None:
                    year.require(image, where)
                    people.append((image, identity, clip))
            except UserError as error:
                damaged = True
                request.report(error)
        if not people and not damaged:
            wanted = " and ".join(split for split in request.splits if _YEARS[split] == year.folder.name)
            raise UserError(f"{year.path}: nobody in it has a labeled joint and belongs to {wanted}; {_REMEDY}")
        people.sort(key=lambda person: (coco_json.by_identity(person[0]), coco_json.by_identity(person[1])))
        found += [(year.split(image), clip) for image, _, clip in people]
    return request.sort(found)


def _read_detections(request: Request, path: Path) -> dict[str, list[Clip]]:
    rows = read_detections(expanded(path))
    found: list[tuple[str, Clip]] = []
    damaged = False
    years = list(_years(request))
    for year in years:
        for image in sorted(year.images.keys() & rows.keys(), key=coco_json.by_identity):
            here = rows.pop(image)  # what stays belongs to no image
            if year.split(image) not in request.splits:
                continue
            frames = year.frames(image)
            for row in here:
                fault = row.fault(year.category, frames.size)
                if fault is not None:
                    request.dropped[fault] += 1
                    continue
                try:
                    year.require(image, row.where)
                    found.append((year.split(image), _detected(row, image, frames)))
                except UserError as error:
                    damaged = True
                    request.report(error)
    if rows:
        names = " or ".join(year.path.name for year in years)
        request.dropped[f"for an image that is not in {names}"] += sum(map(len, rows.values()))
    if request.dropped and not damaged and not found:
        raise UserError(
            f"{path}: none of its detections can be used for {' and '.join(request.splits)}, left out: "
            f"{in_words(request.dropped)}; give a person detector's results for the images of this split"
        )
    return request.sort(found)


@dataclass(frozen=True)
class _Year:
    """One label file with its folder of images.

    category  the id of people in it, and others: those of its other categories, whose annotations are left out.
    images    id -> file name, (height, width).
    val       the images that are cut from train; None for val2017, which is test as a whole.
    present   the files that are there; None: it does not matter.
    """

    path: Path
    folder: Path
    content: dict[str, Any]
    category: int | str
    others: set[int | str]
    images: dict[int | str, tuple[str, tuple[int, int]]]
    val: set[int | str] | None
    present: frozenset[str] | None

    def split(self, image: int | str) -> str:
        """Return the split that an image is in."""
        if self.val is None:
            return "test"
        return "val" if image in self.val else "train"

    def frames(self, image: int | str) -> ImageFrames:
        name, size = self.images[image]
        return ImageFrames((self.folder / name,), size)

    def require(self, image: int | str, where: str) -> None:
        """Raise UserError for an image that is not there."""
        name, _ = self.images[image]
        if self.present is not None and name not in self.present:
            raise UserError(f"{self.folder / name}: missing, though {where} is for it; {_IMAGES}")


def _years(request: Request) -> Iterator[_Year]:
    """Read the label files of the splits asked for, as far as they are there."""
    names = [year for year in ("train2017", "val2017") if any(_YEARS[split] == year for split in request.splits)]
    paths = {name: request.root / "annotations" / f"person_keypoints_{name}.json" for name in names}
    present = {name: path for name, path in paths.items() if path.is_file()}
    if not present:
        missing = " and ".join(str(path) for path in paths.values())
        raise UserError(f"{missing}: missing; unpack annotations_trainval2017.zip into the root")
    for name, path in present.items():
        content, category, images = _read_file(path)
        folder = request.root / name
        files = None if request.labels_only else coco_json.listing(folder, _IMAGES)
        val = cut_images(images, VALIDATION, request.seed) if name == "train2017" else None
        listed = coco_json.identified(content, "categories", str(path), _REMEDY)
        yield _Year(path, folder, content, category, {kind for kind, _, _ in listed} - {category}, images, val, files)


def _read_file(path: Path) -> tuple[dict[str, Any], int | str, dict[int | str, tuple[str, tuple[int, int]]]]:
    """Return a label file's content, the id of people, and its images."""
    content = coco_json.read_json(path, _REMEDY)
    category = coco_json.check_category(content, COCO.joints, str(path), _REMEDY)
    return content, category, _images(content, path)


def _joined(entry: dict[str, Any], where: str, images: Iterable[int | str], known: set[int | str]) -> tuple[int | str, int | str]:
    """Return the image and the id of an annotation, and add the id to those known."""
    image, identity = (coco_json.identity(entry, key, where, _REMEDY) for key in ("image_id", "id"))
    if image not in images:
        raise UserError(f"{where}: image_id {image} is not among the file's images; {_REMEDY}")
    if identity in known:
        raise UserError(f"{where}: this id is there twice; {_REMEDY}")
    known.add(identity)
    return image, identity


def ground_truth(root: Path, split: str, seed: int = 0) -> dict[str, Any]:
    """Return the label file of a split, whole, cut down to the split's images: what OKS scores by.

    seed  of the cut between train and val. Raises UserError for a file that cannot be used.
    """
    path = root / "annotations" / f"person_keypoints_{_YEARS[split]}.json"
    content, _, images = _read_file(path)
    kept = set(images)
    if split != "test":
        val = cut_images(kept, VALIDATION, seed)
        kept = val if split == "val" else kept - val
    people = [entry for _, entry in _annotations(content, path) if entry.get("image_id") in kept]
    return content | {"images": [entry for entry in content["images"] if entry["id"] in kept], "annotations": people}


def _images(content: Any, path: Path) -> dict[int | str, tuple[str, tuple[int, int]]]:
    """Return id -> file name, (height, width)."""
    images: dict[int | str, tuple[str, tuple[int, int]]] = {}
    for index, entry in enumerate(coco_json.entries(content, "images", str(path), _REMEDY)):
        where = f"{path}: image {entry.get('id', f'at {index}')}"
        image = coco_json.identity(entry, "id", where, _REMEDY)
        height, width = (coco_json.integer(entry, key, where, _REMEDY) for key in ("height", "width"))
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
    """Return the file's annotations, each with what to call it in a message."""
    found = coco_json.entries(content, "annotations", str(path), _REMEDY)
    return [(f"{path}: annotation {entry.get('id', f'at {index}')}", entry) for index, entry in enumerate(found)]


def _labeled(entry: dict[str, Any], frames: ImageFrames, where: str, year: _Year) -> Clip | None:
    """Return a person with labels; None for a crowd, for a person without a labeled joint, and for what is no person."""
    kind = coco_json.identity(entry, "category_id", where, _REMEDY)
    if kind in year.others:
        return None
    if kind != year.category:
        raise UserError(f"{where}: category_id is {kind}, which is none of the file's categories; {_REMEDY}")
    identity = coco_json.identity(entry, "id", where, _REMEDY)
    joints, visibility, crowd = coco_json.person(entry, len(COCO), where, _REMEDY)
    labeled = visibility != ABSENT
    if crowd or not labeled.any():
        return None
    area = float(coco_json.numbers(entry, "area", (), where, _REMEDY, limit=FARTHEST**2))
    if area <= 0:
        raise UserError(f"{where}: area is {area:g}, by which OKS cannot measure; {_REMEDY}")
    outside = labeled & ~coco_json.inside(joints, frames.size)
    if (outside == labeled).all():
        raise UserError(f"{where}: all its joints lie outside the image; {_REMEDY}")
    visibility[outside] = ABSENT
    box, seen = coco_json.box(entry, where, _REMEDY), visibility == VISIBLE
    # A box surrounds what is seen: hidden joints may lie behind what cuts it off.
    check_near(joints, seen if seen.any() else visibility != ABSENT, box, f"{where}: bbox", _REMEDY)
    image = coco_json.identity(entry, "image_id", where, _REMEDY)
    truth = Truth(joints_outside=int(outside.sum()), coco=CocoTruth(image, identity, area))
    return Clip.of_image(f"{_group(image)}_{identity}", _group(image), joints, visibility, box, frames, truth)


def _detected(row: Detection, image: int | str, frames: ImageFrames) -> Clip:
    nowhere, absent = np.zeros((len(COCO), 2)), np.full(len(COCO), ABSENT, np.uint8)
    coco = CocoTruth(image, -1, area=float(row.box[2] * row.box[3]), score=row.score, detected=True)
    return Clip.of_image(f"{_group(image)}_d{row.index}", _group(image), nowhere, absent, row.box, frames, Truth(coco=coco))


def _group(image: int | str) -> str:
    return image if isinstance(image, str) else f"{image:012d}"
