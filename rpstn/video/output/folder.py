"""The folder of a prediction: its results, what an unfinished run holds besides, and what may be overwritten."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rpstn.errors import UserError
from rpstn.models.files import load_tensors
from rpstn.runs.files import portable
from rpstn.runs.locks import sole_writer
from rpstn.runs.paths import expanded
from rpstn.video.input.frames import VideoInput
from rpstn.video.input.images import FrameFolder
from rpstn.video.input.video_file import VideoFile
from rpstn.video.output.files import Journal, read_head, read_result

_ENDS = 2**16  # bytes of a file's beginning and end that distinguish it from another
FULL = (errno.ENOSPC, errno.EDQUOT)  # the disk, or what its owner grants


class PredictionFolder:
    """Keep a run's files in `out`, which need not exist yet.

    results   poses.json, poses.csv and annotated.webm, by name: what a finished run leaves.
    journal, state, part   poses of an unfinished run, the saved stream, and the video while it is written.
    locked    whether other processes are kept from writing there.
    """

    def __init__(self, out: Path) -> None:
        self.out, self.locked = out, False
        self.results = {name: out / name for name in ("poses.json", "poses.csv", "annotated.webm")}
        self.journal, self.state, self.part = (out / name for name in ("journal.jsonl", "state.pt", "annotated.part.webm"))

    @property
    def _all(self) -> tuple[Path, ...]:
        return (*self.results.values(), self.state, self.part, self.journal)

    def files(self) -> tuple[Path, ...]:
        """List the results that are there."""
        return tuple(path for path in self.results.values() if os.path.isfile(path))

    def check(self, video: str, settings: Mapping[str, Any], live: bool, resume: bool, overwrite: bool) -> bool:
        """Say whether a run lies here that is to be resumed. Nothing is changed.

        settings  of the run; its "video" and "content" (`fingerprint`) say whether what lies here is of the same video.
        Raises UserError where the video itself is one of these files, where something would be overwritten unasked, and where
        the run that lies here was of another video, or had other settings.
        """
        if expanded(video).resolve() in {path.resolve() for path in self._all}:
            raise UserError(f"{video} is a file that predictions in {self.out} replace; choose another folder with --out")
        unfinished = os.path.exists(self.journal)  # Path's raises for a name that is too long
        if overwrite or not (unfinished or self.files()):
            return False
        found, whose = self._whose(unfinished, settings)
        elsewhere = "choose another folder with --out"
        if not resume:
            what = f"results {whose}: replace them with --overwrite"
            if unfinished and live:
                what = "a recording that was cut off: --resume makes its files of what was recorded, --overwrite deletes it"
            elif unfinished:
                what = f"an interrupted run {whose}: continue with --resume, or start over with --overwrite"
            raise UserError(f"{self.out} holds {what}; or {elsewhere}")
        if not unfinished:
            raise UserError(
                f"{self.out} holds finished results {whose}, nothing to resume; start over with --overwrite, or {elsewhere}"
            )
        differing = sorted(name for name in {*found, *settings} if found.get(name) != settings.get(name))
        if differing:
            raise UserError(
                f"{self.out} holds an interrupted run with other settings ({', '.join(differing)}); give the same ones to "
                "continue, or start over with --overwrite"
            )
        return True

    def _whose(self, unfinished: bool, settings: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
        """Return the settings of what lies here, and "of NAME". Raises UserError where it is of another video."""
        head = read_head(self.journal) if unfinished else read_result(self.results["poses.json"])
        found, name = head.get("settings", {}), head.get("video", {}).get("name")
        if name is None:
            return found, f"of a video that they do not name ({', '.join(path.name for path in self.files())})"
        ours, content, known = portable(settings["video"]), settings["content"], found.get("content") or head.get("fingerprint")
        same = content == known if content and known else name == ours
        if not same:
            changed = ", or of this one as it was before" if name == ours else ""
            raise UserError(
                f"{self.out} holds {'an interrupted run' if unfinished else 'results'} of another video, {name}{changed}; choose "
                "another folder with --out, or delete what is there with --overwrite"
            )
        return found, f"of {name}"

    def load_state(self) -> dict[str, Any] | None:
        """Load what was saved: frames done, the journal's length then, the stream. None: killed before the first save."""
        if not os.path.exists(self.state):
            return None
        state = load_tensors(self.state, remedy="start over with --overwrite")
        if not isinstance(state, dict) or not {"frames", "offset", "stream"} <= state.keys():
            raise UserError(f"{self.state} is no state of a prediction; start over with --overwrite")
        if self.journal.stat().st_size < state["offset"]:
            raise UserError(f"{self.journal} is shorter than when its state was saved; start over with --overwrite")
        return state

    def begin(self, settings: Mapping[str, Any], video: Mapping[str, Any], state: Mapping[str, Any] | None) -> Journal:
        """Open the journal: a new one in an empty folder, or that of the saved state. UserError where it cannot be written."""
        with self._writable():
            if state is not None:
                return Journal.resume(self.journal, state["offset"], state["frames"])
            self.out.mkdir(parents=True, exist_ok=True)
            for path in self._all:
                path.unlink(missing_ok=True)
            return Journal.create(self.journal, settings, video)

    @contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"{self.out}: cannot be written to ({error.strerror}); choose another folder with --out") from error

    def lock(self, stack: ExitStack) -> None:
        """Keep other processes from writing here until the stack is closed. UserError where one does, and where nobody can."""
        with self._writable():
            stack.enter_context(sole_writer(self.out))
        self.locked = True

    @contextmanager
    def room(self) -> Iterator[None]:
        """Turn the error of a disk that gets full in the block into a UserError. Journal and saved state stay, to be resumed."""
        try:
            yield
        except OSError as error:
            if error.errno is None:  # of OpenCV, which writes the video
                raise UserError(f"{error}; or predict without a video, with --no-draw") from error
            if error.errno not in FULL:
                raise
            raise UserError(
                f"{self.out}: the disk is full; what was predicted is kept in {self.journal.name}. Make room there, then repeat "
                "the call with --resume"
            ) from error

    def keep_video(self, longer: bool) -> None:
        """Make what was drawn annotated.webm if it shows more than the one that is there; else remove it."""
        video = self.results["annotated.webm"]
        if self.part.is_file() and _plays(self.part) and (longer or not video.exists()):
            os.replace(self.part, video)
        self.part.unlink(missing_ok=True)

    def drop_video(self) -> None:
        """Remove a video that shows less than the poses."""
        for path in (self.part, self.results["annotated.webm"]):
            path.unlink(missing_ok=True)

    def end(self) -> None:
        """Remove what only a resumed run needs."""
        for path in (self.journal, self.state):
            path.unlink(missing_ok=True)


def fingerprint(source: VideoInput, frame: int = 0) -> str | None:
    """Give what distinguishes a video from another of its name.

    That is the size, beginning and end of a file; in a folder, of the image of a frame. None without a file.
    """
    path: Path | None = getattr(source, "path", None)
    if isinstance(source, FrameFolder):
        path = source.paths[min(max(frame, 0), len(source.paths) - 1)]
    if path is None or not os.path.isfile(path):
        return None
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        begin = file.read(_ENDS)
        file.seek(max(size - _ENDS, 0))
        return hashlib.sha256(b"%d " % size + begin + file.read(_ENDS)).hexdigest()


def _plays(path: Path) -> bool:
    """Whether a frame can be decoded: a run that was killed early leaves a file without one."""
    try:
        return next(iter(VideoFile(path)), None) is not None
    except UserError:
        return False
