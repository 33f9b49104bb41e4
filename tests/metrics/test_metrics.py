"""PCK by hand, and intervals that must cover what is known."""

import numpy as np
import pytest
import torch
from scipy.stats import norm, t

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.metrics import (
    Interval,
    contrast_interval,
    correct,
    interval,
    paired_interval,
    pck,
    reference_sizes,
    summarize,
)
from rpstn.metrics.intervals import bounds
from rpstn.metrics.tables import table
from rpstn.skeletons import get_skeleton


def test_pck_of_a_case_counted_by_hand():
    target = np.zeros((2, 3, 2))
    predicted = np.array([[[3, 4], [6, 8], [0, 0]], [[0, 5.1], [30, 40], [0, 1]]], dtype=float)
    visible = np.array([[1, 1, 0], [1, 0, 0]], dtype=bool)
    # Frame 0: threshold 0.2 * 25 = 5, so 5 px is right (equality) and 10 px wrong. Frame 1: 5.1 px against
    # 0.2 * 26 = 5.2.
    result = pck(predicted, target, visible, size=np.array([25.0, 26.0]))
    np.testing.assert_array_equal(result.per_joint, [1.0, 0.0, np.nan])
    assert result.mean == 0.5
    assert result.micro == pytest.approx(2 / 3)
    np.testing.assert_array_equal(result.counts, [2, 1, 0])


def test_tensors_of_half_as_many_bytes():
    """NumPy has no bfloat16."""
    target, visible = torch.tensor([[[3.0, 4], [6, 8]]]), torch.ones(1, 2)
    for kind in (torch.bfloat16, torch.float16):
        assert pck(torch.zeros(1, 2, 2, dtype=kind), target.to(kind), visible, size=torch.tensor([25.0])).mean == 0.5


def test_equality_with_the_threshold_counts_and_a_hair_more_does_not():
    target, visible = np.zeros((1, 2, 2)), np.ones((1, 2), bool)
    predicted = np.array([[[10.0, 0], [np.nextafter(10.0, 11), 0]]])
    np.testing.assert_array_equal(correct(predicted, target, visible, size=[50.0]), [[1, 0]])


def test_each_frame_is_measured_with_its_own_size():
    predicted, target = np.full((2, 1, 2), 3.0), np.zeros((2, 1, 2))
    right = correct(predicted, target, np.ones((2, 1)), size=[10.0, 100.0])
    np.testing.assert_array_equal(right, [[0], [1]])


def test_what_is_not_scored_changes_nothing():
    rng = np.random.default_rng(0)
    target = rng.uniform(0, 100, (20, 5, 2))
    predicted = target + rng.normal(0, 8, target.shape)
    visible = rng.random((20, 5)) < 0.6
    size = rng.uniform(20, 60, 20)
    expected = pck(predicted, target, visible, size=size)
    target[~visible], predicted[~visible] = np.nan, -1e9
    found = pck(predicted, target, visible, size=size)
    np.testing.assert_array_equal(found.per_joint, expected.per_joint)
    assert 0 < found.micro < 1 and found.micro == expected.micro


def test_a_frame_without_a_size_is_left_out_and_a_prediction_that_is_nan_is_wrong():
    target = np.zeros((2, 2, 2))
    predicted = np.array([[[0, 0], [np.nan, 0]], [[0, 0], [0, 0]]])
    right = correct(predicted, target, np.ones((2, 2)), size=[10.0, np.nan])
    np.testing.assert_array_equal(right, [[1, 0], [np.nan, np.nan]])
    assert summarize(right).micro == 0.5


def test_nothing_scored_gives_nan_and_no_warning():
    result = pck(np.zeros((3, 2, 2)), np.zeros((3, 2, 2)), np.zeros((3, 2)), size=np.ones(3))
    assert np.isnan(result.mean) and np.isnan(result.micro) and np.isnan(result.per_joint).all()


def test_tensors_and_arrays_give_the_same():
    torch.manual_seed(0)
    target = torch.rand(30, 7, 2) * 100
    predicted = (target + torch.randn_like(target) * 10).requires_grad_()
    visible, size = torch.rand(30, 7) < 0.7, torch.rand(30) * 50 + 20
    tensors = pck(predicted, target, visible, size=size)
    arrays = pck(predicted.detach().numpy(), target.numpy(), visible.numpy(), size=size.numpy())
    np.testing.assert_array_equal(tensors.per_joint, arrays.per_joint)
    assert tensors.mean == arrays.mean and 0 < tensors.mean < 1


@pytest.mark.parametrize(
    "change, message",
    [
        ({"predicted": np.zeros((2, 4, 2))}, "predicted"),
        ({"target": np.zeros((2, 3))}, "target"),
        ({"visible": np.ones((3, 2))}, "visible"),
        ({"size": np.ones(3)}, "size"),
        ({"size": 5.0}, "size"),
        ({"size": np.array([1.0, 0.0])}, "size"),
        ({"size": np.array([1.0, -3.0])}, "size"),
        ({"size": np.array([1.0, np.inf])}, "size"),
        ({"threshold": 0.0}, "threshold"),
        ({"target": np.full((2, 3, 2), np.nan)}, "target"),
    ],
)
def test_what_does_not_fit_is_refused(change, message):
    arguments = {
        "predicted": np.zeros((2, 3, 2)),
        "target": np.zeros((2, 3, 2)),
        "visible": np.ones((2, 3)),
        "size": np.ones(2),
    }
    with pytest.raises(ValueError, match=message):
        correct(**(arguments | change))


def test_reference_sizes_by_hand():
    skeleton = get_skeleton("penn_action")
    joints = np.zeros((4, 13, 2))
    joints[:, 2], joints[:, 7] = [10, 10], [13, 14]
    joints[2, 7] = joints[2, 2]
    visibility = np.full((4, 13), VISIBLE, np.uint8)
    visibility[0, 2] = OCCLUDED  # hidden but annotated: the torso is known
    visibility[1, 7] = ABSENT
    boxes = np.array([[0, 0, 30, 80], [5, 5, 90, 20], [0, 0, 0, 0], [0, 0, -4, -9]], float)
    np.testing.assert_array_equal(reference_sizes(joints, visibility, boxes, skeleton, "torso"), [5, np.nan, np.nan, 5])
    np.testing.assert_array_equal(reference_sizes(joints, visibility, boxes, skeleton, "person"), [80, 90, np.nan, np.nan])
    with pytest.raises(ValueError, match="head"):
        reference_sizes(joints, visibility, boxes, skeleton, "head")


def _samples(rng, gain, groups=40, frames=30, joints=5):
    """Two methods on the same frames: each group has a difficulty of its own, b is right `gain` less
    often.
    """
    difficulty = rng.uniform(0.4, 0.8, groups)
    draw = rng.random((groups, frames, joints))
    a = (draw < (difficulty + gain)[:, None, None]).astype(float)
    b = (draw < difficulty[:, None, None]).astype(float)
    unscored = rng.random(a.shape) < 0.3
    a[unscored], b[unscored] = np.nan, np.nan
    return a.reshape(-1, joints), b.reshape(-1, joints), np.repeat(np.arange(groups), frames)


@pytest.mark.parametrize("pool", ["samples", "joints"])
def test_paired_interval_covers_a_known_difference_and_excludes_zero(pool):
    a, b, groups = _samples(np.random.default_rng(1), gain=0.1)
    found = paired_interval(a, b, groups, pool=pool)
    assert found.low < 0.1 < found.high and found.excludes_zero and found.groups == 40
    assert found.low < found.estimate < found.high
    reverse = paired_interval(b, a, groups, pool=pool)
    assert reverse.estimate == pytest.approx(-found.estimate) and reverse.excludes_zero


def test_paired_interval_covers_zero_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        difficulty = rng.uniform(0.3, 0.9, 30)[:, None, None]
        # Difference of the two methods varies from source to source around zero.
        shift = rng.normal(0, 0.1, 30)[:, None, None]
        a = (rng.random((30, 20, 4)) < difficulty + shift).astype(float).reshape(-1, 4)
        b = (rng.random((30, 20, 4)) < difficulty).astype(float).reshape(-1, 4)
        covered += not paired_interval(a, b, np.repeat(np.arange(30), 20), draws=500).excludes_zero
    assert 86 <= covered <= 99


@pytest.mark.parametrize("groups", [6, 8, 11])
def test_few_groups_exclude_a_true_zero_hardly_more_often_than_they_say(groups):
    """Of 400 studies 20 should; plain percentiles do it in 46 to 53 of these."""
    values = np.random.default_rng(groups).normal(size=(400, groups, 1))
    assert sum(interval(study, np.arange(groups), draws=1000).excludes_zero for study in values) < 40


@pytest.mark.parametrize("groups", [6, 11, 30])
def test_the_interval_of_a_normal_mean_is_students(groups):
    """On draws that are as a bootstrap's are, too narrow by sqrt((n - 1) / n), the bounds are mean +- t s / sqrt(n)."""
    values = np.random.default_rng(groups).normal(3, 2, groups)
    error = values.std(ddof=1) / np.sqrt(groups)
    drawn = values.mean() + error * np.sqrt((groups - 1) / groups) * norm.ppf((np.arange(20000) + 0.5) / 20000)
    known = t.interval(0.95, groups - 1, values.mean(), error)
    np.testing.assert_allclose(bounds(drawn, groups), known, atol=0.01)
    np.testing.assert_allclose(bounds(drawn, 10**6), np.quantile(drawn, [0.025, 0.975]), atol=0.01)


def test_fewer_than_five_groups_have_no_interval():
    right = np.random.default_rng(0).random((40, 3)) < 0.5
    four, five = (interval(right, np.arange(40) % groups) for groups in (4, 5))
    assert four.groups == 4 and np.isnan([four.low, four.high]).all() and not four.excludes_zero
    assert five.low < five.estimate < five.high


def test_pairing_narrows_and_grouping_widens():
    a, b, groups = _samples(np.random.default_rng(2), gain=0.05)
    paired = paired_interval(a, b, groups)
    single = interval(a, groups)
    assert paired.high - paired.low < single.high - single.low
    ungrouped = interval(a, np.arange(len(a)))
    assert ungrouped.high - ungrouped.low < single.high - single.low


def test_intervals_are_seeded_and_agree_with_the_score():
    a, b, groups = _samples(np.random.default_rng(3), gain=0.1)
    assert paired_interval(a, b, groups, seed=5) == paired_interval(a, b, groups, seed=5)
    assert paired_interval(a, b, groups, seed=5) != paired_interval(a, b, groups, seed=6)
    assert interval(a, groups).estimate == pytest.approx(summarize(a).micro)
    assert interval(a, groups, pool="joints").estimate == pytest.approx(summarize(a).mean)
    names = np.array([f"video {group}" for group in groups])
    assert interval(a, names).groups == 40


def test_groups_without_a_sample_do_not_count():
    right = np.array([[1.0], [0.0], [np.nan], [1.0]])
    found = interval(right, ["a", "a", "b", "c"])
    assert found.groups == 2 and found.samples == 3 and found.estimate == pytest.approx(2 / 3)
    assert interval(right[:3], ["a", "a", "b"]).groups == 1
    assert np.isnan(interval(right[2:3], ["b"]).estimate)


def test_intervals_refuse_what_does_not_fit():
    a = np.ones((4, 2))
    with pytest.raises(ValueError, match="same samples"):
        paired_interval(a, np.where(np.eye(4, 2), np.nan, a), [0, 0, 1, 1])
    with pytest.raises(ValueError, match="samples"):
        paired_interval(a, a[:2], [0, 0, 1, 1])
    with pytest.raises(ValueError, match="name a group for each row"):
        interval(a, [0, 1])
    with pytest.raises(ValueError, match="pool"):
        interval(a, [0, 0, 1, 1], pool="frames")


def _kinds(rng, shift, groups=40, frames=30):
    """Joint 1 has four times the values of joint 0 and is hidden nearly always, joint 0 nearly never; hidden
    samples are `shift` larger than visible ones of the same joint and source.
    """
    base = rng.normal(0, 0.5, groups)[:, None, None] + np.array([1.0, 4.0])
    hidden = rng.random((groups, frames, 2)) < np.array([0.1, 0.9])
    values = base + shift * hidden + rng.normal(0, 0.3, hidden.shape)
    return values.reshape(-1, 2), hidden.reshape(-1, 2), np.repeat(np.arange(groups), frames)


def test_a_contrast_compares_each_joint_with_itself():
    values, hidden, groups = _kinds(np.random.default_rng(4), shift=0.2)
    assert values[hidden].mean() - values[~hidden].mean() > 2  # which joints are hidden, not what hiding does
    found = contrast_interval(values, hidden, ~hidden, groups)
    by_hand = [values[hidden[:, k], k].mean() - values[~hidden[:, k], k].mean() for k in (0, 1)]
    assert found.estimate == pytest.approx(np.mean(by_hand))
    assert 0 < found.low < 0.2 < found.high < 0.4 and found.groups <= 40 and found.samples == values.size
    other = contrast_interval(values, ~hidden, hidden, groups)
    assert other.estimate == pytest.approx(-found.estimate) and other.low == pytest.approx(-found.high)


def test_a_contrast_can_tell_what_overlapping_intervals_do_not():
    """Sources differ much more than the two kinds within a source do."""
    rng = np.random.default_rng(5)
    values = (rng.normal(0, 1, 30)[:, None] + np.array([0.0, 0.3] * 20) + rng.normal(0, 0.1, (30, 40))).reshape(-1, 1)
    first = np.tile([False, True], 600)[:, None]
    groups = np.repeat(np.arange(30), 40)
    alone = [interval(np.where(kind, values, np.nan), groups) for kind in (first, ~first)]
    assert alone[0].low < alone[1].high and alone[1].low < alone[0].high
    found = contrast_interval(values, first, ~first, groups)
    assert found.low > 0.2 and found.high < 0.4


def test_a_contrast_covers_zero_as_often_as_it_says():
    covered = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        shift = np.repeat(rng.normal(0, 0.2, 30), 20)[:, None]  # of hiding, source by group, around zero
        hidden = rng.random((600, 3)) < 0.4
        values = rng.normal(0, 0.3, (600, 3)) + shift * hidden
        covered += not contrast_interval(values, hidden, ~hidden, np.repeat(np.arange(30), 20), draws=500).excludes_zero
    assert 86 <= covered <= 99


def test_a_contrast_without_both_kinds_says_nothing():
    values = np.array([[1.0, 5.0], [3.0, np.nan], [2.0, 7.0]])
    first = np.array([[True, True], [False, False], [True, True]])
    found = contrast_interval(values, first, ~first, ["a", "b", "a"])
    # Joint 1 has no visible sample that is known; joint 0 has each kind in one group only.
    assert found.estimate == -1.5 and np.isnan(found.low) and (found.groups, found.samples) == (1, 3)
    assert contrast_interval(values, np.zeros((3, 2)), ~first, ["a", "b", "a"]).samples == 0
    with pytest.raises(ValueError, match="both kinds"):
        contrast_interval(values, first, first, ["a", "b", "a"])
    with pytest.raises(ValueError, match="name a group for each row"):
        contrast_interval(values, first, ~first, ["a", "b"])
    with pytest.raises(ValueError, match="same"):
        contrast_interval(values, first[:2], ~first, ["a", "b", "a"])


def test_intervals_in_words():
    found = Interval(0.8125, 0.78, 0.8412, 12, 412)
    assert str(found) == "81.2 (95 % interval 78.0 to 84.1; 412 joints, 12 groups)"
    gain = Interval(0.0312, -0.005, 0.06, 12, 412, 0.9)
    said = gain.text(signed=True, digits=2, unit=" points", counted="samples")
    assert said == "+3.12 points (90 % interval -0.50 to +6.00; 412 samples, 12 groups)"
    assert Interval(2.5, 2, 3, 2, 9).text(percent=False) == "2.5 (95 % interval 2.0 to 3.0; 9 joints, 2 groups)"
    assert str(interval(np.ones((4, 1)), ["a"] * 4)) == "100.0 (no interval; 4 joints, 1 group)"
    empty, alone = interval(np.full((4, 1), np.nan), ["a"] * 4), interval(np.ones((4, 1)), ["a"] * 4)
    assert str(empty) == "nothing to count" and empty.brief() == ""
    assert found.brief() == "81.2 (78.0 to 84.1)" and alone.brief() == "100.0 (no interval)"
    assert gain.brief(percent=False, signed=True, digits=2) == "+0.03 (-0.01 to +0.06)"
    trained = [Interval(0.5, 0.4, 0.6, 12, 99, seeds=seeds) for seeds in (1, 3)]
    assert [item.text().split("(")[1] for item in trained] == [
        "95 % interval 40.0 to 60.0; 99 joints, 12 groups, 1 seed)",
        "95 % interval 40.0 to 60.0; 99 joints, 12 groups, 3 seeds)",
    ]


def test_a_table_has_a_row_per_method_and_gaps_where_nothing_was_scored():
    part = {"joint_types": {"head": 0.987, "wrist": None}, "joints": dict.fromkeys("abc"), "mean": 0.5}
    scored = {"interval": [0.4, 0.625], "mean_scored": 0.75, "joints_scored": 2}
    lines = table({"ours": part | scored, "theirs": part | {"interval": [None, None]}}).splitlines()
    head, rule, *rows = ([cell.strip() for cell in line[1:-1].split("|")] for line in lines)
    assert head == ["", "head", "wrist", "mean (3 joints)", "95 % interval", "mean (2 joints)"]
    assert (
        [cell.replace("-", "") for cell in rule] == [":"] * 6 and rule[0][0] == ":" and all(cell[-1] == ":" for cell in rule[1:])
    )
    assert rows == [["ours", "98.7", "", "50.0", "40.0 to 62.5", "75.0"], ["theirs", "98.7", "", "50.0", "", ""]]
    assert len({line.count("|") for line in lines}) == len({len(line) for line in lines}) == 1
    with pytest.raises(ValueError, match="no rows"):
        table({})


ONES = np.ones((5, 3))
PLACES = np.zeros((5, 3, 2))
PENN = get_skeleton("penn_action")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: pck(PLACES, PLACES, np.full((5, 3), np.nan), size=ONES[:, 0]), "visible holds NaN"),
        (lambda: pck(PLACES, PLACES, np.full((5, 3), "0"), size=ONES[:, 0]), "visible of type <U1 must be numbers"),
        (lambda: pck(PLACES + 1j, PLACES, ONES, size=ONES[:, 0]), "predicted of type complex128 must be numbers"),
        (lambda: pck(None, PLACES, ONES, size=ONES[:, 0]), "predicted of type object must be numbers"),
        (lambda: interval(ONES, [None] * 5), "None is no group"),
        (lambda: interval(ONES, [1, None, 1, 1, 1]), "None is no group"),
        (lambda: reference_sizes(np.zeros((3, 13, 2)), np.ones((3, 13)), np.ones((2, 4)), PENN, "person"), "must be"),
        (lambda: reference_sizes(np.zeros((2, 15, 2)), np.ones((2, 15)), np.ones((2, 4)), PENN, "torso"), "13 joints"),
        (lambda: reference_sizes(np.zeros((2, 13, 2)), np.ones((2, 13)), np.ones(4), PENN, "person"), r"\(T, 4\)"),
        (lambda: get_skeleton(["a"]), r"no skeleton is called \['a'\]"),
    ],
)
def test_values_that_mean_nothing_are_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_matrices_and_nothing_at_all():
    """A matrix of NumPy keeps two axes, whatever is taken of it; and of no sample there is no interval."""
    assert pck(PLACES, PLACES, np.asmatrix(ONES), size=ONES[:, 0]).mean == 1
    for nothing in (np.empty((0, 3)), np.empty(0)):
        assert np.isnan(interval(nothing, []).estimate)
    assert interval(ONES * 3, range(5)).estimate == 3, "errors and effects have intervals, too"
