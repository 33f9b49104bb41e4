"""Training: an explicit loop. What decides the result stands in TrainConfig, in this file and in `rpstn.train.data`.

A run is bit for bit the same when it is interrupted and resumed (same machine, CPU): sample i of a run depends on the seed and
on i alone, and the last checkpoint holds model, optimizer and step.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from rpstn.datasets.clip import ClipDataset
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.heatmaps import encode, heatmap_loss, target_statistics
from rpstn.metrics.keypoints import summarize
from rpstn.metrics.scores import samples
from rpstn.models.backbones import STRIDE
from rpstn.models.checkpoints import save_checkpoint
from rpstn.models.image import FrameByFrame, ImageConfig, image_model
from rpstn.models.pixels import normalize
from rpstn.models.rpstn import RPSTN
from rpstn.models.starting import load_backbone, start_from, start_image_from, start_image_from_author
from rpstn.runs.devices import choose_device, use_bf16
from rpstn.runs.directory import RunDirectory, seed_everything
from rpstn.runs.files import plain
from rpstn.runs.locks import sole_writer
from rpstn.runs.progress import tqdm
from rpstn.skeletons import name_skeleton
from rpstn.train.config import TrainConfig
from rpstn.train.data import TrainingData, batches, open_training_data
from rpstn.train.rates import learning_rate, parameter_groups
from rpstn.train.resume import Progress, check_inputs, resume, save_state, smoothed, smoothed_loss

# What measures a checkpoint's confidences: (checkpoint, val split, frames, device, progress).
Calibrate = Callable[[Path, ClipDataset, int, torch.device, bool], None]


@dataclass(frozen=True)
class TrainResult:
    """A finished run: its directory, the checkpoint that scored best on val, and that score."""

    run: Path
    checkpoint: Path
    metrics: dict[str, Any]


def new_model(config: TrainConfig, dataset: ClipDataset) -> tuple[RPSTN | FrameByFrame, list[str]]:
    """The network as it is before the first step: random weights, then those of the files that the run starts from.

    Returned with the modules that came trained, from `init`. Raises UserError for files that do not fit, and for those that
    were trained on another official split of the data set.
    """
    trained: list[str] = []
    described = config.model_config(dataset)
    if isinstance(described, ImageConfig):
        network = image_model(described)
        if config.init is not None:
            trained = start_image_from(network, config.init, dataset.fold)
        if config.encoder_weights is not None:
            start_image_from_author(network, config.encoder_weights)
        return network, trained
    model = RPSTN(described)
    model.expect_targets(*target_statistics(config.sigma, config.size // STRIDE))
    if config.init is not None:
        trained = start_from(model, config.init, dataset.skeleton, dataset.fold)
    if config.encoder_weights is not None:
        load_backbone(model.encoder, config.encoder_weights, dataset.fold)
    if config.initializer_weights is not None:
        load_backbone(model.initializer, config.initializer_weights, dataset.fold)
    return model, trained


def training_loss(
    model: RPSTN | FrameByFrame,
    batch: dict[str, torch.Tensor],
    config: TrainConfig,
    bf16: bool,
    total: torch.Tensor | None = None,
) -> torch.Tensor:
    """Loss of clips {frames (B,T,S,S,3) uint8, joints (B,T,K,2), visibility (B,T,K)} that lie on the model's device.

    total  annotated joints of the whole batch, where these clips are a part of it.
    """
    frames = normalize(batch["frames"], model.config.input)
    with torch.autocast(frames.device.type, torch.bfloat16, enabled=bf16):
        heatmaps = model(frames).heatmaps
    side = config.size // STRIDE
    target = encode(batch["joints"], (side, side), STRIDE, config.sigma)
    return heatmap_loss(heatmaps.float(), target, batch["visibility"], total)


def gradients(model: RPSTN | FrameByFrame, parts: list[dict[str, torch.Tensor]], config: TrainConfig, bf16: bool) -> float:
    """Adds up the gradients of one batch, given in parts, and returns its loss.

    The loss is that of the whole batch; only the BatchNorms see one part at a time.
    """
    total = torch.stack([(part["visibility"] > 0).sum() for part in parts]).sum()
    value = 0.0
    for part in parts:
        loss = training_loss(model, part, config, bf16, total)
        loss.backward()
        value += loss.item()
    return value


def train(config: TrainConfig, *, progress: bool = True, calibrate: Calibrate | None = None) -> TrainResult:
    """Train a network, or go on with an interrupted run, or return a finished one at once.

    Writes into config.out: config.json and inputs.json (what it was asked for and given), log.csv (a row a step), last.pt (to
    resume), best.pt (best on val, the result), manifest.json (at the end). Raises UserError for a missing data set, for a
    directory that holds a run of another configuration, of other data or from another start, and where another process writes
    into it.

    calibrate  measures which confidences of best.pt are low, on config.calibration_frames frames of val, before the run counts
               as finished: `rpstn.video.calibrate.calibrate_run`, which the command line gives. None: they are assumed.
    """
    device = choose_device(config.device)
    data = open_training_data(config)
    seed_everything(config.seed)
    model, trained = new_model(config, data.training)
    run = RunDirectory(config.out)
    with contextlib.nullcontext() if run.finished else sole_writer(run.path):
        check_inputs(run.start(config), data.checksums(), config)
        if not run.finished:
            model = model.to(device, memory_format=torch.channels_last)
            state = _train(config, data, run, model, trained, device, progress)
            if calibrate is not None:
                calibrate(run / "best.pt", data.validation, config.calibration_frames, device, progress)
            _finish(config, data, run, model, state, device)
    return TrainResult(run.path, run / "best.pt", run.manifest["metrics"])


def _train(
    config: TrainConfig,
    data: TrainingData,
    run: RunDirectory,
    model: RPSTN | FrameByFrame,
    trained: list[str],
    device: torch.device,
    progress: bool,
) -> Progress:
    """Take the steps that are left, and leave the best checkpoint behind."""
    optimizer = torch.optim.AdamW(parameter_groups(model, trained, config), lr=config.lr, weight_decay=config.weight_decay)
    state = resume(run, model, optimizer, device, use_bf16(config.precision, device))
    metadata = _meta(config, data.training, model)
    parts = batches(config, data, state.step, device)
    started, saved, smooth = time.monotonic() - state.seconds, time.monotonic(), smoothed_loss(state.log)
    bar = tqdm(total=config.steps, initial=state.step, desc=run.path.name, unit="step", disable=not progress, mininterval=0.5)
    with bar:
        for step in range(state.step, config.steps):
            rate = learning_rate(step, config)
            loss = _step(model, optimizer, rate, [next(parts) for _ in range(config.accumulate)], config, state.bf16)
            if not math.isfinite(loss):
                raise UserError(f"{config.out}: the loss is {loss} at step {step}; lower lr (now {config.lr}), start a new run")
            smooth = smoothed(smooth, loss)
            bar.update()
            bar.set_postfix(loss=f"{smooth:.3f}", refresh=False)

            row = {"step": step + 1, "loss": loss, "lr": rate, "val_pck": ""}
            best, done = state.best, step + 1 == config.steps
            if done or (config.validate_every and (step + 1) % config.validate_every == 0):
                row["val_pck"] = validate(model, metadata, data.validation, config, state.bf16)
                if row["val_pck"] > best:
                    best = row["val_pck"]
                    save_checkpoint(run / "best.pt", model, {**metadata, "step": step + 1, "val_pck": best})
            state.log.append(row)
            state = replace(state, step=step + 1, best=best, seconds=time.monotonic() - started)
            if done or time.monotonic() - saved > config.save_every:
                saved = time.monotonic()
                save_state(run, model, optimizer, state)
    return state


def _step(
    model: RPSTN | FrameByFrame, optimizer: torch.optim.Optimizer, rate: float, parts: list, config: TrainConfig, bf16: bool
) -> float:
    """Learn from one batch, given in parts, at a learning rate; returns the loss. A loss that is not finite changes nothing."""
    model.train()
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
    optimizer.zero_grad(set_to_none=True)
    loss = gradients(model, parts, config, bf16)
    if math.isfinite(loss):
        torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip_norm)
        optimizer.step()
    return loss


def _meta(config: TrainConfig, dataset: ClipDataset, model: RPSTN | FrameByFrame) -> dict[str, Any]:
    """What a checkpoint says of its training."""
    described = {name: getattr(config, name) for name in ("fold", "size", "sigma", "frames")}
    return {**name_skeleton(dataset.skeleton), "dataset": dataset.name, **described, "input": model.config.input}


def _finish(
    config: TrainConfig, data: TrainingData, run: RunDirectory, model: torch.nn.Module, state: Progress, device: torch.device
) -> None:
    metrics = {
        "val_pck": state.best,
        "loss": smoothed_loss(state.log),
        "steps": config.steps,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    precision = "bf16" if state.bf16 else "fp32"
    run.finish(plain(config), seconds=state.seconds, device=device, metrics=metrics, precision=precision, data=data.checksums())


@torch.no_grad()
def validate(model: RPSTN, metadata: dict, dataset: ClipDataset, config: TrainConfig, bf16: bool = False) -> float:
    """Mean PCK@0.2 (person) over all annotated joints of the val split, in windows of the training length, but of five at least.

    Raises UserError where no joint of the split is annotated.
    """
    predictions = predict_clips(
        model.eval(), metadata, dataset, window=max(config.frames, 5), batch=config.batch, amp=bf16, progress=False
    )
    mean = summarize(samples(predictions, dataset, reference="person").correct).mean
    if not math.isfinite(mean):
        raise UserError(f"{dataset.name}: no joint of the val split is annotated, so none can be scored; check its labels")
    return float(mean)
