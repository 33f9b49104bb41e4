"""MPII: the usual lists, the official MATLAB file, head boxes."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.metrics.keypoints import head_sizes
from rpstn.metrics.standard import standard_score
from rpstn.skeletons import MPII

REAL = Path(__file__).parents[3] / "shared" / "data" / "MPII"
real = pytest.mark.skipif(not REAL.is_dir(), reason="no MPII images here")
HEIGHT, WIDTH = 90, 120


def entry(index, image=None):
    """One person of a list, all joints labeled; 1-based."""
    generator = np.random.default_rng(index)
    joints = generator.uniform(5, 80, (16, 2)).round(1)
    return {
        "image": image or f"{index:09d}.jpg",
        "joints": joints.tolist(),
        "joints_vis": [1] * 16,
        "center": [50.0, 40.0 + index],
        "scale": 0.3 + 0.01 * index,
    }


def write_lists(root, train, valid, heads=True):
    (root / "annot").mkdir(parents=True, exist_ok=True)
    (root / "images").mkdir(exist_ok=True)
    for name, people in (("train", train), ("valid", valid)):
        (root / "annot" / f"{name}.json").write_text(json.dumps(people))
    for person in (*train, *valid):
        cv2.imwrite(str(root / "images" / person["image"]), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    if heads:
        corners = np.array([[[11 + i, 21], [31 + i, 41 + i]] for i in range(len(valid))], float).transpose(1, 2, 0)
        savemat(root / "annot" / "gt_valid.mat", {"headboxes_src": corners})
    return root


@pytest.fixture
def root(tmp_path):
    train = [entry(index, f"{index // 2:09d}.jpg") for index in range(40)]
    return write_lists(tmp_path / "mpii", train, [entry(index) for index in range(100, 105)])


def struct(**fields):
    """A MATLAB struct of one element."""
    return np.array([tuple(fields.values())], dtype=[(name, object) for name in fields])


def structs(items):
    return np.concatenate(items) if items else np.zeros((0, 0))


def official_person(index, hidden=(), head=True, place=True, points=range(16)):
    item = entry(index)
    marks = []
    for joint in points:
        x, y = item["joints"][joint]
        # Neck and head top have an empty flag, others a number, in some files a text.
        flag = np.zeros((0, 0)) if joint in (8, 9) else "0" if joint in hidden and joint % 2 else float(joint not in hidden)
        marks.append(struct(x=x, y=y, id=float(joint), is_visible=flag))
    fields = {"x1": 11.0, "y1": 21.0, "x2": 31.0, "y2": 51.0} if head else {}
    fields["annopoints"] = struct(point=structs(marks)) if marks else np.zeros((0, 0))
    if place:
        fields |= {"scale": item["scale"], "objpos": struct(x=item["center"][0], y=item["center"][1])}
    return fields


def write_official(root, images, train):
    """images: a list of (name, people)."""
    root.mkdir(parents=True, exist_ok=True)
    annolist = []
    for name, people in images:
        keys = list(dict.fromkeys(key for person in people for key in person))
        rects = [struct(**{key: person.get(key, np.zeros((0, 0))) for key in keys}) for person in people]
        annolist.append(struct(image=struct(name=name), annorect=structs(rects)))
        (root / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(root / "images" / name), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    release = struct(annolist=structs(annolist)[None], img_train=np.array(train, np.uint8)[None])
    savemat(root / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})


def test_lists(root):
    splits = read_splits("mpii", root)
    assert sum(map(len, splits.values())) == 45 and [clip.id for clip in splits["test"]] == [f"valid-0000{i}" for i in range(5)]
    assert {clip.group for clip in splits["val"]}.isdisjoint({clip.group for clip in splits["train"]})
    assert len(splits["val"]) == 2  # one image of twenty, with both of its people
    item, clip = entry(101), splits["test"][1]
    assert clip.group == "000000101" and clip.frames.size == (HEIGHT, WIDTH) and len(clip) == 1
    np.testing.assert_allclose(clip.joints[0], np.array(item["joints"]) - 1, rtol=1e-5)
    assert (clip.visibility == VISIBLE).all() and clip.truth.boxes_repaired == 0
    x, y, width, height = clip.boxes[0]
    assert width == height == pytest.approx(200 * item["scale"])
    assert x + width / 2 == pytest.approx(item["center"][0] - 1)
    assert y + height / 2 == pytest.approx(item["center"][1] - 1 + 15 * item["scale"])
    np.testing.assert_allclose(clip.truth.head_boxes, [[11, 20, 20, 21]])
    assert head_sizes(clip.truth.head_boxes)[0] == pytest.approx(0.6 * np.hypot(20, 21))
    assert np.isnan(splits["train"][0].truth.head_boxes).all()
    assert open_dataset("mpii", root, "test").skeleton == MPII and check_dataset("mpii", root).ok


def test_unlabeled_and_outside(root):
    people = [entry(0), entry(1)]
    people[0]["joints"][0], people[0]["joints_vis"][0] = [-1.0, -1.0], 0
    people[0]["joints"][1] = [0.2, 30]  # left of the first pixel's edge
    write_lists(root, [entry(5)], people)
    clip = open_dataset("mpii", root, "test")[0]
    assert clip.visibility[0].tolist() == [ABSENT, ABSENT] + [VISIBLE] * 14 and clip.truth.joints_outside == 1


def test_pckh_counts_labeled_joints_outside_the_image(root):
    """Thirteen right and one, left of the image, 500 px off: 13 / 14, pelvis and thorax not counting."""
    person = entry(0)
    person["joints"][0] = [-4.0, 30.0]
    write_lists(root, [entry(5)], [person])
    dataset = open_dataset("mpii", root, "test")
    assert dataset[0].visibility[0, 0] == ABSENT and dataset[0].truth.annotated.all()
    found = dataset[0].joints.copy()
    found[0, 0] += 500
    predictions = Predictions((dataset[0].id,), [found], [np.ones((1, 16), np.float32)], [None])
    assert standard_score(predictions, dataset)["pckh"]["mean"] == pytest.approx(13 / 14)


def test_left_and_right_are_averaged_as_the_official_table_does(root):
    """The only left ankle is found, and of two right ones one: 3/4, where all samples together give 2/3."""
    people = [entry(0), entry(1)]
    left, right = MPII.index("left_ankle"), MPII.index("right_ankle")
    people[1]["joints_vis"][left], people[1]["joints"][left] = 0, [-1.0, -1.0]
    write_lists(root, [entry(5)], people)
    dataset = open_dataset("mpii", root, "test")
    joints = [clip.joints.copy() for clip in dataset]
    joints[0][0, right] += 500
    ones = [np.ones((1, 16), np.float32)] * 2
    predictions = Predictions(tuple(clip.id for clip in dataset), joints, ones, [None, None])
    assert standard_score(predictions, dataset)["pckh"]["joints"]["ankle"] == pytest.approx(3 / 4)


def test_without_head_boxes_there_are_none(tmp_path):
    write_lists(tmp_path, [entry(0), entry(1)], [entry(2)], heads=False)
    assert np.isnan(open_dataset("mpii", tmp_path, "test")[0].truth.head_boxes).all()


def test_head_boxes_from_the_official_file(tmp_path):
    """Found by image and center; two people at one place stay without."""
    write_lists(tmp_path, [entry(0)], [entry(2), entry(3), entry(4)], heads=False)
    images = [(f"{index:09d}.jpg", [official_person(index)]) for index in (2, 3)]
    images.append((f"{4:09d}.jpg", [official_person(4), official_person(4)]))
    write_official(tmp_path, images, [1, 1, 1])
    clips = open_dataset("mpii", tmp_path, "test")
    assert [bool(np.isfinite(clip.truth.head_boxes).all()) for clip in clips] == [True, True, False]
    np.testing.assert_allclose(clips[0].truth.head_boxes, [[10, 20, 20, 30]])


def test_official_file_alone(tmp_path):
    images = [(f"{index:09d}.jpg", [official_person(index, hidden=(0, 1))]) for index in range(40)]
    images[3][1].append(official_person(50, points=()))  # someone in the background
    images.append(("000000099.jpg", [official_person(51)]))  # an official test image
    write_official(tmp_path, images, [1] * 40 + [0])
    splits = read_splits("mpii", tmp_path)
    assert [len(splits[split]) for split in ("train", "val", "test")] == [36, 2, 2]
    assert "000000099" not in {clip.group for dataset in splits.values() for clip in dataset}
    again = read_splits("mpii", tmp_path, seed=1)
    assert [clip.id for clip in again["test"]] == [clip.id for clip in splits["test"]]
    clip = splits["test"][0]
    assert clip.visibility[0].tolist() == [OCCLUDED, OCCLUDED] + [VISIBLE] * 14
    np.testing.assert_allclose(clip.joints[0], np.array(entry(int(clip.group))["joints"]) - 1, rtol=1e-5)
    np.testing.assert_allclose(clip.truth.head_boxes, [[10, 20, 20, 30]])


def test_official_person_without_a_place_gets_a_box_from_the_joints(tmp_path):
    images = [(f"{index:09d}.jpg", [official_person(index, place=index != 1, head=False)]) for index in range(3)]
    write_official(tmp_path, images, [1, 1, 1])
    clips = {clip.group: clip for dataset in read_splits("mpii", tmp_path).values() for clip in dataset}
    assert {source: clip.truth.boxes_repaired for source, clip in clips.items()} == {
        "000000000": 0, "000000001": 1, "000000002": 0,
    }  # fmt: skip
    box, joints = clips["000000001"].boxes[0], clips["000000001"].joints[0]
    assert (joints >= box[:2]).all() and (joints <= box[:2] + box[2:]).all()
    assert np.isnan(clips["000000001"].truth.head_boxes).all()


def test_missing_files(root):
    (root / "images" / "000000102.jpg").unlink()
    with pytest.raises(UserError, match=r"000000102\.jpg: missing"):
        open_dataset("mpii", root, "test")
    assert len(open_dataset("mpii", root, "test", labels_only=True)) == 5
    (root / "annot" / "train.json").unlink()
    with pytest.raises(UserError, match="split 'train' is empty"):
        open_dataset("mpii", root, "train")
    shutil.rmtree(root / "annot")
    with pytest.raises(UserError, match="neither annot/train.json"):
        open_dataset("mpii", root)


@real
def test_real_images():
    dataset = open_dataset("mpii", REAL, "test")
    assert len(dataset) == 5
    for clip in dataset:
        height, width = clip.frames.size
        seen = clip.joints[clip.visibility == VISIBLE]
        assert ((seen >= 0) & (seen < [width, height])).all()
        middle = clip.boxes[0, :2] + clip.boxes[0, 2:] / 2
        assert np.abs(seen.mean(axis=0) - middle).max() < 0.25 * clip.boxes[0, 2]
        # As the skeleton says: pelvis and thorax are middles.
        joints = clip.joints[0]
        for name, part in (("pelvis", "hip"), ("thorax", "shoulder")):
            between = (joints[MPII.index(f"left_{part}")] + joints[MPII.index(f"right_{part}")]) / 2
            assert np.abs(joints[MPII.index(name)] - between).max() <= 1
        assert joints[MPII.index("head_top"), 1] < joints[MPII.index("upper_neck"), 1]
