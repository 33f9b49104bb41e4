"""Your own video: poses, relations and a picture of them, from a file, a folder, a camera or an array.

    poses, confidences, relations = rpstn.predict("jump.webm")

`predict` gives arrays; `rpstn.prediction_run.predict_video`, which `rpstn predict` calls, streams a video of any length into
files.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import types
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from rpstn.box_files import BoxTable, FixedBox, read_boxes
from rpstn.datasets.clip import ClipDataset
from rpstn.default_weights import Weights, describe_weights, find_weights
from rpstn.errors import UserError
from rpstn.following import Following, is_inside
from rpstn.pose_stream import LOST, PersonPose, PoseNetwork, PoseStream
from rpstn.predictions import Predictions
from rpstn.progress import tqdm
from rpstn.streaming import Ahead
from rpstn.video_input import Frame, VideoInput, open_input

# A person fewer pixels tall is none that a network could see: such boxes are parts of the frame, 0..1, or of another picture.
LEAST_SIDE = 4.0
# In a crop so many times as long as the frame, the frame is a spot.
MOST_FRAMES = 10.0


class Poses(NamedTuple):
    """One person's poses in T frames, as NumPy.

    poses        (T,K,2) float64, 0-based pixels of the video; NaN in frames in which the person has no box (short gaps between
                 boxes are bridged: `rpstn.box_files`).
    confidences  (T,K) float32, heights of the heatmaps' peaks; NaN there too.
    relations    (T,K,K) float32, NaN there too; None for a network without relations.
    """

    poses: np.ndarray
    confidences: np.ndarray
    relations: np.ndarray | None


def predict(
    video_or_frames: str | os.PathLike[str] | int | np.ndarray,
    checkpoint: str | os.PathLike[str] | None = None,
    boxes: Any = None,
    *,
    frames: int | None = None,
    fps: float | None = None,
    device: str = "auto",
    progress: bool = False,
) -> Poses:
    """Poses of one person in every frame of a video.

    video_or_frames  path of a video file or of a folder of pictures, a camera's index, or an array (T,H,W,3) of uint8, RGB.
    checkpoint       file that training wrote, or the name of weights that come with the package, such as embedded_rpstn; None:
                     the default ones. What weights were trained on, and how to train others,
                     `rpstn.default_weights.describe_weights` says, and `rpstn predict` prints.
    boxes            None or "auto": the whole frame at first, then the box follows the pose. (4,) or "x,y,w,h": one box for all
                     frames, whose numbers are those of the clip call. (T,4): one box a frame. Or a .json or .csv file
                     (`rpstn.box_files`). x, y, width, height in pixels of the video.
    frames           stop after so many; None: at the video's end. A camera has none: it needs a number.
    fps              frames a second of a folder or an array; no number depends on it.
    Returns Poses: poses (T,K,2), confidences (T,K), relations (T,K,K).

    Frames stream through RPSTN.step (Dang et al. 2022): each is looked at once, with what the frame before left. Raises UserError
    for whatever cannot be read or used, and for boxes of several people: use `predict_video` for these.
    """
    opened = open_one(video_or_frames, checkpoint, boxes, frames=frames, fps=fps, device=device, progress=progress)
    return poses_of([person for _, person in opened.people], len(opened.network.skeleton))


class Opened(NamedTuple):
    """A video of one person, ready to be gone through: (frame, the person in it or None), one after another."""

    network: PoseNetwork
    weights: Weights
    source: VideoInput
    people: Iterator[tuple[Frame, PersonPose | None]]


def open_one(
    video: Any,
    checkpoint: str | os.PathLike[str] | None,
    boxes: Any,
    *,
    frames: int | None,
    fps: float | None = None,
    device: str = "auto",
    progress: bool = False,
) -> Opened:
    """What `predict` and `rpstn.looking.watch` begin with; arguments and errors are those of `predict`."""
    if frames is not None and frames < 1:
        raise UserError(f"the limit is {frames} frames; give at least 1, or None for the whole video")
    given = read_boxes(boxes)
    if given is not None and len(given.ids) > 1:
        raise UserError(
            f"the boxes are of {len(given.ids)} people ({', '.join(given.ids[:5])}); these are the poses of one: "
            "give boxes of one person, or use rpstn.prediction_run.predict_video or `rpstn predict`"
        )
    source = open_input(video, fps)
    if source.live and frames is None:
        raise UserError(f"{source.name} has no end; say how many frames, or use `rpstn predict`, which Ctrl-C ends")
    path = find_weights(checkpoint)
    network = PoseNetwork.load(path, device)
    weights = describe_weights(path, network.meta)
    following = Following.by(weights.calibration)
    stream = predict_frames(network, source, given, following, progress=progress)
    return Opened(network, weights, source, _only(stream, frames))


def _only(stream: Generator[Any, None, None], limit: int | None) -> Iterator[tuple[Frame, PersonPose | None]]:
    with contextlib.closing(stream):  # frames that were decoded ahead are not wanted
        for frame, people in islice(stream, limit):
            yield frame, people[0] if people else None


def predict_frames(
    network: PoseNetwork, source: VideoInput, boxes: Any, following: Following, *, progress: bool = False
) -> Generator[tuple[Frame, list[PersonPose]], None, None]:
    """(frame, its people) of a source, one after another; decoding overlaps with the network."""
    given = read_boxes(boxes)
    stream = PoseStream(network, given, following)
    frames = Ahead(source, drop=source.live)
    try:
        bar = tqdm(frames, total=source.count, unit="frame", desc=source.name, disable=not progress)
        for count, frame in enumerate(bar):
            if not count:  # whatever its number: a camera's first ones may have been dropped
                check_boxes(given, frame)
            yield frame, stream.step(frame.index, frame.pixels)
    finally:
        frames.close()


def predict_streamed(
    network: PoseNetwork, dataset: ClipDataset, following: Following, *, boxes_given: bool = True, progress: bool = True
) -> tuple[Predictions, list[list[str]]]:
    """Every clip of a labelled data set, streamed as `predict` streams a video, and the status of each frame (`PersonPose`).

    boxes_given  the labels' boxes; else nothing is given, and the person is looked for in each clip.
    Unlike `rpstn.evaluate.predict_clips`, each frame has its own crop, and the state lasts as long as the clip.
    """
    joints, confidence, states = [], [], []
    with tqdm(total=sum(map(len, dataset)), desc=f"stream {dataset.name}", unit="frame", disable=not progress) as bar:
        for clip in dataset:
            source = open_input(clip.frames.read(range(len(clip))))
            found = predict_frames(network, source, clip.boxes if boxes_given else None, following)
            people = [each[0] if each else None for _, each in found]
            poses = poses_of(people, len(network.skeleton))
            joints.append(poses.poses)
            confidence.append(poses.confidences)
            states.append([LOST if pose is None else pose.status for pose in people])
            bar.update(len(clip))
    return Predictions(tuple(clip.id for clip in dataset), joints, confidence, [None] * len(joints)), states


def check_boxes(boxes: FixedBox | BoxTable | None, frame: Frame) -> None:
    """Raises UserError where no box shows any of the frame, or all are of a size that no person has, so that nobody could be
    found in the whole video.
    """
    if boxes is None:
        return
    size = frame.pixels.shape[:2]
    fixed = isinstance(boxes, FixedBox)
    rows = np.array([boxes.box]) if fixed else np.concatenate([rows for _, rows in boxes.people.values()])
    sides = rows[:, 2:].max(axis=1)
    frames = f"the video's frames of {size[1]}x{size[0]} pixels"
    are, lie = ("is", "lies") if fixed else ("are", "lie")
    if sides.max() < LEAST_SIDE:
        example, wrong = rows[sides.argmax()], f"{are} less than {LEAST_SIDE:g} pixels long, in {frames}"
    elif sides.min() > MOST_FRAMES * max(size):
        example, wrong = rows[sides.argmin()], f"{are} more than {MOST_FRAMES:g} times as long as {frames}"
    elif not any(is_inside(box, size) for box in rows):
        example, wrong = rows[0], f"{lie} outside of {frames}"
    else:
        return
    named = ",".join(f"{value:g}" for value in example)
    told = f"box {named} {wrong}" if fixed else f"{boxes.origin}: all boxes {wrong}, such as {named}"
    raise UserError(f"{told}; give x, y, width, height in pixels of the video, not in parts of the frame, or auto")


def poses_of(found: Sequence[PersonPose | None], joints: int) -> Poses:
    """One person's poses as arrays, NaN where there is None."""
    relates = any(pose is not None and pose.relation is not None for pose in found)
    return Poses(
        stack(found, "joints", (joints, 2), np.float64),
        stack(found, "confidence", (joints,), np.float32),
        stack(found, "relation", (joints, joints), np.float32) if relates else None,
    )


def stack(found: Sequence[PersonPose | None], name: str, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """(T, *shape): one field of the poses, NaN where there is None."""
    rows = np.full((len(found), *shape), np.nan, kind)
    for row, pose in zip(rows, found, strict=True):
        if pose is not None:
            row[:] = getattr(pose, name)
    return rows


class _CallableModule(types.ModuleType):
    """`rpstn.predict` names this module, as soon as anything imports it, and the function: so the module can be called."""

    __call__ = staticmethod(predict)


__signature__ = inspect.signature(predict)  # what help and editors show when they ask the module

sys.modules[__name__].__class__ = _CallableModule
