"""What a training run leaves on disk to be resumed from: what it was given, its last state, its log."""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim.swa_utils import AveragedModel

from rpstn.errors import UserError
from rpstn.models.checkpoints import save_atomically
from rpstn.models.efficientnet import imagenet_file
from rpstn.models.files import find_weights, load_tensors
from rpstn.runs.directory import RunDirectory
from rpstn.runs.files import read_json, write_json, write_text
from rpstn.runs.renamed import rename_keys
from rpstn.runs.same_run import differences
from rpstn.train.config import TrainConfig
from rpstn.train.start import Network


def check_inputs(run: RunDirectory, data: dict[str, str], config: TrainConfig) -> None:
    """Remember what a run was given, or compare it with what it was given before.

    data  checksums of the labels (`TrainingData.checksums`).
    Raises UserError for a run on other data, or from other weights.
    """
    starts = {
        "init": config.init,
        "encoder_weights": config.model.encoder_weights,
        "initializer_weights": config.model.initializer_weights,
    }
    given = {"data": data, "init": None} | {name: _checksum(path) for name, path in starts.items() if path is not None}
    path = run / "inputs.json"
    if not path.is_file():
        write_json(path, given)
    elif differing := differences(rename_keys(read_json(path)), given):
        raise UserError(
            f"{run.path}: holds a run that was given other labels or weights (checksums of {differing}); give the same to resume "
            "it, or choose another out"
        )


def _checksum(weights: str) -> str:
    path = imagenet_file() if weights == "imagenet" else find_weights(weights)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass
class Progress:
    """How far a run has come.

    step     the first one that is still to be done.
    seconds  that it took so far.
    best     score on val of its best checkpoint, by what chooses it.
    log      one row per step.
    bf16     whether it computes in bfloat16: "auto" is asked once, or a run that moves to another machine would change.
    """

    step: int
    seconds: float
    best: float
    log: list[dict[str, Any]]
    bf16: bool

    @property
    def best_pck(self) -> float:
        """PCK@0.2 by person on val of the best checkpoint. An earlier version, which chose by it, logged nothing else."""
        rows = [row for row in self.log if row["val_pck"] != ""]
        return float(max(rows, key=lambda row: row.get("val_score", row["val_pck"]))["val_pck"])

    @property
    def loss(self) -> float | None:
        """The running mean of the loss after the last step; None before the first."""
        smooth = None
        for row in self.log:
            smooth = smoothed(smooth, row["loss"])
        return smooth


def smoothed(smooth: float | None, loss: float) -> float:
    """Take one more loss into the running mean."""
    return loss if smooth is None else 0.95 * smooth + 0.05 * loss


def save_state(
    run: RunDirectory, model: Network, average: AveragedModel | None, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Save what a resumed run needs. The log goes into it too, so that the CSV never runs ahead of the weights."""
    state: dict[str, Any] = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    if average is not None:
        state["average"] = average.state_dict()
    save_atomically(state | vars(progress), run / "last.pt")
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=["step", "loss", "lr", "val_pck", "val_score"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(progress.log)
    write_text(run / "log.csv", text.getvalue())


def resume(
    run: RunDirectory,
    model: Network,
    average: AveragedModel | None,
    optimizer: torch.optim.Optimizer,
    device: torch.device,
    bf16: bool = False,
) -> Progress:
    """Load an interrupted run into model, running mean and optimizer, and return how far it is; bf16: what a new run computes in.

    Raises UserError for a damaged state.
    """
    path = run / "last.pt"
    if not path.is_file():
        return Progress(0, 0.0, -1.0, [], bf16)
    state = load_tensors(path, remedy="restore it, or train into another out directory", device=device)
    try:
        model.load_state_dict(state["model"])
        if average is not None:
            average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:
        raise UserError(
            f"{path} cannot be resumed from ({type(error).__name__}); choose another out to train again, or move it away"
        ) from error
    return Progress(state["step"], state["seconds"], state["best"], state["log"], state.get("bf16", bf16))
