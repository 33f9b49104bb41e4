"""Average precision of whole poses, as COCO defines it, computed by COCO's own code (pycocotools).

A detected pose matches an annotated person by object keypoint similarity (Lin et al., 2014; COCO's key point
evaluation), the mean over the person's labelled joints of

    exp(-d_j^2 / (2 a (2 sigma_j)^2))

with d_j the distance in px, a the person's area in px^2 and sigma_j how far annotators disagree on joint j.
Nothing of that is computed here: this module brings arrays into COCO's form, and its answer back.
"""

from __future__ import annotations

import contextlib
import copy
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError
from rpstn.metrics.keypoints import as_array
from rpstn.runs import read_json
from rpstn.skeletons import COCO, Skeleton

# What COCOeval.summarize writes into `stats` for key points, in its order.
NAMES = ("AP", "AP50", "AP75", "AP_medium", "AP_large", "AR", "AR50", "AR75", "AR_medium", "AR_large")


def oks_average_precision(
    keypoints: Any,
    scores: Any,
    image_ids: Any,
    ground_truth: str | Path | Mapping[str, Any],
    *,
    boxes: Any | None = None,
    skeleton: Skeleton = COCO,
) -> dict[str, float]:
    """AP and AR of detected poses over all images of the ground truth, as fractions.

    keypoints     (N,K,3) x, y in px and a confidence, which COCO's evaluation does not read; the skeleton's order.
    scores        (N,) of each pose; the 20 best of an image count.
    image_ids     (N,) ids of images in the ground truth.
    ground_truth  a file in COCO's key point form, or its content. It is not changed.
    boxes         (N,4) x, y, width, height in px; the box around the key points if not given. Its area decides
                  only whether an unmatched detection counts among the medium or the large ones.
    skeleton      of which the joints and the sigmas are; it must have sigmas.

    Returns NAMES: "AP" and "AR" are means over OKS thresholds .50, .55 ... .95, "AP50" is that at .50,
    "AP_medium" that of persons of 32^2 to 96^2 px^2. NaN where the ground truth has no such person.
    Raises ValueError for shapes that do not fit and values that are not finite; UserError for a ground truth
    that is no COCO file of this skeleton, for an image that it does not have, and without pycocotools.
    """
    poses, scores, image_ids = (as_array(value) for value in (keypoints, scores, image_ids))
    _check(poses, scores, image_ids, skeleton)
    truth, category = _read(ground_truth, skeleton)
    unknown = sorted(set(image_ids.tolist()) - {image["id"] for image in truth["images"]})
    if unknown:
        raise UserError(f"image {unknown[0]} has detections but is not in the ground truth; {len(unknown)} images are not")
    detections: list[dict[str, Any]] = [
        {"image_id": image, "category_id": category, "keypoints": pose.ravel().tolist(), "score": score}
        for image, pose, score in zip(image_ids.tolist(), poses.astype(np.float64), scores.tolist(), strict=True)
    ]
    if boxes is not None:
        boxes = as_array(boxes).astype(np.float64)
        if boxes.shape != (len(poses), 4):
            raise ValueError(f"boxes {boxes.shape} must be (N, 4), one for each of the {len(poses)} poses")
        for detection, box in zip(detections, boxes.tolist(), strict=True):
            detection["bbox"] = box
    stats = _evaluate(truth, detections, category, np.array(skeleton.sigmas))
    # COCO says -1 where there was nothing to find.
    return {name: float(value) if value >= 0 else float("nan") for name, value in zip(NAMES, stats, strict=True)}


def _evaluate(truth: dict[str, Any], detections: list[dict[str, Any]], category: int, sigmas: np.ndarray) -> np.ndarray:
    """COCOeval's ten numbers. What it prints on its way is dropped."""
    try:  # late: whoever scores by PCK needs no pycocotools
        from pycocotools.coco import COCO as Annotations
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise UserError("average precision needs pycocotools; install it with `pip install 'rpstn[book]'`") from None
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = Annotations()
        annotated.dataset = truth
        annotated.createIndex()
        # loadRes looks at the first detection, so it takes no empty list.
        detected = annotated.loadRes(detections) if detections else Annotations()
        evaluation = COCOeval(annotated, detected, "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.params.catIds = [category]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def _read(ground_truth: str | Path | Mapping[str, Any], skeleton: Skeleton) -> tuple[dict[str, Any], int]:
    """A copy of the ground truth, which COCOeval may write into, and the id of the person category."""
    if isinstance(ground_truth, str | Path):
        truth, where = read_json(ground_truth), str(ground_truth)
    else:
        truth, where = copy.deepcopy(dict(ground_truth)), "ground truth"
    if not isinstance(truth, dict) or not {"images", "annotations", "categories"} <= set(truth):
        raise UserError(f"{where}: has no images, annotations and categories; give a file in COCO's key point form")
    persons = [entry for entry in truth["categories"] if len(entry.get("keypoints", ())) == len(skeleton)]
    if len(persons) != 1:
        raise UserError(
            f"{where}: {len(persons)} categories have the {len(skeleton)} key points of skeleton {skeleton.name!r}; "
            "exactly one must"
        )
    return truth, persons[0]["id"]


def _check(poses: np.ndarray, scores: np.ndarray, image_ids: np.ndarray, skeleton: Skeleton) -> None:
    if skeleton.sigmas is None or len(skeleton.sigmas) != len(skeleton):
        raise ValueError(f"skeleton {skeleton.name!r} has no sigma for each joint, without which there is no OKS")
    if poses.ndim != 3 or poses.shape[1:] != (len(skeleton), 3):
        raise ValueError(f"keypoints {poses.shape} must be (N, {len(skeleton)}, 3): x, y, confidence")
    if scores.shape != poses.shape[:1] or image_ids.shape != poses.shape[:1]:
        raise ValueError(f"scores {scores.shape} and image_ids {image_ids.shape} must be (N,) = {poses.shape[:1]}")
    if not np.isfinite(poses[..., :2]).all() or not np.isfinite(scores).all():
        raise ValueError("a key point or a score is not finite; leave such poses out")
