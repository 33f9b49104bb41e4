"""One writer per folder: a second process is refused, and what two would write is never mixed."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from rpstn.errors import UserError
from rpstn.runs.paths import expanded

try:
    import fcntl
except ImportError:  # Windows: nobody is refused there
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextlib.contextmanager
def sole_writer(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Lock a folder for this process, and make it where it is missing. Raises UserError where another process holds it.

    The lock ends with the process, however that ends, and does not pass to its children: loader workers may outlive it a while.
    """
    path = expanded(folder) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    file = None
    while fcntl is not None and file is None:
        file = _lock(path)
    try:
        yield
    finally:
        if file is not None:
            path.unlink(missing_ok=True)
            file.close()


def _lock(path: Path) -> IO[str] | None:
    """Lock the file, and say in it who holds it; None where its last holder removed it meanwhile."""
    file = path.open("a+", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise UserError(f"{path.parent}: {holder} is writing there; wait until it has ended, or choose another out") from None
    except OSError:  # a file system without locks
        return file
    if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
        file.close()
        return None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {platform.node()}\n")
    file.flush()
    return file
