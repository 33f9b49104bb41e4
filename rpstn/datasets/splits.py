"""Cutting a validation split from train, by whole source, seeded."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "val", "test")


def cut_validation(sources: Sequence[str], actions: Sequence[str], fraction: float, seed: int) -> set[str]:
    """Sources that go to val: about `fraction` of the clips of each action, never a part of a source.

    sources, actions  one entry a clip. A source with clips of several actions is counted under its most
                      frequent one.
    An action with one source only gives none, so that every action stays in train.
    """
    clips = Counter(sources)
    by_source: dict[str, Counter[str]] = defaultdict(Counter)
    for source, action in zip(sources, actions, strict=True):
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
