"""What is known of a network's weights, in words: what they were trained on, how well, and which confidence is low."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpstn.models.calibration import COMMAND, Calibration, calibration_of, checksum
from rpstn.models.manifests import manifest_of

_KINDS = {
    "sub_jhmdb": "real people; for research use, as the data set is",
    "lspet": "single images of real people",
    "embedded": "drawn bodies that move as captured people did; no image of a real person, so expect little on real video",
}


@dataclass(frozen=True)
class Limit:
    """Hold a confidence threshold, where it comes from in words, and whether it is merely assumed."""

    value: float
    source: str
    assumed: bool = False


@dataclass(frozen=True)
class Weights:
    """Hold what is known of a checkpoint.

    name         of the file, without its folder.
    sha256       of the file; empty for a network that is in none.
    trained_on   in words.
    val_pck      PCK@0.2 by person on the val split, a fraction; None where no manifest says.
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
        """Format it for a terminal. hidden_below: the threshold in use, where it is not the measured one."""
        score = "" if self.val_pck is None else f" (PCK@0.2 on its val split: {100 * self.val_pck:.1f} %)"
        limit = self.limit("hidden_below", hidden_below)
        return [
            f"weights {self.name}, trained on {self.trained_on}{score}",
            f"joints below confidence {limit.value:g} count as hidden ({limit.source})",
            f"to train on your own copy of a data set: {self.command}",
        ]

    def limit(self, name: str, given: float | None = None) -> Limit:
        """Look up a threshold, "hidden_below" or "lost_below"; given: what the user asked for in its place."""
        known = self.calibration
        if given is not None:
            return Limit(given, "as asked for")
        if known.measured_on:
            return Limit(getattr(known, name), f"measured on {known.measured_on}")
        source = f"assumed, nothing was measured: {COMMAND} measures it, --{name.replace('_', '-')} sets it"
        if name == "lost_below":
            source += f", --hidden-below that of single joints ({known.hidden_below:g})"
        return Limit(getattr(known, name), source, assumed=True)


def describe_weights(checkpoint: Path, metadata: Mapping[str, Any]) -> Weights:
    """Describe a checkpoint by its metadata and the manifest next to it or in its run directory."""
    manifest = manifest_of(checkpoint) or {}
    metrics = manifest.get("metrics") or {}
    return Weights(
        name=checkpoint.name,
        sha256=checksum(checkpoint),
        trained_on=_trained_on(manifest, metadata),
        val_pck=metrics.get("val_pck", metadata.get("val_pck")),
        command=training_command(str(metadata["skeleton"])),
        calibration=calibration_of(checkpoint),
    )


def describe_network(metadata: Mapping[str, Any]) -> Weights:
    """Describe a network that is in no file by its metadata; its thresholds are assumed."""
    trained = _trained_on({}, metadata) if "dataset" in metadata else "unknown data"
    return Weights("in memory", "", trained, metadata.get("val_pck"), training_command(str(metadata["skeleton"])), Calibration())


def _trained_on(manifest: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """Take a manifest's own words, `trained_on`; else name the data sets of all runs that led here."""
    if isinstance(manifest.get("trained_on"), str):
        return str(manifest["trained_on"])
    names: list[str] = []
    for run in (manifest.get("images"), manifest.get("encoder"), {"parameters": {"dataset": metadata["dataset"]}}):
        settings = (run or {}).get("parameters") or {}
        names += [str(name) for name in (settings.get("aux_dataset"), settings.get("dataset")) if name and str(name) not in names]
    known = [f"{name} ({_KINDS[name]})" if name in _KINDS else name for name in names]
    return "data set " + ", then ".join(known)


def training_command(skeleton: str) -> str:
    """Write the `rpstn train` call for one's own copy of the data set with these joints; others are those of own clips."""
    dataset = skeleton if skeleton in ("penn_action", "sub_jhmdb", "coco", "posetrack18", "mpii", "hieve") else "own"
    return f"rpstn train --dataset {dataset} --root YOUR_COPY --out runs/mine"
