"""Checkpoints are chosen by a val score that still tells them apart, and runs of earlier versions by what chose theirs."""

import json

import numpy as np
import pytest

from rpstn.datasets import open_dataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.runs import RunDirectory
from rpstn.runs.directory import defaults
from rpstn.train import TrainConfig
from rpstn.train.choice import CHOICES, val_score
from rpstn.train.resume import Progress


def test_stricter_scores_tell_apart_what_a_lenient_one_does_not(embedded_root):
    dataset = open_dataset("embedded", embedded_root, "val")

    def off(part):  # every joint off by a part of the person's size
        joints = [clip.joints + (part * clip.boxes[:, 2:].max(axis=1))[:, None, None] * np.float32([1, 0]) for clip in dataset]
        ones = [np.ones(points.shape[:2]) for points in joints]
        return Predictions(tuple(clip.id for clip in dataset), joints, ones, [None] * len(joints), window=1)

    scores = {by: [val_score(off(part), dataset, by) for part in (0.0, 0.07, 0.12, 0.3)] for by in CHOICES}
    assert scores["person 0.2"] == [1, 1, 1, 0]
    assert scores["person 0.05-0.2"] == [1, 0.75, 0.5, 0]
    assert scores["torso 0.2"][0] == 1 > scores["torso 0.2"][1] >= scores["torso 0.2"][2]


def test_a_run_records_its_choice_and_an_older_one_had_person(tmp_path):
    config = TrainConfig.of(out=str(tmp_path / "a"))
    assert config.validate_by == next(iter(CHOICES)) and defaults(TrainConfig)["validate_by"] == "person 0.2"
    RunDirectory(tmp_path / "a").start(config)
    path = tmp_path / "a" / "config.json"
    older = json.loads(path.read_text())
    assert older.pop("validate_by") == config.validate_by
    path.write_text(json.dumps(older))
    RunDirectory(tmp_path / "a").start(config.replace(validate_by="person 0.2"))
    with pytest.raises(UserError, match=r"validate_by: person 0.2 there, person 0.05-0.2 now"):
        RunDirectory(tmp_path / "a").start(config)
    with pytest.raises(UserError, match="no val score is called 'torso'.*'torso 0.2'"):
        TrainConfig.of(validate_by="torso")


def test_pck_of_the_chosen_checkpoint():
    rows = [{"val_pck": ""}, {"val_pck": 0.9, "val_score": 0.5}, {"val_pck": 0.8, "val_score": 0.6}]
    assert Progress(3, 1.0, 0.6, rows, False).best_pck == 0.8
    assert Progress(3, 1.0, 0.9, [{"val_pck": 0.9}, {"val_pck": 0.8}], False).best_pck == 0.9
