"""Crops, augmentation, windows: pixels and joints stay together, and a sample depends on its number alone."""

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset
from rpstn.datasets.sources import ArrayFrames
from rpstn.datasets.transforms import Augmentation, apply_affine, crop_affine, flip_affine, invert_affine, warp, window_box
from rpstn.datasets.windows import TrainingWindows, make_window
from rpstn.errors import UserError
from rpstn.models.pixels import normalize
from rpstn.skeletons import PENN_ACTION

BOX = np.array([40.0, 20.0, 60.0, 90.0])
# Everything that moves pixels, nothing that recolors or hides them.
MOVING = Augmentation(brightness=0, contrast=0, color=0, erasing=0)


def dot(height, width, x, y, radius=1.5):
    """An image (1,H,W,3) with a bright round dot centered at (x, y), sub-pixel."""
    v, u = np.mgrid[:height, :width]
    value = 255 * np.exp(-((u - x) ** 2 + (v - y) ** 2) / (2 * radius**2))
    return np.repeat(value[None, ..., None], 3, axis=-1).astype(np.uint8)


def centroid(image):
    weight = image[..., 0].astype(float)
    v, u = np.mgrid[: weight.shape[0], : weight.shape[1]]
    return np.array([(u * weight).sum(), (v * weight).sum()]) / weight.sum()


def make_clip(length=12, height=96, width=128, seed=0, name="a"):
    """A clip of noise; joints spread over the box, all visible."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (length, height // 8, width // 8, 3), np.uint8)
    frames = np.stack([cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in coarse])
    joints = generator.uniform((30, 20), (90, 80), (length, len(PENN_ACTION), 2)).astype(np.float32)
    return Clip(
        id=name,
        group=name,
        action="run",
        joints=joints,
        visibility=np.full(joints.shape[:2], VISIBLE, np.uint8),
        boxes=np.tile(np.array([25.0, 15.0, 70.0, 70.0], np.float32), (length, 1)),
        frames=ArrayFrames(frames),
    )


def make_dataset(tmp_path, count=5, **kwargs):
    clips = tuple(make_clip(seed=index, name=str(index), **kwargs) for index in range(count))
    return ClipDataset("noise", PENN_ACTION, "train", tmp_path, clips)


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


def test_crop_centers_the_box_and_keeps_the_aspect():
    affine = crop_affine(BOX, 128, padding=1.25)
    np.testing.assert_allclose(apply_affine(BOX[:2] + BOX[2:] / 2, affine), [63.5, 63.5])
    k = 128 / (90 * 1.25)
    np.testing.assert_allclose(affine[:, :2], [[k, 0], [0, k]], atol=1e-12)
    # Without padding the longer side spans the input from edge to edge.
    top = apply_affine(np.array([70.0, 20.0]), crop_affine(BOX, 128, padding=1))
    np.testing.assert_allclose(top, [63.5, -0.5], atol=1e-9)


@pytest.mark.parametrize("rotation", [0.0, 33.0, -120.0])
@pytest.mark.parametrize("flip", [False, True])
def test_rotated_scaled_crop_is_a_similarity_and_inverts(rotation, flip):
    points = np.random.default_rng(0).uniform(-50, 200, (20, 2))
    affine = crop_affine(BOX, 96, rotation=rotation, scale=0.7, flip=flip)
    moved = apply_affine(points, affine)
    k = 96 / (90 * 1.25 * 0.7)
    np.testing.assert_allclose(np.linalg.norm(moved[1:] - moved[0], axis=1), k * np.linalg.norm(points[1:] - points[0], axis=1))
    assert np.sign(np.linalg.det(affine[:, :2])) == (-1 if flip else 1)
    np.testing.assert_allclose(apply_affine(moved, invert_affine(affine)), points, atol=1e-9)


def test_rotation_is_counter_clockwise_as_one_sees_it():
    affine = crop_affine(BOX, 100, rotation=90)
    right = BOX[:2] + BOX[2:] / 2 + [10, 0]
    x, y = apply_affine(right, affine)
    assert x == pytest.approx(49.5) and y < 49.5


def test_flip_maps_x_to_size_minus_one_minus_x_and_twice_is_nothing():
    plain, mirrored = crop_affine(BOX, 65, rotation=20), crop_affine(BOX, 65, rotation=20, flip=True)
    points = np.array([[3.0, 4.0], [70.0, 50.0]])
    a, b = apply_affine(points, plain), apply_affine(points, mirrored)
    np.testing.assert_allclose(b, np.stack([64 - a[:, 0], a[:, 1]], axis=1))
    np.testing.assert_allclose(flip_affine(mirrored, 65), plain)


def test_box_without_extent_gives_no_crop():
    with pytest.raises(ValueError, match="gives no crop"):
        crop_affine(np.array([5.0, 5.0, 0.0, 0.0]), 64)


def test_window_box_is_the_smallest_around_all():
    boxes = np.array([[10, 20, 30, 40], [5, 30, 10, 60], [20, 25, 40, 5]])
    np.testing.assert_allclose(window_box(boxes), [5, 20, 55, 70])


# The last two shrink the image to less than half, where blocks are averaged first.
@pytest.mark.parametrize(
    ("shape", "box", "radius"),
    [
        ((96, 128), [40, 10, 50, 70], 1.5),
        ((96, 128), [30, 20, 60, 40], 1.5),
        ((361, 487), [100, 50, 250, 200], 8),
        ((723, 961), [100, 50, 700, 600], 16),
    ],
)
@pytest.mark.parametrize("rotation", [0.0, 25.0, -90.0])
@pytest.mark.parametrize("flip", [False, True])
def test_a_dot_is_drawn_where_the_affine_says(shape, box, radius, rotation, flip):
    box = np.array(box, float)
    point = box[:2] + box[2:] * [0.4, 0.55] + [0.3, 0.2]
    affine = crop_affine(box, 128, rotation=rotation, scale=1.1, flip=flip)
    image = warp(dot(*shape, *point, radius), affine, 128)[0]
    np.testing.assert_allclose(centroid(image), apply_affine(point, affine), atol=0.1)


def test_mirrored_crop_is_the_mirrored_image_exactly():
    frames = make_clip(2).frames.read([0, 1])
    for rotation in (0, 31):
        plain = warp(frames, crop_affine(BOX, 64, rotation=rotation), 64)
        mirrored = warp(frames, crop_affine(BOX, 64, rotation=rotation, flip=True), 64)
        np.testing.assert_array_equal(mirrored[:, :, ::-1], plain)


def test_identity_crop_returns_the_image_and_the_border_repeats_the_edge():
    frames = make_clip(1, 64, 64).frames.read([0])
    box = np.array([-0.5, -0.5, 64, 64])
    np.testing.assert_array_equal(warp(frames, crop_affine(box, 64, padding=1), 64), frames)
    wide = warp(np.full((1, 64, 64, 3), 77, np.uint8), crop_affine(box, 64, padding=2, rotation=30), 64)
    assert (wide == 77).all()


@pytest.mark.parametrize(("size", "within"), [(48, 2), (12, 12)])  # 12 px: the edge is the mean of 8 x 8 pixels there
@pytest.mark.parametrize("middle", [(30, 20), (2, 38), (-90, 20), (30, 400), (300, -500)])
def test_beyond_the_image_its_edge_goes_on_however_far(middle, size, within):
    """As if the image had been made larger by its own edge first."""
    y, x, color = np.meshgrid(np.arange(48), np.arange(64), [0, 1, 2], indexing="ij")
    frames, room = (2 * y + x + 30 * color).astype(np.uint8)[None], 640  # smooth: OpenCV rounds places to 1/32 px
    box = np.array([middle[0] - 40, middle[1] - 30, 80, 60], float)
    larger = np.pad(frames, [(0, 0), (room, room), (room, room), (0, 0)], mode="edge")
    expected = warp(larger, crop_affine(box + [room, room, 0, 0], size, rotation=20, flip=True), size)
    found = warp(frames, crop_affine(box, size, rotation=20, flip=True), size)
    np.testing.assert_allclose(found.astype(int), expected.astype(int), atol=within)


def test_a_box_far_larger_than_the_image_costs_no_memory():
    frames = np.full((1, 30, 40, 3), 9, np.uint8)
    for side in (1e4, 1e7, 1e12):
        assert (warp(frames, crop_affine([-side / 2, -side / 2, side, side], 64, rotation=10), 64) == 9).all()


def test_shrinking_averages_instead_of_skipping():
    """A one-pixel checkerboard is gray from afar; linear interpolation alone makes patterns of it."""
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = warp(np.repeat(board[None, ..., None], 3, -1), crop_affine([90, 90, 310, 310], 64), 64)
    assert np.abs(small.astype(int) - 127).max() <= 2


def test_window_without_augmentation_is_the_plain_crop():
    clip = make_clip()
    window = make_window(clip, PENN_ACTION, 3, 5, 64)
    affine = crop_affine(window_box(clip.boxes[3:8]), 64)
    np.testing.assert_allclose(window.affine, affine)
    np.testing.assert_array_equal(window.frames, warp(clip.frames.read(range(3, 8)), affine, 64))
    np.testing.assert_allclose(window.joints, apply_affine(clip.joints[3:8], affine), atol=1e-4)
    assert window.joints.dtype == np.float32 and window.visibility.dtype == np.uint8
    assert (window.visibility == VISIBLE).all() and not window.flipped and window.start == 3


def test_flipped_window_exchanges_left_and_right():
    clip = make_clip()
    turn = Augmentation(0, (1, 1), 0, 1.0, 0, 0, 0, 0)
    plain = make_window(clip, PENN_ACTION, 0, 3, 64)
    flipped = make_window(clip, PENN_ACTION, 0, 3, 64, turn, np.random.default_rng(0))
    assert flipped.flipped
    mirrored = plain.joints[:, list(PENN_ACTION.flip_permutation)] * [-1, 1] + [63, 0]
    np.testing.assert_allclose(flipped.joints, mirrored, atol=1e-4)
    left, right = PENN_ACTION.index("left_wrist"), PENN_ACTION.index("right_wrist")
    np.testing.assert_allclose(flipped.joints[:, left, 0], 63 - plain.joints[:, right, 0], atol=1e-4)
    np.testing.assert_array_equal(flipped.frames[:, :, ::-1], plain.frames)
    # The map holds the mirror: a person's left wrist in the source is the mirrored person's right one.
    np.testing.assert_allclose(apply_affine(clip.joints[:3, left], flipped.affine), flipped.joints[:, right], atol=1e-4)


@pytest.mark.parametrize("seed", range(6))
def test_augmented_joints_stay_on_their_pixels(seed):
    point = np.array([62.3, 48.6])
    clip = make_clip(4)
    joints = np.tile(point.astype(np.float32), (4, 13, 1))
    frames = ArrayFrames(np.repeat(dot(96, 128, *point), 4, axis=0))
    clip = Clip(clip.id, clip.group, clip.action, joints, clip.visibility, clip.boxes, frames)
    window = make_window(clip, PENN_ACTION, 0, 4, 128, MOVING, np.random.default_rng(seed))
    for t in range(4):
        np.testing.assert_allclose(centroid(window.frames[t]), window.joints[t, 0], atol=0.2)
    np.testing.assert_allclose(apply_affine(window.joints[:, 0], invert_affine(window.affine)), joints[:, 0], atol=1e-3)


def test_all_frames_of_a_window_are_varied_alike():
    clip = make_clip()
    still = Clip(
        clip.id,
        clip.group,
        clip.action,
        clip.joints,
        clip.visibility,
        clip.boxes,
        ArrayFrames(np.repeat(clip.frames.read([0]), len(clip), axis=0)),
    )
    for seed in range(5):
        window = make_window(still, PENN_ACTION, 0, 5, 64, Augmentation(erasing=0), np.random.default_rng(seed))
        assert (window.frames == window.frames[:1]).all()
    plain = make_window(still, PENN_ACTION, 0, 5, 64)
    assert not np.array_equal(plain.frames, window.frames)


def test_past_the_end_the_last_frame_is_repeated_and_nothing_is_labeled():
    clip = make_clip(6)
    window = make_window(clip, PENN_ACTION, 4, 5, 64)
    np.testing.assert_array_equal(window.frames[2:], np.repeat(window.frames[1:2], 3, axis=0))
    assert (window.visibility[:2] == VISIBLE).all() and (window.visibility[2:] == ABSENT).all()
    backwards = make_window(clip, PENN_ACTION, 1, 4, 64, stride=-1)
    assert (backwards.visibility[2:] == ABSENT).all()
    with pytest.raises(ValueError, match="no window"):
        make_window(clip, PENN_ACTION, 6, 2, 64)


def test_stride_takes_every_nth_frame():
    clip = make_clip(12)
    window = make_window(clip, PENN_ACTION, 1, 3, 64, stride=4)
    np.testing.assert_allclose(window.joints, apply_affine(clip.joints[[1, 5, 9]], window.affine), atol=1e-4)


def test_joints_that_the_crop_cuts_off_are_absent():
    clip = make_clip()
    clip.joints[:, 0] = 5000
    clip.visibility[:, 1] = OCCLUDED
    window = make_window(clip, PENN_ACTION, 0, 2, 64)
    assert (window.visibility[:, 0] == ABSENT).all()
    assert (window.visibility[:, 1] == OCCLUDED).all()


def test_erased_joints_become_occluded_and_only_those():
    clip = make_clip(8)
    clip.visibility[:, 2] = ABSENT
    hide = Augmentation(0, (1, 1), 0, 0, 0, 0, 0, erasing=1.0, erasing_size=(0.4, 0.6))
    hidden = 0
    for seed in range(20):
        plain = make_window(clip, PENN_ACTION, 0, 8, 64)
        window = make_window(clip, PENN_ACTION, 0, 8, 64, hide, np.random.default_rng(seed))
        assert (window.visibility[:, 2] == ABSENT).all()
        changed = (window.frames != plain.frames).any(axis=-1)
        for t, joint in np.ndindex(window.visibility.shape):
            if joint == 2:
                continue
            x, y = np.rint(window.joints[t, joint]).astype(int)
            under = changed[t, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            if window.visibility[t, joint] == OCCLUDED:
                hidden += 1
                assert under.any()
            else:
                assert not under.all()
    assert hidden > 50


def test_augmentation_refuses_nonsense():
    for wrong in (
        {"flip": 1.5},
        {"scale": (1.4, 0.8)},
        {"rotation": -1.0},
        {"strides": ()},
        {"erasing_size": (0, 1)},
    ):
        with pytest.raises(UserError, match=f"augmentation: {next(iter(wrong))}"):
            Augmentation(**wrong)
    assert Augmentation(scale=[0.8, 1.4]) == Augmentation()
    with pytest.raises(ValueError, match="needs rng"):
        make_window(make_clip(), PENN_ACTION, 0, 2, 64, Augmentation())


def test_training_windows_depend_on_seed_and_number_alone(tmp_path):
    dataset = make_dataset(tmp_path)
    varied = Augmentation(erasing=0.8, strides=(1, 2), reverse=0.5)

    def windows(seed=3):
        return TrainingWindows(dataset, 4, 48, steps=5, batch=4, seed=seed, augmentation=varied)

    one, other = windows(), windows()
    forward = [one[index] for index in range(len(one))]
    for index in np.random.default_rng(0).permutation(len(other)):
        assert same(forward[index], other[int(index)])
    assert same(pickle.loads(pickle.dumps(one))[7], forward[7])
    assert not any(same(a, windows(4)[index]) for index, a in enumerate(forward))
    assert len(one) == 20
    with pytest.raises(IndexError):
        one[20]


def test_training_windows_go_through_all_clips_each_epoch(tmp_path):
    windows = TrainingWindows(make_dataset(tmp_path, 5), 3, 32, steps=10, batch=2, seed=1)
    order = [windows.window(index).clip for index in range(20)]
    epochs = [order[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_tumbling_takes_rotations_from_the_whole_circle_and_leaves_the_rest_alone():
    box, still = np.array([10.0, 20.0, 30.0, 60.0]), Augmentation.none()

    def angles(augmentation, count=400):
        rng = np.random.default_rng(3)
        maps = [augmentation.affine(box, 64, rng)[0] for _ in range(count)]
        return np.rad2deg([np.arctan2(affine[0, 1], affine[0, 0]) for affine in maps])

    part = np.abs(angles(replace(still, rotation=40.0, full_rotation_prob=0.5)))
    assert np.abs(angles(replace(still, rotation=40.0))).max() < 40.01
    # Half of the samples come from the whole circle, of which 140 of 180 degrees lie beyond 40.
    assert (part > 40.01).mean() == pytest.approx(0.5 * 140 / 180, abs=0.08) and part.max() > 170
    with pytest.raises(UserError, match="full_rotation_prob is a probability, not 1.5"):
        Augmentation(full_rotation_prob=1.5)


def test_training_windows_reverse_and_stride_stay_inside_the_clip(tmp_path):
    dataset = make_dataset(tmp_path, 3, length=9)
    backwards = Augmentation(0, (1, 1), 0, 0, 0, 0, 0, 0, strides=(2,), reverse=1.0)
    windows = TrainingWindows(dataset, 4, 64, steps=10, batch=3, augmentation=backwards)
    for index in range(30):
        window = windows.window(index)
        chosen = window.start - 2 * np.arange(4)
        assert chosen.min() >= 0 and (window.visibility == VISIBLE).all()
        expected = apply_affine(dataset[window.clip].joints[chosen], window.affine)
        np.testing.assert_allclose(window.joints, expected, atol=1e-4)
    # A window longer than the clip: backwards from its end.
    long = TrainingWindows(dataset, 9, 64, steps=1, batch=1, augmentation=backwards).window(0)
    assert long.start == 8 and (long.visibility[5:] == ABSENT).all()


def test_training_windows_collate_into_batches(tmp_path):
    windows = TrainingWindows(make_dataset(tmp_path), 3, 32, steps=2, batch=4)
    batch = next(iter(torch.utils.data.DataLoader(windows, batch_size=4)))
    assert batch["frames"].shape == (4, 3, 32, 32, 3) and batch["frames"].dtype == torch.uint8
    assert batch["joints"].shape == (4, 3, 13, 2) and batch["joints"].dtype == torch.float32
    assert batch["visibility"].shape == (4, 3, 13) and batch["visibility"].dtype == torch.uint8
    with pytest.raises(UserError, match="batch is 0"):
        TrainingWindows(make_dataset(tmp_path), 3, 32, steps=2, batch=0)
    with pytest.raises(UserError, match="no clips"):
        TrainingWindows(ClipDataset("noise", PENN_ACTION, "val", tmp_path, ()), 3, 32, steps=2, batch=2)


def test_normalize():
    frames = torch.randint(0, 256, (2, 3, 5, 7, 3), dtype=torch.uint8, generator=torch.manual_seed(0))
    values = normalize(frames)
    assert values.shape == (2, 3, 3, 5, 7) and values.dtype == torch.float32
    green = (frames[..., 1].float() / 255 - 0.456) / 0.224
    torch.testing.assert_close(values[:, :, 1], green)
    released = normalize(frames, "released_bgr255")
    torch.testing.assert_close(released[:, :, 0], frames[..., 2].float())
    with pytest.raises(UserError, match="rgb_imagenet"):
        normalize(frames, "bgr")
