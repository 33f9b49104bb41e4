"""The runner is strict: nothing starts on a mistake, nothing half-run enters the book, nothing runs twice."""

import json
import re
from pathlib import Path
from textwrap import dedent

import nbformat
import pytest

from rpstn.errors import UserError
from rpstn.notebooks.execute import clean
from rpstn.notebooks.find import find_notebooks, resolve, select, with_defaults
from rpstn.notebooks.run import _made_runs, default_out, run_notebooks

from ..conftest import CHECKOUT

FIRST = """
    # %% [markdown]
    # # First

    # %% tags=["parameters"]
    from typing import Optional

    steps: int = 3  # how many
    root: Optional[str] = None  # where the data lies
    rates: list[float] = [0.1]  # learning rates

    # %%
    import os
    import sys
    from pathlib import Path

    with open("ran.txt", "a") as stream:
        stream.write("first\\n")
    print(steps, root, rates, os.getcwd())
    print(sys.executable, file=sys.stderr)
    if Path("broken").exists():
        raise ValueError("the folder is\\nbroken")
"""
SECOND = """
    # %% [markdown]
    # # Second

    # %% tags=["parameters"]
    steps: int = 4  # how many
    flag: bool = False  # something else

    # %%
    with open("ran.txt", "a") as stream:
        stream.write(f"second {steps} {flag}\\n")
"""
PROFILES = """
    [needs]
    second = ["first"]

    [demo]

    [smoke.all]
    steps = 1

    [smoke.second]
    flag = true
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A folder of two small notebooks; the working directory is beside it."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    (folder / "01_first.py").write_text(dedent(FIRST).lstrip())
    (folder / "02_second.py").write_text(dedent(SECOND).lstrip())
    (folder / "profiles.toml").write_text(dedent(PROFILES))
    monkeypatch.chdir(tmp_path)

    def run(*words, **settings):
        return run_notebooks(words, folder=folder, out="out", progress=False, **settings)

    run.folder, run.path = folder, tmp_path
    return run


def ran(book):
    """What the notebooks did since this was asked last."""
    path = book.path / "ran.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def test_runs_in_order_then_keeps_what_is_fresh(book, capsys):
    assert book() == 0
    assert ran(book) == ["first", "second 4 False"]
    assert book() == 0
    assert ran(book) == []
    assert capsys.readouterr().out.count("fresh, kept") == 2
    assert book("second", force=True) == 0
    assert ran(book) == ["second 4 False"]


def test_a_changed_value_source_or_need_runs_again(book):
    book()
    ran(book)
    book(values={"flag": "yes"})
    assert ran(book) == ["second 4 True"]
    path = book.folder / "01_first.py"
    path.write_text(path.read_text() + "\n# %%\nprint('more')\n")
    book(values={"flag": "yes"})
    assert ran(book) == ["first", "second 4 True"], "second reads what first made"


def test_changed_data_runs_again(book):
    """A notebook with a dataset parameter depends on that data set's manifest."""
    path = book.folder / "02_second.py"
    path.write_text(path.read_text().replace("flag:", 'dataset: str = "embedded"  # which\nflag:'))
    manifest = book.path / "data" / "embedded" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    book()
    ran(book)
    manifest.write_text('{"seed": 1}')
    book()
    assert ran(book) == ["second 4 False"]


def makes_a_run(book):
    """Lets the first notebook leave a run in its own folder, as training does."""
    path = book.folder / "01_first.py"
    text = path.read_text().replace("steps: int = 3", 'out: str = "runs/own"  # folder of the runs\nsteps: int = 3')
    make = "place = Path(out) / 'a'\nplace.mkdir(parents=True, exist_ok=True)\n(place / 'manifest.json').touch()"
    path.write_text(f"{text}\n# %%\n{make}\n")


def test_removed_runs_are_made_again(book):
    """What later notebooks read must be there; making it again is no reason to repeat them."""
    makes_a_run(book)
    book()
    assert ran(book) == ["first", "second 4 False"]
    (book.path / "runs" / "own" / "a" / "manifest.json").unlink()
    book()
    assert ran(book) == ["first"] and (book.path / "runs" / "own" / "a" / "manifest.json").is_file()


def test_other_runs_may_be_removed(book):
    """A run beside the notebook's own has nothing to do with it, though it lies in the same folder of runs."""
    makes_a_run(book)
    other = book.path / "runs" / "other" / "manifest.json"
    other.parent.mkdir(parents=True)
    other.touch()
    book()
    ran(book)
    other.unlink()
    book()
    assert ran(book) == []


def test_runs_without_a_folder_lie_with_the_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in ("embedded/rpstn", "sub_jhmdb-2/rpstn"):
        (tmp_path / "runs" / place).mkdir(parents=True)
        (tmp_path / "runs" / place / "manifest.json").touch()
    assert _made_runs({"out": None, "dataset": "sub_jhmdb", "fold": 2}) == ["runs/sub_jhmdb-2/rpstn/manifest.json"]
    assert _made_runs({"out": None, "dataset": "embedded", "fold": 1}) == ["runs/embedded/rpstn/manifest.json"]
    assert _made_runs({"dataset": "embedded"}) == []


def test_profile_then_given_values(book):
    book(profile="smoke")
    assert ran(book) == ["first", "second 1 True"]
    book("second", profile="smoke", values={"steps": "7"})
    assert ran(book) == ["second 7 True"]


@pytest.mark.parametrize(
    ("profile", "values", "place"),
    [
        ("demo", {}, None),
        ("demo", {"steps": "3", "flag": "no"}, "runs/notebooks/demo-steps=3"),  # second's own is 4
        ("demo", {"flag": "no", "rates": "0.1"}, None),
        ("demo", {"flag": "yes"}, "runs/notebooks/demo-flag=True"),
        ("demo", {"root": "some/set"}, "runs/notebooks/demo"),
        ("demo", {"dataset": "other", "root": "a/b", "steps": 9}, "runs/notebooks/demo-other-steps=9"),
        ("demo", {"dataset": "a/../b c"}, "runs/notebooks/demo-a_.._b_c"),
        ("smoke", {}, "runs/notebooks/smoke"),
        ("smoke", {"dataset": "other"}, "runs/notebooks/smoke-other"),
    ],
)
def test_only_a_profile_of_the_book_as_it_is_makes_pages(book, profile, values, place):
    """Trials go to a folder of their own, named after what makes them trials."""
    path = book.folder / "02_second.py"
    path.write_text(path.read_text().replace("flag:", 'dataset: str = "embedded"  # which\nflag:'))
    notebooks = find_notebooks(book.folder)
    own = with_defaults(notebooks, resolve(notebooks, book.folder, profile, {}))
    settings = with_defaults(notebooks, resolve(notebooks, book.folder, profile, values))
    found = default_out(profile, own, settings)
    assert found == (Path(place) if place else CHECKOUT / "book" / "executed")


def test_names_of_trials_stay_short_and_apart():
    names = [default_out("demo", {"n": {"x": ""}}, {"n": {"x": "a" * 300 + end}}).name for end in "bc"]
    assert names[0] != names[1] and all(len(name) <= 100 for name in names)


def test_a_trial_leaves_the_book_alone_and_says_where_it_is(book, capsys):
    """Also on the way that the command line takes, without --out."""
    before = sorted((CHECKOUT / "book").rglob("*"))
    assert run_notebooks(["second"], folder=book.folder, profile="smoke", progress=False) == 0
    assert "executed notebooks are in runs/notebooks/smoke" in capsys.readouterr().out
    assert (book.path / "runs" / "notebooks" / "smoke" / "02_second.ipynb").is_file()
    assert sorted((CHECKOUT / "book").rglob("*")) == before


@pytest.mark.parametrize(
    ("values", "words", "said"),
    [
        ({"stepz": "3"}, (), "did you mean 'steps'?; they have: flag, rates, root, steps"),
        ({"flag": "yes"}, ("first",), "'flag' is in none of the notebooks first"),
        (
            {"steps": "many"},
            (),
            "steps: 'many' is not a whole number (int); it is: how many; its default is 3",
        ),
        ({"steps": "2.5"}, (), "is not a whole number"),
        ({"steps": True}, (), "is not a whole number"),
        ({"rates": "0.1,fast"}, (), "a list, of which each item is a finite number"),
        ({"rates": {"a": 0.1}}, (), "rates: {'a': 0.1} is not a list"),
        ({"rates": "nan"}, (), "rates: 'nan' is not a list, of which each item is a finite number"),
        ({"flag": "perhaps"}, (), "is not true or false"),
        ({}, ("frist",), "no notebook 'frist'; did you mean 'first'?"),
        ({}, ("first", "third"), "no notebook 'third'"),
    ],
)
def test_a_mistake_stops_before_anything_runs(book, values, words, said):
    with pytest.raises(UserError, match=re.escape(said)):
        book(*words, values=values)
    assert ran(book) == [] and not (book.path / "out").exists()


def test_unknown_profile_and_profiles_with_unknown_names(book):
    with pytest.raises(UserError, match="no profile 'smok'; did you mean 'smoke'?"):
        book(profile="smok")
    path = book.folder / "profiles.toml"
    path.write_text("[demo.first]\nsteps = 1.5\n")
    with pytest.raises(UserError, match="not a whole number"):
        book()
    path.write_text("[demo.thrid]\nsteps = 1\n")
    with pytest.raises(UserError, match=r"\[demo.thrid\] names no notebook"):
        book()
    assert ran(book) == []


def test_a_failing_notebook_stays_out_of_the_book_and_is_resumed(book, capsys):
    (book.path / "broken").touch()
    assert book() == 1
    captured = capsys.readouterr()
    assert "notebook first failed in cell 2: ValueError: the folder is broken" in captured.err
    assert "Traceback" not in captured.err
    assert ran(book) == ["first"], "what comes after a failure does not start"
    assert not list((book.path / "out").glob("*.ipynb"))
    failed = nbformat.read(book.path / "runs" / "failed" / "first.ipynb", as_version=4)
    assert any(o.output_type == "error" for c in failed.cells if c.cell_type == "code" for o in c.outputs)

    (book.path / "broken").unlink()
    assert book() == 0
    assert ran(book) == ["first", "second 4 False"]


def test_a_mistake_that_a_notebook_finds_is_the_users(book, capsys):
    """UserError in a kernel, also one that is an IndexError: told as those before a kernel starts; how far it came is kept."""
    path = book.folder / "01_first.py"
    text = path.read_text()
    for error in ("UserError", "OutOfRange"):
        path.write_text(f"{text}\n# %%\nfrom rpstn import errors\n\nraise errors.{error}('steps is 3;\\nchoose 4')\n")
        with pytest.raises(UserError, match=r"^notebook first: steps is 3;\nchoose 4; as far as it came: .*first.ipynb$"):
            book()
        assert ran(book) == ["first"] and not list((book.path / "out").glob("*.ipynb"))
        assert (book.path / "runs" / "failed" / "first.ipynb").is_file()


def test_a_failure_keeps_what_came_before(book):
    book()
    ran(book)
    path = book.folder / "02_second.py"
    path.write_text(path.read_text() + "\n# %%\nraise RuntimeError('no')\n")
    before = (book.path / "out" / "02_second.ipynb").read_bytes()
    assert book() == 1
    assert ran(book) == ["second 4 False"], "first was fresh"
    assert (book.path / "out" / "02_second.ipynb").read_bytes() == before
    path.write_text(path.read_text().replace("raise RuntimeError('no')", "print('fixed')"))
    assert book() == 0
    assert ran(book) == ["second 4 False"]


def test_result_says_nothing_of_when_and_where(book):
    place = book.path / "elsewhere" / "set"
    book("first", values={"root": str(place)})
    text = (book.path / "out" / "01_first.ipynb").read_text()
    assert str(book.path) not in text and "elsewhere" in text
    notebook = json.loads(text)
    assert "papermill" not in notebook["metadata"]
    assert not re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d", text)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    book("first", values={"root": str(place)}, force=True)
    assert (book.path / "out" / "01_first.ipynb").read_text() == text, "the same run gives the same bytes"


def test_kernel_is_this_interpreter(book, monkeypatch):
    """Another kernel registered as python3 is not taken."""
    spec = book.path / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text('{"argv": ["/bin/false"], "display_name": "other", "language": "python"}')
    monkeypatch.setenv("JUPYTER_PATH", str(book.path / "jupyter"))
    assert book("first") == 0
    text = (book.path / "out" / "01_first.ipynb").read_text()
    assert "python/bin/python" in text


def test_progress_is_text_that_the_runner_reads(book):
    """A notebook that somebody looks at has a widget (tests/notebooks/test_lab.py), which says nothing to a terminal."""
    path = book.folder / "01_first.py"
    path.write_text(path.read_text() + "\n# %%\nfrom rpstn.runs.progress import tqdm\n\nprint('bar', tqdm.__module__)\n")
    assert book("first") == 0
    assert "bar tqdm.std" in (book.path / "out" / "01_first.ipynb").read_text()


def test_a_pair_changed_apart_is_told(book):
    import os

    import jupytext

    source = book.folder / "01_first.py"
    notebook = jupytext.read(source)
    notebook.cells[-1].source = "print('changed in Jupyter')"
    jupytext.write(notebook, source.with_suffix(".ipynb"))
    os.utime(source, (0, 0))
    with pytest.raises(UserError, match="jupytext --sync notebooks/01_first.py"):
        book()


def test_names_of_notebooks(book):
    notebooks = find_notebooks(book.folder)
    for word in ("second", "02_second", "notebooks/02_second.py", "02_second.ipynb"):
        assert list(select([word], notebooks)) == ["second"]
    assert list(select(["second", "first"], notebooks)) == ["first", "second"], "always the order of the book"


def test_progress_bars_leave_no_trace():
    bar = "\rrun:  50%|##   | 1/2 [00:01<00:01, 1.00it/s]\rrun: 100%|#####| 2/2 [00:02<00:00, 1.00it/s]\n"
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "0%"}
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text=bar),
        nbformat.v4.new_output("stream", name="stderr", text=bar + "UserWarning: mind this\n"),
        nbformat.v4.new_output("stream", name="stdout", text="5%|8\n"),
        nbformat.v4.new_output("display_data", data=view),
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=outputs)])
    notebook.metadata["widgets"] = {}
    cleaned = clean(notebook)
    assert [output.text.strip() for output in cleaned.cells[0].outputs] == ["UserWarning: mind this", "5%|8"]
    assert "widgets" not in cleaned.metadata
