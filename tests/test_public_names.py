"""`rpstn.NAME` for people, editors and type checkers: all of them see the same names, and functions as functions."""

import ast
import inspect
import json
import os
import pydoc
import shutil
import subprocess
import sys
import types

import pytest

import rpstn

from .conftest import CHECKOUT

# Line by line, what a user may write, and whether a type checker has to object.
USES = {
    "from rpstn import metrics, predict": False,
    "found = predict('a.mp4')": False,
    "found.poses": False,
    "found.nonsense": True,
    "predict('a.mp4', nonsense=1)": True,
    "rpstn.metrics.pck(1, 1, 1, size=1).nonsense": True,
    "rpstn.open_dataset('embedded').clips": False,
    "rpstn.open_dataset('embedded').nonsense": True,
    "rpstn.nonsense": True,
}

# In one process, whose other packages stay loaded: the package itself is new each time.
ORDERS = """
import sys, types
for first in ("", "import rpstn.video.job", "from rpstn import *", "from rpstn import predict"):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rpstn"]:
        del sys.modules[name]
    exec(first + "\\nimport rpstn")
    assert isinstance(rpstn.predict, types.FunctionType), (first, rpstn.predict)
"""


def test_predict_is_the_function_whatever_was_imported_before():
    """A submodule of that name would take its place in the package."""
    subprocess.run([sys.executable, "-c", ORDERS], check=True)
    assert not [name for name in rpstn._HOMES for ending in ("", ".py") if (CHECKOUT / "rpstn" / f"{name}{ending}").exists()]
    assert list(inspect.signature(rpstn.predict).parameters)[:3] == ["video_or_frames", "checkpoint", "boxes"]


def test_help_shows_the_function():
    said = pydoc.plain(pydoc.render_doc(rpstn.predict))
    assert said.startswith("Python Library Documentation: function predict") and "checkpoint: " in said
    assert inspect.getdoc(rpstn.predict).splitlines()[0] in said


def test_dir_has_every_name_once():
    for name in rpstn.__all__:  # also after they were loaded
        getattr(rpstn, name)
    assert len(dir(rpstn)) == len(set(dir(rpstn))) and set(rpstn.__all__) <= set(dir(rpstn))
    assert len(rpstn.__all__) == len(set(rpstn.__all__))


def test_modules_are_those_without_a_home():
    modules = {name for name in rpstn.__all__ if isinstance(getattr(rpstn, name), types.ModuleType)}
    assert modules == set(rpstn.__all__) - set(rpstn._HOMES)


def test_type_checkers_read_the_names_that_there_are():
    """The list is a literal, each of its names is imported for them, and no `__getattr__` makes up others."""
    tree = ast.parse((CHECKOUT / "rpstn" / "__init__.py").read_text(encoding="utf-8"))
    (listed,) = [
        ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    (block,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imported = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == {name: rpstn._HOMES.get(name, "rpstn") for name in listed}
    assert not [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "__getattr__"]
    assert (CHECKOUT / "rpstn" / "py.typed").is_file()


@pytest.mark.xdist_group("types")  # mypy finds here what it has read for test_house.py
@pytest.mark.parametrize("checker", ["pyright", "mypy"])
def test_a_type_checker_agrees(checker, tmp_path):
    """What is right passes, what is wrong is an error on its line: nothing of it is Any."""
    # The one of this environment, whether or not it is on the path.
    program = shutil.which(checker, path=os.path.dirname(sys.executable)) or shutil.which(checker)
    if program is None:
        pytest.skip(f"{checker} is not installed")
    (tmp_path / "user.py").write_text("\n".join(["import rpstn", *USES]), encoding="utf-8")
    (tmp_path / "pyrightconfig.json").write_text(json.dumps({"extraPaths": [str(CHECKOUT)], "reportUnusedExpression": False}))
    of_the_project = ["--config-file", str(CHECKOUT / "pyproject.toml"), "--cache-dir", str(CHECKOUT / ".mypy_cache")]
    options = ["--pythonpath", sys.executable] if checker == "pyright" else of_the_project
    environment = os.environ | {"MYPYPATH": str(CHECKOUT)}
    said = subprocess.run([program, *options, "user.py"], cwd=tmp_path, env=environment, capture_output=True, text=True).stdout
    for number, (line, wrong) in enumerate(USES.items(), 2):
        told = [row for row in said.splitlines() if f"user.py:{number}:" in row and "error" in row]
        assert bool(told) == wrong, f"{line}\n{said}"
