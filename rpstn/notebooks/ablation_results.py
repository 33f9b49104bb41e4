"""Finished runs of the ablation, from one machine or several: read, compared, summarized and merged into one file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError
from rpstn.metrics.crossed import crossed_interval
from rpstn.metrics.groups import mean_over_joints
from rpstn.notebooks.ablations import (
    REFERENCES,
    RESULT,
    RUNS,
    TITLES,
    VISIBILITY_SUBSETS,
    complete,
    finished,
    read_counts,
    read_record,
)
from rpstn.runs.files import plain, portable, read_json, write_json
from rpstn.runs.paths import expanded
from rpstn.runs.renamed import STUDY, rename_keys
from rpstn.runs.same_run import differences
from rpstn.skeletons import Skeleton, get_skeleton

KEYS = [(reference, subset) for reference in REFERENCES for subset in VISIBILITY_SUBSETS]


@dataclass(frozen=True)
class Run:
    """One finished run of the grid, as it is on disk.

    path           its directory.
    name, seed     which run.
    plan           what it shares with others and what it changes (`rpstn.notebooks.ablations.describe`).
    training       manifest of its training; scoring: of its score on the test split.
    groups         (G,) names.
    hits, counts   (G,K) correct and scored samples, by (reference, subset).
    """

    path: Path
    name: str
    seed: int
    plan: Mapping[str, Any]
    training: Mapping[str, Any]
    scoring: Mapping[str, Any]
    groups: np.ndarray
    hits: Mapping[tuple[str, str], np.ndarray]
    counts: Mapping[tuple[str, str], np.ndarray]


def read_run(path: str | Path) -> Run:
    """Read a finished run's directory. Raises UserError for one that is not finished, damaged, or of an unknown run."""
    path = expanded(path)
    record = read_record(path)
    try:
        arrays = read_counts(path)
        run = Run(
            path,
            record["run"],
            int(record["seed"]),
            complete(_with(record["plan"], "shared", "encoder", "changes", "measured_on")),
            _with(record["training"], "commit", "versions", "device", "data", "seconds", "precision", "metrics", "parameters"),
            _with(record["scoring"], "commit", "device", "seconds"),
            arrays["groups"],
            {key: arrays[f"{key[0]}_{key[1]}_hits"] for key in KEYS},
            {key: arrays[f"{key[0]}_{key[1]}_counts"] for key in KEYS},
        )
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: not a finished run ({error!r}); remove {RESULT} in it and run `rpstn ablate` again") from error
    if run.name not in RUNS:
        raise UserError(f"{path}: run {run.name!r} is not one of this version's; leave the folder out")
    return run


def _with(table: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """Return the table itself. Raises KeyError where it lacks a name."""
    for name in names:
        if name not in table:
            raise KeyError(name)
    return table


def read_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Read all finished runs below some folders that can be compared, each once.

    A run that is in two folders is taken once if both say the same. Raises UserError where there is none, where two runs differ
    in budget, encoder or test clips, where one name stands for two changes, and where one name and seed has two results.
    """
    folders = list(folders)
    found: dict[tuple[str, int], Run] = {}
    for path in finished(folders):
        run = read_run(path)
        for other in found.values():
            _check_comparable(run, other)
        found.setdefault((run.name, run.seed), run)
    if not found:
        raise UserError(f"no finished run in {', '.join(map(str, folders))}; run `rpstn ablate` first")
    order = list(RUNS)
    return sorted(found.values(), key=lambda run: (order.index(run.name), run.seed))


def _different(one: Any, other: Any) -> bool:
    """Tell whether two plans differ; settings that an older version did not have count as what it did."""
    tables = isinstance(one, Mapping) and isinstance(other, Mapping)
    return bool(differences(one, other)) if tables else one != other


def _check_comparable(run: Run, other: Run) -> None:
    for key, what in (("shared", "budget"), ("encoder", "encoder to start from"), ("measured_on", "test clips")):
        if _different(run.plan[key], other.plan[key]):
            raise UserError(
                f"{run.path} and {other.path} differ in their {what}{_differing(run.plan[key], other.plan[key])}; "
                "merge folders of one study only"
            )
    if run.name == other.name and run.plan["changes"] != other.plan["changes"]:
        raise UserError(
            f"{run.path} and {other.path} are called {run.name} and differ in what it "
            f"changes{_differing(run.plan['changes'], other.plan['changes'])}; merge folders of one study only"
        )
    if (run.name, run.seed) == (other.name, other.seed) and any(
        not np.array_equal(run.hits[key], other.hits[key]) for key in KEYS
    ):
        raise UserError(f"{other.path} and {run.path} are one run with different results; leave one of the folders out")


def _differing(found: Any, wanted: Any) -> str:
    """Return the names of differing entries in brackets, where the two are tables."""
    if not isinstance(found, Mapping):
        return ""
    return " (" + ", ".join(sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))) + ")"


def summarize(runs: Sequence[Run]) -> dict[str, Any]:
    """Score all runs, with intervals over groups and seeds, ready for JSON.

    "rows"[name]["scores"][reference][subset] has "joint_types" (fraction by type of joint, left and right together), "mean" (over
    all joints, averaged over seeds), "by_seed" (the mean of each seed), "interval" with its degrees of freedom "df", and "loss":
    what the full network scores more, paired by group and seed, with its interval, df and the seeds that both have; None for the
    full network itself and where it is missing. Where the data set leaves joints out of its own mean, "mean_scored" is the mean
    over the others and "joints_scored" their number.
    """
    by_name: dict[str, list[Run]] = {}
    for run in sorted(runs, key=lambda run: list(RUNS).index(run.name)):
        by_name.setdefault(run.name, []).append(run)
    plan = runs[0].plan
    skeleton = get_skeleton(plan["measured_on"]["skeleton"])
    rows = {}
    for name, members in by_name.items():
        full = by_name.get("full", []) if name != "full" else []
        scores: dict[str, dict[str, Any]] = {reference: {} for reference in REFERENCES}
        for reference, subset in KEYS:
            scores[reference][subset] = _score(members, full, (reference, subset), skeleton)
        rows[name] = {
            "title": TITLES[name],
            "changes": members[0].plan["changes"],
            "seeds": [run.seed for run in members],
            "scores": scores,
            "runs": [_traced(run) for run in members],
        }
    study = {"measured_on": plan["measured_on"], "budget": plan["shared"], "encoder": plan["encoder"], "rows": rows}
    summary: dict[str, Any] = plain(study)
    return summary


def _score(members: Sequence[Run], full: Sequence[Run], key: tuple[str, str], skeleton: Skeleton) -> dict[str, Any]:
    """Return the scores of one row, by one reference and on one subset of joints."""
    hits, counts = np.stack([run.hits[key] for run in members]), members[0].counts[key]
    bounds = crossed_interval(hits, counts)
    means = mean_over_joints(hits.sum(axis=1, dtype=np.float64), counts.sum(axis=0))
    pooled, scored = hits.mean(axis=0).sum(axis=0), counts.sum(axis=0)
    types = {name: list(ids) for name, ids in skeleton.joint_types.items()}
    return {
        "joint_types": {
            name: float(pooled[ids].sum() / scored[ids].sum()) if scored[ids].any() else None for name, ids in types.items()
        },
        "mean": bounds.estimate,
        **_scored_mean(hits, counts, skeleton),
        "by_seed": {str(run.seed): float(mean) for run, mean in zip(members, means, strict=True)},
        "interval": [bounds.low, bounds.high],
        "df": bounds.df,
        "samples": bounds.samples,
        "groups": bounds.groups,
        "loss": _loss(full, members, key),
    }


def _scored_mean(hits: np.ndarray, counts: np.ndarray, skeleton: Skeleton) -> dict[str, Any]:
    """Return the mean over the joints of the data set's own mean, where that leaves some out; hits (R,G,K), counts (G,K)."""
    if not skeleton.unscored:
        return {}
    kept = list(skeleton.scored)
    means = mean_over_joints(hits[..., kept].sum(axis=1, dtype=np.float64), counts[:, kept].sum(axis=0))
    return {"mean_scored": float(means.mean()), "joints_scored": len(kept)}


def _loss(full: Sequence[Run], members: Sequence[Run], key: tuple[str, str]) -> dict[str, Any] | None:
    ours, theirs = ({run.seed: run.hits[key] for run in part} for part in (full, members))
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        return None
    paired = (np.stack([hits[seed] for seed in seeds]) for hits in (ours, theirs))
    bounds = crossed_interval(next(paired), members[0].counts[key], next(paired))
    return {"estimate": bounds.estimate, "interval": [bounds.low, bounds.high], "df": bounds.df, "seeds": seeds}


def _traced(run: Run) -> dict[str, Any]:
    """Return a run's manifest without the parameters that all share."""
    kept = {key: run.training[key] for key in ("commit", "versions", "device", "data", "seconds", "precision", "metrics")}
    own = {key: value for key, value in run.training["parameters"].items() if run.plan["shared"].get(key) != value}
    scored = {key: run.scoring[key] for key in ("device", "seconds", "commit")}
    return {"seed": run.seed, "parameters": own, **kept, "scoring": scored}


def merge_runs(folders: Sequence[Path], *, out: Path, fewer: bool = False) -> dict[str, Any]:
    """Summarize the finished runs of some folders into one file, whole or not at all; return the study.

    folders  where `rpstn ablate` has worked, on this machine or copied from others.
    fewer    write the file even where it holds runs or seeds that the folders lack, which it then loses.

    The file holds one study per data set; those of other sets stay. Raises what `read_runs` raises, and UserError for a file
    that holds more than the folders do.
    """
    study = {**summarize(read_runs(folders)), "folders": [portable(folder) for folder in folders]}
    content = read_studies(out) if expanded(out).is_file() else {}
    name = study_name(study)
    lost = sorted(_run_names(content[name]) - _run_names(study)) if name in content else []
    if lost and not fewer:
        raise UserError(
            f"{out} holds {len(lost)} runs that {', '.join(map(str, folders))} lack, such as {lost[0]}; name all folders of the "
            "study, another --out, or --fewer to lose them"
        )
    write_json(out, {**content, name: study})
    return study


def read_studies(path: str | Path) -> dict[str, Any]:
    """Read the studies of a file that `merge_runs` wrote, by name; those of older versions too."""
    studies: dict[str, Any] = read_json(path)
    return {name: rename_keys(study, STUDY) if "cells" in study else study for name, study in studies.items()}


def _run_names(study: Mapping[str, Any]) -> set[str]:
    return {f"{name}-{seed}" for name, row in study["rows"].items() for seed in row["seeds"]}


def study_name(study: Mapping[str, Any]) -> str:
    """Return the name of a study in results/ablations.json: embedded, sub_jhmdb-1."""
    measured = study["measured_on"]
    return str(measured["data_set"]) + (f"-{measured['fold']}" if measured["fold"] is not None else "")
