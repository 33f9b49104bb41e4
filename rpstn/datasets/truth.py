"""What a data set says of a clip besides joints, visibility and boxes: `Truth`, with the parts that only some sets have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class CocoTruth:
    """A person of COCO.

    image_id, annotation_id  the file's own; annotation_id is -1 for a detection.
    area      px^2, by which OKS measures; a detection's: of its box.
    score     1.0 for a label, else the detector's.
    detected  whether a detector found the person. Otherwise it is a label.
    """

    image_id: int | str
    annotation_id: int | str
    area: float
    score: float = 1.0
    detected: bool = False


@dataclass(frozen=True)
class TrackTruth:
    """A person's track through a video, T frames.

    person         the track's id or the person's name.
    labeled        (T,) bool: there is a label of this person.
    actions        one per frame, "" without a label (HiEve).
    image_ids      (T,) int64, -1: not in the file (PoseTrack).
    frame_labeled  (T,) bool: somebody could be labeled. These frames are scored (PoseTrack).
    ignore_regions  per frame, polygons (n,2) px in which nothing was labeled and nothing is scored (PoseTrack).
    """

    person: str
    labeled: np.ndarray
    actions: tuple[str, ...] = ()
    image_ids: np.ndarray | None = None
    frame_labeled: np.ndarray | None = None
    ignore_regions: tuple[tuple[np.ndarray, ...], ...] = ()


@dataclass(frozen=True)
class OcclusionTruth:
    """What an occluder that was painted into the clip (rpstn.occlusion) hides.

    occluder      (T,K) uint8, 1 where it covers an annotated joint.
    newly_hidden  (T,K) uint8, 1 where that joint was visible, so that an occluder alone hides it.
    painted       (T,) uint8, 1 where an occluder is in the image.
    patches       (T,4) left, top, right, bottom of the occluder, pixels; NaN where there is none.
    unoccluded    id of the clip without any occluder.
    """

    occluder: np.ndarray
    newly_hidden: np.ndarray
    painted: np.ndarray
    patches: np.ndarray
    unoccluded: str


@dataclass(frozen=True)
class Truth:
    """What is known of a clip of T frames and K joints besides its labels; None where the data set does not say.

    boxes_repaired  how many boxes were made or replaced by the reader.
    joints_outside  how many labeled joints lie outside the frame, and are ABSENT in the clip.
    annotated    (T,K) bool: labeled joints, wherever they lie.
    head_boxes   (T,4) x, y, width, height px of the head, NaN where there is none.
    occluded_by  (T,K) uint8: hidden by 0 nothing, 1 the own body, 2 a thing (embedded).
    motion       names of the captured motions shown (embedded).
    held_out     whether none of these occurs in train (embedded).
    since_cut    (T,) int64: 1 in the first frame after a cut, counting on; 0 before it.
    """

    boxes_repaired: int = 0
    joints_outside: int = 0
    annotated: np.ndarray | None = None
    head_boxes: np.ndarray | None = None
    occluded_by: np.ndarray | None = None
    motion: str = ""
    held_out: bool | None = None
    since_cut: np.ndarray | None = None
    coco: CocoTruth | None = None
    track: TrackTruth | None = None
    occlusion: OcclusionTruth | None = None

    def map_joints(self, change: Callable[[np.ndarray], np.ndarray]) -> Truth:
        """Apply a change to all that is given per joint, (T,K)."""
        occlusion = self.occlusion
        if occlusion is not None:
            occlusion = replace(
                occlusion, occluder=change(occlusion.occluder), newly_hidden=change(occlusion.newly_hidden)
            )  # fmt: skip
        return replace(
            self,
            annotated=None if self.annotated is None else change(self.annotated),
            occluded_by=None if self.occluded_by is None else change(self.occluded_by),
            occlusion=occlusion,
        )
