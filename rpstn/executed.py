"""Executed notebooks made fit for the book: no absolute paths, no times of day, no progress bars; captions, links to chapters."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rpstn.runs import portable

# A line that tqdm draws: "train:  40%|####      | 4/10 [00:02<00:03, 1.7step/s]", or without a known total.
_BAR = re.compile(r"\d+%\|.*\[|\d+\w* \[\d+:\d+")
# What is written below a figure: a cell of its own in italics, as JupyterLab shows it.
_CAPTION = re.compile(r"\*(?!\*)(.+?)\*", re.DOTALL)
# From notebooks/ to a chapter of book/; executed notebooks lie below book/.
_CHAPTER = re.compile(r"\]\(\.\./book/")
_WIDGET = "application/vnd.jupyter.widget-view+json"


def clean(notebook: Any, values: Mapping[str, Any] | None = None) -> Any:
    """The same notebook without what says when and where it ran; changes it in place and returns it.

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
    """A function that replaces this machine's paths in a text."""
    replaced = {}
    for value in values.values():
        if isinstance(value, str) and os.path.isabs(value):
            replaced[value.rstrip("/")] = portable(value)
    working = Path.cwd()
    checkout = Path(__file__).resolve().parent.parent
    for folder in {str(working), str(working.resolve()), str(checkout)} - {"/"}:
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
    """The output without progress bars, or None if nothing else is in it."""
    if _WIDGET in output.get("data", {}):
        return None
    if output.output_type != "stream":
        return output
    # A carriage return starts the line anew: what stands before it was drawn over.
    lines = [line.rsplit("\r", 1)[-1] for line in output.text.replace("\r\n", "\n").split("\n")]
    if output.name == "stderr":
        lines = [line for line in lines if not _BAR.search(line)]
    output.text = "\n".join(lines)
    return output if output.text.strip() else None
