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
own, comparable with nothing published.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rpstn.datasets.boxes import FARTHEST, joints_box
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.formats.mat import read_mat
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS
from rpstn.errors import UserError
from rpstn.skeletons import LSP

HELD_OUT = 0.05
_TEST_SEED = 2011
_MARGIN = 0.1
_REMEDY = "restore the official joints.mat"


def read_splits(
    root: Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
) -> dict[str, list[Clip]]:
    """All images by split, in the order of their numbers; id and source are the image's name.

    seed         of the cut between train and val; test does not depend on it.
    labels_only  images may be absent (they fail when read).
    faults       where given, errors of single images are appended to it and the image is left out, instead of raised.
    `fold` has no meaning here.
    """
    path = root / "joints.mat"
    stored = _load(path)
    where = assign_splits(stored.shape[2], seed)
    folder = root / "images"
    present = None if labels_only else _present(folder)
    found: dict[str, list[Clip]] = {split: [] for split in splits}
    for index, split in enumerate(where):
        if split not in found:
            continue
        try:
            found[split].append(_clip(path, stored[:, :, index], index + 1, folder, present))
        except UserError as error:
            if faults is None:
                raise
            faults.append(error)
    return found


def assign_splits(count: int, seed: int) -> list[str]:
    """The split of each image: a twentieth test, always the same ones, then a twentieth val by the seed."""
    held = round(HELD_OUT * count)
    test = np.random.default_rng(_TEST_SEED).permutation(count)[:held]
    rest = np.setdiff1d(np.arange(count), test)
    val = np.random.default_rng(seed).permutation(rest)[:held]
    splits = np.full(count, "train", "<U5")
    splits[test], splits[val] = "test", "val"
    return splits.tolist()


def _load(path: Path) -> np.ndarray:
    """joints (14,3,N) as float64. Raises UserError for what is no such file."""
    if not path.is_file():
        raise UserError(f"{path}: this label file is missing; unpack joints.mat and images/ into the root")
    label = read_mat(path, ["joints"], _REMEDY)
    if "joints" not in label:
        raise UserError(f"{path}: lacks joints; {_REMEDY}")
    stored = label["joints"]
    if stored.dtype.kind not in "biuf":
        raise UserError(f"{path}: joints holds no plain numbers; {_REMEDY}")
    if stored.ndim == 2:
        # MATLAB drops the last axis of a single image.
        stored = stored[:, :, None]
    if stored.ndim != 3 or stored.shape[:2] != (len(LSP), 3) or not stored.size:
        raise UserError(
            f"{path}: joints has shape {stored.shape}, expected ({len(LSP)}, 3, images) with x, y, flag; {_REMEDY} "
            f"(that of the smaller set, LSP, has its axes in another order and an opposite flag)"
        )
    return stored.astype(np.float64)


def _present(folder: Path) -> set[str]:
    """Names of the images that are there: one listing instead of a question for each of 10,000."""
    if not folder.is_dir():
        raise UserError(f"{folder}: the folder with the images is missing; unpack images/ beside joints.mat")
    return {path.name for path in folder.iterdir()}


def _clip(path: Path, stored: np.ndarray, number: int, folder: Path, present: set[str] | None) -> Clip:
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
    joints = np.where(labeled[:, None], points, -1.0).astype(np.float32)
    return Clip(
        id=name,
        group=name,
        action="",
        joints=joints[None],
        visibility=np.where(visible, VISIBLE, ABSENT).astype(np.uint8)[None],
        boxes=box[None],
        frames=ImageFrames((image,)),
        extra={"boxes_repaired": 0, "joints_outside": int(outside.sum())},
    )
