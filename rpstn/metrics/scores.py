"""The scores of a whole split: PCK by reference, visibility, joint, action and held-out motion, as plain data for JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import one_of
from rpstn.metrics.intervals import interval
from rpstn.metrics.keypoints import REFERENCES, correct, reference_sizes, summarize
from rpstn.runs.files import plain
from rpstn.skeletons import Skeleton

VISIBILITY_SUBSETS = ("all", "visible", "occluded")


@dataclass(frozen=True)
class Samples:
    """Which joints are correct, one row per frame of all clips.

    correct  (N,K) of 1, 0 and NaN (not scored).
    groups   (N,) name of the clip's group, the unit of the bootstrap.
    clips    (N,) index of the clip.
    frames   (N,) index of the frame in it.
    """

    correct: np.ndarray
    groups: np.ndarray
    clips: np.ndarray
    frames: np.ndarray

    def of(self, clips: Iterable[int]) -> Samples:
        """Select the rows of some clips."""
        rows = np.isin(self.clips, list(clips))
        return Samples(self.correct[rows], self.groups[rows], self.clips[rows], self.frames[rows])


def samples(
    predictions: Predictions, dataset: ClipDataset, *, reference: str, subset: str = "all", threshold: float = 0.2
) -> Samples:
    """Judge every joint of every frame.

    reference  "person" or "torso": the reference length, per frame.
    subset     which joints are scored: "all" (every annotated joint), "visible" or "occluded".
    Raises ValueError for another reference or subset, UserError where predictions and data set do not belong
    together.
    """
    one_of("subset", subset, VISIBILITY_SUBSETS)
    predictions.check(dataset)
    judged = []
    for clip, joints in zip(dataset, predictions.joints, strict=True):
        size = reference_sizes(clip.joints, clip.visibility, clip.boxes, dataset.skeleton, reference)
        scored = {
            "all": clip.visibility != ABSENT,
            "visible": clip.visibility == VISIBLE,
            "occluded": clip.visibility == OCCLUDED,
        }
        judged.append(correct(joints, clip.joints, scored[subset], size=size, threshold=threshold))
    lengths = [len(clip) for clip in dataset]
    return Samples(
        correct=np.concatenate(judged),
        groups=np.repeat([clip.group for clip in dataset], lengths),
        clips=np.repeat(np.arange(len(dataset)), lengths),
        frames=np.concatenate([np.arange(length) for length in lengths]),
    )


def describe(part: Samples, skeleton: Skeleton) -> dict[str, Any]:
    """Summarize some samples: scores by name.

    "mean" is the plain mean over all joints that have a sample, "micro" pools all samples. "interval" is the
    95 % bootstrap interval of the mean over groups. "joint_types" has left and right of a joint pooled. Where the
    data set leaves joints out of its own mean, "mean_scored" is the mean over the others and "joints_scored"
    their number.
    """
    result = summarize(part.correct)
    bounds = interval(part.correct, part.groups, pool="joints")
    found = {
        "mean": result.mean,
        "interval": [bounds.low, bounds.high],
        "micro": result.micro,
        "samples": int(result.counts.sum()),
        "groups": bounds.groups,
        "joints": {name: value for name, value in zip(skeleton.joints, result.per_joint, strict=True)},
        "joint_types": {name: summarize(part.correct[:, list(pair)]).micro for name, pair in skeleton.joint_types.items()},
        "counts": {name: int(count) for name, count in zip(skeleton.joints, result.counts, strict=True)},
    }
    if skeleton.unscored:
        found["mean_scored"] = summarize(part.correct[:, list(skeleton.scored)]).mean
        found["joints_scored"] = len(skeleton.scored)
    return found


def score(predictions: Predictions, dataset: ClipDataset, *, threshold: float = 0.2) -> dict[str, Any]:
    """Compute all scores of a split, ready for JSON: None where a score has no sample.

    "scores"[reference][subset] is what `describe` returns for all clips. "held_out" and "not_held_out" have
    the same for the clips whose whole motion occurs in the test split only and for the others, where the data
    set distinguishes them. "actions"[action] has the same for the clips of an action. "counted" says how much
    there was and what was left out.
    """
    table = {
        (reference, subset): samples(predictions, dataset, reference=reference, subset=subset, threshold=threshold)
        for reference in REFERENCES
        for subset in VISIBILITY_SUBSETS
    }

    def of(clips: list[int]) -> dict[str, Any]:
        return {
            reference: {subset: describe(table[reference, subset].of(clips), dataset.skeleton) for subset in VISIBILITY_SUBSETS}
            for reference in REFERENCES
        }

    everything = list(range(len(dataset)))
    result: dict[str, Any] = {
        "dataset": dataset.name,
        "split": dataset.split,
        "skeleton": dataset.skeleton.name,
        "threshold": threshold,
        "counted": count(dataset),
        "scores": of(everything),
    }
    if any(clip.truth.held_out is not None for clip in dataset):
        held = [index for index in everything if dataset[index].truth.held_out]
        rest = sorted(set(everything) - set(held))
        for name, clips in (("held_out", held), ("not_held_out", rest)):
            result[name] = {"clips": len(clips), **(of(clips) if clips else {})}
    actions = sorted({clip.action for clip in dataset})
    result["actions"] = {action: of([index for index in everything if dataset[index].action == action]) for action in actions}
    return plain(result)


def count(dataset: ClipDataset) -> dict[str, Any]:
    """Count clips, frames and joints that are scored, and frames without a reference length."""
    visibility = np.concatenate([clip.visibility for clip in dataset])
    sizes = {
        reference: np.concatenate(
            [reference_sizes(c.joints, c.visibility, c.boxes, dataset.skeleton, reference) for c in dataset]
        )
        for reference in REFERENCES
    }
    return {
        "clips": len(dataset),
        "groups": len({clip.group for clip in dataset}),
        "entries_left_out": dataset.left_out,
        **({"detections_left_out": dict(dataset.detections_left_out)} if dataset.detections_left_out else {}),
        "frames": len(visibility),
        "visible_joints": int((visibility == VISIBLE).sum()),
        "occluded_joints": int((visibility == OCCLUDED).sum()),
        "absent_joints": int((visibility == ABSENT).sum()),
        "frames_without_visible_joint": int((~(visibility == VISIBLE).any(axis=1)).sum()),
        "frames_without_reference": {reference: int(np.isnan(size).sum()) for reference, size in sizes.items()},
    }
