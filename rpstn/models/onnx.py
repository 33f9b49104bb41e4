"""Networks as ONNX files, for programs that have no torch: written, and checked against torch before they are kept.

A network that sees every frame for itself becomes one graph, `frame.onnx`. One that carries a pose becomes two: `first.onnx`
for the first frame and `next.onnx` for every later one, which takes what the frame before left (`RPSTN.step`). `export.json`
beside them says what goes in and what comes out.

onnx, onnxscript and onnxruntime come with the extra `export`; nothing else in the package needs them.
"""

from __future__ import annotations

import copy
import hashlib
import importlib
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import find_weights
from rpstn.models.pixels import normalize
from rpstn.models.propagation import ShiftedMatching
from rpstn.models.rpstn import RPSTN, State
from rpstn.runs.directory import describe_device, versions
from rpstn.runs.files import write_json
from rpstn.runs.paths import expanded
from rpstn.skeletons import skeleton_of

TOLERANCE = 1e-4
OPSET = 18  # known to every onnxruntime since 1.14
NEEDED = ("onnx", "onnxscript", "onnxruntime")
FRAMES = 5  # length of the sequences that graphs are checked on
BATCHES = (1, 3)  # how many at once; neither is the example's batch of two, which a graph may have kept
STATE = {"state_heatmaps": "heatmaps", "state_features": "features"}  # input of `next` -> output of the frame before


@dataclass(frozen=True)
class Graph:
    """One written graph, and how it compares with torch.

    inputs, outputs   shapes by name; "batch" is any number.
    bytes             of the file.
    error             by output, the largest absolute difference.
    relative          by output, the same as a part of the largest value that torch gave.
    seconds, torch_seconds  for one frame, medians of taking turns, in onnxruntime and in torch.
    """

    file: str
    inputs: dict[str, tuple[int | str, ...]]
    outputs: dict[str, tuple[int | str, ...]]
    bytes: int
    error: dict[str, float]
    relative: dict[str, float]
    seconds: float
    torch_seconds: float


@dataclass(frozen=True)
class Export:
    """What an export wrote. path: of export.json; content: what stands in it."""

    path: Path
    graphs: tuple[Graph, ...]
    content: dict[str, Any]


class FrameGraph(nn.Module):
    """What a graph computes: uint8 frames in, poses and the state for the next frame out.

    frames      (B,S,S,3) uint8 RGB crops, S the checkpoint's size.
    state       for `next`: refined heatmaps (B,K,h,w) and features (B,C,h,w) of the frame before.
    Returns joints (B,K,2) in pixels of the crop, confidence (B,K), heatmaps (B,K,h,w), relations (B,K,K) where the network has
    them, and features (B,C,h,w) where it carries a pose: in the order of `outputs`.
    """

    def __init__(self, model: nn.Module, size: int):
        super().__init__()
        self.model, self.size = model, size

    @property
    def carries(self) -> bool:
        """Whether a frame leaves something for the next one."""
        return isinstance(self.model, RPSTN) and self.model.config.propagation != "none"

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` returns."""
        relations = ("relations",) if self.model.relation is not None else ()
        return ("joints", "confidence", "heatmaps", *relations, *(("features",) if self.carries else ()))

    def forward(self, frames: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        pixels = normalize(frames, self.model.config.input)
        left: tuple[torch.Tensor, ...] = ()
        if self.carries:
            output, after = self.model.step(pixels, State(*state) if state else None)
            left = (after.features,)
        else:
            output = self.model(pixels.unsqueeze(1))
        heatmaps = output.heatmaps[:, 0].float()
        relations = () if output.relations is None else (output.relations[:, 0],)
        return (*decode(heatmaps, self.size / heatmaps.shape[-1]), heatmaps, *relations, *left)


class NextGraph(FrameGraph):
    """`FrameGraph` with named state: an exporter takes no tuple of any length."""

    def forward(self, frames: torch.Tensor, state_heatmaps: torch.Tensor, state_features: torch.Tensor):
        return super().forward(frames, state_heatmaps, state_features)


def export(checkpoint: str | Path, out: str | Path, *, tolerance: float = TOLERANCE, repeats: int = 20) -> Export:
    """Write a checkpoint's network as ONNX into the folder `out`, with an export.json.

    tolerance  largest difference from torch, as a part of the largest value of an output; files that differ more are not kept.
    repeats    runs of one frame whose median is the time.

    The batch is any number, the side of the frames that of the checkpoint. Every graph is compared with torch on sequences of
    frames, one at a time and three at once; `next` is fed with what onnxruntime itself left, so its errors add up as they do in
    use. Joints are compared with torch's decoding of the same heatmaps: where two places are equally likely, rounding decides.
    Raises UserError where the extra `export` is not installed, for a checkpoint that cannot be read, where the network cannot be
    written or onnxruntime refuses it, and where a graph and torch differ; nothing is then left behind.
    """
    if not 0 < tolerance < np.inf or repeats < 1:
        raise UserError(f"tolerance is {tolerance} and repeats {repeats}; give a positive number and a count from 1 on")
    checkpoint, out = find_weights(checkpoint), expanded(out)
    if out.is_file():
        raise UserError(f"{out} is a file; name a folder to write to")
    model, metadata = load_checkpoint(checkpoint)
    runtime = _need()
    size, skeleton = int(metadata["size"]), skeleton_of(metadata)
    graphs = _modules(model, size)
    written = []
    # On the disk of `out`, which is made only for files that are kept.
    nearest = next(path for path in (out, *out.absolute().parents) if path.is_dir())
    with tempfile.TemporaryDirectory(prefix=".export-", dir=nearest) as folder:
        sessions = {}
        for name, graph in graphs.items():
            path = Path(folder) / f"{name}.onnx"
            with _named(f"{path.name} cannot be written"):
                _write(graph, _arguments(graph, size), path)
            with _named(f"onnxruntime cannot load {path.name}"):
                sessions[name] = _session(runtime, path)
        found = _differences(graphs, sessions, size)
        for name, (_, relative) in found.items():
            worst = max(relative, key=lambda output: np.nan_to_num(relative[output], nan=np.inf))
            if not relative[worst] <= tolerance:
                raise UserError(
                    f"{name}.onnx would give other {worst} than torch: they differ by {relative[worst]:.1e} of the largest, "
                    f"{tolerance:.0e} is allowed; nothing was kept. Try other versions of {', '.join(NEEDED)}"
                )
        for name, graph in graphs.items():
            seconds = _seconds(graph, sessions[name], size, repeats)
            session = sessions[name]
            shapes = [{part.name: tuple(part.shape) for part in parts} for parts in (session.get_inputs(), session.get_outputs())]
            path = Path(folder) / f"{name}.onnx"
            written.append(Graph(path.name, *shapes, path.stat().st_size, *found[name], *seconds))
        del sessions
        out.mkdir(parents=True, exist_ok=True)
        for graph in written:
            os.replace(Path(folder) / graph.file, out / graph.file)
    content = {
        "checkpoint": {"name": checkpoint.name, "sha256": hashlib.sha256(checkpoint.read_bytes()).hexdigest()},
        "config": metadata["config"],
        "skeleton": {"name": skeleton.name, "joints": list(skeleton.joints), "limbs": [list(limb) for limb in skeleton.limbs]},
        "frames": f"uint8 RGB, {size} x {size} px: a square around the person, 1.25 times the longer side of the box",
        "joints": "x, y in pixels of the square, the middle of the first pixel being (0, 0)",
        "state": STATE if "next" in graphs else {},
        "opset": OPSET,
        "graphs": [asdict(graph) for graph in written],
        "device": describe_device("cpu"),
        "versions": versions() | {name: importlib.import_module(name).__version__ for name in NEEDED},
    }
    return Export(write_json(out / "export.json", content), tuple(written), content)


def lines(result: Export) -> Iterator[str]:
    """The report of an export for a terminal: sizes, differences, times."""
    for graph in result.graphs:
        yield (
            f"{graph.file:11} {graph.bytes / 1e6:.2f} MB; one frame in {1e3 * graph.seconds:.1f} ms with onnxruntime, "
            f"{1e3 * graph.torch_seconds:.1f} ms with torch"
        )
        for name, shape in graph.outputs.items():
            yield (
                f"  {name:11} {' x '.join(map(str, shape)):20} differs from torch by {graph.error[name]:.1e} at most, "
                f"{graph.relative[name]:.1e} of the largest value"
            )
    yield f"times: batch of 1, on {result.content['device']}"
    yield str(result.path)


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Turns whatever an exporter or a runtime raises into one UserError that opens with `what`."""
    try:
        yield
    except Exception as error:  # each of these packages has kinds of its own
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        found = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in ("torch", *NEEDED))
        raise UserError(
            f"{what} ({reason}); nothing was kept. Installed are {found}: install versions that belong together, in a checkout "
            "with `pip install -c constraints.txt -e '.[export]'`"
        ) from error


def _need() -> Any:
    """onnxruntime, all of NEEDED being there."""
    missing = []
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise UserError(
            f"rpstn export needs {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed; "
            f"call `pip install {' '.join(missing)}`, or in a checkout `pip install -c constraints.txt -e '.[export]'`"
        )
    return importlib.import_module("onnxruntime")


def _modules(model: nn.Module, size: int) -> dict[str, FrameGraph]:
    """The graphs of a network, by the name of their file."""
    model = copy.deepcopy(model).eval().requires_grad_(False)
    if FrameGraph(model, size).carries:
        return {"first": FrameGraph(model, size), "next": NextGraph(model, size)}
    return {"frame": FrameGraph(model, size)}


def _images(size: int, batch: int, length: int) -> np.ndarray:
    """Frames (T,B,S,S,3) uint8 to compare on: colored blots that drift, always the same."""
    rng = np.random.default_rng(0)
    sheets = rng.integers(0, 256, (batch, 12, 12, 3)).astype(np.uint8)
    wide = [cv2.resize(sheet, (size + 4 * length, size), interpolation=cv2.INTER_CUBIC) for sheet in sheets]
    return np.stack([np.stack([sheet[:, 4 * t : 4 * t + size] for sheet in wide]) for t in range(length)])


def _arguments(graph: FrameGraph, size: int) -> dict[str, torch.Tensor]:
    """Example inputs. Two of them: an exporter takes a batch of one for a constant."""
    frames = torch.from_numpy(_images(size, 2, 1)[0])
    if not isinstance(graph, NextGraph):
        return {"frames": frames}
    before = dict(zip(graph.outputs, FrameGraph(graph.model, size)(frames), strict=True))
    return {"frames": frames} | {name: before[source] for name, source in STATE.items()}


def _write(graph: FrameGraph, arguments: Mapping[str, torch.Tensor], path: Path) -> None:
    graph = copy.deepcopy(graph)
    if hasattr(graph.model, "matching"):
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
        program.save(path, external_data=False)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages that it does not find and does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _session(runtime: Any, path: Path) -> Any:
    """An onnxruntime session of a file's graph, on the CPU with as many threads as torch has."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    return runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def _run(session: Any, names: tuple[str, ...], values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(names, session.run(list(names), dict(values)), strict=True))


@torch.inference_mode()
def _differences(
    graphs: Mapping[str, FrameGraph], sessions: Mapping[str, Any], size: int
) -> dict[str, tuple[dict[str, float], dict[str, float]]]:
    """By graph: by output the largest absolute difference, and the same as a part of the largest value."""
    largest: dict[str, dict[str, float]] = {name: dict.fromkeys(graph.outputs, 0.0) for name, graph in graphs.items()}
    errors = copy.deepcopy(largest)
    for batch in BATCHES:
        theirs: dict[str, np.ndarray] = {}
        ours: dict[str, torch.Tensor] = {}
        for frames in _images(size, batch, FRAMES):
            name = "frame" if "frame" in graphs else "next" if ours else "first"
            graph, carried = graphs[name], STATE if name == "next" else {}
            state = {key: theirs[source] for key, source in carried.items()}
            with _named(f"onnxruntime refuses {name}.onnx for {batch} at once"):
                theirs = _run(sessions[name], graph.outputs, {"frames": frames} | state)
            values = graph(torch.from_numpy(frames), *(ours[source] for source in carried.values()))
            ours = dict(zip(graph.outputs, values, strict=True))
            heatmaps = torch.from_numpy(theirs["heatmaps"])
            decoded = dict(zip(("joints", "confidence"), decode(heatmaps, size / heatmaps.shape[-1]), strict=True))
            for output, value in (ours | decoded).items():
                difference = float(np.abs(theirs[output] - value.numpy()).max())
                errors[name][output] = max(errors[name][output], difference) if difference == difference else difference
                largest[name][output] = max(largest[name][output], float(value.abs().max()))
    return {
        name: (found, {output: value / max(largest[name][output], 1e-12) for output, value in found.items()})
        for name, found in errors.items()
    }


@torch.inference_mode()
def _seconds(graph: FrameGraph, session: Any, size: int, repeats: int) -> tuple[float, float]:
    """Medians for one frame in onnxruntime and in torch, which take turns."""
    arguments = {name: value[:1] for name, value in _arguments(graph, size).items()}
    plain = {name: value.numpy() for name, value in arguments.items()}

    def took(call: Callable[[], Any]) -> float:
        begun = time.perf_counter()
        call()
        return time.perf_counter() - begun

    calls = (lambda: _run(session, graph.outputs, plain), lambda: graph(*arguments.values()))
    for call in calls:
        call()
    times = [[took(call) for call in calls] for _ in range(repeats)]
    first, second = (median(column) for column in zip(*times, strict=True))
    return first, second
