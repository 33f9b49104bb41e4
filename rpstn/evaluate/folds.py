"""Sub-JHMDB's three splits together: one network per split, scored on that split's test part, and the mean that papers print.

The splits share clips, so a network trained on one must not be scored on another, and the three are never merged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rpstn.datasets.sub_jhmdb import FOLDS
from rpstn.errors import UserError
from rpstn.evaluate.scoring import EvaluateConfig, EvaluationResult, default_out, evaluate
from rpstn.metrics.keypoints import REFERENCES
from rpstn.metrics.scores import VISIBILITY_SUBSETS
from rpstn.models.files import BEST, find_weights, with_today
from rpstn.runs.files import write_json

NUMBER = "{fold}"  # what stands for the split's number in a checkpoint's path
# What must be the same for a mean to have a meaning.
_ALIKE = ("dataset", "split", "skeleton", "threshold", "window", "flip_test", "refine", "amp", "boxes", "convert_to")


@dataclass(frozen=True)
class FoldsResult:
    """What three evaluations found.

    metrics  see `mean_over_splits`.
    results  by split's number.
    out      the directory with mean.json.
    """

    metrics: dict[str, Any]
    results: dict[int, EvaluationResult]
    out: Path


def evaluate_folds(
    config: EvaluateConfig, checkpoints: Mapping[int, str | Path] | None = None, progress: bool = True
) -> FoldsResult:
    """Score one checkpoint on each of the three splits, and take the mean.

    config       of every evaluation; its fold has no meaning here. `{fold}` in its checkpoint's path stands for 1, 2
                 and 3; a path without it is one network for all three, which must have been trained on none of them.
    checkpoints  by split, in place of the config's.

    Writes split-1, split-2 and split-3 (see `rpstn.evaluate.scoring.evaluate`) and mean.json into config.out. Raises UserError
    for another data set than sub_jhmdb, a split without a checkpoint, and what `evaluate` raises, among it a checkpoint
    of another split.
    """
    config = replace(config, dataset=config.dataset or "sub_jhmdb")
    if config.dataset != "sub_jhmdb":
        raise UserError(f"data set {config.dataset!r} has one split, not three; score it with `rpstn evaluate`")
    if checkpoints is None:
        checkpoints = {fold: str(config.checkpoint).replace(NUMBER, str(fold)) for fold in FOLDS}
    if set(checkpoints) != set(FOLDS):
        raise UserError(f"checkpoints are given for splits {sorted(checkpoints)}; the mean needs one for each of {FOLDS}")
    paths = {fold: find_weights(checkpoints[fold]) for fold in FOLDS}
    configs = {fold: replace(config, fold=fold, checkpoint=path) for fold, path in paths.items()}
    missing = dict.fromkeys(str(path) for path in paths.values() if not path.is_file())
    if missing:  # before an hour goes into the others
        remedy = "train each split with `rpstn train --dataset sub_jhmdb --fold N`"
        raise UserError(f"no checkpoint at {', '.join(missing)}; {remedy}")
    first = default_out(configs[1])
    out = Path(config.out) if config.out else first.with_name(first.name.replace("-fold1-", "-folds-"))
    results = {fold: evaluate(replace(one, out=out / f"split-{fold}"), progress) for fold, one in configs.items()}
    metrics = mean_over_splits({fold: result.metrics for fold, result in results.items()})
    write_json(out / "mean.json", metrics)
    return FoldsResult(metrics, results, out)


def mean_over_splits(results: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Average over the three splits what `rpstn.evaluate.scoring.evaluate` gives as metrics of each.

    results  by split's number: 1, 2 and 3.

    "scores"[reference][subset] has the keys that a single split's has, so that the same tables print it: "mean" over all
    15 joints and "mean_scored" over the 13 without neck and belly ("joints_scored" says how many), "joints" and
    "joint_types", each the mean of three numbers, None where a split has none. "interval" is [None, None]: the test parts
    share clips, so their scores are not independent. "splits"[number] has each split's own scores, "checkpoints" and
    "counted" what they are of. Raises UserError where a split is missing, or where splits were scored in different ways.
    """
    if set(results) != set(FOLDS):
        raise UserError(f"scores are given for splits {sorted(results)}; the mean needs one for each of {FOLDS}")
    parts = [results[fold] for fold in FOLDS]
    for fold, part in zip(FOLDS, parts, strict=True):
        if part["fold"] != fold:
            raise UserError(f"the scores given for split {fold} are of split {part['fold']}; give each split's own")
    different = [key for key in _ALIKE if any(part[key] != parts[0][key] for part in parts)]
    if different:
        values = "; ".join(f"{key}: {', '.join(str(part[key]) for part in parts)}" for key in different)
        raise UserError(f"the three splits were scored in different ways ({values}); score them alike")
    return {
        **{key: parts[0][key] for key in _ALIKE},
        "folds": list(FOLDS),
        "checkpoints": {str(fold): results[fold]["checkpoint"] for fold in FOLDS},
        "counted": {str(fold): results[fold]["counted"] for fold in FOLDS},
        "scores": {
            reference: {subset: _mean([part["scores"][reference][subset] for part in parts]) for subset in VISIBILITY_SUBSETS}
            for reference in REFERENCES
        },
        "splits": {str(fold): results[fold]["scores"] for fold in FOLDS},
    }


def find_folds(folder: str | Path, fold: int) -> dict[str, dict[int, Path]]:
    """Find networks trained on all three splits: variant -> split -> checkpoint, for variants that all three have.

    folder  the runs of one split, whose name ends with its number, such as runs/sub_jhmdb-1: the others lie beside it.
            Empty where the name does not, or where no variant is finished on all.
    """
    name = re.fullmatch(rf"(.*){fold}", Path(folder).name)
    if name is None:
        return {}
    runs = {number: Path(folder).with_name(f"{name[1]}{number}") for number in FOLDS}
    finished = {}
    for number, place in runs.items():
        paths = [with_today(end.with_name(BEST)) for end in place.glob("*/manifest.json")]
        finished[number] = {path.parent.name: path for path in paths if path.is_file()}
    return {
        variant: {number: finished[number][variant] for number in FOLDS}
        for variant in finished[fold]
        if variant != "encoder" and all(variant in found for found in finished.values())
    }


def rows_of(metrics: Mapping[str, Any], reference: str, subset: str = "all") -> dict[str, Any]:
    """Make rows for `rpstn.metrics.tables.table`: each split, then the mean."""
    rows = {f"split {fold}": scores[reference][subset] for fold, scores in metrics["splits"].items()}
    return rows | {"mean of 3": metrics["scores"][reference][subset]}


def means_by_split(metrics: Mapping[str, Any], subset: str = "all") -> dict[str, dict[str, float | None]]:
    """Collect the means, named by reference length and number of joints: {"split 1": {"person, 15 joints": 0.96, ...}, ...}."""
    found: dict[str, dict[str, float | None]] = {}
    for reference in metrics["scores"]:
        for name, part in rows_of(metrics, reference, subset).items():
            cells = found.setdefault(name, {})
            cells[f"{reference}, {len(part['joints'])} joints"] = part["mean"]
            if "mean_scored" in part:
                cells[f"{reference}, {part['joints_scored']} joints"] = part["mean_scored"]
    return found


def _mean(parts: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Average one part of what `rpstn.metrics.scores.describe` returns."""

    def over(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if len(known) == len(values) else None

    found: dict[str, Any] = {
        "mean": over([part["mean"] for part in parts]),
        "interval": [None, None],
        "micro": over([part["micro"] for part in parts]),
        "samples": sum(part["samples"] for part in parts),
        **{key: {name: over([part[key][name] for part in parts]) for name in parts[0][key]} for key in ("joints", "joint_types")},
    }
    if "joints_scored" in parts[0]:
        found |= {"mean_scored": over([part["mean_scored"] for part in parts]), "joints_scored": parts[0]["joints_scored"]}
    return found
