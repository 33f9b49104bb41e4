"""What differences between networks say: significant or not, what could have been found, and what was fixed beforehand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpstn.metrics.endpoints import PRIMARY
from rpstn.metrics.groups import LEAST
from rpstn.metrics.significance import Finding, testable
from rpstn.notebooks.ablation_report import PRIMARY_RUN, findings, has_intervals
from rpstn.notebooks.results import gain, gains_of, publication_findings
from rpstn.notebooks.words.common import POINTS, no_difference

ONE_TRAINING = "One training each: chance between trainings is not in these intervals."


def finding_words(finding: Finding, subject: str = "the full network") -> str:
    """Say what a difference says, in a clause: who is better, and with which p; or what could have been found; or why nothing."""
    if finding.kind in ("better", "worse"):
        return f"{subject} is significantly {finding.kind} ({_p(finding)})"
    if finding.kind == "equivalent":
        return f"equivalent: a difference above {100 * PRIMARY.margin:.1f} points is excluded, either way ({_p(finding)})"
    if finding.kind == "open":
        return f"{no_difference(finding.item)}, {_p(finding)}"
    if finding.kind == "one training":
        return "one training, which says nothing of others"
    return f"too few {'groups' if finding.item.groups < LEAST else 'trainings'} for an interval"


def _p(finding: Finding) -> str:
    value = "< 0.001" if finding.p < 0.001 else f"= {finding.p:.{3 if finding.p < 0.1 else 2}f}"
    return f"p {value}{', adjusted' if finding.adjusted else ''}"


def verdicts(study: Mapping[str, Any], *, subset: str = "all") -> list[str]:
    """Write one sentence per row of an ablation but the full network, `PCK@0.2` by torso size: what was found, and how much."""
    lines = [
        f"full against {study['rows'][name]['title']}: **{finding_words(found)}**; "
        f"{found.item.text(signed=True, unit=POINTS)}."
        + (" This is the primary comparison." if (name, subset) == (PRIMARY_RUN, PRIMARY.subset) else "")
        for (name, part), found in findings(study).items()
        if part == subset and found.item.samples
    ]
    return lines or ["there is nothing to compare the full network with."]


def endpoint_words(study: Mapping[str, Any]) -> str:
    """Say which comparison was fixed beforehand, for how many others p is adjusted, and what equivalent means."""
    found = findings(study)
    others = sum(item.adjusted for item in found.values())
    fixed = (
        f"One comparison was fixed beforehand: the full network against the one without propagation, on {PRIMARY.subset} joints, "
        f"`PCK@{PRIMARY.threshold:g}` by {PRIMARY.reference} size. Of the {others} others, p is adjusted for their number (Holm)."
    )
    none = f"No comparison was fixed beforehand: p is adjusted for the number of them, {others} (Holm)."
    return (
        f"{fixed if (PRIMARY_RUN, PRIMARY.subset) in found else none} A difference that is not significant comes with the "
        f"smallest effect that is found with {PRIMARY.power:.0%} power. Networks are equivalent where a difference above "
        f"{100 * PRIMARY.margin:.1f} points is excluded, either way."
    )


def interval_words(study: Mapping[str, Any]) -> str:
    """Say in a sentence or two what the intervals of a study are, and where there are none."""
    seeds = sorted({len(row["seeds"]) for row in study["rows"].values()})
    sentences = []
    if seeds[0] == 1:
        sentences.append("With one seed, intervals are over groups alone.")
    if seeds[-1] > 1 and has_intervals(study):
        sentences.append("With two seeds or more, intervals are 95 % intervals over groups and seeds together.")
    elif seeds[-1] > 1:
        sentences.append(
            "These scores were summarized by an earlier version, whose intervals over five seeds are wider than 95 % asks for. "
            "Its intervals over two to four seeds were none, so they are not shown."
        )
    return " ".join(sentences)


def gain_words(result: Mapping[str, Any], other: str) -> str:
    """Say what one training of the full network gains over one of another variant, on all joints and on hidden ones.

    The intervals are over groups, so the sentences end with what they leave out.
    """
    first = next(iter(result["rows"]))
    parts = {where: value for where, value in gains_of(result, other).items() if value["estimate"] is not None}
    sentences = [
        f"On {where}, {_compared(first, other, publication_findings(result)[other, where])}: {gain(value)} points, "
        f"{value['samples']} joints, {value['groups']} groups."
        for where, value in parts.items()
    ]
    return " ".join([*sentences, ONE_TRAINING]) if sentences else ""


def _compared(first: str, other: str, finding: Finding) -> str:
    if not testable(finding.item):
        return f"{first} against {other} has too few groups for an interval"
    if finding.kind in ("better", "worse"):
        return f"{first} is significantly {'above' if finding.kind == 'better' else 'below'} {other} ({_p(finding)})"
    return f"{first} against {other} shows {no_difference(finding.item)}, {_p(finding)}"
