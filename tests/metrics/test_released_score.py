"""The released evaluator beside the correct score: the figures known of it, and each of its peculiarities alone."""

from pathlib import Path

import numpy as np
import pytest

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.metrics import pck
from rpstn.metrics.released import (
    SIDE,
    first_frame_sizes,
    guesses,
    noisy,
    released_correct,
    released_pck,
    released_score,
    to_map,
)
from rpstn.skeletons import PENN_ACTION

# A person who stands and fills the crop, hands out, in heatmap px; right shoulder to left hip: 25.6 px.
STANDING = np.array(
    [
        *([32, 4], [42, 14], [22, 14], [50, 25], [14, 25], [58, 34], [5, 34]),
        *([38, 14 + (25.6**2 - 16**2) ** 0.5], [26, 34], [40, 47], [24, 47], [42, 60], [22, 60]),
    ]
)
CLIPS = np.broadcast_to(STANDING, (1500, 5, 13, 2))
TORSO = PENN_ACTION.torso


def correct_pck(predicted, target=CLIPS):
    flat = np.reshape(target, (-1, 13, 2))
    size = np.hypot(*(flat[:, TORSO[0]] - flat[:, TORSO[1]]).T)
    return pck(predicted.reshape(flat.shape), flat, np.ones(flat.shape[:2]), size=size).mean


def test_noise_of_a_quarter_of_the_torso_scores_nearly_one():
    """0.998 where the correct score is 0.214. It is the 1, added in units of 6.4 px, that keeps it from being 1.000."""
    predicted = noisy(CLIPS, 8.0)
    for without in ((predicted - CLIPS) / 6.4, (predicted - CLIPS + 1) / 6.4):
        assert (np.linalg.norm(without, axis=-1) <= 5.12).mean() > 0.9995
    assert np.linalg.norm(STANDING[2] - STANDING[7]) == pytest.approx(25.6)
    assert released_pck(predicted, CLIPS, torso=TORSO).mean == pytest.approx(0.998, abs=0.001)
    assert correct_pck(predicted) == pytest.approx(0.214, abs=0.01)


def test_guesses_score_more_than_half_by_torso_and_all_by_person():
    predicted = guesses(CLIPS.shape)
    assert released_pck(predicted, CLIPS, torso=TORSO).mean == pytest.approx(0.557, abs=0.01)
    assert released_pck(predicted, CLIPS, torso=TORSO, reference="person").mean == pytest.approx(1.0, abs=0.0005)
    assert correct_pck(predicted) < 0.025


def test_the_radius_is_too_large_by_a_tenth_of_the_side():
    """On the diagonal on which the 1 points, a joint may be off by 6.4 * (5.12 - sqrt 2) px one way and 6.4 * (5.12 + sqrt 2) the
    other.
    """
    target = np.full((1, 1, 1, 2), 200.0)
    for limit, sign in ((6.4 * (5.12 - 2**0.5), 1), (6.4 * (5.12 + 2**0.5), -1)):
        for factor, right in ((0.999, 1), (1.001, 0)):
            predicted = target + sign * factor * limit / 2**0.5
            assert released_correct(predicted, target, [25.6]) == right


def test_an_exact_prediction_of_a_small_person_is_wrong():
    """With a torso of less than 7.07 px the 1 inside the norm alone is too much."""
    target = STANDING[None, None] * 0.25 + 20
    assert np.linalg.norm(target[0, 0, 2] - target[0, 0, 7]) == pytest.approx(6.4)
    assert released_pck(target, target, torso=TORSO).mean == 0
    assert correct_pck(target, target) == 1


def test_the_first_frame_measures_all_five():
    target = np.stack([np.stack([STANDING, *[STANDING * 0.25] * 4])])
    assert first_frame_sizes(target, TORSO, "torso") == pytest.approx([25.6])
    assert first_frame_sizes(target[:, ::-1], TORSO, "torso") == pytest.approx([6.4])
    predicted = target + 5.0
    assert released_pck(predicted, target, torso=TORSO).mean == 1
    assert released_pck(predicted[:, ::-1], target[:, ::-1], torso=TORSO).mean == 0
    with pytest.raises(ValueError, match="head"):
        first_frame_sizes(target, TORSO, "head")


def test_the_box_is_stretched_to_the_map():
    boxes = np.array([[10.0, 20, 32, 128]])
    points = np.array([[[10.0, 20], [26, 84], [0, 500]]])
    np.testing.assert_allclose(to_map(points, boxes), [[[0, 0], [32, 32], [0, SIDE - 1]]])


class Still:
    size = (200, 200)

    def __len__(self):
        return 7

    def read(self, indices):
        return np.zeros((len(indices), *self.size, 3), np.uint8)


def dataset(visibility):
    joints = np.tile(STANDING * 2 + 30, (7, 1, 1)).astype(np.float32)
    boxes = np.tile(np.float32([30, 30, 128, 128]), (7, 1))
    clip = Clip("a", "a", "stand", joints, visibility, boxes, Still())
    return ClipDataset("penn_action", PENN_ACTION, "test", Path(), (clip,))


def predictions(data, offset=0.0):
    joints = [clip.joints + np.float32(offset) for clip in data]
    return Predictions(tuple(clip.id for clip in data), joints, [np.ones(j.shape[:2], np.float32) for j in joints], [None])


def test_predictions_of_clips_are_scored_in_source_pixels():
    everything = np.full((7, 13), VISIBLE, np.uint8)
    data = dataset(everything)
    exact = released_score(predictions(data), data)
    assert exact.mean == 1 and (exact.counts == 7).all()
    # 30 source px are 15 heatmap px: three times the correct radius of 5.12, and right by the released one.
    found = released_score(predictions(data, [0, 30]), data)
    assert found.mean > 0.9
    flat = data[0].joints
    size = np.full(7, 51.2)
    assert pck(flat + [0, 30], flat, everything, size=size).mean == 0


def test_missing_joints_count_and_lie_in_the_corner():
    hidden = np.full((7, 13), VISIBLE, np.uint8)
    hidden[:, 12] = ABSENT
    data = dataset(hidden)
    found = released_score(predictions(data), data)
    assert found.per_joint[12] == 0 and found.counts[12] == 7 and found.mean == pytest.approx(12 / 13)
    # The corner is what "right" means for it.
    corner = predictions(data)
    corner.joints[0][:, 12] = data[0].boxes[:, :2]
    assert released_score(corner, data).mean == 1
    nothing = predictions(data)
    nothing.joints[0][:, 3] = np.nan
    assert released_score(nothing, data).per_joint[3] == 0


def test_what_does_not_fit_is_refused():
    data = dataset(np.full((7, 13), VISIBLE, np.uint8))
    with pytest.raises(UserError, match="not for"):
        released_score(Predictions(("b",), [data[0].joints], [np.ones((7, 13))], [None]), data)
    with pytest.raises(ValueError, match="predicted"):
        released_correct(np.zeros((1, 5, 13)), np.zeros((1, 5, 13)), [1.0])
    with pytest.raises(ValueError, match="size"):
        released_correct(np.zeros((1, 5, 13, 2)), np.zeros((1, 5, 13, 2)), 1.0)
