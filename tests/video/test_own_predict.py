"""From one's own labels to poses in a video, by the two commands that the data sets chapter names."""

import json

import numpy as np
import pytest

from rpstn import Skeleton, load_checkpoint, open_dataset
from rpstn.cli.main import main
from rpstn.datasets.own import own_clip, write_own
from rpstn.skeletons import skeleton_of

NAMES = {
    "head": "head",
    "left_hand": "left_wrist",
    "right_hand": "right_wrist",
    "left_foot": "left_ankle",
    "right_foot": "right_ankle",
}
FIVE = Skeleton(
    name="five ends",
    joints=tuple(NAMES),
    limbs=((0, 1), (0, 2), (0, 3), (0, 4)),
    flip_pairs=((1, 2), (3, 4)),
    torso=(0, 3),
    order=(0, 1, 3, 2, 4),
)
LENGTH = 6


def labeled(clip, skeleton):
    """The first frames of an embedded clip, with five of its joints, as if somebody had labeled them."""
    joints = [skeleton.index(name) for name in NAMES.values()]
    return own_clip(
        clip.id,
        clip.frames.read(range(LENGTH)),
        clip.joints[:LENGTH, joints],
        clip.visibility[:LENGTH, joints],
        clip.boxes[:LENGTH],
        group=clip.group,
    )


@pytest.fixture(scope="module")
def trained(embedded_root, tmp_path_factory):
    """The folder of labels, and what `rpstn train` made of it."""
    place = tmp_path_factory.mktemp("own")
    train, val = (open_dataset("embedded", embedded_root, split) for split in ("train", "val"))
    clips = {"train": [labeled(clip, train.skeleton) for clip in train.clips[:2]], "val": [labeled(val[0], val.skeleton)]}
    root = write_own(place / "mine", clips, FIVE)
    options = "--frames 2 --batch 8 --steps 60 --lr 5e-3 --size 64 --sigma 1 --augmentation.rotation 5 --augmentation.erasing 0"
    assert main(["train", "--dataset", "own", "--root", str(root), "--out", str(place / "run"), *options.split()]) == 0
    return root, place / "run"


def test_the_checkpoint_carries_the_skeleton(trained):
    model, metadata = load_checkpoint(trained[1] / "best.safetensors")
    assert skeleton_of(metadata).joints == FIVE.joints and model.config.joints == 5


def test_what_was_labeled_is_found_in_a_video(trained, tmp_path, capsys):
    """Frames in a folder, boxes from the labels' own table: predicted far better than by a guess at the middle of the box."""
    root, run = trained
    clip = open_dataset("own", root, "train")[0]
    out = tmp_path / "found"
    words = ["predict", str(root / "frames" / clip.id), "--checkpoint", str(run / "best.safetensors")]
    words += ["--boxes", str(root / "labels" / f"{clip.id}.boxes.csv"), "--out", str(out)]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert "own" in said and "--dataset own" in said  # what the weights were trained on, and how to train others
    assert "count as hidden (measured on own, split val" in said and "saw nobody" not in said  # limits of these very weights

    frames = json.loads((out / "poses.json").read_text())["frames"]
    points = np.array([entry["people"][0]["keypoints"] for entry in frames]).reshape(LENGTH, 5, 3)
    there = clip.visibility > 0
    error = np.linalg.norm(points[..., :2] - clip.joints, axis=-1)[there].mean()
    middle = clip.boxes[:, None, :2] + clip.boxes[:, None, 2:] / 2
    guess = np.linalg.norm(middle - clip.joints, axis=-1)[there].mean()
    assert error < 0.6 * guess, (error, guess)
    assert (out / "annotated.webm").stat().st_size > 0
