"""One run, one writer: a second process is told so, ranks of torchrun do not write over each other, and resuming takes the
settings that change no number.
"""

import dataclasses
import json
import os
import signal
import subprocess
import sys

import pytest
import torch

from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.models.calibration import calibration_of
from rpstn.models.checkpoints import read_checkpoint
from rpstn.runs.locks import LOCK, sole_writer
from rpstn.runs.parts import flatten
from rpstn.train import TrainConfig, train
from rpstn.train import loop as training
from rpstn.video.calibrate import calibrate_run

HOLD = """
import sys, time
from rpstn.runs.locks import sole_writer

with sole_writer(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(scope="module")
def alone(embedded_root, tmp_path_factory):
    """The configuration of a run, and the run as one process makes it without a stop."""
    config = TrainConfig.of(
        root=str(embedded_root), out=str(tmp_path_factory.mktemp("alone") / "run"), frames=2, size=64, batch=2, steps=3, warmup=1,
        save_every=0.0, precision="fp32", device="cpu", calibration_frames=24,
    )  # fmt: skip
    return config, train(config, progress=False, calibrate=calibrate_run)


@pytest.fixture
def config(alone, tmp_path):
    return alone[0].replace(out=str(tmp_path / "run"))


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the run's folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def weights(run):
    return read_checkpoint(run.checkpoint)["state_dict"]


def same(a, b):
    ours, theirs = weights(a), weights(b)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], value) for key, value in theirs.items())


def interrupted(config, monkeypatch, after):
    """Train, and stop as Ctrl-C does after some steps."""
    genuine, steps = training.training_loss, []

    def stopping(*arguments):
        steps.append(1)
        if len(steps) > after:
            raise KeyboardInterrupt
        return genuine(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "training_loss", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(config, progress=False)


def test_a_second_process_is_told_and_writes_nothing(config, holder, tmp_path):
    with pytest.raises(UserError, match=rf"process {holder.pid} on .* is writing there.*another out"):
        train(config, progress=False)
    assert [path.name for path in (tmp_path / "run").iterdir()] == [LOCK]
    other = train(config.replace(out=str(tmp_path / "other"), steps=1), progress=False)
    assert other.checkpoint.is_file()


def test_a_holder_that_was_killed_is_no_obstacle(config, holder, tmp_path):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert (tmp_path / "run" / LOCK).exists()
    result = train(config.replace(steps=1), progress=False)
    assert not (result.run / LOCK).exists()


def test_a_finished_run_is_read_by_many(config, tmp_path):
    """Also where nobody may write."""
    first = train(config.replace(steps=1), progress=False)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        assert train(config.replace(steps=1), progress=False) == first
    finally:
        process.kill()
        process.communicate()


def test_a_folder_is_free_again_after_an_error(tmp_path):
    with pytest.raises(KeyError), sole_writer(tmp_path / "new" / "folder"):
        assert (tmp_path / "new" / "folder" / LOCK).read_text().startswith(f"process {os.getpid()} on ")
        raise KeyError
    assert not list((tmp_path / "new" / "folder").iterdir())
    with sole_writer(tmp_path / "new" / "folder"):
        pass


def test_two_commands_at_once_make_one_run(config, alone, tmp_path):
    """Whichever comes first; the other is told. What is left is a whole run, as one process makes it."""
    settings = flatten(config)
    words = [
        f"--{name.replace('_', '-')}={settings[name]}" for name in ("root", "out", "frames", "size", "batch", "steps", "warmup")
    ]
    command = [sys.executable, "-m", "rpstn", "train", *words, "--precision=fp32", "--device=cpu", "--calibration-frames=24"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    told = [process.communicate(timeout=240)[1] for process in processes]
    codes = [process.returncode for process in processes]
    # Two that do not meet, on a busy machine, both end well: the second finds a finished run.
    assert 0 in codes and all(code == 0 or "is writing there" in said for code, said in zip(codes, told, strict=True))
    assert same(alone[1], train(config, progress=False))
    assert not [path.name for path in (tmp_path / "run").iterdir() if path.name.startswith(".")]


def test_ranks_of_torchrun_make_one_run_between_them(config, alone):
    """The first trains, as it would alone; the second says that it stops. Numbers and limits are those of one process."""
    words = ["--root", config.data.root, "--out", config.out, "--frames=2", "--size=64", "--batch=2", "--steps=3", "--warmup=1"]
    words += ["--precision=fp32", "--device=cpu", "--calibration-frames=24"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone", "-m", "rpstn", "train"]
    ended = subprocess.run(
        [*torchrun, *words], capture_output=True, text=True, timeout=240, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    assert ended.returncode == 0, ended.stderr
    assert "process 1 stops here" in ended.stderr and ended.stdout.count("best.safetensors") == 1
    runs = (alone[1], ranks := train(config, progress=False))
    assert same(*runs) and alone[1].metrics == ranks.metrics
    assert len({(run.run / "log.csv").read_text() for run in runs}) == 1
    limits = [dataclasses.replace(calibration_of(run.checkpoint), sha256=None) for run in runs]
    assert limits[0] == limits[1] and limits[0].measured_on
    assert not [path.name for path in ranks.run.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(("rank", "stops"), [("0", False), ("1", True), ("3", True)])
def test_ranks_after_the_first_stop_whatever_the_command(rank, stops, monkeypatch, capsys):
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": rank, "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert main(["evaluate", "--checkpoint", "no-such.pt"]) == (0 if stops else 2)
    assert (f"process {rank} stops here: torchrun started 4" in capsys.readouterr().err) is stops


# Resuming


@pytest.mark.parametrize("change", [{"workers": 2}, {"save_every": 99.0}, {"device": "auto"}, {"calibration_frames": 48}])
def test_a_run_is_resumed_with_other_settings_that_change_no_number(config, alone, change, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    interrupted(config, monkeypatch, after=2)
    resumed = train(config.replace(**change), progress=False)
    assert same(alone[1], resumed) and alone[1].metrics == resumed.metrics
    assert train(config.replace(**change), progress=False) == train(config, progress=False) == resumed


def test_a_run_is_resumed_where_its_folder_was_moved_to(config, alone, tmp_path, monkeypatch):
    interrupted(config, monkeypatch, after=2)
    (tmp_path / "run").rename(tmp_path / "moved")
    resumed = train(config.replace(out=str(tmp_path / "moved")), progress=False)
    assert same(alone[1], resumed) and resumed.run == tmp_path / "moved"


@pytest.mark.parametrize("bf16", [True, False])
def test_auto_precision_is_asked_once(config, bf16, monkeypatch):
    """A run that goes on where the hardware is another goes on in the precision that it began with."""
    config = config.replace(precision="auto")
    monkeypatch.setattr(training, "use_bf16", lambda *_: bf16)
    interrupted(config, monkeypatch, after=2)
    monkeypatch.setattr(training, "use_bf16", lambda *_: not bf16)
    genuine, used = training.training_loss, []
    monkeypatch.setattr(training, "training_loss", lambda *given: used.append(given[3]) or genuine(*given))
    result = train(config, progress=False)
    assert used == [bf16]
    assert json.loads((result.run / "manifest.json").read_text())["precision"] == ("bf16" if bf16 else "fp32")


def test_a_damaged_state_is_named_and_nothing_is_to_be_removed(config, tmp_path, monkeypatch):
    interrupted(config, monkeypatch, after=2)
    (tmp_path / "run" / "last.pt").write_bytes(b"damaged")
    with pytest.raises(UserError, match=r"last\.pt cannot be read.*another out") as caught:
        train(config, progress=False)
    assert "remove" not in str(caught.value)
