"""Real people over splits and seeds: means, gains and intervals of scores that were made up to have known ones."""

import numpy as np
import pytest

from rpstn.errors import UserError
from rpstn.notebooks import words
from rpstn.notebooks.real_people import MEASURES, findings, score_rows, summarize

GROUPS, SEEDS = [f"video {number}" for number in range(20)], (2021, 2022, 2023)


def score(rng, mean, groups):
    chance = {group: np.clip(mean + 0.1 * np.sin(7 * GROUPS.index(group)), 0, 1) for group in groups}
    counted = {group: [int(rng.binomial(1300, chance[group])), 1300] for group in groups}
    part = {"mean_13": 0.0, "mean_15": 0.0, "joints": {}, "groups": counted}
    return {measure: part for measure in (*MEASURES, "torso 0.1")} | {"exchanged": 0.04}


@pytest.fixture
def content():
    """Two splits of twelve groups each, four of them in both. RPSTN gains 5 points over the encoder; frame by frame loses 5."""
    rng, scores = np.random.default_rng(0), {}
    for fold, groups in ((1, GROUPS[:12]), (2, GROUPS[8:])):
        scores[f"test {fold} movenet_thunder"] = score(rng, 0.5, groups)
        for seed in SEEDS:
            for name, mean in (("encoder", 0.7), ("frame_by_frame", 0.65), ("rpstn", 0.75), ("concat", 0.7)):
                scores[f"test {fold} {seed} {name} window 8, dark"] = score(rng, mean, groups)
    scores["test 1 2024 rpstn window 8, dark"] = score(rng, 0.1, GROUPS[:12])  # its second split is not there yet
    scores["test 1 2021 rpstn window 8"] = score(rng, 0.1, GROUPS[:12])
    return {"manifest": {}, "classes": ["catch", "golf"], "scores": scores}


def test_scores_and_gains_are_those_that_were_put_in(content):
    found = summarize(content)
    assert list(found.networks) == ["movenet_thunder", "encoder", "frame_by_frame", "rpstn", "concat"]
    assert found.folds == (1, 2) and found.left_out == ("rpstn, seed 2024",)
    ours, theirs = found.networks["rpstn"], found.networks["encoder"]
    assert ours.seeds == SEEDS and ours.better == dict.fromkeys(MEASURES, "encoder") and not theirs.gains
    gain = ours.gains["torso 0.2"]
    assert gain.estimate == pytest.approx(0.05, abs=0.004) and 0.04 < gain.low < gain.high < 0.06
    assert gain.groups == 20 and gain.seeds == 3 and ours.exchanged == pytest.approx(0.04)
    score_ = ours.scores["torso 0.2"]
    assert np.mean(list(ours.by_seed["torso 0.2"].values())) == pytest.approx(score_.estimate)
    parts = [content["scores"][f"test {fold} {seed} rpstn window 8, dark"]["torso 0.2"] for fold in (1, 2) for seed in SEEDS]
    by_split = [np.divide(*np.sum(list(part["groups"].values()), axis=0)) for part in parts]
    assert score_.estimate == pytest.approx(np.mean(by_split)) and score_.high - score_.low > 0.05, "groups differ"
    assert found.networks["movenet_thunder"].scores["torso 0.2"].one_training


def test_networks_scored_on_different_clips_are_not_compared(content):
    for name in [name for name in content["scores"] if "rpstn" in name]:
        for part in MEASURES:
            content["scores"][name][part] = {"groups": {group: [8, 10] for group in content["scores"][name][part]["groups"]}}
    with pytest.raises(UserError, match="two networks were scored on different clips"):
        summarize(content)


def test_findings_and_rows(content):
    found = summarize(content)
    judged = findings(found)
    assert set(judged) == {(name, measure) for name in ("rpstn", "concat") for measure in MEASURES}
    assert judged["rpstn", "torso 0.2"].kind == "better" and judged["rpstn", "torso 0.2"].adjusted
    assert judged["concat", "torso 0.2"].kind in ("equivalent", "open")
    rows = {row[""]: row for row in score_rows(found)}
    assert rows["RPSTN"]["seeds"] == "3" and rows["MoveNet Thunder, never trained on these clips"]["seeds"] == ""
    assert (
        rows["RPSTN"]["gain, torso"].startswith("+")
        and rows["encoder"]["gain, torso"] == ""
        and rows["encoder"]["exchanged sides"] == "4.0"
    )


def test_the_section(content):
    said = words.real_people_section(summarize(content))
    assert "mean over 2 splits (1 and 2), 20 groups, 2 of its 12 classes" in said
    assert "Joints: the data set's own. Boxes" in said and said.startswith("> **What these rows are measured on.** Sub-JHMDB")
    assert "Left out, since a split is missing: rpstn, seed 2024." in said
    assert "- **RPSTN** over encoder, by torso: **it is significantly better (p " in said
    assert words.real_people_section(None) == "No scores of several seeds have been published here."


def test_an_untrained_network_may_be_the_stronger_baseline(content):
    rng = np.random.default_rng(1)
    for fold, groups in ((1, GROUPS[:12]), (2, GROUPS[8:])):
        content["scores"][f"test {fold} movenet_thunder"] = score(rng, 0.8, groups)
    ours = summarize(content).networks["rpstn"]
    assert (
        ours.better["torso 0.2"] == "movenet_thunder" and ours.gains["torso 0.2"].high < 0 and ours.gains["torso 0.2"].seeds == 3
    )


def test_what_cannot_be_summarized_is_said(content):
    with pytest.raises(UserError, match="nothing was scored on val"):
        summarize(content, split="val")
    changed = content["scores"]["test 1 2022 rpstn window 8, dark"]["torso 0.2"]["groups"]
    changed["video 0"] = [1, 2]
    with pytest.raises(UserError, match="seeds of rpstn were scored on different clips"):
        summarize(content)
    with pytest.raises(UserError, match="'test one rpstn' is no score"):
        summarize({"scores": {"test one rpstn": {}}})
