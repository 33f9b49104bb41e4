"""What decides a training run: `TrainConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError
from rpstn.models.backbones import STRIDE
from rpstn.models.image import ImageConfig, check_image_size
from rpstn.models.propagation import kernel_side
from rpstn.models.rpstn import RPSTNConfig, check_size
from rpstn.runs.paths import default_place
from rpstn.runs.same_run import PATHS
from rpstn.runs.settings import check_settings
from rpstn.skeletons import SKELETONS, get_skeleton


@dataclass(frozen=True)
class TrainConfig:
    """One training run. The defaults are those of the demo on two CPU cores."""

    dataset: str = "embedded"  # one of those that `rpstn data list` names
    root: str | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1  # split of sub_jhmdb: 1, 2 or 3
    convert_to: str | None = None  # skeleton whose joints are learned, such as penn_action; None: the data set's own
    skip_damaged: bool = False  # leave out entries that cannot be used, and say how many, instead of stopping
    aux_dataset: str | None = None  # data set of single images that fill a part of every batch, such as lspet; only with frames 1
    aux_root: str | None = None  # folder of aux_dataset; None: as for root. Entries that cannot be used are left out
    aux_fraction: float = 0.5  # the part of each batch that aux_dataset fills, above 0 and below 1
    out: str = field(default_factory=lambda: default_place("runs", "rpstn").as_posix())  # run directory
    init: str | None = None  # checkpoint whose encoder and head this run starts from
    init_rate: float = 0.25  # learning rate of what came from init, as a fraction of lr: it is trained already
    encoder_weights: str | None = None  # SimpleBaseline, torchvision or own file for the encoder; network's official file
    initializer_weights: str | None = None  # the same for the initializer
    network: str | None = None  # image network instead of RPSTN: small, simplebaseline_resnet50, hrnet_w32, ...; frame by frame
    encoder: str = "small"  # backbone F
    initializer: str = "small"  # backbone P
    relation: str = "on"  # on, off, manual
    propagation: str = "matching"  # matching, concat, none
    relation_layout: str = "paper"  # paper, released
    relation_scale: str = "none"  # none, sqrt, mean, learned
    frames: int = 5  # T, frames a clip
    size: int = 128  # input side in px: 64, 128, 192 or 256
    sigma: float = 1.5  # of the targets, in heatmap px
    batch: int = 8  # clips a step
    accumulate: int = 1  # parts that a batch is computed in, to save memory
    steps: int = 1000  # of batch clips each
    lr: float = 2e-3  # highest learning rate of AdamW
    warmup: int = 50  # steps in which the rate rises to lr; then it falls to 0 along a cosine
    weight_decay: float = 1e-2  # of AdamW
    clip_norm: float = 10.0  # gradients above this norm are scaled down to it
    augmentation: Augmentation = field(default_factory=Augmentation)
    validate_every: int = 0  # steps between validations; 0: at the end only
    save_every: float = 60.0  # seconds between checkpoints to resume from
    calibration_frames: int = 600  # val frames, about, that limits of confidence are measured on at the end; 0: none
    precision: str = "auto"  # auto, fp32, bf16
    device: str = "auto"  # auto, cpu, cuda, mps, xpu, or one of several such as cuda:1
    workers: int = 0  # processes that read ahead; 0 reads in the loop
    seed: int = 2021  # of weights, samples and their variation

    def __post_init__(self) -> None:
        check_settings(self, paths=PATHS)
        for name in ("frames", "batch", "accumulate", "steps"):
            if getattr(self, name) < 1:
                raise UserError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("warmup", "validate_every", "workers", "weight_decay", "save_every", "calibration_frames"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must not be negative, but is {getattr(self, name)}")
        if self.batch % self.accumulate:
            raise UserError(
                f"batch {self.batch} cannot be computed in {self.accumulate} equal parts; choose a divisor as accumulate"
            )
        if self.aux_dataset is not None and self.frames > 1:
            raise UserError(f"{self.aux_dataset} gives single images; mix them with single frames (frames 1, not {self.frames})")
        aux_count(self)
        check_batch_norm(self)
        if self.initializer_weights is not None and self.propagation == "none":
            raise UserError("without propagation there is no initializer; leave initializer_weights empty")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise UserError(f"precision must be auto, fp32 or bf16, not {self.precision!r}")
        for name in ("lr", "sigma", "clip_norm", "init_rate"):
            if not getattr(self, name) > 0:
                raise UserError(f"{name} must be positive, not {getattr(self, name)}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"seed must lie in 0 .. 2**32 - 1, not {self.seed}")
        try:  # names of backbones and variants, and the size: before anything is read or written
            if self.network is None:
                check_size(self.size, self.size)
            else:
                check_image_size(self.size)
            self._described(1, None)
            if self.convert_to is not None:
                get_skeleton(self.convert_to)
        except ValueError as error:
            raise UserError(str(error)) from error

        if self.network is not None and self.propagation != "none":
            raise UserError(f"an image network sees one frame; choose propagation none with network {self.network}")

    def _described(self, joints: int, skeleton: str | None) -> RPSTNConfig | ImageConfig:
        kind = RPSTNConfig if self.network is None else ImageConfig
        shared = {f.name for f in fields(kind)} & {f.name for f in fields(self)}
        return kind(joints=joints, skeleton=skeleton, **{name: getattr(self, name) for name in shared})

    def model_config(self, dataset: ClipDataset) -> RPSTNConfig | ImageConfig:
        """The network for a data set's joints."""
        skeleton = dataset.skeleton
        known = SKELETONS.get(skeleton.name) == skeleton
        described = self._described(len(skeleton), skeleton.name if known else None)
        # The limbs of a skeleton that only its data set describes cannot be looked up by a name.
        return described if known or isinstance(described, ImageConfig) else replace(described, graph=skeleton.graph)


def aux_count(config: TrainConfig) -> int:
    """Count the images of aux_dataset that each part of a batch holds; 0 where there are none.

    Raises UserError where none of them, or nothing else, would fit, and for aux_fraction or aux_root without aux_dataset.
    """
    if config.aux_dataset is None:
        unused = [name for name in ("aux_fraction", "aux_root") if getattr(config, name) != getattr(type(config), name)]
        if unused:
            raise UserError(
                f"{' and '.join(unused)} without aux_dataset would do nothing; name a data set as aux_dataset, or leave it out"
            )
        return 0
    part = config.batch // config.accumulate
    count = round(part * config.aux_fraction) if 0 < config.aux_fraction < 1 else 0
    if not 0 < count < part:
        raise UserError(
            f"aux_fraction is {config.aux_fraction}, of {part} images at once; give a part between 0 and 1 that leaves at "
            "least one for each data set, or a larger batch"
        )
    return count


def check_batch_norm(config: TrainConfig) -> None:
    """Check that no BatchNorm is to learn from a single value per channel, of which there is no variance.

    The smallest maps are the encoder's, at 1/32 of the input's side, and the kernels, one for each clip. Raises UserError.
    """
    part = config.batch // config.accumulate
    values = part * config.frames * (config.size // 32) ** 2
    if config.propagation == "matching" and config.frames > 1:
        values = min(values, part * kernel_side(config.size // STRIDE) ** 2)
    if values == 1:
        raise UserError(
            f"batch {config.batch} with accumulate {config.accumulate} is {part} clip at a time, and at size {config.size} its "
            f"smallest map is 1 x 1: BatchNorm cannot learn from one value; give a batch of {2 * config.accumulate} or more, or "
            "a larger size"
        )
