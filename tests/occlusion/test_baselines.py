"""Occluders do not tell where joints are; rules and their counts are those worked out by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.splits import with_min_length
from rpstn.errors import UserError
from rpstn.metrics.hidden import FAST, MEASURES, hidden_samples, joint_speeds
from rpstn.metrics.intervals import interval, paired_interval
from rpstn.occlusion import Protocol, occlude
from rpstn.occlusion.baselines import RULES, check_protocol, confident, filtered, middle_and_chance, rule_predictions, told
from rpstn.occlusion.protocols import PROTOCOLS, grid
from rpstn.occlusion.study import (
    count_rows,
    counts_gain,
    counts_interval,
    first_frames,
    network_rows,
    packed,
    rule_rows,
    share,
    unpacked,
)

from ..conftest import SHARED
from .test_occlusion import SKELETON, many, tight, walking

JUDGED = ("0.1 person", "0.2 torso")  # the measures that conclusions are drawn from


def made(dataset, joints):
    ids = tuple(clip.id for clip in dataset)
    return Predictions(ids, joints, [np.ones(clip.visibility.shape, np.float32) for clip in dataset], [None] * len(ids))


@pytest.mark.parametrize("protocol", grid(), ids=lambda protocol: protocol.title)
def test_drawn_people_are_hidden_by_patches_that_give_nothing_away(embedded_root, protocol):
    """The guess "middle of the patch" is at most 10 points above a point drawn in it; by hand-sized patches it is far above."""
    clips = [clip for split in ("train", "val", "test") for clip in open_dataset("embedded", embedded_root, split=split)]
    dataset = replace(open_dataset("embedded", embedded_root, split="test"), clips=tuple(clips))
    hidden = replace(dataset, clips=tuple(clip for seed in range(4) for clip in replace(protocol, seed=seed).hide(dataset)))
    for measure in JUDGED:
        check_protocol(hidden, **MEASURES[measure])


@pytest.mark.data("JHMDB")
def test_real_people_are_hidden_by_patches_that_give_nothing_away():
    dataset = with_min_length(open_dataset("sub_jhmdb", SHARED / "JHMDB", split="test"), 20)
    for protocol in grid():
        hidden = protocol.hide(dataset)
        for measure in JUDGED:
            check_protocol(hidden, **MEASURES[measure])


@pytest.mark.parametrize(("name", "threshold"), [("joint", 0.1), ("limb", 0.2)])
def test_patches_around_joints_are_refused(name, threshold):
    """What the book had before: the joint in the middle of a patch no larger than the circle in which it counts as found."""
    old = Protocol(name, free=0.0, margin=0.1).hide(many())
    with pytest.raises(UserError, match=r"middle of the patch finds .* % .*tell where joints are: make `free` larger"):
        check_protocol(old, "person", threshold)
    middle, chance = middle_and_chance(Protocol("joint", free=0.0, margin=0.1).hide(many()), "person", 0.2)
    assert middle > 0.9 and chance > 0.8, "by 0.2 of the person, any point of such a patch is a hit"


def test_by_a_fifth_of_the_person_no_patch_that_hides_a_limb_is_honest():
    """Of a point uniform in a unit square, the middle is within x in pi x^2 cases, a drawn point in 8/3 x^3 - x^4/2 fewer."""
    rng = np.random.default_rng(0)
    joints, guesses = rng.uniform(0, 1, (2, 40000, 2))
    for x in (0.2, 0.33, 0.5):
        middle = (np.linalg.norm(joints - 0.5, axis=1) <= x).mean()
        chance = (np.linalg.norm(joints - guesses, axis=1) <= x).mean()
        assert middle - chance == pytest.approx(8 / 3 * x**3 - x**4 / 2, abs=0.015)
    assert 8 / 3 * 0.33**3 - 0.33**4 / 2 < 0.1 < 8 / 3 * 0.35**3 - 0.35**4 / 2, "0.2 of the person needs a patch of 0.6"


def test_the_middle_of_a_patch_is_that_of_its_part_in_the_image():
    clip = walking(12)
    hidden = occlude(clip, SKELETON, tight(("right_wrist",), start=2, length=4, size=0.6))
    patch = hidden.truth.occlusion.patches[3]
    assert patch[0] < 0
    middle = RULES["middle of the patch"](hidden)
    np.testing.assert_allclose(middle[3, 5], [(0 + patch[2]) / 2, (patch[1].clip(0) + patch[3].clip(0, 139)) / 2])
    assert np.isnan(middle[[0, 6]]).all()


def test_rules_by_hand():
    """Left wrist (5) and elbow (3) are hidden from frame 4 on; the figure walks by 2 px a frame."""
    clip = walking(12)
    hidden = occlude(clip, SKELETON, tight(("left_wrist", "left_elbow"), start=4, length=4, size=0.06))
    found = {name: rule(hidden) for name, rule in RULES.items()}
    seen = hidden.visibility[6] == VISIBLE
    np.testing.assert_allclose(found["mean of the other joints"][6, 5], clip.joints[6, seen].mean(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(found["true position held"][6, 5], clip.joints[3, 5])
    np.testing.assert_allclose(found["true velocity"][6, 5], clip.joints[6, 5], atol=1e-4)
    nearest = np.flatnonzero(seen)[np.linalg.norm(clip.joints[6, seen] - clip.joints[6, 5], axis=1).argmin()]
    np.testing.assert_array_equal(found["nearest other joint"][6, 5], clip.joints[6, nearest])
    person = occlude(clip, SKELETON, Protocol("person", start=4, length=4).choose(clip, SKELETON))
    assert (
        np.isnan(RULES["nearest other joint"](person)[5]).all() and np.isnan(RULES["mean of the other joints"](person)[5]).all()
    )


def test_filters_take_what_is_visible_or_what_the_network_is_confident_of():
    dataset = replace(many(3), clips=tuple(walking(12, f"walk {n}") for n in range(3)))
    hidden = Protocol("joint", start=4, length=4, free=0, margin=0.06).hide(dataset)
    wrong = [np.where((clip.visibility == OCCLUDED)[..., None], 0, clip.joints) for clip in hidden]
    network = made(hidden, wrong)
    joint = [int(np.flatnonzero(clip.truth.occlusion.newly_hidden[5])[0]) for clip in hidden]
    by_labels = filtered(network, hidden, told(hidden))
    assert set(by_labels) == {"hold", "velocity", "one-euro", "Kalman"}
    for clip, held, moved, k in zip(hidden, by_labels["hold"].joints, by_labels["velocity"].joints, joint, strict=True):
        np.testing.assert_allclose(held[7, k], clip.joints[3, k], rtol=1e-5)
        np.testing.assert_allclose(moved[7, k], clip.joints[7, k], rtol=1e-4)
    low = [np.where(clip.visibility == OCCLUDED, 0.1, 0.9).astype(np.float32) for clip in hidden]
    sure = confident(replace(network, confidence=low), hidden)
    by_confidence = filtered(network, hidden, sure)["hold"]
    np.testing.assert_allclose(by_confidence.joints[0][7, joint[0]], hidden[0].joints[3, joint[0]], rtol=1e-5)


def test_speeds_are_those_of_the_joint_relative_to_the_person():
    clip = walking(12)
    joints = clip.joints.copy()
    joints[:, 5, 1] += np.where(np.arange(12) % 2, 4, 0)  # the left wrist shakes by 4 px of 93
    hidden = occlude(replace(clip, joints=joints), SKELETON, tight(("left_wrist", "left_elbow"), start=4, length=4, size=0.06))
    speeds = joint_speeds(hidden)
    assert np.isnan(speeds[3, 5]) and np.isnan(speeds[8, 5])
    np.testing.assert_allclose(speeds[4:8, 5], 4 / 93, rtol=1e-3)
    np.testing.assert_allclose(speeds[4:8, 3], 0, atol=1e-6)
    dataset = replace(many(1), clips=(hidden,))
    slow, fast = (
        hidden_samples(made(dataset, [hidden.joints]), dataset, ((1, 5),), by="occluder", speed=speed)[0][0]
        for speed in ("slow", "fast")
    )
    assert np.isfinite(fast[:, 5]).sum() == 4 == np.isfinite(slow[:, 3]).sum() and 4 / 93 > FAST
    assert not np.isfinite(slow[:, 5]).any() and not np.isfinite(fast[:, 3]).any()
    with pytest.raises(ValueError, match="speed"):
        hidden_samples(made(dataset, [hidden.joints]), dataset, speed="quick")


def test_a_curve_rises_with_time_when_the_mix_changes_and_strata_do_not():
    """Held joints: fast ones are lost, slow ones are not. With time only slow ones are left: the pooled curve rises."""
    clips = []
    for number in range(8):
        clip = walking(20, f"walk {number}")
        joints, visibility = clip.joints.copy(), clip.visibility.copy()
        joints[4:, 5, 1] += 12 * np.arange(16)  # the left wrist falls
        visibility[4:6, 5] = OCCLUDED
        visibility[4:12, 3] = OCCLUDED
        clips.append(replace(clip, joints=joints, visibility=visibility))
    dataset = replace(many(1), clips=tuple(clips))
    held = made(dataset, [np.where(np.arange(20)[:, None, None] >= 4, walking().joints, clip.joints) for clip in clips])
    settings = {"bins": ((1, 2), (3, 8)), "reference": "person", "threshold": 0.1}
    pooled, slow = (
        [np.nanmean(part) for part in hidden_samples(held, dataset, speed=speed, **settings)[0]] for speed in (None, "slow")
    )
    assert pooled[0] < pooled[1] == 1 and slow == [1, 1]


def test_counts_give_the_intervals_of_the_samples():
    dataset = replace(many(9), clips=tuple(replace(clip, group=f"group {n // 2}") for n, clip in enumerate(many(12))))
    hidden = Protocol("limb", start=4, length=6).hide(dataset)
    rng = np.random.default_rng(0)
    ours, theirs = (made(hidden, [clip.joints + rng.normal(0, 6, clip.joints.shape) for clip in hidden]) for _ in range(2))
    rows = count_rows(hidden, {"ours": ours, "theirs": theirs})
    for measure, settings in MEASURES.items():
        parts = [hidden_samples(found, hidden, ((1, 5),), by="occluder", **settings) for found in (ours, theirs)]
        counts = [rows[name][measure]["1-5"] for name in ("ours", "theirs")]
        expected = interval(parts[0][0][0], parts[0][1])
        found = counts_interval(counts[0])
        assert (found.estimate, found.samples, found.groups) == (expected.estimate, expected.samples, expected.groups)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high)) and share(counts[0]) == found.estimate
        gain, wanted = counts_gain(*counts), paired_interval(parts[0][0][0], parts[1][0][0], parts[0][1])
        assert (gain.estimate, gain.low) == pytest.approx((wanted.estimate, wanted.low))
    names = sorted({clip.group for clip in hidden})
    assert unpacked(json.loads(json.dumps(packed(rows, names))), names) == rows
    slow_and_fast = [rows["ours"]["0.2 torso"].get(f"1-5 {speed}", {}) for speed in ("slow", "fast")]
    assert sum(total for part in slow_and_fast for _, total in part.values()) == expected.samples
    with pytest.raises(ValueError, match="same joints"):
        counts_gain(counts[0], rows["ours"]["0.2 torso"]["visible"])


def test_a_table_has_network_and_rules(monkeypatch):
    dataset = first_frames(many(5, 24), 12)
    assert [len(clip) for clip in dataset] == [12] * 5 and dataset[0].frames.read([11]).shape == (1, 140, 160, 3)
    hidden = Protocol("limb", start=4, length=8).hide(dataset)
    truth = {True: made(hidden, [clip.joints for clip in hidden]), False: made(dataset, [clip.joints for clip in dataset])}
    rows = network_rows(hidden, truth[True], truth[False])
    assert {"network", "unoccluded", "hold", "Kalman", "hold, confident"} <= set(rows)
    counted = count_rows(hidden, rows | rule_rows(hidden))
    assert set(rule_predictions(hidden)) == set(RULES) < set(counted)
    for measure in MEASURES:
        assert share(counted["network"][measure]["1-5"]) == 1 == share(counted["unoccluded"][measure]["visible"])
        totals = {row: [total for _, total in found[measure]["1-5"].values()] for row, found in counted.items()}
        assert all(total == totals["network"] for total in totals.values()), "all are asked about the same joints"
    assert (hidden[0].visibility == ABSENT).any()


def test_every_protocol_is_known_by_one_name():
    assert list(PROTOCOLS) == ["joint", "limb", "half", "person"]
