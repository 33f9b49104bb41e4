"""The embedded data set on disk: its layout, and making it whole or not at all."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.penn_action import PENN_ACTION_ORIGIN
from rpstn.embedded import make_embedded
from rpstn.embedded.clips import draw_clip, label_bytes
from rpstn.embedded.make import MANIFEST, is_complete
from rpstn.embedded.plan import HELD_OUT, plan_clips
from rpstn.errors import UserError
from rpstn.skeletons import PENN_ACTION

COUNTS = {"train": 4, "val": 2, "test": 3}
FRAMES = 8
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "mocap"
LEFT, RIGHT = PENN_ACTION.index("left_wrist"), PENN_ACTION.index("right_wrist")


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*")) if path.is_file()
    }  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A tiny set, made by two processes."""
    root = tmp_path_factory.mktemp("embedded") / "set"
    return make_embedded(root, counts=COUNTS, frames=FRAMES, workers=2, progress=False)


@pytest.fixture(scope="module")
def labels(made):
    return [loadmat(path) for path in sorted((made / "labels").glob("*.mat"))]


# On disk


def test_layout_is_penn_actions(made, labels):
    assert sorted(p.name for p in made.iterdir()) == sorted(["frames", "labels", MANIFEST])
    assert len(labels) == sum(COUNTS.values())
    for number, label in enumerate(labels, start=1):
        shapes = {
            "x": (FRAMES, 13), "y": (FRAMES, 13), "visibility": (FRAMES, 13), "bbox": (FRAMES, 4), "dimensions": (1, 3),
            "train": (1, 1), "nframes": (1, 1), "action": (1,), "pose": (1,), "state": (FRAMES, 13), "occluded_by": (FRAMES, 13),
            "source": (1,), "split": (1,), "held_out": (1, 1), "motion": (1,),
        }  # fmt: skip
        for key, shape in shapes.items():
            assert label[key].shape == shape, key
        assert label["x"].dtype == label["y"].dtype == label["bbox"].dtype == np.float64
        assert label["visibility"].dtype == label["state"].dtype == label["occluded_by"].dtype == np.uint8
        assert label["train"].dtype == np.int32 and label["dimensions"].dtype == np.uint16
        assert label["dimensions"].tolist() == [[160, 160, FRAMES]] and int(label["nframes"][0, 0]) == FRAMES
        assert str(label["pose"][0]) in ("front", "back", "left", "right")
        folder = made / "frames" / f"{number:04d}"
        assert sorted(p.name for p in folder.iterdir()) == [f"{i:06d}.jpg" for i in range(1, FRAMES + 1)]
        image = cv2.imread(str(folder / "000001.jpg"))
        assert image.shape == (160, 160, 3) and image.std() > 5


def test_labels_agree_with_themselves(labels):
    for label in labels:
        state, cause = label["state"], label["occluded_by"]
        assert set(np.unique(state)) <= {ABSENT, OCCLUDED, VISIBLE}
        np.testing.assert_array_equal(label["visibility"], state == VISIBLE)
        np.testing.assert_array_equal(cause > 0, state == OCCLUDED)
        absent = state == ABSENT
        assert (label["x"][absent] == 1).all() and (label["y"][absent] == 1).all()
        x, y = label["x"][~absent] - PENN_ACTION_ORIGIN, label["y"][~absent] - PENN_ACTION_ORIGIN
        assert (x > 0).all() and (x <= 159).all() and (y > 0).all() and (y <= 159).all()
        split = str(label["split"][0])
        assert int(label["train"][0, 0]) == (-1 if split == "test" else 1)


def test_splits_on_disk_share_no_source_body_or_place(labels):
    for key in ("source", "body", "place"):
        seen = {split: {str(label[key][0]) for label in labels if str(label["split"][0]) == split} for split in COUNTS}
        assert not seen["train"] & seen["test"] and not seen["train"] & seen["val"] and not seen["val"] & seen["test"]
    for key in ("body", "place"):  # and in val and test not even two groups do
        pairs = {(str(label[key][0]), str(label["source"][0])) for label in labels if str(label["split"][0]) != "train"}
        assert len({thing for thing, _ in pairs}) == len(pairs) > 2
    held = {str(label["motion"][0]) for label in labels if int(label["held_out"][0, 0])}
    assert set(HELD_OUT) <= {name for motion in held for name in motion.split("+")}


def test_the_penn_action_loader_reads_the_same_pixels(made):
    from rpstn.datasets.penn_action import PENN_ACTION_ORIGIN as origin

    plan = plan_clips(0, COUNTS)[0]
    rendered, view = draw_clip(plan, FRAMES, 160)
    label = loadmat(made / "labels" / "0001.mat")
    inside = rendered.state != ABSENT
    stored = np.stack([label["x"], label["y"]], -1) - origin
    np.testing.assert_allclose(stored[inside], rendered.joints[inside], atol=1e-9)
    np.testing.assert_allclose(label["bbox"] - origin, rendered.corners, atol=1e-9)
    assert view == str(label["pose"][0])


def test_bodies_and_places_of_different_splits_differ():
    one = plan_clips(0, {"train": 1, "test": 1, "val": 1})
    from rpstn.embedded.clips import _seed

    states = {tuple(_seed(plan, purpose, 0).generate_state(4)) for plan in one for purpose in (1, 2)}
    assert len(states) == 6


# The same bytes, whole or not at all


def test_same_seed_same_bytes_whatever_the_workers(made, tmp_path):
    alone = make_embedded(tmp_path / "alone", counts=COUNTS, frames=FRAMES, workers=1, progress=False)
    assert contents(alone) == contents(made)


def test_the_time_of_day_is_not_in_the_files():
    plan = plan_clips(0, {"train": 1})[0]
    rendered, view = draw_clip(plan, 2, 64)
    first = label_bytes(plan, rendered, view)
    time.sleep(1.1)  # SciPy writes the second into the header
    assert label_bytes(plan, rendered, view) == first


def test_another_seed_gives_another_set(made, tmp_path):
    other = make_embedded(tmp_path / "other", seed=1, counts={"train": 2}, frames=FRAMES, workers=1, progress=False)
    assert not set(contents(other).values()) & set(contents(made).values())


def test_a_whole_set_is_kept_and_another_replaced(tmp_path):
    root = make_embedded(tmp_path / "set", counts={"train": 1}, frames=2, size=64, workers=1, progress=False)
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*.jpg")}
    make_embedded(root, counts={"train": 1}, frames=2, size=64, workers=1, progress=False)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*.jpg")} == before
    make_embedded(root, counts={"train": 1}, frames=3, size=64, workers=1, progress=False)
    assert len(list(root.rglob("*.jpg"))) == 3
    next(root.rglob("*.jpg")).unlink()  # damaged: made again
    make_embedded(root, counts={"train": 1}, frames=3, size=64, workers=1, progress=False)
    assert len(list(root.rglob("*.jpg"))) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_an_error_on_the_way_leaves_nothing(tmp_path, monkeypatch):
    from rpstn.embedded import clips

    calls = []

    def broken(plan, *rest, write=clips.write_clip):
        calls.append(plan)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return write(plan, *rest)

    monkeypatch.setattr(clips, "write_clip", broken)
    with pytest.raises(KeyboardInterrupt):
        make_embedded(tmp_path / "set", counts={"train": 3}, frames=2, size=64, workers=1, progress=False)
    assert len(calls) == 2 and list(tmp_path.iterdir()) == []


def test_a_killed_making_leaves_nothing_that_looks_made(tmp_path):
    root = tmp_path / "set"
    script = "from rpstn.embedded import make_embedded\n"
    script += f"make_embedded({str(root)!r}, frames=4, size=64, workers=2, progress=False)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[2])
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".set.making-*/labels/*.mat")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not root.exists() and not is_complete(root, {})
    left = list(tmp_path.iterdir())
    assert len(left) == 1 and left[0].name == f".set.making-{process.pid}"
    make_embedded(root, counts={"train": 1}, frames=2, size=64, workers=1, progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_bad_values_are_named(tmp_path):
    for arguments, word in (
        ({"counts": {"tset": 1}}, "tset"), ({"counts": {"train": 0}}, "counts"), ({"frames": 1}, "frames"), ({"size": 8}, "size"),
        ({"workers": 0}, "workers"), ({"seed": -1}, "seed"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=word):
            make_embedded(tmp_path / "set", **arguments)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("work of years")
    with pytest.raises(UserError, match="mine"):
        make_embedded(tmp_path / "mine", counts={"train": 1})
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "work of years"


def test_importing_the_package_stays_light():
    code = "import sys, rpstn.embedded; sys.exit(any(m in sys.modules for m in ('cv2', 'scipy', 'matplotlib')))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0
