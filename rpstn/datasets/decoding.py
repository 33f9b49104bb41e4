"""Frames of a video file, also past damaged ones: each keeps its number and time, and those that cannot be decoded are named."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from rpstn.datasets.containers import MATROSKA, is_damaged
from rpstn.datasets.edit_list import shown_seconds
from rpstn.runs.opencv_paths import opencv_path
from rpstn.runs.quiet import quiet

# Header rates outside of this range are placeholders: browsers write 1000 for "varies".
_RATES, _RATE = (0.1, 300.0), 25.0
# So many reads that fail in a row are the end of the packets.
_PATIENCE = 1000
_MOST = 1e9  # frames; a header that states more states nothing
# Frames follow each other evenly where no more steps than these, or than this share, are of another length.
_GAPS, _UNEVEN = 2, 0.1


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


def decode(path: Path, capture: cv2.VideoCapture, doubts: list[int] | None = None) -> Iterator[Decoded]:
    """Decode the video file `path`, opened as `capture`, frame after frame from its start.

    A failed read is not the end: OpenCV fails at a damaged frame and works again at the next sound one. Which frames were lost
    is found from the times of the decoded ones and of the file's packets, which are listed once a read fails or a time is
    skipped. Frames that an edit list leaves out are none.

    doubts  gets the numbers of frames before which the file lacks others, nobody can tell how many: its container is damaged,
            and its frames do not follow each other evenly, or those at its start are gone.
    """
    gaps: _Gaps | None = None
    rate = capture.get(cv2.CAP_PROP_FPS)
    rate = rate if _RATES[0] <= rate <= _RATES[1] else _RATE
    index, last, failed = 0, -1 / rate, 0
    while True:
        with quiet():
            sound, image = capture.read()
        if not sound:
            gaps = gaps or _Gaps(path, rate, capture.get(cv2.CAP_PROP_FRAME_COUNT))
            failed, gaps.failed = failed + 1, gaps.failed + 1
            if failed > gaps.left(last):
                if gaps.damaged and doubts is not None and (not gaps.found or late_start(path)):
                    doubts.insert(0, 0)
                lost = gaps.after(last) if index else []  # a video of which nothing can be decoded has no numbers
                yield from (Decoded(index + number, time, None) for number, time in enumerate(lost))
                return
            continue
        seconds = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if (seconds - last) * rate > 1.5 and (index or failed):
            gaps = gaps or _Gaps(path, rate, capture.get(cv2.CAP_PROP_FRAME_COUNT))
            for time in gaps.lost(last, seconds):
                yield Decoded(index, time, None)
                index += 1
            if gaps.unsure and doubts is not None:
                doubts.append(index)
        yield Decoded(index, seconds, image)
        index, last, failed = index + 1, seconds, 0


class _Gaps:
    """Finds which frames are missing between two decoded ones.

    failed  reads that failed and are not explained yet by missing frames. Where frames are stored in another order than they
            are shown, a read fails some frames before the time that is skipped.
    unsure  whether the container lost frames between the last two times that were asked for, nobody can tell how many.
    found   whether any are missing.
    """

    def __init__(self, path: Path, rate: float, stated: float) -> None:
        self.rate, self.failed, self.unsure, self.found = rate, 0, False, False
        self.stated = int(stated) if 0 < stated < _MOST else 0
        self.path = path
        readable, self.unreadable = packet_times(path)
        self.times = sorted(readable + self.unreadable)
        self.damaged = is_damaged(path)
        steps = np.diff(readable) * rate
        uneven = int((np.abs(steps - 1) > 0.1).sum())
        self.even = uneven <= max(_GAPS, _UNEVEN * len(steps))

    def left(self, last: float) -> int:
        """Count how many packets can follow after a time: at the end reads fail forever, before it each takes a packet."""
        return len(self.times) - bisect_right(self.times, last)

    def lost(self, last: float, seconds: float) -> list[float]:
        """Estimate the times of the frames missing between two times."""
        apart = 0.3 / self.rate  # some codecs store what is never shown right before a frame
        between: list[float] = []
        for time in self.times[bisect_right(self.times, last + apart) :]:
            if time >= seconds - apart:
                break
            if not between or time > between[-1] + apart:
                between.append(time)
        count = len(between)
        # The list lacks packets that are damaged too much to be separated from their neighbors, and those that a damaged
        # container lost. Where it is whole and explains what failed, it knows better than the rate.
        lacking = self.failed > count or (self.even and len(self.unreadable) > 0) or self._skipped(last, [*between, seconds])
        if lacking:
            count = max(count, round((seconds - last) * self.rate) - 1 if self.even else self.failed)
        self.unsure = lacking and not self.even and count == len(between)
        self.found = self.found or self.unsure or count > 0
        self.failed = max(self.failed - count, 0)
        if count == len(between):
            return between
        return [last + (seconds - last) * (number + 1) / (count + 1) for number in range(count)]

    def after(self, last: float) -> list[float]:
        """List the times of the frames missing after the last one that is decoded."""
        end, half = shown_seconds(self.path), 0.5 / self.rate
        found = [time for time in self.times if last + half < time < end - half]
        if math.isfinite(end) and self.even and not found:
            # Packets that cannot be read are not listed at the end, but an MP4 or MOV counts them.
            guesses = (last + number / self.rate for number in range(1, 1 + self.stated - len(self.times)))
            found = [time for time in guesses if time < end - half]
        return found

    def _skipped(self, last: float, times: list[float]) -> bool:
        """Say whether a damaged container took frames after a time: one of the steps to the next times is too long."""
        return self.damaged and max(np.diff([last, *times])) * self.rate > 1.5


def late_start(path: Path) -> float:
    """Find how many frames late a Matroska or WebM file begins: OpenCV's times count from there, its duration counts from 0."""
    with path.open("rb") as file:
        if file.read(4) != MATROSKA:
            return 0.0
    with open_capture(path, cv2.CAP_PROP_FORMAT, -1) as packets, quiet():
        start = packets.get(cv2.CAP_PROP_PTS) if packets.grab() else 0.0
    return start if math.isfinite(start) and start > 0 else 0.0


def missing_where(doubts: list[int]) -> str:
    """Say in words where frames are missing, by the doubts that `decode` gave."""
    return "somewhere" if doubts[0] == 0 else f"somewhere after frame {doubts[0] - 1}"


def packet_times(path: Path) -> tuple[list[float], list[float]]:
    """List the times of a video stream's packets in seconds, ascending, and estimates for those that cannot be read.

    Nothing is decoded. Packets that cannot be read are counted where one that can be follows.
    """
    times: list[float] = []
    estimates: list[float] = []
    failed = 0
    with open_capture(path, cv2.CAP_PROP_FORMAT, -1) as capture, quiet():
        while failed < _PATIENCE:
            if not capture.grab():
                failed += 1
                continue
            time = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            if failed:
                before = times[-1] if times else 2 * min(time, 0) - time / failed  # so that the first of all stands at 0
                estimates += np.linspace(before, time, failed + 2)[1:-1].tolist()
            times.append(time)
            failed = 0
    return sorted(times), sorted(estimates)
