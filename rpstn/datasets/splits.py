"""Splits: a validation split cut from train by whole group, seeded; and the videos of each split, read."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.errors import UserError

SPLITS = ("train", "val", "test")


def cut_validation(groups: Sequence[str], actions: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Sources that go to val: about `fraction` of the clips of each action, never a part of a source.

    groups, actions  one entry a clip. A source with clips of several actions is counted under its most
                      frequent one.
    An action with one group only gives none, so that every action stays in train.
    """
    clips = Counter(groups)
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for source, action in zip(groups, actions, strict=True):
        by_source[source][action] += 1
    by_action: dict[str, list[str]] = defaultdict(list)
    for source in sorted(by_source):
        by_action[min(by_source[source].items(), key=lambda item: (-item[1], item[0]))[0]].append(source)
    generator = np.random.default_rng(seed)
    chosen: set[str] = set()
    for action in sorted(by_action):
        names = by_action[action]
        wanted = fraction * sum(clips[name] for name in names)
        shuffled = [names[index] for index in generator.permutation(len(names))]
        taken: list[str] = []
        for name in shuffled:
            held = sum(clips[other] for other in taken)
            if held < wanted and held + clips[name] <= math.ceil(wanted) and len(taken) < len(names) - 1:
                taken.append(name)
        if not taken and len(names) > 1:
            taken = [min(shuffled, key=lambda name: clips[name])]
        chosen.update(taken)
    return chosen


def read_videos(
    official: dict[str, list[Path]],
    name: Callable[[Path], str],
    read: Callable[[Path, list[UserError]], list[Clip]],
    *,
    splits: tuple[str, ...],
    fraction: float,
    seed: int,
    faults: list[UserError] | None,
) -> dict[str, list[Clip]]:
    """The clips of all videos by split; val is a fraction of the official train, by whole video.

    official  label files or folders of the videos in "train" and "test".
    name      of a video, by which val is cut.
    read      the clips of one video; errors of single ones go to the list it is given, one of the whole video is raised.
    faults    where given, errors are appended to it and what they concern is left out, instead of raised.
    """
    names = [name(path) for path in official["train"]]
    held = cut_validation(names, [""] * len(names), fraction, seed)
    wanted = {
        "train": [path for path in official["train"] if name(path) not in held],
        "val": [path for path in official["train"] if name(path) in held],
        "test": official["test"],
    }
    found: dict[str, list[Clip]] = {}
    for split in splits:
        found[split] = []
        for path in wanted[split]:
            errors: list[UserError] = []
            try:
                found[split] += read(path, errors)
            except UserError as error:
                errors.append(error)
            if errors and faults is None:
                raise errors[0]
            if faults is not None:
                faults += errors
    return found


def with_min_length(dataset: ClipDataset, frames: int) -> ClipDataset:
    """The clips that have so many frames. Raises UserError where there is none, naming the longest."""
    clips = tuple(clip for clip in dataset if len(clip) >= frames)
    if not clips:
        longest = max((len(clip) for clip in dataset), default=0)
        raise UserError(
            f"no {dataset.split} clip of {dataset.name} has {frames} frames, the longest has {longest}; "
            "let the occlusion start earlier or make it shorter"
        )
    return replace(dataset, clips=clips)


def first_per_group(dataset: ClipDataset, each: int) -> ClipDataset:
    """The first `each` clips of every source, in the data set's order; 0 keeps all. No source is lost."""
    if each < 0:
        raise UserError(f"{each} clips of each group cannot be taken; give 0 for all of them")
    if not each:
        return dataset
    taken: dict[str, int] = {}
    clips = []
    for clip in dataset:
        taken[clip.group] = taken.get(clip.group, 0) + 1
        if taken[clip.group] <= each:
            clips.append(clip)
    return replace(dataset, clips=tuple(clips))
