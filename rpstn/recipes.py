"""The book's training plan: one encoder, learned frame by frame, from which every variant starts.

Variants are compared after the same number of steps on the same samples, from the same encoder. So what differs between two
of them is what their name says. The paper goes the same way: its encoder and initializer are pre-trained on single images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rpstn.errors import UserError
from rpstn.train import TrainConfig, TrainResult, train

# What each variant changes in the full network.
VARIANTS: dict[str, dict[str, str]] = {
    "rpstn": {},
    "frame_by_frame": {"relation": "off", "propagation": "none"},
    "without_propagation": {"propagation": "none"},
    "without_relation": {"relation": "off"},
    "concat": {"propagation": "concat"},
}

# How a variant is called in figures and tables.
TITLES = {
    "rpstn": "RPSTN",
    "frame_by_frame": "frame by frame",
    "without_propagation": "without propagation",
    "without_relation": "without relation",
    "concat": "concat",
}

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Recipe:
    """An encoder's pre-training and the variants that follow.

    base            what all runs share: data set, sizes, augmentation, seed. Its out is the folder of all runs.
    pretrain_steps  steps of the encoder, on single frames, frames * batch of them at once.
    steps           steps of each variant, on clips.
    pretrain_lr     highest learning rate of the encoder's training; base.lr is that of the variants.
    """

    base: TrainConfig
    pretrain_steps: int
    steps: int
    pretrain_lr: float

    def __post_init__(self) -> None:
        if self.base.init is not None:
            raise UserError("a recipe makes its own encoder; leave init empty, or use `rpstn train --init`")

    @property
    def encoder(self) -> TrainConfig:
        """The encoder's run: single images, as many a step as a variant's clips have frames."""
        return replace(
            self.base,
            **VARIANTS["frame_by_frame"],
            frames=1,
            batch=self.base.batch * self.base.frames,
            steps=self.pretrain_steps,
            lr=self.pretrain_lr,
            out=f"{self.base.out}/encoder",
        )

    def variant(self, name: str) -> TrainConfig:
        """A variant's run, which starts from the encoder's."""
        if name not in VARIANTS:
            raise UserError(f"no variant is called {name!r}; known are {', '.join(VARIANTS)}")
        return replace(
            self.base, **VARIANTS[name], steps=self.steps, init=f"{self.encoder.out}/best.pt", out=f"{self.base.out}/{name}"
        )

    def train(self, variants: list[str] | tuple[str, ...], progress: bool = True) -> dict[str, TrainResult]:
        """Trains encoder and variants, each once: finished ones are taken as they are, an interrupted one goes on."""
        configs = {name: self.variant(name) for name in variants}
        results = {"encoder": train(self.encoder, progress=progress)}
        return results | {name: train(config, progress=progress) for name, config in configs.items()}


def run_folder(dataset: str, fold: int = 1) -> str:
    """Where the runs on a data set lie, if nothing else is said: runs/embedded, runs/sub_jhmdb-1."""
    return f"runs/{dataset}-{fold}" if dataset == "sub_jhmdb" else f"runs/{dataset}"


def find_checkpoints(dataset: str, folder: str | None = None, *, fold: int = 1) -> dict[str, Path]:
    """Checkpoints of the variants, by name.

    folder  where the train notebook left its runs; None takes the weights that the package ships for the data set and,
            where there are none, the runs in `run_folder`.
    Raises UserError where nothing is found.
    """
    if folder is None:
        shipped = {name: WEIGHTS / f"{dataset}_{name}.pt" for name in VARIANTS}
        found = {name: path for name, path in shipped.items() if path.is_file()}
        if found:
            return found
        folder = run_folder(dataset, fold)
    found = {name: Path(folder) / name / "best.pt" for name in VARIANTS if (Path(folder) / name / "best.pt").is_file()}
    if not found:
        raise UserError(f"no checkpoints in {folder}; run the train notebook first (`rpstn run train`), with the same data set")
    return found
