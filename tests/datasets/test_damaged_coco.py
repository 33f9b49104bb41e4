"""COCO: damage to the label file is one error; damage to a person is one error, or the person is left out."""

import copy
import json
import pickle

import cv2
import numpy as np
import pytest

from rpstn.datasets import DamagedClipsWarning, open_dataset
from rpstn.datasets.check import check_dataset
from rpstn.errors import UserError

from .test_coco import content, label_file, person, write

# Damage to the whole file: bytes instead of its own, or a change of its content.
FILES = {
    "empty": (lambda data: b"", "is empty"),
    "blank": (lambda data: b" \n", "is empty"),
    "truncated": (lambda data: data[: len(data) // 2], "not a readable JSON file"),
    "binary": (lambda data: bytes(range(256)), "not a readable JSON file"),
    "pickled": (lambda data: pickle.dumps(json.loads(data)), "not a readable JSON file"),
    "an image": (lambda data: cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes(), "not a readable JSON file"),
    "nested without end": (lambda data: b"[" * 200_000, "not a readable JSON file"),
    "a list": (lambda data: b"[1, 2]", "holds a list where an object"),
    "a number": (lambda data: b"3", "holds a number where an object"),
    "null": (lambda data: b"null", "holds nothing"),
}


CONTENTS = {
    "no images": (lambda c: c.pop("images"), "lacks images"),
    "no annotations": (lambda c: c.pop("annotations"), "lacks annotations"),
    "no categories": (lambda c: c.pop("categories"), "lacks categories"),
    "images a table": (lambda c: c.update(images={}), "images is an object"),
    "images empty": (lambda c: c.update(images=[]), "images is empty"),
    "annotations null": (lambda c: c.update(annotations=None), "annotations is nothing"),
    "annotations of numbers": (lambda c: c.update(annotations=[1]), "entry 0 is a number"),
    "nobody": (lambda c: c.update(annotations=[]), "nobody in it"),
    "instances": (lambda c: c["categories"][0].pop("keypoints"), "the keypoints of category person are None"),
    "joints of another set": (lambda c: c["categories"][0]["keypoints"].reverse(), "the keypoints of category person are"),
    "two persons": (lambda c: c["categories"].append(c["categories"][0]), "names person 2 times"),
    "image without size": (lambda c: c["images"][0].pop("height"), "lacks height"),
    "image of no size": (lambda c: c["images"][0].update(width=0), "has 0x48 pixels"),
    "image without name": (lambda c: c["images"][0].pop("file_name"), "file_name is 'None'"),
    "image elsewhere": (lambda c: c["images"][0].update(file_name="../../secret.jpg"), "leads out of"),
    "image in a folder": (lambda c: c["images"][0].update(file_name="a/b.jpg"), "no plain name"),
    "image absolute": (lambda c: c["images"][0].update(file_name="/etc/passwd"), "leads out of"),
    "image twice": (lambda c: c["images"].append(c["images"][0]), "there twice"),
    "image id a truth value": (lambda c: c["images"][0].update(id=True), "id is 'True'"),
}


# Damage to one person: the others can be used.
PEOPLE = {
    "unknown image": (lambda p: p.update(image_id=7), "image_id 7 is not among"),
    "no image": (lambda p: p.pop("image_id"), "lacks image_id"),
    "image a truth value": (lambda p: p.update(image_id=True), "image_id is 'True'"),
    "no id": (lambda p: p.pop("id"), "lacks id"),
    "id twice": (lambda p: p.update(id=903), "is there twice"),
    "no joints": (lambda p: p.pop("keypoints"), "lacks keypoints"),
    "joints null": (lambda p: p.update(keypoints=None), "keypoints holds what are no plain numbers"),
    "joint missing": (lambda p: p.update(keypoints=p["keypoints"][:-3]), r"shape \(48,\)"),
    "joints nested": (lambda p: p.update(keypoints=[p["keypoints"]]), r"shape \(1, 51\)"),
    "joints ragged": (lambda p: p.update(keypoints=[[1, 2, 3], [4]]), "rows of different length"),
    "joint a string": (lambda p: p["keypoints"].__setitem__(0, "12"), "no plain numbers"),
    "joint a truth value": (lambda p: p["keypoints"].__setitem__(0, True), "no plain numbers"),
    "area a truth value": (lambda p: p.update(area=True), "area holds what are no plain numbers"),
    "crowd a string": (lambda p: p.update(iscrowd="0"), "iscrowd is '0'"),
    "no crowd": (lambda p: p.pop("iscrowd"), "lacks iscrowd"),
    "no count": (lambda p: p.pop("num_keypoints"), "lacks num_keypoints"),
    "id empty": (lambda p: p.update(id=""), "id is ''"),
    "image a string": (lambda p: p.update(image_id="51"), "image_id 51 is not among"),
    "joint NaN": (lambda p: p["keypoints"].__setitem__(0, float("nan")), "not finite, or too large"),
    "joint infinite": (lambda p: p["keypoints"].__setitem__(1, float("inf")), "not finite, or too large"),
    "joint far out": (lambda p: p["keypoints"].__setitem__(1, 10**30), "keypoints holds"),
    "unknown flag": (lambda p: p["keypoints"].__setitem__(2, 3), "a flag other than"),
    "negative flag": (lambda p: p["keypoints"].__setitem__(2, -1), "a flag other than"),
    "all joints outside": (lambda p: p.update(keypoints=[500, 500, 2] * 17, num_keypoints=17), "outside the image"),
    "count off": (lambda p: p.update(num_keypoints=3), "num_keypoints is 3, labeled are 16"),
    "count zero": (lambda p: p.update(num_keypoints=0), "num_keypoints is 0, labeled are 16"),
    "no box": (lambda p: p.pop("bbox"), "lacks bbox"),
    "zero box": (lambda p: p.update(bbox=[1, 2, 0, 5]), "a box without extent"),
    "negative box": (lambda p: p.update(bbox=[30, 40, -5, -5]), "a box without extent"),
    "box NaN": (lambda p: p.update(bbox=[1, 2, float("nan"), 4]), "bbox holds a value"),
    "box of three": (lambda p: p.update(bbox=[1, 2, 3]), r"bbox has shape \(3,\)"),
    "box an object": (lambda p: p.update(bbox={"x": 1}), "bbox holds what"),
    "box elsewhere": (lambda p: p.update(bbox=[9000, 9000, 5, 5]), "0 of 16 joints|0 of 8 joints"),
    "box of somebody else": (lambda p: p.update(bbox=[100, 60, 30, 30]), "joints lie in or near"),
    "box as thin as nothing": (lambda p: p.update(bbox=[1, 2, 1e-200, 5]), "a box without extent"),
    "joint at the smallest number": (lambda p: p["keypoints"].__setitem__(0, -(2**63)), "not finite, or too large"),
    "no area": (lambda p: p.pop("area"), "lacks area"),
    "zero area": (lambda p: p.update(area=0), "area is 0"),
    "crowd of two": (lambda p: p.update(iscrowd=2), "iscrowd is 2"),
    "another kind": (lambda p: p.update(category_id=2), "category_id is 2"),
    "kind a string": (lambda p: p.update(category_id="person"), "category_id is person, which is none"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Two images with one person each."""
    folder = tmp_path_factory.mktemp("coco")
    stored = content([51, 52], [person(901, 51), person(903, 52)])
    write(folder, "val2017", stored)
    return folder, stored


@pytest.mark.parametrize("name", [*FILES, *CONTENTS])
def test_a_damaged_file_is_one_error(small, name):
    folder, stored = small
    if name in FILES:
        change, reason = FILES[name]
        data = change(json.dumps(stored).encode())
    else:
        change, reason = CONTENTS[name]
        changed = copy.deepcopy(stored)
        change(changed)
        data = json.dumps(changed).encode()
    label_file(folder).write_bytes(data)
    for skip in (False, True):
        with pytest.raises(UserError, match=reason) as caught:
            open_dataset("coco", folder, "test", skip_damaged=skip)
        assert str(label_file(folder)) in str(caught.value)


@pytest.mark.parametrize("name", PEOPLE)
def test_a_damaged_person_is_one_error_or_left_out(small, name):
    folder, stored = small
    change, reason = PEOPLE[name]
    changed = copy.deepcopy(stored)
    change(changed["annotations"][0])
    # What is read first is right, so that a doubled id is the second's fault.
    changed["annotations"].reverse()
    label_file(folder).write_text(json.dumps(changed))
    with pytest.raises(UserError, match=reason) as caught:
        open_dataset("coco", folder, "test")
    assert str(label_file(folder)) in str(caught.value)
    with pytest.warns(DamagedClipsWarning, match=reason) as warned:
        dataset = open_dataset("coco", folder, "test", skip_damaged=True)
    assert [clip.truth.coco.annotation_id for clip in dataset] == [903]
    assert warned[0].message.count == 1
    report = check_dataset("coco", folder, pixels=False)
    assert len(report.faults) == 1 and report.splits["test"].clips == 1 and not report.ok


def test_everybody_damaged_names_the_reason(small):
    folder, stored = small
    changed = copy.deepcopy(stored)
    for entry in changed["annotations"]:
        entry["bbox"] = [0, 0, 0, 0]
    label_file(folder).write_text(json.dumps(changed))
    with pytest.raises(UserError, match=r"is empty .* \(2 entries are damaged, the first: .*without extent"):
        open_dataset("coco", folder, "test", skip_damaged=True)
