"""Fused convolutions compute what the plain ones do: in every network, under autocast, after weights have changed."""

import copy

import pytest
import torch
from torch import nn

from rpstn.models import load_checkpoint
from rpstn.models.convolutions import ACTIVATIONS, FusedConvolution, SameConv, fuse
from rpstn.models.files import find_weights

SHIPPED = ("embedded_rpstn", "real_rpstn", "movenet_thunder")


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(("kernel", "stride", "groups"), [(1, 1, 1), (3, 1, 6), (3, 2, 6), (5, 2, 6), (3, 2, 1)])
@torch.no_grad()
def test_fused_is_plain(activation, kernel, stride, groups):
    torch.manual_seed(0)
    plain = SameConv(6, 12, kernel, stride, groups=groups, bias=True, activation=activation)
    fused = FusedConvolution(plain, activation, plain.before)
    for batch, side in ((2, 16), (1, 16), (2, 24)):  # other shapes need other arrangements of the weights
        images = 4 * torch.randn(batch, 6, side, side)
        torch.testing.assert_close(fused(images), plain(images), rtol=1e-5, atol=1e-5)
        channels_last = images.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(fused(channels_last), plain(images), rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_weights_that_change_are_arranged_anew():
    conv = nn.Conv2d(3, 4, 3, padding=1)
    fused, images = FusedConvolution(conv, "relu"), torch.randn(1, 3, 8, 8)
    fused(images)
    conv.weight.mul_(-1)
    torch.testing.assert_close(fused(images), conv(images).relu())
    copied = copy.deepcopy(fused)
    conv.weight.mul_(3)
    torch.testing.assert_close(fused(images), conv(images).relu())
    assert not torch.equal(copied(images), fused(images))


def test_what_learns_learns_as_the_plain_one_does():
    conv = SameConv(3, 4, 3, 2, bias=True, activation="relu6")
    fused, images = FusedConvolution(conv, "relu6", conv.before), torch.randn(2, 3, 8, 8, requires_grad=True)
    gradients = [torch.autograd.grad(each(images).square().sum(), [images, conv.weight]) for each in (conv, fused)]
    for plain, through_fused in zip(*gradients, strict=True):
        torch.testing.assert_close(through_fused, plain)


@pytest.mark.parametrize("name", SHIPPED)
@torch.inference_mode()
def test_shipped_networks_find_the_same_heatmaps(name):
    network, metadata = load_checkpoint(find_weights(name))
    size = metadata["size"]
    frames = torch.randn(1, 2, 3, size, size, generator=torch.Generator().manual_seed(1))
    fused = fuse(copy.deepcopy(network).eval(), fold=True)
    expected = network.eval()(frames).heatmaps
    torch.testing.assert_close(fused(frames).heatmaps, expected, rtol=0, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        found = fused(frames).heatmaps.float()
    assert (found - expected).abs().mean() < 0.02 * expected.abs().max()


def test_names_of_weights_stay_where_norms_do():
    network, _ = load_checkpoint(find_weights("movenet_thunder"))
    names = list(network.state_dict())
    assert list(fuse(network).state_dict()) == names


def test_an_unknown_activation_is_refused():
    with pytest.raises(ValueError, match="'gelu'; known are none, relu, relu6"):
        FusedConvolution(nn.Conv2d(1, 1, 1), "gelu")
