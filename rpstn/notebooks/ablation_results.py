"""Finished cells of the ablation, from one machine or several: merged, summarized, and beside the paper's own table."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError
from rpstn.metrics.intervals import LEAST, Interval
from rpstn.notebooks.ablations import CELLS, REFERENCES, RESULT, TALLY, TITLES, VISIBILITY_SUBSETS, complete, finished
from rpstn.notebooks.crossed import crossed_interval, mean_score
from rpstn.notebooks.published import PAPER_JOINTS, PublishedRow
from rpstn.runs.files import plain, portable, read_json, write_json
from rpstn.runs.paths import expanded
from rpstn.skeletons import Skeleton, get_skeleton


@dataclass(frozen=True)
class Cell:
    """One finished cell, as it lies on disk.

    path     its directory. name, seed: which cell. plan: what it shares and what it changes
             (`rpstn.notebooks.ablations.describe`).
    record   the rest of cell.json: manifests of training and scoring.
    groups  (G,) names. hits, counts: (G,K) by (reference, subset), right and scored samples.
    """

    path: Path
    name: str
    seed: int
    plan: Mapping[str, Any]
    record: Mapping[str, Any]
    groups: np.ndarray
    hits: Mapping[tuple[str, str], np.ndarray]
    counts: Mapping[tuple[str, str], np.ndarray]


def read_cell(path: str | Path) -> Cell:
    """A finished cell's directory. Raises UserError for one that is not finished, damaged, or of an unknown cell."""
    path = expanded(path)
    record = read_json(path / RESULT)
    keys = [(reference, subset) for reference in REFERENCES for subset in VISIBILITY_SUBSETS]
    try:
        with np.load(path / TALLY, allow_pickle=False) as file:
            arrays = dict(file)
        hits = {key: arrays[f"{key[0]}_{key[1]}_hits"] for key in keys}
        counts = {key: arrays[f"{key[0]}_{key[1]}_counts"] for key in keys}
        cell = Cell(path, record["cell"], int(record["seed"]), complete(record["plan"]), record, arrays["groups"], hits, counts)
        _ = record["training"]["metrics"], record["scoring"]["device"], cell.plan["measured_on"]["labels"], cell.plan["shared"]
        _ = cell.plan["changes"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a finished cell ({error!r}); remove {RESULT} in it and run `rpstn ablate` again") from error
    if cell.name not in CELLS:
        raise UserError(f"{path}: cell {cell.name!r} is not one of this version's; leave the folder out")
    return cell


def read_cells(folders: Iterable[str | Path]) -> list[Cell]:
    """All finished cells below some folders, each once, that can be compared.

    A cell that lies in two folders is taken once if both say the same. Raises UserError where there is none, where two
    cells differ in budget, encoder or test clips, where one name stands for two different changes, and where one cell and seed
    has two results.
    """
    folders = list(folders)
    found: dict[tuple[str, int], Cell] = {}
    first: Cell | None = None
    for path in finished(folders):
        cell = read_cell(path)
        first = first or cell
        for key, what in (("shared", "budget"), ("encoder", "encoder to start from"), ("measured_on", "test clips")):
            if cell.plan[key] != first.plan[key]:
                raise UserError(
                    f"{cell.path} and {first.path} differ in their {what}{_differing(cell.plan[key], first.plan[key])}; "
                    "merge folders of one study only"
                )
        namesake = next((one for one in found.values() if one.name == cell.name), cell)
        if cell.plan["changes"] != namesake.plan["changes"]:
            raise UserError(
                f"{cell.path} and {namesake.path} are called {cell.name} and differ in what it "
                f"changes{_differing(cell.plan['changes'], namesake.plan['changes'])}; merge folders of one study only"
            )
        other = found.setdefault((cell.name, cell.seed), cell)
        if other is not cell and any((other.hits[key] != cell.hits[key]).any() for key in cell.hits):
            raise UserError(f"{other.path} and {cell.path} are one cell with different results; leave one of the folders out")
    if not found:
        raise UserError(f"no finished cell in {', '.join(map(str, folders))}; run `rpstn ablate` first")
    order = list(CELLS)
    return sorted(found.values(), key=lambda cell: (order.index(cell.name), cell.seed))


def _differing(found: Any, wanted: Any) -> str:
    """The names of differing entries in brackets, where the two are tables."""
    if not isinstance(found, Mapping):
        return ""
    return " (" + ", ".join(sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))) + ")"


def summarize(cells: Sequence[Cell], *, draws: int = 2000) -> dict[str, Any]:
    """Scores of all cells, with intervals over groups and seeds, ready for JSON.

    "cells"[name]["scores"][reference][subset] has "groups" (fraction by group of joints, left and right together), "mean"
    (over all joints, averaged over seeds), "interval", and "loss": what the full network scores more, paired by group and
    seed, with its interval and the seeds that both have; None for the full network itself and where it is missing. Where the
    data set leaves joints out of its own mean, "mean_scored" is the mean over the others and "joints_scored" their number.
    """
    by_name = {name: [cell for cell in cells if cell.name == name] for name in CELLS}
    by_name = {name: members for name, members in by_name.items() if members}
    skeleton = get_skeleton(cells[0].plan["measured_on"]["skeleton"])
    rows = {}
    for name, members in by_name.items():
        scores: dict[str, Any] = {}
        for reference in REFERENCES:
            for subset in VISIBILITY_SUBSETS:
                key = (reference, subset)
                hits, counts = np.stack([cell.hits[key] for cell in members]), members[0].counts[key]
                bounds = crossed_interval(hits, counts, draws=draws)
                pooled, scored = hits.mean(axis=0).sum(axis=0), counts.sum(axis=0)
                scores.setdefault(reference, {})[subset] = {
                    "joint_types": {
                        group: float(pooled[list(ids)].sum() / scored[list(ids)].sum()) if scored[list(ids)].any() else None
                        for group, ids in skeleton.joint_types.items()
                    },
                    "mean": bounds.estimate,
                    **_scored_mean(hits, counts, skeleton),
                    "interval": [bounds.low, bounds.high],
                    "samples": bounds.samples,
                    "groups": bounds.groups,
                    "loss": _loss(by_name.get("full", []), members, key, draws) if name != "full" else None,
                }
        rows[name] = {
            "title": TITLES[name],
            "changes": members[0].plan["changes"],
            "seeds": [cell.seed for cell in members],
            "scores": scores,
            "runs": [_traced(cell) for cell in members],
        }
    first = cells[0].plan
    return plain({"measured_on": first["measured_on"], "budget": first["shared"], "encoder": first["encoder"], "cells": rows})


def _scored_mean(hits: np.ndarray, counts: np.ndarray, skeleton: Skeleton) -> dict[str, Any]:
    """The mean over the joints of the data set's own mean, where that leaves some out; hits (R,G,K), counts (G,K)."""
    if not skeleton.unscored:
        return {}
    kept = list(skeleton.scored)
    means = mean_score(hits[..., kept].sum(axis=1, dtype=np.float64), counts[:, kept].sum(axis=0))
    return {"mean_scored": float(means.mean()), "joints_scored": len(kept)}


def _loss(full: Sequence[Cell], members: Sequence[Cell], key: tuple[str, str], draws: int) -> dict[str, Any] | None:
    seeds = sorted({cell.seed for cell in full} & {cell.seed for cell in members})
    if not seeds:
        return None
    ours, theirs = (
        np.stack([cell.hits[key] for seed in seeds for cell in group if cell.seed == seed]) for group in (full, members)
    )
    bounds = crossed_interval(ours, members[0].counts[key], theirs, draws=draws)
    return {"estimate": bounds.estimate, "interval": [bounds.low, bounds.high], "seeds": seeds}


def _traced(cell: Cell) -> dict[str, Any]:
    """A cell's manifest without the parameters that all share."""
    training, scoring = cell.record["training"], cell.record["scoring"]
    kept = {key: training[key] for key in ("commit", "versions", "device", "data", "seconds", "precision", "metrics")}
    own = {key: value for key, value in training["parameters"].items() if cell.plan["shared"].get(key) != value}
    scored = {"device": scoring["device"], "seconds": scoring["seconds"], "commit": scoring["commit"]}
    return {"seed": cell.seed, "parameters": own, **kept, "scoring": scored}


def merge_cells(folders: Sequence[Path], *, out: Path, fewer: bool = False) -> dict[str, Any]:
    """Summarize the finished cells of some folders into one file, whole or not at all; returns the study.

    folders  where `rpstn ablate` has worked, on this machine or copied from others.
    fewer    write the file even where it holds cells or seeds that the folders lack, which it then loses.

    The file holds one study per data set; those of other sets stay. Raises what `read_cells` raises, and UserError for a file
    that holds more than the folders do.
    """
    study = {**summarize(read_cells(folders)), "folders": [portable(folder) for folder in folders]}
    content = read_json(out) if expanded(out).is_file() else {}
    there = content.get(study_name(study), {"cells": {}})
    lost = sorted(_runs(there) - _runs(study))
    if lost and not fewer:
        raise UserError(
            f"{out} holds {len(lost)} runs that {', '.join(map(str, folders))} lack, such as {lost[0]}; name all folders of the "
            "study, another --out, or --fewer to lose them"
        )
    write_json(out, {**content, study_name(study): study})
    return study


def _runs(study: Mapping[str, Any]) -> set[str]:
    return {f"{name}-{seed}" for name, cell in study["cells"].items() for seed in cell["seeds"]}


def study_name(study: Mapping[str, Any]) -> str:
    """Under which name a study lies in results/ablations.json: embedded, sub_jhmdb-1."""
    measured = study["measured_on"]
    return measured["data_set"] + (f"-{measured['fold']}" if measured["fold"] is not None else "")


def loss_interval(study: Mapping[str, Any], name: str, reference: str = "torso", subset: str = "all") -> Interval | None:
    """What the full network scores more than a cell, as an Interval for figures and sentences; None where it is not known."""
    score = study["cells"][name]["scores"][reference][subset]
    if score["loss"] is None:
        return None
    low, high = (np.nan if value is None else value for value in score["loss"]["interval"])
    seeds = len(score["loss"]["seeds"])
    return Interval(score["loss"]["estimate"], low, high, score["groups"], score["samples"], seeds=seeds)


def interval_words(study: Mapping[str, Any]) -> str:
    """What the intervals of a study are, in a sentence or two: with few seeds they are no intervals of 95 %."""
    seeds = sorted({len(cell["seeds"]) for cell in study["cells"].values()})
    few = [number for number in seeds if 1 < number < LEAST]
    text = "With one seed, intervals are over groups alone. " if seeds[0] == 1 else ""
    if few:
        named = " or ".join(map(str, few))
        text += (
            f"With {named} seeds, what stands as an interval is the range of all draws. So few trainings allow no interval of "
            "95 %, and where trainings differ more than groups do, the range is too narrow. "
        )
    if seeds[-1] >= LEAST:
        text += f"With {LEAST} seeds or more, intervals are of 95 %, over groups and seeds. "
    return text.strip()


def verdicts(study: Mapping[str, Any], *, reference: str = "torso", subset: str = "all") -> list[str]:
    """One sentence for each cell but the full network: better, worse, or no difference that can be told, and by how much.

    Fewer than five trainings of each decide nothing: chance between trainings is then not in the bounds, or not all of it.
    """
    lines = []
    for name, cell in study["cells"].items():
        item = loss_interval(study, name, reference, subset)
        if item is None or not item.samples:
            continue
        said = (
            "**nothing can be said**"
            if np.isnan(item.low)
            else "**too few trainings to tell**"
            if item.few_seeds
            else "**no difference can be told**"
            if not item.excludes_zero
            else "**the full network is better**"
            if item.estimate > 0
            else "**the full network is worse**"
        )
        lines.append(f"full against {cell['title']}: {said}; {item.text(signed=True, unit=' percentage points')}")
    return [f"{line}." for line in lines] or ["there is nothing to compare the full network with."]


def paper_table(
    study: Mapping[str, Any], published: Sequence[PublishedRow] = (), *, reference: str = "torso", subset: str = "all"
) -> list[dict[str, str]]:
    """Rows in the form of the paper's table, percent: the study's cells, then published figures.

    Every row says what it was measured on, and `interval_words` what its intervals are. Where a joint is missing its place is
    empty. A mean stands under the number of its joints, a published one too. What the full network scores more is over all.
    """
    measured = study["measured_on"]
    where = f"{measured['data_set']}, {measured['split']}: {measured['clips']} clips, {measured['groups']} groups"
    joints = len(get_skeleton(measured["skeleton"]))
    scores = {name: cell["scores"][reference][subset] for name, cell in study["cells"].items()}
    scored = {score["joints_scored"] for score in scores.values() if "joints_scored" in score}
    others = sorted((scored | {row.joints for row in published}) - {joints, None})
    rows = []
    for name, cell in study["cells"].items():
        score = scores[name]
        rows.append(
            {
                "": cell["title"],
                **{joint: _percent(score["joint_types"].get(joint)) for joint in PAPER_JOINTS},
                f"mean ({joints} joints)": _percent(score["mean"]),
                "interval": _bounds(score["interval"]),
                **{f"mean ({count} joints)": _percent(score["mean_scored"]) if count in scored else "" for count in others},
                f"full minus this ({joints} joints)": "" if score["loss"] is None else f"{100 * score['loss']['estimate']:+.1f}",
                "its interval": "" if score["loss"] is None else _bounds(score["loss"]["interval"], "+"),
                "seeds": str(len(cell["seeds"])),
                "measured on": where,
            }
        )
    for row in published:
        rows.append(
            {
                "": row.method,
                **{joint: f"{row.per_joint[joint]:.1f}" if joint in row.per_joint else "" for joint in PAPER_JOINTS},
                f"mean ({joints} joints)": f"{row.mean:.1f}" if row.joints == joints else "",
                "interval": "",
                **{f"mean ({count} joints)": f"{row.mean:.1f}" if row.joints == count else "" for count in others},
                f"full minus this ({joints} joints)": "",
                "its interval": "",
                "seeds": "",
                "measured on": f"{row.data_set}, {row.split}, as printed",
            }
        )
    return rows


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _bounds(interval: Sequence[float | None], sign: str = "") -> str:
    return "" if None in interval else " to ".join(f"{100 * value:{sign}.1f}" for value in interval)
