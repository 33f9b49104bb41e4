"""Paths as people write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | os.PathLike[str]) -> Path:
    """Give the path with a leading ~ as the home folder. What is there under that very name, and an unknown user's, stays."""
    path = Path(path)
    if os.path.lexists(path):
        return path
    try:
        return path.expanduser()
    except RuntimeError:  # of a user that this system does not know
        return path
