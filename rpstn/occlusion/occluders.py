"""Hiding joints on purpose, without telling where they are.

An occluder is a rectangle that is painted over a run of frames. It is larger than what it hides, and where it lies around
that is drawn: a joint that is alone in it lies uniformly inside (but for a narrow margin), and the middle of the patch says
next to nothing about it. It follows the person as a whole, or stays in the image, and never follows a joint: its motion would
be the joint's. It marks exactly the joints that it covers. The occluded clip is a Clip like any other. All randomness comes
from a seed, so the same call hides the same pixels.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, FrameSource
from rpstn.datasets.truth import OcclusionTruth
from rpstn.errors import UserError, check_seed
from rpstn.occlusion.painting import TEXTURES, OccludedFrames, covers
from rpstn.skeletons import Skeleton

ATTACHMENTS = ("body", "image")


@dataclass(frozen=True)
class Occluder:
    """Describe something that is painted over a clip; UserError for values that no occluder can have.

    joints    names of the joints to hide; none: the whole person.
    start     first frame that is covered. length: number of frames.
    attached  "body": the patch moves as the middle of the person's box does. "image": it stays.
    free      how much longer than what it has to hide the patch is, in each direction, in units of the box's longer side. The
              patch lies anywhere in this range, so twice the threshold or more keeps its middle from being a good guess.
    margin    least distance of a hidden joint from the patch's edge, in the same units.
    texture   "image": a piece of another image; "noise", "solid" or "stripes".
    seed      of position and texture.
    """

    joints: tuple[str, ...] = ()
    start: int = 8
    length: int = 12
    attached: str = "body"
    free: float = 0.35
    margin: float = 0.03
    texture: str = "image"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("attached", ATTACHMENTS), ("texture", TEXTURES)):
            if getattr(self, name) not in known:
                raise UserError(f"occluder: {name} is {getattr(self, name)!r}; choose one of {', '.join(known)}")
        check_seed(self.seed)
        if self.start < 0 or self.length < 1 or not (self.free >= 0 and self.margin >= 0):
            raise UserError(
                f"occluder: start {self.start}, length {self.length}, free {self.free}, margin {self.margin}; it needs a start "
                "from 0, at least one frame, and a free range and a margin from 0"
            )


def clip_generator(clip: Clip, seed: int) -> np.random.Generator:
    """Make the generator of what is drawn for a clip; it depends on the seed and the clip's name only."""
    return np.random.default_rng((seed, zlib.crc32(clip.id.encode(errors="surrogateescape"))))


def occluder_patches(clip: Clip, skeleton: Skeleton, occluder: Occluder) -> np.ndarray:
    """Compute the patch of each frame: (T,4) left, top, right, bottom in pixels, NaN where there is none.

    Relative to what it is attached to, it is one rectangle throughout. It holds every position that the joints take while they
    are hidden (for the whole person, its box as well), with the margin, and `free` more on two opposite sides together.
    Raises UserError for a clip that is too short, and for a joint that is unknown or not annotated in these frames.
    """
    frames = np.arange(occluder.start, occluder.start + occluder.length)
    if frames[-1] >= len(clip):
        raise UserError(
            f"clip {clip.id!r} has {len(clip)} frames; an occlusion of {occluder.length} frames from frame "
            f"{occluder.start} does not fit: shorten it, start it earlier, or leave the clip out"
        )
    boxes = clip.boxes[frames].astype(np.float64)
    person = float(np.median(boxes[:, 2:].max(axis=1)))
    origin = boxes[:, :2] + boxes[:, 2:] / 2 if occluder.attached == "body" else np.zeros((len(frames), 2))
    joints = np.array([skeleton.index(name) for name in occluder.joints] or range(len(skeleton)))
    annotated = clip.visibility[np.ix_(frames, joints)] != ABSENT
    missing = [name for name, there in zip(occluder.joints, annotated.any(axis=0), strict=False) if not there]
    if missing or not annotated.any():
        raise UserError(
            f"clip {clip.id!r}: {', '.join(missing) or 'every joint'} lacks a label in frames {frames[0]} to {frames[-1]}, in "
            "which it would be hidden; hide another joint, or leave the clip out"
        )
    points = (clip.joints[np.ix_(frames, joints)].astype(np.float64) - origin[:, None])[annotated]
    if not occluder.joints:
        points = np.concatenate([points, boxes[:, :2] - origin, boxes[:, :2] + boxes[:, 2:] - origin])
    before = np.random.default_rng((occluder.seed, 2)).uniform(0, 1, 2) * occluder.free * person
    low = points.min(axis=0) - occluder.margin * person - before
    high = points.max(axis=0) + occluder.margin * person + occluder.free * person - before
    patches = np.full((len(clip), 4), np.nan)
    patches[frames] = np.concatenate([low + origin, high + origin], axis=1)
    return patches


def occlude(clip: Clip, skeleton: Skeleton, occluder: Occluder, other: FrameSource | None = None) -> Clip:
    """Put the occluder in front of the clip; frames are painted when they are read.

    Visible joints under the occluder become occluded; joints that were occluded or absent stay so. The occluder's name is
    added to the clip's id. `truth.occlusion` says where it is, what it covers, and what an occluder alone hides: this one, or
    one that the clip already had.

    other  frames of another video, for the texture "image"; None: cloudy noise instead.
    Raises UserError for a clip shorter than the occlusion, and for a joint that is unknown or not annotated while it is hidden.
    """
    patches = occluder_patches(clip, skeleton, occluder)
    painted = np.isfinite(patches[:, 0])
    covered = np.zeros(clip.visibility.shape, dtype=bool)
    for frame in np.flatnonzero(painted):
        covered[frame] = covers(patches[frame], clip.joints[frame]) & (clip.visibility[frame] != ABSENT)
    newly = covered & (clip.visibility == VISIBLE)
    visibility = np.where(newly, OCCLUDED, clip.visibility).astype(np.uint8)
    where, before = patches, clip.truth.occlusion
    if before is not None:
        newly |= before.newly_hidden > 0
        where = np.where(painted[:, None], patches, before.patches)
        painted = painted | (before.painted > 0)
    truth = OcclusionTruth(
        occluder=covered.astype(np.uint8),
        newly_hidden=newly.astype(np.uint8),
        painted=painted.astype(np.uint8),
        patches=where,
        unoccluded=clip.id if before is None else before.unoccluded,
    )
    what = "+".join(occluder.joints) or "person"
    last = occluder.start + occluder.length - 1
    frames = {int(frame): patches[frame] for frame in range(occluder.start, last + 1)}
    return replace(
        clip,
        id=f"{clip.id} {what} hidden {occluder.start}-{last} ({occluder.attached})",
        visibility=visibility,
        frames=OccludedFrames(clip.frames, frames, occluder.texture, occluder.seed, other),
        truth=replace(clip.truth, occlusion=truth),
    )
