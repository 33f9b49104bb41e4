"""Your own joints, frames and labels: one folder with a dataset.json.

    root/dataset.json
    root/frames/jump/000001.png ...     images of one clip, in the order of the numbers in their names (2.png before 10.png);
                                        or a video file
    root/labels/jump.csv                labels of one clip

dataset.json:

    {
      "name": "my joints",
      "skeleton": {
        "joints": ["head", "left_hand", "right_hand"],
        "limbs": [["head", "left_hand"], ["head", "right_hand"]],
        "flip_pairs": [["left_hand", "right_hand"]],
        "torso": ["left_hand", "right_hand"]
      },
      "clips": [
        {"id": "jump", "split": "train", "frames": "frames/jump", "labels": "labels/jump.csv"},
        {"id": "run", "split": "test", "video": "run.webm", "joints": [[[10, 20], [5, 9], [15, 9]], ...],
         "visibility": [[2, 2, 1], ...], "boxes": [[0, 0, 40, 60], ...], "group": "video 2", "action": "run"}
      ]
    }

skeleton   as above, or the name of a known one, such as "penn_action". Optional: "order" (all joints, for relation
           matrices), "sigmas" (OKS), "unscored" (joints left out of the mean).
split      "train" (if not given), "val" or "test". Where no clip is in "val", a tenth of train is cut off as val, by
           whole group, seeded.
group      the video or the person that clips share: clips of one group are never in two splits. If not given: the clip's id.
           (Once called "source", which is read as well.)
labels     a table with the head line frame,joint,x,y,visibility: one line for each joint in each frame. frame counts from
           0; x and y are pixels, the top-left pixel's center being (0, 0); visibility is 0 absent, 1 occluded, 2
           visible (if the column is missing: 2). What has no line is absent. Or, in place of labels, "joints" [frame]
           [joint][x, y] and "visibility" [frame][joint] in dataset.json itself.
boxes      [frame][x, y, width, height] of the person, or a table with the head line frame,x,y,width,height. If not
           given: around the joints that are there, grown by 15 % of the longer side to each side; in a frame without
           two joints, the box of the nearest frame that has them.

A joint outside the frame is absent; one that lies further out than the frame is wide or high is an error. Images are rotated
upright as their metadata (EXIF) say, as programs for labeling show them, and all of one clip have one size.

Paths are relative to root. `write_own` writes such a folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import fill_boxes, joints_box
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, FrameSource
from rpstn.datasets.formats.coco_json import impossible, numbers
from rpstn.datasets.frame_files import IMAGES, describe_left_out, frame_files
from rpstn.datasets.image_pages import is_image
from rpstn.datasets.own.bounds import check_boxes, keep_inside
from rpstn.datasets.own.description import REMEDY, known_keys, read_description, read_skeleton
from rpstn.datasets.own.tables import read_boxes_table, read_joints_table
from rpstn.datasets.own.writer import own_clip, write_own
from rpstn.datasets.request import Request
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS, cut_validation
from rpstn.datasets.truth import Truth
from rpstn.datasets.video_frames import VideoFrames
from rpstn.errors import UserError
from rpstn.skeletons import Skeleton

__all__ = ["own_clip", "read_skeleton", "read_splits", "write_own"]

VALIDATION = 0.1
MARGIN = 0.15
_CLIP_KEYS = ("id", "split", "group", "source", "action", "frames", "video", "labels", "joints", "visibility", "boxes")


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read all clips by split, in the order of dataset.json.

    Where images are absent and may be, a clip is as long as its labels.
    """
    path, content = read_description(request.root)
    skeleton = read_skeleton(request.root)
    clips: list[tuple[str, Clip]] = []
    ids: set[str] = set()
    for number, entry in enumerate(content["clips"]):
        with request.skipping():
            split, clip = _clip(path, number, entry, skeleton, request.labels_only)
            if clip.id in ids:
                raise UserError(f"{path}: clip {number} has the id {clip.id!r} of another; give each its own")
            ids.add(clip.id)
            clips.append((split, clip))
    val: set[str] = set()
    if not any(split == "val" for split, _ in clips):
        train = [clip for split, clip in clips if split == "train"]
        val = cut_validation([clip.group for clip in train], [clip.action for clip in train], VALIDATION, request.seed)
    return request.sort(("val" if split == "train" and clip.group in val else split, clip) for split, clip in clips)


def _clip(path: Path, number: int, entry: Any, skeleton: Skeleton, labels_only: bool) -> tuple[str, Clip]:
    name, split, group, action = _names(path, number, entry)
    where = f"{path}: clip {name!r}"
    inline = _labels(where, entry, skeleton)
    frames = _frames(where, path.parent, entry, len(inline[0]) if inline else None, labels_only)
    # Without images the table's last frame is the clip's.
    joints, visibility = inline or read_joints_table(
        _below(where, path.parent, "labels", entry["labels"]), skeleton, None if frames is None else len(frames)
    )
    length = len(joints)
    if not (visibility != ABSENT).any():
        raise UserError(f"{where} has no joint in any of its {length} frames, so nobody is there; label or remove it")
    outside = 0
    if frames is not None:
        visibility, outside = keep_inside(where, joints, visibility, frames.size, skeleton.joints)
    boxes, repaired = _boxes(where, path.parent, entry, joints, visibility, None if frames is None else frames.size)
    if frames is None:
        frames = ImageFrames(tuple(path.parent / entry.get("frames", "frames") / f"{index:06d}.png" for index in range(length)))
    return split, Clip(name, group, action, joints, visibility, boxes, frames, Truth(repaired, outside))


def _names(path: Path, number: int, entry: Any) -> tuple[str, str, str, str]:
    """Return id, split, group and action of a clip."""
    where = f"{path}: clip {number}"
    if not isinstance(entry, dict):
        raise UserError(f"{where} is no object; {REMEDY}")
    known_keys(where, entry, _CLIP_KEYS)
    name = entry.get("id")
    if not isinstance(name, str) or not name:
        raise UserError(f"{where} has the id {name!r:.80}, expected a text; {REMEDY}")
    where = f"{path}: clip {name!r}"
    if "group" in entry and "source" in entry:
        raise UserError(f"{where} has group and source, two names of one key; leave out source")
    split, action = entry.get("split", "train"), entry.get("action", "")
    group = entry.get("group", entry.get("source", name))
    if split not in SPLITS:
        raise UserError(f"{where} has the split {split!r:.80}, expected one of {', '.join(SPLITS)}; correct it")
    if not isinstance(action, str) or not isinstance(group, str):
        raise UserError(f"{where}: action and group must be texts; correct them")
    return name, split, group, action


def _labels(where: str, entry: dict[str, Any], skeleton: Skeleton) -> tuple[np.ndarray, np.ndarray] | None:
    """Return joints and visibility that stand in dataset.json itself; None where there is a table."""
    if ("labels" in entry) == ("joints" in entry):
        raise UserError(f'{where} needs either "labels" (a table) or "joints"; {REMEDY}')
    if "labels" in entry:
        if "visibility" in entry:
            raise UserError(f"{where} has visibility next to a table, which has its own; remove one")
        return None
    joints = numbers(entry, "joints", (None, len(skeleton), 2), where, "correct it")
    visibility = np.full(joints.shape[:2], VISIBLE, np.uint8)
    if "visibility" in entry:
        stated = numbers(entry, "visibility", joints.shape[:2], where, "correct it")
        if not np.isin(stated, (0, 1, 2)).all():
            raise UserError(f"{where}: visibility must be 0 (absent), 1 (occluded) or 2 (visible); correct it")
        visibility = stated.astype(np.uint8)
    return joints.astype(np.float32), visibility


def _frames(where: str, root: Path, entry: dict[str, Any], length: int | None, labels_only: bool) -> FrameSource | None:
    """Return the clip's pixels; None where they are absent and may be."""
    if ("frames" in entry) == ("video" in entry):
        raise UserError(f'{where} needs either "frames" (a folder) or "video" (a file); {REMEDY}')
    key = "frames" if "frames" in entry else "video"
    place = _below(where, root, key, entry[key])
    if not (place.is_dir() if key == "frames" else place.is_file()):
        if place.exists():
            other, is_one = ("video", "a file") if key == "frames" else ("frames", "a folder")
            raise UserError(f'{place}: is {is_one}, and "{key}" of {where} names none; name it as "{other}" if it is that')
        if labels_only:
            return None
        raise UserError(f"{place}: missing, though {where} names it; put its {'images' if key == 'frames' else 'video'} there")
    if key == "video":
        if is_image(place):  # as a video it would be one frame, and not turned upright
            raise UserError(f"{place}: is an image, no video; put it into a folder, and name that as frames of {where}")
        return VideoFrames(place, length)
    try:
        paths, left_out = frame_files(place)
    except OSError as error:
        raise UserError(f"{place}: this folder cannot be read ({error.strerror}); allow it") from error
    if left_out:
        raise UserError(f"{place}: {describe_left_out(left_out)}, so labels would meet other frames; convert or move them")
    if not paths:
        raise UserError(f"{place}: no images there ({', '.join(IMAGES)}); put those of {where} into it")
    if length is not None and len(paths) != length:
        raise UserError(f"{place}: {len(paths)} images, {where} has labels for {length}; make them agree")
    return ImageFrames(paths, upright=True)


def _boxes(
    where: str, root: Path, entry: dict[str, Any], joints: np.ndarray, visibility: np.ndarray, size: tuple[int, int] | None
) -> tuple[np.ndarray, int]:
    """Return boxes (T,4), stated or made from the joints that are there, and how many stated ones had to be replaced."""
    stated = entry.get("boxes")
    if isinstance(stated, str):
        boxes = read_boxes_table(_below(where, root, "boxes", stated), len(joints))
    elif stated is not None:
        boxes = numbers(entry, "boxes", (len(joints), 4), where, "correct it")
    else:
        boxes = np.zeros((len(joints), 4))
        for index, there in enumerate(visibility != ABSENT):
            box = joints_box(joints[index, there], MARGIN) if there.any() else None
            if box is not None:
                boxes[index] = box
    if size is not None and stated is not None:
        check_boxes(where, boxes, size)
    filled, repaired = fill_boxes(boxes)
    if filled is None:
        raise UserError(f"{where}: none of its {len(joints)} boxes has an extent; give boxes, or label two joints in a frame")
    return filled, repaired if stated is not None else 0


def _below(where: str, root: Path, key: str, value: Any) -> Path:
    """Return a path below root."""
    if not isinstance(value, str) or not value or impossible(value):
        raise UserError(f"{where}: {key} is {value!r:.80}, expected a path; correct it")
    if Path(value).is_absolute() or value.startswith("~") or ".." in Path(value).parts:
        raise UserError(f"{where}: {key} is {value!r:.80}, which leads out of the folder; put the data below it")
    return root / value
