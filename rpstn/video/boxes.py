"""Boxes that say where the people of a video are, as a user gives them: a file, an array, or one box for all frames.

A box is x, y, width, height in pixels of the video, the center of the top-left pixel being (0, 0).

    boxes.csv    head line frame,x,y,width,height or frame,id,x,y,width,height; frames count from 0; "id" may be called
                 track_id, person or person_id; fields apart by commas, or by semicolons or tabs with decimal commas or points
    boxes.json   [[x, y, width, height], null, ...]                          one entry per frame, null where there is none
                 [{"frame": 0, "id": 1, "box": [x, y, width, height]}, ...]  in any order; "bbox" is the same as "box"
                 {"boxes": either of these}                                  `rpstn.video.box_tables` reads them

Another column or key is refused. Either all boxes have an id or none, and then they are one person's: two in a frame are refused.

A frame without a box of a person, or with one that has no extent or holds NaN, is one where that person is not seen. A gap of
up to MAX_GAP frames is bridged evenly, whichever way it is written: a detector that misses a frame now and then is the usual
case. In a longer gap, before the first and after the last box the person is absent and gets no pose.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, is_inside
from rpstn.errors import UserError
from rpstn.runs.paths import expanded
from rpstn.video.box_tables import read_rows

MAX_GAP = 15
AUTO = "auto"
LEAST_SIDE = 4.0  # pixels; no network sees a smaller person: such boxes are parts of the frame, 0..1, or of another image
MOST_FRAMES = 10.0  # in a crop so many times as long as the frame, the frame is a spot


@dataclass(frozen=True)
class FixedBox:
    """Keep one box for all frames: one person, one crop that does not move."""

    box: tuple[float, float, float, float]

    def at(self, frame: int) -> dict[str, np.ndarray]:
        """Give the box by the person's id; it is the same in every frame."""
        return {"1": np.array(self.box)}

    @property
    def ids(self) -> tuple[str, ...]:
        return ("1",)

    @property
    def rows(self) -> np.ndarray:
        """The box as (1,4)."""
        return np.array([self.box])

    def checksum(self) -> str:
        """Give what differs for another box."""
        return hashlib.sha256(repr(self.box).encode()).hexdigest()


@dataclass(frozen=True, eq=False)
class BoxTable:
    """Keep the boxes of people by id: frames (N,) increasing, boxes (N,4).

    origin   where they come from, for messages.
    dropped  entries that were no box.
    """

    people: Mapping[str, tuple[np.ndarray, np.ndarray]]
    origin: str
    dropped: int = 0

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(self.people)

    @property
    def rows(self) -> np.ndarray:
        """All boxes (N,4)."""
        return np.concatenate([boxes for _, boxes in self.people.values()])

    @property
    def last(self) -> int:
        """The last frame with a box."""
        return int(max(frames[-1] for frames, _ in self.people.values()))

    def at(self, frame: int) -> dict[str, np.ndarray]:
        """Give the box of each person who is there in a frame.

        Between frames a and b, at most MAX_GAP apart without a box, it is

        (1 - s) box_a + s box_b,  s = (frame - a) / (b - a)
        """
        found = {}
        for name, (frames, boxes) in self.people.items():
            after = int(np.searchsorted(frames, frame))
            if after < len(frames) and frames[after] == frame:
                found[name] = boxes[after]
            elif 0 < after < len(frames) and frames[after] - frames[after - 1] <= MAX_GAP + 1:
                share = (frame - frames[after - 1]) / (frames[after] - frames[after - 1])
                found[name] = (1 - share) * boxes[after - 1] + share * boxes[after]
        return found

    def notes(self, last: int, size: tuple[int, int], complete: bool, whole: bool) -> list[str]:
        """Say what is odd about them for a video whose frames have (height, width) `size` and whose last one was `last`.

        complete  it was read to its end. whole: that end is the video's own, no limit's.
        """
        notes = []
        if self.dropped:
            notes.append(f"{self.origin}: {self.dropped} entries without extent, or with NaN, were left out")
        for name, (frames, boxes) in self.people.items():
            gaps = np.diff(frames[frames <= last]) - 1
            bridged, outside = int(gaps[gaps <= MAX_GAP].sum()), [not is_inside(box, size) for box in boxes[frames <= last]]
            if bridged:
                notes.append(
                    f"{self.origin}: {bridged} frames without a box of person {name} were bridged between the boxes before and "
                    f"after (gaps of up to {MAX_GAP} frames are)"
                )
            if any(outside):
                notes.append(
                    f"{self.origin}: {sum(outside)} of {len(outside)} boxes of person {name} lie outside the frame of "
                    f"{size[1]}x{size[0]} pixels; there are no poses in them"
                )
        if complete and self.last < last:
            end = "the video" if whole else "what was asked for"
            notes.append(
                f"{self.origin}: the boxes end at frame {self.last}, {end} at frame {last}; there are no poses in between. "
                "Leave boxes out, and the box follows the pose"
            )
        elif complete and whole and self.last > last:
            notes.append(f"{self.origin}: the boxes go on to frame {self.last}, the video ends at frame {last}")
        return notes

    def checksum(self) -> str:
        """Give what differs for other boxes."""
        digest = hashlib.sha256()
        for name, (frames, boxes) in self.people.items():
            digest.update(name.encode() + frames.tobytes() + boxes.tobytes())
        return digest.hexdigest()


Boxes = FixedBox | BoxTable


def read_boxes(given: Any) -> Boxes | None:
    """Read what a user gives as boxes; None for "auto", which follows the pose.

    given  None or "auto"; "x,y,w,h" or four numbers: a fixed box; an array (T,4), rows of NaN where there is none;
           a mapping from ids to such arrays; or the path of a .json or .csv file (see above).
    Raises UserError, naming the file, line or value, for anything else, for a file without a single box and for two boxes of one
    person in one frame.
    """
    if given is None or (isinstance(given, str) and given.strip().lower() == AUTO):
        return None
    if isinstance(given, FixedBox | BoxTable):
        return given
    if isinstance(given, str | Path):
        fixed = _four(str(given))
        return fixed if fixed is not None else _from_file(expanded(given))
    if isinstance(given, Mapping):
        if len({str(name) for name in given}) < len(given):
            raise UserError(
                f"the ids {', '.join(map(repr, given))} are not all different as text; give each person an id of their own"
            )
        rows = [(frame, str(name), box) for name, boxes in given.items() for frame, box in enumerate(_rows(boxes, (2,)))]
        return _table(rows, "boxes")
    array = _rows(given)
    if array.ndim == 1:
        return _fixed(array)
    return _table([(frame, "1", box) for frame, box in enumerate(array)], "boxes")


def check_boxes(boxes: Boxes, size: tuple[int, int]) -> None:
    """Refuse boxes in which nobody could be found in a whole video of frames of (height, width) `size`.

    Raises UserError where no box shows any of the frame, or all have a size that no person has.
    """
    be, lie = ("is", "lies") if isinstance(boxes, FixedBox) else ("are", "lie")
    rows, frames = boxes.rows, f"the video's frames of {size[1]}x{size[0]} pixels"
    sides = rows[:, 2:].max(axis=1)
    if sides.max() < LEAST_SIDE:
        example, wrong = rows[sides.argmax()], f"{be} less than {LEAST_SIDE:g} pixels long, in {frames}"
    elif sides.min() > MOST_FRAMES * max(size):
        example, wrong = rows[sides.argmin()], f"{be} more than {MOST_FRAMES:g} times as long as {frames}"
    elif not any(is_inside(box, size) for box in rows):
        example, wrong = rows[0], f"{lie} outside of {frames}"
    else:
        return
    named = ",".join(f"{value:g}" for value in example)
    what = f"box {named} {wrong}" if isinstance(boxes, FixedBox) else f"{boxes.origin}: all boxes {wrong}, such as {named}"
    raise UserError(f"{what}; give x, y, width, height in pixels of the video, not in parts of the frame, or auto")


def _rows(value: Any, ndims: tuple[int, ...] = (1, 2)) -> np.ndarray:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim not in ndims or array.shape[-1] != 4:
        raise UserError("boxes must be four numbers x, y, width, height, an array (T,4), ids with such arrays, a file, or auto")
    return array


def _four(text: str) -> FixedBox | None:
    """ "x,y,w,h"; None where the text is something else, such as a path."""
    try:
        numbers = [float(part if "_" not in part else "") for part in text.split(",")]  # Python's own numbers may have one
    except ValueError:
        return None
    if len(numbers) != 4:
        raise UserError(f"box {text!r} has {len(numbers)} numbers; give x,y,width,height in pixels of the video")
    return _fixed(np.array(numbers))


def _fixed(box: np.ndarray) -> FixedBox:
    if not _is_box(box):
        raise UserError(f"box {[float(value) for value in box]} has no extent; give x, y, width, height in pixels of the video")
    x, y, width, height = (float(value) for value in box)
    return FixedBox((x, y, width, height))


def _is_box(box: np.ndarray) -> bool:
    # A comparison with NaN is false.
    return bool((np.abs(box) <= FARTHEST).all() and (box[2:] > 0).all())


def _from_file(path: Path) -> BoxTable:
    if not os.path.isfile(path):  # Path.is_file raises OSError for a name that is too long
        raise UserError(f"{path}: there is no such file of boxes; give a .json or .csv file, x,y,width,height, or auto")
    if path.suffix.lower() not in (".json", ".csv"):
        raise UserError(f"{path}: boxes are read from .json and .csv files; convert it")
    return _table(read_rows(path), str(path))


def _table(rows: Sequence[tuple[int, str | None, Any]], origin: str) -> BoxTable:
    given = [(frame, name, np.asarray(box, np.float64)) for frame, name, box in rows]
    before = [frame for frame, _, _ in given if frame < 0]
    if before:
        raise UserError(f"{origin}: a box is for frame {before[0]}; frames count from 0")
    boxes = [(frame, name, box) for frame, name, box in given if _is_box(box)]
    nameless = [frame for frame, name, _ in boxes if name is None]
    if not boxes:
        raise UserError(f"{origin}: none of its {len(rows)} entries is a box with an extent; correct them, or give auto")
    if 0 < len(nameless) < len(boxes):
        raise UserError(
            f"{origin}: {len(nameless)} of {len(boxes)} boxes have no id, such as one of frame {nameless[0]}, and others have; "
            "give each box the id of its person"
        )
    people: dict[str, dict[int, np.ndarray]] = {}
    for frame, name, box in boxes:
        person = people.setdefault(name or "1", {})
        if frame in person:
            whose = "and no id says whose they are" if name is None else f"of person {name}"
            raise UserError(f"{origin}: frame {frame} has two boxes {whose}; give each person an id of their own")
        person[frame] = box
    arrays = {}
    for name, found in people.items():
        frames = sorted(found)
        arrays[name] = (np.array(frames, np.int64), np.stack([found[frame] for frame in frames]))
    return BoxTable(arrays, origin, len(rows) - len(boxes))
