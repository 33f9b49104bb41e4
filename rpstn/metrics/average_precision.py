"""Average precision of whole poses, as COCO defines it, computed by COCO's own code (pycocotools).

A detected pose matches an annotated person by object keypoint similarity (Lin et al., 2014; COCO's key point
evaluation), the mean over the person's labeled joints of

    exp(-d_j^2 / (2 a (2 sigma_j)^2))

with d_j the distance in px, a the person's area in px^2 and sigma_j how far annotators disagree on joint j.
The score is COCO's own: this module brings arrays into COCO's form, and its answer back. What published tables do with
detections before they score them is here too: `rescore`, `oks_nms`, and both in `usual_detections`.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError
from rpstn.metrics.coco_truth import CATEGORY, GroundTruth, read_ground_truth
from rpstn.metrics.keypoints import as_array
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
    """Compute AP and AR of detected poses over all images of the ground truth, as fractions.

    keypoints     (N,K,3) x, y in px and a confidence, which COCO's evaluation does not read; the skeleton's order.
    scores        (N,) of each pose; the 20 best of an image count.
    image_ids     (N,) ids of images in the ground truth: whole numbers or strings. What they are changes nothing.
    ground_truth  a file in COCO's key point form, or its content. It is not changed.
    boxes         (N,4) x, y, width, height in px; the box around the key points if not given. Its area decides
                  only whether an unmatched detection counts among the medium or the large ones.
    skeleton      of which the joints and the sigmas are; it must have sigmas.

    Returns NAMES: "AP" and "AR" are means over OKS thresholds .50, .55 ... .95, "AP50" is that at .50,
    "AP_medium" that of persons of 32^2 to 96^2 px^2. NaN where the ground truth has no such person.
    Raises ValueError for shapes that do not fit and values that are not finite; UserError for a ground truth
    that is no COCO file of this skeleton (see `read_ground_truth`; it names the annotation), for an image that it does
    not have, and without pycocotools.
    """
    poses, scores, image_ids = as_array(keypoints), as_array(scores), _ids(image_ids)
    _check(poses, scores, image_ids, skeleton)
    truth = read_ground_truth(ground_truth, skeleton)
    unknown = [image for image in dict.fromkeys(image_ids.tolist()) if isinstance(image, bool) or image not in truth.images]
    if unknown:
        raise UserError(f"image {unknown[0]!r} has detections but is not in the ground truth; {len(unknown)} images are not")
    detections: list[dict[str, Any]] = [
        {"image_id": truth.images[image], "category_id": CATEGORY, "keypoints": pose.ravel().tolist(), "score": score}
        for image, pose, score in zip(image_ids.tolist(), poses.astype(np.float64), scores.tolist(), strict=True)
    ]
    if boxes is not None:
        boxes = _boxes(boxes, len(poses))
        for detection, box in zip(detections, boxes.tolist(), strict=True):
            detection["bbox"] = box
    stats = _evaluate(truth, detections, np.array(skeleton.sigmas))
    # COCO says -1 where there was nothing to find.
    return {name: float(value) if value >= 0 else float("nan") for name, value in zip(NAMES, stats, strict=True)}


def rescore(box_scores: Any, confidences: Any, threshold: float = 0.2) -> np.ndarray:
    """Score poses as published COCO tables do: (N,) float64.

        score = box score * mean of the confidences above the threshold,   0 where none is above it

    box_scores   (N,) of the person detector; ones for ground-truth boxes.
    confidences  (N,K), the height of each heatmap's peak. Raises ValueError for shapes that do not fit.
    """
    box_scores, confidences = as_array(box_scores).astype(np.float64), as_array(confidences).astype(np.float64)
    if confidences.ndim != 2 or box_scores.shape != confidences.shape[:1]:
        raise ValueError(f"box_scores {box_scores.shape} and confidences {confidences.shape} must be (N,) and (N, K)")
    confident = confidences > threshold
    return box_scores * np.where(confident, confidences, 0.0).sum(axis=1) / np.maximum(confident.sum(axis=1), 1)


def crop_areas(boxes: Any, aspect: float = 0.75, padding: float = 1.25) -> np.ndarray:
    """Compute the areas (N,) in px^2 of the crops that published tables take `oks_nms` by.

    boxes    (N,4) x, y, width, height. Each is enlarged to width / height = aspect and then by the factor padding.
    """
    width, height = as_array(boxes).astype(np.float64)[:, 2:].T
    height = np.maximum(height, width / aspect)
    return padding**2 * aspect * height**2


def similarity(pose: Any, others: Any, area: Any, areas: Any, sigmas: Any) -> np.ndarray:
    """Compute the OKS of one detected pose with others: (M,).

    No joint of a detection is unlabeled, so this is the mean over all K joints; a is the mean of the two areas.
    pose (K,2), others (M,K,2) px; area and areas (M,) px^2; sigmas (K,).
    """
    distance = ((as_array(others).astype(np.float64) - as_array(pose)) ** 2).sum(axis=-1)
    mean_area = (as_array(areas).astype(np.float64) + area) / 2 + np.spacing(1.0)
    return np.exp(-distance / (2 * mean_area[:, None] * (2 * as_array(sigmas)) ** 2)).mean(axis=-1)


def oks_nms(poses: Any, scores: Any, areas: Any, *, threshold: float = 0.9, skeleton: Skeleton = COCO) -> np.ndarray:
    """Suppress double detections in one image: indices of the poses kept, the best first.

    A pose is dropped if its OKS with a better one that is kept is greater than the threshold (Papandreou et al., 2017).
    poses (N,K,2) px, scores (N,), areas (N,) px^2. Of equal scores the earlier pose comes first. Raises ValueError
    for a skeleton without sigmas.
    """
    poses, scores, areas = (as_array(value).astype(np.float64) for value in (poses, scores, areas))
    if skeleton.sigmas is None:
        raise ValueError(f"skeleton {skeleton.name!r} has no sigma for each joint, without which there is no OKS")
    kept, waiting = [], np.argsort(-scores, kind="stable")
    while len(waiting):
        best, waiting = waiting[0], waiting[1:]
        kept.append(best)
        waiting = waiting[similarity(poses[best], poses[waiting], areas[best], areas[waiting], skeleton.sigmas) <= threshold]
    return np.array(kept, dtype=int)


def usual_detections(
    keypoints: Any,
    box_scores: Any,
    image_ids: Any,
    boxes: Any,
    *,
    rescoring: float = 0.2,
    nms: float = 0.9,
    skeleton: Skeleton = COCO,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Treat detections as published COCO tables do: rescored, then OKS-NMS image by image.

    keypoints (N,K,3) x, y, confidence; box_scores (N,); image_ids (N,); boxes (N,4), from which the poses were found.
    Returns keypoints, scores and image_ids of the poses kept, for `oks_average_precision`, in the order given.
    Raises ValueError for shapes that do not fit and values that are not finite.
    """
    keypoints, box_scores, image_ids = as_array(keypoints), as_array(box_scores), _ids(image_ids)
    _check(keypoints, box_scores, image_ids, skeleton)
    if not np.isfinite(keypoints[..., 2]).all():
        raise ValueError("a confidence is not finite; leave such poses out")
    scores = rescore(box_scores, keypoints[..., 2], rescoring)
    areas, kept = crop_areas(_boxes(boxes, len(keypoints))), []
    by_image: dict[Any, list[int]] = {}
    for row, image in enumerate(image_ids.tolist()):
        by_image.setdefault(image, []).append(row)
    for rows in map(np.array, by_image.values()):
        kept += rows[oks_nms(keypoints[rows, :, :2], scores[rows], areas[rows], threshold=nms, skeleton=skeleton)].tolist()
    kept = sorted(kept)
    return keypoints[kept], scores[kept], image_ids[kept]


def _evaluate(truth: GroundTruth, detections: list[dict[str, Any]], sigmas: np.ndarray) -> np.ndarray:
    """Compute COCOeval's ten numbers; what it prints is dropped."""
    try:  # late: whoever scores by PCK needs no pycocotools
        from pycocotools.coco import COCO as Annotations
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise UserError("average precision needs pycocotools; install it with `pip install 'rpstn[book]'`") from None
    with contextlib.redirect_stdout(io.StringIO()):
        annotated = Annotations()
        annotated.dataset = truth.content
        annotated.createIndex()
        # loadRes looks at the first detection, so it takes no empty list.
        detected = annotated.loadRes(detections) if detections else Annotations()
        evaluation = COCOeval(annotated, detected, "keypoints")
        evaluation.params.kpt_oks_sigmas = sigmas
        evaluation.params.catIds = [CATEGORY]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def _ids(values: Any) -> np.ndarray:
    """Keep ids (N,) as given: of whole numbers beyond 64 bits, or mixed with strings, NumPy would make others."""
    if not isinstance(values, list | tuple):
        return as_array(values)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _check(poses: np.ndarray, scores: np.ndarray, image_ids: np.ndarray, skeleton: Skeleton) -> None:
    if skeleton.sigmas is None or len(skeleton.sigmas) != len(skeleton):
        raise ValueError(f"skeleton {skeleton.name!r} has no sigma for each joint, without which there is no OKS")
    if poses.ndim != 3 or poses.shape[1:] != (len(skeleton), 3):
        raise ValueError(f"keypoints {poses.shape} must be (N, {len(skeleton)}, 3): x, y, confidence")
    if scores.shape != poses.shape[:1] or image_ids.shape != poses.shape[:1]:
        raise ValueError(f"scores {scores.shape} and image_ids {image_ids.shape} must be (N,) = {poses.shape[:1]}")
    if poses.dtype.kind not in "iuf" or scores.dtype.kind not in "iuf":
        raise ValueError(f"keypoints ({poses.dtype}) and scores ({scores.dtype}) must be plain numbers, none of them missing")
    if not np.isfinite(poses[..., :2]).all() or not np.isfinite(scores).all():
        raise ValueError("a key point or a score is not finite; leave such poses out")


def _boxes(boxes: Any, count: int) -> np.ndarray:
    found = as_array(boxes).astype(np.float64)
    if found.shape != (count, 4):
        raise ValueError(f"boxes {found.shape} must be (N, 4), one for each of the {count} poses")
    if not np.isfinite(found).all() or (found[:, 2:] < 0).any():
        raise ValueError("a box is not finite or has a negative width or height; leave such poses out")
    return found
