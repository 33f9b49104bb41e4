"""`rpstn data ...`: what data sets there are, making the one that is computed, checking the others."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import tyro

from rpstn.errors import UserError, suggest
from rpstn.runs.paths import check_folder, data_folder, default_place

Name = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="NAME")]
Root = Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="[ROOT]")]


def list_sets() -> None:
    """List the data sets: where each comes from, on what terms, its size and layout, and what of it is here."""
    from rpstn.datasets import dataset_root
    from rpstn.datasets.catalogue import TABLE, found_files
    from rpstn.skeletons import get_skeleton

    for name, entry in TABLE.items():
        try:
            root = dataset_root(name)
        except UserError:
            print(f"{name:12} not here")
            layout = [f"{pattern} ({what})" for pattern, what in entry.layout]
        else:
            print(f"{name:12} in {root}")
            layout = [f"{pattern} ({what}): {count or 'none'}" for pattern, what, count in found_files(name, root)]
        joints = f"{len(get_skeleton(entry.skeleton))}, skeleton {entry.skeleton}" if entry.skeleton else "your own"
        rows = {"where": entry.remedy, "terms": entry.terms, "size": entry.size, "joints": joints}
        for title, text in rows.items():
            print(f"  {title:8} {text}")
        for index, line in enumerate(layout):
            print(f"  {'' if index else 'layout':8} {line}")
    place = os.environ.get("RPSTN_DATA")
    named = f"{default_place('data')}/; $RPSTN_DATA names another folder"
    print(f"looked in {place}, which $RPSTN_DATA names" if place else f"looked in {named}")


def make(
    name: Name,
    root: Root = None,
    /,
    *,
    train: int = 240,
    val: int = 30,
    test: int = 110,
    frames: int = 24,
    size: int = 160,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Make a data set that is computed: embedded. A set that is there with the same values is kept.

    Args:
        name: embedded; the others are recorded, and downloads.
        root: folder to make; $RPSTN_DATA/NAME, else data/NAME, if not given.
        train: clips to train on.
        val: clips to choose checkpoints by.
        test: clips to score.
        frames: per clip.
        size: width and height in pixels.
        seed: seed of everything random. The same seed gives the same bytes.
        workers: processes; as many as there are cores if not given.
    """
    from rpstn.datasets import DATASETS

    if name not in DATASETS:
        near = suggest(name, DATASETS)
        raise UserError(f"there is no data set {name!r}{near}; there are {', '.join(DATASETS)}")
    if name != "embedded":
        raise UserError(f"data set {name!r} is recorded, not computed: {DATASETS[name]}")
    from rpstn.embedded import make_embedded

    folder = root or data_folder(name)
    check_folder(folder.absolute().parent)
    counts = {"train": train, "val": val, "test": test}
    make_embedded(folder, seed=seed, counts=counts, frames=frames, size=size, workers=workers)
    print(f"{name} is in {folder}")


def check(name: Name, root: Root = None, /, *, fold: int = 1, labels_only: bool = False) -> int:
    """Read all labels of a data set, and its frames, and report what is there and what cannot be used.

    Args:
        name: the data set, as `rpstn data list` names it.
        root: its folder; $RPSTN_DATA/NAME, else data/NAME, if not given.
        fold: split of sub_jhmdb: 1, 2 or 3.
        labels_only: leave the frames unread.
    """
    from rpstn.datasets.check import check_dataset
    from rpstn.runs.progress import tqdm
    from rpstn.runs.quiet import audible

    # Checking shuts stderr while it decodes.
    with audible() as terminal, tqdm(desc=f"check {name}", unit="clip", leave=False, delay=1, file=terminal) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        report = check_dataset(name, root, fold, pixels=not labels_only, progress=show)
    print(report)
    return 0 if report.ok else 1
