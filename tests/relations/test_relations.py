"""Relations: measures by hand, and baselines."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.models import RPSTN, RPSTNConfig
from rpstn.relations import (
    asymmetry,
    baseline_relations,
    collect,
    cycle_residual,
    entropy,
    ideal_relations,
    off_diagonal_mass,
    off_diagonal_weight,
    strongest,
)
from rpstn.relations.baselines import untrained
from rpstn.skeletons import get_skeleton

SKELETON = get_skeleton("penn_action")
METADATA = {"skeleton": "penn_action", "size": 64, "sigma": 1.0, "input": "rgb_imagenet"}


class Noise:
    size = (80, 80)

    def __init__(self, length, seed):
        self.pixels = np.random.default_rng(seed).integers(0, 255, (length, 80, 80, 3), dtype=np.uint8)

    def __len__(self):
        return len(self.pixels)

    def read(self, indices):
        return self.pixels[list(indices)]


def dataset_of(lengths):
    clips = []
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        clips.append(
            Clip(
                f"{number}", f"{number}", ("walk", "jump")[number % 2],
                rng.uniform(10, 70, (length, 13, 2)).astype(np.float32),
                np.full((length, 13), VISIBLE, np.uint8),
                np.tile(np.float32([5, 5, 70, 70]), (length, 1)), Noise(length, number),
            )
        )  # fmt: skip
    return ClipDataset("made", SKELETON, "test", Path("."), tuple(clips))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    config = RPSTNConfig(joints=13, skeleton="penn_action", encoder="small", initializer="small")
    network = RPSTN(config)
    # As after training: the JRE's own contribution is not zero any more.
    torch.nn.init.constant_(network.relation.o[1].weight, 1.0)
    with torch.no_grad():
        network.train()(torch.randn(2, 3, 3, 64, 64))
    return network.eval()


def test_measures_by_hand():
    identity, uniform = np.eye(4), np.full((4, 4), 0.25)
    given = np.array([[0.5, 0.5, 0, 0], [0, 1, 0, 0], [0, 0, 0.9, 0.1], [0, 0, 0.3, 0.7]])
    np.testing.assert_allclose(off_diagonal_mass(np.stack([identity, uniform, given])), [0, 0.75, 0.9 / 4])
    np.testing.assert_allclose(entropy(identity), 0)
    np.testing.assert_allclose(entropy(uniform), 1)
    np.testing.assert_allclose(entropy(given)[0], 0.5)  # one bit of two
    np.testing.assert_allclose(entropy(given.T, axis=-2), entropy(given))
    np.testing.assert_allclose(off_diagonal_weight(np.stack([identity, uniform, given]))[:, 0], [0, 0.75, 0.5])
    # Layout "released": columns sum to 1, so the first row sums to 0.5 and all of it is the joint's own.
    np.testing.assert_allclose(off_diagonal_weight(given.T), [0, 1 / 3, 0.25, 1 / 8])
    assert np.isnan(off_diagonal_weight(np.array([[0, 0], [1, 1]]))[0])
    assert np.isnan(asymmetry(identity)) and asymmetry(uniform) == 0
    np.testing.assert_allclose(asymmetry(given), (0.5 + 0.2) / (0.5 + 0.4))


def test_around_three_joints_the_divisors_of_a_softmax_cancel():
    """In all triples: a Gram matrix that is not symmetric in one pair of the last joints is found."""
    rng = np.random.default_rng(0)
    gram = rng.normal(size=(4, 6, 6))
    gram = gram + np.swapaxes(gram, 1, 2)
    skewed = gram.copy()
    skewed[1, 4, 5] += 0.5
    softmax = [np.exp(g) / np.exp(g).sum(axis=2, keepdims=True) for g in (gram, skewed)]
    assert cycle_residual(softmax[0]).max() < 1e-12
    np.testing.assert_allclose(cycle_residual(softmax[1]), [0, 0.5, 0, 0], atol=1e-12)
    np.testing.assert_allclose(cycle_residual(np.swapaxes(softmax[1], 1, 2)), [0, 0.5, 0, 0], atol=1e-12)
    # Collapsed to the identity there is nothing to add up; 1e-42 has two digits left in float32.
    assert np.isnan(cycle_residual(np.stack([np.eye(6), np.eye(6) + 1e-42]))).all()


def test_the_strongest_pairs_are_named():
    relation = np.eye(13) * 0.5
    relation[5, 3], relation[2, 1] = 0.4, 0.2
    assert strongest(relation, SKELETON, 2) == [
        ("left_wrist", "left_elbow", 0.4),
        ("right_shoulder", "left_shoulder", 0.2),
    ]


def test_relations_are_collected_by_clip_and_action(model):
    dataset = dataset_of([4, 6, 5])
    found = collect(predict_clips(model, METADATA, dataset, progress=False), dataset)
    assert found.matrices.shape == (15, 13, 13)
    np.testing.assert_allclose(found.matrices.sum(axis=-1), 1, atol=1e-5)
    np.testing.assert_array_equal(found.clips, np.repeat([0, 1, 2], [4, 6, 5]))
    weights = {"walk": 9, "jump": 6}
    mean = sum(weights[action] * matrix for action, matrix in found.by_action().items()) / 15
    np.testing.assert_allclose(mean, found.mean(), atol=1e-6)


def test_a_network_without_relations_is_refused():
    dataset = dataset_of([3])
    config = RPSTNConfig(joints=13, encoder="small", initializer="small", relation="off", propagation="none")
    model = RPSTN(config).eval()
    with pytest.raises(UserError, match="relation"):
        collect(predict_clips(model, METADATA, dataset, progress=False), dataset)


def test_baselines(model):
    dataset = dataset_of([4, 3])
    found = baseline_relations(model, METADATA, dataset)
    for name, matrix in found.items():
        np.testing.assert_allclose(matrix.sum(axis=-1), 1, atol=1e-5, err_msg=name)
    assert [len(matrices) for matrices in found.values()] == [1, 1, 7, 7]
    np.testing.assert_array_equal(found["identity"][0], np.eye(13))
    learned = collect(predict_clips(model, METADATA, dataset, progress=False), dataset).mean()
    assert np.abs(found["untrained"].mean(axis=0) - learned).max() > 1e-3
    assert 0.01 < off_diagonal_mass(found["untrained"].mean(axis=0)) < 12 / 13 - 0.01


def test_baselines_have_the_networks_layout():
    """Where columns sum to 1, those of ideal heatmaps do so too: the transpose of the paper's layout."""
    dataset = dataset_of([4, 3])
    torch.manual_seed(1)
    network = RPSTN(RPSTNConfig(joints=13, encoder="small", propagation="none", relation_layout="released")).eval()
    found = baseline_relations(network, METADATA, dataset)
    for name, matrix in found.items():
        np.testing.assert_allclose(matrix.sum(axis=-2), 1, atol=1e-5, err_msg=name)
    paper = ideal_relations(dataset, METADATA).matrices
    np.testing.assert_allclose(found["ideal heatmaps"], np.swapaxes(paper, 1, 2), atol=1e-6)
    assert np.abs(paper - np.swapaxes(paper, 1, 2)).max() > 1e-3


def test_untrained_networks_are_seeded_and_leave_the_generator_alone(model):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one, two, other = untrained(model, 0), untrained(model, 0), untrained(model, 1)
    torch.testing.assert_close(torch.rand(3), expected)
    same = [torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True)]
    assert all(same)
    assert not all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(one.parameters(), model.parameters(), strict=True))


def test_ideal_relations_follow_from_the_distances():
    """Two Gaussians of deviation s at distance d overlap by pi s^2 exp(-d^2 / (4 s^2))."""
    dataset = dataset_of([2])
    joints = np.tile(np.float32([[15 + 4 * k, 40] for k in range(13)]), (2, 1, 1))
    visibility = np.full((2, 13), VISIBLE, np.uint8)
    visibility[1, 12] = ABSENT
    clip = Clip("a", "a", "walk", joints, visibility, dataset[0].boxes, Noise(2, 0))
    dataset = ClipDataset("made", SKELETON, "test", Path("."), (clip,))
    size, sigma = 256, 2.0
    found = ideal_relations(dataset, {"size": size, "sigma": sigma}).matrices
    pixels = 4 * size / (70 * 1.25) / 4  # distance of neighbors on the heatmap
    apart = pixels * np.abs(np.arange(13)[:, None] - np.arange(13))
    gram = np.pi * sigma**2 * np.exp(-(apart**2) / (4 * sigma**2))
    expected = np.exp(gram) / np.exp(gram).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found[0], expected, atol=1e-3)
    np.testing.assert_allclose(found[1, 12], 1 / 13, atol=1e-6)  # an empty map takes from all alike
