"""`rpstn predict`: files that are whole, whatever ends the run, and a second call that goes on without a seam."""

import csv
import itertools
import os
import signal
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.cli import main as cli
from rpstn.datasets.video_frames import decode_video
from rpstn.errors import UserError
from rpstn.runs.ahead import AHEAD
from rpstn.skeletons import PENN_ACTION
from rpstn.video import job as prediction_run
from rpstn.video import write_webm
from rpstn.video.input.camera import Camera
from rpstn.video.input.images import FrameFolder
from rpstn.video.job import predict_video
from rpstn.video.output.folder import PredictionFolder
from rpstn.video.output.overlay import Annotator
from rpstn.video.stream import LOST, PoseStream
from rpstn.video.threads import BEHIND, Behind

from ..predicting import BOX, EMBEDDED, FILES, LENGTH, config, interrupt_at, read


def test_the_files(whole_run):
    assert {path.name for path in whole_run.out.iterdir()} == FILES and {path.name for path in whole_run.files} == FILES
    assert whole_run.complete and whole_run.frames == LENGTH and whole_run.signal is None
    found = read(whole_run.out)
    assert found["complete"] is True and len(found["frames"]) == LENGTH
    assert found["video"] == {"name": "dance", "width": 160, "height": 160, "fps": 10.0}
    assert found["categories"][0]["keypoints"] == list(PENN_ACTION.joints)
    assert "embedded" in found["weights"]["trained_on"] and found["weights"]["command"].startswith("rpstn train")
    for index, entry in enumerate(found["frames"]):
        (person,) = entry["people"]
        assert entry["frame"] == index and entry["time"] == pytest.approx(index / 10)
        points = np.array(person["keypoints"]).reshape(13, 3)
        assert person["score"] == pytest.approx(points[:, 2].mean(), abs=1e-3)
        assert person["hidden"] == np.flatnonzero(points[:, 2] < found["hidden_below"]).tolist() or person["status"] == LOST
        np.testing.assert_allclose(np.sum(person["relation"], axis=1), 1, atol=2e-3)


def test_the_table_says_the_same(whole_run):
    with (whole_run.out / "poses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13 * LENGTH and rows[0]["joint"] == "head"
    person = read(whole_run.out)["frames"][3]["people"][0]
    wrist = PENN_ACTION.index("left_wrist")
    row = next(row for row in rows if row["frame"] == "3" and row["joint"] == "left_wrist")
    assert [float(row[name]) for name in ("x", "y", "confidence")] == person["keypoints"][3 * wrist : 3 * wrist + 3]
    assert int(row["hidden"]) == (wrist in person["hidden"])


def test_the_video_plays(whole_run):
    """As many images as frames, larger than the source, with the matrix next to it."""
    frames = decode_video(whole_run.out / "annotated.webm")
    assert len(frames) == LENGTH
    assert frames.shape[1] >= 480 and frames.shape[2] > 1.8 * frames.shape[1] * 0.95
    assert (whole_run.out / "annotated.webm").read_bytes()[:4] == b"\x1a\x45\xdf\xa3"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_whole_files_and_resume_goes_on(dance, whole_run, tmp_path, monkeypatch, number):
    """The same bytes as without the stop, video included."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6, number)
        stopped = predict_video(config(dance, tmp_path), progress=False)
    assert not stopped.complete and stopped.frames == 7 and stopped.signal == number
    found = read(tmp_path)
    assert found["complete"] is False and [entry["frame"] for entry in found["frames"]] == list(range(7))
    assert len(decode_video(tmp_path / "annotated.webm")) == 7
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "journal.jsonl", "state.pt"}

    with pytest.raises(UserError, match="--resume.*--overwrite"):
        predict_video(config(dance, tmp_path), progress=False)
    with pytest.raises(UserError, match="other settings.*hidden_below"):
        predict_video(config(dance, tmp_path, resume=True, hidden_below=0.9), progress=False)
    assert read(tmp_path) == found, "a refusal changes nothing"

    resumed = predict_video(config(dance, tmp_path, resume=True), progress=False)
    assert resumed.complete and {path.name for path in tmp_path.iterdir()} == FILES
    for name in ("poses.json", "poses.csv"):
        assert (tmp_path / name).read_bytes() == (whole_run.out / name).read_bytes(), name
    np.testing.assert_array_equal(decode_video(tmp_path / "annotated.webm"), decode_video(whole_run.out / "annotated.webm"))


def test_a_killed_run_goes_on_from_its_last_state(dance, whole_run, tmp_path, monkeypatch):
    """What the journal got after the state was saved, half a line even, is done again."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        predict_video(config(dance, tmp_path), progress=False)
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"frame":7,"time":0.7,"people":[]}\n{"frame":8,"ti')
    (tmp_path / "annotated.part.webm").write_bytes(b"half")
    assert predict_video(config(dance, tmp_path, resume=True), progress=False).complete
    assert read(tmp_path) == read(whole_run.out) and {path.name for path in tmp_path.iterdir()} == FILES


def test_killed_before_a_state_was_saved(dance, whole_run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        predict_video(config(dance, tmp_path, draw=False), progress=False)
    (tmp_path / "state.pt").unlink()
    assert predict_video(config(dance, tmp_path, draw=False, resume=True), progress=False).complete
    assert read(tmp_path) == read(whole_run.out)


def test_a_stop_while_resuming_loses_nothing(dance, whole_run, tmp_path, monkeypatch):
    """Stopped again before the old frames were drawn: the longer video stays."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7)
        predict_video(config(dance, tmp_path), progress=False)
    with monkeypatch.context() as patch:
        draw = Annotator.draw
        patch.setattr(Annotator, "draw", lambda *given: (signal.raise_signal(signal.SIGINT), draw(*given))[1])
        again = predict_video(config(dance, tmp_path, resume=True), progress=False)
    assert not again.complete and len(read(tmp_path)["frames"]) == again.frames >= 8
    assert len(decode_video(tmp_path / "annotated.webm")) >= 8
    assert predict_video(config(dance, tmp_path, resume=True), progress=False).complete
    assert read(tmp_path)["frames"] == read(whole_run.out)["frames"]


def test_a_killed_run_stopped_while_it_is_drawn_again_has_a_video(dance, tmp_path, monkeypatch):
    """A kill leaves no annotated.webm: then a shorter video is better than none. Complete, it is not shown for a longer run."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        predict_video(config(dance, tmp_path), progress=False)
    (tmp_path / "annotated.webm").rename(tmp_path / "annotated.part.webm")
    with monkeypatch.context() as patch:
        put = Behind.put
        patch.setattr(Behind, "put", lambda *given: (signal.raise_signal(signal.SIGINT), put(*given))[1])
        stopped = predict_video(config(dance, tmp_path, resume=True), progress=False)
    assert stopped.frames == 6 and len(decode_video(tmp_path / "annotated.webm")) == 1
    result = predict_video(config(dance, tmp_path, resume=True, draw=False), progress=False)
    assert result.complete and {path.name for path in tmp_path.iterdir()} == {"poses.json", "poses.csv"}


class FolderCamera(Camera):
    """A camera that shows three frames and hangs until it is let go."""

    let_go = threading.Event()

    def __iter__(self):
        yield from itertools.islice(FrameFolder(Path(os.environ["FRAMES"])), 3)
        self.let_go.wait(60)


@pytest.fixture
def camera(dance, monkeypatch):
    """The index of a camera, which a stop asked for ends half a second after its third frame."""
    monkeypatch.setenv("FRAMES", str(dance))
    monkeypatch.setattr("rpstn.video.input.source.Camera", FolderCamera)
    monkeypatch.setattr("rpstn.runs.ahead._PATIENCE", 0.1)
    step = PoseStream.step

    def interrupting(self, index, pixels):
        if index == 2:
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        return step(self, index, pixels)

    monkeypatch.setattr(PoseStream, "step", interrupting)
    FolderCamera.let_go.clear()
    yield "3"
    FolderCamera.let_go.set()


def test_a_stop_ends_a_camera_that_hangs(camera, tmp_path):
    begun = time.monotonic()
    result = predict_video(config(camera, tmp_path, fps=None), progress=False)
    assert result.frames == 3 and result.complete and result.signal == signal.SIGINT
    assert time.monotonic() - begun < 40 and {path.name for path in tmp_path.iterdir()} == FILES


def test_a_killed_recording_is_not_lost(camera, tmp_path, monkeypatch):
    """It cannot be made again: --resume makes its files."""
    given = config(camera, tmp_path, fps=None)
    with monkeypatch.context() as patch:
        patch.setattr(PredictionFolder, "end", lambda self: None)
        predict_video(given, progress=False)
    expected = read(tmp_path)
    (tmp_path / "annotated.webm").rename(tmp_path / "annotated.part.webm")
    for name in ("poses.json", "poses.csv"):
        (tmp_path / name).unlink()
    with pytest.raises(UserError, match="recording that was cut off: --resume makes its files"):
        predict_video(given, progress=False)
    result = predict_video(replace(given, resume=True), progress=False)
    notes = [note for note in expected["notes"] if not note.startswith("relation, in 1 frame")]  # the frames are gone
    assert result.frames == 3 and read(tmp_path) == expected | {"notes": notes} and expected["video"]["width"] == 160
    assert {path.name for path in tmp_path.iterdir()} == FILES and len(decode_video(tmp_path / "annotated.webm")) >= 3


def test_overwrite_and_a_finished_run(dance, tmp_path):
    short = dict(frames=2, draw=False, relation=False, boxes=BOX)
    predict_video(config(dance, tmp_path, **short), progress=False)
    for more in ({}, {"resume": True}):
        with pytest.raises(UserError, match="--overwrite"):
            predict_video(config(dance, tmp_path, **short, **more), progress=False)
    predict_video(config(dance, tmp_path, **{**short, "frames": 3}, overwrite=True), progress=False)
    assert len(read(tmp_path)["frames"]) == 3 and not (tmp_path / "annotated.webm").exists()


def test_a_broken_state_is_refused(dance, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1)
        predict_video(config(dance, tmp_path, draw=False), progress=False)
    (tmp_path / "state.pt").write_bytes(b"broken")
    with pytest.raises(UserError, match="state.pt.*--overwrite"):
        predict_video(config(dance, tmp_path, draw=False, resume=True), progress=False)


def test_the_command(dance, tmp_path, monkeypatch, capsys):
    video = write_webm(tmp_path / "video.webm", [cv2.imread(str(dance / f"{i}.png"))[..., ::-1] for i in range(4)], fps=10)
    monkeypatch.chdir(tmp_path)
    words = ["predict", str(video), "--checkpoint", str(EMBEDDED), "--device", "cpu"]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    for part in ("4 frames", "trained on data set embedded", "rpstn train --dataset penn_action", "person 1: 4 fr", "poses.json"):
        assert part in said.out
    assert "frame/s" in said.err or "s/frame" in said.err
    assert {path.name for path in (tmp_path / "runs" / "predict" / "video").iterdir()} == FILES
    assert cli.main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1)
        assert cli.main([*words, "--overwrite"]) == 130
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*words, "--resume", "--overwrite"]) == 2
    assert cli.main([*words, "--resume"]) == 0
    assert cli.main(["predict", "--help"]) == 0 and "14_your_video.py" in capsys.readouterr().out


def test_memory_does_not_grow_with_the_video(dance, tmp_path, monkeypatch):
    """Of all frames, only those that wait before and behind the network are in memory at once."""
    alive: list[weakref.ref] = []
    read_images, step, most = FrameFolder._read, PoseStream.step, 0

    def watched(self):
        for frame in read_images(self):
            alive.append(weakref.ref(frame.pixels))
            yield frame

    def counted(self, index, pixels):
        nonlocal most
        most = max(most, sum(pixels() is not None for pixels in alive))
        return step(self, index, pixels)

    video = tmp_path / "video"
    video.mkdir()
    for index in range(2 * (AHEAD + BEHIND)):
        (video / f"{index}.png").symlink_to(dance / f"{index % LENGTH}.png")
    monkeypatch.setattr(FrameFolder, "_read", watched)
    monkeypatch.setattr(PoseStream, "step", counted)
    result = predict_video(config(video, tmp_path / "out", relation=False, boxes=BOX), progress=False)
    # Besides, one is being read, one predicted, one drawn, and a thread may still hold the one before.
    assert len(alive) == result.frames == 2 * (AHEAD + BEHIND) and 0 < most <= AHEAD + BEHIND + 6


def test_states_are_saved_on_the_way(dance, tmp_path, monkeypatch):
    """Not only at a stop: what a kill leaves is the last of these."""
    monkeypatch.setattr(prediction_run, "SAVE_EVERY", -1.0)
    saved = []
    keep = prediction_run.save_atomically

    def note(values, path):
        saved.append(values["frames"])
        keep(values, path)

    monkeypatch.setattr(prediction_run, "save_atomically", note)
    predict_video(config(dance, tmp_path, frames=3, draw=False, boxes=BOX), progress=False)
    assert saved == [1, 2, 3]
