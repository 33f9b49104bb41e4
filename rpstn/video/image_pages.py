"""Image files that hold more than one image: pages of a TIFF, frames of an animated PNG or WebP."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.image_pages import is_animated, is_animated_png, tiff_pages
from rpstn.datasets.sources import read_image
from rpstn.errors import UserError

_GIF = (b"GIF87a", b"GIF89a")
_HEIF = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"mif2", b"msf1", b"avif", b"avis")
_JPEG_STREAMS = (".mjpeg", ".mjpg")
_SHORTEST, _USUAL = 10, 0.1  # browsers show for 0.1 s what an animation wants shown for 10 ms or less
_BATCH = 8  # pages decoded at once: finding one goes through all before it


@dataclass(frozen=True)
class Page:
    """One image (H,W,3) uint8 RGB of a file. seconds: when an animation shows it, and lasts: for how long; else None."""

    pixels: np.ndarray
    seconds: float | None = None
    lasts: float | None = None


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
    if path.suffix.lower() in _JPEG_STREAMS or not cv2.haveImageReader(str(path)):
        return False
    return not start.startswith(_GIF) and not is_animated_png(start)


def read_pages(path: Path, remedy: str) -> Iterator[Page]:
    """Read all images of a file, upright, in their order. Smaller copies and masks that a TIFF holds as well are no frames.

    remedy  what the user can do about a broken one.
    Raises UserError for a file, or a page of it, that cannot be read.
    """
    try:
        with path.open("rb") as file:
            start = file.read(1 << 16)
            pages = tiff_pages(start + file.read()) if start[:2] in (b"II", b"MM") else []
    except OSError as error:
        raise UserError(f"{path}: cannot read this image ({error.strerror}); {remedy}") from error
    if pages and not any(pages):
        raise UserError(f"{path}: it shows only smaller copies of its image, as raw files of cameras do; convert it to PNG")
    if len(pages) > 1:
        yield from _read_tiff(path, pages, remedy)
    elif is_animated(start):
        yield from _read_animation(path, remedy)
    else:
        yield Page(read_image(path, upright=True, remedy=remedy))


def _read_tiff(path: Path, pages: list[bool], remedy: str) -> Iterator[Page]:
    for start in range(0, len(pages), _BATCH):
        wanted = pages[start : start + _BATCH]
        if not any(wanted):
            continue
        whole, images = cv2.imreadmulti(str(path), start, len(wanted), flags=cv2.IMREAD_COLOR)
        if not whole or len(images) < len(wanted):
            raise UserError(f"{path}: broken image, one of its pages from {start + len(images)} on cannot be decoded; {remedy}")
        for image, frame in zip(images, wanted, strict=True):
            if frame:
                yield Page(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))


def _read_animation(path: Path, remedy: str) -> Iterator[Page]:
    if not hasattr(cv2, "imdecodeanimation"):
        raise UserError(f"{path}: an animation, which this OpenCV cannot read; make a video of it, or update OpenCV")
    whole, animation = cv2.imdecodeanimation(np.fromfile(path, np.uint8))
    if not whole or not len(animation.frames):
        raise UserError(f"{path}: broken image, its frames cannot be decoded; {remedy}")
    seconds = 0.0
    for image, duration in zip(animation.frames, animation.durations, strict=True):
        lasts = float(duration) / 1000 if duration > _SHORTEST else _USUAL
        yield Page(np.ascontiguousarray(image[..., 2::-1]), seconds, lasts)
        seconds += lasts
