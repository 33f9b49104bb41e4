"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """Give a path with its leading ~ as the home folder. What is there under that very name stays, as does an unknown user's."""
    path = Path(path)
    if os.path.lexists(path):
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # of a user that this system does not know
        return path
