"""Where things lie if nothing is said: in the checkout that one works in, from whichever of its folders."""

from pathlib import Path

import pytest

from rpstn.datasets import dataset_root
from rpstn.errors import UserError
from rpstn.evaluate.scoring import EvaluateConfig
from rpstn.evaluate.scoring import default_out as evaluation_folder
from rpstn.models.manifests import manifest_of
from rpstn.notebooks.find import find_notebooks, resolve
from rpstn.notebooks.run import default_out
from rpstn.runs import RunDirectory, read_json, write_json
from rpstn.runs.paths import data_folder, default_place, project_folder
from rpstn.train import TrainConfig
from rpstn.train.recipes import run_folder
from rpstn.video.job import PredictConfig

NOTEBOOK = """# %% [markdown]
# # One

# %% tags=["parameters"]
from typing import Optional

dataset: str = "embedded"  # which
out: Optional[str] = None  # folder of the runs
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout with one notebook; one works in its notebooks/."""
    monkeypatch.delenv("RPSTN_DATA", raising=False)
    root = tmp_path / "book"
    (root / "notebooks" / "deeper").mkdir(parents=True)
    (root / "notebooks" / "profiles.toml").write_text('[demo]\n\n[smoke.all]\nout = "runs/smoke-{dataset}"\n')
    (root / "notebooks" / "01_one.py").write_text(NOTEBOOK)
    monkeypatch.chdir(root / "notebooks")
    return root


def places():
    """Every default place, as absolute paths."""
    found = {
        "data": data_folder("embedded"),
        "runs": run_folder("sub_jhmdb", 2),
        "training": TrainConfig().out,
        "evaluation": evaluation_folder(EvaluateConfig(checkpoint=Path("/somewhere/best.safetensors"))),
        "prediction": PredictConfig("dance.mp4").folder,
        "notebooks": default_out("smoke", {"one": {}}, {"one": {}}),
    }
    assert not any(Path(path).is_absolute() for path in found.values()), "what is written down names no place"
    return {name: Path(path).resolve() for name, path in found.items()}


@pytest.mark.parametrize("where", [".", "notebooks", "notebooks/deeper"])
def test_defaults_are_the_checkouts(checkout, monkeypatch, where):
    monkeypatch.chdir(checkout / where)
    found = places()
    assert found["data"] == checkout / "data" / "embedded" and found["runs"] == checkout / "runs" / "sub_jhmdb-2"
    assert {path.relative_to(checkout).parts[0] for name, path in found.items() if name != "data"} == {"runs"}
    with pytest.raises(UserError, match=f"no folder {checkout}/data/embedded .the default"):
        dataset_root("embedded")


def test_outside_of_a_checkout_they_are_the_working_directorys(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert project_folder() == Path() and run_folder("embedded") == "runs/embedded" and TrainConfig().out == "runs/rpstn"
    assert all(path.is_relative_to(tmp_path) for path in places().values())


def test_what_is_given_is_the_callers(checkout, monkeypatch, tmp_path):
    (checkout / "notebooks" / "mine").mkdir()
    assert dataset_root("embedded", "mine").resolve() == checkout / "notebooks" / "mine"
    monkeypatch.setenv("RPSTN_DATA", str(tmp_path))
    assert data_folder("embedded") == tmp_path / "embedded"
    notebooks = find_notebooks(checkout / "notebooks")
    one = resolve(notebooks, checkout / "notebooks", "smoke", {})["one"]
    assert one["out"] == "../runs/smoke-embedded", "a profile's folder is the checkout's"
    assert resolve(notebooks, checkout / "notebooks", "smoke", {"out": "mine"})["one"]["out"] == "mine"


@pytest.mark.parametrize(("first", "then"), [(".", "notebooks"), ("notebooks", "."), ("notebooks/deeper", "notebooks")])
def test_a_run_is_the_same_from_every_folder(checkout, monkeypatch, first, then):
    """`make book` trains, and the notebook in JupyterLab takes what is there; or the other way round."""

    def config():
        encoder = default_place("runs", "embedded", "encoder", "best.safetensors")
        return TrainConfig.of(out=f"{run_folder('embedded')}/rpstn", init=str(encoder), root=str(default_place("data", "mine")))

    start = checkout / "runs" / "embedded" / "encoder" / "best.safetensors"
    start.parent.mkdir(parents=True)
    start.touch()
    monkeypatch.chdir(checkout / first)
    run = RunDirectory(config().out).start(config())
    run.finish(config())
    monkeypatch.chdir(checkout / then)
    assert RunDirectory(config().out).start(config()).finished
    path = checkout / "runs" / "embedded" / "rpstn"
    for settings in (read_json(path / "config.json"), read_json(path / "manifest.json")["parameters"]):
        assert settings["out"] == "runs/embedded/rpstn" and settings["init"] == "runs/embedded/encoder/best.safetensors"
        assert settings["root"] == "data/mine"
    with pytest.raises(UserError, match=r"another configuration \(root: data/mine there, "):
        RunDirectory(config().out).start(config().replace(root="elsewhere/data/mine"))


def test_names_of_weights_are_no_paths(checkout):
    config = TrainConfig.of(out="mine", encoder_weights="imagenet", init="embedded_rpstn")
    settings = RunDirectory("mine").start(config).finish(config)["parameters"]
    assert (settings["encoder_weights"], settings["init"], settings["out"]) == ("imagenet", "embedded_rpstn", "notebooks/mine")


def test_earlier_runs_are_found_from_every_folder(checkout):
    """What an encoder went on from is named by a path from the checkout."""
    runs = checkout / "runs"
    write_json(runs / "first" / "manifest.json", {"parameters": {"steps": 1}})
    write_json(runs / "new" / "encoder" / "manifest.json", {"parameters": {"encoder_weights": "runs/first/best.safetensors"}})
    write_json(runs / "new" / "rpstn" / "manifest.json", {"parameters": {"steps": 2}})
    assert [run["parameters"] for run in manifest_of(Path("../runs/new/rpstn/best.safetensors"))["before"]] == [{"steps": 1}]
