"""The book: every notebook runs in the smoke profile, and the book is built from them with warnings as
errors.
"""

import re
import shutil
from html import unescape
from html.parser import HTMLParser

import nbformat
import pytest

import rpstn
from rpstn.errors import UserError
from rpstn.notebooks import build as book
from rpstn.notebooks.find import find_notebooks, load
from rpstn.notebooks.run import run_notebooks
from rpstn.runs import read_json

from ..conftest import CHECKOUT

NOT_SOURCE = ("__pycache__", ".ipynb_checkpoints", "runs", "data")


@pytest.fixture(scope="module")
def root(data_root, tmp_path_factory):
    """A copy of the book's source with every notebook executed on the small data set.

    Kernels work in notebooks/, as they do in JupyterLab: data and runs are the checkout's all the same.
    """
    root = tmp_path_factory.mktemp("book")
    shutil.copy(CHECKOUT / "_config.yml", root)
    shutil.copytree(CHECKOUT / "book", root / "book", ignore=shutil.ignore_patterns("executed"))
    shutil.copytree(CHECKOUT / "notebooks", root / "notebooks", ignore=shutil.ignore_patterns(*NOT_SOURCE))
    (root / "data").symlink_to(data_root)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RPSTN_DATA", raising=False)
        patch.chdir(root / "notebooks")
        assert run_notebooks(profile="smoke", out=root / "book" / "executed", progress=False) == 0
    return root


@pytest.fixture(scope="module")
def html(root):
    """The folder of the built book."""
    return book.build(root).parent


class Page(HTMLParser):
    """What a page shows and what it loads."""

    def __init__(self, text):
        super().__init__()
        self.title, self.words, self.loads, self.alternatives, self._inside = "", 0, [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag not in ("img", "link", "metadata", "input", "br", "hr", "source"):
            self._inside.append((tag, values.get("class") or ""))
        if tag in ("script", "img", "iframe", "video", "source", "audio", "embed"):
            self.loads.append(values.get("src") or "")
        if tag == "link" and values.get("rel") in ("stylesheet", "preload", "icon"):
            self.loads.append(values.get("href") or "")
        if tag == "img":
            self.alternatives.append(values.get("alt"))

    def handle_endtag(self, tag):
        while self._inside and self._inside.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if any("bd-article" in kind for _, kind in self._inside):
            self.words += len(data.split())
            if any(tag == "h1" for tag, _ in self._inside):
                self.title += data


def test_kernels_in_notebooks_find_the_checkout_and_leave_nothing_beside_the_notebooks(root):
    """None was given a folder, and all ran: what they read and wrote by default is the checkout's."""
    sources = {path.name for path in (CHECKOUT / "notebooks").iterdir()} - {*NOT_SOURCE}
    assert {path.name for path in (root / "notebooks").iterdir()} == sources
    written = {path.relative_to(root / "runs").as_posix() for path in (root / "runs").rglob("*") if path.is_file()}
    assert {"smoke-embedded/rpstn/best.safetensors", "smoke-video/video.webm", "occlusion-embedded.webm"} <= written
    settings = read_json(root / "runs" / "smoke-embedded" / "rpstn" / "config.json")
    assert settings["init"] == "runs/smoke-embedded/encoder/best.safetensors", "as a run that was started in the checkout itself"


def test_every_notebook_ran_without_complaint(root):
    for notebook in find_notebooks().values():
        executed = nbformat.read(root / "book" / "executed" / notebook.output, as_version=4)
        shown = [o for c in executed.cells if c.cell_type == "code" for o in c.outputs]
        assert shown, f"{notebook.output} shows nothing"
        noise = [o.text for o in shown if o.output_type == "stream" and o.name == "stderr"]
        assert not noise, f"{notebook.output} writes to stderr: {noise[0]}"


# A role, a directive, a target, an attribute, a substitution.
MYST = (r"\{[\w:.+-]+\}`", r"^\s*(?:`{3,}|~{3,}|:{3,})\s*\{.*", r"^\([\w-]+\)=$", r"\]\{[.#].*?\}", r"\{\{.*?\}\}")


def markdown(notebook):
    """All Markdown of a notebook: cells, and outputs that are shown as Markdown."""
    for cell in notebook.cells:
        yield from [cell.source] if cell.cell_type == "markdown" else []
        yield from (o.data["text/markdown"] for o in cell.get("outputs", []) if "text/markdown" in o.get("data", {}))


def test_markdown_is_plain(root):
    """JupyterLab knows neither the book's roles and directives nor its attributes, and takes PCK@0.2 for an address of mail."""
    for path in sorted((root / "book" / "executed").glob("*.ipynb")):
        for text in markdown(nbformat.read(path, as_version=4)):
            special = [found for pattern in MYST for found in re.findall(pattern, text, re.MULTILINE)]
            assert not special, f"{path.name}: {special}"
            prose = re.sub(r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]*\$", "", text, flags=re.DOTALL)
            assert not re.search(r"\S@\S", prose), f"{path.name}: {prose}"


@pytest.mark.parametrize("notebook", find_notebooks().values(), ids=find_notebooks())
def test_links_lead_somewhere_and_figures_have_captions(notebook):
    """From notebooks/, where JupyterLab follows them; whether the book's do, its build says."""
    cells = load(notebook.path).cells
    for cell in cells:
        links = re.findall(r"\]\(([^)#]+)", cell.source) if cell.cell_type == "markdown" else []
        missing = [place for place in links if "://" not in place and not (notebook.path.parent / place).is_file()]
        assert not missing, missing
    for figure, below in zip(cells, [*cells[1:], None], strict=True):
        if settings := figure.metadata.get("mystnb"):
            assert settings["image"]["alt"] and "caption" not in settings["figure"], "a caption stands in a cell of its own"
            assert below.cell_type == "markdown" and re.fullmatch(r"\*[^*]+\*", below.source), settings["figure"]["name"]


def test_captions_and_links_of_notebooks_are_the_books(html, root):
    """A caption belongs to its figure, and is not printed twice; links lead to chapters."""
    for notebook in find_notebooks().values():
        text = (html / "executed" / f"{notebook.path.stem}.html").read_text()
        executed = nbformat.read(root / "book" / "executed" / notebook.output, as_version=4)
        figures = [cell.metadata["mystnb"]["figure"] for cell in executed.cells if "mystnb" in cell.metadata]
        for figure in figures:
            below = re.search(rf'id="{figure["name"]}".*?class="caption-text">(.*?)</span><a class="headerlink"', text, re.DOTALL)
            printed = re.sub(r"<[^>]+>|\W", "", unescape(below[1]))  # quotation marks and dashes are set as printers do
            assert printed == re.sub(r"\W", "", figure["caption"]), figure["name"]
        assert text.count("<figcaption>") == len(figures) + text.count("<video") * (notebook.name == "your_video")
    page = (html / "executed" / "14_your_video.html").read_text()
    assert 'href="06_relations.html"' in page and 'href="../datasets.html"' in page


def test_executed_notebooks_name_no_place(root, data_root):
    for path in (root / "book" / "executed").glob("*.ipynb"):
        text = path.read_text()
        for place in (root, data_root, CHECKOUT):
            assert f"{place}/" not in text, f"{path.name} names {place}"


def test_every_page_says_something(html):
    for name in book.pages(CHECKOUT / "book"):
        page = Page((html / f"{name}.html").read_text())
        assert page.title.strip("\n #"), f"{name} has no title"
        assert page.words > 60, f"{name} has {page.words} words"
        # A table whose Markdown was not understood is a paragraph of bars.
        assert not re.search(r"\|\s*(—|---)", (html / f"{name}.html").read_text().split("<body")[-1]), (
            f"{name}: a table is not drawn"
        )


def test_every_notebook_is_a_page():
    executed = [name for name in book.pages(CHECKOUT / "book") if name.startswith("executed/")]
    assert executed == [f"executed/{item.path.stem}" for item in find_notebooks().values()]


def test_built_book_needs_no_network(html):
    pages = list(html.rglob("*.html"))
    assert len(pages) > 10
    for path in pages:
        for place in Page(path.read_text()).loads:
            assert not re.match(r"(https?:)?//", place), f"{path.name} loads {place}"
    for path in html.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?(https?:)?//", path.read_text()), path.name
    formulas = [path for path in pages if "mathjax" in path.read_text()]
    assert formulas and (html / "_static" / "mathjax" / "tex-chtml.js").is_file()


def test_every_public_name_leads_to_its_description(html):
    text = (html / "api" / "index.html").read_text()
    for name, home in rpstn._HOMES.items():
        link = re.search(rf'href="([\w.]*)#([\w.-]+)"[^>]*><code[^>]*><span class="pre">{name}</span>', text)
        assert link or name == "SKELETONS", f"{name} of {home} is described nowhere"
        assert not link or f'id="{link[2]}"' in (html / "api" / link[1]).read_text()


def test_a_missing_page_is_named(tmp_path):
    shutil.copytree(CHECKOUT / "book", tmp_path / "book", ignore=shutil.ignore_patterns("executed"))
    shutil.copy(CHECKOUT / "_config.yml", tmp_path)
    with pytest.raises(UserError, match=r"executed/01_data.*rpstn run"):
        book.build(tmp_path)
    assert not (tmp_path / "_build").exists()


def test_a_warning_is_an_error(tmp_path, capfd):
    """Also when nothing has changed since the build that gave the warning first."""
    (tmp_path / "book" / "_static").mkdir(parents=True)
    (tmp_path / "book" / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    (tmp_path / "book" / "references.bib").touch()
    (tmp_path / "book" / "index.md").write_text("# Title\n\n[nothing there](nowhere.md)\n")
    shutil.copy(CHECKOUT / "_config.yml", tmp_path)
    shutil.copytree(CHECKOUT / "book" / "_ext", tmp_path / "book" / "_ext")
    for _ in range(2):
        with pytest.raises(UserError, match="not built"):
            book.build(tmp_path)
        assert "nowhere.md" in capfd.readouterr().err
