"""Reported scores are whole, have a source, and are what their tables' arithmetic says."""

import json

import pytest

from rpstn.errors import UserError
from rpstn.notebooks.published import PAPER_JOINTS, PUBLISHED, load_published, missing_tables, published_rows


def test_every_row_has_a_source_and_a_place():
    rows = load_published()
    assert {row.data_set for row in rows} == {"penn_action", "sub_jhmdb", "posetrack18", "coco"}
    keys = [(row.method, row.data_set, row.split, row.metric, row.reference, row.note) for row in rows]
    assert len(set(keys)) == len(keys) and all(row.source and row.split for row in rows)
    assert set(missing_tables()) == {"sub_jhmdb", "posetrack18", "hieve", "coco"}


def test_the_papers_means_belong_to_their_rows():
    """A slip of a digit in a row per joint would move its plain mean away from the printed one."""
    rows = published_rows(data_set="penn_action")
    assert len(rows) == 12 and all(tuple(row.per_joint) == PAPER_JOINTS for row in rows)
    for row in rows:
        plain = sum(row.per_joint.values()) / len(row.per_joint)
        assert row.mean == pytest.approx(plain, abs=0.75), row.method


def test_rows_are_found_by_what_they_are():
    (row,) = published_rows(method="RPSTN-R18 without P")
    assert row.reference == "torso" and min(row.per_joint, key=row.per_joint.get) == "ankle" and row.ms is None
    baseline = published_rows(data_set="sub_jhmdb", method="SimpleBaseline-R50")
    assert len(baseline) == 8 and all("flip test, all 12 classes" in row.note for row in baseline)
    with pytest.raises(UserError, match="OpenPose"):
        published_rows(method="OpenPose")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[0].pop("source"), "source"),
        (lambda rows: rows[0].update(source=""), "no source"),
        (lambda rows: rows[0].update(mean=957), "percent"),
        (lambda rows: rows[2].update(color="red"), "row 2.*color"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, change, said):
    content = json.loads(PUBLISHED.read_text())
    change(content["rows"])
    path = tmp_path / "published.json"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=rf"(?s)published.json.*{said}"):
        load_published(path)
    with pytest.raises(UserError, match="absent.json"):
        load_published(tmp_path / "absent.json")
