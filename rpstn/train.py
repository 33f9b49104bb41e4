"""Training: an explicit loop. What decides the result stands in TrainConfig, in this file and in `rpstn.training_data`.

A run is bit for bit the same when it is interrupted and resumed (same machine, CPU): sample i of a run depends on the seed and
on i alone, and the last checkpoint holds model, optimizer and step.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch

from rpstn.calibration import calibrate_run
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.transforms import Augmentation, normalise
from rpstn.devices import choose_device, use_bf16
from rpstn.errors import UserError
from rpstn.evaluate import predict_clips
from rpstn.heatmaps import encode, heatmap_loss, target_statistics
from rpstn.locks import sole_writer
from rpstn.memory import keep_memory
from rpstn.metrics.keypoints import summarise
from rpstn.metrics.scores import samples
from rpstn.models.backbones import STRIDE
from rpstn.models.checkpoints import save_checkpoint, start_from
from rpstn.models.image import FrameByFrame
from rpstn.models.image_config import ImageConfig, check_image_size, image_model, start_image_from, start_image_official
from rpstn.models.released import load_backbone
from rpstn.models.rpstn import RPSTN, RPSTNConfig, check_size
from rpstn.progress import tqdm
from rpstn.project import default_place
from rpstn.rates import learning_rate, parameter_groups
from rpstn.resuming import Progress, check_inputs, resume, save_state, smoothed, smoothed_loss
from rpstn.run_settings import PATHS
from rpstn.runs import RunDirectory, plain, seed_everything
from rpstn.settings import check_settings
from rpstn.skeletons import SKELETONS, get_skeleton, name_skeleton
from rpstn.training_data import TrainingData, batches, beside_count, check_batch_norm, open_training_data


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are those of the demo on two CPU cores."""

    dataset: str = "embedded"  # one of those that `rpstn data list` names
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1  # split of sub_jhmdb: 1, 2 or 3
    convert_to: str | None = None  # skeleton whose joints are learned, such as penn_action; None: the data set's own
    skip_damaged: bool = False  # leave out entries that cannot be used, and say how many, instead of stopping
    beside: str | None = None  # data set of single pictures that fill a part of every batch, such as lspet; only with frames 1
    beside_root: str | None = None  # folder of beside; None: as for root. Entries that cannot be used are left out
    beside_share: float = 0.5  # the part of each batch that beside fills, above 0 and below 1
    out: str = field(default_factory=lambda: default_place("runs", "rpstn").as_posix())  # run directory
    init: str | None = None  # checkpoint whose encoder and head this run starts from
    init_rate: float = 0.25  # learning rate of what came from init, as a fraction of lr: it is trained already
    encoder_weights: str | None = None  # SimpleBaseline, torchvision or own file for the encoder; network's official file
    initializer_weights: str | None = None  # the same for the initializer
    network: str | None = None  # image network instead of RPSTN: small, simplebaseline_resnet50, hrnet_w32, ...; frame by frame
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
    steps: int = 1000  # of batch clips each
    lr: float = 2e-3  # highest learning rate of AdamW
    warmup: int = 50  # steps in which the rate rises to lr; then it falls to 0 along a cosine
    weight_decay: float = 1e-2  # of AdamW
    clip_norm: float = 10.0  # gradients above this norm are scaled down to it
    augmentation: Augmentation = field(default_factory=Augmentation)
    validate_every: int = 0  # steps between validations; 0: at the end only
    save_every: float = 60.0  # seconds between checkpoints to resume from
    calibration_frames: int = 600  # val frames, about, that limits of confidence are measured on at the end; 0: none
    precision: str = "auto"  # auto, fp32, bf16
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    workers: int = 0  # processes that read ahead; 0 reads in the loop
    seed: int = 2021  # of weights, samples and their variation

    def __post_init__(self) -> None:
        check_settings(self, paths=PATHS)
        for name in ("frames", "batch", "accumulate", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("warmup", "validate_every", "workers", "weight_decay", "save_every", "calibration_frames"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must not be negative, but is {getattr(self, name)}")
        if self.batch % self.accumulate:
            raise UserError(
                f"batch {self.batch} cannot be computed in {self.accumulate} equal parts; choose a divisor as accumulate"
            )
        if self.beside is not None and self.frames > 1:
            raise UserError(f"{self.beside} gives single pictures; put them beside single frames (frames 1, not {self.frames})")
        beside_count(self)
        check_batch_norm(self)
        if self.initializer_weights is not None and self.propagation == "none":
            raise UserError("without propagation there is no initializer; leave initializer_weights empty")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise UserError(f"precision must be auto, fp32 or bf16, not {self.precision!r}")
        for name in ("lr", "sigma", "clip_norm", "init_rate"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed must lie in 0 .. 2**32 - 1, not {self.seed}")
        try:  # names of backbones and variants, and the size: before anything is read or written
            if self.network is None:
                check_size(self.size, self.size)
            else:
                check_image_size(self.size)
            self._described(1, None)
            if self.convert_to is not None:
                get_skeleton(self.convert_to)
        except ValueError as error:
            raise UserError(str(error)) from error

        if self.network is not None and self.propagation != "none":
            raise UserError(f"an image network sees one frame; choose propagation none with network {self.network}")

    def _described(self, joints: int, skeleton: str | None) -> RPSTNConfig | ImageConfig:
        kind = RPSTNConfig if self.network is None else ImageConfig
        shared = {f.name for f in fields(kind)} & {f.name for f in fields(self)}
        return kind(joints=joints, skeleton=skeleton, **{name: getattr(self, name) for name in shared})

    def model_config(self, dataset: ClipDataset) -> RPSTNConfig | ImageConfig:
        """The network for a data set's joints."""
        skeleton = dataset.skeleton
        known = SKELETONS.get(skeleton.name) == skeleton
        described = self._described(len(skeleton), skeleton.name if known else None)
        # The limbs of a skeleton that only its data set describes cannot be looked up by a name.
        return described if known or isinstance(described, ImageConfig) else replace(described, graph=skeleton.graph)


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
            start_image_official(network, config.encoder_weights)
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
    frames = normalise(batch["frames"], model.config.input)
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


def train(config: TrainConfig, *, progress: bool = True) -> TrainResult:
    """Train a network, or go on with an interrupted run, or return a finished one at once.

    Writes into config.out: config.json and inputs.json (what it was asked for and given), log.csv (a row a step), last.pt (to
    resume), best.pt (best on val, the result), best.calibration.json (which of its confidences are low, measured on val:
    `rpstn.calibration`), manifest.json (at the end). Raises UserError for a missing data set, for a directory that holds a run of
    another configuration, of other data or from another start, and where another process writes into it.
    """
    device = choose_device(config.device)
    data = open_training_data(config)
    keep_memory()
    seed_everything(config.seed)
    model, trained = new_model(config, data.training)
    run = RunDirectory(config.out)
    with contextlib.nullcontext() if run.finished else sole_writer(run.path):
        check_inputs(run.start(config), data.checksums(), config)
        if not run.finished:
            model = model.to(device, memory_format=torch.channels_last)
            state = _train(config, data, run, model, trained, device, progress)
            calibrate_run(run / "best.pt", data.validation, config.calibration_frames, device, progress)
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
    meta = _meta(config, data.training, model)
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
                row["val_pck"] = validate(model, meta, data.validation, config, state.bf16)
                if row["val_pck"] > best:
                    best = row["val_pck"]
                    save_checkpoint(run / "best.pt", model, {**meta, "step": step + 1, "val_pck": best})
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
def validate(model: RPSTN, meta: dict, dataset: ClipDataset, config: TrainConfig, bf16: bool = False) -> float:
    """Mean PCK@0.2 (person) over all annotated joints of the val split, in windows of the training length, but of five at least.

    Raises UserError where no joint of the split is annotated.
    """
    predictions = predict_clips(
        model.eval(), meta, dataset, window=max(config.frames, 5), batch=config.batch, amp=bf16, progress=False
    )
    mean = summarise(samples(predictions, dataset, reference="person").right).mean
    if not math.isfinite(mean):
        raise UserError(f"{dataset.name}: no joint of the val split is annotated, so none can be scored; check its labels")
    return float(mean)


if __name__ == "__main__":
    from rpstn.cli import main

    raise SystemExit(main(["train"]))
