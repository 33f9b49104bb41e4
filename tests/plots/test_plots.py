"""Figures: each returns its axes, says what its axes are, and shows the values it was given."""

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from rpstn import plots  # noqa: E402
from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE  # noqa: E402
from rpstn.errors import UserError  # noqa: E402
from rpstn.metrics import Interval  # noqa: E402
from rpstn.metrics.hidden import HiddenCurve  # noqa: E402
from rpstn.metrics.pairs import PairMeans  # noqa: E402
from rpstn.notebooks import noise_figures  # noqa: E402
from rpstn.notebooks.noise import Circle, NoiseScores  # noqa: E402
from rpstn.skeletons import SKELETONS, get_skeleton  # noqa: E402

SKELETON = get_skeleton("penn_action")
RNG = np.random.default_rng(0)
FRAMES = RNG.integers(0, 255, (6, 64, 64, 3), dtype=np.uint8)
JOINTS = RNG.uniform(5, 59, (6, 13, 2))
MAPS = RNG.random((6, 13, 16, 16))
RELATION = RNG.dirichlet(np.ones(13), 13)


@pytest.fixture(autouse=True)
def closed():
    before = dict(matplotlib.rcParams)
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()  # a figure that cannot be drawn fails here
    plt.close("all")
    changed = {key for key, value in before.items() if matplotlib.rcParams[key] != value}
    assert not changed - {"backend"}, "a figure changed the surroundings"


def test_the_relation_matrix_is_square_ordered_and_says_which_axis_sums_to_one():
    ax = plots.relation_matrix(RELATION, SKELETON, title="learned")
    order = list(SKELETON.order)
    drawn = np.asarray(ax.collections[0].get_array()).reshape(13, 13)
    np.testing.assert_allclose(drawn, RELATION[np.ix_(order, order)])
    assert [label.get_text() for label in ax.get_yticklabels()] == [plots.short(SKELETON.joints[j]) for j in order]
    assert ax.get_aspect() == 1 and ax.get_title("left") == "learned"
    assert "each row sums to 1" in ax.get_ylabel() and "sums" not in ax.get_xlabel()
    released = plots.relation_matrix(RELATION.T, SKELETON, sums="columns")
    assert "each column sums to 1" in released.get_xlabel() and "sums" not in released.get_ylabel()
    assert len(ax.lines) == 4  # two borders on either axis: middle | left | right


def test_without_the_diagonal_the_colors_serve_the_rest():
    ax = plots.relation_matrix(0.9 * np.eye(13) + 0.1 * RELATION, SKELETON, diagonal=False)
    drawn = ax.collections[0].get_array().reshape(13, 13)
    np.testing.assert_array_equal(np.ma.getmaskarray(drawn), np.eye(13, dtype=bool))
    assert ax.collections[0].get_clim()[1] == pytest.approx(0.1 * RELATION[~np.eye(13, dtype=bool)].max())


def test_panels_share_one_scale_and_one_bar():
    relations = {"identity": np.eye(13), "learned": RELATION, "untrained": np.full((13, 13), 1 / 13)}
    axes = plots.relation_panels(relations, SKELETON)
    assert [ax.get_title("left") for ax in axes] == list(relations)
    assert {ax.collections[0].get_clim() for ax in axes} == {(0.0, 1.0)}
    assert len(axes[0].figure.axes) == 4  # three panels and one bar
    assert axes[0].get_ylabel() and all(ax.get_xlabel() for ax in axes)


@pytest.mark.parametrize("name", SKELETONS)
def test_arrows_on_the_skeleton_are_the_strongest_weights(name):
    skeleton = SKELETONS[name]
    relation = np.eye(len(skeleton))
    relation[3, 7], relation[4, 2] = 0.4, 0.2
    ax = plots.relation_on_skeleton(relation, skeleton)
    widths = sorted(patch.get_linewidth() for patch in ax.patches)
    assert widths == pytest.approx([0.4 + 1.5, 0.4 + 3])
    assert "0.4" in ax.get_xlabel()
    strong = max(ax.patches, key=lambda patch: patch.get_linewidth())
    start, end = strong._posA_posB
    np.testing.assert_allclose([start, end], plots.standing(skeleton)[[7, 3]])


def test_hidden_joints_are_hollow_and_absent_ones_missing():
    visibility = np.full(13, VISIBLE)
    visibility[3], visibility[4] = OCCLUDED, ABSENT
    ax = plots.skeleton_overlay(FRAMES[0], JOINTS[0], SKELETON, visibility, legend=True)
    points = {tuple(line.get_xydata()[0]): line for line in ax.lines if line.get_marker() == "o" and len(line.get_xydata()) == 1}
    assert len(points) == 12 and tuple(JOINTS[0, 4]) not in points
    assert points[tuple(JOINTS[0, 3])].get_markerfacecolor() == "white"
    assert points[tuple(JOINTS[0, 1])].get_markerfacecolor() == plots.SIDES["left"]
    assert points[tuple(JOINTS[0, 2])].get_markerfacecolor() == plots.SIDES["right"]
    assert len(ax.get_legend().get_texts()) == 3


def test_heatmaps_lie_in_register_with_their_frame():
    ax = plots.heatmap_over(FRAMES[0], MAPS[0, 0], truth=JOINTS[0, 0])
    frame, heatmap = ax.images
    assert tuple(frame.get_extent()) == tuple(heatmap.get_extent()) == (-0.5, 63.5, 63.5, -0.5)


def test_strips_have_a_row_per_variant_and_a_column_per_frame():
    axes = plots.filmstrip(
        {"clear": FRAMES, "hidden": FRAMES}, [0, 2, 5], poses={"hidden": JOINTS}, skeleton=SKELETON,
        visibility={"hidden": np.full((6, 13), OCCLUDED)},
    )  # fmt: skip
    assert axes.shape == (2, 3)
    assert [ax.get_ylabel() for ax in axes[:, 0]] == ["clear", "hidden"]
    assert [ax.get_title("left") for ax in axes[0]] == ["frame 0", "frame 2", "frame 5"]
    assert not axes[0, 0].lines and axes[1, 0].lines
    hidden = np.array([False, False, True, True, False, False])
    axes = plots.hidden_heatmaps(FRAMES, {"RPSTN": MAPS, "alone": MAPS / 2}, 5, [1, 2], truth=JOINTS, hidden=hidden)
    assert [ax.get_title("left") for ax in axes[0]] == ["frame 1", "frame 2, hidden"]
    strong, weak = (np.asarray(axes[row, 0].images[1].get_array()) for row in (0, 1))
    np.testing.assert_allclose(strong, 2 * weak)  # one scale for both networks


def test_bars_have_the_given_heights():
    ax = plots.pck_bars({"RPSTN": {"head": 0.9, "wrist": 0.5}, "alone": {"head": 0.8, "wrist": None}})
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_allclose(heights, [90, 50, 80, np.nan])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["head", "wrist"]
    assert "PCK@0.2" in ax.get_ylabel() and len(ax.get_legend().get_texts()) == 2


def curve(*estimates):
    return HiddenCurve(((1, 1), (2, 4), (5, 9)), tuple(Interval(e, e - 0.1, e + 0.1, 9, 40) for e in estimates))


def test_curves_show_estimates_intervals_and_counts():
    ax = plots.hidden_curves({"RPSTN": curve(0.9, 0.8, 0.7), "alone": curve(0.7, 0.5, np.nan)})
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [90, 80, 70])
    assert len(ax.collections[0].get_segments()) == 3 and len(ax.collections[1].get_segments()) == 2
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "1\n(40 / 9)",
        "2-4\n(40 / 9)",
        "5-9\n(40 / 9)",
    ]
    assert "frames hidden so far (joints / groups)" == ax.get_xlabel() and "%" in ax.get_ylabel()
    other = HiddenCurve(((1, 9),), (Interval(0.5, 0.4, 0.6, 9, 40),))
    with pytest.raises(ValueError, match="bins"):
        plots.hidden_curves({"RPSTN": curve(1, 1, 1), "other": other})


def test_an_interval_that_holds_zero_is_drawn_hollow():
    ax = plots.interval_points({"gain": Interval(0.1, 0.05, 0.15, 9, 9), "none": Interval(0, -0.1, 0.1, 7, 9)})
    faces = [line.get_markerfacecolor() for line in ax.lines if line.get_marker() == "o"]
    assert faces[0] != "white" == faces[1]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["gain\n(9 groups)", "none\n(7 groups)"]
    assert ax.get_xlabel()


def test_panels_of_intervals_share_a_scale_and_say_what_is_empty():
    wide, narrow = Interval(0.1, -0.2, 0.4, 9, 9), Interval(0.01, 0.0, 0.02, 9, 9)
    axes = plots.interval_panels({"all": {"a": wide, "b": narrow}, "occluded": {"a": narrow}, "nothing": {}}, label="gain")
    assert [ax.get_title("left") for ax in axes] == ["all", "occluded", "nothing"]
    assert len({ax.get_xlim() for ax in axes}) == 1 and axes[0].get_xlim()[1] >= 40
    assert [ax.get_xlabel() for ax in axes] == ["", "", "gain"] and axes[2].texts[0].get_text() == "nothing to count"


def test_curves_say_what_their_bins_count():
    curve = HiddenCurve(((1, 1), (2, 3)), (Interval(0.5, 0.4, 0.6, 5, 50), Interval(0.4, 0.3, 0.5, 5, 60)))
    assert plots.hidden_curves({"a": curve}).get_xlabel().startswith("frames hidden so far")
    assert plots.hidden_curves({"a": curve}, counted="frames since the cut").get_xlabel().startswith("frames since the cut")


def test_training_logs(tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("step,loss,lr,val_pck\n10,5.0,0.1,\n20,3.0,0.1,0.4\n30,2.0,0.1,0.5\n")
    loss, score = plots.training_curves({"run": log})
    np.testing.assert_allclose(loss.lines[0].get_xydata(), [[10, 5], [20, 3], [30, 2]])
    np.testing.assert_allclose(score.lines[0].get_xydata(), [[20, 40], [30, 50]])
    assert loss.get_xlabel() == score.get_xlabel() == "step" and loss.get_ylabel() and score.get_ylabel()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    for name in ("other.csv", "absent.csv"):
        with pytest.raises(UserError, match=name):
            plots.training_curves({"run": tmp_path / name})


def test_kernels_and_relations_over_time():
    kernels = RNG.normal(size=(20, 5, 5))
    ax = plots.kernel_grid(kernels, count=10)
    sheet = np.asarray(ax.images[0].get_array())
    assert sheet.shape == (11, 47)
    np.testing.assert_array_equal(sheet[6:11, 6:11], kernels[9])
    low, high = ax.images[0].get_clim()
    assert low == -high and "5 x 5" in ax.get_xlabel()
    ax = plots.relation_over_time(np.stack([RELATION] * 4), SKELETON, [("head", "left_hip")], hidden=np.arange(4) > 2)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), RELATION[0, 7])
    assert ax.get_xlabel() == "frame" and ax.get_ylabel() and len(ax.patches) == 1


def test_axes_that_are_given_are_used():
    axes = plt.subplots(1, 5)[1]
    assert plots.relation_matrix(RELATION, SKELETON, axes[0]) is axes[0]
    assert plots.relation_on_skeleton(RELATION, SKELETON, ax=axes[1]) is axes[1]
    assert plots.pck_bars({"a": {"head": 1.0}}, axes[2]) is axes[2]
    assert plots.hidden_curves({"a": curve(1, 1, 1)}, axes[3]) is axes[3]
    assert plots.skeleton_overlay(None, JOINTS[0], SKELETON, ax=axes[4]) is axes[4]


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="13 joints"):
        plots.relation_matrix(np.eye(15), SKELETON)
    with pytest.raises(ValueError, match="sums"):
        plots.relation_matrix(np.eye(13), SKELETON, sums="both")


def test_the_style_is_a_white_card_and_ships_with_the_package():
    assert plots.STYLE.is_file()
    with plt.style.context(plots.STYLE):
        assert matplotlib.rcParams["savefig.facecolor"] == "white" and not matplotlib.rcParams["savefig.transparent"]
    ax = plots.pck_bars({"a": {"head": 1.0}})
    assert ax.figure.get_facecolor() == (1, 1, 1, 1)


def test_the_effects_of_pairs_are_drawn_on_the_axes_of_the_relation():
    loss, significant = RNG.normal(size=(13, 13)), np.zeros((13, 13), dtype=bool)
    significant[5, 3] = True
    axes = plots.effect_panels(RELATION, {"loss": loss}, SKELETON, {"loss": significant})
    assert [ax.get_title("left") for ax in axes] == ["weight in the relation", "loss"]
    order = list(SKELETON.order)
    drawn = np.ma.getdata(axes[1].collections[0].get_array()).reshape(13, 13)
    np.testing.assert_allclose(drawn, loss[np.ix_(order, order)])
    (dots,) = [line for line in axes[1].lines if line.get_linestyle() == "None"]
    np.testing.assert_allclose(dots.get_xydata(), [[order.index(3) + 0.5, order.index(5) + 0.5]])
    assert "sums" in axes[0].get_ylabel() and "sums" not in axes[1].get_ylabel()


def test_weights_against_losses_name_the_largest():
    pairs = [(0, 1), (5, 3), (2, 7)]
    means = PairMeans(
        np.array([0.0, 0.03, -0.01]), np.array([-0.01, 0.02, -0.03]), np.array([0.01, 0.04, 0.0]),
        np.array([False, True, False]), 11,
    )  # fmt: skip
    ax = plots.weight_against_loss(np.array([0.2, 0.1, 0.05]), means, pairs, SKELETON, factor=100, names=1)
    assert [text.get_text() for text in ax.texts] == ["L wrist from L elbow"]
    points = np.concatenate([line.get_xydata() for line in ax.lines if line.get_linestyle() == "None"])
    np.testing.assert_allclose(sorted(points[:, 1]), [-1, 0, 3])


def test_effects_are_filled_where_zero_is_outside():
    effects = {
        "identity": {"all": Interval(0.02, 0.01, 0.03, 11, 100), "hidden": Interval(0.01, -0.01, 0.03, 11, 20)},
        "average": {"all": Interval(0.0, -0.01, 0.01, 11, 100)},
    }
    ax = plots.effect_points(effects)
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [float(line.get_xdata()[0]) for line in points] == [2, 1, 0]
    assert [line.get_markerfacecolor() == "white" for line in points] == [False, True, True]
    assert [label.get_text() for label in ax.get_yticklabels()] == list(effects)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["all", "hidden"]


def test_noise_curves_and_circles_show_what_they_are_given():
    values = {("correct", "torso"): (1.0, 0.5), ("released", "torso"): (1.0, 0.9)}
    scores = NoiseScores((0.0, 8.0), values, {("correct", "torso"): 0.02, ("released", "torso"): 0.5}, 10, 50, 13)
    ax = noise_figures.noise_curves(scores, title="noise")
    drawn = {line.get_label(): line.get_ydata() for line in ax.lines if not line.get_label().startswith("_")}
    np.testing.assert_allclose(drawn["correct, torso"], [100, 50])
    assert [line.get_ydata()[0] for line in ax.lines if line.get_label().startswith("_")] == [2, 50]
    circles = {"torso": {"correct": Circle((20, 30), 5), "released": Circle((14, 24), 33)}}
    (ax,) = noise_figures.accepted_circles(JOINTS[0], SKELETON, circles, joint="left_wrist", side=64)
    assert [(patch.get_label(), patch.get_radius()) for patch in ax.patches] == [("released", 33), ("correct", 5)]
    assert ax.get_title("left") == "L wrist, by torso"


def test_lines_over_frames_begin_where_they_are_told_and_shade_what_is_hidden():
    ax = plots.over_frames({"a": np.arange(4.0)}, np.array([0, 0, 1, 1, 0, 0], bool), dotted={"a": np.ones(3)}, first=2)
    whole, dotted = ax.get_lines()
    assert whole.get_xdata().tolist() == [2, 3, 4, 5] and dotted.get_xdata().tolist() == [2, 3, 4]
    assert dotted.get_color() == whole.get_color()
    assert [patch.get_x() for patch in ax.patches] == [1.5, 2.5]
