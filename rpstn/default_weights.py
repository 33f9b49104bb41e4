"""Which weights predict a video where none are named, what weights were trained on, and how one trains one's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpstn.calibration import COMMAND, Calibration, calibration_of
from rpstn.models.files import default_checkpoint, find_weights
from rpstn.recipes import manifest_of

__all__ = ["Weights", "default_checkpoint", "describe_weights", "find_weights", "training_command"]

_KINDS = {
    "sub_jhmdb": "real people; for research use, as the data set is",
    "lspet": "single pictures of real people",
    "embedded": "drawn bodies that move as captured people did; no picture of a real person, so expect little on real video",
}


@dataclass(frozen=True)
class Limit:
    """A limit of confidence, where it comes from, in words, and whether that is nowhere."""

    value: float
    source: str
    assumed: bool = False


@dataclass(frozen=True)
class Weights:
    """What is known of a checkpoint.

    name         of the file, without its folder.
    sha256       of the file; empty for a network that is in none.
    trained_on   in words.
    val_pck      score on the val split that it was chosen by, a fraction; None where no manifest tells.
    command      trains a network on the user's own copy of a data set.
    calibration  which confidence is low.
    """

    name: str
    sha256: str
    trained_on: str
    val_pck: float | None
    command: str
    calibration: Calibration

    def lines(self, hidden_below: float | None = None) -> list[str]:
        """For a terminal. hidden_below: the limit in use, where it is not the measured one."""
        score = "" if self.val_pck is None else f" (PCK@0.2 on its val split: {100 * self.val_pck:.1f} %)"
        limit = self.limit("hidden_below", hidden_below)
        return [
            f"weights {self.name}, trained on {self.trained_on}{score}",
            f"joints below confidence {limit.value:g} count as hidden ({limit.source})",
            f"to train on your own copy of a data set: {self.command}",
        ]

    def limit(self, name: str, given: float | None = None) -> Limit:
        """Look up a limit of confidence, "hidden_below" or "lost_below"; given: what the user asked for in its place."""
        known = self.calibration
        if given is not None:
            return Limit(given, "as asked for")
        if known.measured_on:
            return Limit(getattr(known, name), f"measured on {known.measured_on}")
        source = f"assumed, nothing was measured: {COMMAND} measures it, --{name.replace('_', '-')} sets it"
        if name == "lost_below":
            source += f", --hidden-below that of single joints ({known.hidden_below:g})"
        return Limit(getattr(known, name), source, assumed=True)


def describe_weights(checkpoint: Path, meta: Mapping[str, Any]) -> Weights:
    """What a checkpoint's meta and the manifest beside it, or in its run directory, say."""
    manifest = manifest_of(checkpoint) or {}
    metrics = manifest.get("metrics") or {}
    return Weights(
        name=checkpoint.name,
        sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        trained_on=_trained_on(manifest, meta),
        val_pck=metrics.get("val_pck", meta.get("val_pck")),
        command=training_command(str(meta["skeleton"])),
        calibration=calibration_of(checkpoint),
    )


def describe_network(meta: Mapping[str, Any]) -> Weights:
    """Say what the meta of a network that is in no file tells; its limits of confidence are assumed."""
    trained = _trained_on({}, meta) if "dataset" in meta else "what nothing tells"
    return Weights("in memory", "", trained, meta.get("val_pck"), training_command(str(meta["skeleton"])), Calibration())


def _trained_on(manifest: Mapping[str, Any], meta: Mapping[str, Any]) -> str:
    """A manifest may say it in its own words as `trained_on`; else the names of all data sets of the runs that led here."""
    if isinstance(manifest.get("trained_on"), str):
        return manifest["trained_on"]
    names: list[str] = []
    for run in (manifest.get("pictures"), manifest.get("encoder"), {"parameters": {"dataset": meta["dataset"]}}):
        settings = (run or {}).get("parameters") or {}
        names += [str(name) for name in (settings.get("beside"), settings.get("dataset")) if name and str(name) not in names]
    known = [f"{name} ({_KINDS[name]})" if name in _KINDS else name for name in names]
    return "data set " + ", then ".join(known)


def training_command(skeleton: str) -> str:
    """`rpstn train` for a user's own copy of the data set with these joints; other joints are those of one's own clips."""
    dataset = skeleton if skeleton in ("penn_action", "sub_jhmdb", "coco", "posetrack18", "mpii", "hieve") else "own"
    return f"rpstn train --dataset {dataset} --root YOUR_COPY --out runs/mine"
