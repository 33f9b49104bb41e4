"""What matching can carry and what it cannot, and the gate that carries positions."""

import numpy as np
import pytest
import torch

from rpstn.datasets.transforms import apply_affine, crop_affine
from rpstn.models import RPSTN, RPSTNConfig, State, global_matching
from rpstn.models.carry import CarryGate
from rpstn.models.rpstn import TARGET_STD, move_state
from rpstn.video.network import PoseNetwork

GATED = [
    {"propagation": propagation, "relation": relation, "initializer": initializer}
    for propagation, relation, initializer in (
        ("matching", "on", "shared"), ("matching", "off", "small"), ("none", "off", "small"), ("none", "on", "small"),
        ("concat", "on", "shared"),
    )
]  # fmt: skip


def network(**changes):
    torch.manual_seed(0)
    settings = {"joints": 5, "encoder": "small", "initializer": "shared", "carry": "gated"} | changes
    return RPSTN(RPSTNConfig(**settings)).eval()


@pytest.mark.parametrize("changes", GATED, ids=str)
def test_a_stream_gives_the_numbers_of_the_clip(changes):
    model = network(**changes)
    frames = torch.rand(2, 4, 3, 64, 64)
    with torch.inference_mode():
        model.train()(frames)  # statistics for the BatchNorms
        whole, state = model.eval()(frames), None
        for t in range(4):
            output, state = model.step(frames[:, t], state)
            torch.testing.assert_close(output.heatmaps[:, 0], whole.heatmaps[:, t], atol=1e-6, rtol=1e-4)


def test_the_gate_starts_nearly_closed_and_opens_where_a_peak_is_gone():
    gate, openings = CarryGate(3, 4, TARGET_STD).eval(), []
    gate.opening.register_forward_hook(lambda _, __, output: openings.append(output))
    before, now = torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 16)
    before[:, :, 4, 5] = 0.9
    now[:, 0, 9, 9] = 0.9  # seen again; joint 1 is gone; joint 2 is seen, and was not there before
    now[:, 2, 9, 9], before[:, 2] = 0.9, 0.0
    with torch.inference_mode():
        mixed = gate(before, now, torch.rand(1, 4, 16, 16))
    seen, gone, new = openings[0][0].mean(dim=(1, 2))
    assert new < 0.1 < seen < 0.3 < gone
    assert mixed[0, 1].flatten().argmax() == 4 * 16 + 5  # held
    assert mixed[0, 0].flatten().argmax() == mixed[0, 2].flatten().argmax() == 9 * 16 + 9  # seen


def test_the_gate_learns_and_refuses_other_shapes():
    gate = CarryGate(3, 4, TARGET_STD)
    maps = torch.rand(2, 3, 16, 16, requires_grad=True)
    gate(maps, torch.rand(2, 3, 16, 16), torch.rand(2, 4, 16, 16)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in gate.parameters())
    assert maps.grad.abs().sum() > 0
    for wrong in ((2, 4, 16, 16), (1, 3, 16, 16), (2, 3, 8, 16)):
        with pytest.raises(ValueError, match="the gate takes"):
            gate(torch.rand(wrong), torch.rand(2, 3, 16, 16), torch.rand(2, 4, 16, 16))


def test_matching_carries_no_position():
    """Shift the new frame's features and the answer shifts, whatever was known of the frame before."""
    features, kernels = torch.rand(1, 6, 24, 24), torch.rand(1, 6, 5, 5)
    here = global_matching(features, kernels)
    there = global_matching(features.roll((3, -4), dims=(2, 3)), kernels)
    inner = (..., slice(8, 16), slice(8, 16))
    torch.testing.assert_close(there[inner], here.roll((3, -4), dims=(2, 3))[inner])


def test_behind_a_uniform_occluder_matching_says_the_same_everywhere():
    """Where features are constant, the answer is constant but for the border's reach: nothing says where the joint is."""
    features, kernels = torch.rand(1, 6, 32, 32), torch.rand(1, 6, 7, 7)
    features[:, :, 6:26, 6:26] = torch.rand(1, 6, 1, 1)
    answer = global_matching(features, kernels)[:, :, 9:23, 9:23]  # the kernel reaches three pixels in
    torch.testing.assert_close(answer, answer[:, :, :1, :1].expand_as(answer))


def test_a_network_without_gate_forgets_where_a_hidden_joint_was_and_one_with_it_does_not():
    """Two pasts that differ in position alone: behind an occluder, matching's answer is one for both; the gate's is not."""
    hidden = torch.full((1, 3, 64, 64), 0.3)
    for carry, same in (("none", True), ("gated", False)):
        model = network(carry=carry, relation="off", propagation="matching")
        with torch.inference_mode():
            features = model.encoder(hidden)
            found = []
            for place in (5, 11):
                maps = torch.zeros(1, 5, 16, 16)
                maps[:, :, place, place] = 0.9
                output, _ = model.step(hidden, State(maps, features))
                found.append(output.heatmaps[0, 0].flatten(1).argmax(dim=1))
        assert bool((found[0] == found[1]).all()) == same, carry
        if not same:
            assert (found[0] == 5 * 17).all() and (found[1] == 11 * 17).all()


@pytest.mark.parametrize("size", [128, 192, 256])
def test_new_kernels_change_nothing_yet(size):
    """A network that starts to match scores as frame by frame, at every size: its kernels begin as a delta."""
    model = network(carry="none", relation="off")
    side = size // 4
    maps, features = torch.rand(1, 5, side, side) * TARGET_STD, torch.rand(1, model.encoder.channels, side, side)
    model.propagator.train()  # statistics of a batch, as in the first step of training
    with torch.no_grad():
        kernels = model.propagator(maps, features)
        matched = global_matching(features, kernels)
        middle = kernels.shape[-1] // 2
        assert (kernels[..., middle, middle] - 1).abs().max() < 0.2
        assert (matched - features).std() < 0.2 * features.std()
        blurred = global_matching(features, torch.full_like(kernels, 1 / 9))  # as up to version 0.2
    assert (blurred - features).std() > 0.8 * features.std()


def test_older_checkpoints_keep_their_kernels():
    assert RPSTNConfig(joints=5, encoder="small", initializer="small").kernel_start == "delta"
    older = {"joints": 5, "encoder": "small", "initializer": "small"}
    assert RPSTNConfig.from_dict(older).kernel_start == "average"
    assert RPSTNConfig.released("penn_action").kernel_start == "average"


def test_a_state_moves_with_the_crop():
    size, stride = 64, 4
    before, now = (crop_affine(np.array(box), size) for box in ([40.0, 30.0, 80.0, 80.0], [64.0, 46.0, 64.0, 64.0]))
    place = apply_affine(np.array([[90.0, 78.0]]), before)[0] / stride  # of a point of the frame, in heatmap pixels
    rows, columns = np.mgrid[:16, :16]
    blob = np.exp(-((columns - place[0]) ** 2 + (rows - place[1]) ** 2) / 8)
    maps = torch.from_numpy(blob).float()[None, None]
    moved = move_state(State(maps, maps.bfloat16()), before, now, size)
    there = apply_affine(np.array([[90.0, 78.0]]), now)[0] / stride
    found = moved.heatmaps[0, 0].numpy()
    center = np.array([(found * columns).sum(), (found * rows).sum()]) / found.sum()
    assert np.abs(center - there).max() < 0.25
    assert np.abs(there - place).max() > 1
    assert moved.features.dtype == torch.bfloat16
    still = move_state(State(maps, maps), before, before, size)
    torch.testing.assert_close(still.heatmaps, maps, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("changes", "moves"), [({}, True), ({"propagation": "concat", "carry": "none"}, True), ({"carry": "none"}, False)]
)
def test_predict_moves_what_holds_positions(changes, moves, monkeypatch):
    """Matching alone looks everywhere for what it carries: its state stays as it is, and so do the numbers of older weights."""
    metadata = {"skeleton": {"joints": list("abcde"), "bones": []}, "size": 64, "input": "rgb_imagenet"}
    monkeypatch.setattr("rpstn.video.network.skeleton_of", lambda metadata: "abcde")
    eyes = PoseNetwork(network(**changes), metadata, torch.device("cpu"))
    calls = []
    monkeypatch.setattr("rpstn.video.network.move_state", lambda state, *_: calls.append(1) or state)
    pixels, box = np.zeros((64, 64, 3), np.uint8), np.array([10.0, 10.0, 30.0, 30.0])
    memory = eyes.look(pixels, box).memory
    eyes.look(pixels, box, memory)
    assert not calls
    eyes.look(pixels, box + [3.0, 0.0, 0.0, 0.0], memory)
    assert bool(calls) == moves
