"""Calibration of a checkpoint: which confidences are low, and what that was measured on. `rpstn.video.calibrate` measures it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rpstn.errors import UserError
from rpstn.runs.files import read_json
from rpstn.runs.renamed import CALIBRATION, rename_keys

# Thresholds of a network that nothing was measured for: what the package's own small networks need, to one digit.
ASSUMED_HIDDEN, ASSUMED_LOST, ASSUMED_CONFIDENT = 0.4, 0.3, 0.5
COMMAND = "rpstn calibrate CHECKPOINT --dataset NAME --root YOUR_COPY"  # measures them


@dataclass(frozen=True)
class Calibration:
    """Hold a network's confidence thresholds, and what they were measured on.

    hidden_below, lost_below, confident_from   see `rpstn.video.calibrate`.
    measured_on      data set and split, or None: the thresholds are assumed.
    joints, frames   how many visible joints and how many frames were measured.
    hidden_detected  share of the occluded joints whose confidence is below hidden_below.
    correct          share of joints within 0.2 of the person's size, {"below": ..., "above": ...} hidden_below.
    sha256           of the checkpoint that was measured.
    """

    hidden_below: float = ASSUMED_HIDDEN
    lost_below: float = ASSUMED_LOST
    confident_from: float = ASSUMED_CONFIDENT
    measured_on: str | None = None
    joints: int = 0
    frames: int = 0
    hidden_detected: float | None = None
    correct: dict[str, float | None] | None = None
    sha256: str | None = None


def calibration_file(checkpoint: Path) -> Path:
    """Name the file of a checkpoint's calibration, which is next to it."""
    return checkpoint.with_suffix(".calibration.json")


def calibration_of(checkpoint: str | Path) -> Calibration:
    """Read a checkpoint's calibration; the assumed one where these very weights were not measured.

    The file next to a checkpoint may be that of an earlier training run. Raises UserError for a file that is broken.
    """
    path = calibration_file(Path(checkpoint))
    if not path.is_file():
        return Calibration()
    try:
        found = Calibration(**rename_keys(read_json(path), CALIBRATION))
        _check(found)
    except TypeError as error:
        raise UserError(f"{path}: is no calibration ({error}); remove it, or measure again: {COMMAND}") from None
    return found if found.sha256 == checksum(checkpoint) else Calibration()


def _check(calibration: Calibration) -> None:
    """Raise TypeError for values that no measurement gives."""
    for name in ("hidden_below", "lost_below", "confident_from"):
        value = getattr(calibration, name)
        if not isinstance(value, int | float) or not np.isfinite(value):
            raise TypeError(f"{name} is {value!r}")
    if not isinstance(calibration.measured_on, str | None):
        raise TypeError(f"measured_on is {calibration.measured_on!r}")


def checksum(checkpoint: str | Path) -> str:
    """Compute the SHA-256 of a file."""
    return hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest()
