"""A person's track: what was seen in single frames, laid out as the arrays of one clip. And the videos of a set, read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rpstn.datasets.clip import ABSENT, Clip
from rpstn.datasets.request import Request, collecting
from rpstn.datasets.splits import cut_validation
from rpstn.errors import UserError

# An hour of video. A longer track comes from a wrong frame number, and its arrays could fill the memory.
LONGEST = 200_000


@dataclass(frozen=True)
class Sighting:
    """One person in one labeled frame: joints (K,2) px, visibility (K,) uint8, box (4,) px."""

    joints: np.ndarray
    visibility: np.ndarray
    box: np.ndarray


@dataclass(frozen=True)
class Track:
    """The frames from a person's first sighting to the last, none left out.

    first       number of the first frame in the video.
    joints      (T,K,2) float32; 0 where the person was not labeled.
    visibility  (T,K) uint8; ABSENT where the person was not labeled.
    boxes       (T,4) float32; interpolated between sightings where the person was not labeled.
    labeled     (T,) bool: there was a sighting.
    """

    first: int
    joints: np.ndarray
    visibility: np.ndarray
    boxes: np.ndarray
    labeled: np.ndarray


def lay_out(sightings: Mapping[int, Sighting], where: str) -> Track:
    """Lay sightings by frame number, at least one, out as a track. UserError, with `where` in front, for one that is too long.

    Between frames a and b a box is  (1 - s) box_a + s box_b,  s = (t - a) / (b - a): a person moves little
    between two labels, and the box only says where to look.
    """
    numbers = np.array(sorted(sightings))
    found = [sightings[number] for number in numbers.tolist()]
    first, length = int(numbers[0]), int(numbers[-1] - numbers[0]) + 1
    if length > LONGEST:
        raise UserError(f"{where} goes from frame {first} to {numbers[-1]}, longer than a video; correct the frames' numbers")
    at = numbers - first
    joints = np.zeros((length, *found[0].joints.shape), np.float32)
    visibility = np.full((length, len(found[0].visibility)), ABSENT, np.uint8)
    labeled = np.zeros(length, bool)
    joints[at] = [sighting.joints for sighting in found]
    visibility[at] = [sighting.visibility for sighting in found]
    labeled[at] = True
    known = np.array([sighting.box for sighting in found], np.float64)
    boxes = np.stack([np.interp(np.arange(length), at, side) for side in known.T], axis=1).astype(np.float32)
    return Track(first, joints, visibility, boxes, labeled)


def read_videos(
    request: Request,
    videos: Mapping[str, list[Path]],
    name: Callable[[Path], str],
    read: Callable[..., list[Clip]],
    fraction: float,
) -> dict[str, list[Clip]]:
    """Read the clips of all videos by split; val is a fraction of train, by whole video.

    videos  label files or folders of the videos in "train" and "test".
    name    of a video, by which val is cut.
    read    read(path, root, labels_only=..., errors=...), the clips of one video: errors of single ones go to the list that it is
            given, one of the whole video is raised.
    """
    names = [name(path) for path in videos["train"]]
    held = cut_validation(names, [""] * len(names), fraction, request.seed)
    wanted = {
        "train": [path for path in videos["train"] if name(path) not in held],
        "val": [path for path in videos["train"] if name(path) in held],
        "test": videos["test"],
    }
    found: dict[str, list[Clip]] = {split: [] for split in request.splits}
    for split, clips in found.items():
        for path in wanted[split]:
            errors: list[UserError] = []
            with collecting(errors):
                clips += read(path, request.root, labels_only=request.labels_only, errors=errors)
            for fault in errors:
                request.report(fault)
    return found
