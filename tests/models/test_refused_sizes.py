"""Networks of no joints, heatmaps of no size and shapes that do not fit: refused where they are given, by name."""

import numpy as np
import pytest
import torch

import rpstn
from rpstn.heatmaps import decode, encode, heatmap_loss, target_statistics
from rpstn.models.hrnet import HRNet
from rpstn.models.image import ImageConfig, SimpleBaseline, image_network, with_relation
from rpstn.models.relation import JointRelationExtractor

NOT_A_COUNT = [0, -1, -13, 2.0, 1.5, float("nan"), float("inf"), True, False, "13", None, [13], np.True_]
TAKE_JOINTS = {
    "JointRelationExtractor": rpstn.JointRelationExtractor,
    "RPSTNConfig": lambda joints: rpstn.RPSTNConfig(joints=joints, encoder="small", initializer="small"),
    "PoseSemanticsPropagator": lambda joints: rpstn.PoseSemanticsPropagator(joints, 8),
    "ImageConfig": lambda joints: ImageConfig("small", joints),
    "image_network": lambda joints: image_network("small", joints),
    "SimpleBaseline": lambda joints: SimpleBaseline("small", joints),
    "HRNet": lambda joints: HRNet("hrnet_w32", joints),
}


@pytest.mark.parametrize("name", TAKE_JOINTS)
@pytest.mark.parametrize("joints", NOT_A_COUNT, ids=repr)
def test_joints_are_a_whole_number_from_one_on(name, joints):
    with pytest.raises(ValueError, match="^joints must be a whole number of at least 1, not "):
        TAKE_JOINTS[name](joints)


@pytest.mark.parametrize("joints", [0, -1, 2.0, True, "13", [13]], ids=repr)  # None asks the network
def test_a_relation_is_plugged_onto_joints(joints):
    with pytest.raises(ValueError, match="^joints must be a whole number of at least 1, not "):
        with_relation(torch.nn.Conv2d(3, 13, 1), joints)


def test_one_joint_and_numpys_numbers_are_joints():
    heatmaps = torch.rand(2, 1, 8, 8)
    assert torch.equal(rpstn.JointRelationExtractor(1).eval()(heatmaps), heatmaps)
    config = rpstn.RPSTNConfig(joints=np.int64(13), encoder="small", initializer="small")
    assert config == rpstn.RPSTNConfig(joints=13, encoder="small", initializer="small") and type(config.joints) is int
    assert rpstn.JointRelationExtractor(np.int32(3)).g.in_channels == 3


@pytest.mark.parametrize("channels", NOT_A_COUNT, ids=repr)
def test_channels_are_a_whole_number_from_one_on(channels):
    with pytest.raises(ValueError, match="^channels must be a whole number of at least 1, not "):
        rpstn.PoseSemanticsPropagator(13, channels)


GRAPHS = {
    "flat": [1.0, 2.0, 3.0],
    "of two joints": np.eye(2).tolist(),
    "ragged": [[1.0, 0.0, 0.0], [1.0], [0.0, 1.0, 0.0]],
    "NaN": [[float("nan")] * 3] * 3,
    "infinite": [[float("inf")] * 3] * 3,
    "words": [["a"] * 3] * 3,
    "a number": 3.0,
    "nothing": [],
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_graph_is_square_and_finite(name):
    with pytest.raises(ValueError, match="^graph must be 3 x 3 finite numbers"):
        rpstn.JointRelationExtractor(3, graph=GRAPHS[name])
    with pytest.raises(ValueError, match="^graph must be 3 x 3 finite numbers"):
        rpstn.RPSTNConfig(joints=3, encoder="small", initializer="small", relation="manual", graph=GRAPHS[name])


def test_heatmaps_are_a_tensor():
    extractor = JointRelationExtractor(13)
    for call in (extractor, extractor.relation):
        with pytest.raises(TypeError, match=r"^heatmaps must be a tensor of torch, not ndarray; give torch.as_tensor"):
            call(np.zeros((1, 13, 8, 8), np.float32))


@pytest.mark.parametrize("shape", [(1, 12, 8, 8), (1, 14, 8, 8), (13, 8, 8), (1, 1, 13, 8, 8), (13,)])
def test_heatmaps_of_other_joints_are_refused(shape):
    extractor = JointRelationExtractor(13)
    for call in (extractor, extractor.relation, lambda maps: extractor.apply_relation(maps, torch.eye(13)[None])):
        with pytest.raises(ValueError, match=r"^heatmaps must be \(B,13,H,W\)"):
            call(torch.zeros(shape))


@pytest.mark.parametrize(
    ("heatmaps", "features", "reason"),
    [
        ((2, 13, 16, 16), (2, 7, 16, 16), "the propagator takes"),
        ((2, 12, 16, 16), (2, 8, 16, 16), "the propagator takes"),
        ((1, 13, 16, 16), (2, 8, 16, 16), "the propagator takes"),
        ((2, 13, 16, 16), (2, 8, 32, 32), "the propagator takes"),
        ((13, 16, 16), (8, 16, 16), "the propagator takes"),
        ((2, 13, 8, 8), (2, 8, 8, 8), "too small for a kernel"),
        ((2, 13, 32, 1), (2, 8, 32, 1), "too small for a kernel"),
    ],
)
def test_what_a_propagator_takes(heatmaps, features, reason):
    with pytest.raises(ValueError, match=reason):
        rpstn.PoseSemanticsPropagator(13, 8)(torch.zeros(heatmaps), torch.zeros(features))


@pytest.mark.parametrize("deviation", [0, -0.1, float("nan"), float("inf"), True, "0.05", None], ids=repr)
def test_a_deviation_is_positive(deviation):
    with pytest.raises(ValueError, match="^heatmap_std must be a finite number above 0"):
        rpstn.PoseSemanticsPropagator(13, 8, deviation)


@pytest.mark.parametrize(
    ("features", "kernels", "reason"),
    [
        ((2, 3, 8, 8), (2, 3, 4, 4), "odd kernel side, not 4"),
        ((2, 3, 8, 8), (2, 3, 0, 0), "odd kernel side, not 0"),
        ((2, 3, 8, 8), (2, 3, 3, 5), "takes features"),
        ((2, 3, 8, 8), (1, 3, 3, 3), "takes features"),
        ((2, 3, 8, 8), (2, 4, 3, 3), "takes features"),
        ((3, 8, 8), (3, 3, 3), "takes features"),
        ((2, 3, 8, 8), (3, 3), "takes features"),
        ((0, 3, 8, 8), (0, 3, 3, 3), "at least one value"),
        ((2, 0, 8, 8), (2, 0, 3, 3), "at least one value"),
        ((2, 3, 0, 8), (2, 3, 3, 3), "at least one value"),
    ],
)
def test_what_a_matching_takes(features, kernels, reason):
    with pytest.raises(ValueError, match=reason):
        rpstn.global_matching(torch.zeros(features), torch.zeros(kernels))


def test_a_matching_takes_floating_point():
    with pytest.raises(ValueError, match="in floating point, not .* torch.int64"):
        rpstn.global_matching(torch.zeros(1, 2, 8, 8, dtype=torch.int64), torch.zeros(1, 2, 3, 3))


@pytest.mark.parametrize("size", [(0, 8), (8, -1), (8.0, 8), (True, 8), (8,), (8, 8, 8), 8, None, "88"], ids=repr)
def test_heatmaps_have_a_size(size):
    with pytest.raises(ValueError, match="(h|w|size) must be"):
        encode(torch.zeros(13, 2), size)


@pytest.mark.parametrize("value", [0, -2.0, float("nan"), float("inf"), True, "2", None], ids=repr)
def test_stride_and_sigma_are_positive(value):
    with pytest.raises(ValueError, match="^stride must be a finite number above 0"):
        encode(torch.zeros(13, 2), (8, 8), value)
    with pytest.raises(ValueError, match="^sigma must be a finite number above 0"):
        encode(torch.zeros(13, 2), (8, 8), 4, value)
    with pytest.raises(ValueError, match="^stride must be a finite number above 0"):
        decode(torch.zeros(13, 8, 8), value)
    with pytest.raises(ValueError, match="^sigma must be a finite number above 0"):
        target_statistics(value, 32)


def test_shapes_of_heatmaps():
    with pytest.raises(ValueError, match="^size must be a whole number"):
        target_statistics(2.0, 0)
    for shape in ((13,), (13, 3), (2, 13, 1)):
        with pytest.raises(ValueError, match=r"joints must be \(..., K, 2\)"):
            encode(torch.zeros(shape), (8, 8))
    for shape in ((8,), (13, 0, 8), (13, 8, 0)):
        with pytest.raises(ValueError, match="with at least one pixel"):
            decode(torch.zeros(shape))
    maps, seen = torch.zeros(2, 3, 13, 8, 8), torch.ones(2, 3, 13)
    assert heatmap_loss(maps, maps, seen) == 0
    # Each of these would be broadcast, or summed over other axes.
    for wrong in ((maps[:1], maps, seen), (maps, maps[:, :1], seen), (maps, maps, seen[:, :1]), (maps, maps, seen[..., None])):
        with pytest.raises(ValueError, match="of one shape"):
            heatmap_loss(*wrong)
