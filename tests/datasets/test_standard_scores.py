"""The score that is usual for a data set, on predictions that are known."""

from dataclasses import replace

import numpy as np
import pytest

from rpstn.datasets import open_dataset
from rpstn.datasets.convert import convert_dataset
from rpstn.metrics.standard import standard_lines, standard_score
from rpstn.skeletons import get_skeleton

from .small_sets import MADE, make_mpii, truth


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, (_, key) in MADE.items() if key])
def test_the_labels_themselves_score_one(name, key, roots):
    dataset = open_dataset(name, roots / name, "test")
    perfect = standard_score(truth(dataset), dataset)[key]
    assert perfect["mean"] == pytest.approx(1)
    away = truth(dataset)
    for joints in away.joints:
        joints += 1e4
    assert standard_score(away, dataset)[key]["mean"] == 0
    assert standard_score(truth(dataset), dataset)[key] == perfect


def test_pckh_of_one_person_in_five_who_is_lost(roots):
    dataset = open_dataset("mpii", roots / "mpii", "test")
    found = truth(dataset)
    found.joints[0] += 1e3
    found.joints[1][0, 6:8] += 1e3  # pelvis and thorax, which do not count
    part = standard_score(found, dataset)["pckh"]
    assert part["mean"] == pytest.approx(0.8) and part["joints"]["pelvis"] == pytest.approx(0.6)
    assert part["joints"]["wrist"] == pytest.approx(0.8) and part["people"] == 5


def test_oks_is_that_of_pycocotools_on_the_official_file(roots):
    """A split of the train file is scored against its own images only."""
    for split, count in (("val", 2), ("train", 38)):
        dataset = open_dataset("coco", roots / "coco", split, seed=3)
        part = standard_score(truth(dataset), dataset, seed=3)["oks"]
        assert part["images"] == count and part["AP"] == part["AR"] == pytest.approx(1)
    half = open_dataset("coco", roots / "coco", "test")
    found = truth(half)
    found.joints[1] += 1e3
    found.confidence[1] *= 0.5
    assert standard_score(found, half)["oks"]["AR"] == pytest.approx(0.5)


def test_posetrack_scores_labeled_frames_only(roots):
    """A person who is lost in one of three frames; what is said in frames without a label changes nothing."""
    dataset = open_dataset("posetrack18", roots / "posetrack18", "test")
    found = truth(dataset)
    hidden = ~dataset[0].truth.track.labeled
    assert hidden.sum() == 5
    found.joints[0][hidden] += 1e4
    assert standard_score(found, dataset)["posetrack"]["mean"] == pytest.approx(1)
    found.joints[0][0] += 1e4
    part = standard_score(found, dataset)["posetrack"]
    assert part["frames"] == 3 and part["people"] == 5 and part["mean"] < 1 and part["joints"]["ear"] is None


@pytest.mark.parametrize(("name", "key"), [("coco", "oks"), ("posetrack18", "posetrack"), ("mpii", "pckh")])
@pytest.mark.parametrize("what", ["joints", "confidence"])
def test_a_prediction_that_is_no_number_is_a_miss(name, key, what, roots):
    """The others are scored; only PCKh asks for no confidence."""
    dataset = open_dataset(name, roots / name, "test")
    found = truth(dataset)
    whole = standard_score(found, dataset)[key]
    getattr(found, what)[0][:] = np.nan
    part = standard_score(found, dataset)[key]
    if (key, what) == ("pckh", "confidence"):
        assert part == whole
        return
    assert 0 < part["mean"] < whole["mean"] == pytest.approx(1)
    said = standard_lines({key: part})[-1]
    if key == "pckh":
        assert part["people"] == whole["people"]
    elif key == "oks":
        assert part["left_out"] == 1 and part["poses"] == whole["poses"] - 1
        assert said == "  poses left out because they are not finite: 1"
    else:
        assert part["left_out"] > whole["left_out"] and said.endswith(f"not finite: {part['left_out']}")


def test_no_score_without_what_it_needs(roots, tmp_path):
    make_mpii(tmp_path / "mpii")
    (tmp_path / "mpii" / "annot" / "gt_valid.mat").unlink()
    dataset = open_dataset("mpii", tmp_path / "mpii", "test")
    part = standard_score(truth(dataset), dataset)
    assert part["pckh"]["mean"] is None and "gt_valid.mat" in part["pckh"]["reason"]
    assert standard_lines(part) == [f"PCKh: none; {part['pckh']['reason']}"]
    whole = open_dataset("mpii", roots / "mpii", "test")
    assert "2 damaged" in standard_score(truth(whole), replace(whole, left_out=2))["pckh"]["reason"]
    converted = convert_dataset(whole, get_skeleton("penn_action"))
    assert standard_score(truth(converted), converted) == {}
