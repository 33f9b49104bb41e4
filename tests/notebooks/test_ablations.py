"""The ablation: runs differ in what they say, are resumed, and are merged from several folders with their manifests."""

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
from rpstn.notebooks.ablation_report import findings, has_intervals, loss_interval, paper_table
from rpstn.notebooks.ablation_results import merge_runs, read_runs, read_studies, study_name, summarize
from rpstn.notebooks.ablations import COUNTS, RESULT, RUNS, TITLES, AblationConfig, ablate, describe
from rpstn.notebooks.published import PAPER_JOINTS, published_rows
from rpstn.runs import read_json
from rpstn.runs.parts import flatten

SMALL = {"steps": 1, "batch": 2, "frames": 2, "size": 64, "clips": 1, "precision": "fp32", "device": "cpu"}


def configured(root, out, **changes):
    runs, seeds = changes.pop("runs", ("full", "without_p")), changes.pop("seeds", (1, 2))
    return AblationConfig(runs=runs, seeds=seeds, root=str(root), out=str(out), **{**SMALL, **changes})


@pytest.fixture(scope="module")
def made(embedded_root, tmp_path_factory):
    """Two runs of two seeds, one seed in each of two folders, as from two machines."""
    places = [tmp_path_factory.mktemp(name) for name in ("here", "there")]
    for place, seed in zip(places, (1, 2), strict=True):
        ablate(configured(embedded_root, place, seeds=(seed,)), progress=False)
    return places


def test_runs_differ_in_what_they_say(embedded_root, tmp_path):
    config = configured(embedded_root, tmp_path, runs=tuple(RUNS), batch=5, frames=8, steps=10, hold="frames")
    full = config.run("full", 1)
    for name, changes in RUNS.items():
        run = config.run(name, 1)
        differing = {setting for setting, value in flatten(run).items() if value != flatten(full)[setting]} - {"out"}
        assert differing <= set(changes) - {"budget"} | {"batch", "steps"}, name
        assert abs(run.data.batch * run.data.frames - 40) <= 3 and run.init == full.init
        assert run.optimizer.steps == (5 if name == "half_steps" else 10)
        assert dataclasses.replace(config, hold="clips").run(name, 1).data.batch == 5
        assert name in TITLES
    assert {"full", "cat", "without_p", "without_jre", "manual_graph", "released_layout", "frames_2", "scale_mean"} <= set(RUNS)
    assert "frames_8" not in {name for name, _ in config.todo()}, "the full network has clips of 8 frames"
    assert [seed for _, seed in config.todo()] == sorted(seed for _, seed in config.todo()), "a whole grid of one seed first"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runs": ("ful",)}, "'ful'.*did you mean 'full'"),
        ({"runs": ()}, "at least one run"),
        ({"seeds": (1, 1)}, "seeds names one twice"),
        ({"clips": -1}, "must not be negative"),
        ({"hold": "people"}, "hold is 'people'.*clips, frames"),
        ({"size": 160}, "160"),
        ({"init": "nowhere.pt"}, "nowhere.pt"),
        ({"dataset": "penn_action"}, "ships no encoder for penn_action"),
    ],
)
def test_what_cannot_be_an_ablation_is_said(tmp_path, changes, said):
    with pytest.raises(UserError, match=f"(?s){said}"):
        configured(tmp_path, tmp_path, **changes)


def test_a_few_clips_of_every_group(embedded_root):
    test = open_dataset("embedded", embedded_root, split="test")
    one = first_per_group(test, 1)
    assert {clip.group for clip in one} == {clip.group for clip in test} and len(one) == len({clip.group for clip in test})
    assert first_per_group(test, 0) is test and len(first_per_group(test, 99)) == len(test)
    with pytest.raises(UserError, match="-1"):
        first_per_group(test, -1)


def test_a_finished_run_is_kept_and_another_budget_is_refused(made, embedded_root):
    config = configured(embedded_root, made[0], seeds=(1,))
    before = {path: path.stat().st_mtime_ns for path in made[0].rglob("*") if path.is_file()}
    assert {path.name for path in ablate(config, progress=False)} == {"full-1", "without_p-1"}
    assert before == {path: path.stat().st_mtime_ns for path in made[0].rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="full-1.*steps"):
        ablate(configured(embedded_root, made[0], seeds=(1,), steps=2), progress=False)
    with pytest.raises(UserError, match="full-1.*another way"):
        ablate(configured(embedded_root, made[0], seeds=(1,), clips=0, window=3), progress=False)


def test_a_run_of_an_older_version_is_kept(made, embedded_root, tmp_path):
    """Its files, settings and groups have other names; of settings that came later it says nothing: they have their defaults."""
    for folder in made:
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    place = tmp_path / "full-1"
    record = read_json(place / RESULT)
    record["cell"] = record.pop("run")
    record["plan"]["measured_on"]["sources"] = record["plan"]["measured_on"].pop("groups")
    record["plan"]["shared"]["augmentation"]["tumble"] = record["plan"]["shared"]["augmentation"].pop("full_rotation_prob")
    assert record["plan"]["shared"].pop("aux_fraction") == 0.5
    (place / "cell.json").write_text(json.dumps(record))
    arrays = dict(np.load(place / COUNTS))
    np.savez_compressed(place / "tally.npz", sources=arrays.pop("groups"), **arrays)
    for name in (RESULT, COUNTS):
        (place / name).unlink()
    config = json.loads((place / "config.json").read_text()) | {"out": str(place)}
    (place / "config.json").write_text(json.dumps(config))
    assert summarize(read_runs([tmp_path])) == summarize(read_runs(made))
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    ablate(configured(embedded_root, tmp_path, runs=("full",), seeds=(1,)), progress=False)
    assert before == {path: path.stat().st_mtime_ns for path in place.iterdir()}, "the run was made again"


def test_studies_of_an_older_version_are_read(made, tmp_path):
    study = merge_runs(tuple(made), out=tmp_path / "a.json")
    text = json.dumps({"embedded": study}).replace('"rows"', '"cells"').replace('"groups"', '"sources"')
    (tmp_path / "b.json").write_text(text.replace('"joint_types"', '"groups"').replace('"full_rotation_prob"', '"tumble"'))
    assert read_studies(tmp_path / "b.json") == read_studies(tmp_path / "a.json") == {"embedded": study}
    with pytest.raises(UserError, match="2 runs that"):
        merge_runs((made[0],), out=tmp_path / "b.json")


def test_a_run_that_was_cut_off_before_its_score_is_scored(made, embedded_root, tmp_path):
    shutil.copytree(made[0] / "full-1", tmp_path / "full-1")
    counts, record = (tmp_path / "full-1" / name for name in (COUNTS, RESULT))
    known = dict(np.load(counts))
    counts.unlink()
    record.unlink()
    # The folder moved with its run: only the place differs.
    config = json.loads((tmp_path / "full-1" / "config.json").read_text()) | {"out": str(tmp_path / "full-1")}
    (tmp_path / "full-1" / "config.json").write_text(json.dumps(config))
    ablate(configured(embedded_root, tmp_path, runs=("full",), seeds=(1,)), progress=False)
    again = dict(np.load(counts))
    assert all((again[key] == known[key]).all() for key in known) and record.is_file()


def test_runs_of_several_folders_are_merged_with_their_manifests(made, tmp_path):
    out = tmp_path / "results" / "ablations.json"
    study = merge_runs((*made, made[0]), out=out)
    content = read_json(out)
    assert content["embedded"] == study and study_name(study) == "embedded"
    assert list(study["rows"]) == ["full", "without_p"]
    for name, row in study["rows"].items():
        assert row["seeds"] == [1, 2] == [run["seed"] for run in row["runs"]]
        for run in row["runs"]:
            assert {"commit", "versions", "device", "data", "seconds", "parameters", "metrics"} <= set(run)
            assert "steps" not in run["parameters"] and run["parameters"]["seed"] == run["seed"]
        score = row["scores"]["torso"]["all"]
        assert score["interval"] == [None, None], "four groups say too little about others"
        assert score["groups"] == study["measured_on"]["groups"] == 4
        assert (score["loss"] is None) == (name == "full")
    text = out.read_text()
    assert all(str(place) not in text for place in (*made, Path.home(), "/tmp"))
    # Another data set's study stays.
    out.write_text(json.dumps(content | {"sub_jhmdb-1": {"kept": True}}))
    merge_runs(tuple(made), out=out)
    assert read_json(out)["sub_jhmdb-1"] == {"kept": True}


def test_the_mean_is_over_seeds_and_the_difference_is_paired(made):
    runs = read_runs(made)
    study = summarize(runs)
    full, without = ([run for run in runs if run.name == name] for name in ("full", "without_p"))

    def score(run):
        hits, counts = run.hits["torso", "all"].sum(axis=0), run.counts["torso", "all"].sum(axis=0)
        return float(np.mean(hits[counts > 0] / counts[counts > 0]))

    part = study["rows"]["without_p"]["scores"]["torso"]["all"]
    assert part["mean"] == pytest.approx(np.mean([score(run) for run in without]))
    assert part["loss"]["estimate"] == pytest.approx(np.mean([score(a) - score(b) for a, b in zip(full, without, strict=True)]))
    assert part["loss"]["seeds"] == [1, 2]
    hits, counts = (np.sum([getattr(run, what)["torso", "all"][:, 0] for run in without]) for what in ("hits", "counts"))
    assert part["joint_types"]["head"] == pytest.approx(hits / counts)
    item = loss_interval(study, "without_p")
    assert isinstance(item, Interval) and item.estimate == part["loss"]["estimate"] and loss_interval(study, "full") is None


def test_with_enough_groups_there_are_intervals(made):
    runs = [
        dataclasses.replace(
            run,
            groups=np.arange(2 * len(run.groups)),
            hits={key: np.tile(value, (2, 1)) for key, value in run.hits.items()},
            counts={key: np.tile(value, (2, 1)) for key, value in run.counts.items()},
        )
        for run in read_runs(made)
    ]
    study = summarize(runs)
    score = study["rows"]["without_p"]["scores"]["torso"]["all"]
    for part, estimate in ((score, score["mean"]), (score["loss"], score["loss"]["estimate"])):
        low, high = part["interval"]
        assert low <= estimate <= high
    assert paper_table(study)[1]["interval"] and paper_table(study)[1]["its interval"] and has_intervals(study)
    assert {key[1] for key in findings(study)} == {"all", "occluded"} and loss_interval(study, "without_p").df == score["loss"][
        "df"
    ]
    assert set(score["by_seed"]) == {"1", "2"} and np.mean(list(score["by_seed"].values())) == pytest.approx(score["mean"])


def test_the_table_has_the_papers_form_and_says_what_it_was_measured_on(made):
    study = summarize(read_runs(made))
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

    def as_sub_jhmdb(run):
        def more(arrays, value):
            return {key: np.concatenate([np.full((len(v), 2), value), v], axis=1) for key, v in arrays.items()}

        plan = {**run.plan, "measured_on": {**run.plan["measured_on"], "skeleton": "sub_jhmdb"}}
        return dataclasses.replace(run, plan=plan, hits=more(run.hits, 0), counts=more(run.counts, 5))

    runs = read_runs(made)
    score, known = (
        summarize(part)["rows"]["full"]["scores"]["torso"]["all"] for part in ([as_sub_jhmdb(run) for run in runs], runs)
    )
    assert score["joints_scored"] == 13 and score["mean_scored"] == pytest.approx(known["mean"])
    assert score["mean"] == pytest.approx(known["mean"] * 13 / 15) and "mean_scored" not in known
    rows = paper_table(summarize([as_sub_jhmdb(run) for run in runs]), published_rows(data_set="penn_action", reference="torso"))
    assert rows[0]["mean (13 joints)"] == f"{100 * score['mean_scored']:.1f}" and rows[0]["mean (15 joints)"] != ""
    assert rows[-1]["mean (13 joints)"] and not rows[-1]["mean (15 joints)"] and "full minus this (15 joints)" in rows[0]
    (plain, *_) = paper_table(summarize(runs))
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
        ("run", "half", "'half'"),
        ("training", {}, "not a finished run"),
    ],
)
def test_runs_that_cannot_be_compared_are_named(made, tmp_path, name, value, said):
    place = tmp_path / "copy"
    shutil.copytree(made[1], place)
    change(place / "full-2" / RESULT, name, value)
    with pytest.raises(UserError, match=f"full-2.*{said}"):
        read_runs([made[0], place])


def test_damage_is_named(made, tmp_path):
    place = tmp_path / "copy"
    shutil.copytree(made[0], place)
    hits = dict(np.load(place / "full-1" / COUNTS))
    hits["torso_all_hits"] = hits["torso_all_hits"] + 1
    np.savez(place / "full-1" / COUNTS, **hits)
    with pytest.raises(UserError, match="one run with different results"):
        read_runs([made[0], place])
    (place / "full-1" / COUNTS).write_bytes(b"nothing")
    with pytest.raises(UserError, match="full-1: not a finished run"):
        read_runs([place])
    with pytest.raises(UserError, match="no such folder"):
        read_runs([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no finished run"):
        read_runs([tmp_path / "empty"])


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
    for option in ("--runs", "--cells"):  # the name that it had in older versions
        assert main(["ablate", option, "ful"]) == 2
        assert "did you mean 'full'" in capsys.readouterr().err
