"""Options of `rpstn train`: every setting under its own name, whichever part of the configuration it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import tyro

from rpstn.runs.parts import part
from rpstn.train.config import DataConfig, ModelConfig, OptimizerConfig, TrainConfig

_NO_PREFIX = tyro.conf.arg(name="")


@dataclass(frozen=True)
class TrainOptions(TrainConfig):
    """One training run. The defaults are those of the demo on two CPU cores."""

    data: Annotated[DataConfig, _NO_PREFIX] = part(DataConfig)
    model: Annotated[ModelConfig, _NO_PREFIX] = part(ModelConfig)
    optimizer: Annotated[OptimizerConfig, _NO_PREFIX] = part(OptimizerConfig)
