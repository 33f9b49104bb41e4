"""The released network: the same numbers from the same weights, and its files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import rpstn
from benchmarks.released_style import ReleasedStyle, grouped_matching
from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.models import PoseResNet, load_checkpoint
from rpstn.models.checkpoints import save_checkpoint
from rpstn.models.released import _MODULES, load_released_checkpoint
from rpstn.models.starting import load_backbone

from .golden_rules import distance, noise, weights

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
OWN = Path(__file__).parents[1] / "golden" / "released_64px.npz"
CLOSE = 1e-4
needs_golden = pytest.mark.skipif(not GOLDEN.is_dir(), reason="the recorded outputs are not here")
DEPTHS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")


def released_shapes(variant: str, initializer: str = "resnet18", encoder: str = "resnet18") -> dict[str, tuple[int, ...]]:
    """Keys and shapes of the authors' checkpoint, told from our network by the names that the loader knows."""
    with torch.device("meta"):
        model = rpstn.RPSTN(rpstn.RPSTNConfig.released(variant, initializer=initializer, encoder=encoder))
    theirs = {ours: key for key, ours in _MODULES.items()}
    shapes = {}
    for key, value in model.state_dict().items():
        ours = max((name for name in theirs if key.startswith(f"{name}.")), key=len)
        shapes[theirs[ours] + key[len(ours) :]] = tuple(value.shape)
    return shapes


@pytest.fixture(scope="module")
def golden():
    """The network of the recorded outputs."""
    return load_released_checkpoint(weights(json.loads((GOLDEN / "penn_r18_state_dict.json").read_text())))


@pytest.fixture(scope="module")
def penn():
    return weights(released_shapes("penn_action"))


@needs_golden
def test_keys_are_the_released_ones():
    listed = json.loads((GOLDEN / "penn_r18_state_dict.json").read_text())
    assert released_shapes("penn_action") == {key: tuple(shape) for key, shape in listed.items()}


@needs_golden
def test_network_computes_what_the_released_one_computed(golden):
    recorded = np.load(GOLDEN / "penn_r18.npz", allow_pickle=False)["heatmaps"]
    with torch.inference_mode():
        ours = golden(noise(0, (1, 5, 3, 256, 256))).heatmaps
    for t in range(5):
        assert distance(ours[:, t], recorded[:, t]) <= CLOSE, f"frame {t}"


@needs_golden
def test_relation_extractor_computes_what_the_released_one_computed(golden):
    recorded = np.load(GOLDEN / "jre.npz", allow_pickle=False)
    heatmaps = noise(1, (2, 13, 64, 64))
    with torch.inference_mode():
        for factor, suffix in ((1.0, ""), (0.02, "_scaled")):
            assert distance(golden.relation.relation(factor * heatmaps), recorded[f"relation{suffix}"]) <= CLOSE
            assert distance(golden.relation(factor * heatmaps), recorded[f"refined{suffix}"]) <= CLOSE


@needs_golden
def test_propagator_and_matching_compute_what_the_released_ones_computed(golden):
    recorded = np.load(GOLDEN / "jrpsp.npz", allow_pickle=False)
    with torch.inference_mode():
        kernels = golden.propagator(0.1 * noise(2, (1, 13, 64, 64)), noise(3, (1, 256, 64, 64)))
        matched = rpstn.global_matching(noise(4, (1, 256, 64, 64)), kernels)
    assert distance(kernels, recorded["kernels"]) <= CLOSE
    assert distance(matched[:, ::8], recorded["matched"]) <= CLOSE


@pytest.mark.parametrize("variant", ["penn_action", "sub_jhmdb"])
def test_numbers_stay_what_they_are(variant):
    """Recorded by this package at 64 px, when it agreed with the outputs of the released network at 256 px."""
    model = load_released_checkpoint(weights(released_shapes(variant)))
    with torch.inference_mode():
        assert distance(model(noise(0, (1, 3, 3, 64, 64))).heatmaps, np.load(OWN, allow_pickle=False)[variant]) <= CLOSE


@pytest.mark.parametrize("variant", ["penn_action", "sub_jhmdb"])
def test_the_released_style_is_the_same_network(variant):
    """The variant, written down a second time and plainly, in benchmarks/released_style.py."""
    model = load_released_checkpoint(weights(released_shapes(variant)))
    frames = noise(5, (2, 3, 3, 64, 64))
    with torch.inference_mode():
        plain, ours = ReleasedStyle(model)(frames), model(frames).heatmaps
        assert distance(ours, plain) <= CLOSE
        state = None
        for t in range(3):
            out, state = model.step(frames[:, t], state)
            assert distance(out.heatmaps[:, 0], plain[:, t]) <= CLOSE
    features, kernels = noise(1, (2, 4, 16, 16)), noise(2, (2, 4, 5, 5))
    assert distance(rpstn.global_matching(features, kernels), grouped_matching(features, kernels)) <= 1e-6


def test_the_two_wirings_differ_in_what_is_listed_only():
    paper = rpstn.RPSTN(rpstn.RPSTNConfig(joints=13, encoder="resnet18", initializer="resnet18")).state_dict()
    released = rpstn.RPSTN(rpstn.RPSTNConfig.released("penn_action", encoder="resnet18", initializer="resnet18")).state_dict()

    def parts(keys):
        return {".".join(key.split(".")[:2]) for key in keys}

    assert parts(released.keys() - paper.keys()) == {
        "value.weight", "value.bias", "unused.theta", "unused.phi", "propagator.fuse_norm",
    }  # fmt: skip
    assert parts(paper.keys() - released.keys()) == {"head.norm", "initializer_head.norm"}


@pytest.mark.parametrize("initializer", DEPTHS)
def test_every_depth_loads_and_is_recognized(initializer, monkeypatch):
    encoder = DEPTHS[(DEPTHS.index(initializer) + 2) % 5]
    for variant in ("penn_action", "sub_jhmdb"):
        shapes = released_shapes(variant, initializer, encoder)
        with torch.device("meta"):  # shapes alone decide; weights would take a gigabyte
            state = {f"module.{key}": torch.empty(shape) for key, shape in shapes.items()}
            monkeypatch.setattr(nn.Module, "load_state_dict", lambda self, state, strict=True: None)
            config = load_released_checkpoint(state).config
        assert (config.skeleton, config.initializer, config.encoder) == (variant, initializer, encoder)
        assert config == rpstn.RPSTNConfig.released(variant, initializer=initializer, encoder=encoder)


def test_every_key_that_does_not_fit_is_named(penn):
    wrong = dict(penn)
    del wrong["pose_conv1x1_V.weight"], wrong["fea_ext.4.0.conv1.weight"]
    wrong["bn_w.weight"] = torch.zeros(3)
    wrong["dkd_param_adapter.4.bias"] = torch.zeros(7)
    with pytest.raises(UserError) as error:
        load_released_checkpoint(wrong, rpstn.RPSTNConfig.released("penn_action", initializer="resnet18", encoder="resnet18"))
    told = str(error.value)
    assert "2 missing: " in told and "value.weight" in told and "encoder.layer1.0.conv1.weight" in told
    assert "1 unexpected: bn_w.weight" in told
    assert "dkd_param_adapter.4.bias is (7,), not (256,)" in told
    with pytest.raises(UserError, match="of another shape"):
        load_released_checkpoint(penn, rpstn.RPSTNConfig.released("sub_jhmdb", initializer="resnet18", encoder="resnet18"))
    with pytest.raises(UserError, match="released"):
        load_released_checkpoint(penn, rpstn.RPSTNConfig(joints=13, encoder="resnet18", initializer="resnet18"))


def test_files_that_are_no_checkpoints_are_named(tmp_path, penn):
    with pytest.raises(UserError, match="no such file"):
        load_released_checkpoint(tmp_path / "absent.pth.tar")
    (tmp_path / "text.pth.tar").write_text("hello")
    with pytest.raises(UserError, match="text.pth.tar cannot be read"):
        load_released_checkpoint(tmp_path / "text.pth.tar")
    torch.save({"state_dict": {}}, tmp_path / "empty.pth.tar")
    with pytest.raises(UserError, match="empty.pth.tar holds no state dict"):
        load_released_checkpoint(tmp_path / "empty.pth.tar")
    torch.save({"fc.weight": torch.zeros(2, 2)}, tmp_path / "other.pth.tar")
    with pytest.raises(UserError, match=r"other.pth.tar is not .*no key bn_u.weight"):
        load_released_checkpoint(tmp_path / "other.pth.tar")

    class Runs:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    torch.save({"state_dict": penn, "more": Runs()}, tmp_path / "code.pth.tar")
    with pytest.raises(UserError, match="code.pth.tar cannot be read"):
        load_released_checkpoint(tmp_path / "code.pth.tar")
    assert not (tmp_path / "ran").exists()


def test_convert_makes_a_checkpoint_that_computes_the_same(tmp_path, penn, capsys):
    saved = {"epoch": 3, "best": np.float64(0.98), "state_dict": {f"module.{key}": value for key, value in penn.items()}}
    torch.save(saved, tmp_path / "theirs.pth.tar")
    assert main(["convert", str(tmp_path / "theirs.pth.tar"), "-o", str(tmp_path / "ours.pt")]) == 0
    assert "penn_action, 13 joints, initializer resnet18, encoder resnet18" in capsys.readouterr().out
    model, metadata = load_checkpoint(tmp_path / "ours.pt")
    assert metadata["input"] == "released_bgr255" and metadata["size"] == 256 and metadata["skeleton"] == "penn_action"
    frames = noise(0, (1, 2, 3, 64, 64))
    with torch.inference_mode():
        assert torch.equal(model(frames).heatmaps, load_released_checkpoint(penn)(frames).heatmaps)
    assert main(["convert", str(tmp_path / "ours.pt"), "-o", str(tmp_path / "again.pt")]) == 2
    assert "not a checkpoint of the released network" in capsys.readouterr().err
    assert not (tmp_path / "again.pt").exists()


def test_backbones_start_from_simplebaseline_and_torchvision_files(tmp_path):
    source = PoseResNet("resnet18")
    state = {key: torch.randn_like(value) if value.is_floating_point() else value for key, value in source.state_dict().items()}
    baseline = state | {"final_layer.weight": torch.zeros(16, 256, 1, 1), "final_layer.bias": torch.zeros(16)}
    torch.save(baseline, tmp_path / "pose_resnet_18.pth.tar")
    target = PoseResNet("resnet18")
    assert "deconv_layers" in load_backbone(target, tmp_path / "pose_resnet_18.pth.tar")
    assert all(torch.equal(target.state_dict()[key], value) for key, value in state.items())

    vision = {key: value for key, value in state.items() if not key.startswith("deconv_layers.")}
    vision |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(vision, tmp_path / "resnet18.pth")
    target = PoseResNet("resnet18")
    before = target.state_dict()["deconv_layers.0.weight"].clone()
    assert "deconv_layers" not in load_backbone(target, tmp_path / "resnet18.pth")
    assert torch.equal(target.state_dict()["deconv_layers.0.weight"], before)
    assert torch.equal(target.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])
    with pytest.raises(UserError, match=r"resnet18.pth does not fit .* missing: layer1.2.conv1.weight"):
        load_backbone(PoseResNet("resnet34"), tmp_path / "resnet18.pth")


def test_wiring_needs_its_parts():
    with pytest.raises(ValueError, match="penn_action and sub_jhmdb"):
        rpstn.RPSTNConfig.released("coco")
    with pytest.raises(ValueError, match="variant"):
        rpstn.RPSTNConfig(joints=13, variant="released_penn_action", propagation="none")


def test_an_encoder_of_ours_starts_one_for_other_joints(tmp_path):
    trained = rpstn.RPSTN(rpstn.RPSTNConfig(joints=13, encoder="small", relation="off", propagation="none"))
    metadata = {"skeleton": "penn_action", "size": 64, "sigma": 1.0, "frames": 1, "dataset": "embedded", "input": "rgb_imagenet"}
    save_checkpoint(tmp_path / "drawn.pt", trained, metadata)
    backbone = PoseResNet("small")
    load_backbone(backbone, tmp_path / "drawn.pt")
    for name, value in trained.encoder.state_dict().items():
        assert torch.equal(backbone.state_dict()[name], value), name
    with pytest.raises(UserError, match="layer1"):
        load_backbone(PoseResNet("resnet18"), tmp_path / "drawn.pt")
