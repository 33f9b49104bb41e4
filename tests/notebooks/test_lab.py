"""The notebooks in JupyterLab, in a real browser: what `make lab` opens runs, and shows what it should."""

import contextlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ..conftest import CHECKOUT
from .browser import CHROMIUM, PATIENCE, open_page, wait_for

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian, Ubuntu: apt install chromium)")

# A server of this test's own, on a port that the system chooses, and the application as a variable of the page. Kernels are
# reached through socket files: a port that was free when it was chosen may be taken when the kernel binds it.
OPTIONS = (
    "--no-browser", "--allow-root", "--ServerApp.port=0", "--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True",
    "--LabApp.expose_app_in_browser=True", "--KernelManager.transport=ipc",
)  # fmt: skip
PLACES = ("CONFIG_DIR", "DATA_DIR", "PREFERRED_DIR")
CODE = "nb.content.widgets.map(w => w.model).filter(m => m.type == 'code')"
# Chromium paints a figure; every cell that JupyterLab keeps in the page is looked at.
FIGURES = "[...nb.node.querySelectorAll('.jp-RenderedImage img')].filter(i => i.complete && i.naturalWidth > 100).length"


def make_lab():
    """The command of `make lab`, with this interpreter."""
    (line,) = re.findall(r"^lab:.*\n\t(.*)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    return [sys.executable if word == "$(PY)" else word for word in shlex.split(line)]


@pytest.fixture(scope="module")
def checkout(data_root, tmp_path_factory):
    """A copy of what `make lab` needs of a checkout, with the small data set where `rpstn data make` puts it."""
    root = tmp_path_factory.mktemp("lab")
    shutil.copy(CHECKOUT / "_config.yml", root)
    for name in ("notebooks", "book"):
        kept_out = shutil.ignore_patterns("executed", "runs", "data", ".ipynb_checkpoints")
        shutil.copytree(CHECKOUT / name, root / name, ignore=kept_out)
    (root / "data").symlink_to(data_root)
    return root


@pytest.fixture(scope="module")
def lab(checkout, tmp_path_factory):
    """A tab in which JupyterLab has been opened."""
    state = tmp_path_factory.mktemp("state")
    with tempfile.TemporaryDirectory() as sockets:  # a short path: about 100 letters is the longest for a socket
        with serve(checkout, state, Path(sockets)) as page:
            yield page


@contextlib.contextmanager
def serve(checkout, state, sockets):
    """Start JupyterLab, and open it in a browser. state, sockets: fresh folders for its files and for those of its kernels."""
    own = {"JUPYTER_RUNTIME_DIR": str(sockets), "IPYTHONDIR": str(state / "ipython")}
    own |= {f"JUPYTER_{name}": str(state / name) for name in PLACES}
    own |= {f"JUPYTERLAB_{name}_DIR": str(state / name) for name in ("SETTINGS", "WORKSPACES")}
    environment = {name: value for name, value in os.environ.items() if name != "RPSTN_DATA"} | own
    with (state / "log").open("w") as log:
        server = subprocess.Popen([*make_lab(), *OPTIONS], cwd=checkout, env=environment, stdout=log, stderr=log)
    try:
        address = wait_for(lambda: server_address(state, sockets, server), PATIENCE, "JupyterLab's server")
        with open_page(state / "profile") as page:
            page.open(address)
            wait_for(lambda: page.has("window.jupyterapp && document.querySelector('.jp-DirListing-item')"), PATIENCE, "Lab")
            yield page
    finally:
        server.terminate()  # with its kernels
        try:
            server.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(timeout=PATIENCE)


def server_address(state, sockets, server):
    """Where the server says that it listens; None as long as it says nothing."""
    assert server.poll() is None, f"JupyterLab's server ended: {(state / 'log').read_text()[-2000:]}"
    for file in sockets.glob("jpserver-*.json"):
        with contextlib.suppress(ValueError):  # half written
            return json.loads(file.read_text())["url"]
    return None


def run_all(page, name):
    """Open a notebook, run all cells and return all outputs; the notebook is `nb` in the page, which holds all cells."""
    page.run(
        f"jupyterapp.commands.execute('docmanager:open', {{path: 'notebooks/{name}.ipynb'}})"
        ".then(w => (window.nb = w).context.ready).then(() => nb.context.sessionContext.ready).then(() => true)"
    )
    page.run("nb.content.notebookConfig = {...nb.content.notebookConfig, windowingMode: 'none'}, 1")
    page.run("window.ran = false, jupyterapp.commands.execute('notebook:run-all-cells').then(() => window.ran = true), 1")
    wait_for(lambda: page.run("window.ran"), 2 * PATIENCE, f"all cells of {name}")
    outputs = page.run(f"{CODE}.flatMap(m => m.outputs.toJSON())")
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    assert page.run(f"{CODE}.every(m => m.executionCount > 0)")
    return outputs


def shown(outputs, kind):
    return [output for output in outputs if kind in output.get("data", {})]


def test_it_opens_at_the_notebooks(lab):
    listed = "[...document.querySelectorAll('.jp-DirListing-itemText')].map(e => e.textContent)"
    wait_for(
        lambda: {"01_data.ipynb", "14_your_video.ipynb"} <= set(lab.run(listed)), PATIENCE, "the notebooks in the list of files"
    )


def test_figures_captions_and_links(lab):
    """02: text that JupyterLab renders says what the book says; figures are painted."""
    outputs = run_all(lab, "02_jre")
    assert len(shown(outputs, "image/png")) == 9
    assert wait_for(lambda: lab.run(FIGURES) == 9, PATIENCE, "nine figures")
    captions = lab.run("[...nb.node.querySelectorAll('.jp-RenderedMarkdown p > em:only-child')].map(e => e.textContent)")
    assert "The mix for one joint in the paper's layout and in that of the released code. The ring marks the joint." in captions


def test_progress_bar_slider_and_links(lab, checkout):
    """14: widgets are drawn, a slider that is moved shows another frame, and links lead to notebooks and chapters."""
    outputs = run_all(lab, "14_your_video")
    assert len(shown(outputs, "image/png")) == 5 and len(shown(outputs, "application/vnd.jupyter.widget-view+json")) == 2
    assert wait_for(lambda: lab.run(FIGURES) >= 5, PATIENCE, "five figures")
    bar = "nb.node.querySelector('.widget-hprogress')?.parentElement.textContent ?? ''"
    wait_for(lambda: re.fullmatch(r"array:\s+100%\s+24/24.*frame/s]", lab.run(bar)), PATIENCE, "the whole progress bar")
    wait_for(lambda: lab.run("nb.node.querySelectorAll('.widget-play').length") == 1, PATIENCE, "the player")
    wait_for(lambda: lab.run("!!nb.node.querySelector('img.widget-image')"), PATIENCE, "the slider's image")
    look = "nb.node.querySelector('img.widget-image').src"
    first = lab.run(look)
    slide = "nb.node.querySelector('.widget-slider .noUi-handle')"
    lab.run(f"{slide}.dispatchEvent(new KeyboardEvent('keydown', {{key: 'ArrowRight', bubbles: true}}))")
    wait_for(lambda: lab.run(look) != first, PATIENCE, "another frame")
    assert not lab.run("nb.node.querySelectorAll('a[href^=mailto]').length")
    links = lab.run("[...nb.node.querySelectorAll('.jp-RenderedMarkdown a')].map(a => [a.textContent, a.href])")
    ends = {words: address for words, address in links}
    assert "notebooks/06_relations.ipynb" in ends["Joint relations"] and "book/datasets.md" in ends["Data sets"]
    assert (checkout / "runs" / "your_video" / "video.webm").is_file() and not (checkout / "notebooks" / "runs").exists()
