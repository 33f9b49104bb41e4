"""What happened to the joints in a video: which were hidden, for how long, and when they came back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rpstn.pose_stream import GIVEN, LOST
from rpstn.skeletons import Skeleton

SHORTEST = 3  # frames of a stretch that is listed: a shorter one is mostly noise of the confidence


@dataclass
class _Joint:
    hidden: int = 0
    since: tuple[int, float] | None = None  # frame and time at which the present stretch began
    length: int = 0
    stretches: list[dict[str, Any]] = field(default_factory=list)

    def see(self, frame: int, time: float, hidden: bool) -> None:
        if hidden:
            self.hidden += 1
            self.since, self.length = self.since or (frame, time), self.length + 1
        else:
            self.end(frame, time)

    def end(self, frame: int | None, time: float) -> None:
        """The stretch ends: the joint is seen in `frame`, or, with None, is not seen any more."""
        if self.since is not None and self.length >= SHORTEST:
            first, begun = self.since
            self.stretches.append({"first": first, "frames": self.length, "seconds": round(time - begun, 4), "seen_again": frame})
        self.since, self.length = None, 0


@dataclass
class _Person:
    frames: int = 0
    lost: int = 0
    unsure: int = 0
    found: int = 0
    joints: dict[int, _Joint] = field(default_factory=dict)


def summarise_poses(entries: Iterable[Mapping[str, Any]], skeleton: Skeleton, lost_below: float = 0.0) -> dict[str, Any]:
    """By person's id: frames with a pose, frames lost, given boxes in which the network is as unsure (mean confidence below
    `lost_below`), searches that found, and for each joint

        hidden     in how many frames.
        stretches  those of at least SHORTEST frames: first frame, number of frames, seconds, and the frame in which the joint
                   was seen again, or None where the person left or the video ended first.

    entries  as `rpstn.pose_files` writes them, in order. The last frame is taken to last as long as the one before it.
    """
    people: dict[str, _Person] = {}
    time = end = 0.0
    for entry in entries:
        frame, before, time = entry["frame"], time, entry["time"]
        end = 2 * time - before
        here = {person["id"] for person in entry["people"]}
        for name, known in people.items():
            if name not in here:
                _leave(known, time)
        for person in entry["people"]:
            known = people.setdefault(person["id"], _Person(joints={joint: _Joint() for joint in range(len(skeleton))}))
            known.frames += 1
            known.lost += person["status"] == LOST
            known.unsure += person["status"] == GIVEN and person["score"] < lost_below
            known.found += person["status"] == "found"
            hidden = set(person["hidden"])
            for joint, track in known.joints.items():
                track.see(frame, time, joint in hidden)
    for known in people.values():
        _leave(known, end)
    return {
        name: {
            "frames": known.frames,
            "lost": known.lost,
            "unsure": known.unsure,
            "found": known.found,
            "joints": {
                skeleton.joints[joint]: {"hidden": track.hidden, "stretches": track.stretches}
                for joint, track in known.joints.items()
            },
        }
        for name, known in people.items()
    }


def _leave(person: _Person, time: float) -> None:
    for track in person.joints.values():
        track.end(None, time)


def summary_lines(summary: Mapping[str, Any], shown: int = 5) -> list[str]:
    """The summary for a terminal: each person, and the joints that were hidden longest."""
    lines = []
    for name, person in summary.items():
        frames, unseen = person["frames"], person["lost"] + person["unsure"]
        if unseen == frames:  # then its joints are hidden throughout, which says nothing more
            lines.append(f"person {name}: not seen in any of {frames} frames")
            continue
        lines.append(f"person {name}: {frames} frames" + (f", not seen in {unseen} of them" if unseen else " with a pose"))
        hidden = {joint: values for joint, values in person["joints"].items() if values["hidden"]}
        ranked = sorted(hidden.items(), key=lambda item: -item[1]["hidden"])
        for joint, values in ranked[:shown]:
            lines.append(f"  {joint.replace('_', ' ')}: hidden in {values['hidden']} frames{_longest(values['stretches'])}")
        if len(ranked) > shown:
            most, least = (ranked[place][1]["hidden"] for place in (shown, -1))
            lines.append(f"  {len(ranked) - shown} more: hidden in {least if least == most else f'{least} to {most}'} frames")
        if not ranked:
            lines.append("  no joint was hidden")
    return lines or ["nobody was in any frame"]


def box_notes(summary: Mapping[str, Any]) -> list[str]:
    """The people in most of whose given boxes the network saw nobody."""
    return [
        f"the network saw nobody in {person['unsure']} of {person['frames']} boxes that were given for person {name}: see "
        "whether they lie around a person; boxes are x, y, width, height in pixels of the video"
        for name, person in summary.items()
        if person["unsure"] > person["frames"] / 2
    ]


def _longest(stretches: list[dict[str, Any]]) -> str:
    if not stretches:
        return f", never {SHORTEST} in a row"
    longest = max(stretches, key=lambda stretch: stretch["frames"])
    end = f"seen again in frame {longest['seen_again']}" if longest["seen_again"] is not None else "not seen again"
    return f"; longest {longest['frames']} frames ({longest['seconds']:.2f} s) from frame {longest['first']}, {end}"
