"""What makes an executed notebook stale: the code that it reaches, and no other."""

import pytest

from rpstn.notebooks.find import find_notebooks
from rpstn.notebooks.sources import Code

CODE = {
    "__init__.py": "if TYPE_CHECKING:\n    from rpstn.models.net import net\n    from rpstn.video.watch import watch\n",
    "models/__init__.py": "",
    "models/net.py": "def net():\n    from rpstn.errors import UserError\n",
    "errors.py": "class UserError(Exception): ...",
    "video/__init__.py": "",
    "video/watch.py": "import rpstn.errors",
    "datasets/__init__.py": "import_module(f'rpstn.datasets.{name}')",
    "datasets/coco.py": "",
    "cli/__init__.py": "",
    "cli/main.py": "from rpstn.models.net import net",
    "notebooks/__init__.py": "",
    "notebooks/published.py": "PLACE = Path('results') / 'published.json'",
    "plots/__init__.py": "",
    "plots/book.mplstyle": "",
    "weights/net.pt": "",
}


@pytest.fixture
def checkout(tmp_path):
    """A small checkout with a package and results."""
    for name, text in {f"rpstn/{name}": text for name, text in CODE.items()}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "published.json").write_text("{}")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("from rpstn.models.net import net", {"models/net.py", "errors.py", "weights/net.pt"}),
        ("from rpstn import net", {"models/net.py", "errors.py", "weights/net.pt"}),
        ("import rpstn", {"models/net.py", "video/watch.py", "errors.py", "weights/net.pt"}),
        ("import rpstn.video.watch as w", {"video/watch.py", "errors.py", "weights/net.pt"}),
        ("from rpstn import datasets", {"datasets/coco.py", "weights/net.pt"}),
        ("from rpstn import plots", {"plots/book.mplstyle", "weights/net.pt"}),
        ("from rpstn.notebooks.published import rows", {"notebooks/published.py", "results/published.json", "weights/net.pt"}),
        ("from pathlib import Path\nPath('results')", {"results/published.json", "weights/net.pt"}),
    ],
)
def test_code_that_a_notebook_reaches_counts_and_no_other(checkout, source, counts):
    before = Code(checkout).state(source)
    changed = set()
    for path in checkout.rglob("*.*"):
        text = path.read_text()
        path.write_text(f"{text}\n")
        changed |= {path.relative_to(checkout).as_posix()} if Code(checkout).state(source) != before else set()
        path.write_text(text)
    assert {name for name in changed if not name.endswith("__init__.py")} == {
        name if name.startswith("results/") else f"rpstn/{name}" for name in counts
    }


def test_neither_the_command_line_nor_the_runner_makes_a_notebook_stale():
    code = Code()
    apart = (
        "rpstn.cli",
        "rpstn.notebooks.build",
        *(f"rpstn.notebooks.{name}" for name in ("run", "execute", "kernels", "readme")),
    )
    for notebook in find_notebooks().values():
        reached = code.reached(notebook.path.read_text())
        assert "rpstn.datasets.coco" in reached or notebook.name == "results", "a loader is imported by a name made of parts"
        assert not {name for name in reached if name.startswith(apart)}
