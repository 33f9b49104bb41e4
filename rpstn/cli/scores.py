"""`rpstn evaluate` and `rpstn folds`: scores on the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rpstn.cli.words import Options
from rpstn.datasets.coco_detections import in_words
from rpstn.evaluate import scoring
from rpstn.evaluate.folds import evaluate_folds, rows_of
from rpstn.evaluate.scoring import EvaluateConfig
from rpstn.metrics.standard import standard_lines
from rpstn.metrics.tables import aligned, table


def evaluate(config: Options[EvaluateConfig]) -> None:
    """Score a checkpoint on a split."""
    result = scoring.evaluate(config)
    if config.dataset is None:
        print(as_trained(result.metrics["dataset"]))
    report_scores(result.out, result.metrics)


def folds(config: Options[EvaluateConfig]) -> None:
    """Score three checkpoints, one trained on each split of sub_jhmdb, and take the mean over splits.

    {fold} in the checkpoint's path stands for 1, 2 and 3; --fold is not used, and the data set is sub_jhmdb.
    """
    result = evaluate_folds(config)
    for fold, counted in result.metrics["counted"].items():
        left_out = f", {counted['entries_left_out']} damaged entries left out" if counted["entries_left_out"] else ""
        name = result.metrics["checkpoints"][fold]["name"]
        print(f"split {fold}: {name}, {counted['clips']} clips, {counted['frames']} frames{left_out}")
    for reference in result.metrics["scores"]:
        print(f"\nPCK@{result.metrics['threshold']:g} in percent, by {reference} size")
        print(aligned(table(rows_of(result.metrics, reference))))
    print(f"\n{result.out / 'mean.json'}")


def as_trained(dataset: str) -> str:
    """Say which data set was taken where none was named."""
    return f"data set {dataset}, on which the checkpoint was trained; --dataset names another"


def report_scores(out: Path, metrics: Mapping[str, Any]) -> None:
    """Print the scores as tables, what they were measured on, and where all of them are."""
    for line in _measured_on(metrics):
        print(line)
    without = metrics["counted"]["frames_without_reference"]
    for reference, parts in metrics["scores"].items():
        if all(part["mean"] is None for part in parts.values()):  # such as a detector's boxes, which have no labels
            print(f"\nPCK by {reference} size: none, for no joint here is labeled and has that size")
            continue
        left_out = f"; {without[reference]} frames without that size left out" if without[reference] else ""
        print(f"\nPCK@{metrics['threshold']:g} in percent, by {reference} size{left_out}")
        print(aligned(table(parts)))
    for line in ("", *standard_lines(metrics)):
        print(line)
    for path in sorted(out.iterdir()):
        if path.name in ("metrics.json", "predictions.npz", "manifest.json"):
            print(path)


def _measured_on(metrics: Mapping[str, Any]) -> Iterator[str]:
    """Say what was scored, in lines."""
    counted = metrics["counted"]
    fold = f", fold {metrics['fold']}" if metrics["dataset"] == "sub_jhmdb" else ""
    yield (
        f"{metrics['checkpoint']['name']} on {metrics['dataset']}, split {metrics['split']}{fold}: "
        f"{counted['clips']} clips from {counted['groups']} groups, {counted['frames']} frames"
    )
    yield (
        f"joints: {counted['visible_joints']} visible, {counted['occluded_joints']} occluded, "
        f"{counted['absent_joints']} absent (not scored)"
    )
    if metrics["convert_to"]:
        yield f"joints: converted to those of {metrics['convert_to']}, so this is no standard score of {metrics['dataset']}"
    if counted["entries_left_out"]:
        yield f"left out: {counted['entries_left_out']} damaged entries"
    if counted.get("detections_left_out"):
        yield f"left out: {in_words(counted['detections_left_out'])}"
    flipped = ", mirrored frames averaged in" if metrics["flip_test"] else ""
    flipped += f", refinement: {metrics['refine']}" if metrics["refine"] != "gaussian" else ""
    window = f"windows of {metrics['window']} frames" if metrics["window"] else "whole clips"
    if "network" in metrics:
        own = "as it comes" if metrics["network"].startswith("movenet") else "as its authors cut them"
        window = f"{metrics['network']}, crops of {metrics['image_size'][0]} x {metrics['image_size'][1]} px {own}"
    yield f"boxes: {metrics['boxes']}; {window}{flipped}"
