"""The embedded data set: motion, drawing, exact states, splits, and making it whole or not at all."""

import dataclasses
import hashlib
import io
import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import loadmat

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.embedded import make_embedded
from rpstn.datasets.embedded.bodies import make_body, pose_body
from rpstn.datasets.embedded.build_motion import OFFSETS, PARENTS, POINTS, SEGMENTS, compute, offset, quaternions_to_matrices
from rpstn.datasets.embedded.camera import Camera
from rpstn.datasets.embedded.clips import draw_clip, label_bytes
from rpstn.datasets.embedded.make import MANIFEST, is_complete
from rpstn.datasets.embedded.mesh import template
from rpstn.datasets.embedded.motion import cycle, join, load_motions, stretch, with_proportions
from rpstn.datasets.embedded.plan import HELD_OUT, Stretch, clip_poses, joins, plan_clips, stretches
from rpstn.datasets.embedded.raster import rasterise
from rpstn.datasets.embedded.render import BY_BODY, BY_THING, JOINTS, Lens, render
from rpstn.datasets.embedded.scene import Light, Place, Thing
from rpstn.datasets.embedded.variation import vary
from rpstn.datasets.penn_action import PENN_ACTION_ORIGIN
from rpstn.errors import UserError
from rpstn.skeletons import PENN_ACTION

COUNTS = {"train": 4, "val": 2, "test": 3}
FRAMES = 8
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "mocap"
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


# Motion


def test_bones_keep_their_length_in_every_frame_of_every_motion():
    for motion in load_motions().values():
        points = motion.poses.points
        for name, parent in PARENTS.items():
            lengths = np.linalg.norm(points[:, POINTS.index(name)] - points[:, POINTS.index(parent)], axis=-1)
            assert np.abs(lengths - np.linalg.norm(offset(name))).max() < 2e-3, (motion.name, name)


def test_left_bones_mirror_right_bones():
    for name in OFFSETS:
        if f"left_{name}" in POINTS:
            np.testing.assert_allclose(offset(f"left_{name}"), offset(f"right_{name}") * (1, 1, -1))
    # Walking along x with y up, the person's right is at larger z.
    walk = load_motions()["walk"].poses.points
    assert walk[-1, 0, 0] - walk[0, 0, 0] > 1.0
    assert (walk[:, POINTS.index("right_hip"), 2] > walk[:, POINTS.index("left_hip"), 2]).all()
    assert (walk[:, POINTS.index("head"), 1] > walk[:, POINTS.index("left_ankle"), 1]).all()


def test_mirrored_twice_is_the_motion_itself_and_once_exchanges_sides():
    poses = load_motions()["kick"].poses
    once = poses.mirrored()
    np.testing.assert_allclose(once.mirrored().points, poses.points)
    np.testing.assert_allclose(once.mirrored().rotations, poses.rotations)
    left, right = POINTS.index("left_wrist"), POINTS.index("right_wrist")
    np.testing.assert_allclose(once.points[:, left], poses.points[:, right] * (1, 1, -1))


def test_rotations_agree_with_points_also_after_mirroring():
    poses = load_motions()["cartwheel"].poses
    for case in (poses, poses.mirrored()):
        same = np.ones(len(POINTS))
        _, matrices = with_proportions(case, same)
        for name in ("left_elbow", "right_wrist", "left_knee", "right_ankle", "left_shoulder", "right_hip", "chest"):
            parent = PARENTS[name]
            bone = case.points[:, POINTS.index(name)] - case.points[:, POINTS.index(parent)]
            np.testing.assert_allclose(matrices[:, SEGMENTS.index(parent)] @ offset(name), bone, atol=3e-3)


def test_other_proportions_change_lengths_and_keep_directions():
    poses = load_motions()["punch"].poses
    lengths = np.random.default_rng(0).uniform(0.9, 1.1, len(POINTS))
    points, matrices = with_proportions(poses, lengths)
    for index, name in enumerate(POINTS[1:], start=1):
        parent = POINTS.index(PARENTS[name])
        bone, before = points[:, index] - points[:, parent], poses.points[:, index] - poses.points[:, parent]
        size = np.linalg.norm(bone, axis=-1)
        np.testing.assert_allclose(size, np.linalg.norm(offset(name)) * lengths[index], rtol=1e-6)
        cosine = (bone * before).sum(-1) / size / np.linalg.norm(before, axis=-1)
        assert cosine.min() > 1 - 1e-9
    np.testing.assert_allclose(matrices @ matrices.transpose(0, 1, 3, 2), np.broadcast_to(np.eye(3), matrices.shape), atol=1e-9)


def test_wrapping_and_joining_make_no_jumps():
    motions = load_motions()
    for name in ("run", "walk", "spinkick"):
        motion = motions[name]
        captured = np.abs(np.diff(stretch(motion, 0, motion.duration).points, axis=0)).max()
        wrapped = cycle(motion, 3 * motion.duration, 0.1)
        assert len(wrapped) >= 3 * motion.duration * 60
        assert np.abs(np.diff(wrapped.points, axis=0)).max() < 2.5 * captured
    run = cycle(motions["run"], 2.4, 0.0).points[:, 0]
    assert run[-1, 0] > 7.0  # three cycles carry the runner on, not back to the start
    assert len(joins()) > 10
    for pair in joins():
        before = stretch(motions[pair.first.motion], pair.first.start, pair.leave)
        after = stretch(motions[pair.second.motion], pair.enter, pair.second.end)
        whole = join(before, after, 13)
        usual = max(np.abs(np.diff(part.points, axis=0)).max() for part in (before, after))
        assert np.abs(np.diff(whole.points, axis=0)).max() < max(1.5 * usual, 0.15)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the motion-capture files are not here")
def test_the_stored_array_is_what_forward_kinematics_gives():
    from importlib.resources import files

    with (files("rpstn.datasets.embedded") / "motion.npz").open("rb") as file:
        stored = dict(np.load(file, allow_pickle=False))
    computed = compute(SHARED)
    assert set(stored) == set(computed)
    for key, value in computed.items():
        assert stored[key].dtype == value.dtype, key
        np.testing.assert_array_equal(stored[key], value, err_msg=key)
    assert len(stored["names"]) == 15 and len(stored["times"]) == 1620


def test_the_notice_travels_with_the_array():
    from importlib.resources import files

    notice = (files("rpstn.datasets.embedded") / "NOTICE.txt").read_text()
    assert "pybullet" in notice and "DeepMimic" in notice and "altered" in notice
    assert "zlib licence" in notice and "MIT License\n\n  Copyright (c) 2018 Xue Bin Peng" in notice


# Splits


def gap(first: Stretch, second: Stretch) -> float:
    """Seconds of motion between two stretches, negative where they overlap. A cyclic motion goes on at its beginning."""
    if first.motion != second.motion:
        return float("inf")
    motion = load_motions()[first.motion]
    turns = (-motion.duration, 0.0, motion.duration) if motion.cyclic else (0.0,)
    return min(max(second.start + turn - first.end, first.start - second.end - turn) for turn in turns)


def test_stretches_never_meet():
    table = [part for parts in stretches().values() for part in parts]
    assert sum(gap(one, other) < float("inf") for one, other in itertools.combinations(table, 2)) > 8
    for part in table:
        motion = load_motions()[part.motion]
        assert part.end - part.start > 0.65 and 0 <= part.start and part.end <= motion.duration
        if motion.cyclic and motion.duration < 1.9:  # cycles about as short as a clip stay whole
            assert part.whole, part
    for one, other in itertools.combinations(table, 2):
        assert gap(one, other) > 0.099, (one, other)


def test_the_gap_sees_overlaps_and_cycles():
    """What the test above relies on."""
    end = load_motions()["roll"].duration
    early, late = Stretch("roll", 0.0, 1.0, False), Stretch("roll", 1.5, end - 0.05, False)
    assert gap(early, late) == pytest.approx(0.05) == pytest.approx(gap(late, early))
    assert gap(early, Stretch("roll", 0.5, 1.2, False)) < 0 and gap(early, Stretch("spin", 0.5, 1.2, False)) > 1


WHOLE_SET = {"train": 240, "val": 30, "test": 60}


@pytest.mark.parametrize("split", ["val", "test"])
def test_clips_of_two_sources_share_neither_motion_nor_body_nor_place(split):
    plans = [plan for plan in plan_clips(0, WHOLE_SET) if plan.split == split]
    shown = {plan.source: set() for plan in plans}
    for plan in plans:
        assert plan.join is None and len(plan.parts) == 1
        shown[plan.source].add(plan.parts[0])
    for (one, parts), (other, others) in itertools.combinations(shown.items(), 2):
        assert all(gap(a, b) > 0.099 for a in parts for b in others), (one, other)
    owner = {plan.body: plan.source for plan in plans}
    assert all(owner[plan.body] == plan.source for plan in plans)
    assert max(Counter(plan.body for plan in plans).values()) <= 3
    assert len({plan.index for plan in plans}) == len(plans)  # a place of its own for every clip
    clips = Counter(plan.source for plan in plans)
    assert max(clips.values()) - min(clips.values()) <= 1
    assert len(clips) == len(stretches()[split])


def test_body_and_place_are_drawn_from_the_plans_numbers(monkeypatch):
    """Clips of one body show the same one, others not; and the labels name what was drawn."""
    from rpstn.datasets.embedded import clips

    plans = [plan for plan in plan_clips(0, {"test": 34}) if plan.index in (0, 11, 1, 33)]
    drawn = {"make_body": [], "make_place": []}
    for name, made in drawn.items():
        original = getattr(clips, name)

        def note(seed, *rest, made=made, make=original):
            made.append(tuple(seed.generate_state(4)))
            return make(seed, *rest)

        monkeypatch.setattr(clips, name, note)
    written = [loadmat(io.BytesIO(label_bytes(plan, *draw_clip(plan, 2, 64)))) for plan in plans]
    first, other_source, same_body, later = range(4)  # of the clips 0, 1, 11, 33
    assert plans[first].source == plans[same_body].source == plans[later].source != plans[other_source].source
    bodies = drawn["make_body"]
    assert bodies[first] == bodies[same_body] and len(set(bodies)) == 3
    assert len(set(drawn["make_place"])) == 4
    for key, states in (("body", bodies), ("place", drawn["make_place"])):
        names = [str(label[key][0]) for label in written]
        assert [names.index(name) for name in names] == [states.index(state) for state in states], key


def test_the_training_plan_is_the_one_that_published_weights_were_trained_on():
    """A change here means training again. Times in tenths of a millisecond, as other machines may round otherwise."""
    plans = [plan for plan in plan_clips(0, WHOLE_SET) if plan.split == "train"]
    told = [
        (
            p.number,
            p.source,
            *(f"{t:.4f}" for t in ((p.join.leave, p.join.enter) if p.join else ())),
            p.arms and p.arms.label,
            p.seed,
            p.index,
            p.body,
        )
        for p in plans
    ]
    assert len(told) == 240 and sum(plan.join is not None for plan in plans) == 80
    assert hashlib.sha256(repr(told).encode()).hexdigest()[:16] == "05141b49484adad2"


def test_held_out_motions_occur_in_test_only_and_enough_sources_do():
    assert len(HELD_OUT) >= 2
    plans = plan_clips(0, WHOLE_SET)
    motions = {
        split: {part.motion for plan in plans if plan.split == split for part in plan.parts} for split in ("train", "val", "test")
    }
    assert set(HELD_OUT) <= motions["test"]
    assert not set(HELD_OUT) & (motions["train"] | motions["val"])
    only_test = motions["test"] - motions["train"] - motions["val"]
    assert only_test == set(HELD_OUT)
    for plan in plans:
        assert plan.held_out == all(part.motion in HELD_OUT for part in plan.parts)
    sources = {split: {plan.source for plan in plans if plan.split == split} for split in motions}
    assert len(sources["test"]) >= 10
    for name in HELD_OUT:  # as much of the test set as of any other motion
        assert sum(plan.motion == name for plan in plans) >= 6
    assert not sources["train"] & sources["test"] and not sources["val"] & (sources["train"] | sources["test"])


def test_every_clip_shows_motion_of_its_own_stretches_only():
    """Poses of clips that show one uncut stretch lie near poses of that stretch, in shape."""
    motions = load_motions()

    def shape(points):
        return np.linalg.norm(points[:, :, None] - points[:, None, :], axis=-1)

    plans = [p for p in plan_clips(3, {"val": 8, "test": 24}) if not p.parts[0].wraps]
    assert len(plans) > 15
    for plan in plans:
        part = plan.parts[0]
        poses = clip_poses(plan, 24, np.random.default_rng(plan.index))
        allowed = shape(motions[part.motion].sample(np.arange(part.start, part.end, 1 / 120)).points)
        mirrored = shape(motions[part.motion].sample(np.arange(part.start, part.end, 1 / 120)).mirrored().points)
        seen = shape(poses.points)
        worst = min(np.abs(seen[:, None] - known[None]).mean((2, 3)).min(1).max() for known in (allowed, mirrored))
        assert worst < 0.01, plan.source


def test_training_clips_vary_the_motion_within_what_bodies_can_do():
    plans = plan_clips(0, WHOLE_SET)
    assert all((plan.arms is None) or plan.split == "train" for plan in plans)
    borrowed = [plan for plan in plans if plan.arms is not None]
    assert len(borrowed) == 80 and all(plan.arms.motion != plan.parts[0].motion for plan in borrowed)
    assert {plan.arms for plan in borrowed} <= set(stretches()["train"])
    motions = load_motions()
    walk = motions["walk"].poses
    punch = motions["punch"].sample(np.linspace(0, 1, len(walk)))
    varied = vary(walk, np.random.default_rng(5), punch)
    for name, parent in PARENTS.items():  # bones keep their lengths
        lengths = np.linalg.norm(varied.points[:, POINTS.index(name)] - varied.points[:, POINTS.index(parent)], axis=-1)
        np.testing.assert_allclose(lengths, np.linalg.norm(offset(name)), atol=1e-6)
    matrices = quaternions_to_matrices(varied.rotations)
    for name in ("right_knee", "left_knee", "right_elbow", "left_elbow"):  # hinges turn about their axis, to one side
        parent = matrices[:, SEGMENTS.index(PARENTS[name])]
        turn = parent.transpose(0, 2, 1) @ matrices[:, SEGMENTS.index(name)]
        np.testing.assert_allclose(turn[:, 2, 2], 1.0, atol=1e-4)
        angle = np.arctan2(turn[:, 1, 0], turn[:, 0, 0])
        assert (angle < 1e-3).all() if name.endswith("knee") else (angle > -1e-3).all()
    # Frame to frame nothing jumps, and something has changed.
    assert np.abs(np.diff(varied.points, axis=0)).max() < 0.3
    assert np.abs(varied.points - walk.points).mean() > 0.02


def test_variation_of_no_strength_gives_the_motion_back():
    class Still:
        def uniform(self, *_):
            return 0.0

        def standard_normal(self, shape):
            return np.zeros(shape)

    poses = load_motions()["cartwheel"].poses
    same = vary(poses, Still())
    np.testing.assert_allclose(same.points, poses.points, atol=3e-3)  # points are stored in half precision
    sign = np.sign((same.rotations * poses.rotations).sum(-1, keepdims=True))
    np.testing.assert_allclose(sign * same.rotations, poses.rotations, atol=3e-3)


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
    for key in ("body", "place"):  # and in val and test not even two sources do
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
    from rpstn.datasets.embedded.clips import _seed

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
    next(root.rglob("*.jpg")).unlink()  # damaged: made anew
    make_embedded(root, counts={"train": 1}, frames=3, size=64, workers=1, progress=False)
    assert len(list(root.rglob("*.jpg"))) == 3
    assert [p.name for p in tmp_path.iterdir()] == ["set"]


def test_an_error_on_the_way_leaves_nothing(tmp_path, monkeypatch):
    from rpstn.datasets.embedded import clips

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
    script = "from rpstn.datasets.embedded import make_embedded\n"
    script += f"make_embedded({str(root)!r}, frames=4, size=64, workers=2, progress=False)"
    process = subprocess.Popen([sys.executable, "-c", script], cwd=Path(__file__).parents[1])
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
    code = "import sys, rpstn.datasets.embedded; sys.exit(any(m in sys.modules for m in ('cv2', 'scipy', 'matplotlib')))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


# Drawing, on scenes made by hand


def studio(distance: float = 4.0, size: int = 160, frames: int = 1) -> Camera:
    """A camera at x = distance that looks along -x at a person who faces it."""
    axes = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    return Camera(
        np.tile([distance, 0.9, 0.0], (frames, 1)), np.tile(axes, (frames, 1, 1)), np.full(frames, 280.0),
        np.full((frames, 2), (size - 1) / 2), size,
    )  # fmt: skip


def plain_place() -> Place:
    grey = np.full((64, 64, 3), 128, np.uint8)
    light = Light(np.array([0.5, 0.8, 0.33]), np.full(3, 0.5), np.full(3, 0.4), np.full(3, 0.2), 0.5, 1.0)
    return Place(grey, grey, 10.0, grey, 10.0, np.array([-5.0, 0, 0]), np.array([0, 0, 1.0]), light, np.full(3, 0.5), 0.5)


CLEAR = Lens(0.0, 0.0, 0.0, 0.0, 1.0, 1.0, np.ones(3, np.float32), 0.0, 95)


@pytest.fixture(scope="module")
def standing():
    """A person at the end of getting up, who stands and is turned to face +x: body, points, matrices of one frame."""
    motion = load_motions()["jump"]
    body = make_body(np.random.SeedSequence(5))
    poses = motion.poses[:1]
    points, matrices = with_proportions(poses, body.lengths)
    points = points - points[:, :1] * (1, 0, 1)
    return body, points, matrices


def draw(standing, things=(), camera=None):
    body, points, matrices = standing
    return render(body, points, matrices, camera or studio(), plain_place(), list(things), CLEAR, np.random.default_rng(0))


def slab(x: float, y: float, z: float, side: float) -> Thing:
    """An opaque square whose middle is at (x, y, z)."""
    texture = np.full((32, 32, 4), 255, np.uint8)
    return Thing("slab", texture, np.array([[x, y - side / 2, z]]), side, side)


def test_left_and_right_are_the_persons_own(standing):
    body, points, matrices = standing
    seen = draw(standing)
    for name in ("shoulder", "hip", "knee", "ankle", "wrist"):  # facing the camera: the left is at the picture's right
        assert seen.joints[0, PENN_ACTION.index(f"left_{name}"), 0] > seen.joints[0, PENN_ACTION.index(f"right_{name}"), 0]
    assert seen.joints[0, PENN_ACTION.index("head"), 1] < seen.joints[0, PENN_ACTION.index("left_hip"), 1]
    toes = pose_body(body, points, matrices)[0][0][body.template.weights[:, SEGMENTS.index("left_ankle")] > 0.9]
    assert toes[:, 0].max() > points[0, POINTS.index("left_ankle"), 0] + 0.1  # feet point forward


def test_a_slab_before_a_joint_hides_it_and_no_other(standing):
    points = standing[1]
    free = draw(standing)
    for name in ("left_ankle", "right_knee", "left_shoulder", "head"):
        joint = PENN_ACTION.index(name)
        assert free.state[0, joint] == VISIBLE
        eye, goal = studio().position[0], points[0, JOINTS[joint]]
        at = goal + 0.3 * (eye - goal)
        hidden = draw(standing, [slab(*at, 0.08)])
        expected, cause = free.state.copy(), free.occluded_by.copy()
        expected[0, joint], cause[0, joint] = OCCLUDED, BY_THING
        np.testing.assert_array_equal(hidden.state, expected, err_msg=name)
        np.testing.assert_array_equal(hidden.occluded_by, cause, err_msg=name)


def test_a_slab_behind_the_body_hides_nothing(standing):
    free, behind = draw(standing), draw(standing, [slab(-1.0, 0.9, 0.0, 3.0)])
    np.testing.assert_array_equal(free.state, behind.state)
    np.testing.assert_array_equal(free.occluded_by, behind.occluded_by)
    assert np.abs(free.frames.astype(int) - behind.frames).max() > 20  # it is there to be seen, beside the body
    row, column = free.joints[0, PENN_ACTION.index("left_hip"), ::-1].round().astype(int)
    assert np.abs(free.frames[0, row, column].astype(int) - behind.frames[0, row, column]).max() < 3


def test_a_slab_that_covers_all_hides_all(standing):
    seen = draw(standing, [slab(1.5, 0.9, 0.0, 3.0)])
    assert (seen.state == OCCLUDED).all() and (seen.occluded_by == BY_THING).all()


def test_seen_from_the_side_the_far_arm_and_hip_are_hidden_by_the_body(standing):
    # From the person's left (z < 0), looking along +z.
    axes = np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    camera = dataclasses.replace(studio(), position=np.array([[0.0, 0.9, -4.0]]), axes=axes[None])
    seen = draw(standing, camera=camera)
    for name, state in (("left_shoulder", VISIBLE), ("right_shoulder", OCCLUDED), ("left_hip", VISIBLE), ("right_hip", OCCLUDED)):
        assert seen.state[0, PENN_ACTION.index(name)] == state, name
    assert seen.occluded_by[0, PENN_ACTION.index("right_hip")] == BY_BODY


def test_outside_the_frame_is_absent(standing):
    camera = studio()
    camera = dataclasses.replace(camera, centre=camera.centre + (0.0, 60.0))
    seen = draw(standing, camera=camera)
    outside = seen.joints[0, :, 1] > 159
    assert outside.any() and not outside.all()
    np.testing.assert_array_equal(seen.state[0] == ABSENT, outside)
    assert seen.corners[0, 3] == 159


def test_box_holds_the_body_and_visible_joints_lie_on_it(standing):
    """Against the body drawn alone: a black place, the body's own pixels are all that is lit."""
    body, points, matrices = standing
    seen = draw(standing)
    vertices, _ = pose_body(body, points, matrices)
    outline, depth = studio().project(vertices)
    pixel, *_ = rasterise(outline[0] * 2 + 0.5, depth[0], body.template.faces, 320, 320)
    mask = np.zeros((320, 320), bool)
    mask.ravel()[pixel] = True
    rows, columns = (np.flatnonzero(mask.any(axis)) / 2 - 0.25 for axis in (1, 0))
    x0, y0, x1, y1 = seen.corners[0]
    assert x0 <= columns[0] + 0.01 and x1 >= columns[-1] - 0.01 and y0 <= rows[0] + 0.01 and y1 >= rows[-1] - 0.01
    assert columns[0] - x0 < 1 and x1 - columns[-1] < 1 and rows[0] - y0 < 1 and y1 - rows[-1] < 1  # and is tight
    for joint in np.flatnonzero(seen.state[0] == VISIBLE):
        column, row = np.round(seen.joints[0, joint] * 2 + 0.5).astype(int)
        assert mask[row, column], PENN_ACTION.joints[joint]


def test_rasteriser_against_every_triangle_at_every_pixel():
    rng = np.random.default_rng(0)
    points, depth = rng.uniform(-3, 33, (40, 2)), rng.uniform(1, 3, 40)
    faces = rng.integers(0, 40, (60, 3))
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])]
    pixel, face, weights, z = rasterise(points, depth, faces, 30, 30)
    nearest = np.full((30, 30), np.inf)
    y, x = np.mgrid[:30, :30]
    for a, b, c in faces:
        (ax, ay), (bx, by), (cx, cy) = points[a], points[b], points[c]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area >= 0:
            continue
        wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        value = depth[a] + wb * (depth[b] - depth[a]) + wc * (depth[c] - depth[a])
        nearest = np.where((wb >= 0) & (wc >= 0) & (wb + wc <= 1), np.minimum(nearest, value), nearest)
    drawn = np.full(900, np.inf)
    drawn[pixel] = z
    both = np.isfinite(nearest.ravel()) & np.isfinite(drawn)
    assert both.sum() > 200 and (np.isfinite(nearest.ravel()) != np.isfinite(drawn)).sum() <= 2
    assert (np.abs(drawn[both] - nearest.ravel()[both]) < 1e-3).mean() > 0.99
    np.testing.assert_allclose((weights * depth[faces[face]].T).sum(0), z, atol=1e-3)


def test_template_is_a_closed_surface_of_human_volume():
    for hair, skirt in (("short", False), ("long", True)):
        shape = template(hair, skirt)
        edges = np.sort(np.concatenate([shape.faces[:, [0, 1]], shape.faces[:, [1, 2]], shape.faces[:, [2, 0]]]), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert (counts % 2 == 0).all()  # no edge is open
        corners = shape.vertices[shape.faces]
        volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        assert 0.04 < volume < 0.12  # cubic metres; positive: faces turn outward
        np.testing.assert_allclose(shape.weights.sum(1), 1, atol=1e-5)


def test_clips_show_mostly_visible_joints_and_short_occlusions():
    plans = plan_clips(0, WHOLE_SET)[::33]
    states = [draw_clip(plan, 24, 96)[0].state for plan in plans]
    share = np.mean([state == VISIBLE for state in states])
    assert 0.55 < share < 0.92
    back = sum(
        (state[t, k] == OCCLUDED) and (state[t - 1, k] == VISIBLE)
        for state in states for t in range(1, 24) for k in range(13)
    )  # fmt: skip
    assert back > 50
