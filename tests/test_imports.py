"""Imports: what is loaded by what, and which room may import which."""

import ast
import graphlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from .conftest import CHECKOUT
from .test_house import modules


def test_import_is_light():
    """`import rpstn` loads neither Jupyter, Sphinx nor matplotlib, and `rpstn --help` is quick."""
    heavy = ("torch", "IPython", "jupyter_core", "papermill", "sphinx", "matplotlib", "seaborn", "pandas", "pycocotools")
    code = f"import sys, rpstn, rpstn.cli.main; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    code = (
        "import sys, rpstn; [getattr(rpstn, name) for name in rpstn.__all__ if name not in ('plots',)]; "
        f"print([name for name in {heavy} if name in sys.modules and name != 'torch'])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def loaded(code):
    """Names of all modules that are loaded after some code."""
    told = subprocess.check_output([sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"], text=True)
    return set(told.splitlines()[-1].split())


def test_help_is_quick():
    """Within 0.3 s on an idle machine: none of what takes time is loaded."""
    found = loaded("from rpstn.cli.main import main; main(['--help'])")
    assert "rpstn.cli.main" in found and not {"torch", "numpy", "scipy", "cv2", "tyro"} & found


def test_prediction_needs_neither_training_nor_the_book():
    found = loaded("from rpstn.cli.main import main; main(['predict', '--help']); import rpstn.video.job, rpstn.video.predict")
    rooms = {name.split(".")[1] for name in found if name.startswith("rpstn.")}
    assert {"video", "models"} <= rooms and not {"train", "notebooks", "plots", "embedded"} & rooms


def import_graph(root):
    """Which file imports which; imports in functions and those for type checkers count too."""
    files = dict(modules(root))
    graph = {name: set() for name in files}
    for name, path in files.items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                graph[name] |= {item.name for item in node.names} & files.keys()
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{name}: the package imports by full names"
                wholes = [f"{node.module}.{item.name}" for item in node.names]
                graph[name] |= {whole if whole in files else node.module for whole in wholes} & files.keys()
    return graph


def check_house(root):
    """What import-linter says of a folder with rpstn/ and pyproject.toml: (exit code, report)."""
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    run = subprocess.run([sys.executable, "-c", code], cwd=root, env=environment, capture_output=True, text=True)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def house(tmp_path):
    """A copy of the package's code, to be spoiled."""
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    shutil.copytree(
        CHECKOUT / "rpstn", tmp_path / "rpstn", ignore=lambda _, names: [n for n in names if n.endswith((".pt", ".npz"))]
    )
    return tmp_path


def test_imports_go_down_the_house():
    code, report = check_house(CHECKOUT)
    assert code == 0, report


@pytest.mark.parametrize(
    "line, place, contract",
    [
        ("from rpstn.video.output.webm import write_webm", "datasets/boxes.py", "Imports go down this list"),
        ("def late():\n    import rpstn.cli.main", "errors.py", "Imports go down this list"),
        ("from rpstn.train.config import TrainConfig", "video/files.py", "Imports go down this list"),
        ("from rpstn.models.rpstn import RPSTN", "metrics/scores.py", "A score knows no network"),
        ("from rpstn.embedded import make_embedded", "notebooks/run.py", "Only the command line makes embedded data"),
        ("", "anything.py", "Imports go down this list"),
    ],
)
def test_an_import_up_the_house_is_found(house, line, place, contract):
    with (house / "rpstn" / place).open("a") as file:
        file.write(f"\n\n{line}\n")
    code, report = check_house(house)
    assert code == 1 and re.search(f"{contract}.* BROKEN", report), report


def test_no_file_imports_in_a_circle(house):
    tuple(graphlib.TopologicalSorter(import_graph(CHECKOUT)).static_order())
    with (house / "rpstn" / "metrics" / "keypoints.py").open("a") as file:
        file.write("\n\ndef late():\n    from rpstn.metrics.scores import score\n")
    with pytest.raises(graphlib.CycleError, match="metrics"):
        graphlib.TopologicalSorter(import_graph(house)).prepare()


def test_the_command_line_alone_changes_the_allocator():
    """A library that is imported leaves the process as it is; notebooks, which own theirs, say so in a cell."""
    changing = {name for name, found in import_graph(CHECKOUT).items() if "rpstn.runs.memory" in found}
    assert changing and all(name.startswith("rpstn.cli") for name in changing)
