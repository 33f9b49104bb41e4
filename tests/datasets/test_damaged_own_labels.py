"""Damaged descriptions, tables and images of one's own data: each gives one error, naming the file and the reason."""

import copy
import json

import cv2
import numpy as np
import pytest

from . import test_own as own
from .damage import ANY_FILE, assert_one_error, emptied, truncated


def images(case, path):
    if case == "size":
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    else:
        {"emptied": emptied, "truncated": truncated}[case](path)


@pytest.fixture
def own_root(tmp_path):
    return own.write_own(tmp_path, {"train": [own.clip("a", 1), own.clip("b", 2)], "test": [own.clip("c", 3)]}, own.ARM)


@pytest.mark.parametrize("damage", ANY_FILE)
def test_own_description_file(own_root, damage):
    ANY_FILE[damage](own_root / "dataset.json")
    assert_one_error("own", own_root, "dataset.json", "not a readable JSON file|cannot read this|is empty")


@pytest.mark.parametrize("name", ["b.csv", "b.boxes.csv"])
@pytest.mark.parametrize("damage", [name for name in ANY_FILE if name != "truncated"])
def test_own_tables(own_root, damage, name):
    ANY_FILE[damage](own_root / "labels" / name)
    assert_one_error("own", own_root, f"labels/{name}", "head line|cannot read|not a readable table", others=True)


def put(*keys, value):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return change


def drop(*keys):
    def change(content):
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return change


OWN = {
    "no skeleton": (drop("skeleton"), "lacks skeleton"),
    "no clips": (drop("clips"), "lacks clips"),
    "clips empty": (put("clips", value=[]), "no list with clips"),
    "clips an object": (put("clips", value={"a": 1}), "no list with clips"),
    "a misspelled key": (put("clip", value=[]), "has the key 'clip'"),
    "skeleton a number": (put("skeleton", value=3), "neither an object nor a name"),
    "skeleton unknown": (put("skeleton", value="horse"), "no skeleton is called 'horse'"),
    "no joints": (drop("skeleton", "joints"), "skeleton's joints"),
    "joints empty": (put("skeleton", "joints", value=[]), "no joints"),
    "joints repeat": (put("skeleton", "joints", value=["neck", "left_hand", "right_hand", "neck"]), "repeat"),
    "joints numbers": (put("skeleton", "joints", value=[1, 2]), "list of names"),
    "a limb to nowhere": (put("skeleton", "limbs", 0, 1, value="tail"), "'tail', which is no joint"),
    "a limb of three": (put("skeleton", "limbs", 0, value=["neck", "left_hand", "right_hand"]), "expected two names"),
    "limbs a text": (put("skeleton", "limbs", value="all"), "pairs of names"),
    "a flip pair twice": (put("skeleton", "flip_pairs", value=[["neck", "left_hand"], ["neck", "right_hand"]]), "twice"),
    "no torso": (drop("skeleton", "torso"), "torso"),
    "a torso of one": (put("skeleton", "torso", value=["neck", "neck"]), "one joint twice"),
    "order short": (put("skeleton", "order", value=["neck"]), "order must name"),
    "sigmas short": (put("skeleton", "sigmas", value=[0.1]), "sigmas has shape"),
    "sigmas zero": (put("skeleton", "sigmas", value=[0.1, 0, 0.1]), "must be positive"),
    "a name taken": (put("skeleton", "name", value="coco"), "is there already"),
    "a misspelled skeleton key": (put("skeleton", "flips", value=[]), "has the key 'flips'"),
}


@pytest.mark.parametrize("case", OWN)
def test_own_description(own_root, case):
    change, reason = OWN[case]
    path = own_root / "dataset.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
    assert_one_error("own", own_root, "dataset.json", reason)


INLINE = [[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]] * own.LENGTH


def inline(joints=INLINE, **more):
    """Labels in dataset.json itself, in place of the tables."""

    def change(entry):
        del entry["labels"], entry["boxes"]
        entry |= {"joints": joints} | more

    return change


def changed(*keys, value):
    joints = copy.deepcopy(INLINE)
    put(*keys, value=value)(joints)
    return joints


OWN_CLIP = {
    "no id": (drop("id"), "has the id None"),
    "id a number": (put("id", value=3), "has the id 3"),
    "id of another": (put("id", value="a"), "the id 'a' of another"),
    "split unknown": (put("split", value="dev"), "split 'dev'"),
    "split a list": (put("split", value=["train"]), "has the split"),
    "action a number": (put("action", value=1), "must be texts"),
    "group a number": (put("group", value=1), "must be texts"),
    "two names of the group": (lambda entry: entry.update(group="a", source="a"), "two names of one key; leave out source"),
    "a misspelled key": (put("label", value="x.csv"), "has the key 'label'"),
    "no frames": (drop("frames"), "needs either"),
    "frames and video": (put("video", value="a.mp4"), "needs either"),
    "frames elsewhere": (put("frames", value="../../frames"), "leads out of the folder"),
    "frames at the root": (put("frames", value="/etc"), "leads out of the folder"),
    "frames a number": (put("frames", value=3), "expected a path"),
    "frames with a long name": (put("frames", value="a" * 5000), "expected a path"),
    "frames at the end of a long path": (put("frames", value="a/" * 1500), "expected a path"),
    "labels with half a letter": (put("labels", value="\ud800.csv"), "expected a path"),
    "boxes with half a letter": (put("boxes", value="\ud800.csv"), "expected a path"),
    "frames missing": (put("frames", value="frames/z"), "missing, though"),
    "frames without images": (put("frames", value="labels"), "no images there"),
    "no labels": (drop("labels"), "needs either"),
    "two kinds of labels": (put("joints", value=INLINE), "needs either"),
    "states beside a table": (put("visibility", value=[]), "which has its own"),
    "inline: two joints": (inline([[[1, 2], [3, 4]]] * 4), "joints has shape"),
    "inline: ragged": (inline(changed(1, 1, value=[3])), "no plain numbers, or rows"),
    "inline: text": (inline(changed(1, 1, value=["a", "b"])), "no plain numbers, or rows"),
    "inline: null": (inline(changed(1, 1, value=[None, 1])), "no plain numbers, or rows"),
    "inline: NaN": (inline(changed(1, 1, 0, value=float("nan"))), "not finite, or too large"),
    "inline: the smallest whole number": (inline([[[-(2**63), 2], [3, 4], [5, 6]]] * 4), "not finite, or too large"),
    "inline: infinity": (inline(changed(1, 1, 0, value=float("inf"))), "not finite, or too large"),
    "inline: empty": (inline([]), "joints has shape"),
    "inline: a frame too few": (inline(INLINE[1:]), "4 images"),
    "inline: states of another shape": (inline(visibility=[[2, 2]] * 4), "visibility has shape"),
    "inline: state 3": (inline(visibility=[[2, 2, 3]] * 4), "visibility must be"),
    "inline: nobody": (inline(visibility=[[0, 0, 0]] * 4), "nobody is there"),
    "inline: all outside": (inline([[[-9.0, -9.0]] * 2 + [[-9.0, 500.0]]] * 4), "all its joints outside"),
    "inline: boxes of another shape": (inline(boxes=[[0, 0, 5]] * 4), "boxes has shape"),
    "inline: boxes zero": (inline(boxes=[[0, 0, 0, 5]] * 4), "none of its 4 boxes"),
    "inline: joints at one point": (inline([[[5.0, 5.0]] * 3] * 4), "none of its 4 boxes"),
    "boxes a number": (put("boxes", value=3), "boxes has shape"),
    "video missing": (lambda entry: (entry.pop("frames"), put("video", value="z.mp4")(entry)), "missing, though"),
}


@pytest.mark.parametrize("case", OWN_CLIP)
def test_own_clip(own_root, case):
    change, reason = OWN_CLIP[case]
    path = own_root / "dataset.json"
    content = json.loads(path.read_text())
    change(content["clips"][1])
    path.write_text(json.dumps(content))
    file = "labels" if case == "frames without images" else "frames/b" if "too few" in case else "dataset.json"
    assert_one_error("own", own_root, file, reason, others=True)


OWN_LINES = {
    "frame 4 of 4": ("4,neck,1,2,2", "the frame '4'"),
    "frame -1": ("-1,neck,1,2,2", "the frame '-1'"),
    "frame 1.5": ("1.5,neck,1,2,2", "the frame '1.5'"),
    "a joint of another set": ("0,tail,1,2,2", "the joint 'tail'"),
    "a line twice": ("0,neck,1,2,2\n0,neck,1,2,2", "again"),
    "x no number": ("0,neck,left,2,2", "x 'left'"),
    "x NaN": ("0,neck,nan,2,2", "x 'nan'"),
    "y infinite": ("0,neck,1,inf,2", "y 'inf'"),
    "y empty": ("0,neck,1,,2", "y ''"),
    "state 3": ("0,neck,1,2,3", "visibility '3'"),
    "a field too few": ("0,neck,1", "not as many fields"),
    "a field too many": ("0,neck,1,2,2,9", "not as many fields"),
    "an open quote": ('0,"neck,1,2,2', "not a readable table|fields"),
    "no line": ("", "no line below"),
    "nobody": ("0,neck,1,2,0", "nobody is there"),
}


@pytest.mark.parametrize("case", OWN_LINES)
def test_own_lines(own_root, case):
    line, reason = OWN_LINES[case]
    (own_root / "labels" / "b.csv").write_text(f"frame,joint,x,y,visibility\n{line}\n")
    assert_one_error("own", own_root, "dataset.json: clip 'b'" if case == "nobody" else "b.csv", reason, others=True)


@pytest.mark.parametrize("case", ["emptied", "truncated", "size"])
def test_own_images(own_root, case):
    images(case, own_root / "frames" / "b" / "000002.png")
    assert_one_error("own", own_root, "000002.png", "broken image|8x8 pixels", pixels=True)
