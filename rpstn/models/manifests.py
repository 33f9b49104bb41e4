"""Manifests of checkpoints: the training runs that led to them, and exporting finished runs as shipped weights."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rpstn.models.checkpoints import load_checkpoint, save_checkpoint
from rpstn.models.files import BEST, WEIGHTS, with_today
from rpstn.runs.directory import RunDirectory
from rpstn.runs.files import read_json, write_json
from rpstn.runs.paths import expanded, project_folder
from rpstn.runs.renamed import rename_keys


def manifest_of(checkpoint: Path) -> dict[str, Any] | None:
    """Read the manifest of the run that made a checkpoint, shipped or in its run directory; None where there is none.

    It includes the manifests, as far as they exist, of the runs that this one started from: as "images" and "encoder" those of
    the same recipe, as "before" those whose encoder the recipe started from, the earliest first.
    """
    for path in (checkpoint.with_suffix(".json"), checkpoint.parent / "manifest.json"):
        if path.is_file():
            files = {name: checkpoint.parent.parent / name / "manifest.json" for name in ("images", "encoder")}
            recipe = {name: read_json(file) for name, file in files.items() if file.is_file()}
            first = recipe.get("images") or recipe.get("encoder") or {}
            manifest: dict[str, Any] = rename_keys({**recipe, "before": _earlier_runs(first), **read_json(path)})
            return manifest
    return None


def training_of(checkpoint: Path) -> dict[str, Any] | None:
    """Read the parameters of the run that made a checkpoint; None where there is no manifest."""
    manifest = manifest_of(checkpoint)
    return None if manifest is None else manifest["parameters"]


def _earlier_runs(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Read the manifests of the run whose encoder this run started from, and of those before it; the earliest first."""
    weights = (manifest.get("parameters") or {}).get("encoder_weights")
    path = project_folder() / Path(weights or "").parent / "manifest.json"  # relative paths in manifests start there
    if not weights or not path.is_file():
        return []
    earlier = read_json(path)
    return [*_earlier_runs(earlier), earlier]


def export_weights(folder: str | Path, name: str, variants: Iterable[str], weights: Path = WEIGHTS) -> list[Path]:
    """Export finished runs' best checkpoints into the package, as float16, each with its manifest; return the files.

    A manifest also holds those of the runs before (`manifest_of`).

    name  of the weights, before the variant's: the data set, whose notebooks then find them, or another.

    `export_weights('runs/published', 'embedded', ['rpstn'])` made the weights of the embedded data. Raises UserError for a run
    that is not finished.
    """
    folder, files = expanded(folder), []
    required = [part for part in ("encoder", "images") if part == "encoder" or (folder / part).is_dir()]
    for variant in variants:
        run = RunDirectory(folder / variant)
        best = with_today(run / BEST)
        # RunDirectory.manifest, unlike manifest_of, refuses a run that is missing or not finished.
        finished = {**run.manifest, **{part: RunDirectory(folder / part).manifest for part in required}}
        manifest = without_folders({**(manifest_of(best) or {}), **finished})
        model, metadata = load_checkpoint(best)
        path = weights / f"{name}_{variant}.safetensors"
        save_checkpoint(path, model, {key: value for key, value in metadata.items() if key != "config"}, half=True)
        files += [path, write_json(path.with_suffix(".json"), manifest)]
    return files


def without_folders(manifest: dict[str, Any]) -> dict[str, Any]:
    """Shorten the data folders in a run's manifest, and in those of the runs before it, to their names."""
    result = {key: without_folders(part) if key in ("images", "encoder") else part for key, part in manifest.items()}
    if "before" in manifest:
        result["before"] = [without_folders(part) for part in manifest["before"]]
    settings = result.get("parameters") or {}
    names = {key: Path(settings[key]).name for key in ("root", "aux_root") if settings.get(key)}
    return {**result, "parameters": {**settings, **names}} if names else result
