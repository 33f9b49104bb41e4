"""Interventions: what each does to a relation, that they reach the network and leave it as it was, and what they cost."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rpstn.datasets.clip import ABSENT, VISIBLE, Clip, ClipDataset
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips
from rpstn.heatmaps import decode
from rpstn.metrics import summarize
from rpstn.metrics.scores import samples
from rpstn.models import RPSTN, JointRelationExtractor, RPSTNConfig
from rpstn.models.checkpoints import load_checkpoint
from rpstn.relations import Relations, variance_shares, weaker_takes_more
from rpstn.relations.effects import MEASURES, own_effect, pair_matrix, values_at
from rpstn.relations.interventions import NAMES, Cut, Fixed, Intervention, Permuted, all_pairs, intervened, named, watched
from rpstn.relations.study import CutPlan, StudySettings, study
from rpstn.skeletons import get_skeleton

SKELETON = get_skeleton("penn_action")
METADATA = {"skeleton": "penn_action", "size": 64, "sigma": 1.0, "input": "rgb_imagenet"}
VARIANTS = {
    "rpstn": {},
    "without_propagation": {"propagation": "none"},
    "concat": {"propagation": "concat"},
    "released layout": {"relation_layout": "released"},
    "manual graph": {"relation": "manual"},
}


class Noise:
    size = (80, 80)

    def __init__(self, length, seed):
        self.pixels = np.random.default_rng(seed).integers(0, 255, (length, 80, 80, 3), dtype=np.uint8)

    def __len__(self):
        return len(self.pixels)

    def read(self, indices):
        return self.pixels[list(indices)]


def dataset_of(*lengths):
    clips = []
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        visibility = np.full((length, 13), VISIBLE, np.uint8)
        visibility[0, number % 13] = ABSENT
        joints = rng.uniform(10, 70, (length, 13, 2)).astype(np.float32)
        boxes = np.tile(np.float32([5, 5, 70, 70]), (length, 1))
        clips.append(Clip(f"{number}", f"s{number // 2}", "walk", joints, visibility, boxes, Noise(length, number)))
    return ClipDataset("made", SKELETON, "test", Path("."), tuple(clips))


def network(learned=True, **settings):
    torch.manual_seed(1)
    model = RPSTN(RPSTNConfig(joints=13, skeleton="penn_action", encoder="small", initializer="small", **settings))
    if learned:  # as after training: what the JRE adds is not zero any more
        torch.nn.init.constant_(model.relation.o[1].weight, 1.0)
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None  # the statistics of these very frames: what is carried is not lost on the way
    with torch.no_grad():
        model.train()(torch.randn(2, 3, 3, 64, 64))
    return model.eval()


@pytest.fixture(scope="module", params=VARIANTS)
def model(request):
    return network(**VARIANTS[request.param])


def hooks(model):
    """What is left on a network: nothing, outside a block."""
    return [hook for part in model.modules() for hook in (*part._forward_hooks.values(), *part._forward_pre_hooks.values())]


@pytest.fixture(scope="module")
def plain():
    return network()


def relations(count=5, joints=13, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).dirichlet(np.full(joints, 0.5), (count, joints)).astype(np.float32))


# What each does to a relation


def test_fixed_relations_are_the_same_for_every_frame():
    own = relations()
    for name, expected in (("identity", np.eye(13)), ("uniform", np.full((13, 13), 1 / 13))):
        changed = named(name, SKELETON).apply(own)
        np.testing.assert_allclose(changed, np.broadcast_to(expected, (5, 13, 13)), rtol=1e-6)
    average = own.numpy().mean(axis=0)
    np.testing.assert_allclose(named("average", SKELETON, average=average).apply(own)[3], average, rtol=1e-6)


@pytest.mark.parametrize("layout", ["paper", "released"])
def test_a_cut_takes_one_weight_and_keeps_the_rest_in_proportion(layout):
    own = relations() if layout == "paper" else relations().transpose(1, 2).contiguous()
    before = own.clone()
    changed = Cut.between(SKELETON, "left_wrist", "left_elbow").apply(own, layout)
    i, j = SKELETON.index("left_wrist"), SKELETON.index("left_elbow")
    assert torch.equal(own, before), "the relation that was given is not written into"
    assert (changed[:, i, j] == 0).all() and (own[:, i, j] > 0).all()
    np.testing.assert_allclose(changed.sum(dim=2 if layout == "paper" else 1), 1, atol=1e-5)
    untouched = torch.ones(13, 13, dtype=torch.bool)
    untouched[(i, slice(None)) if layout == "paper" else (slice(None), j)] = False
    assert torch.equal(changed[:, untouched], own[:, untouched])
    line, kept = (changed[:, i], own[:, i]) if layout == "paper" else (changed[:, :, j], own[:, :, j])
    rest = [k for k in range(13) if k != (j if layout == "paper" else i)]
    ratio = line[:, rest] / kept[:, rest]
    np.testing.assert_allclose(ratio, ratio[:, :1].expand_as(ratio), rtol=1e-4)


def test_cutting_a_pair_without_weight_changes_nothing_at_all():
    own = relations()
    own[:, 4, 9] = 0
    assert torch.equal(Cut(4, 9).apply(own), own)
    identity = torch.eye(13)[None]
    assert torch.equal(Cut(2, 5).apply(identity), identity)
    assert (Cut(2, 2).apply(identity)[0, 2] == 0).all(), "nothing is left of a joint that had only itself"
    assert torch.isfinite(Cut(2, 2).apply(identity)).all()


def test_a_permutation_gives_the_relation_of_permuted_heatmaps():
    """Without a graph the JRE does not know joints by name, so the two commute; the inverse permutation undoes it."""
    order = Permuted.random(13, seed=3)
    heatmaps = torch.rand(2, 13, 16, 16) * 0.3
    extractor = JointRelationExtractor(13)
    own = extractor.relation(heatmaps)
    torch.testing.assert_close(extractor.relation(heatmaps[:, list(order.order)]), order.apply(own))
    back = Permuted(tuple(np.argsort(order.order).tolist()))
    assert torch.equal(back.apply(order.apply(own)), own)
    np.testing.assert_allclose(
        np.sort(order.apply(own)[0].diagonal().numpy()), np.sort(own[0].diagonal().numpy()), err_msg="own weights stay own"
    )
    assert all(i != k for i, k in enumerate(order.order)) and order == Permuted.random(13, seed=3) != Permuted.random(13, seed=4)


def test_what_is_no_intervention_is_refused():
    with pytest.raises(UserError, match="'idendity'.*identity, average, uniform, permuted"):
        named("idendity", SKELETON)
    with pytest.raises(UserError, match="no joint 'left_toe'"):
        named("cut:left_wrist:left_toe", SKELETON)
    with pytest.raises(UserError, match="average relation"):
        named("average", SKELETON)
    with pytest.raises(UserError, match="no permutation"):
        Permuted((0, 0, 1))
    with pytest.raises(UserError, match="K x K"):
        Fixed(np.ones((2, 3)))
    with pytest.raises(UserError, match="not among 13 joints"):
        Cut(1, 13).apply(relations())
    for intervention in (Fixed.identity(15), Permuted.random(15)):
        with pytest.raises(UserError, match="15 joints, the network has 13"):
            intervention.apply(relations())
    with pytest.raises(UserError, match="every is 0"):
        CutPlan(every=0)
    with pytest.raises(UserError, match="carried is -1"):
        CutPlan(carried=-1)
    assert named("cut:left_wrist:left_elbow", SKELETON) == Cut(5, 3)


# In the network


def test_interventions_reach_the_network_and_end(plain):
    data = dataset_of(4)

    def run():
        return predict_clips(plain, METADATA, data, progress=False)

    own = run()
    with intervened(plain, Intervention()):
        np.testing.assert_array_equal(run().confidence[0], own.confidence[0])
    with intervened(plain, Fixed.identity(13)):
        identity = run()
    np.testing.assert_array_equal(identity.relations[0], np.broadcast_to(np.eye(13), (4, 13, 13)))
    assert np.abs(identity.confidence[0] - own.confidence[0]).max() > 1e-4
    np.testing.assert_array_equal(run().confidence[0], own.confidence[0])


def test_the_network_is_restored_after_an_exception_and_inside_another_block(plain):
    heatmaps = torch.rand(1, 13, 16, 16)
    own = plain.relation.relation(heatmaps)
    with pytest.raises(RuntimeError, match="stop"), intervened(plain, Cut(0, 1)):
        raise RuntimeError("stop")
    assert torch.equal(plain.relation.relation(heatmaps), own) and not hooks(plain)
    with pytest.raises(UserError), intervened(plain, Fixed.identity(15)):
        plain.relation(heatmaps)
    assert torch.equal(plain.relation.relation(heatmaps), own)
    with intervened(plain, Cut(0, 1)):
        outer = plain.relation.relation(heatmaps)
        with intervened(plain, Cut(2, 3)):
            inner = plain.relation.relation(heatmaps)
        assert inner[0, 0, 1] == inner[0, 2, 3] == 0
        assert torch.equal(plain.relation.relation(heatmaps), outer) and outer[0, 2, 3] > 0
    assert torch.equal(plain.relation.relation(heatmaps), own)


def test_at_its_start_the_jre_adds_nothing_so_no_intervention_changes_anything():
    fresh = network(learned=False)
    frames = torch.randn(1, 3, 3, 64, 64)
    with torch.no_grad():
        own = fresh(frames).heatmaps
        for name in NAMES:
            with intervened(fresh, named(name, SKELETON, average=np.full((13, 13), 1 / 13))):
                assert torch.equal(fresh(frames).heatmaps, own), name


def test_a_network_without_relations_is_refused():
    bare = RPSTN(RPSTNConfig(joints=13, encoder="small", relation="off", propagation="none")).eval()
    with pytest.raises(UserError, match="no relations"), intervened(bare, Cut(0, 1)):
        pass
    with pytest.raises(UserError, match="no relations"):
        study(bare, METADATA, dataset_of(2), {}, progress=False)
    with pytest.raises(UserError, match="image network"):
        study(torch.nn.Identity(), METADATA, dataset_of(2), {}, progress=False)


def test_a_foreign_and_a_damaged_checkpoint_are_refused(plain, tmp_path):
    with pytest.raises(UserError, match="coco"):
        study(plain, {**METADATA, "skeleton": "coco"}, dataset_of(2), {}, progress=False)
    path = tmp_path / "best.safetensors"
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(UserError, match="cannot be read as a checkpoint"):
        load_checkpoint(path)


def test_what_is_watched_is_what_enters_and_comes_out(model):
    with torch.no_grad(), watched(model) as seen:
        output = model(torch.randn(2, 3, 3, 64, 64))
    relations = torch.cat([relation for _, relation in seen])
    assert len(relations) == 6 and not hooks(model)
    for heatmaps, relation in seen:
        torch.testing.assert_close(model.relation.relation(heatmaps), relation)
    np.testing.assert_allclose(
        np.sort(relations.numpy(), axis=0), np.sort(output.relations.flatten(0, 1).numpy(), axis=0), atol=1e-6
    )


# What they cost


def test_encode_and_locate_are_the_two_halves_of_a_call(model):
    frames = torch.randn(2, 3, 3, 64, 64)
    with torch.no_grad():
        whole, halves = model(frames), model.locate(model.encode(frames))
    for one, other in zip(whole, halves, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


def test_a_study_finds_what_predictions_find(model):
    data = dataset_of(5, 5, 3)
    cut = {"cut": Cut(3, 5), "identity": Fixed.identity(13)}
    done = study(model, METADATA, data, cut, StudySettings(window=4, batch=2), progress=False)
    assert list(done.truth.groups) == ["s0"] * 10 + ["s1"] * 3 and done.alone == {}
    own = predict_clips(model, METADATA, data, 4, batch=2, progress=False)
    with intervened(model, Cut(3, 5)):
        changed = predict_clips(model, METADATA, data, 4, batch=2, progress=False)
    # On average: in a row where two joints nearly tie, a softmax of sums over all pixels enlarges the last bits of a float.
    assert np.abs(done.relations - np.concatenate(own.relations)).mean() < 1e-5
    for found, predictions in ((done.own, own), (done.changed["cut"], changed)):
        right = samples(predictions, data, reference="person").correct
        np.testing.assert_array_equal(np.isnan(found.pck), np.isnan(right))
        assert summarize(found.pck).micro == pytest.approx(summarize(right).micro, abs=0.01)
        error = np.linalg.norm(np.concatenate(predictions.joints) - np.concatenate([clip.joints for clip in data]), axis=-1) / 70
        known = ~np.isnan(right)
        np.testing.assert_allclose(np.median(found.distance[known]), np.median(error[known]), rtol=1e-3)
    again = study(model, METADATA, data, cut, StudySettings(window=4, batch=2), progress=False)
    for name in MEASURES:
        np.testing.assert_array_equal(getattr(again.changed["identity"], name), getattr(done.changed["identity"], name))


def test_cut_maps_give_what_the_network_gives():
    """Without propagation a cut in one frame is a cut in all; with it, the two are the same in the first frame only."""
    pairs = [(3, 5), (0, 12), (7, 8)]
    cuts = {pair: Cut(*pair) for pair in pairs}
    for settings, every in (({"propagation": "none"}, 1), ({}, 4)):
        net, data = network(**settings), dataset_of(4, 4)
        done = study(net, METADATA, data, cuts, StudySettings(pairs=pairs, every=every, window=4), progress=False)
        expected = np.stack([done.own.loss(done.changed[pair])["height"][::every] for pair in pairs])
        np.testing.assert_allclose(done.alone["height"], expected, atol=2e-6)
        assert np.nanmax(np.abs(done.alone["height"])) > 1e-4, "the cut reached the heatmaps"
    later = study(net, METADATA, data, {}, StudySettings(pairs=pairs, window=4), progress=False).alone["height"]
    carried = np.stack([done.own.loss(done.changed[pair])["height"] for pair in pairs])
    assert np.nanmax(np.abs(later - carried)[:, [1, 2, 3, 5, 6, 7]]) > 2e-5, (
        "with propagation, a cut in all frames does more than one in a single frame"
    )


def test_one_frame_in_so_many_is_counted_over_all_clips(plain):
    """Batches of 8, 2 and 3 frames, one of them without a frame that is cut in."""
    data, pairs = dataset_of(5, 5, 3), [(3, 5), (7, 8)]
    whole = study(plain, METADATA, data, {}, StudySettings(pairs=pairs, window=4, batch=2), progress=False)
    some = study(plain, METADATA, data, {}, StudySettings(pairs=pairs, every=5, window=4, batch=2), progress=False)
    for name in MEASURES:
        assert whole.alone[name].shape == (2, 13, 13)
        np.testing.assert_allclose(some.alone[name], whole.alone[name][:, ::5], atol=1e-5)


def test_heatmaps_are_measured_and_not_kept(model):
    """On Penn Action they would fill the memory: what stays of them is one number a joint and frame."""
    data = dataset_of(4, 3)
    with watched(model) as seen:
        done = study(model, METADATA, data, {}, StudySettings(pairs=[(3, 5)], window=4, batch=1), progress=False)
    entered = torch.cat([heatmaps for heatmaps, _ in seen])
    assert len(entered) == 7 and entered.shape[1:] == (13, 16, 16)
    np.testing.assert_allclose(done.strength, entered.double().square().sum(dim=(2, 3)), rtol=1e-9)
    kept = [done.relations, done.strength, *done.alone.values(), *vars(done.truth).values(), *vars(done.own).values()]
    assert set(vars(done)) == {"truth", "own", "changed", "relations", "strength", "alone"}
    assert max(array.size for array in kept) <= 7 * 13 * 13


def test_losses_are_read_where_they_belong():
    pairs = all_pairs(4)
    assert len(pairs) == 12 and (2, 2) not in pairs and pairs[0] == (0, 1)
    losses = np.arange(12 * 2 * 4, dtype=float).reshape(12, 2, 4)
    own = own_effect(losses, pairs)
    assert own.shape == (2, 12) and own[1, 5] == losses[5, 1, pairs[5][0]]
    matrix = pair_matrix(range(1, 13), pairs, 4)
    assert (np.diag(matrix) == 0).all() and matrix[0, 1] == 1 and matrix[3, 2] == 12


def test_heights_are_read_between_pixels():
    maps = torch.rand(3, 2, 6, 8)
    at = values_at(maps, torch.tensor([[[2.0, 3.0], [7.0, 5.0]]] * 3))
    torch.testing.assert_close(at, torch.stack([maps[:, 0, 3, 2], maps[:, 1, 5, 7]], dim=1))
    between = values_at(maps, torch.tensor([[[2.5, 3.0], [1.0, 4.25]]] * 3))
    torch.testing.assert_close(between[:, 0], (maps[:, 0, 3, 2] + maps[:, 0, 3, 3]) / 2)
    torch.testing.assert_close(between[:, 1], 0.75 * maps[:, 1, 4, 1] + 0.25 * maps[:, 1, 5, 1])
    assert torch.isnan(values_at(maps, torch.tensor([[[-0.1, 3.0], [2.0, 5.01]]] * 3))).all()
    peak, confidence = decode(maps, 1.0, "none")
    torch.testing.assert_close(values_at(maps, peak), confidence)


def test_variance_is_shared_out_between_actions_sources_clips_and_frames():
    clips, frames = np.repeat(np.arange(8), 3), np.tile(np.arange(3), 8)
    actions, groups = np.array(["a", "b"])[clips // 4], np.array(["s", "t"])[clips // 2 % 2]  # two groups of each action
    base = np.broadcast_to(np.eye(3), (24, 3, 3)).copy()

    def shares(shift):
        changed = base.copy()
        changed[:, 0, 1] += shift
        return variance_shares(Relations(changed, clips, frames, actions, groups))

    parts = {"actions": 0.0, "groups": 0.0, "clips": 0.0, "frames": 0.0}
    assert shares((actions == "b").astype(float)) == pytest.approx(parts | {"actions": 1})
    assert shares((groups == "t").astype(float)) == pytest.approx(parts | {"groups": 1})
    assert shares((clips % 2).astype(float)) == pytest.approx(parts | {"clips": 1})
    assert shares(frames.astype(float)) == pytest.approx(parts | {"frames": 1})
    assert sum(shares(np.random.default_rng(0).random(24)).values()) == pytest.approx(1)
    assert np.isnan(shares(0.0)["clips"])


def test_the_weaker_joint_takes_more_where_the_softmax_is_over_rows():
    rng = np.random.default_rng(0)
    heatmaps = torch.from_numpy(
        rng.random((20, 6, 8, 8)).astype(np.float32) * rng.uniform(0.1, 0.6, (20, 6, 1, 1)).astype(np.float32)
    )
    strength = heatmaps.square().sum(dim=(2, 3)).numpy()
    taken = weaker_takes_more(JointRelationExtractor(6).relation(heatmaps).numpy(), strength)
    assert taken.shape == (20,) and taken.mean() > 0.95
    given = weaker_takes_more(JointRelationExtractor(6, layout="released").relation(heatmaps).numpy(), strength)
    np.testing.assert_allclose(taken + given, 1)
    assert weaker_takes_more(np.full((4, 4), 0.25), np.arange(4)) == 0.5
