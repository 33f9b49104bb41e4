"""The benchmarks of `rpstn predict`: what they write can be traced."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import predict_memory, predict_quality
from rpstn.datasets import open_dataset
from rpstn.datasets.sources import ArrayFrames
from rpstn.datasets.truth import Truth
from rpstn.models.files import WEIGHTS, default_checkpoint
from rpstn.runs import read_json
from rpstn.runs.directory import git_commit, versions


def check_manifest(content, weights, folder):
    manifest = content["manifest"]
    assert manifest["weights"] == {"name": weights.name, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    assert manifest["versions"] == versions() and manifest["commit"] == git_commit() and "threads" in manifest["device"]
    assert set(manifest["data"]) == {"labels", "pixels"} and manifest["seconds"] > 0 and str(folder) not in str(content)


def test_memory(embedded_root, tmp_path):
    config = predict_memory.Memory(minutes=0.01, root=embedded_root, draw=False, device="cpu", out=tmp_path / "memory.json")
    found = predict_memory.measure(config)
    content = read_json(config.out)
    assert content == found and content["frames"] == 9 and content["mib_at_end"] > 0
    check_manifest(content, default_checkpoint(), tmp_path)


def test_quality(embedded_root, tmp_path, monkeypatch, capsys):
    """Six clips of four frames, each a source, so that the means have intervals."""
    whole = open_dataset("embedded", embedded_root, split="test")

    def clip(index):
        given, rows = whole[index % len(whole)], slice(4 * (index // len(whole)), 4 * (index // len(whole)) + 4)
        return replace(
            given,
            id=f"clip {index}",
            group=f"source {index}",
            frames=ArrayFrames(given.frames.read(range(rows.start, rows.stop))),
            joints=given.joints[rows],
            visibility=given.visibility[rows],
            boxes=given.boxes[rows],
            truth=Truth(),
        )

    short = replace(whole, clips=tuple(clip(index) for index in range(6)))
    monkeypatch.setattr(predict_quality, "open_dataset", lambda *given, **more: short)
    checkpoint = WEIGHTS / "embedded_rpstn.pt"
    config = predict_quality.Quality(checkpoint, "embedded", embedded_root, device="cpu", out=tmp_path / "quality.json")
    found = predict_quality.measure(config)
    content = read_json(config.out)
    assert content == found and (content["clips"], content["groups"], content["frames"]) == (6, 6, 24)
    assert set(content["pck"]) == {"windows", "given", "auto"} and "95 % interval" in capsys.readouterr().out
    for part in content["pck"].values():
        low, high = part["interval"]
        assert 0 <= low <= part["mean"] <= high <= 1 and "wrist" in part["joint_types"]
    check_manifest(content, checkpoint, tmp_path)


@pytest.mark.parametrize("settings", [predict_memory.Memory(), predict_quality.Quality()])
def test_results_go_to_results(settings):
    name = type(settings).__module__.rpartition(".")[2]
    assert settings.out.as_posix() == f"results/{name}.json"


def test_clips_are_taken_evenly(embedded_root):
    whole = open_dataset("embedded", embedded_root, split="test")
    assert [clip.id for clip in predict_quality.choose(whole, 2)] == [whole[0].id, whole[len(whole) - 1].id]
    assert predict_quality.choose(whole, 0) is whole and np.isfinite(whole[0].joints).all()
