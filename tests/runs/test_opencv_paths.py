"""Video files of any name: OpenCV ends the process for a name that is not UTF-8, and takes a colon for a protocol."""

import os

import numpy as np
import pytest

from rpstn.cli import main as cli
from rpstn.datasets.video_frames import decode_video
from rpstn.video import write_webm

NAMES = {"not UTF-8": b"video\xff.webm", "UTF-8": "Käse 腕.webm".encode(), "colon": b"2024-11-14T22:57:44.webm"}


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def video(request, tmp_path, monkeypatch):
    """A relative path of three frames, one brighter than the other."""
    monkeypatch.chdir(tmp_path)
    path = os.fsdecode(request.param)
    write_webm(path, [np.full((64, 64, 3), 60 * (t + 1), np.uint8) for t in range(3)], fps=5)
    return path


def test_is_written_and_read(video, tmp_path):
    assert [path.name for path in tmp_path.iterdir()] == [video], "a link or a draft is left"
    frames = decode_video(tmp_path / video)
    assert np.abs(frames.mean(axis=(1, 2, 3)) - [60, 120, 180]).max() < 8


def test_is_predicted_into_a_folder_of_its_name(video, tmp_path, capsys):
    """The command line prints a name that Python could not decode, and writes it."""
    words = ["predict", video, "--checkpoint", "embedded_rpstn", "--device", "cpu"]
    assert cli.main(words) == 0
    (folder,) = (tmp_path / "runs" / "predict").iterdir()
    assert folder.name == video.removesuffix(".webm")
    assert {"poses.csv", "poses.json"} <= {path.name for path in folder.iterdir()}
    assert len(decode_video(folder / "annotated.webm")) == 3
    assert "3 frames" in capsys.readouterr().out
