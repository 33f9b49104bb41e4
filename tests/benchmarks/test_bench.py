"""`rpstn bench`: every comparison runs, and both sides compute the same."""

import json

import pytest

from benchmarks.bench import load
from benchmarks.timing import Row
from rpstn.cli.main import main


def test_every_row_runs_and_both_sides_agree(tmp_path, capsys):
    assert main(["bench", "--quick", "--out", str(tmp_path / "bench.json")]) == 0
    rows = load(tmp_path / "bench.json")
    printed = capsys.readouterr().out
    assert {row["name"].split()[0] for row in rows} == {"matching", "step", "inference", "loading", "JRE's"}
    for row in rows:
        assert row["ratio"] == pytest.approx(row["theirs"] / row["ours"])
        assert row["name"] in printed
        if row["agreement"] is not None:  # float32 rounding, however the sums are ordered
            assert row["agreement"] < 1e-4, row
    whole = json.loads((tmp_path / "bench.json").read_text())
    assert whole["quick"] and "torch" in whole["machine"]


def test_rows_are_chosen_by_name(tmp_path, capsys):
    assert main(["bench", "relation", "--quick", "--out", str(tmp_path / "bench.json")]) == 0
    assert all(row["name"].startswith("JRE") for row in load(tmp_path / "bench.json"))
    assert main(["bench", "speed", "--out", str(tmp_path / "none.json")]) == 2
    assert "there is no benchmark 'speed'" in capsys.readouterr().err
    assert not (tmp_path / "none.json").exists()
    assert Row("a", "b", theirs=3.0, ours=2.0, agreement=None).ratio == 1.5
