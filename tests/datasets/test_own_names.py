"""The order that names give to frames, and which files are none."""

import cv2
import pytest

from rpstn.datasets import read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.frame_files import frame_files
from rpstn.errors import UserError
from rpstn.video.input.source import open_input

from . import test_penn_action as penn_action
from .test_decoding import number_of, write_video
from .test_own import described
from .test_own_files import entry, folder, image, opened, video_entry


@pytest.mark.parametrize("pattern", ["frame_{}.png", "{}.jpg", "Take 2 ({}).png", "{:02}.PNG", "v1-{}-x.bmp"])
def test_frames_come_in_the_order_of_their_numbers(tmp_path, pattern):
    names = [pattern.format(number) for number in range(12)]
    root = folder(tmp_path, names)
    frames = opened(root, entry(12))[0].frames.read(range(12))
    assert [number_of(frame) for frame in frames] == list(range(12))
    assert [path.name for path in frame_files(root / "f")[0]] == names
    assert [number_of(frame.pixels) for frame in open_input(root / "f")] == list(range(12))


def test_cases_of_letters_are_mixed_and_hidden_files_are_none(tmp_path):
    root = folder(tmp_path, ["A_1.png", "a_2.PNG", "A_3.Jpg", "a_10.png"])
    for name in ("._A_1.png", "._a_2.PNG", ".DS_Store"):
        (root / "f" / name).write_bytes(b"\0\5\x16\7")
    (clip,) = opened(root, entry(4))
    assert [number_of(frame) for frame in clip.frames.read(range(4))] == [0, 1, 2, 3]
    report = check_dataset("own", root)
    assert report.ok and report.pixels == "4 frames decoded"


@pytest.mark.parametrize("twins", [("1.png", "01.png"), ("1.png", "1.jpg"), ("a1.png", "A1.png"), ("x.png", "X.PNG")])
def test_names_that_claim_one_frame_are_refused(tmp_path, twins):
    root = folder(tmp_path, [*twins, "7.png"])
    with pytest.raises(UserError, match=f"f: .*{twins[0]}.* claim the same frame; keep") as caught:
        opened(root, entry(3))
    assert twins[1] in str(caught.value)


def named(folder, names):
    for name in names.split():
        cv2.imwrite(str(folder / f"{name}.png"), image(1))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("t0.5 t0.25 t1.5 t1.25", "t0.5.png stands before or behind t0.25.png"),
        ("0,5 0,25", "0,5.png stands before or behind 0,25.png"),
        ("1.9 1.10 1.11", "stands before or behind"),
        ("f-2 f-1 f0 f1", "may be a number below 0, or not"),
        ("-2 -1", "may be a number below 0, or not"),
    ],
)
def test_numbers_that_may_be_fractions_or_below_0_are_refused(tmp_path, names, words):
    """Where two orders are possible, none is guessed."""
    named(tmp_path, names)
    with pytest.raises(UserError, match=words):
        frame_files(tmp_path)
    with pytest.raises(UserError, match="name them by whole numbers that count the frames"):
        open_input(tmp_path)


@pytest.mark.parametrize(
    ("names", "ordered"),
    [
        ("t0.50 t0.25", "t0.25 t0.50"),
        ("f-2 f-10 f-1", "f-1 f-2 f-10"),
        ("2024-11-9 2024-11-10 2024-2-1", "2024-2-1 2024-11-9 2024-11-10"),
        ("v1.0_2 v1.0_10", "v1.0_2 v1.0_10"),
        ("video.2 video.10", "video.2 video.10"),
        ("2024.11.9 2024.11.10", "2024.11.9 2024.11.10"),
        ("12.5 12 13", "12 12.5 13"),
    ],
)
def test_points_and_hyphens_in_names_of_one_order(tmp_path, names, ordered):
    named(tmp_path, names)
    assert [path.stem for path in frame_files(tmp_path)[0]] == ordered.split()


def test_names_with_a_colon_below_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "b.webm", "VP80").rename("2024-11-14T22:57:44.webm")
    described(tmp_path, [video_entry(16, video="2024-11-14T22:57:44.webm")])
    (clip,) = read_splits("own", ".", splits=("test",))["test"]
    assert number_of(clip.frames.read([9])[0]) == 9 and check_dataset("own", ".").ok


def test_hidden_files_are_no_labels(tmp_path):
    """macOS puts ._0001.mat next to 0001.mat on drives of other systems."""
    penn_action.write(tmp_path, "0001", penn_action.label(train=-1))
    for name in ("labels/._0001.mat", "frames/0001/._000001.jpg"):
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    report = check_dataset("penn_action", tmp_path)
    assert report.ok and report.pixels == "4 frames decoded"
