"""What a training run is given: the val split or not, pictures beside clips or not."""

import dataclasses

import numpy as np
import pytest
import torch

from rpstn import load_checkpoint
from rpstn.errors import UserError
from rpstn.runs import read_json
from rpstn.train import TrainConfig, train
from rpstn.training_data import batches, beside_count, open_training_data

CPU = torch.device("cpu")


@pytest.fixture
def config(embedded_root, tmp_path):
    return TrainConfig(
        root=str(embedded_root),
        out=str(tmp_path / "run"),
        frames=1,
        propagation="none",
        size=64,
        batch=6,
        steps=3,
        precision="fp32",
    )


@pytest.fixture
def mixed(config, embedded_root):
    """Clips with other frames of the same kind beside them."""
    return dataclasses.replace(config, beside="embedded", beside_root=str(embedded_root), beside_share=1 / 3)


def test_the_whole_train_split_is_train_and_val(config):
    apart = open_training_data(config)
    whole = open_training_data(dataclasses.replace(config, whole_train=True))
    train_ids, val_ids = ([clip.id for clip in part] for part in (apart.training, apart.validation))
    assert [clip.id for clip in whole.training] == train_ids + val_ids and whole.validation is None
    assert whole.checksums().keys() == {"train"} and whole.checksums()["train"] != apart.checksums()["train"]


def test_without_a_val_split_the_last_step_is_the_result(config):
    result = train(dataclasses.replace(config, whole_train=True, validate_every=1), progress=False)
    assert result.metrics["val_pck"] is None and read_json(result.run / "manifest.json")["metrics"]["val_pck"] is None
    model, meta = load_checkpoint(result.checkpoint)
    assert meta["step"] == 3 and "val_pck" not in meta
    last = torch.load(result.run / "last.pt", weights_only=True)["model"]
    assert all(torch.equal(value, last[name]) for name, value in model.state_dict().items())


def test_each_part_of_a_batch_holds_its_share_of_the_pictures(mixed):
    config = dataclasses.replace(mixed, accumulate=2)
    assert beside_count(config) == 1 and beside_count(mixed) == 2
    data = open_training_data(config)
    parts = list(batches(config, data, 0, CPU))
    assert len(parts) == 6 and all(part["frames"].shape == (3, 1, 64, 64, 3) for part in parts)
    # What is beside changes nothing in what the clips give, and other pictures stand there than those of the clips.
    alone = list(batches(dataclasses.replace(config, beside=None, batch=4), dataclasses.replace(data, beside=None), 0, CPU))
    for part, own in zip(parts, alone, strict=True):
        assert torch.equal(part["frames"][:2], own["frames"]) and torch.equal(part["joints"][:2], own["joints"])
        assert not any(torch.equal(part["frames"][2], frame) for frame in own["frames"])


def test_batches_go_on_where_they_stopped(mixed):
    data = open_training_data(mixed)
    every, rest = list(batches(mixed, data, 0, CPU)), list(batches(mixed, data, 2, CPU))
    assert len(every) == 3 and len(rest) == 1
    assert all(torch.equal(every[2][name], rest[0][name]) for name in every[2])


def test_pictures_take_the_joints_of_the_clips(config, embedded_root):
    wanted = dataclasses.replace(config, beside="embedded", beside_root=str(embedded_root), convert_to="sub_jhmdb")
    data = open_training_data(wanted)
    assert data.beside.skeleton == data.training.skeleton and data.training.skeleton.name == "sub_jhmdb"
    assert data.checksums().keys() == {"train", "val", "beside"}
    assert next(batches(wanted, data, 0, CPU))["joints"].shape == (6, 1, 15, 2)


def test_a_run_with_pictures_beside_learns_and_says_so(mixed):
    result = train(mixed, progress=False)
    manifest = read_json(result.run / "manifest.json")
    assert manifest["data"].keys() == {"train", "val", "beside"} and manifest["parameters"]["beside"] == "embedded"
    assert np.isfinite(manifest["metrics"]["loss"])


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"beside_share": 0.0}, "beside_share"), ({"beside_share": 1.0}, "beside_share"), ({"frames": 2}, "frames 1")],
)
def test_what_cannot_stand_beside_is_refused(mixed, wrong, said):
    with pytest.raises(UserError, match=said):
        dataclasses.replace(mixed, **wrong)


def test_the_share_means_nothing_without_pictures(embedded_root):
    assert beside_count(TrainConfig(root=str(embedded_root), beside_share=0.0)) == 0
