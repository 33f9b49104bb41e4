"""Image files that are frames: which files of a folder are, and in which order.

The one rule for own data and for `rpstn predict FOLDER`, so that frame i is the same image for both.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

from rpstn.errors import UserError

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff")
# Images too, in formats that are not read.
OTHER_IMAGES = tuple(
    ".heic .heif .hif .avif .jxl .jp2 .j2k .jfif .jpe .gif .ppm .pgm .pbm .pnm .tga .exr .hdr .psd .dng .raw .cr2 .cr3 .nef .arw "
    ".orf .rw2 .raf .ico".split()
)


def frame_files(folder: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """List the images of a folder in the order of the numbers in their names, 2.png before 10.png.

    Hidden files are none, such as the `._2.png` that macOS puts next to 2.png. Upper and lower case do not count.

    Returns the paths, and the names of images in formats that are not read. Raises UserError where two names claim the same
    frame, such as 2.png and 02.png, where their numbers have fractions or signs, which would be ordered wrongly, and OSError for
    a folder that cannot be listed.
    """
    there = visible(folder.iterdir())
    found = [path for path in there if path.suffix.lower() in IMAGES and not path.is_dir()]
    paths = tuple(sorted(found, key=natural))
    _check_numbers(folder, paths)
    for one, other in zip(paths, paths[1:], strict=False):
        if natural(one) == natural(other):
            raise UserError(f"{folder}: {one.name} and {other.name} claim the same frame; keep one of them, or rename it")
    return paths, tuple(sorted(path.name for path in there if path.suffix.lower() in OTHER_IMAGES))


def _check_numbers(folder: Path, paths: tuple[Path, ...]) -> None:
    """Raise UserError for names, given in natural order, whose numbers may have fractions or signs, which have another order."""
    remedy = "name them by whole numbers that count the frames, such as 000001.png"
    for one, other in zip(paths, sorted(paths, key=_by_value), strict=True):
        if one != other:
            raise UserError(
                f"{folder}: {one.name} stands before or behind {other.name}, as its number has a fraction or two parts; {remedy}"
            )
    forms = {re.sub(r"\d+", "0", path.stem.casefold()): path for path in paths}
    for form, path in forms.items():
        unsigned = form[1:] if form.startswith("-0") else re.sub(r"(?<!0)-0", "0", form)
        if unsigned != form and (unsigned in forms or form.startswith("-0")):
            raise UserError(f"{folder}: {path.name} may be a number below 0, or not; {remedy}")


def _by_value(path: Path) -> list[tuple[int, Fraction, str]]:
    """Give the key that sorts names by the numbers in them, one with a point or a comma in it being a fraction."""
    parts = re.split(r"((?<![\d.,])\d+[.,]\d+(?![\d.,])|\d+)", path.stem.casefold())
    return [(1, Fraction(part.replace(",", ".")), "") if part[:1].isdecimal() else (0, Fraction(0), part) for part in parts]


def with_suffix(folder: Path, suffix: str) -> list[Path]:
    """List the files of a folder with that suffix, in upper or lower case, sorted; none of a folder that is not there."""
    there = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in visible(there) if path.suffix.lower() == suffix)


def visible(paths: Iterable[Path]) -> list[Path]:
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
