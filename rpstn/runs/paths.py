"""Paths: as people write them, where data and runs lie if nothing else is said, and whether results can be written there."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from rpstn.errors import UserError

# What every checkout of the book holds.
_MARK = Path("notebooks", "profiles.toml")


def expanded(path: str | os.PathLike[str]) -> Path:
    """Expand a leading ~. A path that exists under that very name, and one of an unknown user, is kept."""
    path = Path(path)
    if os.path.lexists(path):
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # of a user that this system does not know
        return path


def project_folder() -> Path:
    """Find the checkout of the book that holds the working directory; the working directory itself where there is none.

    A notebook's kernel starts in notebooks/, `rpstn run` works where it is called: both find the same data and runs. The path
    is relative ("." or ".."), so that what is recorded says nothing about this machine.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.isfile(folder / _MARK):
            return Path(os.path.relpath(folder, here))
    return Path()


def default_place(*parts: str) -> Path:
    """Join names, such as "runs" and "embedded", to the project's folder."""
    return project_folder().joinpath(*parts)


def data_folder(name: str) -> Path:
    """Return where a data set lies by default: $RPSTN_DATA/NAME, else data/NAME in the project's folder."""
    return expanded(os.environ.get("RPSTN_DATA") or default_place("data")) / name


def from_project(path: str) -> str:
    """Rewrite a relative path as it reads from the project's folder; an absolute one is kept."""
    project = project_folder()
    return path if project == Path() or os.path.isabs(path) else os.path.relpath(path, project)


def check_folder(out: str | os.PathLike[str]) -> None:
    """Raise UserError where no files can be written into a folder, which need not exist; nothing is left there.

    Call it before the work whose results would be lost. It finds a file of that name, or of the name of a folder above it, and a
    folder or disk that is read-only.
    """
    out = Path(out).absolute()
    nearest = next(path for path in (out, *out.parents) if os.path.lexists(path))
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
