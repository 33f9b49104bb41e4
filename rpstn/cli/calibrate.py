"""`rpstn calibrate`: which confidences of a checkpoint are low."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro


def calibrate(
    checkpoint: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")],
    /,
    *,
    dataset: str | None = None,
    root: Path | None = None,
    split: str = "val",
    fold: int | None = None,
) -> None:
    """Measure below which confidence a joint counts as hidden and a person as lost, and write it next to the checkpoint.

    Training does so by itself. This is for a checkpoint of another origin, or to measure on other clips.

    Args:
        checkpoint: file that training wrote.
        dataset: data set to measure on; the one that the checkpoint was trained on if not given.
        root: folder of the data set; $RPSTN_DATA/NAME, else data/NAME, if not given.
        split: train, val or test.
        fold: split of sub_jhmdb: 1, 2 or 3; the one that the checkpoint was trained on if not given.
    """
    from rpstn.video.calibrate import calibrate_file

    print(calibrate_file(checkpoint, dataset, root, split, fold))
