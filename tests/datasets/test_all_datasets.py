"""Every data set by its name: one step of training, an evaluation, a check, and what is said of it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from rpstn.cli import main as cli
from rpstn.datasets import DATASETS, DamagedClipsWarning, open_dataset
from rpstn.datasets.own import write_own
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_window
from rpstn.evaluate.scoring import EvaluateConfig, evaluate
from rpstn.metrics.standard import standard_score
from rpstn.models import RPSTN, RPSTNConfig, load_checkpoint
from rpstn.models.checkpoints import save_checkpoint
from rpstn.skeletons import Skeleton, get_skeleton, name_skeleton, skeleton_of
from rpstn.train import TrainConfig, train

from . import test_hieve, test_lspet, test_own
from .small_sets import MADE, truth

SHARED = Path(__file__).parents[3] / "shared" / "data"
TINY = {"frames": 1, "size": 64, "batch": 2, "steps": 1, "warmup": 0, "precision": "fp32", "device": "cpu", "propagation": "none"}


@pytest.fixture(scope="module")
def runs(roots, tmp_path_factory):
    """A network for each, after one step."""
    folder = tmp_path_factory.mktemp("runs")
    return {
        name: train(TrainConfig.of(dataset=name, root=str(roots / name), out=str(folder / name), **TINY), progress=False)
        for name in MADE
    }


@pytest.mark.parametrize("name", MADE)
def test_trains_and_is_evaluated_under_its_name(name, roots, runs, tmp_path):
    assert 0 <= runs[name].metrics["val_pck"] <= 1
    config = EvaluateConfig(runs[name].checkpoint, root=roots / name, device="cpu", out=tmp_path / "scores")
    result = evaluate(config, progress=False)
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert (metrics["dataset"], metrics["fold"], metrics["convert_to"]) == (name, 1, None)
    test = open_dataset(name, roots / name, "test")
    assert metrics["counted"]["clips"] == len(test) and metrics["counted"]["entries_left_out"] == 0
    assert metrics["skeleton"] == test.skeleton.name and 0 <= metrics["scores"]["person"]["all"]["micro"] <= 1
    key = MADE[name][1]
    assert {"pckh", "oks", "posetrack"} & set(metrics) == ({key} if key else set())
    if key:
        assert 0 <= metrics[key]["mean"] < 1 and "reason" not in metrics[key]
        assert metrics[key]["mean"] == standard_score(result.predictions, test)[key]["mean"]


def test_learned_in_other_joints_and_carried_on(roots, embedded_root, tmp_path):
    """LSP extended, taught as Penn Action's joints, starts a network for clips of Penn Action's kind."""
    first = TrainConfig.of(
        dataset="lspet", root=str(roots / "lspet"), convert_to="penn_action", out=str(tmp_path / "lsp"), **TINY
    )
    checkpoint = train(first, progress=False).checkpoint
    model, metadata = load_checkpoint(checkpoint)
    assert (metadata["skeleton"], metadata["dataset"], model.config.joints) == ("penn_action", "lspet", 13)
    clips = TrainConfig.of(
        root=str(embedded_root), init=str(checkpoint), out=str(tmp_path / "clips"),
        **TINY | {"frames": 2, "propagation": "matching", "lr": 1e-9},
    )  # fmt: skip
    carried, _ = load_checkpoint(train(clips, progress=False).checkpoint)
    for name, weights in model.encoder.named_parameters():
        torch.testing.assert_close(dict(carried.encoder.named_parameters())[name], weights, atol=1e-4, rtol=0)
    config = EvaluateConfig(checkpoint, "lspet", root=roots / "lspet", out=tmp_path / "scores", device="cpu")
    with pytest.raises(UserError, match="convert_to penn_action"):
        evaluate(config, progress=False)
    metrics = evaluate(replace(config, convert_to="penn_action"), progress=False).metrics
    assert metrics["skeleton"] == "penn_action" and len(metrics["scores"]["torso"]["all"]["joints"]) == 13
    unnamed = evaluate(replace(config, dataset=None), progress=False).metrics
    assert {**unnamed, "seconds": 0} == {**metrics, "seconds": 0} and unnamed["dataset"] == "lspet"


def test_a_checkpoint_knows_its_data_set(roots, runs, tmp_path, capsys):
    words = ["evaluate", "--checkpoint", runs["own"].checkpoint, "--root", roots / "own", "--out", tmp_path / "scores"]
    assert cli.main([str(word) for word in words]) == 0
    said = capsys.readouterr().out
    assert "data set own, on which the checkpoint was trained" in said and " on own, split test" in said
    # Named, it is another one, whose joints differ.
    words[3:] = ["--dataset", "mpii", "--root", roots / "mpii", "--out", tmp_path / "other"]
    assert cli.main([str(word) for word in words]) == 2
    said = capsys.readouterr().err
    assert "finds the 3 joints of skeleton 'arm', but data set 'mpii' has the 16 joints" in said and said.count("\n") == 1
    assert not (tmp_path / "other").exists()


def test_a_checkpoint_of_no_known_data_set_needs_a_name(roots, runs, tmp_path):
    model, metadata = load_checkpoint(runs["mpii"].checkpoint)
    metadata.pop("config")
    save_checkpoint(tmp_path / "a.pt", model, metadata | {"dataset": "somewhere"})
    config = EvaluateConfig(tmp_path / "a.pt", root=roots / "mpii", device="cpu", out=tmp_path / "scores")
    with pytest.raises(UserError, match="trained on 'somewhere', which is no data set .* name the one to use as dataset: .*mpii"):
        evaluate(config, progress=False)
    assert evaluate(replace(config, dataset="mpii"), progress=False).metrics["dataset"] == "mpii"


def test_other_joints_are_refused_with_the_remedy(roots, runs, embedded_root, tmp_path):
    config = TrainConfig.of(root=str(embedded_root), init=str(runs["lspet"].checkpoint), out=str(tmp_path / "run"), **TINY)
    with pytest.raises(UserError, match="14 joints of skeleton lsp.*13 of penn_action.*convert_to penn_action"):
        train(config, progress=False)
    assert not (tmp_path / "run").exists()
    with pytest.raises(UserError, match="no skeleton is called 'penn'"):
        TrainConfig.of(convert_to="penn")


def test_images_are_not_clips(roots, tmp_path):
    config = TrainConfig.of(dataset="mpii", root=str(roots / "mpii"), out=str(tmp_path / "run"), **TINY | {"frames": 5})
    with pytest.raises(UserError, match="mpii holds single images.*frames 1"):
        train(config, progress=False)
    assert not (tmp_path / "run").exists()


def test_ones_own_skeleton_goes_with_the_checkpoint(roots, runs, tmp_path):
    model, metadata = load_checkpoint(runs["own"].checkpoint)
    assert skeleton_of(metadata) == test_own.ARM and model.config.skeleton is None
    assert model.config.start_graph() == ((1, 1, 1), (1, 1, 0), (1, 0, 1))
    clip = open_dataset("own", roots / "own", "test")[0]
    assert predict_window(model, metadata, clip).joints.shape == (4, 3, 2)
    other = Skeleton("arm", ("chin", "left_hand", "right_hand"), *(getattr(test_own.ARM, f) for f in ("limbs", "flip_pairs")),
                     torso=(0, 1), order=(0, 1, 2))  # fmt: skip
    write_own(tmp_path / "other", {split: [test_own.clip(split)] for split in ("train", "val", "test")}, other)
    with pytest.raises(UserError, match="skeleton 'arm'"):
        evaluate(EvaluateConfig(runs["own"].checkpoint, "own", root=tmp_path / "other", device="cpu"), progress=False)
    given = {"root": str(tmp_path / "other"), "init": str(runs["own"].checkpoint), "out": str(tmp_path / "run")}
    with pytest.raises(UserError, match="3 joints of skeleton arm"):
        train(TrainConfig.of(dataset="own", **given, **TINY), progress=False)
    assert name_skeleton(get_skeleton("coco")) == {"skeleton": "coco"}


def test_refinement_reaches_the_decoder(roots, runs, tmp_path):
    config = EvaluateConfig(runs["lspet"].checkpoint, "lspet", root=roots / "lspet", out=tmp_path, device="cpu")
    found = {name: evaluate(replace(config, refine=name), progress=False) for name in ("gaussian", "dark", "quarter", "none")}
    places = {name: np.concatenate(result.predictions.joints) for name, result in found.items()}
    assert found["quarter"].metrics["refine"] == "quarter"
    moved = np.abs(places["quarter"] - places["none"])
    assert moved.max() > 0 and np.abs(places["gaussian"] - places["quarter"]).max() > 0
    assert np.abs(places["gaussian"] - places["dark"]).max() > 0
    with pytest.raises(UserError, match="refine is 'best'"):
        EvaluateConfig(tmp_path, refine="best")


def test_damaged_entries_are_skipped_and_counted(runs, tmp_path, capsys):
    root = tmp_path / "lspet"
    test_lspet.write(root)
    stored = loadmat(root / "joints.mat")["joints"]
    stored[2, 2, :] = np.where(np.isin(np.arange(40), [0, 39]), 7, 1)  # no flag
    names = {"im00001", "im00040"}
    savemat(root / "joints.mat", {"joints": stored})
    split = next(split for split in ("train", "val", "test") if names & {clip.id for clip in every_clip(split)})
    base = EvaluateConfig(runs["lspet"].checkpoint, "lspet", root=root, split=split, out=tmp_path / "scores", device="cpu")
    with pytest.raises(UserError, match="joints.mat"):
        evaluate(base, progress=False)
    with pytest.warns(DamagedClipsWarning):
        result = evaluate(replace(base, skip_damaged=True), progress=False)
    assert result.metrics["counted"]["entries_left_out"] == len(names & {clip.id for clip in every_clip(split)})
    config = TrainConfig.of(dataset="lspet", root=str(root), out=str(tmp_path / "run"), **TINY)
    with pytest.raises(UserError, match="joints.mat"):
        train(config, progress=False)
    with pytest.warns(DamagedClipsWarning):
        train(config.replace(skip_damaged=True), progress=False)


def every_clip(split):
    """The sound set's clips of a split, which the numbers of images decide."""
    from rpstn.datasets.lspet import assign_splits

    class Named:
        def __init__(self, number):
            self.id = f"im{number + 1:05d}"

    return [Named(number) for number, part in enumerate(assign_splits(40, 0)) if part == split]


def test_a_detectors_boxes(roots, runs, tmp_path, capsys):
    """People who were not detected are missed; PCK, which needs labels, has nothing to count."""
    boxes = [{"image_id": 51, "category_id": 1, "bbox": [3.5, 2, 40.25, 44], "score": 0.9}]
    boxes += [boxes[0] | change for change in ({"bbox": [5, 5, 0, 0]}, {"bbox": [900, 5, 9, 9]}, {"score": float("nan")})]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    words = ["evaluate", "--checkpoint", runs["coco"].checkpoint, "--dataset", "coco", "--root", roots / "coco"]
    words += ["--detections", tmp_path / "boxes.json", "--out", tmp_path / "scores", "--refine", "quarter", "--flip-test"]
    assert cli.main([str(word) for word in words]) == 0
    metrics = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert metrics["boxes"] == "detector" and metrics["oks"]["poses"] == 1 and metrics["oks"]["images"] == 2
    assert metrics["oks"]["AR"] <= 0.5 and metrics["scores"]["person"]["all"]["samples"] == 0
    said = capsys.readouterr().out
    assert "left out: 3 detections (1 outside the image, 1 with a box or score that is no finite number, 1 with a box" in said
    assert sum(metrics["counted"]["detections_left_out"].values()) == 3
    assert "boxes: detector" in said and "a detector's boxes" in said and "refinement: quarter" in said
    dataset = open_dataset("coco", roots / "coco", "test", detections=tmp_path / "boxes.json")
    found = Predictions((dataset[0].id,), [open_dataset("coco", roots / "coco", "test")[0].joints], [np.ones((1, 17))], [None])
    assert standard_score(found, dataset)["oks"]["AR"] == pytest.approx(0.5)


@pytest.mark.parametrize(("name", "title"), [("mpii", "PCKh: "), ("coco", "OKS average"), ("posetrack18", "PoseTrack mAP: ")])
def test_the_report_has_the_sets_own_score(name, title, roots, runs, tmp_path, capsys):
    words = ["evaluate", "--checkpoint", runs[name].checkpoint, "--dataset", name, "--root", roots / name, "--out", tmp_path]
    assert cli.main([str(word) for word in words]) == 0
    said = capsys.readouterr().out
    assert title in said and "PCK@0.2 in percent, by person size" in said


@pytest.mark.parametrize("name", [*MADE, "hieve"])
def test_every_set_can_be_checked(name, roots, tmp_path, capsys):
    root = roots / name
    if name == "hieve":
        root = tmp_path / "hieve"
        for number in range(1, 12):
            test_hieve.write(root, str(number), test_hieve.scene(), 5)
    assert cli.main(["data", "check", name, str(root)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"{name} in {root}") and "no faults" in said and "clips of" in said


REAL = {
    "lspet": ("LSPET", None), "mpii": ("MPII", "pckh"), "coco": ("COCO", "oks"), "posetrack18": ("PoseTrack18", "posetrack"),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_an_untrained_network_on_real_samples(name, tmp_path):
    """Everything runs on the real files, and a network that knows nothing scores next to nothing."""
    folder, key = REAL[name]
    if not (SHARED / folder).is_dir():
        pytest.skip(f"no sample of {name} here")
    torch.manual_seed(0)
    skeleton = open_dataset(name, SHARED / folder, "test").skeleton
    model = RPSTN(RPSTNConfig(len(skeleton), encoder="small", initializer="small", propagation="none", skeleton=skeleton.name))
    metadata = {"skeleton": skeleton.name, "size": 64, "sigma": 1.0, "frames": 1, "dataset": "none", "input": "rgb_imagenet"}
    save_checkpoint(tmp_path / "tiny.pt", model, metadata)
    config = EvaluateConfig(tmp_path / "tiny.pt", name, root=SHARED / folder, device="cpu", batch=32, out=tmp_path / "scores")
    result = evaluate(config, progress=False)
    assert result.metrics["scores"]["person"]["all"]["micro"] < 0.5
    if name == "mpii":  # the sample has no head boxes
        assert result.metrics[key]["mean"] is None and "head boxes" in result.metrics[key]["reason"]
    elif key:
        assert 0 <= result.metrics[key]["mean"] < 0.2
        dataset = open_dataset(name, SHARED / folder, "test")
        assert standard_score(truth(dataset), dataset)[key]["mean"] == pytest.approx(1)


def test_every_name_is_listed(capsys, monkeypatch, roots):
    monkeypatch.setenv("RPSTN_DATA", str(roots))
    assert cli.main(["data", "list"]) == 0
    said = capsys.readouterr().out
    for name in DATASETS:
        here = f"in {roots / name}" if name in MADE else "not here"
        assert f"{name:12} {here}\n" in said
    assert "images/*.jpg (images): 40" in said and "annotations/val/*.json (labels to score): 1" in said
    assert "joints.mat (labels): 1" in said and said.count("  terms ") == len(DATASETS)


@pytest.mark.parametrize("seed", [-1, 1.5, None, True, "a", 2**32])
def test_a_seed_is_a_whole_number(embedded_root, seed):
    """Without one, each reading would cut another val."""
    with pytest.raises(UserError, match=r"^seed must be a whole number of 0 to 2\*\*32 - 1, not"):
        open_dataset("embedded", embedded_root, seed=seed)


@pytest.mark.parametrize("root", [3, b"data", ["data"]])
def test_a_root_is_a_path(root):
    with pytest.raises(UserError, match="data set embedded: the root is .*, which is no path; give a folder as text or a Path"):
        open_dataset("embedded", root)
    with pytest.raises(UserError, match="there is no data set"):
        open_dataset(root)
