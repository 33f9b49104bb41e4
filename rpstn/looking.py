"""A short video and everything that the network found in it, held in memory: for figures. `rpstn.predict` keeps less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.annotate import Annotator
from rpstn.box_files import read_boxes
from rpstn.datasets.transforms import crop_affine, warp
from rpstn.default_weights import Weights, default_checkpoint, describe_weights
from rpstn.errors import UserError
from rpstn.following import PADDING, Following
from rpstn.pose_files import frame_entry
from rpstn.pose_stream import LOST, PersonPose, PoseNetwork
from rpstn.predict import predict_frames
from rpstn.skeletons import Skeleton
from rpstn.video_input import open_input


@dataclass(frozen=True)
class Watched:
    """One person in a video of T frames.

    frames      (T,H,W,3) uint8 RGB; times (T,) seconds since the first; fps; name of the video.
    joints      (T,K,2) px of the frames; confidence (T,K); relations (T,K,K), or None for a network without. NaN in
                frames in which a given box is missing.
    boxes       (T,4) x, y, width, height: where the network looked, without the crop's padding.
    status      T words of `rpstn.pose_stream`: given, found, followed, lost; "absent" without a box.
    hidden      (T,K) bool: joints that the network does not see well, by the checkpoint's limit; all where it is lost.
    size        side of the network's input in px. limit: confidence below which a joint is hidden.
    sums        what of a relation sums to one: "rows", or "columns" in the released layout.
    weights     what is known of the checkpoint.
    people      what the network said of each frame, None without a box.
    """

    name: str
    frames: np.ndarray
    times: np.ndarray
    fps: float
    skeleton: Skeleton
    joints: np.ndarray
    confidence: np.ndarray
    relations: np.ndarray | None
    boxes: np.ndarray
    status: tuple[str, ...]
    hidden: np.ndarray
    size: int
    limit: float
    sums: str
    weights: Weights
    people: tuple[PersonPose | None, ...]

    def __len__(self) -> int:
        return len(self.frames)

    def crop(self, frame: int) -> np.ndarray:
        """(S,S,3): what the network saw of a frame. Raises UserError for a frame without a box."""
        if not np.isfinite(self.boxes[frame]).all():
            raise UserError(f"frame {frame} of {self.name} has no box, so the network saw nothing of it; choose another")
        affine = crop_affine(self.boxes[frame], self.size, padding=PADDING)
        return warp(self.frames[frame : frame + 1], affine, self.size)[0]

    def pictures(self, relation: bool = True) -> Iterator[np.ndarray]:
        """The frames as `rpstn predict` draws them, (H',W',3) uint8 RGB: pose, confidence, and the relation beside it."""
        drawn = relation and self.relations is not None
        annotator = Annotator(self.skeleton, self.frames.shape[1:3], self.limit, relation=drawn)
        for index, (frame, person) in enumerate(zip(self.frames, self.people, strict=True)):
            here = [] if person is None else [person]
            yield annotator.draw(frame, frame_entry(index, float(self.times[index]), here, self.limit, relation=drawn))

    def summary(self) -> Mapping[str, Mapping[str, Any]]:
        """By joint: mean confidence, frames hidden, the longest stretch hidden, and the frame in which that one ends.

        "seen again" is None where the stretch lasts to the video's end.
        """
        from rpstn.figures.stream import stretches

        found = {}
        for joint in self.skeleton.order:
            runs = stretches(self.hidden[:, joint])
            longest = max(runs, key=lambda run: run[1] - run[0], default=None)
            found[self.skeleton.joints[joint]] = {
                "mean confidence": float(np.nanmean(self.confidence[:, joint])),
                "hidden frames": int(self.hidden[:, joint].sum()),
                "longest stretch": 0 if longest is None else longest[1] - longest[0],
                "from frame": None if longest is None else longest[0],
                "seen again in frame": None if longest is None or longest[1] == len(self) else longest[1],
            }
        return found


def watch(
    video: Any,
    checkpoint: str | Path | None = None,
    boxes: Any = None,
    *,
    limit: int | None = 240,
    device: str = "auto",
) -> Watched:
    """The first `limit` frames of a video (all of them for None), and the pose of one person in them.

    video       as `rpstn.video_input.open_input` takes it: a file, a folder, a camera's index, frames (T,H,W,3).
    checkpoint  None: the weights that come with the package.
    boxes       as `rpstn.box_files.read_boxes` takes them; None or "auto": the box follows the pose.
    Raises UserError for what cannot be read, for a limit below 1, and where boxes are for several people.
    """
    if limit is not None and limit < 1:
        raise UserError(f"limit is {limit}; give a number of frames from 1 on, or None for all")
    given = read_boxes(boxes)
    if given is not None and len(given.ids) > 1:
        raise UserError(
            f"the boxes are of {len(given.ids)} people; give those of one, or call rpstn predict, which takes several"
        )
    path = Path(checkpoint) if checkpoint is not None else default_checkpoint()
    network = PoseNetwork.load(path, device)
    weights = describe_weights(path, network.meta)
    limits = weights.calibration
    source = open_input(video)
    stream = predict_frames(network, source, given, Following.by(limits))
    frames, times, rows = [], [], []
    for frame, people in islice(stream, limit):
        frames.append(frame.pixels)
        times.append(frame.time)
        rows.append(people[0] if people else None)
    stream.close()  # frames that were decoded ahead are not wanted
    if all(row is None for row in rows):
        raise UserError(f"{source.name}: no box lies in any of its first {len(rows)} frames; check the boxes, or leave them out")
    relations = _rows([None if row is None else row.relation for row in rows])
    confidence = _rows([None if row is None else row.confidence for row in rows])
    lost = np.array([row is None or row.status == LOST for row in rows])
    return Watched(
        name=source.name,
        frames=np.stack(frames),
        times=np.array(times),
        fps=source.fps,
        skeleton=network.skeleton,
        joints=_rows([None if row is None else row.joints for row in rows]),
        confidence=confidence,
        relations=relations,
        boxes=_rows([None if row is None else row.box for row in rows]),
        status=tuple("absent" if row is None else row.status for row in rows),
        hidden=~(confidence >= limits.hidden_below) | lost[:, None],
        size=int(network.meta["size"]),
        limit=limits.hidden_below,
        sums="columns" if network.model.config.relation_layout == "released" else "rows",
        weights=weights,
        people=tuple(rows),
    )


def _rows(values: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """(T,...), NaN where there is None; None where there is nothing but None."""
    shape = next((value.shape for value in values if value is not None), None)
    if shape is None:
        return None
    return np.stack([np.full(shape, np.nan) if value is None else np.asarray(value, np.float64) for value in values])
