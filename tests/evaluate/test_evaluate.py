"""Evaluation: the way from source pixels into the network and back, and what is scored and saved."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.truth import Truth
from rpstn.errors import UserError
from rpstn.evaluate.inference import predict_clips, predict_window
from rpstn.evaluate.scoring import EvaluateConfig, default_out, evaluate
from rpstn.heatmaps import encode
from rpstn.metrics.scores import samples, score
from rpstn.models import RPSTN, RPSTNConfig
from rpstn.models.checkpoints import save_checkpoint
from rpstn.skeletons import get_skeleton

from ..conftest import SHARED

SKELETON = get_skeleton("penn_action")
SIDE, SIZE = 200, 128
METADATA = {"skeleton": "penn_action", "size": SIZE, "input": "released_bgr255"}
JHMDB = SHARED / "JHMDB"


class Coordinates:
    """Frames that say where each pixel lies: red is x, green is y, blue names clip and frame."""

    size = (SIDE, SIDE)

    def __init__(self, length, first):
        self.length, self.first = length, first

    def __len__(self):
        return self.length

    def read(self, indices):
        frames = np.empty((len(indices), SIDE, SIDE, 3), np.uint8)
        frames[..., 0], frames[..., 1] = np.arange(SIDE)[None, None, :], np.arange(SIDE)[None, :, None]
        frames[..., 2] = (self.first + np.asarray(indices))[:, None, None]
        return frames


def dataset_of(lengths, seed=0):
    """Clips whose person wanders through the image; two joints are occluded, one is absent, in some
    frames.
    """
    rng, clips, first = np.random.default_rng(seed), [], 0
    for number, length in enumerate(lengths):
        corner = np.cumsum(rng.uniform(-2, 2, (length, 2)), axis=0) + 60
        extent = rng.uniform(60, 90, 2)
        joints = corner[:, None] + rng.uniform(0, 1, (length, len(SKELETON), 2)) * extent
        visibility = np.full((length, len(SKELETON)), VISIBLE, np.uint8)
        visibility[1::3, 5] = visibility[::4, 8] = OCCLUDED
        visibility[::5, 0] = ABSENT
        clips.append(
            Clip(
                id=f"{number:04d}", group=f"video {number // 2}", action="walk" if number % 2 else "jump",
                joints=joints.astype(np.float32), visibility=visibility,
                boxes=np.column_stack([corner, np.broadcast_to(extent, (length, 2))]).astype(np.float32),
                frames=Coordinates(length, first), truth=Truth(held_out=number == 0),
            )
        )  # fmt: skip
        first += length
    return ClipDataset("made", SKELETON, "test", Path("."), tuple(clips))


class Reader(torch.nn.Module):
    """A perfect network for such frames: it fits the crop to the colors and puts a Gaussian on every joint.

    It knows where the crop lies from the pixels alone. Where the image is mirrored, it calls the person's
    left what looks like the left, as a network would.
    """

    def __init__(self, dataset, relations=False):
        super().__init__()
        self.joints = np.concatenate([clip.joints for clip in dataset])
        self.relations = relations
        self.lengths = []

    def forward(self, frames):
        batch, length = frames.shape[:2]
        self.lengths.append((batch, length))
        size = frames.shape[-1]
        v, u = np.mgrid[:size, :size]
        design = np.stack([u, v, np.ones_like(u)], axis=-1).astype(float)
        maps = []
        for frame in frames.flatten(0, 1).numpy():  # blue, green, red
            inside = ((frame[1:] > 3) & (frame[1:] < SIDE - 4)).all(axis=0)
            fit, *_ = np.linalg.lstsq(design[inside], frame[1:, inside].T[:, ::-1], rcond=None)  # input -> source
            joints = self.joints[int(round(float(frame[0].mean())))]
            if np.linalg.det(fit[:2]) < 0:
                joints = joints[list(SKELETON.flip_permutation)]
            found = np.linalg.solve(fit[:2].T, (joints - fit[2]).T).T
            maps.append(encode(torch.from_numpy(found), (size // 4, size // 4)))
        maps = torch.stack(maps).unflatten(0, (batch, length))
        count = len(SKELETON)
        relations = torch.softmax(maps.flatten(3) @ maps.flatten(3).mT, -1) if self.relations else None
        assert relations is None or relations.shape == (batch, length, count, count)
        return SimpleNamespace(heatmaps=maps, relations=relations, kernels=None)


@pytest.mark.parametrize("window", [1, 5, 24, 0])
@pytest.mark.parametrize("flip_test", [False, True])
def test_perfect_heatmaps_score_one_whichever_the_window(window, flip_test):
    dataset = dataset_of([11, 7])
    found = predict_clips(Reader(dataset), METADATA, dataset, window, batch=3, flip_test=flip_test, progress=False)
    for clip, joints in zip(dataset, found.joints, strict=True):
        assert np.linalg.norm(joints - clip.joints, axis=-1).max() < 0.3
    scores = score(found, dataset)["scores"]
    assert scores["person"]["all"]["mean"] == scores["torso"]["occluded"]["micro"] == 1.0


def test_every_frame_is_seen_once_and_the_last_window_is_shorter():
    dataset = dataset_of([11, 7, 5])
    reader = Reader(dataset)
    found = predict_clips(reader, METADATA, dataset, 5, batch=2, progress=False)
    assert sorted(length for batch, length in reader.lengths for _ in range(batch)) == [1, 2, 5, 5, 5, 5]
    assert max(batch for batch, _ in reader.lengths) == 2
    assert all(np.isfinite(joints).all() for joints in found.joints)
    assert all(np.isfinite(sure).all() for sure in found.confidence)


def test_the_batch_changes_nothing():
    dataset = dataset_of([9, 9, 9])
    one, all_at_once = (
        predict_clips(Reader(dataset, relations=True), METADATA, dataset, 4, batch=batch, progress=False) for batch in (1, 8)
    )
    for a, b in zip(one.joints + one.relations, all_at_once.joints + all_at_once.relations, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


class Brightness(torch.nn.Module):
    """Heatmaps that are the pooled image times a weight per joint."""

    def __init__(self, weights):
        super().__init__()
        self.weights = torch.nn.Parameter(torch.as_tensor(weights))

    def forward(self, frames):
        pooled = torch.nn.functional.avg_pool2d(frames.mean(2), 4)
        maps = pooled[:, :, None] * self.weights[:, None, None]
        return SimpleNamespace(heatmaps=maps, relations=None, kernels=None)


def test_flip_test_equals_itself_for_a_symmetric_network_only():
    dataset = dataset_of([6])
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(len(SKELETON), generator=generator) + 0.5
    symmetric = (weights + weights[list(SKELETON.flip_permutation)]) / 2

    def confidence(values, flip_test):
        return predict_clips(Brightness(values), METADATA, dataset, flip_test=flip_test, progress=False).confidence[0]

    np.testing.assert_allclose(confidence(symmetric, True), confidence(symmetric, False), rtol=1e-5)
    assert np.abs(confidence(weights, True) - confidence(weights, False)).max() > 1


def test_flip_test_exchanges_left_and_right_in_relations():
    dataset = dataset_of([6])
    plain, flipped = (
        predict_clips(Reader(dataset, relations=True), METADATA, dataset, flip_test=flip, progress=False)
        for flip in (False, True)
    )
    np.testing.assert_allclose(flipped.relations[0], plain.relations[0], atol=2e-2)
    assert np.abs(plain.relations[0] - np.eye(len(SKELETON))).max() > 0.02


def test_scores_know_what_they_were_measured_on():
    dataset = dataset_of([10, 10, 10])
    found = predict_clips(Reader(dataset), METADATA, dataset, progress=False)
    wrong = replace(found, joints=[found.joints[0] + 100, *found.joints[1:]])
    result = score(wrong, dataset)
    assert result["held_out"]["person"]["all"]["mean"] == 0.0 and result["held_out"]["clips"] == 1
    assert result["not_held_out"]["person"]["all"]["mean"] == 1.0
    assert result["actions"]["walk"]["person"]["all"]["micro"] == 1.0
    assert result["actions"]["jump"]["person"]["all"]["micro"] == pytest.approx(0.5)
    every, visible, hidden = (result["scores"]["person"][subset] for subset in ("all", "visible", "occluded"))
    assert every["samples"] == visible["samples"] + hidden["samples"] == 390 - 6
    assert hidden["counts"]["left_wrist"] == 9 and hidden["joints"]["head"] is None
    assert every["joint_types"]["wrist"] == pytest.approx(2 / 3)
    assert every["groups"] == 2 and every["interval"] == [None, None]  # two groups say too little about others
    counted = result["counted"]
    assert (counted["clips"], counted["frames"], counted["absent_joints"]) == (3, 30, 6)
    json.dumps(result, allow_nan=False)


def test_joints_outside_the_sets_own_mean_are_named_apart():
    skeleton = get_skeleton("sub_jhmdb")
    rng = np.random.default_rng(0)
    joints = rng.uniform(0, 100, (8, 15, 2)).astype(np.float32)
    clip = Clip(
        "a", "a", "run", joints, np.full((8, 15), VISIBLE, np.uint8),
        np.tile(np.float32([0, 0, 100, 100]), (8, 1)), Coordinates(8, 0),
    )  # fmt: skip
    dataset = ClipDataset("made", skeleton, "test", Path("."), (clip,))
    moved = joints.copy()
    moved[:, [0, 1, 3]] += 1000
    found = Predictions(("a",), [moved], [np.ones((8, 15), np.float32)], [None])
    part = score(found, dataset)["scores"]["person"]["all"]
    assert part["mean"] == pytest.approx(12 / 15)
    assert part["mean_scored"] == pytest.approx(12 / 13) and part["joints_scored"] == 13
    assert part["interval"] == [None, None]  # one group says nothing about others


def test_predictions_come_back_from_their_file(tmp_path, monkeypatch):
    dataset = dataset_of([6, 9])
    found = predict_clips(Reader(dataset, relations=True), METADATA, dataset, 4, progress=False)
    found.save(tmp_path / "predictions.npz")
    monkeypatch.setenv("HOME", str(tmp_path))
    back = Predictions.load(Path("~/predictions.npz"))
    assert back.ids == found.ids and back.window == 4
    for name in ("joints", "confidence", "relations"):
        for a, b in zip(getattr(found, name), getattr(back, name), strict=True):
            np.testing.assert_array_equal(a, b)
    back.check(dataset)
    with pytest.raises(UserError, match="made test"):
        back.check(dataset_of([6, 8]))
    (tmp_path / "broken.npz").write_bytes(b"PK not a zip")
    for name in ("broken.npz", "absent.npz"):
        with pytest.raises(UserError, match=name):
            Predictions.load(tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["broken.npz", "predictions.npz"]


def test_samples_name_clip_frame_and_source():
    dataset = dataset_of([4, 6])
    found = predict_clips(Reader(dataset), METADATA, dataset, progress=False)
    part = samples(found, dataset, reference="torso", subset="occluded")
    assert part.correct.shape == (10, 13) and part.frames.tolist() == [*range(4), *range(6)]
    hidden = np.concatenate([clip.visibility for clip in dataset]) == OCCLUDED
    np.testing.assert_array_equal(~np.isnan(part.correct), hidden)
    with pytest.raises(ValueError, match="subset"):
        samples(found, dataset, reference="torso", subset="hidden")


def test_a_window_can_be_looked_at():
    dataset = dataset_of([6])
    look = predict_window(Reader(dataset, relations=True), METADATA, dataset[0], 1, 4)
    assert look.window.frames.shape == (4, SIZE, SIZE, 3)
    assert look.heatmaps.shape == (4, 13, 32, 32) and look.relations.shape == (4, 13, 13)
    np.testing.assert_allclose(look.joints, look.window.joints, atol=0.3)
    with pytest.raises(UserError, match="6 frames"):
        predict_window(Reader(dataset), METADATA, dataset[0], 3, 4)


def small_checkpoint(path, skeleton, **changes):
    torch.manual_seed(0)
    config = RPSTNConfig(joints=len(get_skeleton(skeleton)), skeleton=skeleton, encoder="small", initializer="small", **changes)
    metadata = {
        "skeleton": skeleton,
        "size": 64,
        "sigma": 1.0,
        "frames": 3,
        "dataset": "made",
        "input": "rgb_imagenet",
    }
    save_checkpoint(path, RPSTN(config), metadata)
    return path


def test_a_checkpoint_of_another_skeleton_is_refused(tmp_path):
    dataset = dataset_of([4])
    with pytest.raises(UserError, match="sub_jhmdb.*made.*penn_action.*rpstn train"):
        predict_clips(Reader(dataset), METADATA | {"skeleton": "sub_jhmdb"}, dataset, progress=False)
    with pytest.raises(UserError, match="window"):
        EvaluateConfig(tmp_path, window=-1)
    with pytest.raises(UserError, match="threshold"):
        EvaluateConfig(tmp_path, threshold=0)


@pytest.mark.data("JHMDB")
def test_real_clips_are_scored_and_saved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checkpoint = small_checkpoint(tmp_path / "run" / "best.safetensors", "sub_jhmdb")
    result = evaluate(EvaluateConfig(checkpoint, "sub_jhmdb", root=JHMDB, window=12), progress=False)
    assert result.out.parent == Path("runs/evaluate") and result.out.name.startswith("run-best-sub_jhmdb-fold1-test-")
    metrics = json.loads((result.out / "metrics.json").read_text())
    assert metrics == result.metrics
    assert (metrics["counted"]["clips"], metrics["counted"]["frames"]) == (61, 2160)
    assert 0 < metrics["scores"]["person"]["all"]["mean"] < 0.5  # an untrained network
    assert metrics["scores"]["torso"]["all"]["joints_scored"] == 13
    for name in ("metrics.json", "manifest.json"):
        text = (result.out / name).read_text()
        assert str(tmp_path) not in text and str(JHMDB.resolve()) not in text
    back = Predictions.load(result.out / "predictions.npz")
    np.testing.assert_array_equal(back.joints[3], result.predictions.joints[3])
    assert back.relations[0].shape[1:] == (15, 15)


def test_evaluations_that_differ_do_not_share_a_folder():
    base = EvaluateConfig(checkpoint=Path("runs/a/rpstn/best.safetensors"))
    others = [
        replace(base, checkpoint=Path("runs/b/rpstn/best.safetensors")),
        replace(base, window=5),
        replace(base, flip_test=True),
    ]
    folders = [default_out(config) for config in (base, *others)]
    assert len(set(folders)) == 4 and default_out(base) == folders[0]
