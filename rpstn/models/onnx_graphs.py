"""What exported graphs compute: a network's frame, or its first and every later frame, from uint8 pixels to poses."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from rpstn.heatmaps import decode
from rpstn.models.image import FrameByFrame
from rpstn.models.pixels import normalize
from rpstn.models.propagation import ShiftedMatching
from rpstn.models.rpstn import RPSTN, State

OPSET = 18  # known to every onnxruntime since 1.14
STATE = {"state_heatmaps": "heatmaps", "state_features": "features"}  # input of `next` -> output for the frame before


class FrameGraph(nn.Module):
    """Compute poses and the state for the next frame from uint8 frames.

    frames      (B,S,S,3) uint8 RGB crops, S the checkpoint's size.
    state       where `later`: refined heatmaps (B,K,h,w) and features (B,C,h,w) of the frame before.
    Returns joints (B,K,2) in pixels of the crop, confidence (B,K), heatmaps (B,K,h,w), relations (B,K,K) where the network has
    them, and features (B,C,h,w) where it carries a pose: in the order of `outputs`.
    """

    model: RPSTN | FrameByFrame

    def __init__(self, model: RPSTN | FrameByFrame, size: int, later: bool = False):
        super().__init__()
        assert model.config is not None  # every network of a checkpoint has one
        self.model, self.size, self.later, self.input = model, size, later, model.config.input

    @property
    def outputs(self) -> tuple[str, ...]:
        """Name what `forward` returns."""
        relations = ("relations",) if self.model.relation is not None else ()
        return ("joints", "confidence", "heatmaps", *relations, *(("features",) if _recurrent(self.model) else ()))

    def forward(
        self, frames: torch.Tensor, state_heatmaps: torch.Tensor | None = None, state_features: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, ...]:
        pixels = normalize(frames, self.input)
        features: tuple[torch.Tensor, ...] = ()
        if isinstance(self.model, RPSTN) and _recurrent(self.model):
            before = None if state_heatmaps is None or state_features is None else State(state_heatmaps, state_features)
            output, state = self.model.step(pixels, before)
            features = (state.features,)
        else:
            output = self.model(pixels.unsqueeze(1))
        heatmaps = output.heatmaps[:, 0].float()
        relations = () if output.relations is None else (output.relations[:, 0],)
        return (*decode(heatmaps, self.size / heatmaps.shape[-1]), heatmaps, *relations, *features)


def _recurrent(model: RPSTN | FrameByFrame) -> bool:
    return isinstance(model, RPSTN) and model.config.recurrent


def make_graphs(model: RPSTN | FrameByFrame, size: int) -> dict[str, FrameGraph]:
    """Make the graphs of a copy of a network, by the names of their files."""
    model = copy.deepcopy(model).eval().requires_grad_(False)
    if _recurrent(model):
        return {"first": FrameGraph(model, size), "next": FrameGraph(model, size, later=True)}
    return {"frame": FrameGraph(model, size)}


def example_frames(size: int, batch: int, length: int) -> np.ndarray:
    """Make frames (T,B,S,S,3) uint8 to compare on: colored blots that drift, always the same."""
    rng = np.random.default_rng(0)
    sheets = rng.integers(0, 256, (batch, 12, 12, 3)).astype(np.uint8)
    wide = [cv2.resize(sheet, (size + 4 * length, size), interpolation=cv2.INTER_CUBIC) for sheet in sheets]
    return np.stack([np.stack([sheet[:, 4 * t : 4 * t + size] for sheet in wide]) for t in range(length)])


def example_arguments(graph: FrameGraph, size: int) -> dict[str, torch.Tensor]:
    """Make a graph's inputs, by name. Two samples: an exporter takes a batch of one for a constant."""
    frames = torch.from_numpy(example_frames(size, 2, 1)[0])
    if not graph.later:
        return {"frames": frames}
    before = dict(zip(graph.outputs, graph(frames), strict=True))
    return {"frames": frames} | {name: before[source] for name, source in STATE.items()}


def write_graph(graph: FrameGraph, arguments: Mapping[str, torch.Tensor], path: Path) -> None:
    """Write a graph as ONNX, the batch size dynamic. Raises whatever torch's exporter raises."""
    graph = copy.deepcopy(graph)
    if isinstance(graph.model, RPSTN) and hasattr(graph.model, "matching"):
        graph.model.matching = ShiftedMatching()
    batch = torch.export.Dim("batch")
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            graph,
            tuple(arguments.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(arguments),
            output_names=list(graph.outputs),
            dynamic_shapes=tuple({0: batch} for _ in arguments),
            verbose=False,
        )
        assert program is not None  # dynamo=True returns one
        program.save(path, external_data=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the exporter's remarks on packages that it does not find and does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
