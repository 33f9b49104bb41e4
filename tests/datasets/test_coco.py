"""COCO: people of images as clips of one frame, a detector's boxes, and what happens to damaged files."""

import copy
import json
import pickle
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, DamagedClipsWarning, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.truth import CocoTruth, Truth
from rpstn.errors import UserError
from rpstn.metrics.standard import oks_score
from rpstn.skeletons import COCO

REAL = Path(__file__).parents[3] / "shared" / "data" / "COCO"
HEIGHT, WIDTH = 48, 64
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real COCO images here")


def person(identity, image, joints=None, flags=None, **other):
    generator = np.random.default_rng(identity)
    joints = generator.integers(4, 40, (17, 2)) if joints is None else np.asarray(joints)
    flags = [2, 1] * 8 + [0] if flags is None else flags
    stored = sum(([*joint, flag] if flag else [0, 0, 0] for joint, flag in zip(joints.tolist(), flags, strict=True)), [])
    entry = {"id": identity, "image_id": image, "category_id": 1, "iscrowd": 0, "area": 250.5, "bbox": [3.5, 2, 40.25, 44]}
    return entry | {"keypoints": stored, "num_keypoints": sum(flag > 0 for flag in flags)} | other


def content(images, people):
    listed = [{"id": number, "file_name": f"{number:012d}.jpg", "height": HEIGHT, "width": WIDTH} for number in images]
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(COCO.joints), "skeleton": []}
    return {"info": {}, "licenses": [], "images": listed, "annotations": people, "categories": [category]}


def write(root, year, stored):
    (root / "annotations").mkdir(exist_ok=True)
    (root / year).mkdir(exist_ok=True)
    for image in stored["images"]:
        pixels = np.full((HEIGHT, WIDTH, 3), (10 * (image["id"] % 20), 100, 50), np.uint8)
        cv2.imwrite(str(root / year / image["file_name"]), pixels)
    (root / "annotations" / f"person_keypoints_{year}.json").write_text(json.dumps(stored))


@pytest.fixture
def root(tmp_path):
    """40 images to train on, two people in each, and two to test on, with a crowd and one without labels."""
    train = range(1, 41)
    write(tmp_path, "train2017", content(train, [person(10 * image + k, image) for image in train for k in (1, 2)]))
    people = [
        person(903, 52),
        person(901, 51),
        person(902, 51, iscrowd=1),
        person(904, 52, flags=[0] * 17),
    ]
    write(tmp_path, "val2017", content([52, 51], people))
    return tmp_path


def test_reads_the_official_layout(root):
    dataset = open_dataset("coco", root, "test")
    assert dataset.skeleton == COCO and [clip.id for clip in dataset] == ["000000000051_901", "000000000052_903"]
    clip, stored = dataset[0], person(901, 51)
    expected = np.array(stored["keypoints"]).reshape(17, 3)
    np.testing.assert_array_equal(clip.joints[0], expected[:, :2])
    np.testing.assert_array_equal(clip.visibility[0], expected[:, 2])
    assert (VISIBLE, OCCLUDED, ABSENT) == tuple(clip.visibility[0, [0, 1, 16]])
    np.testing.assert_array_equal(clip.boxes, [[3.5, 2, 40.25, 44]])
    assert (clip.group, len(clip), clip.frames.size) == ("000000000051", 1, (HEIGHT, WIDTH))
    assert clip.truth == Truth(coco=CocoTruth(image_id=51, annotation_id=901, area=250.5, score=1.0, detected=False))
    pixels = clip.frames.read([0])[0]
    assert pixels.shape == (HEIGHT, WIDTH, 3) and np.abs(pixels[0, 0].astype(int) - [50, 100, 110]).max() < 6


def test_val_is_cut_from_train_by_image(root):
    splits = read_splits("coco", root, seed=3)
    sources = {name: {clip.group for clip in dataset} for name, dataset in splits.items()}
    assert len(sources["val"]) == 2 and len(sources["train"]) == 38 and not sources["val"] & sources["train"]
    assert [len(splits[name]) for name in ("train", "val", "test")] == [76, 4, 2]
    assert {clip.group for clip in open_dataset("coco", root, "val", seed=3)} == sources["val"]
    others = [{clip.group for clip in open_dataset("coco", root, "val", seed=seed)} for seed in range(4, 8)]
    assert any(other != sources["val"] for other in others)


def test_joint_outside_the_image_is_absent_and_counted(root):
    joints = np.full((17, 2), 20)
    joints[3] = WIDTH, 10
    write(root, "val2017", content([51], [person(1, 51, joints, [2] * 17)]))
    clip = open_dataset("coco", root, "test")[0]
    assert clip.visibility[0].tolist() == [2, 2, 2, 0] + [2] * 13 and clip.truth.joints_outside == 1


def test_few_joints_may_reach_out_of_the_box(root):
    """One hand beside the box is a label like others; far away it is not."""
    flags = [0] * 9 + [1] + [0] * 7
    for x, fits in ((35, True), (60, False)):
        lone = person(1, 51, np.full((17, 2), (x, 20)), flags, bbox=[5, 10, 18, 20])
        write(root, "val2017", content([51], [lone]))
        if fits:
            assert len(open_dataset("coco", root, "test")) == 1
        else:
            with pytest.raises(UserError, match="annotation 1: bbox: only 0 of 1 joints lie in or near"):
                open_dataset("coco", root, "test")


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


def test_ids_are_joined_not_counted(root):
    """Image 0, annotation 0, ids out of order and beyond 53 bits, and the same ids in the other file."""
    images = [2**53 + 1, 0, 2**53]
    people = [person(7, 2**53), person(0, 2**53 + 1), person(2**60, 0)]
    stored = content(images, people)
    for year in ("train2017", "val2017"):
        write(root, year, stored)
    found = open_dataset("coco", root, "test")
    assert [(clip.truth.coco.image_id, clip.truth.coco.annotation_id) for clip in found] == [
        (0, 2**60),
        (2**53, 7),
        (2**53 + 1, 0),
    ]
    for clip in found:
        np.testing.assert_array_equal(clip.boxes, [[3.5, 2, 40.25, 44]])
        assert clip.frames.paths[0].name == f"{clip.truth.coco.image_id:012d}.jpg"


def test_an_id_is_a_persons_own_also_among_crowds(root):
    """A crowd gives no clip, but the score looks at its id."""
    write(root, "val2017", content([51, 52], [person(902, 51, iscrowd=1), person(902, 52)]))
    with pytest.raises(UserError, match="annotation 902: this id is there twice"):
        open_dataset("coco", root, "test")


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


def label_file(folder):
    return folder / "annotations" / "person_keypoints_val2017.json"


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


def test_whole_file_without_warning(root):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(open_dataset("coco", root, "test", skip_damaged=True)) == 2


def test_missing_files_and_images(root):
    (root / "val2017" / "000000000052.jpg").unlink()
    with pytest.raises(UserError, match="000000000052.jpg: missing, though"):
        open_dataset("coco", root, "test")
    with pytest.warns(DamagedClipsWarning, match="1 damaged entries left out"):
        assert len(open_dataset("coco", root, "test", skip_damaged=True)) == 1
    dataset = open_dataset("coco", root, "test", labels_only=True)
    with pytest.raises(UserError, match="000000000052.jpg"):
        dataset[1].frames.read([0])
    label_file(root).unlink()
    with pytest.raises(UserError, match="person_keypoints_val2017.json: missing; unpack"):
        open_dataset("coco", root, "test")


def test_everybody_damaged_names_the_reason(small):
    folder, stored = small
    changed = copy.deepcopy(stored)
    for entry in changed["annotations"]:
        entry["bbox"] = [0, 0, 0, 0]
    label_file(folder).write_text(json.dumps(changed))
    with pytest.raises(UserError, match=r"is empty .* \(2 entries are damaged, the first: .*without extent"):
        open_dataset("coco", folder, "test", skip_damaged=True)


@real
def test_real_sample():
    dataset = open_dataset("coco", REAL, "test")
    stored = json.loads((REAL / "annotations" / "person_keypoints_val2017.json").read_text())
    expected = [entry for entry in stored["annotations"] if entry["num_keypoints"] and not entry["iscrowd"]]
    assert len(stored["annotations"]) == 93 and len(dataset) == len(expected) == 68
    known = {entry["id"]: entry for entry in expected}
    for clip in dataset:
        entry = known[clip.truth.coco.annotation_id]
        joints = np.array(entry["keypoints"]).reshape(17, 3)
        np.testing.assert_array_equal(clip.joints[0], joints[:, :2])
        np.testing.assert_array_equal(clip.visibility[0], joints[:, 2])
        np.testing.assert_allclose(clip.boxes[0], entry["bbox"], rtol=1e-6)
    assert dataset[0].frames.read([0]).shape == (1, *dataset[0].frames.size, 3)


def test_ids_crowds_and_categories_as_the_scorer_reads_them(tmp_path):
    """Reader and scorer take the same files: what one accepts, the other must not refuse, or evaluation ends after its work."""
    folder = tmp_path
    people = [person(7, "b_1", iscrowd=False), person(8, "b_1", iscrowd=True), person(9, "a_1"), person(10, 52)]
    for entry, identity in zip(people, (7, "x", -3, "y"), strict=True):
        entry["id"] = identity
    dog = {"id": "dog", "image_id": 52, "category_id": "dogs", "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    stored = content([51, 52], people)
    stored["images"][0]["id"] = "b_1"
    stored["images"].append(stored["images"][0] | {"id": "a_1", "file_name": "a.jpg"})
    stored["categories"].append({"id": "dogs", "name": "dog"})
    stored["annotations"].append(dog)
    folder.joinpath("annotations").mkdir()
    folder.joinpath("val2017").mkdir()
    for image in stored["images"]:
        cv2.imwrite(str(folder / "val2017" / image["file_name"]), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    label_file(folder).write_text(json.dumps(stored))
    dataset = open_dataset("coco", folder, "test")
    assert [clip.id for clip in dataset] == ["000000000052_y", "a_1_-3", "b_1_7"]
    assert [clip.group for clip in dataset] == ["000000000052", "a_1", "b_1"]
    poses = [np.asarray(clip.joints, np.float32) for clip in dataset]
    found = Predictions(tuple(clip.id for clip in dataset), poses, [np.ones((1, 17), np.float32)] * 3, [None] * 3)
    assert oks_score(found, dataset)["mean"] == pytest.approx(1.0)
