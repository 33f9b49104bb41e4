"""Noise and guesses under both metrics: the known figures, by the functions of the score notebook."""

from pathlib import Path

import numpy as np
import pytest

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.metrics.released import SIDE, released_correct, released_correct_frames, released_score
from rpstn.metrics.scores import samples
from rpstn.notebooks import noise
from rpstn.skeletons import PENN_ACTION

TORSO = PENN_ACTION.torso


@pytest.fixture(scope="module")
def scores():
    return noise.noise_scores(noise.person_clips(600), TORSO, [0, 2, 8, 16, 32], seed=1)


def test_the_standing_person_has_the_torso_that_the_figures_are_for():
    person = noise.standing_person()
    assert np.linalg.norm(person[TORSO[0]] - person[TORSO[1]]) == pytest.approx(25.6)
    assert person.shape == (13, 2) and person.min() >= 0 and person.max() < SIDE
    np.testing.assert_allclose(noise.standing_person(side=128), 2 * person)


def test_the_known_figures(scores):
    """0.998 where the correct score is 0.214; guesses 0.557 by torso and 1.000 by person."""
    at = scores.standard_deviations.index(8.0)
    assert scores.values["released", "torso"][at] == pytest.approx(0.998, abs=0.001)
    assert scores.values["correct", "torso"][at] == pytest.approx(0.214, abs=0.01)
    assert scores.guesses["released", "torso"] == pytest.approx(0.557, abs=0.01)
    assert scores.guesses["released", "person"] == pytest.approx(1.0, abs=0.0005)
    assert scores.guesses["correct", "torso"] < 0.025
    assert (scores.clips, scores.frames, scores.joints) == (600, 3000, 13)


def test_more_noise_never_scores_more(scores):
    for key, values in scores.values.items():
        assert values[0] == 1, key
        assert all(a >= b - 0.005 for a, b in zip(values, values[1:], strict=False)), key
    assert scores == noise.noise_scores(noise.person_clips(600), TORSO, [0, 2, 8, 16, 32], seed=1), "the same numbers again"


def test_where_a_score_reaches_a_level(scores):
    made = noise.NoiseScores((0.0, 2.0, 4.0), {("correct", "torso"): (1.0, 0.8, 0.2)}, {}, 1, 5, 13)
    assert noise.reaches(made, "correct", "torso") == pytest.approx(3.0)
    assert noise.reaches(made, "correct", "torso", 0.9) == pytest.approx(1.0)
    assert noise.reaches(made, "correct", "torso", 1.0) == 0.0
    assert noise.reaches(made, "correct", "torso", 0.1) == float("inf")
    assert noise.reaches(scores, "released", "person") == float("inf")


@pytest.mark.parametrize("reference", ["torso", "person"])
def test_circles_are_where_a_prediction_is_correct(reference):
    target = noise.standing_person()
    size = {"torso": 25.6, "person": 64.0}[reference]
    angle = np.linspace(0, 2 * np.pi, 13)[:-1, None]
    for metric, (center, radius) in noise.accepted(target[0], size).items():
        for factor, inside in ((0.999, True), (1.001, False)):
            points = np.array(center) + factor * radius * np.hstack([np.cos(angle), np.sin(angle)])
            if metric == "correct":
                found = np.hypot(*(points - target[0]).T) <= 0.2 * size
            else:
                targets = np.tile(target[0], (12, 1, 1, 1))
                found = released_correct(points[:, None, None], targets, np.full(12, size))[:, 0, 0] == 1
            assert (found == inside).all(), (metric, factor)


def test_a_circle_covers_the_map_or_not():
    for difference, covered in ((0.01, True), (-0.01, False)):
        assert noise.covers(noise.Circle((31.5, 31.5), 31.5 * 2**0.5 + difference)) == covered
    for joint in noise.standing_person():
        assert noise.covers(noise.accepted(joint, SIDE)["released"]) == (np.hypot(*(63 + 6.4 - joint)) <= 81.92)


class Still:
    size = (200, 200)

    def __len__(self):
        return 12

    def read(self, indices):
        return np.zeros((len(indices), *self.size, 3), np.uint8)


def dataset(*visibilities):
    joints = np.tile(noise.standing_person() * 2 + 30, (12, 1, 1)).astype(np.float32)
    boxes = np.tile(np.float32([30, 30, 128, 128]), (12, 1))
    clips = [Clip(f"{n}", f"s{n}", "stand", joints, v, boxes, Still()) for n, v in enumerate(visibilities)]
    return ClipDataset("made", PENN_ACTION, "test", Path(), tuple(clips))


def test_poses_of_a_data_set_are_stretches_without_absent_joints():
    seen, gap = np.full((12, 13), VISIBLE, np.uint8), np.full((12, 13), VISIBLE, np.uint8)
    gap[7, 2] = ABSENT
    target = noise.map_clips(dataset(seen, gap))
    assert target.shape == (3, 5, 13, 2)  # two stretches of the first, one of the second
    np.testing.assert_allclose(target[2, 4], noise.standing_person(), atol=1e-4)
    with pytest.raises(UserError, match="all joints"):
        noise.map_clips(dataset(np.full((12, 13), ABSENT, np.uint8)))


def test_both_rules_keep_the_frames_in_the_same_order():
    """What the notebook pairs: rows of the correct score and of the released one belong to the same frames."""
    data = dataset(*[np.full((12, 13), VISIBLE, np.uint8)] * 2)
    joints = [clip.joints.copy() for clip in data]
    joints[1][6:, 3] += 90  # wrong by either rule
    found = Predictions(tuple(clip.id for clip in data), joints, [np.ones((12, 13))] * 2, [None] * 2)
    correct, released = samples(found, data, reference="torso").correct, released_correct_frames(found, data)
    assert correct.shape == released.shape == (24, 13)
    np.testing.assert_array_equal(correct, released)
    assert released[:18].all() and not released[18:, 3].any()
    assert released_score(found, data).micro == pytest.approx(released.mean())


@pytest.mark.parametrize("standard_deviations", [[], [1.0, -1.0]])
def test_noise_that_makes_no_sense_is_refused(standard_deviations):
    with pytest.raises(UserError, match="standard_deviations"):
        noise.noise_scores(noise.person_clips(2), TORSO, standard_deviations)
