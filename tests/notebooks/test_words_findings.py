"""What differences say, as a reader sees it: every kind of finding, of a study of today and of an earlier version."""

import copy

import numpy as np
import pytest

from rpstn.metrics import Interval
from rpstn.metrics.significance import judge
from rpstn.notebooks import words
from rpstn.notebooks.ablation_report import PRIMARY_RUN, findings, loss_interval
from rpstn.notebooks.ablation_results import read_studies
from rpstn.notebooks.ablations import RUNS
from rpstn.notebooks.results import load_results

from ..conftest import CHECKOUT


def loss(estimate, half, seeds=5, df=8.0):
    part = {"estimate": estimate, "interval": [estimate - half, estimate + half], "seeds": list(range(seeds))}
    return part | ({"df": df} if df else {})


def study(losses, df=8.0):
    """A study of rows with these losses, by visibility subset alike."""
    rows = {}
    for name, value in {"full": None, **losses}.items():
        score = {"mean": 0.7, "interval": [0.6, 0.8], "groups": 11, "samples": 90, "loss": value} | ({"df": df} if df else {})
        seeds = value["seeds"] if value else list(range(5))
        rows[name] = {"title": name, "seeds": seeds, "scores": {"torso": {"all": score, "occluded": score}}}
    return {"rows": rows}


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (Interval(0.02, 0.01, 0.03, 11, 90, seeds=5, df=8), "the full network is significantly better (p = 0.002, adjusted)"),
        (Interval(-0.02, -0.021, -0.019, 11, 90, seeds=5, df=8), "significantly worse (p < 0.001, adjusted)"),
        (
            Interval(0.001, -0.002, 0.004, 11, 90, seeds=5, df=8),
            "equivalent: a difference above 1.0 points is excluded, either way",
        ),
        (
            Interval(0.01, -0.01, 0.03, 11, 90, seeds=5, df=8),
            "no significant difference (smallest detectable effect 2.8), p = 0.28",
        ),
        (Interval(0.0, -0.0001, 0.0001, 11, 90, seeds=1, df=8), "one training, which says nothing of others"),
        (Interval(0.1, np.nan, np.nan, 3, 90, seeds=5), "too few groups for an interval"),
        (Interval(0.1, np.nan, np.nan, 11, 90, seeds=2), "too few trainings for an interval"),
    ],
)
def test_a_finding(item, said):
    assert said in words.finding_words(judge({"a": item})["a"])


def test_verdicts_name_the_primary_comparison_and_adjust_the_others():
    found = study({"cat": loss(-0.02, 0.02), PRIMARY_RUN: loss(0.02, 0.019)})
    cat, without = words.verdicts(found, subset="occluded")
    assert cat.startswith("full against cat: **no significant difference (smallest detectable effect") and "adjusted" in cat
    assert without.startswith("full against without_p: **the full network is significantly better (p = 0.041)**; +2.0 percentage")
    assert without.endswith("5 seeds). This is the primary comparison.")
    assert "adjusted" in words.verdicts(found)[1] and "primary" not in words.verdicts(found)[1]
    said = words.endpoint_words(found)
    assert "on occluded joints, `PCK@0.2` by torso size. Of the 3 others, p is adjusted" in said and "80% power" in said
    assert words.verdicts(study({})) == ["there is nothing to compare the full network with."]
    assert RUNS[PRIMARY_RUN] == {"propagation": "none"}


def test_what_intervals_are():
    assert words.interval_words(study({"cat": loss(0, 1)})) == (
        "With two seeds or more, intervals are 95 % intervals over groups and seeds together."
    )
    assert words.interval_words(study({"cat": loss(0, 1, seeds=1)})).startswith(
        "With one seed, intervals are over groups alone. W"
    )
    older = study({"cat": loss(0.01, 0.02, df=None), "manual_graph": loss(0.01, 0.02, seeds=2, df=None)}, df=None)
    assert words.interval_words(older).startswith("These scores were summarized by an earlier version")
    assert loss_interval(older, "cat").df == 4 and np.isnan(loss_interval(older, "manual_graph").low), "a range is no interval"


def test_the_published_study_of_an_earlier_version_is_judged():
    """Its losses over five seeds have p-values, those over two have none."""
    published = read_studies(CHECKOUT / "results" / "ablations.json")["embedded"]
    found = findings(published)
    assert found[PRIMARY_RUN, "occluded"].adjusted is False
    if not any("df" in row["scores"]["torso"]["all"] for row in published["rows"].values()):
        assert {found[name, "all"].kind for name in ("manual_graph", "frames_2")} == {"no interval"}
        assert 0 < found["cat", "all"].p <= 1 and len(words.verdicts(published)) == len(published["rows"]) - 1


def test_what_one_training_gains_says_what_its_interval_leaves_out():
    result = load_results()["embedded"]
    for other, gain in result["gains"].items():
        said = words.gain_words(result, other)
        assert f"{100 * gain['estimate']:+.1f}" in said and said.endswith("chance between trainings is not in these intervals.")
        assert "adjusted" in said and "smallest detectable effect" in said
    nothing = {"estimate": None, "interval": [None, None], "samples": 0, "groups": 0}
    assert words.gain_words({"rows": {"RPSTN": {}}, "gains": {"other": nothing}, "hidden": {}}, "other") == ""
    lower = copy.deepcopy(result)
    lower["gains"]["frame by frame"] |= {"estimate": -0.1, "interval": [-0.11, -0.09]}
    assert "RPSTN is significantly below frame by frame (p < 0.001, adjusted): -10.0" in words.gain_words(lower, "frame by frame")
