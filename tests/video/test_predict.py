"""rpstn.predict: the numbers of the clip call, a box that follows, and people who come and go."""

import json
import shutil
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import rpstn
from rpstn.datasets import open_dataset
from rpstn.datasets.boxes import is_inside
from rpstn.datasets.clip import VISIBLE
from rpstn.datasets.transforms import apply_affine, crop_affine, invert_affine, warp
from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models.calibration import Calibration, calibration_file, calibration_of
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import WEIGHTS, default_checkpoint, find_weights
from rpstn.models.pixels import normalize
from rpstn.models.weights import describe_weights
from rpstn.video.boxes import read_boxes
from rpstn.video.calibrate import calibrate, calibrate_file
from rpstn.video.input.arrays import ArrayInput
from rpstn.video.input.source import open_input
from rpstn.video.network import PoseNetwork
from rpstn.video.predict import predict_frames, predict_streamed
from rpstn.video.stream import FOLLOWED, FOUND, GIVEN, LOST, PoseStream
from rpstn.video.tracking import Following, move, pose_box, search_boxes, whole_frame

EMBEDDED = WEIGHTS / "embedded_rpstn.pt"


@pytest.fixture(scope="module")
def network():
    return PoseNetwork.load(EMBEDDED, "cpu")


@pytest.fixture(scope="module")
def following(network):
    return Following.by(describe_weights(EMBEDDED, network.metadata).calibration)


@pytest.fixture(scope="module")
def clip(embedded_root):
    return open_dataset("embedded", embedded_root, split="test")[0]


@pytest.fixture(scope="module")
def frames(clip):
    return clip.frames.read(range(len(clip)))


@pytest.fixture(scope="module")
def wide(clip, frames):
    """The clip in the right half of an image twice as wide, on gray: (frames, joints, boxes)."""
    canvas = np.full((len(frames), 200, 340, 3), 128, np.uint8)
    canvas[:, 30:190, 170:330] = frames
    return canvas, clip.joints + (170, 30), clip.boxes + np.array([170, 30, 0, 0])


def share_right(poses, joints, boxes, visibility):
    error = np.linalg.norm(poses - joints, axis=-1)
    return float((error <= 0.2 * boxes[:, None, 2:].max(axis=-1))[visibility == VISIBLE].mean())


def test_streamed_numbers_are_those_of_the_clip_call(frames):
    """One fixed crop: joints, confidences and relations as of one call with all frames."""
    box = np.array([30.0, 20.0, 70.0, 110.0])
    model, metadata = load_checkpoint(EMBEDDED)
    affine = crop_affine(box, metadata["size"])
    with torch.inference_mode():
        output = model(normalize(torch.from_numpy(warp(frames, affine, metadata["size"])), metadata["input"])[None])
        joints, confidence = decode(output.heatmaps[0], metadata["size"] / output.heatmaps.shape[-1])
    found = rpstn.predict(frames, EMBEDDED, boxes=box, device="cpu")
    assert found.poses.shape == (len(frames), 13, 2) and found.relations.shape == (len(frames), 13, 13)
    assert joints.std() > 1
    np.testing.assert_allclose(found.confidences, confidence.numpy(), atol=1e-4)
    np.testing.assert_allclose(found.relations, output.relations[0].numpy(), atol=1e-4)
    # The sub-pixel step divides by a curvature, which magnifies rounding where a peak is flat.
    difference = np.abs(found.poses - apply_affine(joints.numpy(), invert_affine(affine)))
    assert np.median(difference) < 1e-3 and difference.max() < 0.5


def test_a_box_that_stays_is_a_fixed_box(frames):
    """Square, so that the crop follows nothing."""
    box = np.array([20.0, 20.0, 110.0, 110.0])
    fixed = rpstn.predict(frames[:6], EMBEDDED, boxes=box, device="cpu")
    given = rpstn.predict(frames[:6], EMBEDDED, boxes=np.tile(box, (6, 1)), device="cpu")
    text = rpstn.predict(frames[:6], EMBEDDED, boxes="20,20,110,110", device="cpu")
    np.testing.assert_array_equal(fixed.poses, given.poses)
    np.testing.assert_array_equal(fixed.poses, text.poses)


def test_given_boxes_and_auto_find_the_person(wide, clip):
    frames, joints, boxes = wide
    given = rpstn.predict(frames, EMBEDDED, boxes=boxes, device="cpu")
    auto = rpstn.predict(frames, EMBEDDED, device="cpu")
    assert share_right(given.poses, joints, boxes, clip.visibility) > 0.7
    assert share_right(auto.poses, joints, boxes, clip.visibility) > 0.6


def test_the_box_is_where_the_network_looked(network, following, clip, frames):
    """Of boxes given frame by frame, the square that follows them: looking there again gives the same joints."""
    stream = PoseStream(network, read_boxes(clip.boxes), following)
    first, second = (stream.step(index, frames[index])[0] for index in range(2))
    np.testing.assert_array_equal(network.look(frames[0], first.box).joints, first.joints)
    side = clip.boxes[:2, 2:].max(axis=1)
    assert second.box[2] == second.box[3] == pytest.approx(side[0] + following.size_rate * (side[1] - side[0]))


def test_the_state_is_carried(frames):
    """Each frame for itself gives other numbers: the network keeps its state from frame to frame."""
    box = np.array([20.0, 20.0, 110.0, 110.0])
    stream = rpstn.predict(frames[:4], EMBEDDED, boxes=box, device="cpu")
    alone = rpstn.predict(frames[3:4], EMBEDDED, boxes=box, device="cpu")
    assert np.abs(stream.confidences[3] - alone.confidences[0]).max() > 1e-3


def test_loss_is_noticed_and_the_person_found_again(network, following, wide):
    """Twelve frames of nobody: lost, without a jump of the box out of the image; then found, with a new start."""
    frames = wide[0]
    nobody = np.full_like(frames[:12], 128)
    stream = PoseStream(network, None, following)
    states = [stream.step(i, pixels)[0].status for i, pixels in enumerate([*frames[:8], *nobody, *frames[8:16]])]
    assert states[0] == FOUND and set(states[1:8]) == {FOLLOWED}
    assert set(states[8:20]) == {LOST}
    assert FOUND in states[20:] and states[-1] == FOLLOWED


def test_a_saved_stream_goes_on_as_if_it_had_not_stopped(network, following, wide):
    frames = wide[0][:8]
    whole, first, second = (PoseStream(network, None, following) for _ in range(3))
    expected = [whole.step(i, pixels)[0] for i, pixels in enumerate(frames)]
    for i in range(5):
        first.step(i, frames[i])
    second.restore(first.save())
    for i in range(5, 8):
        pose = second.step(i, frames[i])[0]
        np.testing.assert_array_equal(pose.joints, expected[i].joints)
        np.testing.assert_array_equal(pose.box, expected[i].box)


def test_people_come_and_go(network, following, frames):
    """Each id has its own state; one who was away starts with a new state, and whoever else is there changes nothing."""
    box = [20.0, 20.0, 110.0, 110.0]
    gone = [np.nan] * 4
    table = {"a": [box] * 24, "b": [box, box, *[gone] * 18, *[box] * 4]}
    both, alone, late = (PoseStream(network, read_boxes(boxes), following) for boxes in (table, {"a": table["a"]}, np.array(box)))
    seen = {i: {pose.id: pose for pose in both.step(i, pixels)} for i, pixels in enumerate(frames[:24])}
    assert [sorted(people) for people in seen.values()] == [["a", "b"]] * 2 + [["a"]] * 18 + [["a", "b"]] * 4
    for i in range(24):
        np.testing.assert_array_equal(seen[i]["a"].joints, alone.step(i, frames[i])[0].joints)
    np.testing.assert_array_equal(seen[20]["b"].joints, late.step(20, frames[20])[0].joints)
    assert np.abs(seen[20]["b"].confidence - seen[20]["a"].confidence).max() > 1e-4


def test_frames_without_a_box_are_nan(frames):
    boxes = np.tile([20.0, 20.0, 110.0, 110.0], (3, 1))
    boxes[1] = [500, 500, 20, 20]  # outside of the image: the person has left
    found = rpstn.predict(frames[:5], EMBEDDED, boxes=boxes, device="cpu")
    absent = np.isnan(found.poses).all(axis=(1, 2))
    assert absent.tolist() == [False, True, False, True, True]
    assert np.isnan(found.relations[absent]).all() and np.isfinite(found.poses[~absent]).all()


def test_a_network_without_propagation_and_relation(frames):
    """It streams as well; there are no relations to return."""
    found = rpstn.predict(frames[:3], WEIGHTS / "embedded_frame_by_frame.pt", boxes="20,20,110,110", device="cpu")
    assert found.relations is None and np.isfinite(found.poses).all()


def test_refusals_name_value_and_remedy(frames, tmp_path):
    with pytest.raises(UserError, match="2 people.*rpstn predict"):
        rpstn.predict(frames[:2], boxes={"a": np.ones((2, 4)), "b": np.ones((2, 4))}, device="cpu")
    with pytest.raises(UserError, match="outside of the video's frames of 160x160"):
        rpstn.predict(frames[:2], boxes="400,0,20,20", device="cpu")
    with pytest.raises(UserError, match="all boxes lie outside"):
        rpstn.predict(frames[:2], boxes=[[400, 0, 20, 20], [-60, 0, 20, 20]], device="cpu")
    with pytest.raises(
        UserError, match="box 0.1,0.2,0.5,0.5 is less than 4 pixels long.*160x160.*pixels of the video, not in parts"
    ):
        rpstn.predict(frames[:2], boxes="0.1,0.2,0.5,0.5", device="cpu")
    with pytest.raises(
        UserError, match="all boxes are less than 4 pixels long.* such as 0.1,0.2,0.5,0.6; give x, y, width, height"
    ):
        rpstn.predict(frames[:2], boxes=[[0.1, 0.2, 0.5, 0.5], [0.1, 0.2, 0.5, 0.6]], device="cpu")
    with pytest.raises(UserError, match="box 0,0,100000,100000 is more than 10 times as long"):
        rpstn.predict(frames[:2], boxes="0,0,1e5,1e5", device="cpu")
    assert len(rpstn.predict(frames[:2], boxes=[[20, 20, 2, 2], [20, 20, 110, 110]], device="cpu").poses) == 2
    with pytest.raises(UserError, match="limit is 0 frames"):
        rpstn.predict(frames[:2], frames=0)
    with pytest.raises(UserError, match="camera 0 has no end.*rpstn predict"):
        rpstn.predict(0)
    with pytest.raises(UserError, match="nowhere.pt.*rpstn train"):
        rpstn.predict(frames[:2], tmp_path / "nowhere.pt")


def test_the_number_of_frames_and_boxes_of_a_camera_that_begins_late(frames, network, following):
    """It may have dropped its first frames: a box outside of those that come is reported all the same."""
    assert len(rpstn.predict(frames[:4], EMBEDDED, "20,20,110,110", frames=3, device="cpu").poses) == 3
    late = open_input(frames[:4])
    late.__class__ = type("Late", (type(late),), {"__iter__": lambda self: islice(ArrayInput.__iter__(self), 2, None)})
    with pytest.raises(UserError, match="outside of the video's frames"):
        next(predict_frames(network, late, "400,0,20,20", following))


def test_default_weights_say_what_they_know():
    checkpoint = default_checkpoint()
    weights = describe_weights(checkpoint, load_checkpoint(checkpoint)[1])
    said = "\n".join(weights.lines())
    assert "count as hidden (measured on" in said
    assert "below confidence 0.9 count as hidden (as asked for)" in "\n".join(weights.lines(0.9))
    assert checkpoint.name in said and "trained on" in said and "rpstn train --dataset" in said
    assert checkpoint.name == ("real_rpstn.pt" if (WEIGHTS / "real_rpstn.pt").is_file() else "embedded_rpstn.pt")
    embedded = describe_weights(EMBEDDED, load_checkpoint(EMBEDDED)[1])
    assert "no image of a real person" in embedded.trained_on and embedded.calibration.measured_on.startswith(
        "embedded, split val"
    )


def test_images_that_stood_beside_are_named_too(tmp_path):
    settings = {"dataset": "sub_jhmdb", "aux_dataset": "lspet"}
    (tmp_path / "mine.pt").write_bytes(b"weights")
    (tmp_path / "mine.json").write_text(json.dumps({"encoder": {"parameters": settings}, "parameters": settings}))
    said = describe_weights(tmp_path / "mine.pt", {"dataset": "sub_jhmdb", "skeleton": "sub_jhmdb"}).trained_on
    assert said.index("lspet") < said.index("sub_jhmdb") and said.count("lspet") == 1


def test_weights_that_are_shipped_are_found_by_their_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_weights("embedded_rpstn") == EMBEDDED and find_weights(None) == default_checkpoint()
    assert find_weights("runs/mine/best.safetensors") == Path("runs/mine/best.safetensors")
    with pytest.raises(UserError, match="embeded_rpstn, and no weights of that name .*embedded_rpstn"):
        find_weights("embeded_rpstn")
    Path("embedded_rpstn").touch()  # a file of the user's own comes first
    assert find_weights("embedded_rpstn") == Path("embedded_rpstn")


def test_the_training_command_is_one_that_train_takes():
    import tyro

    from rpstn.cli.train_options import TrainOptions

    command = describe_weights(EMBEDDED, load_checkpoint(EMBEDDED)[1]).command.split()
    assert command[:2] == ["rpstn", "train"]
    config = tyro.cli(TrainOptions, args=command[2:])
    assert config.data.dataset == "penn_action"


class TestFollowing:
    settings = Following()

    def test_the_first_look_covers_the_frame(self):
        affine = crop_affine(whole_frame((240, 320)), 128)
        np.testing.assert_allclose(apply_affine(np.array([[0, 119.5], [319, 119.5]]), affine)[:, 0], [-0.3, 127.3], atol=0.5)

    def test_search_covers_every_place(self):
        for size in ((240, 320), (320, 240), (100, 100), (50, 400)):
            covered = np.zeros(size, int)
            for x, y, width, height in search_boxes(size):
                assert width == height and is_inside(np.array([x, y, width, height]), size)
                side, middle = width * 1.25, (x + width / 2, y + height / 2)
                left, top = (int(np.ceil(value - side / 2)) for value in middle)
                covered[max(top, 0) : top + int(side) + 1, max(left, 0) : left + int(side) + 1] += 1
            assert covered.min() >= 1

    def test_a_box_around_trusted_joints_only(self):
        joints = np.array([[10, 10], [50, 90], [30, 40], [900, 900]], float)
        box = pose_box(joints, np.array([0.9, 0.8, 0.7, 0.05]), self.settings)
        np.testing.assert_allclose(box, [30 - 48, 50 - 48, 96, 96])  # 80 px and a tenth of it on each side, square
        assert pose_box(joints, np.full(4, 0.05), self.settings) is None

    def test_it_moves_towards_the_target_and_stays_of_a_sensible_size(self):
        box, target = np.array([0.0, 0, 40, 40]), np.array([60.0, 0, 80, 80])
        middles = []
        for _ in range(30):
            box = move(box, target, self.settings, (240, 320))
            middles.append(box[0] + box[2] / 2)
        assert np.all(np.diff(middles) >= 0) and middles[-1] == pytest.approx(100) and box[2] == pytest.approx(80, abs=0.1)
        assert move(box, np.array([0, 0, 1e5, 1e5]), self.settings, (240, 320))[2] <= 640

    def test_a_search_goes_on_below_the_limit_of_lost(self):
        limits = Calibration(hidden_below=0.3, lost_below=0.32, confident_from=0.345)
        assert Following.by(limits).confident_from == 0.345 and Following.by(limits).lost_below == 0.32
        assert Following.by(limits, 0.6).confident_from == Following.by(limits, 0.6).lost_below == 0.6

    def test_wrong_settings(self):
        for wrong in ({"center_rate": 0.0}, {"size_rate": 1.5}, {"patience": 0}, {"starts": 0}):
            with pytest.raises(UserError, match=next(iter(wrong))):
                Following(**wrong)


def test_calibration_measures_what_it_says(embedded_root, network, tmp_path):
    """One visible joint in ten lies below the limit in a stream; without a file the limits are assumed and say so."""
    dataset = open_dataset("embedded", embedded_root, split="val")
    found = calibrate(EMBEDDED, dataset, progress=False)
    predictions, states = predict_streamed(network, dataset, Following(), progress=False)
    confidence = np.concatenate(predictions.confidence)
    visible = np.concatenate([part.visibility for part in dataset]) == VISIBLE
    assert (confidence[visible] < found.hidden_below).mean() == pytest.approx(0.1, abs=0.01)
    assert found.sha256 == describe_weights(EMBEDDED, load_checkpoint(EMBEDDED)[1]).sha256
    assert found.joints == visible.sum() and found.correct["above"] > found.correct["below"]
    assert {state for clip in states for state in clip} == {GIVEN}
    assert calibration_of(tmp_path / "mine.pt") == Calibration() and Calibration().measured_on is None


def test_limits_that_come_with_the_package_are_not_replaced(embedded_root, tmp_path):
    """Other clips have other limits, and everybody who uses the weights would get them."""
    stored = calibration_file(EMBEDDED).read_bytes()
    for given in ("embedded_rpstn", EMBEDDED):
        with pytest.raises(UserError, match="comes with the package and has its limits.*calibrate the copy"):
            calibrate_file(given, root=embedded_root)
    assert calibration_file(EMBEDDED).read_bytes() == stored
    shutil.copy(EMBEDDED, tmp_path / "mine.pt")
    assert calibrate_file(tmp_path / "mine.pt", root=embedded_root).parent == tmp_path


@pytest.mark.parametrize("checkpoint", sorted(WEIGHTS.glob("*_rpstn.pt")), ids=lambda path: path.stem)
def test_a_calibration_is_that_of_these_very_weights(checkpoint, tmp_path):
    """Trained again into the same file, nothing is measured: `rpstn calibrate` is to be called again."""
    mine = Path(shutil.copy(checkpoint, tmp_path / "mine.pt"))
    shutil.copy(calibration_file(checkpoint), calibration_file(mine))
    assert calibration_of(mine) == calibration_of(checkpoint) and calibration_of(checkpoint).measured_on
    metadata = load_checkpoint(mine)[1]
    mine.write_bytes(mine.read_bytes() + b"trained again")
    assert calibration_of(mine) == Calibration()
    assert "assumed, nothing was measured: rpstn calibrate CHECKPOINT" in "\n".join(describe_weights(mine, metadata).lines())


def test_cv2_and_numpy_agree_on_colors(tmp_path, frames):
    """An image written and read again is RGB for the network, whichever way it comes."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for index in range(3):
        cv2.imwrite(str(folder / f"{index}.png"), frames[index][..., ::-1])
    array = rpstn.predict(frames[:3], EMBEDDED, boxes="20,20,110,110", device="cpu")
    files = rpstn.predict(folder, EMBEDDED, boxes="20,20,110,110", device="cpu")
    np.testing.assert_array_equal(array.poses, files.poses)
