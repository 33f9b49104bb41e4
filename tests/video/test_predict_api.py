"""What `rpstn.predict` takes for a network, and what it says of each frame besides the pose."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch

import rpstn
from rpstn.datasets.sources import read_image
from rpstn.errors import UserError
from rpstn.video.boxes import MAX_GAP
from rpstn.video.job import predict_video
from rpstn.video.watch import watch

from ..predicting import EMBEDDED, LENGTH, config, read


@pytest.fixture(scope="module")
def frames(dance):
    return np.stack([read_image(dance / f"{index}.png") for index in range(LENGTH)])


@pytest.fixture(scope="module")
def interrupted(frames):
    """Six frames of the person, eight of gray, in which nobody is."""
    return np.concatenate([frames[:6], np.full_like(frames[:8], 128)])


def test_a_lost_frame_does_not_look_like_a_pose(interrupted):
    found = rpstn.predict(interrupted, EMBEDDED, device="cpu")
    assert found.status.tolist() == ["found", *["followed"] * 5, *["lost"] * 8]
    assert found.hidden[6:].all() and not found.hidden[:6].all(axis=1).any()
    assert np.isfinite(found.poses).all(), "a lost frame has a pose too, as poses.json has"
    assert np.isfinite(found.poses[found.status != "lost"]).all() and len(found.poses[found.status != "lost"]) == 6


def test_the_status_is_that_of_the_files(dance, tmp_path):
    """Frame by frame, joint by joint; a person whom poses.json leaves out is absent."""
    path = tmp_path / "boxes.csv"
    rows = [f"{frame},20,20,110,110" for frame in (0, 1, 2 + MAX_GAP)]
    path.write_text("\n".join(["frame,x,y,width,height", *rows]))
    for name, boxes in (("auto", "auto"), ("table", str(path))):
        predict_video(config(dance, tmp_path / name, boxes=boxes, draw=False), progress=False)
        arrays = rpstn.predict(dance, EMBEDDED, boxes, device="cpu")
        for index, entry in enumerate(read(tmp_path / name)["frames"]):
            status = [person["status"] for person in entry["people"]] or ["absent"]
            hidden = [person["hidden"] for person in entry["people"]] or [[]]
            assert arrays.status[index] == status[0] and np.flatnonzero(arrays.hidden[index]).tolist() == hidden[0]
    assert arrays.status.tolist() == ["given"] * LENGTH
    gone = rpstn.predict(dance, EMBEDDED, [[20, 20, 110, 110]] * 3, device="cpu")
    assert gone.status.tolist() == ["given"] * 3 + ["absent"] * (LENGTH - 3)
    assert np.isnan(gone.poses[3:]).all() and not gone.hidden[3:].any()


def test_it_is_still_a_tuple_of_three(frames):
    found = rpstn.predict(frames[:2], EMBEDDED, device="cpu")
    poses, confidences, relations = found
    assert isinstance(found, tuple) and len(found) == 3 and found[0] is found.poses is poses
    assert found.confidences is confidences and found.relations is relations
    for again in (copy.copy(found), pickle.loads(pickle.dumps(found))):
        np.testing.assert_array_equal(again.poses, poses)
        assert again.status.tolist() == found.status.tolist() and (again.hidden == found.hidden).all()
    seen = watch(frames[:2], EMBEDDED)
    assert list(seen.status) == found.status.tolist() and (seen.hidden == found.hidden).all()


def test_a_network_in_memory(frames):
    """The pair that load_checkpoint returns. It stays as it is: predicting in the middle of a training changes nothing in it."""
    pair = rpstn.load_checkpoint(EMBEDDED)
    pair[0].train()
    before = {key: value.clone() for key, value in pair[0].state_dict().items()}
    box = "20,20,110,110"
    named, held = rpstn.predict(frames[:3], EMBEDDED, box, device="cpu"), rpstn.predict(frames[:3], pair, box, device="cpu")
    np.testing.assert_array_equal(held.poses, named.poses)
    assert pair[0].training and all(torch.equal(value, before[key]) for key, value in pair[0].state_dict().items())


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (lambda model, metadata: model, r"a network \(RPSTN\) alone.*\(model, metadata\).*load_checkpoint"),
        (lambda model, metadata: (model, {}), "lacks skeleton, size, input"),
        (lambda model, metadata: (model, None), "lacks skeleton, size, input"),
        (lambda model, metadata: (metadata, model), "no network with its metadata"),
        (lambda model, metadata: (model, {**metadata, "size": 100}), "size 100.*64, 128, 192 or 256"),
        (lambda model, metadata: (model, {**metadata, "skeleton": "coco"}), "joints 13, its metadata says 17"),
        (
            lambda model, metadata: (model, {**metadata, "input": "bgr_imagenet"}),
            "input rgb_imagenet, its metadata says bgr_imagenet",
        ),
        (lambda model, metadata: (torch.nn.Linear(2, 2), metadata), "joints None, its metadata says 13"),
        (lambda model, metadata: [model], "given as list"),
        (lambda model, metadata: 7, "given as int"),
    ],
)
def test_what_is_no_network_is_refused(frames, given, reason):
    with pytest.raises(UserError, match=reason):
        rpstn.predict(frames[:1], given(*rpstn.load_checkpoint(EMBEDDED)))


@pytest.mark.parametrize("wrong", ["3", 2.5, 0, -1, True])
def test_a_limit_is_a_whole_number(frames, wrong):
    with pytest.raises(UserError, match="whole number of at least 1"):
        rpstn.predict(frames[:2], EMBEDDED, frames=wrong)


def test_a_run_of_names_is_that_of_the_path(dance, tmp_path):
    found = predict_video(replace(config(dance, tmp_path, frames=1, draw=False), checkpoint="embedded_rpstn"), progress=False)
    assert found.weights.name == "embedded_rpstn.pt"
