"""Damaged label files of Penn Action and Sub-JHMDB: each gives one error, naming the file and the reason."""

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from rpstn.errors import UserError

from . import test_penn_action as penn
from . import test_sub_jhmdb as jhmdb
from .damage import ANY_FILE, assert_one_error, emptied, truncated

# What the reader says of a file that is no MAT file, whatever it is instead.
UNREADABLE = "not a readable MAT file|lacks |this label file is missing"


@pytest.fixture
def penn_root(tmp_path):
    for index in range(1, 7):
        penn.write(tmp_path, f"{index:04d}", penn.label(train=1 if index <= 4 else -1, seed=index))
    return tmp_path


@pytest.mark.parametrize("damage", [name for name in ANY_FILE if name != "removed"])
def test_penn_action_files(penn_root, damage):
    ANY_FILE[damage](penn_root / "labels" / "0005.mat")
    assert_one_error("penn_action", penn_root, "0005.mat", UNREADABLE, others=True)


def bad(index, value):
    """An array of the label with one value changed."""

    def change(array):
        array = np.array(array, float)
        array[index] = value
        return array

    return change


PENN = {
    "no x": ("x", None, "lacks x"),
    "no visibility": ("visibility", None, "lacks visibility"),
    "no bbox": ("bbox", None, "lacks bbox"),
    "no train": ("train", None, "lacks train"),
    "no action": ("action", None, "lacks action"),
    "x empty": ("x", np.zeros((0, 13)), "lacks x"),
    "x and frames swapped": ("x", np.transpose, r"x has shape \(13, 4\)"),
    "joints of another set": ("y", np.ones((4, 15)), r"y has shape \(4, 15\)"),
    "one frame too few": ("visibility", np.ones((3, 13)), "visibility has shape"),
    "NaN in x": ("x", bad((2, 3), np.nan), "values that are no numbers"),
    "infinity in y": ("y", bad((0, 0), -np.inf), "values that are no numbers"),
    "far away": ("x", bad((2, 3), 1e30), "values that are no numbers"),
    "x as text": ("x", "a lot", "x holds text"),
    "x as cells": ("x", np.array([[1.0, "a"]], dtype=object), "x holds cells"),
    "x as a struct": ("x", {"a": 1.0}, "x holds a struct"),
    "x complex": ("x", np.full((4, 13), 1 + 2j), "x holds complex"),
    "visibility NaN": ("visibility", bad((1, 1), np.nan), "other than 0, 1 and 2"),
    "visibility 7": ("visibility", bad((1, 1), 7), "other than 0, 1 and 2"),
    "nobody": ("visibility", None, "nobody is"),  # with x, y at 1: see below
    "all outside": ("x", np.full((4, 13), 1e4), "all joints lie outside"),
    "boxes without extent": ("bbox", np.tile([5.0, 5, 5, 5], (4, 1)), "none of the 4 boxes"),
    "boxes NaN": ("bbox", np.full((4, 4), np.nan), "none of the 4 boxes"),
    "boxes far away": ("bbox", np.tile([0.0, 0, 1e300, 1e300], (4, 1)), "none of the 4 boxes"),
    "boxes elsewhere": ("bbox", lambda boxes: boxes + 5000, "bbox: only 0 of .* joints lie in or near"),
    "corners swapped": ("bbox", np.tile([40.0, 30, 5, 5], (4, 1)), "none of the 4 boxes"),
    "boxes transposed": ("bbox", np.ones((4, 3)), "bbox has shape"),
    "boxes as text": ("bbox", "none", "bbox (holds|has)"),
    "boxes as cells": ("bbox", np.full((4, 4), "a", dtype=object), "bbox holds cells"),
    "zero frames": ("nframes", 0, "nframes holds"),
    "half a frame": ("nframes", 3.5, "nframes holds"),
    "a billion frames": ("nframes", 1e9, "nframes holds"),
    "frames NaN": ("nframes", np.nan, "nframes holds"),
    "frames as text": ("nframes", "4", "nframes holds"),
    "more frames than labels": ("nframes", 5, "has shape"),
    "no height": ("dimensions", np.array([[0, 48, 4]]), "dimensions holds"),
    "negative width": ("dimensions", np.array([[36, -48, 4]]), "dimensions holds"),
    "dimensions as text": ("dimensions", "36x48", "dimensions (has|holds)"),
    "frames of another clip": ("dimensions", np.array([[36, 48, 9]]), "dimensions states .*9.* frames, nframes 4"),
    "two dimensions": ("dimensions", np.array([[36, 48]]), "dimensions has shape"),
    "one dimension": ("dimensions", 36, "dimensions has shape"),
    "train 0": ("train", 0, "train is"),
    "train 5": ("train", 5, "train is"),
    "train as text": ("train", "yes", "train is"),
    "action a number": ("action", 3, "action is numbers"),
    "split unknown": ("split", "dev", "split is 'dev'"),
    "split a number": ("split", 3.0, "split is 3"),
    "state 9": ("state", np.full((4, 13), 9), "state holds values"),
    "state as cells": ("state", np.full((4, 13), "a", dtype=object), "state holds cells"),
    "occluded_by of another shape": ("occluded_by", np.zeros((4, 12)), "occluded_by has shape"),
    "source a number": ("source", 3.0, "source is numbers"),
}


@pytest.mark.parametrize("case", PENN)
def test_penn_action_labels(penn_root, case):
    key, value, reason = PENN[case]
    content = penn.label(train=-1, seed=5)
    if case == "nobody":
        content["x"][:], content["y"][:], content["visibility"][:] = 1, 1, 0
    elif value is None:
        del content[key]
    else:
        content[key] = value(content[key]) if callable(value) else value
    savemat(penn_root / "labels" / "0005.mat", content)
    assert_one_error("penn_action", penn_root, "0005.mat", reason, others=True)


def test_penn_action_with_x_and_y_exchanged(penn_root):
    """Someone upright, in an image large enough for either: found by the boxes alone."""
    content = penn.label(train=-1, seed=5)
    content["x"] = content["x"] / 2 + 60
    content["y"] = content["y"] * 2 + 20
    content["bbox"] = np.tile([60.0, 25, 84, 90], (4, 1))
    content["dimensions"] = np.array([[120, 120, 4]], np.uint16)
    savemat(penn_root / "labels" / "0005.mat", content)
    assert len(penn.one(penn_root)) == 2
    content["x"], content["y"] = content["y"], content["x"]
    savemat(penn_root / "labels" / "0005.mat", content)
    assert_one_error("penn_action", penn_root, "0005.mat: bbox", "joints lie in or near", others=True)


@pytest.mark.parametrize("case", ["emptied", "truncated", "size"])
def test_penn_action_images(penn_root, case):
    image = penn_root / "frames" / "0005" / "000002.jpg"
    if case == "size":
        cv2.imwrite(str(image), np.zeros((8, 8, 3), np.uint8))
    else:
        {"emptied": emptied, "truncated": truncated}[case](image)
    assert_one_error("penn_action", penn_root, "0005/000002.jpg", "broken image|8x8 pixels", pixels=True)


def test_penn_action_peculiarities_are_no_damage(penn_root):
    """What the official files contain: a box row too few, boxes without extent, no visible joint, joints outside."""
    content = penn.label(train=-1, seed=5)
    content["bbox"] = content["bbox"][:-1]
    content["bbox"][0, 2:] = content["bbox"][0, :2]
    content["visibility"][:] = 0
    content["x"][0, 0], content["visibility"][0, 0] = 500, 1
    content["x"][1, 1], content["y"][1, 1] = 1, 1
    savemat(penn_root / "labels" / "0005.mat", content)
    clip = penn.one(penn_root)[0]
    assert clip.truth.boxes_repaired == 2 and clip.truth.joints_outside == 1 and (clip.visibility != 2).all()


@pytest.mark.parametrize("part", range(1, 20))
def test_penn_action_cut_anywhere(penn_root, part):
    path = penn_root / "labels" / "0005.mat"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * part // 20])
    assert_one_error("penn_action", penn_root, "0005.mat", UNREADABLE, others=True)


def test_flipped_bits_raise_nothing_else(penn_root):
    """A changed number may still be a position; whatever else happens is a UserError that names the file."""
    path = penn_root / "labels" / "0005.mat"
    data = path.read_bytes()
    generator = np.random.default_rng(0)
    refused = 0
    for place in generator.integers(0, len(data), 300):
        broken = bytearray(data)
        broken[place] ^= 1 << int(generator.integers(8))
        path.write_bytes(broken)
        try:
            clip = penn.one(penn_root)[0]
            assert np.isfinite(clip.joints).all() and np.isfinite(clip.boxes).all()
        except UserError as error:
            refused += 1
            assert "0005" in str(error)
    assert refused > 10


NAME = jhmdb.clip_name("Video", "run", 1)
GOOD = np.full((2, 15, jhmdb.LENGTH), 10.0)


@pytest.fixture
def jhmdb_root(tmp_path):
    names = [NAME, *(jhmdb.clip_name("Other", "run", number) for number in (1, 2))]
    for name in names:
        jhmdb.write_clip(tmp_path, "run", name, video=False)
    jhmdb.write_splits(tmp_path, "run", [f"{NAME}.avi 2", *(f"{name}.avi 1" for name in names[1:])])
    return tmp_path


def label_file(root, folder):
    return root / folder / "run" / NAME / f"{folder}.mat"


@pytest.mark.parametrize("folder", ["joint_positions", "puppet_mask"])
@pytest.mark.parametrize("damage", ANY_FILE)
def test_sub_jhmdb_files(jhmdb_root, damage, folder):
    path = label_file(jhmdb_root, folder)
    ANY_FILE[damage](path)
    assert_one_error("sub_jhmdb", jhmdb_root, f"{NAME}/{folder}.mat", UNREADABLE, others=True)


@pytest.mark.parametrize("damage", [name for name in ANY_FILE if name not in ("truncated", "removed", "a pickled .npy")])
def test_sub_jhmdb_split_files(jhmdb_root, damage):
    (path,) = (jhmdb_root / "sub_splits").iterdir()
    ANY_FILE[damage](path)
    assert_one_error("sub_jhmdb", jhmdb_root, "sub_splits", "lists no clip|line 1|not a readable text")


def test_sub_jhmdb_split_line_that_names_no_file(jhmdb_root):
    (path,) = (jhmdb_root / "sub_splits").iterdir()
    path.write_text(path.read_text() + f"{'a' * 300} 2\n")
    assert_one_error("sub_jhmdb", jhmdb_root, "a split file of run", "no clip can be called", others=True)


def changed(value, index=(0, 3, 2)):
    joints = GOOD.copy()
    joints[index] = value
    return joints


JHMDB = {
    "13 joints": ("joint_positions", "pos_img", np.ones((2, 13, 5)), "pos_img has shape"),
    "axes swapped": ("joint_positions", "pos_img", GOOD.transpose(2, 1, 0), "pos_img has shape"),
    "three coordinates": ("joint_positions", "pos_img", np.ones((3, 15, 5)), "pos_img has shape"),
    "a single number": ("joint_positions", "pos_img", 3.0, "pos_img has shape"),
    "no frames": ("joint_positions", "pos_img", np.ones((2, 15, 0)), "pos_img is empty"),
    "NaN": ("joint_positions", "pos_img", changed(np.nan), "no numbers of pixels"),
    "infinity": ("joint_positions", "pos_img", changed(np.inf), "no numbers of pixels"),
    "far away": ("joint_positions", "pos_img", changed(1e30), "no numbers of pixels"),
    "nobody in the frame": ("joint_positions", "pos_img", GOOD - 500, "all joints lie outside"),
    "text": ("joint_positions", "pos_img", "left", "where plain numbers should be"),
    "cells": ("joint_positions", "pos_img", np.full((2, 15, 5), "a", dtype=object), "where plain numbers should be"),
    "a struct": ("joint_positions", "pos_img", {"x": 1.0}, "where plain numbers should be"),
    "complex": ("joint_positions", "pos_img", GOOD * 1j, "where plain numbers should be"),
    "another key": ("joint_positions", "pos_world", GOOD, "lacks pos_img"),
    "more frames than masks": ("joint_positions", "pos_img", np.full((2, 15, 9), 10.0), "part_mask has shape"),
    "masks of another clip": ("puppet_mask", "part_mask", np.ones((48, 64, 3), np.uint8), "part_mask has shape"),
    "mask axes swapped": ("puppet_mask", "part_mask", np.ones((5, 48, 64), np.uint8), "part_mask has shape"),
    "mask empty": ("puppet_mask", "part_mask", np.zeros((48, 64, 5), np.uint8), "empty in all 5 frames"),
    "mask without pixels": ("puppet_mask", "part_mask", np.zeros((0, 0, 5)), "part_mask is empty"),
    "mask NaN": ("puppet_mask", "part_mask", np.full((48, 64, 5), np.nan), "no numbers"),
    "mask as text": ("puppet_mask", "part_mask", "none", "where plain numbers should be"),
    "mask as cells": ("puppet_mask", "part_mask", np.full((4, 4, 5), "a", dtype=object), "where plain numbers should be"),
    "mask under another key": ("puppet_mask", "mask", np.ones((48, 64, 5)), "lacks part_mask"),
    "mask of four axes": ("puppet_mask", "part_mask", np.ones((4, 6, 5, 2)), "part_mask has shape"),
}


@pytest.mark.parametrize("case", JHMDB)
def test_sub_jhmdb_labels(jhmdb_root, case):
    folder, key, value, reason = JHMDB[case]
    savemat(label_file(jhmdb_root, folder), {key: value})
    file = "puppet_mask.mat" if "part_mask" in reason else f"{folder}.mat"
    assert_one_error("sub_jhmdb", jhmdb_root, f"{NAME}/{file}", reason, others=True)


@pytest.mark.parametrize("case", ["emptied", "truncated", "size"])
def test_sub_jhmdb_images(jhmdb_root, case):
    image = jhmdb_root / "Rename_Images" / "run" / NAME / "00003.png"
    if case == "size":
        cv2.imwrite(str(image), np.zeros((8, 8, 3), np.uint8))
    else:
        {"emptied": emptied, "truncated": truncated}[case](image)
    assert_one_error("sub_jhmdb", jhmdb_root, f"{NAME}/00003.png", "broken image|8x8 pixels", pixels=True)
