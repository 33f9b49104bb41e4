"""The results page's tables and sentences: made from files of published runs, and from nothing else that lies beside them."""

import re

import pytest

from rpstn.embedded.make import COUNTS
from rpstn.errors import UserError
from rpstn.notebooks.published import load_published
from rpstn.notebooks.results import (
    check_table,
    how_made,
    joint_table,
    load_results,
    prediction_table,
    trained_otherwise,
    trainings_table,
    weakest_group,
)
from rpstn.runs import read_json, write_json

from ..conftest import CHECKOUT


def test_studies_of_another_form_are_no_published_runs(tmp_path):
    """results/ also holds the relation's scales and the bench, which have rows of their own."""
    found = load_results()
    assert "embedded" in found and not {"relation_scale", "bench", "published", "predict_memory", "predict_quality"} & set(found)
    assert all({"rows", "gains", "measured_on", "hidden", "trained"} <= set(run) for run in found.values())
    (tmp_path / "scale.json").write_text((CHECKOUT / "results" / "relation_scale.json").read_text())
    with pytest.raises(UserError, match="no scored run"):
        load_results(tmp_path)
    write_json(tmp_path / "mine.json", found["embedded"])
    assert list(load_results(tmp_path)) == ["mine"]


def test_published_studies_are_of_the_data_set_that_the_package_makes():
    """A new version of the embedded data, or of its splits, calls for new measurements."""
    studies = {
        "embedded": load_results()["embedded"]["measured_on"],
        "relation_scale": read_json(CHECKOUT / "results" / "relation_scale.json")["measured_on"],
        "ablations": read_json(CHECKOUT / "results" / "ablations.json")["embedded"]["measured_on"],
    }
    assert {name: measured["clips"] for name, measured in studies.items()} == dict.fromkeys(studies, COUNTS["test"])


def test_hidden_joints_gain_by_what_is_carried():
    """On embedded test clips, for joints hidden for up to five frames: the interval of the gain excludes zero."""
    gains = load_results()["embedded"]["hidden"]["as it is"]["gains"]
    assert gains["frame by frame"]["interval"][0] > 0 and gains["without propagation"]["interval"][0] > 0


def test_reported_means_stand_under_their_number_of_joints():
    rows = {(row.method, row.split, row.reference, row.joints): row for row in load_published() if row.data_set == "sub_jhmdb"}
    assert {joints for *_, joints in rows} == {13, 15, None}  # of one, nobody says how many
    assert {row.joints for row in load_published() if row.data_set == "penn_action"} == {13}
    assert {row.joints for row in load_published() if row.data_set == "coco"} == {17}
    own = load_results()["sub_jhmdb-1"]
    for joints, place in ((15, -3), (13, -1)):  # mean, its interval, the other mean
        row = rows["SimpleBaseline-R50", "test of split 1", "torso", joints]
        cells = [cell.strip() for cell in joint_table(own, "torso", [row]).splitlines()[-1].strip("|").split("|")]
        assert cells[place] == f"{row.mean:.1f}" and cells[-1 if place == -3 else -3] == ""


def test_every_training_behind_a_result_has_its_row():
    def run(steps, **more):
        parameters = {"dataset": "embedded", "encoder": "small", "steps": steps, "batch": 5, "frames": 8, "size": 128}
        return {"parameters": parameters, "seconds": 90.0, "device": "two cores", **more}

    earlier = {"before": [run(11), run(12)], "encoder": run(13)}
    lines = how_made({"trained": {"RPSTN": run(14, **earlier), "concat": run(15, **earlier)}}).splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in cells] == ["start 1", "start 2", "encoder", "RPSTN", "concat"]
    assert [row[3] for row in cells] == ["11", "12", "13", "14", "15"] and cells[0][4] == "40"
    mixed = run(16)
    mixed["parameters"] |= {"aux_dataset": "lspet", "aux_fraction": 0.5, "accumulate": 1}
    assert "| embedded, 2 in 5 from lspet |" in how_made({"trained": {"RPSTN": mixed}}) and cells[0][1] == "embedded"


def test_trainings_stand_in_a_table_with_the_means_that_the_data_set_counts():
    def scores(person, torso):
        return {"person": {"all": {"mean": person}}, "torso": {"all": {"mean": 0.1, "mean_scored": torso}}}

    def run(size, rows, **more):
        parameters = {"dataset": "sub_jhmdb", "size": size, "batch": 40, "accumulate": 1, **more}
        return {
            "rows": rows,
            "trained": {"RPSTN": {"encoder": {"parameters": parameters}}},
            "measured_on": {"window": size // 32},
        }

    mixed = {"aux_dataset": "lspet", "aux_fraction": 0.5}
    rows = {"RPSTN": scores(0.92, 0.66), "frame by frame": scores(0.3, 0.3), "RPSTN, flip test": scores(0.93, 0.67)}
    runs = {"small": run(128, {"RPSTN": scores(0.9, 0.6)}), "large": run(256, rows, **mixed)}
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in trainings_table(runs).splitlines()]
    assert lines[0][3:] == ["window", "person", "torso", "person, flip test", "torso, flip test"]
    assert lines[2][:6] == ["small", "128", "sub_jhmdb", "4", "90.0", "60.0"] and not any(lines[2][6:])
    assert lines[3] == ["large", "256", "sub_jhmdb, 20 in 40 from lspet", "8", "92.0", "66.0", "93.0", "67.0"]


def test_a_check_on_other_images_stands_in_a_table():
    check = read_json(CHECKOUT / "results" / "real_on_coco.json")
    text = check_table(check)
    assert (
        all(re.search(rf"^\| {subset} +\|", text, re.M) for subset in ("all", "visible", "occluded"))
        and "68 people from 32 groups" in text
    )
    assert (
        f"{100 * check['evaluation']['scores']['person']['visible']['mean']:.1f}" in text and "/" not in text.split("weights ")[1]
    )


def test_quality_of_prediction_stands_in_a_table():
    quality = read_json(CHECKOUT / "results" / "predict_quality.json")
    lines = prediction_table(quality).splitlines()
    assert len(lines) == 5 and f"{100 * quality['pck']['auto']['mean']:.1f}" in lines[-1]


def test_the_weakest_group_is_named_with_what_the_others_reach():
    result = {
        "by_group": {"RPSTN": {"walk:1": 0.9, "fall:0": 0.5, "run:2": 0.8, "unseen:3": None}, "frame by frame": {"walk:1": 0.1}}
    }
    assert weakest_group(result) == (
        "Of 3 groups, RPSTN has its lowest PCK in fall:0: 50.0 %. In the others it is 80.0 to 90.0 %, 85.0 % on average."
    )
    assert weakest_group({}) == ""
    assert "getup_faceup" in weakest_group(load_results()["embedded"])


def test_two_trainings_stand_side_by_side():
    def run(mean, estimate, *others):
        gains = {"frame by frame": {"estimate": estimate, "interval": [0.001, 0.02], "samples": 9, "groups": 3}}
        rows = {title: {"person": {"all": {"mean": mean}}} for title in ("RPSTN", *others)}
        return {"rows": rows, "hidden": {"as it is": {"gains": gains}} if estimate else {}}

    assert trained_otherwise(run(0.891, 0.01, "concat"), run(0.9, 0.004)) == (
        "First the training above, then this one: RPSTN 89.1 and 90.0. On joints hidden as they are in the clips, the full "
        "network gains +1.0 (0.1 to 2.0) and +0.4 (0.1 to 2.0) over frame by frame."
    )
    assert trained_otherwise(run(0.5, 0.01), run(0.25, None)).endswith("RPSTN 50.0 and 25.0.")
