"""What each part is worth: the same training with one thing changed, with several seeds.

Every run of the grid is one training from one shared encoder with the same budget, in a directory of its own, and one
prediction of the test split. Runs are independent: they may be made on several machines, on different days, and stopped at any
time. What is finished is merged into one file by `rpstn.notebooks.ablation_results`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.splits import first_per_group
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError, suggest
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics.groups import sums_per_group
from rpstn.metrics.scores import samples
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import find_weights
from rpstn.runs.devices import choose_device, use_bf16
from rpstn.runs.directory import defaults, manifest
from rpstn.runs.files import plain, read_json, replacing, write_json
from rpstn.runs.parts import flatten
from rpstn.runs.paths import expanded
from rpstn.runs.renamed import ABLATION, rename_keys
from rpstn.runs.same_run import NUMBERLESS, differences
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.loop import train
from rpstn.train.recipes import run_folder, shipped_checkpoints

# Places, speed, and the seed, which is told by itself. The parts of a batch are no matter of speed alone: a BatchNorm sees one.
_APART = {"root", "aux_root", "init", "seed"} | NUMBERLESS

LENGTHS = (2, 3, 4, 5, 6, 7, 8)

# What each run changes in the full network.
RUNS: dict[str, dict[str, Any]] = {
    "full": {},
    "cat": {"propagation": "concat"},
    "without_p": {"propagation": "none"},
    "without_jre": {"relation": "off"},
    "frame_by_frame": {"relation": "off", "propagation": "none"},
    "manual_graph": {"relation": "manual"},
    "released_layout": {"relation_layout": "released"},
    "scale_sqrt": {"relation_scale": "sqrt"},
    "scale_mean": {"relation_scale": "mean"},
    "scale_learned": {"relation_scale": "learned"},
    **{f"frames_{length}": {"frames": length} for length in LENGTHS},
    "half_steps": {"budget": 0.5},  # of the steps: where that is equivalent, the budget is one at which training has converged
}

HELD = ("clips", "frames")

TITLES = {
    "full": "RPSTN, full",
    "cat": "Cat: concatenated, not matched",
    "without_p": "without P: no propagation",
    "without_jre": "without JRE: no relation",
    "frame_by_frame": "frame by frame: neither",
    "manual_graph": "manual graph",
    "released_layout": "JRE in the released layout",
    "scale_sqrt": "relation scale sqrt",
    "scale_mean": "relation scale mean",
    "scale_learned": "relation scale learned",
    **{f"frames_{length}": f"T = {length}" for length in LENGTHS},
    "half_steps": "half the steps",
}

# The samples of the shipped weights' last stage: with occluders this large there is something to carry from frame to frame.
LARGE_OCCLUDERS = Augmentation(erasing=0.8, erasing_size=(0.1, 0.8), full_rotation_prob=0.35)

REFERENCES, VISIBILITY_SUBSETS = ("torso", "person"), ("all", "occluded")
RESULT, COUNTS = "run.json", "counts.npz"
_OLDER = {RESULT: "cell.json", COUNTS: "tally.npz"}  # what versions before 0.2 called these files


@dataclass(frozen=True)
class AblationConfig:
    """The grid: which runs, which seeds, and the budget that all share. The defaults are the published run's of the book."""

    runs: tuple[str, ...] = tuple(RUNS)  # names in rpstn.notebooks.ablations.RUNS
    seeds: tuple[int, ...] = (2021, 2022, 2023, 2024, 2025)  # of samples, augmentation and fresh weights
    dataset: str = "embedded"  # one of those that `rpstn data list` names
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1  # split of sub_jhmdb: 1, 2 or 3
    out: str | None = None  # folder of all runs; None: runs/<dataset>/ablations
    init: str | None = None  # checkpoint of the shared encoder; None: the shipped one, trained frame by frame
    encoder: str = "small"  # backbone of encoder and initializer; init must hold the same
    steps: int = 2400  # of each run, at which it has converged: "half_steps" tells
    lr: float = 1.5e-3  # highest learning rate
    batch: int = 5  # clips per step
    hold: str = "clips"  # per step, what runs with clips of another length have as many of as the others: clips or frames
    accumulate: int = 1  # parts that a batch is computed in, to save memory
    frames: int = 8  # frames per clip
    size: int = 128  # input side in px
    sigma: float = 1.5  # of the targets, in heatmap px
    augmentation: Augmentation = field(default_factory=lambda: LARGE_OCCLUDERS)
    validate_every: int = 0  # steps between validations; 0: at the end only
    window: int = 8  # frames that go through a network at once on the test split, the same for all runs
    clips: int = 0  # test clips of each group that are scored; 0: all
    precision: str = "auto"  # auto, fp32, bf16
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    workers: int = 0  # processes that read ahead

    def __post_init__(self) -> None:
        check_settings(self, paths=("root", "out", "init"))
        if not self.runs or not self.seeds:
            raise UserError("an ablation needs at least one run and one seed")
        for name in self.runs:
            if name not in RUNS:
                raise UserError(f"no run is called {name!r}{suggest(name, RUNS)}; there are {', '.join(RUNS)}")
        for name, values in (("runs", self.runs), ("seeds", self.seeds)):
            if len(set(values)) != len(values):
                raise UserError(f"{name} names one twice: {values}")
        if self.hold not in HELD:
            raise UserError(f"hold is {self.hold!r}; choose from {', '.join(HELD)}")
        if self.clips < 0 or self.window < 0:
            raise UserError(f"clips ({self.clips}) and window ({self.window}) must not be negative")
        for name in self.runs:  # raises what is wrong with a training itself, before the first one starts
            self.run(name, self.seeds[0])

    @property
    def start(self) -> Path:
        """The checkpoint that all runs start from. Raises UserError where there is none."""
        if self.init is not None:
            path = find_weights(self.init)
            if not path.is_file():
                raise UserError(f"no checkpoint at {path}; all runs start from it: train one with `rpstn run train`")
            return path
        shipped = shipped_checkpoints(self.dataset)
        if "frame_by_frame" not in shipped:
            raise UserError(
                f"the package ships no encoder for {self.dataset}; train one frame by frame (`rpstn run train`), give it as init"
            )
        return shipped["frame_by_frame"]

    @property
    def base(self) -> TrainConfig:
        """What the training of all runs shares."""
        known = flatten(TrainConfig())
        shared = {name: value for name, value in flatten(self).items() if name in known}
        own = {"out": self.folder, "init": str(self.start), "initializer": self.encoder, "calibration_frames": 0}
        return TrainConfig.of(**shared | own, seed=self.seeds[0])

    @property
    def folder(self) -> str:
        """The folder of all runs."""
        return self.out or f"{run_folder(self.dataset, self.fold)}/ablations"

    def run(self, name: str, seed: int) -> TrainConfig:
        """Configure one training."""
        return self.base.replace(**self.changes(name), seed=seed, out=f"{self.folder}/{name}-{seed}")

    def changes(self, name: str) -> dict[str, Any]:
        """Say what a run changes in the full network's settings.

        With clips of another length it takes as many clips per step, or as many frames, as far as whole clips allow (`hold`).
        """
        changes = dict(RUNS[name])
        if "frames" in changes:
            clips = self.batch if self.hold == "clips" else max(1, round(self.batch * self.frames / changes["frames"]))
            changes["batch"] = -(-clips // self.accumulate) * self.accumulate
        if "budget" in changes:
            changes["steps"] = max(1, round(changes.pop("budget") * self.steps))
        return changes

    def todo(self) -> list[tuple[str, int]]:
        """List name and seed of all that is asked for, one seed after the other: a whole grid with one seed is there first.

        The run whose clips are as long as the full network's is the full network, and not made again.
        """
        same = f"frames_{self.frames}"
        return [(name, seed) for seed in self.seeds for name in self.runs if name != same or "full" not in self.runs]


def ablate(config: AblationConfig, progress: bool = True) -> list[Path]:
    """Train and score every run that is not finished; return the directories of all.

    A finished run is kept, an interrupted one is resumed. Raises UserError for a directory that holds a run of another budget, of
    other data or from another encoder, and for an encoder that was trained on another split of the data set.
    """
    choose_device(config.device)
    test = first_per_group(open_dataset(config.dataset, config.root, split="test", fold=config.fold), config.clips)
    return [make_run(config, name, seed, test, progress=progress) for name, seed in config.todo()]


def make_run(config: AblationConfig, name: str, seed: int, test: ClipDataset, *, progress: bool = True) -> Path:
    """Make one run: its training, then its score on test clips. Return its directory.

    To what `rpstn.train` writes there it adds run.json (what the run is, on what it was measured, its manifests) and counts.npz
    (correct and scored samples by group and joint: what intervals are drawn from).
    """
    plan = describe(config, name, seed, test)
    result = train(config.run(name, seed), progress=progress)
    if is_finished(result.run):
        if differing := differences(complete(read_record(result.run)["plan"]), plan):
            raise UserError(
                f"{result.run}: was scored in another way or on other clips ({differing}); ask for the same, or choose "
                "another out"
            )
        return result.run
    begun = time.perf_counter()
    device = choose_device(config.device)
    model, metadata = load_checkpoint(result.checkpoint, device)
    bf16 = use_bf16(config.precision, device)
    predictions = predict_clips(model, metadata, test, config.window, batch=8, amp=bf16, progress=progress)
    with replacing(result.run / COUNTS) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **_counts(predictions, test))  # type: ignore[arg-type]  # names are no options
    seconds = time.perf_counter() - begun
    settings = {"window": config.window, "clips": config.clips}
    scored = manifest(settings, device=device, data=test.checksum(), seed=seed, seconds=seconds)
    trained = read_json(result.run / "manifest.json")
    write_json(result.run / RESULT, {"run": name, "seed": seed, "plan": plan, "training": trained, "scoring": scored})
    return result.run


def _counts(predictions: Predictions, test: ClipDataset) -> dict[str, np.ndarray]:
    """Say what counts.npz holds: "groups" (G,), and for every reference and subset _hits and _counts (G,K)."""
    arrays = {}
    for reference in REFERENCES:
        for subset in VISIBILITY_SUBSETS:
            part = samples(predictions, test, reference=reference, subset=subset)
            groups, hits, counts = sums_per_group(part.correct, part.groups)
            arrays["groups"] = np.asarray(groups, np.str_)
            arrays[f"{reference}_{subset}_hits"] = np.asarray(hits, np.int64)
            arrays[f"{reference}_{subset}_counts"] = np.asarray(counts, np.int64)
    return arrays


def describe(config: AblationConfig, name: str, seed: int, test: ClipDataset) -> dict[str, Any]:
    """Describe what two runs must share to be compared, free of places (budget, start, test clips), and what this one changes."""
    shared = {key: value for key, value in plain(config.base).items() if key not in _APART}
    shared["precision"] = "bf16" if use_bf16(config.precision, choose_device(config.device)) else "fp32"  # what "auto" is here
    measured_on = {
        "data_set": test.name,
        "split": test.split,
        "fold": test.fold,
        "skeleton": test.skeleton.name,
        "clips": len(test),
        "groups": len({clip.group for clip in test}),
        "frames": sum(len(clip) for clip in test),
        "window": config.window,
        "labels": test.checksum(),
    }
    encoder = hashlib.sha256(config.start.read_bytes()).hexdigest()
    described: dict[str, Any] = plain(
        {"shared": shared, "encoder": encoder, "changes": config.changes(name), "measured_on": measured_on}
    )
    return described


def complete(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a run's plan (see `describe`) the settings that came after the version which wrote it."""
    later = {key: value for key, value in defaults(TrainConfig).items() if key not in _APART}
    return {**plan, "shared": later | plan["shared"]}


def read_record(folder: Path) -> dict[str, Any]:
    """Read the run.json of a finished run, of an older version too. Raises UserError for one that is absent or broken."""
    record: dict[str, Any] = rename_keys(read_json(_stored(folder, RESULT)), ABLATION)
    return record


def read_counts(folder: Path) -> dict[str, np.ndarray]:
    """Read the counts.npz of a finished run, of an older version too. Raises what numpy raises for a damaged one."""
    with np.load(_stored(folder, COUNTS), allow_pickle=False) as file:
        return {ABLATION.get(key, key): file[key] for key in file.files}


def is_finished(folder: Path) -> bool:
    """Tell whether a directory holds a run that was trained and scored."""
    return all(_stored(folder, name).is_file() for name in _OLDER)


def finished(folders: Iterable[str | Path]) -> list[Path]:
    """Find the directories of all finished runs below some folders, sorted. Raises UserError for a folder that is not there."""
    found: set[Path] = set()
    for folder in map(expanded, folders):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give folders in which `rpstn ablate` has worked")
        found |= {path.parent for name in (RESULT, _OLDER[RESULT]) for path in folder.rglob(name) if is_finished(path.parent)}
    return sorted(found)


def _stored(folder: Path, name: str) -> Path:
    """Return the file of that name, or the one of an older version where only that is there."""
    today, older = folder / name, folder / _OLDER[name]
    return older if older.is_file() and not today.is_file() else today
