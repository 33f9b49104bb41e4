"""MATLAB's .mat files of version 5 to 7, read with care.

SciPy reads them too, but trusts them: of 1,500 flips of a single bit within the first 600 bytes of an uncompressed label file,
28 ended the process with a segmentation fault (SciPy 1.17.1). Here every type, size and count is checked against the bytes that
are there before it is used, so that a damaged file gives an error with its name. Nothing in a file is run.

Format: "MAT-File Format", The MathWorks. A file is a header of 128 bytes and a row of elements; an element is a tag
(type, number of bytes) and its data, padded to 8 bytes. An array is an element that holds elements: flags, dimensions,
name, contents. It may be packed by zlib as a whole.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

from rpstn.errors import UserError

# Types of elements, by number.
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_INT8, _INT32, _UINT32, _MATRIX, _PACKED = 1, 5, 6, 14, 15
# Classes of arrays, by number.
_CELL, _STRUCT, _CHAR = 1, 2, 4
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_COMPLEX = 0x0800
_HEADER = 128
# Nothing that is read here is larger or deeper.
_LARGEST = 1 << 30
_DEEPEST = 24
_NAME_WITHIN = 1024


class _BrokenError(ValueError):
    """What is wrong with the bytes."""


def read_mat(path: Path, keys: Collection[str], remedy: str) -> dict[str, np.ndarray]:
    """Read those of the variables `keys` that a file has.

    Numbers come as arrays of MATLAB's type and shape (logical as uint8), texts as arrays of strings, one per row, cells
    as object arrays of such values, structs as object arrays of dicts.

    Raises UserError, ending in remedy, for a file that cannot be read, is damaged, or is of another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: not a readable MAT file ({error.strerror}); {remedy}") from error
    try:
        return dict(_variables(memoryview(data), set(keys)))
    except _BrokenError as error:
        raise UserError(f"{path}: not a readable MAT file ({error}); {remedy}") from error


def read_numbers(path: Path, key: str, axes: int, remedy: str) -> np.ndarray:
    """Read one variable, plain numbers of at least so many axes: MATLAB drops the last ones where they have length 1.

    Raises UserError as read_mat does, and where the variable is missing or holds something else.
    """
    found = read_mat(path, [key], remedy)
    if key not in found:
        raise UserError(f"{path}: lacks {key}; {remedy}")
    stored = found[key]
    if stored.dtype.kind not in "biuf":
        raise UserError(f"{path}: {key} holds {holds(stored)} where plain numbers should be; {remedy}")
    return stored.reshape(*stored.shape, *[1] * (axes - stored.ndim))


def _variables(data: memoryview, keys: set[str]) -> Iterator[tuple[str, np.ndarray]]:
    if len(data) == 0:
        raise _BrokenError("it is empty")
    order = {b"IM": "<", b"MI": ">"}.get(bytes(data[126:128]))
    if bytes(data[:8]) == b"\x89HDF\r\n\x1a\n" or bytes(data[:10]) == b"MATLAB 7.3":
        raise _BrokenError("version 7.3; save it in MATLAB with -v7")
    if len(data) < _HEADER or order is None or struct.unpack(f"{order}H", data[124:126])[0] != 0x0100:
        raise _BrokenError("its header is not that of version 5 to 7")
    place = _HEADER
    while place < len(data):
        kind, content, place = _element(data, place, order, padded=False)
        if kind == _PACKED:
            unpacked = _unpack(content, keys, order)
            if unpacked is None:
                continue
            content = unpacked
        elif kind != _MATRIX:
            raise _BrokenError(f"an element of type {kind} where a variable should be")
        name = _name(content, order)
        if name in keys:
            yield name, _array(content, order, 0)


def _element(data: memoryview, place: int, order: str, *, padded: bool = True) -> tuple[int, memoryview, int]:
    """Type and data of the element at place, and the place of the next."""
    if place + 8 > len(data):
        raise _BrokenError("it ends within an element")
    kind, count = struct.unpack_from(f"{order}II", data, place)
    if kind >> 16:  # up to four bytes lie within the tag
        count, kind = kind >> 16, kind & 0xFFFF
        if count > 4:
            raise _BrokenError(f"a short element of {count} bytes")
        return kind, data[place + 4 : place + 4 + count], place + 8
    start = place + 8
    if start + count > len(data):
        raise _BrokenError("it is cut short, or a size in it is wrong")
    # Packed elements are not padded; within an array all are.
    step = count + (-count % 8 if padded else 0)
    return kind, data[start : start + count], start + step


def _unpack(packed: memoryview, keys: set[str], order: str) -> memoryview | None:
    """Return the array in a packed element, checked by its checksum; None if it is not one of the keys."""
    unpacker = zlib.decompressobj()
    try:
        head = unpacker.decompress(packed, _NAME_WITHIN)
        if len(head) < 8:
            raise _BrokenError("a packed element is empty")
        kind, count = struct.unpack_from(f"{order}II", head, 0)
        if kind != _MATRIX or count > _LARGEST:
            raise _BrokenError("a packed element is no array")
        if _name(memoryview(head)[8:], order) not in keys:
            return None
        rest = unpacker.decompress(unpacker.unconsumed_tail, max(8 + count - len(head), 0) + 1)
        content = memoryview(head + rest)[8:]
    except zlib.error as error:
        raise _BrokenError(f"a packed element is damaged: {error}") from error
    # Where an array fills 16 KiB exactly, MATLAB itself leaves out the end of the packed stream and its checksum: two of
    # Penn Action's 2,326 files are so. All bytes are there nevertheless.
    if len(content) != count or not (unpacker.eof or _ends_on_a_block(count)):
        raise _BrokenError("a packed element is cut short, or its size is wrong")
    return content


def _ends_on_a_block(count: int) -> bool:
    """Whether an array with its tag fills MATLAB's blocks of 16 KiB."""
    return (count + 8) % (1 << 14) == 0


def _start(content: memoryview, order: str) -> tuple[int, tuple[int, ...], str, int]:
    """Return flags, dimensions and name of an array, and where its contents begin."""
    kind, flags, place = _element(content, 0, order)
    if kind != _UINT32 or len(flags) != 8:
        raise _BrokenError("an array without flags")
    kind, sizes, place = _element(content, place, order)
    if kind != _INT32 or len(sizes) % 4 or not 8 <= len(sizes) <= 128:
        raise _BrokenError("an array without dimensions")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if min(shape) < 0:
        raise _BrokenError(f"an array of negative size {shape}")
    kind, name, place = _element(content, place, order)
    if kind != _INT8:
        raise _BrokenError("an array without a name")
    return struct.unpack(f"{order}I", flags[:4])[0], shape, bytes(name).decode("latin-1"), place


def _name(content: memoryview, order: str) -> str:
    return _start(content, order)[2]


def _array(content: memoryview, order: str, depth: int) -> np.ndarray:
    if not len(content):
        return np.zeros((0, 0))
    if depth > _DEEPEST:
        raise _BrokenError("arrays within arrays without end")
    flags, shape, _, place = _start(content, order)
    kind = flags & 0xFF
    count = math.prod(shape)
    if kind in _CLASSES:
        values, place = _numbers(content, place, order, count, _CLASSES[kind])
        if flags & _COMPLEX:
            imaginary, place = _numbers(content, place, order, count, _CLASSES[kind])
            values = values + 1j * imaginary
        return values.reshape(shape, order="F")
    if kind == _CHAR:
        return _text(content, place, order, shape)
    # An array within another takes at least its tag, so no count can ask for more memory than the file has bytes.
    if kind == _CELL:
        found = np.empty(_within(count, content, place), object)
        for index in range(count):
            found[index], place = _inner(content, place, order, depth)
        return found.reshape(shape, order="F")
    if kind == _STRUCT:
        fields, place = _fields(content, place, order)
        _within(count * len(fields), content, place)
        found = np.empty(_within(count, content, 0), object)
        for index in range(count):
            item = {}
            for field in fields:
                item[field], place = _inner(content, place, order, depth)
            found[index] = item
        return found.reshape(shape, order="F")
    raise _BrokenError(f"an array of class {kind}, which no label needs")


def _within(count: int, content: memoryview, place: int) -> int:
    if count * 8 > len(content) - place:
        raise _BrokenError(f"{count} parts where there is room for fewer")
    return count


def _inner(content: memoryview, place: int, order: str, depth: int) -> tuple[np.ndarray, int]:
    kind, inner, place = _element(content, place, order)
    if kind != _MATRIX:
        raise _BrokenError(f"an element of type {kind} where an array should be")
    return _array(inner, order, depth + 1), place


def _numbers(content: memoryview, place: int, order: str, count: int, wanted: str) -> tuple[np.ndarray, int]:
    """MATLAB stores numbers in the smallest type that holds them; wanted is the array's own."""
    kind, data, place = _element(content, place, order)
    if kind not in _NUMBERS or len(data) != count * np.dtype(_NUMBERS[kind]).itemsize:
        raise _BrokenError(f"{len(data)} bytes of type {kind} for {count} numbers")
    return np.frombuffer(data, order + _NUMBERS[kind]).astype(wanted), place


def _text(content: memoryview, place: int, order: str, shape: tuple[int, ...]) -> np.ndarray:
    """One string for each row, its trailing blanks taken away, as MATLAB pads rows to one length."""
    count = math.prod(shape)
    if not count:
        return np.zeros(0, "<U1")
    kind, data, _ = _element(content, place, order)
    ending = {"<": "-le", ">": "-be"}[order] if kind in (4, 17, 18) else ""
    try:
        text = bytes(data).decode(_TEXTS[kind] + ending)
    except (KeyError, UnicodeDecodeError) as error:
        raise _BrokenError(f"a text of type {kind} that cannot be read") from error
    if len(text) != count:
        raise _BrokenError(f"a text of {len(text)} letters for {count}")
    rows = np.array(list(text)).reshape(shape, order="F").reshape(shape[0], -1)
    return np.array(["".join(row).rstrip(" ") for row in rows])


def _fields(content: memoryview, place: int, order: str) -> tuple[list[str], int]:
    kind, length, place = _element(content, place, order)
    if kind != _INT32 or len(length) != 4:
        raise _BrokenError("a struct without fields")
    width = struct.unpack(f"{order}i", length)[0]
    kind, names, place = _element(content, place, order)
    if kind != _INT8 or not 0 < width <= 256 or len(names) % width:
        raise _BrokenError("a struct without names of fields")
    found = [bytes(names[at : at + width]).split(b"\0")[0].decode("latin-1") for at in range(0, len(names), width)]
    return found, place


def holds(array: np.ndarray) -> str:
    """Name what an array holds, for a message."""
    if array.dtype.kind == "O":
        return "a struct" if array.size and isinstance(array.ravel()[0], dict) else "cells"
    return {"U": "text", "c": "complex numbers"}.get(array.dtype.kind, "numbers")
