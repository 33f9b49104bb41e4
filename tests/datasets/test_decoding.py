"""Video files with damaged frames: the others keep their numbers and times, and what is lost is named."""

import math
import os
import struct
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.datasets.containers import is_damaged
from rpstn.datasets.decoding import decode, open_capture, packet_times
from rpstn.datasets.edit_list import shown_seconds
from rpstn.datasets.sources import FrameCache
from rpstn.datasets.video_frames import VideoFrames, count_frames
from rpstn.errors import UserError
from rpstn.video.input.source import open_input

VIDEOS = Path(__file__).parents[1] / "golden" / "videos"
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


def test_frames_lost_at_the_end_are_named(tmp_path):
    path = write_video(tmp_path / "a.avi")
    damage(path, [LENGTH - 2, LENGTH - 1])
    frames = decoded(path)
    assert len(frames) == LENGTH and [frame.index for frame in frames if frame.image is None] == [LENGTH - 2, LENGTH - 1]
    for video in (VideoFrames(path, LENGTH), VideoFrames(path)):
        assert number_of(video.read([3])[0]) == 3 and len(video) == LENGTH
        with pytest.raises(UserError, match=r"a\.avi: 2 frames \(14, 15\) of 16 cannot be decoded"):
            video.read([2, 15, 14])
    assert len(VideoFrames(path, LENGTH - 2).read([3])) == 1, "whoever labeled it may not have seen them"
    with pytest.raises(UserError, match="14 frames can be decoded, the labels are for 17"):
        VideoFrames(path, LENGTH + 1).read([3])


def test_what_an_edit_list_leaves_out_is_not_lost():
    assert [frame.image is not None for frame in decoded(VIDEOS / "edit_list.mp4")] == [True] * 4
    assert shown_seconds(VIDEOS / "edit_list.mp4") == pytest.approx(0.45) and len(packet_times(VIDEOS / "edit_list.mp4")[0]) == 8
    assert shown_seconds(VIDEOS / "rotated.mp4") == pytest.approx(0.8) and shown_seconds(VIDEOS / "README.md") == math.inf


def in_clusters(path, times):
    """Write a .webm of numbered frames, shown at those times in ms, each in a cluster. Returns where its blocks lie."""
    data = write_video(path, "VP80", numbered(len(times))).read_bytes()
    start = data.index(b"\x1f\x43\xb6\x75")
    head, place, blocks = bytearray(data[:start]), start, []
    while (place := data.find(b"\xa3", place)) >= 0:
        width = 9 - data[place + 1].bit_length()
        size = int.from_bytes(data[place + 1 : place + 1 + width], "big") & ((1 << 7 * width) - 1)
        block = data[place + 1 + width : place + 1 + width + size]
        if block[:1] != b"\x81" or not size:
            place += 1
            continue
        blocks.append(block)
        place += 1 + width + size
    assert len(blocks) == len(times)
    places = []
    for time, block in zip(times, blocks, strict=True):
        # The cluster's time of 4 bytes, then the frame, which is 0 ms later.
        held = b"\xe7\x84" + time.to_bytes(4, "big") + b"\xa3" + (len(block) | 1 << 28).to_bytes(4, "big")
        content = held + b"\x81\0\0" + block[3:]
        head += b"\x1f\x43\xb6\x75" + (len(content) | 1 << 28).to_bytes(4, "big")
        places.append((len(head) + len(held), len(block)))
        head += content
    segment = head.index(b"\x18\x53\x80\x67") + 4
    head[segment : segment + 8] = b"\x01" + b"\xff" * 7  # of unknown size: up to the end of the file
    path.write_bytes(head)
    return places


EVEN = tuple(range(0, 40 * LENGTH, 40))
VARYING = (0, 40, 120, 160, 280, 320, 440, 480, 520, 680, 720, 840, 880, 960, 1080, 1120)


@pytest.mark.parametrize("lost", [(6,), (5, 6, 7), (3, 9)])
def test_frames_that_the_container_lost_keep_their_numbers(tmp_path, lost):
    """Their packets are not listed, and no read fails: at an even rate, a step in time says how many are gone."""
    places = in_clusters(tmp_path / "a.webm", EVEN)
    whole = decoded(tmp_path / "a.webm")
    assert [(frame.index, round(1000 * frame.seconds)) for frame in whole] == list(enumerate(EVEN))
    assert not is_damaged(tmp_path / "a.webm") and all(frame.image is not None for frame in whole)
    data = bytearray((tmp_path / "a.webm").read_bytes())
    for start, size in (places[number] for number in lost):
        data[start : start + size] = bytes(size)
    (tmp_path / "a.webm").write_bytes(data)
    frames = decoded(tmp_path / "a.webm")
    assert is_damaged(tmp_path / "a.webm") and [frame.index for frame in frames] == list(range(LENGTH))
    assert tuple(frame.index for frame in frames if frame.image is None) == lost
    assert [round(1000 * frame.seconds) for frame in frames] == list(EVEN)


@pytest.mark.parametrize(("times", "lost", "where"), [(VARYING, 6, "somewhere after frame 1"), (EVEN, 0, "somewhere")])
def test_labels_do_not_meet_other_frames_in_silence(tmp_path, times, lost, where):
    """At a rate that varies, or at the start, nobody can tell how many frames a damaged container lost."""
    path = tmp_path / "a.webm"
    start, size = in_clusters(path, times)[lost]
    assert [frame.index for frame in decoded(path)] == list(range(LENGTH)) and len(VideoFrames(path).read([3])) == 1
    data = bytearray(path.read_bytes())
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"a.webm: the file is damaged, frames are missing {where} and nobody can tell"):
        VideoFrames(path).read([3])
    source = open_input(path)
    assert len(list(source)) < LENGTH and any(f"the file is damaged: frames are missing {where}" in note for note in source.notes)


def test_a_list_of_packets_that_is_whole_knows_better_than_the_rate(tmp_path):
    """One damaged frame early in a video whose rate varies is one frame, however long it was shown."""
    path = tmp_path / "a.webm"
    start, size = in_clusters(path, VARYING)[2]
    data = bytearray(path.read_bytes())
    data[start + 4 : start + size] = bytes(size - 4)
    path.write_bytes(data)
    frames = decoded(path)
    assert [(frame.index, round(1000 * frame.seconds)) for frame in frames] == list(enumerate(VARYING))


def transport_packets(lost=(), length=40):
    """A stream of packets with counters, without those numbers."""
    return b"".join(b"\x47\x01\x00" + bytes([0x10 | n % 16]) + bytes(184) for n in range(length) if n not in lost)


@pytest.mark.parametrize(
    ("data", "damaged"),
    [
        (transport_packets(), False),
        (transport_packets((7,)), True),
        (transport_packets((0, 39)), False),
        (transport_packets()[: 188 * 20 + 5], False),
        (transport_packets()[: 188 * 9] + bytes(188) + transport_packets()[188 * 10 :], True),
        (bytes(188) + transport_packets()[188:], True),
        (b"", False),
        (b"\x1a\x45\xdf\xa3", False),
    ],
)
def test_damage_to_a_container(tmp_path, data, damaged):
    (tmp_path / "a").write_bytes(data)
    assert is_damaged(tmp_path / "a") is damaged


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
