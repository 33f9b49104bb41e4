"""Ablations and published runs, as tables and sections of a page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rpstn.metrics.intervals import Interval
from rpstn.metrics.scores import VISIBILITY_SUBSETS
from rpstn.notebooks.ablation_report import findings, loss_interval
from rpstn.notebooks.ablations import RUNS, AblationConfig
from rpstn.notebooks.published import PublishedRow
from rpstn.notebooks.results import (
    compared_with,
    hidden_measure,
    hidden_table,
    how_made,
    joint_table,
    measured_on,
    trained_otherwise,
    weakest_group,
)
from rpstn.notebooks.words.findings import finding_words, gain_words

# The runs that the paper has too, by the name of the ablation.
_IN_PAPER = {"full": "yes", "cat": "yes (Cat)", "without_p": "yes (without P)"}
# What the paper takes away, by the name of the ablation: the ending of its row's name, and a title.
_TAKEN_AWAY = {"cat": ("-Cat", "Cat"), "without_p": (" without P", "without P")}

NONE_PUBLISHED = "No run on this data set has been published here."


def grid_table(config: AblationConfig) -> dict[str, dict[str, Any]]:
    """Make one row per run of the grid: what it changes, its clips per step, and whether the paper and this page have it."""
    return {
        name: {
            "changed": ", ".join(f"{key} = {value}" for key, value in config.changes(name).items() if key != "batch")
            or "nothing",
            "clips per step": config.run(name, config.seeds[0]).data.batch,
            "steps": config.run(name, config.seeds[0]).optimizer.steps,
            "in the paper": _IN_PAPER.get(name, ""),
            "here": "yes" if name in config.runs else "",
        }
        for name in RUNS
    }


def held_words(study: Mapping[str, Any]) -> str:
    """Say what rows have as many of as the full network, clips or frames per step, and what the rows of T are worth."""
    rows = {name: row["changes"] for name, row in study["rows"].items() if "frames" in row["changes"]}
    shorter = any("steps" in row["changes"] for row in study["rows"].values())
    same = f"All rows{', but for one of fewer steps,' if shorter else ''} see the same clips, those of propagation too"
    if not rows:
        return f"{same}."
    batch, frames = study["budget"]["batch"], study["budget"]["frames"]
    if all(changes.get("batch", batch) == batch for changes in rows.values()):
        return (
            f"{same}, but for the rows of T. These take as many clips per step as the others, {batch}: longer clips are more "
            "frames to learn from, besides a longer memory."
        )
    return (
        f"{same}, but for the rows of T. These take as many frames per step as the others, {batch * frames}, as nearly as whole "
        "clips allow: shorter clips are of more people, with more first frames for the initializer, besides a shorter memory."
    )


def converged_words(study: Mapping[str, Any]) -> str:
    """Say whether the budget of a study is one at which training has converged: half the steps are equivalent to all of them."""
    steps = study["budget"]["steps"]
    found = findings(study).get(("half_steps", VISIBILITY_SUBSETS[0]))
    if found is None:
        return f"Whether trainings of {steps} steps have converged was not tested: no run took half as many."
    return f"All {steps} steps against half as many, on all joints: {finding_words(found, f'the network of all {steps} steps')}."


def budget_row(study: Mapping[str, Any]) -> dict[str, Any]:
    """Make a row of what each training of a study got, and what it was scored on."""
    measured, budget = study["measured_on"], study["budget"]
    seeds = sorted({len(row["seeds"]) for row in study["rows"].values()})
    augmentation = budget["augmentation"]
    return {
        "runs": len(study["rows"]),
        "seeds": " to ".join(map(str, dict.fromkeys((seeds[0], seeds[-1])))),
        "steps": budget["steps"],
        "clips per step": budget["batch"],
        "frames": budget["frames"],
        "clips with a painted occluder": f"{augmentation['erasing']:.0%}",
        "its sides, up to": f"{augmentation['erasing_size'][1]:.0%} of the input",
        "scored on": f"{measured['clips']} {measured['split']} clips, {measured['groups']} groups",
    }


def published_grid_words(name: str, published: bool) -> str:
    """Say which grid the rest of the page shows: the published one, or the small one where none is published."""
    if published:
        return f"The published grid of `{name}`:"
    return f"There is no published grid of `{name}` yet. Tables and figures below show **the small budget above once more**:"


def losses(study: Mapping[str, Any], subset: str = "all") -> dict[str, Interval]:
    """Look up what the full network scores more than each other run, by title: `PCK@0.2` by torso size, where it is known."""
    found = {row["title"]: loss_interval(study, name, "torso", subset) for name, row in study["rows"].items()}
    return {title: item for title, item in found.items() if item is not None and item.samples}


def paper_gains_table(study: Mapping[str, Any], paper: Sequence[PublishedRow]) -> dict[str, dict[str, str]]:
    """Make one row per part that the paper takes away: what the full network scores more, in the paper and in a study."""
    means = {row.method: row.mean for row in paper}
    table = {}
    for name, (suffix, title) in _TAKEN_AWAY.items():
        here = loss_interval(study, name) if {name, "full"} <= set(study["rows"]) else None
        row = {f"paper, {net}": f"{means[f'RPSTN-{net}'] - means[f'RPSTN-{net}{suffix}']:+.1f}" for net in ("R18", "R50")}
        table[f"full minus {title}"] = row | {"here": "" if here is None else here.brief(signed=True)}
    return table


def uneven_gain_words(full: Mapping[str, float], without: Mapping[str, float]) -> str:
    """Say from which joint most of what propagation adds in the paper's smaller network comes; per_joint of two of its rows."""
    gains = {joint: full[joint] - without[joint] for joint in full}
    most = max(gains, key=lambda joint: gains[joint])
    others = [gain for joint, gain in gains.items() if joint != most]
    return (
        f"In the paper's smaller network, most of what propagation adds comes from one joint: {most}, by {gains[most]:.1f} "
        f"points. The other joints differ by {min(others):+.1f} to {max(others):+.1f}. The paper's rows have no intervals and "
        "do not say how many runs they average, so how much of that is chance is not known."
    )


def scores_section(run: Mapping[str, Any] | None) -> str:
    """Write a run's scores by joint, what they were measured on, and the group on which it finds least."""
    return _section(run and (joint_table(run), measured_on(run), weakest_group(run)))


def gains_section(run: Mapping[str, Any] | None) -> str:
    """Write a run's scores on hidden joints, and what the full network gains over each other variant."""
    return _section(run and (hidden_measure(run), hidden_table(run), *_verdicts(run)))


def training_section(run: Mapping[str, Any] | None) -> str:
    """Write how the networks of a run were trained."""
    return _section(run and (how_made(run),))


def gentle_section(run: Mapping[str, Any] | None, first: Mapping[str, Any] | None) -> str:
    """Write a second run of the same networks in full, and what it scores beside the first one."""
    if run is None or first is None:
        return NONE_PUBLISHED
    scores = joint_table(run), measured_on(run), hidden_measure(run), hidden_table(run)
    return _section((*scores, *_verdicts(run), how_made(run), trained_otherwise(first, run)))


def labels_words(labels: Mapping[str, Any] | None) -> str:
    """Say how the joints of Sub-JHMDB came about; labels as for `data_box`."""
    if labels is None:
        return "the data set's own"
    return (
        f"{labels['joints']}, {labels['mean_px']:.2f} px from the official ones on average where those are known "
        f"({len(labels['frames'])} frames, {labels['compared']} joints, {labels['largest_px']:.2f} px at most)"
    )


def data_box(run: Mapping[str, Any], labels: Mapping[str, Any] | None) -> str:
    """Write in a box on what a run on Sub-JHMDB was scored: its split, classes and joints, and what they cannot be compared with.

    labels  what `benchmarks/sub_jhmdb_labels.py` measured of the joints; None where they are the official ones.
    """
    measured = run["measured_on"]
    classes = measured.get("classes") or measured.get("note", "").split(";")[0].removesuffix(" classes")
    return (
        f"> **What these rows are measured on.** Split {measured['official_split']} of 3, {measured['split']}: "
        f"{measured['clips']} clips of {measured['groups']} videos, {measured['frames']} frames. "
        f"Classes: {classes or 'all 12'}. Joints: {labels_words(labels)}. "
        "Boxes: those of the masks. Rows in italics are of all 12 classes and the official joints, so they are no contest."
    )


def split_section(
    name: str, run: Mapping[str, Any], published: Iterable[PublishedRow], labels: Mapping[str, Any] | None = None
) -> str:
    """Write a run on one of Sub-JHMDB's splits in full, in a box what it was measured on, beside published rows on that split."""
    split = f"test of split {run['measured_on']['official_split']}"
    parts = [f"### {name}", data_box(run, labels)]
    for reference in ("person", "torso"):
        others = [row for row in published if (row.data_set, row.split, row.reference) == ("sub_jhmdb", split, reference)]
        parts.append(f"`PCK@0.2` by {reference} size\n\n{joint_table(run, reference, others)}")
    parts += [measured_on(run), hidden_measure(run), hidden_table(run), *_verdicts(run), how_made(run)]
    return _section(parts)


def _verdicts(run: Mapping[str, Any]) -> list[str]:
    return [gain_words(run, other) for other in compared_with(run)]


def _section(parts: Iterable[str] | None) -> str:
    return "\n\n".join(part for part in parts if part) if parts else NONE_PUBLISHED
