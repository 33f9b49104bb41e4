"""What people give to predict: videos, folders, arrays and boxes, whole and broken."""

import json
import re
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.datasets.decoding import Decoded
from rpstn.datasets.sources import read_image
from rpstn.errors import UserError
from rpstn.video import write_webm
from rpstn.video.boxes import MAX_GAP, FixedBox, read_boxes
from rpstn.video.input.arrays import ArrayInput
from rpstn.video.input.camera import Camera, camera_index
from rpstn.video.input.frames import as_rgb, fit
from rpstn.video.input.images import FrameFolder
from rpstn.video.input.source import open_input
from rpstn.video.input.video_file import VideoFile
from rpstn.video.output.files import COLUMNS, frame_entry
from rpstn.video.stream import FOLLOWED, PersonPose

BOX = [10.0, 20.0, 30.0, 40.0]


def images(count=5, height=48, width=64):
    """Frames that differ: brighter from frame to frame, red on the left."""
    frames = np.zeros((count, height, width, 3), np.uint8)
    frames[:] = (20 + 200 * np.arange(count) / max(count - 1, 1)).astype(np.uint8)[:, None, None, None]
    frames[:, :, : width // 2, 0] = 255
    return frames


@pytest.fixture
def video(tmp_path):
    return write_webm(tmp_path / "video.webm", images(), fps=10)


def test_a_video_file(video):
    source = open_input(video)
    frames = list(source)
    assert isinstance(source, VideoFile) and source.name == "video.webm" and source.fps == pytest.approx(10)
    assert [frame.index for frame in frames] == list(range(5))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(5) / 10, atol=2e-3)
    assert all(frame.pixels.shape == (48, 64, 3) and frame.pixels.dtype == np.uint8 for frame in frames)
    assert np.abs(frames[2].pixels.astype(int) - images()[2]).mean() < 12, "RGB, not BGR"
    assert len(list(source)) == 5, "it can be read again"


def test_a_folder_in_the_order_of_its_numbers(tmp_path):
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), np.full((8, 8, 3), number, np.uint8))
    cv2.imwrite(str(tmp_path / "²5.png"), np.full((8, 8, 3), 99, np.uint8))  # a digit, but no number
    (tmp_path / "notes.txt").write_text("no image")
    source = open_input(tmp_path, fps=5)
    frames = list(source)
    assert isinstance(source, FrameFolder)
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [1, 2, 10, 99] and frames[2].time == pytest.approx(0.4)


def test_gray_and_four_channel_images(tmp_path):
    gray, opaque = np.full((8, 8), 77, np.uint8), np.full((8, 8, 4), 255, np.uint8)
    opaque[..., :3] = (1, 2, 3)  # BGR
    deep = np.full((8, 8), 77 * 257, np.uint16)
    for name, image in (("1", gray), ("2", opaque), ("3", deep)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), image)
    first, second, third = (frame.pixels for frame in open_input(tmp_path))
    assert first.shape == second.shape == third.shape == (8, 8, 3)
    assert set(first.ravel()) == {77} and second[0, 0].tolist() == [3, 2, 1] and set(third.ravel()) == {77}


def test_a_image_from_a_phone_stands_upright(tmp_path):
    """Its metadata say "turn by 90 degrees to the right" (orientation 6); labeled images stay as they are stored."""
    flat = np.zeros((16, 32, 3), np.uint8)
    flat[:, :16] = 255
    data = cv2.imencode(".jpg", flat)[1].tobytes()
    tiff = b"MM\x00*\x00\x00\x00\x08" + b"\x00\x01" + b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + bytes(4)
    exif = b"Exif\x00\x00" + tiff
    (tmp_path / "1.jpg").write_bytes(data[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[2:])
    (frame,) = open_input(tmp_path)
    assert frame.pixels.shape == (32, 16, 3) and frame.pixels[:12].min() > 200 and frame.pixels[20:].max() < 50
    assert read_image(tmp_path / "1.jpg").shape == (16, 32, 3)


@pytest.mark.parametrize("shape", [(5, 8, 6), (5, 8, 6, 1), (5, 8, 6, 3), (5, 8, 6, 4)])
def test_arrays(shape):
    frames = list(open_input(np.full(shape, 9, np.uint8)))
    assert len(frames) == 5 and all(frame.pixels.shape == (8, 6, 3) and set(frame.pixels.ravel()) == {9} for frame in frames)


@pytest.mark.parametrize(
    "array", [np.zeros((0, 8, 8, 3), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 2), np.uint8), np.zeros(8, np.uint8)]
)
def test_arrays_that_are_no_frames(array):
    with pytest.raises(UserError, match="uint8"):
        open_input(array)


def test_a_size_that_changes_is_scaled_into_the_first(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((40, 60, 3), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((40, 40, 3), 200, np.uint8))
    cv2.imwrite(str(tmp_path / "3.png"), np.full((1, 1, 3), 200, np.uint8))
    source = open_input(tmp_path)
    frames = [frame.pixels for frame in source]
    assert {frame.shape for frame in frames} == {(40, 60, 3)}
    assert (frames[1][:, 10:50] == 200).all() and (frames[1][:, :10] == 0).all(), "its aspect is kept"
    assert len(source.notes) == 1 and "40x40" in source.notes[0] and "frame 1" in source.notes[0]
    assert fit(np.full((400, 1, 3), 5, np.uint8), (4, 6)).shape == (4, 6, 3)


def test_times_of_a_variable_rate_are_kept_and_broken_ones_replaced(video, monkeypatch):
    image = np.zeros((4, 4, 3), np.uint8)

    def times(*seconds):
        source = VideoFile(video)
        decoded = [Decoded(index, second, image) for index, second in enumerate(seconds)]
        monkeypatch.setattr(VideoFile, "_decoded", lambda self: iter(decoded))
        return [frame.time for frame in source], source

    found, source = times(5.0, 5.1, 5.5, 5.52)
    np.testing.assert_allclose(found, [0, 0.1, 0.5, 0.52])
    assert not any("later time" in note for note in source.notes)
    found, source = times(0.0, 0.1, 0.05, float("nan"), 0.0)
    np.testing.assert_allclose(found, [0, 0.1, 0.2, 0.3, 0.4])
    assert any("3 frames have no later time" in note for note in source.notes)


def test_a_rate_that_no_header_tells_comes_from_the_times(video, monkeypatch):
    """Browsers write 1000 frames a second where the rate varies."""
    image = np.zeros((4, 4, 3), np.uint8)
    source = VideoFile(video)
    source.fps = 0.0
    monkeypatch.setattr(VideoFile, "_decoded", lambda self: iter([Decoded(number, number / 20, image) for number in range(20)]))
    assert len(list(source)) == 20 and source.fps == pytest.approx(20)


def test_a_file_that_ends_before_its_header_says_is_noted_in_seconds(video):
    """OpenCV's number of frames may be duration times rate, so it is no number of frames that a header states."""
    source = VideoFile(video)
    source.count = 9
    assert len(list(source)) == 5 and "the file lasts 0.90 s, its frames end at 0.50 s" in source.notes[0]


def test_no_video_stream(tmp_path):
    """Sound alone, text, an empty file, a video that breaks off in its header."""
    with wave.open(str(tmp_path / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(1600))
    (tmp_path / "text.mp4").write_text("this is no video")
    (tmp_path / "empty.avi").touch()
    whole = write_webm(tmp_path / "whole.webm", images(), fps=10).read_bytes()
    (tmp_path / "cut.webm").write_bytes(whole[:60])
    for name, reason in (("sound.wav", "no video stream"), ("text.mp4", "no video"), ("empty.avi", "empty"), ("cut.webm", "")):
        with pytest.raises(UserError, match=f"{name}.*{reason}.*give another"):
            list(open_input(tmp_path / name))


def test_a_video_that_may_not_be_read_is_no_question_of_codecs(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "video.mp4").write_text("not readable")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserError, match="video.mp4: this file cannot be read .Permission denied.; allow it"):
        open_input(tmp_path / "video.mp4")


def test_zero_frames(tmp_path, video, monkeypatch):
    source = VideoFile(video)
    monkeypatch.setattr(VideoFile, "_decoded", lambda self: iter(()))
    with pytest.raises(UserError, match="video.webm.*no frame"):
        list(source)
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match="none.*no images"):
        open_input(tmp_path / "none")


def test_a_video_that_breaks_off_ends_there(tmp_path):
    long = write_webm(tmp_path / "long.webm", np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), np.uint8), fps=10)
    cut = tmp_path / "cut.webm"
    cut.write_bytes(long.read_bytes()[: long.stat().st_size // 2])
    assert 0 < len(list(open_input(cut))) < 40


def test_what_is_not_there(tmp_path):
    with pytest.raises(UserError, match="nothing.mp4.*no such video"):
        open_input(tmp_path / "nothing.mp4")
    for name in ("x" * 5000, "x" * 5000 + ".mp4"):  # longer than a file system takes
        with pytest.raises(UserError, match="no such video"):
            open_input(name)
    with pytest.raises(UserError, match="list.*uint8 array"):
        open_input([1, 2])
    with pytest.raises(UserError, match="fps is 0"):
        open_input(tmp_path, fps=0)


def test_a_number_that_is_a_path_is_no_camera(tmp_path, video, monkeypatch):
    """What is there is taken before a camera; a number beyond all cameras, such as a date, is the name of what is not there."""
    monkeypatch.chdir(tmp_path)
    for name in ("3", "20240501123000"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "1.png"), np.zeros((8, 8, 3), np.uint8))
        assert isinstance(open_input(name), FrameFolder) and camera_index(name) is None
    video.rename(tmp_path / "4")
    assert isinstance(open_input("4"), VideoFile) and camera_index("4") is None
    assert camera_index("5") == 5
    for name in ("20240501123001", "9" * 5000):
        assert camera_index(name) is None
        with pytest.raises(UserError, match="no such video file.*camera's index"):
            open_input(name)
    for index in (20240501123000, -(2**31) - 1):
        with pytest.raises(UserError, match=f"no camera {index}.*first camera is 0"):
            open_input(index)


def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UserError, match=f"{tmp_path.name}.*Permission denied.*another"):
        open_input(tmp_path)


def test_a_camera_that_is_not_there(capfd):
    source = open_input("97")
    assert isinstance(source, Camera) and source.live and open_input(97).name == "camera 97"
    with pytest.raises(UserError, match="camera 97 cannot be opened.*another"):
        next(iter(source))
    assert "ERROR" not in capfd.readouterr().err


def test_a_broken_image_names_itself(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "2.png").write_bytes(b"broken")
    frames = iter(open_input(tmp_path))
    assert next(frames).index == 0
    with pytest.raises(UserError, match="2.png.*a copy of its neighbor"):
        next(frames)


def test_as_rgb_refuses_other_types():
    with pytest.raises(UserError, match="float64"):
        as_rgb(np.zeros((4, 4, 3)), "frame 3")
    assert isinstance(open_input(np.zeros((1, 4, 4, 3), np.uint8)), ArrayInput)


class TestBoxes:
    @pytest.mark.parametrize("given", [None, "auto", " Auto "])
    def test_auto(self, given):
        assert read_boxes(given) is None

    @pytest.mark.parametrize("given", ["10,20,30,40", " 10, 20, 30, 40", BOX, np.array(BOX)])
    def test_fixed(self, given):
        assert read_boxes(given) == FixedBox((10, 20, 30, 40))

    @pytest.mark.parametrize(
        "given", ["1,2,3", "10,20,0,40", "10,20,nan,40", [1, 2, 3], "1,2,3,4,5", np.zeros((2, 3)), {"a": BOX}, object()]
    )
    def test_no_box(self, given):
        with pytest.raises(UserError, match="width"):
            read_boxes(given)

    def test_csv(self, tmp_path):
        path = tmp_path / "boxes.csv"
        path.write_text("frame,id,x,y,w,h\n0,ann,1,2,3,4\n1,ann,2,2,3,4\n1,bob,9,9,3,4\n\n")
        boxes = read_boxes(path)
        assert boxes.ids == ("ann", "bob") and list(boxes.at(0)) == ["ann"] and boxes.last == 1
        np.testing.assert_array_equal(boxes.at(1)["bob"], [9, 9, 3, 4])

    @pytest.mark.parametrize(
        "content",
        [
            [[1, 2, 3, 4], None, [5, 6, 3, 4]],
            {"boxes": [[1, 2, 3, 4], [None] * 4, [5, 6, 3, 4]]},
            [{"frame": 2, "box": [5, 6, 3, 4]}, {"frame": 0, "bbox": [1, 2, 3, 4]}],
        ],
    )
    def test_json(self, tmp_path, content):
        """Three ways to write the same; the frame between is bridged."""
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(content))
        boxes = read_boxes(str(path))
        for frame, expected in enumerate([[1, 2, 3, 4], [3, 4, 3, 4], [5, 6, 3, 4]]):
            np.testing.assert_allclose(boxes.at(frame)["1"], expected)
        assert boxes.at(3) == {}

    @pytest.mark.parametrize(
        ("name", "text", "reason"),
        [
            ("a.csv", "frame,x,y\n0,1,2\n", "lacks width, height"),
            ("a.csv", "frame,x,y,width,height\n0,1,2,three,4\n", "line 2"),
            ("a.csv", "frame,x,y,width,height\n0,1,2\n", "none of its"),
            ("a.csv", "frame,x,y,width,height\n0.5,1,2,3,4\n", "line 2"),
            ("a.csv", "frame,x,y,width,height\n0,1,2,3,4\n\n\ninf,1,2,3,4\n", "line 5"),
            ("a.json", '[{"frame": Infinity, "box": [1, 2, 3, 4]}]', "entry 0"),
            ("a.json", '[{"frame": 1e30, "box": [1, 2, 3, 4]}]', "entry 0"),
            ("a.csv", "frame,x,y,width,height\n0,1,2,3,4\n0,1,2,3,4\n", "two boxes"),
            ("a.csv", "frame,x,y,width,height\n-1,1,2,3,4\n", "count from 0"),
            ("a.csv", "", "lacks frame"),
            ("a.json", "{", "no JSON"),
            ("a.json", "{}", "no list of boxes"),
            ("a.json", "[1, 2, 3, 4]", "four numbers"),
            ("a.json", "[[1, 2, 3]]", "entry 0"),
            ("a.json", '[{"frame": 0}]', "entry 0"),
            ("a.json", "[null, [1, 2, 0, 4]]", "none of its 2"),
            ("a.json", "[]", "none of its 0"),
            ("a.txt", "0 1 2 3 4", ".json and .csv"),
            pytest.param("a.csv", "frame,x,y,width,height\n0,1,2,3," + "4" * 140000, "line 2.*field larger", id="long field"),
            pytest.param("a.csv", "x" * 140000, "line 1.*field larger", id="long head"),
            pytest.param("a.csv", "frame,x,y,width,height\n0,1,2,3," + "x" * 9999, r"line 2: .{,200}$", id="long word"),
            pytest.param("a.json", f"[[1, 2, 3, {'9' * 400}]]", "entry 0", id="huge side"),
            pytest.param("a.json", f'[{{"frame": {"9" * 400}, "box": [1, 2, 3, 4]}}]', "entry 0", id="huge frame"),
            pytest.param("a.json", f"[[1, 2, 3, {'9' * 5000}]]", "no JSON", id="more digits than Python reads"),
            pytest.param("a.json", "[" * 100000 + "]" * 100000, "no JSON.*recursion", id="nested"),
            pytest.param("a.json", "[" * 500 + "]" * 500, r"entry 0 is .{,200}$", id="less nested"),
            pytest.param("a.json", r'[{"frame": 0, "box": [1, 2, 3, 4], "id": "\ud800"}]', "entry 0", id="half a character"),
        ],
    )
    def test_broken_files(self, tmp_path, name, text, reason):
        (tmp_path / name).write_text(text)
        with pytest.raises(UserError, match=f"{name}.*{reason}"):
            read_boxes(tmp_path / name)

    def test_missing_file(self, tmp_path):
        with pytest.raises(UserError, match="nowhere.csv.*no such file"):
            read_boxes(tmp_path / "nowhere.csv")
        with pytest.raises(UserError, match="no such file of boxes"):
            read_boxes("x" * 5000 + ".csv")

    def test_nan_is_no_box_and_long_gaps_stay(self):
        boxes = np.full((3 * MAX_GAP, 4), np.nan)
        boxes[[2, MAX_GAP + 3, 2 * MAX_GAP + 5]] = BOX
        table = read_boxes(boxes)
        assert table.dropped == 3 * MAX_GAP - 3
        assert table.at(1) == {} and "1" in table.at(10)
        assert table.at(MAX_GAP + 4) == {}, "a gap of one frame more than MAX_GAP"

    def test_notes_tell_what_was_bridged_and_what_lies_outside(self, tmp_path):
        """Up to the last frame that was looked at; a gap that is too long is not bridged."""
        entries = [[1, 2, 8, 8], None, None, [90, 2, 8, 8], *[None] * (MAX_GAP + 1), [1, 2, 8, 8], None, [1, 2, 8, 8]]
        path = tmp_path / "boxes.json"
        path.write_text(json.dumps(entries))
        boxes = read_boxes(path)
        end = len(entries) - 1
        dropped, bridged, outside = boxes.notes(end, (48, 64), complete=True, whole=True)
        assert f"{MAX_GAP + 4} entries without extent" in dropped and "3 frames without a box of person 1 were bridged" in bridged
        assert "1 of 4 boxes of person 1 lie outside the frame of 64x48 pixels" in outside
        assert "2 frames without a box" in boxes.notes(5, (48, 64), complete=False, whole=True)[1]
        assert not read_boxes([[1, 2, 8, 8]] * 3).notes(2, (48, 64), complete=True, whole=True)


def test_the_formats_are_as_the_book_says(checkout, tmp_path):
    """The examples of "Files in, files out" are read, and hold what is written."""
    text = (checkout / "notebooks" / "14_your_video.py").read_text().partition("## Files in, files out")[2]
    text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
    table, entries, rows, poses, joints = re.findall(r"^```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = {}
    for name, content in (("table.csv", table), ("entries.json", entries), ("rows.json", rows)):
        (tmp_path / name).write_text(content)
        found[name] = read_boxes(tmp_path / name)
    assert found["table.csv"].ids == ("ann", "bob") and found["table.csv"].checksum() == found["entries.json"].checksum()
    np.testing.assert_array_equal(found["rows.json"].at(1)["1"], [42, 32, 96, 210])
    assert f"gap of up to {MAX_GAP} frames" in text
    said = json.loads(poses)
    (person,) = said["people"]
    points = np.array(person["keypoints"]).reshape(-1, 3)
    pose = PersonPose("1", np.array(person["bbox"]), points[:, :2], points[:, 2], None, FOLLOWED)
    assert frame_entry(3, 0.12, [pose], hidden_below=0.4) == said
    head, line = joints.split()
    assert tuple(head.split(",")) == COLUMNS and line.split(",")[5:] == [*map(str, person["keypoints"][:3]), "0"]
