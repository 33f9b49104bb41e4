"""Labels of one skeleton as those of another: what is the same joint, what is computed, what is absent."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, open_dataset
from rpstn.datasets.convert import RULES, convert_dataset, convert_joints, correspondence
from rpstn.errors import UserError
from rpstn.skeletons import COCO, LSP, MPII, PENN_ACTION, SKELETONS, SUB_JHMDB, Skeleton

SHARED = Path(__file__).parents[3] / "shared" / "data"
PAIRS = list(permutations(SKELETONS.values(), 2))


def labels(skeleton, frames=6, seed=0):
    generator = np.random.default_rng(seed)
    visibility = generator.integers(0, 3, (frames, len(skeleton))).astype(np.uint8)
    return generator.uniform(0, 200, (frames, len(skeleton), 2)).astype(np.float32), visibility


@pytest.mark.parametrize(("source", "target"), PAIRS, ids=lambda skeleton: skeleton.name)
def test_every_pair_keeps_sides_apart(source, target):
    """Mirroring before or after the conversion gives the same: no rule takes a left joint for a right one."""
    joints, visibility = labels(source)
    moved, seen = convert_joints(joints, visibility, source, target)
    assert moved.shape == (6, len(target), 2) and moved.dtype == np.float32 and seen.dtype == np.uint8
    flip, back = list(source.flip_permutation), list(target.flip_permutation)
    mirrored, also = convert_joints(joints[:, flip], visibility[:, flip], source, target)
    np.testing.assert_allclose(mirrored, moved[:, back], atol=1e-3)
    np.testing.assert_array_equal(also, seen[:, back])
    # Arms and legs of all of these have the same twelve joints.
    for side in ("left", "right"):
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"):
            if f"{side}_{part}" in source.joints and f"{side}_{part}" in target.joints:
                a, b = source.index(f"{side}_{part}"), target.index(f"{side}_{part}")
                np.testing.assert_array_equal(moved[:, b], joints[:, a])
                np.testing.assert_array_equal(seen[:, b], visibility[:, a])


def test_rules_are_weighted_means_of_joints_that_exist():
    known = {joint for skeleton in SKELETONS.values() for joint in skeleton.joints} | {"head_bottom"}
    for joint, rules in RULES.items():
        assert joint in known
        for rule in rules:
            assert sum(weight for _, weight in rule.parts) == pytest.approx(1)
            assert {part for part, _ in rule.parts} <= known and joint not in dict(rule.parts) and rule.note


def test_what_has_no_counterpart_is_absent():
    joints, visibility = labels(PENN_ACTION)
    visibility[:] = VISIBLE
    moved, seen = convert_joints(joints, visibility, PENN_ACTION, COCO)
    for part in ("nose", "left_eye", "right_eye", "left_ear", "right_ear"):
        assert (seen[:, COCO.index(part)] == ABSENT).all() and (moved[:, COCO.index(part)] == -1).all()
        assert correspondence(PENN_ACTION, COCO)[part] is None
    _, seen = convert_joints(joints, visibility, PENN_ACTION, LSP)
    # The end of the head cannot be had from its middle.
    assert (seen[:, LSP.index("head_top")] == ABSENT).all() and (seen[:, LSP.index("neck")] == VISIBLE).all()


def test_middles_and_heads():
    joints, visibility = np.zeros((1, 14, 2)), np.full((1, 14), VISIBLE)
    for name, place in {
        "left_shoulder": (60, 100), "right_shoulder": (40, 100), "left_hip": (56, 200), "right_hip": (44, 200),
        "neck": (50, 90), "head_top": (50, 50),
    }.items():  # fmt: skip
        joints[0, LSP.index(name)] = place

    def place(target, name):
        moved, seen = convert_joints(joints, visibility, LSP, target)
        return moved[0, target.index(name)].tolist(), seen[0, target.index(name)]

    assert place(MPII, "thorax") == ([50, 100], VISIBLE) and place(MPII, "pelvis") == ([50, 200], VISIBLE)
    assert place(MPII, "head_top") == ([50, 50], VISIBLE)
    assert place(PENN_ACTION, "head")[0] == place(SUB_JHMDB, "face")[0] == [50, 64]  # 90 - 0.65 * 40
    assert place(SUB_JHMDB, "belly")[0] == [50, 176] and place(SUB_JHMDB, "neck")[0] == [50, 90]
    table = correspondence(LSP, SUB_JHMDB)
    assert not table["neck"].exact and not table["face"].exact and table["left_hip"].exact
    assert correspondence(LSP, LSP)["neck"].exact


def test_a_computed_joint_is_as_visible_as_its_least_part():
    joints, visibility = labels(LSP, 3)
    visibility[:] = VISIBLE
    visibility[1, LSP.index("left_hip")] = OCCLUDED
    visibility[2, LSP.index("right_hip")] = ABSENT
    _, seen = convert_joints(joints, visibility, LSP, MPII)
    assert seen[:, MPII.index("pelvis")].tolist() == [VISIBLE, OCCLUDED, ABSENT]


def test_there_and_back_is_the_same_where_joints_are():
    joints, visibility = labels(PENN_ACTION)
    forth = convert_joints(joints, visibility, PENN_ACTION, SUB_JHMDB)
    back, seen = convert_joints(*forth, SUB_JHMDB, PENN_ACTION)
    np.testing.assert_array_equal(back, joints)
    np.testing.assert_array_equal(seen, visibility)


def test_wrong_input_is_named():
    joints, visibility = labels(PENN_ACTION)
    with pytest.raises(UserError, match="skeleton 'lsp', which has 14 joints"):
        convert_joints(joints, visibility, LSP, MPII)
    with pytest.raises(UserError, match="no labels of skeleton"):
        convert_joints(joints[..., 0], visibility, PENN_ACTION, LSP)
    hand = Skeleton("hand", ("thumb", "palm"), ((0, 1),), (), (0, 1), (0, 1))
    with pytest.raises(UserError, match="share no joint"):
        convert_joints(joints, visibility, PENN_ACTION, hand)


def test_a_data_set_with_its_further_truth(embedded_root):
    dataset = open_dataset("embedded", embedded_root, "test")
    moved = convert_dataset(dataset, SUB_JHMDB)
    assert moved.skeleton is SUB_JHMDB and (moved.name, moved.split, len(moved)) == (dataset.name, "test", len(dataset))
    assert moved.checksum() != dataset.checksum() and convert_dataset(dataset, PENN_ACTION) is dataset
    for before, after in zip(dataset, moved, strict=True):
        assert (after.id, after.group, after.action) == (before.id, before.group, before.action)
        assert after.frames is before.frames and after.joints.shape == (len(before), 15, 2)
        hid, hidden = after.truth.occluded_by, before.truth.occluded_by
        np.testing.assert_array_equal(hid[:, SUB_JHMDB.index("left_knee")], hidden[:, PENN_ACTION.index("left_knee")])
        assert (hid[:, SUB_JHMDB.index("belly")] == 0).all()
        assert before.joints.shape == (len(before), 13, 2) and hidden.shape == (len(before), 13)


@pytest.mark.skipif(not (SHARED / "JHMDB").is_dir(), reason="no real Sub-JHMDB clips here")
def test_computed_joints_lie_where_people_label_them():
    """JHMDB's own neck and belly against those computed from its shoulders and hips, as a part of the trunk."""
    from dataclasses import replace

    hidden = Skeleton("limbs", SUB_JHMDB.joints[3:], (), (), (0, 1), tuple(range(12)))
    errors = {"neck": [], "belly": []}
    for clip in open_dataset("sub_jhmdb", SHARED / "JHMDB", "test"):
        dataset = replace(clip, joints=clip.joints[:, 3:], visibility=clip.visibility[:, 3:])
        moved, _ = convert_joints(dataset.joints, dataset.visibility, hidden, SUB_JHMDB)
        trunk = np.linalg.norm(clip.joints[:, 3:5].mean(axis=1) - clip.joints[:, 5:7].mean(axis=1), axis=1)
        for name, found in errors.items():
            index = SUB_JHMDB.index(name)
            found.append(np.linalg.norm(moved[:, index] - clip.joints[:, index], axis=1) / trunk)
    medians = {name: float(np.median(np.concatenate(found))) for name, found in errors.items()}
    assert medians["belly"] < 0.09 and medians["neck"] < 0.13


@pytest.mark.skipif(not (SHARED / "LSPET").is_dir(), reason="LSP extended is not here")
def test_heads_of_two_sets_are_at_one_height():
    """The head computed from LSP's labels stands as high above the shoulders as JHMDB's own face."""

    def height(joints, skeleton, name):
        def at(joint):
            return joints[:, skeleton.index(joint)].astype(float)

        shoulders, hips = ((at(f"left_{part}") + at(f"right_{part}")) / 2 for part in ("shoulder", "hip"))
        trunk = shoulders - hips
        good = np.linalg.norm(trunk, axis=1) > 15
        along = ((at(name) - shoulders) * trunk).sum(axis=1)[good] / (trunk**2).sum(axis=1)[good]
        return float(np.median(along))

    people = [clip for clip in open_dataset("lspet", SHARED / "LSPET") if (clip.visibility == VISIBLE).all()]
    joints, visibility = (np.concatenate([getattr(clip, key) for clip in people]) for key in ("joints", "visibility"))
    head = height(convert_joints(joints, visibility, LSP, PENN_ACTION)[0], PENN_ACTION, "head")
    assert 0.33 < head < 0.43
    if (SHARED / "JHMDB").is_dir():
        faces = np.concatenate([clip.joints for clip in open_dataset("sub_jhmdb", SHARED / "JHMDB")])
        assert abs(height(faces, SUB_JHMDB, "face") - head) < 0.06
