"""The book's training plan: one encoder, learned frame by frame, from which every variant starts.

Variants are compared after the same number of steps on the same samples, from the same encoder. So what differs between two
of them is what their name says. The paper goes the same way: its encoder and initializer are pre-trained on single images.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from rpstn.datasets.catalogue import TABLE
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError, suggest
from rpstn.models.files import WEIGHTS
from rpstn.runs.paths import expanded
from rpstn.runs.project import default_place
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.loop import Calibrate, TrainResult, train

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
    "images": "images",
    "encoder": "encoder",
    "rpstn": "RPSTN",
    "frame_by_frame": "frame by frame",
    "without_propagation": "without propagation",
    "without_relation": "without relation",
    "concat": "concat",
}


@dataclass(frozen=True)
class ImagePretraining:
    """Single images that the encoder learns before it sees frames of video: more people, and more kinds of them.

    dataset, root  such as lspet, mpii or coco; their joints are made into those of the clips as far as they correspond.
    steps          of frames * batch images.
    size           input side in px, None: that of the clips. A smaller one shows more images in the same time.
    lr             highest learning rate, None: that of the encoder. Clips show few people, and a network soon knows them by
                   heart; a lower rate there keeps more of what many images taught.
    beside         part of each of the encoder's batches that stays images, against the same; 0: none.
    """

    dataset: str
    root: str | None
    steps: int
    size: int | None = None
    lr: float | None = None
    aux_fraction: float = 0.0

    def __post_init__(self) -> None:
        check_settings(self, where="images: ", paths=("root",))
        if self.steps < 1:
            raise UserError(f"images of {self.dataset} need at least 1 step, not {self.steps}")
        if not 0 <= self.aux_fraction < 1:
            raise UserError(f"aux_fraction is the part of a batch that stays images; give 0 to below 1, not {self.aux_fraction}")


@dataclass(frozen=True)
class Recipe:
    """An encoder's pre-training and the variants that follow.

    base            what all runs share: data set, sizes, augmentation, seed. Its out is the folder of all runs; its
                    encoder_weights, if any, are where the encoder starts.
    pretrain_steps  steps of the encoder, on single frames, frames * batch of them at once.
    steps           steps of each variant, on clips.
    pretrain_lr     highest learning rate of the encoder's training; base.lr is that of the variants.
    images        what the encoder learns before; None: nothing.
    clips           how the clips of all variants are varied, such as behind larger occluders; None: as the encoder's frames.
    """

    base: TrainConfig
    pretrain_steps: int
    steps: int
    pretrain_lr: float
    images: ImagePretraining | None = None
    clips: Augmentation | None = None

    def __post_init__(self) -> None:
        check_settings(self)
        if self.base.init is not None:
            raise UserError("a recipe makes its own encoder; leave init empty, or use `rpstn train --init`")
        if self.base.initializer != self.base.encoder:
            raise UserError(
                f"a recipe starts the initializer ({self.base.initializer}) from the trained encoder ({self.base.encoder}); give "
                "both the same backbone, or train them apart with `rpstn train`"
            )
        if self.images is not None and not (self.base.convert_to or TABLE[self.base.dataset].skeleton):
            raise UserError(
                f"joints of {self.images.dataset} cannot be made into those of {self.base.dataset}, which each root names "
                "anew; leave out images, or give convert_to"
            )

    @property
    def start(self) -> TrainConfig | None:
        """The run on single images of another data set; None where there is none."""
        if self.images is None:
            return None
        return replace(
            self._single,
            dataset=self.images.dataset,
            root=self.images.root,
            fold=1,
            convert_to=self.base.convert_to or TABLE[self.base.dataset].skeleton,
            skip_damaged=True,
            steps=self.images.steps,
            size=self.images.size or self.base.size,
            lr=self.pretrain_lr if self.images.lr is None else self.images.lr,
            out=f"{self.base.out}/images",
        )

    @property
    def encoder(self) -> TrainConfig:
        """The encoder's run: single images, as many a step as a variant's clips have frames."""
        config = replace(self._single, steps=self.pretrain_steps, out=f"{self.base.out}/encoder")
        if self.start is None:
            return config
        # The whole network comes from the images, so nothing in it is to learn more slowly than the rest.
        config = replace(config, init=f"{self.start.out}/best.pt", init_rate=1.0, encoder_weights=None)
        if not self.images.aux_fraction:
            return config
        return replace(config, aux_dataset=self.start.dataset, aux_root=self.start.root, aux_fraction=self.images.aux_fraction)

    @property
    def _single(self) -> TrainConfig:
        return replace(
            self.base,
            **VARIANTS["frame_by_frame"],
            frames=1,
            batch=self.base.batch * self.base.frames,
            lr=self.pretrain_lr,
            initializer_weights=None,
        )

    def variant(self, name: str) -> TrainConfig:
        """A variant's run, which starts from the encoder's."""
        if name not in VARIANTS:
            raise UserError(f"no variant is called {name!r}{suggest(name, VARIANTS)}; known are {', '.join(VARIANTS)}")
        return replace(
            self.base,
            **VARIANTS[name],
            steps=self.steps,
            augmentation=self.clips or self.base.augmentation,
            init=f"{self.encoder.out}/best.pt",
            encoder_weights=None,
            out=f"{self.base.out}/{name}",
        )

    def train(
        self, variants: list[str] | tuple[str, ...], progress: bool = True, calibrate: Calibrate | None = None
    ) -> dict[str, TrainResult]:
        """Trains images (where there are any), encoder and variants, each once.

        Finished ones are taken as they are, an interrupted one goes on.
        """
        configs = {name: self.variant(name) for name in variants}
        first = {} if self.start is None else {"images": self.start}
        runs = {**first, "encoder": self.encoder, **configs}
        return {name: train(config, progress=progress, calibrate=calibrate) for name, config in runs.items()}


# The image networks that are compared, by the name of their run: the network alone, with the JRE behind it, and alone once
# more on other samples, which shows how much two trainings differ by chance.
IMAGE_VARIANTS = {"alone": "off", "with_jre": "on", "again": "off"}


@dataclass(frozen=True)
class ImageRecipe:
    """An image network, and the same network with the JRE: both from the same weights, with the same steps on the same samples.

    The third of IMAGE_VARIANTS, "again", is the network alone with the next seed: other samples, and where nothing is trained in
    common and no file is given, other weights.
    base            what all runs share; base.network says which network, and its out is the folder of all runs. Its init or
                    encoder_weights, if any, are where the common training starts.
    pretrain_steps  steps of the network alone, from which all then start; 0: all start where the base says.
    steps           steps of each variant, after that.
    pretrain_lr     highest learning rate of the common training; base.lr is that of the variants.
    """

    base: TrainConfig
    pretrain_steps: int
    steps: int
    pretrain_lr: float

    def __post_init__(self) -> None:
        check_settings(self)
        if self.base.network is None:
            raise UserError("an image recipe trains an image network; give its name as network, such as small or hrnet_w32")
        if self.pretrain_steps < 0:
            raise UserError(f"pretrain_steps must not be negative, but is {self.pretrain_steps}")

    @property
    def start(self) -> TrainConfig | None:
        """The common training; None where there is none."""
        if not self.pretrain_steps:
            return None
        return replace(self.base, relation="off", steps=self.pretrain_steps, lr=self.pretrain_lr, out=f"{self.base.out}/start")

    def variant(self, name: str) -> TrainConfig:
        """The run of one of IMAGE_VARIANTS."""
        if name not in IMAGE_VARIANTS:
            raise UserError(f"no image network is compared as {name!r}; known are {', '.join(IMAGE_VARIANTS)}")
        seed = (self.base.seed + (name == "again")) % 2**32
        own = replace(self.base, relation=IMAGE_VARIANTS[name], steps=self.steps, seed=seed, out=f"{self.base.out}/{name}")
        return own if self.start is None else replace(own, init=f"{self.start.out}/best.pt", encoder_weights=None)

    def train(self, progress: bool = True, calibrate: Calibrate | None = None) -> dict[str, TrainResult]:
        """Trains what is not trained yet, in this order: "start" (where there is one), then the variants."""
        runs = ({} if self.start is None else {"start": self.start}) | {name: self.variant(name) for name in IMAGE_VARIANTS}
        return {name: train(config, progress=progress, calibrate=calibrate) for name, config in runs.items()}


def run_folder(dataset: str, fold: int = 1) -> str:
    """Say where the runs on a data set lie by default: runs/embedded, runs/sub_jhmdb-1 (see `rpstn.runs.project`)."""
    return default_place("runs", f"{dataset}-{fold}" if dataset == "sub_jhmdb" else dataset).as_posix()


def shipped_checkpoints(dataset: str) -> dict[str, Path]:
    """The weights that the package ships for a data set, by variant; empty where it ships none."""
    paths = {name: WEIGHTS / f"{dataset}_{name}.pt" for name in VARIANTS}
    return {name: path for name, path in paths.items() if path.is_file()}


def find_checkpoints(
    dataset: str, folder: str | None = None, *, fold: int = 1, variants: Iterable[str] | None = None
) -> dict[str, Path]:
    """Checkpoints of the variants, by name.

    folder    where the train notebook left its runs; None takes the weights that the package ships for the data set and,
              where there are none, the runs in `run_folder`.
    variants  which must be there, and in which order; None: those that are.
    Raises UserError where one that must be there is missing, or nothing is found.
    """
    found = shipped_checkpoints(dataset) if folder is None else {}
    place = "the weights that the package ships" if found else folder or run_folder(dataset, fold)
    if not found:
        paths = {name: expanded(place) / name / "best.pt" for name in VARIANTS}
        # best.pt alone may come from a run that is going on, or was given up: the manifest says that it ended.
        found = {name: path for name, path in paths.items() if path.is_file() and (path.parent / "manifest.json").is_file()}
    wanted = list(found if variants is None else variants)
    for name in wanted:
        if name not in VARIANTS:
            raise UserError(f"no variant is called {name!r}{suggest(name, VARIANTS)}; known are {', '.join(VARIANTS)}")
    missing = [name for name in wanted if name not in found]
    if missing or not wanted:
        raise UserError(
            f"no checkpoint of {', '.join(missing) or 'any variant'} for {dataset} (looked into {place}; found "
            f"{', '.join(found) or 'none'}); train them, `rpstn run train` with this data set and variants, and name their folder"
        )
    return {name: found[name] for name in wanted}
