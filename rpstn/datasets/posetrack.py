"""PoseTrack2018 from its layout: one clip per person's track in a video.

    root/annotations/train/000001_bonn_train.json, annotations/val/...
    root/images/train/000001_bonn_train/000000.jpg, images/val/...

Source: M. Andriluka, U. Iqbal, E. Insafutdinov, L. Pishchulin, A. Milan, J. Gall, B. Schiele, "PoseTrack: A Benchmark for
Human Pose Estimation and Tracking", CVPR 2018.

**Splits.** test is the set's val, as in reported tables (the labels of its test videos are not public). val is
a tenth of the set's train, cut by whole video, seeded.

**Tracks.** A clip holds all frames from a person's first label to the last. In between lie frames that nobody labeled and
frames in which this person was not labeled: there every joint is ABSENT and the box is interpolated. An entry without a
labeled joint counts as no label; a person who has no other gives no clip.

**Boxes.** The stored box is the hull of the labeled joints made 1.3 times as wide and as high about its middle (measured: so in
all 14 people of the three original files at hand, to three decimals). Reported results enlarge that box by 1.25. This
is what `transforms.crop_affine` does by its default padding, so boxes stay as stored here and are enlarged once, there.
Where a label has no box, or one without extent, it is made from the joints by the same rule and counts as repaired.

**Joints.** 17 slots; the two ears are never labeled and not scored. The set does not tell hidden joints from seen ones: every
labeled one is VISIBLE. Positions are used as stored, 0-based.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from rpstn.datasets.boxes import LEAST_EXTENT, check_near
from rpstn.datasets.clip import ABSENT, VISIBLE, Clip
from rpstn.datasets.formats import coco_json
from rpstn.datasets.frame_files import with_suffix
from rpstn.datasets.request import Request, collecting
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.tracks import Sighting, lay_out, read_videos
from rpstn.datasets.truth import TrackTruth, Truth
from rpstn.errors import UserError
from rpstn.skeletons import POSETRACK18

VALIDATION = 0.1
BOX_GROWTH = 1.3
_REMEDY = "restore the original file, or skip damaged entries"
_IMAGES = "unpack images/ next to annotations/"


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read the tracks by split, in the order of videos, then of track ids; group is the video."""
    root = request.root
    folder = root / "annotations"
    files = {split: with_suffix(folder / part, ".json") for split, part in (("train", "train"), ("test", "val"))}
    asked = {"test" if split == "test" else "train" for split in request.splits}
    if not any(files[part] for part in asked):
        missing = " and ".join(str(folder / ("val" if part == "test" else part)) for part in sorted(asked))
        raise UserError(f"{missing}: no label files (*.json) there; unpack PoseTrack2018's annotations into the root")
    return read_videos(request, files, lambda path: path.stem, read_video, VALIDATION)


@dataclass(frozen=True)
class _Frame:
    """One listed frame of a video. number: as its file is named."""

    image_id: int
    number: int
    labeled: bool
    regions: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class _Video:
    """What a file says of its video.

    folder, digits, suffix  of its images, which are named by their frame's number.
    size                    (height, width), None where the file does not say.
    """

    path: Path
    frames: Mapping[int, _Frame]
    folder: Path
    digits: int
    suffix: str
    size: tuple[int, int] | None

    def image_path(self, number: int) -> Path:
        return self.folder / f"{number:0{self.digits}d}{self.suffix}"


def read_video(path: Path, root: Path, *, labels_only: bool = False, errors: list[UserError]) -> list[Clip]:
    """Read all tracks of one video. Errors of single tracks go to errors; UserError for a file that cannot be used."""
    content = coco_json.read_json(path, _REMEDY)
    category = coco_json.check_category(content, POSETRACK18.joints, str(path), _REMEDY)
    video = _video(content, path, root)
    files = None if labels_only else coco_json.listing(video.folder, _IMAGES)
    by_image = {frame.image_id: frame for frame in video.frames.values()}
    people: dict[int, list[tuple[str, _Frame, dict[str, Any]]]] = defaultdict(list)
    for index, entry in enumerate(coco_json.entries(content, "annotations", str(path), _REMEDY)):
        where = f"{path}: annotation {entry.get('id', f'at {index}')}"
        image, track = (coco_json.integer(entry, key, where, _REMEDY) for key in ("image_id", "track_id"))
        if image not in by_image:
            raise UserError(f"{where}: image_id {image} is not among the file's images; {_REMEDY}")
        coco_json.check_kind(entry, category, where, _REMEDY)
        people[track].append((where, by_image[image], entry))
    clips = []
    for track, labels in sorted(people.items()):
        with collecting(errors):
            clip = _track(video, track, labels, files)
            clips += [clip] if clip is not None else []
    if not clips and not errors:
        raise UserError(f"{path}: nobody in it has a labeled joint; {_REMEDY}")
    return clips


def _video(content: Any, path: Path, root: Path) -> _Video:
    frames: dict[int, _Frame] = {}
    images: set[int] = set()
    names: list[tuple[PurePosixPath, int, str]] = []
    sizes: set[tuple[int, int]] = set()
    for index, entry in enumerate(coco_json.entries(content, "images", str(path), _REMEDY)):
        where = f"{path}: image {entry.get('id', f'at {index}')}"
        image, name = coco_json.integer(entry, "id", where, _REMEDY), coco_json.file_name(entry, where, _REMEDY)
        if not (name.stem.isascii() and name.stem.isdigit() and len(name.stem) < 10):
            raise UserError(f"{where}: file_name {str(name)[:80]!r} does not end in the frame's number; {_REMEDY}")
        labeled = entry.get("is_labeled", True)
        if not isinstance(labeled, bool | int):
            raise UserError(f"{where}: is_labeled is {str(labeled)[:40]!r}, expected true or false; {_REMEDY}")
        number = int(name.stem)
        if number in frames or image in images:
            raise UserError(f"{where}: this frame is there twice; {_REMEDY}")
        images.add(image)
        frames[number] = _Frame(image, number, bool(labeled), _regions(entry, where))
        names.append((name.parent, len(name.stem), name.suffix))
        if "height" in entry or "width" in entry:
            height, width = (coco_json.integer(entry, key, where, _REMEDY) for key in ("height", "width"))
            sizes.add((height, width))
    if not names:
        raise UserError(f"{path}: images is empty; {_REMEDY}")
    if len(set(names)) > 1 or len(sizes) > 1 or any(0 in size for size in sizes):
        raise UserError(f"{path}: its images lie in several folders, are named in several ways, or differ in size; {_REMEDY}")
    size = next(iter(sizes)) if sizes else None
    return _Video(path, frames, root / names[0][0], names[0][1], names[0][2], size)


def _regions(entry: dict[str, Any], where: str) -> tuple[np.ndarray, ...]:
    """Return the polygons (n,2) of a frame in which nothing was labeled and nothing is scored."""
    axes = []
    for key in ("ignore_regions_x", "ignore_regions_y"):
        lines = entry.get(key) or []
        if not isinstance(lines, list) or not all(isinstance(line, list) for line in lines):
            raise UserError(f"{where}: {key} is no list of lists of numbers; {_REMEDY}")
        axes.append([coco_json.numbers({key: line}, key, (len(line),), where, _REMEDY) for line in lines])
    if [len(line) for line in axes[0]] != [len(line) for line in axes[1]]:
        raise UserError(f"{where}: ignore_regions_x and ignore_regions_y do not fit together; {_REMEDY}")
    polygons = (np.stack([x, y], axis=1).astype(np.float32) for x, y in zip(*axes, strict=True))
    # Fewer than three corners enclose nothing.
    return tuple(polygon for polygon in polygons if len(polygon) > 2)


@dataclass
class _Labels:
    """What a track's labels say, by the frame's number."""

    sightings: dict[int, Sighting] = field(default_factory=dict)
    heads: dict[int, np.ndarray] = field(default_factory=dict)
    annotated: dict[int, np.ndarray] = field(default_factory=dict)
    repaired: int = 0
    outside: int = 0

    def add(self, entry: dict[str, Any], frame: _Frame, where: str, size: tuple[int, int] | None) -> None:
        """Add one label. An entry without a labeled joint is none. Raises UserError for one that cannot be used."""
        joints, flags = coco_json.keypoints(entry, len(POSETRACK18), where, _REMEDY)
        labeled = flags > 0
        if not labeled.any():
            return
        if not frame.labeled:
            raise UserError(f"{where}: stands in frame {frame.number}, which the file calls not labeled; {_REMEDY}")
        if frame.number in self.sightings:
            raise UserError(f"{where}: track {entry['track_id']} is in frame {frame.number} twice; {_REMEDY}")
        box = _box(entry, joints[labeled], where)
        if box is None:
            self.repaired += 1
            box = hull_box(joints[labeled])
            if box is None:
                raise UserError(f"{where}: has neither a box with an extent nor joints that span one; {_REMEDY}")
        if _given(entry, "bbox_head"):
            self.heads[frame.number] = coco_json.box(entry, where, _REMEDY, "bbox_head")
        beyond = labeled & ~coco_json.inside(joints, size)
        self.outside += int(beyond.sum())
        self.annotated[frame.number] = labeled
        visibility = np.where(labeled & ~beyond, VISIBLE, ABSENT).astype(np.uint8)
        check_near(joints, visibility != ABSENT, box, f"{where}: bbox", _REMEDY)
        self.sightings[frame.number] = Sighting(joints, visibility, box)


def _track(
    video: _Video, track: int, entries: list[tuple[str, _Frame, dict[str, Any]]], files: frozenset[str] | None
) -> Clip | None:
    """Return one person's clip; None where no label of the track has a joint."""
    labels = _Labels()
    for where, frame, entry in entries:
        labels.add(entry, frame, where, video.size)
    if not labels.sightings:
        return None
    if not any((sighting.visibility != ABSENT).any() for sighting in labels.sightings.values()):
        raise UserError(f"{video.path}: track {track} has all its joints outside the image; {_REMEDY}")
    laid = lay_out(labels.sightings, f"{video.path}: track {track}")
    numbers = range(laid.first, laid.first + len(laid.labeled))
    images = tuple(video.image_path(number) for number in numbers)
    lost = [] if files is None else [image for image in images if image.name not in files]
    if lost:
        raise UserError(f"{lost[0]}: missing, though track {track} of {video.path.name} goes through it; {_IMAGES}")
    return Clip(
        id=f"{video.path.stem}_{track}",
        group=video.path.stem,
        action="",
        joints=laid.joints,
        visibility=laid.visibility,
        boxes=laid.boxes,
        frames=ImageFrames(images, video.size),
        truth=_truth(labels, str(track), laid.labeled, numbers, video),
    )


def _truth(labels: _Labels, track: str, labeled: np.ndarray, numbers: range, video: _Video) -> Truth:
    listed = [video.frames.get(number) for number in numbers]
    unlabeled, no_head = np.zeros(len(POSETRACK18), bool), np.full(4, np.nan)
    return Truth(
        boxes_repaired=labels.repaired,
        joints_outside=labels.outside,
        annotated=np.array([labels.annotated.get(number, unlabeled) for number in numbers]),
        head_boxes=np.array([labels.heads.get(number, no_head) for number in numbers], np.float32),
        track=TrackTruth(
            person=track,
            labeled=labeled,
            image_ids=np.array([-1 if frame is None else frame.image_id for frame in listed], np.int64),
            frame_labeled=np.array([frame is not None and frame.labeled for frame in listed]),
            ignore_regions=tuple(() if frame is None else frame.regions for frame in listed),
        ),
    )


def _box(entry: dict[str, Any], joints: np.ndarray, where: str) -> np.ndarray | None:
    """Return the stored box (4,); None where there is none, or where it has no extent because the joints have none."""
    if not _given(entry, "bbox"):
        return None
    box = coco_json.numbers(entry, "bbox", (4,), where, _REMEDY)
    if (box[2:] >= LEAST_EXTENT).all():
        return box
    if (box[2:] < 0).any() or np.ptp(joints, axis=0).min() >= LEAST_EXTENT:
        raise UserError(f"{where}: bbox is {box.tolist()}, a box without extent around joints that have one; {_REMEDY}")
    return None


def _given(entry: dict[str, Any], key: str) -> bool:
    """Say whether the box is there at all: none is left out, null or an empty list. Anything else has to be one."""
    return entry.get(key) not in (None, [])


def hull_box(joints: np.ndarray) -> np.ndarray | None:
    """Make the box (4,) that the set gives to joints (N,2): their hull, BOX_GROWTH times as wide and as high.

    A side that joints on one line leave empty is a tenth of the other. None where they all coincide.
    """
    low, high = joints.min(axis=0), joints.max(axis=0)
    extent = BOX_GROWTH * (high - low)
    if not extent.any():
        return None
    extent = np.maximum(extent, 0.1 * extent.max())
    return np.concatenate([(low + high - extent) / 2, extent])
