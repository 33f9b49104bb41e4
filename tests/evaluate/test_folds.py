"""The mean over Sub-JHMDB's three splits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rpstn.cli import main as cli
from rpstn.datasets import open_dataset
from rpstn.datasets.convert import convert_dataset
from rpstn.errors import UserError
from rpstn.evaluate.folds import evaluate_folds, find_folds, mean_over_splits, means_by_split, rows_of
from rpstn.evaluate.inference import predict_clips
from rpstn.evaluate.scoring import EvaluateConfig, evaluate
from rpstn.metrics.tables import table
from rpstn.models import RPSTN, RPSTNConfig
from rpstn.models.checkpoints import check_fold, load_checkpoint, save_checkpoint
from rpstn.models.image import ImageConfig, image_model
from rpstn.models.starting import start_image_from
from rpstn.notebooks.ablations import AblationConfig, ablate
from rpstn.notebooks.publish import PublishConfig, publish
from rpstn.occlusion import Protocol
from rpstn.relations.study import study
from rpstn.train import TrainConfig, train

from ..datasets.test_sub_jhmdb import clip_name, write_clip, write_splits

NETWORK = RPSTNConfig(15, skeleton="sub_jhmdb", encoder="small", initializer="small", propagation="none", relation="off")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six clips of six videos; in split n, clips 2n - 1 and 2n are the test part."""
    root = tmp_path_factory.mktemp("jhmdb")
    names = [clip_name(f"Video_{number}", "run", number) for number in range(1, 7)]
    for name in names:
        write_clip(root, "run", name, video=False)
    for fold in (1, 2, 3):
        lines = [f"{name}.avi {2 if number // 2 == fold - 1 else 1}" for number, name in enumerate(names)]
        write_splits(root, "run", lines, fold)
    return root


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """An untrained network for each split, in runs/set-1, -2 and -3."""
    folder = tmp_path_factory.mktemp("runs")
    for fold in (1, 2, 3):
        torch.manual_seed(fold)
        metadata = {
            "skeleton": "sub_jhmdb",
            "size": 64,
            "sigma": 1.0,
            "frames": 1,
            "dataset": "sub_jhmdb",
            "input": "rgb_imagenet",
        }
        place = folder / f"set-{fold}" / "rpstn"
        place.mkdir(parents=True)
        save_checkpoint(place / "best.safetensors", RPSTN(NETWORK), metadata | {"fold": fold})
        (place / "manifest.json").write_text("{}")
    return folder


def test_three_checkpoints_become_one_mean(root, runs, tmp_path):
    config = EvaluateConfig(
        runs / "set-{fold}" / "rpstn" / "best.safetensors", "sub_jhmdb", root=root, device="cpu", threshold=0.5
    )
    result = evaluate_folds(replace(config, out=tmp_path / "out"), progress=False)
    alone = {
        fold: evaluate(
            replace(
                config, checkpoint=runs / f"set-{fold}" / "rpstn" / "best.safetensors", fold=fold, out=tmp_path / f"alone-{fold}"
            ),
            progress=False,
        ).metrics
        for fold in (1, 2, 3)
    }
    assert [result.results[fold].metrics["counted"]["clips"] for fold in (1, 2, 3)] == [2, 2, 2]
    assert len({clip for fold in (1, 2, 3) for clip in result.results[fold].predictions.ids}) == 6
    assert result.metrics["splits"] == {str(fold): alone[fold]["scores"] for fold in (1, 2, 3)}
    assert len({alone[fold]["scores"]["person"]["all"]["mean"] for fold in (1, 2, 3)}) > 1
    for reference in ("person", "torso"):
        parts = [alone[fold]["scores"][reference]["all"] for fold in (1, 2, 3)]
        found = result.metrics["scores"][reference]["all"]
        assert found["mean"] == pytest.approx(np.mean([part["mean"] for part in parts]))
        assert found["mean_scored"] == pytest.approx(np.mean([part["mean_scored"] for part in parts]))
        assert found["joint_types"]["wrist"] == pytest.approx(np.mean([part["joint_types"]["wrist"] for part in parts]))
        assert found["joints_scored"] == 13 and len(found["joints"]) == 15 and found["interval"] == [None, None]
    assert result.metrics["scores"]["person"]["occluded"]["mean"] is None
    assert json.loads((tmp_path / "out" / "mean.json").read_text()) == result.metrics
    assert (tmp_path / "out" / "split-2" / "predictions.npz").is_file()
    text = table(rows_of(result.metrics, "torso"))
    assert "mean (15 joints)" in text and "mean (13 joints)" in text and len(text.splitlines()) == 6


def made(fold, mean, scored, **changes):
    """Metrics of one split with these two means everywhere."""
    part = {"mean": mean, "mean_scored": scored, "joints_scored": 13, "micro": mean, "samples": 10, "interval": [0, 1]}
    part |= {"joints": {"neck": mean, "belly": None}, "joint_types": {"neck": mean}}
    same = {"dataset": "sub_jhmdb", "split": "test", "skeleton": "sub_jhmdb", "threshold": 0.2, "window": 24, "flip_test": False}
    same |= {"refine": "gaussian", "amp": False, "boxes": "ground truth", "convert_to": None}
    scores = {reference: dict.fromkeys(("all", "visible", "occluded"), part) for reference in ("person", "torso")}
    return same | {"fold": fold, "checkpoint": {}, "counted": {}, "scores": scores} | changes


def test_the_mean_is_that_of_three_numbers():
    """81.9, 78.4 and 80.0 are 80.1 in the mean, whatever the numbers of clips."""
    found = mean_over_splits({1: made(1, 0.819, 0.9), 2: made(2, 0.784, 0.6), 3: made(3, 0.8, 0.3)})
    part = found["scores"]["torso"]["all"]
    assert part["mean"] == pytest.approx(0.801) and part["mean_scored"] == pytest.approx(0.6)
    assert part["joints"] == {"neck": pytest.approx(0.801), "belly": None} and part["samples"] == 30
    assert found["folds"] == [1, 2, 3]
    means = means_by_split(found)
    assert list(means) == ["split 1", "split 2", "split 3", "mean of 3"]
    assert means["split 2"] == {f"{by}, {n} joints": v for by in ("person", "torso") for n, v in ((2, 0.784), (13, 0.6))}


def test_what_makes_no_mean_is_refused(root, runs, tmp_path):
    three = {fold: made(fold, 0.5, 0.5) for fold in (1, 2, 3)}
    with pytest.raises(UserError, match=r"\[1, 2\]"):
        mean_over_splits({1: three[1], 2: three[2]})
    with pytest.raises(UserError, match="split 3 are of split 1"):
        mean_over_splits(three | {3: three[1]})
    with pytest.raises(UserError, match="refine: gaussian, quarter, gaussian"):
        mean_over_splits(three | {2: made(2, 0.5, 0.5, refine="quarter")})
    config = EvaluateConfig(
        runs / "set-{fold}" / "rpstn" / "best.safetensors", "sub_jhmdb", root=root, out=tmp_path, device="cpu"
    )
    own = {fold: runs / f"set-{fold}" / "rpstn" / "best.safetensors" for fold in (1, 2, 3)}
    with pytest.raises(UserError, match="trained on split 1.*split 2"):
        evaluate_folds(config, own | {2: own[1]}, progress=False)
    with pytest.raises(UserError, match=r"\[1\]"):
        evaluate_folds(config, {1: own[1]}, progress=False)
    with pytest.raises(UserError, match="set-4"):
        evaluate_folds(config, own | {3: runs / "set-4" / "best.safetensors"}, progress=False)
    with pytest.raises(UserError, match="embedded"):
        evaluate_folds(EvaluateConfig(own[1], "embedded"), progress=False)
    # Shipped weights are found by their name, as `rpstn evaluate` finds them.
    with pytest.raises(UserError, match="finds the 13 joints of skeleton 'penn_action'"):
        evaluate_folds(replace(config, checkpoint=Path("embedded_rpstn")), progress=False)
    with pytest.raises(UserError, match=r"no checkpoint at nothing\.pt; train each"):
        evaluate_folds(replace(config, checkpoint=Path("nothing.pt")), progress=False)


def test_another_splits_network_is_refused_wherever_it_meets_a_split(root, runs, tmp_path, committed):
    """What is scored, started from, published or ablated: the test clips of split 2 were trained on in split 1."""
    first, refused = runs / "set-1" / "rpstn" / "best.safetensors", r"(?s)best\.safetensors was trained on split 1.*split 2"
    model, metadata = load_checkpoint(first)
    test = open_dataset("sub_jhmdb", root, "test", fold=2)
    for part in (test, Protocol("joint", start=1, length=2).hide(test), convert_dataset(test, test.skeleton)):
        with pytest.raises(UserError, match="the checkpoint was trained on split 1"):
            predict_clips(model, metadata, part, progress=False)
    with pytest.raises(UserError, match="the checkpoint was trained on split 1"):
        study(model, metadata, test, {}, progress=False)
    with pytest.raises(UserError, match=refused):
        publish(PublishConfig("x", "sub_jhmdb", str(root), fold=2, folder=str(runs / "set-1"), out=str(tmp_path)), progress=False)
    small = {"dataset": "sub_jhmdb", "root": str(root), "frames": 1, "size": 64, "batch": 1, "steps": 1, "device": "cpu"}
    for start in ("init", "encoder_weights", "initializer_weights"):
        with pytest.raises(UserError, match=refused):
            train(TrainConfig.of(**small, fold=2, out=str(tmp_path / start), **{start: str(first)}), progress=False)
    with pytest.raises(UserError, match=refused):
        ablate(AblationConfig(runs=("full",), seeds=(1,), **small, fold=2, out=str(tmp_path), init=str(first)), progress=False)
    image = image_model(ImageConfig("small", 15, skeleton="sub_jhmdb"))
    save_checkpoint(tmp_path / "image.pt", image, {**metadata, "fold": 1})
    with pytest.raises(UserError, match="image.pt was trained on split 1"):
        start_image_from(image, tmp_path / "image.pt", fold=2)


def test_its_own_split_and_other_data_sets_fit(root, runs):
    model, metadata = load_checkpoint(runs / "set-1" / "rpstn" / "best.safetensors")
    own = open_dataset("sub_jhmdb", root, "test", fold=1)
    assert own.fold == 1 and len(predict_clips(model, metadata, own, progress=False)) == 2
    elsewhere = replace(open_dataset("sub_jhmdb", root, "test", fold=2), fold=None)  # as a data set without such splits
    assert len(predict_clips(model, metadata, elsewhere, progress=False)) == 2
    for start in (
        metadata | {"dataset": "embedded", "fold": 1},
        {key: value for key, value in metadata.items() if key != "fold"},
    ):
        check_fold(start, 2)
    with pytest.raises(UserError, match="split 1"):
        check_fold(metadata, 2)


def test_from_the_command_line(root, runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["folds", "--checkpoint", f"{runs}/set-{{fold}}/rpstn/best.safetensors", "--root", str(root), "--device", "cpu"]
    assert cli.main(words) == 0
    told = capsys.readouterr().out
    assert "split 3" in told and "mean of 3" in told and "mean (13 joints)" in told and "by torso size" in told
    place = Path(told.strip().splitlines()[-1])
    assert place.is_file() and place.parent.name.startswith("rpstn-best-sub_jhmdb-folds-test-")
    assert cli.main([*words, "--dataset", "coco"]) == 2


def test_networks_of_all_three_splits_are_found(runs, tmp_path):
    assert find_folds(runs / "set-1", 1) == {
        "rpstn": {fold: runs / f"set-{fold}" / "rpstn" / "best.safetensors" for fold in (1, 2, 3)}
    }
    assert find_folds(runs / "set-3", 3).keys() == {"rpstn"} and find_folds(runs / "set-1", 2) == {}
    assert find_folds("runs/smoke-sub_jhmdb", 1) == {}
    for fold in (1, 2, 3):
        place = tmp_path / f"half-{fold}" / "rpstn"
        place.mkdir(parents=True)
        (place / "best.safetensors").touch()
        if fold < 3:  # the third is still going on
            (place / "manifest.json").touch()
    assert find_folds(tmp_path / "half-1", 1) == {}


def test_the_split_is_the_one_it_was_trained_on(root, runs, tmp_path, capsys, committed):
    """Where neither data set nor split is named, those of the checkpoint; of another split it is still refused."""
    checkpoint = runs / "set-2" / "rpstn" / "best.safetensors"
    words = ["evaluate", "--checkpoint", checkpoint, "--root", root, "--device", "cpu", "--out", tmp_path / "scores"]
    assert cli.main([str(word) for word in words]) == 0
    assert "data set sub_jhmdb, on which the checkpoint was trained" in capsys.readouterr().out
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text())["fold"] == 2
    assert cli.main([str(word) for word in (*words, "--fold", "1")]) == 2
    assert "was trained on split 2" in capsys.readouterr().err
    words = ["publish", "--name", "x", "--root", root, "--folder", runs / "set-2", "--device", "cpu", "--out", tmp_path]
    words += ["--start", "1", "--length", "1", "--protocols", "limb", "--compared", "frame_by_frame", "--no-flip-test"]
    assert cli.main([str(word) for word in words]) == 0
    assert "data set sub_jhmdb, on which the checkpoint was trained" in capsys.readouterr().out
    assert json.loads((tmp_path / "x.json").read_text())["measured_on"]["official_split"] == 2
