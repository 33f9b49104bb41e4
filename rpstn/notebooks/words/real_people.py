"""Real people, over several seeds, as a section of a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rpstn.datasets.sub_jhmdb import CLASSES
from rpstn.metrics.tables import markdown
from rpstn.notebooks.real_people import TITLES, RealScores, findings, score_rows
from rpstn.notebooks.words.common import POINTS, bullets, listed, plural
from rpstn.notebooks.words.findings import finding_words
from rpstn.notebooks.words.results import labels_words


def real_people_section(scores: RealScores | None, labels: Mapping[str, Any] | None = None) -> str:
    """Write what all networks were measured on, the table, and what each gains over the stronger baseline.

    labels  as for `rpstn.notebooks.words.results.data_box`.
    """
    if scores is None:
        return "No scores of several seeds have been published here."
    parts = measured_words(scores, labels), markdown(score_rows(scores)), gained_words(scores)
    return "\n\n".join(part for part in parts if part)


def measured_words(scores: RealScores, labels: Mapping[str, Any] | None) -> str:
    """Say in a box what the scores are of, and which trainings are left out."""
    first = next(iter(scores.networks.values())).scores["torso 0.2"]
    splits = f"{plural(len(scores.folds), 'split')} ({listed([str(fold) for fold in scores.folds])})"
    text = (
        f"> **What these rows are measured on.** Sub-JHMDB, {scores.split}, mean over {splits}, {plural(first.groups, 'group')}, "
        f"{len(scores.classes)} of its {len(CLASSES)} classes. Joints: {labels_words(labels)}. Boxes: those of the masks. Scored "
        f"by {scores.way}; `PCK@0.2` in percent over 13 joints. Intervals are 95 %, over groups and seeds together; over groups "
        "alone of what was trained once or not at all. Gains are paired, over the best of encoder, frame by frame and MoveNet."
    )
    return text + (f" Left out, since a split is missing: {'; '.join(scores.left_out)}." if scores.left_out else "")


def gained_words(scores: RealScores) -> str:
    """List what each network gains over the stronger baseline, by torso first, and whether it is significant."""
    found = findings(scores)
    lines = []
    for name, network in scores.networks.items():
        for measure in ("torso 0.2", "person 0.2"):
            if (name, measure) in found:
                item = found[name, measure]
                lines.append(
                    f"**{TITLES[name]}** over {TITLES[network.better[measure]]}, by {measure.split()[0]}: "
                    f"**{finding_words(item, 'it')}**; {item.item.text(signed=True, unit=POINTS)}."
                )
    return bullets(lines)
