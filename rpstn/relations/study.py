"""A network on a data set under several interventions: whole relations replaced, or single pairs cut.

The costly half of a network, `RPSTN.encode`, does not depend on relations. It is computed once per clip; the other half,
`RPSTN.locate`, once per intervention. For single pairs there is a way that is cheaper still, `cut_pairs`. Heatmaps are
measured batch by batch and not kept: those of a data set such as Penn Action would fill tens of gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.datasets.transforms import apply_affine
from rpstn.datasets.windows import make_window
from rpstn.errors import UserError
from rpstn.evaluate.inference import Span, batched, check_checkpoint, cut_windows
from rpstn.metrics.keypoints import reference_sizes
from rpstn.models.pixels import normalize
from rpstn.models.rpstn import RPSTN, Encoded
from rpstn.relations.effects import MEASURES, JointScores, Truth, cut_pairs, measure
from rpstn.relations.interventions import Intervention, intervened, watched
from rpstn.runs.progress import tqdm

Record = TypeVar("Record", Truth, JointScores)


@dataclass(frozen=True)
class CutPlan:
    """Say how much of a data set single pairs are cut on; UserError for a number that makes no sense.

    every    cut in one of so many frames.
    carried  number of pairs, the largest weights first, that are also cut in all frames of a clip; 0: none.
    """

    every: int = 4
    carried: int = 12

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("carried", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least {least}")


@dataclass(frozen=True)
class StudySettings:
    """Say how `study` goes through a data set.

    window, batch  as for `rpstn.evaluate.inference.predict_clips`: frames that go through the network at once, windows at once.
    pairs          joints (i, j), each of which is also cut in one frame alone (see `cut_pairs`).
    every          that is done in the first of every `every` frames, counted over all clips.
    """

    window: int = 8
    batch: int = 8
    pairs: Sequence[tuple[int, int]] = ()
    every: int = 1


@dataclass(frozen=True)
class Study:
    """Hold what a network does on clips, under several interventions.

    truth      what it is measured against.
    own        its scores with its own relations.
    changed    its scores under each intervention, by the intervention's name.
    relations  (N,K,K) its own.
    strength   (N,K) float64: sums of squares of the heatmaps that its relations were computed from, the Gram matrix's diagonal.
    alone      by measure, what every joint loses in a frame when a single pair is cut in that frame alone (see `cut_pairs`):
               (pairs,M,K), of M frames, one in `every`; empty where no pairs were given.
    """

    truth: Truth
    own: JointScores
    changed: dict[str, JointScores]
    relations: np.ndarray
    strength: np.ndarray
    alone: dict[str, np.ndarray]


@torch.inference_mode()
def study(
    model: RPSTN,
    metadata: Mapping[str, Any],
    dataset: ClipDataset,
    interventions: Mapping[str, Intervention],
    settings: StudySettings | None = None,
    *,
    progress: bool = True,
) -> Study:
    """Run every clip with the network's own relations, then under each intervention, which acts in all frames.

    Frames come in the data set's order. Raises UserError for an image network, for one without relations, and for one
    that does not fit the data set (`rpstn.evaluate.inference.check_checkpoint`).
    """
    if not isinstance(model, RPSTN):
        raise UserError("this checkpoint is an image network; give one of an RPSTN, which `rpstn train` makes without --network")
    check_checkpoint(metadata, dataset)
    settings = settings or StudySettings()
    parts: list[Study] = []
    frames = sum(len(clip) for clip in dataset)
    with tqdm(total=frames, desc=f"intervene on {dataset.name} {dataset.split}", unit="frame", disable=not progress) as bar:
        for batch in _encoded_batches(model, metadata, dataset, settings):
            parts.append(_study_batch(model, batch, interventions, settings.pairs))
            bar.update(len(batch.truth.groups))
    cut = [part.alone for part in parts if part.alone]
    return Study(
        truth=_joined([part.truth for part in parts]),
        own=_joined([part.own for part in parts]),
        changed={name: _joined([part.changed[name] for part in parts]) for name in interventions},
        relations=np.concatenate([part.relations for part in parts]),
        strength=np.concatenate([part.strength for part in parts]),
        alone={name: np.concatenate([alone[name] for alone in cut], axis=1) for name in MEASURES if cut},
    )


@dataclass(frozen=True)
class _Batch:
    """Hold windows of one length that went through `RPSTN.encode`. rows: the frames in which single pairs are cut."""

    encoded: Encoded
    truth: Truth
    size: int
    rows: np.ndarray


def _encoded_batches(
    model: RPSTN, metadata: Mapping[str, Any], dataset: ClipDataset, settings: StudySettings
) -> Iterator[_Batch]:
    size, device = metadata["size"], next(model.parameters()).device
    frames_before = 0
    for spans in batched(cut_windows([len(clip) for clip in dataset], settings.window), settings.batch):
        windows = [make_window(dataset[clip], dataset.skeleton, start, length, size) for clip, start, length in spans]
        pixels = torch.from_numpy(np.stack([window.frames for window in windows])).to(device)
        truth = _truth(dataset, spans, [window.affine for window in windows])
        rows = np.arange(-frames_before % settings.every, len(truth.groups), settings.every)
        yield _Batch(model.encode(normalize(pixels, metadata["input"])), truth, size, rows)
        frames_before += len(truth.groups)


def _study_batch(
    model: RPSTN, batch: _Batch, interventions: Mapping[str, Intervention], pairs: Sequence[tuple[int, int]]
) -> Study:
    encoded, truth, rows = batch.encoded, batch.truth, batch.rows
    with watched(model) as seen:
        output = model.locate(encoded)
    assert output.relations is not None  # else `watched` has raised
    stride = batch.size / output.heatmaps.shape[-1]
    relations = output.relations.flatten(0, 1)
    # Frame after frame, in one entry without propagation, else in one per frame; wanted clip after clip.
    maps = torch.cat([heatmaps for heatmaps, _ in seen]).unflatten(0, (-1, encoded.batch)).transpose(0, 1).flatten(0, 1)
    cut = len(pairs) > 0 and len(rows) > 0
    changed = {}
    for name, intervention in interventions.items():
        with intervened(model, intervention):
            changed[name] = measure(model.locate(encoded).heatmaps.flatten(0, 1), truth, stride)
    return Study(
        truth=truth,
        own=measure(output.heatmaps.flatten(0, 1), truth, stride),
        changed=changed,
        relations=relations.cpu().numpy(),
        strength=maps.cpu().double().square().sum(dim=(2, 3)).numpy(),
        alone=cut_pairs(model, maps[rows], relations[rows], truth.select(rows), stride, pairs) if cut else {},
    )


def _truth(dataset: ClipDataset, spans: Sequence[Span], affines: Sequence[np.ndarray]) -> Truth:
    parts = []
    for (index, start, length), affine in zip(spans, affines, strict=True):
        clip, here = dataset[index], slice(start, start + length)
        joints, visibility = clip.joints[here], clip.visibility[here]
        person = reference_sizes(joints, visibility, clip.boxes[here], dataset.skeleton, "person")
        parts.append(
            Truth(
                joints=apply_affine(joints, affine).astype(np.float32),
                scored=(visibility != ABSENT) & ~np.isnan(person)[:, None],
                person=person * np.linalg.norm(affine[0, :2]),  # the crop rotates, and scales x and y alike
                visibility=visibility,
                groups=np.repeat(clip.group, length),
                clips=np.full(length, index),
            )
        )
    return _joined(parts)


def _joined(parts: Sequence[Record]) -> Record:
    """Concatenate several Truth, or several JointScores."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return type(parts[0])(*(np.concatenate(column) for column in columns))
