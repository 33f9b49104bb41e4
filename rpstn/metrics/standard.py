"""The score that a data set is usually judged by, where it is another than PCK by person or torso.

    mpii         "pckh"       PCKh@0.5, by head boxes
    coco         "oks"        OKS average precision, rescored and after OKS-NMS, as published tables have it
    posetrack18  "posetrack"  mAP of 15 joints; each person is looked for in the ground-truth box

The other sets have none beyond `rpstn.metrics.scores`. Where a score cannot be computed, "mean" is None and "reason" says why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rpstn.datasets import coco
from rpstn.datasets.clip import ClipDataset, known
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.metrics.average_precision import oks_average_precision, usual_detections
from rpstn.metrics.keypoints import MPII_LEFT_OUT, head_sizes, pckh
from rpstn.metrics.posetrack import AnnotatedFrame, DetectedFrame, posetrack_average_precision
from rpstn.runs.files import plain
from rpstn.skeletons import Skeleton

HEAD_THRESHOLD = 0.5


def standard_score(predictions: Predictions, dataset: ClipDataset, *, seed: int = 0) -> dict[str, Any]:
    """Compute a data set's own score, {key: score} ready for JSON; empty for a set without one, and for converted joints.

    seed  with which the data set was opened: it says which images COCO's val has.
    Each score has "mean" (a fraction), "mean_of" (what it is the mean of) and "joints", by group, where it has them.
    Raises UserError where predictions and data set do not belong together.
    """
    predictions.check(dataset)
    scorers: dict[str, tuple[str, Callable[..., dict[str, Any]]]] = {
        "mpii": ("pckh", head_score),
        "coco": ("oks", oks_score),
        "posetrack18": ("posetrack", track_score),
    }
    if dataset.name != dataset.skeleton.name or dataset.name not in scorers:
        return {}
    key, scorer = scorers[dataset.name]
    if dataset.left_out:
        return {key: _none(f"{dataset.left_out} damaged entries were left out: this is not the whole split")}
    try:
        return {key: plain(scorer(predictions, dataset, **({"seed": seed} if key == "oks" else {})))}
    except UserError as error:
        return {key: _none(str(error))}


def head_score(predictions: Predictions, dataset: ClipDataset) -> dict[str, Any]:
    """Compute PCKh@0.5 of MPII's people: all annotated joints, hidden or outside the image, of whoever has a head box.

    "mean" pools all samples, as the column Mean of published tables does; pelvis and thorax do not count in it. "joints" has the
    plain average of left and right, as their columns do, whatever their numbers of samples.
    """
    boxes = np.concatenate([known(clip.truth.head_boxes, clip, "head boxes") for clip in dataset])
    without = int(np.isnan(head_sizes(boxes)).sum())
    if without == len(boxes):
        return _none("no head boxes, without which there is no PCKh; put annot/gt_valid.mat beside the lists")
    found, truth = np.concatenate(predictions.joints), np.concatenate([clip.joints for clip in dataset])
    labeled = np.concatenate([known(clip.truth.annotated, clip, "which joints are labeled") for clip in dataset])
    result = pckh(found, truth, labeled, head_boxes=boxes, threshold=HEAD_THRESHOLD)
    return {
        "mean": result.micro,
        "mean_of": f"PCKh@{HEAD_THRESHOLD:g}, all samples but those of "
        + " and ".join(dataset.skeleton.joints[joint] for joint in MPII_LEFT_OUT),
        "mean_over_joints": result.mean,
        "joints": _grouped(result.per_joint, dataset.skeleton),
        "people": len(boxes) - without,
        "people_without_head_box": without,
    }


def oks_score(predictions: Predictions, dataset: ClipDataset, *, seed: int = 0) -> dict[str, Any]:
    """Compute COCO's AP and AR (pycocotools) of poses that are rescored and pass OKS-NMS. "mean" is AP.

    Poses that are not finite are left out, and "left_out" counts them: those people are missed.
    """
    poses = np.concatenate(
        [
            np.concatenate([joints, confidence[..., None]], axis=-1)
            for joints, confidence in zip(predictions.joints, predictions.confidence, strict=True)
        ]
    )
    finite = np.isfinite(poses).all(axis=(1, 2))
    people = [known(clip.truth.coco, clip, "what OKS needs") for clip in dataset]
    poses, scores, images = usual_detections(
        poses[finite],
        np.array([person.score for person in people])[finite],
        np.array([person.image_id for person in people], object)[finite],  # numbers, strings, or both
        np.concatenate([clip.boxes for clip in dataset])[finite],
    )
    truth = coco.ground_truth(dataset.root, dataset.split, seed)
    numbers = oks_average_precision(poses, scores, images, truth)
    boxes = "a detector's" if people[0].detected else "ground-truth"
    return {
        "mean": numbers["AP"],
        "mean_of": f"OKS AP, thresholds 0.50 to 0.95, {boxes} boxes",
        **numbers,
        "poses": len(poses),
        "left_out": int((~finite).sum()),
        "images": len(truth["images"]),
    }


def track_score(predictions: Predictions, dataset: ClipDataset) -> dict[str, Any]:
    """Compute PoseTrack's mAP over all labeled frames; a frame's people are looked for in their ground-truth boxes.

    A joint's score is the height of its heatmap's peak. Where that is not finite the joint was not found, and "left_out" counts
    it. Ignored regions are those of the label files.
    """
    frames: dict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    tracks = [known(clip.truth.track, clip, "tracks") for clip in dataset]
    head_boxes = [known(clip.truth.head_boxes, clip, "head boxes") for clip in dataset]
    labeled = [known(clip.truth.annotated, clip, "which joints are labeled") for clip in dataset]
    for index, clip in enumerate(dataset):
        image_ids = known(tracks[index].image_ids, clip, "the images of a track")
        for frame in np.flatnonzero(tracks[index].labeled):
            frames[clip.group, int(image_ids[frame])].append((index, int(frame)))
    annotated, detected, lost = [], [], 0
    for people in frames.values():
        heads = np.stack([head_boxes[index][frame] for index, frame in people])
        if np.isnan(head_sizes(heads)).any():
            clip = dataset[people[0][0]]
            return _none(f"{clip.group}: a labeled person has no head box, by which PoseTrack measures; restore the label file")
        first, at = people[0]
        annotated.append(
            AnnotatedFrame(
                np.stack([dataset[index].joints[frame] for index, frame in people]),
                np.stack([labeled[index][frame] for index, frame in people]),
                heads,
                tracks[first].ignore_regions[at],
            )
        )
        joints = np.stack([predictions.joints[index][frame] for index, frame in people])
        heights = np.stack([predictions.confidence[index][frame] for index, frame in people])
        found = np.isfinite(joints).all(axis=-1) & np.isfinite(heights)
        lost += int((~found).sum())
        detected.append(DetectedFrame(np.where(found[..., None], joints, np.nan), heights))
    result = posetrack_average_precision(detected, annotated)
    return {
        "mean": result.mean,
        "mean_of": "average precision over 15 joints (mAP), ground-truth boxes",
        "joints": _grouped(result.per_joint, dataset.skeleton),
        "people": sum(len(frame.joints) for frame in annotated),
        "frames": len(annotated),
        "left_out": lost,
    }


def standard_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Write the standard score of a metrics.json for a terminal; nothing where there is none."""
    lines = []
    for key, title in (("pckh", "PCKh"), ("oks", "OKS average precision"), ("posetrack", "PoseTrack mAP")):
        if key not in metrics:
            continue
        part = metrics[key]
        if part["mean"] is None:
            lines.append(f"{title}: none; {part['reason']}")
            continue
        lines.append(f"{title}: {100 * part['mean']:.1f}, {part['mean_of']}")
        named = part.get("joints") or {name: value for name, value in part.items() if name[:2] in ("AP", "AR")}
        lines.append("  " + ", ".join(f"{name} {100 * value:.1f}" for name, value in named.items() if value is not None))
        if part.get("left_out"):
            what = "poses" if key == "oks" else "joints"
            lines.append(f"  {what} left out because they are not finite: {part['left_out']}")
    return lines


def _none(reason: str) -> dict[str, Any]:
    return {"mean": None, "reason": reason}


def _grouped(per_joint: np.ndarray, skeleton: Skeleton) -> dict[str, float]:
    """Average left and right, by name; NaN for joints that are not scored."""
    found = {}
    for name, pair in skeleton.joint_types.items():
        values = per_joint[list(pair)]
        found[name] = float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
    return found
