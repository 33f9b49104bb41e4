"""Heatmaps: what is encoded is decoded, mirrors stay mirrors, absent joints weigh nothing."""

import pytest
import torch

from rpstn.heatmaps import decode, encode, heatmap_loss, to_heatmap, to_input


@pytest.fixture
def joints():
    generator = torch.Generator().manual_seed(0)
    return 12 + 104 * torch.rand(4, 13, 2, generator=generator)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0])
def test_round_trip_is_exact_for_a_gaussian(joints, sigma):
    decoded, confidence = decode(encode(joints, (32, 32), 4, sigma), 4)
    assert (decoded - joints).abs().max() < 1e-2
    assert (confidence > 0.8).all() and (confidence <= 1).all()


def test_refinement_is_worth_its_step(joints):
    heatmaps = encode(joints, (32, 32), 4, 1.5)
    error = {refine: (decode(heatmaps, 4, refine)[0] - joints).norm(dim=-1).mean() for refine in ("none", "quarter", "gaussian")}
    assert error["gaussian"] < error["quarter"] < error["none"]


def test_an_unknown_refinement_is_refused(joints):
    with pytest.raises(ValueError, match="dark"):
        decode(encode(joints, (32, 32)), refine="best")


def test_a_blur_before_the_step_helps_where_peaks_are_no_gaussians(joints):
    """Exact or nearly so for a Gaussian; nearer than without where the map is noisy."""
    maps = encode(joints, (32, 32))
    inner = ((joints > 16) & (joints < 112)).all(dim=-1)
    assert (decode(maps, refine="dark")[0] - joints).abs()[inner].max() < 0.02
    generator = torch.Generator().manual_seed(0)
    noisy = (maps + 0.05 * torch.randn(maps.shape, generator=generator)).clamp_min(0)
    errors = {refine: (decode(noisy, refine=refine)[0] - joints)[inner].norm(dim=-1).mean() for refine in ("dark", "gaussian")}
    assert errors["dark"] < 0.9 * errors["gaussian"]
    assert torch.equal(decode(noisy, refine="dark")[1], decode(noisy, refine="gaussian")[1])  # confidences are the peaks' heights


def test_the_peak_lies_on_the_joint():
    """A joint in the middle of heatmap pixel (5, 9) peaks there with value 1."""
    joint = to_input(torch.tensor([[5.0, 9.0]]), 4)
    heatmap = encode(joint, (16, 16), 4, 2)[0]
    assert heatmap[9, 5] == 1.0 == heatmap.max()
    assert torch.equal(to_heatmap(joint, 4), torch.tensor([[5.0, 9.0]]))


def test_mirrored_joints_give_the_mirrored_heatmap(joints):
    mirrored = joints.clone()
    mirrored[..., 0] = 127 - joints[..., 0]
    assert torch.allclose(encode(mirrored, (32, 32), 4, 1.5), encode(joints, (32, 32), 4, 1.5).flip(-1), atol=1e-5)


def test_rectangular_heatmaps_keep_x_and_y_apart():
    joint = torch.tensor([[100.0, 20.0]])
    decoded, _ = decode(encode(joint, (16, 48), 4, 1.5), 4)
    assert torch.allclose(decoded, joint, atol=1e-2)


def test_a_peak_on_the_border_is_not_refined_out_of_the_map():
    heatmap = torch.zeros(1, 8, 8)
    heatmap[0, 0, 7] = 1
    decoded, _ = decode(heatmap, 4)
    assert torch.allclose(decoded, to_input(torch.tensor([[7.0, 0.0]]), 4))


def test_absent_joints_have_no_loss_and_no_gradient(joints):
    target = encode(joints[:2].unflatten(0, (1, 2)), (32, 32))
    predicted = torch.zeros_like(target, requires_grad=True)
    visibility = torch.full((1, 2, 13), 2)
    visibility[0, 1, 4] = 0
    visibility[0, 0, 7] = 1
    heatmap_loss(predicted, target, visibility).backward()
    moved = predicted.grad.abs().sum(dim=(-2, -1)) > 0
    assert not moved[0, 1, 4], "an absent joint was learned"
    assert moved.sum() == 25, "an annotated joint was not learned"


def test_a_clip_without_any_joint_has_loss_zero():
    maps = torch.rand(1, 2, 3, 8, 8)
    assert heatmap_loss(maps, torch.zeros_like(maps), torch.zeros(1, 2, 3)) == 0


def test_targets_hold_no_subnormal_numbers():
    """A CPU is many times slower with them than with zeros."""
    maps = encode(torch.tensor([[[3.0, 250.0]], [[128.0, 127.5]], [[252.2639, 252.2639]]]), (64, 64), 4.0, 2.0)
    assert (maps == 0).any() and maps[maps > 0].min() > torch.finfo(torch.float32).tiny
