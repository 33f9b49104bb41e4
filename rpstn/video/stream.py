"""Poses of a stream, frame by frame: where to look, what the network sees there, what is carried to the next frame.

    crop of the frame  ->  RPSTN.step  ->  joints in pixels of the frame  ->  box for the next frame

Only each person's state is kept, the refined heatmaps and the features of one frame: memory and time per frame do not depend
on how many came before. The crop may move between frames while the state is carried on: what a gate or "concat" carries is
moved with it (`rpstn.models.rpstn.move_state`); kernels of matching hold what to look for, not where, and are matched everywhere.

Which crop:
- a fixed box: the same crop in all frames, PADDING times the box's longer side. Numbers are those of the clip call on such crops.
- boxes given frame by frame: around the center of each frame's box. The crop's size follows the box's longer side with the rate
  `Following.size_rate`, so that a box that breathes, as an outline's does with every step, does not make the person breathe in
  the crop.
- "auto": the whole frame first, then closer, then the box follows the pose (`rpstn.video.tracking`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from rpstn.datasets.boxes import is_inside, square
from rpstn.models.rpstn import State
from rpstn.video.boxes import Boxes, FixedBox
from rpstn.video.network import Look, Memory, PoseNetwork
from rpstn.video.tracking import Following, move, overlap, pose_box, search_boxes, whole_frame

GIVEN, FOUND, FOLLOWED, LOST = "given", "found", "followed", "lost"
SAME_PERSON = 0.1  # overlap of two poses' boxes from which they may be one person's


class PersonPose(NamedTuple):
    """One person in one frame.

    id          as the boxes name the person; "1" where one is followed.
    box         (4,) x, y, width, height px of the frame: where the network looked, without the crop's padding. Of boxes given
                frame by frame it is the square that follows them.
    joints      (K,2) px of the frame; confidence (K,), heights of the heatmaps' peaks.
    relation    (K,K), or None for a network without.
    status      "given": in a given box. "found": by a search, with a new state. "followed": from the frame before. "lost": there
                is a pose, but the network's confidence is too low.
    others      boxes (4,) around other people whom a search saw, where one was made; else None.
    """

    id: str
    box: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    relation: np.ndarray | None
    status: str
    others: tuple[np.ndarray, ...] | None = None

    @classmethod
    def of(cls, name: str, look: Look, status: str) -> PersonPose:
        """Take over what the network saw of a person."""
        return cls(name, look.box, look.joints, look.confidence, look.relation, status)


def _mean(look: Look) -> float:
    return float(look.confidence.mean())


class _Person:
    """What is carried from frame to frame for one person."""

    def __init__(self) -> None:
        self.memory: Memory | None = None
        self.box: np.ndarray | None = None  # square; None: not found yet, or lost
        self.weak = 0  # frames in a row in which the confidence was too low
        self.searched: int | None = None  # the last frame that was searched for others


class PoseStream:
    """Find the poses of frame after frame. `boxes` None: one person is looked for, and followed.

    others_every  frames between two in which people other than the one who is followed are searched for; None: they never are.
                  It changes no pose.
    """

    def __init__(self, network: PoseNetwork, boxes: Boxes | None, following: Following, others_every: int | None = None) -> None:
        self.network, self.boxes, self.following, self.others_every = network, boxes, following, others_every
        self._people: dict[str, _Person] = {}

    def step(self, index: int, pixels: np.ndarray) -> list[PersonPose]:
        """Find the people of frame `index`, (H,W,3) uint8 RGB; frames come in order.

        A person without a box in this frame loses the state, and starts with a new one later.
        """
        if self.boxes is None:
            return [self._with_others(index, pixels, self._follow(pixels))]
        size = pixels.shape[:2]
        given = {name: box for name, box in self.boxes.at(index).items() if is_inside(box, size)}
        self._people = {name: person for name, person in self._people.items() if name in given}
        return [self._look_where_given(name, box, pixels) for name, box in given.items()]

    def _look_where_given(self, name: str, box: np.ndarray, pixels: np.ndarray) -> PersonPose:
        person = self._people.setdefault(name, _Person())
        if isinstance(self.boxes, FixedBox):
            crop = box
        else:
            crop = square(box)
            if person.box is not None:
                side = person.box[2] + self.following.size_rate * (crop[2] - person.box[2])
                crop = np.array([*(crop[:2] + (crop[2] - side) / 2), side, side])
        look = self.network.look(pixels, crop, person.memory)
        person.memory, person.box = look.memory, crop
        return PersonPose.of(name, look, GIVEN)

    def _follow(self, pixels: np.ndarray) -> PersonPose:
        person = self._people.setdefault("1", _Person())
        size, patience = pixels.shape[:2], self.following.patience
        if person.box is None:
            # While lost, the frame is searched once in `patience` frames, and looked at as a whole in the others.
            look, status = self._search(pixels, everywhere=person.weak % patience == 0), FOUND
        else:
            look, status = self.network.look(pixels, person.box, person.memory), FOLLOWED
            if self._seen(look, size) is None and person.weak + 1 >= patience:
                fresh = self._search(pixels, everywhere=True)
                if fresh.confidence.mean() > look.confidence.mean():
                    look, status = fresh, FOUND
        seen = self._seen(look, size)
        if seen is not None:
            person.weak, person.memory = 0, look.memory
            person.box = move(look.box, seen, self.following, size)
            return PersonPose.of("1", look, status)
        person.weak += 1
        if person.box is None or person.weak >= patience:
            person.box = person.memory = None
        else:  # it waits where it is: a person who is hidden for a moment comes back near
            person.memory = look.memory
        return PersonPose.of("1", look, LOST)

    def _with_others(self, index: int, pixels: np.ndarray, pose: PersonPose) -> PersonPose:
        """Return the pose, with what a search for others sees where one is due and the person is seen."""
        person, every = self._people["1"], self.others_every
        if every is None or pose.status == LOST or (person.searched is not None and index - person.searched < every):
            return pose
        person.searched = index
        own = pose_box(pose.joints, pose.confidence, self.following)
        known = [] if own is None else [own]
        others: list[np.ndarray] = []
        starts = sorted((look for look in self._looks(pixels) if self._new(look, known) is not None), key=_mean, reverse=True)
        for start in starts[: self.following.starts]:
            look = self._closer(pixels, start)
            box = self._new(look, known + others)
            if box is not None and _mean(look) >= self.following.confident_from:
                others.append(box)
        return pose._replace(others=tuple(others))

    def _new(self, look: Look, known: list[np.ndarray]) -> np.ndarray | None:
        """Return the box around a pose that is none of those known; None where it may be one of them."""
        box = pose_box(look.joints, look.confidence, self.following)
        return box if box is not None and all(overlap(box, other) < SAME_PERSON for other in known) else None

    def _seen(self, look: Look, size: tuple[int, int]) -> np.ndarray | None:
        """Return the box around the person, where the network sees one."""
        box = pose_box(look.joints, look.confidence, self.following)
        if box is None or not is_inside(box, size) or not look.confidence.mean() >= self.following.lost_below:
            return None
        return box

    def _looks(self, pixels: np.ndarray) -> list[Look]:
        return [self.network.look(pixels, box) for box in search_boxes(pixels.shape[:2])]

    def _search(self, pixels: np.ndarray, everywhere: bool) -> Look:
        """Return the most confident look: the whole frame and closer, then, where that is not confident, parts of it."""
        best = self._closer(pixels, self.network.look(pixels, whole_frame(pixels.shape[:2])))
        if everywhere and _mean(best) < self.following.confident_from:
            starts = sorted(self._looks(pixels), key=_mean, reverse=True)[: self.following.starts]
            best = max([best, *(self._closer(pixels, start) for start in starts)], key=_mean)
        return best

    def _closer(self, pixels: np.ndarray, look: Look) -> Look:
        """Look again in the box around what was seen, as long as the confidence rises."""
        for _ in range(self.following.zooms):
            target = pose_box(look.joints, look.confidence, self.following)
            if target is None or not is_inside(target, pixels.shape[:2]):
                break
            fresh = self.network.look(pixels, target)
            if fresh.confidence.mean() <= look.confidence.mean():
                break
            look = fresh
        return look

    def save(self) -> dict[str, Any]:
        """Give everything that the next frame depends on, as tensors and plain values."""
        return {
            name: {
                "state": None if person.memory is None else tuple(part.cpu().clone() for part in person.memory.state),
                "seen_in": None if person.memory is None else [float(value) for value in person.memory.box],
                "box": None if person.box is None else [float(value) for value in person.box],
                "weak": person.weak,
                "searched": person.searched,
            }
            for name, person in self._people.items()
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Continue as the stream that was saved would have."""
        self._people = {}
        for name, values in saved.items():
            person = self._people[name] = _Person()
            if values["state"] is not None:
                state = State(*(part.to(self.network.device) for part in values["state"]))
                person.memory = Memory(state, np.array(values["seen_in"], np.float64))
            person.box = None if values["box"] is None else np.array(values["box"], np.float64)
            person.weak, person.searched = values["weak"], values["searched"]
