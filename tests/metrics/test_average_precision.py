"""OKS average precision: what COCO's own code says, on known and on real annotations."""

import contextlib
import copy
import io
import json
import subprocess
import sys

import numpy as np
import pytest

from rpstn.errors import UserError
from rpstn.metrics.average_precision import (
    NAMES,
    crop_areas,
    oks_average_precision,
    oks_nms,
    rescore,
    similarity,
    usual_detections,
)
from rpstn.skeletons import COCO, get_skeleton

from ..conftest import SHARED

pytest.importorskip("pycocotools")
SAMPLE = SHARED / "COCO" / "annotations" / "person_keypoints_val2017.json"


def person(number, image, origin, side=120.0, hidden=()):
    """An annotated person of side x side px, its joints on a grid; hidden joints have no label."""
    x, y = origin
    points = [[x + side * (j % 4) / 4, y + side * (j // 4) / 5, 2] for j in range(17)]
    for joint in hidden:
        points[joint] = [0, 0, 0]
    return {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "keypoints": [float(value) for point in points for value in point],
        "num_keypoints": 17 - len(hidden),
        "area": side * side,
        "bbox": [x, y, side, side],
        "iscrowd": 0,
    }


@pytest.fixture
def truth():
    """Two images with three people; the third is of medium size."""
    return {
        "images": [{"id": 7, "width": 640, "height": 480}, {"id": 9, "width": 640, "height": 480}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO.joints)}],
        "annotations": [
            person(1, 7, (20, 30)),
            person(2, 7, (300, 200), hidden=(3, 4)),
            person(3, 9, (50, 60), 64.0),
        ],
    }


def detections(truth):
    """The labeled people as detections."""
    people = [a for a in truth["annotations"] if a["num_keypoints"] and not a["iscrowd"]]
    keypoints = np.array([a["keypoints"] for a in people], float).reshape(-1, 17, 3)
    images = np.array([a["image_id"] for a in people])
    return keypoints, np.linspace(0.9, 0.5, len(people)), images


def by_coco(truth, keypoints, scores, images, boxes=None):
    """COCOeval called directly."""
    from pycocotools.coco import COCO as Annotations
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        annotated = Annotations()
        annotated.dataset = copy.deepcopy(truth)
        annotated.createIndex()
        results = []
        for row, (pose, score, image) in enumerate(zip(keypoints, scores, images, strict=True)):
            box = {} if boxes is None else {"bbox": boxes[row].tolist()}
            point = {"image_id": int(image), "category_id": 1, "score": float(score)}
            results.append({**point, "keypoints": pose.ravel().tolist(), **box})
        evaluation = COCOeval(annotated, annotated.loadRes(results), "keypoints")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats, strict=True))


def test_the_truth_scores_one(truth, capsys):
    before = copy.deepcopy(truth)
    found = oks_average_precision(*detections(truth), truth)
    assert found == {name: pytest.approx(1.0) for name in NAMES}
    assert truth == before and capsys.readouterr().out == ""


@pytest.mark.parametrize("wanted", [0.52, 0.72, 0.93])
def test_a_known_similarity_gives_a_known_score(truth, wanted):
    """Every joint of one person is off by what its sigma makes of the wanted similarity: AP is the share of the
    ten thresholds that lie below it.
    """
    truth["annotations"], truth["images"] = truth["annotations"][:1], truth["images"][:1]
    keypoints, scores, images = detections(truth)
    area = truth["annotations"][0]["area"]
    keypoints[0, :, 0] += 2 * np.array(COCO.sigmas) * np.sqrt(-2 * area * np.log(wanted))
    found = oks_average_precision(keypoints, scores, images, truth)
    thresholds = np.arange(0.5, 1.0, 0.05)
    assert found["AP"] == pytest.approx(np.mean(thresholds <= wanted))
    assert found["AP75"] == pytest.approx(float(wanted >= 0.75))


def test_shifts_cost_and_what_is_missing_costs(truth):
    keypoints, scores, images = detections(truth)
    values = []
    for shift in (0, 4, 8, 16, 200):
        values.append(oks_average_precision(keypoints + [shift, 0, 0], scores, images, truth)["AP"])
    assert values == sorted(values, reverse=True) and values[0] == pytest.approx(1) and values[-1] == 0
    assert 0 < values[2] < 1
    fewer = oks_average_precision(keypoints[1:], scores[1:], images[1:], truth)
    assert fewer["AR"] == pytest.approx(2 / 3)
    none = oks_average_precision(keypoints[:0], scores[:0], images[:0], truth)
    assert none["AP"] == none["AR"] == 0


def test_what_cannot_be_measured_is_nan(truth):
    truth["annotations"] = truth["annotations"][:2]
    found = oks_average_precision(*detections(truth), truth)
    assert np.isnan(found["AP_medium"]) and found["AP_large"] == pytest.approx(1)


@pytest.mark.data("COCO")
def test_real_annotations_and_coco_agree(tmp_path):
    """COCO's own people, found exactly, then badly; every number is COCOeval's."""
    truth = json.loads(SAMPLE.read_text())
    keypoints, scores, images = detections(truth)
    exact = oks_average_precision(keypoints, scores, images, SAMPLE)
    assert exact["AP"] == pytest.approx(1) and exact["AR"] == pytest.approx(1)
    rng = np.random.default_rng(0)
    moved = keypoints + np.concatenate([rng.normal(0, 4, (*keypoints.shape[:2], 2)), np.zeros((*keypoints.shape[:2], 1))], -1)
    low = keypoints[..., :2].min(axis=1)
    boxes = np.concatenate([low, keypoints[..., :2].max(axis=1) - low + 1], axis=1)
    for given in (None, boxes):
        ours = oks_average_precision(moved, scores, images, SAMPLE, boxes=given)
        assert ours == pytest.approx(by_coco(truth, moved, scores, images, given))
        assert 0 < ours["AP"] < 1


# What published tables do with detections first


def test_rescoring_by_hand():
    """Box score times the mean of what is above 0.2; 0.2 itself is not."""
    confidences = np.array([[0.8, 0.4, 0.2, 0.0], [0.1, 0.2, 0.0, 0.1], [1.0, 1.0, 1.0, 1.0]])
    assert rescore([0.5, 0.9, 0.7], confidences) == pytest.approx([0.3, 0.0, 0.7])
    assert rescore([0.5], confidences[:1], threshold=0.1) == pytest.approx([0.5 * 1.4 / 3])
    with pytest.raises(ValueError, match="box_scores"):
        rescore([0.5], confidences)


def test_similarity_of_detections_is_cocos(truth):
    """COCOeval's own similarity of a detection with a fully labeled person of the same area."""
    from pycocotools.coco import COCO as Annotations
    from pycocotools.cocoeval import COCOeval

    keypoints, _, _ = detections(truth)
    rng = np.random.default_rng(0)
    moved = keypoints[0, :, :2] + rng.normal(0, 8, (3, 17, 2))
    area = truth["annotations"][0]["area"]
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = Annotations()
        annotated.dataset = {**copy.deepcopy(truth), "annotations": copy.deepcopy(truth["annotations"][:1])}
        annotated.createIndex()
        results = [
            {"image_id": 7, "category_id": 1, "score": 1 - row / 10, "keypoints": np.insert(pose, 2, 1, axis=1).ravel().tolist()}
            for row, pose in enumerate(moved)
        ]
        evaluation = COCOeval(annotated, annotated.loadRes(results), "keypoints")
        evaluation.evaluate()
    ours = similarity(keypoints[0, :, :2], moved, area, np.full(3, area), COCO.sigmas)
    assert ours == pytest.approx(evaluation.ious[7, 1][:, 0]) and 0.1 < ours.min() < ours.max() < 0.95


def test_nms_drops_the_worse_of_two_alike_and_no_other():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0, 200, (2, 17, 2))
    areas = np.full(4, 200.0**2)
    poses = np.stack([one, one + 0.5, other, one + 2.0])
    same = similarity(one, poses, areas[0], areas, COCO.sigmas)
    assert same[1] > 0.99 and same[2] < 0.5 and 0.9 < same[3] < same[1]
    np.testing.assert_array_equal(oks_nms(poses, [0.6, 0.7, 0.2, 0.5], areas), [1, 2])
    np.testing.assert_array_equal(oks_nms(poses, [0.7, 0.7, 0.2, 0.5], areas), [0, 2])
    np.testing.assert_array_equal(oks_nms(poses, [0.6, 0.7, 0.2, 0.5], areas, threshold=1.0), [1, 0, 3, 2])
    # Not from what was dropped itself: a chain of poses, each like the next, keeps every second one.
    chain = one + np.arange(3)[:, None, None] * [5.0, 0.0]
    near, far = similarity(chain[0], chain[1:], 4e4, np.full(2, 4e4), COCO.sigmas)
    np.testing.assert_array_equal(oks_nms(chain, [3, 2, 1], np.full(3, 4e4), threshold=(near + far) / 2), [0, 2])
    assert len(oks_nms(poses[:0], [], areas[:0])) == 0
    with pytest.raises(ValueError, match="sigma"):
        oks_nms(poses, np.ones(4), areas, skeleton=get_skeleton("penn_action"))


def test_crop_areas_by_hand():
    """60 x 80 has the aspect already; 60 x 40 becomes 60 x 80, 30 x 80 becomes 60 x 80: all times 1.25 squared."""
    boxes = [[0, 0, 60, 80], [5, 5, 60, 40], [9, 9, 30, 80]]
    assert crop_areas(boxes) == pytest.approx([7500.0, 7500.0, 7500.0])
    assert crop_areas(boxes, aspect=1.0, padding=1.0) == pytest.approx([6400.0, 3600.0, 6400.0])


def detected(truth):
    """Each person found well, found again a little worse, and somebody who is not there; with boxes of a detector."""
    keypoints, _, images = detections(truth)
    boxes = np.array([a["bbox"] for a in truth["annotations"] if a["num_keypoints"] and not a["iscrowd"]])
    rng = np.random.default_rng(1)
    anywhere = boxes[:, None, :2] + boxes[:, None, 2:] * rng.random((len(boxes), 17, 2))
    # A network finds every joint somewhere, also those without a label.
    keypoints[..., :2] = np.where(keypoints[..., 2:] > 0, keypoints[..., :2], anywhere)
    keypoints[..., 2] = rng.uniform(0.1, 1.0, keypoints.shape[:2])
    poses = np.concatenate([keypoints, keypoints + [0.4, 0.4, 0.0], keypoints + [250.0, 90.0, 0.0]])
    sure = rng.uniform(0.4, 1.0, len(images))
    return poses, np.concatenate([sure, 0.9 * sure, 0.8 * rng.random(len(images))]), np.tile(images, 3), np.tile(boxes, (3, 1))


@pytest.mark.parametrize("real", [False, pytest.param(True, marks=pytest.mark.data("COCO"))])
def test_rescored_and_suppressed_detections_score_as_coco_says(truth, real):
    """The numbers are COCOeval's for the detections that are left, and those are fewer and better."""
    truth = json.loads(SAMPLE.read_text()) if real else truth
    poses, box_scores, images, boxes = detected(truth)
    kept, scores, ids = usual_detections(poses, box_scores, images, boxes)
    assert 0 < len(kept) < len(poses)
    found = oks_average_precision(kept, scores, ids, truth)
    assert found == pytest.approx(by_coco(truth, kept, scores, ids))
    before = oks_average_precision(poses, rescore(box_scores, poses[..., 2]), images, truth)
    assert 0 < before["AP"] < found["AP"]
    rows = {pose.tobytes(): row for row, pose in enumerate(poses)}
    order = [rows[pose.tobytes()] for pose in kept]
    assert order == sorted(order) and scores == pytest.approx(rescore(box_scores, poses[..., 2])[order])


def test_the_truth_still_scores_one(truth):
    """As detections by a perfect network on ground-truth boxes: nobody is suppressed."""
    keypoints, _, images = detections(truth)
    boxes = np.array([a["bbox"] for a in truth["annotations"]])
    keypoints[1, 3:5, :2] = keypoints[1, 5:6, :2]  # the two unlabeled joints lie somewhere
    keypoints[..., 2] = 1.0
    found = usual_detections(keypoints, np.ones(3), images, boxes)
    assert len(found[0]) == 3
    assert oks_average_precision(*found, truth) == {name: pytest.approx(1.0) for name in NAMES}
    with pytest.raises(ValueError, match="boxes"):
        usual_detections(keypoints, np.ones(3), images, boxes[:2])
    with pytest.raises(ValueError, match=r"\(N, 17, 3\)"):
        usual_detections(keypoints[..., :2], np.ones(3), images, boxes)


@pytest.mark.data("COCO")
def test_the_skeleton_is_the_files():
    (category,) = json.loads(SAMPLE.read_text())["categories"]
    assert tuple(category["keypoints"]) == COCO.joints
    assert {frozenset(pair) for pair in COCO.limbs} == {frozenset((a - 1, b - 1)) for a, b in category["skeleton"]}


def test_the_skeleton_is_cocos():
    from pycocotools.cocoeval import Params

    assert np.allclose(Params("keypoints").kpt_oks_sigmas, COCO.sigmas)
    assert get_skeleton("coco") is COCO
    for a, b in COCO.flip_pairs:
        assert COCO.joints[a].removeprefix("left_") == COCO.joints[b].removeprefix("right_")
    assert [COCO.joints[joint] for joint in COCO.torso] == ["right_shoulder", "left_hip"]


def test_what_does_not_fit_is_refused(truth, tmp_path):
    keypoints, scores, images = detections(truth)
    with pytest.raises(ValueError, match=r"\(N, 17, 3\)"):
        oks_average_precision(keypoints[:, :13], scores, images, truth)
    with pytest.raises(ValueError, match="image_ids"):
        oks_average_precision(keypoints, scores, images[1:], truth)
    with pytest.raises(ValueError, match="not finite"):
        oks_average_precision(keypoints * np.nan, scores, images, truth)
    with pytest.raises(ValueError, match="boxes"):
        oks_average_precision(keypoints, scores, images, truth, boxes=np.ones((1, 4)))
    with pytest.raises(ValueError, match="penn_action.*sigma"):
        oks_average_precision(keypoints, scores, images, truth, skeleton=get_skeleton("penn_action"))
    with pytest.raises(UserError, match="image 8"):
        oks_average_precision(keypoints, scores, images + 1, truth)
    with pytest.raises(UserError, match="none.json"):
        oks_average_precision(keypoints, scores, images, tmp_path / "none.json")
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(UserError, match="list.json.*COCO's key point form"):
        oks_average_precision(keypoints, scores, images, tmp_path / "list.json")
    truth["categories"][0]["keypoints"] = ["head"]
    with pytest.raises(UserError, match="0 categories"):
        oks_average_precision(keypoints, scores, images, truth)


def test_pycocotools_is_loaded_when_it_is_needed():
    code = "import sys, rpstn, rpstn.metrics.average_precision; print('pycocotools' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
