"""Splits: a validation split cut from train by whole group, seeded, and parts of a split."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from rpstn.datasets.clip import ClipDataset
from rpstn.errors import UserError

SPLITS = ("train", "val", "test")

Image = TypeVar("Image", bound=int | str)


def cut_validation(groups: Sequence[str], actions: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Draw the groups that go to val: about `fraction` of the clips of each action, never a part of a group.

    groups, actions  one entry per clip. A group with clips of several actions is counted under its most frequent one.
    An action with one group only gives none, so that every action stays in train.
    """
    clips = Counter(groups)
    by_group: dict[str, Counter[str]] = defaultdict(Counter)
    for group, action in zip(groups, actions, strict=True):
        by_group[group][action] += 1
    by_action: dict[str, list[str]] = defaultdict(list)
    for group in sorted(by_group):
        by_action[min(by_group[group].items(), key=lambda item: (-item[1], item[0]))[0]].append(group)
    generator = np.random.default_rng(seed)
    chosen: set[str] = set()
    for action in sorted(by_action):
        names = by_action[action]
        wanted = fraction * sum(clips[name] for name in names)
        shuffled = [names[index] for index in generator.permutation(len(names))]
        taken: list[str] = []
        held = 0
        for name in shuffled:
            if held < wanted and held + clips[name] <= math.ceil(wanted) and len(taken) < len(names) - 1:
                taken.append(name)
                held += clips[name]
        if not taken and len(names) > 1:
            taken = [min(shuffled, key=lambda name: clips[name])]
        chosen.update(taken)
    return chosen


def cut_images(images: Iterable[Image], fraction: float, seed: int) -> set[Image]:
    """Draw a fraction of the images, at least one where there are two."""
    names = sorted(images, key=lambda image: (isinstance(image, str), image))  # ids are numbers or strings
    count = max(round(fraction * len(names)), int(len(names) > 1))
    return {names[index] for index in np.random.default_rng(seed).permutation(len(names))[:count]}


def with_min_length(dataset: ClipDataset, frames: int) -> ClipDataset:
    """Keep the clips that have so many frames. Raises UserError where there is none, naming the longest."""
    clips = tuple(clip for clip in dataset if len(clip) >= frames)
    if not clips:
        longest = max((len(clip) for clip in dataset), default=0)
        raise UserError(
            f"no {dataset.split} clip of {dataset.name} has {frames} frames, the longest has {longest}; "
            "let the occlusion start earlier or make it shorter"
        )
    return replace(dataset, clips=clips)


def first_per_group(dataset: ClipDataset, each: int) -> ClipDataset:
    """Keep the first `each` clips of every group, in the data set's order; 0 keeps all. No group is lost."""
    if each < 0:
        raise UserError(f"{each} clips of each group cannot be taken; give 0 for all of them")
    if not each:
        return dataset
    counts: Counter[str] = Counter()
    clips = []
    for clip in dataset:
        counts[clip.group] += 1
        if counts[clip.group] <= each:
            clips.append(clip)
    return replace(dataset, clips=tuple(clips))
