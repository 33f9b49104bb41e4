"""`rpstn export`: graphs that compute what torch computes, for any batch and along a sequence; and what is refused."""

import json
import sys

import numpy as np
import pytest
import torch

from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.heatmaps import decode
from rpstn.models import RPSTN, RPSTNConfig, global_matching, load_checkpoint, save_checkpoint
from rpstn.models.files import shipped_weights
from rpstn.models.image import ImageConfig, image_model
from rpstn.models.onnx import export
from rpstn.models.onnx_graphs import STATE, example_arguments, example_frames, make_graphs
from rpstn.models.pixels import normalize
from rpstn.models.propagation import ShiftedMatching

JOINTS = 13


def saved(path, kind):
    """A checkpoint with random weights in which relation and normalization do something."""
    torch.manual_seed(3)
    if kind == "image":
        model, size = image_model(ImageConfig("small", JOINTS, skeleton="penn_action")), 64
        torch.nn.init.normal_(model.network.network.final_layer.weight, std=0.05)  # as the heads of an RPSTN start
    else:
        size = 128 if kind == "matching" else 64
        settings = {"propagation": kind} if kind in ("matching", "concat") else {"propagation": "none", "relation": "off"}
        model = RPSTN(RPSTNConfig(JOINTS, encoder="small", initializer="small", skeleton="penn_action", **settings))
    if model.relation is not None:
        torch.nn.init.constant_(model.relation.o[1].weight, 0.05)
    metadata = {
        "skeleton": "penn_action",
        "size": size,
        "sigma": 1.5,
        "frames": 3,
        "dataset": "embedded",
        "input": "rgb_imagenet",
    }
    save_checkpoint(path, model, metadata)
    return path


def test_shifted_products_are_the_matching():
    generator = torch.Generator().manual_seed(0)
    for side in (1, 3, 5, 7):
        features = torch.randn(3, 4, 12, 9, generator=generator)
        kernels = torch.randn(3, 4, side, side, generator=generator)
        assert torch.allclose(ShiftedMatching()(features, kernels), global_matching(features, kernels), atol=1e-5)


def test_without_the_extra_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    checkpoint = saved(tmp_path / "a.pt", "none")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "onnxruntime" in said and "pip install" in said and "[export]" in said
    assert not (tmp_path / "out").exists()


def test_shipped_weights_are_exported_by_name(tmp_path, monkeypatch, capsys):
    """As predict and evaluate take them: what is missing is the extra, not the checkpoint."""
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "embedded_rpstn", "-o", "out"]) == 2
    assert "onnxruntime" in capsys.readouterr().err
    assert main(["export", "embeded_rpstn", "-o", "out"]) == 2
    assert "did you mean 'embedded_rpstn'" in capsys.readouterr().err
    assert main(["export", "--help"]) == 0 and "shipped weights such as" in capsys.readouterr().out


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(UserError, match="no checkpoint at"):
        export(tmp_path / "none.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["matching", "concat", "none", "image"])
def test_graphs_compute_what_torch_computes(kind, tmp_path, capsys):
    """Loaded by themselves, three people at once, each frame from what the graph before left."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    checkpoint, out = saved(tmp_path / "a.pt", kind), tmp_path / "out"
    assert main(["export", str(checkpoint), "-o", str(out)]) == 0
    streams = kind in ("matching", "concat")
    names = ["first", "next"] if streams else ["frame"]
    assert sorted(path.name for path in out.iterdir()) == sorted(["export.json", *(f"{name}.onnx" for name in names)])
    printed = capsys.readouterr().out
    assert all(f"{name}.onnx" in printed for name in names) and "ms with onnxruntime" in printed

    told = json.loads((out / "export.json").read_text())
    assert told["state"] == (STATE if streams else {}) and len(told["skeleton"]["joints"]) == JOINTS
    for graph in told["graphs"]:
        assert graph["bytes"] == (out / graph["file"]).stat().st_size
        assert all(value <= 1e-4 for value in graph["relative"].values())

    sessions = {name: runtime.InferenceSession(out / f"{name}.onnx", providers=["CPUExecutionProvider"]) for name in names}
    model, metadata = load_checkpoint(checkpoint)
    size = metadata["size"]
    frames = np.random.default_rng(1).integers(0, 256, (4, 3, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        expected = model(normalize(torch.from_numpy(frames).transpose(0, 1), "rgb_imagenet"))
    left = {}
    for t, images in enumerate(frames):
        name = "frame" if not streams else "next" if t else "first"
        state = {key: left[source] for key, source in STATE.items()} if name == "next" else {}
        session = sessions[name]
        found = session.run(None, {"frames": images} | state)
        left = dict(zip([part.name for part in session.get_outputs()], found, strict=True))
        heatmaps = expected.heatmaps[:, t].numpy()
        np.testing.assert_allclose(left["heatmaps"], heatmaps, atol=1e-4 * np.abs(heatmaps).max())
        assert ("relations" in left) == (expected.relations is not None)
        if expected.relations is not None:
            np.testing.assert_allclose(left["relations"], expected.relations[:, t].numpy(), atol=1e-4)
        joints, confidence = decode(torch.from_numpy(left["heatmaps"]), 4)
        np.testing.assert_allclose(left["joints"], joints.numpy(), atol=1e-3)
        np.testing.assert_allclose(left["confidence"], confidence.numpy(), atol=1e-6)
    assert np.abs(heatmaps).max() > 1e-3  # there was something to compare


def test_graphs_that_differ_are_not_kept(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    checkpoint = saved(tmp_path / "a.pt", "matching")
    shifted = ShiftedMatching.forward
    monkeypatch.setattr(ShiftedMatching, "forward", lambda self, features, kernels: 1.01 * shifted(self, features, kernels))
    with pytest.raises(UserError, match=r"next\.onnx would give other .* nothing was kept"):
        export(checkpoint, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


def shipped():
    return sorted(shipped_weights())


@pytest.mark.parametrize("name", shipped())
def test_no_graph_keeps_the_batch_of_its_example(name):
    """What every exporter starts from, torch.export, needs no extra: traced with two at once, run with one and with three."""
    model, _ = load_checkpoint(shipped_weights()[name])
    size, batch = 64, torch.export.Dim("batch")  # at their own sizes, with kernels of 7 x 7, tracing takes a minute
    for graph in make_graphs(model, size).values():
        arguments = example_arguments(graph, size)
        program = torch.export.export(graph, tuple(arguments.values()), dynamic_shapes=tuple({0: batch} for _ in arguments))
        traced = program.module()
        with torch.inference_mode():
            for rows in ([0], [0, 1, 0]):
                given = [value[rows] for value in arguments.values()]
                for found, expected in zip(traced(*given), graph(*given), strict=True):
                    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", shipped())
def test_shipped_weights_run_by_themselves(name, tmp_path):
    """One person and three, one frame and five: the graphs, each frame from what they left, give torch's heatmaps of the clip."""
    runtime = pytest.importorskip("onnxruntime", reason="needs the extra export")
    pytest.importorskip("onnxscript", reason="needs the extra export")
    written = export(shipped_weights()[name], tmp_path / "out", repeats=1)
    sessions = {
        graph.file: runtime.InferenceSession(tmp_path / "out" / graph.file, providers=["CPUExecutionProvider"])
        for graph in written.graphs
    }
    assert all(graph.inputs["frames"][0] == "batch" for graph in written.graphs)
    model, metadata = load_checkpoint(shipped_weights()[name])
    for batch, length in ((1, 1), (1, 5), (3, 1), (3, 5)):
        frames = example_frames(metadata["size"], batch, length)
        with torch.inference_mode():
            expected = model(normalize(torch.from_numpy(frames).transpose(0, 1), metadata["input"])).heatmaps.numpy()
        left = {}
        for t, images in enumerate(frames):
            file = written.graphs[min(t, len(sessions) - 1)].file
            state = {key: left[source] for key, source in STATE.items()} if file == "next.onnx" else {}
            found = sessions[file].run(None, {"frames": images} | state)
            left = dict(zip([part.name for part in sessions[file].get_outputs()], found, strict=True))
            np.testing.assert_allclose(left["heatmaps"], expected[:, t], atol=1e-4 * np.abs(expected).max())


def test_what_the_runtime_refuses_is_the_users_error(tmp_path, monkeypatch, capsys):
    """A graph that took the example's batch for a constant, and a file that the installed onnxruntime cannot read."""
    pytest.importorskip("onnxruntime", reason="needs the extra export")
    pytest.importorskip("onnxscript", reason="needs the extra export")
    checkpoint = saved(tmp_path / "a.pt", "none")
    monkeypatch.setattr("rpstn.models.onnx_graphs.torch.export.Dim", lambda name: None)  # a batch that is not dynamic
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "onnxruntime refuses frame.onnx for 1 at once" in said and "Expected: 2" in said and "constraints.txt" in said
    monkeypatch.setattr("rpstn.models.onnx.write_graph", lambda graph, arguments, path: path.write_bytes(b"no graph"))
    assert main(["export", str(checkpoint), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "onnxruntime cannot load frame.onnx" in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


@pytest.mark.parametrize("tolerance", ["nan", "0", "-1", "inf"])
def test_a_tolerance_that_is_none_is_refused(tolerance, tmp_path, capsys):
    assert main(["export", "embedded_rpstn", "-o", str(tmp_path / "out"), "--tolerance", tolerance]) == 2
    assert "tolerance" in capsys.readouterr().err and not (tmp_path / "out").exists()
