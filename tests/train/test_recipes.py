"""The book's training plan: variants that differ in what their name says, and checkpoints that are found or refused."""

import dataclasses
from pathlib import Path

import pytest

from rpstn.datasets.transforms import Augmentation
from rpstn.errors import UserError
from rpstn.models import load_checkpoint
from rpstn.models.manifests import export_weights, without_folders
from rpstn.runs import read_json
from rpstn.runs.parts import flatten
from rpstn.train import TrainConfig
from rpstn.train.recipes import TITLES, VARIANTS, ImagePretraining, Recipe, find_checkpoints


@pytest.fixture
def recipe(embedded_root, tmp_path):
    base = TrainConfig.of(
        root=str(embedded_root), out=str(tmp_path / "runs"), frames=2, size=64, batch=2, precision="fp32", device="cpu"
    )
    return Recipe(base, pretrain_steps=2, steps=1, pretrain_lr=1e-3)


def test_variants_differ_in_what_their_name_says_and_see_as_many_frames(recipe):
    full = recipe.variant("rpstn")
    encoder = recipe.encoder.data
    assert encoder.batch * encoder.frames == full.data.batch * full.data.frames
    for name, changes in VARIANTS.items():
        config = recipe.variant(name)
        different = {setting for setting, value in flatten(config).items() if value != flatten(full)[setting]} - {"out"}
        assert different == set(changes) and config.init == f"{recipe.encoder.out}/best.safetensors"
        assert name in TITLES
    with pytest.raises(UserError, match="concat"):
        recipe.variant("conkat")


def test_clips_may_be_varied_in_another_way_than_the_encoders_frames(recipe):
    clips = Augmentation(erasing=0.8, erasing_size=(0.1, 0.8))
    other = dataclasses.replace(recipe, clips=clips)
    assert all(other.variant(name).data.augmentation == clips for name in VARIANTS)
    assert other.encoder.data == recipe.encoder.data and recipe.variant("rpstn").data.augmentation != clips


def test_runs_are_found_shipped_and_loaded(recipe, tmp_path, monkeypatch):
    results = recipe.train(["rpstn"], progress=False)
    found = find_checkpoints("embedded", recipe.base.out)
    assert found == {"rpstn": results["rpstn"].checkpoint}
    with pytest.raises(UserError, match="frame_by_frame"):
        find_checkpoints("embedded", recipe.base.out, variants=["rpstn", "frame_by_frame"])
    with pytest.raises(UserError, match="train"):
        find_checkpoints("embedded", str(tmp_path / "nothing"))
    with pytest.raises(UserError, match="concat.*looked into the weights that the package ships; found rpstn"):
        find_checkpoints("embedded", variants=["rpstn", "concat"])

    weights, manifest = export_weights(recipe.base.out, "embedded", ["rpstn"], tmp_path / "weights")
    assert weights.stat().st_size < 0.6 * found["rpstn"].stat().st_size and manifest.is_file()
    model, metadata = load_checkpoint(weights)
    assert model.config.propagation == "matching" and metadata["dataset"] == "embedded"
    assert read_json(manifest)["before"] == []

    monkeypatch.chdir(tmp_path)  # manifests keep places that are relative
    # A second training that goes on from the first one's encoder tells of both.
    base = recipe.base.replace(out="longer", encoder_weights="runs/encoder/best.safetensors")
    longer = dataclasses.replace(recipe, base=base)
    longer.train(["rpstn"], progress=False)
    told = read_json(export_weights(longer.base.out, "longer", ["rpstn"], tmp_path / "weights")[1])
    assert [part["metrics"] for part in told["before"]] == [read_json(Path("runs/encoder/manifest.json"))["metrics"]]
    assert told["encoder"]["parameters"]["encoder_weights"] == base.model.encoder_weights
    Path("longer/encoder/manifest.json").unlink()  # as if it were still running
    with pytest.raises(UserError, match="encoder"):
        export_weights("longer", "longer", ["rpstn"], tmp_path / "weights")


def test_a_recipe_makes_its_own_encoder(recipe):
    with pytest.raises(UserError, match="init"):
        dataclasses.replace(recipe, base=recipe.base.replace(init="encoder.pt"))


def test_a_shipped_manifest_names_no_folders():
    run = {"parameters": {"root": "a/JHMDB", "aux_root": "b/LSPET", "steps": 3}}
    told = without_folders({**run, "encoder": run, "before": [run]})
    assert told["encoder"] == told["before"][0] == {"parameters": {"root": "JHMDB", "aux_root": "LSPET", "steps": 3}}
    assert told["parameters"] == told["encoder"]["parameters"]


def test_images_come_first_and_the_encoder_goes_on_from_them(recipe):
    base = recipe.base.replace(dataset="sub_jhmdb", fold=2, encoder_weights="imagenet.pth")
    whole = dataclasses.replace(recipe, base=base, images=ImagePretraining("lspet", "lsp", 3))
    start, encoder, full = whole.start, whole.encoder, whole.variant("rpstn")
    assert (start.data.dataset, start.data.root, start.data.convert_to, start.data.fold) == ("lspet", "lsp", "sub_jhmdb", 1)
    assert (start.data.frames, start.model.propagation, start.model.relation, start.optimizer.steps) == (1, "none", "off", 3)
    assert encoder.init == f"{start.out}/best.safetensors" and encoder.data.dataset == "sub_jhmdb" and encoder.data.fold == 2
    assert start.optimizer.lr == encoder.optimizer.lr == whole.pretrain_lr and encoder.optimizer.init_rate == 1.0
    faster = dataclasses.replace(whole, images=ImagePretraining("lspet", "lsp", 3, lr=0.5))
    assert (faster.start.optimizer.lr, faster.encoder.optimizer.lr) == (0.5, whole.pretrain_lr)
    with pytest.raises(UserError, match="lr"):
        dataclasses.replace(whole, images=ImagePretraining("lspet", "lsp", 3, lr=0.0)).train([])
    # Some images may stay beside the encoder's frames, never beside clips.
    mixed = dataclasses.replace(whole, images=ImagePretraining("lspet", "lsp", 3, aux_fraction=0.4))
    given = mixed.encoder.data
    assert (given.aux_dataset, given.aux_root, given.aux_fraction) == ("lspet", "lsp", 0.4)
    assert all(run.data.aux_dataset is None for run in (encoder, mixed.start, mixed.variant("rpstn")))
    # Files that the first run starts from are not loaded a second time, over what has been learned.
    assert [part.model.encoder_weights for part in (start, encoder, full)] == ["imagenet.pth", None, None]
    with pytest.raises(UserError, match="at least 1"):
        ImagePretraining("lspet", None, 0)
    with pytest.raises(UserError, match="aux_fraction"):
        ImagePretraining("lspet", None, 1, aux_fraction=1.0)
    with pytest.raises(UserError, match="own"):
        dataclasses.replace(whole, base=base.replace(dataset="own"))
