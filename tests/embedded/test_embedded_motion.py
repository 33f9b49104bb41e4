"""The embedded data set: its motion, and how it is planned and split."""

import hashlib
import io
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from rpstn.embedded.build_motion import OFFSETS, PARENTS, POINTS, SEGMENTS, compute, offset, quaternions_to_matrices
from rpstn.embedded.clips import draw_clip, label_bytes
from rpstn.embedded.motion import cycle, join, load_motions, stretch, with_proportions
from rpstn.embedded.plan import HELD_OUT, Stretch, clip_poses, joins, plan_clips, stretches
from rpstn.embedded.variation import vary
from rpstn.skeletons import PENN_ACTION

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "mocap"
LEFT, RIGHT = PENN_ACTION.index("left_wrist"), PENN_ACTION.index("right_wrist")


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

    with (files("rpstn.embedded") / "motion.npz").open("rb") as file:
        stored = dict(np.load(file, allow_pickle=False))
    computed = compute(SHARED)
    assert set(stored) == set(computed)
    for key, value in computed.items():
        assert stored[key].dtype == value.dtype, key
        np.testing.assert_array_equal(stored[key], value, err_msg=key)
    assert len(stored["names"]) == 15 and len(stored["times"]) == 1620


def test_the_notice_travels_with_the_array():
    from importlib.resources import files

    notice = (files("rpstn.embedded") / "NOTICE.txt").read_text()
    assert "pybullet" in notice and "DeepMimic" in notice and "altered" in notice
    assert "zlib license" in notice and "MIT License\n\n  Copyright (c) 2018 Xue Bin Peng" in notice


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
    shown = {plan.group: set() for plan in plans}
    for plan in plans:
        assert plan.join is None and len(plan.parts) == 1
        shown[plan.group].add(plan.parts[0])
    for (one, parts), (other, others) in itertools.combinations(shown.items(), 2):
        assert all(gap(a, b) > 0.099 for a in parts for b in others), (one, other)
    owner = {plan.body: plan.group for plan in plans}
    assert all(owner[plan.body] == plan.group for plan in plans)
    assert max(Counter(plan.body for plan in plans).values()) <= 3
    assert len({plan.index for plan in plans}) == len(plans)  # a place of its own for every clip
    clips = Counter(plan.group for plan in plans)
    assert max(clips.values()) - min(clips.values()) <= 1
    assert len(clips) == len(stretches()[split])


def test_body_and_place_are_drawn_from_the_plans_numbers(monkeypatch):
    """Clips of one body show the same one, others not; and the labels name what was drawn."""
    from rpstn.embedded import clips

    plans = [plan for plan in plan_clips(0, {"test": 34}) if plan.index in (0, 11, 1, 33)]
    drawn = {"make_body": [], "make_place": []}
    for name, made in drawn.items():
        original = getattr(clips, name)

        def note(seed, *rest, made=made, make=original):
            made.append(tuple(seed.generate_state(4)))
            return make(seed, *rest)

        monkeypatch.setattr(clips, name, note)
    written = [loadmat(io.BytesIO(label_bytes(plan, *draw_clip(plan, 2, 64)))) for plan in plans]
    first, other_group, same_body, later = range(4)  # of the clips 0, 1, 11, 33
    assert plans[first].group == plans[same_body].group == plans[later].group != plans[other_group].group
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
            p.group,
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
    groups = {split: {plan.group for plan in plans if plan.split == split} for split in motions}
    assert len(groups["test"]) >= 10
    for name in HELD_OUT:  # as much of the test set as of any other motion
        assert sum(plan.motion == name for plan in plans) >= 6
    assert not groups["train"] & groups["test"] and not groups["val"] & (groups["train"] | groups["test"])


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
        assert worst < 0.01, plan.group


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
