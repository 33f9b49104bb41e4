"""`rpstn predict`: files that are whole, whatever ends the run, and a second call that goes on without a seam."""

import csv
import errno
import itertools
import json
import os
import resource
import signal
import threading
import time
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from rpstn import cli, prediction_run
from rpstn.annotate import Annotator
from rpstn.datasets import open_dataset
from rpstn.datasets.sources import decode_video
from rpstn.errors import UserError
from rpstn.pose_files import Journal
from rpstn.pose_stream import LOST, PoseStream
from rpstn.prediction_folder import PredictionFolder
from rpstn.prediction_run import PredictConfig, predict_video
from rpstn.recipes import WEIGHTS
from rpstn.skeletons import PENN_ACTION
from rpstn.streaming import AHEAD, BEHIND, Behind
from rpstn.video import write_webm
from rpstn.video_input import Camera, FrameFolder

EMBEDDED = WEIGHTS / "embedded_rpstn.pt"
LENGTH = 14
FILES = {"poses.json", "poses.csv", "annotated.webm"}


@pytest.fixture(scope="module")
def folder(embedded_root, tmp_path_factory):
    """A folder of frames: lossless, so that runs can be compared bit for bit."""
    place = tmp_path_factory.mktemp("films") / "dance"
    place.mkdir()
    clip = open_dataset("embedded", embedded_root, split="test")[0]
    for index, pixels in enumerate(clip.frames.read(range(LENGTH))):
        cv2.imwrite(str(place / f"{index}.png"), pixels[..., ::-1])
    return place


@pytest.fixture(scope="module")
def whole(folder, tmp_path_factory):
    """A run to the end, with relations."""
    out = tmp_path_factory.mktemp("whole") / "out"
    return predict_video(config(folder, out), progress=False)


def config(video, out, **more):
    settings = {"checkpoint": EMBEDDED, "out": out, "relation": True, "device": "cpu", "fps": 10.0}
    return PredictConfig(str(video), **(settings | more))


def read(path):
    return json.loads((path / "poses.json").read_text())


def interrupt_at(monkeypatch, frame, number=signal.SIGINT):
    """The signal comes while the network works on that frame."""
    step = PoseStream.step

    def interrupted(self, index, pixels):
        if index == frame:
            signal.raise_signal(number)
            signal.raise_signal(number)  # a key pressed twice changes nothing
        return step(self, index, pixels)

    monkeypatch.setattr(PoseStream, "step", interrupted)


def test_the_files(whole):
    assert {path.name for path in whole.out.iterdir()} == FILES and {path.name for path in whole.files} == FILES
    assert whole.complete and whole.frames == LENGTH and whole.signal is None
    found = read(whole.out)
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


def test_the_table_says_the_same(whole):
    with (whole.out / "poses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 13 * LENGTH and rows[0]["joint"] == "head"
    person = read(whole.out)["frames"][3]["people"][0]
    wrist = PENN_ACTION.index("left_wrist")
    row = next(row for row in rows if row["frame"] == "3" and row["joint"] == "left_wrist")
    assert [float(row[name]) for name in ("x", "y", "confidence")] == person["keypoints"][3 * wrist : 3 * wrist + 3]
    assert int(row["hidden"]) == (wrist in person["hidden"])


def test_the_video_plays(whole):
    """As many pictures as frames, larger than the source, with the matrix beside it."""
    frames = decode_video(whole.out / "annotated.webm")
    assert len(frames) == LENGTH
    assert frames.shape[1] >= 480 and frames.shape[2] > 1.8 * frames.shape[1] * 0.95
    assert (whole.out / "annotated.webm").read_bytes()[:4] == b"\x1a\x45\xdf\xa3"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_whole_files_and_resume_goes_on(folder, whole, tmp_path, monkeypatch, number):
    """The same bytes as without the stop, video included."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6, number)
        stopped = predict_video(config(folder, tmp_path), progress=False)
    assert not stopped.complete and stopped.frames == 7 and stopped.signal == number
    found = read(tmp_path)
    assert found["complete"] is False and [entry["frame"] for entry in found["frames"]] == list(range(7))
    assert len(decode_video(tmp_path / "annotated.webm")) == 7
    assert {path.name for path in tmp_path.iterdir()} == {*FILES, "journal.jsonl", "state.pt"}

    with pytest.raises(UserError, match="--resume.*--overwrite"):
        predict_video(config(folder, tmp_path), progress=False)
    with pytest.raises(UserError, match="other settings.*hidden_below"):
        predict_video(config(folder, tmp_path, resume=True, hidden_below=0.9), progress=False)
    assert read(tmp_path) == found, "a refusal changes nothing"

    resumed = predict_video(config(folder, tmp_path, resume=True), progress=False)
    assert resumed.complete and {path.name for path in tmp_path.iterdir()} == FILES
    for name in ("poses.json", "poses.csv"):
        assert (tmp_path / name).read_bytes() == (whole.out / name).read_bytes(), name
    np.testing.assert_array_equal(decode_video(tmp_path / "annotated.webm"), decode_video(whole.out / "annotated.webm"))


def test_a_killed_run_goes_on_from_its_last_state(folder, whole, tmp_path, monkeypatch):
    """What the journal got after the state was saved, half a line even, is done again."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 6)
        predict_video(config(folder, tmp_path), progress=False)
    with (tmp_path / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"frame":7,"time":0.7,"people":[]}\n{"frame":8,"ti')
    (tmp_path / "annotated.part.webm").write_bytes(b"half")
    assert predict_video(config(folder, tmp_path, resume=True), progress=False).complete
    assert read(tmp_path) == read(whole.out) and {path.name for path in tmp_path.iterdir()} == FILES


def test_killed_before_a_state_was_saved(folder, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        predict_video(config(folder, tmp_path), progress=False)
    (tmp_path / "state.pt").unlink()
    assert predict_video(config(folder, tmp_path, resume=True), progress=False).complete
    assert read(tmp_path) == read(whole.out)


def test_a_stop_while_resuming_loses_nothing(folder, whole, tmp_path, monkeypatch):
    """Stopped again before the old frames were drawn: the longer video stays."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 8)
        predict_video(config(folder, tmp_path), progress=False)
    with monkeypatch.context() as patch:
        draw = Annotator.draw
        patch.setattr(Annotator, "draw", lambda *given: (signal.raise_signal(signal.SIGINT), draw(*given))[1])
        again = predict_video(config(folder, tmp_path, resume=True), progress=False)
    assert not again.complete and len(read(tmp_path)["frames"]) == again.frames >= 9
    assert len(decode_video(tmp_path / "annotated.webm")) >= 9
    assert predict_video(config(folder, tmp_path, resume=True), progress=False).complete
    assert read(tmp_path)["frames"] == read(whole.out)["frames"]


def test_a_killed_run_stopped_while_it_is_drawn_again_has_a_video(folder, tmp_path, monkeypatch):
    """A kill leaves no annotated.webm: then a shorter video is better than none. Complete, it is not shown for a longer run."""
    with monkeypatch.context() as patch:
        interrupt_at(patch, 5)
        predict_video(config(folder, tmp_path), progress=False)
    (tmp_path / "annotated.webm").rename(tmp_path / "annotated.part.webm")
    with monkeypatch.context() as patch:
        put = Behind.put
        patch.setattr(Behind, "put", lambda *given: (signal.raise_signal(signal.SIGINT), put(*given))[1])
        stopped = predict_video(config(folder, tmp_path, resume=True), progress=False)
    assert stopped.frames == 6 and len(decode_video(tmp_path / "annotated.webm")) == 1
    result = predict_video(config(folder, tmp_path, resume=True, draw=False), progress=False)
    assert result.complete and {path.name for path in tmp_path.iterdir()} == {"poses.json", "poses.csv"}


class FolderCamera(Camera):
    """A camera that shows three frames and hangs until it is let go."""

    let_go = threading.Event()

    def __iter__(self):
        yield from itertools.islice(FrameFolder(Path(os.environ["FRAMES"])), 3)
        self.let_go.wait(60)


@pytest.fixture
def camera(folder, monkeypatch):
    """The index of a camera, which a stop asked for ends half a second after its third frame."""
    monkeypatch.setenv("FRAMES", str(folder))
    monkeypatch.setattr("rpstn.video_input.Camera", FolderCamera)
    monkeypatch.setattr("rpstn.streaming._PATIENCE", 0.1)
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
    assert result.frames == 3 and read(tmp_path) == expected and expected["video"]["width"] == 160
    assert {path.name for path in tmp_path.iterdir()} == FILES and len(decode_video(tmp_path / "annotated.webm")) >= 3


def test_overwrite_and_a_finished_run(folder, tmp_path):
    short = dict(frames=2, draw=False, relation=False)
    predict_video(config(folder, tmp_path, **short), progress=False)
    for more in ({}, {"resume": True}):
        with pytest.raises(UserError, match="--overwrite"):
            predict_video(config(folder, tmp_path, **short, **more), progress=False)
    predict_video(config(folder, tmp_path, **{**short, "frames": 3}, overwrite=True), progress=False)
    assert len(read(tmp_path)["frames"]) == 3 and not (tmp_path / "annotated.webm").exists()


def test_a_broken_state_is_refused(folder, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1)
        predict_video(config(folder, tmp_path, draw=False), progress=False)
    (tmp_path / "state.pt").write_bytes(b"broken")
    with pytest.raises(UserError, match="state.pt.*--overwrite"):
        predict_video(config(folder, tmp_path, draw=False, resume=True), progress=False)


def test_an_error_in_the_middle_keeps_what_was_done(folder, tmp_path):
    broken = tmp_path / "film"
    broken.mkdir()
    for index in range(6):
        content = b"broken" if index == 4 else (folder / f"{index}.png").read_bytes()
        (broken / f"{index}.png").write_bytes(content)
    with pytest.raises(UserError, match="4.png.*put a whole picture in its place.*4 frames before are in .*out.*--resume"):
        predict_video(config(broken, tmp_path / "out"), progress=False)
    assert [entry["frame"] for entry in read(tmp_path / "out")["frames"]] == [0, 1, 2, 3]
    assert len(decode_video(tmp_path / "out" / "annotated.webm")) == 4
    (broken / "4.png").write_bytes((folder / "4.png").read_bytes())
    assert predict_video(config(broken, tmp_path / "out", resume=True), progress=False).frames == 6


def test_a_broken_picture_is_replaced_not_removed(folder, tmp_path):
    """What the error offers is what --resume takes. A picture less would move the times and boxes of those behind it."""
    broken = tmp_path / "film"
    broken.mkdir()
    for index in range(5):
        (broken / f"{index}.png").write_bytes(b"broken" if index == 3 else (folder / f"{index}.png").read_bytes())
    given = config(broken, tmp_path / "out", draw=False)
    with pytest.raises(UserError, match="3.png.*a copy of the one beside it.*go on with --resume") as told:
        predict_video(given, progress=False)
    assert "remove" not in str(told.value)
    (broken / "3.png").unlink()
    with pytest.raises(UserError, match=r"other settings \(pictures\); give the same ones"):
        predict_video(replace(given, resume=True), progress=False)
    (broken / "3.png").write_bytes((broken / "2.png").read_bytes())
    assert predict_video(replace(given, resume=True), progress=False).complete
    assert [entry["frame"] for entry in read(tmp_path / "out")["frames"]] == [0, 1, 2, 3, 4]


def test_no_frame_more_than_asked_for_is_read(folder, tmp_path):
    """A broken picture behind the limit stops nothing."""
    short = tmp_path / "film"
    short.mkdir()
    for index in range(2):
        (short / f"{index}.png").write_bytes((folder / f"{index}.png").read_bytes())
    (short / "2.png").write_bytes(b"broken")
    assert predict_video(config(short, tmp_path / "out", frames=2, draw=False), progress=False).complete


def test_a_result_is_not_its_own_input(folder, tmp_path):
    """--overwrite would delete it before it is read."""
    predict_video(config(folder, tmp_path / "out", frames=2), progress=False)
    film = tmp_path / "out" / "annotated.webm"
    before = film.read_bytes()
    with pytest.raises(UserError, match="annotated.webm.*--out"):
        predict_video(config(film, tmp_path / "out", overwrite=True), progress=False)
    assert film.read_bytes() == before
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(UserError, match="file: cannot be written to.*--out"):
        predict_video(config(folder, occupied, frames=2), progress=False)


def test_nothing_is_made_where_nothing_can_be_predicted(folder, tmp_path):
    (tmp_path / "empty.avi").touch()
    for video, more in ((tmp_path / "empty.avi", {}), ("96", {}), (folder, {"boxes": "900,0,9,9"}), (tmp_path / "no", {})):
        with pytest.raises(UserError):
            predict_video(config(video, tmp_path / "out", **more), progress=False)
        assert not (tmp_path / "out").exists()


def test_boxes_shorter_than_the_video_and_several_people(folder, tmp_path):
    path = tmp_path / "boxes.csv"
    rows = ["0,ann,20,20,110,110", "1,ann,20,20,110,110", "0,bob,10,10,90,140", "1,bob,nan,1,1,1", "2,bob,10,10,90,140"]
    path.write_text("\n".join(["frame,id,x,y,width,height", *rows]))
    result = predict_video(config(folder, tmp_path / "out", boxes=str(path), frames=5), progress=False)
    people = [[person["id"] for person in entry["people"]] for entry in read(tmp_path / "out")["frames"]]
    assert people == [["ann", "bob"], ["ann", "bob"], ["bob"], [], []]
    assert any("boxes end at frame 2, the video at frame 4" in note for note in result.notes)
    assert any("1 entries without extent" in note for note in result.notes)
    assert len(decode_video(tmp_path / "out" / "annotated.webm")) == 5


def test_boxes_outside_the_frame_and_around_nobody_are_noted(folder, tmp_path):
    """One box inside is no reason to leave out the others without a word."""
    path = tmp_path / "boxes.csv"
    rows = [f"{i},ann,{20 if i < 3 else 400},20,110,110\n{i},bob,5000,20,110,110\n{i},wall,150,0,9,9" for i in range(5)]
    path.write_text("\n".join(["frame,id,x,y,width,height", *rows]))
    result = predict_video(config(folder, tmp_path / "out", boxes=str(path), frames=5, draw=False), progress=False)
    assert read(tmp_path / "out")["notes"] == list(result.notes)
    said = "\n".join(result.notes)
    assert "2 of 5 boxes of person ann lie outside" in said and "5 of 5 boxes of person bob lie outside" in said
    assert "nobody in 5 of 5 boxes that were given for person wall" in said and "given for person ann" not in said
    assert result.summary["wall"]["unsure"] == 5 and list(result.summary) == ["ann", "wall"]
    fixed = predict_video(config(folder, tmp_path / "fixed", boxes="150,0,9,9", frames=3, draw=False), progress=False)
    assert any("nobody in 3 of 3 boxes" in note for note in fixed.notes)


def test_a_rate_that_is_not_used_is_noted(folder, tmp_path):
    film = write_webm(tmp_path / "film.webm", [cv2.imread(str(folder / "0.png"))] * 2, fps=10)
    said = predict_video(config(film, tmp_path / "out", fps=50.0, draw=False), progress=False)
    assert any("fps 50 was not used: film.webm has times of its own" in note for note in said.notes)
    assert read(tmp_path / "out")["video"]["fps"] == pytest.approx(10)
    assert not predict_video(config(folder, tmp_path / "folder", fps=50.0, frames=1, draw=False), progress=False).notes


@pytest.mark.parametrize("place", ["journal", "state", "results"])
def test_a_full_disk_is_told_and_resume_goes_on(folder, whole, tmp_path, monkeypatch, capsys, place):
    """The disk gets full at the sixth frame or at the end, and stays so until the user makes room."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    words = ["predict", str(folder), "--checkpoint", str(EMBEDDED), "--device", "cpu", "--fps", "10", "--relation"]
    with monkeypatch.context() as patch:
        patch.setattr(prediction_run, "SAVE_EVERY", -1.0)
        append = Journal.append
        if place != "state":
            patch.setattr("rpstn.prediction_run.write_poses_json", full)
        if place == "journal":
            patch.setattr(Journal, "append", lambda self, entry: full() if self.frames == 5 else append(self, entry))
            patch.setattr(Journal, "close", full)  # what was not flushed cannot be flushed now
        elif place == "state":
            save = prediction_run.save_atomically
            patch.setattr(prediction_run, "save_atomically", lambda *given: full() if given[0]["frames"] == 5 else save(*given))
        assert cli.main([*words, "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}: the disk is full; what was predicted is kept in journal.jsonl" in said and "--resume" in said
    assert "Traceback" not in said and {"journal.jsonl", "state.pt"} <= {path.name for path in tmp_path.iterdir()}
    assert cli.main([*words, "--out", str(tmp_path), "--resume"]) == 0
    assert read(tmp_path) == read(whole.out) and {path.name for path in tmp_path.iterdir()} == FILES


def test_a_state_that_finds_no_room_says_what_the_system_says(tmp_path):
    """Not the RuntimeError of torch's archive, in which the reason is lost."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            prediction_run.save_atomically({"stream": torch.zeros(100_000)}, tmp_path / "state.pt")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.iterdir())


def test_a_variable_rate_is_shown_at_its_own_pace(folder, tmp_path, monkeypatch):
    """A frame that stands for 0.5 s stands for five pictures at 10 a second; none is left out."""
    from rpstn.video_input import FrameFolder

    frames = FrameFolder.__iter__
    times = [0, 0.1, 0.6, 0.61, 0.62]
    monkeypatch.setattr(
        FrameFolder, "__iter__", lambda self: (f._replace(time=t) for f, t in zip(frames(self), times, strict=False))
    )
    predict_video(config(folder, tmp_path, frames=5), progress=False)
    assert [entry["time"] for entry in read(tmp_path)["frames"]] == times
    assert len(decode_video(tmp_path / "annotated.webm")) == 9


def test_the_command(folder, tmp_path, monkeypatch, capsys):
    film = write_webm(tmp_path / "film.webm", [cv2.imread(str(folder / f"{i}.png"))[..., ::-1] for i in range(4)], fps=10)
    monkeypatch.chdir(tmp_path)
    words = ["predict", str(film), "--checkpoint", str(EMBEDDED), "--device", "cpu"]
    assert cli.main(words) == 0
    said = capsys.readouterr()
    for part in ("4 frames", "trained on data set embedded", "rpstn train --dataset penn_action", "person 1: 4 fr", "poses.json"):
        assert part in said.out
    assert "frame/s" in said.err or "s/frame" in said.err
    assert {path.name for path in (tmp_path / "runs" / "predict" / "film").iterdir()} == FILES
    assert cli.main(words) == 2
    assert "--overwrite" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        interrupt_at(patch, 1)
        assert cli.main([*words, "--overwrite"]) == 130
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*words, "--resume", "--overwrite"]) == 2
    assert cli.main([*words, "--resume"]) == 0
    assert cli.main(["predict", "--help"]) == 0 and "14_your_video.py" in capsys.readouterr().out


def test_wrong_settings():
    for wrong, message in (({"frames": 0}, "frames is 0"), ({"hidden_below": float("nan")}, "hidden_below")):
        with pytest.raises(UserError, match=message):
            PredictConfig("film.webm", **wrong)
    assert PredictConfig("films/film.webm").folder.as_posix() == "runs/predict/film"
    assert PredictConfig("..").folder.name == Path("..").resolve().name
    assert PredictConfig("7").folder.as_posix() == "runs/predict/camera-7"
    assert PredictConfig("20240501123000").folder.as_posix() == "runs/predict/20240501123000"


@pytest.mark.parametrize("wrong", ["video", "checkpoint", "boxes", "out"])
def test_a_name_that_is_too_long_is_told_in_one_line(folder, tmp_path, capsys, wrong):
    words = {"video": str(folder), "checkpoint": str(EMBEDDED), "boxes": "auto", "out": str(tmp_path / "out")}
    words[wrong] = "x" * 5000 + {"checkpoint": ".pt", "boxes": ".csv"}.get(wrong, "")
    video = words.pop("video")
    options = [word for name, value in words.items() for word in (f"--{name}", value)]
    assert cli.main(["predict", video, *options, "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rpstn: error:") and said.count("\n") == 1 and "x" * 5000 in said


def test_memory_does_not_grow_with_the_video(folder, tmp_path, monkeypatch):
    """Of all frames, only those that wait before and behind the network are in memory at once."""
    alive: list[weakref.ref] = []
    read_pictures, step, most = FrameFolder._read, PoseStream.step, 0

    def watched(self):
        for frame in read_pictures(self):
            alive.append(weakref.ref(frame.pixels))
            yield frame

    def counted(self, index, pixels):
        nonlocal most
        most = max(most, sum(pixels() is not None for pixels in alive))
        return step(self, index, pixels)

    film = tmp_path / "film"
    film.mkdir()
    for index in range(2 * (AHEAD + BEHIND)):
        (film / f"{index}.png").symlink_to(folder / f"{index % LENGTH}.png")
    monkeypatch.setattr(FrameFolder, "_read", watched)
    monkeypatch.setattr(PoseStream, "step", counted)
    result = predict_video(config(film, tmp_path / "out", relation=False), progress=False)
    # Besides, one is being read, one predicted, one drawn, and a thread may still hold the one before.
    assert len(alive) == result.frames == 2 * (AHEAD + BEHIND) and 0 < most <= AHEAD + BEHIND + 6


def test_states_are_saved_on_the_way(folder, tmp_path, monkeypatch):
    """Not only at a stop: what a kill leaves is the last of these."""
    monkeypatch.setattr(prediction_run, "SAVE_EVERY", -1.0)
    saved = []
    keep = prediction_run.save_atomically

    def note(values, path):
        saved.append(values["frames"])
        keep(values, path)

    monkeypatch.setattr(prediction_run, "save_atomically", note)
    predict_video(config(folder, tmp_path, frames=3, draw=False), progress=False)
    assert saved == [1, 2, 3]
