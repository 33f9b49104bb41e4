"""Files that are no checkpoints, and weights by their name: one way to find and to read them, whoever asks."""

import os
import pickle
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import rpstn
from rpstn import EvaluateConfig
from rpstn.cli import main as cli
from rpstn.datasets import open_dataset
from rpstn.errors import UserError
from rpstn.evaluate.author_checkpoints import load_author_network
from rpstn.evaluate.scoring import evaluate
from rpstn.models import RPSTN, start_from
from rpstn.models.checkpoints import read_checkpoint
from rpstn.models.files import WEIGHTS, default_checkpoint, find_weights
from rpstn.models.onnx import export
from rpstn.models.released import load_released_checkpoint
from rpstn.runs import RunDirectory
from rpstn.train.resume import resume
from rpstn.video.calibrate import calibrate

from .test_models import small

EMBEDDED = WEIGHTS / "embedded_rpstn.pt"


class Runs:
    """A pickle of it makes a file when it is read."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (Path.touch, (self.mark,))


def text(path):
    path.write_text("# Readme\n\nThis is no checkpoint.\n")


def empty(path):
    path.touch()


def folder(path):
    path.mkdir()


def cut(path):
    path.write_bytes(EMBEDDED.read_bytes()[:100_000])


def overwritten(path):
    path.write_bytes(EMBEDDED.read_bytes()[:200] + bytes(100) + EMBEDDED.read_bytes()[300:])


def archive(path):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("word/document.xml", "<xml/>")


def code(path):
    torch.save({"state_dict": Runs(path.with_suffix(".ran"))}, path)


def old_code(path):
    torch.save({"state_dict": Runs(path.with_suffix(".ran"))}, path, _use_new_zipfile_serialization=False)


def plain_pickle(path):
    path.write_bytes(pickle.dumps(Runs(path.with_suffix(".ran"))))


def module(path):
    torch.save(torch.nn.Linear(2, 2), path)


READERS = {
    "load_checkpoint": rpstn.load_checkpoint,
    "start_from": lambda path: start_from(RPSTN(small()), path),
    "predict": lambda path: rpstn.predict(np.zeros((1, 32, 32, 3), np.uint8), path, device="cpu"),
    "released": load_released_checkpoint,
    "author's": lambda path: load_author_network(path, "hrnet_w32"),
    "export": lambda path: export(path, path.parent / "onnx"),
    "resume": lambda path: _resumed(path),
}


def _resumed(path):
    last = path.parent / "run" / "last.pt"
    last.parent.mkdir()
    shutil.copy(path, last)
    model = RPSTN(small())
    return resume(RunDirectory(last.parent), model, torch.optim.SGD(model.parameters()), torch.device("cpu"), False)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (text, "no file that torch wrote"),
        (empty, "it is empty"),
        (folder, "is a folder, no checkpoint"),
        (cut, "its end is missing"),
        (overwritten, "it is damaged"),
        (archive, "it is damaged, or holds something else than tensors"),
        (code, "which is no tensor and could run code"),
        (old_code, "which is no tensor and could run code"),
        (plain_pickle, "no tensor|something else than tensors"),
        (module, "torch.nn.modules.linear.Linear, which is no tensor"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_file_that_is_no_checkpoint_is_told_in_our_words(tmp_path, recwarn, reader, make, reason):
    """Never torch's advice to run what the file holds."""
    if (reader, make) == ("resume", folder):
        pytest.skip("a run without a file last.pt begins")
    path = tmp_path / "a.pt"
    make(path)
    with pytest.raises(UserError, match=rf"(a|last)\.pt.*({reason})") as told:
        READERS[reader](path)
    said = str(told.value)
    assert "weights_only" not in said and "\n" not in said and ";" in said
    assert not path.with_suffix(".ran").exists() and not [w for w in recwarn if "torch" in str(w.message)]


@pytest.mark.parametrize("command", ["convert", "export"])
def test_the_command_line_tells_it_in_one_line(tmp_path, capsys, command):
    text(tmp_path / "README.md")
    assert cli.main([command, str(tmp_path / "README.md"), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "README.md cannot be read as a checkpoint" in said and said.count("\n") == 1 and "weights_only" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]


def test_a_run_given_for_its_checkpoint_names_the_file(tmp_path):
    shutil.copy(EMBEDDED, tmp_path / "best.safetensors")
    with pytest.raises(UserError, match=r"is a folder, no checkpoint; give .*best\.safetensors"):
        rpstn.load_checkpoint(tmp_path)


def test_weights_by_name_are_the_same_everywhere(tmp_path, monkeypatch, embedded_root):
    """`rpstn.predict` takes the name of shipped weights; so does whatever else takes a checkpoint."""
    monkeypatch.chdir(tmp_path)
    ours = read_checkpoint(EMBEDDED)["state_dict"]
    model, metadata = rpstn.load_checkpoint("embedded_rpstn")
    assert metadata["dataset"] == "embedded" and all(torch.equal(model.state_dict()[k], v.float()) for k, v in ours.items())
    assert find_weights(None) == default_checkpoint()
    with pytest.raises(UserError, match="embedded_rpstn.pt is not a checkpoint of the released network but one of this package"):
        load_released_checkpoint("embedded_rpstn")
    clips = open_dataset("embedded", embedded_root, "val")
    one = replace(clips, clips=clips.clips[:1])
    assert calibrate("embedded_rpstn", one, progress=False).sha256
    config = EvaluateConfig("embedded_rpstn", root=embedded_root, device="cpu")
    named = evaluate(config, progress=False)
    path = evaluate(replace(config, checkpoint=EMBEDDED), progress=False)
    assert named.metrics == path.metrics and named.out == path.out
    with pytest.raises(UserError, match="embeded_rpstn, and no weights of that name.*'embedded_rpstn'"):
        evaluate(replace(config, checkpoint="embeded_rpstn"), progress=False)


def test_a_folder_of_that_name_hides_no_weights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("embedded_rpstn")
    assert find_weights("embedded_rpstn") == EMBEDDED


@pytest.mark.parametrize("wrong", [3, b"embedded_rpstn", {}, object()])
def test_what_is_no_path_is_refused(wrong):
    with pytest.raises(UserError, match=f"given as {type(wrong).__name__}.*embedded_rpstn"):
        rpstn.load_checkpoint(wrong)
