"""Where pixels come from: images, videos, and the cache before them."""

import json
import os
import pickle
import struct

import cv2
import numpy as np
import pytest

from rpstn.datasets.check import check_dataset
from rpstn.datasets.parts import PartFrames
from rpstn.datasets.sources import ArrayFrames, FrameCache, ImageFrames, look_at_image, read_image
from rpstn.datasets.video_frames import VideoFrames
from rpstn.errors import UserError
from rpstn.video.input.source import open_input

from .test_transforms import make_clip


class Counting:
    """A source that counts the frames it gives."""

    whole = False

    def __init__(self, frames):
        self.frames, self.given = ArrayFrames(frames), 0
        self.size = self.frames.size

    def __len__(self):
        return len(self.frames)

    def read(self, indices):
        self.given += len(indices)
        return self.frames.read(indices)


def test_cache_reads_each_frame_once_and_keeps_to_its_limit():
    frames = make_clip(10).frames.read(range(10))
    source, cache = Counting(frames), FrameCache(frames.nbytes)
    for indices in ([0, 1, 2], [2, 1, 0], [2, 2, 3], range(10), [9, 0]):
        np.testing.assert_array_equal(cache.read(source, indices), frames[list(indices)])
    assert source.given == 10 and cache.bytes == frames.nbytes

    source, cache = Counting(frames), FrameCache(3 * frames[0].nbytes)
    for indices in ([0, 1, 2], [0], [3], [0, 2], [1]):  # 3 pushes out 1, the least recently used
        np.testing.assert_array_equal(cache.read(source, indices), frames[indices])
    assert source.given == 5 and len(cache) == 3 and cache.bytes <= cache.limit

    # Two sources with equal frames are kept apart; a copy for another process starts empty.
    other = Counting(frames[::-1])
    np.testing.assert_array_equal(cache.read(other, [0]), frames[9:10])
    assert len(pickle.loads(pickle.dumps(cache))) == 0
    nothing, source = FrameCache(0), Counting(frames)
    np.testing.assert_array_equal(nothing.read(source, [4, 4]), frames[[4, 4]])
    assert nothing.bytes == 0


def test_cached_frames_cannot_be_spoilt_by_their_reader():
    frames = make_clip(3).frames.read(range(3))
    cache, source = FrameCache(), ArrayFrames(frames.copy())
    cache.read(source, [0])[:] = 0
    np.testing.assert_array_equal(cache.read(source, [0]), frames[:1])


def write_video(path, frames):
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, frames.shape[2:0:-1])
    for frame in frames:
        writer.write(frame[..., ::-1])
    writer.release()


def test_video_is_read_in_order_and_its_frames_are_counted(tmp_path):
    frames = np.stack([np.full((48, 64, 3), (20 * t, 10, 255 - 20 * t), np.uint8) for t in range(8)])
    write_video(tmp_path / "a.avi", frames)
    video = VideoFrames(tmp_path / "a.avi")
    assert len(video) == 8 and video.size == (48, 64)
    assert np.abs(video.read([5, 0, 7]).astype(int) - frames[[5, 0, 7]]).max() < 6
    cache = FrameCache()
    cache.read(video, [3])
    assert len(cache) == 8  # the whole clip was decoded, so the whole clip is kept
    with pytest.raises(UserError, match=r"a\.avi: 8 frames can be decoded, the labels are for 9"):
        VideoFrames(tmp_path / "a.avi", 9).read([0])
    with pytest.raises(UserError, match="64x48 pixels, its labels are for 32x48"):
        VideoFrames(tmp_path / "a.avi", 8, (48, 32)).read([0])
    (tmp_path / "b.avi").write_bytes(b"no video")
    with pytest.raises(UserError, match=r"b\.avi: no frame of this video"):
        len(VideoFrames(tmp_path / "b.avi"))
    with pytest.raises(UserError, match=r"c\.avi: there is no such video"):
        VideoFrames(tmp_path / "c.avi", 3).read([0])


def test_images_are_read_as_rgb_and_broken_ones_are_named(tmp_path):
    image = make_clip(1).frames.read([0])[0]
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(tmp_path / name), image[..., ::-1])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), image)
    source = ImageFrames((tmp_path / "a.png", tmp_path / "a.jpg"))
    assert source.size == (96, 128) and source.read([1, 0, 1]).shape == (3, 96, 128, 3)
    for name, keep, reason in (("a.jpg", 0.5, "cut short"), ("a.png", 0.5, ""), ("a.png", 0, "empty")):
        data = (tmp_path / name).read_bytes()
        broken = tmp_path / f"broken_{name}"
        broken.write_bytes(data[: int(keep * len(data))])
        with pytest.raises(UserError, match=rf"broken_{name}: broken image.*{reason}"):
            read_image(broken)
    (tmp_path / "text.jpg").write_text("this is no image")
    with pytest.raises(UserError, match=r"text\.jpg: broken image, it cannot be decoded"):
        read_image(tmp_path / "text.jpg")
    with pytest.raises(UserError, match=r"none\.jpg: cannot read this image"):
        ImageFrames((tmp_path / "none.jpg",), (4, 4)).read([0])
    with pytest.raises(UserError, match=r"a\.png: the image has 128x96 pixels.*100x96"):
        ImageFrames((tmp_path / "a.png",), (96, 100)).read([0])
    with pytest.raises(UserError, match="uint8"):
        ArrayFrames(np.zeros((2, 4, 4, 3)))


@pytest.mark.parametrize("index", [9999, -1, 1.5, True, "1"])
def test_frames_that_there_are_not(tmp_path, index):
    """A mistaken index is neither the last frame nor a broken file."""
    frames = make_clip(4).frames.read(range(4))
    write_video(tmp_path / "a.avi", frames)
    cv2.imwrite(str(tmp_path / "0.png"), frames[0])
    video, images, arrays = VideoFrames(tmp_path / "a.avi"), ImageFrames([tmp_path / "0.png"] * 3), ArrayFrames(frames)
    for source in (video, images, arrays, PartFrames(arrays, 1, 2)):
        with pytest.raises(UserError, match=rf"there is no frame {index!r}; there are 0 to {len(source) - 1}"):
            source.read([0, index])
        with pytest.raises(UserError, match=rf"there is no frame {index!r}; there are 0 to"):
            FrameCache().read(source, [0, index])
        assert len(source.read(np.array([0, 1]))) == 2


def jpegs():
    """A photo of 320 x 240, with a thumbnail in its head, and damaged copies of it."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8), (0, 0), 3)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    small = cv2.imencode(".jpg", noise[::8, ::8])[1].tobytes()
    head = data[:2] + b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small
    data = head + data[2:]
    middle = len(data) // 2
    return {
        "whole": data,
        "cut": data[:middle],
        "ended": data[:middle] + data[-2:],
        "zeroed": data[:middle] + bytes(2000) + data[middle + 2000 :],
        "lacking": data[:middle] + data[middle + 300 :],
        "more": data[:-2] + bytes(3) + data[-2:],  # before the end: no pixel is touched
        "trailing": data + bytes(100),
    }


def test_an_image_that_is_damaged_inside_is_told(tmp_path, capfd):
    """Decoders draw what they can and say so on stderr, where it reaches nobody who would act on it."""
    for name, data in jpegs().items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    capfd.readouterr()
    for name in ("ended", "zeroed", "lacking"):
        image, damage = look_at_image(tmp_path / f"{name}.jpg")
        assert image.shape == (240, 320, 3) and "premature end" in damage
    for name in ("whole", "more", "trailing"):
        assert look_at_image(tmp_path / f"{name}.jpg")[1] == ""
    for read in (read_image, look_at_image):
        with pytest.raises(UserError, match=r"cut\.jpg: broken image, it was cut short"):
            read(tmp_path / "cut.jpg")
    source = open_input(tmp_path / "zeroed.jpg")
    assert len(list(source)) == 1 and source.notes == [
        "1 image (zeroed.jpg): damaged inside, so that a part of the pixels is not what was stored"
    ]
    (tmp_path / "cut.jpg").unlink()
    folder = open_input(tmp_path)
    assert len(list(folder)) == len(list(folder)) == 6
    assert folder.notes == [
        "3 images (ended.jpg, lacking.jpg, zeroed.jpg): damaged inside, so that a part of the pixels is not what was stored"
    ]
    assert capfd.readouterr() == ("", "")
    os.write(2, b"seen")
    assert capfd.readouterr().err == "seen"


def test_checking_finds_images_that_are_damaged_inside(tmp_path, capfd):
    (tmp_path / "f").mkdir()
    joints = [[[10, 10]] * 15] * 3
    for number, name in enumerate(("whole", "zeroed", "more")):
        (tmp_path / "f" / f"{number}.jpg").write_bytes(jpegs()[name])
    clips = [{"id": "c", "split": "test", "frames": "f", "joints": joints, "boxes": [[0, 0, 99, 99]] * 3}]
    (tmp_path / "dataset.json").write_text(json.dumps({"name": "x", "skeleton": "sub_jhmdb", "clips": clips}))
    capfd.readouterr()
    report = check_dataset("own", tmp_path)
    (fault,) = report.faults
    assert "1.jpg: damaged inside (" in fault and "put a whole copy in its place" in fault and capfd.readouterr() == ("", "")
