"""Places that results go to, tried before the work is done."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rpstn.errors import UserError


def check_folder(out: str | os.PathLike[str]) -> None:
    """Raise UserError where no files can be written into a folder, which need not exist; nothing stays behind.

    A file of that name, or in the place of a folder above it, and a folder or disk that is read-only are told before the work
    whose results would be lost.
    """
    out = Path(out).absolute()
    nearest = next(place for place in (out, *out.parents) if os.path.lexists(place))
    if not nearest.is_dir():
        raise UserError(f"{out}: results go into a folder, but {nearest} is not one; name another place")
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise UserError(f"{out}: nothing can be written to {nearest} ({error.strerror}); name another place") from None


def check_file(out: str | os.PathLike[str]) -> None:
    """Raise UserError where a file cannot be written."""
    if Path(out).is_dir():
        raise UserError(f"{out} is a folder; name a file to write")
    check_folder(Path(out).absolute().parent)
