"""The benchmark of hidden joints: it keeps what is done, and refuses to mix settings."""

from dataclasses import replace

import pytest

from benchmarks.occlusion import Occlusion, Study, name_of, shown
from rpstn.datasets import open_dataset
from rpstn.errors import UserError
from rpstn.models.files import WEIGHTS
from rpstn.occlusion.study import first_frames
from rpstn.runs import read_json


def test_a_study_is_resumed_and_says_what_it_found(embedded_root, tmp_path, monkeypatch):
    dataset = first_frames(open_dataset("embedded", embedded_root, split="test"), 20)
    monkeypatch.setattr("benchmarks.occlusion.opened", lambda config: dataset)
    checkpoint = WEIGHTS / "embedded_frame_by_frame.pt"
    config = Occlusion(tmp_path, (checkpoint,), protocols=("limb",), out=tmp_path / "occlusion.json")
    study = Study(config)
    study.rules()
    study.network(checkpoint)
    written = read_json(config.out)
    assert {"settings", "groups", "guesses", "rules", "networks", "manifest"} <= set(written)
    assert str(tmp_path) not in config.out.read_text(), "no folders of this machine"
    table = shown(written, "limb", "0.1 person")
    assert "true position held" in table and f"{name_of(checkpoint)}: hold, confident" in table

    monkeypatch.setattr("benchmarks.occlusion.predict_clips", None)
    again = Study(config)
    again.rules()
    again.network(checkpoint)  # finished: it is not predicted again
    assert again.results["networks"] == written["networks"]
    with pytest.raises(UserError, match=r"other settings \(start\); choose another --out"):
        Study(replace(config, start=6))
