"""Training: an explicit loop. What decides the result is in TrainConfig, in this file and in `rpstn.train.data`.

A run is bit for bit the same when it is interrupted and resumed (same machine, CPU): sample i of a run depends on the seed and
on i alone, and the last checkpoint holds model, optimizer and step.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import ClipDataset
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.heatmaps import encode, heatmap_loss
from rpstn.models.backbones import STRIDE
from rpstn.models.checkpoints import save_checkpoint
from rpstn.models.files import BEST
from rpstn.models.pixels import normalize
from rpstn.runs.devices import choose_device, use_bf16
from rpstn.runs.directory import RunDirectory, seed_everything
from rpstn.runs.files import plain
from rpstn.runs.locks import sole_writer
from rpstn.runs.progress import tqdm
from rpstn.skeletons import name_skeleton
from rpstn.train.choice import val_score
from rpstn.train.config import TrainConfig
from rpstn.train.data import TrainingData, batches, open_training_data
from rpstn.train.rates import BACKBONES, fuse_backbones, learning_rate, parameter_groups, running_mean
from rpstn.train.resume import Progress, check_inputs, resume, save_state, smoothed
from rpstn.train.start import Network, new_model

# What measures a checkpoint's confidences: (checkpoint, val split, frames, device, progress).
Calibrate = Callable[[Path, ClipDataset, int, torch.device, bool], None]


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its directory, the checkpoint that scored best on val, and that score."""

    run: Path
    checkpoint: Path
    metrics: dict[str, Any]


def train(config: TrainConfig, *, progress: bool = True, calibrate: Calibrate | None = None) -> TrainResult:
    """Train a network, resume an interrupted run, or return a finished one at once.

    Writes into config.out: config.json and inputs.json (what it was asked for and given), log.csv (one row per step), last.pt
    (to resume), best.safetensors (best on val, the result), manifest.json (at the end). Raises UserError for a missing data set,
    for a directory that holds a run of another configuration, of other data or from another start, and where another process
    writes into it.

    calibrate  measures which confidences of the result are low, on config.calibration_frames frames of val, before the run counts
               as finished: `rpstn.video.calibrate.calibrate_run`, which the command line gives. None: they are assumed.
    """
    device = choose_device(config.device)
    data = open_training_data(config.data)
    seed_everything(config.seed)
    model, trained = new_model(config, data.training)
    run = RunDirectory(config.out)
    with contextlib.nullcontext() if run.finished else sole_writer(run.path):
        check_inputs(run.start(config), data.checksums(), config)
        if not run.finished:
            model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
            if config.optimizer.encoder_rate == 0 and device.type == "cpu":
                fuse_backbones(model)
            state = _take_steps(config, data, run, model, trained, device, progress)
            if calibrate is not None:
                calibrate(run / BEST, data.validation, config.calibration_frames, device, progress)
            _finish(config, data, run, model, state, device)
    return TrainResult(run.path, run / BEST, run.manifest["metrics"])


def _take_steps(
    config: TrainConfig,
    data: TrainingData,
    run: RunDirectory,
    model: Network,
    trained: list[str],
    device: torch.device,
    progress: bool,
) -> Progress:
    """Take the steps that are left, and leave the best checkpoint in the run's directory."""
    plan = config.optimizer
    optimizer = torch.optim.AdamW(parameter_groups(model, trained, plan), lr=plan.lr, weight_decay=plan.weight_decay)
    average = running_mean(model, plan.ema)
    state = resume(run, model, average, optimizer, device, use_bf16(config.precision, device))
    metadata = _metadata(config, data.training, model)
    parts = batches(config, data, state.step, device)
    smooth, started, saved = state.loss, time.monotonic() - state.seconds, time.monotonic()
    bar = tqdm(total=plan.steps, initial=state.step, desc=run.path.name, unit="step", disable=not progress, mininterval=0.5)
    with bar:
        for step in range(state.step, plan.steps):
            rate = learning_rate(step, plan)
            loss = _step(model, optimizer, rate, [next(parts) for _ in range(config.data.accumulate)], config, state.bf16)
            if not math.isfinite(loss):
                raise UserError(f"{config.out}: the loss is {loss} at step {step}; lower lr (now {plan.lr}), start a new run")
            smooth = smoothed(smooth, loss)
            if average is not None:
                average.update_parameters(model)
            bar.update()
            bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)

            done, scores = step + 1, dict[str, float]()
            if done == plan.steps or (config.validate_every and done % config.validate_every == 0):
                kept: Network = model if average is None else average.module  # type: ignore[assignment]  # of the same class
                scores = validate(kept, metadata, data.validation, config, state.bf16)
                if scores["val_score"] > state.best:
                    state.best = scores["val_score"]
                    save_checkpoint(run / BEST, kept, {**metadata, "step": done, **scores})

            state.log.append({"step": done, "loss": loss, "lr": rate, "val_pck": "", "val_score": "", **scores})
            state.step, state.seconds = done, time.monotonic() - started
            if done == plan.steps or time.monotonic() - saved > config.save_every:
                saved = time.monotonic()
                save_state(run, model, average, optimizer, state)
    return state


def _step(
    model: Network,
    optimizer: torch.optim.Optimizer,
    rate: float,
    parts: list[dict[str, torch.Tensor]],
    config: TrainConfig,
    bf16: bool,
) -> float:
    """Learn from one batch, given in parts, at a learning rate; return the loss. A loss that is not finite changes nothing."""
    model.train()
    if config.optimizer.encoder_rate == 0:  # frozen, statistics of its BatchNorms included
        for name, part in model.named_children():
            part.train(f"{name}." not in BACKBONES)
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    optimizer.zero_grad(set_to_none=True)
    loss = gradients(model, parts, config, bf16)
    if math.isfinite(loss):
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.optimizer.clip_norm)
        optimizer.step()
    return loss


def gradients(model: Network, parts: list[dict[str, torch.Tensor]], config: TrainConfig, bf16: bool) -> float:
    """Add up the gradients of one batch, given in parts, and return its loss.

    The loss is that of the whole batch; only the BatchNorms see one part at a time.
    """
    total = torch.stack([(part["visibility"] > 0).sum() for part in parts]).sum()
    value = 0.0
    for part in parts:
        loss = training_loss(model, part, config, bf16, total)
        loss.backward()
        value += loss.item()
    return value


def training_loss(
    model: Network, batch: dict[str, torch.Tensor], config: TrainConfig, bf16: bool, total: torch.Tensor | None = None
) -> torch.Tensor:
    """Compute the loss of clips {frames (B,T,S,S,3) uint8, joints (B,T,K,2), visibility (B,T,K)} on the model's device.

    total  annotated joints of the whole batch, where these clips are a part of it.
    """
    frames = normalize(batch["frames"], _input(model))
    with torch.autocast(frames.device.type, torch.bfloat16, enabled=bf16):
        heatmaps = model(frames).heatmaps
    side = config.data.size // STRIDE
    target = encode(batch["joints"], (side, side), STRIDE, config.data.sigma)
    return heatmap_loss(heatmaps.float(), target, batch["visibility"], total, config.optimizer.occluded_weight)


@torch.no_grad()
def validate(
    model: Network, metadata: dict[str, Any], dataset: ClipDataset, config: TrainConfig, bf16: bool = False
) -> dict[str, float]:
    """Score a split in windows of the training length, but of five at least.

    "val_score" is what chooses a checkpoint (`config.validate_by`), "val_pck" mean PCK@0.2 by person over annotated joints.

    Raises UserError where no joint of the split is annotated, and for heatmaps that are not finite.
    """
    window, batch = max(config.data.frames, 5), config.data.batch
    predictions = predict_clips(model.eval(), metadata, dataset, window=window, batch=batch, amp=bf16, progress=False)
    if not all(np.isfinite(values).all() for values in predictions.confidence):  # the loss does not see what the last step did
        raise UserError(f"{config.out}: the network diverged, its heatmaps are not finite; lower lr, start a new run")
    chosen_by = {"val_score": config.validate_by, "val_pck": "person 0.2"}
    scores = {name: val_score(predictions, dataset, by) for name, by in chosen_by.items()}
    if not all(map(math.isfinite, scores.values())):
        raise UserError(f"{dataset.name}: no joint of the val split can be scored by {config.validate_by}; check its labels")
    return scores


def _input(model: Network) -> str:
    assert model.config is not None  # `new_model` describes every network
    return model.config.input


def _metadata(config: TrainConfig, dataset: ClipDataset, model: Network) -> dict[str, Any]:
    """Say what a checkpoint says of its training."""
    described = {name: getattr(config.data, name) for name in ("fold", "size", "sigma", "frames")}
    return {**name_skeleton(dataset.skeleton), "dataset": dataset.name, **described, "input": _input(model)}


def _finish(
    config: TrainConfig, data: TrainingData, run: RunDirectory, model: Network, state: Progress, device: torch.device
) -> None:
    metrics = {
        "val_pck": state.best_pck,
        "val_score": state.best,
        "loss": state.loss,
        "steps": config.optimizer.steps,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    precision = "bf16" if state.bf16 else "fp32"
    run.finish(plain(config), seconds=state.seconds, device=device, metrics=metrics, precision=precision, data=data.checksums())
