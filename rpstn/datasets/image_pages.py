"""Which files are images, and how many images one holds: pages of a TIFF, frames of an animated PNG or WebP."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2

from rpstn.errors import UserError
from rpstn.runs.opencv_paths import opencv_path

_TIFF = {b"II*\0": ("<", 4), b"MM\0*": (">", 4), b"II+\0": ("<", 8), b"MM\0+": (">", 8)}
_PNG, _WEBP = b"\x89PNG", b"WEBPVP8X"
_GIF = (b"GIF87a", b"GIF89a")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis")
_JPEG_STREAMS = (".mjpeg", ".mjpg")
_NEW_SUBFILE_TYPE, _NO_FRAME = 254, 0b101  # a smaller copy, or a mask


def is_image(path: Path) -> bool:
    """Say by its content whether a file is one for OpenCV's image readers, which turn images upright.

    Raises UserError for HEIC and AVIF, of which decoders give a tile, or an image that is not turned.

    Animated PNGs and GIFs are videos: FFmpeg gives their frames one by one. So is a stream of JPEGs, known by its suffix only.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
    except OSError:  # whoever decodes it says so
        return False
    if start[4:8] == b"ftyp" and start[8:12] in _HEIF:
        raise UserError(f"{path}: images in HEIC or AVIF are not read; convert it to JPEG or PNG and give that")
    if path.suffix.lower() in _JPEG_STREAMS:
        return False
    with opencv_path(path) as name:
        if not cv2.haveImageReader(name):
            return False
    return not start.startswith(_GIF) and not is_animated_png(start)


def count_images(data: bytes) -> int:
    """Count the images in an image file: pages of a TIFF, frames of an animated PNG or WebP; 1 for any other, or a broken one.

    Smaller copies and masks in a TIFF do not count.
    """
    if data[:4] in _TIFF:
        return max(sum(tiff_pages(data)), 1)
    if is_animated_png(data):
        control = data.partition(b"acTL")[2]
        return int.from_bytes(control[:4], "big") if len(control) >= 4 else 1
    if data[:4] == b"RIFF" and data[8:16] == _WEBP:
        return max(data.count(b"ANMF"), 1)
    return 1


def is_animated_png(data: bytes) -> bool:
    """Say whether data starts as an animated PNG: the chunk that says so stands before the pixels."""
    return data.startswith(_PNG) and b"acTL" in data.partition(b"IDAT")[0]


def is_animated(data: bytes) -> bool:
    """Say whether data starts as an animated PNG or WebP."""
    return is_animated_png(data) or (data[:4] == b"RIFF" and data[8:16] == _WEBP and len(data) > 20 and bool(data[20] & 2))


def tiff_pages(data: bytes) -> list[bool]:
    """Say of each image in a TIFF whether it is a frame, not a smaller copy or a mask. None for other files.

    The images' tags lie in a chain of directories, which is followed.
    """
    if data[:4] not in _TIFF:
        return []
    order, word = _TIFF[data[:4]]
    size, count, offset, entry = (word, "H", "I", 12) if word == 4 else (word, "Q", "Q", 20)
    pages: list[bool] = []
    seen: set[int] = set()
    try:
        (directory,) = struct.unpack_from(order + offset, data, size)
        while directory and directory not in seen:
            seen.add(directory)
            (tags,) = struct.unpack_from(order + count, data, directory)
            first = directory + struct.calcsize(order + count)
            kind = 0
            for start in range(first, first + tags * entry, entry):
                if struct.unpack_from(order + "H", data, start)[0] == _NEW_SUBFILE_TYPE:
                    (kind,) = struct.unpack_from(order + "I", data, start + entry - size)
            pages.append(not kind & _NO_FRAME)
            (directory,) = struct.unpack_from(order + offset, data, first + tags * entry)
    except struct.error:  # broken off: the image reader says so
        pass
    return pages
