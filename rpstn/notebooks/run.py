"""The strict runner: papermill executes the notebooks, in order, and only whole results enter the book.

Nothing starts before every parameter is known to exist and to have the right type. A notebook that ran before
with the same source, values, package and data is kept. One that fails leaves the book as it was.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rpstn.errors import UserError, suggest
from rpstn.notebooks.execute import execute, kernel
from rpstn.notebooks.parameters import Parameter, choose, read_parameters
from rpstn.notebooks.values import check_values
from rpstn.runs.directory import MANIFEST
from rpstn.runs.files import plain, portable, read_json, write_json
from rpstn.runs.paths import expanded
from rpstn.runs.places import check_folder
from rpstn.runs.project import data_folder, default_place

CHECKOUT = Path(__file__).resolve().parents[2]
# Profiles whose executed notebooks are the book's pages; those of others show that everything runs, and no more.
BOOK_PROFILES = ("demo", "paper")
# Parts of the package that decide nothing in a notebook: they run it, or build the book from it.
_APART = {
    "__main__.py",
    "cli/main.py",
    "notebooks/build.py",
    "notebooks/execute.py",
    "notebooks/parameters.py",
    "notebooks/readme.py",
    "notebooks/run.py",
}


@dataclass(frozen=True)
class Notebook:
    """One notebook: short name, its py:percent source, its parameters, and the notebooks whose runs it
    reads.
    """

    name: str
    path: Path
    parameters: Mapping[str, Parameter]
    needs: tuple[str, ...] = ()

    @property
    def output(self) -> str:
        """File name of the executed notebook."""
        return f"{self.path.stem}.ipynb"


def find_notebooks(folder: str | Path | None = None) -> dict[str, Notebook]:
    """All notebooks of a folder by short name (01_data.py is "data"), in the order of the book.

    folder: the checkout's notebooks/ if not given. Its profiles.toml says in [needs] which notebook reads the
    runs of which. Errors: UserError outside a checkout, or for a notebook without one proper parameters cell.
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
    """A notebook from its py:percent source.

    Errors: UserError if the .ipynb beside it was saved later and says something else.
    """
    import jupytext

    notebook = jupytext.read(path, fmt="py:percent")
    pair = path.with_suffix(".ipynb")
    if pair.is_file() and pair.stat().st_mtime > path.stat().st_mtime + 1:
        sources = [[cell.source for cell in part.cells] for part in (notebook, jupytext.read(pair))]
        if sources[0] != sources[1]:
            raise UserError(
                f"{pair.name} was changed after {path.name} and differs from it; "
                f"bring the pair in step with `jupytext --sync {path.parent.name}/{path.name}`"
            )
    return notebook


def read_table(folder: Path) -> dict[str, Any]:
    """profiles.toml: [needs], and per profile [PROFILE.all] and [PROFILE.NOTEBOOK] with parameter values."""
    path = folder / "profiles.toml"
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"demo": {}}
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: cannot be read ({error}); mend it") from None


def resolve(
    notebooks: Mapping[str, Notebook], folder: Path, profile: str, values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The parameter values of each notebook: its profile's, then the given ones.

    Errors: UserError, see `choose`.
    """
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
    """The named notebooks in the order of the book; all of them for no names.

    Paths and 01_data count as names.
    """
    wanted = set()
    for word in words:
        stem = Path(word).stem
        short = stem[3:] if stem[:2].isdigit() and stem[2:3] == "_" else stem
        if short not in notebooks:
            raise UserError(f"there is no notebook {word!r}{suggest(short, notebooks)}; there are {', '.join(notebooks)}")
        wanted.add(short)
    return {name: item for name, item in notebooks.items() if not wanted or name in wanted}


def fingerprint(notebook: Notebook, values: Mapping[str, Any], out: Path, package: str) -> str:
    """What an executed notebook depends on, as one hash: source, values, package, data, and the runs it
    reads.
    """
    settings = _with_defaults({notebook.name: notebook}, {notebook.name: values})[notebook.name]
    # The working directory decides where relative paths lead.
    source = notebook.path.read_text(encoding="utf-8")
    parts = [source, settings, package, _data_state(settings), Path.cwd().as_posix()]
    # What else of the checkout a notebook reads, it names.
    parts += [package_hash(CHECKOUT / folder) for folder in ("results", "benchmarks") if folder in source]
    parts += [(_stamp(out, need) or {}).get("fingerprint") for need in notebook.needs]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def package_hash(folder: Path = CHECKOUT / "rpstn") -> str:
    """Hash of every file of the package that can change a number."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if path.is_file() and "__pycache__" not in path.parts and relative not in _APART:
            digest.update(relative.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _data_state(settings: Mapping[str, Any]) -> Any:
    """What tells one state of a notebook's data set from another without reading all of it.

    A computed set has manifests (*.json beside its folders), which say all about it. A recorded set has none:
    there, names and times of what lies directly in its folder tell that something was added, removed or unpacked
    again. That is enough for a download, which is not edited; a file changed deep inside it goes unnoticed, and
    `rpstn run --force` executes regardless.
    """
    if "dataset" not in settings:
        return None
    root = expanded(settings.get("root") or data_folder(settings["dataset"]))
    if not root.is_dir():
        return None
    manifests = sorted(root.glob("*.json"))  # the embedded set's says all; a real set has none
    if manifests:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in manifests]
    return sorted((item.name, item.stat().st_mtime_ns) for item in root.iterdir())


def _stamp(out: Path, name: str) -> dict[str, Any] | None:
    """What is kept beside an executed notebook: its fingerprint and how long it took."""
    path = out / f".{name}.json"
    return read_json(path) if path.is_file() else None


def _made_runs(settings: Mapping[str, Any]) -> list[str]:
    """Manifests of the training runs that a notebook with these settings has made: those in its own folder.

    settings: all of its parameters. The folder is `out`, or the data set's own where that is None; a notebook
    without the parameter makes no runs.
    """
    if "out" not in settings:
        return []
    folder = settings["out"]
    if folder is None:
        from rpstn.train.recipes import run_folder

        folder = run_folder(settings["dataset"], settings.get("fold", 1))
    return [path.as_posix() for path in sorted(expanded(folder).rglob(MANIFEST))]


def default_out(profile: str, own: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Mapping[str, Any]]) -> Path:
    """Where executed notebooks go if nothing else is said.

    own: by notebook, all values under the profile alone; settings: all values of this run. The book takes what
    ran with a profile of the book as it is. All else goes to runs/notebooks/NAME: NAME is the profile and the
    values that differ, of which a data set is told by its name and root, a place, is not told.
    """
    differing = {
        name: value
        for notebook, values in settings.items()
        for name, value in values.items()
        if plain(value) != plain(own[notebook][name])
    }
    if profile in BOOK_PROFILES and not differing:
        return CHECKOUT / "book" / "executed"
    first = [str(differing.pop("dataset"))] if "dataset" in differing else []
    others = [f"{name}={value}" for name, value in sorted(differing.items()) if name != "root"]
    name = re.sub(r"[^\w.,=+-]+", "_", "-".join([profile, *first, *others]))
    if len(name) > 100:  # file systems take 255 bytes
        name = f"{name[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
    return default_place("runs", "notebooks", name)


def _is_whole(output: Path, stamp: Mapping[str, Any]) -> bool:
    """Whether the executed notebook is there, and the runs that later notebooks read from it are, too."""
    return output.is_file() and all(Path(path).is_file() for path in stamp["runs"])


def run_notebooks(
    words: Sequence[str] = (),
    *,
    profile: str = "demo",
    values: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    failed: str | Path | None = None,
    force: bool = False,
    only_list: bool = False,
    folder: str | Path | None = None,
    progress: bool = True,
) -> int:
    """Execute notebooks in the order of the book; returns 0, or 1 when one failed (then no later one starts).

    words: short names; all for none. values: parameter values, as text or typed. out: folder for the executed
    notebooks; see `default_out` if not given. failed: folder for the copy of a notebook that failed; runs/failed if not
    given. force: execute fresh ones, too.
    Kernels work in the caller's directory. Errors: UserError before any kernel starts, and where a notebook raises one.
    """
    everything = find_notebooks(folder)
    chosen = select(words, everything)
    source = next(iter(everything.values())).path.parent
    settings = resolve(chosen, source, profile, values or {})
    if only_list:
        _print_list(chosen, settings)
        return 0
    whole = _with_defaults(chosen, settings)
    for name, notebook in chosen.items():
        check_values(notebook.parameters, whole[name])
    out = expanded(out) if out else default_out(profile, _with_defaults(chosen, resolve(chosen, source, profile, {})), whole)
    check_folder(out)
    package = package_hash()
    with kernel() as kernel_name:
        for number, (name, notebook) in enumerate(chosen.items(), 1):
            label = f"[{number}/{len(chosen)}] {name}"
            mark = fingerprint(notebook, settings[name], out, package)
            old = _stamp(out, name)
            if not force and old and old["fingerprint"] == mark and _is_whole(out / notebook.output, old):
                print(f"{label}: fresh, kept ({old['seconds']:.0f} s when it ran)", flush=True)
                continue
            started = time.monotonic()
            (out / f".{name}.json").unlink(missing_ok=True)
            problem = execute(
                load(notebook.path),
                settings[name],
                out / notebook.output,
                expanded(failed or default_place("runs", "failed")) / f"{name}.ipynb",
                kernel_name,
                label if progress else None,
            )
            if problem:
                print(f"rpstn: notebook {name} {problem}", file=sys.stderr, flush=True)
                return 1
            seconds = time.monotonic() - started
            needed = any(name in item.needs for item in everything.values())
            stamp = {
                "fingerprint": mark,
                "seconds": seconds,
                "profile": profile,
                "values": settings[name],
                "runs": _made_runs(whole[name]) if needed else [],
            }
            write_json(out / f".{name}.json", stamp)
            print(f"{label}: done in {seconds:.0f} s", flush=True)
    print(f"executed notebooks are in {portable(out)}", flush=True)
    return 0


def _with_defaults(notebooks: Mapping[str, Notebook], settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """By notebook, the value of every parameter: the one set, else the notebook's default."""
    return {
        name: {key: settings[name].get(key, item.default) for key, item in notebook.parameters.items()}
        for name, notebook in notebooks.items()
    }


def _print_list(notebooks: Mapping[str, Notebook], settings: Mapping[str, Mapping[str, Any]]) -> None:
    for name, notebook in notebooks.items():
        print(f"{name}  ({notebook.path.name})")
        for parameter in notebook.parameters.values():
            value = plain(settings[name].get(parameter.name, parameter.default))
            print(f"    {parameter.name}: {parameter.annotation} = {value!r}  # {parameter.comment}")
