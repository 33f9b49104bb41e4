"""The strict runner: papermill executes the notebooks, in order, and only whole results enter the book.

Nothing starts before every parameter is known to exist and to have the right type. A notebook that ran before
with the same source, values, package and data is kept. One that fails leaves the book as it was.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rpstn.notebooks import CHECKOUT
from rpstn.notebooks.execute import execute
from rpstn.notebooks.find import Notebook, find_notebooks, load, resolve, select, with_defaults
from rpstn.notebooks.kernels import kernel
from rpstn.notebooks.sources import Code, data_state
from rpstn.notebooks.values import check_values
from rpstn.runs.directory import MANIFEST
from rpstn.runs.files import plain, portable, read_json, write_json
from rpstn.runs.paths import check_folder, default_place, expanded

# Profiles whose executed notebooks are the book's pages; those of others show that everything runs, and no more.
BOOK_PROFILES = ("demo", "paper")


def fingerprint(notebook: Notebook, values: Mapping[str, Any], out: Path, code: Code) -> str:
    """Hash what an executed notebook depends on: source, values, code, data, and the runs it reads."""
    settings = with_defaults({notebook.name: notebook}, {notebook.name: values})[notebook.name]
    source = notebook.path.read_text(encoding="utf-8")
    # The working directory decides where relative paths lead.
    parts = [source, settings, code.state(source), data_state(settings), Path.cwd().as_posix()]
    parts += [(_stamp(out, need) or {}).get("fingerprint") for need in notebook.needs]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _stamp(out: Path, name: str) -> dict[str, Any] | None:
    """Read what is kept next to an executed notebook: its fingerprint and how long it took; None if nothing is."""
    path = out / f".{name}.json"
    return read_json(path) if path.is_file() else None


def _made_runs(settings: Mapping[str, Any]) -> list[str]:
    """Find the manifests of the training runs that a notebook with these settings has made: those in its own folder.

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
    """Choose where executed notebooks go if nothing else is said.

    own: by notebook, all values under the profile alone; settings: all values of this run. The book takes what ran with an
    unchanged profile of the book. All else goes to runs/notebooks/NAME: NAME is the profile and the values that differ; a
    data set is given by its name, and root, a place, is left out.
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
    """Check that the executed notebook is there, and the runs that later notebooks read from it."""
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

    words   short names; all notebooks for none.
    values  parameter values, as text or typed.
    out     folder for the executed notebooks; None: see `default_out`.
    failed  folder for the copy of a notebook that failed; None: runs/failed.
    force   execute fresh ones, too.

    Kernels work in the caller's directory. Raises UserError before any kernel starts, and where a notebook raises one.
    """
    everything = find_notebooks(folder)
    chosen = select(words, everything)
    source = next(iter(everything.values())).path.parent
    settings = resolve(chosen, source, profile, values or {})
    if only_list:
        _print_list(chosen, settings)
        return 0
    whole = with_defaults(chosen, settings)
    for name, notebook in chosen.items():
        check_values(notebook.parameters, whole[name])
    out = expanded(out) if out else default_out(profile, with_defaults(chosen, resolve(chosen, source, profile, {})), whole)
    check_folder(out)
    code = Code()
    needed = {name for item in everything.values() for name in item.needs}
    with kernel() as kernel_name:
        for number, (name, notebook) in enumerate(chosen.items(), 1):
            label = f"[{number}/{len(chosen)}] {name}"
            mark = fingerprint(notebook, settings[name], out, code)
            old = _stamp(out, name)
            if not force and old and old["fingerprint"] == mark and _is_whole(out / notebook.output, old):
                print(f"{label}: fresh, kept ({old['seconds']:.0f} s when it ran)", flush=True)
                continue
            started = time.monotonic()
            (out / f".{name}.json").unlink(missing_ok=True)
            copy = expanded(failed or default_place("runs", "failed")) / f"{name}.ipynb"
            shown = label if progress else None
            problem = execute(load(notebook.path), settings[name], out / notebook.output, copy, kernel_name, shown)
            if problem:
                print(f"rpstn: notebook {name} {problem}", file=sys.stderr, flush=True)
                return 1
            seconds = time.monotonic() - started
            stamp = {"fingerprint": mark, "seconds": seconds, "profile": profile, "values": settings[name]}
            write_json(out / f".{name}.json", {**stamp, "runs": _made_runs(whole[name]) if name in needed else []})
            print(f"{label}: done in {seconds:.0f} s", flush=True)
    print(f"executed notebooks are in {portable(out)}", flush=True)
    return 0


def _print_list(notebooks: Mapping[str, Notebook], settings: Mapping[str, Mapping[str, Any]]) -> None:
    for name, notebook in notebooks.items():
        print(f"{name}  ({notebook.path.name})")
        for parameter in notebook.parameters.values():
            value = plain(settings[name].get(parameter.name, parameter.default))
            print(f"    {parameter.name}: {parameter.annotation} = {value!r}  # {parameter.comment}")
