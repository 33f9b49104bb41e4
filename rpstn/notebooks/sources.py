"""What an executed notebook was made from: its source and values, the code that its imports reach, its data, and other runs.

A file of the package that no import of a notebook leads to, such as those of the command line, changes none of its numbers.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rpstn.notebooks import CHECKOUT
from rpstn.runs.paths import data_folder, expanded

_PACKAGES = ("rpstn", "benchmarks")
RESULTS = "results"  # the checkout's folder of published numbers


class Code:
    """The code of a checkout as it is when this is made, and which of it a notebook's source leads to."""

    def __init__(self, checkout: Path = CHECKOUT) -> None:
        self.checkout = checkout
        self._hashes: dict[Path, bytes] = {}
        self._files: dict[str, Path] = {}
        for path in (path for package in _PACKAGES for path in (checkout / package).rglob("*.py")):
            parts = path.relative_to(checkout).with_suffix("").parts
            self._files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
        self._imported: dict[str, set[str]] = {"rpstn": set()}  # it loads a name only where one is asked for

    def state(self, source: str) -> str:
        """Hash what a source is computed with: the modules that it reaches, data files with them, and published results.

        Results count where the source, or a module of the notebooks' machinery that it reaches, names their folder.
        """
        reached = self.reached(source)
        files = [self._files[name] for name in reached] + [path for path in self._data_files if self._belongs(path, reached)]
        machinery = [self._tree(name) for name in reached if name.startswith("rpstn.notebooks.")]
        if any(_names_results(tree) for tree in (ast.parse(source), *machinery)):
            files += [path for path in (self.checkout / RESULTS).rglob("*") if path.is_file()]
        digest = hashlib.sha256()
        for path in sorted(files):
            digest.update(path.relative_to(self.checkout).as_posix().encode() + b"\0" + self._hash(path))
        return digest.hexdigest()

    def reached(self, source: str) -> set[str]:
        """Find the modules that a source's imports lead to; those in functions and for type checkers count too."""
        found: set[str] = set()
        waiting = self._imports(ast.parse(source))
        while waiting:
            name = waiting.pop()
            found.add(name)
            if name not in self._imported:
                self._imported[name] = self._imports(self._tree(name))
            waiting |= self._imported[name] - found
        return found

    def _imports(self, tree: ast.AST) -> set[str]:
        names: set[str] = set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names |= {item.name for item in node.names}
                names |= set(self._public) if any(item.name == "rpstn" for item in node.names) else set()
            elif isinstance(node, ast.ImportFrom):
                names |= {f"{node.module}.{item.name}" for item in node.names}
            elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
                start = _constant_start(node.args[0])
                names |= {name for name in self._files if start and name.startswith(start)}
        found = {self._module(self._public.get(name, name)) for name in names} - {""}
        return found | {parent for name in found for parent in _parents(name)}

    def _tree(self, name: str) -> ast.AST:
        return ast.parse(self._files[name].read_text(encoding="utf-8"))

    @functools.cached_property
    def _public(self) -> dict[str, str]:
        """What `import rpstn` loads on first use, as it is written there for type checkers: rpstn.predict and its module."""
        imports = [node for node in ast.walk(self._tree("rpstn")) if isinstance(node, ast.ImportFrom)]
        return {f"rpstn.{item.name}": self._module(f"{node.module}.{item.name}") for node in imports for item in node.names}

    def _module(self, name: str) -> str:
        """Return the module that a dotted name is, or that has it; "" for one of another package."""
        return next((part for part in (name, name.rpartition(".")[0]) if part in self._files), "")

    @functools.cached_property
    def _data_files(self) -> list[Path]:
        """What is no code, such as weights."""
        files = [path for path in (self.checkout / "rpstn").rglob("*") if path.is_file()]
        return [path for path in files if path.suffix != ".py" and "__pycache__" not in path.parts]

    def _belongs(self, path: Path, reached: set[str]) -> bool:
        """Check that a data file lies with a module that is reached, or with none."""
        room = ".".join(path.parent.relative_to(self.checkout).parts)
        return room in reached or room not in self._files

    def _hash(self, path: Path) -> bytes:
        if path not in self._hashes:
            self._hashes[path] = hashlib.sha256(path.read_bytes()).digest()
        return self._hashes[path]


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _constant_start(text: ast.expr) -> str:
    """Give the constant start of an f-string, such as "rpstn.datasets."; "" of anything else."""
    first = text.values[0] if isinstance(text, ast.JoinedStr) else None
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""


def _names_results(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.Constant) and node.value == RESULTS for node in ast.walk(tree))


def data_state(settings: Mapping[str, Any]) -> Any:
    """Return what distinguishes one state of a notebook's data set from another, without reading all of it.

    A computed set has manifests (*.json next to its folders), which determine it. A recorded set has none: there, names and
    times of what lies directly in its folder show that something was added, removed or unpacked again. That is enough for a
    download, which is not edited; a file changed deep inside it goes unnoticed, and `rpstn run --force` executes regardless.
    """
    if "dataset" not in settings:
        return None
    root = expanded(settings.get("root") or data_folder(settings["dataset"]))
    if not root.is_dir():
        return None
    manifests = sorted(root.glob("*.json"))
    if manifests:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in manifests]
    return sorted((item.name, item.stat().st_mtime_ns) for item in root.iterdir())
