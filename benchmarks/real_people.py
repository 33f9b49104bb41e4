"""Train and score networks on real people: every split of Sub-JHMDB, several seeds, all variants from one encoder each.

    python -m benchmarks.real_people --root JHMDB                      # everything: about a CPU core's day; resumable
    python -m benchmarks.real_people --root JHMDB --splits 1 --seeds 2021 --variants frame_by_frame rpstn

Each split and seed has an encoder of its own: MoveNet's, trained on single frames at a small rate while its head learns. Every
variant starts from it, keeps it as it is, and learns the rest on clips of eight frames behind painted occluders. What is
finished is kept, what was interrupted is resumed; a run that another process is working on is passed over, so that two processes
share the work. Written to results/real_people.json after each score: PCK by person and torso at 0.1 and 0.2, 13 and 15 joints,
per joint, and the counts of each group, from which intervals over groups and seeds follow.

On the clips that are at hand: 8 of the 12 classes where the set is not complete, which "classes" says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.sources import checksums
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.evaluate.zero_shot import load_movenet, predict_movenet
from rpstn.metrics.scores import samples
from rpstn.models import load_checkpoint
from rpstn.models.convolutions import fuse
from rpstn.models.files import BEST, find_weights
from rpstn.runs.directory import RunDirectory, clean_commit, manifest
from rpstn.runs.files import read_json, write_json
from rpstn.runs.locks import sole_writer
from rpstn.runs.memory import keep_memory
from rpstn.train import TrainConfig, train
from rpstn.train.recipes.variants import VARIANTS

LIGHT: dict[str, Any] = {"brightness": 0.2, "contrast": 0.4, "color": 0.25}
SHARED: dict[str, Any] = {
    "dataset": "sub_jhmdb", "encoder": "movenet_thunder", "size": 256, "sigma": 2.0, "precision": "bf16", "calibration_frames": 0,
}  # fmt: skip
ENCODER: dict[str, Any] = {
    "encoder_weights": "movenet_thunder", "relation": "off", "propagation": "none", "frames": 1, "batch": 16, "steps": 1200,
    "lr": 6e-4, "encoder_rate": 0.08, "ema": 0.995, "validate_every": 400, "augmentation": Augmentation(**LIGHT),
}  # fmt: skip
CLIPS: dict[str, Any] = {
    "initializer": "shared", "frames": 8, "batch": 3, "steps": 400, "lr": 1e-3, "init_rate": 0.3, "encoder_rate": 0.0,
    "ema": 0.99, "validate_every": 200, "occluded_weight": 3.0,
    "augmentation": Augmentation(**LIGHT, hiding=0.5, hiding_frames=6, erasing=0.3),
}  # fmt: skip

# The book's variants, and those with a gate.
NETWORKS: dict[str, dict[str, Any]] = {
    **VARIANTS,
    "gated": {"carry": "gated"},
    "gated_without_relation": {"carry": "gated", **VARIANTS["without_relation"]},
    "gate_alone": {"carry": "gated", **VARIANTS["frame_by_frame"]},
}
# Ways of scoring: window (frames in one crop), averaged with the mirrored frames, refinement within a heatmap pixel.
WAYS: dict[str, dict[str, Any]] = {
    "window 8": {"window": 8},
    "window 8, dark": {"window": 8, "refine": "dark"},
    "window 8, dark, flip test": {"window": 8, "refine": "dark", "flip_test": True},
}


@dataclass(frozen=True)
class RealPeople:
    """What to train and score."""

    root: Path  # folder of Sub-JHMDB
    splits: tuple[int, ...] = (1, 2, 3)
    seeds: tuple[int, ...] = (2021, 2022, 2023)
    variants: tuple[str, ...] = ("frame_by_frame", "rpstn", "concat")
    split: str = "test"  # that is scored: val to choose by, test once
    ways: tuple[str, ...] = ("window 8", "window 8, dark")
    runs: Path = Path("runs/real_people")
    out: Path = Path("results/real_people.json")


def plan(config: RealPeople, fold: int, seed: int, name: str) -> TrainConfig:
    """Configure one training: "encoder", or one of NETWORKS, which starts from that encoder."""
    folder = config.runs / f"split{fold}-{seed}"
    own = {"root": str(config.root), "fold": fold, "seed": seed, "out": str(folder / name)}
    if name == "encoder":
        return TrainConfig.of(**SHARED, **ENCODER, **own)
    return TrainConfig.of(**{**SHARED, **CLIPS, **NETWORKS[name], **own, "init": str(folder / "encoder" / BEST)})


def finish(config: TrainConfig) -> bool:
    """Train what is left of a run. Return whether it is finished: not where another process works on it."""
    run = RunDirectory(config.out)
    if not run.finished:
        try:
            with sole_writer(run.path):
                pass
        except UserError:
            return False
        train(config)
    return True


def measure(predictions: Predictions, dataset: ClipDataset) -> dict[str, Any]:
    """Score predictions: by reference and threshold, means over 13 and 15 joints, per joint, and each group's counts."""
    scored, found = list(dataset.skeleton.scored), {}
    for reference in ("person", "torso"):
        for threshold in (0.1, 0.2):
            part = samples(predictions, dataset, reference=reference, threshold=threshold)
            joints = np.nanmean(part.correct, axis=0)
            groups = {
                str(group): [int(np.nansum(rows)), int(np.isfinite(rows).sum())]
                for group in np.unique(part.groups)
                for rows in [part.correct[part.groups == group][:, scored]]
            }
            found[f"{reference} {threshold}"] = {
                "mean_13": float(joints[scored].mean()),
                "mean_15": float(joints.mean()),
                "joints": dict(zip(dataset.skeleton.joints, map(float, joints), strict=True)),
                "groups": groups,
            }
    return {**found, "exchanged": exchanged(predictions, dataset)}


def exchanged(predictions: Predictions, dataset: ClipDataset) -> float:
    """Return the share of frames in which some pair of left and right joints fits better exchanged, by 0.2 of the person."""
    count = frames = 0
    pairs = np.array(dataset.skeleton.flip_pairs)
    for clip, joints in zip(dataset, predictions.joints, strict=True):
        side = clip.boxes[:, 2:].max(axis=1)[:, None]
        as_is = np.linalg.norm(joints - clip.joints, axis=-1)[:, pairs].sum(axis=-1)
        other = np.linalg.norm(joints[:, dataset.skeleton.flip_permutation] - clip.joints, axis=-1)[:, pairs].sum(axis=-1)
        count += int((as_is - other > 0.2 * side).any(axis=1).sum())
        frames += len(clip)
    return count / frames


def score(config: RealPeople, fold: int, path: Path, way: str) -> dict[str, Any]:
    """Score a checkpoint on a split, one way; beside the scores, the commit that trained it."""
    dataset = open_dataset("sub_jhmdb", config.root, config.split, fold=fold)
    model, metadata = load_checkpoint(path)
    model = fuse(model.eval(), fold=True).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stubs lack it
    scores = measure(predict_clips(model, metadata, dataset, batch=2, **WAYS[way]), dataset)
    return {**scores, "trained_at": RunDirectory(path.parent).manifest["commit"]}


def main() -> None:
    """Train, score, and write after each score."""
    config = tyro.cli(RealPeople, description=__doc__)
    clean_commit()
    keep_memory()
    results = read_json(config.out) if config.out.is_file() else {"scores": {}}

    def keep(key: str, make: Any) -> None:
        if key not in results["scores"]:
            score = make()
            others = read_json(config.out)["scores"] if config.out.is_file() else {}  # of a process that shares the work
            results["scores"] |= others | {key: score}
            write_json(config.out, {**results, "manifest": manifest(config, device=torch.device("cpu"))})
        found = results["scores"][key]
        print(key, {name: f"{100 * found[name]['mean_13']:.1f}" for name in ("person 0.2", "torso 0.2", "torso 0.1")}, flush=True)

    for fold in config.splits:
        dataset = open_dataset("sub_jhmdb", config.root, config.split, fold=fold)
        results.setdefault("classes", sorted({clip.action for clip in dataset}))
        results.setdefault("data", {})[str(fold)] = checksums(dataset)
        movenet, _ = load_movenet(find_weights("movenet_thunder"), "movenet_thunder")
        keep(f"{config.split} {fold} movenet_thunder", lambda: measure(predict_movenet(movenet, dataset), dataset))  # noqa: B023
    for seed in config.seeds:
        for fold in config.splits:
            for name in ("encoder", *config.variants):
                run = plan(config, fold, seed, name)
                if not finish(run):
                    print(f"{run.out}: another process works on it; passed over", flush=True)
                    break
                for way in config.ways:
                    path = Path(run.out) / BEST
                    keep(f"{config.split} {fold} {seed} {name} {way}", lambda: score(config, fold, path, way))  # noqa: B023


if __name__ == "__main__":
    main()
