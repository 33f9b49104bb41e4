"""Rows of a file of boxes: the frame, the person's id (None where none is given) and the box of each line or entry.

Whatever else a file holds is refused by its name: a column that says whose box it is, if ignored, would make two people one.
"""

from __future__ import annotations

import csv
import io
import json
import re
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError

LAST_FRAME = 1e9  # a year of video; what is larger is no number of a frame
SIDES = ("x", "y", "width", "height")
IDS = ("id", "track_id", "person", "person_id")
# Spellings, in small letters and without blanks, hyphens and underscores, and what they mean.
_SPELLINGS = {name.replace("_", ""): "id" for name in IDS} | {"w": "width", "h": "height", "bbox": "box"}
_WANTED = f"frame,x,y,width,height, and for several people one of {', '.join(IDS)}"

Row = tuple[int, str | None, list[float]]


def read_rows(path: Path) -> list[Row]:
    """Read a .csv or .json file (`rpstn.video.boxes` has the formats); an empty box is NaN.

    Raises UserError, naming the file, and the line or entry, for whatever is no row of boxes.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no text in UTF-8 ({error.reason}); save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); allow it, or give another file") from error
    return _from_csv(path, text) if path.suffix.lower() == ".csv" else _from_json(path, text)


def _from_csv(path: Path, text: str) -> list[Row]:
    head = text.partition("\n")[0]
    separator = max(",;\t", key=head.count)  # a comma where there is none of them
    # Strict: a quote that is never closed would swallow the lines below it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True, strict=True)
    try:
        return _csv_rows(path, reader, decimal="." if separator == "," else ",")
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: is no line of a table ({error}); correct it") from None


def _csv_rows(path: Path, reader: Any, decimal: str) -> list[Row]:
    names = [name.strip() for name in next(reader, [])]
    if names and all(_is_number(name) for name in names):
        raise UserError(f"{path}: its first line is numbers, no head line; put one above it: {_WANTED}")
    columns = _meanings([name for name in names if name], f"{path}: its head line", f"write {_WANTED}")
    missing = [name for name in ("frame", *SIDES) if name not in columns]
    if missing:
        raise UserError(f"{path}: its head line lacks {', '.join(missing)}; write {_WANTED}")
    rows = []
    for values in reader:
        values = [value.strip() for value in values]
        if not any(values):  # a spreadsheet ends its table with such lines
            continue
        named = dict(zip(names, values, strict=False))
        try:
            if sum(map(bool, values)) != sum(bool(value) for name, value in named.items() if name):
                raise ValueError(f"{reprlib.repr(values)} has a field that the head line does not name")
            entry = {name: named.get(column, "") for name, column in columns.items()}
            rows.append(_row(entry, [entry[name] for name in SIDES], decimal))
        except ValueError as error:
            raise UserError(f"{path}, line {reader.line_num}: {error}; correct this line") from None
    return rows


def _meanings(names: Iterable[str], where: str, remedy: str, known: tuple[str, ...] = ("frame", "id", *SIDES)) -> dict[str, str]:
    """Return the names of a table by what they mean. UserError for one without meaning here and for two of one meaning."""
    found: dict[str, str] = {}
    unknown = []
    for name in names:
        plain = re.sub(r"[\s_-]", "", name.lower())
        meaning = _SPELLINGS.get(plain, plain)
        if meaning not in known:
            unknown.append(reprlib.repr(name))
        elif meaning in found:
            raise UserError(
                f"{where} has {reprlib.repr(found[meaning])} and {reprlib.repr(name)} for one thing; keep one of them"
            )
        else:
            found[meaning] = name
    if unknown:
        raise UserError(f"{where} holds unknown names: {', '.join(unknown)}; rename or remove them, and {remedy}")
    return found


def _from_json(path: Path, text: str) -> list[Row]:
    wanted = f'{path}: holds no list of boxes; write [[x, y, width, height], ...] or [{{"frame": 0, "box": [...]}}, ...]'
    try:
        content = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:  # RecursionError: lists in lists in lists
        raise UserError(f"{path}: this is no JSON of boxes ({error}); correct it") from None
    if isinstance(content, dict) and "boxes" in content:
        _meanings(content, f"{path}: it", 'write {"boxes": [...]}', known=("boxes",))
        content = content["boxes"]
    if not isinstance(content, list):
        raise UserError(wanted)
    if len(content) == 4 and all(isinstance(value, int | float) for value in content):
        raise UserError(f"{path}: holds four numbers; for one box in all frames give x,y,width,height instead of a file")
    if len({isinstance(entry, dict) for entry in content}) > 1:
        raise UserError(f"{path}: some entries name their frame and some do not; write all in one way")
    rows = []
    for index, entry in enumerate(content):
        try:
            rows.append(_json_row(index, entry, f"{path}: entry {index}"))
        except UserError:
            raise
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
            reason = f" ({error})" if type(error) is ValueError else ""
            raise UserError(f"{path}: entry {index} is {reprlib.repr(entry)}, no box of a frame{reason}; correct it") from None
    return rows


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # Python keeps the last of them
        raise ValueError(f"a key stands twice in {reprlib.repr(found)}")
    return found


def _json_row(index: int, entry: Any, where: str) -> Row:
    if not isinstance(entry, dict):
        return _row({"frame": index}, entry)
    names = _meanings(
        entry, where, 'write {"frame": 0, "id": "ann", "box": [x, y, width, height]}', ("frame", "id", "box", *SIDES)
    )
    values = {meaning: entry[name] for meaning, name in names.items()}
    if "box" in values and values.keys() & set(SIDES):
        raise ValueError("the box is given twice")
    return _row(values, values["box"] if "box" in values else [values[name] for name in SIDES])


def _row(values: dict[str, Any], box: Any, decimal: str = ".") -> Row:
    """Return a row of values by their meaning. ValueError says what is wrong with it."""
    frame = _number(values["frame"], decimal)
    if not abs(frame) <= LAST_FRAME or frame % 1:
        raise ValueError(f"frame {reprlib.repr(values['frame'])} is no whole number")
    if box is None:
        box = [None] * 4
    if not isinstance(box, list) or len(box) != 4:
        raise ValueError("a box is four numbers")
    return int(frame), _id(values.get("id")), [np.nan if side in (None, "") else _number(side, decimal) for side in box]


def _number(value: Any, decimal: str = ".") -> float:
    if isinstance(value, str) and decimal == "," and "." not in value:
        value = value.replace(",", ".")
    if isinstance(value, bool) or not _is_number(value):
        raise ValueError(f"{reprlib.repr(value)} is no number")
    return float(value)


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return "_" not in str(value)[:99]  # which Python's own numbers may have


def _id(value: Any) -> str | None:
    """Return an id as text: 1, 1.0, "1" and "1.0" are one person. None where it is left open."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value != value:
        raise ValueError(f"id {reprlib.repr(value)} is neither text nor a number")
    text = re.sub(r"^(\d+)\.0+$", r"\1", str(value).strip())
    text.encode()  # half of a character (a lone surrogate), which JSON allows, cannot be written
    return text or None
