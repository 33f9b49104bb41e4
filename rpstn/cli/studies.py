"""`rpstn publish` and `rpstn ablate`: what the files of results/ are made with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tyro

from rpstn.cli.scores import as_trained
from rpstn.cli.words import Options
from rpstn.errors import UserError
from rpstn.metrics.tables import aligned, markdown
from rpstn.notebooks.ablation_report import paper_table
from rpstn.notebooks.ablation_results import merge_runs, read_runs, summarize
from rpstn.notebooks.ablations import AblationConfig, ablate
from rpstn.notebooks.publish import PublishConfig
from rpstn.notebooks.publish import publish as write
from rpstn.notebooks.words.findings import interval_words
from rpstn.runs.files import read_json


def publish(config: Options[PublishConfig]) -> None:
    """Score finished runs, and what propagation gains on hidden joints, for results/NAME.json."""
    path = write(config)
    if config.dataset is None:
        print(as_trained(read_json(path)["manifest"]["parameters"]["dataset"]))
    print(path)


def run(config: Options[AblationConfig]) -> None:
    """Train and score the runs of the ablation, each once: which variants, which seeds, and the budget that all share.

    The defaults are those of the book's results. The word `run` may be left out.
    """
    _report(summarize(read_runs(ablate(config))))


def merge(
    folders: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER [FOLDER ...]")],
    /,
    *,
    out: Path = Path("results/ablations.json"),
    fewer: bool = False,
) -> None:
    """Summarize the finished runs of some folders into one file, whole or not at all.

    The file holds one study per data set; those of other sets stay.

    Args:
        folders: where `rpstn ablate` has worked, on this machine or copied from others.
        out: JSON file to write.
        fewer: write it even where the file holds runs or seeds that these folders lack, which it then loses.
    """
    if not folders:  # tyro takes none for an empty tuple
        raise UserError("missing: FOLDER; see rpstn ablate merge --help")
    _report(merge_runs(folders, out=out, fewer=fewer))


def _report(study: Mapping[str, Any]) -> None:
    print(aligned(markdown(paper_table(study))))
    print(interval_words(study))
