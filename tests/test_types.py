"""Types: mypy finds nothing in the package, and type checkers see what users may write."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from .conftest import CHECKOUT


@pytest.mark.slow
def test_mypy_finds_nothing():
    run = subprocess.run([sys.executable, "-m", "mypy"], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


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
