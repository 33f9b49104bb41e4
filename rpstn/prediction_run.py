"""A video of any length into files: poses.json, poses.csv and annotated.webm, streaming, and to be gone on with after a stop.

While it runs, the folder holds a journal of the poses and, every few seconds, the state of the stream. Ctrl-C ends it between
two frames: the files are made of what was done, and the journal and the state stay, so that a second call with `resume` goes on
as if nothing had happened. A run that was killed goes on from its last saved state. The picture is drawn again from the
journal, which is cheap beside the network, so the video has no seam. A finished run keeps only its results.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from rpstn.annotate import Annotator
from rpstn.box_files import BoxTable, FixedBox, read_boxes
from rpstn.default_weights import Weights, default_checkpoint, describe_weights
from rpstn.errors import UserError
from rpstn.following import Following
from rpstn.models.checkpoints import save_atomically
from rpstn.pose_files import Journal, frame_entry, read_entries, read_settings, write_poses_csv, write_poses_json
from rpstn.pose_stream import PoseNetwork, PoseStream
from rpstn.pose_summary import summarise_poses
from rpstn.predict import check_boxes
from rpstn.runs import portable
from rpstn.streaming import Ahead, Behind, stop_when_asked
from rpstn.video import WebmWriter
from rpstn.video_input import Frame, VideoInput, open_input

FORMAT = 1
SAVE_EVERY = 10.0  # seconds between saved states
# Frames that a picture may stand for in the annotated video: a gap in a camera's times is not drawn out for ever.
_LONGEST_STAND = 250


@dataclass(frozen=True)
class PredictConfig:
    """What to predict, with what, and where to put it."""

    video: str  # a video file, a folder of pictures, or a camera's index such as 0
    checkpoint: Path | None = None  # file that training wrote; None: the weights that come with the package
    boxes: str = "auto"  # auto: found and followed; x,y,width,height: one for all frames; or a .json or .csv file
    out: Path | None = None  # folder of the results; None: runs/predict/<the video's name>
    frames: int | None = None  # stop after so many; None: at the video's end
    fps: float | None = None  # frames a second of a folder of pictures; None: 25
    draw: bool = True  # write annotated.webm
    relation: bool = False  # draw the relation matrix beside the picture, and write it into poses.json
    hidden_below: float | None = None  # confidence below which a joint counts as hidden; None: as measured for the checkpoint
    lost_below: float | None = None  # mean confidence below which the person counts as lost; None: as measured
    resume: bool = False  # go on with an interrupted run in this folder
    overwrite: bool = False  # replace what this folder holds
    device: str = "auto"  # auto, cpu, cuda

    def __post_init__(self) -> None:
        if self.resume and self.overwrite:
            raise UserError("resume and overwrite contradict each other; give one of them")
        if self.frames is not None and self.frames < 1:
            raise UserError(f"frames is {self.frames}; give at least 1, or leave it out for the whole video")
        for name in ("hidden_below", "lost_below"):
            value = getattr(self, name)
            if value is not None and not np.isfinite(value):
                raise UserError(f"{name} is {value}; give a confidence, such as 0.4")

    @property
    def folder(self) -> Path:
        if self.out is not None:
            return Path(self.out)
        path = Path(self.video)
        camera = re.fullmatch(r"\d+", self.video) and not path.exists()
        return Path("runs", "predict", f"camera-{self.video}" if camera else path.stem or path.resolve().name)


@dataclass(frozen=True)
class PredictResult:
    """out: the folder. files: what lies in it. frames: how many were done. complete: whether the video came to its end.

    summary: `rpstn.pose_summary.summarise_poses`. notes: what was noticed. weights: what predicted. seconds: of this call.
    signal: number of the signal that stopped it, or None.
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
    """Predict a video into files, or go on with it. Raises UserError for what a user can mend.

    An error in the middle, such as a broken picture of a folder, is raised after the files were made of what was done before it.
    """
    run = _Run(config)
    return run.go(progress)


class _Run:
    def __init__(self, config: PredictConfig) -> None:
        self.config, self.out = config, config.folder
        self.journal_path, self.state_path = self.out / "journal.jsonl", self.out / "state.pt"
        self.results = {name: self.out / name for name in ("poses.json", "poses.csv", "annotated.webm")}
        self.part = self.out / "annotated.part.webm"
        self.boxes = read_boxes(config.boxes)
        self.source: VideoInput = open_input(config.video, config.fps)
        checkpoint = Path(config.checkpoint) if config.checkpoint is not None else default_checkpoint()
        self.network = PoseNetwork.load(checkpoint, config.device)
        self.weights = describe_weights(checkpoint, self.network.meta)
        limits = self.weights.calibration
        self.hidden_below = limits.hidden_below if config.hidden_below is None else config.hidden_below
        lost = {} if config.lost_below is None else {"lost_below": config.lost_below}
        self.following = Following(**(asdict(Following.by(limits)) | lost))
        self.stream = PoseStream(self.network, self.boxes, self.following)
        self.settings = self._settings()
        self.size: tuple[int, int] = (0, 0)
        self.saved = time.monotonic()
        self.dropped = self.taken = 0

    def _settings(self) -> dict[str, Any]:
        """What must be the same for a run to be gone on with."""
        path = Path(self.config.video)
        return {
            "format": FORMAT,
            "video": self.source.name,
            "bytes": path.stat().st_size if path.is_file() else self.source.count,
            "checkpoint": self.weights.sha256,
            "boxes": "auto" if self.boxes is None else self.boxes.checksum(),
            "following": asdict(self.following),
            "hidden_below": self.hidden_below,
            "relation": self.config.relation,
            "frames": self.config.frames,
            "fps": self.config.fps,
        }

    def _begin(self) -> int:
        """How many frames are done already. Refuses to write over anything unless it was asked to."""
        there = [path.name for path in (self.journal_path, *self.results.values()) if path.exists()]
        if not there or self.config.overwrite:
            return 0
        unfinished = self.journal_path.exists()
        if not self.config.resume:
            what = "an interrupted run: go on with --resume, or start over with" if unfinished else "results: replace them with"
            raise UserError(f"{self.out} holds {what} --overwrite, or choose another folder with --out")
        if not unfinished:
            raise UserError(f"{self.out} holds a finished run, nothing to go on with; start over with --overwrite")
        if self.source.live:
            raise UserError(f"{self.source.name} cannot be gone on with, its frames are gone; start over with --overwrite")
        found = read_settings(self.journal_path)
        differing = sorted(name for name in {*found, *self.settings} if found.get(name) != self.settings.get(name))
        if differing:
            raise UserError(
                f"{self.out} holds an interrupted run with other settings ({', '.join(differing)}); give the same ones to go "
                "on, or start over with --overwrite"
            )
        return self._load_state()

    def _load_state(self) -> int:
        try:
            state = torch.load(self.state_path, map_location="cpu", weights_only=True)
            done, self._offset = state["frames"], state["offset"]
            if self.journal_path.stat().st_size < self._offset:
                raise UserError(f"{self.journal_path} is shorter than when its state was saved; start over with --overwrite")
            self.stream.restore(state["stream"])
        except FileNotFoundError:
            return 0  # it was killed before its first state was saved
        except UserError:
            raise
        except Exception as error:  # torch raises many kinds, from pickle's to its own
            reason = type(error).__name__
            raise UserError(f"{self.state_path}: cannot be gone on from ({reason}); start over with --overwrite") from error
        return done

    def _clear(self) -> None:
        for path in (*self.results.values(), self.state_path, self.part, self.journal_path):
            path.unlink(missing_ok=True)

    def go(self, progress: bool) -> PredictResult:
        begun = time.perf_counter()
        done = self._begin()
        frames: Ahead[Frame] = Ahead(self.source, drop=self.source.live)
        journal: Journal | None = None
        try:
            # The first frame shows whether there is anything to predict, before anything is written.
            first = next(iter(frames), None)
            if first is None:
                raise UserError(f"{self.source.name} has no frame; give another video")
            check_boxes(self.boxes, first)
            self.size = first.pixels.shape[:2]
            self.out.mkdir(parents=True, exist_ok=True)
            if done:
                journal = Journal.resume(self.journal_path, self._offset, done)
            else:
                self._clear()
                journal = Journal(self.journal_path, self.settings)
            with stop_when_asked() as asked:
                complete = False
                try:
                    complete = self._run(first, frames, journal, done, asked, progress)
                finally:
                    self.dropped = frames.dropped
                    frames.close()
                    journal.close()
                    summary, notes = self._finish(complete)
            count = journal.frames
        finally:
            frames.close()
        files = tuple(path for path in self.results.values() if path.is_file())
        seconds = time.perf_counter() - begun
        return PredictResult(self.out, files, count, complete, summary, tuple(notes), self.weights, seconds, asked.signal)

    def _run(self, first: Frame, frames: Ahead[Frame], journal: Journal, done: int, asked: Any, progress: bool) -> bool:
        """All frames; returns whether the end was reached."""
        limit = self.config.frames
        known = [count for count in (limit, self.source.count) if count is not None]
        drawing = _Drawing(self.part, self._annotator(), self.source.fps) if self.config.draw else None
        with contextlib.ExitStack() as stack:
            before = read_entries(self.journal_path, done)
            stack.callback(before.close)
            total, name = min(known, default=None), self.source.name
            bar = stack.enter_context(tqdm(total=total, unit="frame", desc=name, disable=not progress))
            behind: Behind[tuple[Frame, dict]] | None = None
            if drawing is not None:
                stack.callback(drawing.close)
                behind = Behind(drawing.draw)
                stack.callback(behind.close)
            frame: Frame | None = first
            # A camera numbers its frames as they come; some may be dropped. Ours are those that were taken.
            taken = 0
            while frame is not None and (limit is None or taken < limit):
                if asked:
                    self._save(journal)
                    return self.source.live  # a camera has no other end
                if taken < done:
                    entry = next(before)
                else:
                    people = self.stream.step(frame.index, frame.pixels)
                    entry = frame_entry(frame.index, frame.time, people, self.hidden_below, relation=self.config.relation)
                    journal.append(entry)
                    if time.monotonic() - self.saved > SAVE_EVERY:
                        self._save(journal)
                self.taken = taken = taken + 1
                if behind is not None:
                    behind.put((frame, entry))
                bar.update()
                try:
                    frame = next(frames, None)
                except BaseException:
                    self._save(journal)
                    raise
        return True

    def _annotator(self) -> Annotator:
        return Annotator(self.network.skeleton, self.size, self.hidden_below, self.config.relation)

    def _save(self, journal: Journal) -> None:
        """The stream's state, and to which frame of the journal it belongs."""
        if self.source.live:
            return
        journal.sync()
        save_atomically({"frames": journal.frames, "offset": journal.offset, "stream": self.stream.save()}, self.state_path)
        self.saved = time.monotonic()

    def _finish(self, complete: bool) -> tuple[dict[str, Any], list[str]]:
        """Make the result files of the journal; remove what only a resumed run needs once the video is done."""
        skeleton = self.network.skeleton
        summary = summarise_poses(read_entries(self.journal_path), skeleton)
        last, count = -1, 0
        for entry in read_entries(self.journal_path):
            last, count = entry["frame"], count + 1
        notes = [*self.source.notes, *self._about_boxes(last, complete)]
        if self.dropped:
            notes.append(f"{self.dropped} frames came faster than they could be predicted and were left out")
        head = self._head(complete, summary, notes)
        write_poses_json(self.results["poses.json"], head, read_entries(self.journal_path))
        write_poses_csv(self.results["poses.csv"], skeleton, read_entries(self.journal_path))
        if self.part.is_file():
            if self.taken >= count:
                os.replace(self.part, self.results["annotated.webm"])
            else:  # stopped while it drew again what was done before: the video that is there shows more
                self.part.unlink()
        if complete or self.source.live:
            for path in (self.journal_path, self.state_path):
                path.unlink(missing_ok=True)
        return summary, notes

    def _about_boxes(self, last: int, complete: bool) -> list[str]:
        if not isinstance(self.boxes, BoxTable):
            return []
        notes = []
        if self.boxes.dropped:
            notes.append(f"{self.boxes.origin}: {self.boxes.dropped} entries without extent, or with NaN, were left out")
        if complete and self.boxes.last < last:
            notes.append(
                f"{self.boxes.origin}: the boxes end at frame {self.boxes.last}, the video at frame {last}; there are no poses "
                "in between. Leave boxes out, and the box follows the pose"
            )
        elif complete and self.config.frames is None and self.boxes.last > last:
            notes.append(f"{self.boxes.origin}: the boxes go on to frame {self.boxes.last}, the video ends at frame {last}")
        return notes

    def _head(self, complete: bool, summary: dict[str, Any], notes: list[str]) -> dict[str, Any]:
        skeleton = self.network.skeleton
        rule = "one crop for all frames" if isinstance(self.boxes, FixedBox) else "a crop that moves with the box"
        return {
            "format": FORMAT,
            "complete": complete,
            "video": {
                "name": portable(self.source.name), "width": self.size[1], "height": self.size[0], "fps": self.source.fps,
            },
            "categories": [
                {"id": 1, "name": "person", "keypoints": skeleton.joints, "skeleton": [[a + 1, b + 1] for a, b in skeleton.limbs]}
            ],
            "skeleton": skeleton.name,
            "weights": asdict(self.weights),
            "boxes": {"given": "auto" if self.boxes is None else Path(self.config.boxes).name, "crop": rule},
            "hidden_below": self.hidden_below,
            "lost_below": self.following.lost_below,
            "relations": "row i is what refined joint i takes from the joints" if self.config.relation else None,
            "notes": notes,
            "summary": summary,
        }  # fmt: skip


class _Drawing:
    """The annotated video. Frames stand as long as the source's times say, at an even rate: no frame is left out."""

    def __init__(self, path: Path, annotator: Annotator, fps: float) -> None:
        self.annotator, self.fps = annotator, max(fps, 1.0)
        self.writer = WebmWriter(path, self.fps)
        self._held: tuple[np.ndarray, float] | None = None

    def draw(self, item: tuple[Frame, dict[str, Any]]) -> None:
        frame, entry = item
        picture = self.annotator.draw(frame.pixels, entry)
        if self._held is not None:
            # The picture before stands until this one's time.
            due = round(entry["time"] * self.fps) - self.writer.count
            self.writer.write(self._held[0], min(max(due, 1), _LONGEST_STAND))
        self._held = (picture, entry["time"])

    def close(self) -> None:
        if self._held is not None:
            self.writer.write(self._held[0])
            self._held = None
        self.writer.close()
