"""What noise and guesses score: the same made-up predictions under the correct metric and under the released evaluator.

A metric that gives a high score to predictions that carry little of the truth, or none, cannot rank networks. How far that
goes for the released evaluator is computed here, without any network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.errors import UserError
from rpstn.metrics.keypoints import PCK, REFERENCES, pck
from rpstn.metrics.released import FRAMES, SIDE, guesses, noisy, released_pck, to_map
from rpstn.skeletons import PENN_ACTION

# A person who stands with hands out and fills the map; joints in Penn Action's order, px of a map of 64. The left hip is placed
# so that the torso, from the right shoulder, gets its length.
_STANDING = (
    (32, 4), (42, 14), (22, 14), (50, 25), (14, 25), (58, 34), (5, 34),
    (38, 34), (26, 34), (40, 47), (24, 47), (42, 60), (22, 60),
)  # fmt: skip
_TORSO = 0.4  # of the map's width


class Circle(NamedTuple):
    """Hold a circle in map px: center (x, y) and radius."""

    center: tuple[float, float]
    radius: float


@dataclass(frozen=True)
class NoiseScores:
    """Hold PCK, as fractions, by (metric, reference) with metric "correct" or "released", reference "torso" or "person".

    standard_deviations    of the Gaussian noise, in x and in y, map px.
    values                 one score per standard deviation.
    guesses                the score of uniformly random positions.
    clips, frames, joints  how much was scored.
    """

    standard_deviations: tuple[float, ...]
    values: dict[tuple[str, str], tuple[float, ...]]
    guesses: dict[tuple[str, str], float]
    clips: int
    frames: int
    joints: int


def standing_person(*, side: int = SIDE) -> np.ndarray:
    """Lay out a schematic person (13,2) in map px, whose torso is 0.4 of the map's width long: 25.6 of 64 px."""
    joints = np.array(_STANDING, dtype=np.float64)
    shoulder, hip = PENN_ACTION.torso
    across = joints[hip, 0] - joints[shoulder, 0]
    joints[hip, 1] = joints[shoulder, 1] + ((_TORSO * SIDE) ** 2 - across**2) ** 0.5
    return joints * (side / SIDE)


def both_scores(
    predicted: np.ndarray, target: np.ndarray, torso: tuple[int, int], *, threshold: float = 0.2, side: int = SIDE
) -> dict[tuple[str, str], PCK]:
    """Score predictions (N,T,K,2) in map px of clips in which every joint is known, by both metrics and both references.

    The correct metric measures each frame by itself; the released one takes the clip's first frame for all. Both take the
    map's width as person size. A frame whose torso has no length is left out of the correct score by torso.
    """
    shape = (-1, *np.shape(target)[2:])
    flat, flat_predicted = np.reshape(target, shape), np.reshape(predicted, shape)
    length = np.linalg.norm(flat[:, torso[0]] - flat[:, torso[1]], axis=-1)
    sizes = {"torso": np.where(length > 0, length, np.nan), "person": np.full(len(flat), float(side))}
    everything = np.ones(flat.shape[:2], dtype=bool)
    scores = {}
    for reference in REFERENCES:
        scores["correct", reference] = pck(flat_predicted, flat, everything, size=sizes[reference], threshold=threshold)
        scores["released", reference] = released_pck(
            predicted, target, torso=torso, reference=reference, threshold=threshold, side=side
        )
    return scores


def noise_scores(
    target: np.ndarray, torso: tuple[int, int], standard_deviations: Sequence[float], *, seed: int = 0
) -> NoiseScores:
    """Score the truth with more and more noise, and guesses, by both metrics.

    target               (N,T,K,2) map px, every joint known: `person_clips` or `map_clips`.
    standard_deviations  of the noise, map px; each has its own draws.
    Raises UserError for a negative one and for none at all.
    """
    if not len(standard_deviations) or min(standard_deviations) < 0:
        raise UserError(f"standard_deviations is {list(standard_deviations)}; give at least one, none of them negative")
    target = np.asarray(target, dtype=np.float64)
    scores = [
        both_scores(noisy(target, deviation, seed=seed + number), target, torso)
        for number, deviation in enumerate(standard_deviations)
    ]
    guessed = both_scores(guesses(target.shape, seed=seed), target, torso)
    return NoiseScores(
        standard_deviations=tuple(float(deviation) for deviation in standard_deviations),
        values={key: tuple(score[key].mean for score in scores) for key in guessed},
        guesses={key: score.mean for key, score in guessed.items()},
        clips=len(target),
        frames=int(np.prod(target.shape[:2])),
        joints=target.shape[2],
    )


def person_clips(count: int) -> np.ndarray:
    """Repeat the standing person, who does not move, in `count` clips: (count,FRAMES,13,2) map px."""
    return np.broadcast_to(standing_person(), (count, FRAMES, len(_STANDING), 2))


def map_clips(dataset: ClipDataset) -> np.ndarray:
    """Collect a data set's poses as the released evaluator sees them: (N,FRAMES,K,2), boxes stretched to the map.

    Only whole stretches of FRAMES frames in which every joint is annotated: noise on an absent joint says nothing.
    Raises UserError if none is left.
    """
    parts = []
    for clip in dataset:
        known = (clip.visibility != ABSENT).all(axis=1)
        positions = to_map(clip.joints, clip.boxes)
        for start in range(0, len(clip) - FRAMES + 1, FRAMES):
            if known[start : start + FRAMES].all():
                parts.append(positions[start : start + FRAMES])
    if not parts:
        raise UserError(f"{dataset.name} has no {FRAMES} frames in a row with all joints annotated; choose another split or set")
    return np.stack(parts)


def reaches(scores: NoiseScores, metric: str, reference: str, level: float = 0.5) -> float:
    """Find the noise, in map px, at which a score first falls to a level, between two measured points; inf if it never does."""
    values = np.array(scores.values[metric, reference])
    below = np.flatnonzero(values <= level)
    if not len(below):
        return float("inf")
    first = int(below[0])
    if first == 0:
        return scores.standard_deviations[0]
    x, y = np.array(scores.standard_deviations[first - 1 : first + 1]), values[first - 1 : first + 1]
    return float(x[0] + (y[0] - level) / (y[0] - y[1]) * (x[1] - x[0]))


def accepted(joint: np.ndarray, size: float, *, threshold: float = 0.2) -> dict[str, Circle]:
    """Find where a prediction of one joint (2,) counts as correct, by metric.

    correct:  |p - t| <= threshold size.    released:  |(p - t) / u + (1, 1)| <= threshold size,  u = SIDE / 10
    """
    unit = SIDE / 10
    return {
        "correct": Circle((float(joint[0]), float(joint[1])), threshold * size),
        "released": Circle((float(joint[0]) - unit, float(joint[1]) - unit), unit * threshold * size),
    }


def covers(circle: Circle) -> bool:
    """Tell whether a circle holds every position of the map: its four corners."""
    (x, y), radius = circle
    return max(np.hypot(x - u, y - v) for u in (0, SIDE - 1) for v in (0, SIDE - 1)) <= radius
