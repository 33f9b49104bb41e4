"""Numbers are published from commits alone; and what they were measured on is known to the pixel."""

import subprocess
from dataclasses import replace

import numpy as np
import pytest

from rpstn.datasets import open_dataset
from rpstn.datasets.sources import ArrayFrames, checksums
from rpstn.errors import UserError
from rpstn.runs import directory
from rpstn.runs.directory import clean_commit, git_commit, refuse_dirty


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_a_changed_file_makes_a_commit_dirty_and_a_result_does_not(tmp_path, monkeypatch):
    git(tmp_path, "init")
    (tmp_path / "results").mkdir()
    for name in ("code.py", "results/scores.json"):
        (tmp_path / name).write_text("1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    first = git_commit(tmp_path)
    (tmp_path / "results" / "scores.json").write_text("2")  # of a series of scores, each is written there
    assert len(first) == 40 and git_commit(tmp_path) == first
    (tmp_path / "code.py").write_text("2")
    assert git_commit(tmp_path) == first + "-dirty"
    monkeypatch.setattr(directory, "git_commit", lambda: first + "-dirty")
    with pytest.raises(UserError, match="this checkout: files differ from the commit"):
        clean_commit()
    monkeypatch.setattr(directory, "git_commit", lambda: None)
    assert clean_commit() is None, "an installed package has no commit"


def test_which_runs_are_dirty_is_said():
    refuse_dirty({"a": None, "b": "0" * 40})
    with pytest.raises(UserError, match="b, c: files differ"):
        refuse_dirty({"a": "0" * 40, "b": "1-dirty", "c": "2-dirty"})


def test_checksums_cover_pixels(embedded_root):
    test = open_dataset("embedded", embedded_root, "test")
    first = replace(test, clips=test.clips[:1])
    known = checksums(first)
    assert known == checksums(first) and known["labels"] == first.checksum()
    pixels = first[0].frames.read(range(len(first[0])))
    arrays = [pixels, np.where(np.arange(pixels.size).reshape(pixels.shape) == 7, 255 - pixels, pixels)]
    found = [checksums(replace(first, clips=(replace(first[0], frames=ArrayFrames(array)),))) for array in arrays]
    assert known["labels"] == found[0]["labels"] == found[1]["labels"]
    assert len({known["pixels"], found[0]["pixels"], found[1]["pixels"]}) == 3, "as stored, as decoded, with one value changed"
