"""Damaged label files of MPII and LSP extended: each gives one error, naming the file and the reason."""

import json

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from . import test_lspet as lspet
from . import test_mpii as mpii
from .damage import ANY_FILE, assert_one_error, emptied, truncated

FILES = [name for name in ANY_FILE if name != "removed"]


def damage_image(case, path):
    if case == "size":
        cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    else:
        {"emptied": emptied, "truncated": truncated}[case](path)


# --- LSP extended


@pytest.fixture
def lspet_root(tmp_path):
    lspet.write(tmp_path)
    return tmp_path


@pytest.mark.parametrize("damage", ANY_FILE)
def test_lspet_files(lspet_root, damage):
    ANY_FILE[damage](lspet_root / "joints.mat")
    assert_one_error("lspet", lspet_root, "joints.mat", "not a readable MAT file|lacks joints|label file is missing")


LSPET = {
    "another key": (lambda joints: {"joint": joints}, "lacks joints"),
    "the layout of LSP": (lambda joints: {"joints": joints.transpose(1, 0, 2)}, "joints has shape"),
    "images first": (lambda joints: {"joints": joints.transpose(2, 0, 1)}, "joints has shape"),
    "13 joints": (lambda joints: {"joints": joints[:13]}, "joints has shape"),
    "no flags": (lambda joints: {"joints": joints[:, :2]}, "joints has shape"),
    "no images": (lambda joints: {"joints": joints[:, :, :0]}, "joints has shape"),
    "a number": (lambda joints: {"joints": 5.0}, "joints has shape"),
    "text": (lambda joints: {"joints": "im00001"}, "where plain numbers should be"),
    "cells": (lambda joints: {"joints": joints.astype(object)}, "where plain numbers should be"),
    "a struct": (lambda joints: {"joints": {"x": joints}}, "where plain numbers should be"),
    "complex": (lambda joints: {"joints": joints * 1j}, "where plain numbers should be"),
}


@pytest.mark.parametrize("case", LSPET)
def test_lspet_label_file(lspet_root, case):
    change, reason = LSPET[case]
    savemat(lspet_root / "joints.mat", change(lspet.write(lspet_root, images=False)))
    assert_one_error("lspet", lspet_root, "joints.mat", reason)


LSPET_ONE = {
    "x NaN": ((2, 0), np.nan, "no pixel"),
    "y infinite": ((3, 1), np.inf, "no pixel"),
    "minus infinity": ((3, 1), -np.inf, "no pixel"),
    "far away": ((3, 1), 1e9, "no pixel"),
    "flag NaN": ((4, 2), np.nan, "flag other than"),
    "flag 2": ((4, 2), 2, "flag other than"),
    "flag -1": ((4, 2), -1, "flag other than"),
    "flags and x swapped": ((slice(None), slice(None)), "swap", "flag other than"),
    "nobody": ((slice(None), 2), 0, "nobody is there"),
    "all outside": ((slice(None), slice(0, 2)), -50, "nobody is there"),
    "zero box": ((slice(None), slice(0, 2)), 20, "no box"),
    "all zero": ((slice(None), slice(None)), 0, "nobody is there"),
}


@pytest.mark.parametrize("case", LSPET_ONE)
def test_lspet_labels_of_one_image(lspet_root, case):
    where, value, reason = LSPET_ONE[case]
    joints = lspet.write(lspet_root, images=False)
    joints[(*where, 6)] = joints[:, ::-1, 6] if isinstance(value, str) else value
    savemat(lspet_root / "joints.mat", {"joints": joints})
    assert_one_error("lspet", lspet_root, "joints.mat: image 7 (im00007.jpg)", reason, others=True)


@pytest.mark.parametrize("case", ["emptied", "truncated"])
def test_lspet_images(lspet_root, case):
    damage_image(case, lspet_root / "images" / "im00007.jpg")
    assert_one_error("lspet", lspet_root, "im00007.jpg", "broken image", pixels=True)


def test_lspet_image_missing(lspet_root):
    (lspet_root / "images" / "im00007.jpg").unlink()
    assert_one_error("lspet", lspet_root, "im00007.jpg", "missing", others=True)


# --- MPII


@pytest.fixture
def mpii_root(tmp_path):
    train = [mpii.entry(index, f"{index // 2:09d}.jpg") for index in range(10)]
    return mpii.write_lists(tmp_path / "mpii", train, [mpii.entry(index) for index in range(100, 105)])


@pytest.mark.parametrize("name", ["train.json", "valid.json"])
@pytest.mark.parametrize("damage", [name for name in FILES if name != "a folder in its place"])
def test_mpii_lists(mpii_root, name, damage):
    ANY_FILE[damage](mpii_root / "annot" / name)
    assert_one_error("mpii", mpii_root, name, "not a readable JSON file|is empty")


@pytest.mark.parametrize("damage", [name for name in FILES if name != "a folder in its place"])
def test_mpii_head_boxes_file(mpii_root, damage):
    ANY_FILE[damage](mpii_root / "annot" / "gt_valid.mat")
    assert_one_error("mpii", mpii_root, "gt_valid.mat", "not a readable MAT file|lacks headboxes_src")


MPII_HEADS = {
    "another key": ({"boxes": np.ones((2, 2, 5))}, "lacks headboxes_src"),
    "of another list": ({"headboxes_src": np.ones((2, 2, 7))}, "headboxes_src has shape"),
    "axes swapped": ({"headboxes_src": np.ones((5, 2, 2))}, "headboxes_src has shape"),
    "NaN": ({"headboxes_src": np.full((2, 2, 5), np.nan)}, "entry 0 has no extent"),
    "infinite boxes": ({"headboxes_src": np.stack([np.ones((2, 5)), np.full((2, 5), 1e300)])}, "entry 0 has no extent"),
    "zero boxes": ({"headboxes_src": np.ones((2, 2, 5))}, "entry 0 has no extent"),
    "text": ({"headboxes_src": "none"}, "where plain numbers should be"),
    "cells": ({"headboxes_src": np.full((2, 2, 5), "a", dtype=object)}, "where plain numbers should be"),
}


@pytest.mark.parametrize("case", MPII_HEADS)
def test_mpii_head_boxes(mpii_root, case):
    content, reason = MPII_HEADS[case]
    savemat(mpii_root / "annot" / "gt_valid.mat", content)
    assert_one_error("mpii", mpii_root, "gt_valid.mat", reason)


MPII_WHOLE = {
    "an object": ({"people": []}, "no list of people"),
    "no people": ([], "no list of people"),
    "a text": ("people", "no list of people"),
    "null": (None, "no list of people"),
    "a number": (3, "no list of people"),
}


@pytest.mark.parametrize("case", MPII_WHOLE)
def test_mpii_list_of_another_kind(mpii_root, case):
    content, reason = MPII_WHOLE[case]
    (mpii_root / "annot" / "train.json").write_text(json.dumps(content))
    assert_one_error("mpii", mpii_root, "train.json", reason)


def test_mpii_nested_too_deep(mpii_root):
    (mpii_root / "annot" / "train.json").write_text("[" * 200_000)
    assert_one_error("mpii", mpii_root, "train.json", "not a readable JSON file|is empty")


MPII_ONE = {
    "no object": (None, 3, "no object"),
    "no joints": ("joints", None, "lacks joints"),
    "no joints_vis": ("joints_vis", None, "lacks joints_vis"),
    "no image": ("image", None, "lacks image"),
    "no center": ("center", None, "lacks center"),
    "no scale": ("scale", None, "lacks scale"),
    "14 joints": ("joints", [[1, 2]] * 14, "joints has shape"),
    "flat joints": ("joints", [1.0] * 32, "joints has shape"),
    "ragged joints": ("joints", [[1, 2]] * 15 + [[1]], "no plain numbers, or rows"),
    "joints as text": ("joints", [["1", "2"]] * 16, "no plain numbers, or rows"),
    "joints null": ("joints", [[None, 2]] * 16, "no plain numbers, or rows"),
    "NaN": ("joints", [[float("nan"), 2]] * 16, "not finite, or too large"),
    "infinity": ("joints", [[float("inf"), 2]] * 16, "not finite, or too large"),
    "far away": ("joints", [[1e12, 2]] * 16, "not finite, or too large"),
    "a huge whole number": ("joints", [[10**400, 2]] * 16, "no plain numbers, or rows"),
    "nobody": ("joints_vis", [0] * 16, "nobody is there"),
    "flags 2": ("joints_vis", [2] * 16, "other than 0 and 1"),
    "15 flags": ("joints_vis", [1] * 15, "joints_vis has shape"),
    "flags as texts": ("joints_vis", ["1"] * 16, "no plain numbers"),
    "flags as truth values": ("joints_vis", [True] * 16, "no plain numbers"),
    "a truth value among numbers": ("center", [True, 20.5], "no plain numbers"),
    "scale null": ("scale", [None], "no plain numbers"),
    "zero box": ("scale", 0, "gives no box"),
    "negative scale": ("scale", -1.5, "gives no box"),
    "scale NaN": ("scale", float("nan"), "not finite, or too large"),
    "scale as good as zero": ("scale", 1e-300, "gives no box"),
    "a box of a fiftieth of a pixel": ("scale", 1e-4, "gives no box"),
    "center elsewhere": ("center", [50000.0, 50000.0], "0 of 16 joints lie in or near"),
    "the smallest whole number": ("joints", [[-(2**63), 2]] * 16, "not finite, or too large"),
    "image with half a letter": ("image", "\ud800.jpg", "expected a file's name"),
    "image with a long name": ("image", "a" * 300, "expected a file's name"),
    "scale a list": ("scale", [1.0], "scale has shape"),
    "center a number": ("center", 3.0, "center has shape"),
    "center as text": ("center", "middle", "no plain numbers"),
    "image a number": ("image", 5, "expected a file's name"),
    "image empty": ("image", "", "expected a file's name"),
    "image elsewhere": ("image", "../../secret.jpg", "expected a file's name"),
    "all outside": ("joints", [[-40.0, -40.0]] * 16, "outside the image"),
}


@pytest.mark.parametrize("case", MPII_ONE)
def test_mpii_one_person(mpii_root, case):
    key, value, reason = MPII_ONE[case]
    path = mpii_root / "annot" / "train.json"
    people = json.loads(path.read_text())
    if key is None:
        people[3] = value
    elif value is None:
        del people[3][key]
    else:
        people[3][key] = value
    path.write_text(json.dumps(people))
    assert_one_error("mpii", mpii_root, "train.json: entry 3", reason, others=True)


@pytest.mark.parametrize("case", ["emptied", "truncated"])
def test_mpii_images(mpii_root, case):
    damage_image(case, mpii_root / "images" / "000000102.jpg")
    assert_one_error("mpii", mpii_root, "000000102.jpg", "broken image", pixels=True)


@pytest.mark.parametrize("damage", FILES)
def test_mpii_official_files(tmp_path, damage):
    mpii.write_official(tmp_path, [(f"{index:09d}.jpg", [mpii.official_person(index)]) for index in range(3)], [1, 1, 1])
    path = tmp_path / "mpii_human_pose_v1_u12_1.mat"
    ANY_FILE[damage](path)
    reason = "not a readable MAT file|lacks RELEASE|neither annot/train.json"
    assert_one_error("mpii", tmp_path, tmp_path.name if path.is_dir() else path.name, reason)


MPII_OFFICIAL = {
    "another key": ({"release": 3.0}, "lacks RELEASE"),
    "a number": ({"RELEASE": 3.0}, "lacks annolist"),
    "no img_train": ({"RELEASE": {"annolist": np.ones(3)}}, "lacks annolist"),
    "no images": ({"RELEASE": {"annolist": np.zeros((0, 0)), "img_train": np.zeros((0, 0))}}, "lacks annolist"),
    "of two lengths": ({"RELEASE": {"annolist": np.ones(3), "img_train": np.ones(4)}}, "lacks annolist"),
    "img_train as cells": ({"RELEASE": {"annolist": np.ones(2), "img_train": np.array(["a", "b"], object)}}, "lacks annolist"),
    "nobody": ({"RELEASE": {"annolist": mpii.struct(a=1.0), "img_train": np.ones(1)}}, "no person with joints"),
}


@pytest.mark.parametrize("case", MPII_OFFICIAL)
def test_mpii_official_contents(tmp_path, case):
    content, reason = MPII_OFFICIAL[case]
    savemat(tmp_path / "mpii_human_pose_v1_u12_1.mat", content)
    assert_one_error("mpii", tmp_path, "mpii_human_pose_v1_u12_1.mat", reason)


MPII_OFFICIAL_ONE = {
    "joint 16": ("id", 16.0, "a joint 16"),
    "joint 2.5": ("id", 2.5, "a joint 2.5"),
    "joint as text": ("id", "knee", "id of a joint"),
    "joint twice": ("id", 0.0, "has joint 0 twice"),
    "x NaN": ("x", np.nan, "x of a joint"),
    "y missing": ("y", np.zeros((0, 0)), "y of a joint"),
    "y far away": ("y", 1e9, "y of a joint"),
}


@pytest.mark.parametrize("case", MPII_OFFICIAL_ONE)
def test_mpii_official_person(tmp_path, case):
    key, value, reason = MPII_OFFICIAL_ONE[case]
    people = [[mpii.official_person(index)] for index in range(4)]
    people[2][0]["annopoints"][0]["point"][3][key] = value
    mpii.write_official(tmp_path, [(f"{index:09d}.jpg", members) for index, members in enumerate(people)], [1] * 4)
    assert_one_error("mpii", tmp_path, "mpii_human_pose_v1_u12_1.mat: image 3, person 1", reason, others=True)
