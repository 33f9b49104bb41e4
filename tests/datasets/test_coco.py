"""COCO: people of images as clips of one frame, whose ids and categories are the file's."""

import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, DamagedClipsWarning, open_dataset, read_splits
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


def write_official(root):
    """40 images to train on, two people in each, and two to test on, with a crowd and one without labels."""
    train = range(1, 41)
    write(root, "train2017", content(train, [person(10 * image + k, image) for image in train for k in (1, 2)]))
    people = [
        person(903, 52),
        person(901, 51),
        person(902, 51, iscrowd=1),
        person(904, 52, flags=[0] * 17),
    ]
    write(root, "val2017", content([52, 51], people))
    return root


def label_file(folder):
    return folder / "annotations" / "person_keypoints_val2017.json"


@pytest.fixture
def root(tmp_path):
    return write_official(tmp_path)


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
