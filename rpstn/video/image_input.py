"""Image files as frames: a folder of them, or one file that a person gives in place of a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rpstn.datasets.frame_files import IMAGES, describe_left_out, frame_files, visible
from rpstn.errors import UserError
from rpstn.video.image_pages import read_pages
from rpstn.video.input_frames import DEFAULT_FPS, Frame, same_size, usable

# Removing it would move the times and the boxes of all frames behind it.
REMEDY = "put a whole image in its place, such as a copy of its neighbor"
_NAMED = 5  # names that one line has room for


@dataclass
class FrameFolder:
    """Images of a folder as frames, in the order of the numbers in their names (2.png before 10.png), upright.

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
        for path in self.paths:
            first = index
            for index, page in enumerate(read_pages(path, REMEDY), first):
                yield Frame(index, index / self.fps, page.pixels)
            note = f"{path.name} holds {index - first + 1} images: they are frames {first} to {index}"
            if index > first and note not in self.notes:
                self.notes.append(note)
            index += 1


@dataclass
class ImageFile:
    """An image file as a video of one upright frame, or of all the images that it holds. An animation has times of its own."""

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
            if not index and page.lasts and usable(1 / page.lasts):
                self.fps = 1 / page.lasts
            yield Frame(index, index / self.fps if page.seconds is None else page.seconds, page.pixels)


def _some(names: Sequence[str]) -> str:
    """The names, or the first of many."""
    shown = ", ".join(names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
