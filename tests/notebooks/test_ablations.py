"""The ablation: cells differ in what they say, resume, and are merged from several folders with their manifests."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rpstn.cli.main import main
from rpstn.datasets import open_dataset
from rpstn.datasets.splits import first_per_group
from rpstn.errors import UserError
from rpstn.metrics.intervals import Interval
from rpstn.notebooks.ablation_results import (
    interval_words,
    loss_interval,
    merge_cells,
    paper_table,
    read_cells,
    study_name,
    summarize,
    verdicts,
)
from rpstn.notebooks.ablations import CELLS, DEMO, RESULT, TALLY, TITLES, AblationConfig, ablate, describe
from rpstn.notebooks.published import PAPER_JOINTS, published_rows
from rpstn.runs import read_json
from rpstn.runs.parts import flatten

SMALL = {"steps": 1, "batch": 2, "frames": 2, "size": 64, "clips": 1, "precision": "fp32", "device": "cpu"}


def configured(root, out, **changes):
    cells, seeds = changes.pop("cells", ("full", "without_p")), changes.pop("seeds", (1, 2))
    return AblationConfig(cells=cells, seeds=seeds, root=str(root), out=str(out), **{**SMALL, **changes})


@pytest.fixture(scope="module")
def made(embedded_root, tmp_path_factory):
    """Two cells of two seeds, one seed in each of two folders, as from two machines."""
    places = [tmp_path_factory.mktemp(name) for name in ("here", "there")]
    for place, seed in zip(places, (1, 2), strict=True):
        ablate(configured(embedded_root, place, seeds=(seed,)), progress=False)
    return places


def test_cells_differ_in_what_they_say(embedded_root, tmp_path):
    config = configured(embedded_root, tmp_path, cells=tuple(CELLS), batch=5, frames=8)
    full = config.cell("full", 1)
    for name, changes in CELLS.items():
        cell = config.cell(name, 1)
        differing = {setting for setting, value in flatten(cell).items() if value != flatten(full)[setting]} - {"out"}
        assert differing <= set(changes) | {"batch"}, name
        assert abs(cell.data.batch * cell.data.frames - 40) <= 3 and cell.optimizer == full.optimizer and cell.init == full.init
        assert name in TITLES
    assert {"full", "cat", "without_p", "without_jre", "manual_graph", "released_layout", "frames_2", "scale_mean"} <= set(CELLS)
    assert set(DEMO) <= set(CELLS)
    assert "frames_8" not in {name for name, _ in config.todo()}, "the full network has clips of 8 frames"
    assert [seed for _, seed in config.todo()] == sorted(seed for _, seed in config.todo()), "a whole grid of one seed first"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"cells": ("ful",)}, "'ful'.*did you mean 'full'"),
        ({"cells": ()}, "at least one cell"),
        ({"seeds": (1, 1)}, "seeds names one twice"),
        ({"clips": -1}, "must not be negative"),
        ({"size": 160}, "160"),
        ({"init": "nowhere.pt"}, "nowhere.pt"),
        ({"dataset": "penn_action"}, "ships no encoder for penn_action"),
    ],
)
def test_what_cannot_be_an_ablation_is_said(tmp_path, changes, said):
    with pytest.raises(UserError, match=f"(?s){said}"):
        configured(tmp_path, tmp_path, **changes)


def test_a_few_clips_of_every_source(embedded_root):
    test = open_dataset("embedded", embedded_root, split="test")
    one = first_per_group(test, 1)
    assert {clip.group for clip in one} == {clip.group for clip in test} and len(one) == len({clip.group for clip in test})
    assert first_per_group(test, 0) is test and len(first_per_group(test, 99)) == len(test)
    with pytest.raises(UserError, match="-1"):
        first_per_group(test, -1)


def test_a_finished_cell_is_kept_and_another_budget_is_refused(made, embedded_root):
    config = configured(embedded_root, made[0], seeds=(1,))
    before = {path: path.stat().st_mtime_ns for path in made[0].rglob("*") if path.is_file()}
    assert {path.name for path in ablate(config, progress=False)} == {"full-1", "without_p-1"}
    assert before == {path: path.stat().st_mtime_ns for path in made[0].rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="full-1.*steps"):
        ablate(configured(embedded_root, made[0], seeds=(1,), steps=2), progress=False)
    with pytest.raises(UserError, match="full-1.*another way"):
        ablate(configured(embedded_root, made[0], seeds=(1,), clips=0, window=3), progress=False)


def test_a_cell_of_an_older_version_is_kept(made, embedded_root, tmp_path):
    """Its plan says nothing of settings that came later: they are what they are if nobody asks for them."""
    for folder in made:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    record = tmp_path / "full-1" / RESULT
    content = read_json(record)
    assert content["plan"]["shared"].pop("aux_fraction") == 0.5
    record.write_text(json.dumps(content))
    assert {(cell.name, cell.seed) for cell in read_cells([tmp_path])} == {(cell.name, cell.seed) for cell in read_cells(made)}
    config = json.loads((tmp_path / "full-1" / "config.json").read_text()) | {"out": str(tmp_path / "full-1")}
    (tmp_path / "full-1" / "config.json").write_text(json.dumps(config))
    ablate(configured(embedded_root, tmp_path, cells=("full",), seeds=(1,)), progress=False)
    assert read_json(record) == content, "the cell was made anew"


def test_a_cell_that_was_cut_off_before_its_score_is_scored(made, embedded_root, tmp_path):
    shutil.copytree(made[0] / "full-1", tmp_path / "full-1")
    count_by_group, record = (tmp_path / "full-1" / name for name in (TALLY, RESULT))
    known = dict(np.load(count_by_group))
    count_by_group.unlink()
    record.unlink()
    # The folder moved with its run: only the place differs.
    config = json.loads((tmp_path / "full-1" / "config.json").read_text()) | {"out": str(tmp_path / "full-1")}
    (tmp_path / "full-1" / "config.json").write_text(json.dumps(config))
    ablate(configured(embedded_root, tmp_path, cells=("full",), seeds=(1,)), progress=False)
    again = dict(np.load(count_by_group))
    assert all((again[key] == known[key]).all() for key in known) and record.is_file()


def test_cells_of_several_folders_are_merged_with_their_manifests(made, tmp_path):
    out = tmp_path / "results" / "ablations.json"
    study = merge_cells((*made, made[0]), out=out)
    content = read_json(out)
    assert content["embedded"] == study and study_name(study) == "embedded"
    assert list(study["cells"]) == ["full", "without_p"]
    for name, cell in study["cells"].items():
        assert cell["seeds"] == [1, 2] == [run["seed"] for run in cell["runs"]]
        for run in cell["runs"]:
            assert {"commit", "versions", "device", "data", "seconds", "parameters", "metrics"} <= set(run)
            assert "steps" not in run["parameters"] and run["parameters"]["seed"] == run["seed"]
        score = cell["scores"]["torso"]["all"]
        assert score["interval"] == [None, None], "four groups say too little about others"
        assert score["groups"] == study["measured_on"]["groups"] == 4
        assert (score["loss"] is None) == (name == "full")
    text = out.read_text()
    assert all(str(place) not in text for place in (*made, Path.home(), "/tmp"))
    # Another data set's study stays.
    out.write_text(json.dumps(content | {"sub_jhmdb-1": {"kept": True}}))
    merge_cells(tuple(made), out=out)
    assert read_json(out)["sub_jhmdb-1"] == {"kept": True}


def test_the_mean_is_over_seeds_and_the_difference_is_paired(made):
    cells = read_cells(made)
    study = summarize(cells)
    full, without = ([cell for cell in cells if cell.name == name] for name in ("full", "without_p"))

    def score(cell):
        hits, counts = cell.hits["torso", "all"].sum(axis=0), cell.counts["torso", "all"].sum(axis=0)
        return float(np.mean(hits[counts > 0] / counts[counts > 0]))

    part = study["cells"]["without_p"]["scores"]["torso"]["all"]
    assert part["mean"] == pytest.approx(np.mean([score(cell) for cell in without]))
    assert part["loss"]["estimate"] == pytest.approx(np.mean([score(a) - score(b) for a, b in zip(full, without, strict=True)]))
    assert part["loss"]["seeds"] == [1, 2]
    hits, counts = (np.sum([getattr(cell, what)["torso", "all"][:, 0] for cell in without]) for what in ("hits", "counts"))
    assert part["joint_types"]["head"] == pytest.approx(hits / counts)
    item = loss_interval(study, "without_p")
    assert isinstance(item, Interval) and item.estimate == part["loss"]["estimate"] and loss_interval(study, "full") is None
    (line,) = verdicts(study)
    assert TITLES["without_p"] in line and "2 seeds" in line and "groups" in line


def test_verdicts_follow_the_numbers(made):
    study = summarize(read_cells(made))
    loss = study["cells"]["without_p"]["scores"]["torso"]["all"]["loss"]
    loss.update(estimate=0.2, interval=[0.1, 0.3])
    assert "too few trainings to tell" in verdicts(study)[0] and "range of the draws" in verdicts(study)[0], "two seeds"
    loss.update(seeds=[1])
    assert "too few trainings to tell" in verdicts(study)[0] and not loss_interval(study, "without_p").excludes_zero
    loss.update(seeds=[1, 2, 3, 4, 5])
    for interval, words in (([0.1, 0.3], "is better"), ([-0.3, -0.1], "is worse"), ([-0.1, 0.3], "no difference")):
        loss.update(estimate=sum(interval) / 2, interval=interval)
        assert words in verdicts(study)[0] and "95 % interval" in verdicts(study)[0]
    loss.update(interval=[None, None])
    assert "nothing can be said" in verdicts(study)[0] and "no interval" in verdicts(study)[0]
    loss.update(interval=[0.1, 0.3])
    assert "95 % interval +10.0 to +30.0" in verdicts(study)[0]
    del study["cells"]["without_p"]
    assert "nothing to compare" in verdicts(study)[0]


def test_with_enough_sources_there_are_intervals(made):
    cells = [
        dataclasses.replace(
            cell,
            groups=np.arange(2 * len(cell.groups)),
            hits={key: np.tile(value, (2, 1)) for key, value in cell.hits.items()},
            counts={key: np.tile(value, (2, 1)) for key, value in cell.counts.items()},
        )
        for cell in read_cells(made)
    ]
    study = summarize(cells)
    score = study["cells"]["without_p"]["scores"]["torso"]["all"]
    for part, estimate in ((score, score["mean"]), (score["loss"], score["loss"]["estimate"])):
        low, high = part["interval"]
        assert low <= estimate <= high
    assert paper_table(study)[1]["interval"] and "range of the draws" in verdicts(study)[0], "two seeds"


def test_what_intervals_are_depends_on_the_seeds(made):
    study = summarize(read_cells(made))
    assert interval_words(study).startswith("With 2 seeds, what stands as an interval is the range of all draws.")
    for cell, seeds in zip(study["cells"].values(), ([1], [1, 2, 3, 4, 5]), strict=True):
        cell["seeds"] = seeds
    said = interval_words(study)
    assert "With one seed, intervals are over groups alone." in said and "of 95 %" in said and "range" not in said


def test_the_table_has_the_papers_form_and_says_what_it_was_measured_on(made):
    study = summarize(read_cells(made))
    rows = paper_table(study, published_rows(data_set="penn_action", reference="torso"))
    assert len(rows) == 2 + 8 and all(list(row) == list(rows[0]) for row in rows)
    assert list(rows[0])[1:8] == list(PAPER_JOINTS) and rows[1]["seeds"] == "2"
    assert "embedded, test" in rows[0]["measured on"] and rows[-1]["measured on"] == "penn_action, test, as printed"
    paper = {row[""]: row for row in rows[2:]}
    assert paper["RPSTN-R18 without P"]["ankle"] == "80.7" and paper["RPSTN-R18 without P"]["interval"] == ""


def test_a_plan_has_what_changes_results_and_the_precision_that_was_meant(embedded_root, tmp_path, monkeypatch):
    """BatchNorm sees one part of a batch at a time, and "auto" is another precision on another machine."""
    test = first_per_group(open_dataset("embedded", embedded_root, split="test"), 1)

    def shared(**changes):
        return describe(configured(embedded_root, tmp_path, **changes), "full", 1, test)["shared"]

    assert shared(batch=4, accumulate=2) == shared(batch=4) | {"accumulate": 2}
    for bf16, name in ((True, "bf16"), (False, "fp32")):
        monkeypatch.setattr("rpstn.notebooks.ablations.use_bf16", lambda precision, device, bf16=bf16: bf16)
        assert shared(precision="auto") == shared(precision=name) and shared()["precision"] == name
    assert shared(workers=3) == shared()


def test_means_say_of_how_many_joints_they_are(made):
    """Sub-JHMDB's own mean leaves out neck and belly, which are all wrong here; published means go under their number."""

    def as_sub_jhmdb(cell):
        def more(arrays, value):
            return {key: np.concatenate([np.full((len(v), 2), value), v], axis=1) for key, v in arrays.items()}

        plan = {**cell.plan, "measured_on": {**cell.plan["measured_on"], "skeleton": "sub_jhmdb"}}
        return dataclasses.replace(cell, plan=plan, hits=more(cell.hits, 0), counts=more(cell.counts, 5))

    cells = read_cells(made)
    score, known = (
        summarize(part)["cells"]["full"]["scores"]["torso"]["all"] for part in ([as_sub_jhmdb(cell) for cell in cells], cells)
    )
    assert score["joints_scored"] == 13 and score["mean_scored"] == pytest.approx(known["mean"])
    assert score["mean"] == pytest.approx(known["mean"] * 13 / 15) and "mean_scored" not in known
    rows = paper_table(
        summarize([as_sub_jhmdb(cell) for cell in cells]), published_rows(data_set="penn_action", reference="torso")
    )
    assert rows[0]["mean (13 joints)"] == f"{100 * score['mean_scored']:.1f}" and rows[0]["mean (15 joints)"] != ""
    assert rows[-1]["mean (13 joints)"] and not rows[-1]["mean (15 joints)"] and "full minus this (15 joints)" in rows[0]
    (plain, *_) = paper_table(summarize(cells))
    assert "mean (13 joints)" in plain and not {"mean", "mean (15 joints)"} & set(plain)


def change(path, name, value):
    record = json.loads(path.read_text())
    *parts, last = name.split(".")
    part = record
    for key in parts:
        part = part[key]
    part[last] = value
    path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("plan.shared.steps", 9, "budget \\(steps\\)"),
        ("plan.shared.accumulate", 2, "budget \\(accumulate\\)"),
        ("plan.shared.precision", "bf16", "budget \\(precision\\)"),
        ("plan.changes", {"relation": "off"}, "called full and differ in what it changes \\(relation\\)"),
        ("plan.encoder", "0" * 64, "encoder to start from"),
        ("plan.measured_on.labels", "other", "test clips \\(labels\\)"),
        ("cell", "half", "'half'"),
        ("training", {}, "not a finished cell"),
    ],
)
def test_cells_that_cannot_be_compared_are_named(made, tmp_path, name, value, said):
    place = tmp_path / "copy"
    shutil.copytree(made[1], place)
    change(place / "full-2" / RESULT, name, value)
    with pytest.raises(UserError, match=f"full-2.*{said}"):
        read_cells([made[0], place])


def test_damage_is_named(made, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(made[0], place)
    hits = dict(np.load(place / "full-1" / TALLY))
    hits["torso_all_hits"] = hits["torso_all_hits"] + 1
    np.savez(place / "full-1" / TALLY, **hits)
    with pytest.raises(UserError, match="one cell with different results"):
        read_cells([made[0], place])
    (place / "full-1" / TALLY).write_bytes(b"nothing")
    with pytest.raises(UserError, match="full-1: not a finished cell"):
        read_cells([place])
    with pytest.raises(UserError, match="no such folder"):
        read_cells([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no finished cell"):
        read_cells([tmp_path / "empty"])


def test_the_command_line_merges_and_prints_the_table(made, tmp_path, capsys):
    out = tmp_path / "ablations.json"
    assert main(["ablate", "merge", *map(str, made), "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert TITLES["without_p"] in shown and "ankle" in shown and out.is_file()
    whole = out.read_bytes()
    assert main(["ablate", "merge", str(made[0]), "--out", str(out)]) == 2
    assert "2 runs that" in capsys.readouterr().err and out.read_bytes() == whole, "published seeds are not lost by a slip"
    assert main(["ablate", "merge", str(made[0]), "--out", str(out), "--fewer"]) == 0 and out.read_bytes() != whole
    capsys.readouterr()
    assert main(["ablate", "merge", str(tmp_path / "nowhere")]) == 2
    assert "no such folder" in capsys.readouterr().err
    assert main(["ablate", "--cells", "ful"]) == 2
    assert "did you mean 'full'" in capsys.readouterr().err
