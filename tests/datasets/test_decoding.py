"""Video files with damaged frames: the others keep their numbers and times, and what is lost is named."""

import os
import struct
from functools import partial

import cv2
import numpy as np
import pytest

from rpstn.datasets.decoding import decode, open_capture, packet_times
from rpstn.datasets.sources import FrameCache
from rpstn.datasets.video_frames import VideoFrames, count_frames
from rpstn.errors import UserError

LENGTH, FPS = 16, 25


def numbered(length=LENGTH):
    """Frames whose brightness is 15 times their number, with something to compress."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8), (0, 0), 3)
    frames = np.repeat(noise[None], length, axis=0)
    frames[:, :24] = (15 * np.arange(length, dtype=np.uint8))[:, None, None, None]
    return frames


def number_of(image):
    return round(float(image[4:20, 4:60].mean()) / 15)


def write_video(path, code="MJPG", frames=None):
    frames = numbered() if frames is None else frames
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter_fourcc(*code), FPS, frames.shape[2:0:-1])
    for frame in frames:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    return path


def damage(path, numbers):
    """Zero the bytes of frames of an .avi."""
    data = bytearray(path.read_bytes())
    place, chunks = data.index(b"movi") + 4, []
    while data[place : place + 4] in (b"00dc", b"00db"):
        (size,) = struct.unpack_from("<I", data, place + 4)
        chunks.append((place + 8, size))
        place += 8 + size + size % 2
    for number in numbers:
        start, size = chunks[number]
        data[start : start + size] = bytes(size)
    path.write_bytes(data)


def decoded(path):
    with open_capture(path) as capture:
        return list(decode(path, capture))


@pytest.mark.parametrize("code", ["MJPG", "XVID"])
@pytest.mark.parametrize("lost", [(), (6,), (0,), (0, 1), (5, 6, 7), (3, 9), (3, 5)])
def test_frames_keep_their_numbers_and_times(tmp_path, code, lost, capfd):
    path = write_video(tmp_path / "a.avi", code)
    damage(path, lost)
    capfd.readouterr()
    frames = decoded(path)
    assert capfd.readouterr() == ("", "")
    assert [frame.index for frame in frames] == list(range(LENGTH))
    assert tuple(frame.index for frame in frames if frame.image is None) == lost
    assert [frame.seconds for frame in frames] == pytest.approx(np.arange(LENGTH) / FPS)
    if code == "MJPG":  # others draw a frame after a lost one from the wrong ground
        assert all(number_of(frame.image) == frame.index for frame in frames if frame.image is not None)
    assert count_frames(path) == LENGTH - len(lost)


def test_a_damaged_key_frame_takes_those_that_build_on_it(tmp_path):
    path = write_video(tmp_path / "a.webm", "VP80", numbered())
    data = bytearray(path.read_bytes())
    start = data.index(b"\x9d\x01\x2a")  # a VP8 key frame's start code
    data[start - 3 : start + 40] = bytes(43)
    path.write_bytes(data)
    frames = decoded(path)
    sound = [frame for frame in frames if frame.image is not None]
    assert [frame.index for frame in frames] == list(range(LENGTH))
    assert 0 < len(sound) < LENGTH and sound[-1].index == LENGTH - 1
    assert all(abs(number_of(frame.image) - frame.index) < 1 for frame in sound)


def test_frames_lost_at_the_end_are_left_to_the_labels(tmp_path):
    path = write_video(tmp_path / "a.avi")
    damage(path, [LENGTH - 2, LENGTH - 1])
    assert len(decoded(path)) == LENGTH - 2 and len(packet_times(path)[0]) == LENGTH
    video = VideoFrames(path, LENGTH)
    assert number_of(video.read([3])[0]) == 3
    with pytest.raises(UserError, match=r"a\.avi: 2 frames \(14, 15\) of 16 cannot be decoded"):
        video.read([2, 15, 14])
    with pytest.raises(UserError, match="14 frames can be decoded, the labels are for 17"):
        VideoFrames(path, LENGTH + 1).read([3])


def test_a_source_reads_around_damaged_frames(tmp_path):
    path = write_video(tmp_path / "a.avi")
    damage(path, [0, 5])
    cache = FrameCache()
    videos = (VideoFrames(path), VideoFrames(path, LENGTH))
    for video, read in [*((video, video.read) for video in videos), (videos[1], partial(cache.read, videos[1]))]:
        assert len(video) == LENGTH and video.size == (48, 64)
        assert [number_of(frame) for frame in read([4, 6, 15])] == [4, 6, 15]
        with pytest.raises(UserError, match=r"a\.avi: frame 5 of 16 cannot be decoded; put"):
            read([4, 5])
    assert len(cache) == LENGTH - 2


def test_a_name_with_a_colon_is_no_protocol(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "2024-11-14T22:57:44.webm"
    os.rename(write_video(tmp_path / "a.webm", "VP80"), name)
    assert count_frames(type(tmp_path)(name)) == LENGTH
