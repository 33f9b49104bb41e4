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
    """A wheel built from the last commit, as a clone has it: a file that was never added is not in it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = ["git", "archive", "--format", "zip", "--output", str(folder / "head.zip"), "HEAD"]
    archived = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    if archived.returncode:
        pytest.skip(f"not a git checkout with a commit: {archived.stderr.strip()}")
    shutil.unpack_archive(folder / "head.zip", folder / "clone")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "-w", str(folder), str(folder / "clone")], check=True)
    (found,) = folder.glob("rpstn-*.whl")
    return found


def test_editable_install_is_a_path_and_no_import_hook(tmp_path):
    """Type checkers and editors follow a path in a .pth file; setuptools' import hook they cannot run."""
    build = "import sys; from setuptools import build_meta; build_meta.build_editable(sys.argv[1])"
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, tmp_path)
    (tmp_path / "rpstn").mkdir()
    (tmp_path / "rpstn" / "__init__.py").touch()
    subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=tmp_path, check=True, capture_output=True)
    (made,) = tmp_path.glob("*.whl")
    files = {name: zipfile.ZipFile(made).read(name) for name in zipfile.ZipFile(made).namelist() if "dist-info" not in name}
    ((name, content),) = files.items()
    assert name.endswith(".pth") and os.path.samefile(content.decode().strip(), tmp_path)


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
    assert "rpstn/embedded/motion.npz" in names
    assert "rpstn/py.typed" in names
    assert any(name.startswith("rpstn/embedded/NOTICE") for name in names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert {name.split("/")[0] for name in names} <= {"rpstn", f"{wheel.name.split('-py3')[0]}.dist-info"}
    assert wheel.stat().st_size < 32e6  # weights 30 MB at most, and the code


def test_carries_every_module_and_style(wheel):
    """What the work tree has in the package is in the commit, and from there in the wheel."""
    package = CHECKOUT / "rpstn"
    here = {p.relative_to(CHECKOUT).as_posix() for ending in ("py", "mplstyle") for p in package.rglob(f"*.{ending}")}
    missing = here - set(zipfile.ZipFile(wheel).namelist())
    assert "rpstn/cli/main.py" in here and not missing, f"not committed, or not packaged: {sorted(missing)}"


def test_carries_the_shipped_weights(wheel):
    """Weights with their manifests and notices; 30 MB at most."""
    here = {path.name: path.stat().st_size for path in (CHECKOUT / "rpstn" / "weights").glob("[!.]*")}
    if not here:
        pytest.skip("no weights in rpstn/weights yet")
    carried = {name.split("/")[-1] for name in zipfile.ZipFile(wheel).namelist() if name.startswith("rpstn/weights/")}
    assert carried == set(here), "not committed, or not packaged"
    assert sum(here.values()) <= 30e6


def test_works_outside_the_checkout(call):
    where = call("-c", "import rpstn; print(rpstn.__file__)", program=call.python).stdout.strip()
    assert where.startswith(str(call.folder)), "the test must not see the checkout's package"
    steps = (
        ["data", "make", "embedded", "--train", "2", "--val", "1", "--test", "1"],
        ["data", "check", "embedded"],
        ["train", "--out", "runs/tiny", "--steps", "2", "--batch", "2", "--frames", "2", "--size", "64"],
        ["evaluate", "--checkpoint", "runs/tiny/best.safetensors", "--out", "runs/scores"],
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
