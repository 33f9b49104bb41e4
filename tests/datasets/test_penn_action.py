"""Penn Action: its layout, the faults of the official files, and the keys the embedded set adds."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.penn_action import PENN_ACTION_ORIGIN
from rpstn.datasets.splits import cut_validation
from rpstn.errors import UserError
from rpstn.skeletons import PENN_ACTION

REAL = Path(__file__).parents[3] / "shared" / "data" / "Penn_Action"
HEIGHT, WIDTH, JOINTS = 36, 48, len(PENN_ACTION)


def label(length=4, train=1, action="squat", seed=0):
    """A label as the official files hold it, all joints visible and inside the frame."""
    generator = np.random.default_rng(seed)
    return {
        "action": action,
        "pose": "front",
        "x": generator.uniform(5, WIDTH - 5, (length, JOINTS)),
        "y": generator.uniform(5, HEIGHT - 5, (length, JOINTS)),
        "visibility": np.ones((length, JOINTS), np.uint8),
        "train": np.array([[train]], np.int32),
        "bbox": np.tile(np.array([4.0, 3.0, 40.0, 33.0]), (length, 1)) + np.arange(length)[:, None],
        "dimensions": np.array([[HEIGHT, WIDTH, length]], np.uint16),
        "nframes": np.array([[length]], np.uint8),
    }


def write(root, name, content, frames=True):
    (root / "labels").mkdir(parents=True, exist_ok=True)
    savemat(root / "labels" / f"{name}.mat", content)
    if frames:
        folder = root / "frames" / name
        folder.mkdir(parents=True)
        for index in range(int(content["nframes"].item())):
            pixels = np.full((HEIGHT, WIDTH, 3), (10, 20, 40 * index), np.uint8)
            cv2.imwrite(str(folder / f"{index + 1:06d}.jpg"), pixels)


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "penn"
    for index in range(1, 7):
        write(root, f"{index:04d}", label(train=1 if index <= 4 else -1, seed=index))
    return root


def one(root, split="test"):
    return open_dataset("penn_action", root, split)


def test_reads_the_official_layout(root):
    content = label(train=-1, seed=5)
    dataset = one(root)
    assert (dataset.name, dataset.split, dataset.skeleton) == ("penn_action", "test", PENN_ACTION)
    assert [clip.id for clip in dataset] == ["0005", "0006"]
    clip = dataset[0]
    assert (clip.group, clip.action, len(clip)) == ("0005", "squat", 4)
    np.testing.assert_allclose(clip.joints[..., 0], content["x"] - PENN_ACTION_ORIGIN, rtol=1e-6)
    np.testing.assert_allclose(clip.joints[..., 1], content["y"] - PENN_ACTION_ORIGIN, rtol=1e-6)
    o = PENN_ACTION_ORIGIN
    np.testing.assert_allclose(clip.boxes[1], [5 - o, 4 - o, 36, 30])
    assert clip.joints.dtype == clip.boxes.dtype == np.float32 and clip.visibility.dtype == np.uint8
    assert clip.frames.size == (HEIGHT, WIDTH)
    frames = clip.frames.read([3, 0])
    assert frames.shape == (2, HEIGHT, WIDTH, 3) and frames.dtype == np.uint8
    # Red rises from frame to frame: order and channels are right.
    assert np.abs(frames[0].mean(axis=(0, 1)) - [120, 20, 10]).max() < 4


def test_states_of_joints(tmp_path):
    content = label(length=1, train=-1)
    x, y, seen = content["x"], content["y"], content["visibility"]
    x[0, 0], y[0, 0], seen[0, 0] = (
        2 / 3,
        2 / 3,
        0,
    )  # missing, where the video was annotated at 1.5 times its size
    x[0, 1], y[0, 1], seen[0, 1] = 1.5, 1.5, 0  # missing, annotated at 2/3 of its size
    seen[0, 2] = 0  # hidden, with a position
    x[0, 3] = WIDTH + 5  # visible by its flag, but outside
    x[0, 4], seen[0, 4] = WIDTH + 5, 0
    y[0, 5] = HEIGHT  # the last pixel's lower edge
    x[0, 6], y[0, 6] = 1, 1  # visible in the corner
    write(tmp_path, "0001", content)
    clip = one(tmp_path)[0]
    expected = [ABSENT, ABSENT, OCCLUDED, ABSENT, ABSENT] + [VISIBLE] * 8
    assert clip.visibility[0].tolist() == expected
    assert clip.truth.joints_outside == 2


def test_integer_coordinates_are_not_wrapped(tmp_path):
    content = label(length=1, train=-1)
    content["x"], content["y"] = np.zeros((1, JOINTS), np.uint8), np.full((1, JOINTS), 20, np.uint8)
    content["bbox"] = np.array([[0, 30, 40, 20]], np.uint16)  # height 20 - 30: negative
    write(tmp_path, "0001", content)
    with pytest.raises(UserError, match="none of the 1 boxes"):
        one(tmp_path)
    content["bbox"] = np.array([[0, 10, 40, 20]], np.uint16)
    write(tmp_path, "0001", content, frames=False)
    clip = one(tmp_path)[0]
    np.testing.assert_allclose(clip.joints[0, 0], [-PENN_ACTION_ORIGIN, 20 - PENN_ACTION_ORIGIN])
    assert clip.boxes[0, 0] == -PENN_ACTION_ORIGIN


def test_bad_boxes_take_the_nearest_valid_one(tmp_path):
    content = label(length=6, train=-1)
    box = content["bbox"]
    box[0, 2:] = box[0, :2]  # no extent
    box[3] = [20, 20, 10, 30]  # negative width
    box[4] = np.nan
    write(tmp_path, "0001", content)
    clip = one(tmp_path)[0]
    expected = np.concatenate([box[:, :2] - PENN_ACTION_ORIGIN, box[:, 2:] - box[:, :2]], axis=1)[[1, 1, 2, 2, 5, 5]]
    np.testing.assert_allclose(clip.boxes, expected, rtol=1e-6)
    assert clip.truth.boxes_repaired == 3


def test_one_box_row_too_few_repeats_the_last(tmp_path):
    content = label(length=5, train=-1)
    content["bbox"] = content["bbox"][:-1]
    write(tmp_path, "0001", content)
    clip = one(tmp_path)[0]
    np.testing.assert_array_equal(clip.boxes[4], clip.boxes[3])
    assert clip.truth.boxes_repaired == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("x", np.zeros((4, 12)), r"x has shape \(4, 12\), expected \(4, 13\)"),
        ("visibility", np.ones((3, 13)), r"visibility has shape \(3, 13\), expected \(4, 13\)"),
        ("bbox", np.zeros((2, 4)), r"bbox has shape \(2, 4\), expected \(4, 4\)"),
        ("bbox", np.zeros((4, 4)), "none of the 4 boxes"),
        ("y", np.full((4, 13), np.inf), "x or y holds values that are no numbers"),
        ("state", np.ones((4, 12)), r"state has shape \(4, 12\)"),
        ("split", "dev", "split is 'dev'"),
        ("dimensions", np.array([[4]]), r"dimensions has shape \(1, 1\)"),
        ("nframes", None, "lacks nframes"),
    ],
)
def test_wrong_labels_name_file_key_and_shapes(root, key, value, message):
    content = label()
    content[key] = value
    if value is None:
        del content[key]
    write(root, "0001", content, frames=False)
    with pytest.raises(UserError, match=r"labels/0001\.mat: .*" + message) as caught:
        one(root)
    assert ";" in str(caught.value)  # reason; remedy
    faults = []
    splits = read_splits("penn_action", root, faults=faults)
    assert len(faults) == 1 and sum(map(len, splits.values())) == 5


def test_broken_and_missing_files(root):
    (root / "labels" / "0002.mat").write_bytes(b"MATLAB 5.0, but no more")
    with pytest.raises(UserError, match=r"0002\.mat: not a readable MAT file"):
        one(root)
    write(root, "0002", label(), frames=False)
    image = root / "frames" / "0005" / "000002.jpg"
    data = image.read_bytes()
    image.write_bytes(data[: len(data) // 2])
    clip = one(root)[0]
    assert len(clip.frames.read([0, 2])) == 2
    with pytest.raises(UserError, match=r"0005/000002\.jpg: broken image"):
        clip.frames.read([0, 1])
    (root / "frames" / "0005" / "000004.jpg").unlink()
    with pytest.raises(UserError, match=r"0005/000004\.jpg: missing, though 0005\.mat has labels for 4 frames"):
        one(root)
    for path in (root / "frames" / "0005").iterdir():
        path.unlink()
    (root / "frames" / "0005").rmdir()
    with pytest.raises(UserError, match=r"frames/0005: the folder with the frames of 0005\.mat is missing"):
        one(root)
    assert len(open_dataset("penn_action", root, "test", labels_only=True)) == 2


def test_missing_places_and_empty_splits(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"nowhere.*given as root.*dreamdragon"):
        open_dataset("penn_action", tmp_path / "nowhere")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RPSTN_DATA", raising=False)
    with pytest.raises(UserError, match=r"data/embedded.*rpstn data make embedded"):
        open_dataset("embedded")
    monkeypatch.setenv("RPSTN_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(UserError, match=r"elsewhere/embedded.*RPSTN_DATA"):
        open_dataset("embedded")
    with pytest.raises(UserError, match="embedded, penn_action, sub_jhmdb"):
        open_dataset("penn")
    with pytest.raises(UserError, match="train, val and test"):
        open_dataset("embedded", split="dev")
    with pytest.raises(UserError, match="no label files"):
        open_dataset("embedded", tmp_path)
    write(tmp_path / "elsewhere" / "embedded", "0001", label(train=1))
    assert len(open_dataset("embedded")) == 1
    with pytest.raises(UserError, match="split 'test' is empty"):
        open_dataset("embedded", split="test")


def test_validation_is_cut_by_source_and_seed(tmp_path):
    for index in range(1, 41):
        write(
            tmp_path,
            f"{index:04d}",
            label(1, 1 if index <= 30 else -1, "squat" if index % 2 else "bowl"),
            frames=False,
        )

    def read(seed):
        splits = read_splits("penn_action", tmp_path, seed=seed, labels_only=True)
        return {split: {clip.id for clip in dataset} for split, dataset in splits.items()}

    first = read(0)
    assert [len(first[split]) for split in ("train", "val", "test")] == [26, 4, 10]
    assert not first["train"] & first["val"] and not first["test"] & (first["train"] | first["val"])
    assert read(0) == first and any(read(seed)["val"] != first["val"] for seed in range(1, 4))
    alone = open_dataset("penn_action", tmp_path, "val", seed=0, labels_only=True)
    assert {clip.id for clip in alone} == first["val"]
    assert {clip.action for clip in alone} == {"squat", "bowl"}


def test_a_source_is_never_divided():
    sources = [f"video{index // 3}" for index in range(60)] + ["long"] * 30
    actions = ["run"] * 45 + ["walk"] * 45
    for seed in range(5):
        val = cut_validation(sources, actions, 0.12, seed)
        taken = sum(source in val for source in sources)
        assert val < set(sources) and "long" not in val and 6 <= taken <= 15
    assert cut_validation(["only"] * 5, ["run"] * 5, 0.1, 0) == set()


def test_embedded_keys_are_used(tmp_path):
    for index, split in enumerate(("train", "val", "test"), 1):
        content = label(length=2, train=1 if split != "test" else -1)
        content["visibility"][:] = 0
        state = np.full((2, JOINTS), VISIBLE, np.uint8)
        state[0, 0], state[0, 1], state[1, 2] = OCCLUDED, ABSENT, VISIBLE
        content["x"][1, 2] = -5
        content |= {
            "state": state,
            "occluded_by": (state == OCCLUDED).astype(np.uint8) * 2,
            "source": f"walk:{index}",
            "split": split,
            "held_out": np.uint8(index == 3),
            "motion": "walk",
        }
        write(tmp_path, f"{index:04d}", content)
    for index, split in enumerate(("train", "val", "test"), 1):
        dataset = open_dataset("embedded", tmp_path, split)
        assert dataset.name == "embedded" and [clip.id for clip in dataset] == [f"{index:04d}"]
        clip = dataset[0]
        assert clip.group == f"walk:{index}" and clip.truth.motion == "walk"
        assert clip.truth.held_out == (index == 3) and dataset.split == split
        assert clip.truth.occluded_by.shape == (2, JOINTS) and clip.truth.occluded_by[0, 0] == 2
        assert clip.visibility[0, :3].tolist() == [OCCLUDED, ABSENT, VISIBLE]
        assert clip.visibility[1, 2] == ABSENT  # outside the frame
    assert len({open_dataset("embedded", tmp_path, split).checksum() for split in ("train", "val", "test")}) == 3


def test_check_collects_faults(root):
    report = check_dataset("penn_action", root)
    assert report.ok and "no faults" in str(report) and report.pixels == "24 frames decoded"
    assert sum(split.clips for split in report.splits.values()) == 6
    assert report.splits["test"].joints == (0, 0, 2 * 4 * 13)
    assert report.notes == (
        "4 of 1,258 videos of the whole set in train and val",
        "2 of 1,068 videos of the whole set in test",
    )
    assert all(f"note: {note}" in str(report) for note in report.notes)
    broken = root / "frames" / "0003" / "000003.jpg"
    broken.write_bytes(b"")
    (root / "frames" / "0004" / "000002.jpg").unlink()
    cv2.imwrite(str(root / "frames" / "0005" / "000001.jpg"), np.zeros((10, 10, 3), np.uint8))
    write(root, "0006", label() | {"x": np.zeros((4, 2))}, frames=False)
    done = []
    report = check_dataset("penn_action", root, progress=lambda clip, clips: done.append((clip, clips)))
    text = "\n".join(report.faults)
    assert not report.ok and len(report.faults) == 5
    for words in (
        "0003/000003.jpg: broken",
        "0004: 3 images",
        "0004/000002.jpg: cannot read",
        "10x10 pixels",
        "0006.mat: x has",
    ):
        assert words in text
    assert done[-1] == (5, 5) and "5 faults" in str(report)


# Videos per action in train (val is cut from it) and test.
OFFICIAL = {
    "baseball_pitch": (104, 63),
    "baseball_swing": (115, 58),
    "bench_press": (69, 71),
    "bowl": (135, 85),
    "clean_and_jerk": (43, 45),
    "golf_swing": (89, 77),
    "jump_rope": (40, 42),
    "jumping_jacks": (56, 56),
    "pullup": (98, 101),
    "pushup": (104, 107),
    "situp": (50, 50),
    "squat": (114, 117),
    "strum_guitar": (46, 48),
    "tennis_forehand": (80, 77),
    "tennis_serve": (115, 71),
}


@pytest.mark.skipif(not REAL.is_dir(), reason="the official label files are not here")
def test_official_labels():
    """All 2,326 files can be used, and their peculiarities are as counted by other means."""
    splits = read_splits("penn_action", REAL, labels_only=True)
    clips = [clip for dataset in splits.values() for clip in dataset]
    assert len(clips) == 2326 and sum(map(len, clips)) == 163_841
    assert len(splits["test"]) == 1068 and len(splits["train"]) + len(splits["val"]) == 1258
    assert 0.08 < len(splits["val"]) / 1258 < 0.13
    assert {clip.action for clip in splits["val"]} == {clip.action for clip in clips}
    counted = Counter((clip.action, dataset.split == "test") for dataset in splits.values() for clip in dataset)
    assert {action: (counted[action, False], counted[action, True]) for action, _ in counted} == OFFICIAL
    assert check_dataset("penn_action", REAL, pixels=False).notes == ()
    assert sum(clip.truth.boxes_repaired for clip in clips) == 185 + 2
    # 1,012 visible joints and one invisible one with a position.
    assert sum(clip.truth.joints_outside for clip in clips) == 1013
    assert sum(int((~(clip.visibility == VISIBLE).any(axis=1)).sum()) for clip in clips) == 177
    absent = sum(int((clip.visibility == ABSENT).sum()) for clip in clips)
    # Missing ones at x, y <= 1 are 169,781; those stored at up to 1.52 make it 187,352.
    assert absent == 187_352 + 1013
    by_id = {clip.id: clip for clip in clips}
    assert len(by_id["1154"].boxes) == len(by_id["1154"]) and not (by_id["1516"].visibility == VISIBLE).any()
    assert all((clip.boxes[:, 2:] > 0).all() for clip in clips)
    with pytest.raises(UserError, match="frames/0001"):
        open_dataset("penn_action", REAL)


@pytest.mark.skipif(not (REAL.is_dir() and sys.platform == "linux"), reason="needs the official label files and /proc")
def test_official_labels_take_little_memory():
    """All 2,326 files in a process of its own: under 500 MB."""
    # The peak that the system keeps per program: that of getrusage would hold what the parent had, too.
    code = (
        "from rpstn.datasets import read_splits;"
        f"splits = read_splits('penn_action', {str(REAL)!r}, labels_only=True);"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])"
    )
    assert int(subprocess.check_output([sys.executable, "-c", code], text=True)) < 500_000
