"""Checks of label files in JSON: what is not as it should be becomes a UserError that says where, what and what to do.

`where` stands at the beginning of each message (file and entry), `remedy` at its end.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from numbers import Integral
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST, LEAST_EXTENT
from rpstn.errors import UserError

_LARGEST_ID = 2**63
# What file systems allow for a part of a path, and less than they allow for a whole one, in bytes.
_LONGEST_PART, _LONGEST_PATH = 255, 2048


def read_json(path: Path, remedy: str) -> Any:
    """Read a file's content. UserError where it is missing or no JSON, as a pickle is, and where an object has a key twice."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot read this label file ({error.strerror}); {remedy}") from error
    if not data.strip():
        raise UserError(f"{path}: this label file is empty; {remedy}")
    try:
        return json.loads(data, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); {remedy}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of a JSON file. ValueError where a key repeats: of its values all but the last would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r:.80} is there twice in one object")
    return found


def entries(content: Any, key: str, where: str, remedy: str) -> list[dict[str, Any]]:
    """Return content[key], a list of objects."""
    if not isinstance(content, dict):
        raise UserError(f"{where}: holds {_kind(content)} where an object with {key} is expected; {remedy}")
    if key not in content:
        raise UserError(f"{where}: lacks {key}; {remedy}")
    found = content[key]
    if not isinstance(found, list):
        raise UserError(f"{where}: {key} is {_kind(found)}, expected a list; {remedy}")
    return objects(found, f"{where}: {key}", remedy)


def objects(found: list[Any], where: str, remedy: str) -> list[dict[str, Any]]:
    """Return the list itself, if it holds objects only."""
    for index, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise UserError(f"{where}: entry {index} is {_kind(entry)}, expected an object; {remedy}")
    return found


def integer(entry: Mapping[str, Any], key: str, where: str, remedy: str) -> int:
    """Return entry[key], a whole number from 0 on. 3.0 is one, True and "3" are none."""
    value = _given(entry, key, where, remedy)
    if not _is_whole(value) or not 0 <= value < _LARGEST_ID:
        raise UserError(f"{where}: {key} is {str(value)[:40]!r}, expected a whole number from 0 on; {remedy}")
    return int(value)


def identity(entry: Mapping[str, Any], key: str, where: str, remedy: str) -> int | str:
    """Return entry[key], an id: any whole number or a string. 3.0 is 3; True, "" and nothing (null) are none."""
    value = _given(entry, key, where, remedy)
    if isinstance(value, str) and value:
        return value
    if _is_whole(value):
        return int(value)
    raise UserError(f"{where}: {key} is {str(value)[:40]!r}, expected an id, a whole number or a string; {remedy}")


def by_identity(value: int | str) -> tuple[bool, int | str]:
    """Give the key that sorts ids: numbers, then strings."""
    return isinstance(value, str), value


def crowd(entry: Mapping[str, Any], where: str, remedy: str) -> bool:
    """Return entry["iscrowd"]: 0 or 1, or the truth values, as some programs write them."""
    value = _given(entry, "iscrowd", where, remedy)
    if isinstance(value, bool):
        return value
    number = integer(entry, "iscrowd", where, remedy)
    if number > 1:
        raise UserError(f"{where}: iscrowd is {number}, expected 0 or 1; {remedy}")
    return number == 1


def _given(entry: Mapping[str, Any], key: str, where: str, remedy: str) -> Any:
    if key not in entry:
        raise UserError(f"{where} lacks {key}; {remedy}")
    return entry[key]


def _is_whole(value: Any) -> bool:
    if isinstance(value, float):
        return value.is_integer()
    return isinstance(value, Integral) and not isinstance(value, bool)


def identified(content: Any, key: str, where: str, remedy: str) -> Iterator[tuple[int | str, str, dict[str, Any]]]:
    """Yield the entries of content[key] with their ids, each there once, and what to call them in a message."""
    name = {"images": "image", "annotations": "annotation", "categories": "category"}[key]
    seen: set[int | str] = set()
    for index, entry in enumerate(entries(content, key, where, remedy)):
        place = f"{where}: {name} {entry.get('id', f'at {index}')}"
        found = identity(entry, "id", place, remedy)
        if found in seen:
            raise UserError(f"{place}: this id is there twice; {remedy}")
        seen.add(found)
        yield found, place, entry


def array(entry: Mapping[str, Any], key: str, shape: tuple[int | None, ...], where: str, remedy: str) -> np.ndarray:
    """Return entry[key] as float64 of that shape, None being any length from 1 on.

    NaN and infinities may be in it, truth values may not.
    """
    value = _given(entry, key, where, remedy)
    try:
        found = np.array(value)
    except (ValueError, OverflowError):  # rows of different length
        found = np.array(None)
    # Of [True, 2.5] NumPy makes [1.0, 2.5].
    if (found.dtype.kind not in "iuf" and found.size) or _holds_truth_value(value):
        raise UserError(f"{where}: {key} holds what are no plain numbers, or rows of different length; {remedy}")
    expected = tuple(max(have, 1) if want is None else want for have, want in zip(found.shape, shape, strict=False))
    if found.shape != expected or len(shape) != found.ndim:
        wanted = tuple("any" if want is None else want for want in shape)
        raise UserError(f"{where}: {key} has shape {found.shape}, expected {wanted}; {remedy}")
    return found.astype(np.float64)  # the magnitude of the smallest whole number is no whole number


def numbers(
    entry: Mapping[str, Any], key: str, shape: tuple[int | None, ...], where: str, remedy: str, limit: float = FARTHEST
) -> np.ndarray:
    """Return entry[key] as float64 of that shape: finite, and no larger than the limit, up to which it can be a position."""
    found = array(entry, key, shape, where, remedy)
    if not np.isfinite(found).all() or np.abs(found).max(initial=0) > limit:
        raise UserError(f"{where}: {key} holds a value that is not finite, or too large; {remedy}")
    return found


def keypoints(entry: Mapping[str, Any], joints: int, where: str, remedy: str) -> tuple[np.ndarray, np.ndarray]:
    """Return what COCO's form holds, x, y, flag, x, y, flag ...: positions (K,2) float64 and flags (K,) uint8 of 0, 1, 2."""
    stored = numbers(entry, "keypoints", (3 * joints,), where, remedy).reshape(-1, 3)
    flags = stored[:, 2]
    if ((flags != 0) & (flags != 1) & (flags != 2)).any():
        raise UserError(f"{where}: keypoints has a flag other than 0, 1 and 2; {remedy}")
    return stored[:, :2], flags.astype(np.uint8)


def person(entry: Mapping[str, Any], joints: int, where: str, remedy: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return the labels of one of COCO's people, as `keypoints`, as many as num_keypoints says; and whether it is a crowd."""
    count, is_crowd = integer(entry, "num_keypoints", where, remedy), crowd(entry, where, remedy)
    positions, flags = keypoints(entry, joints, where, remedy)
    if count != (flags > 0).sum():
        raise UserError(f"{where}: num_keypoints is {count}, labeled are {(flags > 0).sum()}; {remedy}")
    return positions, flags, is_crowd


def box(entry: Mapping[str, Any], where: str, remedy: str, key: str = "bbox") -> np.ndarray:
    """Return a box (4,) x, y, width, height with an extent."""
    found = numbers(entry, key, (4,), where, remedy)
    if (found[2:] < LEAST_EXTENT).any():
        raise UserError(f"{where}: {key} is {found.tolist()}, a box without extent; {remedy}")
    return found


def impossible(name: str) -> bool:
    """Say whether no file can have this name or path: it has a NUL, half a surrogate pair, or too many bytes in a part."""
    try:
        stored = name.encode()
    except UnicodeEncodeError:
        return True
    return b"\0" in stored or len(stored) > _LONGEST_PATH or max(map(len, stored.split(b"/"))) > _LONGEST_PART


def plain_name(name: Any, where: str, remedy: str) -> str:
    """Return the name of an image. UserError for what is no name of a file, or leads to another folder."""
    if not isinstance(name, str) or not name or impossible(name) or Path(name).name != name:
        raise UserError(f"{where} has the image {name!r:.80}, expected a file's name; {remedy}")
    return name


def file_name(entry: Mapping[str, Any], where: str, remedy: str) -> PurePosixPath:
    """Return entry["file_name"], a path that stays below the data set's folder."""
    name = entry.get("file_name")
    if not isinstance(name, str) or not name or impossible(name):
        raise UserError(f"{where}: file_name is {str(name)[:40]!r}, expected a file's name; {remedy}")
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.name:
        raise UserError(f"{where}: file_name {name[:80]!r} leads out of the data set's folder; {remedy}")
    return path


def check_category(content: Any, joints: tuple[str, ...], where: str, remedy: str) -> int | str:
    """Return the id of the category whose keypoints are these joints, in this order."""
    found = [entry for entry in entries(content, "categories", where, remedy) if entry.get("name") == "person"]
    if len(found) != 1:
        raise UserError(f"{where}: categories names person {len(found)} times, expected once; {remedy}")
    if found[0].get("keypoints") != list(joints):
        raise UserError(
            f"{where}: the keypoints of category person are {str(found[0].get('keypoints'))[:100]}, expected "
            f"{', '.join(joints)}; give the keypoint annotations of this data set"
        )
    return identity(found[0], "id", f"{where}: category person", remedy)


def check_kind(entry: Mapping[str, Any], category: int | str, where: str, remedy: str) -> None:
    """Raise UserError for an annotation of another category than that of people; one that names none is of a person."""
    kind = entry.get("category_id", category)
    if isinstance(kind, bool) or kind != category:
        raise UserError(f"{where}: category_id is {str(kind)[:40]!r}, not that of a person, {category!r}; {remedy}")


def inside(joints: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    """Say which joints (...,2) lie in an image of that (height, width); of unknown size: right of and below its corner."""
    within: np.ndarray = np.all(joints >= -0.5, axis=-1)
    if size is not None:
        within &= np.all(joints <= np.array([size[1], size[0]]) - 0.5, axis=-1)
    return within


def listing(folder: Path, remedy: str) -> frozenset[str]:
    """List the names of the files in a folder. One question per file would take long: there may be a hundred thousand."""
    try:
        return frozenset(os.listdir(folder))
    except OSError as error:
        raise UserError(f"{folder}: cannot list this folder of images ({error.strerror}); {remedy}") from error


def _holds_truth_value(value: Any) -> bool:
    """Say whether a value of JSON is, or holds at any depth, true or false."""
    if not isinstance(value, list | tuple):
        return isinstance(value, bool)
    kinds = set(map(type, value))
    return bool in kinds or (not kinds.isdisjoint((list, tuple)) and any(map(_holds_truth_value, value)))


def _kind(value: Any) -> str:
    if value is None:
        return "nothing (null)"
    names = {dict: "an object", list: "a list", str: "a string", bool: "a truth value"}
    return names.get(type(value), "a number")
