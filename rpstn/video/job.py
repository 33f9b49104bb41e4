"""A video of any length into files: poses.json, poses.csv and annotated.webm, streamed, and resumed after a stop.

While it runs, the folder holds a journal of the poses and, every few seconds, the state of the stream. Ctrl-C ends it between
two frames: the files are made of what was done, and the journal and the state stay, so that a second call with `resume`
continues as if nothing had happened. A run that was killed continues from its last saved state. Its frames are drawn again from
the journal, which costs little next to the network, so the video has no seam. A camera's frames are lost: there, `resume` makes
the files of what a killed run has recorded. A finished run keeps only its results.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro

from rpstn.errors import UserError
from rpstn.models.checkpoints import save_atomically
from rpstn.models.weights import Weights
from rpstn.runs.ahead import Ahead
from rpstn.runs.files import portable
from rpstn.runs.paths import default_place, expanded
from rpstn.runs.progress import tqdm
from rpstn.runs.quiet import audible
from rpstn.runs.settings import check_settings
from rpstn.video.boxes import BoxTable, FixedBox, check_boxes, read_boxes
from rpstn.video.input.camera import camera_index
from rpstn.video.input.frames import Frame, VideoInput
from rpstn.video.input.images import FrameFolder
from rpstn.video.input.source import open_input, unused_rate
from rpstn.video.output.files import Journal, frame_entry, read_entries, read_head, write_poses_csv, write_poses_json
from rpstn.video.output.folder import PredictionFolder, fingerprint
from rpstn.video.output.overlay import AnnotatedVideo, Annotator
from rpstn.video.output.summary import doubt_notes, summarize_poses
from rpstn.video.predict import open_network
from rpstn.video.relation_note import RelationNote, found_box
from rpstn.video.stream import PoseStream
from rpstn.video.threads import Behind, StopAsked, stop_when_asked
from rpstn.video.tracking import Following

FORMAT = 1
SAVE_EVERY = 10.0  # seconds between saved states
OTHERS_EVERY = 100  # frames between two in which other people are searched for, which takes as long as some 20 frames


@dataclass(frozen=True)
class PredictConfig:
    """What to predict, with what, and where to put it.

    What files of boxes and the results hold: "Files in, files out" in the book's chapter "Your own video"
    (notebooks/14_your_video.py).
    """

    video: Annotated[str, tyro.conf.arg(metavar="VIDEO")]  # a video or image, a folder of images, or a camera's index such as 0
    checkpoint: Path | None = None  # file that training wrote, or shipped weights such as embedded_rpstn; None: the default ones
    boxes: str = "auto"  # auto: found and followed; x,y,width,height: one for all frames; or a .json or .csv file
    out: Path | None = None  # folder of the results; None: runs/predict/<the video's name>
    frames: int | None = None  # stop after this many; None: at the video's end
    fps: float | None = None  # frames per second of a folder of images; None: 25. Videos have their own
    draw: bool = True  # write annotated.webm
    relation: bool = False  # draw the relation matrix next to the image, and write it into poses.json
    hidden_below: float | None = None  # confidence below which a joint counts as hidden; None: as measured for the checkpoint
    lost_below: float | None = None  # mean confidence below which the person counts as lost; None: as measured
    resume: bool = False  # continue an interrupted run in this folder
    overwrite: bool = False  # replace what this folder holds
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    precision: str = "auto"  # fp32, bf16, or auto: bf16 on a CPU that computes it, where it halves the time

    def __post_init__(self) -> None:
        check_settings(self, paths=("checkpoint", "out"))
        if self.resume and self.overwrite:
            raise UserError("resume and overwrite contradict each other; give one of them")
        if self.frames is not None and self.frames < 1:
            raise UserError(f"frames is {self.frames}; give at least 1, or leave it out for the whole video")

    @property
    def folder(self) -> Path:
        """Where the results go."""
        if self.out is not None:
            return self.out
        path = expanded(self.video)
        camera = camera_index(self.video) is not None
        name = f"camera-{self.video}" if camera else path.resolve().name if os.path.isdir(path) else path.stem
        return default_place("runs", "predict", path.name if name in (".", "..") else name)


@dataclass(frozen=True)
class PredictResult:
    """Say what a call of `predict_video` has done.

    out       folder of the results; files: those that lie in it.
    frames    how many were predicted; complete: whether these are all.
    summary   as `rpstn.video.output.summary.summarize_poses` gives it.
    notes     what was noticed.
    weights   what predicted.
    seconds   that the call took.
    signal    number of the signal that stopped it, or None.
    """

    out: Path
    files: tuple[Path, ...]
    frames: int
    complete: bool
    summary: dict[str, Any]
    notes: tuple[str, ...]
    weights: Weights
    seconds: float
    signal: int | None = None


def predict_video(config: PredictConfig, progress: bool = True) -> PredictResult:
    """Predict a video into files, or resume one. Raises UserError for what a user can correct.

    An error on the way, such as a broken image of a folder, is raised after the files were made of what was done before it.
    """
    return _Run(config).go(progress)


class _Run:
    def __init__(self, config: PredictConfig) -> None:
        self.config, self.folder = config, PredictionFolder(config.folder)
        self.boxes = read_boxes(config.boxes)
        self.source: VideoInput = open_input(config.video, config.fps)
        self.network, self.weights = open_network(config.checkpoint, config.device, config.precision)
        limits = self.weights.calibration
        self.hidden_below = limits.hidden_below if config.hidden_below is None else config.hidden_below
        self.following = Following.by(limits, config.lost_below)
        # A camera's frames would be lost meanwhile.
        self.stream = PoseStream(self.network, self.boxes, self.following, None if self.source.live else OTHERS_EVERY)
        self.settings = self._settings()
        self.video: dict[str, Any] = {}
        self.begun, self.saved = time.perf_counter(), time.monotonic()
        self.dropped = self.taken = 0
        self.relation_note = RelationNote(self.network)

    def _settings(self) -> dict[str, Any]:
        """Say what must be the same for a run to be resumed."""
        source = self.source
        return {
            "format": FORMAT,
            "video": source.name,
            "content": fingerprint(source),
            "images": source.count if isinstance(source, FrameFolder) else None,
            "checkpoint": self.weights.sha256,
            "boxes": "auto" if self.boxes is None else self.boxes.checksum(),
            "bf16": self.network.bf16,
            "following": asdict(self.following),
            "hidden_below": self.hidden_below,
            "relation": self.config.relation,
            "frames": self.config.frames,
            "fps": self.config.fps,
        }

    def go(self, progress: bool) -> PredictResult:
        with contextlib.ExitStack() as stack:
            # Another process may be writing there. A new folder is made, and locked, once there is a frame to predict.
            if os.path.isdir(self.folder.out):  # Path.is_dir raises OSError for a name that is too long
                self.folder.lock(stack)
            unfinished = self._unfinished()
            if unfinished and self.source.live:
                return self._finish_killed_recording()
            return self._predicted(self._restored() if unfinished else None, stack, progress)

    def _unfinished(self) -> bool:
        config = self.config
        return self.folder.check(config.video, self.settings, self.source.live, config.resume, config.overwrite)

    def _predicted(self, state: dict[str, Any] | None, stack: contextlib.ExitStack, progress: bool) -> PredictResult:
        """Predict from a saved state on, None from the first frame on, and make the files. stack: holds the folder's lock."""
        with Ahead(self.source, drop=self.source.live) as frames:
            # The first frame shows whether there is anything to predict, before anything is written.
            first = next(frames, None)
            if first is None:
                raise UserError(f"{self.source.name} has no frame; give another video")
            height, width = first.pixels.shape[:2]
            if self.boxes is not None:
                check_boxes(self.boxes, (height, width))
            self.video = {"name": portable(self.source.name), "width": width, "height": height, "fps": self.source.fps}
            if not self.folder.locked:
                self.folder.lock(stack)
                self._unfinished()  # again: what began there meanwhile is not replaced
            journal = self.folder.begin(self.settings, self.video, state)
            with stop_when_asked() as asked, self.folder.room():
                complete = False
                try:
                    complete = self._run(first, frames, journal, asked, progress)
                except UserError as error:
                    remedy = "" if self.source.live else "; when this is fixed, continue with --resume"
                    raise UserError(
                        f"{error}. Poses of the {journal.frames} frames before are in {self.folder.out}{remedy}"
                    ) from error
                finally:
                    self.dropped = frames.dropped
                    frames.close()
                    journal.close()
                    result = self._finish(complete, drawn=self.config.draw)
        return replace(result, signal=asked.signal)

    def _restored(self) -> dict[str, Any] | None:
        """Return the saved state of an interrupted run, from which the stream continues; None where none was saved."""
        state = self.folder.load_state()
        if state is None:
            return None
        if state.get("content") != fingerprint(self.source, state["frames"] - 1):
            raise UserError(
                f"{self.folder.out} holds an interrupted run of other images than those in {self.source.name} now; choose "
                "another folder with --out, or start over with --overwrite"
            )
        self.stream.restore(state["stream"])
        return state

    def _finish_killed_recording(self) -> PredictResult:
        """Make the files of what the journal and the video hold of a camera's frames, which are lost."""
        self.video = read_head(self.folder.journal)["video"]
        with self.folder.room():
            return self._finish(complete=True, drawn=True)

    def _run(self, first: Frame, frames: Ahead[Frame], journal: Journal, asked: StopAsked, progress: bool) -> bool:
        """Predict all frames; return whether the end was reached."""
        limit, done = self.config.frames, journal.frames
        known = [count for count in (limit, self.source.count) if count is not None]
        with contextlib.ExitStack() as stack:
            before = stack.enter_context(contextlib.closing(read_entries(self.folder.journal, done)))
            total, name = min(known, default=None), self.source.name
            terminal = stack.enter_context(audible())
            bar = stack.enter_context(tqdm(total=total, unit="frame", desc=repr(name)[1:-1], disable=not progress, file=terminal))
            behind: Behind[tuple[Frame, dict[str, Any]]] | None = None
            if self.config.draw:
                drawing = AnnotatedVideo(self.folder.part, self._annotator(), self.source.fps)
                stack.callback(drawing.close)
                behind = Behind(drawing.draw)
                stack.callback(behind.close)
            try:
                # A camera numbers its frames as they come; some may be dropped. Ours are those that were taken.
                for frame in itertools.chain([first], frames.until(asked)):
                    entry = next(before) if self.taken < done else self._predict(frame, journal)
                    self.relation_note.see(frame.pixels, found_box(entry))
                    self.taken += 1
                    if behind is not None:
                        behind.put((frame, entry))
                    bar.update()
                    if self.taken == limit:  # before a frame more is asked for, which may be broken, or far off
                        return True
            except UserError:  # of the source, between two frames
                self._save(journal)
                raise
            if asked:
                self._save(journal)
                return self.source.live  # a camera has no other end
        return True

    def _predict(self, frame: Frame, journal: Journal) -> dict[str, Any]:
        people = self.stream.step(frame.index, frame.pixels)
        entry = frame_entry(frame.index, frame.time, people, self.hidden_below, relation=self.config.relation)
        journal.append(entry)
        if time.monotonic() - self.saved > SAVE_EVERY:
            self._save(journal)
        return entry

    def _annotator(self) -> Annotator:
        size = self.video["height"], self.video["width"]
        return Annotator(self.network.skeleton, size, self.hidden_below, self.config.relation)

    def _save(self, journal: Journal) -> None:
        """Save the stream's state, and to which frame of the journal it belongs."""
        if self.source.live:
            return
        journal.sync()
        done = {"frames": journal.frames, "offset": journal.offset, "content": fingerprint(self.source, journal.frames - 1)}
        save_atomically(done | {"stream": self.stream.save()}, self.folder.state)
        self.saved = time.monotonic()

    def _finish(self, complete: bool, drawn: bool) -> PredictResult:
        """Make the result files of the journal; remove what only a resumed run needs once the video is done."""
        skeleton, journal, results = self.network.skeleton, self.folder.journal, self.folder.results
        summary = summarize_poses(read_entries(journal), skeleton, self.following.lost_below)
        last, count = -1, 0
        for entry in read_entries(journal):
            last, count = entry["frame"], count + 1
        notes = self._notes(summary, last, complete)
        write_poses_json(results["poses.json"], self._head(complete, summary, notes), read_entries(journal))
        write_poses_csv(results["poses.csv"], skeleton, read_entries(journal))
        if drawn:  # stopped while it drew again what was done before, a video that is there shows more
            self.folder.keep_video(longer=self.taken >= count)
        elif complete:
            self.folder.drop_video()
        if complete or self.source.live:
            self.folder.end()
        seconds = time.perf_counter() - self.begun
        return PredictResult(self.folder.out, self.folder.files(), count, complete, summary, tuple(notes), self.weights, seconds)

    def _notes(self, summary: dict[str, Any], last: int, complete: bool) -> list[str]:
        """Say what was noticed of the source, the boxes, the poses and the camera. last: the last frame with an entry."""
        config, notes = self.config, list(self.source.notes)
        notes += unused_rate(self.source, config.fps)
        if isinstance(self.boxes, BoxTable):
            size = self.video["height"], self.video["width"]
            notes += self.boxes.notes(last, size, complete, config.frames is None)
        lost, hidden = (self.weights.limit(name, getattr(config, name)) for name in ("lost_below", "hidden_below"))
        notes += doubt_notes(summary, lost, hidden)
        notes += self.relation_note.notes()
        if self.dropped:
            notes.append(f"{self.dropped} frames came faster than they could be predicted and were left out")
        return notes

    def _head(self, complete: bool, summary: dict[str, Any], notes: list[str]) -> dict[str, Any]:
        skeleton = self.network.skeleton
        rule = "one crop for all frames" if isinstance(self.boxes, FixedBox) else "a crop that moves with the box"
        return {
            "format": FORMAT,
            "complete": complete,
            "video": self.video,
            "categories": [
                {"id": 1, "name": "person", "keypoints": skeleton.joints, "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs]}
            ],
            "fingerprint": self.settings["content"],
            "skeleton": skeleton.name,
            "weights": asdict(self.weights),
            "boxes": {"given": "auto" if self.boxes is None else Path(self.config.boxes).name, "crop": rule},
            "hidden_below": self.hidden_below,
            "lost_below": self.following.lost_below,
            "relations": "row i is what refined joint i takes from the joints" if self.config.relation else None,
            "notes": notes,
            "summary": summary,
        }
