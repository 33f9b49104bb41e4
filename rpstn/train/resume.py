"""What a training run leaves on disk to go on from: what it was given, its last state, its log."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import Any

import torch

from rpstn.errors import UserError
from rpstn.models.checkpoints import save_atomically
from rpstn.models.efficientnet import imagenet_file
from rpstn.models.files import find_weights, load_tensors
from rpstn.models.image import FrameByFrame
from rpstn.models.rpstn import RPSTN
from rpstn.runs.directory import RunDirectory
from rpstn.runs.files import read_json, write_json, write_text
from rpstn.runs.same_run import differences
from rpstn.train.config import TrainConfig


def check_inputs(run: RunDirectory, data: dict[str, str], config: TrainConfig) -> None:
    """Remembers what a run was given, and refuses to take a run on other data, or from another start, for this one."""
    starts = {name: getattr(config, name) for name in ("init", "encoder_weights", "initializer_weights")}
    given = {"data": data, "init": None} | {
        name: hashlib.sha256((imagenet_file() if path == "imagenet" else find_weights(path)).read_bytes()).hexdigest()
        for name, path in starts.items()
        if path is not None
    }
    path = run / "inputs.json"
    if not path.is_file():
        write_json(path, given)
    elif differing := differences(read_json(path), given):
        raise UserError(
            f"{run.path}: holds a run that was given other labels or weights (checksums of {differing}); give the same to resume "
            "it, or choose another out"
        )


@dataclass(frozen=True)
class Progress:
    """How far a run has come.

    step     the first one that is still to be done.
    seconds  that it took so far.
    best     score of its best checkpoint.
    log      a row a step.
    bf16     whether it computes in bfloat16: "auto" is asked once, or a run that moves to another machine would change.
    """

    step: int
    seconds: float
    best: float
    log: list[dict[str, Any]]
    bf16: bool


def save_state(run: RunDirectory, model: RPSTN | FrameByFrame, optimizer, progress: Progress) -> None:
    """Save what a resumed run needs. The log goes into it too, so that the CSV never runs ahead of the weights."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    save_atomically(state | vars(progress), run / "last.pt")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=["step", "loss", "lr", "val_pck"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(progress.log)
    write_text(run / "log.csv", text.getvalue())


def resume(run: RunDirectory, model: RPSTN | FrameByFrame, optimizer, device: torch.device, bf16: bool) -> Progress:
    """Load an interrupted run into model and optimizer, and tell how far it is. bf16: what a new run computes in."""
    path = run / "last.pt"
    if not path.is_file():
        return Progress(0, 0.0, -1.0, [], bf16)
    state = load_tensors(path, remedy="restore it, or train into another out directory", device=device)
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:
        raise UserError(
            f"{path} cannot be resumed from ({type(error).__name__}); choose another out to train again, or move it away"
        ) from error
    return Progress(state["step"], state["seconds"], state["best"], state["log"], state.get("bf16", bf16))


def smoothed_loss(log: list[dict[str, Any]]) -> float | None:
    """Give the running mean of the loss after a log's last row."""
    smooth = None
    for row in log:
        smooth = smoothed(smooth, row["loss"])
    return smooth


def smoothed(smooth: float | None, loss: float) -> float:
    """Give the running mean of the loss that is shown."""
    return loss if smooth is None else 0.95 * smooth + 0.05 * loss
