"""Average precision of joints of several people, as PoseTrack scores it (Andriluka et al., PoseTrack, 2018).

Every predicted joint is a detection with a score of its own. It is correct if its person was matched to an annotated
person and it lies within half a head of that person's joint; the head's size is 0.6 times the diagonal of its box.
Per joint, all detections of all frames are sorted by score, and AP is the area under precision over recall, the
precision being made monotone first. The score is the mean over 15 joints: the ears of the 17 slots do not count.

The rules, edge cases included, are those of the organizers' own scorer (poseval). Two of them surprise: a predicted joint
that the matched person has no label for counts as wrong, and a frame without annotated people is not scored at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.formats import coco_json
from rpstn.errors import UserError
from rpstn.metrics.keypoints import as_array, head_sizes
from rpstn.runs.paths import expanded

SLOTS = 17
SCORED = (0, 1, 2, *range(5, 17))  # of PoseTrack2018's slots: all but the ears
_REMEDY = "download it again"


@dataclass(frozen=True)
class AnnotatedFrame:
    """The people of one labeled frame, in pixels.

    joints      (P,K,2); what is not labeled may hold anything.
    labeled     (P,K) bool.
    head_boxes  (P,4) x, y, width, height.
    ignored     polygons (n,2): joints inside one, predicted or annotated, do not count.
    image_id    the file's own number of the frame, if it came from one.
    Raises ValueError for shapes that do not fit, a labeled joint that is not finite, and a person without a head box.
    """

    joints: np.ndarray
    labeled: np.ndarray
    head_boxes: np.ndarray
    ignored: tuple[np.ndarray, ...] = field(default=())
    image_id: int | str | None = None

    def __post_init__(self) -> None:
        joints, labeled = as_array(self.joints).astype(np.float64), as_array(self.labeled).astype(bool)
        boxes = as_array(self.head_boxes).astype(np.float64).reshape(-1, 4)
        if joints.ndim != 3 or joints.shape[2] != 2 or labeled.shape != joints.shape[:2] or len(boxes) != len(joints):
            raise ValueError(
                f"joints {joints.shape}, labeled {labeled.shape} and head_boxes {boxes.shape} must be (P, K, 2), (P, K), (P, 4)"
            )
        if not np.isfinite(joints[labeled]).all():
            raise ValueError("a labeled joint is not finite; mark it as not labeled")
        if np.isnan(head_sizes(boxes)[labeled.any(axis=1)]).any():
            raise ValueError("a person with labeled joints has no head box, without which no joint can be scored")
        polygons = tuple(as_array(polygon).astype(np.float64) for polygon in self.ignored)
        if any(polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3 for polygon in polygons):
            raise ValueError("a polygon of ignored is not (n, 2) with at least 3 corners")
        for name, value in (("joints", joints), ("labeled", labeled), ("head_boxes", boxes), ("ignored", polygons)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class DetectedFrame:
    """The people found in one frame: joints (D,K,2) in pixels, scores (D,K). A joint that is not finite was not found."""

    joints: np.ndarray
    scores: np.ndarray

    def __post_init__(self) -> None:
        joints, scores = as_array(self.joints).astype(np.float64), as_array(self.scores).astype(np.float64)
        if joints.ndim != 3 or joints.shape[2] != 2 or scores.shape != joints.shape[:2]:
            raise ValueError(f"joints {joints.shape} and scores {scores.shape} must be (D, K, 2) and (D, K)")
        if np.isnan(scores[np.isfinite(joints).all(axis=-1)]).any():
            raise ValueError("a joint that was found has no score")
        object.__setattr__(self, "joints", joints)
        object.__setattr__(self, "scores", scores)


@dataclass(frozen=True)
class PoseTrackAP:
    """Fractions between 0 and 1.

    per_joint          (K,) average precision; NaN for a joint that is not scored or nowhere labeled.
    mean               plain mean of per_joint, NaN left out: PoseTrack's mAP.
    precision, recall  (K,) of all detections taken together; precision is NaN without a detection.
    labeled            (K,) number of labeled joints.
    """

    per_joint: np.ndarray
    mean: float
    precision: np.ndarray
    recall: np.ndarray
    labeled: np.ndarray


def posetrack_average_precision(
    detected: Sequence[DetectedFrame],
    annotated: Sequence[AnnotatedFrame],
    *,
    threshold: float = 0.5,
    scored: Sequence[int] = SCORED,
) -> PoseTrackAP:
    """Compute PoseTrack's mAP of several people in frames.

    detected   one per frame of annotated, in the same order.
    threshold  fraction of the head size; an error equal to it is correct.
    scored     joints of the mean; the default suits PoseTrack2018's 17 slots.
    Raises ValueError where frames or joints do not fit.
    """
    if len(detected) != len(annotated):
        raise ValueError(f"{len(detected)} frames of detections and {len(annotated)} annotated frames; there must be as many")
    sizes = {found.joints.shape[1] for found in detected} | {frame.joints.shape[1] for frame in annotated}
    if len(sizes) != 1:
        raise ValueError(f"frames must all have the same number of joints, not {sorted(sizes)}")
    joints = sizes.pop()
    if not scored or any(not 0 <= joint < joints for joint in scored):
        raise ValueError(f"scored {tuple(scored)} must name joints of 0..{joints - 1}")
    scores: list[np.ndarray] = [np.empty((0, joints))]
    judged: list[np.ndarray] = [np.empty((0, joints))]
    labeled = np.zeros(joints, dtype=int)
    for found, frame in zip(detected, annotated, strict=True):
        if not len(frame.joints):  # nobody says whether somebody was there
            continue
        frame, found = _unignored(frame, found)
        scores.append(found.scores)
        judged.append(_judge(found, frame, threshold, list(scored)))
        labeled += frame.labeled.sum(axis=0)
    return _summarize(np.concatenate(scores), np.concatenate(judged), labeled, list(scored))


def read_people(annotation: str | Path | Mapping[str, Any]) -> tuple[AnnotatedFrame, ...]:
    """Read the labeled frames of one of PoseTrack2018's per-video files, or of its content.

    Frames that the file marks as not labeled are left out. Raises UserError, with the name of the image or annotation, for a
    file that is not of that form.
    """
    if isinstance(annotation, str | Path):
        content, where = coco_json.read_json(expanded(annotation), _REMEDY), str(annotation)
    else:
        content, where = annotation, "the annotation"
    if not isinstance(content, Mapping) or not {"images", "annotations"} <= set(content):
        raise UserError(f"{where}: has no images and annotations; give one of PoseTrack2018's files")
    images = {image: (place, entry) for image, place, entry in coco_json.identified(dict(content), "images", where, _REMEDY)}
    kinds = coco_json.identified(dict(content), "categories", where, _REMEDY) if "categories" in content else ()
    persons = [kind for kind, _, entry in kinds if entry.get("name") == "person"]
    people: dict[int | str, list[tuple[str, Mapping[str, Any]]]] = {image: [] for image in images}
    for index, person in enumerate(coco_json.entries(dict(content), "annotations", where, _REMEDY)):
        place = f"{where}: annotation {person.get('id', f'at {index}')}"
        image = coco_json.identity(person, "image_id", place, _REMEDY)
        if image not in images:
            raise UserError(f"{place}: image_id {image} is not among the file's images; {_REMEDY}")
        if persons:
            coco_json.check_kind(person, persons[0], place, _REMEDY)
        people[image].append((place, person))
    return tuple(_frame(image, *images[image], people[image]) for image in images if _is_labeled(*images[image]))


def _is_labeled(where: str, image: Mapping[str, Any]) -> bool:
    value = image.get("is_labeled", True)
    if not isinstance(value, bool | int):
        raise UserError(f"{where}: is_labeled is {str(value)[:40]!r}, expected true or false; {_REMEDY}")
    return bool(value)


def _frame(
    identity: int | str, where: str, image: Mapping[str, Any], people: Sequence[tuple[str, Mapping[str, Any]]]
) -> AnnotatedFrame:
    joints, labeled, heads = np.zeros((len(people), SLOTS, 2)), np.zeros((len(people), SLOTS), bool), np.zeros((len(people), 4))
    for index, (place, person) in enumerate(people):
        joints[index], flags = coco_json.keypoints(person, SLOTS, place, _REMEDY)
        labeled[index] = flags > 0
        if person.get("bbox_head") not in (None, []):
            heads[index] = coco_json.numbers(person, "bbox_head", (4,), place, _REMEDY)
        # A person without labels may lack a head box; nobody asks for its size.
        if labeled[index].any() and np.isnan(head_sizes(heads[index : index + 1]))[0]:
            raise UserError(f"{place}: has labeled joints and no head box (bbox_head), by which they are scored; {_REMEDY}")
    return AnnotatedFrame(joints, labeled, heads, _polygons(where, image), identity)


def _polygons(where: str, image: Mapping[str, Any]) -> tuple[np.ndarray, ...]:
    """Read the regions of a frame in which nothing is scored; fewer than three corners enclose nothing."""
    try:
        regions = list(zip(image.get("ignore_regions_x") or (), image.get("ignore_regions_y") or (), strict=True))
        polygons = [np.array([x, y], dtype=np.float64).T for x, y in regions]
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: ignore_regions_x and ignore_regions_y do not fit together ({error}); {_REMEDY}") from error
    if not all(polygon.ndim == 2 and np.isfinite(polygon).all() for polygon in polygons):
        raise UserError(f"{where}: ignore_regions_x and ignore_regions_y are no lists of lists of numbers; {_REMEDY}")
    return tuple(polygon for polygon in polygons if len(polygon) > 2)


def _unignored(frame: AnnotatedFrame, found: DetectedFrame) -> tuple[AnnotatedFrame, DetectedFrame]:
    """Drop joints that lie in an ignored region, and people of whom nothing is left."""
    labeled, joints = frame.labeled.copy(), found.joints.copy()
    for polygon in frame.ignored:
        labeled &= ~inside(frame.joints, polygon)
        joints[inside(found.joints, polygon)] = np.nan
    people, left = labeled.any(axis=1), np.isfinite(joints).all(axis=-1).any(axis=1)
    return (
        AnnotatedFrame(frame.joints[people], labeled[people], frame.head_boxes[people]),
        DetectedFrame(joints[left], found.scores[left]),
    )


def _judge(found: DetectedFrame, frame: AnnotatedFrame, threshold: float, scored: list[int]) -> np.ndarray:
    """Judge which joints are correct: (D,K) of 1, 0 and NaN (not found).

    Each found person goes to the annotated one of whose labeled joints it has the largest share correct; of those that go to the
    same one, that with the largest share is matched and the others are wrong. The first wins a tie.
    """
    present = np.isfinite(found.joints).all(axis=-1)
    wrong = np.where(present, 0.0, np.nan)
    if not len(frame.joints) or not len(found.joints):
        return wrong
    distance = np.linalg.norm(found.joints[:, None] - frame.joints[None], axis=-1) / head_sizes(frame.head_boxes)[:, None]
    hits = (distance <= threshold) & present[:, None] & frame.labeled[None]  # (D,P,K); NaN compares as False
    share = hits[..., scored].sum(axis=-1) / np.maximum(frame.labeled[:, scored].sum(axis=1), 1)
    chosen = share.argmax(axis=1)
    for person in range(len(frame.joints)):
        rivals = np.where(chosen == person, share[:, person], 0.0)
        best = int(rivals.argmax())
        if rivals[best] > 0:
            wrong[best] = np.where(present[best], hits[best, person], np.nan)
    return wrong


def _summarize(scores: np.ndarray, judged: np.ndarray, labeled: np.ndarray, scored: list[int]) -> PoseTrackAP:
    per_joint, precision, recall = (np.full(len(labeled), np.nan) for _ in range(3))
    for joint in scored:
        counted = ~np.isnan(judged[:, joint])
        hits = judged[counted, joint][np.argsort(-scores[counted, joint], kind="stable")]
        if len(hits):
            precision[joint] = hits.mean()
        if labeled[joint]:
            per_joint[joint] = average_precision(hits, labeled[joint])
            recall[joint] = hits.sum() / labeled[joint]
    known = per_joint[~np.isnan(per_joint)]
    return PoseTrackAP(per_joint, float(known.mean()) if len(known) else float("nan"), precision, recall, labeled)


def average_precision(hits: np.ndarray, positives: int) -> float:
    """Compute the area under precision over recall, all points, as VOC defines it since 2010 (Everingham et al.).

    hits       (N,) 1 or 0, the detection with the highest score first.
    positives  what there was to find.
    """
    correct = np.cumsum(hits)
    precision = correct / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best precision at this recall or a higher one
    return float((best * hits).sum() / positives)  # recall grows by 1 / positives at each hit, and only there


def inside(points: Any, polygon: Any) -> np.ndarray:
    """Test which points (...,2) lie inside a polygon (n,2): (...) bool. A ray from there crosses an odd number of sides."""
    points, polygon = as_array(points).astype(np.float64), as_array(polygon).astype(np.float64)
    x, y = points[..., 0, None], points[..., 1, None]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    with np.errstate(divide="ignore", invalid="ignore"):  # a level side is crossed by no ray; its quotient is not used
        crossing = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
    return ((((y1 > y) != (y2 > y)) & (x < crossing)).sum(axis=-1) % 2).astype(bool)
