"""The book's comparison of image networks: the same network with and without the JRE, from the same start."""

from __future__ import annotations

from dataclasses import dataclass

from rpstn.errors import UserError
from rpstn.models.files import BEST
from rpstn.runs.settings import check_settings
from rpstn.train.config import TrainConfig
from rpstn.train.loop import Calibrate, TrainResult, train

# What is trained, by the name of its run, and its relation: the network alone, with the JRE behind it, and alone once more on
# other samples, which shows how much two trainings differ by chance.
IMAGE_VARIANTS = {"alone": "off", "with_jre": "on", "again": "off"}


@dataclass(frozen=True)
class ImageRecipe:
    """An image network, and the same network with the JRE: both from the same weights, with the same steps on the same samples.

    The third of IMAGE_VARIANTS, "again", is the network alone with the next seed: other samples, and where nothing is trained in
    common and no file is given, other weights.
    base            what all runs share; base.model.network says which network, and its out is the folder of all runs. Its init
                    or encoder_weights, if any, are where the common training starts.
    pretrain_steps  steps of the network alone, from which all then start; 0: all start where the base says.
    steps           steps of each variant, after that.
    pretrain_lr     highest learning rate of the common training; that of the base is for the variants.
    """

    base: TrainConfig
    pretrain_steps: int
    steps: int
    pretrain_lr: float

    def __post_init__(self) -> None:
        check_settings(self)
        if self.base.model.network is None:
            raise UserError("an image recipe trains an image network; give its name as network, such as small or hrnet_w32")
        if self.pretrain_steps < 0:
            raise UserError(f"pretrain_steps must not be negative, but is {self.pretrain_steps}")

    @property
    def start(self) -> TrainConfig | None:
        """The common training; None where there is none."""
        if not self.pretrain_steps:
            return None
        return self.base.replace(relation="off", steps=self.pretrain_steps, lr=self.pretrain_lr, out=f"{self.base.out}/start")

    def variant(self, name: str) -> TrainConfig:
        """Configure the run of one of IMAGE_VARIANTS. Raises UserError for an unknown one."""
        if name not in IMAGE_VARIANTS:
            raise UserError(f"no image network is compared as {name!r}; known are {', '.join(IMAGE_VARIANTS)}")
        seed = (self.base.seed + (name == "again")) % 2**32
        own = self.base.replace(relation=IMAGE_VARIANTS[name], steps=self.steps, seed=seed, out=f"{self.base.out}/{name}")
        return own if self.start is None else own.replace(init=f"{self.start.out}/{BEST}", encoder_weights=None)

    def train(self, progress: bool = True, calibrate: Calibrate | None = None) -> dict[str, TrainResult]:
        """Train what is not trained yet, in this order: "start" (where there is one), then the variants."""
        runs = {} if self.start is None else {"start": self.start}
        runs |= {name: self.variant(name) for name in IMAGE_VARIANTS}
        return {name: train(config, progress=progress, calibrate=calibrate) for name, config in runs.items()}
