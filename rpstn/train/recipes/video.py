"""The book's training plan for video: one encoder, trained frame by frame, from which every variant starts.

Variants are compared after the same number of steps on the same samples, from the same encoder. So what differs between two
of them is what their name says. The paper goes the same way: its encoder and initializer are pre-trained on single images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rpstn.datasets.catalogue import TABLE
from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError
from rpstn.models.config import SHARED
from rpstn.models.files import BEST
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.loop import Calibrate, TrainResult, train
from rpstn.train.recipes.variants import VARIANTS, check_variant


@dataclass(frozen=True)
class ImagePretraining:
    """Single images that the encoder learns before it sees frames of video: more people, and more kinds of them.

    dataset, root  such as lspet, mpii or coco; their joints are made into those of the clips as far as they correspond.
    steps          of frames * batch images.
    size           input side in px, None: that of the clips. A smaller one shows more images in the same time.
    lr             highest learning rate, None: that of the encoder. Clips show few people, and a network soon knows them by
                   heart; a lower rate there keeps more of what many images taught.
    aux_fraction   part of each of the encoder's batches that stays images, so that it does not forget them; 0: none.
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
    pretrain_lr     highest learning rate of the encoder's training; that of the base is for the variants.
    images          what the encoder learns before; None: nothing.
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
        data, model = self.base.data, self.base.model
        if self.base.init is not None:
            raise UserError("a recipe makes its own encoder; leave init empty, or use `rpstn train --init`")
        if model.initializer not in (model.encoder, SHARED):
            raise UserError(
                f"a recipe starts the initializer ({model.initializer}) from the trained encoder ({model.encoder}); give both "
                "the same backbone, or train them apart with `rpstn train`"
            )
        if self.images is not None and not self._skeleton:
            raise UserError(
                f"joints of {self.images.dataset} cannot be made into those of {data.dataset}, which each root names itself; "
                "leave out images, or give convert_to"
            )

    @property
    def start(self) -> TrainConfig | None:
        """The run on single images of another data set; None where there is none."""
        if self.images is None:
            return None
        return self._single_frames(
            dataset=self.images.dataset,
            root=self.images.root,
            fold=1,
            convert_to=self._skeleton,
            skip_damaged=True,
            steps=self.images.steps,
            size=self.images.size or self.base.data.size,
            lr=self.pretrain_lr if self.images.lr is None else self.images.lr,
            out=f"{self.base.out}/images",
        )

    @property
    def encoder(self) -> TrainConfig:
        """The encoder's run: as many single images per step as a variant's clips have frames."""
        config = self._single_frames(steps=self.pretrain_steps, lr=self.pretrain_lr, out=f"{self.base.out}/encoder")
        if self.images is None:
            return config
        # The whole network comes from the images, so nothing in it is to learn more slowly than the rest.
        config = config.replace(init=f"{self.base.out}/images/{BEST}", init_rate=1.0, encoder_weights=None)
        if not self.images.aux_fraction:
            return config
        return config.replace(aux_dataset=self.images.dataset, aux_root=self.images.root, aux_fraction=self.images.aux_fraction)

    def variant(self, name: str) -> TrainConfig:
        """Configure a variant's run, which starts from the encoder's. Raises UserError for an unknown variant."""
        return self.base.replace(
            **VARIANTS[check_variant(name)],
            steps=self.steps,
            augmentation=self.clips or self.base.data.augmentation,
            init=f"{self.base.out}/encoder/{BEST}",
            encoder_weights=None,
            out=f"{self.base.out}/{name}",
        )

    def train(self, variants: Sequence[str], progress: bool = True, calibrate: Calibrate | None = None) -> dict[str, TrainResult]:
        """Train images (where there are any), encoder and variants: finished ones are kept, an interrupted one is resumed."""
        runs = {} if self.start is None else {"images": self.start}
        runs |= {"encoder": self.encoder} | {name: self.variant(name) for name in variants}
        return {name: train(config, progress=progress, calibrate=calibrate) for name, config in runs.items()}

    @property
    def _skeleton(self) -> str | None:
        """The name of the skeleton to be learned; None for one that only its data set describes."""
        return self.base.data.convert_to or TABLE[self.base.data.dataset].skeleton

    def _single_frames(self, **settings: object) -> TrainConfig:
        """Configure a run frame by frame, with as many frames per step as the variants take."""
        data = self.base.data
        shared = {**VARIANTS["frame_by_frame"], "frames": 1, "batch": data.batch * data.frames, "initializer_weights": None}
        return self.base.replace(**shared | settings)
