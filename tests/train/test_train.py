"""Training: it learns, it stops and goes on without a trace, and it does nothing twice."""

import csv
import shutil

import numpy as np
import pytest
import scipy.io
import torch

from rpstn.datasets import open_dataset
from rpstn.datasets.transforms import Augmentation
from rpstn.datasets.windows import TrainingWindows
from rpstn.errors import UserError
from rpstn.heatmaps import heatmap_loss
from rpstn.models import RPSTN, PoseResNet, load_checkpoint
from rpstn.models.files import read_tensors, save_tensors
from rpstn.runs import RunDirectory, read_json
from rpstn.runs.devices import use_bf16
from rpstn.train import TrainConfig, train
from rpstn.train import loop as training
from rpstn.train.loop import gradients, training_loss
from rpstn.train.rates import learning_rate

TINY = {
    "frames": 2,
    "size": 64,
    "batch": 2,
    "steps": 4,
    "warmup": 1,
    "precision": "fp32",
    "device": "cpu",
    "calibration_frames": 0,
}


@pytest.fixture
def config(embedded_root, tmp_path):
    return TrainConfig.of(root=str(embedded_root), out=str(tmp_path / "run"), **TINY)


def weights(path):
    return read_tensors(path)[0]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_steps_lower_the_loss(config):
    """Ten steps on one batch, for each kind of propagation."""
    dataset = open_dataset("embedded", config.data.root, "train")
    windows = TrainingWindows(dataset, 3, 64, steps=1, batch=4, augmentation=Augmentation.none())
    batch = torch.utils.data.default_collate([windows[i] for i in range(4)])
    for propagation in ("matching", "concat", "none"):
        torch.manual_seed(0)
        changed = config.replace(propagation=propagation)
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
    assert 0 <= manifest["metrics"]["val_score"] <= manifest["metrics"]["val_pck"] <= 1, "stricter thresholds are met by fewer"
    assert manifest["parameters"]["validate_by"] == "person 0.05-0.2"
    with open(result.run / "log.csv") as stream:
        rows = list(csv.DictReader(stream))
    assert [int(row["step"]) for row in rows] == [1, 2, 3, 4] and rows[-1]["val_pck"]
    model, metadata = load_checkpoint(result.checkpoint)
    assert metadata["size"] == 64 and metadata["skeleton"] == "penn_action" and model.config.joints == 13
    assert not [path.name for path in result.run.iterdir() if path.name.startswith(".")]


def test_same_seed_same_weights_and_another_seed_others(config, tmp_path):
    runs = [
        train(config.replace(out=str(tmp_path / str(index)), seed=seed), progress=False) for index, seed in enumerate((1, 1, 2))
    ]
    first, second, other = (weights(run.checkpoint) for run in runs)
    assert same(first, second) and not same(first, other)


@pytest.mark.parametrize("interrupted_after", [1, 3])
def test_resuming_equals_no_interruption(config, tmp_path, interrupt, interrupted_after):
    config = config.replace(save_every=0.0, validate_every=2)
    whole = train(config, progress=False)
    parted = config.replace(out=str(tmp_path / "parted"))
    interrupt(parted, interrupted_after + 1)
    assert not (tmp_path / "parted" / "manifest.json").exists()
    resumed = train(parted, progress=False)
    assert same(weights(whole.checkpoint), weights(resumed.checkpoint))
    logs = [(run.run / "log.csv").read_text() for run in (whole, resumed)]
    assert logs[0] == logs[1] and whole.metrics == resumed.metrics


def test_an_interruption_after_the_last_step_loses_nothing(config, tmp_path, monkeypatch):
    whole = train(config, progress=False)
    parted = config.replace(out=str(tmp_path / "parted"))
    with monkeypatch.context() as patch:
        patch.setattr(training.RunDirectory, "finish", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            train(parted, progress=False)
    resumed = train(parted, progress=False)
    assert resumed.metrics == whole.metrics and same(weights(whole.checkpoint), weights(resumed.checkpoint))


def test_a_finished_run_is_not_trained_twice(config, monkeypatch):
    first = train(config, progress=False)
    monkeypatch.setattr(training, "training_loss", lambda *_: pytest.fail("trained again"))
    assert train(config, progress=False) == first


def test_a_directory_of_another_run_is_refused(config):
    train(config, progress=False)
    with pytest.raises(UserError, match="steps"):
        train(config.replace(steps=5), progress=False)


def test_a_run_on_other_data_or_from_another_start_is_not_taken_for_this_one(config, tmp_path):
    """The configuration may be the same to the letter while the files behind it are not."""
    root, init = tmp_path / "data", tmp_path / "start.safetensors"
    shutil.copytree(config.data.root, root)
    first = train(config.replace(root=str(root), out=str(tmp_path / "first")), progress=False)
    shutil.copy(first.checkpoint, init)
    second = config.replace(root=str(root), out=str(tmp_path / "second"), init=str(init))
    train(second, progress=False)
    state, header = read_tensors(init)
    save_tensors(init, state | {"head.conv.bias": state["head.conv.bias"] + 1}, header)
    with pytest.raises(UserError, match="init"):
        train(second, progress=False)
    shutil.copy(first.checkpoint, init)
    label = next(path for path in sorted((root / "labels").iterdir()) if str(scipy.io.loadmat(path)["split"][0]) == "train")
    values = {key: value for key, value in scipy.io.loadmat(label).items() if not key.startswith("__")}
    scipy.io.savemat(label, values | {"x": values["x"] + 1})
    with pytest.raises(UserError, match="data"):
        train(second, progress=False)


def test_parts_of_a_batch_give_the_whole_batchs_gradient(config):
    """In eval mode, where BatchNorm does not look at the batch; the parts have unequal numbers of annotated joints."""
    dataset = open_dataset("embedded", config.data.root, "train")
    torch.manual_seed(0)
    model = RPSTN(config.model_config(dataset)).eval()
    windows = TrainingWindows(dataset, 2, 64, steps=1, batch=2, augmentation=Augmentation.none())
    items = [windows[i] for i in range(2)]
    items[0]["visibility"] = torch.full_like(items[0]["visibility"], 2)
    items[1]["visibility"] = torch.zeros_like(items[1]["visibility"])
    items[1]["visibility"][:, :3] = 1

    def of(*parts):
        model.zero_grad()
        loss = gradients(model, [torch.utils.data.default_collate(part) for part in parts], config, bf16=False)
        return loss, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    (whole, expected), (parted, found) = of(items), of(items[:1], items[1:])
    assert parted == pytest.approx(whole, rel=1e-5)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * expected.abs().max())


def test_the_rate_rises_and_falls():
    config = TrainConfig.of(steps=100, warmup=10, lr=1.0)
    rates = np.array([learning_rate(step, config.optimizer) for step in range(100)])
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0) and rates[-1] < 0.01
    assert (np.diff(rates[:10]) > 0).all() and (np.diff(rates[10:]) < 0).all()


@pytest.mark.parametrize("there", [True, False])
def test_precision_follows_the_hardware_unless_it_is_asked_for(monkeypatch, there):
    cpu = torch.device("cpu")
    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
        monkeypatch.setattr(torch.cpu, name, lambda: there, raising=False)
    assert use_bf16("auto", cpu) is there
    assert use_bf16("bf16", cpu) and not use_bf16("fp32", cpu)


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0},
        {"batch": 3, "accumulate": 2},
        {"precision": "fp8"},
        {"lr": 0.0},
        {"size": 100},
        {"encoder": "resnet20"},
        {"relation": "maybe"},
        {"seed": -1},
        {"workers": -1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(UserError, match=str(next(iter(wrong.values())))):
        TrainConfig.of(**wrong)


def test_a_loss_that_is_not_finite_stops_the_run(config, monkeypatch):
    monkeypatch.setattr(training, "training_loss", lambda *_: torch.tensor(float("nan"), requires_grad=True))
    with pytest.raises(UserError, match="lower lr"):
        train(config, progress=False)


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_a_network_that_diverged_with_the_last_step_is_no_result(config, ema):
    """The loss is computed before the step; that of the last step says nothing of what it did."""
    wild = config.replace(steps=1, warmup=0, lr=1e10, ema=ema)
    with pytest.raises(UserError, match="run: the network diverged, its heatmaps are not finite; lower lr, start a new run"):
        train(wild, progress=False)
    assert not RunDirectory(wild.out).finished and not list(RunDirectory(wild.out).path.glob("best.*"))


def test_backbones_start_from_files_of_others_and_the_run_remembers_which(config, tmp_path):
    torch.manual_seed(1)
    for part in ("encoder", "initializer"):
        torch.save(PoseResNet("resnet18").state_dict(), tmp_path / f"{part}.pth")
    config = config.replace(
        encoder="resnet18", initializer="resnet18", propagation="matching", steps=1, batch=2, frames=2, lr=1e-9,
        encoder_weights=str(tmp_path / "encoder.pth"), initializer_weights=str(tmp_path / "initializer.pth"),
    )  # fmt: skip
    result = train(config, progress=False)
    trained = weights(result.checkpoint)
    for part in ("encoder", "initializer"):
        started = torch.load(tmp_path / f"{part}.pth", weights_only=True)
        torch.testing.assert_close(trained[f"{part}.layer3.0.conv1.weight"], started["layer3.0.conv1.weight"])
    torch.save(PoseResNet("resnet18").state_dict(), tmp_path / "encoder.pth")
    with pytest.raises(UserError, match="checksums of encoder_weights"):
        train(config, progress=False)
    with pytest.raises(UserError, match="no such file"):
        train(config.replace(encoder_weights=str(tmp_path / "absent.pth"), out=str(tmp_path / "other")), progress=False)
    with pytest.raises(UserError, match="there is no initializer"):
        config.replace(propagation="none")


def test_what_started_trained_learns_at_a_share_of_the_rate(config, tmp_path):
    start = train(config.replace(propagation="none", relation="off", out=str(tmp_path / "start")), progress=False)
    config = config.replace(init=str(start.checkpoint), init_rate=1e-6, steps=3, lr=1e-2)
    before, after = weights(start.checkpoint), weights(train(config, progress=False).checkpoint)
    for name in ("encoder.layer1.0.conv1.weight", "head.conv.weight"):
        torch.testing.assert_close(after[name], before[name], atol=1e-6, rtol=1e-5)
    # The propagator, which is new, learns at the full rate.
    torch.manual_seed(config.seed)
    fresh = RPSTN(config.model_config(open_dataset("embedded", config.data.root, "train")))
    assert (after["propagator.fuse.weight"] - fresh.propagator.fuse.weight).abs().max() > 1e-3
    with pytest.raises(UserError, match="init_rate must be positive"):
        config.replace(init_rate=0.0)


def test_a_frozen_encoder_stays_and_a_slow_one_moves_less(config, tmp_path):
    def moved(rate):
        run = train(config.replace(encoder_rate=rate, steps=3, out=str(tmp_path / f"{rate}")), progress=False)
        torch.manual_seed(config.seed)
        fresh = RPSTN(config.model_config(open_dataset("embedded", config.data.root, "train")))
        after = weights(run.checkpoint)
        kept = dict(fresh.named_parameters()) | (dict(fresh.named_buffers()) if rate == 0 else {})
        changes = {key: (after[key] - value).float().abs().max().item() for key, value in kept.items()}
        return {
            part: max(c for key, c in changes.items() if key.startswith(part)) for part in ("encoder.", "initializer.", "head.")
        }

    frozen, slow, usual = moved(0.0), moved(1e-3), moved(1.0)
    assert frozen["encoder."] == frozen["initializer."] == 0 < frozen["head."]  # statistics of BatchNorms included
    assert 0 < slow["encoder."] < usual["encoder."]
    with pytest.raises(UserError, match="encoder_rate"):
        config.replace(encoder_rate=-1.0)


def test_the_running_mean_of_weights_is_what_is_kept_and_resumed(config, tmp_path, interrupt):
    averaged = config.replace(ema=0.9, steps=6, save_every=0.0)
    whole = train(averaged.replace(out=str(tmp_path / "whole")), progress=False)
    plain = train(averaged.replace(ema=0.0, out=str(tmp_path / "plain")), progress=False)
    assert not same(weights(whole.checkpoint), weights(plain.checkpoint))
    # The weights that learn are the same; only what is kept differs.
    last = [torch.load(run.run / "last.pt", weights_only=True) for run in (whole, plain)]
    assert same(last[0]["model"], last[1]["model"])
    interrupt(averaged, 4)
    assert same(weights(train(averaged, progress=False).checkpoint), weights(whole.checkpoint))
    with pytest.raises(UserError, match="ema"):
        config.replace(ema=1.0)


def test_occluded_joints_weigh_more_where_asked():
    predicted = torch.zeros(1, 1, 2, 4, 4)
    target = torch.ones_like(predicted)
    visibility = torch.tensor([[[1, 2]]])
    assert heatmap_loss(predicted, target, visibility) == 16
    assert heatmap_loss(predicted, target, visibility, occluded_weight=3.0) == 32
