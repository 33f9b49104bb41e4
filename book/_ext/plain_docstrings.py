"""Docstrings of the package as reStructuredText: they are plain text, with code in single backticks and columns by spaces.

Paragraphs stay paragraphs, names with an explanation in a second column become a list, and an indented block is shown as it is
written. Records (dataclasses and named tuples) show their fields with the comments that the source has.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

# A name, or several, and an explanation in a second column.
_ENTRY = re.compile(r"(\S.*?)\s{2,}(\S.*)")


def setup(app: Any) -> dict[str, Any]:
    """Connect to sphinx.ext.autodoc."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("public-names", PublicNames)
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-process-signature", shorten)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


class PublicNames(SphinxDirective):
    """A table of what a package offers: each name with the first line of its docstring, linked to the page that has the rest."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make the table from `__all__`."""
        package = importlib.import_module(self.arguments[0])
        lines = [".. list-table::", "   :widths: 30 70", ""]
        for name in package.__all__:
            value = getattr(package, name)
            lines += [f"   * - :py:obj:`{name} <{_place(package, name, value)}>`", f"     - {escape(_first_line(value))}"]
        return self.parse_text_to_nodes("\n".join(lines))


def _first_line(value: Any) -> str:
    """Return the first paragraph of a docstring; of a table, its keys."""
    return ", ".join(value) if isinstance(value, dict) else (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")


def _place(package: Any, name: str, value: Any) -> str:
    """Name the object under which the book documents it: that of its room, where the room offers it, else of its module."""
    if inspect.ismodule(value):
        return f"{value.__name__}"
    module = getattr(value, "__module__", package.__name__)
    room = ".".join(module.split(".")[:2])
    return f"{room if name in getattr(importlib.import_module(room), '__all__', ()) else module}.{name}"


def rewrite(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Replace the lines of a docstring, in place."""
    generated = lines[:1] and lines[0].startswith(f"{getattr(obj, '__name__', '')}(")  # of a record without a docstring
    fields = literal("python", field_lines(obj)) if is_record(obj) else ()
    lines[:] = [*([] if generated else as_rst("\n".join(lines))), *fields]


def shorten(app: Any, what: str, name: str, obj: Any, options: Any, signature: str, returns: str) -> tuple[str, str] | None:
    """Leave out the signature of a record, whose fields are shown below it."""
    return ("", "") if is_record(obj) else None


def skip(app: Any, what: str, name: str, obj: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out what Python writes of the fields of a named tuple."""
    return True if (getattr(obj, "__doc__", "") or "").startswith("Alias for field number") else None


def is_record(obj: Any) -> bool:
    """Check that an object is a dataclass or a class of named tuples."""
    return inspect.isclass(obj) and (dataclasses.is_dataclass(obj) or hasattr(obj, "_field_defaults"))


def as_rst(text: str) -> Iterator[str]:
    """Give the lines of a plain text as reStructuredText."""
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        lines = block.splitlines()
        if all(line[0].isspace() for line in lines):
            yield from literal("text", lines)
        else:
            yield from columns(lines)


def columns(lines: list[str]) -> Iterator[str]:
    """Give a block as paragraphs, and as a list where a line has two columns; indented lines after it belong to it."""
    listing = False
    for line in lines:
        entry = _ENTRY.fullmatch(line)
        if entry:
            yield from ("", escape(entry[1]), f"   {escape(entry[2])}")
        elif listing and line[0].isspace():
            yield f"   {escape(line.strip())}"
        else:
            yield from ["", escape(line.strip())] if listing else [escape(line.strip())]
        listing = bool(entry) or listing and line[0].isspace()
    yield ""


def literal(language: str, lines: list[str]) -> Iterator[str]:
    """Give the lines of a block that is shown as it is."""
    yield from (f".. code-block:: {language}", "", *(f"   {line}" for line in lines), "")


def escape(line: str) -> str:
    """Write `code` as reStructuredText does, and let no other character mean anything, nor a number or letter begin a list."""
    code_and_text = enumerate(re.split(r"(`[^`]+`)", line))
    escaped = "".join(f"`{part}`" if index % 2 else re.sub(r"([\\*|_`])", r"\\\1", part) for index, part in code_and_text)
    return re.sub(r"^(\w+)([.)])(?=\s|$)", r"\1\\\2", escaped)


def field_lines(kind: type) -> list[str]:
    """Return the source lines of a record's own fields, with their comments."""
    source = textwrap.dedent(inspect.getsource(kind))
    (tree,) = ast.parse(source).body
    lines = source.splitlines()
    fields = [node for node in ast.walk(tree) if isinstance(node, ast.AnnAssign) and node.col_offset == 4]
    return [line[4:] for node in fields for line in lines[node.lineno - 1 : node.end_lineno]]
