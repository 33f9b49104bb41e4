"""A parameter of the right type that names nothing that is there: told before a kernel starts, with what there is."""

import re

import pytest

from rpstn import open_dataset
from rpstn.cli import main as cli
from rpstn.datasets.transforms import Augmentation
from rpstn.datasets.windows import make_window
from rpstn.errors import UserError
from rpstn.notebooks.find import find_notebooks
from rpstn.notebooks.values import check_values
from rpstn.train.recipes import find_checkpoints

from ..cli.test_cli import refused
from ..conftest import CHECKOUT

NOTEBOOKS = find_notebooks(CHECKOUT / "notebooks")
WITH_CLIP = [name for name, item in NOTEBOOKS.items() if "clip" in item.parameters]


def values(notebook, root, **others):
    """Defaults of all parameters, and those given."""
    return {name: item.default for name, item in NOTEBOOKS[notebook].parameters.items()} | {"root": str(root)} | others


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_defaults_pass(notebook, embedded_root):
    few = {"clip": 0} if "clip" in NOTEBOOKS[notebook].parameters else {}  # the small set has four
    check_values(NOTEBOOKS[notebook].parameters, values(notebook, embedded_root, **few))


@pytest.mark.parametrize("notebook", WITH_CLIP)
@pytest.mark.parametrize("clip", ["4", "5000", "-1"])
def test_a_clip_that_is_not_there(notebook, clip, embedded_root, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "run", notebook, "--profile", "smoke", "-p", "root", embedded_root, "-p", "clip", clip)
    assert "parameter clip" in said and ("0 to 3" in said if clip != "-1" else "starts at 0" in said)
    assert not list(tmp_path.iterdir()), "nothing ran"


@pytest.mark.parametrize(
    ("notebook", "name", "value", "said"),
    [
        ("jre", "frame", 24, "frame is 24; clip 0 of embedded takes 0 to 23"),
        ("jrpsp", "frame", 23, "frame is 23; clip 0 of embedded takes 0 to 22"),
        ("jrpsp", "frames", 1, "at least 2"),
        ("jre", "joint", "left_wirst", "no joint 'left_wirst'; did you mean 'left_wrist'"),
        ("occlusion", "joint", "tail", "no joint 'tail'; it has head, "),
        ("jre", "fold", 0, "fold is 0, and starts at 1"),
        ("jre", "seed", -1, "seed is -1"),
        ("jre", "dataset", "embeded", "no data set 'embeded'"),
        ("data", "shown", 0, "shown is 0, and starts at 1; it is: clips in a filmstrip"),
        ("score", "standard_deviations", [0.0, -1.0], "standard_deviations is [0.0, -1.0], and starts at 0"),
        ("interventions", "interventions", [], "interventions is an empty list"),
        ("train", "variants", [], "variants is an empty list"),
        ("ablations", "runs", [], "runs is an empty list"),
        ("your_video", "limit", 0, "limit is 0"),
        ("train", "out", f"{__file__}/runs", "test_notebook_values.py is not one"),
    ],
)
def test_what_names_nothing_is_refused(notebook, name, value, said, embedded_root):
    with pytest.raises(UserError, match=re.escape(said)):
        check_values(NOTEBOOKS[notebook].parameters, values(notebook, embedded_root, **({"clip": 0} | {name: value})))


def test_a_missing_data_set_is_told_before_a_kernel_starts(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "run", "jre", "--profile", "smoke", "-p", "root", tmp_path / "nowhere")
    assert "rpstn data make embedded" in said and not list(tmp_path.iterdir())


def test_the_clip_is_of_no_matter_where_a_video_is_given():
    check_values(NOTEBOOKS["your_video"].parameters, values("your_video", "nowhere", video="a.mp4", clip=5000))


def test_a_data_set_says_which_clips_it_has(embedded_root):
    """In a notebook opened in Jupyter, too; and as an IndexError, as a sequence raises it."""
    data = open_dataset("embedded", embedded_root, split="test")
    for kind in (UserError, IndexError):
        with pytest.raises(kind, match="split test: there is no clip 5000; there are 0 to 3"):
            data[5000]
    assert data[-1] is data[3] and len(data[1:3]) == 2
    with pytest.raises(UserError, match="no window from frame 24, .* its frames are 0 to 23"):
        make_window(data[0], data.skeleton, 24, 1, 64)


def test_other_names_and_ranges_say_what_there_is():
    with pytest.raises(UserError, match="no variant is called 'rptsn'; did you mean 'rpstn'?"):
        find_checkpoints("embedded", variants=["rptsn"])
    for sides in ((0.1,), (0.1, 0.2, 0.3), ()):
        with pytest.raises(UserError, match="erasing_size must be 2 values"):
            Augmentation(erasing_size=sides)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("-p erasing_size 0.1,x", "parameter erasing_size: '0.1,x' is not a list, of which each item is a finite number"),
        ("-p standard_deviations 0,nan", "parameter standard_deviations"),
        ("-p variants {'rpstn':1}", "parameter variants"),
        ("-p sigma nan", "parameter sigma: 'nan' is not a finite number"),
        ("-p erasing_sides 0.1,0.3", "did you mean 'erasing_size'"),
        ("--profile smok", "no profile 'smok'; did you mean 'smoke'?"),
    ],
)
def test_parameters_of_the_book_are_checked(words, said, capsys):
    assert said in refused(capsys, "run", *words.split())


def test_lists_of_numbers_arrive_as_numbers(capsys):
    assert cli.main(["run", "train", "score", "--list", "-p", "erasing_size", "0.1,0.3", "-p", "standard_deviations", "0,8"]) == 0
    said = capsys.readouterr().out
    assert "erasing_size: list[float] = [0.1, 0.3]" in said and "standard_deviations: list[float] = [0.0, 8.0]" in said
