"""What `rpstn predict` says of what it cannot know: assumed limits, other people than the one who is followed, odd names."""

import json
import os
import shutil
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.cli import main as cli
from rpstn.datasets import open_dataset
from rpstn.datasets.sources import read_image
from rpstn.datasets.video_frames import decode_video
from rpstn.errors import UserError
from rpstn.models.calibration import COMMAND, Calibration, calibration_file
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.weights import describe_weights
from rpstn.runs import write_json
from rpstn.video import write_webm
from rpstn.video.job import predict_video

from ..predicting import BOX, EMBEDDED, FILES, config, interrupt_at, read

WALL = "150,0,9,9"  # a box of `dance` in which nobody is
WORDS = ["--device", "cpu", "--no-draw", "--frames", "3"]


@pytest.fixture
def mine(tmp_path):
    """Weights for which nothing was measured, as one trains them."""
    return Path(shutil.copy(EMBEDDED, tmp_path / "mine.pt"))


def test_an_assumed_limit_is_named_with_what_was_seen(dance, mine, tmp_path, capsys):
    """The limit may be wrong for these weights: the boxes need not be."""
    assert (
        cli.main(["predict", str(dance), "--checkpoint", str(mine), "--boxes", WALL, "--out", str(tmp_path / "out"), *WORDS]) == 0
    )
    said = capsys.readouterr().out
    scores = [entry["people"][0]["score"] for entry in read(tmp_path / "out")["frames"]]
    assert f"nobody in 3 of 3 boxes that were given for person 1: its mean confidence there is {min(scores):.2f} to" in said
    assert "below 0.3 nobody counts as seen (assumed, nothing was measured" in said and COMMAND in said
    assert "--lost-below sets it" in said and "--hidden-below that of single joints (0.4)" in said
    assert (
        "joints below confidence 0.4 count as hidden (assumed, nothing was measured" in said and "--hidden-below sets it" in said
    )


def test_a_measured_limit_says_on_what(dance, tmp_path, capsys):
    words = ["predict", str(dance), "--checkpoint", str(EMBEDDED), "--boxes", WALL, "--out", str(tmp_path), *WORDS]
    assert cli.main(words) == 0
    said, limits = capsys.readouterr().out, describe_weights(EMBEDDED, load_checkpoint(EMBEDDED)[1]).calibration
    assert f"below {limits.lost_below:g} nobody counts as seen (measured on embedded, split val" in said
    assert "assumed" not in said and "--hidden-below" not in said
    assert cli.main([*words, "--overwrite", "--lost-below", "0.9"]) == 0
    assert "below 0.9 nobody counts as seen (as asked for)" in capsys.readouterr().out


def test_a_person_lost_or_hidden_by_an_assumed_limit(dance, mine, tmp_path):
    """Without boxes too, and for single joints: a limit that hides most is named; one that was asked for is the user's."""

    def notes(**more):
        shutil.rmtree(tmp_path / "out", ignore_errors=True)
        given = {"checkpoint": mine, "frames": 3, "draw": False} | more
        said = predict_video(config(dance, tmp_path / "out", **given), progress=False).notes
        return "\n".join(note for note in said if not note.startswith("relation, in 1 frame looked at: identity"))

    assert notes() == ""
    said = notes(lost_below=0.95)
    assert "the network found nobody in 3 of 3 frames: its mean confidence there is 0." in said and "(as asked for)" in said
    found = Calibration(hidden_below=0.9, lost_below=0.1, confident_from=0.1, measured_on="val")
    assert notes(hidden_below=0.9) == "", "asked for"
    write_json(calibration_file(mine), asdict(found) | {"sha256": describe_weights(mine, load_checkpoint(mine)[1]).sha256})
    assert notes() == "", "measured"
    calibration_file(mine).unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rpstn.models.weights.calibration_of", lambda path: Calibration(hidden_below=0.9))
        said = notes()
    assert "of 39 joints of person 1 count as hidden, with a confidence below 0.9 (assumed" in said and "--hidden-below" in said


@pytest.mark.parametrize(
    "wrong",
    [
        {"hidden_below": "high"},
        {"hidden_below": None},
        {"lost_below": float("nan")},
        {"confident_from": [0.4]},
        {"measured_on": 3},
        {"limit": 0.4},
        [],
    ],
)
def test_a_broken_calibration_is_refused(mine, wrong):
    values = [] if wrong == [] else asdict(Calibration(measured_on="val")) | wrong
    calibration_file(mine).write_text(json.dumps(values))
    with pytest.raises(UserError, match="mine.calibration.json: is no calibration.*measure again"):
        describe_weights(mine, load_checkpoint(mine)[1])


@pytest.fixture(scope="module")
def pair(embedded_root, tmp_path_factory):
    """A folder of frames with two people, side by side."""
    place = tmp_path_factory.mktemp("pair")
    one, two = (open_dataset("embedded", embedded_root, split)[1].frames.read(range(5)) for split in ("test", "train"))
    for index, pixels in enumerate(np.concatenate([one, two], axis=2)):
        cv2.imwrite(str(place / f"{index}.png"), pixels[..., ::-1])
    return place


def test_others_who_were_seen_are_told(pair, dance, tmp_path, capsys):
    """Two people, one of whom is followed; with boxes for both nothing needs to be said."""
    words = ["--checkpoint", str(EMBEDDED), *WORDS]
    assert cli.main(["predict", str(pair), "--out", str(tmp_path / "pair"), *words]) == 0
    said = capsys.readouterr().out
    assert "one person is followed, and others were seen, in 1 of 1 frames that were searched for them (the first: 0)" in said
    found = read(tmp_path / "pair")
    (person,) = found["frames"][0]["people"]
    ((x, _, width, _),) = person["others"]
    assert (x + width / 2 < 160) != (person["bbox"][0] + person["bbox"][2] / 2 < 160), "in the other half"
    assert found["summary"]["1"]["others"] == {"searched": 1, "seen": [0]} and "others" not in found["frames"][1]["people"][0]
    assert cli.main(["predict", str(dance), "--out", str(tmp_path / "one"), *words]) == 0
    said = capsys.readouterr().out
    assert "one person is followed; others, if there are any, get no poses" in said and "others were seen" not in said
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps([{"frame": 0, "id": who, "box": [160 * who, 0, 160, 160]} for who in (0, 1)]))
    assert cli.main(["predict", str(pair), "--out", str(tmp_path / "both"), "--boxes", str(boxes), *words]) == 0
    said = capsys.readouterr().out
    assert "person 0:" in said and "person 1:" in said and "one person is followed" not in said


def test_a_search_for_others_changes_no_pose_and_is_resumed(pair, tmp_path, monkeypatch):
    given = {"draw": False, "relation": False}
    monkeypatch.setattr("rpstn.video.job.OTHERS_EVERY", 2)
    whole = predict_video(config(pair, tmp_path / "whole", **given), progress=False)
    with monkeypatch.context() as patch:
        interrupt_at(patch, 2)
        predict_video(config(pair, tmp_path / "cut", **given), progress=False)
    predict_video(config(pair, tmp_path / "cut", resume=True, **given), progress=False)
    assert read(tmp_path / "cut") == read(whole.out) and whole.summary["1"]["others"]["searched"] == 3
    monkeypatch.setattr("rpstn.video.job.OTHERS_EVERY", None)
    predict_video(config(pair, tmp_path / "none", **given), progress=False)
    for with_others, without in zip(read(whole.out)["frames"], read(tmp_path / "none")["frames"], strict=True):
        with_others["people"][0].pop("others", None)
        assert with_others == without


@pytest.mark.parametrize("name", ["2024-11-14T22:57:44", "a b", "x%03d", "new\nline", "[x]{y}*?", "é中", "-dash", "file:x"])
def test_the_files_lie_in_a_folder_of_any_name(dance, tmp_path, monkeypatch, name):
    """Relative, as it is typed: FFmpeg takes what stands before a colon for a protocol."""
    monkeypatch.chdir(tmp_path)
    predict_video(config(dance, name, frames=2, boxes=BOX), progress=False)
    assert {path.name for path in (tmp_path / name).iterdir()} == FILES
    assert len(decode_video(tmp_path / name / "annotated.webm")) == 2
    predict_video(config(dance, name, frames=3, boxes=BOX, draw=False, overwrite=True), progress=False)
    assert len(read(tmp_path / name)["frames"]) == 3


def test_a_video_for_the_book_has_any_name(dance, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_webm("22:57:44.webm", [read_image(dance / "0.png")] * 3)
    assert len(decode_video(tmp_path / path)) == 3


@pytest.mark.skipif(os.fsencode("é") != "é".encode(), reason="names of files are not UTF-8 here")
def test_a_folder_whose_name_is_not_utf8_holds_all_files(dance, tmp_path, capsys):
    """OpenCV alone would end the program, without a word."""
    out = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff")
    result = predict_video(config(dance, out, frames=2, boxes=BOX), progress=True)
    assert result.complete and set(os.listdir(out)) == FILES
    assert "2/2" in capsys.readouterr().err
    named = shutil.copytree(dance, os.fsdecode(os.fsencode(tmp_path) + b"/frames\xff\n"))
    predict_video(config(named, tmp_path / "plain", frames=2, boxes=BOX, draw=False), progress=True)
    assert read(tmp_path / "plain")["video"]["name"] == "frames\udcff\n"


def test_a_tilde_is_the_home_folder(dance, tmp_path, monkeypatch):
    """A shell leaves it alone in --out=~/poses."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "boxes.csv").write_text("frame,x,y,width,height\n0,20,20,110,110\n")
    shutil.copy(EMBEDDED, tmp_path / "mine.pt")
    words = ["predict", str(dance), "--out=~/poses", "--boxes=~/boxes.csv", "--checkpoint=~/mine.pt", *WORDS]
    assert cli.main(words) == 0 and (tmp_path / "poses" / "poses.json").is_file() and not (tmp_path / "~").exists()
