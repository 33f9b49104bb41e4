"""Notebooks on recorded data, where they are at hand; only parameters differ from the book's."""

import shutil

import nbformat
import pytest
from scipy.io import loadmat, savemat

from rpstn.notebooks.run import run_notebooks

from ..conftest import CHECKOUT


def test_train_and_evaluate_on_a_recorded_set(tmp_path, monkeypatch):
    """The same notebooks on Sub-JHMDB, where it is at hand; only parameters differ. A few of its clips are enough."""
    place, root = CHECKOUT.parent / "shared" / "data" / "JHMDB", tmp_path / "few"
    if not place.is_dir():
        pytest.skip("no ../shared/data/JHMDB")
    (root / "sub_splits").mkdir(parents=True)
    for path in place.iterdir():
        if path.name != "sub_splits":
            (root / path.name).symlink_to(path)
    for path in sorted((place / "sub_splits").glob("*_split_1.txt"))[:3]:
        lines = sorted(path.read_text().splitlines(), key=lambda line: line[-1])
        (root / "sub_splits" / path.name).write_text("\n".join(lines[:: len(lines) // 4]) + "\n")
    monkeypatch.chdir(tmp_path)
    values = {"dataset": "sub_jhmdb", "root": str(root)}
    assert run_notebooks(["train", "evaluate"], profile="smoke", values=values, out="out", progress=False) == 0
    text = (tmp_path / "out" / "05_evaluate.ipynb").read_text()
    assert str(tmp_path) not in text and "belly" in text


@pytest.mark.parametrize("dataset", ["coco", "lspet"])
def test_the_notebook_runs_on_real_images(dataset, tmp_path, monkeypatch):
    """Where they are at hand. The sample of COCO has val2017 alone, which here is copied as train2017; 200 of LSPET's images
    are enough.
    """
    place = CHECKOUT.parent / "shared" / "data" / {"coco": "COCO", "lspet": "LSPET"}[dataset]
    if not place.is_dir():
        pytest.skip(f"no ../shared/data/{place.name}")
    root = tmp_path / dataset
    if dataset == "lspet":
        root.mkdir()
        (root / "images").symlink_to(place / "images")
        savemat(root / "joints.mat", {"joints": loadmat(place / "joints.mat")["joints"][..., :200]})
    else:
        for year in ("train2017", "val2017"):
            shutil.copytree(place / "val2017", root / year)
            (root / "annotations").mkdir(exist_ok=True)
            shutil.copy(
                place / "annotations" / "person_keypoints_val2017.json", root / "annotations" / f"person_keypoints_{year}.json"
            )
    values = {"dataset": dataset, "root": str(root)}
    monkeypatch.chdir(tmp_path)
    assert run_notebooks(["image"], profile="smoke", values=values, out="out", progress=False) == 0
    text = (tmp_path / "out" / "10_image.ipynb").read_text()
    assert str(place.parent) not in text and str(tmp_path) not in text
    shown = [
        str(output["data"]["text/plain"])
        for cell in nbformat.reads(text, as_version=4).cells
        for output in cell.get("outputs", [])
        if "data" in output
    ]
    assert any("PCK@0.2, person" in table and ("AP75" in table) == (dataset == "coco") for table in shown)
