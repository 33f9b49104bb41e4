"""The frames of annotated.webm: joints colored by confidence, hidden joints hollow, a relation matrix next to the image.

OpenCV only: it draws a frame in a few milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from rpstn.skeletons import Skeleton
from rpstn.video.input.frames import Frame
from rpstn.video.output.drawing import Color, limb_colors
from rpstn.video.output.webm import WebmWriter

LONGEST_STAND = 250  # images that a frame may stand for: a gap in a camera's times is not drawn out forever
LONGEST = 1280  # pixels on the longer side of the drawn image: larger frames are drawn smaller
SMALLEST = 480  # frames are enlarged by whole numbers up to this longer side
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_DARK, _LIGHT = (34, 34, 34), (245, 245, 245)
_STRIP = 34  # height of what stands below the image


def scale_of(size: tuple[int, int]) -> float:
    """Say how many drawn pixels a pixel of the video is wide."""
    longer = max(size)
    return LONGEST / longer if longer > LONGEST else float(max(-(-SMALLEST // longer), 1))


def _colors() -> np.ndarray:
    """256 colors (RGB) of confidence 0 to 1: dark violet, green, yellow, in an order that the color-blind and a copier keep."""
    ramp = np.arange(256, dtype=np.uint8)[:, None]
    return cv2.applyColorMap(ramp, cv2.COLORMAP_VIRIDIS)[:, 0, ::-1].astype(int)


class Annotator:
    """Draw frame after frame of one video.

    size      (height, width) of its frames.
    limit     confidence below which a joint counts as hidden; marked on the color bar.
    relation  whether the matrix of the first person stands next to the image.
    """

    def __init__(self, skeleton: Skeleton, size: tuple[int, int], limit: float, relation: bool = False) -> None:
        self.skeleton, self.limit, self.relation = skeleton, limit, relation
        self.scale = scale_of(size)
        self.height, self.width = (max(round(side * self.scale), 1) for side in size)
        self._ramp = _colors()
        self._bar = self._legend()
        self._limb_colors = limb_colors(skeleton)
        self._thick = max(round(max(self.height, self.width) / 320), 1)

    def draw(self, pixels: np.ndarray, entry: Mapping[str, Any]) -> np.ndarray:
        """Draw the people of an entry (`rpstn.video.output.files`) on its frame (H,W,3) uint8 RGB: (H',W',3), all of one size."""
        method = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        canvas = cv2.resize(pixels, (self.width, self.height), interpolation=method)
        for person in entry["people"]:
            self._person(canvas, person, named=len(entry["people"]) > 1)
        strip = self._bar.copy()
        text = f"frame {entry['frame']}  {entry['time']:.2f} s"
        lost = [person["id"] for person in entry["people"] if person["status"] == "lost"]
        text += "  no box" if not entry["people"] else "  lost" if lost else ""
        cv2.putText(strip, text, (6, 14), _FONT, 0.4, _DARK, 1, cv2.LINE_AA)
        image = np.concatenate([canvas, strip])
        return np.concatenate([image, self._matrix(entry)], axis=1) if self.relation else image

    def _person(self, canvas: np.ndarray, person: Mapping[str, Any], named: bool) -> None:
        points = np.array(person["keypoints"], np.float64).reshape(-1, 3)
        drawn = self._drawn(points[:, :2])
        hidden = set(person["hidden"])
        box = np.array(person["bbox"])
        low, high = self._drawn(np.stack([box[:2], box[:2] + box[2:]])).tolist()
        cv2.rectangle(canvas, low, high, (200, 200, 200), 1)
        if named:
            cv2.putText(canvas, person["id"], (low[0] + 3, max(low[1] - 4, 12)), _FONT, 0.45, _LIGHT, 2, cv2.LINE_AA)
            cv2.putText(canvas, person["id"], (low[0] + 3, max(low[1] - 4, 12)), _FONT, 0.45, _DARK, 1, cv2.LINE_AA)
        for (a, b), color in zip(self.skeleton.limbs, self._limb_colors, strict=True):
            if a in hidden or b in hidden:
                _dashed(canvas, drawn[a], drawn[b], color, self._thick)
            else:
                cv2.line(canvas, drawn[a].tolist(), drawn[b].tolist(), _DARK, self._thick + 2, cv2.LINE_AA)
                cv2.line(canvas, drawn[a].tolist(), drawn[b].tolist(), color, self._thick, cv2.LINE_AA)
        radius = 2 * self._thick + 1
        for joint, (center, confidence) in enumerate(zip(drawn.tolist(), points[:, 2], strict=True)):
            color = self._ramp[int(np.clip(confidence, 0, 1) * 255)].tolist()
            if joint in hidden:
                cv2.circle(canvas, center, radius, _LIGHT, 3, cv2.LINE_AA)
                cv2.circle(canvas, center, radius, color, 1, cv2.LINE_AA)
            else:
                cv2.circle(canvas, center, radius + 1, _LIGHT, -1, cv2.LINE_AA)
                cv2.circle(canvas, center, radius, color, -1, cv2.LINE_AA)

    def _drawn(self, points: np.ndarray) -> np.ndarray:
        """Pixels of the drawn image. The center of source pixel 0 lies at (scale - 1) / 2 of it."""
        return np.round(np.clip(points * self.scale + (self.scale - 1) / 2, -1e4, 1e4)).astype(int)

    def _legend(self) -> np.ndarray:
        """Say what stands below each image: the colors of confidence 0 to 1, with the limit of hidden."""
        strip = np.full((_STRIP, self.width, 3), 255, np.uint8)
        begin, length = 76, min(120, max(self.width - 200, 20))
        cv2.putText(strip, "confidence", (6, 29), _FONT, 0.36, _DARK, 1, cv2.LINE_AA)
        ramp = self._ramp[np.linspace(0, 255, length).astype(int)].astype(np.uint8)
        strip[22:30, begin : begin + length] = ramp[None, : max(self.width - begin, 0)]
        mark = begin + round(min(max(self.limit, 0.0), 1.0) * (length - 1))
        cv2.line(strip, (mark, 19), (mark, 32), _DARK, 1)
        cv2.putText(strip, "hollow: hidden", (begin + length + 8, 29), _FONT, 0.36, _DARK, 1, cv2.LINE_AA)
        return strip

    def _matrix(self, entry: Mapping[str, Any]) -> np.ndarray:
        """Return the first person's relation, joints along the limbs, as a panel as high as the image. White 0, blue 1, in every
        frame.
        """
        height = self.height + _STRIP
        panel = np.full((height, height, 3), 255, np.uint8)
        people = [person for person in entry["people"] if "relation" in person]
        count, margin = len(self.skeleton), min(92, height // 4)
        cell = max((height - margin - 30) // count, 1)
        cv2.putText(panel, "relation: row i takes from column j, 0 to 1", (6, 14), _FONT, 0.38, _DARK, 1, cv2.LINE_AA)
        top = 24
        if people:
            order = list(self.skeleton.order)
            weights = np.clip(np.array(people[0]["relation"])[np.ix_(order, order)], 0, 1)
            shade = (255 + weights[..., None] * (np.array([0, 68, 136]) - 255)).astype(np.uint8)
            panel[top : top + count * cell, margin : margin + count * cell] = shade.repeat(cell, 0).repeat(cell, 1)
        end = margin + count * cell
        cv2.rectangle(panel, (margin, top), (end, top + count * cell), (150, 150, 150), 1)
        if cell >= 9:
            for row, joint in enumerate(self.skeleton.order):
                name = self.skeleton.joints[joint].replace("left_", "L ").replace("right_", "R ").replace("_", " ")
                cv2.putText(panel, name, (4, top + row * cell + cell // 2 + 4), _FONT, 0.36, _DARK, 1, cv2.LINE_AA)
        return panel


def _dashed(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, color: Color, thick: int) -> None:
    length = float(np.hypot(*(end - start)))
    dashes = int(np.clip(length / (5 * thick + 3), 1, 60))
    for number in range(dashes):
        first, last = (start + (end - start) * (number + part) / dashes for part in (0.0, 0.55))
        cv2.line(canvas, np.round(first).astype(int).tolist(), np.round(last).astype(int).tolist(), color, thick, cv2.LINE_AA)


class AnnotatedVideo:
    """Draw frames one after another into a .webm with an even rate of `fps`: no frame is left out.

    A frame stands until the next one's time, for LONGEST_STAND images at most; what a longer gap has more is skipped. `close`
    makes the file whole.
    """

    def __init__(self, path: Path, annotator: Annotator, fps: float) -> None:
        self.annotator, self.fps = annotator, max(fps, 1.0)
        self.writer = WebmWriter(path, self.fps)
        self._held: np.ndarray | None = None
        self._skipped = 0  # images of the source's time that are not in the file

    def draw(self, item: tuple[Frame, dict[str, Any]]) -> None:
        """Add a frame with its entry (`rpstn.video.output.files`)."""
        frame, entry = item
        image, position = self.annotator.draw(frame.pixels, entry), round(entry["time"] * self.fps)
        if self._held is None:
            self._skipped = position
        else:
            due = position - self._skipped - self.writer.count
            self._skipped += max(due - LONGEST_STAND, 0)
            self.writer.write(self._held, min(max(due, 1), LONGEST_STAND))
        self._held = image

    def close(self) -> None:
        """Write the last frame and end the file; a second call does nothing."""
        held, self._held = self._held, None
        try:
            if held is not None:
                self.writer.write(held)
        finally:
            self.writer.close()
