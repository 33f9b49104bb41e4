"""The data sets in a table: who reads each, where to get it, on what terms, how large it is and how it must lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rpstn.datasets.frame_files import visible

# Said where a set's own page has terms that this project has not checked: it only states what it relies on.
RESEARCH = "for research; read the terms on its page, and pass no image on"


@dataclass(frozen=True)
class Entry:
    """One data set.

    module    which reads it (it has `read_splits`).
    skeleton  its name, "" where each root states its own: the module then has `read_skeleton`.
    remedy    where to get it, as a clause.
    terms     on which one may use it, in a few words.
    size      of the whole set; what is not known is said to be so.
    layout    what lies in the root: (pattern, what it is).
    counts    how many the whole set has: (splits together, number, of what). "videos" are groups; anything else clips.
              Nothing for splits without public labels, and where no count was found.
    """

    module: str
    skeleton: str
    remedy: str
    terms: str
    size: str
    layout: tuple[tuple[str, str], ...]
    counts: tuple[tuple[tuple[str, ...], int, str], ...] = ()


# val is cut from the set's own train, except in the sets whose own splits are not kept.
_TRAIN, _TEST, _ALL = ("train", "val"), ("test",), ("train", "val", "test")

# Modules by name, since each is imported only when its data set is opened.
TABLE = {
    "embedded": Entry(
        "penn_action",
        "penn_action",
        "make it with `rpstn data make embedded`",
        "may be passed on with its notice; motion from DeepMimic (MIT) by way of pybullet (zlib)",
        "380 clips of 24 frames, 160 px a side: 240 train, 30 val, 110 test",
        (("labels/*.mat", "labels"), ("frames/*", "folders of frames")),
    ),
    "penn_action": Entry(
        "penn_action",
        "penn_action",
        "get it from http://dreamdragon.github.io/PennAction/ and unpack it, so that frames/ and labels/ lie in the root",
        RESEARCH,
        "2,326 videos, 163,841 frames: 1,258 train, 1,068 test",
        (("labels/*.mat", "labels"), ("frames/*", "folders of frames")),
        # Counted from `train` in the original label files.
        ((_TRAIN, 1258, "videos"), (_TEST, 1068, "videos")),
    ),
    "sub_jhmdb": Entry(
        "sub_jhmdb",
        "sub_jhmdb",
        "get JHMDB from http://jhmdb.is.tue.mpg.de (videos or Rename_Images, joint_positions, puppet_mask "
        "and the sub_splits) and unpack them side by side in the root",
        RESEARCH,
        "316 clips of 320x240 px, in three folds",
        (
            ("joint_positions/*/*/joint_positions.mat", "joints"),
            ("puppet_mask/*/*/puppet_mask.mat", "masks, for the boxes"),
            ("sub*splits/*.txt", "lists of splits"),
            ("Rename_Images/*/*", "folders of frames, or"),
            ("ReCompress_Videos/*/*.avi", "videos"),
        ),
        # Jhuang et al. 2013; each fold divides all of them into train and test.
        ((_ALL, 316, "clips"),),
    ),
    "coco": Entry(
        "coco",
        "coco",
        "get the 2017 train and val images and annotations from https://cocodataset.org/#download and unpack them, "
        "so that annotations/, train2017/ and val2017/ lie in the root",
        "labels CC BY 4.0, images under the terms of Flickr, says its page",
        "118 thousand train and 5 thousand val images, 19 GB; 0.24 GB of labels",
        (
            ("annotations/person_keypoints_*2017.json", "labels"),
            ("train2017/*.jpg", "images to train on"),
            ("val2017/*.jpg", "images to score"),
        ),
    ),
    "posetrack18": Entry(
        "posetrack",
        "posetrack18",
        "get PoseTrack2018 (images and labels) from https://posetrack.net and unpack it, "
        "so that annotations/{train,val}/ and images/{train,val}/ lie in the root",
        RESEARCH,
        "593 train, 170 val and 375 test videos (test without public labels)",
        (
            ("annotations/train/*.json", "labels to train on"),
            ("annotations/val/*.json", "labels to score"),
            ("images/*/*", "folders of frames"),
        ),
        # Andriluka et al. 2018; test here is its val.
        ((_TRAIN, 593, "videos"), (_TEST, 170, "videos")),
    ),
    "hieve": Entry(
        "hieve",
        "hieve",
        "get HiEve from http://humaninevents.org (after registration) and lay it out as rpstn.datasets.hieve says: "
        "labels/<video>/000000.xml and images/<video>/000000.jpg",
        "not checked: no copy was at hand; read its page, which asks for registration",
        "19 train and 13 test videos (test scored by a server)",
        (("labels/**/*.xml", "labels, one per frame"), ("images/**/*.*", "frames")),
        # Its page; the 13 test videos have no public labels.
        ((_TRAIN, 19, "videos"),),
    ),
    "mpii": Entry(
        "mpii",
        "mpii",
        "get the images and annotations from http://human-pose.mpi-inf.mpg.de and, for the usual lists, annot/train.json and "
        "annot/valid.json from the data pages of SimpleBaseline or HRNet; images/ and annot/ lie in the root",
        "for research, says its page; no commercial use, since the images belong to others",
        "about 25 thousand images of 40 thousand people, 12.9 GB",
        (
            ("annot*/*.json", "lists of people"),
            ("annot*/*gt_val*.mat", "head boxes, without which there is no PCKh"),
            ("*/*.jpg", "images"),
            ("*.*", "files in the root itself"),
        ),
    ),
    "lspet": Entry(
        "lspet",
        "lsp",
        "get Leeds Sports Pose Extended from https://sam.johnson.io/research/lspet.html and unpack it, so that joints.mat and "
        "images/ lie in the root",
        RESEARCH,
        "10,000 images",
        (("joints.mat", "labels"), ("images/*.jpg", "images")),
        # Johnson and Everingham 2011, and as many in its joints.mat.
        ((_ALL, 10_000, "images"),),
    ),
    "own": Entry(
        "own.reader",
        "",
        "describe it in a dataset.json there, as rpstn.datasets.own says, or write it with write_own",
        "yours",
        "any",
        (("dataset.json", "description"), ("labels/*", "tables"), ("frames/*", "folders of frames")),
    ),
}


def found_files(name: str, root: Path) -> list[tuple[str, str, int]]:
    """Count (pattern, what it is, how many are there) for each part of a data set's layout. Nothing is opened."""
    return [(pattern, what, len(visible(root.glob(pattern)))) for pattern, what in TABLE[name].layout]
