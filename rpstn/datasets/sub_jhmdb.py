"""Sub-JHMDB from its layout: the clips of JHMDB in which the whole body can be seen.

    root/sub_splits/<class>_test_split_1.txt            or sub-splits/, or ..._split1.txt
    root/Rename_Images/<class>/<clip>/00001.png ...     or root/ReCompress_Videos/<class>/<clip>.avi
    root/joint_positions/<class>/<clip>/joint_positions.mat     pos_img (2,15,T), 1-based pixels
    root/puppet_mask/<class>/<clip>/puppet_mask.mat             part_mask (H,W,T)

Source: H. Jhuang, J. Gall, S. Zuffi, C. Schmid, M. Black, "Towards understanding action recognition",
ICCV 2013.

The set's own three splits, its folds, are kept apart. A few videos have clips in train and in test (two of 112 in fold 1);
that is left as it is, since reported numbers have it so. A video that is in val is nowhere else.
"""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from pathlib import Path

import numpy as np

from rpstn.datasets.boxes import FARTHEST, fill_boxes
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, FrameSource
from rpstn.datasets.formats.coco_json import impossible
from rpstn.datasets.formats.mat import read_numbers
from rpstn.datasets.frame_files import natural, visible, with_suffix
from rpstn.datasets.request import Request
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import cut_validation
from rpstn.datasets.truth import Truth
from rpstn.datasets.video_frames import VideoFrames
from rpstn.errors import UserError
from rpstn.skeletons import SUB_JHMDB

FOLDS = (1, 2, 3)
CLASSES = (
    "catch", "climb_stairs", "golf", "jump", "kick_ball", "pick", "pullup", "push", "run", "shoot_ball", "swing_baseball", "walk",
)  # fmt: skip
VALIDATION = 0.12
# How far outside the frame a joint may lie and still count as seen, in pixels: the labels' own inaccuracy.
_TOLERANCE = 1.0
_REMEDY = "restore the original file, or take the clip out of the split file"


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read the clips of one fold by split, in the order of their names.

    test is the set's own; val is cut from its train by whole group, seeded, an eighth of each action, from videos that are not
    in test.
    """
    names = _assign_splits(read_fold(request.root, request.fold), request.seed)

    def attempt(entry: tuple[str, str]) -> Clip | UserError:
        try:
            return read_clip(request.root, *entry, labels_only=request.labels_only)
        except UserError as error:
            return error

    found: dict[str, list[Clip]] = {split: [] for split in request.splits}
    # Unpacking the masks is most of the work; zlib lets other threads run meanwhile.
    with ThreadPoolExecutor(4) as pool:
        for split, clips in found.items():
            for result in pool.map(attempt, sorted(names[split])):
                if isinstance(result, Clip):
                    clips.append(result)
                else:
                    request.report(result)
    return found


def _assign_splits(listed: dict[str, tuple[str, int]], seed: int) -> dict[str, list[tuple[str, str]]]:
    """Return (name, action) of the clips of each split."""
    train = [(name, action) for name, (action, flag) in listed.items() if flag == 1]
    test = [(name, action) for name, (action, flag) in listed.items() if flag == 2]
    tested = {group_of(*entry) for entry in test}
    eligible = [entry for entry in train if group_of(*entry) not in tested]
    val = cut_validation([group_of(*entry) for entry in eligible], [action for _, action in eligible], VALIDATION, seed)
    names: dict[str, list[tuple[str, str]]] = {"train": [], "val": [], "test": test}
    for entry in train:
        names["val" if group_of(*entry) in val else "train"].append(entry)
    return names


def read_fold(root: Path, fold: int) -> dict[str, tuple[str, int]]:
    """Read the clips of one fold: name -> (action, 1 train or 2 test)."""
    if isinstance(fold, bool) or not isinstance(fold, Integral) or fold not in FOLDS:
        raise UserError(f"fold is {fold!r}; the folds of sub_jhmdb are 1, 2 and 3")
    folder = next((root / name for name in ("sub_splits", "sub-splits") if (root / name).is_dir()), None)
    if folder is None:
        raise UserError(f"{root}: neither sub_splits/ nor sub-splits/ is there; unpack the sub_splits of JHMDB into it")
    pattern = re.compile(rf"(.+)_test_split_?{fold}\.txt")
    listed: dict[str, tuple[str, int]] = {}
    for path in sorted(visible(folder.iterdir())):
        match = pattern.fullmatch(path.name)
        if match:
            _read_list(path, match[1], listed)
    if not listed:
        raise UserError(f"{folder}: lists no clip for fold {fold} (<class>_test_split_{fold}.txt); restore the split files")
    return listed


def _read_list(path: Path, action: str, listed: dict[str, tuple[str, int]]) -> None:
    """Add the clips that one split file lists."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not a readable text file ({error}); restore the original file") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        name, _, flag = line.strip().rpartition(" ")
        name = name.strip().removesuffix(".avi")
        entry = (action, int(flag) if flag in ("1", "2") else 0)
        if not name or not entry[1] or listed.setdefault(name, entry) != entry:
            raise UserError(
                f"{path}: line {number}, {line.strip()!r}, is not one clip followed by 1 (train) "
                f"or 2 (test), the same wherever it is listed; restore the original file"
            )


def group_of(name: str, action: str) -> str:
    """Return the video a clip is cut from: its name before `_<action>_<body>_<camera>_np1_<view>_<quality>_<n>`."""
    return re.sub(rf"_{re.escape(action)}_[a-z]+_[a-z]+_np\d+_[a-z]+_[a-z]+_\d+$", "", name)


def read_clip(root: Path, name: str, action: str, *, labels_only: bool = False) -> Clip:
    """Read one clip. Raises UserError naming the file and the reason."""
    if impossible(name):
        raise UserError(f"{root}: a split file of {action} lists {name!r:.80}, which no clip can be called; {_REMEDY}")
    path = root / "joint_positions" / action / name / "joint_positions.mat"
    stored = _load(path, "pos_img")
    if stored.ndim != 3 or stored.shape[:2] != (2, len(SUB_JHMDB)):
        raise UserError(f"{path}: pos_img has shape {stored.shape}, expected (2, {len(SUB_JHMDB)}, frames); {_REMEDY}")
    joints = stored.transpose(2, 1, 0).astype(np.float64) - 1  # 1-based as MATLAB counts
    if not np.isfinite(joints).all() or np.abs(joints).max() > FARTHEST:
        raise UserError(f"{path}: pos_img holds values that are no numbers of pixels; {_REMEDY}")
    length = len(joints)
    mask_path = root / "puppet_mask" / action / name / "puppet_mask.mat"
    mask = _load(mask_path, "part_mask")
    if mask.dtype.kind == "f" and not np.isfinite(mask).all():
        raise UserError(f"{mask_path}: part_mask holds values that are no numbers; {_REMEDY}")
    if mask.ndim != 3 or mask.shape[2] != length:
        raise UserError(f"{mask_path}: part_mask has shape {mask.shape}, expected (height, width, {length}); {_REMEDY}")
    boxes, repaired = mask_boxes(mask)
    if boxes is None:
        raise UserError(f"{mask_path}: part_mask is empty in all {length} frames; {_REMEDY}")
    height, width = mask.shape[:2]
    edge = np.array([width, height]) - 0.5 + _TOLERANCE
    inside = ((joints >= -0.5 - _TOLERANCE) & (joints <= edge)).all(axis=-1)
    if not inside.any():
        raise UserError(f"{path}: all joints lie outside the {width}x{height} pixels of {mask_path.name}; {_REMEDY}")
    return Clip(
        id=name,
        group=group_of(name, action),
        action=action,
        joints=joints.astype(np.float32),
        visibility=np.where(inside, VISIBLE, ABSENT).astype(np.uint8),
        boxes=boxes,
        frames=_frames(root, name, action, length, (height, width), labels_only),
        truth=Truth(boxes_repaired=repaired, joints_outside=int((~inside).sum())),
    )


def mask_boxes(mask: np.ndarray) -> tuple[np.ndarray | None, int]:
    """Return tight boxes (T,4) around a mask (H,W,T), and how many frames had none (there: the nearest frame's box).

    A box reaches from the outer edge of its first pixel to that of its last: pixels a .. b give x = a - 0.5
    and width b - a + 1. None where the mask is empty in every frame.
    """
    boxes = np.zeros((mask.shape[2], 4))
    for axis in (0, 1):
        taken: np.ndarray = np.any(mask, axis=axis)  # over rows: (W,T), for x and width; over columns: (H,T)
        first = taken.argmax(axis=0)
        last = len(taken) - 1 - taken[::-1].argmax(axis=0)
        boxes[:, axis], boxes[:, axis + 2] = first - 0.5, last - first + 1
    boxes[~mask.any(axis=(0, 1))] = 0
    return fill_boxes(boxes)


def _load(path: Path, key: str) -> np.ndarray:
    if not path.is_file():
        raise UserError(f"{path}: this label file is missing; unpack joint_positions and puppet_mask next to the splits")
    stored = read_numbers(path, key, 3, _REMEDY)
    if not stored.size:
        raise UserError(f"{path}: {key} is empty, shape {stored.shape}; {_REMEDY}")
    return stored


def _frames(root: Path, name: str, action: str, length: int, size: tuple[int, int], labels_only: bool) -> FrameSource:
    """Return the clip's images where they are, else its video.

    Images are counted now; a video's frames when they are decoded, since its header states about 1.2 times
    their number. In the 199 original videos measured, frames, joints and masks agree in number, so any
    difference is an error.
    """
    folder = root / "Rename_Images" / action / name
    if folder.is_dir():
        paths = tuple(sorted(with_suffix(folder, ".png"), key=natural))  # 2.png before 10.png
        if len(paths) != length and not labels_only:
            raise UserError(f"{folder}: {len(paths)} images (*.png), the labels are for {length}; unpack the clip again")
        if len(paths) == length:
            return ImageFrames(paths, size)
    video = root / "ReCompress_Videos" / action / f"{name}.avi"
    if not video.is_file() and not labels_only:
        raise UserError(f"{video}: missing, and so is {folder}; unpack ReCompress_Videos or Rename_Images next to the labels")
    return VideoFrames(video, length, size)
