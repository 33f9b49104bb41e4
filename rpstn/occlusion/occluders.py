"""Hiding joints on purpose.

An occluder is painted over the frames of a clip and marks exactly the joints that it covers. The occluded
clip is a Clip like any other. Everything random comes from a seed, so the same call hides the same pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset
from rpstn.datasets.truth import OcclusionTruth
from rpstn.errors import UserError
from rpstn.occlusion.painting import OccludedFrames, Shapes
from rpstn.skeletons import Skeleton

KINDS = ("joints", "person", "bar", "erasing")
ATTACHMENTS = ("body", "image")
TEXTURES = ("noise", "solid", "stripes")
PROTOCOLS = ("joint", "limb", "half", "person", "bar", "erasing")


@dataclass(frozen=True)
class Occluder:
    """Something painted over a clip.

    kind      "joints": discs over the named joints and bands along the limbs between them. "person": the
              whole box. "bar": an upright bar that crosses the box from left to right. "erasing": three
              rectangles at random places in the box, new ones in each frame.
    joints    names of the joints to hide, for kind "joints".
    start     first frame that is covered; length: number of frames.
    attached  "body": the patch follows the person. "image": it stays where the first frame put it (the bar
              still moves).
    size      radius of a disc, half the bar's width, and half an erasing rectangle's mean side, in units of
              the box's longer side.
    texture   "noise", "solid" or "stripes"; seed: of colors and places.
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
        if self.start < 0 or self.length < 1 or not self.size > 0:
            raise UserError(
                f"occluder: start {self.start}, length {self.length}, size {self.size}; it needs a start from 0, "
                "at least one frame and a positive size"
            )
        if (self.kind == "joints") != bool(self.joints):
            raise UserError(f"occluder: kind {self.kind!r} with joints {self.joints}; name joints for kind 'joints' only")


def occluder_shapes(clip: Clip, skeleton: Skeleton, occluder: Occluder) -> dict[int, Shapes]:
    """What the occluder covers, by frame. Raises UserError for a clip that is too short and for an unknown
    joint.
    """
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
            box = [[x - 0.05 * w, y - 0.05 * h, x + 1.05 * w, y + 1.05 * h]]
        elif occluder.kind == "bar":
            center = x + w * (frame - occluder.start + 0.5) / occluder.length
            box = [[center - reach, y - 0.1 * h, center + reach, y + 1.1 * h]]
        else:
            centers = rng.uniform([x, y], [x + w, y + h], (3, 2))
            half = reach * rng.uniform(0.5, 1.5, (3, 2))
            box = np.concatenate([centers - half, centers + half], axis=1)
        shapes[frame] = Shapes(np.zeros((0, 5)), np.asarray(box))
    return shapes


def _over_joints(clip: Clip, skeleton: Skeleton, names: Sequence[str], frame: int, radius: float) -> Shapes:
    """Discs over joints and bands along the limbs between them. A joint that is absent is covered where it
    was last, or is next.
    """
    places = {}
    for name in names:
        joint = skeleton.index(name)
        known = np.flatnonzero(clip.visibility[:, joint] != ABSENT)
        if not len(known):
            raise UserError(f"clip {clip.id!r}: {name} is annotated in no frame; hide another joint")
        places[joint] = clip.joints[known[np.abs(known - frame).argmin()], joint].astype(np.float64)
    capsules = [(*place, *place, radius) for place in places.values()]
    capsules += [(*places[a], *places[b], 0.75 * radius) for a, b in skeleton.limbs if a in places and b in places]
    return Shapes(np.array(capsules), np.zeros((0, 4)))


def occlude(clip: Clip, skeleton: Skeleton, occluder: Occluder) -> Clip:
    """The clip with the occluder in front of it.

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


def choose(
    protocol: str,
    clip: Clip,
    skeleton: Skeleton,
    *,
    start: int = 8,
    length: int = 5,
    seed: int = 0,
    **settings,
) -> Occluder | None:
    """The occluder that a protocol puts into a clip, None where the clip has nothing that it could hide; settings are
    passed to `Occluder`.

    "joint": one joint, "limb": the two joints of one limb, "half": the joints of the left or of the right
    side; drawn at random from those that are visible in the frame before the occlusion, if there are any.
    "person", "bar", "erasing": as the Occluder of that kind. The draw depends on seed and clip's name only.
    A joint that is annotated in none of the clip's frames has no place at which it could be hidden: half the body is
    then the rest of that side, and one joint or limb is another one.
    Raises UserError for an unknown protocol, and for a skeleton that has nothing that it could hide.
    """
    if protocol not in PROTOCOLS:
        raise UserError(f"no occlusion protocol is called {protocol!r}; choose one of {', '.join(PROTOCOLS)}")
    rng = np.random.default_rng((seed, zlib.crc32(clip.id.encode(errors="surrogateescape"))))
    settings |= {"start": start, "length": length, "seed": int(rng.integers(2**31))}
    if protocol in KINDS:
        return Occluder(protocol, **settings)
    before = clip.visibility[min(max(start - 1, 0), len(clip) - 1)]
    if protocol == "joint":
        sets = [(joint,) for joint in range(len(skeleton))]
    elif protocol == "limb":
        sets = [tuple(limb) for limb in skeleton.limbs]
    else:
        sets = [tuple(skeleton.index(n) for n in skeleton.joints if n.startswith(side)) for side in ("left_", "right_")]
    if not any(sets):
        lacks = "limbs" if protocol == "limb" else "joints whose names begin with left_ or right_"
        raise UserError(f"skeleton {skeleton.name!r} has no {lacks}, which protocol {protocol!r} hides; choose another protocol")
    annotated = (clip.visibility != ABSENT).any(axis=0)
    if protocol == "half":
        sets = [tuple(joint for joint in side if annotated[joint]) for side in sets]
    known = [joints for joints in sets if joints and all(annotated[joint] for joint in joints)]
    seen = [joints for joints in known if all(before[joint] == VISIBLE for joint in joints)]
    if not known:
        return None
    chosen = (seen or known)[rng.integers(len(seen or known))]
    return Occluder("joints", tuple(skeleton.joints[joint] for joint in chosen), **settings)


def occlude_dataset(
    dataset: ClipDataset, protocol: str, *, start: int = 8, length: int = 5, seed: int = 0, **settings
) -> ClipDataset:
    """The clips of a data set behind the protocol's occluder (see `choose`). Those in which it has nothing to hide are
    left out: the result has so many fewer.

    Raises UserError for a clip that is too short, and where no clip is left.
    """
    chosen = [choose(protocol, clip, dataset.skeleton, start=start, length=length, seed=seed, **settings) for clip in dataset]
    clips = tuple(
        occlude(clip, dataset.skeleton, occluder) for clip, occluder in zip(dataset, chosen, strict=True) if occluder is not None
    )
    if not clips:
        raise UserError(
            f"no {dataset.split} clip of {dataset.name} has annotated joints for protocol {protocol!r}; choose another protocol"
        )
    return replace(dataset, name=f"{dataset.name} behind {protocol}", clips=clips)
