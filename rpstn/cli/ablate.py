"""Options of `rpstn ablate merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import tyro

from rpstn.notebooks.ablation_results import merge_runs


def merge(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER ...")],
    /,
    *,
    out: Path = Path("results/ablations.json"),
    fewer: bool = False,
) -> dict[str, Any]:
    """Summarize the finished runs of some folders into one file, whole or not at all; return the study.

    The file holds one study per data set; those of other sets stay.

    Args:
        folders: where `rpstn ablate` has worked, on this machine or copied from others.
        out: JSON file to write.
        fewer: write it even where the file holds runs that these folders lack, which it then loses.
    """
    return merge_runs(folders, out=out, fewer=fewer)
