"""Penn Action from its official layout, and the embedded set, which is written in that layout.

    root/frames/0001/000001.jpg ...    root/labels/0001.mat

Source: W. Zhang, M. Zhu, K. Derpanis, "From Actemes to Action", ICCV 2013. The embedded set adds keys to the
label files: state, occluded_by, source, split, held_out, motion. They are used where they are present.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, check_near, fill_boxes
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip
from rpstn.datasets.formats.mat import holds, read_mat
from rpstn.datasets.frame_files import visible
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS, cut_validation
from rpstn.errors import UserError
from rpstn.skeletons import PENN_ACTION

# What is subtracted from a stored coordinate to get 0-based pixels with the top-left pixel's center at
# (0, 0). Measured on all 2,326 label files: stored values are s * c with integer c, s being image width /
# annotation width (480 / 720, 480 / 640, ...) and no offset; boxes span exactly s .. width - s and s ..
# height - s, missing joints are stored at (s, s). Values below 1 rule out 1-based pixels; a span that is
# symmetric in 0 .. width, and a scaling that leaves 0 in place, are those of coordinates whose 0 is the
# image's left edge. Its first pixel's center is at 0.5.
PENN_ACTION_ORIGIN = 0.5

# A missing joint is stored at (s, s), see above; the largest s of the official files is 1.52, and no
# invisible joint with a position lies below 3. So 187,352 joints are missing, 169,781 of them at x, y <= 1.
_MISSING_BELOW = 2.0

VALIDATION = 0.1
# Boxes surround what is visible. Of a clip's visible joints at least 0.978 lie in their boxes grown by this much of the
# longer side (all 2,326 files measured); with x and y exchanged, fewer than _NEAR do in 98 % of the clips.
_MARGIN, _NEAR = 0.1, 0.9
_KEYS = ("action", "x", "y", "visibility", "train", "bbox", "dimensions", "nframes")
_EXTRA = ("state", "occluded_by", "source", "split", "held_out", "motion")
_REMEDY = "restore the official file, or remove the clip"
# No video of the set is larger or longer by far; a number beyond them is no size.
_LARGEST = 1 << 16


@dataclass(frozen=True)
class NumberedPaths(Sequence[Path]):
    """folder/000001.jpg and so on, spelled when asked for: 163,841 paths cost more time than all labels."""

    folder: Path
    length: int

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(self.length)))
        return self.folder / f"{range(1, self.length + 1)[index]:06d}.jpg"


def read_splits(
    root: Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
) -> dict[str, list[Clip]]:
    """All clips under root by split, in the order of their names.

    The label's own `split` counts where it stands; else test is where `train` is not 1, and val is cut from
    train by whole group, seeded, a tenth of each action. labels_only: frames may be absent (they fail when
    read).
    faults: where given, errors of single clips are appended to it and the clip is left out, instead of
    raised.
    `fold` has no meaning here.
    """
    paths = sorted(visible((root / "labels").glob("*.mat")))
    if not paths:
        raise UserError(f"{root / 'labels'}: no label files (*.mat) there; give the folder that holds labels/ and frames/")
    clips: list[Clip] = []
    for path in paths:
        try:
            clips.append(read_clip(path, root / "frames" / path.stem, labels_only=labels_only))
        except UserError as error:
            if faults is None:
                raise
            faults.append(error)
    uncut = [clip for clip in clips if clip.extra["split"] == "train" and not clip.extra["split_given"]]
    val = cut_validation([clip.group for clip in uncut], [clip.action for clip in uncut], VALIDATION, seed)
    named: dict[str, list[Clip]] = {split: [] for split in splits}
    for clip in clips:
        if not clip.extra["split_given"] and clip.extra["split"] == "train" and clip.group in val:
            clip.extra["split"] = "val"
        if clip.extra["split"] in named:
            named[clip.extra["split"]].append(clip)
    return named


def read_clip(path: Path, folder: Path, *, labels_only: bool = False) -> Clip:
    """One clip from its label file and its folder of frames. Raises UserError naming file and reason."""
    return _clip(path, read_label(path), folder, labels_only)


def read_label(path: Path) -> dict[str, Any]:
    """What one label file says, checked and in our units. Raises UserError naming file and reason.

    joints (T,13,2) float32, visibility (T,13) uint8, boxes (T,4) float32, height, width, action, source, split,
    split_given, boxes_repaired, joints_outside, and the embedded set's further keys where they are there.
    """
    label = _load(path)
    height, width = (_whole(path, label, "dimensions", index) for index in (0, 1))
    length = _whole(path, label, "nframes", 0)
    shape = (length, len(PENN_ACTION))
    for key in ("x", "y", "visibility", *(name for name in ("state", "occluded_by") if name in label)):
        if label[key].dtype.kind not in "biuf":
            raise UserError(f"{path}: {key} holds {holds(label[key])} where numbers should be; {_REMEDY}")
        if label[key].shape != shape:
            raise UserError(f"{path}: {key} has shape {label[key].shape}, expected {shape} (frames, joints); {_REMEDY}")
        if key not in ("x", "y") and not np.isin(label[key], (0, 1, 2)).all():
            raise UserError(f"{path}: {key} holds values other than 0, 1 and 2; {_REMEDY}")
    stated = label["dimensions"].ravel()[2]
    if stated != length:
        raise UserError(f"{path}: dimensions states {stated!r:.80} frames, nframes {length}; {_REMEDY}")
    stored = np.stack([label["x"], label["y"]], axis=-1).astype(np.float64)
    if not np.isfinite(stored).all() or np.abs(stored).max() > FARTHEST:
        raise UserError(f"{path}: x or y holds values that are no numbers of pixels; {_REMEDY}")
    joints = (stored - PENN_ACTION_ORIGIN).astype(np.float32)
    inside = ((joints >= -0.5) & (joints <= np.array([width, height]) - 0.5)).all(axis=-1)
    if "state" in label:
        visibility = label["state"].astype(np.uint8)
    else:
        missing = (stored < _MISSING_BELOW).all(axis=-1)
        visibility = np.where(label["visibility"] > 0, VISIBLE, np.where(missing, ABSENT, OCCLUDED)).astype(np.uint8)
    if not visibility.any():
        raise UserError(f"{path}: no joint is there in any of the {length} frames, so nobody is; {_REMEDY}")
    outside = int(((visibility != ABSENT) & ~inside).sum())
    if outside == (visibility != ABSENT).sum():
        raise UserError(f"{path}: all joints lie outside the {width}x{height} pixels of dimensions; {_REMEDY}")
    # In the official files these are the 1,012 visible joints that lie outside and a hidden one (0596.mat), which is a
    # label like the others: 1,013. No convention moves them across the edge: with 0 .. width stored, counting from 0 or 1
    # gives the same; only to call a joint that lies exactly on the edge outside would add 2 visible ones.
    visibility[~inside] = ABSENT
    boxes, repaired = _boxes(path, label["bbox"], length)
    check_near(joints, visibility == VISIBLE, boxes, f"{path}: bbox", _REMEDY, margin=_MARGIN, share=_NEAR)
    record = {key: _value(label[key]) for key in _EXTRA if key in label and key not in ("state", "source")}
    record["split_given"] = "split" in record
    if record["split_given"] and record["split"] not in SPLITS:
        raise UserError(f"{path}: split is {record['split']!r}, expected one of {', '.join(SPLITS)}; make the data set again")
    record.setdefault("split", _official_split(path, label["train"]))
    texts = {"action": label["action"], "source": label.get("source", np.array(path.stem))}
    for key, array in texts.items():
        if array.dtype.kind != "U":
            raise UserError(f"{path}: {key} is {holds(array)}, expected a name; {_REMEDY}")
        record[key] = str(_value(array))
    record |= {"joints": joints, "visibility": visibility, "boxes": boxes, "height": height, "width": width}
    return record | {"boxes_repaired": repaired, "joints_outside": outside}


def _clip(path: Path, record: dict[str, Any], folder: Path, labels_only: bool) -> Clip:
    """A clip from what its label file says. The record is used up."""
    fields = {key: record.pop(key) for key in ("action", "joints", "visibility", "boxes")}
    height, width = record.pop("height"), record.pop("width")
    frames = NumberedPaths(folder, len(fields["joints"]))
    if not labels_only:
        _require(path, folder, frames)
    return Clip(id=path.stem, group=record.pop("source"), frames=ImageFrames(frames, (height, width)), extra=record, **fields)


def _load(path: Path) -> dict[str, np.ndarray]:
    label = read_mat(path, [*_KEYS, *_EXTRA], _REMEDY)
    lacking = [key for key in _KEYS if key not in label or label[key].size == 0]
    if lacking:
        raise UserError(f"{path}: lacks {', '.join(lacking)}; {_REMEDY}")
    if label["dimensions"].size < 3:
        raise UserError(f"{path}: dimensions has shape {label['dimensions'].shape}, expected height, width, frames; {_REMEDY}")
    return label


def _whole(path: Path, label: dict[str, np.ndarray], key: str, index: int) -> int:
    """A size or a number of frames."""
    value = label[key].ravel()[index]
    if label[key].dtype.kind not in "iuf" or not 1 <= value <= _LARGEST or value != int(value):
        raise UserError(f"{path}: {key} holds {value!r:.80}, expected a whole number from 1 on; {_REMEDY}")
    return int(value)


def _official_split(path: Path, train: np.ndarray) -> str:
    value = train.ravel()[0]
    if train.dtype.kind not in "biuf" or value not in (1, -1):
        raise UserError(f"{path}: train is {value!r:.80}, expected 1 (train) or -1 (test); {_REMEDY}")
    return "train" if value == 1 else "test"


def _value(array: np.ndarray) -> Any:
    """A MAT file's string or single number as it is in Python; other arrays unchanged."""
    if array.dtype.kind == "U":
        return str(array.ravel()[0]) if array.size else ""
    return array.item() if array.size == 1 else array


def _boxes(path: Path, stored: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Boxes x1 y1 x2 y2 as (T,4) x, y, width, height, and how many had to be repaired.

    Two official files have one row too few: the last is repeated. A box without extent (one visible joint) or
    with a negative one is replaced by the nearest valid one of the clip.
    """
    if stored.ndim != 2 or stored.shape[1] != 4 or stored.shape[0] not in (length, length - 1):
        raise UserError(f"{path}: bbox has shape {stored.shape}, expected {(length, 4)} (frames, x1 y1 x2 y2); {_REMEDY}")
    if stored.dtype.kind not in "biuf":
        raise UserError(f"{path}: bbox holds {holds(stored)} where numbers should be; {_REMEDY}")
    corners = stored.astype(np.float64)
    short = length - len(corners)
    corners = np.concatenate([corners, np.repeat(corners[-1:], short, axis=0)])
    boxes = np.concatenate([corners[:, :2] - PENN_ACTION_ORIGIN, corners[:, 2:] - corners[:, :2]], axis=1)
    filled, repaired = fill_boxes(boxes)
    if filled is None:
        raise UserError(f"{path}: none of the {length} boxes in bbox has an extent; {_REMEDY}")
    return filled, repaired + short


def _require(path: Path, folder: Path, frames: Sequence[Path]) -> None:
    """Folder, first and last frame are there. A hole in between is found when it is read."""
    if not folder.is_dir():
        raise UserError(f"{folder}: the folder with the frames of {path.name} is missing; unpack frames/ beside labels/")
    for frame in (frames[0], frames[-1]):
        if not frame.is_file():
            raise UserError(f"{frame}: missing, though {path.name} has labels for {len(frames)} frames; unpack the clip again")
