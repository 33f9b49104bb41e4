"""Image files that are frames: which files of a folder are, in which order, and how many images a file holds.

The one rule for own data and for `rpstn predict FOLDER`, so that frame i is the same image for both.
"""

from __future__ import annotations

import re
import struct
from collections import Counter
from pathlib import Path

from rpstn.errors import UserError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
# Images too, in formats that are not read.
_OTHERS = tuple(
    ".heic .heif .hif .avif .jxl .jp2 .j2k .jfif .jpe .gif .ppm .pgm .pbm .pnm .tga .exr .hdr .psd .dng .raw .cr2 .cr3 .nef .arw "
    ".orf .rw2 .raf .ico".split()
)
TIFF = {b"II*\0": ("<", 4), b"MM\0*": (">", 4), b"II+\0": ("<", 8), b"MM\0+": (">", 8)}
_NEW_SUBFILE_TYPE, _NO_FRAME = 254, 0b101  # a smaller copy, or a mask


def frame_files(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """List the images of a folder in the order of the numbers in their names, 2.png before 10.png.

    Hidden files are none, such as the `._2.png` that macOS puts next to 2.png. Upper and lower case do not count.

    Returns the paths, and the names of images in formats that are not read. Raises UserError where two names have the same
    place, such as 2.png and 02.png, and OSError for a folder that cannot be listed.
    """
    there = visible(folder.iterdir())
    found = [path for path in there if path.suffix.lower() in IMAGES and not path.is_dir()]
    paths = tuple(sorted(found, key=natural))
    for one, other in zip(paths, paths[1:], strict=False):
        if natural(one) == natural(other):
            raise UserError(f"{folder}: {one.name} and {other.name} claim the same frame; keep one of them, or rename it")
    return paths, tuple(sorted(path.name for path in there if path.suffix.lower() in _OTHERS))


def visible(paths) -> list[Path]:
    """Leave out hidden files, as systems put them next to others."""
    return [path for path in paths if not path.name.startswith(".")]


def natural(path: Path) -> list[tuple[int, int, str]]:
    """Give the key that sorts names by the numbers in them. The suffix does not count."""
    parts = re.split(r"(\d+)", path.stem.casefold())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts]


def describe_left_out(names: tuple[str, ...]) -> str:
    """Say in words which images of a folder are not read: "3 images that are not read (2 .heic, 1 .gif: a.heic, b.heic, ...)"."""
    kinds = Counter(Path(name).suffix.lower() for name in names)
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    counted = ", ".join(f"{count} {suffix}" for suffix, count in sorted(kinds.items()))
    return f"{len(names)} image{'s'[: len(names) > 1]} in a format that is not read ({counted}: {shown})"


def count_images(data: bytes) -> int:
    """Count the images in an image file: pages of a TIFF, frames of an animated PNG or WebP; 1 for any other, or a broken one.

    Smaller copies and masks in a TIFF do not count.
    """
    if data[:4] in TIFF:
        return max(sum(tiff_pages(data)), 1)
    if data.startswith(b"\x89PNG"):
        animated = data.partition(b"IDAT")[0].partition(b"acTL")[2]
        return struct.unpack(">I", animated[:4])[0] if len(animated) >= 4 else 1
    if data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X":
        return max(data.count(b"ANMF"), 1)
    return 1


def tiff_pages(data: bytes) -> list[bool]:
    """Follow the chain of directories, each with the tags of one image: whether it is a frame, not a smaller copy or a mask."""
    order, word = TIFF[data[:4]]
    size, count, offset, entry = (word, "H", "I", 12) if word == 4 else (word, "Q", "Q", 20)
    pages, seen = [], set()
    try:
        (place,) = struct.unpack_from(order + offset, data, size)
        while place and place not in seen:
            seen.add(place)
            (tags,) = struct.unpack_from(order + count, data, place)
            first = place + struct.calcsize(order + count)
            kind = 0
            for start in range(first, first + tags * entry, entry):
                if struct.unpack_from(order + "H", data, start)[0] == _NEW_SUBFILE_TYPE:
                    (kind,) = struct.unpack_from(order + "I", data, start + entry - size)
            pages.append(not kind & _NO_FRAME)
            (place,) = struct.unpack_from(order + offset, data, first + tags * entry)
    except struct.error:  # broken off: the image reader says so
        pass
    return pages
