"""PoseTrack's mAP on cases whose answer is known, and PCKh beside it."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rpstn.errors import UserError
from rpstn.metrics import pck
from rpstn.metrics.keypoints import head_sizes, pckh
from rpstn.metrics.posetrack import (
    SCORED,
    AnnotatedFrame,
    DetectedFrame,
    average_precision,
    inside,
    posetrack_average_precision,
    read_people,
)

from ..conftest import SHARED

SAMPLES = SHARED / "PoseTrack18" / "annotations" / "val"
HEAD = [0.0, 0.0, 60.0, 80.0]  # a diagonal of 100 px: the head's size is 60 px, and 30 px are still right
WRIST = 9


def pose(x, y=100.0):
    """17 joints on a grid of 50 px, so that no joint is near another."""
    return np.array([[x + 50 * (joint % 4), y + 50 * (joint // 4)] for joint in range(17)])


def annotated(*poses, unlabeled=(), ignored=()):
    labeled = np.ones((len(poses), 17), bool)
    for person, joint in unlabeled:
        labeled[person, joint] = False
    return AnnotatedFrame(np.reshape(poses, (-1, 17, 2)), labeled, np.tile(HEAD, (len(poses), 1)), ignored)


def detected(*poses, scores=None):
    scores = [0.9] * len(poses) if scores is None else scores
    return DetectedFrame(np.reshape(poses, (-1, 17, 2)), np.repeat(np.reshape(scores, (-1, 1)), 17, axis=1))


def score(found, truth):
    return posetrack_average_precision([found], [truth])


def test_one_person_found_scores_one_and_ears_do_not_count():
    found = pose(100)
    found[[3, 4]] += 500  # the ears
    result = score(detected(found), annotated(pose(100)))
    assert result.mean == 1 and len(SCORED) == 15
    assert np.isnan(result.per_joint[[3, 4]]).all() and (result.per_joint[list(SCORED)] == 1).all()
    assert (result.labeled == 1).all()


@pytest.mark.parametrize(("error", "right"), [(30.0, True), (30.001, False)])
def test_half_a_head_is_still_right(error, right):
    found = pose(100)
    found[WRIST, 0] += error
    result = score(detected(found), annotated(pose(100)))
    assert result.per_joint[WRIST] == right
    assert result.mean == pytest.approx(1 if right else 14 / 15)


def test_two_people_listed_in_another_order_change_nothing():
    truth = annotated(pose(100), pose(600))
    assert score(detected(pose(600), pose(100), scores=[0.3, 0.8]), truth).mean == 1


def test_one_joint_exchanged_between_two_people_is_wrong_twice():
    first, second = pose(100), pose(600)
    first[WRIST], second[WRIST] = pose(600)[WRIST], pose(100)[WRIST]
    result = score(detected(first, second), annotated(pose(100), pose(600)))
    assert result.per_joint[WRIST] == 0 and result.mean == pytest.approx(14 / 15)


@pytest.mark.parametrize(("confidence", "expected"), [(0.99, 1 / 2), (0.1, 1.0)])
def test_a_false_person_costs_by_its_confidence(confidence, expected):
    """Sure of it: the precision is 1/2 when the one person is found. Unsure of it: the person was found before."""
    found = detected(pose(100), pose(2000), scores=[0.9, confidence])
    result = score(found, annotated(pose(100)))
    assert result.per_joint[list(SCORED)] == pytest.approx(np.full(15, expected)) and result.mean == pytest.approx(expected)
    assert result.precision[0] == 0.5 and result.recall[0] == 1


def test_a_person_missed_costs_its_share():
    result = score(detected(pose(100)), annotated(pose(100), pose(600)))
    assert result.mean == pytest.approx(0.5) and result.recall[0] == 0.5 and result.precision[0] == 1
    nobody = score(detected(), annotated(pose(100)))
    assert nobody.mean == 0 and np.isnan(nobody.precision[0])


def test_three_people_by_hand():
    """Right at 0.9, wrong at 0.8, right at 0.7, one missed: 1/3 * 1 + 1/3 * 2/3."""
    truth = annotated(pose(100), pose(600), pose(1100))
    result = score(detected(pose(100), pose(3000), pose(600), scores=[0.9, 0.8, 0.7]), truth)
    assert result.mean == pytest.approx(1 / 3 + 2 / 9)


def test_a_person_found_twice_is_one_false_person():
    """The better of the two is matched, though the other is surer."""
    worse = pose(100)
    worse[WRIST] += 200
    result = score(detected(worse, pose(100), scores=[0.9, 0.5]), annotated(pose(100)))
    assert result.per_joint[0] == pytest.approx(0.5) and result.per_joint[WRIST] == pytest.approx(0.5)
    alone = score(detected(pose(100), scores=[0.5]), annotated(pose(100)))
    assert alone.mean == 1


def test_a_prediction_goes_to_the_person_with_the_largest_share_right():
    """Ten of 17 joints lie on one person, six on the other, of whom only these six are labeled: it is the other's."""
    other = pose(5000)
    few = (11, 12, 13, 14, 15, 16)
    other[list(few)] = pose(100)[list(few)]
    truth = annotated(pose(100), other, unlabeled=[(1, joint) for joint in range(17) if joint not in few])
    found = pose(100)
    found[[0]] += 300  # not a whole person any more, so that the shares differ: 14/15 and 6/6
    result = score(detected(found), truth)
    assert (result.per_joint[list(few)] == 0.5).all() and result.per_joint[5] == 0


def test_a_prediction_is_one_person_only():
    """It lies on the first wholly, and on the legs of the second, who is missed: half of the people are found, by every joint."""
    second = pose(5000)
    second[11:] = pose(100)[11:]
    result = score(detected(pose(100)), annotated(pose(100), second))
    assert result.mean == pytest.approx(0.5) and (result.recall[list(SCORED)] == 0.5).all()


def test_a_prediction_for_an_unlabeled_joint_is_wrong_as_the_organizers_have_it():
    truth = [annotated(pose(100), unlabeled=[(0, WRIST)]), annotated(pose(100))]
    sure = posetrack_average_precision([detected(pose(100), scores=[0.9]), detected(pose(100), scores=[0.5])], truth)
    assert sure.per_joint[WRIST] == 0.5 and sure.labeled[WRIST] == 1
    silent = pose(100)
    silent[WRIST] = np.nan
    quiet = posetrack_average_precision([detected(silent, scores=[0.9]), detected(pose(100), scores=[0.5])], truth)
    assert quiet.mean == 1


def test_a_joint_labeled_nowhere_is_left_out_of_the_mean():
    result = score(detected(pose(100)), annotated(pose(100), unlabeled=[(0, WRIST)]))
    assert np.isnan(result.per_joint[WRIST]) and result.mean == 1


def test_an_ignored_region_hides_predictions_and_people():
    region = np.array([[1900, 0], [2400, 0], [2400, 600], [1900, 600]], float)
    found = detected(pose(100), pose(2000), scores=[0.9, 0.99])
    assert score(found, annotated(pose(100))).mean == pytest.approx(0.5)
    assert score(found, annotated(pose(100), ignored=(region,))).mean == 1
    # A person in the region need not be found, and finding them is no mistake.
    both = annotated(pose(100), pose(2000), ignored=(region,))
    assert score(detected(pose(100)), both).mean == 1 and score(found, both).mean == 1
    # Half in it: the other half counts.
    left = score(detected(pose(100), pose(1800), scores=[0.9, 0.99]), annotated(pose(100), ignored=(region,)))
    assert left.per_joint[12] == pytest.approx(0.5) and left.per_joint[15] == 1


def test_inside_a_polygon_that_is_not_convex():
    arrow = [[0, 0], [10, 0], [5, 5], [10, 10], [0, 10]]
    points = np.array([[[2, 5], [8, 5]], [[8, 1], [9, 9.5]], [[-1, 5], [5, 11]]])
    np.testing.assert_array_equal(inside(points, arrow), [[True, False], [True, True], [False, False]])
    assert not inside([np.nan, 5.0], arrow)


def test_frames_without_people_are_not_scored():
    empty = annotated()
    result = posetrack_average_precision([detected(pose(100)), detected(pose(5), scores=[1.0])], [annotated(pose(100)), empty])
    assert result.mean == 1
    assert np.isnan(posetrack_average_precision([detected(pose(1))], [empty]).mean)


def test_scores_are_compared_over_all_frames():
    truth = [annotated(pose(100)), annotated(pose(100))]
    found = [detected(pose(100), scores=[0.4]), detected(pose(900), scores=[0.8])]
    assert posetrack_average_precision(found, truth).mean == pytest.approx(1 / 4)
    found[1] = detected(pose(900), scores=[0.2])
    assert posetrack_average_precision(found, truth).mean == pytest.approx(1 / 2)


def test_average_precision_is_the_area_under_the_envelope():
    rng = np.random.default_rng(0)
    hits = (rng.random(200) < 0.6).astype(float)
    precision, recall = np.cumsum(hits) / np.arange(1, 201), np.cumsum(hits) / 150
    # A sum over a fine grid of recalls of the best precision at that recall or beyond.
    grid = (np.arange(30000) + 0.5) / 30000
    area = np.mean([precision[recall >= level].max(initial=0.0) for level in grid])
    assert average_precision(hits, 150) == pytest.approx(area, abs=1e-3)


@pytest.mark.data("PoseTrack18")
def test_real_people_found_exactly_score_one():
    paths = sorted(SAMPLES.glob("*.json"))
    frames = [frame for path in paths for frame in read_people(path)]
    assert [len(frame.joints) for frame in frames] == [1, 2, 11] and all(frame.ignored for frame in frames)
    labeled = [np.where(frame.labeled[..., None], frame.joints, np.nan) for frame in frames]
    found = [DetectedFrame(joints, np.full(joints.shape[:2], 0.5)) for joints in labeled]
    exact = posetrack_average_precision(found, frames)
    assert exact.mean == 1 and exact.labeled[list(SCORED)].min() > 3 and exact.labeled[3] == 0
    rng = np.random.default_rng(0)
    sizes = [np.nan_to_num(head_sizes(frame.head_boxes))[:, None, None] for frame in frames]
    means = []
    for share in (0.1, 0.4, 1.0):
        moved = [part.joints + rng.normal(0, share, part.joints.shape) * size for part, size in zip(found, sizes, strict=True)]
        noisy = [replace(part, joints=joints) for part, joints in zip(found, moved, strict=True)]
        means.append(posetrack_average_precision(noisy, frames).mean)
    assert 1 >= means[0] > means[1] > means[2] > 0


def test_unlabeled_frames_of_a_file_are_left_out(tmp_path):
    content = {
        "images": [{"id": 1, "is_labeled": True}, {"id": 2, "is_labeled": False}],
        "annotations": [{"image_id": 1, "keypoints": [1.0, 2.0, 1.0] * 17, "bbox_head": [0, 0, 3, 4]}],
    }
    (tmp_path / "a.json").write_text(json.dumps(content))
    (frame,) = read_people(tmp_path / "a.json")
    assert frame.image_id == 1 and frame.joints.shape == (1, 17, 2) and head_sizes(frame.head_boxes) == [3.0]
    for change in ({"keypoints": [1.0] * 50}, {"bbox_head": None}, {"bbox_head": "wide"}, {"image_id": [1]}):
        content["annotations"][0] |= change
        (tmp_path / "b.json").write_text(json.dumps(content))
        with pytest.raises(UserError, match="b.json"):
            read_people(tmp_path / "b.json")
    for wrong in ([], {"images": []}, {"images": 3, "annotations": []}):
        with pytest.raises(UserError):
            read_people(wrong)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="as many"):
        posetrack_average_precision([detected(pose(1))], [])
    with pytest.raises(ValueError, match="same number of joints"):
        posetrack_average_precision([DetectedFrame(np.zeros((1, 15, 2)), np.ones((1, 15)))], [annotated(pose(1))])
    with pytest.raises(ValueError, match="scored"):
        posetrack_average_precision([detected()], [annotated()], scored=(17,))
    with pytest.raises(ValueError, match="head box"):
        AnnotatedFrame(pose(1)[None], np.ones((1, 17)), [[0, 0, 0, 5]])
    with pytest.raises(ValueError, match="not finite"):
        AnnotatedFrame(pose(1)[None] * np.nan, np.ones((1, 17)), [HEAD])
    with pytest.raises(ValueError, match="polygon"):
        annotated(pose(1), ignored=([[0, 0], [1, 1]],))
    with pytest.raises(ValueError, match="no score"):
        DetectedFrame(pose(1)[None], np.full((1, 17), np.nan))


def test_pckh_of_a_case_counted_by_hand():
    """Head size 60 px: 30 px are right. Pelvis (6) and thorax (7) stand in per_joint and in no mean."""
    target = np.zeros((3, 16, 2))
    predicted = np.zeros((3, 16, 2))
    predicted[:, 6:8] = 1000
    predicted[0, 0], predicted[1, 0], predicted[0, 1] = [30, 0], [30.01, 0], [0, 999]
    visible = np.ones((3, 16))
    visible[1:, 1] = 0
    result = pckh(predicted, target, visible, head_boxes=np.tile(HEAD, (3, 1)))
    assert result.per_joint[:3] == pytest.approx([2 / 3, 0, 1]) and (result.per_joint[6:8] == 0).all()
    assert result.mean == pytest.approx((2 / 3 + 0 + 12) / 14)
    assert result.micro == pytest.approx((2 + 0 + 36) / 40) and result.counts.sum() == 46
    everything = pckh(predicted, target, visible, head_boxes=np.tile(HEAD, (3, 1)), left_out=())
    assert everything.micro == pck(predicted, target, visible, size=np.full(3, 60.0), threshold=0.5).micro == 38 / 46


def test_pckh_leaves_out_who_has_no_head_box():
    predicted, target, visible = np.zeros((2, 16, 2)), np.zeros((2, 16, 2)), np.ones((2, 16))
    assert pckh(predicted, target, visible, head_boxes=[HEAD, [0, 0, 0, 0]]).counts.max() == 1
    with pytest.raises(ValueError, match="head_boxes"):
        pckh(predicted, target, visible, head_boxes=np.ones(2))
    with pytest.raises(ValueError, match="left_out"):
        pckh(predicted[:, :5], target[:, :5], visible[:, :5], head_boxes=[HEAD, HEAD])
