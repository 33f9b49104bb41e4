"""RPSTN: human joints found in video, by relating them to each other and carrying the pose through time.

Names are loaded when they are first used: `import rpstn` costs next to nothing and loads neither torch,
Jupyter, Sphinx nor matplotlib.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

# Type checkers read a list only as it stands here. What is not in _HOMES is a module, used by its name: rpstn.metrics.pck(...).
__all__ = [
    "EvaluateConfig", "JointRelationExtractor", "PoseSemanticsPropagator", "Poses", "RPSTN", "RPSTNConfig", "RPSTNOutput",
    "SKELETONS", "Skeleton", "TrainConfig", "UserError", "datasets", "errors", "evaluate", "filters", "get_skeleton",
    "global_matching", "heatmaps", "load_checkpoint", "load_released_checkpoint", "metrics", "models", "occlusion",
    "open_dataset", "plots", "predict", "relations", "runs", "skeletons", "train", "video",
]  # fmt: skip

if TYPE_CHECKING:  # for editors and type checkers; `__getattr__` loads the same names
    from rpstn import (
        datasets,
        errors,
        evaluate,
        filters,
        heatmaps,
        metrics,
        models,
        occlusion,
        plots,
        relations,
        runs,
        skeletons,
        train,
        video,
    )
    from rpstn.datasets import open_dataset
    from rpstn.errors import UserError
    from rpstn.evaluate.scoring import EvaluateConfig
    from rpstn.models import RPSTN, JointRelationExtractor, PoseSemanticsPropagator, RPSTNConfig, RPSTNOutput, global_matching
    from rpstn.models.checkpoints import load_checkpoint
    from rpstn.models.released import load_released_checkpoint
    from rpstn.skeletons import SKELETONS, Skeleton, get_skeleton
    from rpstn.train.config import TrainConfig
    from rpstn.video.predict import Poses, predict

# Public name -> the module that has it.
_HOMES = {
    "EvaluateConfig": "rpstn.evaluate.scoring",
    "JointRelationExtractor": "rpstn.models",
    "PoseSemanticsPropagator": "rpstn.models",
    "Poses": "rpstn.video.predict",
    "RPSTN": "rpstn.models",
    "RPSTNConfig": "rpstn.models",
    "RPSTNOutput": "rpstn.models",
    "SKELETONS": "rpstn.skeletons",
    "Skeleton": "rpstn.skeletons",
    "TrainConfig": "rpstn.train.config",
    "UserError": "rpstn.errors",
    "get_skeleton": "rpstn.skeletons",
    "global_matching": "rpstn.models",
    "load_checkpoint": "rpstn.models.checkpoints",
    "load_released_checkpoint": "rpstn.models.released",
    "open_dataset": "rpstn.datasets",
    "predict": "rpstn.video.predict",
}

if not TYPE_CHECKING:  # a type checker that saw it would take rpstn.nonsense for a name

    def __getattr__(name: str) -> Any:
        """Load a public name on first use (PEP 562)."""
        if name in _HOMES:
            value = getattr(importlib.import_module(_HOMES[name]), name)
        elif name in __all__:
            value = importlib.import_module(f"rpstn.{name}")
        else:
            raise AttributeError(f"module 'rpstn' has no attribute {name!r}")
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
