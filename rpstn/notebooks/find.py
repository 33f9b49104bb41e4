"""The notebooks of a folder, their profiles, and the parameter values that a run gives them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from rpstn.errors import UserError, suggest
from rpstn.notebooks import CHECKOUT
from rpstn.notebooks.parameters import Parameter, choose, read_parameters
from rpstn.runs.paths import default_place


@dataclass(frozen=True)
class Notebook:
    """One notebook: short name, its py:percent source, its parameters, and the notebooks whose runs it reads."""

    name: str
    path: Path
    parameters: Mapping[str, Parameter]
    needs: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """Name the file of the executed notebook."""
        return f"{self.path.stem}.ipynb"


def find_notebooks(folder: str | Path | None = None) -> dict[str, Notebook]:
    """Find all notebooks of a folder by short name (01_data.py is "data"), in the order of the book.

    folder: the checkout's notebooks/ if not given. Its profiles.toml says in [needs] which notebook reads the
    runs of which. Raises UserError outside a checkout, or for a notebook without one proper parameters cell.
    """
    if folder is None:
        folder = CHECKOUT / "notebooks"
        if not folder.is_dir():
            raise UserError(
                "rpstn run needs a checkout of the book: this installation has the package alone, without "
                "notebooks/; clone the repository, run `make test` or `pip install -e '.[book]'` in it, and "
                "call rpstn run there (rpstn data, train and evaluate work without a checkout)"
            )
    folder = Path(folder)
    needs = read_table(folder).get("needs", {})
    found = {}
    for path in sorted(folder.glob("[0-9][0-9]_*.py")):
        cells = [cell for cell in load(path).cells if "parameters" in cell.metadata.get("tags", [])]
        if len(cells) != 1:
            raise UserError(f"{path}: has {len(cells)} cells tagged parameters; a notebook has exactly one")
        name = path.stem[3:]
        found[name] = Notebook(name, path, read_parameters(cells[0].source, path.name), tuple(needs.get(name, ())))
    if not found:
        raise UserError(f"{folder}: holds no notebook named NN_name.py; check the folder")
    return found


def load(path: Path) -> Any:
    """Read a notebook from its py:percent source; UserError if its .ipynb was saved later and has other cells."""
    import jupytext

    notebook = deepcopy(_parsed(path.read_text(encoding="utf-8")))
    pair = path.with_suffix(".ipynb")
    if pair.is_file() and pair.stat().st_mtime > path.stat().st_mtime + 1:
        sources = [[cell.source for cell in part.cells] for part in (notebook, jupytext.read(pair))]
        if sources[0] != sources[1]:
            raise UserError(
                f"{pair.name} was changed after {path.name} and differs from it; "
                f"bring the pair in step with `jupytext --sync {path.parent.name}/{path.name}`"
            )
    return notebook


@lru_cache(maxsize=64)
def _parsed(source: str) -> Any:
    """Parse a py:percent source, which takes long, once: whoever runs notebooks asks for all of them several times."""
    import jupytext

    return jupytext.reads(source, fmt="py:percent")


def read_table(folder: Path) -> dict[str, Any]:
    """Read profiles.toml: [needs], and per profile [PROFILE.all] and [PROFILE.NOTEBOOK] with parameter values."""
    path = folder / "profiles.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"demo": {}}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: cannot be read ({error}); fix it") from None


def resolve(
    notebooks: Mapping[str, Notebook], folder: Path, profile: str, values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Choose the parameter values of each notebook: its profile's, then the given ones. Raises what `choose` raises."""
    table = {name: part for name, part in read_table(folder).items() if name != "needs"}
    if profile not in table:
        near = suggest(profile, table)
        raise UserError(f"there is no profile {profile!r}{near}; there are {', '.join(table)}")
    everything = find_notebooks(folder)
    for name, part in table[profile].items():
        if name != "all" and name not in everything:
            raise UserError(f"profiles.toml: [{profile}.{name}] names no notebook{suggest(name, everything)}")
        known = {n: item.parameters for n, item in everything.items() if name in ("all", n)}
        choose(part, known)
    given = choose(values, {name: item.parameters for name, item in notebooks.items()})
    chosen = {}
    for name, item in notebooks.items():
        shared = table[profile].get("all", {})
        common = {key: value for key, value in shared.items() if key in item.parameters}
        own = {**common, **table[profile].get(name, {})}
        chosen[name] = {**choose(own, {name: item.parameters})[name], **given[name]}
        # A profile's folder may name the data set, so that two sets do not share their runs.
        dataset = chosen[name].get("dataset", getattr(item.parameters.get("dataset"), "default", None))
        for key in own:
            if isinstance(chosen[name][key], str):
                chosen[name][key] = chosen[name][key].replace("{dataset}", str(dataset))
            if key == "out" and key not in given[name]:
                chosen[name][key] = default_place(chosen[name][key]).as_posix()  # a relative path of the caller's stays theirs
    return chosen


def select(words: Sequence[str], notebooks: Mapping[str, Notebook]) -> dict[str, Notebook]:
    """Select the named notebooks in the order of the book; all of them for no names. Paths and 01_data count as names."""
    wanted = set()
    for word in words:
        stem = Path(word).stem
        short = stem[3:] if stem[:2].isdigit() and stem[2:3] == "_" else stem
        if short not in notebooks:
            raise UserError(f"there is no notebook {word!r}{suggest(short, notebooks)}; there are {', '.join(notebooks)}")
        wanted.add(short)
    return {name: item for name, item in notebooks.items() if not wanted or name in wanted}


def with_defaults(notebooks: Mapping[str, Notebook], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Give the value of every parameter by notebook: the one set, else the notebook's default."""
    return {
        name: {key: settings[name].get(key, item.default) for key, item in notebook.parameters.items()}
        for name, notebook in notebooks.items()
    }
