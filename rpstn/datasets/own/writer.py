"""Writing a folder of one's own data, as reader.py describes it, from clips or arrays."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rpstn.datasets.boxes import fill_boxes
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.own.bounds import check_boxes, keep_inside
from rpstn.datasets.own.writable import BOXES, check_states, check_texts, check_writable
from rpstn.datasets.sources import ArrayFrames
from rpstn.datasets.truth import Truth
from rpstn.errors import UserError
from rpstn.runs.files import write_text
from rpstn.runs.paths import check_folder, expanded
from rpstn.skeletons import Skeleton

_FOLDERS = ("frames", "labels")


def write_own(
    root: Path | str,
    clips: Mapping[str, Iterable[Clip]],
    skeleton: Skeleton,
    *,
    name: str = "own",
    suffix: str = ".png",
    overwrite: bool = False,
) -> Path:
    """Write a folder that `open_dataset("own", root)` reads: images, tables and dataset.json. Returns root.

    clips      by split: {"train": [...], "test": [...]}; a ClipDataset is such a collection of clips. `own_clip` makes
               clips from arrays.
    suffix     of the images: ".png" keeps every pixel, ".jpg" is smaller.
    overwrite  replace frames/, labels/ and dataset.json where they are there already.

    What is written is read again as it was, but for coordinates, which are written to a thousandth of a pixel, and boxes without
    extent. What is there is replaced once all is written, so clips may come from it, and stays where a clip cannot be read.
    Raises UserError where root holds a data set already, or its frames/ or labels/, and for what could not be read again: a
    split, an id, a skeleton, a clip.
    """
    root = expanded(root)
    there = [name for name in (*_FOLDERS, "dataset.json") if (root / name).exists()]
    if there and not overwrite:
        raise UserError(f"{root / there[-1]}: there is a data set already; choose another folder, or overwrite it")
    listed = [(split, clip) for split, members in clips.items() for clip in members]
    described = check_writable(listed, list(clips), skeleton, name, suffix)
    check_folder(root)
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=root) as made:
        for folder in _FOLDERS:
            (Path(made) / folder).mkdir()
        entries = [_write(Path(made), split, clip, skeleton, suffix) for split, clip in listed]
        # It goes first and comes last, so that a folder with a dataset.json is a whole one.
        (root / "dataset.json").unlink(missing_ok=True)
        for folder in _FOLDERS:
            shutil.rmtree(root / folder, ignore_errors=True)
            os.replace(Path(made) / folder, root / folder)
    content = {"name": name, "skeleton": described, "clips": entries}
    write_text(root / "dataset.json", json.dumps(content, indent=1) + "\n")
    return root


def own_clip(
    id: str,
    frames: np.ndarray,
    joints: np.ndarray,
    visibility: np.ndarray | None = None,
    boxes: np.ndarray | None = None,
    *,
    group: str | None = None,
    action: str = "",
) -> Clip:
    """Make a clip from arrays.

    frames      (T,H,W,3) uint8 RGB.
    joints      (T,K,2) pixels, 0-based; a joint that is NaN or outside the frame is absent.
    visibility  (T,K) of 0 absent, 1 occluded, 2 visible; None: all visible.
    boxes       (T,4) x, y, width, height; None: the whole frame. One that has no extent, or is NaN, becomes that of the nearest
                frame that has one.

    Raises UserError where they do not fit together.
    """
    check_texts(id, id if group is None else group, action)
    held = ArrayFrames(np.asarray(frames))
    joints = np.asarray(joints, np.float32)
    if joints.ndim != 3 or joints.shape[-1] != 2:
        raise UserError(f"clip {id!r}: joints {joints.shape} must be (frames, joints, 2); reshape them")
    known = np.isfinite(joints).all(axis=-1)
    shape = joints.shape[:2]
    stated = np.full(shape, VISIBLE) if visibility is None else check_states(f"clip {id!r}", visibility, shape)
    visibility, outside = keep_inside(
        f"clip {id!r}",
        np.where(known[..., None], joints, 0),
        np.where(known, stated, ABSENT),
        held.size,
        [f"joint {index}" for index in range(joints.shape[1])],
    )
    height, width = held.size
    whole = np.tile([-0.5, -0.5, width, height], (len(joints), 1))
    filled, repaired = _boxes(f"clip {id!r}", whole if boxes is None else boxes, held.size)
    return Clip(
        id=id,
        group=id if group is None else group,
        action=action,
        joints=np.where(known[..., None], joints, -1).astype(np.float32),
        visibility=visibility,
        boxes=filled,
        frames=held,
        truth=Truth(boxes_repaired=repaired, joints_outside=outside),
    )


def _boxes(where: str, given: np.ndarray, size: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Check boxes (T,4) as a table of them is checked. Returns them, and how many had to be replaced."""
    boxes = np.asarray(given, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise UserError(f"{where}: boxes {boxes.shape} must be (frames, 4); reshape them")
    check_boxes(where, boxes, size)
    filled, repaired = fill_boxes(boxes)
    if filled is None:
        raise UserError(f"{where}: none of its {len(boxes)} boxes has an extent; correct them, or leave them out")
    return filled, repaired


def _write(root: Path, split: str, clip: Clip, skeleton: Skeleton, suffix: str) -> dict[str, Any]:
    folder = root / "frames" / clip.id
    folder.mkdir()
    for start in range(0, len(clip), 32):
        indices = range(start, min(start + 32, len(clip)))
        for index, frame in zip(indices, clip.frames.read(indices), strict=True):
            written, code = cv2.imencode(suffix, np.ascontiguousarray(frame[..., ::-1]))
            if not written:
                raise UserError(f"{folder}: cannot write an image as {suffix!r}; use .png or .jpg")
            (folder / f"{index:06d}{suffix}").write_bytes(code.tobytes())
    _table(
        root / "labels" / f"{clip.id}.csv",
        ("frame", "joint", "x", "y", "visibility"),
        (
            (frame, skeleton.joints[joint], *_plain(clip.joints[frame, joint]), int(clip.visibility[frame, joint]))
            for frame, joint in zip(*np.nonzero(clip.visibility != ABSENT), strict=True)
        ),
    )
    boxes = root / "labels" / f"{clip.id}{BOXES}.csv"
    filled = fill_boxes(clip.boxes)[0]
    assert filled is not None  # or it was refused
    _table(boxes, ("frame", "x", "y", "width", "height"), ((frame, *_plain(box)) for frame, box in enumerate(filled)))
    entry = {"id": clip.id, "split": split, "group": clip.group, "action": clip.action, "frames": f"frames/{clip.id}"}
    return entry | {"labels": f"labels/{clip.id}.csv", "boxes": f"labels/{clip.id}{BOXES}.csv"}


def _plain(values: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in values]


def _table(path: Path, head: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)
