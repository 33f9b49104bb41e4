"""Occluders hide what they say and nothing else; hidden frames are counted as by hand; videos read back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.video_frames import decode_video
from rpstn.errors import UserError
from rpstn.metrics.hidden import hidden_curve, hidden_gain, hidden_lengths
from rpstn.occlusion import Occluder, Protocol, occlude
from rpstn.occlusion.painting import covers
from rpstn.occlusion.protocols import PROTOCOLS
from rpstn.skeletons import get_skeleton
from rpstn.video import compare_poses, draw_pose, write_webm
from rpstn.video.output.drawing import COLORS, side_by_side

SKELETON = get_skeleton("penn_action")
# A standing figure of 100 px, joints at least 12 px apart.
POSE = np.array(
    [[50, 5], [65, 22], [35, 22], [75, 38], [25, 38], [80, 55], [20, 55],
     [60, 55], [40, 55], [62, 77], [38, 77], [64, 98], [36, 98]], np.float32,
)  # fmt: skip


class Gray:
    def __init__(self, length, size=(140, 160)):
        self.length, self.size = length, size

    def __len__(self):
        return self.length

    def read(self, indices):
        return np.full((len(indices), *self.size, 3), 128, np.uint8)


def walking(length=20, name="walk"):
    """The figure moves 2 px per frame to the right; the left ankle is absent, the right knee is occluded by itself."""
    joints = POSE + np.stack([2 * np.arange(length), np.full(length, 10)], axis=-1)[:, None]
    visibility = np.full((length, 13), VISIBLE, np.uint8)
    visibility[:, 11], visibility[:, 10] = ABSENT, OCCLUDED
    low = joints.min(axis=1)
    boxes = np.concatenate([low, joints.max(axis=1) - low], axis=1)
    return Clip(name, name, "walk", joints.astype(np.float32), visibility, boxes.astype(np.float32), Gray(length))


def tight(joints, size, **settings):
    """An occluder with every joint in the middle of its own square: for tests that want to know exactly what is hidden."""
    return Occluder(joints, free=0.0, margin=size, **settings)


def test_hidden_lengths_by_hand():
    v, o, a = VISIBLE, OCCLUDED, ABSENT
    visibility = np.array([[v, o, o, v, o], [o, o, v, a, a], [o, v, o, o, v], [v, o, o, o, v], [o, o, a, v, a]])
    expected = [[0, -1, -1, 0, -1], [1, -1, 0, -1, -1], [2, 0, 1, 2, 0], [0, 1, 2, 3, 0], [1, 2, -1, 0, -1]]
    np.testing.assert_array_equal(hidden_lengths(visibility), expected)


def test_hidden_lengths_restart_with_the_window():
    visibility = np.array([[VISIBLE], [OCCLUDED], [OCCLUDED], [OCCLUDED], [VISIBLE], [OCCLUDED]])
    np.testing.assert_array_equal(hidden_lengths(visibility, 3)[:, 0], [0, 1, 2, -1, 0, 1])
    np.testing.assert_array_equal(hidden_lengths(visibility, 99)[:, 0], [0, 1, 2, 3, 0, 1])
    assert hidden_lengths(visibility[:0]).shape == (0, 1)


def test_one_joint_is_hidden_exactly_as_long_as_asked():
    clip = walking()
    hidden = occlude(clip, SKELETON, tight(("left_wrist",), start=6, length=4, size=0.08))
    changed = hidden.visibility != clip.visibility
    expected = np.zeros_like(changed)
    expected[6:10, SKELETON.index("left_wrist")] = True
    np.testing.assert_array_equal(changed, expected)
    assert (hidden.visibility[changed] == OCCLUDED).all()
    np.testing.assert_array_equal(hidden.truth.occlusion.occluder, expected)
    np.testing.assert_array_equal(hidden.truth.occlusion.newly_hidden, expected)
    again = occlude(hidden, SKELETON, tight(("left_wrist",), start=8, length=4, size=0.08))
    expected[10:12, SKELETON.index("left_wrist")] = True  # the first occluder's frames are still an occluder's
    np.testing.assert_array_equal(again.truth.occlusion.newly_hidden, expected)
    np.testing.assert_array_equal(hidden.joints, clip.joints)


def test_pixels_are_covered_where_the_marks_say():
    clip = walking()
    hidden = occlude(clip, SKELETON, tight(("left_wrist", "left_elbow"), start=6, length=4, size=0.08))
    painted = (hidden.frames.read(range(20)) != 128).any(axis=-1)
    assert painted[6:10].any(axis=(1, 2)).all() and not painted[:6].any() and not painted[10:].any()
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(140)), axis=-1)
    for t in range(6, 10):
        patch = hidden.truth.occlusion.patches[t]
        inside = covers(patch, grid)
        assert painted[t][inside].mean() > 0.95 and not painted[t][~inside].any()
        both, reach = clip.joints[t, [5, 3]], 0.08 * clip.boxes[t, 3]
        np.testing.assert_allclose(patch, np.concatenate([both.min(axis=0) - reach, both.max(axis=0) + reach]), atol=1e-3)
    assert np.isnan(hidden.truth.occlusion.patches[[0, 5, 10, 19]]).all()


def test_patches_outside_the_image_paint_what_is_inside():
    clip = walking()
    left = replace(clip, joints=clip.joints - np.float32([60, 40]))
    hidden = occlude(left, SKELETON, Occluder(start=0, length=1, seed=3))
    frame = hidden.frames.read([0])[0]
    grid = np.stack(np.meshgrid(np.arange(160), np.arange(140)), axis=-1)
    inside = covers(hidden.truth.occlusion.patches[0], grid)
    assert hidden.truth.occlusion.patches[0, :2].max() < 0 and inside.any()
    assert (frame[inside] != 128).any(axis=-1).mean() > 0.95 and (frame[~inside] == 128).all()


def test_a_patch_on_the_body_follows_it_and_one_in_the_image_stays():
    clip, names = walking(), ("right_wrist",)
    body, image = (
        occlude(clip, SKELETON, tight(names, start=2, length=16, size=0.08, attached=attached)) for attached in ("body", "image")
    )
    joint = SKELETON.index("right_wrist")
    for hidden in (body, image):
        assert (hidden.visibility[2:18, joint] == OCCLUDED).all()
    np.testing.assert_allclose(np.diff(body.truth.occlusion.patches[2:18], axis=0), [[2, 0, 2, 0]] * 15, atol=1e-4)
    assert (np.ptp(image.truth.occlusion.patches[2:18], axis=0) == 0).all()


def test_a_patch_never_follows_a_joint():
    """A wrist that waves while the body stands: the patch holds every place it takes, and stays where it is."""
    clip = walking()
    joints = clip.joints - clip.joints[:, :1] + clip.joints[:1, :1]
    joints[:, 5, 0] += 10 * np.sin(np.arange(20))
    boxes = np.repeat(clip.boxes[:1], 20, axis=0)
    hidden = occlude(replace(clip, joints=joints, boxes=boxes), SKELETON, tight(("left_wrist",), start=4, length=12, size=0.05))
    assert hidden.truth.occlusion.newly_hidden[4:16, 5].all()
    assert (np.ptp(hidden.truth.occlusion.patches[4:16], axis=0) == 0).all()


def test_a_joint_lies_uniformly_in_its_patch():
    """Over many clips, the joint's position in the free part of the patch has the mean and the spread of a uniform one."""
    places = []
    for clip in many(400, 8):
        hidden = occlude(clip, SKELETON, Protocol("joint", start=2, length=3).choose(clip, SKELETON))
        patch = hidden.truth.occlusion.patches[3].reshape(2, 2)
        joint = Protocol("joint", start=2, length=3).choose(clip, SKELETON).joints[0]
        margin = 0.03 * 93
        places.append((clip.joints[3, SKELETON.index(joint)] - patch[0] - margin) / (np.ptp(patch, axis=0) - 2 * margin))
    places = np.array(places)
    assert np.abs(places.mean(axis=0) - 0.5).max() < 0.05 and np.abs(places.std(axis=0) - 12**-0.5).max() < 0.03
    assert places.min() > -0.02 and places.max() < 1.02


def test_textures_are_cut_from_another_clip():
    """One with frames of its own, from another group; the same part of it for every network."""
    clips = many(3)
    dataset = replace(clips, clips=tuple(replace(clip, frames=Painted(20, 60 * n)) for n, clip in enumerate(clips)))
    for number, hidden in enumerate(Protocol("person", start=5, length=6).hide(dataset)):
        frame = hidden.frames.read([7])[0]
        inside = covers(hidden.truth.occlusion.patches[7], np.stack(np.meshgrid(np.arange(160), np.arange(140)), axis=-1))
        shown = {int(value) // 60 for value in np.unique(frame[inside])}
        assert len(shown) == 1 and number not in shown
    alone = Protocol("person", start=5, length=6).hide(many(1))[0].frames.read([7])[0]
    assert len(np.unique(alone)) > 20, "noise, where there is no other group"


class Painted(Gray):
    """Frames with values from `base` to `base` + 59."""

    def __init__(self, length, base):
        super().__init__(length)
        self.image = (base + np.arange(140)[:, None, None] % 60 + np.zeros((140, 160, 3))).astype(np.uint8)

    def read(self, indices):
        return np.repeat(self.image[None], len(indices), axis=0)


@pytest.mark.parametrize("attached", ["body", "image"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_protocols_are_seeded_and_mark_what_they_cover(protocol, attached):
    clip = walking()

    def made(seed):
        occluder = Protocol(protocol, attached, start=4, length=12, seed=seed, free=0.1, margin=0.05).choose(clip, SKELETON)
        hidden = occlude(clip, SKELETON, occluder)
        return hidden, hidden.frames.read(range(20))

    (first, pixels), (again, same), (_, other) = made(0), made(0), made(1)
    np.testing.assert_array_equal(first.visibility, again.visibility)
    np.testing.assert_array_equal(pixels, same)
    assert (pixels != other).any()
    newly = (clip.visibility == VISIBLE) & (first.visibility == OCCLUDED)
    assert newly[4:16].any() and not newly[:4].any() and not newly[16:].any()
    assert (first.visibility[:, 11] == ABSENT).all() and (first.visibility[:, 10] == OCCLUDED).all()
    # A joint counts as covered if and only if its own pixel was painted over.
    painted = (pixels != 128).any(axis=-1)
    x, y = np.round(clip.joints).astype(int).transpose(2, 0, 1)
    under = painted[np.arange(20)[:, None], y, x] & (clip.visibility != ABSENT)
    assert (under == first.truth.occlusion.occluder.astype(bool)).mean() > 0.97


def test_the_person_disappears():
    person = occlude(walking(), SKELETON, Occluder(start=4, length=3))
    assert (person.visibility[4:7] != VISIBLE).all()
    x, y, w, h = person.boxes[5]
    patch = person.truth.occlusion.patches[5]
    assert (patch[:2] < [x, y]).all() and (patch[2:] > [x + w, y + h]).all(), "with all its pixels"


@pytest.mark.parametrize("texture", ["noise", "solid", "stripes"])
def test_textures_hide_the_image(texture):
    clip = walking()
    hidden = occlude(clip, SKELETON, Occluder(start=0, length=1, texture=texture, seed=3))
    x, y, w, h = clip.boxes[0].astype(int)
    inside = hidden.frames.read([0])[0, y : y + h, x : x + w]
    assert (inside != 128).any(axis=-1).mean() > 0.95


def test_what_cannot_be_hidden_is_said():
    clip = walking(10)
    with pytest.raises(UserError, match="walk.*10 frames"):
        occlude(clip, SKELETON, Occluder(("head",), start=8, length=5))
    with pytest.raises(UserError, match="tail"):
        occlude(clip, SKELETON, Occluder(("tail",), start=1, length=2))
    with pytest.raises(UserError, match="left_ankle"):
        occlude(clip, SKELETON, Occluder(("left_ankle",), start=1, length=2))
    for wrong in ({"texture": "fur"}, {"length": 0}, {"attached": "sky"}, {"free": -0.1}, {"margin": float("nan")}):
        with pytest.raises(UserError):
            Occluder(**wrong)
    with pytest.raises(UserError, match="protocol"):
        Protocol("fog")
    bare = replace(SKELETON, name="bare", joints=tuple(f"joint {k}" for k in range(13)), limbs=())
    with pytest.raises(UserError, match="'bare' has no joints that protocol 'limb' hides.*another"):
        Protocol("limb").choose(clip, bare)
    one = replace(SKELETON, joints=("head", "left_hand", *(f"joint {k}" for k in range(11))))
    assert Protocol("half").choose(clip, one).joints == ("left_hand",)


def many(count=12, length=20):
    return ClipDataset("made", SKELETON, "test", Path("."), tuple(walking(length, f"walk {n}") for n in range(count)))


def test_an_occluded_data_set_is_a_data_set():
    dataset = many()
    hidden = Protocol("joint", start=5, length=6, free=0, margin=0.06).hide(dataset)
    assert len({tuple(np.flatnonzero(clip.truth.occlusion.occluder.any(axis=0))) for clip in hidden}) > 3
    assert hidden.checksum() != dataset.checksum()
    assert Protocol("joint", start=5, length=6, free=0, margin=0.06).hide(dataset).checksum() == hidden.checksum()


def annotated(clip, *names):
    """The clip with no other joints annotated than these."""
    visibility = np.full_like(clip.visibility, ABSENT)
    for name in names:
        visibility[:, SKELETON.index(name)] = VISIBLE
    return replace(clip, visibility=visibility)


def test_half_the_body_is_what_is_annotated_of_it():
    """As in one Penn Action test clip in five, where neither side has all its joints in any frame."""
    clip = annotated(walking(), "head", "left_wrist", "left_elbow", "right_hip")
    drawn = {Protocol("half", seed=seed).choose(clip, SKELETON).joints for seed in range(12)}
    assert drawn == {("left_elbow", "left_wrist"), ("right_hip",), ("head", "left_elbow", "left_wrist")}
    hidden = Protocol("half", start=5, length=6, free=0, margin=0.06).hide(replace(many(), clips=(clip,)))[0]
    now = (hidden.visibility == OCCLUDED).any(axis=0)
    assert {SKELETON.joints[joint] for joint in np.flatnonzero(now)} in map(set, drawn)


def test_clips_with_nothing_to_hide_are_left_out():
    head, apart = (annotated(walking(20, name), *joints) for name, joints in (("head", ["head"]), ("apart", ["left_wrist"])))
    dataset = replace(many(3), clips=(head, *many(2), apart))
    for protocol, kept in (
        ("limb", ["walk 0", "walk 1"]), ("half", ["head", "walk 0", "walk 1", "apart"]),
        ("joint", ["head", "walk 0", "walk 1", "apart"]),
    ):  # fmt: skip
        hidden = Protocol(protocol, start=5, length=6, free=0, margin=0.06).hide(dataset)
        assert [clip.truth.occlusion.unoccluded for clip in hidden] == kept
        alone = Protocol(protocol, start=5, length=6, free=0, margin=0.06).hide(many(2))
        assert {clip.id for clip in alone} <= {clip.id for clip in hidden}, "the others' occluders are what they were"
    with pytest.raises(UserError, match="no test clip of made has annotated joints for protocol 'limb'; choose another"):
        Protocol("limb").hide(replace(dataset, clips=(head, apart)))


def predicted(dataset, forget):
    """Predictions that are correct until a joint has been hidden for `forget` frames; visible joints are correct."""
    joints = [np.where((hidden_lengths(clip.visibility) > forget)[..., None], clip.joints + 300, clip.joints) for clip in dataset]
    ids = tuple(clip.id for clip in dataset)
    return Predictions(ids, joints, [np.ones(clip.visibility.shape) for clip in dataset], [None] * len(ids))


def test_curves_show_after_how_many_frames_a_network_forgets():
    dataset = Protocol("joint", start=4, length=8, free=0, margin=0.06).hide(many())
    bins = ((1, 1), (2, 2), (3, 3), (4, 8), (9, 12))
    long, short = predicted(dataset, 3), predicted(dataset, 1)
    curve = hidden_curve(long, dataset, bins, draws=200)
    np.testing.assert_array_equal(curve.column("estimate"), [1, 1, 1, 0, np.nan])
    assert curve.labels == ("1", "2", "3", "4-8", "9-12")
    assert curve.column("samples")[4] == 0 and (curve.column("groups")[:4] == 12).all()
    gain = hidden_gain(long, short, dataset, bins, draws=200)
    np.testing.assert_array_equal(gain.column("estimate"), [0, 1, 1, 0, np.nan])
    assert gain.intervals[1].excludes_zero and not gain.intervals[0].excludes_zero
    up_to_five = hidden_gain(long, short, dataset, ((1, 5),), draws=200).intervals[0]
    assert up_to_five.estimate == pytest.approx(2 / 5) and up_to_five.excludes_zero


def naturally_hidden(clip):
    """The right wrist passes behind the body in frames 5 to 9."""
    visibility = clip.visibility.copy()
    visibility[5:10, SKELETON.index("right_wrist")] = OCCLUDED
    return replace(clip, visibility=visibility)


def test_only_what_the_occluder_hid_counts_as_hidden_by_it():
    clips = [naturally_hidden(clip) for clip in many()]
    hidden = clips
    for name in ("left_wrist", "right_wrist"):
        hidden = [occlude(clip, SKELETON, tight((name,), start=8, length=4, size=0.06)) for clip in hidden]
    dataset = replace(many(), clips=tuple(hidden))
    left, right = SKELETON.index("left_wrist"), SKELETON.index("right_wrist")

    # Wrong where a joint was hidden already, correct where the occluder alone hides it; and the other way round.
    newly = [(a.visibility == VISIBLE) & (b.visibility == OCCLUDED) for a, b in zip(clips, hidden, strict=True)]
    assert newly[0][8:12, left].all() and not newly[0][8:10, right].any() and newly[0][10:12, right].all()

    def made(wrong):
        joints = [np.where(w[..., None], clip.joints + 300, clip.joints) for w, clip in zip(wrong, hidden, strict=True)]
        ids = tuple(clip.id for clip in hidden)
        return Predictions(ids, joints, [np.ones(clip.visibility.shape) for clip in hidden], [None] * len(ids))

    good = made([(clip.visibility == OCCLUDED) & ~new for clip, new in zip(hidden, newly, strict=True)])
    bad = made(newly)
    bins = ((1, 5), (6, 9))
    by_occluder = hidden_curve(good, dataset, bins, by="occluder", draws=100)
    np.testing.assert_array_equal(by_occluder.column("estimate"), [1, 1])
    # Left wrist: 4 frames. Right wrist: the frames 10 and 11, last seen in frame 4, so 6 and 7 frames ago.
    np.testing.assert_array_equal(by_occluder.column("samples"), [12 * 4, 12 * 2])
    anything = hidden_curve(good, dataset, bins, draws=100)
    np.testing.assert_array_equal(anything.column("samples"), [12 * 9, 12 * 2])
    assert anything.column("estimate")[0] == pytest.approx(4 / 9)
    gain = hidden_gain(good, bad, dataset, bins, by="occluder", draws=100)
    np.testing.assert_array_equal(gain.column("estimate"), [1, 1])
    assert hidden_gain(good, bad, dataset, bins, draws=100).column("estimate")[0] == pytest.approx(-1 / 9)


def test_hidden_by_an_occluder_needs_one():
    dataset = many(2)
    with pytest.raises(UserError, match="walk 0.*occluder"):
        hidden_curve(predicted(dataset, 3), dataset, by="occluder")
    behind = Protocol("joint", start=5, length=6, free=0, margin=0.06).hide(dataset)
    with pytest.raises(ValueError, match="by must"):
        hidden_curve(predicted(behind, 3), behind, by="body")


def test_videos_read_back(tmp_path):
    frames = np.zeros((9, 45, 61, 3), np.uint8)
    for t in range(9):
        frames[t, :, 5 * t : 5 * t + 15, 0] = 230  # a red bar that moves
    for codec in ("vp8", "vp9"):
        path = write_webm(tmp_path / f"{codec}.webm", frames, codec=codec)
        back = decode_video(path)[:, :45, :61].astype(int)
        assert back.shape == frames.shape
        assert np.abs(back - frames).mean() < 12
        assert back[4, 20, 27, 0] > 150 > 100 > back[4, 20, 27, 2]
    with pytest.raises(ValueError, match="no frames"):
        write_webm(tmp_path / "none.webm", [])
    with pytest.raises(ValueError, match="frame 1"):
        write_webm(tmp_path / "mixed.webm", [frames[0], frames[0, :20]])
    with pytest.raises(UserError, match="webm"):
        write_webm(tmp_path / "video.mp4", frames)
    with pytest.raises(UserError, match="absent"):
        decode_video(tmp_path / "absent.webm")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["vp8.webm", "vp9.webm"]


def test_poses_are_drawn_where_the_joints_are():
    frame = np.full((120, 110, 3), 90, np.uint8)
    visibility = np.full(13, VISIBLE)
    visibility[5], visibility[6] = OCCLUDED, ABSENT
    drawn = draw_pose(frame, POSE, SKELETON, visibility, scale=3)
    assert drawn.shape == (360, 330, 3) and (frame == 90).all()

    def at(joint):
        x, y = (POSE[joint] * 3 + 1).astype(int)
        return tuple(int(value) for value in drawn[y, x])

    assert at(1) == COLORS["left"] and at(2) == COLORS["right"] and at(0) == COLORS[""]
    assert at(5) == (255, 255, 255) and at(6) == (90, 90, 90)
    video = side_by_side({"one": drawn[None].repeat(4, 0), "two": drawn[None].repeat(4, 0)})
    assert video.shape == (4, 384, 660, 3)
    np.testing.assert_array_equal(video[2, 24:, 330:], drawn)


def test_poses_of_one_clip_stand_side_by_side():
    frames = np.full((3, 120, 110, 3), 90, np.uint8)
    visibility = np.full((3, 13), VISIBLE)
    visibility[1, 5] = OCCLUDED
    truth = np.stack([POSE + [t, 0] for t in range(3)])
    video = compare_poses(frames, {"truth": truth, "found": truth + [0, 4]}, SKELETON, visibility)
    assert video.shape == (3, 264, 440, 3)
    for t in range(3):
        np.testing.assert_array_equal(video[t, 24:, :220], draw_pose(frames[t], truth[t], SKELETON, visibility[t]))
    x, y = (truth[1, 5] * 2).astype(int)
    assert tuple(video[1, 24 + y, x]) == (255, 255, 255) and tuple(video[0, 24 + y, x - 2]) == COLORS["left"]
    assert tuple(video[0, 24 + y + 8, 220 + x - 2]) == COLORS["left"]
