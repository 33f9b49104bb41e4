"""From finished runs to results/NAME.json: scores, what the propagation gains on hidden joints, and what made them.

The results chapter and the README are made from these files alone, so whatever they say was computed here.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import OCCLUDED, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.splits import with_min_length
from rpstn.errors import UserError
from rpstn.evaluate.inference import check_checkpoint, predict_clips
from rpstn.evaluate.scoring import EvaluateConfig, as_trained
from rpstn.metrics.hidden import hidden_curve, hidden_gain
from rpstn.metrics.intervals import Interval, paired_interval
from rpstn.metrics.keypoints import summarize
from rpstn.metrics.scores import samples, score
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.weights import manifest_of, without_places
from rpstn.notebooks.words.evaluation import APART
from rpstn.occlusion.occluders import PROTOCOLS, occlude_dataset
from rpstn.runs.devices import choose_device
from rpstn.runs.directory import defaults, manifest
from rpstn.runs.files import plain, write_json
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.recipes import TITLES, VARIANTS, find_checkpoints, shipped_checkpoints

FRAMES = 64  # go through a network at once; changes speed and memory, not the numbers

# What is said of a data set beside its scores.
NATURE = {"embedded": "embedded (drawn bodies)"}


@dataclass(frozen=True)
class PublishConfig:
    """Which runs to score, and how."""

    name: str  # the result is results/<name>.json
    dataset: str | None = None  # one of those that `rpstn data list` names; None: the one that the full RPSTN was trained on
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int | None = None  # split of sub_jhmdb: 1, 2 or 3; None: as trained, else 1
    folder: str | None = None  # folder of the runs, as the train notebook leaves it; None: the weights that the package ships
    window: int = 8  # frames that go through the network at once, for the scores of all joints; 0: whole clips
    hidden_window: int = 24  # the same for hidden joints, which need frames before and behind the occluder
    flip_test: bool = True  # score all once more, averaged with the prediction for the mirrored frames
    protocols: tuple[str, ...] = ("joint", "limb", "half", "person")  # occluders for the gain on hidden joints
    compared: tuple[str, ...] = ("frame_by_frame", "without_propagation")  # variants beside which RPSTN stands behind occluders
    start: int = 8  # frame in which an occluder comes
    length: int = 5  # frames for which it stays
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    out: str = "results"  # folder of the result
    note: str = ""  # what a reader has to know of the data, such as classes that are missing

    def __post_init__(self) -> None:
        check_settings(self, paths=("root", "folder", "out"))
        for name in self.protocols:
            if name not in PROTOCOLS:
                raise UserError(f"no occlusion protocol is called {name!r}; choose from {', '.join(PROTOCOLS)}")
        others = [name for name in VARIANTS if name != "rpstn"]
        for name in self.compared:
            if name not in others:
                raise UserError(f"no variant to compare with is called {name!r}; choose from {', '.join(others)}")


def publish(config: PublishConfig, progress: bool = True) -> Path:
    """Scores every variant on the test split, as it is and behind occluders, and writes the result; returns its path.

    The file holds, by the variant's title: "rows" (see `rpstn.metrics.scores.score`; with flip test under a title of their own),
    "gains" (the full network's PCK@0.2 by person size less that of each other variant, all annotated joints), "hidden" (by
    protocol: PCK of the joints that the occluder hides, in its first to last frame, and the full network's gain on them, over
    "clips" that go on behind it and in which it has something to hide), and beside them "measured_on", "trained" (each variant's
    manifest) and "manifest". Intervals are 95 %, from a bootstrap over groups. Gains and hidden joints are without flip test.
    Raises UserError where no variant, or no full network, is found, for checkpoints of other joints or of another official split,
    and for variants that were not trained alike.
    """
    begun = time.monotonic()
    device = choose_device(config.device)
    name = config.dataset or ("any data set" if config.folder else "embedded")
    found = find_checkpoints(name, config.folder) if config.folder else shipped_checkpoints(name)
    if "rpstn" not in found:
        raise UserError(f"no full RPSTN for {name} in {config.folder or 'the package'}; train it, or name another folder")
    trained = {name: without_places(manifest_of(path) or {}) for name, path in found.items()}
    _check_alike(trained)
    models = {TITLES[name]: load_checkpoint(path) for name, path in found.items()}
    known = as_trained(EvaluateConfig(found["rpstn"], config.dataset, fold=config.fold), models[TITLES["rpstn"]][1])
    config = replace(config, dataset=known.dataset, fold=known.fold)
    dataset = open_dataset(config.dataset, config.root, split="test", fold=config.fold)
    for name, path in found.items():
        check_checkpoint(models[TITLES[name]][1], dataset, path)

    def predict(part: ClipDataset, titles: Iterable[str], window: int, flip_test: bool = False) -> dict[str, Predictions]:
        found = {}
        for title in titles:
            model, metadata = models[title]
            batch = max(1, FRAMES // window) if window else 1  # long windows of large frames would fill the memory
            found[title] = predict_clips(
                model.to(device), metadata, part, window, batch=batch, flip_test=flip_test, progress=progress
            )
        return found

    plainly = predict(dataset, models, config.window)
    full, *others = plainly
    flipped = predict(dataset, models, config.window, flip_test=True) if config.flip_test else {}
    rows = plainly | {f"{title}, flip test": predictions for title, predictions in flipped.items()}
    scores = {title: score(predictions, dataset) for title, predictions in rows.items()}
    right = {title: samples(predictions, dataset, reference="person").correct for title, predictions in plainly.items()}
    groups = samples(plainly[full], dataset, reference="person").sources
    result = {
        "rows": {title: found["scores"] for title, found in scores.items()},
        **{
            part: {title: found[part] for title, found in scores.items()}
            for part in ("held_out", "not_held_out")
            if part in scores[full]
        },
        "by_group": {
            title: {str(source): float(summarize(values[groups == source]).mean) for source in np.unique(groups)}
            for title, values in right.items()
        },
        "gains": {title: _interval(paired_interval(right[full], right[title], groups, pool="joints")) for title in others},
        "hidden": {},
        "measured_on": _measured_on(config, dataset, scores[full]["counted"]),
    }
    longer = with_min_length(dataset, config.start + config.length + 1)  # clips that go on after the occluder has left
    behind: dict[str, tuple[ClipDataset, str]] = {
        name: (occlude_dataset(longer, name, start=config.start, length=config.length), "occluder") for name in config.protocols
    }
    if any((clip.visibility == OCCLUDED).any() for clip in dataset):
        behind = {"as it is": (dataset, "anything"), **behind}
    compared = [TITLES[name] for name in ("rpstn", *config.compared) if name in found]
    for name, (part, by) in behind.items():
        result["hidden"][name] = _hidden(predict(part, compared, config.hidden_window), part, by, config.length)
    result["trained"] = {TITLES[name]: run for name, run in trained.items()}
    settings = {**asdict(config), "root": config.root and Path(config.root).name}
    result["manifest"] = manifest(
        settings, device=device, data=dataset.checksum(), seconds=time.monotonic() - begun, torch=torch.__version__
    )
    return write_json(Path(config.out) / f"{config.name}.json", plain(result))


def _check_alike(trained: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UserError where the runs of two variants, by name, differ in what all must share. A run without manifest passes."""
    known = {name: defaults(TrainConfig) | run["parameters"] for name, run in trained.items() if "parameters" in run}
    for key in sorted({key for settings in known.values() for key in settings} - APART):
        values = {name: settings.get(key) for name, settings in known.items()}
        if any(value != next(iter(values.values())) for value in values.values()):
            told = ", ".join(f"{name} {value}" for name, value in values.items())
            raise UserError(f"the variants were trained with different {key} ({told}); train them alike, or publish them apart")


def _hidden(predictions: Mapping[str, Predictions], dataset: ClipDataset, by: str, length: int) -> dict[str, Any]:
    """PCK of joints hidden for 1 to `length` frames, by variant, and what the first variant gains over the others."""
    full, *others = predictions
    bins = ((1, length),)
    return {
        "clips": len(dataset),
        "rows": {
            title: _interval(hidden_curve(found, dataset, bins, by=by).intervals[0]) for title, found in predictions.items()
        },
        "gains": {
            title: _interval(hidden_gain(predictions[full], predictions[title], dataset, bins, by=by).intervals[0])
            for title in others
        },
    }


def _interval(value: Interval) -> dict[str, Any]:
    return {
        "estimate": value.estimate,
        "interval": [value.low, value.high],
        "samples": value.samples,
        "groups": value.groups,
    }


def _measured_on(config: PublishConfig, dataset: ClipDataset, counted: Mapping[str, Any]) -> dict[str, Any]:
    fold = {"official_split": dataset.fold} if dataset.fold is not None else {}
    return {
        "data_set": NATURE.get(dataset.name, dataset.name),
        **fold,
        "split": dataset.split,
        "clips": counted["clips"],
        "groups": counted["groups"],
        "frames": counted["frames"],
        "window": config.window,
        "window_for_hidden_joints": config.hidden_window,
        "boxes": "ground truth",
        **({"note": config.note} if config.note else {}),
    }
