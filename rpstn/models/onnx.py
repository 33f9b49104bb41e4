"""Networks as ONNX files, for programs that have no torch: written, and checked against torch before they are kept.

A network that sees every frame on its own becomes one graph, `frame.onnx`. One that carries a pose becomes two: `first.onnx`
for the first frame and `next.onnx` for every later one, which takes the state that the frame before left (`RPSTN.step`).
`export.json` next to them describes their inputs and outputs.

onnx, onnxscript and onnxruntime come with the extra `export`; nothing else in the package needs them.
"""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from rpstn.errors import UserError, whole
from rpstn.heatmaps import decode
from rpstn.models.calibration import checksum
from rpstn.models.checkpoints import load_checkpoint
from rpstn.models.files import find_weights
from rpstn.models.onnx_graphs import OPSET, STATE, FrameGraph, example_arguments, example_frames, make_graphs, write_graph
from rpstn.runs.directory import describe_device, versions
from rpstn.runs.files import write_json
from rpstn.runs.paths import expanded
from rpstn.skeletons import skeleton_of

TOLERANCE = 1e-4
NEEDED = ("onnx", "onnxscript", "onnxruntime")
FRAMES = 5  # length of the sequences that graphs are checked on
BATCHES = (1, 3)  # how many at once; neither is the example's batch of two, which a graph may have kept


@dataclass(frozen=True)
class Graph:
    """Describe one written graph, and how it compares with torch.

    inputs, outputs   shapes by name; "batch" is any number.
    bytes             of the file.
    error             by output, the largest absolute difference.
    relative          by output, the same as a fraction of the largest value that torch gave.
    seconds, torch_seconds  for one frame, medians of alternating runs, in onnxruntime and in torch.
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
    """Hold what an export wrote. path: of export.json; content: what it contains."""

    path: Path
    graphs: tuple[Graph, ...]
    content: dict[str, Any]


def export(checkpoint: str | Path, out: str | Path, *, tolerance: float = TOLERANCE, repeats: int = 20) -> Export:
    """Write a checkpoint's network as ONNX into the folder `out`, with an export.json.

    tolerance  largest difference from torch, as a fraction of the largest value of an output; files that differ more are not
               kept.
    repeats    runs of one frame whose median is the time.

    The batch size is dynamic, the frames' size that of the checkpoint. Every graph is compared with torch on sequences of
    frames, one at a time and three at once; `next` is fed with what onnxruntime itself left, so its errors add up as they do in
    use. Joints are compared with torch's decoding of the same heatmaps: where two positions are equally likely, rounding decides.
    Raises UserError where the extra `export` is not installed, for a checkpoint that cannot be read, where the network cannot be
    written or onnxruntime refuses it, and where a graph and torch differ; nothing is left behind then.
    """
    if not 0 < tolerance < np.inf:
        raise UserError(f"tolerance is {tolerance}; give a finite number above 0, such as {TOLERANCE:g}")
    whole("repeats", repeats)
    checkpoint, out = find_weights(checkpoint), expanded(out)
    if out.is_file():
        raise UserError(f"{out} is a file; name a folder to write to")
    model, metadata = load_checkpoint(checkpoint)
    runtime = _onnxruntime()
    graphs = make_graphs(model, int(metadata["size"]))
    # On the disk of `out`, which is made only for files that are kept.
    nearest = next(path for path in (out, *out.absolute().parents) if path.is_dir())
    with tempfile.TemporaryDirectory(prefix=".export-", dir=nearest) as folder:
        written = _write_and_compare(runtime, graphs, Path(folder), int(metadata["size"]), tolerance, repeats)
        out.mkdir(parents=True, exist_ok=True)
        for graph in written:
            os.replace(Path(folder) / graph.file, out / graph.file)
    content = _describe(checkpoint, metadata, written)
    return Export(write_json(out / "export.json", content), written, content)


def _write_and_compare(
    runtime: Any, graphs: Mapping[str, FrameGraph], folder: Path, size: int, tolerance: float, repeats: int
) -> tuple[Graph, ...]:
    """Write all graphs into a folder. Raises UserError where one cannot be written or loaded, or differs from torch."""
    sessions, described = {}, []
    for name, graph in graphs.items():
        path = folder / f"{name}.onnx"
        with _as_user_error(f"{path.name} cannot be written"):
            write_graph(graph, example_arguments(graph, size), path)
        with _as_user_error(f"onnxruntime cannot load {path.name}"):
            sessions[name] = _session(runtime, path)
    errors, relative = _differences(graphs, sessions, size)
    for name, found in relative.items():
        worst = max(found, key=lambda output: np.nan_to_num(found[output], nan=np.inf))
        if not found[worst] <= tolerance:
            raise UserError(
                f"{name}.onnx would give other {worst} than torch: they differ by {found[worst]:.1e} of the largest, "
                f"{tolerance:.0e} is allowed; nothing was kept. Try other versions of {', '.join(NEEDED)}"
            )
    for name, graph in graphs.items():
        path, session = folder / f"{name}.onnx", sessions[name]
        seconds, torch_seconds = _seconds(graph, session, size, repeats)
        inputs, outputs = _shapes(session.get_inputs()), _shapes(session.get_outputs())
        bytes = path.stat().st_size
        described.append(Graph(path.name, inputs, outputs, bytes, errors[name], relative[name], seconds, torch_seconds))
    return tuple(described)


def _shapes(parts: Any) -> dict[str, tuple[int | str, ...]]:
    return {part.name: tuple(part.shape) for part in parts}


def _describe(checkpoint: Path, metadata: Mapping[str, Any], graphs: tuple[Graph, ...]) -> dict[str, Any]:
    """Compile what export.json says."""
    size, skeleton = int(metadata["size"]), skeleton_of(metadata)
    return {
        "checkpoint": {"name": checkpoint.name, "sha256": checksum(checkpoint)},
        "config": metadata["config"],
        "skeleton": {"name": skeleton.name, "joints": list(skeleton.joints), "limbs": [list(limb) for limb in skeleton.limbs]},
        "frames": f"uint8 RGB, {size} x {size} px: a square around the person, 1.25 times the longer side of the box",
        "joints": "x, y in pixels of the square, the center of the first pixel being (0, 0)",
        "state": STATE if any(graph.file == "next.onnx" for graph in graphs) else {},
        "opset": OPSET,
        "graphs": [asdict(graph) for graph in graphs],
        "device": describe_device("cpu"),
        "versions": versions() | {name: importlib.import_module(name).__version__ for name in NEEDED},
    }


def lines(result: Export) -> Iterator[str]:
    """Report an export for a terminal: sizes, differences, times."""
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
def _as_user_error(what: str) -> Iterator[None]:
    """Turn whatever an exporter or a runtime raises into one UserError that opens with `what`."""
    try:
        yield
    except Exception as error:  # each of these packages has kinds of its own
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        found = ", ".join(f"{name} {importlib.import_module(name).__version__}" for name in ("torch", *NEEDED))
        raise UserError(
            f"{what} ({reason}); nothing was kept. Installed are {found}: install versions that belong together, in a checkout "
            "with `pip install -c constraints.txt -e '.[export]'`"
        ) from error


def _onnxruntime() -> Any:
    """Import onnxruntime. Raises UserError where one of NEEDED is missing."""
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


def _session(runtime: Any, path: Path) -> Any:
    """Open a file's graph in onnxruntime, on the CPU with as many threads as torch has."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors alone
    return runtime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])


def _run(session: Any, names: tuple[str, ...], values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return dict(zip(names, session.run(list(names), dict(values)), strict=True))


Differences = dict[str, dict[str, float]]  # by graph and output


@torch.inference_mode()
def _differences(graphs: Mapping[str, FrameGraph], sessions: Mapping[str, Any], size: int) -> tuple[Differences, Differences]:
    """Compute the largest absolute differences, and the same as a fraction of the largest value."""
    largest: Differences = {name: dict.fromkeys(graph.outputs, 0.0) for name, graph in graphs.items()}
    errors: Differences = {name: dict.fromkeys(graph.outputs, 0.0) for name, graph in graphs.items()}
    for batch in BATCHES:
        theirs: dict[str, np.ndarray] = {}
        ours: dict[str, torch.Tensor] = {}
        for t, frames in enumerate(example_frames(size, batch, FRAMES)):
            name = list(graphs)[min(t, len(graphs) - 1)]
            carried = STATE if graphs[name].later else {}
            inputs = {"frames": frames} | {key: theirs[source] for key, source in carried.items()}
            with _as_user_error(f"onnxruntime refuses {name}.onnx for {batch} at once"):
                theirs = _run(sessions[name], graphs[name].outputs, inputs)
            values = graphs[name](torch.from_numpy(frames), *(ours[source] for source in carried.values()))
            ours = dict(zip(graphs[name].outputs, values, strict=True))
            heatmaps = torch.from_numpy(theirs["heatmaps"])
            decoded = dict(zip(("joints", "confidence"), decode(heatmaps, size / heatmaps.shape[-1]), strict=True))
            for output, value in (ours | decoded).items():
                difference = np.abs(theirs[output] - value.numpy()).max()
                errors[name][output] = float(np.maximum(errors[name][output], difference))  # NaN stays
                largest[name][output] = max(largest[name][output], float(value.abs().max()))
    relative = {
        name: {output: error / max(largest[name][output], 1e-12) for output, error in found.items()}
        for name, found in errors.items()
    }
    return errors, relative


@torch.inference_mode()
def _seconds(graph: FrameGraph, session: Any, size: int, repeats: int) -> tuple[float, float]:
    """Time one frame in onnxruntime and in torch, alternating; return the medians."""
    arguments = {name: value[:1] for name, value in example_arguments(graph, size).items()}
    plain = {name: value.numpy() for name, value in arguments.items()}

    def elapsed(call: Callable[[], Any]) -> float:
        started = time.perf_counter()
        call()
        return time.perf_counter() - started

    calls: tuple[Callable[[], Any], ...] = (lambda: _run(session, graph.outputs, plain), lambda: graph(*arguments.values()))
    for call in calls:
        call()
    times = [[elapsed(call) for call in calls] for _ in range(repeats)]
    first, second = (median(column) for column in zip(*times, strict=True))
    return first, second
