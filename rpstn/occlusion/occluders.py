"""Hiding joints on purpose.

An occluder is painted over the frames of a clip and marks exactly the joints that it covers. The occluded
clip is a Clip like any other. All randomness comes from a seed, so the same call hides the same pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip
from rpstn.datasets.truth import OcclusionTruth
from rpstn.errors import UserError, check_seed
from rpstn.occlusion.painting import OccludedFrames, Shapes
from rpstn.skeletons import Skeleton

KINDS = ("joints", "person", "bar", "erasing")
ATTACHMENTS = ("body", "image")
TEXTURES = ("noise", "solid", "stripes")


@dataclass(frozen=True)
class Occluder:
    """Describe something that is painted over a clip; UserError for values that no occluder can have.

    kind      "joints": discs over the named joints and bands along the limbs between them. "person": the
              whole box. "bar": an upright bar that crosses the box from left to right. "erasing": three
              rectangles at random positions in the box, new ones in each frame.
    joints    names of the joints to hide, for kind "joints".
    start     first frame that is covered. length: number of frames.
    attached  "body": the patch follows the person. "image": it stays where the first frame put it (the bar
              still moves).
    size      radius of a disc, half the bar's width, and half an erasing rectangle's mean width, in units of
              the box's longer side.
    texture   "noise", "solid" or "stripes". seed: of colors and positions.
    """

    kind: str
    joints: tuple[str, ...] = ()
    start: int = 8
    length: int = 5
    attached: str = "body"
    size: float = 0.1
    texture: str = "noise"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("attached", ATTACHMENTS), ("texture", TEXTURES)):
            if getattr(self, name) not in known:
                raise UserError(f"occluder: {name} is {getattr(self, name)!r}; choose one of {', '.join(known)}")
        check_seed(self.seed)
        if self.start < 0 or self.length < 1 or not self.size > 0:
            raise UserError(
                f"occluder: start {self.start}, length {self.length}, size {self.size}; it needs a start from 0, "
                "at least one frame and a positive size"
            )
        if (self.kind == "joints") != bool(self.joints):
            raise UserError(f"occluder: kind {self.kind!r} with joints {self.joints}; name joints for kind 'joints' only")


def clip_generator(clip: Clip, seed: int) -> np.random.Generator:
    """Make the generator of what is drawn for a clip; it depends on the seed and the clip's name only."""
    return np.random.default_rng((seed, zlib.crc32(clip.id.encode(errors="surrogateescape"))))


def occluder_shapes(clip: Clip, skeleton: Skeleton, occluder: Occluder) -> dict[int, Shapes]:
    """List what the occluder covers, by frame. Raises UserError for a clip that is too short and for an unknown joint."""
    frames = range(occluder.start, occluder.start + occluder.length)
    if frames.stop > len(clip):
        raise UserError(
            f"clip {clip.id!r} has {len(clip)} frames; an occlusion of {occluder.length} frames from frame "
            f"{occluder.start} does not fit: shorten it, start it earlier, or leave the clip out"
        )
    person = float(np.median(clip.boxes[frames.start : frames.stop, 2:].max(axis=1)))
    reach = occluder.size * person
    rng = np.random.default_rng((occluder.seed, 2))
    shapes = {}
    for frame in frames:
        body = frame if occluder.attached == "body" else occluder.start
        if occluder.kind == "joints":
            shapes[frame] = _over_joints(clip, skeleton, occluder.joints, body, reach)
            continue
        x, y, w, h = clip.boxes[body].astype(np.float64)
        if occluder.kind == "person":
            boxes = np.array([[x - 0.05 * w, y - 0.05 * h, x + 1.05 * w, y + 1.05 * h]])
        elif occluder.kind == "bar":
            center = x + w * (frame - occluder.start + 0.5) / occluder.length
            boxes = np.array([[center - reach, y - 0.1 * h, center + reach, y + 1.1 * h]])
        else:
            centers = rng.uniform([x, y], [x + w, y + h], (3, 2))
            half = reach * rng.uniform(0.5, 1.5, (3, 2))
            boxes = np.concatenate([centers - half, centers + half], axis=1)
        shapes[frame] = Shapes(boxes=boxes)
    return shapes


def _over_joints(clip: Clip, skeleton: Skeleton, names: Sequence[str], frame: int, radius: float) -> Shapes:
    """Make discs over joints and bands along the limbs between them; an absent joint is covered where it was last, or is next."""
    centers = {}
    for name in names:
        joint = skeleton.index(name)
        known = np.flatnonzero(clip.visibility[:, joint] != ABSENT)
        if not len(known):
            raise UserError(f"clip {clip.id!r}: {name} is annotated in no frame; hide another joint")
        centers[joint] = clip.joints[known[np.abs(known - frame).argmin()], joint].astype(np.float64)
    capsules = [(*center, *center, radius) for center in centers.values()]
    capsules += [(*centers[a], *centers[b], 0.75 * radius) for a, b in skeleton.limbs if a in centers and b in centers]
    return Shapes(capsules=np.array(capsules))


def occlude(clip: Clip, skeleton: Skeleton, occluder: Occluder) -> Clip:
    """Put the occluder in front of the clip; frames are painted when they are read.

    Visible joints under the occluder become occluded; joints that were occluded or absent stay so. The occluder's name is
    added to the clip's id. `truth.occlusion` says what it covers, and what an occluder alone hides: this one, or one that the
    clip already had. Frames are painted when they are read.
    Raises UserError for a clip shorter than the occlusion and for a joint that does not exist.
    """
    shapes = occluder_shapes(clip, skeleton, occluder)
    covered = np.zeros(clip.visibility.shape, dtype=bool)
    for frame, shape in shapes.items():
        covered[frame] = shape.cover(clip.joints[frame]) & (clip.visibility[frame] != ABSENT)
    newly = covered & (clip.visibility == VISIBLE)
    visibility = np.where(newly, OCCLUDED, clip.visibility).astype(np.uint8)
    painted = np.isin(np.arange(len(clip)), list(shapes))
    before = clip.truth.occlusion
    if before is not None:
        newly |= before.newly_hidden > 0
        painted |= before.painted > 0
    truth = OcclusionTruth(
        occluder=covered.astype(np.uint8),
        newly_hidden=newly.astype(np.uint8),
        painted=painted.astype(np.uint8),
        unoccluded=clip.id if before is None else before.unoccluded,
    )
    what = "+".join(occluder.joints) or occluder.kind
    last = occluder.start + occluder.length - 1
    return replace(
        clip,
        id=f"{clip.id} {what} hidden {occluder.start}-{last} ({occluder.attached})",
        visibility=visibility,
        frames=OccludedFrames(clip.frames, shapes, occluder.texture, occluder.seed),
        truth=replace(clip.truth, occlusion=truth),
    )
