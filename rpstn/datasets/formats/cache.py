"""A checked cache of labels that lie in thousands of small files: read once, then loaded from one file.

A record is what a reader makes of one label file: a dict of arrays, strings, numbers and truth values. The cache
holds records with the size and the modification time of the file each came from; one that differs is read again,
the others are not. It is an .npz of two arrays of bytes and a version: an index in JSON, and the arrays' contents.
Nothing in it can run code. One that is damaged, or of another version, is made again without a word, since it holds
nothing that the label files do not.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError

Record = dict[str, Any]

# Raise it when the layout of the cache file changes.
_FORMAT = 1
_NAME = ".rpstn-labels.npz"
# Below this many files, reading them takes less time than keeping a cache in step.
LEAST = 64
_KINDS = "biuf"
# All that reading bytes that are no such file can raise. RuntimeError: zipfile's of an encrypted archive, of a version or
# a packing that it does not know, and of JSON nested without end.
_DAMAGED = (
    OSError, ValueError, LookupError, TypeError, AttributeError, EOFError, MemoryError, OverflowError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip


def cached_records(
    paths: Sequence[Path], read: Callable[[Path], Record], *, root: Path, version: str, least: int = LEAST
) -> dict[Path, Record | UserError]:
    """read(path) for each path, from the cache where the file has not changed since.

    read     makes the record of one file. Its UserError stands in the answer in place of the record and is never
             cached.
    root     the data set's folder; the cache lies in it or, where it cannot be written, in the user's cache folder.
    version  of the reader: change it whenever read makes another record of the same file.
    least    files from which on a cache is kept.
    """
    if len(paths) < least:
        return {path: _attempt(read, path) for path in paths}
    places = cache_places(root)
    stored = next((found for place in places if (found := _load(place, version))), {})
    records: dict[Path, Record | UserError] = {}
    keep: dict[str, tuple[list[int], Record]] = {}
    fresh = False
    for path, state in zip(paths, _states(paths), strict=True):
        known = stored.get(path.name)
        if known is not None and known[0] == state:
            records[path] = known[1]
        else:
            records[path] = _attempt(read, path)
            fresh = fresh or not isinstance(records[path], UserError)
        record = records[path]
        if not isinstance(record, UserError):
            keep[path.name] = (state, record)
    if fresh or len(keep) != len(stored):
        # The first place that can be written; where there is none, the next call reads the files again.
        any(_save(place, version, keep) for place in places)
    return records


def cache_places(root: Path) -> tuple[Path, ...]:
    """Where the cache of a data set may lie: in its root, else in the user's cache folder, under a name of its own."""
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a user without a home
        return (root / _NAME,)
    name = hashlib.sha256(os.fsencode(root.absolute())).hexdigest()[:24]
    return root / _NAME, base / "rpstn" / f"{name}.npz"


def _attempt(read: Callable[[Path], Record], path: Path) -> Record | UserError:
    try:
        return read(path)
    except UserError as error:
        return error


def _states(paths: Sequence[Path]) -> list[list[int]]:
    """Size and modification time of each file; one that is gone has a state that no file has."""
    states = []
    for path in paths:
        try:
            state = path.stat()
            states.append([state.st_size, state.st_mtime_ns])
        except OSError:
            states.append([-1, -1])
    return states


def _save(place: Path, version: str, records: dict[str, tuple[list[int], Record]]) -> bool:
    """Write the cache whole or not at all; False where the place cannot be written."""
    parts: list[bytes] = []
    offset = 0
    index: dict[str, Any] = {}
    for name, (state, record) in records.items():
        plain = {}
        for key, value in record.items():
            if isinstance(value, np.ndarray):
                value = np.ascontiguousarray(value)
                padding = -offset % 8
                parts += [b"\0" * padding, value.tobytes()]
                plain[key] = {"dtype": value.dtype.str, "shape": value.shape, "offset": offset + padding}
                offset += padding + value.nbytes
            else:
                plain[key] = value
        index[name] = [state, plain]
    text = json.dumps({"format": _FORMAT, "version": version, "records": index})
    temporary = None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.parent.stat().st_mode & 0o222:
            return False  # marked as read-only: that holds for an administrator too, who could write
        # Two processes may write at once: each has its own file, and the later one stays.
        with tempfile.NamedTemporaryFile(dir=place.parent, prefix=".rpstn-", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            np.savez(file, index=np.frombuffer(text.encode(), np.uint8), blob=np.frombuffer(b"".join(parts), np.uint8))
        temporary.chmod(0o644)  # others who share the data may use it too
        os.replace(temporary, place)
    except OSError:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        return False
    return True


def _load(place: Path, version: str) -> dict[str, tuple[list[int], Record]]:
    """What a cache file holds; nothing where it is missing, damaged or of another version."""
    try:
        with np.load(place, allow_pickle=False) as stored:  # zip's own checksums find damage
            index = json.loads(stored["index"].tobytes())
            if (index["format"], index["version"]) != (_FORMAT, version):
                return {}
            blob = stored["blob"]
        return {
            name: (state, {key: _unpack(value, blob) for key, value in record.items()})
            for name, (state, record) in index["records"].items()
        }
    except _DAMAGED:
        return {}


def _unpack(value: Any, blob: np.ndarray) -> Any:
    if not isinstance(value, dict):
        return value
    dtype = np.dtype(value["dtype"])
    count = int(np.prod(value["shape"], dtype=np.int64))
    if dtype.kind not in _KINDS or count < 0:
        raise ValueError(f"the cache holds an array of {dtype}")
    # A copy: a caller may change it, and a view of single bytes would keep the whole block alive.
    return np.frombuffer(blob, dtype, count, value["offset"]).reshape(value["shape"]).copy()
