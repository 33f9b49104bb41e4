"""Images as frames: upright, all that a file holds, the same through every door, and nothing left out in silence."""

import os
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.errors import UserError
from rpstn.video.input.images import FrameFolder, ImageFile
from rpstn.video.input.source import open_input
from rpstn.video.input.video_file import VideoFile
from rpstn.video.job import predict_video
from rpstn.video.predict import predict

from ..predicting import EMBEDDED, config, read

BOX = "0,0,24,16"


def scene():
    """(16,32,3) RGB, no two corners alike."""
    image = np.full((16, 32, 3), 20, np.uint8)
    image[:8, :16], image[:8, 16:], image[8:, :16] = (250, 20, 20), (20, 250, 20), (20, 20, 250)
    return image


# How to lay the stored pixels for a viewer, by EXIF orientation.
UPRIGHT = {
    1: lambda image: image,
    2: np.fliplr,
    3: lambda image: np.rot90(image, 2),
    4: np.flipud,
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, -1),
    7: lambda image: np.rot90(image.transpose(1, 0, 2), 2),
    8: np.rot90,
}


def jpeg(path, orientation):
    """A photo as a phone stores it."""
    data = cv2.imencode(".jpg", scene()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    entry = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0MM\0*" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    return path


def pages(count=5, size=(16, 24)):
    return [np.full((*size, 3), 40 * number, np.uint8) for number in range(count)]


def grays(source):
    return [round(float(frame.pixels.mean()) / 40) for frame in source]


@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_a_photo_has_the_same_upright_pixels_through_every_door(tmp_path, orientation):
    path = jpeg(tmp_path / "photo.jpg", orientation)
    (file,) = open_input(path)
    (folder,) = open_input(tmp_path)
    (array,) = open_input(file.pixels)
    upright = UPRIGHT[orientation](scene())
    assert file.pixels.shape == upright.shape and np.abs(file.pixels.astype(int) - upright).mean() < 8
    np.testing.assert_array_equal(file.pixels, folder.pixels)
    np.testing.assert_array_equal(file.pixels, array.pixels)


def test_a_photo_is_found_by_its_content(tmp_path):
    """The suffix may be another's, or none."""
    for name in ("photo", "photo.PNG", "photo.mp4", "p:h.JPG"):
        source = open_input(jpeg(tmp_path / name, 6))
        (frame,) = source
        assert isinstance(source, ImageFile) and source.name == name and frame.pixels.shape == (32, 16, 3)


def test_predict_of_a_photo(tmp_path):
    path = jpeg(tmp_path / "photo.jpg", 6)
    one = predict(path, EMBEDDED, BOX, device="cpu").poses
    assert one.shape == (1, 13, 2)
    (frame,) = open_input(path)
    np.testing.assert_array_equal(one, predict(frame.pixels, EMBEDDED, BOX, device="cpu").poses)
    result = predict_video(config(path, tmp_path / "out", boxes=BOX), progress=False)
    content = read(tmp_path / "out")
    assert result.frames == 1 and (content["video"]["width"], content["video"]["height"]) == (16, 32)
    assert not any("fps" in note for note in content["notes"]), "images have no rate of their own"


@pytest.mark.parametrize("order", "<>")
def test_all_pages_of_a_tiff(tmp_path, order):
    path = tmp_path / "five.tif"
    write_tiff(path, pages(), order=order)
    source = open_input(path, fps=10)
    assert grays(source) == [0, 1, 2, 3, 4]
    assert [frame.time for frame in source] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    folder = open_input(tmp_path, fps=10)
    assert grays(folder) == [0, 1, 2, 3, 4] and folder.notes == ["five.tif holds 5 images: they are frames 0 to 4"]
    for one, other in zip(source, folder, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
    assert len(folder.notes) == 1, "read again, it is noted once"


def test_many_pages_and_pages_of_other_sizes(tmp_path):
    cv2.imwritemulti(str(tmp_path / "many.tif"), [np.full((4, 4, 3), number, np.uint8) for number in range(20)])
    assert [int(frame.pixels[0, 0, 0]) for frame in open_input(tmp_path / "many.tif")] == list(range(20))
    cv2.imwritemulti(str(tmp_path / "two.tif"), [np.zeros((8, 12, 3), np.uint8), np.zeros((8, 8, 3), np.uint8)])
    source = open_input(tmp_path / "two.tif")
    assert {frame.pixels.shape for frame in source} == {(8, 12, 3)} and "frame 1 has 8x8 pixels" in source.notes[0]


def write_tiff(path, images, kinds=None, order="<"):
    """A TIFF by hand. kinds: the tag NewSubfileType of each page: 0 a page, 1 a smaller copy, 4 a mask."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    link = 4
    for image, kind in zip(images, kinds or [0] * len(images), strict=True):
        height, width = image.shape[:2]
        pixels = len(data)
        data += image.tobytes()
        bits = len(data)
        data += struct.pack(order + "3H", 8, 8, 8)
        data += bytes(len(data) % 2)
        struct.pack_into(order + "I", data, link, len(data))
        tags = [
            (254, 4, 1, kind), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 3, bits), (259, 4, 1, 1), (262, 4, 1, 2),
            (273, 4, 1, pixels), (277, 4, 1, 3), (278, 4, 1, height), (279, 4, 1, image.nbytes),
        ]  # fmt: skip
        data += struct.pack(order + "H", len(tags)) + b"".join(struct.pack(order + "HHII", *tag) for tag in tags)
        link = len(data)
        data += bytes(4)
    path.write_bytes(data)


def test_a_preview_and_a_mask_in_a_tiff_are_no_frames(tmp_path):
    preview, whole, mask, second = pages(4)
    write_tiff(tmp_path / "photo.tif", [preview, whole, mask, second], [1, 0, 4, 0])
    assert grays(open_input(tmp_path / "photo.tif")) == [1, 3]
    write_tiff(tmp_path / "raw.tif", [preview], [1])
    with pytest.raises(UserError, match="raw.tif.*only smaller copies"):
        list(open_input(tmp_path / "raw.tif"))


def test_a_broken_page_is_named(tmp_path):
    write_tiff(tmp_path / "cut.tif", pages(3))
    content = bytearray((tmp_path / "cut.tif").read_bytes())
    struct.pack_into("<I", content, content.rindex(struct.pack("<HHI", 273, 4, 1)) + 8, 1 << 30)  # its pixels lie beyond the end
    (tmp_path / "cut.tif").write_bytes(content)
    with pytest.raises(UserError, match="cut.tif: broken image, .*page.*give another"):
        list(open_input(tmp_path / "cut.tif"))


needs_animations = pytest.mark.skipif(not hasattr(cv2, "imwriteanimation"), reason="this OpenCV writes no animations")


def animation(path, milliseconds):
    """Written without loss."""
    moving = cv2.Animation()
    moving.frames, moving.durations = pages(len(milliseconds)), np.array(milliseconds, np.int32)
    assert cv2.imwriteanimation(str(path), moving, [cv2.IMWRITE_WEBP_QUALITY, 101] if path.suffix == ".webp" else [])
    return path


@needs_animations
@pytest.mark.parametrize("name", ["a.gif", "a.png", "a.webp"])
def test_all_frames_of_an_animation_at_their_times(tmp_path, name):
    source = open_input(animation(tmp_path / name, [100, 200, 300, 100]))
    assert isinstance(source, ImageFile if name == "a.webp" else VideoFile)
    frames = list(source)
    assert grays(frames) == [0, 1, 2, 3]
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1, 0.3, 0.6], abs=0.011)


@needs_animations
def test_animations_in_a_folder(tmp_path):
    """Those that folders are read for are read whole; others are named."""
    animation(tmp_path / "1.png", [100] * 3)
    animation(tmp_path / "2.webp", [100] * 2)
    animation(tmp_path / "3.gif", [100] * 2)
    source = open_input(tmp_path)
    assert grays(source) == [0, 1, 2, 0, 1] and [frame.index for frame in source] == [0, 1, 2, 3, 4]
    assert "3.gif" in source.notes[0] and any("2.webp holds 2 images: they are frames 3 to 4" in note for note in source.notes)


def test_what_a_folder_holds_besides_is_told(tmp_path):
    for number in (1, 2):
        jpeg(tmp_path / f"{number}.jpg", 1)
        (tmp_path / f"._{number}.jpg").write_bytes(b"of macOS")
        (tmp_path / f"{number + 2}.heic").write_bytes(b"....ftypheic")
    source = open_input(tmp_path)
    assert len(list(source)) == 2 and len(source.notes) == 1
    assert re_in(source.notes[0], "left out", "2 .heic", "3.heic", "4.heic") and "._" not in source.notes[0]
    with pytest.warns(UserWarning, match="2 .heic"):
        predict(tmp_path, EMBEDDED, BOX, device="cpu")
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").unlink()
    with pytest.raises(UserError, match="no images.*holds 3.heic, 4.heic.*convert"):
        open_input(tmp_path)


def re_in(text, *parts):
    return all(part in text for part in parts)


@pytest.mark.parametrize("brand", [b"heic", b"heix", b"mif1", b"avif", b"avis"])
def test_heic_and_avif_are_refused_by_name(tmp_path, brand):
    """FFmpeg gives one tile of them, or a sideways image."""
    (tmp_path / "a.mp4").write_bytes(b"\0\0\0\x18ftyp" + brand + bytes(64))
    with pytest.raises(UserError, match="HEIC or AVIF are not read; convert"):
        open_input(tmp_path / "a.mp4")


def test_upper_and_lower_case_suffixes_and_numbers(tmp_path):
    for name, gray in (("f1.PNG", 0), ("f2.png", 1), ("f10.Jpg", 2), ("._f3.png", 3), (".f4.png", 4)):
        (tmp_path / name).write_bytes(cv2.imencode(name[-4:].lower(), np.full((8, 8, 3), 40 * gray, np.uint8))[1].tobytes())
    source = open_input(tmp_path)
    assert isinstance(source, FrameFolder) and grays(source) == [0, 1, 2] and not source.notes


def test_a_stream_of_jpegs_is_a_video(tmp_path):
    images = [cv2.imencode(".jpg", page)[1].tobytes() for page in pages(3)]
    (tmp_path / "a.mjpeg").write_bytes(b"".join(images))
    assert grays(open_input(tmp_path / "a.mjpeg")) == [0, 1, 2]


def test_a_broken_image_in_place_of_a_video(tmp_path):
    path = jpeg(tmp_path / "photo.jpg", 1)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match="photo.jpg: broken image, it was cut short; give another"):
        list(open_input(path))


def test_pages_of_a_tiff_whose_name_is_not_utf_8(tmp_path):
    """OpenCV's reader of several pages ended the process at such a name."""
    cv2.imwritemulti(str(tmp_path / "a.tif"), pages(3))
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.tif"))
    (tmp_path / "a.tif").rename(path)
    assert grays(open_input(path)) == grays(open_input(tmp_path)) == [0, 1, 2]
