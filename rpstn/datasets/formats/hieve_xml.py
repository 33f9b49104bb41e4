"""One XML file of HiEve: a frame's people. `rpstn.datasets.hieve` describes its form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from rpstn.datasets.boxes import LEAST_EXTENT, check_near
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.formats import coco_json
from rpstn.datasets.tracks import Sighting
from rpstn.errors import UserError
from rpstn.skeletons import HIEVE

# As the files name the joints, but for capitals.
TAGS = tuple(joint.replace("_", "-") for joint in HIEVE.joints)
REMEDY = "restore the official file, or skip damaged entries"
_FLAGS = {0: VISIBLE, 1: OCCLUDED, -1: ABSENT}
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Label:
    """One person in one frame. outside: labeled joints beyond the image's edge, ABSENT in the sighting."""

    sighting: Sighting
    outside: int
    action: str


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree, but of no file with a DOCTYPE; expat calls this before it reads a single entity."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        raise UserError("it has a DOCTYPE, which no file of the set has and which can make a reader open other files")


def parse(path: Path) -> ElementTree.Element:
    """The `annotation` of one file. UserError for a file that is missing, no XML, of another kind, or has a DOCTYPE."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read this label file ({error.strerror}); {REMEDY}") from error
    try:
        root = ElementTree.fromstring(data, ElementTree.XMLParser(target=_Builder()))
    except UserError as error:
        raise UserError(f"{path}: refused, {error}; {REMEDY}") from error
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UserError(f"{path}: not a readable XML file ({error}); {REMEDY}") from error
    if root.tag != "annotation":
        raise UserError(f"{path}: holds {str(root.tag)[:40]!r}, expected annotation; {REMEDY}")
    return root


def text(entry: ElementTree.Element, tag: str, where: str) -> str:
    """What stands in the element of that tag, without the spaces around it; UserError for nothing."""
    found = entry.findtext(tag, "").strip()
    if not found:
        raise UserError(f"{where}: lacks {tag}; {REMEDY}")
    return found


def number(entry: ElementTree.Element, tag: str, where: str) -> float:
    """The same as a number of pixels."""
    stored = text(entry, tag, where)
    try:
        value = float(stored)
    except ValueError as error:
        raise UserError(f"{where}: {tag} is {stored[:40]!r}, expected a number; {REMEDY}") from error
    if not abs(value) <= coco_json.FARTHEST:  # NaN is not
        raise UserError(f"{where}: {tag} is {stored[:40]!r}, which is no number of pixels; {REMEDY}")
    return value


def image_size(annotation: ElementTree.Element, path: Path) -> tuple[int, int]:
    """(height, width) as the file states it."""
    stated = annotation.find("size")
    if stated is None:
        raise UserError(f"{path}: lacks size; {REMEDY}")
    height, width = (number(stated, tag, f"{path}: size") for tag in ("height", "width"))
    if height < 1 or width < 1 or height != int(height) or width != int(width):
        raise UserError(f"{path}: size is {width:g}x{height:g} pixels; {REMEDY}")
    return int(height), int(width)


def read_label(entry: ElementTree.Element, size: tuple[int, int], where: str) -> Label:
    """One `object`. Either all joints are there or none, for a person with a box only; UserError for anything else."""
    box = entry.find("bndbox")
    if box is None:
        raise UserError(f"{where}: lacks bndbox; {REMEDY}")
    left, top, right, bottom = (number(box, side, where) for side in _SIDES)
    if min(right - left, bottom - top) < LEAST_EXTENT:
        raise UserError(f"{where}: bndbox goes from {left:g}, {top:g} to {right:g}, {bottom:g}, a box without extent; {REMEDY}")
    joints, visibility = np.zeros((len(HIEVE), 2)), np.full(len(HIEVE), ABSENT, np.uint8)
    given: dict[str, str] = {}
    for child in box:
        tag = child.tag.lower().replace("_", "-")
        if tag in given:
            raise UserError(f"{where}: {tag} is there twice; {REMEDY}")
        given[tag] = (child.text or "").strip()
    unknown = given.keys() - {*_SIDES, *TAGS}
    if unknown:
        raise UserError(f"{where}: has {', '.join(sorted(unknown))}, which are no joints of this set; {REMEDY}")
    lacking = [tag for tag in TAGS if tag not in given]
    if 0 < len(lacking) < len(TAGS):
        raise UserError(f"{where}: lacks the joints {', '.join(lacking)}; {REMEDY}")
    for index, tag in enumerate(() if lacking else TAGS):
        try:
            x, y, flag = (float(part) for part in given[tag].split(","))
        except ValueError as error:
            raise UserError(f"{where}: {tag} is {given[tag][:40]!r}, expected x,y,flag; {REMEDY}") from error
        if flag not in _FLAGS:
            raise UserError(f"{where}: {tag} has the flag {flag:g}, expected 0, 1 or -1; {REMEDY}")
        if flag == -1:
            continue
        if not (abs(x) <= coco_json.FARTHEST and abs(y) <= coco_json.FARTHEST):  # NaN is not
            raise UserError(f"{where}: {tag} is {given[tag][:40]!r}, which is no position; {REMEDY}")
        joints[index], visibility[index] = (x, y), _FLAGS[int(flag)]
    beyond = (visibility != ABSENT) & ~coco_json.inside(joints, size)
    visibility[beyond] = ABSENT
    sighting = Sighting(joints, visibility, np.array([left, top, right - left, bottom - top]))
    check_near(joints, visibility == VISIBLE, sighting.box, f"{where}: bndbox", REMEDY)
    return Label(sighting, int(beyond.sum()), (entry.findtext("action") or "").strip())
