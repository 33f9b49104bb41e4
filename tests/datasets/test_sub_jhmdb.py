"""Sub-JHMDB: its layout in both spellings, boxes from masks, splits kept apart."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from rpstn.datasets import ABSENT, VISIBLE, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.sub_jhmdb import group_of, mask_boxes
from rpstn.datasets.video_frames import VideoFrames
from rpstn.errors import UserError
from rpstn.skeletons import SUB_JHMDB

REAL = Path(__file__).parents[3] / "shared" / "data" / "JHMDB"
HEIGHT, WIDTH, LENGTH = 48, 64, 5
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real Sub-JHMDB clips here")


def clip_name(source, action, number):
    return f"{source}_{action}_f_cm_np1_ri_med_{number}"


def frame_images():
    return np.stack([np.full((HEIGHT, WIDTH, 3), (30 * t, 100, 200 - 30 * t), np.uint8) for t in range(LENGTH)])


def write_clip(root, action, name, video=True, joints=None, mask=None):
    generator = np.random.default_rng(sum(name.encode()))
    if joints is None:
        joints = generator.uniform(2, HEIGHT, (2, 15, LENGTH))
    if mask is None:
        mask = np.zeros((HEIGHT, WIDTH, LENGTH), np.uint8)
        for t in range(LENGTH):
            mask[10 + t : 30, 20 : 35 + t, t] = 1
    for folder, key, value in (("joint_positions", "pos_img", joints), ("puppet_mask", "part_mask", mask)):
        (root / folder / action / name).mkdir(parents=True, exist_ok=True)
        stem = "joint_positions" if folder == "joint_positions" else "puppet_mask"
        savemat(root / folder / action / name / f"{stem}.mat", {key: value}, do_compression=True)
    if video:
        (root / "ReCompress_Videos" / action).mkdir(parents=True, exist_ok=True)
        path = root / "ReCompress_Videos" / action / f"{name}.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (WIDTH, HEIGHT))
        for frame in frame_images():
            writer.write(frame[..., ::-1])
        writer.release()
    else:
        folder = root / "Rename_Images" / action / name
        folder.mkdir(parents=True)
        for t, frame in enumerate(frame_images(), 1):
            cv2.imwrite(str(folder / f"{t:05d}.png"), frame[..., ::-1])
    return joints, mask


def write_splits(root, action, lines, fold=1, folder="sub_splits", joint="_"):
    (root / folder).mkdir(parents=True, exist_ok=True)
    (root / folder / f"{action}_test_split{joint}{fold}.txt").write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def root(tmp_path):
    """Two actions, seven videos, eight clips for training and two for testing."""
    for action in ("run", "catch"):
        lines = []
        for number, source in enumerate(("Video_A", "Video_B", "Video_B", f"Video_{action}"), 1):
            name = clip_name(source, action, number)
            write_clip(tmp_path, action, name, video=number % 2 == 0)
            lines.append(f"{name}.avi 1")
        name = clip_name("Video_T", action, 1)
        write_clip(tmp_path, action, name)
        write_splits(tmp_path, action, [*lines, f"{name}.avi 2"])
    return tmp_path


def test_reads_the_official_layout(root):
    name = clip_name("Video_T", "run", 1)
    joints, _ = write_clip(root, "run", name)
    dataset = open_dataset("sub_jhmdb", root, "test")
    assert dataset.skeleton == SUB_JHMDB and [clip.action for clip in dataset] == ["catch", "run"]
    clip = dataset[1]
    assert (clip.id, clip.group, len(clip)) == (name, "Video_T", LENGTH)
    np.testing.assert_allclose(clip.joints, joints.transpose(2, 1, 0) - 1, rtol=1e-6)  # 1-based
    np.testing.assert_allclose(clip.boxes[0], [19.5, 9.5, 15, 20])
    np.testing.assert_allclose(clip.boxes[4], [19.5, 13.5, 19, 16])
    assert (clip.visibility == VISIBLE).all() and clip.frames.size == (HEIGHT, WIDTH)
    assert isinstance(clip.frames, VideoFrames)
    assert np.abs(clip.frames.read([3, 0]).astype(int) - frame_images()[[3, 0]]).max() < 6


def test_image_folders_are_read_first(root):
    clips = {clip.id: clip for clip in open_dataset("sub_jhmdb", root, "train")}
    clip = next(clip for name, clip in clips.items() if name.endswith("_1"))
    assert isinstance(clip.frames, ImageFrames)
    np.testing.assert_array_equal(clip.frames.read([1, 4]), frame_images()[[1, 4]])


@pytest.mark.parametrize(("folder", "joint"), [("sub-splits", "_"), ("sub_splits", ""), ("sub-splits", "")])
def test_both_spellings_and_folds_apart(tmp_path, folder, joint):
    names = [clip_name(source, "run", 1) for source in ("A", "B", "C")]
    for name in names:
        write_clip(tmp_path, "run", name)
    for fold in (1, 2, 3):
        flags = [2 if index == fold - 1 else 1 for index in range(3)]
        write_splits(tmp_path, "run", [f"{n}.avi {f}" for n, f in zip(names, flags, strict=True)], fold, folder, joint)
    for fold in (1, 2, 3):
        splits = read_splits("sub_jhmdb", tmp_path, fold=fold)
        assert [clip.id for clip in splits["test"]] == [names[fold - 1]]
        assert len(splits["train"]) == 1 and len(splits["val"]) == 1
    with pytest.raises(UserError, match="fold is 4"):
        open_dataset("sub_jhmdb", tmp_path, fold=4)


def test_validation_takes_whole_videos_that_are_not_tested(root):
    for seed in range(6):
        splits = read_splits("sub_jhmdb", root, seed=seed)
        sources = {split: {clip.group for clip in dataset} for split, dataset in splits.items()}
        assert sources["val"] and not sources["val"] & (sources["train"] | sources["test"])
        assert len(splits["train"]) + len(splits["val"]) == 8 and len(splits["test"]) == 2
    # A video with clips in test stays in train whole.
    write_splits(root, "run", [f"{clip_name('Video_T', 'run', 1)}.avi 1", f"{clip_name('Video_A', 'run', 1)}.avi 1"])
    splits = read_splits("sub_jhmdb", root, splits=("val", "test"))
    assert "Video_T" in {clip.group for clip in splits["test"]}
    assert "Video_T" not in {clip.group for clip in splits["val"]}


def test_a_part_of_the_set_is_noted(root):
    report = check_dataset("sub_jhmdb", root, pixels=False)
    assert report.ok and report.notes == ("10 of 316 clips of the whole set",)


def test_sources_are_the_names_of_videos():
    assert group_of("Goal_Keeping_Tips_catch_f_cm_np1_fr_med_2", "catch") == "Goal_Keeping_Tips"
    assert group_of("Sommerland_Syd_sprung_in_den_tod_jump_f_cm_np2_ba_bad_10", "jump") == "Sommerland_Syd_sprung_in_den_tod"
    assert group_of("golf_golf_f_nm_np1_ri_goo_1", "golf") == "golf"
    assert group_of("A_kick_ball_f_cm_np1_ri_med_0", "kick_ball") == "A"
    assert group_of("named otherwise", "run") == "named otherwise"


def test_mask_boxes_are_tight_and_empty_masks_take_the_nearest():
    generator = np.random.default_rng(0)
    mask = (generator.random((20, 30, 7)) < 0.01).astype(np.uint8)
    mask[..., [0, 4, 5]] = 0
    mask[3, 7, [1, 2, 3, 6]] = 1
    boxes, repaired = mask_boxes(mask)
    assert repaired == 3
    for t, taken in enumerate((1, 1, 2, 3, 3, 6, 6)):
        rows, columns = np.nonzero(mask[..., taken])
        expected = [columns.min() - 0.5, rows.min() - 0.5, np.ptp(columns) + 1, np.ptp(rows) + 1]
        np.testing.assert_allclose(boxes[t], expected)
    assert mask_boxes(np.zeros((4, 4, 2)))[0] is None


def test_joints_outside_the_frame_are_absent(tmp_path):
    joints = np.full((2, 15, LENGTH), 10.0)
    joints[0, 0] = WIDTH + 1.4  # 0.9 px past the edge: the labels' inaccuracy
    joints[0, 1] = WIDTH + 2
    joints[1, 2] = -1.0
    write_clip(tmp_path, "run", "A", joints=joints)
    write_splits(tmp_path, "run", ["A.avi 2"])
    clip = open_dataset("sub_jhmdb", tmp_path, "test")[0]
    assert clip.visibility[0].tolist() == [VISIBLE, ABSENT, ABSENT] + [VISIBLE] * 12


def test_wrong_files_are_named(root):
    name = clip_name("Video_T", "run", 1)

    def wrong(match):
        with pytest.raises(UserError, match=match) as caught:
            open_dataset("sub_jhmdb", root, "test")
        assert ";" in str(caught.value)

    good = np.full((2, 15, LENGTH), 10.0)
    write_clip(root, "run", name, joints=np.zeros((2, 13, LENGTH)))
    wrong(r"joint_positions\.mat: pos_img has shape \(2, 13, 5\), expected \(2, 15, frames\)")
    write_clip(root, "run", name, joints=np.full((2, 15, LENGTH), np.nan))
    wrong("no numbers")
    write_clip(root, "run", name, joints=good, mask=np.ones((HEIGHT, WIDTH, 3), np.uint8))
    wrong(r"puppet_mask\.mat: part_mask has shape \(48, 64, 3\), expected \(height, width, 5\)")
    write_clip(root, "run", name, mask=np.zeros((HEIGHT, WIDTH, LENGTH), np.uint8))
    wrong("part_mask is empty in all 5 frames")
    write_clip(root, "run", name)
    labels = root / "joint_positions" / "run" / name / "joint_positions.mat"
    labels.write_bytes(b"broken")
    wrong("not a readable MAT file")
    savemat(labels, {"pos_world": good})
    wrong("lacks pos_img")
    labels.unlink()
    wrong("label file is missing")

    write_clip(root, "run", name, joints=np.full((2, 15, 7), 10.0), mask=np.ones((HEIGHT, WIDTH, 7), np.uint8))
    clip = open_dataset("sub_jhmdb", root, "test")[1]
    with pytest.raises(UserError, match="5 frames can be decoded, the labels are for 7"):
        clip.frames.read([0])
    report = check_dataset("sub_jhmdb", root)
    assert len(report.faults) == 1 and "labels are for 7" in report.faults[0]
    write_clip(root, "run", name, video=False)
    (root / "Rename_Images" / "run" / name / "00005.png").unlink()
    wrong(r"4 images \(\*\.png\), the labels are for 5")
    for folder in (root / "Rename_Images" / "run" / name,):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    (root / "ReCompress_Videos" / "run" / f"{name}.avi").unlink()
    wrong(r"\.avi: missing, and so is .*Rename_Images")
    assert len(open_dataset("sub_jhmdb", root, "test", labels_only=True)) == 2


def test_wrong_split_files(tmp_path):
    with pytest.raises(UserError, match="neither sub_splits/ nor sub-splits/"):
        open_dataset("sub_jhmdb", tmp_path)
    (tmp_path / "sub_splits").mkdir()
    with pytest.raises(UserError, match="lists no clip for fold 1"):
        open_dataset("sub_jhmdb", tmp_path)
    write_clip(tmp_path, "run", "A")
    for lines in (["A.avi 3"], ["A.avi"], ["A.avi 1", "A.avi 2"]):
        write_splits(tmp_path, "run", lines)
        with pytest.raises(UserError, match=r"run_test_split_1\.txt: line \d"):
            open_dataset("sub_jhmdb", tmp_path)
    write_splits(tmp_path, "run", ["A.avi 1", ""])
    assert len(open_dataset("sub_jhmdb", tmp_path)) == 1
    with pytest.raises(UserError, match="split 'test' is empty"):
        open_dataset("sub_jhmdb", tmp_path, "test")


@real
@pytest.mark.parametrize("fold", [1, 2, 3])
def test_real_splits(fold):
    splits = read_splits("sub_jhmdb", REAL, fold=fold)
    train, val, test = (splits[name] for name in ("train", "val", "test"))
    assert len(train) + len(val) + len(test) == 199
    assert sum(len(clip) for dataset in splits.values() for clip in dataset) == 7115
    if fold == 1:
        assert len(test) == 61 and sum(map(len, test)) == 2160
    assert 0.1 <= len(val) / (len(train) + len(val)) <= 0.16
    ids = [{clip.id for clip in dataset} for dataset in (train, val, test)]
    assert not ids[0] & ids[1] and not ids[2] & (ids[0] | ids[1])
    assert not {clip.group for clip in val} & {clip.group for dataset in (train, test) for clip in dataset}
    assert {clip.action for clip in val} == {clip.action for clip in train}
    for dataset in splits.values():
        for clip in dataset:
            assert (clip.visibility == VISIBLE).all() and clip.frames.size == (240, 320)
            assert clip.truth.boxes_repaired == 0 and (clip.boxes[:, 2:] > 5).all()


@real
def test_real_joints_lie_on_the_person():
    """Joints and masks come from different files; they agree: neither is shifted or out of order."""
    clips = open_dataset("sub_jhmdb", REAL, "test")
    inside, shifted = [], []
    for clip in clips:
        low, high = clip.boxes[:, None, :2], clip.boxes[:, None, :2] + clip.boxes[:, None, 2:]
        for points, rows in ((clip.joints, inside), (clip.joints[::-1], shifted)):
            rows.append(((points >= low - 2) & (points <= high + 2)).all(axis=-1).mean())
    assert np.mean(inside) > 0.99 and np.mean(shifted) < 0.9


@real
def test_real_images_and_video_agree():
    """One clip lies there in both forms: the same frames in the same order."""
    folder = next(path for path in sorted((REAL / "Rename_Images").glob("*/*")) if path.is_dir())
    images = ImageFrames(tuple(sorted(folder.glob("*.png"))))
    video = VideoFrames(REAL / "ReCompress_Videos" / folder.parent.name / f"{folder.name}.avi")
    assert len(images) == len(video) and images.size == video.size
    stored, decoded = (source.read(range(len(images))).astype(float) for source in (images, video))
    distance = np.abs(stored[:, None, ::8, ::8] - decoded[None, :, ::8, ::8]).mean(axis=(2, 3, 4))
    assert np.abs(distance.argmin(axis=1) - np.arange(len(images))).max() <= 1 and np.diag(distance).mean() < 8


def test_images_come_in_the_order_of_their_numbers(root):
    """Frame i shows label i, whichever way the numbers are written, in upper and lower case."""
    folder = next((root / "Rename_Images" / "run").iterdir())
    names = ["8.png", "9.PNG", "10.png", "11.png", "12.Png"]
    for path, name in zip(sorted(folder.iterdir()), names, strict=True):
        path.rename(folder / name)
    splits = read_splits("sub_jhmdb", root, splits=("train", "val"))
    clip = next(clip for split in splits.values() for clip in split if clip.id == folder.name)
    assert [path.name for path in clip.frames.paths] == names
    np.testing.assert_array_equal(clip.frames.read(range(LENGTH)), frame_images())


@pytest.mark.parametrize("fold", [0, 4, True, 1.0, "1", None])
def test_a_fold_is_one_of_three(tmp_path, fold):
    with pytest.raises(UserError, match=f"^fold is {fold!r}; the folds of sub_jhmdb are 1, 2 and 3"):
        open_dataset("sub_jhmdb", tmp_path, fold=fold)
