"""The folder of a prediction: whose results lie there, and what may be done to them."""

import json
import shutil
import subprocess
import sys

import cv2
import pytest

from rpstn.cli import main as cli
from rpstn.errors import UserError
from rpstn.runs.ahead import Ahead
from rpstn.video import write_webm
from rpstn.video.input.source import open_input
from rpstn.video.job import PredictConfig, predict_video
from rpstn.video.output.files import read_head, read_result

from ..predicting import BOX, EMBEDDED, config, interrupt_at, read

SHORT = {"fps": None, "draw": False, "relation": False, "boxes": BOX}


def make_video(path, dance, order):
    """A video of frames of `dance`, whatever its suffix says: decoders look at the content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_webm(path.with_suffix(".webm"), [cv2.imread(str(dance / f"{index}.png")) for index in order], fps=10)
    return path.with_suffix(".webm").rename(path)


def copied(folder, dance, order):
    folder.mkdir(parents=True)
    for place, index in enumerate(order):
        shutil.copy(dance / f"{index}.png", folder / f"{place}.png")
    return folder


@pytest.mark.parametrize("second", ["other/a.mov", "other/a.mp4", "other/a"])
def test_the_second_of_a_name_is_told_whose_results_lie_there(dance, tmp_path, monkeypatch, capsys, second):
    """It is not told to overwrite first: they are another video's."""
    monkeypatch.chdir(tmp_path)
    first = make_video(tmp_path / "a.mp4", dance, range(3))
    path = tmp_path / second
    other = copied(path, dance, (5, 6, 7)) if not path.suffix else make_video(path, dance, (5, 6, 7))
    words = ["--checkpoint", str(EMBEDDED), "--device", "cpu", "--no-draw", "--boxes", BOX]
    assert cli.main(["predict", str(first), *words]) == 0
    before = (tmp_path / "runs" / "predict" / "a" / "poses.json").read_bytes()
    capsys.readouterr()
    for more in ([], ["--resume"]):
        assert cli.main(["predict", str(other), *words, *more]) == 2
        said = capsys.readouterr().err
        assert "holds results of another video, a.mp4" in said and said.index("--out") < said.index("--overwrite")
        assert "continue with" not in said and (tmp_path / "runs" / "predict" / "a" / "poses.json").read_bytes() == before
    assert cli.main(["predict", str(other), *words, "--out", str(tmp_path / "elsewhere")]) == 0
    assert cli.main(["predict", str(first), *words]) == 2
    said = capsys.readouterr().err
    assert "holds results of a.mp4: replace them with --overwrite" in said and "another video" not in said


def test_a_renamed_or_moved_video_is_the_same(dance, tmp_path):
    first = make_video(tmp_path / "a.mp4", dance, range(3))
    predict_video(config(first, tmp_path / "out", **SHORT), progress=False)
    moved = first.rename(tmp_path / "b.mp4")
    with pytest.raises(UserError, match="holds results of a.mp4: replace"):
        predict_video(config(moved, tmp_path / "out", **SHORT), progress=False)


@pytest.mark.parametrize("kind", ["file", "folder", "folder that begins alike"])
def test_another_videos_run_is_not_resumed(dance, tmp_path, monkeypatch, kind):
    """Same name, same number of frames, and for a folder even the same first image: nothing is mixed, nothing is lost."""
    orders = [range(6), (0, 1, 2, 9, 8, 7) if "alike" in kind else (9, 8, 7, 6, 5, 4)]
    make = (
        (lambda place, order: make_video(place / "a.mp4", dance, order))
        if kind == "file"
        else lambda place, order: copied(place / "a", dance, order)
    )
    first, other = (make(tmp_path / place, order) for place, order in zip(("one", "two"), orders, strict=True))
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        predict_video(config(first, tmp_path / "out", **SHORT), progress=False)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(UserError, match="holds an interrupted run of (another video, a|other images).*--out"):
        predict_video(config(other, tmp_path / "out", resume=True, **SHORT), progress=False)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    done = predict_video(config(first, tmp_path / "out", resume=True, **SHORT), progress=False)
    assert done.complete and done.frames == 6


def test_a_video_that_has_changed_is_told_so(dance, tmp_path, monkeypatch):
    video = make_video(tmp_path / "a.mp4", dance, range(6))
    with monkeypatch.context() as patch:
        interrupt_at(patch, 3)
        predict_video(config(video, tmp_path / "out", **SHORT), progress=False)
    make_video(video, dance, range(5))
    with pytest.raises(UserError, match="another video, a.mp4, or of this one as it was before"):
        predict_video(config(video, tmp_path / "out", resume=True, **SHORT), progress=False)


def test_files_of_those_names_that_are_something_else(dance, tmp_path):
    """Not ours: they are named, not called results of this video."""
    for content in ('{"frames": []}', "no json", "[]", ' "frames": [\n'):
        (tmp_path / "poses.json").write_text(content)
        assert read_result(tmp_path / "poses.json") == {}
        with pytest.raises(UserError, match=r"of a video that they do not name \(poses.json\).*--out"):
            predict_video(config(dance, tmp_path, **SHORT), progress=False)
        assert (tmp_path / "poses.json").read_text() == content


def test_the_head_of_results_is_read_without_their_frames(whole_run):
    found, whole = read_result(whole_run.out / "poses.json"), read(whole_run.out)
    assert whole.pop("frames") and found == whole and json.dumps(found["summary"])


def test_settings_of_an_older_version_are_read(tmp_path):
    path, old = tmp_path / "journal.jsonl", {"middle": 0.7, "side": 0.25, "sure": 0.45, "patience": 5}
    path.write_text(json.dumps({"settings": {"following": old, "frames": 3}, "video": {"name": "side"}}) + "\n")
    today = {"center_rate": 0.7, "size_rate": 0.25, "confident_from": 0.45, "patience": 5}
    assert read_head(path) == {"settings": {"following": today, "frames": 3}, "video": {"name": "side"}}


def test_no_name_leads_out_of_the_folder_of_results():
    """The stem of `..mp4` is a dot, that of `...mp4` two."""
    for name in ("..mp4", "...mp4", "a/...mov"):
        assert PredictConfig(name).folder.parts[-1] == name.rpartition("/")[2]


@pytest.mark.parametrize("more", [{}, {"resume": True}, {"overwrite": True}])
def test_a_folder_that_another_process_writes_into_is_left_alone(dance, tmp_path, more):
    """It is not called an interrupted run: resuming or replacing it would end the other."""
    out = tmp_path / "out"
    hold = (
        f"from rpstn.runs.locks import sole_writer\nwith sole_writer({str(out)!r}):\n    print('held', flush=True)\n    input()"
    )
    other = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "held\n"
    (out / "journal.jsonl").write_text("{}\n")
    with pytest.raises(UserError, match=rf"out: process {other.pid} on .* is writing there; wait"):
        predict_video(config(dance, out, **SHORT, **more), progress=False)
    assert (out / "journal.jsonl").read_text() == "{}\n"
    other.communicate("\n")
    (out / "journal.jsonl").unlink()
    assert predict_video(config(dance, out, frames=2, **SHORT), progress=False).frames == 2
    assert sorted(path.name for path in out.iterdir()) == ["poses.csv", "poses.json"]


def test_what_began_in_a_new_folder_meanwhile_is_not_replaced(dance, tmp_path, monkeypatch):
    """Two that start at once find no folder, and only one of them may begin."""
    first = Ahead.__next__

    def late(self):
        monkeypatch.setattr(Ahead, "__next__", first)
        predict_video(config(dance, tmp_path / "out", frames=2, **SHORT), progress=False)
        return first(self)

    monkeypatch.setattr(Ahead, "__next__", late)
    with pytest.raises(UserError, match="holds results of"):
        predict_video(config(dance, tmp_path / "out", frames=3, **SHORT), progress=False)
    assert len(read(tmp_path / "out")["frames"]) == 2


@pytest.mark.parametrize(
    ("setting", "value"),
    [("frames", 1.5), ("frames", True), ("hidden_below", "0.4"), ("lost_below", float("nan")), ("fps", "10"), ("out", "")],
)
def test_settings_of_another_type_are_refused(setting, value):
    """A limit of 1.5 frames was never reached, and an empty folder of results is the working directory."""
    with pytest.raises(UserError, match=f"^{setting} "):
        PredictConfig("a.webm", **{setting: value})
    if setting == "fps":
        with pytest.raises(UserError, match="fps is '10'"):
            open_input("a.webm", value)
