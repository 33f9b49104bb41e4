"""LSP extended: its layout, its boxes and splits, and the real images."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from rpstn.datasets import ABSENT, VISIBLE, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.lspet import assign_splits
from rpstn.errors import UserError
from rpstn.skeletons import LSP

REAL = Path(__file__).parents[3] / "shared" / "data" / "LSPET"
real = pytest.mark.skipif(not REAL.is_dir(), reason="LSP extended is not here")
HEIGHT, WIDTH, COUNT = 50, 40, 40


def write(root, count=COUNT, joints=None, images=True):
    generator = np.random.default_rng(0)
    if joints is None:
        joints = generator.uniform(2, 38, (14, 3, count)).astype(np.float32)
        joints[:, 2] = 1
    root.mkdir(parents=True, exist_ok=True)
    savemat(root / "joints.mat", {"joints": joints})
    if images:
        (root / "images").mkdir(exist_ok=True)
        for index in range(count):
            image = np.full((HEIGHT, WIDTH, 3), index, np.uint8)
            cv2.imwrite(str(root / "images" / f"im{index + 1:05d}.jpg"), image)
    return joints


def every(root, **options):
    return {clip.id: clip for dataset in read_splits("lspet", root, **options).values() for clip in dataset}


def test_reads_the_official_layout(tmp_path):
    joints = write(tmp_path)
    joints[3, :, 6] = 0, 0, 0  # not labeled
    joints[4, :2, 6] = -2, 5  # labeled outside
    write(tmp_path, joints=joints, images=False)
    clips = every(tmp_path)
    assert sorted(clips) == [f"im{index:05d}" for index in range(1, COUNT + 1)]
    clip = clips["im00007"]
    assert len(clip) == 1 and clip.group == clip.id and clip.frames.size == (HEIGHT, WIDTH)
    assert abs(clip.frames.read([0]).mean() - 6) < 2  # image 7 belongs to entry 6
    keep = [index for index in range(14) if index not in (3, 4)]
    np.testing.assert_allclose(clip.joints[0, keep], joints[keep, :2, 6])
    assert (clip.visibility[0, keep] == VISIBLE).all() and clip.visibility[0, 3:5].tolist() == [ABSENT, ABSENT]
    assert clip.truth.joints_outside == 1
    low, high = joints[keep, :2, 6].min(axis=0), joints[keep, :2, 6].max(axis=0)
    margin = 0.1 * (high - low).max()
    np.testing.assert_allclose(clip.boxes[0], [*(low - margin), *(high - low + 2 * margin)], rtol=1e-5)
    dataset = open_dataset("lspet", tmp_path)
    assert dataset.skeleton is LSP and check_dataset("lspet", tmp_path).ok


def test_splits_are_by_image_and_test_is_fixed():
    first, second = (np.array(assign_splits(1000, seed)) for seed in (0, 1))
    for where in (first, second):
        assert [(where == split).sum() for split in ("train", "val", "test")] == [900, 50, 50]
    assert ((first == "test") == (second == "test")).all() and (first != second).any()
    assert assign_splits(1000, 1) == second.tolist()
    assert assign_splits(1, 0) == ["train"]


def test_missing_images(tmp_path):
    write(tmp_path)
    (tmp_path / "images" / "im00011.jpg").unlink()
    with pytest.raises(UserError, match=r"im00011\.jpg: missing"):
        every(tmp_path)
    faults = []
    assert len(every(tmp_path, faults=faults)) == COUNT - 1 and len(faults) == 1
    assert len(every(tmp_path, labels_only=True)) == COUNT
    (tmp_path / "images" / "im00012.jpg").write_bytes(b"")
    report = check_dataset("lspet", tmp_path)
    assert any("im00012.jpg: broken" in fault for fault in report.faults)


def test_one_image(tmp_path):
    """MATLAB drops the last axis."""
    joints = write(tmp_path, 1)
    write(tmp_path, 1, joints[:, :, 0], images=False)
    assert list(every(tmp_path)) == ["im00001"]


@real
def test_real_images():
    splits = read_splits("lspet", REAL)
    assert [len(splits[split]) for split in ("train", "val", "test")] == [9000, 500, 500]
    clips = [clip for dataset in splits.values() for clip in dataset]
    assert len({clip.id for clip in clips}) == 10_000
    # 16,787 joints without a label, and a few that the cropping pushed over the edge.
    outside = sum(clip.truth.joints_outside for clip in clips)
    assert sum(int((clip.visibility == ABSENT).sum()) for clip in clips) == 16_787 + outside and outside < 10
    inside = []
    for clip in splits["test"].clips[::10]:
        height, width = clip.frames.size
        seen = clip.joints[clip.visibility == VISIBLE]
        inside.append(((seen >= -0.5) & (seen <= [width - 0.5, height - 0.5])).all(axis=1).mean())
    assert np.mean(inside) > 0.99
    # Heads are above necks in most images, and the sides are not exchanged: people face the camera more often.
    head, neck = (np.array([clip.joints[0, LSP.index(name), 1] for clip in clips]) for name in ("head_top", "neck"))
    assert (head < neck).mean() > 0.5
