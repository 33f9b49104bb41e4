"""COCO: a detector's boxes in the place of labels."""

import json

import numpy as np
import pytest

from rpstn.datasets import open_dataset
from rpstn.errors import UserError

from .test_coco import WIDTH, content, person, write, write_official


@pytest.fixture
def root(tmp_path):
    return write_official(tmp_path)


def write_detections(root, entries):
    path = root / "detections.json"
    path.write_text(json.dumps(entries))
    return path


def detection(image=51, box=(1, 2, 30, 40), score=0.75, category=1):
    return {"image_id": image, "category_id": category, "bbox": list(box), "score": score}


def test_detections_take_the_place_of_labels(root):
    entries = [detection(52, score=0.5), detection(51), detection(51, category=18), detection(51, (5.5, 6, 7, 8), 0.25)]
    with pytest.warns(UserWarning, match=r"1 detection \(1 of another category than person\)"):
        dataset = open_dataset("coco", root, "test", detections=write_detections(root, entries))
    assert [(clip.truth.coco.image_id, clip.truth.coco.score) for clip in dataset] == [(51, 0.75), (51, 0.25), (52, 0.5)]
    assert all(clip.truth.coco.detected and clip.truth.coco.annotation_id == -1 for clip in dataset)
    assert not np.concatenate([clip.visibility for clip in dataset]).any()
    np.testing.assert_array_equal(dataset[1].boxes, [[5.5, 6, 7, 8]])
    assert dataset[1].truth.coco.area == 56


def test_only_coco_takes_detections(root, embedded_root):
    with pytest.raises(UserError, match="only coco takes a detector's results"):
        open_dataset("embedded", embedded_root, detections=write_detections(root, [detection()]))


DAMAGED_DETECTIONS = {
    "object": ({}, "holds no list"),
    "empty": ([], "holds no detection"),
    "of other kinds": ([detection(category=3)], "none .* can be used for test, left out: 1 detection .1 of another category"),
    "not objects": ([[1, 2]], "entry 0 is a list"),
    "unknown image": ([detection(8), detection(7)], "2 for an image that is not in person_keypoints_val2017.json"),
    "no image": ([{"category_id": 1, "bbox": [1, 2, 3, 4], "score": 1}], "lacks image_id"),
    "no box": ([{"category_id": 1, "image_id": 51, "score": 1}], "lacks bbox"),
    "no score": ([{"category_id": 1, "image_id": 51, "bbox": [1, 2, 3, 4]}], "lacks score"),
    "score a string": ([detection(score="0.9")], "score holds what are no plain numbers"),
    "score null": ([detection(score=None)], "score holds what are no plain numbers"),
    "score a truth value": ([detection(), detection(score=True)], "detection 1: score holds what are no plain numbers"),
    "box with a truth value": ([detection(box=(1, 2.5, True, 4))], "bbox holds what are no plain numbers"),
    "box null": ([detection() | {"bbox": None}], "bbox holds what are no plain numbers"),
    "box of three": ([detection(box=(1, 2, 3))], r"bbox has shape \(3,\)"),
    "category null": ([detection(category=None)], "category_id is 'None'"),
    "score NaN": ([detection(score=float("nan"))], "1 with a box or score that is no finite number"),
    "zero box": ([detection(box=(1, 2, 0, 4))], "1 with a box without extent"),
    "outside": ([detection(box=(100, 2, 5, 4))], "1 outside the image"),
}


@pytest.mark.parametrize("name", DAMAGED_DETECTIONS)
def test_damaged_detections(root, name):
    entries, reason = DAMAGED_DETECTIONS[name]
    path = write_detections(root, entries)
    with pytest.raises(UserError, match=reason) as caught:
        open_dataset("coco", root, "test", detections=path)
    assert str(path) in str(caught.value)


UNUSABLE = {
    "zero box": (detection(box=(1, 2, 0, 0)), "with a box without extent"),
    "negative box": (detection(box=(30, 40, -20, 5)), "with a box without extent"),
    "NaN box": (detection(box=(float("nan"), 2, 3, 4)), "with a box or score that is no finite number"),
    "endless box": (detection(box=(1, 2, float("inf"), 4)), "with a box or score that is no finite number"),
    "box as large as nothing": (detection(box=(-1e9, -1e9, 3e9, 3e9)), "with a box or score that is no finite number"),
    "NaN score": (detection(score=float("nan")), "with a box or score that is no finite number"),
    "endless score": (detection(score=float("-inf")), "with a box or score that is no finite number"),
    "right of the image": (detection(box=(WIDTH, 2, 5, 4)), "outside the image"),
    "above the image": (detection(box=(1, -9, 5, 4)), "outside the image"),
    "unknown image": (detection(7), "for an image that is not in person_keypoints_val2017.json"),
    "negative image": (detection(-51), "for an image that is not in person_keypoints_val2017.json"),
    "image a string": (detection("51"), "for an image that is not in person_keypoints_val2017.json"),
    "another category": (detection(category=18), "of another category than person"),
    "category a string": (detection(category="person"), "of another category than person"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_a_row_that_cannot_be_used_is_counted_and_the_others_are_there(root, name):
    row, reason = UNUSABLE[name]
    good = [detection(52, score=0.5), detection(51, (5.5, 6, 7, 8), 0.25)]
    with pytest.warns(UserWarning, match=rf"detections.json: left out: 2 detections \(2 {reason}\)"):
        dataset = open_dataset("coco", root, "test", detections=write_detections(root, [row, good[0], row, good[1]]))
    assert [(clip.truth.coco.image_id, clip.truth.coco.score) for clip in dataset] == [(51, 0.25), (52, 0.5)]
    assert dataset.detections_left_out == {reason: 2} and dataset.left_out == 0


@pytest.mark.parametrize("category", [0, 5, 2**40])
def test_the_category_is_the_one_that_the_file_calls_person(root, category):
    stored = content([52, 51], [person(903, 52, category_id=category), person(0, 51, category_id=category)])
    stored["categories"] = [stored["categories"][0] | {"id": category}, {"id": 1, "name": "dog"}]
    write(root, "val2017", stored)
    assert [clip.truth.coco.annotation_id for clip in open_dataset("coco", root, "test")] == [0, 903]
    rows = [detection(category=category), {key: value for key, value in detection(52).items() if key != "category_id"}]
    dataset = open_dataset("coco", root, "test", detections=write_detections(root, rows))
    assert [clip.truth.coco.image_id for clip in dataset] == [51, 52]
    with pytest.raises(UserError, match="1 of another category than person"):
        open_dataset("coco", root, "test", detections=write_detections(root, [detection(category=1)]))
