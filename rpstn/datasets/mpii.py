"""MPII Human Pose, as clips of one frame: from the usual lists, or from the official MATLAB file.

    root/images/005808361.jpg ...          or the images in root itself
    root/annot/train.json, valid.json      the lists of the SimpleBaseline and HRNet repositories; or in root itself
    root/annot/gt_valid.mat                head boxes of the valid list, from the same place; optional
    root/mpii_human_pose_v1_u12_1.mat      the official annotations; or in root/annot/; optional where the lists are there

Sources: M. Andriluka, L. Pishchulin, P. Gehler, B. Schiele, "2D Human Pose Estimation: New Benchmark and State of the
Art Analysis", CVPR 2014. The list of validation people is that of J. Tompson et al., CVPR 2015.

**Splits.** With the lists: test is the valid list, whole; val is cut from the train list by image, seeded. With the
MATLAB file alone the valid list is unknown, and the official test people have no public labels: test and val are both
cut from the training images, test with a seed of its own. PCKh is comparable with published numbers only with the
lists.

**Boxes.** `scale` x 200 px is the person's height. The box is a square of that side around `center`, moved down by 15 x
scale, as usual; a crop with padding 1.25 around it is the usual one. Where the official file has no scale or center, the
box holds the joints, grown by a tenth, and counts as repaired.

**Head.** extra["head_box"] (1,4) is x, y, width, height of the head's box, from gt_valid.mat or the official file; it
is missing where neither is there or has it. PCKh measures by 0.6 x its diagonal (rpstn.metrics.keypoints.pckh).

**Joints.** The lists say which joints are labeled, not which are hidden: those count as VISIBLE. The official file
tells hidden ones: OCCLUDED. Positions are 1-based. Left of or above the image a joint is ABSENT; PCKh counts it, by
extra["annotated"] (1,16) bool: labeled joints wherever they lie.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, LEAST_EXTENT, check_near, joints_box
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.formats import coco_json
from rpstn.datasets.formats.mpii_mat import Person, find_official, read_head_boxes, read_official
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS
from rpstn.errors import UserError
from rpstn.skeletons import MPII

VALIDATION = 0.05
_TEST_SEED = 2014
_MARGIN = 0.1
# The usual names first, then mmpose's, whose files have the same contents.
_NAMES = {
    "train": ("train.json", "mpii_train.json"),
    "valid": ("valid.json", "mpii_val.json", "test_mpii.json"),
    "heads": ("gt_valid.mat", "mpii_gt_val.mat"),
}
_REMEDY = "restore the file, or skip damaged entries"


def read_splits(
    root: Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
) -> dict[str, list[Clip]]:
    """All people by split, in the order of the lists; source is the image's name.

    seed         of the cut between train and val.
    labels_only  images may be absent (they fail when read).
    faults       where given, errors of single people are appended to it and the person is left out, instead of raised.
    `fold` has no meaning here.
    """
    train, valid = (_find(root, key) for key in ("train", "valid"))
    official = find_official(root)
    if train is None and valid is None and official is None:
        raise UserError(
            f"{root}: neither annot/train.json and annot/valid.json nor mpii_human_pose_v1_u12_1.mat is there; "
            f"put the lists into annot/, or unpack the official annotations"
        )
    people: list[tuple[str, Person]] = []
    errors: list[UserError] = []
    if train is None and valid is None:
        assert official is not None
        found = [person for person in read_official(official, errors) if person.train]
        images = sorted({person.image for person in found})
        held = _draw(images, _TEST_SEED)
        people += [("test" if person.image in held else "train", person) for person in found]
    else:
        if valid is not None:
            people += [("test", person) for person in _with_heads(root, valid, official, _list(valid, errors))]
        if train is not None:
            people += [("train", person) for person in _list(train, errors)]
    val = _draw(sorted({person.image for split, person in people if split == "train"}), seed)
    where = {split: [] for split in splits}
    folder = root / "images" if (root / "images").is_dir() else root
    present = None if labels_only else {path.name for path in folder.iterdir()}
    for split, person in people:
        split = "val" if split == "train" and person.image in val else split
        if split not in where:
            continue
        try:
            where[split].append(_clip(person, folder, present))
        except UserError as error:
            errors.append(error)
    if errors and faults is None:
        raise errors[0]
    if faults is not None:
        faults += errors
    return where


def _draw(images: list[str], seed: int) -> set[str]:
    """A twentieth of the images, at least one where there are two."""
    count = max(round(VALIDATION * len(images)), int(len(images) > 1))
    return {images[index] for index in np.random.default_rng(seed).permutation(len(images))[:count]}


def _find(root: Path, key: str) -> Path | None:
    places = (folder / name for name in _NAMES[key] for folder in (root / "annot", root / "annotations", root))
    return next((path for path in places if path.is_file()), None)


def _list(path: Path, errors: list[UserError]) -> list[Person]:
    """The people of one list. Entries that cannot be used go to errors."""
    try:
        entries = json.loads(path.read_bytes())
    except (ValueError, OSError, RecursionError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); restore the file") from error
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: holds no list of people; restore the file")
    people = []
    for number, entry in enumerate(entries):
        try:
            people.append(_person(path, number, entry))
        except UserError as error:
            errors.append(error)
    return people


def _person(path: Path, number: int, entry: Any) -> Person:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is no object; {_REMEDY}")
    lacking = [key for key in ("image", "joints", "joints_vis", "center", "scale") if key not in entry]
    if lacking:
        raise UserError(f"{where} lacks {', '.join(lacking)}; {_REMEDY}")
    image = entry["image"]
    if not isinstance(image, str) or not image or coco_json.impossible(image) or Path(image).name != image:
        raise UserError(f"{where} has the image {image!r:.80}, expected a file's name; {_REMEDY}")
    joints, flags, center, scale = (
        coco_json.numbers(entry, key, shape, where, _REMEDY, limit=FARTHEST)
        for key, shape in (("joints", (len(MPII), 2)), ("joints_vis", (len(MPII),)), ("center", (2,)), ("scale", ()))
    )
    if not np.isin(flags, (0, 1)).all():
        raise UserError(f"{where} has a value other than 0 and 1 in joints_vis; {_REMEDY}")
    # Where a joint is not labeled its position is (-1, -1).
    visibility = np.where(flags == 1, VISIBLE, ABSENT).astype(np.uint8)
    return Person(where, f"{path.stem}-{number:05d}", image, joints, visibility, center, float(scale), None, True)


def _with_heads(root: Path, valid: Path, official: Path | None, people: list[Person]) -> list[Person]:
    """The valid list with head boxes from gt_valid.mat (one an entry, in order), else from the official file."""
    path = _find(root, "heads")
    if path is not None:
        boxes = read_head_boxes(path, len(json.loads(valid.read_bytes())))
        return [replace(person, head_box=boxes[int(person.id.rpartition("-")[2])]) for person in people]
    if official is None:
        return people
    known: dict[str, list[Person]] = {}
    for person in read_official(official, []):
        known.setdefault(person.image, []).append(person)
    found = []
    for person in people:
        # The lists are made from the official file: the same person has the same center, to a pixel or so.
        near = [other for other in known.get(person.image, []) if np.abs(other.center - person.center).max() < 2]
        found.append(replace(person, head_box=near[0].head_box) if len(near) == 1 else person)
    return found


def _clip(person: Person, folder: Path, present: set[str] | None) -> Clip:
    labeled = person.visibility != ABSENT
    if not labeled.any():
        raise UserError(f"{person.where} has no labeled joint, so nobody is there; {_REMEDY}")
    if 200 * person.scale < LEAST_EXTENT:  # of NaN this is false
        raise UserError(f"{person.where}: scale is {person.scale:g}, which gives no box; {_REMEDY}")
    image = folder / person.image
    if present is not None and image.name not in present:
        raise UserError(f"{image}: missing, though {person.where} has labels for it; unpack the images again")
    points = person.joints - 1  # 1-based as MATLAB counts
    outside = labeled & (points < -0.5).any(axis=1)
    if (outside == labeled).all():
        raise UserError(f"{person.where} has all its joints outside the image; {_REMEDY}")
    placed = bool(np.isfinite([*person.center, person.scale]).all())
    if placed:
        side = 200 * person.scale
        middle = person.center - 1 + [0, 15 * person.scale]
        box = np.concatenate([middle - side / 2, [side, side]]).astype(np.float32)
        check_near(points, labeled, box, f"{person.where}: center and scale", _REMEDY)
    else:
        box = joints_box(points[labeled], _MARGIN)
        if box is None:
            raise UserError(f"{person.where} has neither a place nor joints that span a box; {_REMEDY}")
    extra: dict[str, Any] = {"boxes_repaired": int(not placed), "joints_outside": int(outside.sum())}
    extra["annotated"] = labeled[None]
    if person.head_box is not None:
        extra["head_box"] = person.head_box[None]
    return Clip(
        id=person.id,
        group=Path(person.image).stem,
        action="",
        joints=np.where(labeled[:, None], points, -1.0).astype(np.float32)[None],
        visibility=np.where(outside, ABSENT, person.visibility).astype(np.uint8)[None],
        boxes=box[None],
        frames=ImageFrames((image,)),
        extra=extra,
    )
