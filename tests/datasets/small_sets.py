"""A small set of each kind by the data set's name, in its official layout."""

import numpy as np

from rpstn.datasets.own import write_own
from rpstn.datasets.predictions import Predictions

from . import test_coco, test_lspet, test_mpii, test_own, test_posetrack


def make_coco(root):
    root.mkdir()
    train = range(1, 41)
    people = [test_coco.person(10 * image + k, image) for image in train for k in (1, 2)]
    test_coco.write(root, "train2017", test_coco.content(train, people))
    people = [test_coco.person(901, 51), test_coco.person(902, 51, iscrowd=1), test_coco.person(903, 52)]
    test_coco.write(root, "val2017", test_coco.content([51, 52], [entry | {"area": 1500.0} for entry in people]))


def make_posetrack(root):
    test_posetrack.write(root, test_posetrack.VIDEO, test_posetrack.two_people())
    for number in range(12):
        video = f"{number:06d}_bonn_train"
        people = [test_posetrack.person(1, 0), test_posetrack.person(2, 0)]
        test_posetrack.write(root, video, test_posetrack.content(video, people, (0,), 1, "train"), "train")


def make_mpii(root):
    train = [test_mpii.entry(index, f"{index // 2:09d}.jpg") for index in range(40)]
    test_mpii.write_lists(root, train, [test_mpii.entry(index) for index in range(100, 105)])


def make_own(root):
    clips = {split: [test_own.clip(split, seed)] for seed, split in enumerate(("train", "val", "test"))}
    write_own(root, clips, test_own.ARM)


# By data set: who makes a small one, and under which key its own score stands.
MADE = {
    "lspet": (test_lspet.write, None),
    "mpii": (make_mpii, "pckh"),
    "coco": (make_coco, "oks"),
    "posetrack18": (make_posetrack, "posetrack"),
    "own": (make_own, None),
}


def truth(dataset):
    """The labels as if a network had found them, and nothing where nothing is labeled: PoseTrack counts that as wrong."""
    joints = [clip.joints.copy() for clip in dataset]
    for found, clip in zip(joints, dataset, strict=True):
        if clip.truth.annotated is not None:
            found[~clip.truth.annotated] = np.nan
    sure = [np.ones(found.shape[:2], np.float32) for found in joints]
    return Predictions(tuple(clip.id for clip in dataset), joints, sure, [None] * len(dataset))
