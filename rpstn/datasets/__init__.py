"""Data sets by name: `open_dataset`. Readers are imported when needed, so that this import stays light."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from rpstn.datasets.catalogue import TABLE
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset, FrameSource
from rpstn.datasets.coco_detections import in_words
from rpstn.datasets.request import Request
from rpstn.datasets.splits import SPLITS
from rpstn.datasets.truth import Truth
from rpstn.errors import UserError, check_seed
from rpstn.runs.paths import data_folder, expanded
from rpstn.skeletons import get_skeleton

__all__ = [
    "ABSENT",
    "OCCLUDED",
    "VISIBLE",
    "DATASETS",
    "Clip",
    "ClipDataset",
    "DamagedClipsWarning",
    "FrameSource",
    "Truth",
    "dataset_root",
    "open_dataset",
    "read_splits",
]


# What to do where a data set is not found.
DATASETS = {name: entry.remedy for name, entry in TABLE.items()}

# How many reasons a warning quotes.
_SHOWN = 3


class DamagedClipsWarning(UserWarning):
    """What open_dataset left out. faults: one error each; count: how many."""

    def __init__(self, name: str, faults: list[UserError]) -> None:
        self.faults = tuple(faults)
        self.count = len(faults)
        shown = "".join(f"\n  {fault}" for fault in faults[:_SHOWN])
        more = f"\n  and {self.count - _SHOWN} more" if self.count > _SHOWN else ""
        super().__init__(f"data set {name}: {self.count} damaged entries left out:{shown}{more}")


def dataset_root(name: str, root: str | os.PathLike[str] | None = None) -> Path:
    """Find the folder of a data set: root, else $RPSTN_DATA/name, else data/name in the checkout or the working directory.

    Raises UserError for a name that does not exist and for a folder that is missing.
    """
    if not isinstance(name, str) or name not in DATASETS:
        raise UserError(f"there is no data set {name!r}; there are {', '.join(DATASETS)}")
    if root is not None and not isinstance(root, str | os.PathLike):
        raise UserError(f"data set {name}: the root is {root!r:.80}, which is no path; give a folder as text or a Path")
    if root is not None and not os.fspath(root):  # as of a shell's variable that is not set; it would be the working directory
        raise UserError(f"data set {name}: the root given is empty; name its folder, or give None")
    if root is not None:
        path, origin = expanded(root), "given as root"
    else:
        path, origin = data_folder(name), "from $RPSTN_DATA" if os.environ.get("RPSTN_DATA") else "the default"
    if not path.is_dir():
        raise UserError(
            f"data set {name}: no folder {os.path.abspath(path)} ({origin}); {DATASETS[name]}, or give its folder as root"
        )
    return path


def read_splits(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    splits: tuple[str, ...] = SPLITS,
    fold: int = 1,
    seed: int = 0,
    labels_only: bool = False,
    faults: list[UserError] | None = None,
    detections: str | os.PathLike[str] | None = None,
) -> dict[str, ClipDataset]:
    """Read several splits at once, each as open_dataset gives it; an empty one stays empty.

    faults  where given, errors of single clips are appended to it and the clip is left out, instead of raised.
    """
    path = dataset_root(name, root)
    check_seed(seed)
    entry = TABLE[name]
    if detections is not None and name != "coco":
        raise UserError(f"data set {name} is read by its own boxes; only coco takes a detector's results: leave out detections")
    module = import_module(f"rpstn.datasets.{entry.module}")
    # A set without a fixed skeleton brings its own.
    skeleton = get_skeleton(entry.skeleton) if entry.skeleton else module.read_skeleton(path)
    request = Request(path, splits, fold, seed, labels_only, faults, None if detections is None else Path(detections))
    clips = module.read_splits(request)
    return {
        split: ClipDataset(
            name,
            skeleton,
            split,
            path,
            tuple(clips[split]),
            fold=fold if name == "sub_jhmdb" else None,
            detections_left_out=dict(sorted(request.dropped.items())),
        )
        for split in splits
    }


def open_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    split: str = "train",
    fold: int = 1,
    seed: int = 0,
    *,
    labels_only: bool = False,
    skip_damaged: bool = False,
    detections: str | os.PathLike[str] | None = None,
) -> ClipDataset:
    """Open one split of a data set; labels are read now, pixels on demand.

    name          one of DATASETS.
    root          its folder; None: $RPSTN_DATA/name, else data/name in the checkout or the working directory.
    split         "train", "val" or "test"; val is cut from train by whole group, seeded, where the
                  set has none.
    fold          1, 2 or 3, of sub_jhmdb. Without meaning for the others.
    seed          of the cut between train and val.
    labels_only   frames may be absent; they fail when they are read.
    skip_damaged  leave out clips whose labels cannot be used, and say how many in a DamagedClipsWarning. Otherwise the
                  first of them raises its error.
    detections    a person detector's results for coco (see rpstn.datasets.coco), whose boxes take the place of the labels. Rows
                  that cannot be used are left out, and a UserWarning says how many and why.

    Raises UserError for an unknown name or split, a missing folder, a label that cannot be used and an empty
    split.
    """
    if split not in SPLITS:
        raise UserError(f"there is no split {split!r}; there are train, val and test")
    faults: list[UserError] | None = [] if skip_damaged else None
    dataset = read_splits(
        name, root, splits=(split,), fold=fold, seed=seed, labels_only=labels_only, faults=faults, detections=detections
    )[split]
    if not dataset.clips:
        raise _empty(dataset, fold, seed, faults)
    if dataset.detections_left_out:
        warnings.warn(f"{detections}: left out: {in_words(dataset.detections_left_out)}", UserWarning, stacklevel=2)
    if faults:
        warnings.warn(DamagedClipsWarning(name, faults), stacklevel=2)
        return replace(dataset, left_out=len(faults))
    return dataset


def _empty(dataset: ClipDataset, fold: int, seed: int, faults: list[UserError] | None) -> UserError:
    """Make the error for a split without clips, with the reason as far as it can be found."""
    name, split = dataset.name, dataset.split
    what = f"data set {name}: split {split!r} is empty in {dataset.root.absolute()}"
    if faults:
        return UserError(f"{what} ({len(faults)} entries are damaged, the first: {faults[0]}); correct or restore them")
    others = read_splits(name, dataset.root, fold=fold, seed=seed, labels_only=True, faults=[])
    counts = {other: len(clips) for other, clips in others.items() if len(clips)}
    if split == "val" and counts.get("train"):
        return UserError(f"{what}: {_why_no_val(name, {clip.group for clip in others['train']})}")
    if counts:
        held = ", ".join(f"{count} in {other}" for other, count in counts.items())
        remedy = f'give some the split "{split}" in dataset.json' if name == "own" else "add the label files of this split"
        return UserError(f"{what}, while there are clips elsewhere ({held}); {remedy}")
    return UserError(f"{what}; check that its label files are complete")


def _why_no_val(name: str, groups: set[str]) -> str:
    one = len(groups) == 1
    whose = f"all clips of train are of one group, {groups.pop()!r}" if one else "no action of train has two groups"
    remedy = "add a clip of another group"
    if name == "own":
        remedy = 'add a clip with the split "val", or cut a clip in time and give one part that split'
    return f"{whose}, and val is cut from train by whole group; {remedy}"
