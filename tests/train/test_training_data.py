"""What a training run is given: frames of clips, and single images beside them or not."""

import dataclasses

import numpy as np
import pytest
import torch

from rpstn.errors import UserError
from rpstn.models.files import read_tensors
from rpstn.runs import read_json
from rpstn.train import TrainConfig, train
from rpstn.train.data import batches, open_training_data

from ..datasets import test_lspet

CPU = torch.device("cpu")


@pytest.fixture
def config(embedded_root, tmp_path):
    return TrainConfig.of(
        root=str(embedded_root),
        out=str(tmp_path / "run"),
        frames=1,
        propagation="none",
        size=64,
        batch=6,
        steps=3,
        precision="fp32",
        device="cpu",
        calibration_frames=0,
    )


@pytest.fixture
def mixed(config, tmp_path):
    """A third of each batch are images of LSP extended, made up."""
    test_lspet.write(tmp_path / "lsp")
    return config.replace(aux_dataset="lspet", aux_root=str(tmp_path / "lsp"), aux_fraction=1 / 3)


def without_images(config):
    """Clips alone, in the same batches."""
    return config.replace(aux_dataset=None, aux_root=None, aux_fraction=0.5)


def test_images_take_the_joints_of_the_clips(mixed):
    data = open_training_data(mixed.data)
    assert data.aux_dataset.skeleton == data.training.skeleton and data.aux_dataset.name == "lspet"
    assert data.checksums().keys() == {"train", "val", "aux_dataset"}
    assert open_training_data(without_images(mixed).data).checksums().keys() == {"train", "val"}


def test_each_part_of_a_batch_holds_its_share_of_the_images(mixed):
    config = mixed.replace(accumulate=2)
    assert config.data.aux_count == 1 and mixed.data.aux_count == 2
    data = open_training_data(config.data)
    parts = list(batches(config, data, 0, CPU))
    assert len(parts) == 6 and all(part["frames"].shape == (3, 1, 64, 64, 3) for part in parts)
    # What is beside changes nothing in what the clips give.
    alone = list(batches(without_images(config).replace(batch=4), dataclasses.replace(data, aux_dataset=None), 0, CPU))
    for part, own in zip(parts, alone, strict=True):
        assert torch.equal(part["frames"][:2], own["frames"]) and torch.equal(part["joints"][:2], own["joints"])


@pytest.mark.parametrize("accumulate", [1, 2])
def test_batches_go_on_where_they_stopped(mixed, accumulate):
    config = mixed.replace(accumulate=accumulate)
    data = open_training_data(config.data)
    every, rest = list(batches(config, data, 0, CPU)), list(batches(config, data, 2, CPU))
    assert len(every) == 3 * accumulate and len(rest) == accumulate
    for a, b in zip(every[-accumulate:], rest, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_resuming_with_images_beside_equals_no_interruption(mixed, tmp_path, interrupt):
    config = mixed.replace(accumulate=2, save_every=0.0)
    whole = train(config.replace(out=str(tmp_path / "whole")), progress=False)
    interrupt(config, 3)
    again = train(config, progress=False)
    first, second = (read_tensors(run.checkpoint)[0] for run in (whole, again))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_run_with_images_beside_says_so(mixed):
    result = train(mixed, progress=False)
    manifest = read_json(result.run / "manifest.json")
    assert manifest["data"].keys() == {"train", "val", "aux_dataset"} and manifest["parameters"]["aux_dataset"] == "lspet"
    assert np.isfinite(manifest["metrics"]["loss"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"aux_fraction": 0.0}, "aux_fraction"),
        ({"aux_fraction": 1.0}, "aux_fraction"),
        ({"aux_fraction": float("nan")}, "aux_fraction"),
        ({"aux_fraction": 0.05}, "larger batch"),
        ({"frames": 2}, "frames 1"),
    ],
)
def test_what_cannot_stand_beside_is_refused(mixed, wrong, said):
    with pytest.raises(UserError, match=said):
        mixed.replace(**wrong)


def test_clips_do_not_stand_beside_clips(config):
    """The train clips of one official split may be the test clips of another."""
    with pytest.raises(UserError, match="single images"):
        open_training_data(config.replace(aux_dataset="embedded", aux_root=config.data.root).data)
