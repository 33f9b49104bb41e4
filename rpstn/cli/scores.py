"""`rpstn evaluate`, `publish` and `folds`: scores on the command line."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import tyro

from rpstn.cli.words import parse


def evaluate(words: list[str]) -> None:
    """Score a checkpoint on a split."""
    from rpstn.evaluate.scoring import EvaluateConfig
    from rpstn.evaluate.scoring import evaluate as run

    config = parse(EvaluateConfig, words, "rpstn evaluate")
    result = run(config)
    if config.dataset is None:
        print(f"{_as_trained(result.metrics['dataset'])}; --dataset names another")
    report_scores(result.out, result.metrics)


def publish(words: list[str]) -> None:
    """Score finished runs, and what propagation gains on hidden joints, for results/NAME.json."""
    from rpstn.notebooks.publish import PublishConfig
    from rpstn.notebooks.publish import publish as run
    from rpstn.runs.files import read_json

    config = parse(PublishConfig, words, "rpstn publish")
    path = run(config)
    if config.dataset is None:
        print(f"{_as_trained(read_json(path)['manifest']['parameters']['dataset'])}; --dataset names another")
    print(path)


def folds(words: list[str]) -> None:
    """Score three checkpoints, one trained on each split of sub_jhmdb, and take the mean over splits.

    {fold} in the checkpoint's path stands for 1, 2 and 3; --fold is not used.
    """
    from rpstn.evaluate.folds import evaluate_folds, rows_of
    from rpstn.evaluate.scoring import EvaluateConfig
    from rpstn.metrics.tables import aligned, table

    start = EvaluateConfig(checkpoint=tyro.MISSING, dataset="sub_jhmdb")
    config = parse(EvaluateConfig, words, "rpstn folds", default=start, description=inspect.cleandoc(folds.__doc__))
    result = evaluate_folds(config)
    for fold, counted in result.metrics["counted"].items():
        left_out = f", {counted['entries_left_out']} damaged entries left out" if counted["entries_left_out"] else ""
        name = result.metrics["checkpoints"][fold]["name"]
        print(f"split {fold}: {name}, {counted['clips']} clips, {counted['frames']} frames{left_out}")
    for reference in result.metrics["scores"]:
        print(f"\nPCK@{result.metrics['threshold']:g} in percent, by {reference} size")
        print(aligned(table(rows_of(result.metrics, reference))))
    print(f"\n{result.out / 'mean.json'}")


def _as_trained(dataset: str) -> str:
    return f"data set {dataset}, on which the checkpoint was trained"


def report_scores(out: Path, metrics: dict[str, Any]) -> None:
    """The scores as tables, what they were measured on, and where all of them are."""
    from rpstn.datasets.coco_detections import in_words
    from rpstn.metrics.standard import standard_lines
    from rpstn.metrics.tables import aligned, table

    counted = metrics["counted"]
    without = counted["frames_without_reference"]
    fold = f", fold {metrics['fold']}" if metrics["dataset"] == "sub_jhmdb" else ""
    print(
        f"{metrics['checkpoint']['name']} on {metrics['dataset']}, split {metrics['split']}{fold}: "
        f"{counted['clips']} clips from {counted['groups']} groups, {counted['frames']} frames"
    )
    print(
        f"joints: {counted['visible_joints']} visible, {counted['occluded_joints']} occluded, "
        f"{counted['absent_joints']} absent (not scored)"
    )
    if metrics["convert_to"]:
        print(f"joints: made into those of {metrics['convert_to']}, so this is no official score of {metrics['dataset']}")
    if counted["entries_left_out"]:
        print(f"left out: {counted['entries_left_out']} damaged entries")
    if counted.get("detections_left_out"):
        print(f"left out: {in_words(counted['detections_left_out'])}")
    flipped = ", mirrored frames averaged in" if metrics["flip_test"] else ""
    flipped += f", refinement: {metrics['refine']}" if metrics["refine"] != "gaussian" else ""
    window = f"windows of {metrics['window']} frames" if metrics["window"] else "whole clips"
    if "network" in metrics:
        window = "{network}, crops of {image_size[0]} x {image_size[1]} px as its authors cut them".format_map(metrics)
    print(f"boxes: {metrics['boxes']}; {window}{flipped}")
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
