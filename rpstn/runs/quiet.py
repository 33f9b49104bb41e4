"""Keeping what C libraries print on stderr off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class _Silence:
    """Point file descriptor 2 at nothing when the first block begins, and back when the last one ends.

    It belongs to the whole process: of two blocks that overlap in time, as those of two threads do, the second would keep, and
    bring back, what the first had put there.
    """

    def __init__(self) -> None:
        self._lock, self._blocks, self._kept = threading.Lock(), 0, -1

    def __enter__(self) -> None:
        with self._lock:
            if not self._blocks:
                self._kept = _send_away(2)
            self._blocks += 1

    def __exit__(self, *_error: object) -> None:
        with self._lock:
            self._blocks -= 1
            if not self._blocks and self._kept >= 0:
                os.dup2(self._kept, 2)
                os.close(self._kept)

    def copy(self) -> int:
        """Return a file descriptor of what 2 is outside of all blocks. Raises OSError where that is closed."""
        with self._lock:
            return os.dup(self._kept if self._blocks else 2)


def _send_away(descriptor: int) -> int:
    """Point a file descriptor at nothing. Returns a copy of what it was, -1 where it is closed (`2>&-`)."""
    try:
        kept = os.dup(descriptor)
    except OSError:
        return -1
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)
    return kept


_SILENCE = _Silence()


def quiet() -> _Silence:
    """Keep what C code prints on stderr within `with quiet():` out of terminals and notebooks; blocks may overlap.

    For every .webm, FFmpeg notes that the codec's tag is none of the container's, takes the correct one and
    continues; for a damaged frame it writes several lines.
    """
    return _SILENCE


_HEARING = threading.Lock()
_MOST = 1 << 16  # bytes of what is said


@contextmanager
def hearing() -> Iterator[list[str]]:
    """Keep what C code prints on stderr out of terminals, as `quiet` does, and give a list that holds its lines afterwards.

    One block at a time, so that it is known who said what; stderr belongs to the whole process.
    """
    said: list[str] = []
    with _HEARING, quiet(), tempfile.TemporaryFile() as sink:
        try:
            before = os.dup(2)
        except OSError:  # closed: nobody can be heard
            yield said
            return
        os.dup2(sink.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(before, 2)
            os.close(before)
            sink.seek(0)
            said += sink.read(_MOST).decode("utf-8", "replace").splitlines()


@contextmanager
def audible() -> Iterator[TextIO]:
    """Give sys.stderr as a stream that `quiet` does not silence: for a progress bar while another thread decodes."""
    if sys.stderr is None:  # started with 2>&-
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            yield nowhere
        return
    try:
        copy = _SILENCE.copy() if sys.stderr.fileno() == 2 else -1
    except (AttributeError, OSError, ValueError):  # a notebook's, or a stream that a program put there
        copy = -1
    if copy < 0:
        yield sys.stderr
        return
    with open(copy, "w", encoding=sys.stderr.encoding, errors=sys.stderr.errors, buffering=1) as stream:
        yield stream
