"""Poses on disk: a journal while frames come in, JSON and CSV made from it.

The journal is a text file with one JSON line of settings and one line per frame, which is only ever appended to. Whatever ends a
run, what was done is in it. poses.json and poses.csv are made from it line by line, so memory does not grow with the video, and
appear whole or not at all. An entry of a frame, in the journal as in poses.json:

    {"frame": 3, "time": 0.12, "people": [
        {"id": "1", "status": "followed", "category_id": 1, "score": 0.71, "bbox": [x, y, width, height],
         "keypoints": [x, y, score, x, y, score, ...], "hidden": [5, 6]}]}

Keypoints are COCO's way of writing joints, in the order of the skeleton: 0-based pixels of the video and the confidence.
`score` is the mean confidence, `bbox` where the network looked (of boxes given frame by frame, the square that follows them),
`hidden` the indices of joints that it does not see well (`rpstn.video.calibrate`). In frames that were searched for other people
than the one who is followed, "others" holds the boxes of those that were seen: an empty list is no proof that there are none.
With relations, "relation" is the (K,K) matrix, row i what refined joint i takes from the joints.
"""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rpstn.errors import UserError
from rpstn.runs.files import plain, replacing
from rpstn.runs.renamed import FOLLOWING, rename_keys
from rpstn.skeletons import Skeleton
from rpstn.video.stream import LOST, PersonPose


def frame_entry(
    index: int, time: float, people: Sequence[PersonPose], hidden_below: float, *, relation: bool = False
) -> dict[str, Any]:
    """Make the entry of one frame. Pixels are rounded to 1/100, confidences and weights to 1/10,000."""
    return {"frame": index, "time": round(time, 4), "people": [_person(pose, hidden_below, relation) for pose in people]}


def _person(pose: PersonPose, hidden_below: float, relation: bool) -> dict[str, Any]:
    hidden = np.flatnonzero((pose.confidence < hidden_below) | (pose.status == LOST))
    keypoints = np.column_stack([np.round(pose.joints, 2), np.round(pose.confidence, 4)])
    entry = {
        "id": pose.id,
        "status": pose.status,
        "category_id": 1,
        "score": round(float(pose.confidence.mean()), 4),
        "bbox": [round(float(value), 2) for value in pose.box],
        "keypoints": [round(float(value), 4) for value in keypoints.ravel()],
        "hidden": hidden.tolist(),
    }
    if pose.others is not None:
        entry["others"] = [[round(float(value), 2) for value in box] for box in pose.others]
    if relation and pose.relation is not None:
        entry["relation"] = [[round(float(value), 4) for value in row] for row in pose.relation]
    return plain(entry)


class Journal:
    """Append frame entries to a file; `create` and `resume` open one.

    frames  how many it holds. offset: its length in bytes, with which a saved state says where it belongs.
    """

    def __init__(self, file: BinaryIO, frames: int) -> None:
        self._file, self.frames = file, frames

    @classmethod
    def create(cls, path: Path, settings: Mapping[str, Any], video: Mapping[str, Any]) -> Journal:
        """Begin a new journal, in place of one that is there. Its first line holds the settings and the video."""
        journal = cls(path.open("wb"), 0)
        journal._line(plain({"settings": settings, "video": video}))
        return journal

    @classmethod
    def resume(cls, path: Path, offset: int, frames: int) -> Journal:
        """Open the journal as it was when it had that many frames and bytes; what came after is cut off."""
        file = path.open("r+b")
        file.truncate(offset)
        file.seek(offset)
        return cls(file, frames)

    @property
    def offset(self) -> int:
        """Length in bytes."""
        return self._file.tell()

    def append(self, entry: Mapping[str, Any]) -> None:
        """Add a frame."""
        self._line(entry)
        self.frames += 1

    def _line(self, value: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(value, allow_nan=False, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def sync(self) -> None:
        """Make sure that the disk holds what was written."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_head(path: Path) -> dict[str, dict[str, Any]]:
    """Read the "settings" and the "video" that a journal was begun with. UserError where it is broken.

    Names that older versions gave to settings are translated.
    """
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
            return {"settings": rename_keys(dict(head["settings"]), FOLLOWING), "video": dict(head["video"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: is no journal of poses ({type(error).__name__}); start over with --overwrite, or choose another folder "
            "with --out"
        ) from None


def read_result(path: Path) -> dict[str, Any]:
    """Read what stands before the frames in a poses.json, which may be long; empty for a file that is something else."""
    lines: list[str] = []
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith(' "frames": ['):
                    return dict(json.loads("".join(lines).rstrip().rstrip(",") + "}"))
                lines.append(line)
    except (OSError, ValueError, TypeError):
        pass
    return {}


def read_entries(path: Path, frames: int | None = None) -> Generator[dict[str, Any], None, None]:
    """Read the entries of a journal, one at a time; the first `frames` of them, or all. A last line cut short is left out."""
    with path.open("rb") as file:
        file.readline()
        for count, line in enumerate(file):
            if (frames is not None and count >= frames) or not line.endswith(b"\n"):
                return
            yield json.loads(line)


def write_poses_json(path: Path, head: Mapping[str, Any], entries: Iterable[Mapping[str, Any]]) -> Path:
    """Write a JSON object of the head's values and "frames", a list with one entry per line. Whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for name, value in plain(head).items():
            file.write("{\n" if file.tell() == 0 else ",\n")
            text = json.dumps(value, allow_nan=False, indent=1).replace("\n", "\n ")
            file.write(f" {json.dumps(name)}: {text}")
        file.write(',\n "frames": [')
        for count, entry in enumerate(entries):
            file.write((",\n  " if count else "\n  ") + json.dumps(entry, allow_nan=False))
        file.write("\n ]\n}\n")
    return path


COLUMNS = ("frame", "time", "person", "status", "joint", "x", "y", "confidence", "hidden")


def write_poses_csv(path: Path, skeleton: Skeleton, entries: Iterable[Mapping[str, Any]]) -> Path:
    """Write a table with one line for each joint of each person in each frame; hidden is 0 or 1. Whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for entry in entries:
            for person in entry["people"]:
                hidden = set(person["hidden"])
                first = (entry["frame"], entry["time"], person["id"], person["status"])
                for joint, name in enumerate(skeleton.joints):
                    keypoint = person["keypoints"][3 * joint : 3 * joint + 3]
                    writer.writerow((*first, name, *keypoint, int(joint in hidden)))
    return path
