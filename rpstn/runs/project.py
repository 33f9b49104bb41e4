"""Where data and runs lie if nothing else is said: in the checkout that one works in, else in the working directory."""

from __future__ import annotations

import os
from pathlib import Path

from rpstn.runs.paths import expanded

# What every checkout of the book holds.
_MARK = Path("notebooks", "profiles.toml")


def project_folder() -> Path:
    """Find the checkout of the book that the working directory lies in; the working directory itself where there is none.

    A notebook's kernel starts in notebooks/, `rpstn run` works where it is called: both find the same data and runs. The path
    is relative ("." or ".."), so that what is written down says nothing of this machine.
    """
    here = Path.cwd()
    for folder in (here, *here.parents):
        if os.path.isfile(folder / _MARK):
            return Path(os.path.relpath(folder, here))
    return Path()


def default_place(*parts: str) -> Path:
    """Join names, such as "runs" and "embedded", to the project's folder. A path that somebody gives is left to the caller."""
    return project_folder().joinpath(*parts)


def data_folder(name: str) -> Path:
    """Say where a data set lies by default: $RPSTN_DATA/NAME, else data/NAME in the project's folder."""
    return expanded(os.environ.get("RPSTN_DATA") or default_place("data")) / name


def from_project(path: str) -> str:
    """Write a relative path as it reads from the project's folder; an absolute one, or one that is such already, is kept."""
    project = project_folder()
    return path if project == Path() or os.path.isabs(path) else os.path.relpath(path, project)
