"""Frames of a video file, also past damaged ones: each keeps its number and time, and those that cannot be decoded are named."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from rpstn.runs.opencv_paths import opencv_path
from rpstn.runs.quiet import quiet

# Header rates outside of this range are placeholders: browsers write 1000 for "varies".
_RATES, _RATE = (0.1, 300.0), 25.0
# So many reads that fail in a row are the end of the packets.
_PATIENCE = 1000


class Decoded(NamedTuple):
    """One frame of a video file.

    index    its number in the file from 0; frames that cannot be decoded count.
    seconds  the stream's own time; of a frame that cannot be decoded, an estimate.
    image    (H,W,3) uint8 BGR as OpenCV gives it; None where it cannot be decoded.
    """

    index: int  # type: ignore[assignment]  # hides tuple.index
    seconds: float
    image: np.ndarray | None


@contextmanager
def open_capture(path: Path, *parameters: int) -> Iterator[cv2.VideoCapture]:
    """Open a video file with OpenCV's FFmpeg for the block. `isOpened()` says whether that succeeded.

    Decoding uses one thread: several would report a damaged frame late, or not at all, and write about it on the terminal at
    any time.
    """
    with quiet(), opencv_path(path) as name:  # OpenCV prints a page about a file that it cannot open
        capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, (cv2.CAP_PROP_N_THREADS, 1, *parameters))
    try:
        yield capture
    finally:
        with quiet():
            capture.release()


def decode(path: Path, capture: cv2.VideoCapture) -> Iterator[Decoded]:
    """Decode the video file `path`, opened as `capture`, frame after frame from its start.

    A failed read is not the end: OpenCV fails at a damaged frame and works again at the next sound one. Which frames were lost
    is found from the times of the decoded ones and of the file's packets, which are listed once a read fails or a time is
    skipped. Frames lost at the very end are not named: their packets look like those that an edit list leaves out.
    """
    gaps: _Gaps | None = None
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if _RATES[0] <= rate <= _RATES[1] else _RATE
    index, last, failed, even = 0, -1 / rate, 0, True
    while True:
        with quiet():
            sound, image = capture.read()
        if not sound:
            gaps = gaps or _Gaps(path, rate)
            failed, gaps.failed = failed + 1, gaps.failed + 1
            if failed > gaps.left(last):
                return
            continue
        seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        steps = (seconds - last) * rate
        if steps > 1.5 and (index or failed):
            gaps = gaps or _Gaps(path, rate)
            lost = gaps.lost(last, seconds, even)
            for time in lost:
                yield Decoded(index, time, None)
                index += 1
            steps /= len(lost) + 1
        yield Decoded(index, seconds, image)
        even = even and abs(steps - 1) < 0.1
        index, last, failed = index + 1, seconds, 0


class _Gaps:
    """Finds which frames are missing between two decoded ones.

    failed  reads that failed and are not explained yet by missing frames. Where frames are stored in another order than they
            are shown, a read fails some frames before the time that is skipped.
    """

    def __init__(self, path: Path, rate: float) -> None:
        self.rate, self.failed = rate, 0
        self.times, self.unreadable = packet_times(path)

    def left(self, last: float) -> int:
        """Count how many packets can follow after a time: at the end reads fail forever, before it each takes a packet."""
        return len(self.times) - bisect_right(self.times, last) + self.unreadable

    def lost(self, last: float, seconds: float, even: bool) -> list[float]:
        """Estimate the times of the frames missing between two times. even: so far, frames follow each other after 1 / rate."""
        apart = 0.3 / self.rate  # some codecs store what is never shown right before a frame
        between: list[float] = []
        for time in self.times[bisect_right(self.times, last + apart) :]:
            if time >= seconds - apart:
                break
            if not between or time > between[-1] + apart:
                between.append(time)
        count = len(between)
        if self.failed:
            # The list lacks packets that are damaged too much to be separated from their neighbors.
            count = max(count, round((seconds - last) * self.rate) - 1 if even else self.failed)
        self.failed = max(self.failed - count, 0)
        if count == len(between):
            return between
        return [last + (seconds - last) * (number + 1) / (count + 1) for number in range(count)]


def packet_times(path: Path) -> tuple[list[float], int]:
    """List the times of a video stream's packets in seconds, ascending, and count the unreadable ones. Nothing is decoded."""
    times: list[float] = []
    unreadable = failed = 0
    with open_capture(path, cv2.CAP_PROP_FORMAT, -1) as capture, quiet():
        while failed < _PATIENCE:
            if capture.grab():
                times.append(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000)
                unreadable, failed = unreadable + failed, 0
            else:
                failed += 1
    return sorted(times), unreadable
