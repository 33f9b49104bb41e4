"""One's own joints, frames and labels: the worked example, and every part of the description."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, Clip, open_dataset, read_splits
from rpstn.datasets.boxes import fill_boxes, joints_box
from rpstn.datasets.check import check_dataset
from rpstn.datasets.own import own_clip, write_own
from rpstn.datasets.own.description import read_skeleton
from rpstn.errors import UserError
from rpstn.skeletons import PENN_ACTION, SUB_JHMDB, Skeleton

HEIGHT, WIDTH, LENGTH = 40, 60, 4
ARM = Skeleton("arm", ("neck", "left_hand", "right_hand"), ((0, 1), (0, 2)), ((1, 2),), (0, 1), (0, 1, 2))


def clip(name, seed=0, **fields):
    generator = np.random.default_rng(seed)
    frames = generator.integers(0, 256, (LENGTH, HEIGHT, WIDTH, 3)).astype(np.uint8)
    joints = generator.uniform(0, HEIGHT - 1, (LENGTH, 3, 2)).round(3)
    return own_clip(name, frames, joints, **fields)


def described(root, clips, **fields):
    skeleton = {
        "joints": list(ARM.joints),
        "limbs": [["neck", "left_hand"], ["neck", "right_hand"]],
        "flip_pairs": [["left_hand", "right_hand"]],
        "torso": ["neck", "left_hand"],
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps({"name": "arm", "skeleton": skeleton, "clips": clips} | fields))
    return root


def images(folder, count=LENGTH):
    folder.mkdir(parents=True)
    for index in range(count):
        cv2.imwrite(str(folder / f"{index}.png"), np.full((HEIGHT, WIDTH, 3), 20 * index, np.uint8))


def test_written_data_come_back(tmp_path):
    visibility = np.full((LENGTH, 3), VISIBLE)
    visibility[1, 2], visibility[2, 0] = OCCLUDED, ABSENT
    boxes = np.tile(np.array([1.5, 2, 30, 35]), (LENGTH, 1))
    first = clip("a", 1, visibility=visibility, boxes=boxes, group="video", action="wave")
    members = {"train": [first], "val": [clip("b", 2)], "test": [clip("c", 3)]}
    assert write_own(tmp_path / "mine", members, ARM) == tmp_path / "mine"
    dataset = open_dataset("own", tmp_path / "mine")
    assert dataset.skeleton == ARM and [one.id for one in dataset] == ["a"]
    found = dataset[0]
    assert (found.group, found.action) == ("video", "wave")
    there = visibility != ABSENT
    np.testing.assert_allclose(found.joints[there], first.joints[there], atol=1e-3)
    np.testing.assert_array_equal(found.visibility, visibility)
    np.testing.assert_allclose(found.boxes, boxes)
    np.testing.assert_array_equal(found.frames.read([3, 0]), first.frames.read([3, 0]))
    for split, name in (("train", "a"), ("val", "b"), ("test", "c")):
        assert [one.id for one in open_dataset("own", tmp_path / "mine", split)] == [name]
    report = check_dataset("own", tmp_path / "mine")
    assert report.ok and report.pixels == "12 frames decoded"


def test_a_known_data_set_can_be_written(embedded_root, tmp_path):
    dataset = open_dataset("embedded", embedded_root, "test")
    write_own(tmp_path, {"test": dataset.clips[:2]}, PENN_ACTION, suffix=".jpg")
    back = open_dataset("own", tmp_path, "test")
    assert back.skeleton == PENN_ACTION and back[0].frames.paths[0].suffix == ".jpg"
    for a, b in zip(dataset, back, strict=False):
        np.testing.assert_array_equal(a.visibility, b.visibility)
        there = a.visibility != ABSENT
        np.testing.assert_allclose(a.joints[there], b.joints[there], atol=1e-3)
        assert np.abs(a.frames.read([0]).astype(int) - b.frames.read([0])).mean() < 6


def test_labels_inline_and_a_video(tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / "run.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (WIDTH, HEIGHT))
    for index in range(LENGTH):
        writer.write(np.full((HEIGHT, WIDTH, 3), 40 * index, np.uint8))
    writer.release()
    joints = [[[10, 20], [5, 9.5], [30, 30]]] * LENGTH
    entry = {"id": "run", "split": "test", "video": "run.avi", "joints": joints, "visibility": [[2, 1, 0]] * LENGTH}
    described(tmp_path, [entry])
    (found,) = open_dataset("own", tmp_path, "test")
    np.testing.assert_array_equal(found.joints[0], joints[0])
    assert found.visibility[3].tolist() == [VISIBLE, OCCLUDED, ABSENT]
    assert found.frames.read([1, 3]).mean(axis=(1, 2, 3)) == pytest.approx([40, 120], abs=3)
    # Around the two joints that are there: 10 x 10.5 px, 15 % of 10.5 more to each side.
    x, y, width, height = found.boxes[0]
    assert (x, y) == pytest.approx((5 - 1.575, 9.5 - 1.575)) and (width, height) == pytest.approx((8.15, 13.65))


def test_tables(tmp_path):
    images(tmp_path / "f" / "a")
    (tmp_path / "a.csv").write_text("frame,joint,x,y\n0,neck,10,11\n0,left_hand,3,4\n2,neck,50,30\n3,right_hand,99,5\n")
    described(tmp_path, [{"id": "a", "frames": "f/a", "labels": "a.csv", "split": "test"}])
    (found,) = open_dataset("own", tmp_path, "test")
    assert found.visibility.tolist() == [[2, 2, 0], [0, 0, 0], [2, 0, 0], [0, 0, 0]]  # the last lies outside
    assert found.truth.joints_outside == 1 and found.joints[2, 0].tolist() == [50, 30]
    assert (found.boxes == found.boxes[0]).all()  # the only frame with two joints
    (tmp_path / "b.csv").write_text("frame,x,y,width,height\n1,2,3,10,20\n3,4,5,6,7\n")
    described(tmp_path, [{"id": "a", "frames": "f/a", "labels": "a.csv", "boxes": "b.csv", "split": "test"}])
    (found,) = open_dataset("own", tmp_path, "test")
    assert found.boxes[:, 2].tolist() == [10, 10, 10, 6] and found.truth.boxes_repaired == 2
    # A byte order mark, as spreadsheets write it, and states in any order of columns.
    table = "\ufeffvisibility,joint,frame,y,x\n1,neck,0,11,10\n,left_hand,0,4,3\n0,right_hand,0,,\n"
    (tmp_path / "a.csv").write_text(table, encoding="utf-8")
    (found,) = open_dataset("own", tmp_path, "test")
    assert found.visibility[0].tolist() == [OCCLUDED, VISIBLE, ABSENT] and found.joints[0, 0].tolist() == [10, 11]


@pytest.mark.parametrize("key", ("group", "source"))
def test_val_is_cut_by_group_where_none_is_given(tmp_path, key):
    entries = []
    for index in range(20):
        entry = {"id": f"{index}", key: f"video{index // 2}", "joints": [[[1, 2], [3, 4], [5, 6]]], "frames": f"f/{index}"}
        entries.append(entry)
    described(tmp_path, entries)
    splits = read_splits("own", tmp_path, labels_only=True)
    assert [len(splits[split]) for split in ("train", "val", "test")] == [18, 2, 0]
    assert len({one.group for one in splits["val"]}) == 1
    assert not {one.group for one in splits["val"]} & {one.group for one in splits["train"]}
    described(tmp_path, [entry | {"split": "val" if index == 7 else "train"} for index, entry in enumerate(entries)])
    splits = read_splits("own", tmp_path, labels_only=True)
    assert [one.id for one in splits["val"]] == ["7"] and len(splits["train"]) == 19
    with pytest.raises(UserError, match="f/0: missing"):
        open_dataset("own", tmp_path)
    with pytest.raises(UserError, match="000000.png"):
        splits["val"][0].frames.read([0])


def test_without_images_a_table_gives_the_length(tmp_path):
    (tmp_path / "a.csv").write_text("frame,joint,x,y\n0,neck,10,11\n5,left_hand,3,4\n5,neck,8,9\n")
    described(tmp_path, [{"id": "a", "frames": "f/a", "labels": "a.csv"}])
    (found,) = open_dataset("own", tmp_path, labels_only=True)
    assert len(found) == 6 and found.visibility[5].tolist() == [2, 2, 0]


def test_skeletons(tmp_path):
    described(tmp_path, [{"id": "a"}])
    assert read_skeleton(tmp_path) == ARM
    stated = json.loads((tmp_path / "dataset.json").read_text())["skeleton"]
    more = {"order": ["left_hand", "neck", "right_hand"], "sigmas": [0.1, 0.2, 0.2], "unscored": ["neck"], "name": "hands"}
    described(tmp_path, [{"id": "a"}], skeleton=stated | more)
    found = read_skeleton(tmp_path)
    assert (found.name, found.order, found.sigmas, found.scored) == ("hands", (1, 0, 2), (0.1, 0.2, 0.2), (1, 2))
    assert found.flip_permutation == (0, 2, 1)
    described(tmp_path, [{"id": "a"}], skeleton="sub_jhmdb")
    assert read_skeleton(tmp_path) is SUB_JHMDB
    described(tmp_path, [{"id": "a"}], skeleton=stated | {"name": "penn_action"})
    with pytest.raises(UserError, match="is there already and is another"):
        read_skeleton(tmp_path)


def test_what_cannot_be_written(tmp_path):
    write_own(tmp_path, {"train": [clip("a")]}, ARM)
    with pytest.raises(UserError, match="there is a data set already"):
        write_own(tmp_path, {"train": [clip("b")]}, ARM)
    write_own(tmp_path, {"train": [clip("b")]}, ARM, overwrite=True)
    assert sorted(path.name for path in (tmp_path / "frames").iterdir()) == ["b"]
    for members, skeleton, words in (
        ({"dev": [clip("a")]}, ARM, "no split 'dev'"),
        ({"train": []}, ARM, "needs clips"),
        ({"train": [clip("a")], "test": [clip("a")]}, ARM, "repeat"),
        ({"train": [clip("../a")]}, ARM, "cannot name a file"),
        ({"train": [clip("a")]}, PENN_ACTION, "has 3 joints, skeleton 'penn_action' has 13"),
    ):
        with pytest.raises(UserError, match=words):
            write_own(tmp_path / "other", members, skeleton)
    with pytest.raises(UserError, match="visibility must be"):
        clip("a", visibility=np.full((LENGTH, 3), 3))
    with pytest.raises(UserError, match="uint8 in RGB"):
        own_clip("a", np.zeros((2, 4, 4, 3)), np.zeros((2, 3, 2)))
    with pytest.raises(UserError, match="do not fit together"):
        own_clip("a", np.zeros((2, 4, 4, 3), np.uint8), np.zeros((3, 3, 2)))


def test_nan_is_absent():
    joints = np.zeros((1, 3, 2))
    joints[0, 1, 0] = np.nan
    found = own_clip("a", np.zeros((1, 8, 9, 3), np.uint8), joints)
    assert found.visibility.tolist() == [[VISIBLE, ABSENT, VISIBLE]] and np.isfinite(found.joints).all()
    assert found.boxes.tolist() == [[-0.5, -0.5, 9, 8]]


def test_boxes():
    np.testing.assert_allclose(joints_box(np.array([[2.0, 4], [12, 9]]), 0.1), [1, 3, 12, 7])
    assert joints_box(np.array([[2.0, 4], [2, 4]]), 0.1) is None
    filled, repaired = fill_boxes(np.array([[0, 0, 0, 0], [1, 2, 3, 4], [0, 0, -1, 5], [np.nan, 0, 1, 1], [5, 6, 7, 8]]))
    assert filled[:, 0].tolist() == [1, 1, 1, 5, 5] and repaired == 3
    assert fill_boxes(np.zeros((3, 4))) == (None, 3)


def bare(name="a", joints=None, visibility=None, boxes=None, **fields):
    """A clip that no check has seen."""
    made = clip(name)
    joints = made.joints if joints is None else joints
    visibility = made.visibility if visibility is None else visibility
    return Clip(name, fields.get("group", name), fields.get("action", ""), joints, visibility, boxes_of(made, boxes), made.frames)


def boxes_of(made, boxes):
    return made.boxes if boxes is None else np.full((LENGTH, 4), boxes, np.float32)


ODD = ("a ", " a", "a\n", "a\udcff", "a\0", "")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        *((lambda name=name: bare(name), "cannot name a file") for name in (*ODD, ".", "..", "a/b")),
        (lambda: bare("a" * 300), "is too long to name a file"),
        (lambda: bare("腕" * 100), "is too long to name a file"),
        (lambda: clip(3), "the clip id 3 is no text; give a text such as '3'"),
        (lambda: clip("a", group=3), "its group 3 is no text"),
        (lambda: bare(action=None), "its action None is no text"),
        (lambda: clip("a", visibility=np.ones((LENGTH, 3), bool)), "visibility holds True and False; write 0 absent"),
        (lambda: bare(visibility=np.ones((LENGTH, 3), bool)), "visibility holds True and False; write 0 absent"),
        (lambda: bare(visibility=np.full((LENGTH, 3), 3)), "visibility must be 0 absent"),
        (lambda: bare(visibility=np.zeros((LENGTH, 3), np.uint8)), "no joint in any of its 4 frames"),
        (lambda: bare(joints=np.full((LENGTH, 3, 2), np.nan)), "joints that are there and have no coordinates"),
        (lambda: bare(joints=np.full((LENGTH, 3, 2), 62.0)), "all its joints outside"),
        (lambda: bare(joints=np.full((LENGTH, 3, 2), -9999.0)), "outside"),
        (lambda: bare(boxes=np.nan), "none of its 4 boxes has an extent"),
        (lambda: bare(boxes=(5, 5, 0, 0)), "none of its 4 boxes has an extent"),
        (lambda: bare(boxes=(5, 5, 9999, 5)), "reaches far outside"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(tmp_path, make, words):
    with pytest.raises(UserError, match=words):
        write_own(tmp_path / "new", {"test": [make()]}, ARM)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *(({"joints": (name, "b", "c")}, "joint") for name in ODD),
        ({"torso": (1, 1)}, "torso is one joint twice"),
        ({"flip_pairs": ((1, 2), (0, 1))}, "name a joint twice"),
        ({"sigmas": (0.1, -1, 0.1)}, "sigmas must be positive"),
        ({"name": "penn_action"}, "is there already and is another"),
    ],
)
def test_skeletons_that_could_not_be_read_again(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        write_own(tmp_path / "new", {"test": [clip("a")]}, replace(ARM, **changes))
    assert not (tmp_path / "new").exists()


def test_what_is_accepted_comes_back_equal(tmp_path):
    """Odd names of clips and joints, gaps in boxes, joints that are absent."""
    names = ('le"ft, up', "Käse 腕", "#1;2")
    skeleton = Skeleton("odd; names", names, [[0, 1]], (), (0, 2), [2, 0, 1], (0.1, 0.2, 0.3), (1,))
    boxes = np.array([[np.nan] * 4, [1, 2, 30, 20], [5, 5, 0, 0], [2, 3, 31, 21]])
    visibility = np.array([[2, 1, 0], [0, 0, 0], [0, 1, 2], [2, 2, 2]])
    members = [
        clip("2024-11-14T22:57:44", 1, visibility=visibility, boxes=boxes, group="g/1 ", action="a,b"),
        clip("a.boxes.b", 2),
        clip("." + "x" * 230, 3),
        clip("a", 4, group=""),
    ]
    write_own(tmp_path / "own", {"test": members}, skeleton, name="\u2028")
    back = open_dataset("own", tmp_path / "own", "test")
    assert back.skeleton.joints == names and back.skeleton.limbs == ((0, 1),) and back.skeleton.unscored == (1,)
    for a, b in zip(members, back, strict=True):
        assert (a.id, a.group, a.action) == (b.id, b.group, b.action)
        np.testing.assert_array_equal(a.visibility, b.visibility)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-3)
        there = a.visibility != ABSENT
        np.testing.assert_allclose(a.joints[there], b.joints[there], atol=1e-3)
        np.testing.assert_array_equal(a.frames.read(range(LENGTH)), b.frames.read(range(LENGTH)))
    with pytest.raises(UserError, match="'a.boxes' and 'a' would share a table"):
        write_own(tmp_path / "new", {"train": [clip("a"), clip("a.boxes")]}, ARM)


def test_a_joint_that_a_table_cannot_name(tmp_path):
    skeleton = {"joints": ["a ", "b"], "torso": ["a ", "b"]}
    described(tmp_path, [{"id": "a"}], skeleton=skeleton)
    with pytest.raises(UserError, match="skeleton has the joint 'a ', which a table cannot name"):
        read_skeleton(tmp_path)
