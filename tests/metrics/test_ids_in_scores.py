"""What ids are changes no score, and json that lacks something is the user's error, by the name of the entry."""

import copy
import json

import numpy as np
import pytest

from rpstn.errors import UserError
from rpstn.metrics.average_precision import NAMES, oks_average_precision, usual_detections
from rpstn.metrics.posetrack import DetectedFrame, posetrack_average_precision, read_people

from .test_average_precision import by_coco, detections, person, truth  # noqa: F401

pytest.importorskip("pycocotools")
PERFECT = {name: pytest.approx(1.0) for name in NAMES}
# From an id of the fixture to another one, in an order of its own.
IDS = {
    "from 0": lambda value: value % 7 % 8 if value > 3 else value - 1,
    "negative": lambda value: -value,
    "backwards from 0": lambda value: 9 - value,
    "strings": lambda value: f"id {value}",
    "numbers as strings": lambda value: str(value - 1),
    "beyond 53 bits": lambda value: 2**53 + value,
    "beyond 64 bits": lambda value: 2**70 + value,
    "both signs, beyond 63 bits": lambda value: 2**63 + value if value % 2 else -value,
    "numbers and strings": lambda value: value if value % 2 else f"{value}",
    "whole numbers with a point": lambda value: value - 1.0,
}


def renumbered(content, annotation=None, image=None, category=None):
    """The content with other ids, each by its own rule."""
    found = copy.deepcopy(content)
    same = lambda value: value  # noqa: E731
    annotation, image, category = (rule or same for rule in (annotation, image, category))
    for entry in found["images"]:
        entry["id"] = image(entry["id"])
    for entry in found["categories"]:
        entry["id"] = category(entry["id"])
    for entry in found["annotations"]:
        entry |= {"id": annotation(entry["id"]), "image_id": image(entry["image_id"]), "category_id": category(1)}
    return found


def moved(content):
    """Detections that are off, so that the score lies between 0 and 1."""
    keypoints, scores, images = detections(content)
    shift = np.random.default_rng(0).normal(0, 6, (*keypoints.shape[:2], 2))
    return keypoints + np.concatenate([shift, np.zeros((*shift.shape[:2], 1))], axis=-1), scores, images


@pytest.mark.parametrize("which", ["annotation", "image", "category", "all"])
@pytest.mark.parametrize("name", IDS)
def test_ids_have_no_meaning(truth, name, which, tmp_path, monkeypatch):  # noqa: F811
    rule = IDS[name]
    other = renumbered(truth, **{key: rule for key in ("annotation", "image", "category") if which in (key, "all")})
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(other))
    monkeypatch.setenv("HOME", str(tmp_path))
    for found, expected in ((detections(truth), PERFECT), (moved(truth), by_coco(truth, *moved(truth)))):
        keypoints, scores, images = found
        named = [rule(int(image)) for image in images] if which in ("image", "all") else images
        for given in (other, file, "~/truth.json"):
            assert oks_average_precision(keypoints, scores, named, given) == pytest.approx(expected)
        boxes = np.tile([0.0, 0.0, 100.0, 100.0], (3, 1))
        kept, best, kept_images = usual_detections(keypoints, scores, named, boxes, rescoring=0.0)
        assert len(kept) == 3 and kept_images.tolist() == list(named)


def test_the_order_in_the_file_has_no_meaning(truth):  # noqa: F811
    other = {key: value[::-1] for key, value in truth.items()}
    assert oks_average_precision(*moved(truth), other) == pytest.approx(by_coco(truth, *moved(truth)))


def test_annotations_of_other_categories_are_left_out(truth):  # noqa: F811
    truth["categories"].append({"id": 3, "name": "dog"})
    truth["annotations"].append({"id": 77, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 12})
    people = {**truth, "annotations": truth["annotations"][:3]}
    assert oks_average_precision(*detections(people), truth) == PERFECT


# A change of the content, and what the message says.
DOUBLED = {
    "annotation": (lambda c: c["annotations"][1].update(id=1), "annotation 1: this id is there twice"),
    "annotation, once with a point": (lambda c: c["annotations"][1].update(id=1.0), "this id is there twice"),
    "image": (lambda c: c["images"].append({"id": 7}), "image 7: this id is there twice"),
    "category": (lambda c: c["categories"].append({"id": 1, "name": "dog"}), "category 1: this id is there twice"),
}
JOINS = {
    "image that is not listed": (lambda c: c["annotations"][1].update(image_id=8), "annotation 2: image_id 8 is not among"),
    "image of another kind": (lambda c: c["annotations"][1].update(image_id="7"), "annotation 2: image_id 7 is not among"),
    "category that is not listed": (lambda c: c["annotations"][1].update(category_id=0), "annotation 2: category_id 0 is not"),
    "image without id": (lambda c: c["images"][0].pop("id"), "image at 0 lacks id"),
    "annotation without id": (lambda c: c["annotations"][0].pop("id"), "annotation at 0 lacks id"),
    "category without id": (lambda c: c["categories"][0].pop("id"), "category at 0 lacks id"),
    "truth value": (lambda c: c["annotations"][0].update(id=True), "annotation True: id is 'True'"),
    "null": (lambda c: c["annotations"][0].update(id=None), "annotation None: id is 'None'"),
    "half": (lambda c: c["annotations"][0].update(id=1.5), "id is '1.5'"),
    "list": (lambda c: c["annotations"][0].update(image_id=[7]), r"annotation 1: image_id is '\[7\]'"),
}
FIELDS = ("area", "iscrowd", "num_keypoints", "bbox", "keypoints", "category_id", "image_id")
VALUES = {"missing": ..., "null": None, "string": "x", "truth value": True, "NaN": float("nan"), "list": [1, 2], "object": {}}
VALUES |= {"infinite": float("inf"), "beyond floats": 10**400}
MORE = {
    "keypoint missing": (lambda a: a.update(keypoints=a["keypoints"][:-3]), r"keypoints has shape \(48,\)"),
    "keypoints of another set": (lambda a: a.update(keypoints=a["keypoints"] * 2), r"keypoints has shape \(102,\)"),
    "keypoints nested": (lambda a: a.update(keypoints=[a["keypoints"]]), r"keypoints has shape \(1, 51\)"),
    "keypoint NaN": (lambda a: a["keypoints"].__setitem__(0, float("nan")), "keypoints holds a value"),
    "keypoint null": (lambda a: a["keypoints"].__setitem__(0, None), "keypoints holds what are no plain numbers"),
    "keypoint a truth value": (lambda a: a["keypoints"].__setitem__(0, True), "keypoints holds what are no plain numbers"),
    "keypoint a string": (lambda a: a["keypoints"].__setitem__(0, "12"), "keypoints holds what are no plain numbers"),
    "unknown flag": (lambda a: a["keypoints"].__setitem__(2, 7), "keypoints has a flag other than"),
    "count off": (lambda a: a.update(num_keypoints=0), "num_keypoints is 0, labeled are 15"),
    "crowd of two": (lambda a: a.update(iscrowd=2), "iscrowd is 2"),
    "no area": (lambda a: a.update(area=0), "area is 0"),
    "negative area": (lambda a: a.update(area=-5), "area is -5"),
    "negative box": (lambda a: a.update(bbox=[10, 10, -5, 5]), ".*negative extent"),
    "box with a truth value": (lambda a: a.update(bbox=[1.5, 2, True, 4]), "bbox holds what are no plain numbers"),
    "box of three": (lambda a: a.update(bbox=[1, 2, 3]), r"bbox has shape \(3,\)"),
}


def refused(content, found, reason, tmp_path):
    """As content and as a file, which the message names."""
    file = tmp_path / "truth.json"
    file.write_text(json.dumps(content))
    for given, name in ((content, "ground truth"), (file, str(file))):
        with pytest.raises(UserError, match=reason) as caught:
            oks_average_precision(*found, given)
        assert str(caught.value).startswith(name) and "; " in str(caught.value)


@pytest.mark.parametrize("name", [*DOUBLED, *JOINS])
def test_ids_that_join_nothing_are_refused(truth, name, tmp_path):  # noqa: F811
    found = detections(truth)
    change, reason = (DOUBLED | JOINS)[name]
    change(truth)
    refused(truth, found, reason, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [(field, value) for field in FIELDS for value in VALUES if (field, value) != ("iscrowd", "truth value")],  # it may be one
)
def test_what_an_annotation_lacks_is_named(truth, field, value, tmp_path):  # noqa: F811
    found = detections(truth)
    if VALUES[value] is ...:
        del truth["annotations"][1][field]
    else:
        truth["annotations"][1][field] = VALUES[value]
    refused(truth, found, f"annotation 2:? .*{field}", tmp_path)


@pytest.mark.parametrize("name", MORE)
def test_what_cannot_be_scored_is_named(truth, name, tmp_path):  # noqa: F811
    found = detections(truth)
    change, reason = MORE[name]
    change(truth["annotations"][1])
    refused(truth, found, f"annotation 2: {reason}", tmp_path)


def test_joints_in_another_order_are_refused(truth, tmp_path):  # noqa: F811
    found = detections(truth)
    truth["categories"][0]["keypoints"].reverse()
    refused(truth, found, "category 1 has the joints of skeleton 'coco' in another order", tmp_path)


@pytest.mark.parametrize("scores", [[True] * 3, [0.9, None, 0.5], ["0.9", "0.8", "0.5"], [0.9, np.nan, 0.5], [0.9, np.inf, 0.5]])
def test_a_score_that_is_no_number_is_refused(truth, scores):  # noqa: F811
    keypoints, _, images = detections(truth)
    boxes = np.tile([0.0, 0.0, 100.0, 100.0], (3, 1))
    with pytest.raises(ValueError, match="score"):
        oks_average_precision(keypoints, scores, images, truth)
    with pytest.raises(ValueError, match="score"):
        usual_detections(keypoints, scores, images, boxes)


def test_a_box_or_a_confidence_that_is_no_number_is_refused(truth):  # noqa: F811
    keypoints, scores, images = detections(truth)
    for wrong in (np.nan, np.inf, -1.0):
        boxes = np.tile([0.0, 0.0, 100.0, 100.0], (3, 1))
        boxes[1, 2] = wrong
        with pytest.raises(ValueError, match="a box is not finite or has a negative width"):
            oks_average_precision(keypoints, scores, images, truth, boxes=boxes)
        with pytest.raises(ValueError, match="a box is not finite or has a negative width"):
            usual_detections(keypoints, scores, images, boxes)
    keypoints[1, 3, 2] = np.nan
    with pytest.raises(ValueError, match="a confidence is not finite"):
        usual_detections(keypoints, scores, images, np.tile([0.0, 0.0, 100.0, 100.0], (3, 1)))


def test_images_that_the_truth_lacks(truth):  # noqa: F811
    keypoints, scores, _ = detections(truth)
    for other, named in ((8, "image 8"), ("7", "image '7'"), (True, "image True"), (None, "image None"), (7.5, "image 7.5")):
        images = [7, 7, other]
        with pytest.raises(UserError, match=f"{named} has detections but is not in the ground truth; 1 images"):
            oks_average_precision(keypoints, scores, images, truth)


# PoseTrack's files


def posetrack_file():
    """Two labeled frames, of one person and of two."""
    poses = np.random.default_rng(0).uniform(0, 400, (3, 17, 2))
    points = np.concatenate([poses, np.ones((3, 17, 1))], axis=-1).reshape(3, -1).tolist()
    people = [
        {"id": 100 + row, "image_id": image, "track_id": row, "keypoints": points[row], "bbox_head": [0, 0, 30, 40]}
        for row, image in enumerate((3, 4, 4))
    ]
    return {"images": [{"id": 4}, {"id": 3, "is_labeled": True}], "annotations": people}


@pytest.mark.parametrize("name", IDS)
def test_posetracks_ids_have_no_meaning(name, tmp_path, monkeypatch):
    content, rule = posetrack_file(), IDS[name]
    for key, field in (("images", "id"), ("annotations", "image_id"), ("annotations", "track_id"), ("annotations", "id")):
        for entry in content[key]:
            entry[field] = rule(entry[field])
    frames = read_people(content)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "video.json").write_text(json.dumps(content))
    assert len(read_people("~/video.json")) == len(frames)
    assert [frame.image_id for frame in frames] == [rule(4), rule(3)] and [len(frame.joints) for frame in frames] == [2, 1]
    found = [DetectedFrame(frame.joints, np.ones(frame.joints.shape[:2])) for frame in frames]
    assert posetrack_average_precision(found, frames).mean == 1


POSETRACK = {
    "image twice": (lambda c: c["images"].append({"id": 3}), "image 3: this id is there twice"),
    "image without id": (lambda c: c["images"][0].pop("id"), "image at 0 lacks id"),
    "image that is not listed": (lambda c: c["annotations"][1].update(image_id=5), "annotation 101: image_id 5 is not among"),
    "no image": (lambda c: c["annotations"][1].pop("image_id"), "annotation 101 lacks image_id"),
    "image a truth value": (lambda c: c["annotations"][1].update(image_id=True), "annotation 101: image_id is 'True'"),
    "another category": (
        lambda c: (c.update(categories=[{"id": 0, "name": "person"}]), c["annotations"][1].update(category_id=2)),
        "annotation 101: category_id is '2', not that of a person, 0",
    ),
    "no keypoints": (lambda c: c["annotations"][1].pop("keypoints"), "annotation 101 lacks keypoints"),
    "keypoints null": (lambda c: c["annotations"][1].update(keypoints=None), "annotation 101: keypoints holds what are no"),
    "keypoint missing": (lambda c: c["annotations"][1]["keypoints"].pop(), r"annotation 101: keypoints has shape \(50,\)"),
    "keypoint NaN": (lambda c: c["annotations"][1]["keypoints"].__setitem__(0, float("nan")), "annotation 101: keypoints holds"),
    "truth value": (lambda c: c["annotations"][1]["keypoints"].__setitem__(2, True), "annotation 101: keypoints holds what are"),
    "no head box": (lambda c: c["annotations"][1].pop("bbox_head"), "annotation 101: has labeled joints and no head box"),
    "head box without extent": (lambda c: c["annotations"][1].update(bbox_head=[1, 2, 0, 0]), "annotation 101: has labeled"),
    "head box of three": (lambda c: c["annotations"][1].update(bbox_head=[1, 2, 3]), r"annotation 101: bbox_head has shape"),
    "labeled a word": (lambda c: c["images"][0].update(is_labeled="false"), "image 4: is_labeled is 'false'"),
    "half a region": (lambda c: c["images"][0].update(ignore_regions_x=[[1, 2, 3]]), "image 4: ignore_regions_x and"),
    "a region of words": (
        lambda c: c["images"][0].update(ignore_regions_x=["abc"], ignore_regions_y=["def"]),
        "image 4: ignore_regions_x and",
    ),
    "people an object": (lambda c: c.update(annotations={}), "annotations is an object"),
    "a person is a number": (lambda c: c["annotations"].append(3), "annotations: entry 3 is a number"),
}


@pytest.mark.parametrize("name", POSETRACK)
def test_what_posetracks_file_lacks_is_named(name, tmp_path):
    content = posetrack_file()
    change, reason = POSETRACK[name]
    change(content)
    (tmp_path / "video.json").write_text(json.dumps(content))
    for given, where in ((content, "the annotation"), (tmp_path / "video.json", str(tmp_path / "video.json"))):
        with pytest.raises(UserError, match=reason) as caught:
            read_people(given)
        assert str(caught.value).startswith(where) and "; " in str(caught.value)
