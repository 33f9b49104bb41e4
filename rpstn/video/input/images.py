"""Image files as frames: a folder of them, or one file given in place of a video.

A file may hold several images, each a frame: pages of a TIFF, frames of an animated PNG or WebP.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.frame_files import IMAGES, describe_left_out, frame_files, visible
from rpstn.datasets.image_damage import damage_in
from rpstn.datasets.image_pages import is_animated, tiff_pages
from rpstn.datasets.sources import look_at_image
from rpstn.errors import UserError
from rpstn.runs.opencv_paths import opencv_path
from rpstn.runs.quiet import hearing
from rpstn.video.input.frames import DEFAULT_FPS, Frame, same_size, usable

# Removing it would move the times and the boxes of all frames after it.
REMEDY = "put a whole image in its place, such as a copy of its neighbor"
_INSIDE = ": damaged inside, so that a part of the pixels is not what was stored"
_NAMED = 5  # names that one line has room for
_SHORTEST, _USUAL = 10, 0.1  # browsers show for 0.1 s what an animation wants shown for 10 ms or less
_BATCH = 8  # pages decoded at once: finding one goes through all before it


@dataclass
class FrameFolder:
    """Read the images of a folder as frames, in the order of the numbers in their names (2.png before 10.png), upright.

    A file of several images gives all of them. What of the folder is no frame is named in the notes.
    """

    path: Path
    fps: float = DEFAULT_FPS
    live: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.path.resolve().name
        try:
            self.paths, left_out = frame_files(self.path)
        except OSError as error:
            raise UserError(f"{self.path}: this folder cannot be read ({error.strerror}); allow it, or give another") from error
        self.count: int | None = len(self.paths)
        if not self.paths:
            names = sorted(path.name for path in visible(self.path.iterdir()))
            there = f"; it holds {_some(names)}" if names else ""
            raise UserError(
                f"{self.path}: this folder has no images ({', '.join(IMAGES)}){there}: give one of frames, or a video, or "
                "convert what it holds to PNG or JPEG"
            )
        if left_out:
            self.notes.append(f"left out of {self.name}: {describe_left_out(left_out)}")

    def __iter__(self) -> Iterator[Frame]:
        return same_size(self._read(), self.notes)

    def _read(self) -> Iterator[Frame]:
        """read_pages makes RGB of gray, 16-bit and 4-channel images, and names the one that is broken."""
        index = 0
        damaged: dict[str, None] = {}
        for path in self.paths:
            first = index
            for index, page in enumerate(read_pages(path, REMEDY), first):
                if page.damage:
                    damaged[path.name] = None
                    _note_damage(self.notes, list(damaged))
                yield Frame(index, index / self.fps, page.pixels)
            note = f"{path.name} holds {index - first + 1} images: they are frames {first} to {index}"
            if index > first and note not in self.notes:
                self.notes.append(note)
            index += 1


@dataclass
class ImageFile:
    """Read an image file as a video of one upright frame, or of all the images that it holds. An animation has its own times."""

    path: Path
    fps: float = DEFAULT_FPS
    count: int | None = None
    live: bool = False
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.path.name

    def __iter__(self) -> Iterator[Frame]:
        return same_size(self._read(), self.notes)

    def _read(self) -> Iterator[Frame]:
        for index, page in enumerate(read_pages(self.path, "give another")):
            if page.damage:
                _note_damage(self.notes, [self.name])
            if not index and page.lasts and usable(1 / page.lasts):
                self.fps = 1 / page.lasts
            yield Frame(index, index / self.fps if page.seconds is None else page.seconds, page.pixels)


def _some(names: Sequence[str]) -> str:
    """Return the names, or the first of many."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"


def _note_damage(notes: list[str], damaged: list[str]) -> None:
    """Keep one note of the images that are damaged inside, whose names are given."""
    if damaged:
        notes[:] = [note for note in notes if not note.endswith(_INSIDE)]
        notes.append(f"{len(damaged)} image{'s'[: len(damaged) > 1]} ({_some(damaged)}){_INSIDE}")


@dataclass(frozen=True)
class Page:
    """One image (H,W,3) uint8 RGB of a file.

    seconds  when an animation shows it, and lasts: for how long; else None.
    damage   what could not be decoded, in the decoder's words; "" for nothing.
    """

    pixels: np.ndarray
    seconds: float | None = None
    lasts: float | None = None
    damage: str = ""


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
        pixels, damage = look_at_image(path, upright=True, remedy=remedy)
        yield Page(pixels, damage=damage)


def _read_tiff(path: Path, pages: list[bool], remedy: str) -> Iterator[Page]:
    for start in range(0, len(pages), _BATCH):
        wanted = pages[start : start + _BATCH]
        if not any(wanted):
            continue
        with opencv_path(path) as name, hearing() as said:
            whole, images = cv2.imreadmulti(name, start, len(wanted), flags=cv2.IMREAD_COLOR)
        if not whole or len(images) < len(wanted):
            raise UserError(f"{path}: broken image, one of its pages from {start + len(images)} on cannot be decoded; {remedy}")
        for image, frame in zip(images, wanted, strict=True):
            if frame:
                yield Page(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), damage=damage_in(said))


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
