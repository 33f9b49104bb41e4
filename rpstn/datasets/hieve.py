"""HiEve (Human in Events): one clip for each person's track in a video, from one XML file a frame.

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
from pathlib import Path

from rpstn.datasets.clip import ABSENT, Clip
from rpstn.datasets.formats.hieve_xml import REMEDY, Label, image_size, parse, read_label, text
from rpstn.datasets.frame_files import visible
from rpstn.datasets.sources import ImageFrames
from rpstn.datasets.splits import SPLITS, read_videos
from rpstn.datasets.tracks import lay_out
from rpstn.errors import UserError

VALIDATION = 0.1
_SUFFIXES = (".jpg", ".png")


def read_splits(
    root: Path,
    *,
    splits: tuple[str, ...] = SPLITS,
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
) -> dict[str, list[Clip]]:
    """The tracks by split, in the order of videos, then of names; source is the video.

    seed         of the cut between train and val.
    labels_only  images may be absent (they fail when read).
    faults       where given, errors are appended to it instead of raised, and what they concern is left out: a frame's file
                 (the frame then counts as not labeled), a track, or a video.
    `fold` has no meaning here.

    A clip's extra holds name, the person's in the video; labeled (T,) bool (there is a label of this person); actions, one for
    each frame ("" without a label). Its `action` is the most frequent of these.
    """
    labels = root / "labels"
    folders = {
        "test": _videos(labels / "test"),
        "train": [*_videos(labels / "train"), *(path for path in _videos(labels) if path.name not in ("train", "test"))],
    }
    asked = {"test" if split == "test" else "train" for split in splits}
    if not any(folders[part] for part in asked):
        hint = "the labels of the official test videos are not public" if asked == {"test"} else "lay them out as labels/<video>/"
        raise UserError(f"{labels}: no label files (<video>/000000.xml) for {' and '.join(sorted(splits))} there; {hint}")

    def read(path: Path, errors: list[UserError]) -> list[Clip]:
        return read_video(path, root, labels_only=labels_only, errors=errors)

    return read_videos(folders, lambda folder: folder.name, read, splits=splits, fraction=VALIDATION, seed=seed, faults=faults)


def _videos(folder: Path) -> list[Path]:
    """The folders in it that hold XML files, by number where they are numbered."""
    found = [path for path in folder.iterdir() if path.is_dir() and visible(path.glob("*.xml"))] if folder.is_dir() else []
    return sorted(found, key=lambda path: (not path.name.isdecimal(), int(path.name) if path.name.isdecimal() else 0, path.name))


def read_video(folder: Path, root: Path, *, labels_only: bool = False, errors: list[UserError]) -> list[Clip]:
    """All tracks of one video. Errors of single frames and tracks go to errors; UserError where nothing can be used."""
    people: dict[str, dict[int, Label]] = defaultdict(dict)
    damaged: dict[str, UserError] = {}
    size: tuple[int, int] | None = None
    frames: set[int] = set()
    for path in sorted(visible(folder.glob("*.xml"))):
        try:
            if not (path.stem.isascii() and path.stem.isdigit() and len(path.stem) < 10) or int(path.stem) in frames:
                raise UserError(f"{path}: a label file is named by its frame's number, 000000.xml, once for each; {REMEDY}")
            annotation = parse(path)
            stated = image_size(annotation, path)
            if size not in (None, stated):
                raise UserError(f"{path}: states another image size than the files before it; {REMEDY}")
            objects = enumerate(annotation.iter("object"))
            named = [(text(entry, "name", f"{path}: object {index}"), entry) for index, entry in objects]
            twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
            if twice:
                raise UserError(f"{path}: {twice[0]} is there twice; {REMEDY}")
        except UserError as error:
            errors.append(error)
            continue
        size = stated
        frames.add(int(path.stem))
        for name, entry in named:
            try:
                people[name][int(path.stem)] = read_label(entry, size, f"{path}: {name}")
            except UserError as error:
                damaged.setdefault(name, error)
    if not people and not damaged and not errors:
        raise UserError(f"{folder}: nobody is in its label files; {REMEDY}")
    errors += damaged.values()
    if size is None:
        return []
    place, images = _images(folder, root, labels_only)
    clips = []
    for name in sorted(people.keys() - damaged.keys(), key=lambda name: (len(name), name)):
        try:
            clip = _track(folder, name, people[name], size, place, images, labels_only)
        except UserError as error:
            errors.append(error)
        else:
            clips += [clip] if clip is not None else []
    if not clips and not errors:
        raise UserError(f"{folder}: nobody in it has a labeled joint; {REMEDY}")
    return clips


def _images(folder: Path, root: Path, labels_only: bool) -> tuple[Path, dict[int, Path]]:
    """The folder with a video's images, and these by frame number."""
    below = folder.relative_to(root / "labels")
    places = (root / "images" / below, root / "images" / folder.name)
    place = next((place for place in places if place.is_dir()), None)
    if place is None and not labels_only:
        raise UserError(
            f"{places[0]}: no such folder with the frames of {folder.name}; make it with "
            f"ffmpeg -i {folder.name}.mp4 -start_number 0 -q:v 2 {places[0]}/%06d.jpg"
        )
    images: dict[int, Path] = {}
    for path in sorted(place.iterdir()) if place is not None else ():
        if path.stem.isdecimal() and path.suffix.lower() in _SUFFIXES:
            other = images.setdefault(int(path.stem), path)
            if other != path:
                raise UserError(f"{path}: {other.name} is frame {int(path.stem)} too; keep one image of a frame")
    return place or places[0], images


def _track(
    folder: Path,
    name: str,
    labels: dict[int, Label],
    size: tuple[int, int],
    place: Path,
    images: dict[int, Path],
    labels_only: bool,
) -> Clip | None:
    """One person's clip; None where no frame of the track has a labeled joint."""
    outside = sum(label.outside for label in labels.values())
    if not any((label.sighting.visibility != ABSENT).any() for label in labels.values()):
        if outside:
            raise UserError(f"{folder}: {name} has all joints outside the image of {size[1]}x{size[0]}; {REMEDY}")
        return None
    laid = lay_out({number: label.sighting for number, label in labels.items()}, f"{folder}: {name}")
    numbers = range(laid.first, laid.first + len(laid.labeled))
    lost = [number for number in numbers if number not in images]
    if lost and not labels_only:
        raise UserError(f"{place}: has no image of frame {lost[0]}, through which {name} goes; unpack the video again")
    paths = tuple(images.get(number, place / f"{number:06d}.jpg") for number in numbers)
    actions = tuple(labels[number].action if number in labels else "" for number in numbers)
    counted = Counter(action for action in actions if action)
    return Clip(
        id=f"{folder.name}_{name}",
        group=folder.name,
        action=counted.most_common(1)[0][0] if counted else "",
        joints=laid.joints,
        visibility=laid.visibility,
        boxes=laid.boxes,
        frames=ImageFrames(paths, size),
        extra={
            "name": name,
            "labeled": laid.labeled,
            "actions": actions,
            "boxes_repaired": 0,
            "joints_outside": outside,
        },
    )
