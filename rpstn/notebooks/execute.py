"""Execute notebooks with papermill, and make the results fit for the book: no absolute paths, times of day or progress bars."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rpstn.errors import OutOfRange, UserError
from rpstn.notebooks import CHECKOUT
from rpstn.notebooks.kernels import engine
from rpstn.runs.files import portable, replacing

# A line that tqdm draws: "train:  40%|####      | 4/10 [00:02<00:03, 1.7step/s]", or without a known total.
_BAR = re.compile(r"\d+%\|.*\[|\d+\w* \[\d+:\d+")
# What is written below a figure: a cell of its own in italics, as JupyterLab shows it.
_CAPTION = re.compile(r"\*(?!\*)(.+?)\*", re.DOTALL)
# From notebooks/ to a chapter of book/; executed notebooks lie below book/.
_CHAPTER = re.compile(r"\]\(\.\./book/")
_WIDGET = "application/vnd.jupyter.widget-view+json"

# Errors that say what the user can change: a kernel passes on their names alone.
_MISTAKES = {error.__name__ for error in (UserError, OutOfRange)}


def execute(
    notebook: Any, values: Mapping[str, Any], out: Path, failed: Path, kernel_name: str, label: str | None = None
) -> str | None:
    """Execute a notebook and move the result to its place; returns None, or what went wrong, in short.

    values       of its parameters.
    out, failed  file to write if it runs to its end, and for how far it came if not.
    kernel_name  see `rpstn.notebooks.kernels.kernel`.
    label        what the progress bar is called; None for no bar.

    Raises UserError where the notebook raised one.
    """
    import nbformat

    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / out.name
        source = Path(scratch) / f"source-{out.name}"
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(notebook, source)
        problem, mistake = _run(source, draft, values, kernel_name, label)
        if problem:
            failed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(draft if draft.is_file() else source, failed)
            if mistake is not None:
                raise UserError(f"notebook {out.stem[3:]}: {mistake}; as far as it came: {failed}")
            return f"{problem}\n  as far as it came: {failed}; call rpstn run again to continue from here"
        result = clean(nbformat.read(draft, as_version=4), values)
        with replacing(out) as place:
            nbformat.write(result, place)
    return None


def _run(
    source: Path, draft: Path, values: Mapping[str, Any], kernel_name: str, label: str | None
) -> tuple[str | None, str | None]:
    """Run papermill; returns what went wrong, in short, and the message if it is one for the user, each None if nothing did."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    papermill_engines.register("rpstn", engine())
    layout = "{desc}  cell {n_fmt}/{total_fmt}  {elapsed}{postfix}"
    bar = {"desc": label, "leave": False, "ncols": 90, "bar_format": layout} if label else False
    settings = {"engine_name": "rpstn", "kernel_name": kernel_name, "progress_bar": bar, "cwd": Path.cwd()}
    try:
        papermill.execute_notebook(source, draft, parameters=dict(values), **settings)
    except PapermillExecutionError as error:
        said = " ".join(f"{error.ename}: {error.evalue}".split())
        return f"failed in cell {error.exec_count}: {said}", error.evalue if error.ename in _MISTAKES else None
    except DeadKernelError:
        return "lost its kernel, most often for want of memory", None
    return None, None


def clean(notebook: Any, values: Mapping[str, Any] | None = None) -> Any:
    """Remove from a notebook what says when and where it ran; changes it in place and returns it.

    values: the parameters it ran with; absolute paths among them are shortened wherever they appear.
    """
    shorten = _shortener(values or {})
    for name in ("papermill", "widgets"):
        notebook.metadata.pop(name, None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for index, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{index}"  # papermill draws one at random for the cell that it adds
        for name in ("papermill", "execution"):
            cell.metadata.pop(name, None)
        cell.source = shorten(cell.source)
        if cell.cell_type == "markdown":
            cell.source = _CHAPTER.sub("](../", cell.source)
            _set_caption(notebook.cells[index - 1] if index else cell, cell)
        if cell.cell_type == "code":
            cell.outputs = [output for output in map(_tidy, cell.outputs) if output is not None]
            for output in cell.outputs:
                _shorten_output(output, shorten)
    return notebook


def _set_caption(figure: Any, cell: Any) -> None:
    """Give a figure the caption that a Markdown cell below it holds; the book then shows it there, and not twice."""
    settings = figure.metadata.get("mystnb", {}).get("figure")
    found = _CAPTION.fullmatch(cell.source.strip())
    if settings is not None and found:
        settings["caption"] = " ".join(found[1].split())
        cell.metadata["tags"] = [*cell.metadata.get("tags", []), "remove-cell"]


def _shortener(values: Mapping[str, Any]) -> Any:
    """Make a function that replaces this machine's paths in a text."""
    replaced = {}
    for value in values.values():
        if isinstance(value, str) and os.path.isabs(value):
            replaced[value.rstrip("/")] = portable(value)
    working = Path.cwd()
    for folder in {str(working), str(working.resolve()), str(CHECKOUT)} - {"/"}:
        replaced[folder + "/"] = ""
        replaced[folder] = "."
    replaced[sys.prefix] = "python"
    replaced[sys.base_prefix + "/lib"] = "python/lib"
    if tempfile.gettempdir() != "/":
        replaced[tempfile.gettempdir() + "/"] = "temporary/"
    home = str(Path.home())
    if home not in ("/", ""):
        replaced[home + "/"] = "~/"
    # Longer ones first: a home folder may hold the checkout.
    order = sorted(replaced, key=len, reverse=True)
    pattern = re.compile("|".join(re.escape(name) for name in order))

    return lambda text: pattern.sub(lambda match: replaced[match.group()], text)


def _shorten_output(output: Any, shorten: Any) -> None:
    if output.output_type == "stream":
        output.text = shorten(output.text)
    for kind, content in output.get("data", {}).items():
        if isinstance(content, str) and not kind.startswith("image/png"):
            output.data[kind] = shorten(content)


def _tidy(output: Any) -> Any:
    """Return the output without progress bars, or None if nothing else is in it."""
    if _WIDGET in output.get("data", {}):
        return None
    if output.output_type != "stream":
        return output
    # A carriage return starts the line again: what comes before it was drawn over.
    lines = [line.rsplit("\r", 1)[-1] for line in output.text.replace("\r\n", "\n").split("\n")]
    if output.name == "stderr":
        lines = [line for line in lines if not _BAR.search(line)]
    output.text = "\n".join(lines)
    return output if output.text.strip() else None
