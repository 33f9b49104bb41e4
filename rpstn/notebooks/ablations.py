"""What each part is worth: the same training with one thing changed, several seeds each.

Every cell of the grid is one training from one shared encoder with the same budget, in a directory of its own, and one
prediction of the test split. Cells are independent: they may be made on several machines, on different days, and stopped at
any time. What is finished is merged into one file by `rpstn.notebooks.ablation_results`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.splits import first_per_group
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError, suggest
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics.scores import samples
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import find_weights
from rpstn.notebooks.crossed import count_by_group
from rpstn.runs.devices import choose_device, use_bf16
from rpstn.runs.directory import defaults, manifest
from rpstn.runs.files import plain, read_json, replacing, write_json
from rpstn.runs.paths import expanded
from rpstn.runs.same_run import NUMBERLESS, differences
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.loop import train
from rpstn.train.recipes import run_folder, shipped_checkpoints

# Places, speed, and the seed, which stands beside. The parts of a batch are no matter of speed alone: a BatchNorm sees one.
_APART = {"root", "aux_root", "init", "seed"} | NUMBERLESS

LENGTHS = (2, 3, 4, 5, 6, 7, 8)

# What each cell changes in the full network.
CELLS: dict[str, dict[str, Any]] = {
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
}

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
}

# The samples of the shipped weights' last stage: behind occluders this large there is something to carry from frame to frame.
LARGE_OCCLUDERS = Augmentation(erasing=0.8, erasing_size=(0.1, 0.8), full_rotation_prob=0.35)

# What the demo makes of the grid: the paper's own rows, and the network without either part.
DEMO = ("full", "cat", "without_p", "frame_by_frame")
REFERENCES, VISIBILITY_SUBSETS = ("torso", "person"), ("all", "occluded")
RESULT, TALLY = "cell.json", "count_by_group.npz"


@dataclass(frozen=True)
class AblationConfig:
    """The grid: which cells, which seeds, and the budget that all share. The defaults are the published run's of the book."""

    cells: tuple[str, ...] = tuple(CELLS)  # names in rpstn.notebooks.ablations.CELLS
    seeds: tuple[int, ...] = (2021, 2022, 2023, 2024, 2025)  # of samples, augmentation and fresh weights
    dataset: str = "embedded"  # one of those that `rpstn data list` names
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1  # split of sub_jhmdb: 1, 2 or 3
    out: str | None = None  # folder of all cells; None: runs/<dataset>/ablations
    init: str | None = None  # checkpoint of the shared encoder; None: the shipped one, trained frame by frame
    encoder: str = "small"  # backbone of encoder and initializer; init must hold the same
    steps: int = 300  # of each cell
    lr: float = 1.5e-3  # highest learning rate
    batch: int = 5  # clips a step at `frames` frames; cells of another length take as many frames a step
    accumulate: int = 1  # parts that a batch is computed in, to save memory
    frames: int = 8  # frames of a clip
    size: int = 128  # input side in px
    sigma: float = 1.5  # of the targets, in heatmap px
    augmentation: Augmentation = field(default_factory=lambda: LARGE_OCCLUDERS)
    validate_every: int = 0  # steps between validations; 0: at the end only
    window: int = 8  # frames that go through a network at once on the test split, the same for all cells
    clips: int = 0  # test clips of each group that are scored; 0: all
    precision: str = "auto"  # auto, fp32, bf16
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    workers: int = 0  # processes that read ahead

    def __post_init__(self) -> None:
        check_settings(self, paths=("root", "out", "init"))
        if not self.cells or not self.seeds:
            raise UserError("an ablation needs at least one cell and one seed")
        for name in self.cells:
            if name not in CELLS:
                raise UserError(f"no cell is called {name!r}{suggest(name, CELLS)}; there are {', '.join(CELLS)}")
        for name in ("cells", "seeds"):
            if len(set(getattr(self, name))) != len(getattr(self, name)):
                raise UserError(f"{name} names one twice: {getattr(self, name)}")
        if self.clips < 0 or self.window < 0:
            raise UserError(f"clips ({self.clips}) and window ({self.window}) must not be negative")
        for name in self.cells:  # raises what is wrong with a training itself, before the first one starts
            self.cell(name, self.seeds[0])

    @property
    def start(self) -> Path:
        """The checkpoint that all cells start from. Raises UserError where there is none."""
        if self.init is not None:
            path = find_weights(self.init)
            if not path.is_file():
                raise UserError(f"no checkpoint at {path}; all cells start from it: train one with `rpstn run train`")
            return path
        shipped = shipped_checkpoints(self.dataset)
        if "frame_by_frame" not in shipped:
            raise UserError(
                f"the package ships no encoder for {self.dataset}; train one frame by frame (`rpstn run train`), give it as init"
            )
        return shipped["frame_by_frame"]

    @property
    def base(self) -> TrainConfig:
        """What the training of all cells shares."""
        return TrainConfig.of(
            dataset=self.dataset, root=self.root, fold=self.fold, out=self.folder, init=str(self.start), encoder=self.encoder,
            initializer=self.encoder, frames=self.frames, batch=self.batch, accumulate=self.accumulate, size=self.size,
            sigma=self.sigma, steps=self.steps, lr=self.lr, augmentation=self.augmentation, validate_every=self.validate_every,
            precision=self.precision, device=self.device, workers=self.workers, seed=self.seeds[0],
            calibration_frames=0,
        )  # fmt: skip

    @property
    def folder(self) -> str:
        """The folder of all cells."""
        return self.out or f"{run_folder(self.dataset, self.fold)}/ablations"

    def cell(self, name: str, seed: int) -> TrainConfig:
        """The training of one cell. A cell of another clip length takes as many frames a step, as nearly as whole clips allow."""
        changes = dict(CELLS[name])
        if "frames" in changes:
            clips = max(1, round(self.batch * self.frames / changes["frames"]))
            changes["batch"] = -(-clips // self.accumulate) * self.accumulate
        return self.base.replace(**changes, seed=seed, out=f"{self.folder}/{name}-{seed}")

    def todo(self) -> list[tuple[str, int]]:
        """Cell and seed of all that is asked for, one seed after the other: a whole grid with one seed is there first.

        The cell whose clips are as long as the full network's is the full network, and not made again.
        """
        again = f"frames_{self.frames}"
        return [(name, seed) for seed in self.seeds for name in self.cells if name != again or "full" not in self.cells]


def ablate(config: AblationConfig, progress: bool = True) -> list[Path]:
    """Trains and scores every cell that is not finished; returns the directories of all.

    A finished cell is kept, an interrupted one goes on where it stopped. Raises UserError for a directory that holds a cell of
    another budget, of other data or from another encoder, and for an encoder that was trained on another official split.
    """
    choose_device(config.device)
    test = first_per_group(open_dataset(config.dataset, config.root, split="test", fold=config.fold), config.clips)
    return [make_cell(config, name, seed, test, progress=progress) for name, seed in config.todo()]


def make_cell(config: AblationConfig, name: str, seed: int, test: ClipDataset, *, progress: bool = True) -> Path:
    """One cell: its training, then its score on test clips. Returns its directory.

    Beside what `rpstn.train` writes there stand cell.json (what it is, on what it was measured, its manifest) and
    count_by_group.npz (right and scored samples by group and joint: what intervals are drawn from).
    """
    plan = describe(config, name, seed, test)
    result = train(config.cell(name, seed), progress=progress)
    path = result.run / RESULT
    if path.is_file() and (result.run / TALLY).is_file():
        if differing := differences(complete(read_json(path)["plan"]), plan):
            raise UserError(
                f"{result.run}: was scored in another way or on other clips ({differing}); ask for the same, or choose "
                "another out"
            )
        return result.run
    begun = time.perf_counter()
    device = choose_device(config.device)
    model, metadata = load_checkpoint(result.checkpoint, device)
    predictions = predict_clips(
        model, metadata, test, config.window, batch=8, amp=use_bf16(config.precision, device), progress=progress
    )
    arrays = {}
    for reference in REFERENCES:
        for subset in VISIBILITY_SUBSETS:
            part = samples(predictions, test, reference=reference, subset=subset)
            arrays["groups"], arrays[f"{reference}_{subset}_hits"], arrays[f"{reference}_{subset}_counts"] = count_by_group(
                part.correct, part.groups
            )
    with replacing(result.run / TALLY) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, **{key: np.asarray(value, np.str_ if key == "groups" else np.int64) for key, value in arrays.items()}
        )
    trained = read_json(result.run / "manifest.json")
    settings = {"window": config.window, "clips": config.clips}
    seconds = time.perf_counter() - begun
    scored = manifest(settings, device=device, data=test.checksum(), seed=seed, seconds=seconds)
    write_json(path, {"cell": name, "seed": seed, "plan": plan, "training": trained, "scoring": scored})
    return result.run


def complete(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's plan (see `describe`), with the settings that came after the version which wrote it."""
    later = {key: value for key, value in defaults(TrainConfig).items() if key not in _APART}
    return {**plan, "shared": later | plan["shared"]}


def describe(config: AblationConfig, name: str, seed: int, test: ClipDataset) -> dict[str, Any]:
    """What two cells must share to be compared, free of places: budget, start, test clips; and what this cell changes."""
    shared = {key: value for key, value in plain(config.base).items() if key not in _APART}
    shared["precision"] = "bf16" if use_bf16(config.precision, choose_device(config.device)) else "fp32"  # what "auto" is here
    return plain(
        {
            "shared": shared,
            "encoder": hashlib.sha256(config.start.read_bytes()).hexdigest(),
            "changes": CELLS[name] | ({"batch": config.cell(name, seed).data.batch} if "frames" in CELLS[name] else {}),
            "measured_on": {
                "data_set": test.name,
                "split": test.split,
                "fold": test.fold,
                "skeleton": test.skeleton.name,
                "clips": len(test),
                "groups": len({clip.group for clip in test}),
                "frames": sum(len(clip) for clip in test),
                "window": config.window,
                "labels": test.checksum(),
            },
        }
    )


def finished(folders: Iterable[str | Path]) -> list[Path]:
    """Directories of all finished cells below some folders, sorted. Raises UserError for a folder that is not there."""
    found: Sequence[Path] = []
    for folder in map(expanded, folders):
        if not folder.is_dir():
            raise UserError(f"{folder}: no such folder; give folders in which `rpstn ablate` has worked")
        found = [*found, *(path.parent for path in folder.rglob(RESULT) if (path.parent / TALLY).is_file())]
    return sorted(set(found))
