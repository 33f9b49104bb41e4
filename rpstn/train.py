"""Training: an explicit loop. Everything that decides the result stands in TrainConfig and in this file.

A run is bit for bit the same when it is interrupted and resumed (same machine, CPU): sample i of a run depends on the seed and
on i alone, and the last checkpoint holds model, optimizer and step.
"""

from __future__ import annotations

import csv
import math
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset
from tqdm import tqdm

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.transforms import Augmentation, normalise
from rpstn.datasets.windows import TrainingWindows
from rpstn.errors import UserError
from rpstn.evaluate import predict_clips
from rpstn.heatmaps import encode, heatmap_loss
from rpstn.metrics.scores import samples
from rpstn.models.backbones import STRIDE
from rpstn.models.checkpoints import save_atomically, save_checkpoint, start_from
from rpstn.models.rpstn import RPSTN, RPSTNConfig
from rpstn.runs import RunDirectory, plain, seed_everything


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are those of the demo on two CPU cores."""

    dataset: str = "embedded"  # embedded, penn_action, sub_jhmdb
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1  # split of sub_jhmdb: 1, 2 or 3
    out: str = "runs/rpstn"  # run directory
    init: str | None = None  # checkpoint whose encoder and head this run starts from
    encoder: str = "small"  # backbone F
    initializer: str = "small"  # backbone P
    relation: str = "on"  # on, off, manual
    propagation: str = "matching"  # matching, concat, none
    relation_layout: str = "paper"  # paper, released
    relation_scale: str = "none"  # none, sqrt, mean, learned
    frames: int = 5  # T, frames a clip
    size: int = 128  # input side in px: 64, 128, 192 or 256
    sigma: float = 1.5  # of the targets, in heatmap px
    batch: int = 8  # clips a step
    accumulate: int = 1  # parts that a batch is computed in, to save memory
    steps: int = 1000
    lr: float = 2e-3  # highest learning rate of AdamW
    warmup: int = 50  # steps in which the rate rises to lr; then it falls to 0 along a cosine
    weight_decay: float = 1e-2
    clip_norm: float = 10.0  # gradients above this norm are scaled down to it
    augmentation: Augmentation = field(default_factory=Augmentation)
    validate_every: int = 0  # steps between validations; 0: at the end only
    save_every: float = 60.0  # seconds between checkpoints to resume from
    precision: str = "auto"  # auto, fp32, bf16
    device: str = "auto"  # auto, cpu, cuda
    workers: int = 0  # processes that read ahead; 0 reads in the loop
    seed: int = 2021

    def __post_init__(self) -> None:
        for name in ("frames", "batch", "accumulate", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.batch % self.accumulate:
            raise UserError(
                f"batch {self.batch} cannot be computed in {self.accumulate} equal parts; choose a divisor as accumulate"
            )
        if self.precision not in ("auto", "fp32", "bf16"):
            raise UserError(f"precision must be auto, fp32 or bf16, not {self.precision!r}")
        if self.lr <= 0 or self.sigma <= 0:
            raise UserError(f"lr and sigma must be positive, not {self.lr} and {self.sigma}")

    def model_config(self, dataset: ClipDataset) -> RPSTNConfig:
        """The network for a data set's joints."""
        shared = {f.name for f in fields(RPSTNConfig)} & {f.name for f in fields(self)}
        return RPSTNConfig(
            joints=len(dataset.skeleton), skeleton=dataset.skeleton.name, **{name: getattr(self, name) for name in shared}
        )


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its directory, the checkpoint that scored best on val, and that score."""

    run: Path
    checkpoint: Path
    metrics: dict[str, Any]


def choose_device(name: str = "auto") -> torch.device:
    """The named device, or the GPU where there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise UserError("device cuda was asked for, but torch finds no GPU; use --device cpu, or install a CUDA build of torch")
    return torch.device(name)


def use_bf16(precision: str, device: torch.device) -> bool:
    """Whether to compute in bfloat16: "auto" does where the hardware has it, and not where it would be emulated."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return device.type == "cpu" and any(check() for check in checks if check is not None)


def learning_rate(step: int, config: TrainConfig) -> float:
    """Linear warm-up over the first steps, a fifth of all at most; then half a cosine down to 0."""
    warmup = min(config.warmup, config.steps // 5)
    if step < warmup:
        return config.lr * (step + 1) / warmup
    progress = (step - warmup) / max(1, config.steps - warmup)
    return config.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def training_loss(model: RPSTN, batch: dict[str, torch.Tensor], config: TrainConfig, bf16: bool) -> torch.Tensor:
    """Loss of one batch {frames (B,T,S,S,3) uint8, joints (B,T,K,2), visibility (B,T,K)} that lies on the model's device."""
    frames = normalise(batch["frames"], model.config.input)
    with torch.autocast(frames.device.type, torch.bfloat16, enabled=bf16):
        heatmaps = model(frames).heatmaps
    side = config.size // STRIDE
    target = encode(batch["joints"], (side, side), STRIDE, config.sigma)
    return heatmap_loss(heatmaps.float(), target, batch["visibility"])


def train(config: TrainConfig, *, progress: bool = True) -> TrainResult:
    """Trains, or goes on with an interrupted run, or returns a finished one at once.

    Writes into config.out: config.json, log.csv (a row a step), last.pt (to resume), best.pt (best on val, the result),
    manifest.json (at the end). Raises UserError for a missing data set, or a directory that holds a run of another configuration.
    """
    run = RunDirectory(config.out)
    parameters = plain(config)
    training = open_dataset(config.dataset, config.root, split="train", fold=config.fold, seed=config.seed)
    validation = open_dataset(config.dataset, config.root, split="val", fold=config.fold, seed=config.seed)
    run.start(config)
    if run.finished:
        return TrainResult(run.path, run / "best.pt", run.manifest["metrics"])

    device = choose_device(config.device)
    bf16 = use_bf16(config.precision, device)
    seed_everything(config.seed)
    model = RPSTN(config.model_config(training))
    if config.init is not None:
        start_from(model, config.init)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    meta = {
        "skeleton": training.skeleton.name,
        "dataset": training.name,
        "size": config.size,
        "sigma": config.sigma,
        "frames": config.frames,
        "input": model.config.input,
    }
    first, seconds_before, best, log = _resume(run, model, optimizer, device)

    windows = TrainingWindows(
        training,
        config.frames,
        config.size,
        steps=config.steps,
        batch=config.batch,
        seed=config.seed,
        augmentation=config.augmentation,
    )
    part = config.batch // config.accumulate
    loader = DataLoader(
        Subset(windows, range(first * config.batch, config.steps * config.batch)),
        batch_size=part,
        num_workers=config.workers,
        pin_memory=device.type == "cuda",
        persistent_workers=config.workers > 0,
    )
    batches = iter(loader)
    started = saved = time.monotonic()
    bar = tqdm(
        total=config.steps,
        initial=first,
        desc=Path(config.out).name,
        unit="step",
        disable=not progress,
        ncols=100,
        mininterval=0.5,
    )
    smooth = None
    with bar:
        for step in range(first, config.steps):
            model.train()
            rate = learning_rate(step, config)
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.zero_grad(set_to_none=True)
            total = 0.0
            for _ in range(config.accumulate):
                batch = {name: value.to(device, non_blocking=True) for name, value in next(batches).items()}
                loss = training_loss(model, batch, config, bf16) / config.accumulate
                loss.backward()
                total += loss.item()
            if not math.isfinite(total):
                raise UserError(
                    f"{config.out}: the loss is {total} at step {step}; lower lr (now {config.lr}) and start a new run"
                )
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
            optimizer.step()
            smooth = total if smooth is None else 0.95 * smooth + 0.05 * total
            bar.update()
            bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)

            row = {"step": step + 1, "loss": total, "lr": rate, "val_pck": ""}
            done = step + 1 == config.steps
            if done or (config.validate_every and (step + 1) % config.validate_every == 0):
                row["val_pck"] = validate(model, meta, validation, config)
                if row["val_pck"] > best:
                    best = row["val_pck"]
                    save_checkpoint(run / "best.pt", model, {**meta, "step": step + 1, "val_pck": best})
            log.append(row)
            if done or time.monotonic() - saved > config.save_every:
                saved = time.monotonic()
                elapsed = seconds_before + saved - started
                _save_state(run, model, optimizer, step + 1, elapsed, best, log)
    elapsed = seconds_before + time.monotonic() - started
    metrics = {"val_pck": best, "loss": smooth, "steps": config.steps, "parameters": sum(p.numel() for p in model.parameters())}
    run.finish(
        parameters,
        seconds=elapsed,
        device=device,
        metrics=metrics,
        precision="bf16" if bf16 else "fp32",
        data={"train": training.checksum(), "val": validation.checksum()},
    )
    return TrainResult(run.path, run / "best.pt", metrics)


@torch.no_grad()
def validate(model: RPSTN, meta: dict, dataset: ClipDataset, config: TrainConfig) -> float:
    """Mean PCK@0.2 (person) over all annotated joints of the val split, in windows of the training length."""
    predictions = predict_clips(model.eval(), meta, dataset, window=max(config.frames, 5), batch=config.batch, progress=False)
    return float(np.nanmean(np.nanmean(samples(predictions, dataset, reference="person").right, axis=0)))


def _save_state(run: RunDirectory, model: RPSTN, optimizer, step: int, seconds: float, best: float, log: list[dict]) -> None:
    """What a resumed run needs. The log goes into it too, so that the CSV never runs ahead of the weights."""
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
        "seconds": seconds,
        "best": best,
        "log": log,
    }
    save_atomically(state, run / "last.pt")
    with open(run / "log.csv", "w", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=["step", "loss", "lr", "val_pck"])
        writer.writeheader()
        writer.writerows(log)


def _resume(run: RunDirectory, model: RPSTN, optimizer, device: torch.device) -> tuple[int, float, float, list[dict]]:
    """(first step, seconds spent before, best score, log) of an interrupted run; zeros for a new one."""
    path = run / "last.pt"
    if not path.is_file():
        return 0, 0.0, -1.0, []
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:
        raise UserError(
            f"{path} cannot be resumed from ({type(error).__name__}: {error}); remove {run.path} and train again"
        ) from error
    return state["step"], state["seconds"], state["best"], state["log"]


if __name__ == "__main__":
    from rpstn.cli import main

    raise SystemExit(main(["train"]))
