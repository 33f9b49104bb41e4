"""Networks: shapes, and the invariants that the book's arguments rest on."""

import pytest
import torch

from rpstn.errors import UserError
from rpstn.heatmaps import encode, target_statistics
from rpstn.models import (
    BACKBONES,
    RPSTN,
    JointRelationExtractor,
    PoseResNet,
    PoseSemanticsPropagator,
    RPSTNConfig,
    global_matching,
    kernel_side,
    load_checkpoint,
    save_checkpoint,
    start_from,
)
from rpstn.skeletons import get_skeleton

VARIANTS = [
    {},
    {"relation": "off"},
    {"relation": "manual"},
    {"propagation": "concat"},
    {"propagation": "none"},
    {"propagation": "none", "relation": "off"},
    {"relation_layout": "released"},
    {"relation_scale": "learned"},
]
METADATA = {
    "skeleton": "penn_action",
    "size": 64,
    "sigma": 1.5,
    "frames": 3,
    "dataset": "embedded",
    "input": "rgb_imagenet",
}


def small(**changes) -> RPSTNConfig:
    return RPSTNConfig(**{"joints": 13, "encoder": "small", "initializer": "small", "skeleton": "penn_action"} | changes)


def trained_a_little(config: RPSTNConfig, size: int = 64) -> RPSTN:
    """A network whose every part does something: random weights everywhere, BatchNorm statistics from
    data.
    """
    torch.manual_seed(0)
    model = RPSTN(config)
    for name, parameter in model.named_parameters():
        if name.startswith("relation.o.1"):
            torch.nn.init.normal_(parameter, std=0.5)
    with torch.no_grad():
        for _ in range(20):
            model.train()(torch.randn(2, 3, 3, size, size))
    return model.eval()


# The joint relation extractor


@pytest.mark.parametrize("layout", ["paper", "released"])
@pytest.mark.parametrize("scale", ["none", "sqrt", "mean", "learned"])
def test_jre_starts_as_the_identity(layout, scale):
    jre = JointRelationExtractor(13, layout, scale)
    heatmaps = torch.rand(2, 13, 16, 16)
    assert torch.equal(jre.eval()(heatmaps), heatmaps)
    assert torch.equal(jre.train()(heatmaps), heatmaps)


def test_relation_sums_to_one_over_the_named_axis():
    heatmaps = torch.rand(2, 13, 16, 16)
    paper = JointRelationExtractor(13).relation(heatmaps)
    released = JointRelationExtractor(13, "released").relation(heatmaps)
    assert torch.allclose(paper.sum(2), torch.ones(2, 13))
    assert torch.allclose(released.sum(1), torch.ones(2, 13))
    # The Gram matrix is symmetric: one is the other's transpose.
    assert torch.allclose(paper, released.transpose(1, 2))


def test_relation_is_the_softmax_of_the_gram_matrix():
    heatmaps = 0.1 * torch.randn(1, 3, 4, 4)
    flat = heatmaps[0].reshape(3, 16)
    expected = torch.zeros(3, 3)
    for i in range(3):
        weights = torch.tensor([float(flat[i] @ flat[j]) for j in range(3)]).exp()
        expected[i] = weights / weights.sum()
    assert torch.allclose(JointRelationExtractor(3).relation(heatmaps)[0], expected, atol=1e-6)


def test_paper_layout_mixes_joints_at_each_pixel_and_released_does_not():
    """In the paper's layout pixel p of Z depends on pixel p of M alone, the relation given."""
    for layout, local in (("paper", True), ("released", False)):
        torch.manual_seed(0)
        jre = JointRelationExtractor(5, layout).eval()
        torch.nn.init.ones_(jre.o[1].weight)
        heatmaps = torch.rand(1, 5, 8, 8)
        relation = jre.relation(heatmaps)
        changed = heatmaps.clone()
        changed[0, 2, 3, 4] += 1
        moved = (jre.apply_relation(changed, relation) - jre.apply_relation(heatmaps, relation)).abs().sum(dim=(0, 1)) > 1e-6
        moved[3, 4] = False
        assert moved.any() != local


def test_jre_has_390_parameters_for_13_joints():
    assert sum(p.numel() for p in JointRelationExtractor(13).parameters()) == 390


def test_a_manual_graph_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="13 x 13"):
        JointRelationExtractor(13, graph=[[1.0, 0.0], [0.0, 1.0]])


def test_a_manual_graph_starts_as_the_skeletons():
    start = torch.tensor(small(relation="manual").start_graph())
    assert torch.equal(start, start.T) and (start.diagonal() == 1).all() and start.sum() > 13
    assert small(skeleton=None).start_graph() == small().start_graph() == get_skeleton("penn_action").graph
    assert torch.equal(torch.tensor(RPSTNConfig(joints=5).start_graph()), torch.eye(5))


# The global matching and the propagator


def loop_matching(features, kernels):
    """The definition, written out."""
    batch, channels, height, width = features.shape
    radius = kernels.shape[-1] // 2
    out = torch.zeros_like(features)
    for b in range(batch):
        for c in range(channels):
            for y in range(height):
                for x in range(width):
                    for v in range(-radius, radius + 1):
                        for u in range(-radius, radius + 1):
                            if 0 <= y + v < height and 0 <= x + u < width:
                                out[b, c, y, x] += kernels[b, c, v + radius, u + radius] * features[b, c, y + v, x + u]
    return out


@pytest.mark.parametrize("side", [1, 3, 5])
def test_matching_is_its_definition(side):
    features, kernels = torch.randn(2, 2, 5, 6), torch.randn(2, 2, side, side)
    assert torch.allclose(global_matching(features, kernels), loop_matching(features, kernels), atol=1e-5)


def test_matching_has_the_right_gradients():
    features = torch.randn(2, 3, 6, 5, dtype=torch.double, requires_grad=True)
    kernels = torch.randn(2, 3, 3, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(global_matching, (features, kernels))


def test_matching_refuses_even_kernels_and_other_shapes():
    with pytest.raises(ValueError, match="odd"):
        global_matching(torch.rand(1, 2, 8, 8), torch.rand(1, 2, 4, 4))
    with pytest.raises(ValueError, match=r"\(1, 3, 3, 3\)"):
        global_matching(torch.rand(1, 2, 8, 8), torch.rand(1, 3, 3, 3))


@pytest.mark.parametrize(("features", "side"), [(64, 7), (48, 5), (32, 3), (16, 1), (40, 4), (56, 6)])
def test_kernels_follow_from_the_size(features, side):
    assert kernel_side(features) == side
    propagator = PoseSemanticsPropagator(3, 4).eval()
    assert propagator(torch.rand(1, 3, features, features), torch.rand(1, 4, features, features)).shape == (
        1,
        4,
        side,
        side,
    )


# Backbones


@pytest.mark.parametrize("name", list(BACKBONES))
def test_backbones_give_a_quarter_of_the_size(name):
    backbone = PoseResNet(name).eval()
    with torch.inference_mode():
        assert backbone(torch.rand(1, 3, 64, 96)).shape == (1, backbone.channels, 16, 24)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(ValueError, match="resnet50"):
        PoseResNet("resnet51")


# The whole network


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_shapes_of_every_variant(changes):
    config = small(**changes)
    out = RPSTN(config).eval()(torch.rand(2, 3, 3, 128, 128))
    assert out.heatmaps.shape == (2, 3, 13, 32, 32)
    assert (out.relations is None) == (config.relation == "off")
    assert out.relations is None or out.relations.shape == (2, 3, 13, 13)
    assert (out.kernels is None) == (config.propagation != "matching")
    assert out.kernels is None or out.kernels.shape == (2, 2, 64, 3, 3)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_streaming_gives_the_clips_numbers(changes):
    model = trained_a_little(small(**changes))
    frames = torch.randn(2, 4, 3, 64, 64)
    with torch.inference_mode():
        clip, state = model(frames), None
        for t in range(4):
            step, state = model.step(frames[:, t], state)
            assert torch.allclose(step.heatmaps[:, 0], clip.heatmaps[:, t], rtol=1e-4, atol=1e-4 * clip.heatmaps.abs().max())
            assert (step.kernels is None) == (t == 0 or clip.kernels is None)


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_a_batch_equals_its_clips_one_by_one(changes):
    model = trained_a_little(small(**changes))
    frames = torch.randn(3, 3, 3, 64, 64)
    with torch.inference_mode():
        together = model(frames).heatmaps
        alone = torch.cat([model(frames[b : b + 1]).heatmaps for b in range(3)])
    assert torch.allclose(together, alone, rtol=1e-4, atol=1e-4 * together.abs().max())


def test_frames_depend_on_the_past_only_and_only_with_propagation():
    frames = torch.randn(1, 4, 3, 64, 64)
    other = frames.clone()
    other[:, 1] = torch.randn(1, 3, 64, 64)
    for propagation, carried in (("matching", True), ("concat", True), ("none", False)):
        model = trained_a_little(small(propagation=propagation))
        with torch.inference_mode():
            moved = (model(frames).heatmaps - model(other).heatmaps).abs().amax(dim=(0, 2, 3, 4)) > 0
        assert moved.tolist() == [False, True, carried, carried]


def test_sizes_with_even_kernels_are_refused():
    model = RPSTN(small())
    for size in (160, 224, 100):
        with pytest.raises(ValueError, match="128"):
            model(torch.rand(1, 2, 3, size, size))


# Biases without a gradient: a constant that reaches a normalization in training is subtracted again with the mean.
SUBTRACTED = {
    "relation.o.0.bias",  # directly
    *(f"propagator.semantics.{layer}.bias" for layer in (0, 4, 8, 12)),
    *("propagator.fuse.bias", "fuse.bias", "join.bias"),  # through an unpadded convolution
    "relation.o.1.bias",  # through the addition of M
}
SUBTRACTED_WITHOUT_RELATION = {f"{head}.{part}.bias" for head in ("head", "initializer_head") for part in ("norm", "conv")}


@pytest.mark.parametrize("changes", VARIANTS, ids=str)
def test_all_parameters_learn(changes):
    torch.manual_seed(0)
    model = RPSTN(small(**changes)).train()
    if model.config.relation != "off":  # the JRE starts as the identity, behind a weight of zero
        torch.nn.init.ones_(model.relation.o[1].weight)
    if model.config.propagation == "matching":  # the kernels start as a delta, what is learned behind a weight of a hundredth
        torch.nn.init.constant_(model.propagator.semantics[-1].weight, 1 / 9)
    heatmaps = model(torch.randn(2, 3, 3, 64, 64)).heatmaps
    (heatmaps - torch.rand_like(heatmaps)).square().mean().backward()
    moved = {
        name: 0.0 if parameter.grad is None else parameter.grad.abs().sum().item() for name, parameter in model.named_parameters()
    }
    # Rounding leaves about 1e-8 where the gradient is zero; where it is not, the smallest is about 4e-5.
    idle = {name for name, gradient in moved.items() if gradient < 1e-6}
    assert idle <= SUBTRACTED | (SUBTRACTED_WITHOUT_RELATION if model.config.relation == "off" else set())
    assert min(gradient for name, gradient in moved.items() if name not in idle) > 1e-5


@pytest.mark.parametrize(
    "wrong",
    [{"jonts": 13}, {"joints": 0}, {"joints": 13, "propagation": "matchin"}, {"joints": 12, "skeleton": "penn_action"},
     {"joints": 13, "encoder": "resnet20"}, {"joints": 13, "relation_scale": "half"}],
)  # fmt: skip
def test_settings_that_do_not_exist_are_refused(wrong):
    with pytest.raises((TypeError, ValueError)):
        RPSTNConfig(**wrong)


# Checkpoints


@pytest.mark.parametrize("half", [False, True])
def test_checkpoints_come_back(tmp_path, half):
    model = trained_a_little(small())
    save_checkpoint(tmp_path / "a.pt", model, METADATA, half=half)
    again, metadata = load_checkpoint(tmp_path / "a.pt")
    assert not again.training and metadata["skeleton"] == "penn_action" and again.config == model.config
    frames = torch.randn(1, 3, 3, 64, 64)
    with torch.inference_mode():
        ours, theirs = model(frames).heatmaps, again(frames).heatmaps
    assert (ours - theirs).abs().max() <= (0.05 if half else 0) * ours.abs().max()
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"], "something half-written was left"


def test_a_broken_checkpoint_is_named(tmp_path):
    (tmp_path / "broken.pt").write_bytes(b"no checkpoint")
    torch.save({"weights": 1}, tmp_path / "foreign.pt")
    for name in ("broken.pt", "foreign.pt", "missing.pt"):
        with pytest.raises(UserError, match=name):
            load_checkpoint(tmp_path / name)


def test_variants_start_from_one_encoder(tmp_path):
    """Every variant takes over encoder and head, and RPSTN's first frame answers as the encoder did."""
    before = trained_a_little(small(propagation="none", relation="off"))
    save_checkpoint(tmp_path / "encoder.pt", before, METADATA)
    frames = torch.randn(2, 3, 3, 64, 64)
    for changes in VARIANTS:
        model = RPSTN(small(**changes)).eval()
        copied = start_from(model, tmp_path / "encoder.pt")
        assert {"encoder", "head"} <= set(copied)
        with torch.inference_mode():
            assert torch.allclose(model(frames).heatmaps[:, 0], before(frames).heatmaps[:, 0], atol=1e-5)


def test_starting_from_another_skeleton_is_refused(tmp_path):
    save_checkpoint(tmp_path / "a.pt", RPSTN(small()), METADATA)
    with pytest.raises(UserError, match="sub_jhmdb"):
        start_from(RPSTN(small(joints=15, skeleton="sub_jhmdb")), tmp_path / "a.pt")


def test_the_last_normalization_starts_as_the_identity_on_heatmaps_of_the_targets_scale():
    """Whole targets, as a perfect head would write them, pass unchanged in evaluation and nearly so in training."""
    side, sigma = 32, 1.5
    mean, deviation = target_statistics(sigma, side)
    joints = torch.rand(64, 13, 2) * 40 + 44
    heatmaps = encode(joints, (side, side), 4, sigma)
    assert heatmaps.mean().item() == pytest.approx(mean, rel=0.02)
    assert heatmaps.std(dim=(-2, -1)).mean().item() == pytest.approx(deviation, rel=0.02)
    model = RPSTN(small(propagation="none"))
    model.expect_targets(mean, deviation)
    with torch.no_grad():
        assert torch.allclose(model.eval().norm(heatmaps), heatmaps, atol=1e-5)
        assert torch.allclose(model.train().norm(heatmaps), heatmaps, atol=0.03)


def test_frame_by_frame_the_heads_heatmaps_are_the_answer():
    model = RPSTN(small(propagation="none", relation="off")).eval()
    frames = torch.randn(2, 1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(model(frames).heatmaps[:, 0], model.head(model.encoder(frames[:, 0])))
