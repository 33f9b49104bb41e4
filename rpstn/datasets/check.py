"""Check a data set before it is used: what is there, what is missing, what was repaired."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, Clip, read_splits
from rpstn.datasets.catalogue import TABLE
from rpstn.datasets.frame_files import visible
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.video_frames import VideoFrames
from rpstn.errors import UserError

_SHOWN = 5


@dataclass(frozen=True)
class SplitReport:
    """One split in numbers. joints: how many are absent, occluded, visible."""

    clips: int
    groups: int
    frames: int
    actions: dict[str, int]
    joints: tuple[int, int, int]
    frames_unseen: int
    boxes_repaired: int
    joints_outside: int


@dataclass(frozen=True)
class Report:
    """What check_dataset found. str() is a short text; ok says whether every clip can be used.

    notes   where fewer are there than in the whole set; a part of a set is no fault.
    faults  one message for each label file, clip or image that cannot be used.
    """

    name: str
    root: Path
    splits: dict[str, SplitReport]
    shared_groups: dict[str, int]
    notes: tuple[str, ...]
    faults: tuple[str, ...]
    pixels: str

    @property
    def ok(self) -> bool:
        return not self.faults and any(split.clips for split in self.splits.values())

    def __str__(self) -> str:
        lines = [f"{self.name} in {self.root}"]
        for name, split in self.splits.items():
            lines += _split_lines(name, split)
        for pair, count in self.shared_groups.items():
            lines.append(f"  note: {count} groups occur in {pair}")
        lines += [f"  note: {note}" for note in self.notes]
        lines.append(f"  pixels: {self.pixels}")
        lines += [f"  fault: {fault}" for fault in self.faults[:_SHOWN]]
        if len(self.faults) > _SHOWN:
            lines.append(f"  and {len(self.faults) - _SHOWN} faults more")
        lines.append(f"  {len(self.faults)} faults" if self.faults else "  no faults")
        return "\n".join(lines)


def _split_lines(name: str, split: SplitReport) -> Iterator[str]:
    if not split.clips:
        yield f"  {name:5} empty"
        return
    absent, occluded, seen = split.joints
    yield (
        f"  {name:5} {split.clips:5} clips of {split.groups} groups, {split.frames} frames; "
        f"joints: {seen} visible, {occluded} occluded, {absent} absent"
    )
    if any(split.actions):  # images have none
        yield "        " + ", ".join(f"{action} {count}" for action, count in split.actions.items())
    notes = {
        "boxes repaired": split.boxes_repaired,
        "joints outside the frame, taken as absent": split.joints_outside,
        "frames without a visible joint": split.frames_unseen,
    }
    if any(notes.values()):
        yield "        " + "; ".join(f"{text}: {count}" for text, count in notes.items() if count)


def check_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    fold: int = 1,
    *,
    pixels: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Read all labels of a data set and, unless pixels is False, decode every frame.

    progress  called with (clips done, all clips) as the frames are decoded.

    Faults of single clips are collected. Raises UserError only where nothing can be read: an unknown
    name, no such folder, no labels.
    """
    errors: list[UserError] = []
    splits = read_splits(name, root, fold=fold, labels_only=not pixels, faults=errors)
    faults = [str(error) for error in errors]
    read = 0
    if pixels:
        clips = [clip for dataset in splits.values() for clip in dataset]
        for done, (decoded, found) in enumerate(_look_over(clips), 1):
            read, faults = read + decoded, faults + found
            if progress is not None:
                progress(done, len(clips))
    groups = {split: {clip.group for clip in dataset} for split, dataset in splits.items()}
    counts = {split: _count(dataset.clips) for split, dataset in splits.items()}
    pairs = (("train", "val"), ("train", "test"), ("val", "test"))
    shared = {f"{a} and {b}": len(groups[a] & groups[b]) for a, b in pairs}
    return Report(
        name=name,
        root=next(iter(splits.values())).root,
        splits=counts,
        shared_groups={pair: count for pair, count in shared.items() if count},
        notes=tuple(_incomplete(name, counts)),
        faults=tuple(faults),
        pixels=f"{read} frames decoded" if pixels else "not looked at",
    )


def _look_over(clips: list[Clip]) -> Iterator[tuple[int, list[str]]]:
    """Look at each clip. Videos come last and alone: while one is decoded, stderr is shut for all threads."""
    videos = [clip for clip in clips if isinstance(clip.frames, VideoFrames)]
    with ThreadPoolExecutor(4) as pool:
        others = (clip for clip in clips if not isinstance(clip.frames, VideoFrames))
        yield from pool.map(_look_at, others)
    yield from map(_look_at, videos)


def _incomplete(name: str, counts: dict[str, SplitReport]) -> Iterator[str]:
    """Note each part of the whole set of which not all is there."""
    for splits, number, what in TABLE[name].counts:
        found = sum(counts[split].groups if what == "videos" else counts[split].clips for split in splits)
        if found < number:
            place = "" if set(splits) == set(counts) else f" in {' and '.join(splits)}"
            yield f"{found:,} of {number:,} {what} of the whole set{place}"


def _count(clips: tuple[Clip, ...]) -> SplitReport:
    states = [int(sum((clip.visibility == state).sum() for clip in clips)) for state in (ABSENT, OCCLUDED, VISIBLE)]
    return SplitReport(
        clips=len(clips),
        groups=len({clip.group for clip in clips}),
        frames=sum(len(clip) for clip in clips),
        actions=dict(sorted(Counter(clip.action for clip in clips).items())),
        joints=(states[0], states[1], states[2]),
        frames_unseen=int(sum(np.sum(~(clip.visibility == VISIBLE).any(axis=1)) for clip in clips)),
        boxes_repaired=sum(clip.truth.boxes_repaired for clip in clips),
        joints_outside=sum(clip.truth.joints_outside for clip in clips),
    )


def _look_at(clip: Clip) -> tuple[int, list[str]]:
    """Decode a clip's frames. Returns how many can be, and a message for each that cannot and for a wrong number of files."""
    if isinstance(clip.frames, ImageFrames):
        return _look_at_images(clip, clip.frames)
    try:
        if isinstance(clip.frames, VideoFrames):
            sound = clip.frames.read_whole()
            lost = sorted(set(range(len(clip))) - sound.keys())
            return len(sound), [str(clip.frames.broken(lost))] if lost else []
        return len(clip.frames.read(range(len(clip)))), []
    except UserError as error:
        return 0, [str(error)]


def _look_at_images(clip: Clip, frames: ImageFrames) -> tuple[int, list[str]]:
    faults: list[str] = []
    folder = frames.paths[0].parent
    # Single images share one folder, and a person's track is a part of its video: there the number of files says nothing.
    if len(clip) > 1 and clip.truth.track is None:
        present = _count_files(folder, frames.paths)
        if present != len(clip):
            faults.append(f"{folder}: {present} images, the labels are for {len(clip)}; unpack the clip again")
    decoded = 0
    for index, path in enumerate(frames.paths):
        try:
            image, damage = frames.look_at(index)
            size = image.shape[:2]
            decoded += 1
            if damage:
                faults.append(f"{path}: damaged inside ({damage}); put a whole copy in its place")
            if size != frames.size:
                expected = f"{frames.size[1]}x{frames.size[0]}"
                faults.append(f"{path}: {size[1]}x{size[0]} pixels, labels for {expected}; put the original back")
        except UserError as error:
            faults.append(str(error))
    return decoded, faults


def _count_files(folder: Path, paths: Sequence[Path]) -> int:
    """Count how many images of a clip's kinds lie in its folder; hidden files are none."""
    kinds = {path.suffix.lower() for path in paths}
    return sum(path.suffix.lower() in kinds for path in visible(folder.glob("*")))
