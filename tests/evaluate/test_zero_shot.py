"""MoveNet as it comes, on the joints of a data set that it was not trained for."""

import numpy as np
import pytest

from rpstn.cli.main import main
from rpstn.datasets import open_dataset
from rpstn.datasets.predictions import Predictions
from rpstn.errors import UserError
from rpstn.evaluate.scoring import EvaluateConfig, evaluate
from rpstn.evaluate.zero_shot import in_joints_of
from rpstn.runs import read_json
from rpstn.skeletons import get_skeleton


def test_joints_by_name_and_those_that_follow():
    coco, jhmdb = get_skeleton("coco"), get_skeleton("sub_jhmdb")
    joints, confidence = np.arange(34.0).reshape(17, 2), np.linspace(0.1, 0.9, 17)
    points, heights = in_joints_of(jhmdb, joints, confidence)
    for name in ("left_wrist", "right_ankle"):
        np.testing.assert_allclose(points[jhmdb.index(name)], joints[coco.index(name)])
        assert heights[jhmdb.index(name)] == pytest.approx(confidence[coco.index(name)])
    np.testing.assert_allclose(points[jhmdb.index("face")], joints[coco.index("nose")])
    assert np.isfinite(points).all()  # neck and belly follow from shoulders and hips
    mpii, _ = in_joints_of(get_skeleton("mpii"), joints, confidence)
    assert np.isnan(mpii[get_skeleton("mpii").index("head_top")]).all()  # nothing stands for it


def test_scores_on_drawn_people_without_a_checkpoint(embedded_root, tmp_path, capsys):
    words = [
        "evaluate",
        "--network",
        "movenet_thunder",
        "--dataset",
        "embedded",
        "--root",
        str(embedded_root),
        "--device",
        "cpu",
    ]
    assert main([*words, "--out", str(tmp_path / "a")]) == 0
    assert "movenet_thunder, crops of 256 x 256 px as it comes" in capsys.readouterr().out
    metrics = read_json(tmp_path / "a" / "metrics.json")
    assert metrics["scores"]["person"]["all"]["mean"] > 0.3  # drawn people are people to it
    dataset = open_dataset("embedded", embedded_root, "test")
    found = Predictions.load(tmp_path / "a" / "predictions.npz")
    assert [len(points) for points in found.joints] == [len(clip) for clip in dataset]


def test_what_does_not_go_together_is_refused(embedded_root):
    with pytest.raises(UserError, match="no checkpoint is given"):
        EvaluateConfig(dataset="embedded")
    with pytest.raises(UserError, match="leave out flip_test"):
        EvaluateConfig(network="movenet_thunder", flip_test=True)
    config = EvaluateConfig("embedded_rpstn", "embedded", embedded_root, network="movenet_thunder", device="cpu")
    with pytest.raises(UserError, match="does not hold movenet_thunder"):
        evaluate(config, progress=False)
