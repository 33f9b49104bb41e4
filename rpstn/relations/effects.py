"""What interventions on relations cost: each joint's loss, frame by frame, with whole relations replaced or single pairs cut.

The costly half of a network, `RPSTN.encode`, does not depend on relations. It is computed once for each clip; the other half,
`RPSTN.locate`, once for each intervention. For single pairs there is a way that is cheaper still, `cut_pairs`. Heatmaps are
measured batch by batch and not kept: those of a data set such as Penn Action would fill tens of gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import torch

from rpstn.datasets.clip import ABSENT, ClipDataset
from rpstn.datasets.transforms import apply_affine
from rpstn.datasets.windows import make_window
from rpstn.errors import UserError
from rpstn.evaluate.inference import check_checkpoint
from rpstn.heatmaps import decode, to_heatmap
from rpstn.metrics.keypoints import reference_sizes
from rpstn.models.pixels import normalize
from rpstn.models.rpstn import RPSTN
from rpstn.relations.interventions import Cut, Intervention, intervened, watched
from rpstn.runs.progress import tqdm

# What is measured of each joint, and how to read it.
MEASURES = {
    "pck": "PCK@0.2, person (percentage points)",
    "distance": "distance from the truth (% of the person's size)",
    "height": "heatmap at the true place (% of an ideal peak)",
    "share": "heatmap at the true place (% of its own peak)",
}
THRESHOLD = 0.2


@dataclass(frozen=True)
class CutPlan:
    """How much of a data set single pairs are cut on; UserError for a number that makes no sense.

    every    of the frames, one in so many.
    carried  so many pairs, the largest weights first, are also cut in all frames of a clip; 0: none.
    """

    every: int = 4
    carried: int = 12

    def __post_init__(self) -> None:
        for name, least in (("every", 1), ("carried", 0)):
            if getattr(self, name) < least:
                raise UserError(f"{name} is {getattr(self, name)}; it must be at least {least}")


@dataclass(frozen=True)
class Truth:
    """What frames are measured against, N frames of K joints.

    joints      (N,K,2) input px. scored (N,K): annotated joints in frames with a reference length.
    person      (N,) the longer side of the person's box, input px.
    visibility  (N,K). groups (N,) the unit of the bootstrap. clips (N,) index of the clip.
    """

    joints: np.ndarray
    scored: np.ndarray
    person: np.ndarray
    visibility: np.ndarray
    groups: np.ndarray
    clips: np.ndarray

    def of(self, rows: Any) -> Truth:
        """Some frames, by index, slice or mask."""
        return Truth(*(value[rows] for value in vars(self).values()))


@dataclass(frozen=True)
class Found:
    """What a network makes of frames, (N,K) float32 each, NaN where a joint is not scored.

    pck       1 where the joint lies within 0.2 of the person's size from the truth, else 0.
    distance  from the truth, in sizes of the person.
    height    the heatmap's value at the true place, 1 for an ideal map; NaN also where the truth is outside the map.
    share     the same as a part of the map's highest value: 1 where the peak is at the true place, however high it is. What
              raises a whole map changes its height, and not its share.
    """

    pck: np.ndarray
    distance: np.ndarray
    height: np.ndarray
    share: np.ndarray

    def loss(self, changed: Found) -> dict[str, np.ndarray]:
        """By measure, what is lost from here to `changed`, (N,K): positive where changed is worse."""
        return {
            "pck": self.pck - changed.pck,
            "distance": changed.distance - self.distance,
            "height": self.height - changed.height,
            "share": self.share - changed.share,
        }


@dataclass(frozen=True)
class Study:
    """A network on clips, under several interventions.

    own         what it finds with its own relations; changed: the same by intervention's name.
    relations   (N,K,K) its own. strength (N,K) float64: sums of squares of the heatmaps that its relations were computed from,
                the Gram matrix's diagonal.
    alone       by measure, what every joint loses in a frame when a single pair is cut in that frame alone (see `cut_pairs`):
                (pairs,M,K), of M frames, one in `every`; empty where no pairs were given.
    """

    truth: Truth
    own: Found
    changed: dict[str, Found]
    relations: np.ndarray
    strength: np.ndarray
    alone: dict[str, np.ndarray]


def measure(heatmaps: torch.Tensor, truth: Truth, stride: float) -> Found:
    """Heatmaps (N,K,h,w) against the truth."""
    joints, peak = (value.cpu().numpy() for value in decode(heatmaps, stride))
    distance = np.linalg.norm(joints - truth.joints, axis=-1) / truth.person[:, None]
    places = to_heatmap(torch.from_numpy(truth.joints), stride).to(heatmaps.device)
    height = heights(heatmaps, places).cpu().numpy()
    values = (distance <= THRESHOLD, distance, height, height / np.maximum(peak, 1e-6))
    return Found(*(np.where(truth.scored, value, np.nan).astype(np.float32) for value in values))


def heights(heatmaps: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Values (...,K) of heatmaps (...,K,h,w) at places (...,K,2), x and y in heatmap px; bilinear, NaN outside the map."""
    height, width = heatmaps.shape[-2:]
    flat = heatmaps.flatten(-2)
    x, y = places.to(heatmaps.dtype).unbind(-1)
    left, top = (part.floor().clamp(0, side - 2) for part, side in ((x, width), (y, height)))
    total = torch.zeros_like(x)
    for across in (0, 1):
        for down in (0, 1):
            weight = (1 - (x - left - across).abs()) * (1 - (y - top - down).abs())
            index = ((top + down) * width + left + across).long()
            total = total + weight * flat.gather(-1, index[..., None])[..., 0]
    inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return torch.where(inside, total, torch.nan)


@torch.inference_mode()
def study(
    model: RPSTN,
    metadata: Mapping[str, Any],
    dataset: ClipDataset,
    interventions: Mapping[str, Intervention],
    *,
    pairs: Sequence[tuple[int, int]] = (),
    every: int = 1,
    window: int = 8,
    batch: int = 8,
    progress: bool = True,
) -> Study:
    """Every clip, first with the network's own relations, then under each intervention, which acts in all frames.

    pairs, every   joints (i, j); each pair is also cut in one frame alone, in the first of every `every` frames.
    window, batch  as for `rpstn.evaluate.inference.predict_clips`: frames that go through the network at once, windows at once.
    Frames come in the data set's order. Raises UserError for an image network, for one without relations, and for one
    that does not fit the data set (`rpstn.evaluate.inference.check_checkpoint`).
    """
    if not isinstance(model, RPSTN):
        raise UserError("this checkpoint is an image network; give one of an RPSTN, which `rpstn train` makes without --network")
    check_checkpoint(metadata, dataset)
    device = next(model.parameters()).device
    truths: list[Truth] = []
    own: list[Found] = []
    changed: dict[str, list[Found]] = {name: [] for name in interventions}
    relations, strength, alone, counted = [], [], [], 0
    frames = sum(len(clip) for clip in dataset)
    with tqdm(total=frames, desc=f"intervene on {dataset.name} {dataset.split}", unit="frame", disable=not progress) as bar:
        for places in _batches([len(clip) for clip in dataset], window, batch):
            windows = [
                make_window(dataset[clip], dataset.skeleton, start, count, metadata["size"]) for clip, start, count in places
            ]
            truth = _truth(dataset, places, [part.affine for part in windows])
            pixels = torch.from_numpy(np.stack([part.frames for part in windows])).to(device)
            encoded = model.encode(normalize(pixels, metadata["input"]))
            with watched(model) as seen:
                output = model.locate(encoded)
            stride = metadata["size"] / output.heatmaps.shape[-1]
            truths.append(truth)
            own.append(measure(output.heatmaps.flatten(0, 1), truth, stride))
            relation = output.relations.flatten(0, 1)
            relations.append(relation.cpu().numpy())
            # Frame after frame, in one entry without propagation, else in one a frame; wanted clip after clip.
            maps = torch.cat([heatmaps for heatmaps, _ in seen]).unflatten(0, (-1, encoded.batch)).transpose(0, 1).flatten(0, 1)
            strength.append(maps.cpu().double().square().sum(dim=(2, 3)).numpy())
            some = np.arange(-counted % every, len(maps), every)  # counted over all frames, not anew in each batch
            if len(pairs) and len(some):
                alone.append(cut_pairs(model, maps[some], relation[some], truth.of(some), stride, pairs))
            counted += len(maps)
            for name, intervention in interventions.items():
                with intervened(model, intervention):
                    changed[name].append(measure(model.locate(encoded).heatmaps.flatten(0, 1), truth, stride))
            bar.update(len(truth.groups))
    return Study(
        truth=_joined(truths),
        own=_joined(own),
        changed={name: _joined(parts) for name, parts in changed.items()},
        relations=np.concatenate(relations),
        strength=np.concatenate(strength),
        alone={name: np.concatenate([part[name] for part in alone], axis=1) for name in MEASURES if alone},
    )


@torch.inference_mode()
def cut_pairs(
    model: RPSTN,
    heatmaps: torch.Tensor,
    relation: torch.Tensor,
    truth: Truth,
    stride: float,
    pairs: Sequence[tuple[int, int]],
) -> dict[str, np.ndarray]:
    """What every joint loses in a frame when one pair (i, j) is cut in that frame alone: by measure, (pairs,N,K).

    The frames before it are as they were, so the heatmaps that enter the relation are too, and only

        M' = BN(Conv_o(W' Conv_g(M)) + M),     W' = Cut(i, j) of W

    is computed anew. Without propagation that is all there is to a cut. With propagation a cut in all frames also acts through
    what is carried: `study` with the cuts as interventions measures that.

    heatmaps  (N,K,h,w), as they enter the relation. relation (N,K,K): the network's own. truth: of these N frames.
    stride    input px per heatmap px.
    """
    extractor = model.relation
    own = measure(model.norm(extractor.apply_relation(heatmaps, relation)), truth, stride)
    losses: dict[str, list[np.ndarray]] = {name: [] for name in MEASURES}
    for i, j in pairs:
        less = Cut(i, j).apply(relation, extractor.layout)
        found = measure(model.norm(extractor.apply_relation(heatmaps, less)), truth, stride)
        for name, loss in own.loss(found).items():
            losses[name].append(loss)
    return {name: np.stack(parts) for name, parts in losses.items()}


def own_effect(losses: np.ndarray, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Of losses (pairs,N,K) that of the refined joint of each pair alone: (N,pairs)."""
    return np.stack([losses[number, :, i] for number, (i, _) in enumerate(pairs)], axis=1)


def own_share(losses: np.ndarray, pairs: Sequence[tuple[int, int]]) -> float:
    """Of the mean losses (pairs,N,K) of all joints, without their signs, the part that is of the refined joints themselves."""
    known = np.isfinite(losses)
    counts = known.sum(axis=1)
    means = np.divide(np.abs(np.where(known, losses, 0.0).sum(axis=1)), counts, out=np.zeros(counts.shape), where=counts > 0)
    own = sum(means[number, i] for number, (i, _) in enumerate(pairs))
    return float(own / means.sum()) if means.any() else float("nan")


def square(values: Sequence[float] | np.ndarray, pairs: Sequence[tuple[int, int]], joints: int) -> np.ndarray:
    """One value a pair as a matrix (K,K), row i and column j; 0 where there is no such pair."""
    matrix = np.zeros((joints, joints))
    for value, (i, j) in zip(values, pairs, strict=True):
        matrix[i, j] = value
    return matrix


def _batches(lengths: Sequence[int], window: int, batch: int) -> Iterator[list[tuple[int, int, int]]]:
    """(clip, start, length) of windows without overlap, in order, in batches of windows of one length."""
    places = [
        (clip, start, min(window or length, length - start))
        for clip, length in enumerate(lengths)
        for start in range(0, length, window or length)
    ]
    for _, group in groupby(places, key=lambda place: place[2]):
        alike = list(group)
        yield from (alike[first : first + batch] for first in range(0, len(alike), batch))


def _truth(dataset: ClipDataset, places: Sequence[tuple[int, int, int]], affines: Sequence[np.ndarray]) -> Truth:
    parts = []
    for (index, start, length), affine in zip(places, affines, strict=True):
        clip, here = dataset[index], slice(start, start + length)
        joints, visibility = clip.joints[here], clip.visibility[here]
        person = reference_sizes(joints, visibility, clip.boxes[here], dataset.skeleton, "person")
        parts.append(
            Truth(
                joints=apply_affine(joints, affine).astype(np.float32),
                scored=(visibility != ABSENT) & ~np.isnan(person)[:, None],
                person=person * np.linalg.norm(affine[0, :2]),  # the crop turns and scales alike in x and y
                visibility=visibility,
                groups=np.repeat(clip.group, length),
                clips=np.full(length, index),
            )
        )
    return _joined(parts)


def _joined(parts: Sequence[Any]) -> Any:
    """Several Truth, or several Found, one behind the other."""
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return type(parts[0])(*(np.concatenate(column) for column in columns))
