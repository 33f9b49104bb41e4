"""Tables of labels and boxes for one's own data (see reader.py)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rpstn.datasets.boxes import FARTHEST
from rpstn.datasets.clip import ABSENT, VISIBLE
from rpstn.errors import UserError
from rpstn.skeletons import Skeleton

_LONGEST = 1_000_000
_PEOPLE = ("id", "track_id", "person", "person_id")


def read_joints_table(path: Path, skeleton: Skeleton, length: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Read joints (T,K,2) float32 and visibility (T,K) uint8 from lines frame,joint,x,y[,visibility].

    length  T; None: up to the last frame of the table.

    Raises UserError naming the file and the line.
    """
    lines = list(_rows(path, ("frame", "joint", "x", "y"), ("visibility",)))
    if length is None:
        length = 1 + max(_frame(path, line, row["frame"], _LONGEST) for line, row in lines)
    joints = np.full((length, len(skeleton), 2), -1.0, np.float32)
    visibility = np.full((length, len(skeleton)), ABSENT, np.uint8)
    seen: set[tuple[int, int]] = set()
    for line, row in lines:
        frame = _frame(path, line, row["frame"], length)
        if row["joint"] not in skeleton.joints:
            raise UserError(f"{path}: line {line} has the joint {row['joint']!r:.80}; there are {', '.join(skeleton.joints)}")
        joint = skeleton.index(row["joint"])
        if (frame, joint) in seen:
            raise UserError(f"{path}: line {line} labels {row['joint']} in frame {frame} again; keep one of the lines")
        seen.add((frame, joint))
        state = re.sub(r"\.0*$", "", row.get("visibility", "")) or str(VISIBLE)  # spreadsheets write 2.0
        if state not in ("0", "1", "2"):
            raise UserError(f"{path}: line {line} has visibility {state!r:.80}; write 0 absent, 1 occluded or 2 visible")
        visibility[frame, joint] = int(state)
        if visibility[frame, joint] != ABSENT:
            joints[frame, joint] = [_number(path, line, key, row[key]) for key in ("x", "y")]
    return joints, visibility


def read_boxes_table(path: Path, length: int) -> np.ndarray:
    """Read boxes (T,4) from lines frame,x,y,width,height; a frame without a line has a box without extent."""
    boxes = np.zeros((length, 4))
    seen: set[int] = set()
    for line, row in _rows(path, ("frame", "x", "y", "width", "height"), ()):
        frame = _frame(path, line, row["frame"], length)
        if frame in seen:
            raise UserError(f"{path}: line {line} gives frame {frame} another box; keep one of the lines")
        seen.add(frame)
        boxes[frame] = [_number(path, line, key, row[key]) for key in ("x", "y", "width", "height")]
    return boxes


def _rows(path: Path, needed: tuple[str, ...], optional: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the lines of a table with their numbers. Blanks around fields do not count, nor do lines of blanks alone.

    Raises UserError for what is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True, skipinitialspace=True)
            names = [name.strip() for name in next(reader, [])]
            _check_head(path, names, needed, optional)
            empty = True
            for fields in reader:
                if not any(field.strip() for field in fields):
                    continue
                if len(fields) != len(names):
                    raise UserError(f"{path}: line {reader.line_num} has not as many fields as the head line; correct it")
                empty = False
                yield reader.line_num, dict(zip(names, map(str.strip, fields), strict=True))
            if empty:
                raise UserError(f"{path}: no line below the head line; label the clip, or remove it")
    except OSError as error:
        raise UserError(f"{path}: cannot read this table ({error.strerror}); restore it") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a readable table ({error}); save it as CSV in UTF-8") from error


def _check_head(path: Path, names: list[str], needed: tuple[str, ...], optional: tuple[str, ...]) -> None:
    head = ",".join((*needed, *(f"[{key}]" for key in optional)))
    unknown = [name for name in names if name not in (*needed, *optional)]
    if any(mark in name for name in unknown for mark in ";\t"):
        raise UserError(f"{path}: the head line is {','.join(names)!r:.120}; separate fields by commas: {head}")
    lacking = [key for key in needed if key not in names]
    if lacking:
        raise UserError(f"{path}: the head line lacks {', '.join(lacking)}; write {head}")
    if unknown and unknown[0] in _PEOPLE:
        raise UserError(
            f"{path}: the head line has the column {unknown[0]}, a clip shows one person; write a clip for each: {head}"
        )
    if unknown:
        raise UserError(f"{path}: the head line has the column {unknown[0]!r:.80}, which means nothing here; write {head}")
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise UserError(f"{path}: the head line has the column {twice[0]} twice; write {head}")


def _frame(path: Path, line: int, text: str, length: int) -> int:
    whole = re.fullmatch(r"([0-9]{1,9})(\.0*)?", text)
    if whole is None:
        raise UserError(f"{path}: line {line} has the frame {text!r:.80}, expected a whole number from 0 on; correct it")
    frame = int(whole[1])
    if frame >= length:
        raise UserError(f"{path}: line {line} has the frame {text!r:.80}; there are 0 to {length - 1}")
    return frame


def _number(path: Path, line: int, key: str, text: str) -> float:
    try:
        number = float("nan" if "_" in text else text)  # Python's own numbers may have one
    except ValueError:
        number = float("nan")
    if not abs(number) <= FARTHEST:
        raise UserError(f"{path}: line {line} has {key} {text!r:.80}, expected a number of pixels; correct it")
    return number
