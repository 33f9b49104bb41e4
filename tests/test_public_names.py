"""`rpstn.NAME` for people, editors and type checkers: all of them see the same names, and functions as functions."""

import ast
import inspect
import pydoc
import subprocess
import sys
import types

import rpstn

from .conftest import CHECKOUT

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
