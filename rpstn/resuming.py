"""What a training run leaves on disk to go on from: what it was given, its last state, its log."""

from __future__ import annotations

import csv
import hashlib
import io
from typing import TYPE_CHECKING

import torch

from rpstn.errors import UserError
from rpstn.models.checkpoints import save_atomically
from rpstn.models.efficientnet import imagenet_file
from rpstn.models.files import find_weights, load_tensors
from rpstn.models.image import FrameByFrame
from rpstn.models.rpstn import RPSTN
from rpstn.runs import RunDirectory, read_json, write_json, write_text

if TYPE_CHECKING:
    from rpstn.train import TrainConfig


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
    elif read_json(path) != given:
        differs = " and ".join(name for name in given if read_json(path).get(name) != given[name])
        raise UserError(f"{run.path}: holds a run with other {differs}; remove this directory, or choose another out")


def save_state(
    run: RunDirectory, model: RPSTN | FrameByFrame, optimizer, step: int, seconds: float, best: float, log: list[dict]
) -> None:
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
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=["step", "loss", "lr", "val_pck"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    write_text(run / "log.csv", text.getvalue())


def resume(
    run: RunDirectory, model: RPSTN | FrameByFrame, optimizer, device: torch.device
) -> tuple[int, float, float, list[dict]]:
    """(first step, seconds spent before, best score, log) of an interrupted run; zeros for a new one."""
    path = run / "last.pt"
    if not path.is_file():
        return 0, 0.0, -1.0, []
    state = load_tensors(path, remedy="restore it, or train into another out directory", device=device)
    try:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    except Exception as error:
        raise UserError(f"{path} cannot be resumed from ({type(error).__name__}: {error}); remove {run.path}") from error
    return state["step"], state["seconds"], state["best"], state["log"]
