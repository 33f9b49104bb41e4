"""What older versions wrote, and how they were called: read and understood under today's names."""

import dataclasses
import re

import pytest
import torch

from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.models import RPSTN, RPSTNConfig
from rpstn.models.checkpoints import load_checkpoint, save_checkpoint
from rpstn.notebooks.find import find_notebooks, resolve
from rpstn.runs import RunDirectory, read_json, write_json
from rpstn.runs.renamed import CALIBRATION, PARAMETERS, SETTINGS, rename_keys
from rpstn.train import TrainConfig

OLD = {new: old for old, new in SETTINGS.items()}
Config = dataclasses.make_dataclass(
    "Config", [("steps", int, 3), ("out", str, "run"), *((name, float, 0.25) for name in OLD)], frozen=True
)


@pytest.fixture
def older(tmp_path):
    """The directory of a finished run, as an older version wrote it."""
    run = RunDirectory(tmp_path / "run").start(Config())
    run.finish(Config(), seconds=1.0)
    for name in ("config.json", "manifest.json"):
        write_json(run / name, rename_keys(read_json(run / name), OLD))
        assert set(SETTINGS) <= set(re.findall(r'"(\w+)":', (run / name).read_text()))
    return run


def test_an_older_run_is_read_and_resumed(older):
    wanted = dataclasses.asdict(Config())
    assert older.config == wanted and older.manifest["parameters"] == wanted
    assert older.start(Config()).finished


@pytest.mark.parametrize("name", OLD)
def test_an_older_run_of_another_configuration_is_refused_by_todays_names(older, name):
    with pytest.raises(UserError, match=rf"\({name}: 0\.25 there, 0\.5 now\)"):
        older.start(dataclasses.replace(Config(), **{name: 0.5}))


def test_an_older_run_with_a_setting_that_is_no_more_is_refused(older):
    """Nobody knows what it would compute today, and the message says which setting it was."""
    write_json(older / "config.json", read_json(older / "config.json") | {"dropped": 1})
    with pytest.raises(UserError, match=r"another configuration \(dropped: 1 there, nothing now\).*another out"):
        older.start(Config())


def test_an_older_checkpoint_is_loaded(tmp_path):
    torch.manual_seed(0)
    model = RPSTN(RPSTNConfig(joints=13, encoder="small", initializer="small")).eval()
    metadata = {"skeleton": "penn_action", "size": 64, "sigma": 1.5, "frames": 2, "dataset": "embedded", "input": "rgb_imagenet"}
    save_checkpoint(tmp_path / "new.pt", model, metadata)
    content = torch.load(tmp_path / "new.pt", weights_only=True)
    older = {"meta" if key == "metadata" else key: value for key, value in content.items()}
    torch.save(older | {"config": rename_keys(older["config"], OLD)}, tmp_path / "old.pt")
    (loaded, found), (_, wanted) = (load_checkpoint(tmp_path / name) for name in ("old.pt", "new.pt"))
    assert found == wanted
    frames = torch.rand(1, 2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(loaded(frames).heatmaps, model(frames).heatmaps)


@pytest.mark.parametrize("option", ["--beside-share", "--beside_share"])
def test_an_older_option_is_understood(option, capsys):
    assert main(["train", option, "often"]) == 2
    assert "--aux-fraction" in capsys.readouterr().err


def test_an_older_notebook_parameter_is_understood(checkout):
    notebooks, folder = find_notebooks(checkout / "notebooks"), checkout / "notebooks"
    asked = resolve(notebooks, folder, "demo", {"pictures_steps": "7", "beside_share": "0.5", "deviations": "0,8"})
    assert any(values.get("images_steps") == 7 and values.get("aux_fraction") == 0.5 for values in asked.values())
    assert asked["score"]["standard_deviations"] == [0.0, 8.0]


def test_no_name_of_today_is_an_old_one():
    """Else a file of today would be read under a wrong name."""
    for names in (SETTINGS, PARAMETERS, CALIBRATION):
        assert not names.keys() & set(names.values())


def test_settings_that_came_later_are_what_they_were_before(tmp_path):
    """A run without a record of kernel_start had the average of its day, not today's default: it is not resumed with another."""
    config = TrainConfig.of(out=str(tmp_path / "run"), root="data")
    run = RunDirectory(config.out)
    run.start(config)
    settings = read_json(run / "config.json")
    settings.pop("kernel_start"), settings.pop("ema"), settings["augmentation"].pop("hiding")
    write_json(run / "config.json", settings)
    with pytest.raises(UserError, match="kernel_start: average there, delta now"):
        RunDirectory(config.out).start(config)
    RunDirectory(config.out).start(config.replace(kernel_start="average"))
    with pytest.raises(UserError, match="ema: 0.0 there, 0.9 now"):
        RunDirectory(config.out).start(config.replace(kernel_start="average", ema=0.9))
