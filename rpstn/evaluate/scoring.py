"""Scoring a checkpoint on a split: every frame is predicted, and PCK is given apart for all that a mean could hide."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rpstn.datasets import open_dataset
from rpstn.datasets.catalogue import TABLE
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.convert import convert_dataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError, check_seed
from rpstn.evaluate.author_checkpoints import load_author_network, predict_author_network
from rpstn.evaluate.inference import check_checkpoint, predict_clips, trained_on
from rpstn.evaluate.zero_shot import load_movenet, predict_movenet
from rpstn.heatmaps import REFINEMENTS
from rpstn.metrics.scores import score
from rpstn.metrics.standard import standard_score
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import find_weights
from rpstn.models.movenet import WIDTHS, MoveNet
from rpstn.runs.devices import choose_device
from rpstn.runs.directory import manifest
from rpstn.runs.files import write_json
from rpstn.runs.paths import default_place
from rpstn.runs.settings import check_settings
from rpstn.skeletons import SKELETONS, get_skeleton


@dataclass(frozen=True)
class EvaluateConfig:
    """What to score, and how."""

    # File that training wrote, or shipped weights such as embedded_rpstn; with `network`, its authors' .pth, or None for MoveNet
    checkpoint: Path | None = None
    dataset: str | None = None  # one of those that `rpstn data list` names; None: the one that the checkpoint was trained on
    root: Path | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int | None = None  # split of sub_jhmdb: 1, 2 or 3; None: the one that the checkpoint was trained on, else 1
    split: str = "test"  # train, val, test
    convert_to: str | None = None  # skeleton that the data set's labels are made into; None: its own; as trained, without dataset
    # simplebaseline_resnet50, hrnet_w32 ...: the checkpoint is its authors' own, scored their way; movenet_thunder, _lightning:
    network: str | None = None  # MoveNet as it comes with the package, on joints that it was not trained for, decoded its own way
    image_size: tuple[int, int] | None = None  # height and width in px that it takes; None: 256 192, for MPII's joints 256 256
    detections: Path | None = None  # a person detector's results for coco, whose boxes take the place of the labels'
    skip_damaged: bool = False  # leave out entries that cannot be used, and count them, instead of stopping
    seed: int = 0  # of the cut between train and val, where the data set has none
    window: int = 8  # frames that go through the network at once; 0: whole clips
    batch: int = 8  # windows at once; changes speed and memory, not the numbers (beyond rounding)
    flip_test: bool = False  # average with the prediction for the mirrored frames
    refine: str = "gaussian"  # step within a heatmap pixel: gaussian; dark, after a blur; quarter, as in published tables; none
    amp: bool = False  # bfloat16 autocast
    threshold: float = 0.2  # of PCK, as a fraction of the reference length
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    out: Path | None = None  # directory of the result; None: runs/evaluate/<run>-<checkpoint>-<data set>-<split>-<hash>

    def __post_init__(self) -> None:
        check_settings(self, paths=("checkpoint", "root", "detections", "out"))
        if self.checkpoint is None:
            if self.network not in WIDTHS:
                raise UserError("no checkpoint is given: a file that `rpstn train` wrote, or weights such as embedded_rpstn")
            object.__setattr__(self, "checkpoint", find_weights(self.network))
        if self.network in WIDTHS and (self.flip_test or self.image_size is not None):
            raise UserError(f"{self.network} is scored as it comes; leave out flip_test and image_size")
        check_seed(self.seed)
        for name, least in (("window", 0), ("batch", 1)):
            if getattr(self, name) < least:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least {least}")
        if self.refine not in REFINEMENTS:
            raise UserError(f"refine is {self.refine!r}; it must be one of {', '.join(REFINEMENTS)}")
        if self.detections is not None and self.convert_to is not None:
            raise UserError("detections have no labels that could be converted; leave out convert_to")
        if self.image_size is not None and self.network is None:
            raise UserError("image_size is for the authors' own checkpoints, named by network; others know their size")
        if not self.threshold > 0:
            raise UserError(f"threshold is {self.threshold}; it is a fraction of the body's size and must be positive")


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found: metrics as metrics.json holds them (see `rpstn.metrics.scores.score`); out: the directory."""

    metrics: dict[str, Any]
    predictions: Predictions
    out: Path


def evaluate(config: EvaluateConfig, progress: bool = True) -> EvaluationResult:
    """Predict and score a split, and save the result.

    Writes metrics.json (scores, see `rpstn.metrics.scores.score` and `rpstn.metrics.standard`, with what they were measured on;
    no absolute paths), predictions.npz (source pixels, see `Predictions`) and manifest.json, each whole or not at all.
    Raises UserError for a checkpoint that cannot be read, for one of another skeleton or another split of sub_jhmdb, for one that
    names no known data set where the config does not either, and for what the data set cannot give.
    """
    begun = time.perf_counter()
    device = choose_device(config.device)
    checkpoint = find_weights(config.checkpoint)
    model: torch.nn.Module
    if config.network is None:
        model, metadata = load_checkpoint(checkpoint)
    elif config.network in WIDTHS:
        model, metadata = load_movenet(checkpoint, config.network)
    else:
        model, metadata = load_author_network(checkpoint, config.network, config.image_size)
    unnamed, config = config.dataset is None, as_trained(config, metadata)
    try:
        dataset = _open(config)
    except UserError as error:
        if not unnamed:
            raise
        named = f"{checkpoint} was trained on data set {config.dataset}, and no other is named as dataset"
        raise UserError(f"{error} ({named})") from error
    if config.convert_to is not None:
        dataset = convert_dataset(dataset, get_skeleton(config.convert_to))
    if config.network not in WIDTHS:  # MoveNet's joints become those of the data set
        check_checkpoint(metadata, dataset, checkpoint)
    predictions = _predict(config, model.to(device), metadata, dataset, progress)
    metrics = _measured(config, checkpoint, metadata, dataset, predictions)
    out = Path(config.out) if config.out else default_out(replace(config, checkpoint=checkpoint))
    predictions.save(out / "predictions.npz")
    write_json(out / "metrics.json", metrics)
    written = manifest(
        config,
        device=device,
        data=dataset.checksum(),
        seconds=time.perf_counter() - begun,
        metrics={reference: parts["all"]["mean"] for reference, parts in metrics["scores"].items()},
    )
    write_json(out / "manifest.json", written)
    return EvaluationResult(metrics, predictions, out)


def _open(config: EvaluateConfig) -> ClipDataset:
    """Open the data set of a config that `as_trained` completed."""
    assert config.dataset is not None and config.fold is not None
    return open_dataset(
        config.dataset,
        root=config.root,
        split=config.split,
        fold=config.fold,
        seed=config.seed,
        skip_damaged=config.skip_damaged,
        detections=config.detections,
    )


def _predict(
    config: EvaluateConfig, model: torch.nn.Module, metadata: dict[str, Any], dataset: ClipDataset, progress: bool
) -> Predictions:
    settings: dict[str, Any] = {name: getattr(config, name) for name in ("batch", "flip_test", "refine", "amp")}
    if config.network is None:
        return predict_clips(model, metadata, dataset, config.window, progress=progress, **settings)
    if isinstance(model, MoveNet):
        return predict_movenet(model, dataset, metadata["size"], batch=config.batch, progress=progress)
    return predict_author_network(model, metadata, dataset, progress=progress, **settings)


def _measured(
    config: EvaluateConfig, checkpoint: Path, metadata: Mapping[str, Any], dataset: ClipDataset, predictions: Predictions
) -> dict[str, Any]:
    """Score the predictions, and say what was scored and how."""
    return {
        "checkpoint": {
            "name": f"{checkpoint.resolve().parent.name}/{checkpoint.name}",
            "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        },
        "window": predictions.window,
        **({} if config.network is None else {"network": config.network, "image_size": _size(metadata)}),
        "flip_test": config.flip_test,
        "refine": config.refine,
        "amp": config.amp,
        "fold": config.fold,
        "convert_to": config.convert_to,
        "labels": dataset.checksum(),
        "boxes": "ground truth" if config.detections is None else "detector",
        **score(predictions, dataset, threshold=config.threshold),
        **standard_score(predictions, dataset, seed=config.seed),
    }


def _size(metadata: Mapping[str, Any]) -> list[int]:
    """Return height and width in px that a network of others takes."""
    return list(metadata.get("image_size") or [metadata["size"]] * 2)


def as_trained(config: EvaluateConfig, metadata: Mapping[str, Any]) -> EvaluateConfig:
    """Fill in what the config leaves open as the checkpoint was trained: data set, split of sub_jhmdb, joints."""
    assert config.checkpoint is not None
    if config.dataset is None:
        name = trained_on(metadata, config.checkpoint)
        learned, convert_to = metadata["skeleton"], config.convert_to
        if convert_to is None and config.detections is None and learned in SKELETONS and learned != TABLE[name].skeleton:
            convert_to = learned  # it was trained on this data set's labels in other joints
        config = replace(config, dataset=name, convert_to=convert_to)
    if config.fold is None:
        fold = metadata.get("fold") if metadata["dataset"] == config.dataset else None
        config = replace(config, fold=int(fold or 1))
    return config


def default_out(config: EvaluateConfig) -> Path:
    """Name the folder runs/evaluate/<run>-<checkpoint>-<data set>-<split>-<hash> in the project's folder (`rpstn.runs.paths`).

    The hash is of all settings, the checkpoint's whole path among them: two evaluations share a folder only if they are the same.
    """
    assert config.checkpoint is not None  # `EvaluateConfig` gives one
    settings = repr(replace(config, checkpoint=Path(config.checkpoint).resolve())).encode()
    checkpoint = Path(config.checkpoint)
    fold = f"-fold{config.fold}" if config.dataset == "sub_jhmdb" else ""
    return default_place(
        "runs",
        "evaluate",
        f"{checkpoint.resolve().parent.name}-{checkpoint.stem}-{config.dataset}{fold}-{config.split}-"
        f"{hashlib.sha256(settings).hexdigest()[:8]}",
    )
