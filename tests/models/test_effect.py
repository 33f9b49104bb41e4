"""A relation that does nothing is called so, whatever it looks like; one that does something is not."""

import numpy as np
import pytest
import torch

from rpstn.errors import UserError
from rpstn.models import RPSTN, RPSTNConfig, load_checkpoint
from rpstn.models.effect import RelationEffect, relation_effect
from rpstn.models.files import find_weights


def network(weight, **changes):
    torch.manual_seed(0)
    model = RPSTN(RPSTNConfig(joints=13, encoder="small", initializer="small", **changes)).eval()
    if model.relation is not None:
        torch.nn.init.constant_(model.relation.o[1].weight, weight)
        torch.nn.init.constant_(model.relation.o[1].bias, 0.3)
    return model


FRAMES = torch.randn(2, 2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("changes", [{}, {"propagation": "none"}, {"relation_layout": "released"}, {"carry": "gated"}])
def test_a_last_normalization_at_zero_has_no_effect(changes):
    """Its bias adds a constant to each map, which moves no joint and is no part of what the relation says."""
    effect = relation_effect(network(0.0, **changes), FRAMES)
    assert effect.moved == 0 and effect.branch < 1e-3 and effect.joints == 2 * 2 * 13 and effect.none
    assert effect.words.endswith("1 px (its branch is 0.0 % of the maps): this relation has no effect")


def test_a_relation_that_mixes_joints_has_an_effect():
    model = network(20.0)
    with torch.no_grad():
        model.relation.g.weight.copy_(10 * torch.eye(13)[torch.randperm(13)][..., None, None])
        for parameter in model.relation.graph or ():
            parameter.zero_()
    hook = model.relation.gram.register_forward_hook(lambda module, inputs, gram: torch.zeros_like(gram))  # uniform weights
    effect = relation_effect(model, FRAMES)
    hook.remove()
    assert effect.moved > 0.1 and effect.branch > 0.5 and not effect.none and "no effect" not in effect.words
    assert not model.relation.softmax._forward_hooks and not model.relation.o._forward_hooks, "hooks are gone"


def test_networks_without_relations_are_refused_and_measurements_are_pooled():
    with pytest.raises(UserError, match="no relations"):
        relation_effect(network(1.0, relation="off"), FRAMES)
    pooled = RelationEffect.pooled([RelationEffect(0.0, 0.1, 30), RelationEffect(0.04, 0.3, 10)])
    assert (pooled.moved, pooled.branch, pooled.joints) == pytest.approx((0.01, 0.15, 40)) and not pooled.none
    assert not RelationEffect(0.0, 0.15, 39).none and RelationEffect(0.0, 0.15, 390).none and RelationEffect(0.0, 0.005, 39).none
    with pytest.raises(ValueError, match="no joints"):
        RelationEffect.pooled([])


def test_the_shipped_network_for_real_people_says_that_its_relation_does_nothing():
    """The weights of its last normalization ended at 0.0008 at most. Where another network is shipped, this test goes."""
    model, metadata = load_checkpoint(find_weights(None))
    size = metadata["size"]
    images = torch.from_numpy(np.random.default_rng(0).random((3, 1, 3, size, size), np.float32) - 0.5)
    effect = relation_effect(model, images)
    assert effect.none and effect.branch < 0.01 and "this relation has no effect" in effect.words
