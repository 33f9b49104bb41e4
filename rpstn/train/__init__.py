"""Everything that decides weights: configuration, data, the loop, resuming, recipes."""

from rpstn.train.config import TrainConfig
from rpstn.train.loop import train

__all__ = ["TrainConfig", "train"]
