"""The annotated video of a stream: each picture stands as long as the source's times say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rpstn.annotate import Annotator
from rpstn.video import WebmWriter
from rpstn.video_input import Frame

# Pictures that a frame may stand for: a gap in a camera's times is not drawn out for ever.
LONGEST_STAND = 250


class AnnotatedVideo:
    """Frames drawn one after another into a .webm with an even rate of `fps`: no frame is left out.

    A frame stands until the next one's time, for LONGEST_STAND pictures at most; what a longer gap has more is skipped. `close`
    makes the file whole.
    """

    def __init__(self, path: Path, annotator: Annotator, fps: float) -> None:
        self.annotator, self.fps = annotator, max(fps, 1.0)
        self.writer = WebmWriter(path, self.fps)
        self._held: np.ndarray | None = None
        self._skipped = 0  # pictures of the source's time that are not in the file

    def draw(self, item: tuple[Frame, dict[str, Any]]) -> None:
        """Add a frame with its entry (`rpstn.pose_files`)."""
        frame, entry = item
        picture, place = self.annotator.draw(frame.pixels, entry), round(entry["time"] * self.fps)
        if self._held is None:
            self._skipped = place
        else:
            due = place - self._skipped - self.writer.count
            self._skipped += max(due - LONGEST_STAND, 0)
            self.writer.write(self._held, min(max(due, 1), LONGEST_STAND))
        self._held = picture

    def close(self) -> None:
        """Write the last frame and end the file; a second call does nothing."""
        held, self._held = self._held, None
        try:
            if held is not None:
                self.writer.write(held)
        finally:
            self.writer.close()
