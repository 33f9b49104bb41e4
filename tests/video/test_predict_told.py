"""`rpstn predict`: what is odd about an input is told, and nothing is lost for it."""

import errno
import resource
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch

from rpstn.cli import main as cli
from rpstn.datasets.video_frames import decode_video
from rpstn.errors import UserError
from rpstn.train.recipes import shipped_checkpoints
from rpstn.video import job as prediction_run
from rpstn.video import write_webm
from rpstn.video.input.images import FrameFolder
from rpstn.video.job import PredictConfig, predict_video
from rpstn.video.output.files import Journal
from rpstn.video.predict import predict

from ..predicting import BOX, EMBEDDED, FILES, config, read


def test_an_error_in_the_middle_keeps_what_was_done(dance, tmp_path):
    broken = tmp_path / "video"
    broken.mkdir()
    for index in range(6):
        content = b"broken" if index == 4 else (dance / f"{index}.png").read_bytes()
        (broken / f"{index}.png").write_bytes(content)
    with pytest.raises(UserError, match="4.png.*put a whole image in its place.*4 frames before are in .*out.*--resume"):
        predict_video(config(broken, tmp_path / "out"), progress=False)
    assert [entry["frame"] for entry in read(tmp_path / "out")["frames"]] == [0, 1, 2, 3]
    assert len(decode_video(tmp_path / "out" / "annotated.webm")) == 4
    (broken / "4.png").write_bytes((dance / "4.png").read_bytes())
    assert predict_video(config(broken, tmp_path / "out", resume=True), progress=False).frames == 6


def test_a_broken_image_is_replaced_not_removed(dance, tmp_path):
    """What the error offers is what --resume takes. An image less would move the times and boxes of those behind it."""
    broken = tmp_path / "video"
    broken.mkdir()
    for index in range(5):
        (broken / f"{index}.png").write_bytes(b"broken" if index == 3 else (dance / f"{index}.png").read_bytes())
    given = config(broken, tmp_path / "out", draw=False, boxes=BOX)
    with pytest.raises(UserError, match="3.png.*a copy of its neighbor.*continue with --resume") as told:
        predict_video(given, progress=False)
    assert "remove" not in str(told.value)
    (broken / "3.png").unlink()
    with pytest.raises(UserError, match=r"other settings \(images\); give the same ones"):
        predict_video(replace(given, resume=True), progress=False)
    (broken / "3.png").write_bytes((broken / "2.png").read_bytes())
    assert predict_video(replace(given, resume=True), progress=False).complete
    assert [entry["frame"] for entry in read(tmp_path / "out")["frames"]] == [0, 1, 2, 3, 4]


def test_no_frame_more_than_asked_for_is_read(dance, tmp_path):
    """A broken image behind the limit stops nothing."""
    short = tmp_path / "video"
    short.mkdir()
    for index in range(2):
        (short / f"{index}.png").write_bytes((dance / f"{index}.png").read_bytes())
    (short / "2.png").write_bytes(b"broken")
    assert predict_video(config(short, tmp_path / "out", frames=2, draw=False, boxes=BOX), progress=False).complete


def test_a_result_is_not_its_own_input(dance, tmp_path):
    """--overwrite would delete it before it is read."""
    predict_video(config(dance, tmp_path / "out", frames=2, boxes=BOX), progress=False)
    video = tmp_path / "out" / "annotated.webm"
    before = video.read_bytes()
    with pytest.raises(UserError, match="annotated.webm.*--out"):
        predict_video(config(video, tmp_path / "out", overwrite=True), progress=False)
    assert video.read_bytes() == before
    occupied = tmp_path / "file"
    occupied.touch()
    with pytest.raises(UserError, match="file: cannot be written to.*--out"):
        predict_video(config(dance, occupied, frames=2), progress=False)


def test_nothing_is_made_where_nothing_can_be_predicted(dance, tmp_path):
    (tmp_path / "empty.avi").touch()
    for video, more in ((tmp_path / "empty.avi", {}), ("96", {}), (dance, {"boxes": "900,0,9,9"}), (tmp_path / "no", {})):
        with pytest.raises(UserError):
            predict_video(config(video, tmp_path / "out", **more), progress=False)
        assert not (tmp_path / "out").exists()


def test_boxes_shorter_than_the_video_and_several_people(dance, tmp_path):
    path = tmp_path / "boxes.csv"
    rows = ["0,ann,20,20,110,110", "1,ann,20,20,110,110", "0,bob,10,10,90,140", "1,bob,nan,1,1,1", "2,bob,10,10,90,140"]
    path.write_text("\n".join(["frame,id,x,y,width,height", *rows]))
    result = predict_video(config(dance, tmp_path / "out", boxes=str(path), frames=5), progress=False)
    people = [[person["id"] for person in entry["people"]] for entry in read(tmp_path / "out")["frames"]]
    assert people == [["ann", "bob"], ["ann", "bob"], ["bob"], [], []]
    assert any("boxes end at frame 2, what was asked for at frame 4" in note for note in result.notes)
    assert any("1 entries without extent" in note for note in result.notes)
    assert len(decode_video(tmp_path / "out" / "annotated.webm")) == 5


def test_boxes_outside_the_frame_and_around_nobody_are_noted(dance, tmp_path):
    """One box inside is no reason to leave out the others without a word."""
    path = tmp_path / "boxes.csv"
    rows = [f"{i},ann,{20 if i < 3 else 400},20,110,110\n{i},bob,5000,20,110,110\n{i},wall,150,0,9,9" for i in range(5)]
    path.write_text("\n".join(["frame,id,x,y,width,height", *rows]))
    result = predict_video(config(dance, tmp_path / "out", boxes=str(path), frames=5, draw=False), progress=False)
    assert read(tmp_path / "out")["notes"] == list(result.notes)
    said = "\n".join(result.notes)
    assert "2 of 5 boxes of person ann lie outside" in said and "5 of 5 boxes of person bob lie outside" in said
    assert "nobody in 5 of 5 boxes that were given for person wall" in said and "given for person ann" not in said
    assert result.summary["wall"]["low_confidence"] == 5 and list(result.summary) == ["ann", "wall"]
    fixed = predict_video(config(dance, tmp_path / "fixed", boxes="150,0,9,9", frames=3, draw=False), progress=False)
    assert any("nobody in 3 of 3 boxes" in note for note in fixed.notes)


def test_a_rate_that_is_not_used_is_noted(dance, tmp_path):
    video = write_webm(tmp_path / "video.webm", [cv2.imread(str(dance / "0.png"))] * 2, fps=10)
    said = predict_video(config(video, tmp_path / "out", fps=50.0, draw=False, boxes=BOX), progress=False)
    assert any("fps 50 was not used: video.webm has times of its own" in note for note in said.notes)
    assert read(tmp_path / "out")["video"]["fps"] == pytest.approx(10)
    with pytest.warns(UserWarning, match="fps 50 was not used: video.webm has times of its own"):
        predict(video, EMBEDDED, BOX, fps=50, device="cpu")
    folder = predict_video(config(dance, tmp_path / "folder", fps=50.0, frames=1, draw=False, boxes=BOX), progress=False)
    assert not any("fps" in note for note in folder.notes)


def test_what_the_relation_does_is_noted(dance, tmp_path):
    """Once, from a few frames; a resumed run says the same, and a network without relations nothing."""
    whole = predict_video(config(dance, tmp_path / "whole", draw=False, boxes=BOX), progress=False)
    (note,) = [note for note in whole.notes if note.startswith("relation, in ")]
    assert "frames looked at: identity in the relation's place moves " in note and "% of the joints by more than 1 px" in note
    alone = shipped_checkpoints("embedded")["frame_by_frame"]
    bare = predict_video(config(dance, tmp_path / "bare", draw=False, boxes=BOX, checkpoint=alone, frames=2), progress=False)
    assert not any("relation" in note for note in bare.notes)


@pytest.mark.parametrize("place", ["journal", "state", "results"])
def test_a_full_disk_is_told_and_resume_goes_on(dance, whole_run, tmp_path, monkeypatch, capsys, place):
    """The disk gets full at the sixth frame or at the end, and stays so until the user makes room."""

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    words = ["predict", str(dance), "--checkpoint", str(EMBEDDED), "--device", "cpu", "--fps", "10", "--relation"]
    words += [] if place == "results" else ["--no-draw"]
    with monkeypatch.context() as patch:
        patch.setattr(prediction_run, "SAVE_EVERY", -1.0)
        append = Journal.append
        if place != "state":
            patch.setattr("rpstn.video.job.write_poses_json", full)
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
    left = FILES if place == "results" else FILES - {"annotated.webm"}
    assert read(tmp_path) == read(whole_run.out) and {path.name for path in tmp_path.iterdir()} == left


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


def test_a_variable_rate_is_shown_at_its_own_pace(dance, tmp_path, monkeypatch):
    """A frame that stands for 0.5 s stands for five images at 10 a second; none is left out."""

    frames = FrameFolder.__iter__
    times = [0, 0.1, 0.6, 0.61, 0.62]
    monkeypatch.setattr(
        FrameFolder, "__iter__", lambda self: (replace(f, time=t) for f, t in zip(frames(self), times, strict=False))
    )
    predict_video(config(dance, tmp_path, frames=5, boxes=BOX, relation=False), progress=False)
    assert [entry["time"] for entry in read(tmp_path)["frames"]] == times
    assert len(decode_video(tmp_path / "annotated.webm")) == 9


def test_wrong_settings():
    for wrong, message in (({"frames": 0}, "frames is 0"), ({"hidden_below": float("nan")}, "hidden_below")):
        with pytest.raises(UserError, match=message):
            PredictConfig("video.webm", **wrong)
    assert PredictConfig("videos/video.webm").folder.as_posix() == "runs/predict/video"
    assert PredictConfig("..").folder.name == Path("..").resolve().name
    assert PredictConfig("7").folder.as_posix() == "runs/predict/camera-7"
    assert PredictConfig("20240501123000").folder.as_posix() == "runs/predict/20240501123000"


@pytest.mark.parametrize("wrong", ["video", "checkpoint", "boxes", "out"])
def test_a_name_that_is_too_long_is_told_in_one_line(dance, tmp_path, capsys, wrong):
    words = {"video": str(dance), "checkpoint": str(EMBEDDED), "boxes": "auto", "out": str(tmp_path / "out")}
    words[wrong] = "x" * 5000 + {"checkpoint": ".pt", "boxes": ".csv"}.get(wrong, "")
    video = words.pop("video")
    options = [word for name, value in words.items() for word in (f"--{name}", value)]
    assert cli.main(["predict", video, *options, "--device", "cpu"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("rpstn: error:") and said.count("\n") == 1 and "x" * 5000 in said
