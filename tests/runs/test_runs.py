"""Run directories: one run each, whatever way its paths are written."""

import json
import re

import pytest

from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError
from rpstn.runs import RunDirectory
from rpstn.train import TrainConfig


def test_one_place_written_in_two_ways_is_one_configuration(tmp_path, monkeypatch):
    """Relative or absolute: the run goes on. config.json keeps what was typed first."""
    monkeypatch.chdir(tmp_path)
    config = TrainConfig.of(
        root="data/set",
        out="runs/a",
        init="runs/../runs/encoder/best.safetensors",
        aux_dataset="lspet",
        aux_root="data/lsp",
        frames=1,
    )
    RunDirectory("runs/a").start(config)
    places = {"root": "data/set", "aux_root": "data/lsp", "out": "runs/a", "init": "runs/encoder/best.safetensors"}
    absolute = {name: f"{tmp_path}/{place}" for name, place in places.items()}
    RunDirectory("runs/a").start(config.replace(**absolute))
    assert json.loads((tmp_path / "runs" / "a" / "config.json").read_text())["root"] == "data/set"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"root": "data/other"}, "root: data/set there, data/other now"),
        ({"root": None}, "root: data/set there, None now"),
        ({"init": "runs/b/best.safetensors"}, "init: None there, runs/b/best.safetensors now"),
        ({"lr": 0.1}, "lr: 0.002 there, 0.1 now"),
        ({"steps": 2, "seed": 7}, "seed: 2021 there, 7 now; steps: 1000 there, 2 now"),
        ({"augmentation": Augmentation(full_rotation_prob=0.3)}, "augmentation.full_rotation_prob: 0.0 there, 0.3 now"),
        ({"augmentation": Augmentation(scale=(1.0, 1.0))}, r"augmentation.scale: [0.8, 1.4] there, [1.0, 1.0] now"),
    ],
)
def test_another_configuration_is_refused_and_what_differs_is_told(tmp_path, monkeypatch, change, told):
    """With what was there and what is asked for now, and nobody is told to remove a run."""
    monkeypatch.chdir(tmp_path)
    config = TrainConfig.of(root="data/set", out="runs/a")
    RunDirectory("runs/a").start(config)
    with pytest.raises(UserError, match=re.escape(f"({told})")) as caught:
        RunDirectory("runs/a").start(config.replace(**change))
    assert "remove" not in str(caught.value) and "another out" in str(caught.value)


@pytest.mark.parametrize(
    "change", [{"workers": 3}, {"device": "cuda"}, {"save_every": 1.0}, {"calibration_frames": 0}, {"out": "runs/moved"}]
)
def test_what_changes_no_number_is_no_other_configuration(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig.of(out="runs/a")
    RunDirectory("runs/a").start(config)
    RunDirectory("runs/a").start(config.replace(**change))
    assert json.loads((tmp_path / "runs" / "a" / "config.json").read_text())["workers"] == 0


def test_a_path_is_a_path_only_where_it_is_one(tmp_path, monkeypatch):
    """Of other settings every letter counts."""
    monkeypatch.chdir(tmp_path)
    RunDirectory("a").start({"name": "x", "root": "x"})
    with pytest.raises(UserError, match=r"\(name: x there, ./x now\)"):
        RunDirectory("a").start({"name": "./x", "root": "./x"})


def test_a_manifest_names_no_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig.of(root="/somewhere/of/mine/set", out="runs/a", init=f"{tmp_path}/runs/b/best.safetensors")
    written = RunDirectory("runs/a").start(config).finish(config)
    assert written["parameters"]["root"] == "set" and written["parameters"]["init"] == "runs/b/best.safetensors"
    text = (tmp_path / "runs" / "a" / "manifest.json").read_text()
    assert "/somewhere" not in text and str(tmp_path) not in text


def test_a_run_goes_on_in_a_version_with_more_settings(tmp_path):
    """What an older config.json lacks had its default; asked for anything else, it is another run."""
    config = TrainConfig.of(out=str(tmp_path / "a"))
    RunDirectory(tmp_path / "a").start(config)
    path = tmp_path / "a" / "config.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("skip_damaged", "convert_to")}
    path.write_text(json.dumps(older))
    RunDirectory(tmp_path / "a").start(config)
    with pytest.raises(UserError, match=r"\(skip_damaged: False there, True now\)"):
        RunDirectory(tmp_path / "a").start(config.replace(skip_damaged=True))
