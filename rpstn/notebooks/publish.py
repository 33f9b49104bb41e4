"""From finished runs to results/NAME.json: scores, what propagation gains on hidden joints, and how they were made.

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
from rpstn.datasets.sources import checksums
from rpstn.datasets.splits import with_min_length
from rpstn.datasets.sub_jhmdb import CLASSES
from rpstn.errors import UserError
from rpstn.evaluate.inference import check_checkpoint, predict_clips
from rpstn.evaluate.scoring import EvaluateConfig, as_trained
from rpstn.metrics.intervals import Interval, paired_interval
from rpstn.metrics.keypoints import summarize
from rpstn.metrics.scores import samples, score
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import BEST, with_today
from rpstn.models.manifests import manifest_of, without_folders
from rpstn.notebooks.words.evaluation import APART
from rpstn.occlusion.protocols import PROTOCOLS, Protocol
from rpstn.occlusion.question import ASKED_MEASURE, ask
from rpstn.runs.devices import choose_device
from rpstn.runs.directory import RunDirectory, clean_commit, defaults, manifest, refuse_dirty
from rpstn.runs.files import plain, write_json
from rpstn.runs.same_run import differences
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.recipes import TITLES, VARIANTS, find_checkpoints, shipped_checkpoints

ENCODER = "encoder"  # what the variants started from: trained frame by frame, and a baseline like them
FRAMES = 64  # that go through a network at once; changes speed and memory, not the numbers

# How a data set is named next to its scores.
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
    hidden_window: int = 24  # the same for hidden joints, which need frames before and after the occluder
    flip_test: bool = True  # score a second time, averaged with the prediction for the mirrored frames
    protocols: tuple[str, ...] = ("joint", "limb", "half", "person")  # occluders for the gain on hidden joints
    compared: tuple[str, ...] = ("frame_by_frame", "without_propagation")  # variants that RPSTN is compared with on hidden joints
    start: int = 8  # frame in which an occluder appears
    length: int = 12  # frames for which it stays; joints hidden for 1 to 5 of them are scored
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
    """Score every variant on the test split, unoccluded and with occluders, and write the result; returns its path.

    The encoder that the variants started from is a row like them, where the folder of the runs holds it.

    The file holds, by the variant's title: "rows" (see `rpstn.metrics.scores.score`; with flip test under a title of their own),
    "gains" (the full network's PCK@0.2 by person size less that of each other variant, all annotated joints; of encoder and frame
    by frame, the better one: a stage that lowers a baseline is no gain of what it is compared with), "hidden" (by protocol: the
    answer to `rpstn.occlusion.question.ask`, for networks and rules, over "clips" that continue after the occluder and in which
    it has something to hide; gains as above), and with them "measured_on", "trained" (each variant's manifest) and "manifest".
    Intervals are 95 %, from a bootstrap over groups. Gains and hidden joints are without flip test.
    Raises UserError where no variant, or no full network, is found, for checkpoints of other joints or of another split of the
    data set, for variants that were not trained alike, and where this code or that of a training in the folder was not committed.
    """
    begun = time.monotonic()
    device = choose_device(config.device)
    checkpoints = _checkpoints(config)
    trained = {name: without_folders(manifest_of(path) or {}) for name, path in checkpoints.items()}
    _check_alike({name: run for name, run in trained.items() if name != ENCODER})
    networks = {name: load_checkpoint(path) for name, path in checkpoints.items()}
    config, dataset = _test_split(config, checkpoints["rpstn"], networks["rpstn"][1])
    for name, path in checkpoints.items():
        check_checkpoint(networks[name][1], dataset, path)
    variants = _Variants({TITLES[name]: network for name, network in networks.items()}, device, progress)
    compared = [TITLES[name] for name in ("rpstn", *config.compared, ENCODER) if name in checkpoints]
    occluded = _occluded(config, dataset)  # says before the work where no clip is long enough
    _check_commits(trained if config.folder else {})
    result = _scored(config, variants, dataset)
    counted = result.pop("counted")
    result["hidden"] = {
        name: _hidden(variants.predict(part, config.hidden_window, compared), part, protocol)
        for name, (part, protocol) in occluded.items()
    }
    result["measured_on"] = _measured_on(config, dataset, counted)
    result["trained"] = {TITLES[name]: run for name, run in trained.items()}
    settings = {**asdict(config), "root": config.root and Path(config.root).name}
    result["manifest"] = manifest(
        settings, device=device, data=checksums(dataset), seconds=time.monotonic() - begun, torch=torch.__version__
    )
    return write_json(Path(config.out) / f"{config.name}.json", plain(result))


@dataclass(frozen=True)
class _Variants:
    """The networks with their metadata, by title, and where they run."""

    networks: Mapping[str, tuple[torch.nn.Module, dict[str, Any]]]
    device: torch.device
    progress: bool

    def predict(
        self, dataset: ClipDataset, window: int, titles: Iterable[str] | None = None, flip_test: bool = False
    ) -> dict[str, Predictions]:
        """Predict a data set with the networks of the titles; all of them for None."""
        batch = max(1, FRAMES // window) if window else 1  # long windows of large frames would fill the memory
        predictions = {}
        for title in self.networks if titles is None else titles:
            model, metadata = self.networks[title]
            predictions[title] = predict_clips(
                model.to(self.device), metadata, dataset, window, batch=batch, flip_test=flip_test, progress=self.progress
            )
        return predictions


def _checkpoints(config: PublishConfig) -> dict[str, Path]:
    """Find the checkpoints by variant, and that of the encoder; UserError where the full network is not among them."""
    name = config.dataset or ("any data set" if config.folder else "embedded")
    found = find_checkpoints(name, config.folder) if config.folder else shipped_checkpoints(name)
    if "rpstn" not in found:
        raise UserError(f"no full RPSTN for {name} in {config.folder or 'the package'}; train it, or name another folder")
    start = RunDirectory(Path(config.folder) / ENCODER) if config.folder else None
    return found if start is None or not start.finished else found | {ENCODER: with_today(start / BEST)}


def _test_split(config: PublishConfig, checkpoint: Path, metadata: dict[str, Any]) -> tuple[PublishConfig, ClipDataset]:
    """Open the test split of what the full network was trained on, and fill in what the configuration leaves open."""
    known = as_trained(EvaluateConfig(checkpoint, config.dataset, fold=config.fold), metadata)
    assert known.dataset is not None and known.fold is not None
    dataset = open_dataset(known.dataset, config.root, split="test", fold=known.fold)
    return replace(config, dataset=known.dataset, fold=known.fold), dataset


def _scored(config: PublishConfig, variants: _Variants, dataset: ClipDataset) -> dict[str, Any]:
    """Score all joints: "rows" with those of subsets of the clips, "by_group", "gains", and "counted" of the first row."""
    predictions = variants.predict(dataset, config.window)
    flipped = variants.predict(dataset, config.window, flip_test=True) if config.flip_test else {}
    rows = predictions | {f"{title}, flip test": found for title, found in flipped.items()}
    scores = {title: score(found, dataset) for title, found in rows.items()}
    persons = {title: samples(found, dataset, reference="person") for title, found in predictions.items()}
    correct = {title: person.correct for title, person in persons.items()}
    full, *others = predictions
    groups = persons[full].groups
    parts = [name for name in ("held_out", "not_held_out") if name in scores[full]]
    return {
        "rows": {title: row["scores"] for title, row in scores.items()},
        **{name: {title: row[name] for title, row in scores.items()} for name in parts},
        "by_group": {
            title: {str(group): float(summarize(values[groups == group]).mean) for group in np.unique(groups)}
            for title, values in correct.items()
        },
        "gains": {
            title: _interval(paired_interval(correct[full], correct[title], groups, pool="joints"))
            for title in _stronger({title: float(summarize(correct[title]).mean) for title in others})
        },
        "counted": scores[full]["counted"],
    }


def _occluded(config: PublishConfig, dataset: ClipDataset) -> dict[str, tuple[ClipDataset, Protocol | None]]:
    """Give the data sets with hidden joints by name, and how they were hidden; those of the labels first, if there are any."""
    longer = with_min_length(dataset, config.start + config.length + 1)  # clips that continue after the occluder has left
    protocols = {name: Protocol(name, start=config.start, length=config.length) for name in config.protocols}
    drawn = {name: (protocol.hide(longer), protocol) for name, protocol in protocols.items()}
    labeled = any((clip.visibility == OCCLUDED).any() for clip in dataset)
    return {**({"as it is": (dataset, None)} if labeled else {}), **drawn}


def _check_commits(trained: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UserError where this code, or that of a training in the folder, is of no commit. What the package ships is a file."""
    clean_commit()
    refuse_dirty({f"the training of {name}": run.get("commit") for name, run in trained.items()})


def _check_alike(trained: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise UserError where the runs of two variants, by name, differ in what all must share. A run without manifest passes."""
    known = {name: defaults(TrainConfig) | run["parameters"] for name, run in trained.items() if "parameters" in run}
    for key in sorted({key for settings in known.values() for key in settings} - APART):
        values = {name: settings.get(key) for name, settings in known.items()}
        first = next(iter(values.values()))
        if any(differences({key: value}, {key: first}) for value in values.values()):
            different = ", ".join(f"{name} {value}" for name, value in values.items())
            raise UserError(
                f"the variants were trained with different {key} ({different}); train them alike, or publish them separately"
            )


def _hidden(predictions: Mapping[str, Predictions], dataset: ClipDataset, protocol: Protocol | None) -> dict[str, Any]:
    """Ask the book's question (`rpstn.occlusion.question.ask`) of every variant, and of rules that need no network."""
    answer = ask(dataset, predictions)
    rows = {name: {measure: _interval(value) for measure, value in measures.items()} for name, measures in answer.rows.items()}
    return {
        "clips": len(dataset),
        "measure": ASKED_MEASURE,
        "protocol": None if protocol is None else asdict(protocol),
        "rows": {name: measures[ASKED_MEASURE] for name, measures in rows.items() if name not in answer.rules},
        "rules": {name: rows[name][ASKED_MEASURE] for name in answer.rules},
        "by_measure": rows,
        "gains": {
            name: _interval(answer.gains[name])
            for name in _stronger({name: answer.rows[name][ASKED_MEASURE].estimate for name in answer.gains})
        },
    }


def _stronger(means: Mapping[str, float]) -> list[str]:
    """Return the titles that gains are over: of encoder and frame by frame the one with the higher mean, and all others."""
    baselines = [title for title in (TITLES["frame_by_frame"], TITLES[ENCODER]) if title in means]
    best = max(baselines, key=lambda title: means[title], default=None)
    return [title for title in means if title == best or title not in baselines]


def _interval(value: Interval) -> dict[str, Any]:
    return {"estimate": value.estimate, "interval": [value.low, value.high], "samples": value.samples, "groups": value.groups}


def _named_classes(dataset: ClipDataset) -> dict[str, Any]:
    """Say which of the data set's classes are there, where it has a fixed number of them."""
    if dataset.name != "sub_jhmdb":
        return {}
    there = sorted({clip.action for clip in dataset})
    return {"classes": f"{len(there)} of {len(CLASSES)} ({', '.join(there)})"}


def _measured_on(config: PublishConfig, dataset: ClipDataset, counted: Mapping[str, Any]) -> dict[str, Any]:
    fold = {"official_split": dataset.fold} if dataset.fold is not None else {}
    return {
        "data_set": NATURE.get(dataset.name, dataset.name),
        **fold,
        "split": dataset.split,
        **_named_classes(dataset),
        "clips": counted["clips"],
        "groups": counted["groups"],
        "frames": counted["frames"],
        "window": config.window,
        "window_for_hidden_joints": config.hidden_window,
        "boxes": "ground truth",
        **({"note": config.note} if config.note else {}),
    }
