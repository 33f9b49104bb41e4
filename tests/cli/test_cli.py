"""The command line: what a user can mend is said in one line, with exit code 2 and nothing half-made."""

import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from rpstn.cli import main as cli
from rpstn.errors import UserError

TINY = ["--frames", "2", "--size", "64", "--batch", "2", "--steps", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def checkpoint(embedded_root, tmp_path_factory):
    """A network that made one step."""
    run = tmp_path_factory.mktemp("run") / "tiny"
    assert cli.main(["train", "--root", str(embedded_root), "--out", str(run), *TINY]) == 0
    return run / "best.safetensors"


@pytest.fixture
def copy(embedded_root, tmp_path):
    """A data set that a test may break."""
    return shutil.copytree(embedded_root, tmp_path / "copy")


def refused(capsys, *words):
    """The one line that a command ends with."""
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == 2
    error = capsys.readouterr().err
    last = [line for line in error.splitlines() if line.startswith("rpstn: error: ")]
    assert len(last) == 1 and "Traceback" not in error, error
    return last[0]


def test_trains_and_evaluates(checkpoint, embedded_root, tmp_path, capsys):
    out = tmp_path / "scores"
    words = ["evaluate", "--checkpoint", str(checkpoint), "--root", str(embedded_root), "--out", str(out)]
    assert cli.main(words) == 0
    assert {path.name for path in out.iterdir()} == {"metrics.json", "predictions.npz", "manifest.json"}
    said = capsys.readouterr().out
    assert all(str(path) in said for path in out.iterdir())


def test_evaluate_shows_what_it_measured_and_on_what(checkpoint, embedded_root, tmp_path, capsys):
    """Both reference lengths, each for all, visible and occluded joints, as metrics.json has them."""
    out = tmp_path / "scores"
    words = ["evaluate", "--checkpoint", str(checkpoint), "--root", str(embedded_root), "--out", str(out)]
    assert cli.main([*words, "--threshold", "0.5", "--window", "3"]) == 0
    said, metrics = capsys.readouterr().out, json.loads((out / "metrics.json").read_text())
    counted = metrics["counted"]
    assert f"tiny/best.safetensors on embedded, split test: {counted['clips']} clips" in said
    assert f"{counted['frames']} frames" in said and f"{counted['occluded_joints']} occluded" in said
    assert "windows of 3 frames" in said and "boxes: ground truth" in said
    for reference, parts in metrics["scores"].items():
        lines = said.split(f"PCK@0.5 in percent, by {reference} size")[1].splitlines()[1:5]
        assert lines[0].split()[:3] == ["head", "shoulder", "elbow"]
        assert {len(line) for line in lines} == {len(lines[0]), lines[0].index("mean") + 4}, (
            "columns of one width, the last empty"
        )
        for line, (subset, part) in zip(lines[1:], parts.items(), strict=True):
            assert line.split()[0] == subset
            assert part["interval"] == [None, None], "four sources say too little about others"
            assert line.split()[1:] == [f"{100 * value:.1f}" for value in (*part["joint_types"].values(), part["mean"])]


def test_missing_root(capsys, tmp_path):
    said = refused(capsys, "train", "--root", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert "nowhere" in said and "rpstn data make embedded" in said
    assert not (tmp_path / "run").exists()


def test_empty_split(capsys, copy, tmp_path):
    for path in (copy / "labels").glob("*.mat"):
        if str(loadmat(path)["split"].item()).strip() == "val":
            path.unlink()
    said = refused(capsys, "train", "--root", copy, "--out", tmp_path / "run")
    assert "'val' is empty" in said and str(copy) in said
    assert not (tmp_path / "run").exists()


def test_folder_without_labels(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    said = refused(capsys, "data", "check", "embedded", tmp_path / "empty")
    assert str(tmp_path / "empty") in said


def test_broken_image(capsys, copy, checkpoint, tmp_path):
    for path in (copy / "frames").glob("*/000003.jpg"):
        path.write_bytes(path.read_bytes()[:200])
    words = ["evaluate", "--checkpoint", checkpoint, "--root", copy, "--out", tmp_path / "scores"]
    said = refused(capsys, *words)
    assert "000003.jpg" in said
    assert not (tmp_path / "scores").exists()
    assert cli.main(["data", "check", "embedded", str(copy)]) == 1
    assert "000003.jpg" in capsys.readouterr().out


def test_label_of_wrong_shape(capsys, copy, checkpoint, tmp_path):
    path = sorted((copy / "labels").glob("*.mat"))[0]
    label = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
    label["x"] = label["x"][:, :7]
    savemat(path, label)
    said = refused(capsys, "train", "--root", copy, "--out", tmp_path / "run", *TINY)
    assert path.name in said and "x" in said
    assert not (tmp_path / "run").exists()


def test_checkpoint_of_another_skeleton(capsys, embedded_root, tmp_path):
    from rpstn.models import RPSTN, RPSTNConfig
    from rpstn.models.checkpoints import save_checkpoint

    model = RPSTN(RPSTNConfig(joints=15, skeleton="sub_jhmdb"))
    metadata = {"skeleton": "sub_jhmdb", "size": 64, "sigma": 1.5, "frames": 2, "dataset": "sub_jhmdb"}
    save_checkpoint(tmp_path / "other.pt", model, {**metadata, "input": model.config.input})
    words = ["evaluate", "--checkpoint", tmp_path / "other.pt", "--root", embedded_root]
    said = refused(capsys, *words, "--out", tmp_path / "scores")
    assert "sub_jhmdb" in said and "embedded" in said
    assert not (tmp_path / "scores").exists()


def test_no_checkpoint_and_a_broken_one(capsys, embedded_root, tmp_path):
    words = ["evaluate", "--root", embedded_root, "--checkpoint"]
    assert "rpstn train" in refused(capsys, *words, tmp_path / "none.pt")
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    assert "broken.pt" in refused(capsys, *words, tmp_path / "broken.pt")


def test_no_traceback_in_a_process_of_its_own(tmp_path):
    run = subprocess.run(
        [sys.executable, "-m", "rpstn", "data", "check", "embedded", str(tmp_path / "nowhere")],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 2 and run.stdout == ""
    assert run.stderr.startswith("rpstn: error: ") and run.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trian"], "no command 'trian'; did you mean 'train'?"),
        (["data", "mak"], "no command 'mak'; did you mean 'make'?"),
        (["data", "make", "embeded"], "no data set 'embeded'; did you mean 'embedded'?"),
        (["data", "make", "penn_action"], "is recorded, not computed"),
        (["run", "trian"], "no notebook 'trian'; did you mean 'train'?"),
        (["run", "train", "-p", "dataste", "sub_jhmdb"], "did you mean 'dataset'?"),
        (["run", "--profile", "quick"], "no profile 'quick'"),
    ],
)
def test_mistyped_words(capsys, words, said):
    assert said in refused(capsys, *words)


def test_mistyped_option_suggests_the_nearest(capsys):
    assert "--step, 3; did you mean --steps?" in refused(capsys, "train", "--step", "3")


def test_value_out_of_range(capsys):
    assert "steps must be at least 1, not 0" in refused(capsys, "train", "--steps", "0")


def test_help_comes_from_the_dataclass(capsys):
    assert cli.main(["train", "--help"]) == 0
    assert "--relation-scale" in capsys.readouterr().out
    assert cli.main(["evaluate", "--help"]) == 0
    said = capsys.readouterr().out
    assert "as a fraction of the reference length" in said.split("--threshold", 1)[1]
    assert cli.main(["--help"]) == 0
    usage = capsys.readouterr().out
    for command in cli._COMMANDS:
        assert f"  {command} " in usage


def test_interruption(capsys, monkeypatch):
    def interrupt(words):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_dispatch", interrupt)
    assert cli.main(["train"]) == 130
    assert capsys.readouterr().err == "rpstn: interrupted\n"


def test_message_is_one_line(capsys, monkeypatch):
    def fail(words):
        raise UserError("file:\n  broken")

    monkeypatch.setattr(cli, "_dispatch", fail)
    assert cli.main([]) == 2
    assert capsys.readouterr().err == "rpstn: error: file: broken\n"


def test_lists_the_data_sets(capsys, monkeypatch, data_root):
    monkeypatch.setenv("RPSTN_DATA", str(data_root))
    assert cli.main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert f"embedded     in {data_root / 'embedded'}" in said and "sub_jhmdb    not here" in said
    assert "labels/*.mat (labels): 15" in said and "frames/* (folders of frames): 15" in said
    part = said.split("penn_action  not here", 1)[1].split("sub_jhmdb    not here", 1)[0]
    assert "http://dreamdragon.github.io/PennAction/" in part and "2,326 videos" in part and "for research" in part
    assert "labels/*.mat (labels)\n" in part and "13, skeleton penn_action" in part
    assert said.endswith(f"looked in {data_root}, which $RPSTN_DATA names\n")


def test_list_looks_under_the_working_directory_otherwise(capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("RPSTN_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "own").mkdir(parents=True)
    assert cli.main(["data", "list"]) == 0
    said = capsys.readouterr().out
    assert "own          in data/own" in said and "dataset.json (description): none" in said and "embedded     not here" in said


def test_makes_and_checks(tmp_path, capsys):
    """A made set is sound, its frames can be read, and its name stands in the report."""
    root = tmp_path / "set"
    assert cli.main(["data", "make", "embedded", str(root), "--train", "1", "--val", "1", "--test", "1"]) == 0
    assert cli.main(["data", "check", "embedded", str(root)]) == 0
    assert "no faults" in capsys.readouterr().out
    frame = cv2.imread(str(next((root / "frames").glob("*/000001.jpg"))))
    assert frame.shape[0] >= 160 and np.std(frame) > 5
