"""What can be written as one's own data (see reader.py): all that its reader takes, with the same meaning."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, fill_boxes
from rpstn.datasets.clip import ABSENT, Clip
from rpstn.datasets.formats.coco_json import impossible
from rpstn.datasets.frame_files import IMAGES
from rpstn.datasets.own.bounds import check_boxes, keep_inside
from rpstn.datasets.own.description import FILE, is_plain, parse_skeleton
from rpstn.datasets.splits import SPLITS
from rpstn.errors import UserError
from rpstn.skeletons import Skeleton

BOXES = ".boxes"  # what the name of a table of boxes has behind the clip's id


def check_writable(
    listed: list[tuple[str, Clip]], splits: list[str], skeleton: Skeleton, name: str, suffix: str
) -> dict[str, Any]:
    """Check a data set before it is written. Returns the skeleton as dataset.json describes it.

    Raises UserError for what cannot be written, or could not be read again.
    """
    wrong = [split for split in splits if split not in SPLITS]
    if wrong:
        raise UserError(f"there is no split {wrong[0]!r}; there are {', '.join(SPLITS)}")
    if not isinstance(name, str):
        raise UserError(f"the name {name!r} is no text; give a text")
    if not isinstance(suffix, str) or suffix.lower() not in IMAGES:
        raise UserError(f"images cannot be written as {suffix!r}, which is not read again; use one of {', '.join(IMAGES)}")
    stated = describe_skeleton(skeleton)
    parse_skeleton(Path(FILE), stated, name)
    for _, clip in listed:
        check_texts(clip.id, clip.group, clip.action)
        _check_id(clip.id)
    ids = [clip.id for _, clip in listed]
    if not ids or len(set(ids)) != len(ids):
        raise UserError("write_own needs clips, each with an id of its own; give some, and rename those that repeat")
    shared = sorted(set(ids) & {clip_id + BOXES for clip_id in ids})
    if shared:
        raise UserError(f"clip {shared[0]!r} and {shared[0].removesuffix(BOXES)!r} would share a table; rename one of them")
    for _, clip in listed:
        _check_clip(clip, skeleton)
    return stated


def check_texts(clip_id: Any, group: Any, action: Any) -> None:
    """Raise UserError for an id, a group or an action that is no text."""
    if not isinstance(clip_id, str):
        raise UserError(f"the clip id {clip_id!r} is no text; give a text such as '{clip_id}'")
    for what, value in (("group", group), ("action", action)):
        if not isinstance(value, str):
            raise UserError(f"clip {clip_id!r}: its {what} {value!r:.80} is no text; give a text")


def _check_id(clip_id: str) -> None:
    """Raise UserError for an id that names no folder and no table."""
    if not is_plain(clip_id) or Path(clip_id).name != clip_id or clip_id in (".", ".."):
        raise UserError(f"the clip id {clip_id!r:.80} cannot name a file; use letters, digits, - and _")
    if impossible(f"{clip_id}{BOXES}.csv"):
        raise UserError(f"the clip id {clip_id!r:.80} is too long to name a file; choose a shorter one")


def check_states(where: str, visibility: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return the visibility as an array. Raises UserError for another shape, for truth values and for other numbers."""
    states = np.asarray(visibility)
    if states.dtype == bool:
        raise UserError(f"{where}: visibility holds True and False; write 0 absent, 1 occluded or 2 visible")
    if states.shape != shape:
        raise UserError(f"{where}: visibility must be {shape} of 0, 1 and 2, not {states.shape}; correct it")
    if not np.isin(states, (0, 1, 2)).all():
        raise UserError(f"{where}: visibility must be 0 absent, 1 occluded or 2 visible; it holds others, correct it")
    return states


def _check_clip(clip: Clip, skeleton: Skeleton) -> None:
    where, count = f"clip {clip.id!r}", clip.visibility.shape[1]
    if count != len(skeleton):
        raise UserError(
            f"{where} has {count} joints, skeleton {skeleton.name!r} has {len(skeleton)}; convert it, or give its own skeleton"
        )
    there = check_states(where, clip.visibility, clip.visibility.shape) != ABSENT
    if not there.any():
        raise UserError(f"{where} has no joint in any of its {len(clip)} frames, so nobody is there; label or leave it out")
    if not (np.abs(clip.joints[there]) <= FARTHEST).all():  # NaN neither
        raise UserError(f"{where} has joints that are there and have no coordinates; make them absent (visibility 0)")
    size = clip.frames.size
    keep_inside(where, clip.joints, clip.visibility, size, skeleton.joints)
    check_boxes(where, clip.boxes, size)
    if fill_boxes(clip.boxes)[0] is None:
        raise UserError(f"{where}: none of its {len(clip)} boxes has an extent; correct them")


def describe_skeleton(skeleton: Skeleton) -> dict[str, Any]:
    """Describe a skeleton as dataset.json has it: by the names of its joints."""

    def named(indices: Iterable[int]) -> list[str]:
        return [skeleton.joints[index] for index in indices]

    stated: dict[str, Any] = {"name": skeleton.name, "joints": list(skeleton.joints)}
    stated |= {"limbs": [named(pair) for pair in skeleton.limbs], "flip_pairs": [named(pair) for pair in skeleton.flip_pairs]}
    stated |= {"torso": named(skeleton.torso), "order": named(skeleton.order), "unscored": named(skeleton.unscored)}
    return stated | ({} if skeleton.sigmas is None else {"sigmas": list(skeleton.sigmas)})
