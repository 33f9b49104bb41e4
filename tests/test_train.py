"""Training: it learns, it stops and goes on without a trace, and it does nothing twice."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from rpstn import train as training
from rpstn.datasets import open_dataset
from rpstn.errors import UserError
from rpstn.models import RPSTN, load_checkpoint
from rpstn.runs import read_json
from rpstn.train import TrainConfig, learning_rate, train, training_loss, use_bf16

TINY = {"frames": 2, "size": 64, "batch": 2, "steps": 4, "warmup": 1, "precision": "fp32", "device": "cpu"}


@pytest.fixture
def config(embedded_root, tmp_path):
    return TrainConfig(root=str(embedded_root), out=str(tmp_path / "run"), **TINY)


def weights(path):
    return torch.load(path, weights_only=True)["state_dict"]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_steps_lower_the_loss(config):
    """Ten steps on one batch, for each kind of propagation."""
    dataset = open_dataset("embedded", config.root, "train")
    windows = training.TrainingWindows(
        dataset, 3, 64, steps=1, batch=4, augmentation=training.Augmentation.none()
    )
    batch = torch.utils.data.default_collate([windows[i] for i in range(4)])
    for propagation in ("matching", "concat", "none"):
        torch.manual_seed(0)
        changed = dataclasses.replace(config, propagation=propagation)
        model = RPSTN(changed.model_config(dataset)).train()
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
        losses = []
        for _ in range(10):
            loss = training_loss(model, batch, changed, bf16=False)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[-1] < 0.8 * losses[0], (propagation, losses)


def test_a_run_leaves_what_it_promises(config):
    result = train(config, progress=False)
    manifest = read_json(result.run / "manifest.json")
    assert manifest["parameters"]["steps"] == 4 and manifest["data"].keys() == {"train", "val"}
    assert 0 <= manifest["metrics"]["val_pck"] <= 1
    with open(result.run / "log.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4] and rows[-1]["val_pck"]
    model, meta = load_checkpoint(result.checkpoint)
    assert meta["size"] == 64 and meta["skeleton"] == "penn_action" and model.config.joints == 13
    assert not [path.name for path in result.run.iterdir() if path.name.startswith(".")]


def test_same_seed_same_weights_and_another_seed_others(config, tmp_path):
    runs = [
        train(dataclasses.replace(config, out=str(tmp_path / str(index)), seed=seed), progress=False)
        for index, seed in enumerate((1, 1, 2))
    ]
    first, second, other = (weights(run.checkpoint) for run in runs)
    assert same(first, second) and not same(first, other)


@pytest.mark.parametrize("interrupted_after", [1, 3])
def test_resuming_equals_no_interruption(config, tmp_path, monkeypatch, interrupted_after):
    config = dataclasses.replace(config, save_every=0.0, validate_every=2)
    whole = train(config, progress=False)
    parted = dataclasses.replace(config, out=str(tmp_path / "parted"))
    steps = 0
    genuine = training.training_loss

    def interrupted(*arguments):
        nonlocal steps
        steps += 1
        if steps > interrupted_after:
            raise KeyboardInterrupt
        return genuine(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(training, "training_loss", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train(parted, progress=False)
    assert not (tmp_path / "parted" / "manifest.json").exists()
    resumed = train(parted, progress=False)
    assert same(weights(whole.checkpoint), weights(resumed.checkpoint))
    logs = [(run.run / "log.csv").read_text() for run in (whole, resumed)]
    assert logs[0] == logs[1]


def test_a_finished_run_is_not_trained_twice(config, monkeypatch):
    first = train(config, progress=False)
    monkeypatch.setattr(training, "training_loss", lambda *_: pytest.fail("trained again"))
    assert train(config, progress=False) == first


def test_a_directory_of_another_run_is_refused(config):
    train(config, progress=False)
    with pytest.raises(UserError, match="steps"):
        train(dataclasses.replace(config, steps=5), progress=False)


def test_accumulation_sees_the_same_batch(config):
    """Without BatchNorm's batch statistics, two halves give the whole's gradient."""
    dataset = open_dataset("embedded", config.root, "train")
    torch.manual_seed(0)
    model = RPSTN(config.model_config(dataset)).double().eval()
    windows = training.TrainingWindows(
        dataset, 2, 64, steps=1, batch=2, augmentation=training.Augmentation.none()
    )
    items = [windows[i] for i in range(2)]
    for item in items:
        item["visibility"] = torch.full_like(item["visibility"], 2)

    def loss(part):
        batch = torch.utils.data.default_collate(part)
        frames = training.normalise(batch["frames"]).double()
        target = training.encode(batch["joints"], (16, 16), 4, 1.5)
        return training.heatmap_loss(model(frames).heatmaps, target, batch["visibility"])

    assert torch.allclose(loss(items), (loss(items[:1]) + loss(items[1:])) / 2)


def test_the_rate_rises_and_falls():
    config = TrainConfig(steps=100, warmup=10, lr=1.0)
    rates = np.array([learning_rate(step, config) for step in range(100)])
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0) and rates[-1] < 0.01
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all()


def test_precision_follows_the_request():
    cpu = torch.device("cpu")
    assert use_bf16("bf16", cpu) and not use_bf16("fp32", cpu)
    assert use_bf16("auto", cpu) in (True, False)


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"batch": 3, "accumulate": 2}, {"precision": "fp8"}, {"lr": 0.0}]
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(UserError):
        TrainConfig(**wrong)


def test_a_loss_that_is_not_finite_stops_the_run(config, monkeypatch):
    monkeypatch.setattr(training, "training_loss", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(UserError, match="lower lr"):
        train(config, progress=False)
