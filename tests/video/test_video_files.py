"""Video files as cameras, phones, browsers and accidents leave them."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.errors import UserError
from rpstn.video import write_webm
from rpstn.video.input.camera import Camera
from rpstn.video.input.source import open_input
from rpstn.video.input.video_file import VideoFile
from rpstn.video.job import predict_video
from rpstn.video.predict import predict
from rpstn.video.watch import watch

from ..predicting import EMBEDDED, config, read

VIDEOS = Path(__file__).parents[1] / "golden" / "videos"
LENGTH, FPS = 12, 10
BOX = "0,0,60,40"


def make_video(path, length=LENGTH):
    """Frames with gray 20 n."""
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*"MJPG"), FPS, (64, 48))
    for number in range(length):
        writer.write(np.full((48, 64, 3), 20 * number, np.uint8))
    writer.release()
    return path


def damaged(path, lost):
    """Zero the bytes of some frames of an .avi."""
    data = bytearray(make_video(path).read_bytes())
    place = data.index(b"movi") + 4
    for number in range(LENGTH):
        (size,) = struct.unpack_from("<I", data, place + 4)
        if number in lost:
            data[place + 8 : place + 8 + size] = bytes(size)
        place += 8 + size + size % 2
    path.write_bytes(data)
    return path


def grays(frames):
    return [round(float(frame.pixels.mean()) / 20) for frame in frames]


@pytest.mark.parametrize(
    ("lost", "named"),
    [
        ([5], "frame 5 could"),
        ([0], "frame 0 could"),
        ([0, 1], "frames 0-1 could"),
        ([3, 4, 5, 8], "frames 3-5, 8 could"),
        ([10, 11], "frames 10-11 could"),
    ],
)
def test_a_damaged_frame_is_named_and_the_others_keep_number_and_time(tmp_path, capfd, lost, named):
    source = open_input(damaged(tmp_path / "a.avi", lost))
    frames = list(source)
    rest = [number for number in range(LENGTH) if number not in lost]
    assert [frame.index for frame in frames] == rest == grays(frames)
    np.testing.assert_allclose([frame.time for frame in frames], np.array(rest) / FPS, atol=1e-6)
    (note,) = source.notes
    assert note.startswith(named) and "damaged" in note and sorted(source.lost) == lost
    assert list(frame.index for frame in source) == rest and len(source.notes) == 1, "read again, it is noted once"
    assert capfd.readouterr() == ("", ""), "FFmpeg's own lines stay off the terminal"


def test_what_is_printed_to_stderr_after_reading_is_seen(tmp_path, capfd):
    import os

    list(open_input(damaged(tmp_path / "a.avi", [3])))
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


def test_predict_has_a_row_for_every_frame(tmp_path):
    path = damaged(tmp_path / "a.avi", [0, 4, 5, 11])
    with pytest.warns(UserWarning, match="a.avi: frames 0, 4-5, 11 could not be decoded"):
        poses = predict(path, EMBEDDED, BOX, device="cpu")
    assert len(poses.poses) == LENGTH
    assert np.flatnonzero(np.isnan(poses.confidences).all(axis=1)).tolist() == [0, 4, 5, 11]
    with pytest.warns(UserWarning, match="could not be decoded"):
        assert len(predict(path, EMBEDDED, BOX, device="cpu", frames=6).poses) == 6
    watched = watch(path, EMBEDDED, BOX, device="cpu")
    assert [number for number, status in enumerate(watched.status) if status == "absent"] == [0, 4, 5, 11]
    np.testing.assert_allclose(watched.times, np.arange(LENGTH) / FPS, atol=1e-6)


def test_files_of_a_damaged_video_keep_its_numbers(tmp_path):
    result = predict_video(config(damaged(tmp_path / "a.avi", [4, 5]), tmp_path / "out", boxes=BOX), progress=False)
    content = read(tmp_path / "out")
    assert [entry["frame"] for entry in content["frames"]] == [0, 1, 2, 3, 6, 7, 8, 9, 10, 11] and result.complete
    assert content["frames"][4]["time"] == pytest.approx(0.6) and any("frames 4-5 could" in note for note in content["notes"])


def test_no_frame_at_all(tmp_path):
    with pytest.raises(UserError, match="a.avi: no frame of its 12 can be decoded.*mjpg"):
        list(open_input(damaged(tmp_path / "a.avi", range(LENGTH))))


def test_a_codec_without_a_decoder_is_named(tmp_path):
    """Not told as a broken file. What OpenCV decodes by itself differs from machine to machine."""
    try:
        assert len(list(open_input(VIDEOS / "av1.mp4"))) == 2, "this OpenCV has a decoder"
    except UserError as error:
        assert "no decoder here for its codec, AV1" in str(error) and "ffmpeg" in str(error) and "broken" not in str(error)
    strange = make_video(tmp_path / "strange.avi")
    strange.write_bytes(strange.read_bytes().replace(b"MJPG", b"QQXX"))
    with pytest.raises(UserError, match="no decoder here for its codec, qqxx; convert it"):
        open_input(strange)


def id3(image):
    """A tag with a cover image, as music files have it."""
    cover = b"\0image/jpeg\0\x03\0" + image
    frame = b"APIC" + struct.pack(">I", len(cover)) + b"\0\0" + cover
    size = len(frame)
    return b"ID3\x03\0\0" + bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127]) + frame


def test_a_cover_image_is_no_video(tmp_path):
    silence = (b"\xff\xfb\x90\x64" + bytes(413)) * 20
    cover = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    (tmp_path / "song.mp3").write_bytes(id3(cover) + silence)
    for path in (tmp_path / "song.mp3", VIDEOS / "cover.m4a"):
        with pytest.raises(UserError, match="sound with a cover image, not a video"):
            open_input(path)
    assert len(list(open_input(make_video(tmp_path / "one.avi", 1)))) == 1, "a video of one frame is one"


def test_a_cover_image_beside_the_video_is_passed_over():
    frames = list(open_input(VIDEOS / "cover_beside.mp4"))
    assert len(frames) == 8 and {frame.pixels.shape for frame in frames} == {(48, 64, 3)}


def right_half(frames):
    return [int(frame.pixels[24, 50, 0]) for frame in frames]


def test_an_edit_list_is_followed_and_what_it_leaves_out_is_no_wrong_header():
    source = open_input(VIDEOS / "edit_list.mp4")
    frames = list(source)
    np.testing.assert_allclose(right_half(frames), [97, 121, 144, 167], atol=3)
    np.testing.assert_allclose([frame.time for frame in frames], [0, 0.1, 0.2, 0.3], atol=1e-3)
    assert len(source.notes) == 1 and "4 of the 8 frames in the file are not shown: an edit list" in source.notes[0]


def test_a_rotated_video_of_a_phone_stands_upright():
    frames = list(open_input(VIDEOS / "rotated.mp4"))
    assert len(frames) == 8 and frames[0].pixels.shape == (64, 48, 3)
    assert frames[0].pixels[40:].min() > 240 and frames[0].pixels[:24].max() < 20, "the left side becomes the lower one"


def test_a_variable_rate_keeps_its_times():
    source = open_input(VIDEOS / "variable_rate.mp4")
    frames = list(source)
    np.testing.assert_allclose([frame.time for frame in frames], [0, 0.1, 0.2, 0.3, 0.8, 0.9, 1.0, 1.1], atol=1e-3)
    np.testing.assert_allclose(right_half(frames), [4, 27, 51, 74, 97, 121, 144, 167], atol=4)
    assert not source.notes and not source.lost, "a pause is no damage"


def test_duration_times_rate_is_no_number_of_frames():
    """Where a rate cannot be one, as the 1000 of browsers, neither can what OpenCV multiplies with it."""

    class Header:
        def isOpened(self):
            return True

        def get(self, name):
            return {cv2.CAP_PROP_FPS: 90000.0, cv2.CAP_PROP_FRAME_COUNT: 1080016.0}.get(name, 0.0)

    source = VideoFile(VIDEOS / "variable_rate.mp4")
    source._read_header(Header())
    assert source.count is None and len(list(source)) == 8 and not source.notes


def test_a_file_that_is_cut_short_says_so(tmp_path):
    path = make_video(tmp_path / "a.avi")
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"00dc", 0, content.index(b"idx1") - 2000) + 40])  # within a frame in the middle
    source = open_input(path)
    frames = list(source)
    assert 1 < len(frames) < LENGTH and grays(frames) == list(range(len(frames)))
    assert any("cut short" in note and "lasts 1.20 s" in note for note in source.notes)


@pytest.mark.parametrize("name", ["2024-11-14T22:57:44.avi", "file:a.avi", "concat:a.avi", "%03d.avi", "a?b#c.avi", "-i.avi"])
def test_a_relative_name_is_no_protocol(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make_video(Path("plain.avi")).rename(name)
    assert grays(open_input(name)) == list(range(LENGTH))
    result = predict_video(config(name, Path("out:1"), boxes=BOX), progress=False)
    assert result.frames == LENGTH and (tmp_path / "out:1" / "annotated.webm").is_file()
    assert len(list(open_input(write_webm("a:b.webm", np.zeros((3, 16, 16, 3), np.uint8))))) == 3


@pytest.mark.parametrize(
    "address", ["https://a.org/b.mp4", "rtsp://10.0.0.1:554/live", "HTTP://a.org", "s3://a/b.mp4", "udp://@:1234"]
)
def test_addresses_are_not_read(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    for given in (address, Path(address)):
        with pytest.raises(UserError, match="addresses are not read. Save the video as a file"):
            open_input(given)
    with pytest.raises(UserError, match="addresses are not read"):
        predict_video(config(address, tmp_path / "out"), progress=False)
    assert not list(tmp_path.iterdir())


def test_other_things_that_are_no_files(tmp_path):
    with pytest.raises(UserError, match="without file://"):
        open_input(f"file://{tmp_path}/a.avi")
    with pytest.raises(UserError, match="path of the video is empty"):
        open_input("")
    with pytest.raises(UserError, match="neither a file nor a folder.*camera by its index"):
        open_input("/dev/null")
    (tmp_path / "zero.mp4").touch()
    with pytest.raises(UserError, match="zero.mp4.*the file is empty"):
        open_input(tmp_path / "zero.mp4")


def test_a_camera_that_misses_a_frame_goes_on(monkeypatch):
    reads = [False, True, False, False, True]

    class Capture:
        def __init__(self, *_):
            pass

        def isOpened(self):
            return bool(reads)

        def get(self, _):
            return 30.0

        def read(self):
            whole = reads.pop(0) if reads else False
            return whole, np.zeros((4, 4, 3), np.uint8) if whole else None

        def release(self):
            pass

    monkeypatch.setattr(cv2, "VideoCapture", Capture)
    source = Camera(0)
    assert len(list(source)) == 2 and source.notes == ["camera 0 stopped after 2 frames"]


def test_a_home_folder_is_meant_by_its_sign(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    make_video(tmp_path / "a.avi")
    (tmp_path / "w.pt").write_bytes(EMBEDDED.read_bytes())
    (tmp_path / "b.csv").write_text("frame,x,y,width,height\n" + "".join(f"{n},0,0,60,40\n" for n in range(LENGTH)))
    result = predict_video(config("~/a.avi", "~/out", checkpoint="~/w.pt", boxes="~/b.csv", draw=False), progress=False)
    assert result.frames == LENGTH and (tmp_path / "out" / "poses.json").is_file()
    assert len(predict("~/a.avi", "~/w.pt", "~/b.csv", device="cpu", frames=2).poses) == 2
    assert write_webm("~/b.webm", [np.zeros((16, 16, 3), np.uint8)] * 2) == tmp_path / "b.webm"
    with pytest.raises(UserError, match="no such video file"):
        open_input("~nobody_of_this_name/a.avi")


@pytest.mark.parametrize("size", [(16, 2000), (2000, 16), (1, 1), (1, 300)])
def test_frames_that_are_little_more_than_a_line(tmp_path, size):
    frames = np.zeros((2, *size, 3), np.uint8)
    assert predict(frames, EMBEDDED, device="cpu").poses.shape == (2, 13, 2)
    folder = tmp_path / "frames"
    folder.mkdir()
    cv2.imwrite(str(folder / "0.png"), frames[0])
    assert predict_video(config(folder, tmp_path / "out", relation=False), progress=False).frames == 1


def test_a_search_in_a_line_is_a_short_one():
    from rpstn.video.tracking import search_boxes

    assert len(search_boxes((16, 2000))) < 80 and len(search_boxes((1, 20000))) < 80
    assert len(search_boxes((480, 640))) == 14 and all(box[2] > 0 for box in search_boxes((1, 1)))


def test_a_video_that_begins_late_is_whole(tmp_path):
    """A header of Matroska counts its duration from 0, OpenCV its times from the first frame."""
    data = bytearray(write_webm(tmp_path / "a.webm", np.zeros((FPS, 16, 16, 3), np.uint8), fps=FPS).read_bytes())
    cluster, duration = data.index(b"\x1f\x43\xb6\x75"), data.index(b"\x44\x89\x88") + 3
    time = data.index(b"\xe7\x81", cluster) + 2  # of one byte, in ms
    data[duration : duration + 8] = struct.pack(">d", struct.unpack_from(">d", data, duration)[0] + 250)
    data[time] = 250
    (tmp_path / "a.webm").write_bytes(data)
    source = open_input(tmp_path / "a.webm")
    assert [frame.index for frame in source] == list(range(FPS)) and not source.notes and source.count > FPS


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.png", b"this is text", "its name is an image's, and it holds none"),
        ("a.jpg", b"\0" * 900, "its name is an image's, and it holds none"),
        ("a.ico", b"\0\0\1\0\1\0" + bytes(99), "images in the format .ico are not read; convert it to PNG"),
        (
            "a.mp4",
            (VIDEOS / "rotated.mp4").read_bytes().partition(b"moov")[0][:-4],
            r"lacks the index \(moov\) of an MP4: it was cut",
        ),
        ("b.mp4", (VIDEOS / "rotated.mp4").read_bytes()[:300], r"lacks the index \(moov\)|no video can be read"),
        ("c.mp4", b"this is text", "no video stream that OpenCV knows"),
    ],
)
def test_why_a_file_is_no_video(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UserError, match=words):
        list(open_input(tmp_path / name))
