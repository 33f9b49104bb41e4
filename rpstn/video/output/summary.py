"""What happened to the joints in a video: which were hidden, for how long, and when they were seen again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
        """Return the stretch ends: the joint is seen in `frame`, or, with None, is not seen any more."""
        if self.since is not None and self.length >= SHORTEST:
            first, begun = self.since
            self.stretches.append({"first": first, "frames": self.length, "seconds": round(time - begun, 4), "seen_again": frame})
        self.since, self.length = None, 0


@dataclass
class _Person:
    joints: list[_Joint]
    frames: int = 0
    lost: int = 0
    low_confidence: int = 0
    found: int = 0
    unseen: tuple[float, float] | None = None
    followed: bool = False
    searched: int = 0
    others: list[int] = field(default_factory=list)

    def see(self, frame: int, time: float, person: Mapping[str, Any], lost_below: float) -> None:
        score, status = person["score"], person["status"]
        low = status == GIVEN and score < lost_below
        self.frames += 1
        self.lost += status == LOST
        self.low_confidence += low
        self.found += status == FOUND
        if low or status == LOST:
            least, most = self.unseen or (score, score)
            self.unseen = min(least, score), max(most, score)
        self.followed |= status != GIVEN
        self.searched += "others" in person
        if person.get("others"):
            self.others.append(frame)
        for joint, track in enumerate(self.joints):
            track.see(frame, time, joint in person["hidden"])

    def leave(self, time: float) -> None:
        for track in self.joints:
            track.end(None, time)

    def values(self, names: Sequence[str]) -> dict[str, Any]:
        return {
            "frames": self.frames,
            "lost": self.lost,
            "low_confidence": self.low_confidence,
            "found": self.found,
            "unseen": self.unseen,
            "others": {"searched": self.searched, "seen": self.others} if self.followed else None,
            "joints": {
                name: {"hidden": track.hidden, "stretches": track.stretches}
                for name, track in zip(names, self.joints, strict=True)
            },
        }


def summarize_poses(entries: Iterable[Mapping[str, Any]], skeleton: Skeleton, lost_below: float = 0.0) -> dict[str, Any]:
    """Sum up each person, by id.

    frames          with a pose; lost: those in which the person was lost; found: those in which a search found the person.
    low_confidence  given boxes in which the mean confidence is below `lost_below`.
    unseen          lowest and highest mean confidence of the frames lost or of low confidence; None without such frames.
    others          of a person who is followed: in how many frames other people were searched for, and in which they were seen.
    joints          for each joint
        hidden      in how many frames.
        stretches   those of at least SHORTEST frames: first frame, number of frames, seconds, and the frame in which the joint
                    was seen again, or None where the person left or the video ended first.

    entries  as `rpstn.video.output.files` writes them, in order. The last frame is taken to last as long as the one before it.
    """
    people: dict[str, _Person] = {}
    time = end = 0.0
    for entry in entries:
        before, time = time, entry["time"]
        end = 2 * time - before
        here = {person["id"]: person for person in entry["people"]}
        for name in people.keys() - here.keys():
            people[name].leave(time)
        for name, person in here.items():
            known = people.setdefault(name, _Person([_Joint() for _ in skeleton.joints]))
            known.see(entry["frame"], time, person, lost_below)
    for known in people.values():
        known.leave(end)
    return {name: known.values(skeleton.joints) for name, known in people.items()}


def summary_lines(summary: Mapping[str, Any], shown: int = 5) -> list[str]:
    """Put the summary into lines for a terminal: each person, and the joints that were hidden longest."""
    lines = []
    for name, person in summary.items():
        frames, unseen = person["frames"], person["lost"] + person["low_confidence"]
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
            most, least = (ranked[rank][1]["hidden"] for rank in (shown, -1))
            lines.append(f"  {len(ranked) - shown} more: hidden in {least if least == most else f'{least} to {most}'} frames")
        if not ranked:
            lines.append("  no joint was hidden")
    return lines or ["no box lay in any frame, so there are no poses"]


def _alone(searched: int, seen: list[int]) -> str:
    """Say that one person is followed. A search that saw nobody else proves nothing, so it is not mentioned."""
    if not seen:
        return "  one person is followed; others, if there are any, get no poses"
    return (
        f"  one person is followed, and others were seen, in {len(seen)} of {searched} frames that were searched for them (the "
        f"first: {seen[0]}); boxes with an id for each person give all of them poses"
    )


def doubt_notes(summary: Mapping[str, Any], lost: Limit, hidden: Limit) -> list[str]:
    """Name whom the network saw in less than half of the frames, and those most of whose joints an assumed limit hides.

    The notes say what was seen, and where the limits come from.
    """
    notes = []
    for name, person in summary.items():
        frames, joints = person["frames"], person["joints"].values()
        seen = (frames - person["lost"]) * len(joints)
        low = sum(joint["hidden"] for joint in joints) - person["lost"] * len(joints)
        why = f", and below {lost.value:g} nobody counts as seen ({lost.source})"
        if person["unseen"]:
            why = "its mean confidence there is {:.2f} to {:.2f}".format(*person["unseen"]) + why
        if person["low_confidence"] > frames / 2:
            notes.append(
                f"the network saw nobody in {person['low_confidence']} of {frames} boxes that were given for person {name}: "
                f"{why}. See whether they lie around a person; boxes are x, y, width, height in pixels of the video"
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
