"""Weights that come with the package, and others: where they lie, what they were trained on, how to read their confidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.errors import UserError
from rpstn.models.checkpoints import load_checkpoint, save_checkpoint
from rpstn.models.files import WEIGHTS, default_checkpoint, find_weights
from rpstn.runs.directory import RunDirectory
from rpstn.runs.files import read_json, write_json
from rpstn.runs.paths import expanded
from rpstn.runs.project import project_folder
from rpstn.runs.renamed import CALIBRATION, rename_keys

# Without a measurement: what the package's own small networks need, to the first digit.
ASSUMED_HIDDEN, ASSUMED_LOST, ASSUMED_CONFIDENT = 0.4, 0.3, 0.5
COMMAND = "rpstn calibrate CHECKPOINT --dataset NAME --root YOUR_COPY"  # measures


@dataclass(frozen=True)
class Calibration:
    """Limits of confidence, and what they were measured on.

    hidden_below, lost_below, confident_from   see `rpstn.video.calibrate`.
    measured_on    data set and split, or None: the limits are assumed.
    joints, frames that were measured: visible joints, and frames.
    hidden_detected  share of the occluded joints that lie below hidden_below.
    correct        share of joints within 0.2 of the person's size, {"below": ..., "above": ...} hidden_below.
    sha256         of the checkpoint that was measured.
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
    """Where a checkpoint's calibration lies: beside it."""
    return checkpoint.with_suffix(".calibration.json")


def calibration_of(checkpoint: str | Path) -> Calibration:
    """A checkpoint's calibration, or the assumed one where these very weights were not measured: the file beside them may be of
    an earlier training. UserError for a file that is broken.
    """
    path = calibration_file(Path(checkpoint))
    if not path.is_file():
        return Calibration()
    values = rename_keys(read_json(path), CALIBRATION)
    try:
        found = Calibration(**values)
        for name in ("hidden_below", "lost_below", "confident_from"):
            value = getattr(found, name)
            if not isinstance(value, int | float) or not np.isfinite(value):
                raise TypeError(f"{name} is {value!r}")
        if not isinstance(found.measured_on, str | None):
            raise TypeError(f"measured_on is {found.measured_on!r}")
    except TypeError as error:
        raise UserError(f"{path}: is no calibration ({error}); remove it, or measure again: {COMMAND}") from None
    return found if found.sha256 == checksum(checkpoint) else Calibration()


def checksum(checkpoint: str | Path) -> str:
    return hashlib.sha256(Path(checkpoint).read_bytes()).hexdigest()


__all__ = ["Weights", "default_checkpoint", "describe_weights", "find_weights", "training_command"]

_KINDS = {
    "sub_jhmdb": "real people; for research use, as the data set is",
    "lspet": "single images of real people",
    "embedded": "drawn bodies that move as captured people did; no image of a real person, so expect little on real video",
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


def describe_weights(checkpoint: Path, metadata: Mapping[str, Any]) -> Weights:
    """What a checkpoint's metadata and the manifest beside it, or in its run directory, say."""
    manifest = manifest_of(checkpoint) or {}
    metrics = manifest.get("metrics") or {}
    return Weights(
        name=checkpoint.name,
        sha256=hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        trained_on=_trained_on(manifest, metadata),
        val_pck=metrics.get("val_pck", metadata.get("val_pck")),
        command=training_command(str(metadata["skeleton"])),
        calibration=calibration_of(checkpoint),
    )


def describe_network(metadata: Mapping[str, Any]) -> Weights:
    """Say what the metadata of a network that is in no file tells; its limits of confidence are assumed."""
    trained = _trained_on({}, metadata) if "dataset" in metadata else "what nothing tells"
    return Weights("in memory", "", trained, metadata.get("val_pck"), training_command(str(metadata["skeleton"])), Calibration())


def _trained_on(manifest: Mapping[str, Any], metadata: Mapping[str, Any]) -> str:
    """A manifest may say it in its own words as `trained_on`; else the names of all data sets of the runs that led here."""
    if isinstance(manifest.get("trained_on"), str):
        return manifest["trained_on"]
    names: list[str] = []
    for run in (manifest.get("images"), manifest.get("encoder"), {"parameters": {"dataset": metadata["dataset"]}}):
        settings = (run or {}).get("parameters") or {}
        names += [str(name) for name in (settings.get("aux_dataset"), settings.get("dataset")) if name and str(name) not in names]
    known = [f"{name} ({_KINDS[name]})" if name in _KINDS else name for name in names]
    return "data set " + ", then ".join(known)


def training_command(skeleton: str) -> str:
    """`rpstn train` for a user's own copy of the data set with these joints; other joints are those of one's own clips."""
    dataset = skeleton if skeleton in ("penn_action", "sub_jhmdb", "coco", "posetrack18", "mpii", "hieve") else "own"
    return f"rpstn train --dataset {dataset} --root YOUR_COPY --out runs/mine"


def manifest_of(checkpoint: Path) -> dict[str, Any] | None:
    """The manifest of the run that made a checkpoint, shipped or in its run directory; None where there is none.

    The runs that it started from stand in it as "images" and "encoder", as far as theirs lie beside it; as "before" those whose
    encoder these went on from, the earliest first.
    """
    for path in (checkpoint.with_suffix(".json"), checkpoint.parent / "manifest.json"):
        if path.is_file():
            places = {name: checkpoint.parent.parent / name / "manifest.json" for name in ("images", "encoder")}
            beside = {name: read_json(place) for name, place in places.items() if place.is_file()}
            first = next(iter(beside.values()), {})
            return rename_keys({**beside, "before": _before(first), **read_json(path)})
    return None


def training_of(checkpoint: Path) -> dict[str, Any] | None:
    """The parameters of the run that made a checkpoint; None where no manifest tells."""
    manifest = manifest_of(checkpoint)
    return None if manifest is None else manifest["parameters"]


def export_weights(folder: str | Path, name: str, variants: Iterable[str], weights: Path = WEIGHTS) -> list[Path]:
    """Copies finished runs' best checkpoints into the package, as float16, each with its manifests; returns the files.

    A manifest also holds those of the runs before (`manifest_of`).

    name  of the weights, before the variant's: the data set, whose notebooks then find them, or another.

    `export_weights('runs/published', 'embedded', ['rpstn'])` made the weights of the embedded data. Raises UserError for a run
    that is not finished.
    """
    files = []
    for variant in variants:
        run = RunDirectory(expanded(folder) / variant)
        # RunDirectory.manifest, unlike manifest_of, refuses a run that is missing or not finished.
        earlier = ["encoder", *(["images"] if (expanded(folder) / "images").is_dir() else [])]
        finished = {**run.manifest, **{name: RunDirectory(expanded(folder) / name).manifest for name in earlier}}
        manifest = without_places({**(manifest_of(run / "best.pt") or {}), **finished})
        model, metadata = load_checkpoint(run / "best.pt")
        path = weights / f"{name}_{variant}.pt"
        save_checkpoint(path, model, {key: value for key, value in metadata.items() if key != "config"}, half=True)
        files += [path, write_json(path.with_suffix(".json"), manifest)]
    return files


def _before(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """The manifests of the runs from whose encoder a run went on, and of those before them; the earliest first."""
    weights = (manifest.get("parameters") or {}).get("encoder_weights")
    path = project_folder() / Path(weights or "").parent / "manifest.json"  # relative paths in manifests start there
    return [*_before(earlier := read_json(path)), earlier] if weights and path.is_file() else []


def without_places(manifest: dict[str, Any]) -> dict[str, Any]:
    """A run's manifest, with those of the runs before it, without the folders in which data lay: they say nothing to others."""
    result = {key: without_places(part) if key in ("images", "encoder") else part for key, part in manifest.items()}
    if "before" in manifest:
        result["before"] = [without_places(part) for part in manifest["before"]]
    settings = result.get("parameters") or {}
    names = {key: Path(settings[key]).name for key in ("root", "aux_root") if settings.get(key)}
    return {**result, "parameters": {**settings, **names}} if names else result
