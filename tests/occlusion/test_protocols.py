"""Protocols are named, seeded and checked; cuts join what they say; what comes after is counted as by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.splits import with_min_length
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics.hidden import HiddenCurve
from rpstn.metrics.intervals import Interval
from rpstn.models import RPSTN, RPSTNConfig
from rpstn.models.checkpoints import load_checkpoint, save_checkpoint
from rpstn.occlusion import occlude
from rpstn.occlusion.cuts import predict_restarted, splice, splice_dataset
from rpstn.occlusion.protocols import Protocol, grid
from rpstn.occlusion.recovery import effects, horizon, part_curve, part_frames, part_gain, unoccluded

from .test_occlusion import SKELETON, Gray, annotated, many, tight, walking


def said(dataset, wrong):
    """Predictions that are the truth, but 300 px off where `wrong` (a list of (T,K) bool) says."""
    joints = [np.where(bad[..., None], clip.joints + 300, clip.joints) for bad, clip in zip(wrong, dataset, strict=True)]
    ids = tuple(clip.id for clip in dataset)
    return Predictions(ids, joints, [np.ones(clip.visibility.shape) for clip in dataset], [None] * len(ids))


def correct(dataset):
    return said(dataset, [np.zeros(clip.visibility.shape, bool) for clip in dataset])


def test_protocols_have_names_and_refuse_what_is_none():
    every = grid(start=4, length=8, seed=3, texture="noise")
    assert len(every) == 8 == len({protocol.title for protocol in every})
    for protocol in every:
        hidden, again = protocol.hide(many(2)), protocol.hide(many(2))
        assert hidden.checksum() == again.checksum() != many(2).checksum()
        frames = [part.hide(many(2))[1].frames.read([6]) for part in (protocol, protocol, replace(protocol, seed=4))]
        assert (frames[0] == frames[1]).all() and (frames[0] != frames[2]).any()
        assert any(clip.truth.occlusion.newly_hidden.any() for clip in hidden)
    with pytest.raises(UserError, match="'lim'.*did you mean 'limb'"):
        Protocol("lim")
    with pytest.raises(UserError, match="attached.*'sky'"):
        Protocol("limb", attached="sky")
    with pytest.raises(UserError, match="at least one frame"):
        Protocol("limb", length=0)
    with pytest.raises(UserError, match="walk 0.*20 frames.*does not fit"):
        Protocol("limb", start=15, length=8).hide(many(1))


def test_clips_that_are_too_short_are_left_out_or_named():
    dataset = replace(many(2), clips=(walking(10, "short"), walking(20, "long")))
    assert [clip.id for clip in with_min_length(dataset, 15)] == ["long"]
    with pytest.raises(UserError, match="30 frames, the longest has 20"):
        with_min_length(dataset, 30)


def test_joints_that_reappear_and_that_stay_visible_are_counted_by_hand():
    clip = walking(12)
    wrist, elbow, knee, ankle = (SKELETON.index(name) for name in ("left_wrist", "left_elbow", "right_knee", "left_ankle"))
    hidden = occlude(clip, SKELETON, tight(("left_wrist",), start=3, length=4, size=0.06))
    back, stayed = part_frames(hidden, "reappeared"), part_frames(hidden, "unoccluded_joints")
    np.testing.assert_array_equal(back[:, wrist], [0] * 7 + [1, 2, 3, 4, 5])
    assert not np.delete(back, wrist, axis=1).any()
    np.testing.assert_array_equal(stayed[:, elbow], [0] * 3 + [1, 2, 3, 4] + [0] * 5)
    assert not stayed[:, [wrist, knee, ankle]].any(), "hidden, hidden by the body, absent: not unoccluded"
    # A network that restarts in frame 8 has forgotten what was hidden before.
    np.testing.assert_array_equal(part_frames(hidden, "reappeared", 8)[:, wrist], [0] * 7 + [1] + [0] * 4)
    with pytest.raises(UserError, match="walk.*no occluder"):
        part_frames(clip, "reappeared")
    with pytest.raises(UserError, match="walk.*no cut"):
        part_frames(clip, "after_cut")
    with pytest.raises(ValueError, match="part"):
        part_frames(hidden, "before")


def test_a_joint_that_was_hidden_once_does_not_count_as_unoccluded():
    clip = walking(12)
    once = occlude(clip, SKELETON, tight(("left_wrist",), start=2, length=2, size=0.06))
    twice = occlude(once, SKELETON, tight(("left_knee",), start=6, length=2, size=0.06))
    wrist = SKELETON.index("left_wrist")
    # In frames 6 and 7 something is in the image again.
    np.testing.assert_array_equal(part_frames(twice, "reappeared")[4:, wrist], [1, 2, 0, 0, 5, 6, 7, 8])
    assert not part_frames(twice, "unoccluded_joints")[:, wrist].any()
    assert twice.truth.occlusion.unoccluded == "walk"


def test_a_joint_reappears_when_the_occluder_has_gone():
    """The hip walks out of a patch that stays in the image: what the patch does there is not yet recovery."""
    clip, hip, wrist = walking(20), SKELETON.index("right_hip"), SKELETON.index("right_wrist")
    stays = occlude(clip, SKELETON, tight(("right_wrist",), start=2, length=8, size=0.08, attached="image"))
    np.testing.assert_array_equal(np.flatnonzero(stays.truth.occlusion.newly_hidden[:, hip]), [2])
    np.testing.assert_array_equal(np.flatnonzero(stays.truth.occlusion.newly_hidden[:, wrist]), np.arange(2, 10))
    np.testing.assert_array_equal(np.flatnonzero(stays.truth.occlusion.painted), np.arange(2, 10))
    back = part_frames(stays, "reappeared")
    np.testing.assert_array_equal(back[:, wrist], [0] * 10 + list(range(1, 11)))
    np.testing.assert_array_equal(back[:, hip], [0] * 10 + list(range(8, 18)))


def test_effects_show_a_memory_and_a_wrong_pose_that_is_carried_on():
    """One network finds hidden joints for 3 frames and is wrong for 2 frames after; the other sees only what is visible."""
    clips = many(12)
    behind = Protocol("joint", start=4, length=8, free=0, margin=0.06).hide(clips)
    newly = [clip.truth.occlusion.newly_hidden > 0 for clip in behind]
    long = [np.cumsum(hide, axis=0) * hide > 3 for hide in newly]
    late = [(part_frames(clip, "reappeared") > 0) & (part_frames(clip, "reappeared") <= 2) for clip in behind]
    found = {
        "memory": said(behind, [a | b for a, b in zip(long, late, strict=True)]),
        "none": said(behind, newly),
    }
    result = effects(behind, found, {name: correct(clips) for name in found}, "memory", "none", back=3)
    assert result.hidden.estimate == pytest.approx(3 / 5) and result.hidden_baseline.estimate == 0
    assert result.gain.estimate == pytest.approx(3 / 5) and result.gain.excludes_zero and result.gain.groups == 12
    assert result.reappeared_gain.estimate == pytest.approx(-2 / 3) == pytest.approx(result.reappeared_cost.estimate)
    assert (
        result.unoccluded_joints.estimate == result.unoccluded_joints_baseline.estimate == 0
        and result.unoccluded_joints.samples > 100
    )


def test_the_error_of_unoccluded_joints_is_a_distance_over_the_persons_size():
    behind = Protocol("joint", start=4, length=4, free=0, margin=0.06).hide(many(5))
    off = replace(correct(behind), joints=[clip.joints + np.float32([3, 4]) for clip in behind])
    size = float(behind[0].boxes[5, 2:].max())
    curve = part_curve(off, behind, "unoccluded_joints", ((1, 4),), measure="error")
    assert curve.intervals[0].estimate == pytest.approx(5 / size, rel=1e-5)
    assert part_gain(off, correct(behind), behind, "unoccluded_joints", ((1, 4),), measure="error").intervals[0].low > 0
    with pytest.raises(ValueError, match="measure"):
        part_curve(off, behind, "unoccluded_joints", measure="length")


def test_effects_are_measured_without_the_clips_that_had_nothing_to_hide():
    head = annotated(walking(20, "head"), "head")
    clips = replace(many(6), clips=(head, *many(6)))
    behind = Protocol("limb", start=4, length=8, free=0, margin=0.06).hide(clips)
    assert len(behind) == 6
    found, clear = ({name: correct(part) for name in ("ours", "theirs")} for part in (behind, clips))
    result = effects(behind, found, clear, "ours", "theirs")
    assert result.hidden.estimate == 1 and result.hidden.groups == 6 and result.reappeared_cost.estimate == 0


def test_unoccluded_predictions_go_by_name():
    clips = many(3)
    some = replace(clips, clips=(clips[2], clips[0]))
    behind = Protocol("limb", start=4, length=4).hide(some)
    given = replace(correct(clips), joints=[np.full_like(clip.joints, index) for index, clip in enumerate(clips)])
    assert [float(joints[0, 0, 0]) for joints in unoccluded(given, behind).joints] == [2, 0]
    with pytest.raises(UserError, match="walk 2"):
        unoccluded(correct(replace(clips, clips=clips.clips[:2])), behind)


def interval_of(low, high):
    return Interval((low + high) / 2, low, high, 5, 50)


def test_the_horizon_ends_with_the_first_bin_that_holds_zero():
    up, around, down = interval_of(0.1, 0.3), interval_of(-0.1, 0.2), interval_of(-0.3, -0.1)
    bins = ((1, 1), (2, 3), (4, 6))
    assert horizon(HiddenCurve(bins, (up, up, around))) == 3
    assert horizon(HiddenCurve(bins, (up, down, up))) == 1
    assert horizon(HiddenCurve(bins, (around, up, up))) == 0
    assert horizon(HiddenCurve(bins, (up, up, up))) == 6
    assert horizon(HiddenCurve(bins, (Interval(0.0, np.nan, np.nan, 1, 5), up, up))) is None


class Colored(Gray):
    """Frame i is of color base + i."""

    def __init__(self, length, base):
        super().__init__(length)
        self.base = base

    def read(self, indices):
        return np.stack([np.full((*self.size, 3), self.base + i, np.uint8) for i in indices])


def test_a_cut_joins_images_and_labels():
    first = replace(walking(8, "a"), frames=Colored(8, 10))
    second = replace(walking(9, "b"), frames=Colored(9, 100), joints=walking(9).joints + 5)
    cut = splice(first, second, 3, 8)
    np.testing.assert_array_equal(cut.frames.read(range(8))[:, 0, 0, 0], [10, 11, 12, 100, 101, 102, 103, 104])
    np.testing.assert_array_equal(cut.frames.read([6, 1])[:, 0, 0, 0], [103, 11])
    np.testing.assert_array_equal(cut.joints[3:], second.joints[:5])
    np.testing.assert_array_equal(cut.joints[:3], first.joints[:3])
    np.testing.assert_array_equal(cut.truth.since_cut, [0, 0, 0, 1, 2, 3, 4, 5])
    assert cut.group == "b" and len(cut) == 8
    annotated = cut.visibility != ABSENT
    np.testing.assert_array_equal(part_frames(cut, "after_cut"), cut.truth.since_cut[:, None] * annotated)
    assert (cut.visibility == OCCLUDED).any() and (cut.visibility == VISIBLE).any()


def test_what_cannot_be_spliced_is_said():
    clip, other = walking(8, "a"), walking(9, "b")
    for at in (0, 8):
        with pytest.raises(UserError, match="does not lie inside 8 frames"):
            splice(clip, other, at, 8)
    with pytest.raises(UserError, match="'a' has 8 frames.*needs 10"):
        splice(clip, other, 10, 12)
    with pytest.raises(UserError, match="'b' has 9 frames.*needs 10"):
        splice(clip, other, 2, 12)
    with pytest.raises(UserError, match="different|size"):
        splice(clip, replace(other, frames=Gray(9, (20, 20))), 2, 8)
    with pytest.raises(UserError, match="two groups"):
        splice_dataset(replace(many(2), clips=tuple(replace(clip, group="one") for clip in many(2))), 4, 8)


def test_every_clip_follows_a_cut_from_another_group():
    dataset = many(6)
    cuts = splice_dataset(dataset, 4, 10, seed=1)
    assert [clip.group for clip in cuts] == [clip.group for clip in dataset]
    assert all(clip.id.split(" cut ")[0] != clip.group for clip in cuts)
    assert cuts.checksum() == splice_dataset(dataset, 4, 10, seed=1).checksum()
    assert {clip.id for clip in cuts} != {clip.id for clip in splice_dataset(dataset, 4, 10, seed=2)}


def test_clips_of_a_size_that_no_other_group_has_are_left_out():
    large = [replace(walking(20, name), frames=Gray(20, (200, 300))) for name in ("large", "larger")]
    wide = replace(walking(20, "wide"), frames=Gray(20, (100, 300)))
    cuts = splice_dataset(replace(many(3), clips=(wide, *many(3), *large)), 4, 10, seed=1)
    assert [clip.group for clip in cuts] == ["walk 0", "walk 1", "walk 2", "large", "larger"]
    assert [clip.id for clip in cuts][:3] == [clip.id for clip in splice_dataset(many(3), 4, 10, seed=1)]
    assert [clip.id for clip in cuts][3:] == ["larger cut at 4 to large", "large cut at 4 to larger"]
    with pytest.raises(UserError, match="among 2 test clips of made, none.*another group.*take more clips"):
        splice_dataset(replace(many(3), clips=(wide, large[0])), 4, 10)


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    metadata = {"skeleton": "penn_action", "size": 64, "input": "rgb_imagenet"}

    def model(**changes):
        return RPSTN(RPSTNConfig(joints=13, encoder="small", initializer="small", **changes)).eval()

    return model, metadata


def noisy(name, seed):
    """A clip whose frames differ, so that a network that carries something shows it."""
    clip = walking(8, name)
    frames = Colored(8, 0)
    values = np.random.default_rng(seed).integers(0, 255, (8, *frames.size, 3), dtype=np.uint8)
    frames.read = lambda indices: values[list(indices)]
    return replace(clip, frames=frames)


def test_a_restart_at_the_cut_changes_nothing_without_memory_and_something_with_it(small):
    """The crop is the same with and without a restart: a network without memory gives the same joints."""
    model, metadata = small
    dataset = ClipDataset("made", SKELETON, "test", Path("."), (noisy("a", 0), noisy("b", 1)))
    cuts = splice_dataset(dataset, 3, 7)
    after = np.arange(7) >= 3
    for changes, differs in (({"relation": "off", "propagation": "none"}, False), ({}, True)):
        network = model(**changes)
        through = predict_clips(network, metadata, cuts, 24, progress=False)
        restarted = predict_restarted(network, metadata, cuts, 24, progress=False)
        assert restarted.ids == through.ids and np.isnan(restarted.joints[0][~after]).all()
        apart = max(np.abs(a[after] - b[after]).max() for a, b in zip(through.joints, restarted.joints, strict=True))
        assert (apart > 0.1) == differs and (differs or apart < 1e-3), (changes, apart)
        same = part_gain(through, restarted, cuts, "after_cut", ((1, 4),)).intervals[0]
        assert same.samples > 50 and (differs or same.estimate == 0)
    with pytest.raises(UserError, match="window 5"):
        predict_restarted(network, metadata, cuts, 5, progress=False)
    with pytest.raises(UserError, match="no cut"):
        predict_restarted(network, metadata, dataset, 24, progress=False)


def test_a_wrong_pose_carried_over_a_cut_is_seen(small):
    """Predictions that are wrong in the first frames after the cut lose there, and only there."""
    cuts = splice_dataset(many(8), 6, 14)
    wrong = [(clip.truth.since_cut[:, None] > 0) & (clip.truth.since_cut[:, None] <= 2) for clip in cuts]
    wrong = [np.broadcast_to(bad, clip.visibility.shape) for bad, clip in zip(wrong, cuts, strict=True)]
    curve = part_gain(said(cuts, wrong), correct(cuts), cuts, "after_cut", ((1, 2), (3, 8)))
    np.testing.assert_array_equal(curve.column("estimate"), [-1, 0])
    assert curve.intervals[0].high < 0 and (curve.column("groups") == 8).all()


def test_damaged_and_foreign_checkpoints_are_named(small, tmp_path):
    model, _ = small
    metadata = {"skeleton": "penn_action", "size": 64, "sigma": 1.5, "frames": 2, "dataset": "made", "input": "rgb_imagenet"}
    path = tmp_path / "network.pt"
    save_checkpoint(path, model(), metadata)
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], b"no checkpoint", b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match="network.pt cannot be read"):
            load_checkpoint(path)
    torch.save({"state_dict": model().state_dict()}, path)
    with pytest.raises(UserError, match="network.pt is not an RPSTN checkpoint"):
        load_checkpoint(path)
    path.write_bytes(whole)
    state = torch.load(path, weights_only=True)
    state["state_dict"].pop("head.conv.weight")
    torch.save(state, path)
    with pytest.raises(UserError, match="(?s)network.pt.*head.conv.weight"):
        load_checkpoint(path)
    save_checkpoint(
        path, RPSTN(RPSTNConfig(joints=15, encoder="small", initializer="small")), metadata | {"skeleton": "sub_jhmdb"}
    )
    with pytest.raises(UserError, match="15 joints of skeleton 'sub_jhmdb'"):
        predict_clips(*load_checkpoint(path), splice_dataset(many(2), 4, 8), progress=False)
