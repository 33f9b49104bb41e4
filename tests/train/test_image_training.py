"""Image networks in training: by the same loop, from the same start, saved, resumed, scored; with the JRE and without."""

import dataclasses

import numpy as np
import pytest
import torch

from rpstn.datasets import open_dataset
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.evaluate.scoring import EvaluateConfig, evaluate
from rpstn.models import RPSTN, load_checkpoint, start_from
from rpstn.models.cost import seconds_per_image
from rpstn.models.image import FrameByFrame, ImageConfig, WithRelation, image_model, image_network
from rpstn.models.pixels import normalize
from rpstn.models.starting import start_image_from, start_image_from_author
from rpstn.relations import collect
from rpstn.relations.interventions import Fixed, intervened
from rpstn.runs.parts import flatten
from rpstn.train import TrainConfig, train
from rpstn.train import loop as training
from rpstn.train.recipes import IMAGE_VARIANTS, ImageRecipe


@pytest.fixture
def config(embedded_root, tmp_path):
    return TrainConfig.of(
        root=str(embedded_root), out=str(tmp_path / "run"), network="small", propagation="none", frames=1, size=64, batch=4,
        steps=3, warmup=1, precision="fp32", device="cpu", calibration_frames=0,
    )  # fmt: skip


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


# A run


@pytest.mark.parametrize("relation", ["on", "off"])
def test_a_run_is_saved_loaded_and_scored_like_any_other(config, relation, tmp_path):
    result = train(config.replace(relation=relation), progress=False)
    model, metadata = load_checkpoint(result.checkpoint)
    assert isinstance(model, FrameByFrame) and metadata["skeleton"] == "penn_action" and not model.training
    assert isinstance(model.network, WithRelation) == (relation == "on") == (model.relation is not None)
    found = evaluate(
        EvaluateConfig(checkpoint=result.checkpoint, root=config.data.root, window=1, out=tmp_path / "test"), progress=False
    )
    assert 0 <= found.metrics["scores"]["person"]["all"]["mean"] <= 1
    rows = found.predictions.relations[0]
    assert rows is None if relation == "off" else np.allclose(rows.sum(-1), 1, atol=1e-5)


def test_resuming_equals_no_interruption(config, tmp_path, interrupt):
    whole = train(config, progress=False)
    parted = config.replace(out=str(tmp_path / "parted"), save_every=0.0)
    interrupt(parted, 3)
    assert not (tmp_path / "parted" / "manifest.json").exists()
    resumed = train(parted, progress=False)
    assert resumed.metrics == whole.metrics
    assert same(load_checkpoint(whole.checkpoint)[0].state_dict(), load_checkpoint(resumed.checkpoint)[0].state_dict())


def test_training_moves_the_jre_from_the_identity(config):
    dataset = open_dataset("embedded", config.data.root)
    before, _ = training.new_model(config, dataset)
    after, _ = load_checkpoint(train(config.replace(steps=6), progress=False).checkpoint)
    assert not before.relation.o[1].weight.any() and after.relation.o[1].weight.abs().max() > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"network": "hrnet_w99"}, "hrnet_w99"),
        ({"propagation": "matching"}, "propagation"),
        ({"relation": "manual"}, "manual"),
        ({"size": 100}, "multiple of 32"),
        ({"relation_scale": "big"}, "big"),
    ],
)
def test_settings_that_cannot_work_are_refused(config, wrong, said):
    with pytest.raises(UserError, match=said):
        config.replace(**wrong)


def test_an_image_network_takes_any_multiple_of_32(config):
    assert config.replace(size=96).data.size == 96
    with pytest.raises(UserError, match="kernels"):
        config.replace(size=96, network=None)


# The fair pair


@pytest.mark.parametrize("pretrain_steps", [0, 2])
def test_both_start_from_the_same_weights_and_see_the_same_samples(config, pretrain_steps, monkeypatch):
    recipe = ImageRecipe(config, pretrain_steps=pretrain_steps, steps=1, pretrain_lr=1e-3)
    genuine, seen = training.training_loss, {}

    def watched(model, batch, run, *rest):
        seen.setdefault(run.out, []).append(
            ({key: value.clone() for key, value in _bare(model).state_dict().items()}, {k: v.clone() for k, v in batch.items()})
        )
        return genuine(model, batch, run, *rest)

    monkeypatch.setattr(training, "training_loss", watched)
    results = recipe.train(progress=False)
    assert list(results) == ([*["start"] * bool(pretrain_steps), *IMAGE_VARIANTS])
    alone, with_jre, again = (seen[recipe.variant(name).out] for name in IMAGE_VARIANTS)
    assert len(alone) == len(with_jre) == 1
    assert same(alone[0][0], with_jre[0][0]) and same(alone[0][1], with_jre[0][1])
    assert not same(alone[0][1], again[0][1])
    if pretrain_steps:
        assert same(alone[0][0], again[0][0])
        trained = _bare(load_checkpoint(results["start"].checkpoint)[0]).state_dict()
        assert same(alone[0][0], trained)
    alone, with_jre = (flatten(recipe.variant(name)) for name in ("alone", "with_jre"))
    assert {name for name in alone if alone[name] != with_jre[name]} == {"relation", "out"}


def test_official_weights_go_to_the_common_start_or_to_both(config, tmp_path):
    given = config.replace(encoder_weights="file.pth")
    recipe = ImageRecipe(given, pretrain_steps=1, steps=1, pretrain_lr=1e-3)
    assert recipe.start.model.encoder_weights == "file.pth" and recipe.variant("alone").model.encoder_weights is None
    recipe = dataclasses.replace(recipe, pretrain_steps=0)
    assert recipe.start is None and all(recipe.variant(name).model.encoder_weights == "file.pth" for name in IMAGE_VARIANTS)
    with pytest.raises(UserError, match="network"):
        ImageRecipe(config.replace(network=None), 1, 1, 1e-3)
    with pytest.raises(UserError, match="pretrain_steps"):
        dataclasses.replace(recipe, pretrain_steps=-1)
    with pytest.raises(UserError, match="other"):
        recipe.variant("other")


def _bare(model):
    return model.network.network if isinstance(model.network, WithRelation) else model.network


# Starts


def save(path, description, **metadata):
    from rpstn.models.checkpoints import save_checkpoint

    model = image_model(description)
    save_checkpoint(path, model, {"skeleton": "penn_action", "size": 64, "sigma": 2.0, "frames": 1, "dataset": "x",
                                  "input": "rgb_imagenet", **metadata})  # fmt: skip
    return model


@pytest.mark.parametrize("before", ["on", "off"])
@pytest.mark.parametrize("after", ["on", "off"])
def test_what_both_networks_have_is_copied(tmp_path, before, after):
    torch.manual_seed(1)
    other = save(tmp_path / "a.pt", ImageConfig("small", 13, before, skeleton="penn_action"))
    torch.manual_seed(2)
    model = image_model(ImageConfig("small", 13, after, skeleton="penn_action"))
    copied = start_image_from(model, tmp_path / "a.pt")
    here = ["network.network", "network.relation"] if after == "on" else ["network"]
    assert copied == (here if before == after == "on" else here[:1])
    assert all(any(name.startswith(f"{part}.") for name, _ in model.named_parameters()) for part in copied)
    assert same(_bare(model).state_dict(), _bare(other).state_dict())
    if before == after == "on":
        assert same(model.relation.state_dict(), other.relation.state_dict())


def test_a_start_that_is_something_else_is_refused(tmp_path, config):
    save(tmp_path / "a.pt", ImageConfig("small", 13, skeleton="penn_action"))
    for wrong in ({"network": "simplebaseline_resnet18"}, {"joints": 15, "skeleton": "sub_jhmdb"}):
        model = image_model(dataclasses.replace(ImageConfig("small", 13, skeleton="penn_action"), **wrong))
        with pytest.raises(UserError, match=next(iter(wrong))):
            start_image_from(model, tmp_path / "a.pt")
    rpstn = RPSTN(TrainConfig.of(frames=1).model_config(open_dataset("embedded", config.data.root)))
    with pytest.raises(UserError, match="image network small"):
        start_from(rpstn, tmp_path / "a.pt")
    from rpstn.models.checkpoints import save_checkpoint

    save_checkpoint(tmp_path / "b.pt", rpstn, {"skeleton": "penn_action", "size": 64, "sigma": 2.0, "frames": 1,
                                               "dataset": "x", "input": "rgb_imagenet"})  # fmt: skip
    with pytest.raises(UserError, match="RPSTN"):
        start_image_from(image_model(ImageConfig("small", 13, skeleton="penn_action")), tmp_path / "b.pt")


@pytest.mark.parametrize(("skeleton", "joints", "taken"), [("coco", 17, True), ("lsp", 14, False)])
def test_an_official_file_gives_its_last_layer_to_its_own_joints_alone(tmp_path, skeleton, joints, taken):
    official = image_network("simplebaseline_resnet18", 17)
    torch.save({f"module.{key}": value for key, value in official.state_dict().items()}, tmp_path / "a.pth")
    model = image_model(ImageConfig("simplebaseline_resnet18", joints, skeleton=skeleton))
    assert start_image_from_author(model, tmp_path / "a.pth") is taken
    own, theirs = _bare(model).state_dict(), official.state_dict()
    fits = {key for key in own if own[key].shape == theirs[key].shape and torch.equal(own[key], theirs[key])}
    # The stem is made to take RGB; what it computes from an image stays, but at the crop's edge.
    stem = {"conv1.weight", "bn1.running_mean"}
    assert {key for key in own if not key.startswith("final_layer.")} - stem == fits - {"final_layer.weight", "final_layer.bias"}
    image = torch.randint(0, 256, (1, 40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    first = [
        part.eval().bn1(part.conv1(normalize(image, given)))[..., 2:-2, 2:-2]
        for part, given in ((_bare(model), "rgb_imagenet"), (official, "bgr_imagenet"))
    ]
    torch.testing.assert_close(*first, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(first[0], official.bn1(official.conv1(normalize(image)))[..., 2:-2, 2:-2], atol=1e-2)
    assert ("final_layer.weight" in fits) is taken
    with pytest.raises(UserError, match="none.pth"):
        start_image_from_author(model, tmp_path / "none.pth")


def test_a_checkpoint_of_an_unknown_image_network_is_named(tmp_path):
    save(tmp_path / "a.pt", ImageConfig("small", 13, skeleton="penn_action"))
    content = torch.load(tmp_path / "a.pt", weights_only=True)
    content["config"]["network"] = "hrnet_w99"
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(UserError, match=r"a\.pt.*hrnet_w99"):
        load_checkpoint(tmp_path / "a.pt")


# Looking at it


def test_one_can_intervene_on_the_relations_of_an_image_network(embedded_root):
    torch.manual_seed(0)
    model = image_model(ImageConfig("small", 13, skeleton="penn_action")).eval()
    model.relation.o[1].weight.data.fill_(1.0)
    model.network.network.final_layer.weight.data.mul_(100)  # maps with something in them
    metadata = {"skeleton": "penn_action", "size": 64, "input": "rgb_imagenet"}
    test = open_dataset("embedded", embedded_root, "test")
    test = dataclasses.replace(test, clips=test.clips[:1])
    own = predict_clips(model, metadata, test, 1, progress=False)
    fixed = np.full((13, 13), 1 / 13, np.float32)
    with intervened(model, Fixed(fixed)):
        other = predict_clips(model, metadata, test, 1, progress=False)
    assert np.allclose(collect(other, test).matrices, fixed)
    assert not np.allclose(collect(own, test).matrices, fixed)
    assert not np.allclose(own.confidence[0], other.confidence[0])


def test_time_is_measured_in_turns_and_leaves_the_networks_as_they_were():
    seen = []

    class Watched(torch.nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name, self.layer = name, torch.nn.Conv2d(3, 1, 1)

        def forward(self, x):
            seen.append((self.name, self.training, tuple(x.shape)))
            return self.layer(x)

    networks = {name: Watched(name).train() for name in "ab"}
    spent = seconds_per_image(networks, (8, 6), repeats=2)
    assert [name for name, *_ in seen] == list("abbaab") and set(seen) == {(n, False, (1, 3, 8, 6)) for n in "ab"}
    assert spent.keys() == networks.keys() and all(0 < value < 10 for value in spent.values())
    assert all(network.training for network in networks.values())
    with pytest.raises(ValueError, match="repeats"):
        seconds_per_image(networks, repeats=0)
