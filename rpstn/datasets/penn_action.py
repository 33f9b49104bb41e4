"""Penn Action from its layout, and the embedded set, which is written in it.

    root/frames/0001/000001.jpg ...    root/labels/0001.mat

Source: W. Zhang, M. Zhu, K. Derpanis, "From Actemes to Action", ICCV 2013. The embedded set adds keys to the
label files: state, occluded_by, source, split, held_out, motion. They are used where they are present.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np

from rpstn.datasets.boxes import FARTHEST, check_near, fill_boxes
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip
from rpstn.datasets.formats.coco_json import inside
from rpstn.datasets.formats.mat import holds, read_mat
from rpstn.datasets.frame_files import with_suffix
from rpstn.datasets.request import Request
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS, cut_validation
from rpstn.datasets.truth import Truth
from rpstn.errors import UserError
from rpstn.skeletons import PENN_ACTION

# What is subtracted from a stored coordinate to get 0-based pixels with the top-left pixel's center at
# (0, 0). Measured on all 2,326 label files: stored values are s * c with integer c, s being image width /
# annotation width (480 / 720, 480 / 640, ...) and no offset; boxes span exactly s .. width - s and s ..
# height - s, missing joints are stored at (s, s). Values below 1 rule out 1-based pixels; a span that is
# symmetric in 0 .. width, and a scaling that leaves 0 in place, are those of coordinates whose 0 is the
# image's left edge. Its first pixel's center is at 0.5.
PENN_ACTION_ORIGIN = 0.5

# A missing joint is stored at (s, s), see above; the largest s of the original files is 1.52, and no
# invisible joint with a position lies below 3. So 187,352 joints are missing, 169,781 of them at x, y <= 1.
_MISSING_BELOW = 2.0

VALIDATION = 0.1
# Boxes surround what is visible. Of a clip's visible joints at least 0.978 lie in their boxes grown by this much of the
# longer side (all 2,326 files measured); with x and y exchanged, fewer than _NEAR do in 98 % of the clips.
_MARGIN, _NEAR = 0.1, 0.9
_KEYS = ("action", "x", "y", "visibility", "train", "bbox", "dimensions", "nframes")
_EXTRA = ("state", "occluded_by", "source", "split", "held_out", "motion")
_REMEDY = "restore the original file, or remove the clip"
# No video of the set is larger or longer by far; a number beyond them is no size.
_LARGEST = 1 << 16


@dataclass(frozen=True)
class NumberedPaths(Sequence[Path]):
    """The paths folder/000001.jpg and so on, made when asked for: 163,841 of them cost more time than all labels."""

    folder: Path
    length: int

    def __len__(self) -> int:
        return self.length

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Path, ...]: ...
    def __getitem__(self, index: int | slice) -> Path | tuple[Path, ...]:
        if isinstance(index, slice):
            return tuple(self[one] for one in range(*index.indices(self.length)))
        return self.folder / f"{range(1, self.length + 1)[index]:06d}.jpg"


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read all clips under root by split, in the order of their names.

    The label's own `split` counts where it is there; else test is where `train` is not 1, and val is cut from train by whole
    group, seeded, a tenth of each action.
    """
    root = request.root
    paths = with_suffix(root / "labels", ".mat")
    if not paths:
        raise UserError(f"{root / 'labels'}: no label files (*.mat) there; give the folder that holds labels/ and frames/")
    clips: list[tuple[Clip, _Split]] = []
    for path in paths:
        with request.skipping():
            clips.append(_read_clip(path, root / "frames" / path.stem, request.labels_only))
    uncut = [clip for clip, split in clips if split.name == "train" and not split.final]
    val = cut_validation([clip.group for clip in uncut], [clip.action for clip in uncut], VALIDATION, request.seed)
    return request.sort(
        ("val" if split.name == "train" and not split.final and clip.group in val else split.name, clip) for clip, split in clips
    )


class _Split(NamedTuple):
    """What a label file says of its split. final: val is not cut from it."""

    name: str
    final: bool


def _read_clip(path: Path, folder: Path, labels_only: bool) -> tuple[Clip, _Split]:
    """Read one clip from its label file and its folder of frames. Raises UserError naming file and reason."""
    label = _load(path)
    height, width = (_whole(path, label, "dimensions", index) for index in (0, 1))
    length = _whole(path, label, "nframes", 0)
    _check_shapes(path, label, length)
    joints, missing = _joints(path, label)
    visibility, outside = _visibility(path, label, joints, missing, (height, width))
    boxes, repaired = _boxes(path, label["bbox"], length)
    check_near(joints, visibility == VISIBLE, boxes, f"{path}: bbox", _REMEDY, margin=_MARGIN, share=_NEAR)
    truth = Truth(
        boxes_repaired=repaired,
        joints_outside=outside,
        occluded_by=label.get("occluded_by"),
        motion=str(_value(label["motion"])) if "motion" in label else "",
        held_out=bool(np.any(label["held_out"])) if "held_out" in label else None,
    )
    split = _split(path, label)
    action, group = (_text(path, key, label.get(key, np.array(path.stem))) for key in ("action", "source"))
    frames = NumberedPaths(folder, length)
    if not labels_only:
        _require(path, folder, frames)
    clip = Clip(path.stem, group, action, joints, visibility, boxes, ImageFrames(frames, (height, width)), truth)
    return clip, split


def _check_shapes(path: Path, label: Mapping[str, np.ndarray], length: int) -> None:
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


def _joints(path: Path, label: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return joints (T,13,2) float32 in our pixels, and which (T,13) the file has no position of."""
    stored = np.stack([label["x"], label["y"]], axis=-1).astype(np.float64)
    if not np.isfinite(stored).all() or np.abs(stored).max() > FARTHEST:
        raise UserError(f"{path}: x or y holds values that are no numbers of pixels; {_REMEDY}")
    return (stored - PENN_ACTION_ORIGIN).astype(np.float32), np.all(stored < _MISSING_BELOW, axis=-1)


def _visibility(
    path: Path, label: Mapping[str, np.ndarray], joints: np.ndarray, missing: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, int]:
    """Return visibility (T,13) uint8, and how many joints are ABSENT because they lie outside the frame."""
    if "state" in label:
        visibility = label["state"].astype(np.uint8)
    else:
        visibility = np.where(label["visibility"] > 0, VISIBLE, np.where(missing, ABSENT, OCCLUDED)).astype(np.uint8)
    if not visibility.any():
        raise UserError(f"{path}: no joint is there in any of the {len(joints)} frames, so nobody is; {_REMEDY}")
    beyond = ~inside(joints, size)
    outside = int(((visibility != ABSENT) & beyond).sum())
    if outside == (visibility != ABSENT).sum():
        raise UserError(f"{path}: all joints lie outside the {size[1]}x{size[0]} pixels of dimensions; {_REMEDY}")
    # In the original files these are the 1,012 visible joints that lie outside and a hidden one (0596.mat), which is a
    # label like the others: 1,013. No convention moves them across the edge: with 0 .. width stored, counting from 0 or 1
    # gives the same; only to call a joint that lies exactly on the edge outside would add 2 visible ones.
    visibility[beyond] = ABSENT
    return visibility, outside


def _split(path: Path, label: Mapping[str, np.ndarray]) -> _Split:
    if "split" in label:
        stated = _value(label["split"])
        if stated not in SPLITS:
            raise UserError(f"{path}: split is {stated!r}, expected one of {', '.join(SPLITS)}; make the data set again")
        return _Split(stated, final=True)
    train = label["train"]
    value = train.ravel()[0]
    if train.dtype.kind not in "biuf" or value not in (1, -1):
        raise UserError(f"{path}: train is {value!r:.80}, expected 1 (train) or -1 (test); {_REMEDY}")
    return _Split("train" if value == 1 else "test", final=False)


def _text(path: Path, key: str, array: np.ndarray) -> str:
    if array.dtype.kind != "U":
        raise UserError(f"{path}: {key} is {holds(array)}, expected a name; {_REMEDY}")
    return str(_value(array))


def _load(path: Path) -> dict[str, np.ndarray]:
    label = read_mat(path, [*_KEYS, *_EXTRA], _REMEDY)
    lacking = [key for key in _KEYS if key not in label or label[key].size == 0]
    if lacking:
        raise UserError(f"{path}: lacks {', '.join(lacking)}; {_REMEDY}")
    if label["dimensions"].size < 3:
        raise UserError(f"{path}: dimensions has shape {label['dimensions'].shape}, expected height, width, frames; {_REMEDY}")
    return label


def _whole(path: Path, label: dict[str, np.ndarray], key: str, index: int) -> int:
    """Return a size or a number of frames."""
    value = label[key].ravel()[index]
    if label[key].dtype.kind not in "iuf" or not 1 <= value <= _LARGEST or value != int(value):
        raise UserError(f"{path}: {key} holds {value!r:.80}, expected a whole number from 1 on; {_REMEDY}")
    return int(value)


def _value(array: np.ndarray) -> Any:
    """Return a MAT file's string or single number as it is in Python; other arrays unchanged."""
    if array.dtype.kind == "U":
        return str(array.ravel()[0]) if array.size else ""
    return array.item() if array.size == 1 else array


def _boxes(path: Path, stored: np.ndarray, length: int) -> tuple[np.ndarray, int]:
    """Return boxes x1 y1 x2 y2 as (T,4) x, y, width, height, and how many had to be repaired.

    Two original files have one row too few: the last is repeated. A box without extent (one visible joint) or
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
    """Raise UserError unless folder, first and last frame are there. A hole in between is found when it is read."""
    if not folder.is_dir():
        raise UserError(f"{folder}: the folder with the frames of {path.name} is missing; unpack frames/ next to labels/")
    for frame in (frames[0], frames[-1]):
        if not frame.is_file():
            raise UserError(f"{frame}: missing, though {path.name} has labels for {len(frames)} frames; unpack the clip again")
