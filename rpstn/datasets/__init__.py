"""Data sets by name: `open_dataset`. Loaders are imported when needed, so that this import stays light."""

from __future__ import annotations

import os
from pathlib import Path

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset, FrameSource
from rpstn.errors import UserError

__all__ = [
    "ABSENT",
    "OCCLUDED",
    "VISIBLE",
    "DATASETS",
    "Clip",
    "ClipDataset",
    "FrameSource",
    "dataset_root",
    "open_dataset",
    "read_splits",
]

# What to do where a data set is not found.
DATASETS = {
    "embedded": "make it with `rpstn data make embedded`",
    "penn_action": (
        "get it from http://dreamdragon.github.io/PennAction/ and unpack it, so that frames/ and labels/ lie in the root"
    ),
    "sub_jhmdb": (
        "get JHMDB from http://jhmdb.is.tue.mpg.de (videos or Rename_Images, joint_positions, puppet_mask "
        "and the sub_splits) and unpack them side by side in the root"
    ),
}


def dataset_root(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Where a data set lies: root, else $RPSTN_DATA/name, else data/name under the working directory.

    Raises UserError for a name that does not exist and for a folder that is missing.
    """
    if name not in DATASETS:
        raise UserError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    if root is not None:
        path, origin = Path(root), "given as root"
    elif os.environ.get("RPSTN_DATA"):
        path, origin = Path(os.environ["RPSTN_DATA"]) / name, "from $RPSTN_DATA"
    else:
        path, origin = Path("data") / name, "the default place"
    if not path.is_dir():
        raise UserError(f"data set {name}: no folder {path.absolute()} ({origin}); {DATASETS[name]}, or give its place as root")
    return path


def read_splits(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    splits: tuple[str, ...] = ("train", "val", "test"),
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
) -> dict[str, ClipDataset]:
    """Several splits at once, each as open_dataset gives it; an empty one stays empty.

    faults  where given, errors of single clips are appended to it and the clip is left out, instead of
            raised.
    """
    path = dataset_root(name, root)
    if name == "sub_jhmdb":
        from rpstn.datasets.sub_jhmdb import read_splits as read
        from rpstn.skeletons import SUB_JHMDB as skeleton
    else:
        from rpstn.datasets.penn_action import read_splits as read
        from rpstn.skeletons import PENN_ACTION as skeleton
    clips = read(path, splits=splits, fold=fold, seed=seed, labels_only=labels_only, faults=faults)
    return {split: ClipDataset(name, skeleton, split, path, tuple(clips[split])) for split in splits}


def open_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "train",
    fold: int = 1,
    seed: int = 0,
    *,
    labels_only: bool = False,
) -> ClipDataset:
    """One split of a data set; labels are read now, pixels on demand.

    name         "embedded", "penn_action" or "sub_jhmdb".
    root         its folder; None: $RPSTN_DATA/name, else data/name under the working directory.
    split        "train", "val" or "test"; val is cut from train by whole source, seeded, where the
                 set has none.
    fold         1, 2 or 3: the official split of sub_jhmdb. Without meaning for the others.
    seed         of the cut between train and val.
    labels_only  frames may be absent; they fail when they are read.

    Raises UserError for an unknown name or split, a missing folder, a label that cannot be used and an empty
    split.
    """
    if split not in ("train", "val", "test"):
        raise UserError(f"there is no split {split!r}; there are train, val and test")
    dataset = read_splits(name, root, splits=(split,), fold=fold, seed=seed, labels_only=labels_only)[split]
    if not dataset.clips:
        raise UserError(
            f"data set {name}: split {split!r} is empty in {dataset.root.absolute()}; check that its label files are complete"
        )
    return dataset
