"""MPII Human Pose, as clips of one frame: from the usual lists, or from its own MATLAB file.

    root/images/005808361.jpg ...          or the images in root itself
    root/annot/train.json, valid.json      the lists of the SimpleBaseline and HRNet repositories; or in root itself
    root/annot/gt_valid.mat                head boxes of the valid list, from the same place; optional
    root/mpii_human_pose_v1_u12_1.mat      the MATLAB annotations; or in root/annot/; optional where the lists are there

Sources: M. Andriluka, L. Pishchulin, P. Gehler, B. Schiele, "2D Human Pose Estimation: New Benchmark and State of the
Art Analysis", CVPR 2014. The list of validation people is that of J. Tompson et al., CVPR 2015.

**Splits.** With the lists: test is the valid list, whole; val is cut from the train list by image, seeded. With the
MATLAB file alone the valid list is unknown, and the set's own test people have no public labels: test and val are both
cut from the training images, test with a seed of its own. PCKh is comparable with reported numbers only with the
lists.

**Boxes.** `scale` x 200 px is the person's height. The box is a square of that side around `center`, moved down by 15 x
scale, as usual; a crop with padding 1.25 around it is the usual one. Where the MATLAB file has no scale or center, the
box holds the joints, grown by a tenth, and counts as repaired.

**Head.** `truth.head_boxes` (1,4) is x, y, width, height of the head's box, from gt_valid.mat or the MATLAB file; NaN
where neither is there or has it. PCKh measures by 0.6 x its diagonal (rpstn.metrics.keypoints.pckh).

**Joints.** The lists say which joints are labeled, not which are hidden: those count as VISIBLE. The MATLAB file
tells hidden ones: OCCLUDED. Positions are 1-based. Left of or above the image a joint is ABSENT; PCKh counts it, by
`truth.annotated` (1,16) bool: labeled joints wherever they lie.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import LEAST_EXTENT, check_near, joints_box
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.formats import coco_json
from rpstn.datasets.formats.mpii_mat import Person, find_annotations, read_annotations, read_head_boxes
from rpstn.datasets.request import Request, collecting
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import cut_images
from rpstn.datasets.truth import Truth
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


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read all people by split, in the order of the lists; group is the image's name."""
    root = request.root
    errors: list[UserError] = []
    people = _people(root, errors)
    for error in errors:
        request.report(error)
    val = cut_images({person.image for split, person in people if split == "train"}, VALIDATION, request.seed)
    folder = root / "images" if (root / "images").is_dir() else root
    present = None if request.labels_only else coco_json.listing(folder, "unpack the images there")
    clips: list[tuple[str, Clip]] = []
    for split, person in people:
        split = "val" if split == "train" and person.image in val else split
        if split in request.splits:
            with request.skipping():
                clips.append((split, _clip(person, folder, present)))
    return request.sort(clips)


def _people(root: Path, errors: list[UserError]) -> list[tuple[str, Person]]:
    """Read all people, each with "train" or "test". Entries that cannot be used go to errors."""
    train, valid = (_find(root, key) for key in ("train", "valid"))
    annotations = find_annotations(root)
    people: list[tuple[str, Person]] = []
    if valid is not None:
        people += [("test", person) for person in _with_heads(root, valid, annotations, _list(valid, errors))]
    if train is not None:
        people += [("train", person) for person in _list(train, errors)]
    if train is not None or valid is not None:
        return people
    if annotations is None:
        raise UserError(
            f"{root}: neither annot/train.json and annot/valid.json nor mpii_human_pose_v1_u12_1.mat is there; "
            f"put the lists into annot/, or unpack the annotations"
        )
    found = [person for person in read_annotations(annotations, errors) if person.train]
    test = cut_images({person.image for person in found}, VALIDATION, _TEST_SEED)
    return [("test" if person.image in test else "train", person) for person in found]


def _find(root: Path, key: str) -> Path | None:
    places = (folder / name for name in _NAMES[key] for folder in (root / "annot", root / "annotations", root))
    return next((path for path in places if path.is_file()), None)


def _list(path: Path, errors: list[UserError]) -> list[Person]:
    """Read the people of one list. Entries that cannot be used go to errors."""
    entries = coco_json.read_json(path, "restore the file")
    if not isinstance(entries, list) or not entries:
        raise UserError(f"{path}: holds no list of people; restore the file")
    people = []
    for number, entry in enumerate(entries):
        with collecting(errors):
            people.append(_person(path, number, entry))
    return people


def _person(path: Path, number: int, entry: Any) -> Person:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is no object; {_REMEDY}")
    lacking = [key for key in ("image", "joints", "joints_vis", "center", "scale") if key not in entry]
    if lacking:
        raise UserError(f"{where} lacks {', '.join(lacking)}; {_REMEDY}")
    image = coco_json.plain_name(entry["image"], where, _REMEDY)
    joints, flags, center, scale = (
        coco_json.numbers(entry, key, shape, where, _REMEDY)
        for key, shape in (("joints", (len(MPII), 2)), ("joints_vis", (len(MPII),)), ("center", (2,)), ("scale", ()))
    )
    if not np.isin(flags, (0, 1)).all():
        raise UserError(f"{where} has a value other than 0 and 1 in joints_vis; {_REMEDY}")
    # Where a joint is not labeled its position is (-1, -1).
    visibility = np.where(flags == 1, VISIBLE, ABSENT).astype(np.uint8)
    return Person(where, f"{path.stem}-{number:05d}", image, joints, visibility, center, float(scale), None, True)


def _with_heads(root: Path, valid: Path, annotations: Path | None, people: list[Person]) -> list[Person]:
    """Give the valid list head boxes from gt_valid.mat (one per entry, in order), else from the MATLAB file."""
    path = _find(root, "heads")
    if path is not None:
        boxes = read_head_boxes(path, len(coco_json.read_json(valid, "restore the file")))
        return [replace(person, head_box=boxes[int(person.id.rpartition("-")[2])]) for person in people]
    if annotations is None:
        return people
    known: dict[str, list[Person]] = {}
    for person in read_annotations(annotations, []):
        known.setdefault(person.image, []).append(person)
    found = []
    for person in people:
        # The lists are made from the MATLAB file: the same person has the same center, to a pixel or so.
        near = [other for other in known.get(person.image, []) if np.abs(other.center - person.center).max() < 2]
        found.append(replace(person, head_box=near[0].head_box) if len(near) == 1 else person)
    return found


def _clip(person: Person, folder: Path, present: frozenset[str] | None) -> Clip:
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
    box, repaired = _box(person, points, labeled)
    head_boxes = np.full((1, 4), np.nan) if person.head_box is None else person.head_box[None]
    joints, visibility = np.where(labeled[:, None], points, -1.0), np.where(outside, ABSENT, person.visibility)
    truth = Truth(int(repaired), int(outside.sum()), annotated=labeled[None], head_boxes=head_boxes)
    return Clip.of_image(person.id, Path(person.image).stem, joints, visibility, box, ImageFrames((image,)), truth)


def _box(person: Person, points: np.ndarray, labeled: np.ndarray) -> tuple[np.ndarray, bool]:
    """Return the box (4,) float32, and whether it had to be made from the joints."""
    if np.isfinite([*person.center, person.scale]).all():
        side = 200 * person.scale
        middle = person.center - 1 + [0, 15 * person.scale]
        stated = np.concatenate([middle - side / 2, [side, side]]).astype(np.float32)
        check_near(points, labeled, stated, f"{person.where}: center and scale", _REMEDY)
        return stated, False
    box = joints_box(points[labeled], _MARGIN)
    if box is None:
        raise UserError(f"{person.where} has neither a position nor joints that span a box; {_REMEDY}")
    return box, True
