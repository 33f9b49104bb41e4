"""Which motion each clip shows: stretches of motion kept apart by split, and how clips are drawn from them.

A stretch is an interval of one captured motion. Stretches never share an instant: where a motion serves several, at least a
tenth of a second lies unused between them, also from the end of a cyclic motion on to its beginning. A cyclic motion that
lasts about as long as a clip is one stretch as a whole. The motions in HELD_OUT occur in the test clips only.

A third of the training clips join two stretches, in another third the arms follow another stretch, and in all of them the
joints are rotated a little (`vary`): fifteen motions are few poses. In val and test every clip shows one stretch only, and a body
or a place serves one stretch only. So there the clips of different groups have neither motion, body nor place in
common, and a bootstrap may draw the groups as independent.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from rpstn.embedded.motion import RATE, Poses, cycle, join, junction_distances, load_motions, resample, stretch
from rpstn.embedded.variation import vary

SPLITS = ("train", "val", "test")
HELD_OUT = ("kick", "dance_b", "run")
# Name of the action in the labels, where it is not the motion's own name.
ACTIONS = {
    "dance_a": "dance", "dance_b": "dance", "getup_facedown": "get_up", "getup_faceup": "get_up", "spinkick": "spin_kick",
}  # fmt: skip
# (motion, from, to) in seconds; None: the whole motion, wrapped where it is cyclic.
_STRETCHES: dict[str, tuple[tuple[str, float | None, float | None], ...]] = {
    "train": (
        ("walk", None, None), ("jump", None, None), ("backflip", None, None), ("dance_a", None, None),
        ("cartwheel", 0.0, 1.58), ("crawl", 0.0, 1.05), ("getup_facedown", 0.0, 1.95), ("getup_faceup", 1.12, 2.75),
        ("punch", 0.0, 1.18), ("roll", 0.0, 1.12), ("spin", 0.0, 2.2),
    ),
    "val": (("spinkick", None, None), ("spin", 2.32, 3.25), ("getup_faceup", 2.87, 3.76), ("crawl", 1.16, 1.96)),
    "test": (
        ("kick", None, None), ("dance_b", 0.0, 1.2), ("dance_b", 1.32, 2.43), ("cartwheel", 1.7, 2.61), ("spin", 3.37, 4.31),
        ("punch", 1.3, 2.13), ("crawl", 2.08, 2.83), ("getup_facedown", 2.07, 3.03),
        ("getup_faceup", 0.0, 1.0), ("roll", 1.24, 1.91), ("run", None, None),
    ),
}  # fmt: skip
_FADE = 0.22  # seconds in which one motion goes over into another
_CLOSE = 0.16  # meters: how far poses may lie apart, on average over the points, to be faded into each other
_MOST_JOINS = 24
_CLIPS_A_BODY = 3  # at most so many clips show the same person
_FASTEST = 30.0  # frames per second; short stretches are shown in finer steps, down to this


@dataclass(frozen=True)
class Stretch:
    """An interval of one motion, in seconds. `whole`: nothing of the motion lies outside."""

    motion: str
    start: float
    end: float
    whole: bool

    @property
    def label(self) -> str:
        """Name of the stretch: motion and seconds."""
        return f"{self.motion}:{self.start:.2f}-{self.end:.2f}"

    @property
    def wraps(self) -> bool:
        """Whether it may be shown more than once in a row."""
        return self.whole and load_motions()[self.motion].cyclic


@dataclass(frozen=True)
class Join:
    """`first` up to the second `leave`, then `second` from the second `enter`; `distance` meters between the poses there."""

    first: Stretch
    second: Stretch
    leave: float
    enter: float
    distance: float


@dataclass(frozen=True)
class ClipPlan:
    """What one clip shows; all else about it follows from its seed.

    number: 1-based, its name on disk. parts: the stretches it shows; two, with a `join`, occur in train only. arms: the stretch
    that the arms follow, where it is another one; in train only.
    body: number of the person, within the split. index: of the clip within the split, and so of its place, which is its own.
    """

    number: int
    split: str
    parts: tuple[Stretch, ...]
    join: Join | None
    arms: Stretch | None
    seed: int
    index: int
    body: int

    @property
    def group(self) -> str:
        """The stretch shown, or, of a joined training clip, both. In val and test the unit of independence: mirrored, faster and
        slower clips of one stretch have one group, and clips of two groups share neither motion nor body nor place.
        """
        return "+".join(part.label for part in self.parts)

    @property
    def motion(self) -> str:
        """Names of the motions shown."""
        return "+".join(dict.fromkeys(part.motion for part in self.parts))

    @property
    def action(self) -> str:
        """Name of the action in the label."""
        return ACTIONS.get(self.parts[0].motion, self.parts[0].motion)

    @property
    def held_out(self) -> bool:
        """Whether no motion shown occurs in train."""
        return all(part.motion in HELD_OUT for part in self.parts)


@lru_cache(maxsize=1)
def stretches() -> dict[str, tuple[Stretch, ...]]:
    """List the stretches of each split."""
    motions = load_motions()
    return {
        split: tuple(
            Stretch(name, 0.0 if start is None else start, motions[name].duration if end is None else end, start is None)
            for name, start, end in table
        )
        for split, table in _STRETCHES.items()
    }


@lru_cache(maxsize=1)
def joins() -> tuple[Join, ...]:
    """List pairs of training stretches that go over into each other with little change of pose, the closest first."""
    motions = load_motions()
    candidates = []
    for first in stretches()["train"]:
        for second in stretches()["train"]:
            if first.motion == second.motion:
                continue
            leave = np.arange(first.end, first.start + 0.45 * (first.end - first.start), -0.08)
            enter = np.arange(second.start, second.start + 0.55 * (second.end - second.start), 0.08)
            distances = junction_distances(
                motions[first.motion].sample(leave - _FADE / 2), motions[second.motion].sample(enter + _FADE / 2)
            )
            i, j = np.unravel_index(distances.argmin(), distances.shape)
            if distances[i, j] < _CLOSE:
                candidates.append(Join(first, second, float(leave[i]), float(enter[j]), float(distances[i, j])))
    candidates.sort(key=lambda pair: pair.distance)
    return tuple(candidates[:_MOST_JOINS])


def plan_clips(seed: int, counts: dict[str, int]) -> tuple[ClipPlan, ...]:
    """Plan the clips of all splits, numbered consecutively.

    In train every third clip joins two stretches; the others, and all of val and test, cycle through the stretches of their
    split, so that these have equally many clips, give or take one.
    """
    plans: list[ClipPlan] = []
    for split_number, split in enumerate(SPLITS):
        rng = np.random.default_rng([seed, 1, split_number])
        # Held-out motions first, so that even a small test set has them.
        pure = list(stretches()[split])
        order = sorted(range(len(pure)), key=lambda k: (not _starts_held_out(pure, k), rng.random()))
        pairs = joins() if split == "train" else ()
        turn = list(rng.permutation(len(pairs)))
        plain = joined = 0
        for index in range(counts.get(split, 0)):
            pair: Join | None = None
            arms: Stretch | None = None
            parts: tuple[Stretch, ...]
            if pairs and index % 3 == 2:
                pair = pairs[turn[joined % len(pairs)]]
                joined += 1
                parts = (pair.first, pair.second)
            else:
                parts = (pure[order[plain % len(pure)]],)
                plain += 1
                if split == "train" and index % 3 == 1:
                    others = [other for other in pure if other.motion != parts[0].motion]
                    arms = others[rng.integers(len(others))]
            body = index // _CLIPS_A_BODY if split == "train" else _body_of_one_group(index, len(pure))
            plans.append(ClipPlan(len(plans) + 1, split, parts, pair, arms, seed, index, body))
    return tuple(plans)


def _body_of_one_group(index: int, groups: int) -> int:
    """Return the body of a clip whose split cycles through its groups: body modulo groups is the group, so none is in two."""
    position, turn = index % groups, index // groups
    return position + groups * (turn // _CLIPS_A_BODY)


def _starts_held_out(pure: list[Stretch], index: int) -> bool:
    """Say whether this is the first stretch of a held-out motion."""
    name = pure[index].motion
    return name in HELD_OUT and all(other.motion != name for other in pure[:index])


def clip_poses(plan: ClipPlan, frames: int, rng: np.random.Generator) -> Poses:
    """Return the poses of a clip (T = frames): its stretches at a random speed and frame rate, some mirrored; varied in train."""
    step = rng.uniform(0.8, 1.25) / rng.uniform(12.0, 17.0)  # speed / frame rate: seconds of motion from frame to frame
    if plan.join is None:
        poses = _of_stretch(plan.parts[0], step, frames, rng)
    else:
        poses = _of_join(plan.join, step, frames, rng)
    if plan.split == "train":
        poses = vary(poses, rng, None if plan.arms is None else _of_stretch(plan.arms, step, frames, rng))
    return poses.mirrored() if rng.random() < 0.5 else poses


def _of_stretch(part: Stretch, step: float, frames: int, rng: np.random.Generator) -> Poses:
    """Return poses from anywhere within a stretch, `step` seconds apart, or less where the stretch is too short."""
    motion, gaps = load_motions()[part.motion], max(frames - 1, 1)
    if part.wraps:
        return resample(cycle(motion, gaps * step + 0.1, rng.uniform(0, part.end)), step, frames)
    step, whole = _fit(stretch(motion, part.start, part.end), step, gaps)
    slack = len(whole) - 1 - gaps * step * RATE
    return resample(whole[int(rng.uniform(0, max(slack, 0.0))) :], step, frames)


def _of_join(pair: Join, step: float, frames: int, rng: np.random.Generator) -> Poses:
    """Return poses from one stretch over into another; the middle of the change lies within them."""
    motions, gaps = load_motions(), max(frames - 1, 1)
    before = stretch(motions[pair.first.motion], pair.first.start, pair.leave)
    after = stretch(motions[pair.second.motion], pair.enter, pair.second.end)
    step, whole = _fit(join(before, after, int(_FADE * RATE)), step, gaps)
    middle = len(before) - 0.5 * _FADE * RATE
    length = gaps * step * RATE
    lowest, highest = max(0.0, middle - 0.75 * length), min(len(whole) - 1 - length, middle - 0.25 * length)
    begin = rng.uniform(min(lowest, highest), highest) if highest > 0 else 0.0
    return resample(whole[max(0, int(begin)) :], step, frames)


def _fit(poses: Poses, step: float, gaps: int) -> tuple[float, Poses]:
    """Return a step with which `gaps` steps stay within poses at RATE. Where even the finest would not do, as in long clips, the
    motion goes back the way it came.
    """
    seconds = (len(poses) - 1) / RATE
    finest = 0.8 / _FASTEST
    step = max(min(step, seconds / gaps), finest)
    while (len(poses) - 1) / RATE < gaps * step - 1e-9:
        back = poses[::-1][1:]
        poses = Poses(np.concatenate([poses.points, back.points]), np.concatenate([poses.rotations, back.rotations]))
    return step, poses
