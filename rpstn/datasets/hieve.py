"""HiEve (Human in Events): one clip per person's track in a video, from one XML file per frame.

    root/labels/<video>/000000.xml ...      or root/labels/train/<video>/, root/labels/test/<video>/
    root/images/<video>/000000.jpg ...      or root/images/train/<video>/, root/images/test/<video>/

Source: W. Lin et al., "Human in Events: A Large-Scale Benchmark for Human-centric Video Analysis in Complex Events", 2020;
the form of the files: humaninevents.org/format.html. The set comes as videos: a frame of the number its label has is got with
`ffmpeg -i <video>.mp4 -start_number 0 -q:v 2 images/<video>/%06d.jpg`.

    <annotation>
      <size><width>1920</width><height>1080</height><depth>3</depth></size>
      <object>
        <name>P-1</name> <action>standing-alone</action>
        <bndbox>
          <xmin>747</xmin> <ymin>103</ymin> <xmax>1044</xmax> <ymax>1079</ymax>
          <Nose>928,185,0</Nose> <Chest>943,278,0</Chest> ...  x, y, flag
        </bndbox>
      </object>
    </annotation>

**Flags** run against the usual ones: 0 is visible, 1 hidden, -1 not labeled. `name` is the person, the same in all frames.
A person without any joint in the file, as people too small for it are, has a box and no labels.

**Splits.** The labels of the 13 test videos are not public, so test is empty unless labels/test/ is there. val is a tenth of the
other videos, seeded.

**Tracks.** A clip holds all frames from a person's first to the last. Where the person or the frame has no label in between,
every joint is ABSENT and the box is interpolated.

**Pixels.** Positions and boxes are used as stored, 0-based. No real file was at hand: this reader follows the description.
A file with a DOCTYPE is refused, since the set has none and it is what lets an XML file name other files or grow without end.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from rpstn.datasets.clip import ABSENT, Clip
from rpstn.datasets.formats.hieve_xml import REMEDY, Label, image_size, parse, read_label, text
from rpstn.datasets.frame_files import with_suffix
from rpstn.datasets.request import Request, collecting
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.tracks import lay_out, read_videos
from rpstn.datasets.truth import TrackTruth, Truth
from rpstn.errors import UserError

VALIDATION = 0.1
_SUFFIXES = (".jpg", ".png")


def read_splits(request: Request) -> dict[str, list[Clip]]:
    """Read the tracks by split, in the order of videos, then of names; group is the video.

    Where damaged entries are left out, that is a frame's file (the frame then counts as not labeled), a track, or a video.
    A clip's action is the most frequent one of its frames.
    """
    root = request.root
    labels = root / "labels"
    folders = {
        "test": _videos(labels / "test"),
        "train": [*_videos(labels / "train"), *(path for path in _videos(labels) if path.name not in ("train", "test"))],
    }
    asked = {"test" if split == "test" else "train" for split in request.splits}
    if not any(folders[part] for part in asked):
        hint = "the labels of its own test videos are not public" if asked == {"test"} else "lay them out as labels/<video>/"
        splits = " and ".join(sorted(request.splits))
        raise UserError(f"{labels}: no label files (<video>/000000.xml) for {splits} there; {hint}")
    return read_videos(request, folders, lambda folder: folder.name, read_video, VALIDATION)


def _videos(folder: Path) -> list[Path]:
    """List the folders in it that hold XML files, by number where they are numbered."""
    found = [path for path in folder.iterdir() if path.is_dir() and with_suffix(path, ".xml")] if folder.is_dir() else []
    return sorted(found, key=lambda path: (not path.name.isdecimal(), int(path.name) if path.name.isdecimal() else 0, path.name))


@dataclass
class _Video:
    """What the files of a video say: labels by person and frame, and the errors of people who cannot be used."""

    people: dict[str, dict[int, Label]] = field(default_factory=lambda: defaultdict(dict))
    damaged: dict[str, UserError] = field(default_factory=dict)
    frames: set[int] = field(default_factory=set)
    size: tuple[int, int] | None = None

    def add(self, path: Path) -> None:
        """Add one file. Raises UserError where the whole file cannot be used; nothing of it is added then."""
        if not (path.stem.isascii() and path.stem.isdigit() and len(path.stem) < 10) or int(path.stem) in self.frames:
            raise UserError(f"{path}: a label file is named by its frame's number, 000000.xml, one file per frame; {REMEDY}")
        annotation = parse(path)
        size = image_size(annotation, path)
        if self.size not in (None, size):
            raise UserError(f"{path}: states another image size than the files before it; {REMEDY}")
        objects = enumerate(annotation.iter("object"))
        named = [(text(entry, "name", f"{path}: object {index}"), entry) for index, entry in objects]
        twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
        if twice:
            raise UserError(f"{path}: {twice[0]} is there twice; {REMEDY}")
        self.size = size
        self.frames.add(int(path.stem))
        for name, entry in named:
            try:
                self.people[name][int(path.stem)] = read_label(entry, size, f"{path}: {name}")
            except UserError as error:
                self.damaged.setdefault(name, error)


def read_video(folder: Path, root: Path, *, labels_only: bool = False, errors: list[UserError]) -> list[Clip]:
    """Read all tracks of one video. Errors of single frames and tracks go to errors; UserError where nothing can be used."""
    video = _Video()
    for path in with_suffix(folder, ".xml"):
        with collecting(errors):
            video.add(path)
    if not video.people and not video.damaged and not errors:
        raise UserError(f"{folder}: nobody is in its label files; {REMEDY}")
    errors += video.damaged.values()
    if video.size is None:
        return []
    frames = _frames(folder, root, labels_only)
    clips = []
    for name in sorted(video.people.keys() - video.damaged.keys(), key=lambda name: (len(name), name)):
        with collecting(errors):
            clip = _track(folder, name, video.people[name], video.size, frames)
            clips += [clip] if clip is not None else []
    if not clips and not errors:
        raise UserError(f"{folder}: nobody in it has a labeled joint; {REMEDY}")
    return clips


@dataclass(frozen=True)
class _Frames:
    """The images of a video, by frame number. needed: whether they have to be there."""

    folder: Path
    images: dict[int, Path]
    needed: bool

    def paths(self, numbers: range, name: str) -> tuple[Path, ...]:
        """Return the images of the frames through which a person goes. Raises UserError for one that is missing."""
        lost = [number for number in numbers if number not in self.images]
        if lost and self.needed:
            raise UserError(f"{self.folder}: has no image of frame {lost[0]}, through which {name} goes; unpack the video again")
        return tuple(self.images.get(number, self.folder / f"{number:06d}.jpg") for number in numbers)


def _frames(folder: Path, root: Path, labels_only: bool) -> _Frames:
    """Find the images of a video, whose labels lie in folder."""
    below = folder.relative_to(root / "labels")
    folders = (root / "images" / below, root / "images" / folder.name)
    there = next((path for path in folders if path.is_dir()), None)
    if there is None and not labels_only:
        raise UserError(
            f"{folders[0]}: no such folder with the frames of {folder.name}; make it with "
            f"ffmpeg -i {folder.name}.mp4 -start_number 0 -q:v 2 {folders[0]}/%06d.jpg"
        )
    images: dict[int, Path] = {}
    for path in sorted(there.iterdir()) if there is not None else ():
        if path.stem.isdecimal() and path.suffix.lower() in _SUFFIXES:
            other = images.setdefault(int(path.stem), path)
            if other != path:
                raise UserError(f"{path}: {other.name} is frame {int(path.stem)} too; keep one image per frame")
    return _Frames(there or folders[0], images, not labels_only)


def _track(folder: Path, name: str, labels: dict[int, Label], size: tuple[int, int], frames: _Frames) -> Clip | None:
    """Return one person's clip; None where no frame of the track has a labeled joint."""
    outside = sum(label.outside for label in labels.values())
    if not any((label.sighting.visibility != ABSENT).any() for label in labels.values()):
        if outside:
            raise UserError(f"{folder}: {name} has all joints outside the image of {size[1]}x{size[0]}; {REMEDY}")
        return None
    laid = lay_out({number: label.sighting for number, label in labels.items()}, f"{folder}: {name}")
    numbers = range(laid.first, laid.first + len(laid.labeled))
    actions = tuple(labels[number].action if number in labels else "" for number in numbers)
    counted = Counter(action for action in actions if action)
    return Clip(
        id=f"{folder.name}_{name}",
        group=folder.name,
        action=counted.most_common(1)[0][0] if counted else "",
        joints=laid.joints,
        visibility=laid.visibility,
        boxes=laid.boxes,
        frames=ImageFrames(frames.paths(numbers, name), size),
        truth=Truth(joints_outside=outside, track=TrackTruth(name, laid.labeled, actions)),
    )
