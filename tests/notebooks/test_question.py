"""One table of all answers to one question, from whatever results files there are."""

from dataclasses import replace

from rpstn.metrics.hidden import MEASURES
from rpstn.notebooks.question import OLD, same_question, same_question_table
from rpstn.notebooks.results import WITHDRAWN, hidden_measure, hidden_table, load_results
from rpstn.occlusion import Protocol
from rpstn.occlusion.study import count_rows, network_rows, packed, rule_rows
from rpstn.runs import write_json

from ..occlusion.test_baselines import made
from ..occlusion.test_occlusion import many


def test_committed_files_are_read_and_withdrawn_occluders_come_last():
    rows = same_question()
    assert all(list(row) == list(rows[0]) for row in rows)
    old = [row["occluders"] == OLD for row in rows]
    assert old == sorted(old)
    assert {"embedded", "ablations, embedded"} <= {row["file"] for row in rows}
    assert same_question_table().count("\n") == len(rows) + 1


def test_a_study_is_compared_with_frame_by_frame_and_with_its_own_pose_held(tmp_path):
    dataset = many(6)
    hidden = Protocol("limb", start=4, length=8).hide(dataset)
    groups = sorted({clip.group for clip in dataset})
    right, clear = made(hidden, [clip.joints for clip in hidden]), made(dataset, [clip.joints for clip in dataset])
    wrong = replace(right, joints=[joints + 300 for joints in right.joints])

    def found(predictions):
        return {"protocols": {"limb": packed(count_rows(hidden, network_rows(hidden, predictions, clear)), groups)}}

    study = {
        "settings": {"attached": "body", "texture": "image", "dataset": "made", "split": "test", "fold": 1},
        "groups": groups,
        "rules": {"limb": packed(count_rows(hidden, rule_rows(hidden)), groups)},
        "networks": {"split1-1/frame_by_frame": found(wrong), "split1-1/gated": found(right), "split1-2/gated": found(right)},
    }
    write_json(tmp_path / "occlusion.json", study)
    write_json(tmp_path / "other.json", [1, 2])
    rows = {(row["trainings"], row["compared"]): row for row in same_question(tmp_path)}
    assert set(rows) == {
        ("split1-1", "frame_by_frame - its own pose held"), ("split1-1", "gated - its own pose held"),
        ("split1-1", "gated - frame_by_frame"), ("split1-2", "gated - its own pose held"),
    }  # fmt: skip
    row = rows["split1-1", "gated - frame_by_frame"]
    assert row["gain"].startswith("+100.0") and row["measure"] == next(iter(MEASURES)) and row["groups"] == "6"
    assert same_question_table(tmp_path / "nowhere") == "No results file asks about hidden joints yet."


def test_older_files_say_that_their_occluders_are_withdrawn():
    run = load_results()["embedded"]
    if any("measure" not in part for part in run["hidden"].values()):
        assert WITHDRAWN in hidden_measure(run) and "0.2 person" in hidden_measure(run)
    new = {"measure": "0.2 torso", "rows": {"RPSTN": {"samples": 9, "estimate": 0.5}}, "gains": {}}
    new["rules"] = {"true position held": {"samples": 9, "estimate": 0.7}}
    made_now = {"rows": {"RPSTN": {}}, "hidden": {"limb": new}}
    assert hidden_measure(made_now) == "Joints hidden for 1 to 5 frames, `PCK` within 0.2 torso."
    assert "true position held" in hidden_table(made_now) and "70.0" in hidden_table(made_now)
    assert hidden_measure({"hidden": {}}) == ""
