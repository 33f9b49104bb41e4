"""`rpstn train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rpstn.cli.train_options import TrainOptions
from rpstn.cli.words import Options
from rpstn.models.calibration import calibration_of
from rpstn.train import loop
from rpstn.video.calibrate import calibrate_run


def train(config: Options[TrainOptions]) -> None:
    """Train a network, resume an interrupted run, or report a finished one. The defaults are for two CPU cores."""
    result = loop.train(config, calibrate=calibrate_run)
    limits = calibration_of(result.checkpoint)
    if limits.measured_on:
        print(f"joints below confidence {limits.hidden_below:g} count as hidden (measured on {limits.measured_on})")
    _report(result.checkpoint, result.metrics)


def _report(path: Path, metrics: dict[str, Any]) -> None:
    """Print single numbers, and where all of them are."""
    for name, value in metrics.items():
        if isinstance(value, float):
            print(f"{name:20} {value:.4g}")
        elif isinstance(value, int | str):
            print(f"{name:20} {value}")
    print(path)
