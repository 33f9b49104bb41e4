"""Leeds Sports Pose Extended, for pre-training: 10,000 images of one person each, as clips of one frame.

    root/joints.mat                 joints (14,3,10000): x, y, flag
    root/images/im00001.jpg ...     image n belongs to joints[:, :, n - 1]

Source: S. Johnson, M. Everingham, "Learning Effective Human Pose Estimation from Inaccurate Annotation", CVPR 2011.

The flag is 1 where a joint is labeled; the file does not tell seen from hidden ones, so these count as VISIBLE. Where
it is 0 the joint has no position and is ABSENT. Coordinates are taken as 0-based: the set's description does not say,
and its labels, from many hands, are less exact than the pixel in question.

The set has no boxes: a box holds the labeled joints, grown by a tenth of its longer side to each side, so that hands,
feet and hair are inside. It has no splits either: val and test are cut by image, seeded, a twentieth each, test first
and with a seed of its own, so that it stays the same whatever the seed. Scores on this test part are the project's
own, comparable with no reported number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rpstn.datasets.boxes import FARTHEST, joints_box
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.formats.coco_json import listing
from rpstn.datasets.formats.mat import read_numbers
from rpstn.datasets.request import Request
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.truth import Truth
from rpstn.errors import UserError
from rpstn.skeletons import LSP

HELD_OUT = 0.05
_TEST_SEED = 2011
_MARGIN = 0.1
_REMEDY = "restore the original joints.mat"


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read all images by split, in the order of their numbers; id and group are the image's name. The seed leaves test."""
    path, folder = request.root / "joints.mat", request.root / "images"
    stored = _load(path)
    present = None if request.labels_only else listing(folder, "unpack images/ next to joints.mat")
    clips: list[tuple[str, Clip]] = []
    for index, split in enumerate(assign_splits(stored.shape[2], request.seed)):
        if split in request.splits:
            with request.skipping():
                clips.append((split, _clip(path, stored[:, :, index], index + 1, folder, present)))
    return request.sort(clips)


def assign_splits(count: int, seed: int) -> list[str]:
    """Assign each image a split: a twentieth test, always the same ones, then a twentieth val by the seed."""
    held = round(HELD_OUT * count)
    test = np.random.default_rng(_TEST_SEED).permutation(count)[:held]
    rest = np.setdiff1d(np.arange(count), test)
    val = np.random.default_rng(seed).permutation(rest)[:held]
    splits = np.full(count, "train", "<U5")
    splits[test], splits[val] = "test", "val"
    return [str(split) for split in splits]


def _load(path: Path) -> np.ndarray:
    """Read joints (14,3,N) as float64. Raises UserError for what is no such file."""
    if not path.is_file():
        raise UserError(f"{path}: this label file is missing; unpack joints.mat and images/ into the root")
    stored = read_numbers(path, "joints", 3, _REMEDY)
    if stored.ndim != 3 or stored.shape[:2] != (len(LSP), 3) or not stored.size:
        raise UserError(
            f"{path}: joints has shape {stored.shape}, expected ({len(LSP)}, 3, images) with x, y, flag; {_REMEDY} "
            f"(that of the smaller set, LSP, has its axes in another order and an opposite flag)"
        )
    return stored.astype(np.float64)


def _clip(path: Path, stored: np.ndarray, number: int, folder: Path, present: frozenset[str] | None) -> Clip:
    name = f"im{number:05d}"
    where = f"{path}: image {number} ({name}.jpg)"
    remedy = f"{_REMEDY}, or skip damaged entries"
    points, flags = stored[:, :2], stored[:, 2]
    if not np.isin(flags, (0, 1)).all():
        raise UserError(f"{where} has a flag other than 0 and 1; {remedy}")
    labeled = flags == 1
    if not np.isfinite(points[labeled]).all() or np.abs(points[labeled]).max(initial=0) > FARTHEST:
        raise UserError(f"{where} has a joint whose position is no pixel; {remedy}")
    # Beyond the left or upper edge, up to a few pixels in the set; the other edges are known once the image is read.
    outside = labeled & (points < -0.5).any(axis=1)
    visible = labeled & ~outside
    if not visible.any():
        raise UserError(f"{where} has no labeled joint inside the image, so nobody is there; {remedy}")
    box = joints_box(points[visible], _MARGIN)
    if box is None:
        raise UserError(f"{where} has all its joints at one point, which gives no box; {remedy}")
    image = folder / f"{name}.jpg"
    if present is not None and image.name not in present:
        raise UserError(f"{image}: missing, though {path.name} has labels for it; unpack the images again")
    # An absent joint's position means nothing; one fixed value keeps the checksum from depending on it.
    joints, visibility = np.where(labeled[:, None], points, -1.0), np.where(visible, VISIBLE, ABSENT)
    return Clip.of_image(name, name, joints, visibility, box, ImageFrames((image,)), Truth(joints_outside=int(outside.sum())))
