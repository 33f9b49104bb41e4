"""Run directories: one run each, whatever way its paths are written."""

import dataclasses
import json

import pytest

from rpstn.errors import UserError
from rpstn.runs import RunDirectory
from rpstn.train import TrainConfig


def test_one_place_written_in_two_ways_is_one_configuration(tmp_path, monkeypatch):
    """Relative or absolute: the run goes on. config.json keeps what was typed first."""
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(
        root="data/set", out="runs/a", init="runs/../runs/encoder/best.pt", beside="lspet", beside_root="data/lsp", frames=1
    )
    RunDirectory("runs/a").start(config)
    places = {"root": "data/set", "beside_root": "data/lsp", "out": "runs/a", "init": "runs/encoder/best.pt"}
    absolute = {name: f"{tmp_path}/{place}" for name, place in places.items()}
    RunDirectory("runs/a").start(dataclasses.replace(config, **absolute))
    assert json.loads((tmp_path / "runs" / "a" / "config.json").read_text())["root"] == "data/set"


@pytest.mark.parametrize("change", [{"root": "data/other"}, {"root": None}, {"init": "runs/b/best.pt"}, {"lr": 0.1}])
def test_another_configuration_is_refused(tmp_path, monkeypatch, change):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(root="data/set", out="runs/a")
    RunDirectory("runs/a").start(config)
    with pytest.raises(UserError, match=rf"differing: {next(iter(change))}\)"):
        RunDirectory("runs/a").start(dataclasses.replace(config, **change))


def test_a_path_is_a_path_only_where_it_is_one(tmp_path, monkeypatch):
    """Of other settings every letter counts."""
    monkeypatch.chdir(tmp_path)
    RunDirectory("a").start({"name": "x", "root": "x"})
    with pytest.raises(UserError, match=r"differing: name\)"):
        RunDirectory("a").start({"name": "./x", "root": "./x"})


def test_a_manifest_names_no_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = TrainConfig(root="/somewhere/of/mine/set", out="runs/a", init=f"{tmp_path}/runs/b/best.pt")
    written = RunDirectory("runs/a").start(config).finish(config)
    assert written["parameters"]["root"] == "set" and written["parameters"]["init"] == "runs/b/best.pt"
    text = (tmp_path / "runs" / "a" / "manifest.json").read_text()
    assert "/somewhere" not in text and str(tmp_path) not in text


def test_a_run_goes_on_in_a_version_with_more_settings(tmp_path):
    """What an older config.json lacks had its default; asked for anything else, it is another run."""
    config = TrainConfig(out=str(tmp_path / "a"))
    RunDirectory(tmp_path / "a").start(config)
    path = tmp_path / "a" / "config.json"
    older = {name: value for name, value in json.loads(path.read_text()).items() if name not in ("skip_damaged", "convert_to")}
    path.write_text(json.dumps(older))
    RunDirectory(tmp_path / "a").start(config)
    with pytest.raises(UserError, match=r"differing: skip_damaged\)"):
        RunDirectory(tmp_path / "a").start(dataclasses.replace(config, skip_damaged=True))
