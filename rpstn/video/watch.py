"""A short video and everything that the network found in it, held in memory: for figures. `rpstn.predict` keeps less."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.datasets.convert import convert_dataset, correspondence
from rpstn.datasets.transforms import crop_affine, warp
from rpstn.errors import UserError
from rpstn.models.effect import RelationEffect
from rpstn.models.weights import Weights
from rpstn.skeletons import Skeleton
from rpstn.video.output.files import frame_entry
from rpstn.video.output.overlay import Annotator, scale_of
from rpstn.video.output.summary import summarize_poses
from rpstn.video.predict import open_one, poses_of, stack
from rpstn.video.relation_note import RelationNote
from rpstn.video.stream import LOST, PersonPose
from rpstn.video.tracking import PADDING


@dataclass(frozen=True)
class Watched:
    """Keep one person in a video of T frames.

    frames      (T,H,W,3) uint8 RGB, at most 1280 px on a side: larger ones are kept smaller, after the network saw them.
    scale       px of the kept frames for one of the video, mostly 1. times (T,) seconds since the first; fps; name of the
                video.
    joints      (T,K,2) px of the kept frames; confidence (T,K); relations (T,K,K), or None for a network without. NaN in
                frames in which the person has no box.
    boxes       (T,4) x, y, width, height px of the kept frames: where the network looked, without the crop's padding.
    status      T words of `rpstn.video.stream`: given, found, followed, lost; "absent" without a box.
    hidden      (T,K) bool: joints that the network does not see well, by the checkpoint's limit; all where it is lost, none
                where there is no box.
    size        side of the network's input in px. limit: confidence below which a joint is hidden.
    sums        what of a relation sums to one: "rows", or "columns" in the released layout.
    weights     what is known of the checkpoint.
    people      what the network said of each frame, in its kept px; None without a box.
    effect      what the relation does in some of the frames; None for a network without.
    """

    name: str
    frames: np.ndarray
    scale: float
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
    effect: RelationEffect | None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def present(self) -> np.ndarray:
        """(T,) bool: frames in which the person has a box."""
        return np.array([person is not None for person in self.people])

    def crop(self, frame: int) -> np.ndarray:
        """Give what the network saw of a frame, (S,S,3), as sharp as the kept frame is. UserError for a frame without a box."""
        if self.people[frame] is None:
            raise UserError(f"frame {frame} of {self.name} has no box, so the network saw nothing of it; choose another")
        affine = crop_affine(self.boxes[frame], self.size, padding=PADDING)
        return warp(self.frames[frame : frame + 1], affine, self.size)[0]

    def to_video(self, points: np.ndarray) -> np.ndarray:
        """Give points (...,2) of the kept frames in pixels of the video."""
        return (points - (self.scale - 1) / 2) / self.scale

    def images(self, relation: bool = True) -> Iterator[np.ndarray]:
        """Draw the frames as `rpstn predict` does, (H',W',3) uint8 RGB: pose, confidence, and the relation next to it."""
        drawn = relation and self.relations is not None
        annotator = Annotator(self.skeleton, self.frames.shape[1:3], self.limit, relation=drawn)
        for frame, entry in zip(self.frames, self._entries(drawn), strict=True):
            yield annotator.draw(frame, entry)

    def _entries(self, relation: bool = False) -> Iterator[dict[str, Any]]:
        for index, person in enumerate(self.people):
            here = [] if person is None else [person]
            yield frame_entry(index, float(self.times[index]), here, self.limit, relation=relation)

    def summary(self) -> Mapping[str, Mapping[str, Any]]:
        """Give by joint: mean confidence, frames hidden, the longest stretch hidden, and the frame in which that one ends.

        Stretches are those of `rpstn.video.output.summary`. "seen again" is None where the stretch lasts until the person
        leaves or the video ends.
        """
        (person,) = summarize_poses(self._entries(), self.skeleton).values()
        found = {}
        for joint in self.skeleton.order:
            name = self.skeleton.joints[joint]
            stretches = person["joints"][name]["stretches"]
            longest = max(stretches, key=lambda stretch: stretch["frames"], default=dict[str, Any]())
            found[name] = {
                "mean confidence": float(np.nanmean(self.confidence[:, joint])),
                "hidden frames": person["joints"][name]["hidden"],
                "longest stretch": longest.get("frames", 0),
                "from frame": longest.get("first"),
                "seen again in frame": longest.get("seen_again"),
            }
        return found


def watch(
    video: Any,
    checkpoint: str | Path | None = None,
    boxes: Any = None,
    *,
    limit: int | None = 240,
    device: str = "auto",
    progress: bool = False,
) -> Watched:
    """Predict the first `limit` frames of a video (all of them for None), and keep them with the pose of one person.

    video       as `rpstn.video.input.source.open_input` takes it: a file, a folder, a camera's index, frames (T,H,W,3).
    checkpoint  None: the weights that come with the package.
    boxes       as `rpstn.video.boxes.read_boxes` takes them; None or "auto": the box follows the pose.
    Raises UserError for what cannot be read, for a limit below 1, and where boxes are for several people.
    """
    opened = open_one(video, checkpoint, boxes, frames=limit, device=device, progress=progress)
    limits, skeleton = opened.weights.calibration, opened.network.skeleton
    frames, times, people, scale = [], [], [], 1.0
    note = RelationNote(opened.network)
    for frame, person in opened.people:
        note.see(frame.pixels, None if person is None or person.status == LOST else person.box)
        scale = min(scale_of(frame.pixels.shape[:2]), 1.0)
        frames.append(_smaller(frame.pixels, scale))
        times.append(frame.time)
        people.append(None if person is None else _scaled(person, scale))
    name = opened.source.name
    if all(person is None for person in people):
        raise UserError(f"{name}: no box lies in any of its first {len(people)} frames; check the boxes, or leave them out")
    poses = poses_of(people, len(skeleton), limits.hidden_below)
    return Watched(
        name=name,
        frames=np.stack(frames),
        scale=scale,
        times=np.array(times),
        fps=opened.source.fps,
        skeleton=skeleton,
        joints=poses.poses,
        confidence=poses.confidences,
        relations=poses.relations,
        boxes=stack(people, "box", (4,), np.float64),
        status=tuple(poses.status.tolist()),
        hidden=poses.hidden,
        size=int(opened.network.metadata["size"]),
        limit=limits.hidden_below,
        sums=opened.network.sums,
        weights=opened.weights,
        people=tuple(people),
        effect=note.effect(),
    )


def labels_for(dataset: ClipDataset, clip: int, skeleton: Skeleton) -> Clip:
    """Give one clip of a data set with the joints that a network finds.

    Raises UserError where the data set labels none of them, or nothing that they can be computed from.
    """
    if not any(correspondence(dataset.skeleton, skeleton).values()):
        raise UserError(
            f"data set {dataset.name}: labels none of the joints that these weights find (skeleton {skeleton.name}); "
            f"give a checkpoint that was trained on this data set, such as `rpstn train --dataset {dataset.name}` writes"
        )
    return convert_dataset(replace(dataset, clips=(dataset[clip],)), skeleton)[0]


def _smaller(pixels: np.ndarray, scale: float) -> np.ndarray:
    """Frames of a telephone have eight million pixels; a figure needs few of them, and memory holds few such frames."""
    if scale == 1:
        return pixels
    height, width = (max(round(side * scale), 1) for side in pixels.shape[:2])
    return cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)


def _scaled(pose: PersonPose, scale: float) -> PersonPose:
    """Return a pose in pixels of the smaller frame: the center of pixel 0 goes to (scale - 1) / 2."""
    shift = (scale - 1) / 2
    box = np.concatenate([pose.box[:2] * scale + shift, pose.box[2:] * scale])
    return pose._replace(joints=pose.joints * scale + shift, box=box)
