"""Devices: found on the machine or asked for by name, and one line for those that are not there, whoever asks."""

import pytest
import torch

from rpstn import load_checkpoint
from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.models.files import find_weights
from rpstn.runs.devices import choose_device
from rpstn.video.network import PoseNetwork

ABSENT = ["mps", "xpu", "cuda", "cuda:7", "meta", "vulkan", "hpu", "tpu", "", " cpu", "CUDA", "cpu:1", "cuda:-1"]


@pytest.fixture
def bare(monkeypatch):
    """A machine with a CPU alone."""
    for part in (torch.cuda, torch.backends.mps, torch.xpu):
        monkeypatch.setattr(part, "is_available", lambda: False)


@pytest.mark.parametrize("name", ABSENT)
def test_a_device_that_is_not_there_is_refused_by_name(bare, name):
    with pytest.raises(UserError, match=f"device .*{name}.*(use|last)"):
        choose_device(name)
    for load in (load_checkpoint, PoseNetwork.load):
        with pytest.raises(UserError, match="device"):
            load(find_weights("embedded_rpstn"), name)


def test_the_cpu_is_there_in_every_form(bare):
    for name in ("auto", "cpu", "cpu:0", torch.device("cpu")):
        assert choose_device(name).type == "cpu"


def test_mps_is_used_where_it_is_there(bare, monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose_device("auto").type == choose_device("mps").type == "mps"
    with pytest.raises(UserError, match="mps:0"):
        choose_device("mps:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert choose_device("auto").type == "cuda" and choose_device("cuda:1").index == 1
    with pytest.raises(UserError, match="cuda:1; use it"):
        choose_device("cuda:2")


@pytest.mark.parametrize("device", ["mps", "meta", ""])
@pytest.mark.parametrize(
    "command",
    [
        ["train", "--size", "64", "--steps", "1"],
        ["evaluate", "--checkpoint", "embedded_rpstn"],
        ["publish", "--name", "x"],
        ["ablate", "--steps", "1"],
        ["folds", "--checkpoint", "embedded_rpstn{fold}"],
        ["predict", "FRAMES"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_says_so_in_one_line_and_writes_nothing(
    bare, command, device, data_root, dance, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RPSTN_DATA", str(data_root))
    if command[0] == "folds":
        for fold in (1, 2, 3):
            (tmp_path / f"embedded_rpstn{fold}").write_bytes(find_weights("embedded_rpstn").read_bytes())
    command = [str(dance) if word == "FRAMES" else word for word in command]
    before = set(tmp_path.iterdir())
    assert main([*command, "--device", device]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1 and "device" in lines[0] and set(tmp_path.iterdir()) == before
