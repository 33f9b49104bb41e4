"""Settings: of their type, finite, expanded where they are paths, and refused by name where they cannot work or do nothing."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from rpstn.cli.main import main
from rpstn.datasets import dataset_root
from rpstn.datasets.transforms import Augmentation
from rpstn.embedded import make_embedded
from rpstn.errors import UserError
from rpstn.evaluate.scoring import EvaluateConfig
from rpstn.metrics import interval
from rpstn.models.backbones import ENCODERS
from rpstn.models.config import RPSTNConfig
from rpstn.models.image import ImageConfig, image_model
from rpstn.models.rpstn import RPSTN
from rpstn.notebooks.ablations import AblationConfig
from rpstn.notebooks.publish import PublishConfig
from rpstn.occlusion.occluders import Occluder
from rpstn.runs import RunDirectory, read_json, seed_everything, write_json
from rpstn.train import TrainConfig, train
from rpstn.train.config import DataConfig, ModelConfig, OptimizerConfig
from rpstn.train.recipes import ImagePretraining, ImageRecipe, Recipe

NAN, INF = float("nan"), float("inf")
FIELDS = [f for kind in (TrainConfig, DataConfig, ModelConfig, OptimizerConfig) for f in dataclasses.fields(kind)]
NUMBERS = [f.name for f in FIELDS if f.type == "float"]
WHOLE = [f.name for f in FIELDS if f.type == "int"]


# Values


@pytest.mark.parametrize("value", [NAN, INF, -INF, True, "1", None])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_is_finite_and_no_bool(name, value):
    with pytest.raises(UserError, match=rf"^{name} must be a finite number, not "):
        TrainConfig.of(**{name: value})


@pytest.mark.parametrize("value", [True, False, 1.0, 2.5, NAN, "1", None, -1])
@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_number_is_whole_and_no_bool(name, value):
    if (name, value) != ("fold", -1):  # which folds there are depends on the data set
        with pytest.raises(UserError, match=f"{name}|-1"):
            TrainConfig.of(**{name: value})


@pytest.mark.parametrize(
    ("kind", "wrong", "named"),
    [
        (TrainConfig.of, {"skip_damaged": 1}, "skip_damaged must be True or False"),
        (TrainConfig.of, {"root": 5}, "root"),
        (TrainConfig.of, {"out": ""}, "out is empty"),
        (TrainConfig.of, {"augmentation": {"flip": 0.5}}, "augmentation"),
        (TrainConfig.of, {"save_every": -1.0}, "save_every"),
        (Augmentation, {"flip": 1.5}, "flip is a probability"),
        (Augmentation, {"full_rotation_prob": -0.1}, "full_rotation_prob is a probability"),
        (Augmentation, {"erasing": NAN}, "augmentation: erasing must be a finite number"),
        (Augmentation, {"rotation": INF}, "augmentation: rotation"),
        (Augmentation, {"scale": (1.0, INF)}, "augmentation: scale must be 2 values"),
        (Augmentation, {"scale": (0.8, 1.0, 1.2)}, "augmentation: scale"),
        (Augmentation, {"erasing_size": 0.5}, "augmentation: erasing_size"),
        (Augmentation, {"strides": (1.5,)}, "augmentation: strides"),
        (Augmentation, {"strides": (True,)}, "augmentation: strides"),
        (AblationConfig, {"sigma": NAN}, "sigma"),
        (AblationConfig, {"seeds": (1.5,)}, "seeds must be a list of values, each a whole number"),
        (AblationConfig, {"window": True}, "window"),
        (PublishConfig, {"name": "x", "window": 1.0}, "window"),
        (PublishConfig, {"name": "x", "protocols": "limb"}, "protocols"),
        (EvaluateConfig, {"checkpoint": "a.pt", "threshold": INF}, "threshold must be a finite number"),
        (EvaluateConfig, {"checkpoint": "a.pt", "batch": True}, "batch"),
        (EvaluateConfig, {"checkpoint": 3}, "checkpoint must be a path"),
        (ImagePretraining, {"dataset": "lspet", "root": None, "steps": 3, "aux_fraction": NAN}, "images: aux_fraction"),
        (Recipe, {"base": TrainConfig(), "pretrain_steps": 2.0, "steps": 1, "pretrain_lr": 1e-3}, "pretrain_steps"),
        (ImageRecipe, {"base": TrainConfig(), "pretrain_steps": 1, "steps": 1, "pretrain_lr": NAN}, "pretrain_lr"),
    ],
)  # fmt: skip
def test_what_is_not_of_its_type_is_refused_by_name(kind, wrong, named):
    with pytest.raises(UserError, match=named):
        kind(**wrong)


def test_numbers_of_numpy_and_paths_are_taken():
    config = TrainConfig.of(steps=np.int64(3), lr=np.float32(0.5), weight_decay=0, root=Path("data/x"))
    assert (config.optimizer.steps, config.optimizer.lr, config.data.root) == (3, 0.5, "data/x")
    assert EvaluateConfig("a.pt", root="data").root == Path("data")
    assert Augmentation(scale=[1, 2]).scale == (1, 2)


@pytest.mark.parametrize(
    ("option", "value"),
    [("lr", "nan"), ("sigma", "inf"), ("steps", "-1"), ("augmentation.flip", "2"), ("aux-fraction", "0.3"), ("out", "")],
)
def test_the_command_line_names_the_setting_and_writes_nothing(option, value, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", f"--{option}={value}"]) == 2
    said = capsys.readouterr().err
    assert option.split(".")[-1].replace("-", "_") in said and "Traceback" not in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", [{"aux_fraction": 0.3}, {"aux_root": "lsp"}, {"aux_fraction": 0.3, "aux_root": "lsp"}])
def test_settings_of_an_aux_dataset_without_it_are_refused(given):
    with pytest.raises(UserError, match=f"{' and '.join(given)} without aux_dataset"):
        TrainConfig.of(frames=1, **given)


# BatchNorm


def _learns(make, config, shape):
    """Whether the forward pass of a training step works, found out on tensors without storage."""
    with FakeTensorMode():
        try:
            make(config).train()(torch.empty(shape))
        except ValueError as error:
            assert "more than 1 value per channel" in str(error)
            return False
    return True


@pytest.mark.parametrize("encoder", [name for name in ENCODERS if name not in ("resnet101", "resnet152")])
@pytest.mark.parametrize(
    ("size", "batch", "frames", "propagation"),
    [
        (64, 1, 2, "matching"), (64, 2, 2, "matching"), (64, 1, 1, "matching"), (64, 1, 3, "concat"), (64, 1, 1, "none"),
        (128, 1, 2, "matching"),
    ],
)  # fmt: skip
def test_a_batch_of_one_is_refused_exactly_where_batch_norm_could_not_learn(encoder, size, batch, frames, propagation):
    network = RPSTNConfig(joints=13, encoder=encoder, initializer=encoder, propagation=propagation)
    works = _learns(RPSTN, network, (batch, frames, 3, size, size))
    settings = {"encoder": encoder, "initializer": encoder, "propagation": propagation, "size": size, "frames": frames}
    _check(works, batch, settings)


@pytest.mark.parametrize("network", ["small", "simplebaseline_resnet18", "hrnet_w32"])
@pytest.mark.parametrize(("size", "batch", "frames"), [(32, 1, 1), (32, 2, 1), (32, 1, 2), (64, 1, 1)])
def test_image_networks_too(network, size, batch, frames):
    works = _learns(image_model, ImageConfig(network, 13, relation="off"), (batch, frames, 3, size, size))
    _check(works, batch, {"network": network, "propagation": "none", "size": size, "frames": frames})


def _check(works, batch, settings):
    for accumulate in (1, 3):
        if works:
            TrainConfig.of(batch=batch * accumulate, accumulate=accumulate, **settings)
        else:
            with pytest.raises(UserError, match=rf"batch {batch * accumulate} .*give a batch of {2 * accumulate} or more"):
                TrainConfig.of(batch=batch * accumulate, accumulate=accumulate, **settings)


def test_an_ablation_says_so_before_its_first_run():
    with pytest.raises(UserError, match="BatchNorm"):
        AblationConfig(runs=("frame_by_frame", "full"), size=64, batch=1)


@pytest.mark.parametrize("settings", [{"frames": 1}, {"frames": 2, "propagation": "concat"}, {"batch": 2, "frames": 2}])
def test_what_is_not_refused_trains(settings, embedded_root, tmp_path):
    config = TrainConfig.of(root=str(embedded_root), out=str(tmp_path / "run"), size=64, steps=1, **{"batch": 1, **settings})
    assert np.isfinite(train(config, progress=False).metrics["loss"])


# Paths


def test_a_home_folder_is_expanded_everywhere(embedded_root, tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home / "sets", elsewhere):
        folder.mkdir(parents=True)
    (home / "sets" / "embedded").symlink_to(embedded_root)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("RPSTN_DATA", "~/sets")
    monkeypatch.chdir(elsewhere)
    assert dataset_root("embedded") == dataset_root("embedded", "~/sets/embedded") == home / "sets" / "embedded"
    words = ["--size", "64", "--batch", "2", "--frames", "1", "--steps", "1", "--device", "cpu"]
    assert main(["train", *words, "--out=~/runs/a"]) == 0
    assert main(["train", *words, "--root=~/sets/embedded", "--out=~/runs/b", "--init=~/runs/a/best.safetensors"]) == 0
    assert (
        main(["evaluate", "--checkpoint=~/runs/b/best.safetensors", "--split", "val", "--out=~/scores", "--device", "cpu"]) == 0
    )
    assert (home / "runs" / "b" / "manifest.json").is_file() and (home / "scores" / "metrics.json").is_file()
    assert write_json("~/x.json", {}) == home / "x.json" and read_json("~/x.json") == {}
    assert RunDirectory("~/runs/a").finished
    for config in (PublishConfig("x", out="~/r", folder="~/runs"), AblationConfig(out="~/r", init="~/runs/a/best.safetensors")):
        assert config.out == str(home / "r")
    assert ImagePretraining("lspet", "~/lsp", 1).root == str(home / "lsp")
    assert not os.listdir(elsewhere)


@pytest.mark.parametrize("seed", [-1, 2**32])
@pytest.mark.parametrize(
    "use",
    [
        lambda seed: EvaluateConfig(Path("a.pt"), "embedded", seed=seed),
        lambda seed: TrainConfig.of(seed=seed),
        lambda seed: seed_everything(seed),
        lambda seed: make_embedded("nowhere", seed=seed),
        lambda seed: Occluder(seed=seed),
        lambda seed: interval(np.ones((5, 3)), range(5), seed=seed),
    ],
)
def test_one_rule_for_seeds(use, seed):
    with pytest.raises(UserError, match=rf"^seed must be a whole number of 0 to 2\*\*32 - 1, not {seed}; give another"):
        use(seed)
