"""What trains and scores on real people: configurations that hold, counts that add up, and what a peer is given."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import EVERY, GRAY, compare, thinned
from benchmarks.real_people import NETWORKS, RealPeople, exchanged, measure, plan
from rpstn.datasets import open_dataset
from rpstn.datasets.predictions import Predictions

from ..datasets.test_sub_jhmdb import clip_name, write_clip, write_splits


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("jhmdb")
    names = [clip_name(f"Video_{number}", "run", number) for number in range(1, 4)]
    for name in names:
        write_clip(root, "run", name, video=False)
    write_splits(root, "run", [f"{name}.avi 2" for name in names[:2]] + [f"{names[2]}.avi 1"], 1)
    return open_dataset("sub_jhmdb", root, "test")


def predicted(dataset, change=lambda joints: joints):
    joints = [change(clip.joints.copy()) for clip in dataset]
    confidence = [np.ones(points.shape[:2]) for points in joints]
    return Predictions(tuple(clip.id for clip in dataset), joints, confidence, [None] * len(joints), window=1)


def test_the_truth_scores_everything_and_groups_add_up(dataset):
    found = measure(predicted(dataset), dataset)
    for name in ("person 0.1", "person 0.2", "torso 0.1", "torso 0.2"):
        assert found[name]["mean_13"] == found[name]["mean_15"] == 1
        hits, counts = np.sum(list(found[name]["groups"].values()), axis=0)
        assert hits == counts == sum((clip.visibility[:, list(dataset.skeleton.scored)] > 0).sum() for clip in dataset)
    assert found["exchanged"] == 0


def test_exchanged_sides_are_counted_in_frames(dataset):
    swap = list(dataset.skeleton.flip_permutation)

    def half(joints):
        joints[::2] = joints[::2][:, swap]
        return joints

    frames = [len(clip) for clip in dataset]
    assert exchanged(predicted(dataset, half), dataset) == pytest.approx(sum((n + 1) // 2 for n in frames) / sum(frames))


@pytest.mark.parametrize("name", ["encoder", *NETWORKS])
def test_every_training_is_a_configuration_that_holds(name, tmp_path):
    run = plan(RealPeople(Path("JHMDB"), runs=tmp_path), 2, 7, name)
    assert run.data.fold == 2 and run.seed == 7 and Path(run.out) == tmp_path / "split2-7" / name
    described = run.model.describe(15, "sub_jhmdb")
    assert described.input == "rgb_symmetric" and (run.init is None) == (name == "encoder")


def test_a_peer_sees_crops_with_one_joint_hidden_in_some(dataset):
    given = []

    def blind(crops, video):
        given.append((len(crops), video, int((crops == GRAY).all(axis=-1).sum())))
        return np.zeros((len(crops), 17, 2)), np.ones((len(crops), 17)), 0.5

    found = compare(dataset, blind, 64, 1, coco=True)
    for (count, video, gray), clip in zip(given, dataset, strict=True):
        assert video == len(clip) and count == len(clip) + -(-len(clip) // EVERY) and gray > 100
    assert found["hidden"] < 0.5 and found["hidden_joints"] == sum(-(-len(clip) // EVERY) for clip in dataset)
    few = thinned(dataset, 3)
    assert [int((clip.visibility > 0).any(axis=1).sum()) for clip in few] == [-(-len(clip) // 3) for clip in dataset]
    assert measure(predicted(few), few)["torso 0.2"]["mean_13"] == 1
