"""Files that are written whole or not at all, and JSON that says nothing about this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rpstn.errors import UserError
from rpstn.runs.parts import flatten
from rpstn.runs.paths import expanded


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there if the block ends well, remove it if not.

    The temporary name keeps the suffix, since many writers choose their format by it.
    """
    path = expanded(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp makes files for the owner alone; give the usual permissions instead.
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: str | Path, content: bytes) -> Path:
    """Write a file atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)
    return expanded(path)


def write_text(path: str | Path, content: str) -> Path:
    """Write a UTF-8 text file atomically."""
    return write_bytes(path, content.encode())


def write_json(path: str | Path, value: Any) -> Path:
    """Write JSON atomically: indented, arrays as lists, NaN as null (JSON has no NaN)."""
    return write_text(path, json.dumps(plain(value), indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read JSON. Raises UserError, which names the file, if it is absent or broken."""
    try:
        return json.loads(expanded(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; check the path, or make the run that writes it") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error}); move it away and repeat its run") from error


def plain(value: Any) -> Any:
    """Convert a value to JSON's own types. Dataclasses become dicts (`flatten`), arrays lists, NaN and infinities None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = flatten(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return portable(value)
    if hasattr(value, "tolist"):  # NumPy arrays and scalars, torch tensors
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def portable(path: str | Path) -> str:
    """Shorten a path so that it says nothing about this machine.

    Relative paths stay as they are; absolute ones become relative to the working directory if they lie below
    it, else only their last part remains.
    """
    path = Path(path)
    if not path.is_absolute():
        return path.as_posix()
    with contextlib.suppress(ValueError):
        return path.relative_to(Path.cwd()).as_posix()
    return path.name
