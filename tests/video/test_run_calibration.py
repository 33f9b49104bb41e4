"""A run ends with which of its confidences are low: measured on some of its val clips, once, found by whoever predicts."""

import dataclasses
import warnings

import numpy as np
import pytest

from rpstn.cli.main import main
from rpstn.datasets import open_dataset
from rpstn.datasets.clip import OCCLUDED, VISIBLE
from rpstn.errors import UserError
from rpstn.models.calibration import Calibration, calibration_file, calibration_of
from rpstn.runs import read_json
from rpstn.train import TrainConfig, train
from rpstn.train import loop as training
from rpstn.video.calibrate import calibrate, calibrate_run
from rpstn.video.network import PoseNetwork
from rpstn.video.predict import predict_streamed
from rpstn.video.tracking import Following

from ..predicting import BOX

SETTINGS = {"frames": 2, "size": 64, "batch": 2, "steps": 2, "precision": "fp32", "device": "cpu"}


@pytest.fixture
def config(embedded_root, tmp_path):
    return TrainConfig.of(root=str(embedded_root), out=str(tmp_path / "run"), calibration_frames=24, **SETTINGS)


@pytest.fixture(scope="module")
def trained(embedded_root, tmp_path_factory):
    """A finished run. Do not change its files."""
    out = tmp_path_factory.mktemp("calibrated") / "run"
    return train(TrainConfig.of(root=str(embedded_root), out=str(out), **SETTINGS), progress=False, calibrate=calibrate_run)


@pytest.fixture(scope="module")
def val(embedded_root):
    return open_dataset("embedded", embedded_root, split="val")


@pytest.fixture(scope="module")
def seen(trained, val):
    """Confidences of the visible joints of each clip."""
    found, _ = predict_streamed(PoseNetwork.load(trained.checkpoint, "cpu"), val, Following(), progress=False)
    return [part[clip.visibility == VISIBLE] for part, clip in zip(found.confidence, val, strict=True)]


def test_the_limits_are_those_of_the_checkpoint_on_val(trained, seen):
    limits = calibration_of(trained.checkpoint)
    assert limits.joints == sum(map(len, seen)) and limits.frames == 72
    assert limits.hidden_below == pytest.approx(np.quantile(np.concatenate(seen), 0.1), abs=1e-4)
    assert limits.measured_on == "embedded, split val, streamed with its boxes"


def test_the_command_measures_what_training_does(trained, embedded_root, tmp_path, capsys):
    copy = tmp_path / "best.safetensors"
    copy.write_bytes(trained.checkpoint.read_bytes())
    assert main(["calibrate", str(copy), "--root", str(embedded_root)]) == 0
    assert capsys.readouterr().out.strip() == str(calibration_file(copy))
    assert calibration_of(copy) == calibration_of(trained.checkpoint)
    assert main(["calibrate", str(tmp_path / "none.pt")]) == 2
    assert "none.pt" in capsys.readouterr().err


def test_prediction_finds_them(trained, dance, tmp_path, capsys):
    out = tmp_path / "poses"
    options = f"--checkpoint {trained.checkpoint} --out {out} --device cpu --frames 3 --no-draw".split()
    assert main(["predict", str(dance), "--boxes", BOX, *options]) == 0
    said = capsys.readouterr().out
    assert f"below confidence {calibration_of(trained.checkpoint).hidden_below:g} count as hidden (measured on embedded" in said


def test_the_command_line_says_them(config, capsys):
    words = {"root": config.data.root, "out": config.out, "frames": 1, "size": 64, "batch": 2, "steps": 1, "device": "cpu"}
    words["calibration-frames"] = 24
    assert main(["train", *(f"--{name}={value}" for name, value in words.items())]) == 0
    assert "count as hidden (measured on embedded, 24 frames of split val" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("frames", "clips"), [(1, [0]), (24, [0]), (48, [0, 2]), (71, [0, 2]), (72, [0, 1, 2]), (600, [0, 1, 2])]
)
def test_as_many_clips_as_have_about_so_many_frames_are_measured(trained, val, seen, frames, clips):
    limits = calibrate(trained.checkpoint, val, frames=frames, progress=False)
    chosen = np.concatenate([seen[index] for index in clips])
    assert limits.frames == 24 * len(clips)
    assert limits.hidden_below == pytest.approx(np.quantile(chosen, 0.1), abs=1e-4)
    assert (f"{limits.frames} frames of" in limits.measured_on) == (len(clips) < 3)


def test_an_interruption_while_it_is_measured_loses_nothing(config, tmp_path, monkeypatch):
    whole = train(config, progress=False, calibrate=calibrate_run)
    parted = config.replace(out=str(tmp_path / "parted"))
    with monkeypatch.context() as patch:
        patch.setattr("rpstn.video.calibrate.calibrate", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(parted, progress=False, calibrate=calibrate_run)
    assert not (tmp_path / "parted" / "manifest.json").exists()
    with monkeypatch.context() as patch:
        patch.setattr(training, "training_loss", lambda *_: pytest.fail("trained again"))
        resumed = train(parted, progress=False, calibrate=calibrate_run)
    assert resumed.metrics == whole.metrics
    first, second = (dataclasses.replace(calibration_of(run.checkpoint), sha256=None) for run in (whole, resumed))
    assert first == second and first.measured_on


def test_it_is_measured_once_and_again_for_other_weights(config, trained, val, tmp_path, monkeypatch):
    copy = tmp_path / "best.safetensors"
    copy.write_bytes(trained.checkpoint.read_bytes())
    calibration_file(copy).write_bytes(calibration_file(trained.checkpoint).read_bytes())
    with monkeypatch.context() as patch:
        patch.setattr("rpstn.video.calibrate.calibrate", lambda *_, **__: pytest.fail("measured again"))
        calibrate_run(copy, val, 600)
    other = train(config.replace(seed=1, calibration_frames=0), progress=False, calibrate=calibrate_run).checkpoint
    copy.write_bytes(other.read_bytes())
    assert calibration_of(copy) == Calibration()
    calibrate_run(copy, val, 24, progress=False)
    assert calibration_of(copy).measured_on and calibration_of(copy) != calibration_of(trained.checkpoint)


def test_none_is_asked_for(config):
    result = train(config.replace(calibration_frames=0), progress=False, calibrate=calibrate_run)
    assert not calibration_file(result.checkpoint).exists() and calibration_of(result.checkpoint) == Calibration()
    with pytest.raises(UserError, match="calibration_frames"):
        config.replace(calibration_frames=-1)


@pytest.mark.parametrize(
    "changes", [{"network": "small", "propagation": "none", "frames": 1}, {"propagation": "none", "frames": 1}]
)
def test_networks_of_single_images_have_theirs(config, changes):
    result = train(config.replace(**changes), progress=False, calibrate=calibrate_run)
    assert calibration_of(result.checkpoint).frames == 24


def test_a_split_that_cannot_tell_is_a_warning_and_the_run_ends_well(config, monkeypatch):
    genuine = training.open_training_data

    def hidden(asked):
        data = genuine(asked)
        clips = [dataclasses.replace(clip, visibility=np.minimum(clip.visibility, OCCLUDED)) for clip in data.validation]
        return dataclasses.replace(data, validation=dataclasses.replace(data.validation, clips=tuple(clips)))

    monkeypatch.setattr(training, "open_training_data", hidden)
    with pytest.warns(UserWarning, match="no joint is visible"):
        result = train(config, progress=False, calibrate=calibrate_run)
    assert read_json(result.run / "manifest.json")["metrics"] == result.metrics
    assert not calibration_file(result.checkpoint).exists()


def test_a_long_clip_is_streamed_in_parts(trained, val, monkeypatch):
    """A video of an hour does not fit the memory; what lies at its end counts as well."""
    read = []
    genuine = type(val[0].frames).read
    monkeypatch.setattr(
        type(val[0].frames), "read", lambda frames, indices: read.append(list(indices)) or genuine(frames, indices)
    )
    monkeypatch.setattr("rpstn.video.calibrate.LONGEST", 10)
    whole = calibrate(trained.checkpoint, val, progress=False)
    assert whole.frames == 72 and whole.measured_on == "embedded, split val, streamed with its boxes"
    assert read == [list(part) for part in (range(10), range(10, 20), range(20, 24))] * 3
    some = calibrate(trained.checkpoint, val, frames=16, progress=False)
    assert some.frames == 14 and some.measured_on.startswith("embedded, 14 frames of split val")  # the first part and the last


def test_a_clip_that_shows_nobody_is_left_out(trained, val):
    speck = dataclasses.replace(val[1], boxes=np.tile(np.array([5, 5, 2, 2], np.float32), (24, 1)))
    some = dataclasses.replace(val, clips=(val[0], speck, val[2]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        limits = calibrate(trained.checkpoint, some, progress=False)
    assert limits.frames == 48 and "48 frames of split val" in limits.measured_on
    with pytest.raises(UserError, match="less than 4 pixels"):
        calibrate(trained.checkpoint, dataclasses.replace(val, clips=(speck,)), progress=False)
