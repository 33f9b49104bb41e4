"""The wheel: built from the project's files alone, it works in an empty environment outside the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest

from .conftest import CHECKOUT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel built from a clean copy: the files that git knows, without anything built or made."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout, so no telling which files belong to the project")
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            place = folder / "clone" / name
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, place)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(folder), str(folder / "clone")], check=True)
    (found,) = folder.glob("rpstn-*.whl")
    return found


@pytest.fixture(scope="module")
def call(wheel, tmp_path_factory):
    """Runs the installed `rpstn` in an empty directory; the environment holds its dependencies, not the
    checkout.
    """
    folder = tmp_path_factory.mktemp("outside")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "venv")], check=True)
    python = folder / "venv" / "bin" / "python"
    ask = [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = subprocess.check_output(ask, text=True).strip()
    # A folder named in a .pth file is searched, but its own .pth files, the checkout's among them, are not
    # read.
    with open(os.path.join(site, "dependencies.pth"), "w") as stream:
        stream.write(sysconfig.get_path("purelib") + "\n")
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*pip, str(wheel)], check=True)
    work = folder / "work"
    work.mkdir()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "RPSTN_DATA")}

    def run(*words, program=folder / "venv" / "bin" / "rpstn"):
        command = [str(program), *words]
        return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True)

    run.python, run.work, run.folder = python, work, folder
    return run


def test_carries_data_and_notices(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert "rpstn/datasets/embedded/motion.npz" in names
    assert any(name.startswith("rpstn/datasets/embedded/NOTICE") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    weights = sorted(path.name for path in (CHECKOUT / "rpstn" / "weights").glob("*"))
    assert weights == sorted(name.split("/")[-1] for name in names if name.startswith("rpstn/weights/"))
    assert {name.split("/")[0] for name in names} <= {"rpstn", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert wheel.stat().st_size < 12e6


def test_works_outside_the_checkout(call):
    where = call("-c", "import rpstn; print(rpstn.__file__)", program=call.python).stdout.strip()
    assert where.startswith(str(call.folder)), "the test must not see the checkout's package"
    steps = (
        ["data", "make", "embedded", "--train", "2", "--val", "1", "--test", "1"],
        ["data", "check", "embedded"],
        ["train", "--out", "runs/tiny", "--steps", "2", "--batch", "2", "--frames", "2", "--size", "64"],
        ["evaluate", "--checkpoint", "runs/tiny/best.pt", "--out", "runs/scores"],
    )
    for words in steps:
        done = call(*words)
        assert done.returncode == 0, f"rpstn {' '.join(words)}\n{done.stdout}\n{done.stderr}"
    assert (call.work / "runs" / "scores" / "metrics.json").is_file()


def test_run_says_that_it_needs_a_checkout(call):
    done = call("run", "data")
    assert done.returncode == 2
    assert done.stderr.startswith("rpstn: error: rpstn run needs a checkout") and "clone" in done.stderr
    assert done.stderr.count("\n") == 1
