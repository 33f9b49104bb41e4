"""Occluders of training: they hide what they say, at times, and do not tell where the joint is."""

import numpy as np
import pytest

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip
from rpstn.datasets.hiding import half_box, hide, joint_groups
from rpstn.datasets.sources import ArrayFrames
from rpstn.datasets.transforms import Augmentation
from rpstn.datasets.windows import make_window
from rpstn.errors import UserError
from rpstn.skeletons import SKELETONS, get_skeleton

SKELETON = get_skeleton("penn_action")


@pytest.mark.parametrize("name", sorted(SKELETONS))
def test_groups_of_every_skeleton_name_its_joints(name):
    skeleton = SKELETONS[name]
    groups = joint_groups(skeleton)
    assert groups["person"] == [list(range(len(skeleton)))] and len(groups["joint"]) == len(skeleton)
    assert all(len(limb) == 3 for limb in groups["limb"]) and len(groups["limb"]) == 4
    for half in groups["half"]:
        assert 0 < len(half) < len(skeleton)


def person(length=10, size=128):
    rng = np.random.default_rng(0)
    joints = rng.uniform(40, 88, (1, len(SKELETON), 2)) + rng.uniform(-1, 1, (length, len(SKELETON), 2)).cumsum(axis=0)
    visibility = np.full((length, len(SKELETON)), VISIBLE, np.uint8)
    return np.full((length, size, size, 3), 7, np.uint8), joints.astype(np.float32), visibility


def test_what_is_painted_is_what_is_reported():
    places, lengths = [], []
    for seed in range(200):
        frames, joints, visibility = person()
        where = hide(frames, joints, visibility, SKELETON, 4, np.random.default_rng(seed))
        painted = (frames != 7).any(axis=-1)
        for t, (x1, y1, x2, y2) in enumerate(where):
            assert painted[t].sum() == painted[t, y1:y2, x1:x2].sum() and (painted[t].any() or x1 == x2)
            if x2 > x1:
                inside = (joints[t] >= where[t, :2]).all(axis=1) & (joints[t] < where[t, 2:]).all(axis=1)
                places += list((joints[t, inside] - where[t, :2]) / (where[t, 2:] - where[t, :2]))
        times = np.flatnonzero(where[:, 2] > where[:, 0])
        lengths.append(len(times))
        assert len(times) == 0 or len(times) == times[-1] - times[0] + 1
    assert max(lengths) == 4 and min(lengths) >= 1
    # Hidden joints lie anywhere in their occluder: its middle is no guess.
    assert np.std(places, axis=0).min() > 0.15


def test_textures_come_from_elsewhere():
    frames, joints, visibility = person()
    other = np.full((20, 30, 3), 99, np.uint8)
    seen = set()
    for seed in range(40):
        copy = frames.copy()
        hide(copy, joints, visibility, SKELETON, 4, np.random.default_rng(seed), lambda rng: other)
        seen |= set(np.unique(copy[copy != 7])[:2])
    assert 99 in seen and len(seen) > 3


def test_nobody_there_nothing_hidden():
    frames, joints, visibility = person()
    where = hide(frames, joints, visibility * 0 + ABSENT, SKELETON, 4, np.random.default_rng(0))
    assert not where.any() and (frames == 7).all()


def test_windows_mark_hidden_joints_as_occluded():
    frames, joints, visibility = person()
    boxes = np.tile(np.float32([30, 30, 70, 70]), (10, 1))
    clip = Clip("a", "group", "action", joints, visibility, boxes, ArrayFrames(frames))
    still = Augmentation.none()
    hiding = Augmentation(**vars(still) | {"hiding": 1.0})
    hidden = [make_window(clip, SKELETON, 0, 10, 64, hiding, np.random.default_rng(seed)).visibility for seed in range(5)]
    assert any((states == OCCLUDED).any() for states in hidden)
    assert (make_window(clip, SKELETON, 0, 10, 64, still).visibility == VISIBLE).all()


def test_half_of_a_body_fills_the_crop():
    """The other half is cut off, and absent; without enough joints the crop stays."""
    frames, joints, visibility = person()
    lower = [index for index, name in enumerate(SKELETON.joints) if name.endswith(("hip", "knee", "ankle"))]
    joints[:, lower, 1] += 40
    clip = Clip("a", "group", "action", joints, visibility, np.tile(np.float32([30, 30, 70, 90]), (10, 1)), ArrayFrames(frames))
    half = Augmentation(**vars(Augmentation.none()) | {"half_body": 1.0})
    seen = {
        tuple(make_window(clip, SKELETON, 0, 1, 64, half, np.random.default_rng(seed)).visibility[0] > 0) for seed in range(8)
    }
    assert len(seen) == 2
    for there in map(np.array, seen):
        assert there[lower].all() != there[[index for index in range(13) if index not in lower]].all()
    assert half_box(joints, visibility * 0 + ABSENT, SKELETON, np.random.default_rng(0)) is None


@pytest.mark.parametrize("wrong", [{"hiding": 1.5}, {"hiding_frames": 0}, {"half_body": -1.0}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(UserError, match=next(iter(wrong))):
        Augmentation(**wrong)
