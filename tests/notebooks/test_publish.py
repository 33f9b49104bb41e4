"""results/NAME.json: scores, gains on hidden joints and what made them, of the weights that are there."""

import re

import pytest

from rpstn.cli.main import main
from rpstn.errors import UserError
from rpstn.notebooks import words
from rpstn.notebooks.publish import PublishConfig, publish
from rpstn.notebooks.readme import published
from rpstn.notebooks.results import gain
from rpstn.runs import read_json, write_json
from rpstn.train.recipes import shipped_checkpoints

pytestmark = pytest.mark.usefixtures("committed")


def folder_of_runs(folder, runs, commit="1" * 40, **changes):
    """Runs as training leaves them, of shipped weights: by name, the variant whose weights it holds."""
    for name, variant in runs.items():
        path = shipped_checkpoints("embedded")[variant]
        (folder / name).mkdir(parents=True)
        (folder / name / f"best{path.suffix}").symlink_to(path)
        write_json(folder / name / "manifest.json", read_json(path.with_suffix(".json")) | {"commit": commit} | changes)
    return str(folder)


def test_shipped_weights_are_scored_as_they_are_and_behind_occluders(embedded_root, tmp_path):
    config = PublishConfig("drawn", root=str(embedded_root), protocols=("limb",), start=2, length=2, out=str(tmp_path))
    result = read_json(publish(config, progress=False))
    variants = ["RPSTN", "frame by frame", "without propagation"]
    assert list(result["rows"]) == [*variants, *(f"{title}, flip test" for title in variants)]
    assert result["rows"]["RPSTN, flip test"] != result["rows"]["RPSTN"]
    assert set(result["gains"]) == {"frame by frame", "without propagation"}
    assert set(result["hidden"]) == {"as it is", "limb"}
    hidden, rows = result["hidden"]["limb"], result["rows"]
    assert hidden["gains"]["frame by frame"]["estimate"] == pytest.approx(
        hidden["rows"]["RPSTN"]["estimate"] - hidden["rows"]["frame by frame"]["estimate"]
    )
    assert result["gains"]["frame by frame"]["estimate"] == pytest.approx(
        rows["RPSTN"]["person"]["all"]["mean"] - rows["frame by frame"]["person"]["all"]["mean"]
    )
    assert result["gains"]["frame by frame"]["interval"] == [None, None], "four groups say too little about others"
    assert result["trained"]["RPSTN"]["parameters"]["propagation"] == "matching"
    assert str(tmp_path) not in (tmp_path / "drawn.json").read_text()
    table = re.sub(r" +", " ", published(result))
    assert "| RPSTN |" in table and "Measured on: data set embedded (drawn bodies)" in table


def test_gains_are_over_the_better_of_encoder_and_frame_by_frame(embedded_root, tmp_path):
    """The variants here are one network, and the encoder is better: the last stage lowered its score, and gained nothing."""
    runs = {"encoder": "frame_by_frame", "rpstn": "rpstn", "frame_by_frame": "rpstn"}
    config = PublishConfig(
        "x", root=str(embedded_root), folder=folder_of_runs(tmp_path / "runs", runs), protocols=("limb",), start=2, length=2,
        flip_test=False, compared=("frame_by_frame",), out=str(tmp_path),
    )  # fmt: skip
    result = read_json(publish(config, progress=False))
    assert list(result["rows"]) == ["RPSTN", "frame by frame", "encoder"] == list(result["hidden"]["limb"]["rows"])
    means = {title: row["person"]["all"]["mean"] for title, row in result["rows"].items()}
    assert means["encoder"] > means["RPSTN"] == means["frame by frame"]
    ((better, gain),) = result["gains"].items()
    assert better == "encoder" and gain["estimate"] == pytest.approx(means["RPSTN"] - means["encoder"])
    for part in result["hidden"].values():
        rows, (better,) = part["rows"], part["gains"]
        assert rows[better]["estimate"] == max(rows[title]["estimate"] for title in ("encoder", "frame by frame"))
    assert result["trained"]["encoder"]["commit"] == "1" * 40
    assert set(result["manifest"]["data"]) == {"labels", "pixels"}


def test_nothing_is_published_from_code_that_is_not_committed(embedded_root, tmp_path, monkeypatch):
    folder = folder_of_runs(tmp_path / "runs", {"rpstn": "rpstn"}, commit="1" * 40 + "-dirty")
    config = PublishConfig("x", root=str(embedded_root), folder=folder, out=str(tmp_path))
    with pytest.raises(UserError, match="the training of rpstn: files differ from the commit"):
        publish(config, progress=False)
    monkeypatch.setattr("rpstn.runs.directory.git_commit", lambda directory=None: "0" * 40 + "-dirty")
    with pytest.raises(UserError, match="this checkout: files differ"):
        publish(PublishConfig("x", root=str(embedded_root), out=str(tmp_path)), progress=False)
    assert not (tmp_path / "x.json").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("steps", 9), ("lr", 0.5), ("init", "other/best.safetensors"), ("size", 96), ("seed", 7)]
)
def test_variants_that_were_not_trained_alike_are_refused(embedded_root, tmp_path, key, value):
    folder_of_runs(tmp_path, {name: name for name in shipped_checkpoints("embedded")})
    path = tmp_path / "frame_by_frame" / "manifest.json"
    manifest = read_json(path)
    # The share has its default, of which the version that trained the others knew nothing.
    manifest["parameters"] |= {key: value, "aux_fraction": 0.5}
    write_json(path, manifest)
    with pytest.raises(UserError, match=f"different {key}.*frame_by_frame {value}"):
        publish(PublishConfig("x", root=str(embedded_root), folder=str(tmp_path), out=str(tmp_path)), progress=False)
    assert not (tmp_path / "x.json").exists()


def test_what_cannot_be_published_is_said(embedded_root, tmp_path, capsys):
    with pytest.raises(UserError, match="protocol"):
        PublishConfig("x", protocols=("limp",))
    for wrong in ("frame by frame", "rpstn"):
        with pytest.raises(UserError, match=f"'{wrong}'.*frame_by_frame, without_propagation"):
            PublishConfig("x", compared=(wrong,))
    with pytest.raises(UserError, match="train"):
        publish(PublishConfig("x", root=str(embedded_root), folder=str(tmp_path)), progress=False)
    with pytest.raises(UserError, match="frames"):
        publish(PublishConfig("x", root=str(embedded_root), start=100, out=str(tmp_path)), progress=False)
    assert main(["publish", "--name", "x", "--root", str(tmp_path / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    assert not (tmp_path / "x.json").exists()


def test_few_groups_have_a_gain_and_no_interval():
    value = {"estimate": 0.012, "interval": [None, None], "samples": 40, "groups": 3}
    assert gain(value) == "+1.2 (no interval)" and gain(value | {"interval": [0.01, 0.02]}) == "+1.2 (1.0 to 2.0)"
    result = {"rows": {"ours": {}, "other": {}}, "gains": {"other": value}, "hidden": {}}
    said = "On all joints, ours against other has too few groups for an interval: +1.2 (no interval) points, 40 joints, 3 groups."
    assert words.gain_words(result, "other").startswith(said)
