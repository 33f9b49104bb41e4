"""Your own video as arrays: the poses and relations of one person, from a file, a folder, a camera or frames in memory.

    poses, confidences, relations = rpstn.predict("jump.webm")

`rpstn.video.job.predict_video`, which `rpstn predict` calls, streams a video of any length into files instead.
"""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.models.files import find_weights
from rpstn.models.weights import Weights, describe_network, describe_weights
from rpstn.runs.ahead import Ahead
from rpstn.runs.progress import tqdm
from rpstn.runs.quiet import audible
from rpstn.video.boxes import check_boxes, read_boxes
from rpstn.video.input.frames import Frame, VideoInput
from rpstn.video.input.source import open_input, unused_rate
from rpstn.video.input.video_file import VideoFile
from rpstn.video.network import PoseNetwork
from rpstn.video.stream import LOST, PersonPose, PoseStream
from rpstn.video.tracking import Following

# What names a network: see `predict`.
Checkpoint = str | os.PathLike[str] | tuple[torch.nn.Module, Mapping[str, Any]] | None
ABSENT = "absent"  # the status of a frame in which the person has no box; poses.json leaves the person out of it


class _Arrays(NamedTuple):
    poses: np.ndarray
    confidences: np.ndarray
    relations: np.ndarray | None


class Poses(_Arrays):
    """One person's poses in T frames, as NumPy: a tuple of three, with two attributes that say what to make of them.

    poses        (T,K,2) float64, 0-based pixels of the video; NaN in frames in which the person has no box (short gaps between
                 boxes are bridged: `rpstn.video.boxes`), and in frames that cannot be decoded.
    confidences  (T,K) float32, heights of the heatmaps' peaks; NaN there too.
    relations    (T,K,K) float32, NaN there too; None for a network without relations.

    status       (T,) text, as in poses.json: "given", "found" or "followed", by how the box came about; "lost" where the network
                 has too little confidence to call what it found a person; "absent" where there is no box.
    hidden       (T,K) bool: joints that the network does not see well, by the checkpoint's limit (`rpstn.video.calibrate`); all
                 of a lost frame, none where there is no box. A joint is seen where it is neither hidden nor NaN.
    """

    status: np.ndarray
    hidden: np.ndarray

    def __new__(
        cls, poses: np.ndarray, confidences: np.ndarray, relations: np.ndarray | None, status: np.ndarray, hidden: np.ndarray
    ) -> Poses:
        found = super().__new__(cls, poses, confidences, relations)
        found.status, found.hidden = status, hidden
        return found

    def __getnewargs__(self) -> tuple[Any, ...]:  # of copy and pickle
        return (*self, self.status, self.hidden)


def predict(
    video_or_frames: str | os.PathLike[str] | int | np.ndarray | Sequence[np.ndarray],
    checkpoint: Checkpoint = None,
    boxes: Any = None,
    *,
    frames: int | None = None,
    fps: float | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: bool = False,
) -> Poses:
    """Predict the pose of one person in every frame of a video.

    video_or_frames  path of a video file, an image file or a folder of images; a camera's index; or frames of uint8 in RGB: an
                     array (T,H,W,3), of one frame (H,W,3), or a list of such frames.
    checkpoint       file that training wrote, or the name of weights that come with the package, such as embedded_rpstn; None:
                     the default ones; or a network in memory with its metadata, (model, metadata), as `rpstn.load_checkpoint`
                     returns them: it is copied, and its limits of confidence are assumed. What weights were trained on, and how
                     to train others, `rpstn.models.weights.describe_weights` says, and `rpstn predict` prints.
    boxes            None or "auto": the whole frame at first, then the box follows the pose. (4,) or "x,y,w,h": one box for all
                     frames, whose numbers are those of the clip call. (T,4): one box per frame. Or a .json or .csv file
                     (`rpstn.video.boxes`). x, y, width, height in pixels of the video.
    frames           stop after so many; None: at the video's end. A camera has none: it needs a number.
    fps              frames per second of a folder or an array; no number depends on it.
    precision        "fp32", "bf16", or "auto": bfloat16 on a CPU that computes it, for networks with MoveNet's features.
    Returns Poses: poses (T,K,2), confidences (T,K), relations (T,K,K); its attributes `status` (T,) and `hidden` (T,K) say in
    which frames the person was lost, and which joints are hidden. A lost frame has a pose too, which is not to be trusted.

    Frames stream through RPSTN.step (Dang et al. 2022): each is looked at once, with what the frame before left. Warns of what
    was left out of a folder, of frames that cannot be decoded, and the like (`VideoInput.notes`). Raises UserError for whatever
    cannot be read or used, and for boxes of several people: use `predict_video` for these.
    """
    opened = open_one(
        video_or_frames, checkpoint, boxes, frames=frames, fps=fps, device=device, precision=precision, progress=progress
    )
    people = [person for _, person in opened.people]
    poses = poses_of(people, len(opened.network.skeleton), opened.weights.calibration.hidden_below)
    for note in [*opened.source.notes, *unused_rate(opened.source, fps)]:  # such as frames that cannot be decoded
        warnings.warn(f"{opened.source.name}: {note}", stacklevel=2)
    return poses


class Opened(NamedTuple):
    """A video of one person, ready to be read: (frame, the person in it or None), one after another.

    A frame that cannot be decoded comes as the image before it, or black, without a person: numbers stay those of the file.
    """

    network: PoseNetwork
    weights: Weights
    source: VideoInput
    people: Iterator[tuple[Frame, PersonPose | None]]


def open_one(
    video: Any,
    checkpoint: Checkpoint,
    boxes: Any,
    *,
    frames: int | None,
    fps: float | None = None,
    device: str = "auto",
    precision: str = "auto",
    progress: bool = False,
) -> Opened:
    """Open a video and a network, as `predict` and `rpstn.video.watch.watch` do; arguments and errors are those of `predict`."""
    if frames is not None and (isinstance(frames, bool) or not isinstance(frames, int | np.integer) or frames < 1):
        raise UserError(f"the limit is {frames} frames; give a whole number of at least 1, or None for the whole video")
    given = read_boxes(boxes)
    if given is not None and len(given.ids) > 1:
        raise UserError(
            f"the boxes are of {len(given.ids)} people ({', '.join(given.ids[:5])}); these are the poses of one: "
            "give boxes of one person, or use rpstn.video.job.predict_video or `rpstn predict`"
        )
    source = open_input(video, fps)
    if source.live and frames is None:
        raise UserError(f"{source.name} has no end; say how many frames, or use `rpstn predict`, which Ctrl-C ends")
    network, weights = open_network(checkpoint, device, precision)
    following = Following.by(weights.calibration)
    stream = predict_frames(network, source, given, following, progress=progress)
    lost = source.lost if isinstance(source, VideoFile) else {}
    return Opened(network, weights, source, _only(stream, lost, frames))


def open_network(checkpoint: Checkpoint, device: str = "auto", precision: str = "auto") -> tuple[PoseNetwork, Weights]:
    """Load the network that `predict` was given, and what is known of it."""
    if isinstance(checkpoint, tuple) and len(checkpoint) == 2:
        network = PoseNetwork.of(*checkpoint, device, precision)
        return network, describe_network(network.metadata)
    if isinstance(checkpoint, torch.nn.Module):
        raise UserError(
            f"a network ({type(checkpoint).__name__}) alone does not say for which joints and at which size it was trained; give "
            "(model, metadata), as rpstn.load_checkpoint returns them, or the path of a checkpoint"
        )
    path = find_weights(checkpoint)
    network = PoseNetwork.load(path, device, precision)
    return network, describe_weights(path, network.metadata)


def _only(
    stream: Generator[Any, None, None], lost: Mapping[int, float], limit: int | None
) -> Iterator[tuple[Frame, PersonPose | None]]:
    with contextlib.closing(stream):  # frames that were decoded ahead are not wanted
        for frame, people in islice(_with_lost(stream, lost), limit):
            yield frame, people[0] if people else None


def _with_lost(
    stream: Iterator[tuple[Frame, list[PersonPose]]], lost: Mapping[int, float]
) -> Iterator[tuple[Frame, list[PersonPose]]]:
    """Return the frames, with lost ones at their positions. lost: times by number, known once a later frame is there."""
    number, shown = 0, None
    for frame, people in stream:
        shown = np.zeros_like(frame.pixels) if shown is None else shown
        while number in lost and number < frame.index:
            yield Frame(number, lost[number], shown), []
            number += 1
        yield frame, people
        number, shown = frame.index + 1, frame.pixels
    while shown is not None and number in lost:
        yield Frame(number, lost[number], shown), []
        number += 1


def predict_frames(
    network: PoseNetwork, source: VideoInput, boxes: Any, following: Following, *, progress: bool = False
) -> Generator[tuple[Frame, list[PersonPose]], None, None]:
    """Give (frame, its people) of a source, one after another; decoding overlaps with the network."""
    given = read_boxes(boxes)
    stream = PoseStream(network, given, following)
    with Ahead(source, drop=source.live) as frames, audible() as terminal:
        name = repr(source.name)[1:-1]  # some terminals cannot show every name
        bar = tqdm(frames, total=source.count, unit="frame", desc=name, disable=not progress, file=terminal)
        for count, frame in enumerate(bar):
            if given is not None and not count:  # whatever its number: a camera's first ones may have been dropped
                check_boxes(given, frame.pixels.shape[:2])
            yield frame, stream.step(frame.index, frame.pixels)


def predict_streamed(
    network: PoseNetwork, dataset: ClipDataset, following: Following, *, boxes_given: bool = True, progress: bool = True
) -> tuple[Predictions, list[list[str]]]:
    """Stream every clip of a labeled data set as `predict` streams a video; also gives the status of each frame (`PersonPose`).

    boxes_given  the labels' boxes; else nothing is given, and the person is looked for in each clip.
    Unlike `rpstn.evaluate.inference.predict_clips`, each frame has its own crop, and the state lasts as long as the clip.
    """
    joints, confidence, states = [], [], []
    with tqdm(total=sum(map(len, dataset)), desc=f"stream {dataset.name}", unit="frame", disable=not progress) as bar:
        for clip in dataset:
            source = open_input(clip.frames.read(range(len(clip))))
            found = predict_frames(network, source, clip.boxes if boxes_given else None, following)
            people = [each[0] if each else None for _, each in found]
            poses = poses_of(people, len(network.skeleton), hidden_below=0.0)
            joints.append(poses.poses)
            confidence.append(poses.confidences)
            states.append([LOST if pose is None else pose.status for pose in people])
            bar.update(len(clip))
    return Predictions(tuple(clip.id for clip in dataset), joints, confidence, [None] * len(joints)), states


def poses_of(found: Sequence[PersonPose | None], joints: int, hidden_below: float) -> Poses:
    """Stack one person's poses, NaN where there is None."""
    relates = any(pose is not None and pose.relation is not None for pose in found)
    status = np.array([ABSENT if pose is None else pose.status for pose in found], np.str_)
    confidences = stack(found, "confidence", (joints,), np.float32)
    return Poses(
        stack(found, "joints", (joints, 2), np.float64),
        confidences,
        stack(found, "relation", (joints, joints), np.float32) if relates else None,
        status,
        (confidences < hidden_below) | (status == LOST)[:, None],  # a comparison with NaN is false
    )


def stack(found: Sequence[PersonPose | None], name: str, shape: tuple[int, ...], kind: type) -> np.ndarray:
    """Stack one field of the poses: (T, *shape), NaN where there is None."""
    rows: np.ndarray = np.full((len(found), *shape), np.nan, kind)
    for row, pose in zip(rows, found, strict=True):
        if pose is not None:
            row[:] = getattr(pose, name)
    return rows
