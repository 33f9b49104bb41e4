"""Names of files as OpenCV takes them: one that is not UTF-8 makes it end the process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def opencv_path(path: str | os.PathLike[str]) -> Iterator[str]:
    """Name a file for cv2.VideoCapture or cv2.VideoWriter to open within the block.

    The name is absolute: FFmpeg takes `2024-11-14T22:57:44.mp4` for a protocol. Its bytes may be UTF-8 though Python could not
    decode them, on a system of another encoding; where they are not, a link leads to the file.
    """
    name = os.fsencode(os.path.abspath(path))
    try:
        decoded = name.decode("utf-8")
    except UnicodeDecodeError:
        with tempfile.TemporaryDirectory() as folder:
            link = os.path.join(folder, "video" + os.path.splitext(name)[1].decode("ascii", "replace"))
            os.symlink(name, os.fsencode(link))
            yield link
    else:
        yield decoded
