"""What noise and guesses score: the same made predictions under the correct metric and under the released evaluator.

A metric that gives a high score to predictions that carry little of the truth, or none, cannot tell networks apart. How far that
goes for the released evaluator is computed here, and needs no network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.errors import UserError
from rpstn.metrics.keypoints import PCK, REFERENCES, pck
from rpstn.metrics.released import FRAMES, SIDE, guesses, noisy, released_pck, to_map
from rpstn.skeletons import PENN_ACTION

# A person who stands and fills the map, hands out; joints in Penn Action's order, px of a map of 64. The left hip is put where
# the torso, from the right shoulder, gets its length.
_STANDING = (
    (32, 4), (42, 14), (22, 14), (50, 25), (14, 25), (58, 34), (5, 34),
    (38, 34), (26, 34), (40, 47), (24, 47), (42, 60), (22, 60),
)  # fmt: skip
TORSO_SIDES = 0.4


@dataclass(frozen=True)
class NoiseScores:
    """PCK, as fractions, by (metric, reference) with metric "correct" or "released", reference "torso" or "person".

    deviations  of the Gaussian noise, in x and in y, map px. values: one score for each. guesses: of uniformly random places.
    clips, frames, joints  how much was scored.
    """

    deviations: tuple[float, ...]
    values: dict[tuple[str, str], tuple[float, ...]]
    guesses: dict[tuple[str, str], float]
    clips: int
    frames: int
    joints: int


def standing_person(*, side: int = SIDE) -> np.ndarray:
    """A schematic person (13,2) in map px, whose torso is 0.4 of the side long: 25.6 of 64 px."""
    joints = np.array(_STANDING, dtype=np.float64)
    shoulder, hip = PENN_ACTION.torso
    across = joints[hip, 0] - joints[shoulder, 0]
    joints[hip, 1] = joints[shoulder, 1] + ((TORSO_SIDES * SIDE) ** 2 - across**2) ** 0.5
    return joints * (side / SIDE)


def both_scores(
    predicted: np.ndarray, target: np.ndarray, torso: tuple[int, int], *, threshold: float = 0.2, side: int = SIDE
) -> dict[tuple[str, str], PCK]:
    """Predictions (N,T,K,2) in map px of clips of which every joint is known, under both metrics and by both references.

    The correct metric measures each frame by itself; the released one takes the clip's first frame for all. Both take the
    map's side as person size. A frame whose torso has no length is left out of the correct score by torso.
    """
    shape = (-1, *np.shape(target)[2:])
    flat, found = np.reshape(target, shape), np.reshape(predicted, shape)
    length = np.linalg.norm(flat[:, torso[0]] - flat[:, torso[1]], axis=-1)
    sizes = {"torso": np.where(length > 0, length, np.nan), "person": np.full(len(flat), float(side))}
    everything = np.ones(flat.shape[:2], dtype=bool)
    scores = {}
    for reference in REFERENCES:
        scores["correct", reference] = pck(found, flat, everything, size=sizes[reference], threshold=threshold)
        scores["released", reference] = released_pck(
            predicted, target, torso=torso, reference=reference, threshold=threshold, side=side
        )
    return scores


def noise_scores(
    target: np.ndarray,
    torso: tuple[int, int],
    deviations: Sequence[float],
    *,
    threshold: float = 0.2,
    side: int = SIDE,
    seed: int = 0,
) -> NoiseScores:
    """Both metrics on the truth with more and more noise, and on guesses.

    target  (N,T,K,2) map px, every joint known: `person_clips` or `map_clips`. Every noise has its own draws.
    Raises UserError for a negative deviation and for none at all.
    """
    if not len(deviations) or min(deviations) < 0:
        raise UserError(f"deviations is {list(deviations)}; give at least one, none of them negative")
    target = np.asarray(target, dtype=np.float64)
    scores = [
        both_scores(noisy(target, deviation, side=side, seed=seed + number), target, torso, threshold=threshold, side=side)
        for number, deviation in enumerate(deviations)
    ]
    guessed = both_scores(guesses(target.shape, side=side, seed=seed), target, torso, threshold=threshold, side=side)
    return NoiseScores(
        deviations=tuple(float(deviation) for deviation in deviations),
        values={key: tuple(score[key].mean for score in scores) for key in guessed},
        guesses={key: score.mean for key, score in guessed.items()},
        clips=len(target),
        frames=int(np.prod(target.shape[:2])),
        joints=target.shape[2],
    )


def person_clips(count: int, *, frames: int = FRAMES, side: int = SIDE) -> np.ndarray:
    """The standing person, still, in so many clips: (count,frames,13,2) map px."""
    return np.broadcast_to(standing_person(side=side), (count, frames, len(_STANDING), 2))


def map_clips(dataset: ClipDataset, *, frames: int = FRAMES, side: int = SIDE) -> np.ndarray:
    """A data set's poses as the released evaluator sees them: (N,frames,K,2), boxes stretched to the map.

    Whole stretches of so many frames in which every joint is annotated; the rest is left out, because noise on an absent joint
    says nothing. Raises UserError if none is left.
    """
    parts = []
    for clip in dataset:
        known = (clip.visibility != ABSENT).all(axis=1)
        places = to_map(clip.joints, clip.boxes, side=side)
        for start in range(0, len(clip) - frames + 1, frames):
            if known[start : start + frames].all():
                parts.append(places[start : start + frames])
    if not parts:
        raise UserError(f"{dataset.name} has no {frames} frames in a row with all joints annotated; choose another split or set")
    return np.stack(parts)


def reaches(scores: NoiseScores, metric: str, reference: str, level: float = 0.5) -> float:
    """The noise, in map px, at which a score first falls to a level, on the line between two measured points; inf if it never
    does.
    """
    values = np.array(scores.values[metric, reference])
    below = np.flatnonzero(values <= level)
    if not len(below):
        return float("inf")
    last = int(below[0])
    if last == 0:
        return scores.deviations[0]
    x, y = np.array(scores.deviations[last - 1 : last + 1]), values[last - 1 : last + 1]
    return float(x[0] + (y[0] - level) / (y[0] - y[1]) * (x[1] - x[0]))


def accepted(
    joint: np.ndarray, size: float, *, threshold: float = 0.2, side: int = SIDE
) -> dict[str, tuple[tuple[float, float], float]]:
    """Where a prediction of one joint (2,) is called right, by metric: the circle's center and radius in map px.

    correct:  |p - t| <= threshold size.    released:  |(p - t) / u + (1, 1)| <= threshold size,  u = side / 10
    """
    unit = side / 10
    return {
        "correct": ((float(joint[0]), float(joint[1])), threshold * size),
        "released": ((float(joint[0]) - unit, float(joint[1]) - unit), unit * threshold * size),
    }


def covers(circle: tuple[tuple[float, float], float], *, side: int = SIDE) -> bool:
    """Whether a circle (center, radius) holds every place of the map: its four corners."""
    (x, y), radius = circle
    return max(np.hypot(x - u, y - v) for u in (0, side - 1) for v in (0, side - 1)) <= radius
