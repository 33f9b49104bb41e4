"""By which score on val a checkpoint is chosen.

PCK@0.2 by person size is near its ceiling on some sets, where it does not tell a better checkpoint from a worse one; stricter
thresholds, and torso size, which is shorter, do.
"""

from __future__ import annotations

import numpy as np

from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.metrics.keypoints import summarize
from rpstn.metrics.scores import samples

# Name -> reference and thresholds, over which PCK is averaged. Frames without both torso joints have no torso size.
CHOICES: dict[str, tuple[str, tuple[float, ...]]] = {
    "person 0.05-0.2": ("person", (0.05, 0.1, 0.15, 0.2)),
    "torso 0.2": ("torso", (0.2,)),
    "person 0.2": ("person", (0.2,)),
}


def val_score(predictions: Predictions, dataset: ClipDataset, by: str) -> float:
    """Compute the score that chooses a checkpoint, one of CHOICES: mean PCK over annotated joints, then over its thresholds.

    A fraction; NaN where no joint can be scored.
    """
    reference, thresholds = CHOICES[by]
    parts = [samples(predictions, dataset, reference=reference, threshold=threshold).correct for threshold in thresholds]
    return float(np.mean([summarize(part).mean for part in parts]))
