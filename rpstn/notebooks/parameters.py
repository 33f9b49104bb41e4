"""The parameters of a notebook: read from its source, checked before anything runs.

A notebook has one cell tagged `parameters`, in which every line reads `name: type = default  # what it is`.
Types are those that papermill's own inspection knows too: int, float, str, bool, list[...], Optional[...].
"""

from __future__ import annotations

import ast
import io
import math
import tokenize
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rpstn.errors import UserError, suggest
from rpstn.runs.renamed import PARAMETERS

_WORDS = {"int": "a whole number", "float": "a finite number", "bool": "true or false", "str": "text"}
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True)
class Parameter:
    """One parameter: its name, its annotation as written, its default, and the comment after it."""

    name: str
    annotation: str
    default: Any
    comment: str

    def convert(self, value: Any) -> Any:
        """Convert a value to the parameter's type; text, as typed on a command line, is read as that type.

        Raises UserError that names the parameter, the value and the type wanted.
        """
        try:
            return _convert(value, ast.parse(self.annotation, mode="eval").body)
        except (ArithmeticError, MemoryError, RecursionError, SyntaxError, TypeError, ValueError):
            raise UserError(
                f"parameter {self.name}: {repr(value)[:80]} is not {describe(self.annotation)} ({self.annotation}); "
                f"it is: {self.comment or 'not described'}; its default is {self.default!r}"
            ) from None


def read_parameters(source: str, where: str = "parameters cell") -> dict[str, Parameter]:
    """Read the parameters by name from the source of a parameters cell, in order.

    Raises UserError if a statement is no annotated assignment of a literal, or its type cannot be checked.
    """
    try:
        body = ast.parse(source).body
    except SyntaxError as error:
        raise UserError(f"{where}: line {error.lineno} is no Python ({error.msg}); fix the cell") from None
    comments = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    found: dict[str, Parameter] = {}
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue  # such as `from typing import Optional`
        text = ast.unparse(node)
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise UserError(f"{where}: `{text}` is no parameter; write `name: type = default  # what it is`")
        try:
            default = ast.literal_eval(node.value)
        except ValueError:
            raise UserError(f"{where}: the default in `{text}` must be a plain value") from None
        name = node.target.id
        comment = comments.get(node.end_lineno or node.lineno, "")
        parameter = Parameter(name, ast.unparse(node.annotation), default, comment)
        if not _known(node.annotation):
            raise UserError(
                f"{where}: the type in `{text}` is not one that can be checked; "
                "use int, float, str, bool, list[...] or Optional[...]"
            )
        parameter.convert(default)
        found[name] = parameter
    return found


def choose(wanted: Mapping[str, Any], available: Mapping[str, Mapping[str, Parameter]]) -> dict[str, dict[str, Any]]:
    """Give each notebook those of the wanted values for which it has a parameter.

    wanted: values by parameter name. available: parameters by notebook. Returns converted values by notebook.
    Raises UserError for a name that no notebook has, with the nearest names and the list; for a wrong type.
    """
    everywhere = sorted({name for parameters in available.values() for name in parameters})
    wanted = {name if name in everywhere else PARAMETERS.get(name, name): value for name, value in wanted.items()}
    for name in wanted:
        if name not in everywhere:
            raise UserError(
                f"parameter {name!r} is in none of the notebooks {', '.join(available)}"
                f"{suggest(name, everywhere)}; they have: {', '.join(everywhere) or 'no parameters'}"
            )
    return {
        notebook: {name: has[name].convert(value) for name, value in wanted.items() if name in has}
        for notebook, has in available.items()
    }


def describe(annotation: str) -> str:
    """Describe a type: `Optional[int]` is "a whole number or none"."""
    kind, inner = _split(ast.parse(annotation, mode="eval").body)
    if kind == "Optional" and inner:
        return f"{describe(ast.unparse(inner))} or none"
    if kind == "list" and inner:
        return f"a list, of which each item is {describe(ast.unparse(inner))}"
    return _WORDS.get(kind, kind)


def _split(node: ast.expr) -> tuple[str, ast.expr | None]:
    """Split `Optional[int]` into ("Optional", int), `int` into ("int", None)."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name):
        return node.value.id.replace("List", "list"), node.slice
    return (node.id.replace("List", "list"), None) if isinstance(node, ast.Name) else ("", None)


def _known(node: ast.expr) -> bool:
    kind, inner = _split(node)
    if kind in ("Optional", "list"):  # a bare list would take anything
        return inner is not None and _known(inner)
    return kind in _WORDS and inner is None


def _convert(value: Any, node: ast.expr) -> Any:
    kind, inner = _split(node)
    if kind == "Optional" and inner:
        if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
            return None
        return _convert(value, inner)
    if kind == "list" and inner:
        if isinstance(value, str):
            value = _items(value.strip())
        if not isinstance(value, list | tuple):
            raise TypeError
        return [_convert(item, inner) for item in value]
    if kind == "str" and isinstance(value, str):
        return value
    if kind == "bool":
        return _exactly(_TRUTH.get(value.lower()) if isinstance(value, str) else value, bool)
    if isinstance(value, str):
        value = {"int": int, "float": float}[kind](value)
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError  # nan passes every comparison that would refuse it
    return _exactly(value, {"int": int, "float": float, "str": str}[kind])


def _items(text: str) -> Any:
    """Read the items of a list as typed: a,b or [a, b] as Python writes it."""
    if text.startswith(("[", "(", "{")):
        return ast.literal_eval(text)
    items = [item.strip() for item in text.split(",")] if text else []
    if not all(items):
        raise ValueError
    return items


def _exactly(value: Any, kind: type) -> Any:
    """Return the value if it is of that type, and not a bool where a number is wanted."""
    if type(value) is not kind:
        raise TypeError
    return value
