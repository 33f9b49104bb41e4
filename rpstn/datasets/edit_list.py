"""The index of an MP4 or MOV: whether it is there, and what its edit list leaves out, frames that are stored and never shown."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import BinaryIO


def shown_seconds(path: Path) -> float:
    """Find how many seconds of its video a file shows by its edit list; infinity where no list limits it."""
    try:
        with path.open("rb") as file:
            movie = _movie(file)
        scales = _inside(movie, b"mvhd")
        for track in _inside(movie, b"trak"):
            handlers = [box for media in _inside(track, b"mdia") for box in _inside(media, b"hdlr")]
            lists = [box for edits in _inside(track, b"edts") for box in _inside(edits, b"elst")]
            if scales and lists and any(box[8:12] == b"vide" for box in handlers):
                (scale,) = struct.unpack_from(">I", scales[0], 20 if scales[0][0] else 12)
                # No duration: up to the end, as in files that are written in fragments.
                return _duration(lists[0]) / scale or math.inf
    except (OSError, struct.error, IndexError, ZeroDivisionError):  # whoever decodes it says so
        pass
    return math.inf


def lacks_index(path: Path) -> bool:
    """Say whether a file begins as an MP4 and lacks the box that describes its tracks, without which nothing can be decoded."""
    try:
        with path.open("rb") as file:
            begins = file.read(8)[4:] == b"ftyp"
            file.seek(0)
            return begins and not _movie(file)
    except (OSError, struct.error):
        return False


def _movie(file: BinaryIO) -> bytes:
    """Read the box that describes the tracks; it stands before or after that of the pixels."""
    while len(head := file.read(16)) == 16:
        size, kind = struct.unpack_from(">I4s", head)
        start = 8
        if size == 1:
            (size,), start = struct.unpack_from(">Q", head, 8), 16
        if size < start:  # 0: up to the end of the file
            break
        file.seek(start - 16, 1)
        if kind == b"moov":
            return file.read(size - start)
        file.seek(size - start, 1)
    return b""


def _inside(box: bytes, wanted: bytes) -> list[bytes]:
    """List the contents of the boxes of one kind that stand in another."""
    found, place = [], 0
    while place + 8 <= len(box):
        size, kind = struct.unpack_from(">I4s", box, place)
        if size < 8:
            break
        if kind == wanted:
            found.append(box[place + 8 : place + size])
        place += size
    return found


def _duration(edits: bytes) -> int:
    """Add up what an edit list shows. Its empty edits, which wait before the first frame, do not count."""
    form, step = (">Qq", 20) if edits[0] else (">Ii", 12)
    (count,) = struct.unpack_from(">I", edits, 4)
    pairs = [struct.unpack_from(form, edits, 8 + step * number) for number in range(min(count, len(edits) // step))]
    return sum(duration for duration, first in pairs if first >= 0)
