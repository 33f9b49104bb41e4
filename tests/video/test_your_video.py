"""What the notebook on one's own video shows: the poses of `rpstn.predict`, over time, and by hand."""

import base64
import re
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest

import rpstn
from rpstn import UserError, open_dataset
from rpstn.datasets import VISIBLE
from rpstn.datasets.own.writer import write_own
from rpstn.models.files import default_checkpoint
from rpstn.notebooks.run import run_notebooks
from rpstn.train.recipes import shipped_checkpoints
from rpstn.video.network import PoseNetwork
from rpstn.video.watch import labels_for, watch

from ..conftest import CHECKOUT
from ..datasets.test_penn_action import label, write

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from rpstn import plots  # noqa: E402

SKELETON = rpstn.get_skeleton("penn_action")
K = len(SKELETON)


@pytest.fixture(autouse=True)
def closed():
    yield
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()  # a figure that cannot be drawn fails here
    plt.close("all")


@pytest.fixture(scope="module")
def clip(embedded_root):
    return open_dataset("embedded", embedded_root, "test")[0]


@pytest.fixture(scope="module")
def frames(clip):
    return clip.frames.read(range(6))


def test_what_is_watched_is_what_predict_returns(frames):
    seen = watch(frames)
    poses, confidences, relations = rpstn.predict(frames)
    np.testing.assert_allclose(seen.joints, poses, atol=1e-3)
    np.testing.assert_allclose(seen.confidence, confidences, atol=1e-5)
    np.testing.assert_allclose(seen.relations, relations, atol=1e-5)
    assert len(seen) == 6 and seen.status[0] == "found" and seen.sums == "rows"
    assert len(watch(frames, limit=2)) == 2
    sides = {image.shape for image in seen.images()}
    assert len(sides) == 1 and len(list(seen.images(relation=False))) == 6


def test_hidden_joints_are_those_below_the_limit_and_the_summary_counts_them(frames):
    seen = watch(frames, shipped_checkpoints("embedded")["rpstn"])
    assert seen.status[-1] != "lost"
    there = np.array([word != "lost" for word in seen.status])
    np.testing.assert_array_equal(seen.hidden[there], seen.confidence[there] < seen.limit)
    wrist = SKELETON.index("left_wrist")
    people = [pose._replace(confidence=pose.confidence.copy(), status="given") for pose in seen.people]
    for pose, value in zip(people, (0.9, 0.1, 0.1, 0.1, 0.9, 0.1), strict=True):
        pose.confidence[wrist] = value
    row = replace(seen, people=tuple(people)).summary()["left_wrist"]
    assert row["hidden frames"] == 4
    assert (row["longest stretch"], row["from frame"], row["seen again in frame"]) == (3, 1, 4)
    summary = seen.summary()
    assert list(summary) == [SKELETON.joints[joint] for joint in SKELETON.order]
    for name, row in summary.items():
        assert row["hidden frames"] == seen.hidden[:, SKELETON.index(name)].sum()


def test_labels_for_the_joints_that_weights_find(embedded_root):
    """In the weights' order; weights that find none of the labeled joints are refused with the remedy."""
    data = open_dataset("embedded", embedded_root, "test")
    found = labels_for(data, 1, rpstn.get_skeleton("sub_jhmdb"))
    assert found.id == data[1].id and found.joints.shape[1] == 15
    face, wrist = rpstn.get_skeleton("sub_jhmdb").index("face"), rpstn.get_skeleton("sub_jhmdb").index("left_wrist")
    np.testing.assert_array_equal(found.joints[:, wrist], data[1].joints[:, SKELETON.index("left_wrist")])
    np.testing.assert_array_equal(found.joints[:, face], data[1].joints[:, SKELETON.index("head")])
    crane = replace(SKELETON, name="crane", joints=tuple(f"bolt_{number}" for number in range(K)))
    with pytest.raises(UserError, match="data set embedded: labels none of the joints.*crane.*rpstn train --dataset embedded"):
        labels_for(data, 1, crane)


def make_penn(root, clip):
    """The clip as Penn Action's files would hold it."""
    last = clip.boxes[:, :2] + clip.boxes[:, 2:]
    content = label(len(clip), train=-1) | {
        "x": clip.joints[..., 0] + 1,
        "y": clip.joints[..., 1] + 1,
        "visibility": (clip.visibility == VISIBLE).astype(np.uint8),
        "bbox": np.hstack([clip.boxes[:, :2] + 1, last]),
        "dimensions": np.array([[*clip.frames.read([0]).shape[1:3], len(clip)]], np.uint16),
    }
    write(root, "0001", content, frames=False)
    (root / "frames" / "0001").mkdir(parents=True)
    for index, pixels in enumerate(clip.frames.read(range(len(clip))), 1):
        cv2.imwrite(str(root / "frames" / "0001" / f"{index:06d}.jpg"), pixels[..., ::-1])


@pytest.mark.parametrize("dataset", ["penn_action", "own", "sub_jhmdb"])
def test_the_labels_of_any_data_set_are_the_truth(dataset, clip, tmp_path):
    """Where the weights find the same joints, or some that can be computed from them."""
    place = tmp_path / "set"
    if dataset == "penn_action":
        make_penn(place, clip)
    elif dataset == "own":
        write_own(place, {"test": [clip]}, SKELETON)
    elif not (place := CHECKOUT.parent / "shared" / "data" / "JHMDB").is_dir():
        pytest.skip("no ../shared/data/JHMDB")
    data = open_dataset(dataset, place, "test")
    seen = watch(data[0].frames.read(range(6)), boxes=data[0].boxes[:6])
    labels = labels_for(data, 0, seen.skeleton)
    # Neck and belly of the weights' 15 joints are computed from the labels' 13; all 15 are labeled in Sub-JHMDB itself.
    assert labels.joints.shape[1] == 15 and (labels.visibility[:6] > 0).any(axis=0).all()
    size = labels.boxes[:6, 2:].max(axis=1)
    found = rpstn.metrics.pck(seen.to_video(seen.joints), labels.joints[:6], labels.visibility[:6] > 0, size=size)
    assert found.micro > 0.8


def test_the_notebook_looks_at_a_clip_of_a_data_set(clip, tmp_path, monkeypatch):
    make_penn(tmp_path / "set", clip)
    values = {"dataset": "penn_action", "root": str(tmp_path / "set")}
    monkeypatch.chdir(tmp_path)
    assert run_notebooks(["your_video"], profile="smoke", values=values, out="out", progress=False) == 0
    text = (tmp_path / "out" / "14_your_video.ipynb").read_text()
    assert "penn_action, test, " in text and "15 joints of the skeleton `sub_jhmdb`" in text
    assert float(re.search(r"true boxes +([\d.]+)", text)[1]) > 80


def test_a_frame_without_a_box_has_no_pose_and_no_crop(clip, frames):
    boxes = clip.boxes[:6].astype(float)
    boxes[4:] = np.nan
    seen = watch(frames, boxes=boxes)
    assert seen.status == ("given",) * 4 + ("absent",) * 2
    assert np.isnan(seen.joints[4:]).all() and np.isfinite(seen.joints[:4]).all()
    assert seen.present.tolist() == [True] * 4 + [False] * 2 and not seen.hidden[4:].any(), "absent is not hidden"
    assert seen.crop(3).shape == (seen.size, seen.size, 3)
    with pytest.raises(UserError, match="frame 4 .* has no box"):
        seen.crop(4)
    assert len(list(seen.images())) == 6
    with pytest.raises(UserError, match="limit is 0 frames"):
        watch(frames, limit=0)
    with pytest.raises(UserError, match="2 people"):
        watch(frames, boxes={"a": boxes, "b": boxes})


def test_what_is_shown_of_a_frame_is_where_the_network_looked(clip, frames):
    """The crop of a following box, not of the box that was given."""
    boxes = clip.boxes[:6].astype(float)
    boxes[1:, 2:] *= 1.5
    seen = watch(frames, boxes=boxes)
    network = PoseNetwork.load(default_checkpoint())
    side = seen.size / 1.25  # of the box whose padded crop is the whole image of a crop
    box = np.array([*2 * [(seen.size - 1 - side) / 2], side, side])
    np.testing.assert_allclose(network.look(seen.crop(0), box).confidence, seen.confidence[0], atol=0.05)
    assert (seen.boxes[:, 2] == seen.boxes[:, 3]).all() and seen.boxes[1, 2] < 0.9 * boxes[1, 2:].max()


def test_large_frames_are_kept_small(frames):
    """1600 px become 1280; the network saw the large ones, and joints lie on the kept ones."""
    large = np.stack([cv2.resize(frame, (1600, 1600)) for frame in frames[:2]])
    seen, poses = watch(large, boxes="200,200,1100,1100"), rpstn.predict(large, boxes="200,200,1100,1100")
    assert seen.frames.shape == (2, 1280, 1280, 3) and seen.scale == 0.8
    np.testing.assert_array_equal(seen.confidence, poses.confidences)
    np.testing.assert_allclose(seen.joints, poses.poses * 0.8 - 0.1)
    np.testing.assert_allclose(seen.boxes[0], [159.9, 159.9, 880, 880])
    np.testing.assert_allclose(seen.to_video(seen.joints), poses.poses)
    assert seen.crop(0).shape == (seen.size, seen.size, 3) and next(seen.images()).shape[0] >= 1280


def test_stretches_are_runs():
    assert plots.stretches(np.array([0, 1, 1, 0, 1], bool)) == [(1, 3), (4, 5)]
    assert plots.stretches(np.zeros(3, bool)) == [] and plots.stretches(np.ones(2, bool)) == [(0, 2)]


def test_one_row_a_joint_in_the_order_of_the_skeleton():
    values = np.random.default_rng(0).random((9, K))
    marked, hidden = np.zeros((9, K), bool), np.zeros((9, K), bool)
    marked[2:5, SKELETON.index("left_wrist")] = hidden[7, SKELETON.index("head")] = True
    ax = plots.joint_rows(values, SKELETON, vmax=1.0, marked=marked, hidden=hidden)
    np.testing.assert_array_equal(ax.images[0].get_array(), values[:, list(SKELETON.order)].T)
    assert [text.get_text() for text in ax.get_yticklabels()] == [plots.short(SKELETON.joints[j]) for j in SKELETON.order]
    (frame,) = ax.patches
    row = SKELETON.order.index(SKELETON.index("left_wrist"))
    assert (frame.get_x(), frame.get_width()) == (1.5, 3) and frame.get_y() == pytest.approx(row - 0.42)
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"found hidden", "truly hidden"}
    assert ax.images[0].get_clim() == (0, 1)
    with pytest.raises(ValueError, match="13 joints"):
        plots.joint_rows(values[:, :5], SKELETON)


def test_relations_stand_under_their_frames_on_one_scale(frames):
    relations = np.random.default_rng(1).dirichlet(np.ones(K), (6, K))
    axes = plots.relation_moments(frames, np.full((6, K, 2), 30.0), relations, SKELETON, [0, 3])
    assert [ax.get_title("left") for ax in axes[0]] == ["frame 0", "frame 3"]
    order = list(SKELETON.order)
    for ax, t in zip(axes[1], (0, 3), strict=True):
        drawn = np.asarray(ax.collections[0].get_array()).reshape(K, K)
        np.testing.assert_allclose(drawn, relations[t][np.ix_(order, order)])
        assert ax.collections[0].get_clim() == (0, relations[[0, 3]].max())


def test_the_slider_shows_the_frame_that_it_stands_on(frames):
    pytest.importorskip("ipywidgets")
    box = plots.frame_slider(iter(frames), fps=10)
    (play, slider), image = box.children[0].children, box.children[1]
    first = image.value
    slider.value = 5
    assert slider.max == play.max == 5 and play.interval == 100 and image.value != first
    slider.value = 0
    assert image.value == first
    with pytest.raises(UserError, match="no frames"):
        plots.frame_slider([])


def test_without_ipywidgets_the_remedy_is_named(frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(UserError, match="pip install ipywidgets"):
        plots.frame_slider(list(frames))


def test_a_video_is_in_the_page_and_has_words(tmp_path):
    content = bytes(range(256)) * 40
    (tmp_path / "video.webm").write_bytes(content)
    text = plots.video(tmp_path / "video.webm", 'a "jump"')
    data = re.search(r"base64,([^\"]*)", text).group(1)
    assert "/" not in data and base64.b64decode(data.replace("%2F", "/")) == content
    assert text.count("a &quot;jump&quot;") == 2 and "http" not in text
