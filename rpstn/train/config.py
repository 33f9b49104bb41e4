"""What decides a training run: `TrainConfig`, with parts for the data, the network and the optimizer.

Files and the command line know every setting by its name alone, whichever part it belongs to, and so does `TrainConfig.of`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError, check_seed
from rpstn.models.backbones import STRIDE
from rpstn.models.config import SHARED, RPSTNConfig, check_size
from rpstn.models.image import ImageConfig, check_image_size
from rpstn.models.propagation import kernel_side
from rpstn.runs.devices import PRECISIONS
from rpstn.runs.parts import build, flatten, part
from rpstn.runs.paths import default_place
from rpstn.runs.same_run import PATHS
from rpstn.runs.settings import check_settings
from rpstn.skeletons import SKELETONS, get_skeleton
from rpstn.train.choice import CHOICES


@dataclass(frozen=True)
class DataConfig:
    """What a run learns from, and the batches that it comes in."""

    dataset: str = "embedded"  # one of those that `rpstn data list` names
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1  # split of sub_jhmdb: 1, 2 or 3
    convert_to: str | None = None  # skeleton whose joints are learned, such as penn_action; None: the data set's own
    skip_damaged: bool = False  # leave out entries that cannot be used, and say how many, instead of stopping
    aux_dataset: str | None = None  # data set of single images that fill a part of every batch, such as lspet; only with frames 1
    aux_root: str | None = None  # folder of aux_dataset; None: as for root. Entries that cannot be used are left out
    aux_fraction: float = 0.5  # the part of each batch that aux_dataset fills, above 0 and below 1
    frames: int = 5  # T, frames per clip
    size: int = 128  # input side in px: 64, 128, 192 or 256
    sigma: float = 1.5  # of the targets, in heatmap px
    batch: int = 8  # clips per step
    accumulate: int = 1  # parts that a batch is computed in, to save memory
    augmentation: Augmentation = field(default_factory=Augmentation)
    workers: int = 0  # processes that read ahead; 0 reads in the loop

    def __post_init__(self) -> None:
        check_settings(self, paths=PATHS)
        _at_least(self, 1, "frames", "batch", "accumulate")
        _at_least(self, 0, "workers")
        _above_zero(self, "sigma")
        if self.batch % self.accumulate:
            raise UserError(
                f"batch {self.batch} cannot be computed in {self.accumulate} equal parts; choose a divisor as accumulate"
            )
        self._check_aux()
        if self.convert_to is not None:
            get_skeleton(self.convert_to)

    @property
    def part_size(self) -> int:
        """Clips that are computed at once."""
        return self.batch // self.accumulate

    @property
    def aux_count(self) -> int:
        """Images of aux_dataset among them; 0 without aux_dataset."""
        return 0 if self.aux_dataset is None else round(self.part_size * self.aux_fraction)

    def _check_aux(self) -> None:
        if self.aux_dataset is None:
            unused = [name for name in ("aux_fraction", "aux_root") if getattr(self, name) != getattr(DataConfig, name)]
            if unused:
                raise UserError(
                    f"{' and '.join(unused)} without aux_dataset would do nothing; name a data set as aux_dataset, or leave it "
                    "out"
                )
            return
        if self.frames > 1:
            raise UserError(f"{self.aux_dataset} gives single images; mix them with single frames (frames 1, not {self.frames})")
        if not (0 < self.aux_fraction < 1 and 0 < self.aux_count < self.part_size):
            raise UserError(
                f"aux_fraction is {self.aux_fraction}, of {self.part_size} images at once; give a part between 0 and 1 that "
                "leaves at least one for each data set, or a larger batch"
            )


@dataclass(frozen=True)
class ModelConfig:
    """The network, and the files that parts of it start from."""

    network: str | None = None  # image network instead of RPSTN: small, simplebaseline_resnet50, hrnet_w32, ...; frame by frame
    encoder: str = "small"  # backbone F
    initializer: str = "small"  # backbone P
    relation: str = "on"  # on, off, manual
    propagation: str = "matching"  # matching, concat, none
    carry: str = "none"  # none, gated: what the frame before knew of positions
    relation_layout: str = "paper"  # paper, released
    relation_scale: str = "none"  # none, sqrt, mean, learned
    kernel_start: str = "delta"  # of matching's kernels: delta, which changes nothing, or average, a blur, as up to version 0.2
    encoder_weights: str | None = None  # SimpleBaseline, torchvision or own file for the encoder; author checkpoint of network
    initializer_weights: str | None = None  # the same for the initializer

    def __post_init__(self) -> None:
        check_settings(self, paths=PATHS)
        if self.initializer_weights is not None and self.propagation == "none":
            raise UserError("without propagation there is no initializer; leave initializer_weights empty")
        if self.initializer_weights is not None and self.initializer == SHARED:
            raise UserError("a shared initializer is a head on the encoder; leave initializer_weights empty")
        try:  # the names of backbones and variants
            self.describe(1)
        except ValueError as error:
            raise UserError(str(error)) from error
        if self.network is not None and self.propagation != "none":
            raise UserError(f"an image network sees one frame; choose propagation none with network {self.network}")

    def describe(self, joints: int, skeleton: str | None = None) -> RPSTNConfig | ImageConfig:
        """Describe the network for a number of joints. Raises ValueError for an unknown choice."""
        kind = RPSTNConfig if self.network is None else ImageConfig
        shared = {f.name for f in fields(kind)} & {f.name for f in fields(self)}
        return kind(joints=joints, skeleton=skeleton, **{name: getattr(self, name) for name in shared})

    def check_size(self, size: int) -> None:
        """Check the input side in px. Raises UserError for one that the network cannot take."""
        try:
            if self.network is None:
                check_size(size, size)
            else:
                check_image_size(size)
        except ValueError as error:
            raise UserError(str(error)) from error


@dataclass(frozen=True)
class OptimizerConfig:
    """How many steps AdamW takes, and how large they are."""

    steps: int = 1000  # of batch clips each
    lr: float = 2e-3  # highest learning rate of AdamW
    init_rate: float = 0.25  # learning rate of what came from init, as a fraction of lr: it is trained already
    occluded_weight: float = 1.0  # weight in the loss of joints that are occluded; those that are seen have 1
    encoder_rate: float = 1.0  # learning rate of the backbones, as a fraction of the others'; 0: they stay as they start
    ema: float = 0.0  # decay of the running mean of the weights, which then is what is validated and kept; 0: none
    warmup: int = 50  # steps in which the rate rises to lr; then it falls to 0 along a cosine
    weight_decay: float = 1e-2  # of AdamW
    clip_norm: float = 10.0  # gradients above this norm are scaled down to it

    def __post_init__(self) -> None:
        check_settings(self)
        _at_least(self, 1, "steps")
        _at_least(self, 0, "warmup", "weight_decay", "encoder_rate", "ema")
        if not self.ema < 1:
            raise UserError(f"ema is the decay of a running mean, {self.ema}; give 0 to below 1, such as 0.998")
        _above_zero(self, "lr", "clip_norm", "init_rate", "occluded_weight")


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are those of the demo on two CPU cores."""

    data: DataConfig = part(DataConfig)
    model: ModelConfig = part(ModelConfig)
    optimizer: OptimizerConfig = part(OptimizerConfig)
    out: str = field(default_factory=lambda: default_place("runs", "rpstn").as_posix())  # run directory
    init: str | None = None  # checkpoint whose encoder and head this run starts from
    validate_every: int = 0  # steps between validations; 0: at the end only
    validate_by: str = "person 0.05-0.2"  # the val score that chooses: mean PCK over these thresholds; "torso 0.2"; "person 0.2"
    save_every: float = 60.0  # seconds between checkpoints to resume from
    calibration_frames: int = 600  # val frames, about, that limits of confidence are measured on at the end; 0: none
    precision: str = "auto"  # auto, fp32, bf16
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    seed: int = 2021  # of weights, samples and their variation

    def __post_init__(self) -> None:
        check_settings(self, paths=PATHS)
        _at_least(self, 0, "validate_every", "save_every", "calibration_frames")
        if self.precision not in PRECISIONS:
            raise UserError(f"precision must be {', '.join(PRECISIONS[:-1])} or {PRECISIONS[-1]}, not {self.precision!r}")
        if self.validate_by not in CHOICES:
            raise UserError(f"no val score is called {self.validate_by!r}; choose from {', '.join(map(repr, CHOICES))}")
        check_seed(self.seed)
        self.model.check_size(self.data.size)
        self._check_batch_norm()

    @classmethod
    def of(cls, **settings: Any) -> TrainConfig:
        """Make a configuration from settings by name, whichever part they belong to: of(dataset="own", steps=60, seed=1).

        Raises UserError for a value that cannot work, TypeError for an unknown name.
        """
        return build(cls, settings)

    def replace(self, **settings: Any) -> TrainConfig:
        """Return the configuration with other settings, by name, whichever part they belong to. Raises what `of` raises."""
        return self.of(**flatten(self) | settings)

    def model_config(self, dataset: ClipDataset) -> RPSTNConfig | ImageConfig:
        """Describe the network for a data set's joints."""
        skeleton = dataset.skeleton
        known = SKELETONS.get(skeleton.name) == skeleton
        described = self.model.describe(len(skeleton), skeleton.name if known else None)
        # The limbs of a skeleton that only its data set describes cannot be looked up by a name.
        return described if known or isinstance(described, ImageConfig) else replace(described, graph=skeleton.graph)

    def _check_batch_norm(self) -> None:
        """Check that no BatchNorm is to learn from a single value per channel, of which there is no variance.

        The smallest maps are the encoder's, at 1/32 of the input's side, and the kernels, one per clip.
        """
        data = self.data
        values = data.part_size * data.frames * (data.size // 32) ** 2
        if self.model.propagation == "matching" and data.frames > 1:
            values = min(values, data.part_size * kernel_side(data.size // STRIDE) ** 2)
        if values == 1:
            raise UserError(
                f"batch {data.batch} with accumulate {data.accumulate} is {data.part_size} clip at a time, and at size "
                f"{data.size} its smallest map is 1 x 1: BatchNorm cannot learn from one value; give a batch of "
                f"{2 * data.accumulate} or more, or a larger size"
            )


def _at_least(config: Any, least: int, *names: str) -> None:
    for name in names:
        if getattr(config, name) < least:
            raise UserError(f"{name} must be at least {least}, not {getattr(config, name)}")


def _above_zero(config: Any, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise UserError(f"{name} must be positive, not {getattr(config, name)}")
