"""Where the checkpoints of the variants are: in the folders of runs, or shipped with the package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rpstn.errors import UserError
from rpstn.models.files import BEST, shipped_weights, with_today
from rpstn.runs.paths import default_place, expanded
from rpstn.train.recipes.variants import VARIANTS, check_variant


def run_folder(dataset: str, fold: int = 1) -> str:
    """Return where runs on a data set are by default: runs/embedded, runs/sub_jhmdb-1 (see `rpstn.runs.paths`)."""
    return default_place("runs", f"{dataset}-{fold}" if dataset == "sub_jhmdb" else dataset).as_posix()


def shipped_checkpoints(dataset: str) -> dict[str, Path]:
    """Return the weights that the package ships for a data set, by variant; empty where it ships none."""
    shipped = shipped_weights()
    return {name: shipped[f"{dataset}_{name}"] for name in VARIANTS if f"{dataset}_{name}" in shipped}


def find_checkpoints(
    dataset: str, folder: str | None = None, *, fold: int = 1, variants: Iterable[str] | None = None
) -> dict[str, Path]:
    """Find checkpoints of the variants, by name.

    folder    where the train notebook left its runs; None takes the weights that the package ships for the data set and,
              where there are none, the runs in `run_folder`.
    variants  which must be there, and in which order; None: those that are.
    Raises UserError where one that must be there is missing, or nothing is found.
    """
    found = shipped_checkpoints(dataset) if folder is None else {}
    place = "the weights that the package ships" if found else folder or run_folder(dataset, fold)
    if not found:
        paths = {name: with_today(expanded(place) / name / BEST) for name in VARIANTS}
        # best.safetensors alone may come from a run that is going on, or was given up: the manifest says that it ended.
        found = {name: path for name, path in paths.items() if path.is_file() and (path.parent / "manifest.json").is_file()}
    wanted = list(found) if variants is None else [check_variant(name) for name in variants]
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise UserError(
            f"no checkpoint of {', '.join(missing) or 'any variant'} for {dataset} (looked into {place}; found "
            f"{', '.join(found) or 'none'}); train them, `rpstn run train` with this data set and variants, and name their folder"
        )
    return {name: found[name] for name in wanted}
