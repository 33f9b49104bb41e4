"""A video file as frames: decoded past what is damaged, with its own times, and with what could not be read in its notes."""

from __future__ import annotations

import itertools
import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from rpstn.datasets.decoding import Decoded, decode, late_start, missing_where, open_capture, packet_times
from rpstn.datasets.edit_list import lacks_index
from rpstn.datasets.frame_files import IMAGES, OTHER_IMAGES
from rpstn.errors import UserError
from rpstn.video.input.frames import DEFAULT_FPS, Frame, as_rgb, same_size, usable

_LOOK = 12  # frames whose times give the rate where the header does not
_NAMED = 8  # stretches of lost frames that a note names
_IMAGE_CODECS = ("mjpg", "mpng", "png", "apng", "jpeg", "bmp", "gif", "webp", "tiff")
_CODECS = {"av01": "AV1", "vvc1": "H.266", "vvi1": "H.266", "hevc": "H.265", "hev1": "H.265", "hvc1": "H.265", "h264": "H.264"}
_NO_IMAGE = "its name is an image's, and it holds none that can be decoded: it is broken, or something else; give another file"
_CONVERT = "convert it, for example with ffmpeg -i IN -c:v libx264 OUT.mp4"


@dataclass
class VideoFile:
    """Decode a video file from its start, with OpenCV. Times are the stream's own where they increase.

    lost    times of the frames that cannot be decoded, by number, as far as it is read. They are left out; all others keep
            number and time.
    doubts  frames before which the file lacks others, as `decode` says.

    Raises UserError for a file without a video stream, and, when iterated, for one without a frame that can be decoded.
    """

    path: Path
    fps: float = DEFAULT_FPS
    count: int | None = None
    live: bool = False
    notes: list[str] = field(default_factory=list)
    lost: dict[int, float] = field(default_factory=dict)
    doubts: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name = self.path.name
        with self._opened() as capture:
            self._read_header(capture)

    @contextmanager
    def _opened(self) -> Iterator[cv2.VideoCapture]:
        with open_capture(self.path) as capture:
            if not capture.isOpened():
                raise UserError(f"{self.path}: {self._why_closed()}")
            yield capture

    def _why_closed(self) -> str:
        try:
            with self.path.open("rb") as file:
                empty = not file.read(1)
        except OSError as error:
            return f"this file cannot be read ({error.strerror}); allow it, or give another"
        if empty:
            return "no video can be read, the file is empty; give another"
        if self.path.suffix.lower() in IMAGES:
            return _NO_IMAGE
        if self.path.suffix.lower() in OTHER_IMAGES:
            return f"images in the format {self.path.suffix.lower()} are not read; convert it to PNG or JPEG and give that"
        if lacks_index(self.path):
            return (
                "no video can be read, it lacks the index (moov) of an MP4: it was cut off, or its recording was, before the "
                "end; copy it again, or give another"
            )
        with open_capture(self.path, cv2.CAP_PROP_FORMAT, -1) as packets:  # without a decoder
            if packets.isOpened():
                return f"OpenCV has no decoder here for its codec, {_codec(packets)}; {_CONVERT}, or give another"
        return "no video can be read, it has no video stream that OpenCV knows; give another file, or convert it to .webm or .mp4"

    def _read_header(self, capture: cv2.VideoCapture) -> None:
        stated = capture.get(cv2.CAP_PROP_FPS)
        self.fps = stated if usable(stated) else 0.0
        count = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.count = None
        if self.fps:  # where a header has no number of frames, OpenCV gives duration times rate
            self.count = int(count) if math.isfinite(count) and 0 < count < 1e9 else None
        elif _fourcc(capture) in _IMAGE_CODECS and len(packet_times(self.path)[0]) == 1:
            raise UserError(
                f"{self.path}: this is sound with a cover image, not a video; give a video, or save the cover as an image file"
            )

    def __iter__(self) -> Iterator[Frame]:
        self.lost.clear()
        self.doubts.clear()
        self.notes.clear()
        return same_size(self._timed(), self.notes)

    def _timed(self) -> Iterator[Frame]:
        decoded = self._decoded()
        first = deque(itertools.islice(decoded, _LOOK))
        if not first:
            raise UserError(f"{self.path}: {self._why_no_frame()}")
        if not self.fps:
            steps = np.diff([frame.seconds for frame in first])
            steps = steps[steps > 0]
            rate = 1 / float(np.median(steps)) if len(steps) else 0.0
            self.fps = rate if usable(rate) else DEFAULT_FPS
        start, seconds, last, index, guessed = first[0].seconds, 0.0, -1.0, -1, 0
        try:
            for index, seconds, image in self._from(first, decoded):
                moment = seconds - start
                if not math.isfinite(moment) or moment <= last:
                    # A stream without times, or with times that go back, is taken to run evenly.
                    moment, guessed = last + 1 / self.fps if index else 0.0, guessed + bool(index)
                last = moment
                if image is None:
                    self.lost[index] = moment
                else:
                    yield Frame(index, moment, image)
            if self.count is None or index + 1 < self.count:
                self._look_past_the_end(seconds, last)
        finally:  # also where no more is wanted
            if self.lost:
                named, one = _in_words(list(self.lost)), len(self.lost) == 1
                what = f"frame {named} could not be decoded and has" if one else f"frames {named} could not be decoded and have"
                self.notes.append(f"{what} no pose: the file is damaged there")
            if self.doubts:
                where = missing_where(self.doubts)
                self.notes.append(f"the file is damaged: frames are missing {where}, nobody can tell how many, and do not count")
            if guessed:
                self.notes.append(f"{guessed} frames have no later time than the one before; taken to follow at {self.fps:g} fps")

    def _why_no_frame(self) -> str:
        with open_capture(self.path) as capture:
            codec, fourcc = _codec(capture), _fourcc(capture)
        count = len(packet_times(self.path)[0])
        if self.path.suffix.lower() in IMAGES:
            return _NO_IMAGE
        if not count:
            return "no frame of this video can be decoded, it has none or is cut short; give another file"
        if fourcc == "av01":
            return f"OpenCV has no decoder here for its codec, {codec}; {_CONVERT}, or give another file"
        return f"no frame of its {count} can be decoded: it is broken, or OpenCV cannot decode its codec, {codec}; {_CONVERT}"

    def _look_past_the_end(self, seconds: float, last: float) -> None:
        """Say what the file holds, or its header promises, beyond its last frame, at `seconds` in the stream, `last` in ours."""
        stored = packet_times(self.path)[0]
        further = sum(time > seconds + 0.5 / self.fps for time in stored)
        if further:  # those that cannot be decoded are named already
            self.notes.append(f"{further} of the {len(stored)} frames in the file are not shown: an edit list leaves them out")
            return
        stated, end = ((self.count or 0) - late_start(self.path)) / self.fps, last + 1 / self.fps
        if stated - end > 1.5 / self.fps:
            self.notes.append(
                f"by its header the file lasts {stated:.2f} s, its frames end at {end:.2f} s: its sound is longer or "
                "it was cut short"
            )

    @staticmethod
    def _from(first: deque[Decoded], rest: Iterator[Decoded]) -> Iterator[Decoded]:
        """Return the frames that were looked at, none of which is kept, then the rest."""
        while first:
            yield first.popleft()
        yield from rest

    def _decoded(self) -> Iterator[Decoded]:
        """Frames with RGB images."""
        with self._opened() as capture:
            for frame in decode(self.path, capture, self.doubts):
                if frame.image is None:
                    yield frame
                elif frame.image.ndim == 3 and frame.image.shape[2] == 3:
                    yield frame._replace(image=cv2.cvtColor(frame.image, cv2.COLOR_BGR2RGB))
                else:
                    rgb = as_rgb(frame.image, f"a frame of {self.path.name}")
                    yield frame._replace(image=np.ascontiguousarray(rgb[..., ::-1]))


def _fourcc(capture: cv2.VideoCapture) -> str:
    code = int(capture.get(cv2.CAP_PROP_FOURCC)) & 0xFFFFFFFF
    return code.to_bytes(4, "little").decode("latin-1").strip("\0 ").lower()


def _codec(capture: cv2.VideoCapture) -> str:
    """Return the codec in words that a person can look up."""
    code = _fourcc(capture)
    return _CODECS.get(code, code if code.isprintable() and code else "an unknown one")


def _in_words(numbers: list[int]) -> str:
    """Ascending numbers, such as 3, 7-9; the first stretches of many."""
    position = itertools.count()
    stretches = [[*group] for _, group in itertools.groupby(numbers, key=lambda number: number - next(position))]
    words = [str(each[0]) if len(each) == 1 else f"{each[0]}-{each[-1]}" for each in stretches]
    return ", ".join(words[:_NAMED]) + (f" and {len(words) - _NAMED} more stretches" if len(words) > _NAMED else "")
