"""What happened to the joints in a video: which were hidden, for how long, and when they came back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rpstn.models.weights import Limit
from rpstn.skeletons import Skeleton
from rpstn.video.stream import FOUND, GIVEN, LOST

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
    unseen: tuple[float, float] | None = None
    followed: bool = False
    searched: int = 0
    others: list[int] = field(default_factory=list)
    joints: dict[int, _Joint] = field(default_factory=dict)


def summarize_poses(entries: Iterable[Mapping[str, Any]], skeleton: Skeleton, lost_below: float = 0.0) -> dict[str, Any]:
    """Sum up each person, by id: frames with a pose, frames lost, given boxes in which the network is as unsure (mean confidence
    below `lost_below`), searches that found, "unseen", the lowest and highest mean confidence of the frames lost or unsure,
    "others" of a person who is followed, in how many frames other people were searched for and in which they were seen, and for
    each joint

        hidden     in how many frames.
        stretches  those of at least SHORTEST frames: first frame, number of frames, seconds, and the frame in which the joint
                   was seen again, or None where the person left or the video ended first.

    entries  as `rpstn.video.output.files` writes them, in order. The last frame is taken to last as long as the one before it.
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
            score, lost = person["score"], person["status"] == LOST
            unsure = person["status"] == GIVEN and score < lost_below
            known.lost += lost
            known.unsure += unsure
            known.found += person["status"] == FOUND
            if lost or unsure:
                low, high = known.unseen or (score, score)
                known.unseen = min(low, score), max(high, score)
            known.followed |= person["status"] != GIVEN
            known.searched += "others" in person
            known.others += [frame] if person.get("others") else []
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
            "unseen": known.unseen,
            "others": {"searched": known.searched, "seen": known.others} if known.followed else None,
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
        if person["others"] is not None:
            lines.append(_alone(**person["others"]))
        hidden = {joint: values for joint, values in person["joints"].items() if values["hidden"]}
        ranked = sorted(hidden.items(), key=lambda item: -item[1]["hidden"])
        for joint, values in ranked[:shown]:
            lines.append(f"  {joint.replace('_', ' ')}: hidden in {values['hidden']} frames{_longest(values['stretches'])}")
        if len(ranked) > shown:
            most, least = (ranked[place][1]["hidden"] for place in (shown, -1))
            lines.append(f"  {len(ranked) - shown} more: hidden in {least if least == most else f'{least} to {most}'} frames")
        if not ranked:
            lines.append("  no joint was hidden")
    return lines or ["no box lay in any frame, so there are no poses"]


def _alone(searched: int, seen: list[int]) -> str:
    """That one person is followed. A search that saw nobody else proves nothing, so it is not told."""
    if not seen:
        return "  one person is followed; others, if there are any, get no poses"
    return (
        f"  one person is followed, and others were seen, in {len(seen)} of {searched} frames that were searched for them (the "
        f"first: {seen[0]}); boxes with an id for each person give all of them poses"
    )


def doubt_notes(summary: Mapping[str, Any], lost: Limit, hidden: Limit) -> list[str]:
    """Say whom the network saw in less than half of the frames, and where an assumed limit hides most joints: what was seen, and
    where the limits come from.
    """
    notes = []
    for name, person in summary.items():
        frames, joints = person["frames"], person["joints"].values()
        seen = (frames - person["lost"]) * len(joints)
        low = sum(joint["hidden"] for joint in joints) - person["lost"] * len(joints)
        why = f", and below {lost.value:g} nobody counts as seen ({lost.source})"
        if person["unseen"]:
            why = "its mean confidence there is {:.2f} to {:.2f}".format(*person["unseen"]) + why
        if person["unsure"] > frames / 2:
            notes.append(
                f"the network saw nobody in {person['unsure']} of {frames} boxes that were given for person {name}: {why}. See "
                "whether they lie around a person; boxes are x, y, width, height in pixels of the video"
            )
        elif person["lost"] > frames / 2:
            notes.append(
                f"the network found nobody in {person['lost']} of {frames} frames: {why}. If a person is there, give boxes"
            )
        elif hidden.assumed and low > seen / 2:
            notes.append(
                f"{low} of {seen} joints of person {name} count as hidden, with a confidence below {hidden.value:g} "
                f"({hidden.source})"
            )
    return notes


def _longest(stretches: list[dict[str, Any]]) -> str:
    if not stretches:
        return f", never {SHORTEST} in a row"
    longest = max(stretches, key=lambda stretch: stretch["frames"])
    end = f"seen again in frame {longest['seen_again']}" if longest["seen_again"] is not None else "not seen again"
    return f"; longest {longest['frames']} frames ({longest['seconds']:.2f} s) from frame {longest['first']}, {end}"
