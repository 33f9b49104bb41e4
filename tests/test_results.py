"""The results page's tables and sentences: made from files of published runs, and from nothing else that lies beside them."""

import pytest

from rpstn.errors import UserError
from rpstn.published import load_published
from rpstn.results import joint_table, load_results, verdict
from rpstn.runs import write_json

from .conftest import CHECKOUT


def test_studies_of_another_form_are_no_published_runs(tmp_path):
    """results/ also holds the relation's scales and the bench, which have rows of their own."""
    found = load_results()
    assert "embedded" in found and not {"relation_scale", "bench", "published", "predict_memory"} & set(found)
    assert all({"rows", "gains", "measured_on", "hidden", "trained"} <= set(run) for run in found.values())
    (tmp_path / "scale.json").write_text((CHECKOUT / "results" / "relation_scale.json").read_text())
    with pytest.raises(UserError, match="no published run"):
        load_results(tmp_path)
    write_json(tmp_path / "mine.json", found["embedded"])
    assert list(load_results(tmp_path)) == ["mine"]


def test_a_verdict_says_what_its_intervals_leave_out():
    result = load_results()["embedded"]
    for other, gain in result["gains"].items():
        words = verdict(result, other)
        assert f"{100 * gain['estimate']:+.1f}" in words and words.endswith("chance between trainings is not in these intervals.")
    value = {"estimate": None, "interval": [None, None], "samples": 0, "sources": 0}
    assert verdict({"rows": {"RPSTN": {}}, "gains": {"other": value}, "hidden": {}}, "other") == ""


def test_published_means_stand_under_their_number_of_joints():
    rows = {(row.method, row.split, row.reference, row.joints): row for row in load_published() if row.data_set == "sub_jhmdb"}
    assert {joints for *_, joints in rows} == {13, 15, None}  # of one, nobody says how many
    assert {row.joints for row in load_published() if row.data_set == "penn_action"} == {13}
    assert {row.joints for row in load_published() if row.data_set == "coco"} == {17}
    own = load_results()["sub_jhmdb-1"]
    for joints, place in ((15, -3), (13, -1)):  # mean, its interval, the other mean
        row = rows["SimpleBaseline-R50", "test of split 1", "torso", joints]
        cells = [cell.strip() for cell in joint_table(own, "torso", [row]).splitlines()[-1].strip("|").split("|")]
        assert cells[place] == f"{row.mean:.1f}" and cells[-1 if place == -3 else -3] == ""
