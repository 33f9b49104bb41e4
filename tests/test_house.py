"""The house in order: one list of dependencies, notebook pairs in step, words of the field, short functions and files."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions

import jupytext
import nbformat
import papermill
import pytest
import yaml
from packaging.requirements import Requirement

from rpstn.notebooks.find import find_notebooks, read_table, resolve
from rpstn.notebooks.readme import BEGIN, END, insert, published
from rpstn.runs import read_json

from .conftest import CHECKOUT

NOTEBOOKS = find_notebooks(CHECKOUT / "notebooks")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]


def canonical(name):
    return name.lower().replace("_", "-")


def requirements(project):
    extras = project["optional-dependencies"]
    return [Requirement(line) for line in sum(extras.values(), project["dependencies"])]


def constraints():
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def test_environment_yml_is_in_step_with_pyproject(project):
    """conda brings Python only; everything else comes through pyproject, with all of its extras."""
    environment = yaml.safe_load((CHECKOUT / "environment.yml").read_text())
    plain = [item for item in environment["dependencies"] if isinstance(item, str)]
    (pip,) = [item["pip"] for item in environment["dependencies"] if isinstance(item, dict)]
    assert f"python{project['requires-python']}" in plain
    assert set(plain) - {f"python{project['requires-python']}"} <= {"pip", "make"}
    assert pip == ["-c constraints.txt", f"-e .[{','.join(sorted(project['optional-dependencies']))}]"]


def test_every_dependency_has_a_reason_and_an_exact_version(project):
    """Each line of pyproject's lists ends in a comment; each dependency is pinned within its range."""
    pins = {canonical(pin.name): pin for pin in constraints()}
    assert str(pins["torch"].specifier) == "==2.13.0"
    for requirement in requirements(project):
        pin = pins[canonical(requirement.name)]
        (version,) = [part.version for part in pin.specifier if part.operator == "=="]
        assert requirement.specifier.contains(version), f"{pin} is outside {requirement}"
    text = (CHECKOUT / "pyproject.toml").read_text()
    listed = [line for line in text.splitlines() if re.match(r'    "[a-zA-Z0-9_.-]+[><=]', line)]
    assert len(listed) == len(requirements(project))
    assert all(re.search(r"#\s+\S+ \S+", line) for line in listed)


def imports(path):
    """Top-level names of all modules that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (item.name.split(".")[0] for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_every_import_is_declared(project):
    """What the package, the tests and the notebooks import stands in pyproject, not only behind what stands there."""
    declared = {canonical(item.name) for item in requirements(project)}
    providers = packages_distributions()
    own = {"rpstn", "tests", "benchmarks"}
    files = [path for folder in (*own, "notebooks") for path in (CHECKOUT / folder).rglob("*.py")]
    files.remove(CHECKOUT / "benchmarks" / "peer_mediapipe.py")  # run by the Python of a peer's own environment
    found = {name: path for path in files for name in imports(path)}
    outside = {name: path for name, path in found.items() if name not in sys.stdlib_module_names and name not in own}
    assert {"torch", "numpy", "pytest"} <= set(outside)
    missing = {
        name: path.name
        for name, path in outside.items()
        if not declared & {canonical(provider) for provider in providers.get(name, (name,))}  # an extra may not be installed
    }
    assert not missing, f"imported but not declared: {missing}"


def unspecified(path):
    """Lines of a file that read or write text in whatever encoding the system has."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or {"encoding", "dir"} & {word.arg for word in node.keywords}:
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        modes = [item.value for item in node.args if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        method = isinstance(node.func, ast.Attribute)
        if called == "open" and not any("b" in mode and len(mode) < 4 for mode in modes):
            yield node.lineno
        elif method and (called == "read_text" and not node.args or called == "write_text" and len(node.args) < 2):
            yield node.lineno


def test_text_files_are_utf8_on_every_system():
    files = [path for folder in ("rpstn", "benchmarks") for path in (CHECKOUT / folder).rglob("*.py")]
    found = [f"{path.relative_to(CHECKOUT)}:{line}" for path in files for line in unspecified(path)]
    assert not found, "open them with encoding='utf-8'"


def unlinked(source):
    """Lines of code that hand OpenCV a name not from `with opencv_path(...) as name`; a camera has a number."""
    tree = ast.parse(source)
    named = [
        (item.optional_vars.id, node.lineno, node.end_lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.With)
        for item in node.items
        if "opencv_path(" in ast.unparse(item.context_expr) and isinstance(item.optional_vars, ast.Name)
    ]
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not re.match(OPENCV_FILES, ast.unparse(node.func)):
            continue
        given = ast.unparse(node.args[0])
        if given != "self.index" and not any(given == name and first <= node.lineno <= last for name, first, last in named):
            yield node.lineno


# All that take a file's name; imdecode, imencode and their kin take bytes.
OPENCV_FILES = r"cv2\.(imread|imwrite|imcount|haveImage(Reader|Writer)|VideoCapture|VideoWriter|FileStorage)\w*$"


def test_opencv_takes_no_name_that_ends_the_process():
    """A name that is not UTF-8 is a segmentation fault there; opencv_path gives a link."""
    bad = "with opencv_path(path) as name:\n    cv2.imread(name)\ncv2.imreadmulti(str(path))\ncv2.VideoCapture(name)"
    assert list(unlinked(bad)) == [3, 4]
    found = {path: list(unlinked(path.read_text(encoding="utf-8"))) for path in (CHECKOUT / "rpstn").rglob("*.py")}
    assert not {str(path.relative_to(CHECKOUT)): lines for path, lines in found.items() if lines}


def test_package_and_project_have_the_same_version(project):
    import rpstn

    assert rpstn.__version__ == project["version"]


def test_unknown_name_of_the_package_is_an_attribute_error():
    import rpstn

    with pytest.raises(AttributeError, match="no attribute 'RPSTM'"):
        _ = rpstn.RPSTM


@pytest.mark.parametrize("notebook", NOTEBOOKS.values(), ids=NOTEBOOKS)
class TestNotebook:
    def test_pair_is_in_step_and_without_outputs(self, notebook):
        pair = nbformat.read(notebook.path.with_suffix(".ipynb"), as_version=4)
        source = jupytext.read(notebook.path)
        assert [(c.cell_type, c.source) for c in pair.cells] == [(c.cell_type, c.source) for c in source.cells]
        tags = [[c.metadata.get("tags", []) for c in part.cells] for part in (pair, source)]
        assert tags[0] == tags[1]
        for cell in pair.cells:
            if cell.cell_type == "code":
                assert not cell.outputs and cell.execution_count is None

    def test_parameters_are_annotated_and_commented(self, notebook):
        assert notebook.parameters
        for parameter in notebook.parameters.values():
            assert parameter.comment, f"{notebook.path.name}: {parameter.name} has no comment"

    def test_papermill_sees_the_same_parameters(self, notebook):
        """Whoever calls papermill directly gets the same names and types."""
        seen = papermill.inspect_notebook(notebook.path.with_suffix(".ipynb"))
        assert {name: item["inferred_type_name"] for name, item in seen.items()} == {
            name: item.annotation for name, item in notebook.parameters.items()
        }

    def test_starts_with_a_title_and_parameters(self, notebook):
        cells = jupytext.read(notebook.path).cells
        assert cells[0].cell_type == "markdown" and cells[0].source.startswith("# ")
        first_code = next(cell for cell in cells if cell.cell_type == "code")
        assert first_code.metadata.get("tags") == ["parameters"]

    def test_defines_no_class(self, notebook):
        """Notebooks call the package."""
        assert not re.search(r"^\s*class ", notebook.path.read_text(), re.MULTILINE)


def test_profiles_name_parameters_that_exist():
    table = read_table(CHECKOUT / "notebooks")
    profiles = [name for name in table if name != "needs"]
    assert {"smoke", "demo", "paper"} <= set(profiles)
    for profile in profiles:
        resolve(NOTEBOOKS, CHECKOUT / "notebooks", profile, {})
    order = list(NOTEBOOKS)
    for name, needed in table["needs"].items():
        assert all(order.index(other) < order.index(name) for other in needed)


def test_readme_has_the_measured_results():
    """The table is the one that results/embedded.json gives: `make readme` writes it."""
    results = CHECKOUT / "results" / "embedded.json"
    if not results.is_file():
        pytest.skip("no results/embedded.json yet")
    text = (CHECKOUT / "README.md").read_text()
    assert text == insert(text, published(read_json(results))), "call `make readme`"


def test_readme_points_at_what_is_there():
    text = (CHECKOUT / "README.md").read_text()
    assert text.count(BEGIN) == text.count(END) == 1
    places = [place for place in re.findall(r"\]\(([^)#]+)", text) if not re.match(r"\w+:", place)]
    assert "book/_static/front.png" in places
    missing = [place for place in places if not (CHECKOUT / place).exists()]
    assert not missing, f"README.md points at {missing}"


@pytest.mark.parametrize("words", [["check"], ["format", "--check"]], ids=" ".join)
def test_ruff_finds_nothing(words):
    run = subprocess.run([sys.executable, "-m", "ruff", *words], cwd=CHECKOUT, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout


def functions(path):
    """Functions of a file by name, with their numbers of lines."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node.end_lineno - node.lineno + 1


def test_functions_and_files_are_short():
    files = {str(path.relative_to(CHECKOUT)): path for top in ("rpstn", "tests") for path in (CHECKOUT / top).rglob("*.py")}
    assert not [name for name, path in files.items() if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert not [f"{name}: {function}" for name, path in files.items() for function, lines in functions(path) if lines > 60]


# Words that no longer name anything here.
OLD_WORDS = re.compile(
    r"\b(pictures?|films?|filmed|told apart|tell apart|colours?|coloured|normalis\w*|summaris\w*"
    r"|(?:centi|milli)?metres?|centres?|centred|greys?|mended|tumbl\w*|beside_share)\b|\bsights?\b(?=\s*[=:.(,)])",
    re.IGNORECASE,
)
# Files that speak of the old names because they translate or test them.
SPEAK_OLD = {
    "rpstn/runs/renamed.py",
    "tests/runs/test_renamed.py",
    "tests/test_house.py",
    "tests/notebooks/test_ablations.py",
    "tests/notebooks/test_chapters.py",
}


def old_words(path):
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        for found in OLD_WORDS.finditer(line):
            yield f"{path.relative_to(CHECKOUT)}:{number}: {found[0]}"


def speaking():
    """What is read for old words: rooms with their tests, the notebooks, the book; (name, files) each."""
    for room in sorted(path.name for path in (CHECKOUT / "rpstn").iterdir() if (path / "__init__.py").is_file()):
        yield room, [path for top in ("rpstn", "tests") for path in (CHECKOUT / top / room).rglob("*.py")]
    yield "top", [path for top in ("rpstn", "tests") for path in (CHECKOUT / top).glob("*.py")]
    yield "book", [*(CHECKOUT / "notebooks").glob("*.py"), *(CHECKOUT / "book").glob("*.md")]


@pytest.mark.parametrize(("place", "files"), [pytest.param(*pair, id=pair[0]) for pair in speaking()])
def test_words_are_those_of_the_field(place, files):
    files = [path for path in files if str(path.relative_to(CHECKOUT)) not in SPEAK_OLD]
    assert files and not [found for path in files for found in old_words(path)]


def test_the_tests_readme_names_tests_that_there_are():
    """What was tried stands in tests/README.md with the test that holds it; a test that is renamed is renamed there."""
    files = list((CHECKOUT / "tests").rglob("*.py"))
    known = {path.stem for path in files}
    known |= {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    named = set(re.findall(r"\btest_\w+", (CHECKOUT / "tests" / "README.md").read_text(encoding="utf-8")))
    assert len(named) > 50 and not named - known


def test_makefile_says_what_is_missing(tmp_path):
    """A Python that is too old is named, with the remedy, and no environment is made."""
    old = tmp_path / "python-old"
    old.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.8.1;; *) exit 1;; esac\n")
    old.chmod(0o755)
    run = subprocess.run(
        ["make", "test", f"PYTHON={old}", f"VENV={tmp_path / 'venv'}"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
    )
    assert run.returncode and "Python 3.8.1" in run.stderr and "Python 3.11 or newer" in run.stderr
    assert not (tmp_path / "venv").exists()


def modules(root):
    """Every file of the package by its module's name."""
    for path in sorted((root / "rpstn").rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def test_the_top_of_the_package_is_what_everybody_speaks_of():
    files = {path.name for path in (CHECKOUT / "rpstn").iterdir() if path.is_file()}
    shared = {"errors.py", "skeletons.py", "heatmaps.py", "filters.py"}
    assert files - shared == {"__init__.py", "__main__.py", "py.typed"}
