"""One XML file of HiEve: a frame's people. `rpstn.datasets.hieve` describes its form."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from rpstn.datasets.boxes import FARTHEST, LEAST_EXTENT, check_near
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.datasets.formats.coco_json import inside
from rpstn.datasets.tracks import Sighting
from rpstn.errors import UserError
from rpstn.skeletons import HIEVE

# As the files name the joints, but for capitals.
TAGS = tuple(joint.replace("_", "-") for joint in HIEVE.joints)
REMEDY = "restore the original file, or skip damaged entries"
_FLAGS = {0: VISIBLE, 1: OCCLUDED, -1: ABSENT}
_EDGES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True)
class Label:
    """One person in one frame. outside: labeled joints beyond the image's edge, ABSENT in the sighting."""

    sighting: Sighting
    outside: int
    action: str


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree, but of no file with a DOCTYPE."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:
        """Refuse the file. Expat calls this before it reads a single entity."""
        raise UserError("it has a DOCTYPE, which no file of the set has and which can make a reader open other files")


def parse(path: Path) -> ElementTree.Element:
    """Read the `annotation` of one file. UserError for a file that is missing, no XML, of another kind, or has a DOCTYPE."""
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
    """Return what stands in the element of that tag, without the spaces around it; UserError for nothing."""
    found = entry.findtext(tag, "").strip()
    if not found:
        raise UserError(f"{where}: lacks {tag}; {REMEDY}")
    return found


def number(entry: ElementTree.Element, tag: str, where: str) -> float:
    """Return the same as a number of pixels."""
    stored = text(entry, tag, where)
    try:
        value = float(stored)
    except ValueError as error:
        raise UserError(f"{where}: {tag} is {stored[:40]!r}, expected a number; {REMEDY}") from error
    if not abs(value) <= FARTHEST:  # NaN is not
        raise UserError(f"{where}: {tag} is {stored[:40]!r}, which is no number of pixels; {REMEDY}")
    return value


def image_size(annotation: ElementTree.Element, path: Path) -> tuple[int, int]:
    """Return (height, width) as the file states it."""
    stated = annotation.find("size")
    if stated is None:
        raise UserError(f"{path}: lacks size; {REMEDY}")
    height, width = (number(stated, tag, f"{path}: size") for tag in ("height", "width"))
    if height < 1 or width < 1 or height != int(height) or width != int(width):
        raise UserError(f"{path}: size is {width:g}x{height:g} pixels; {REMEDY}")
    return int(height), int(width)


def read_label(entry: ElementTree.Element, size: tuple[int, int], where: str) -> Label:
    """Read one `object`. Either all joints are there or none, for a person with a box only; UserError for anything else."""
    box = entry.find("bndbox")
    if box is None:
        raise UserError(f"{where}: lacks bndbox; {REMEDY}")
    left, top, right, bottom = (number(box, edge, where) for edge in _EDGES)
    if min(right - left, bottom - top) < LEAST_EXTENT:
        raise UserError(f"{where}: bndbox goes from {left:g}, {top:g} to {right:g}, {bottom:g}, a box without extent; {REMEDY}")
    joints, visibility = np.zeros((len(HIEVE), 2)), np.full(len(HIEVE), ABSENT, np.uint8)
    for index, text in enumerate(_joint_texts(box, where)):
        joints[index], visibility[index] = _joint(text, f"{where}: {TAGS[index]}")
    beyond = (visibility != ABSENT) & ~inside(joints, size)
    visibility[beyond] = ABSENT
    sighting = Sighting(joints, visibility, np.array([left, top, right - left, bottom - top]))
    check_near(joints, visibility == VISIBLE, sighting.box, f"{where}: bndbox", REMEDY)
    return Label(sighting, int(beyond.sum()), (entry.findtext("action") or "").strip())


def _joint_texts(box: ElementTree.Element, where: str) -> list[str]:
    """Return what stands in each joint's element, in the order of TAGS; nothing for a person without joints."""
    given: dict[str, str] = {}
    for child in box:
        tag = child.tag.lower().replace("_", "-")
        if tag in given:
            raise UserError(f"{where}: {tag} is there twice; {REMEDY}")
        given[tag] = (child.text or "").strip()
    unknown = given.keys() - {*_EDGES, *TAGS}
    if unknown:
        raise UserError(f"{where}: has {', '.join(sorted(unknown))}, which are no joints of this set; {REMEDY}")
    lacking = [tag for tag in TAGS if tag not in given]
    if 0 < len(lacking) < len(TAGS):
        raise UserError(f"{where}: lacks the joints {', '.join(lacking)}; {REMEDY}")
    return [] if lacking else [given[tag] for tag in TAGS]


def _joint(text: str, where: str) -> tuple[tuple[float, float], int]:
    """Return position and visibility of a joint that is given as x,y,flag."""
    try:
        x, y, flag = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UserError(f"{where} is {text[:40]!r}, expected x,y,flag; {REMEDY}") from error
    if flag not in _FLAGS:
        raise UserError(f"{where} has the flag {flag:g}, expected 0, 1 or -1; {REMEDY}")
    if flag == -1:
        return (0.0, 0.0), ABSENT
    if not (abs(x) <= FARTHEST and abs(y) <= FARTHEST):  # NaN is not
        raise UserError(f"{where} is {text[:40]!r}, which is no position; {REMEDY}")
    return (x, y), _FLAGS[int(flag)]
