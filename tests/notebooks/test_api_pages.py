"""The book's pages of the API: plain docstrings become pages, and every public name and room has its place."""

import importlib.util
import re
import types
from dataclasses import dataclass

import rpstn

from ..conftest import CHECKOUT

spec = importlib.util.spec_from_file_location("plain_docstrings", CHECKOUT / "book" / "_ext" / "plain_docstrings.py")
plain = importlib.util.module_from_spec(spec)
spec.loader.exec_module(plain)

DOCSTRING = """Score (B,K) joints with `score`, 100 * a_b.

    M = R(P)    (1)

joints  K.
sizes   pixels
        of the image.
Raises nothing."""


def test_columns_become_a_list_and_formulas_stay_as_they_are():
    assert list(plain.as_rst(DOCSTRING)) == [
        r"Score (B,K) joints with ``score``, 100 \* a\_b.",
        "",
        *(".. code-block:: text", "", "       M = R(P)    (1)", ""),
        *("", "joints", r"   K\."),
        *("", "sizes", "   pixels", "   of the image."),
        *("", "Raises nothing.", ""),
    ]


@dataclass
class Record:
    """One."""

    name: str  # what it is called
    size: tuple[int, int] = (1, 2)  # in pixels

    def area(self) -> int:
        area: int = self.size[0] * self.size[1]
        return area


def test_records_show_their_fields_with_comments():
    assert plain.is_record(Record) and not plain.is_record(dict) and not plain.is_record(Record("a"))
    assert plain.field_lines(Record)[0] == "name: str  # what it is called"
    assert plain.field_lines(Record)[-1].endswith("= (1, 2)  # in pixels") and "area" not in str(plain.field_lines(Record))


def test_every_room_has_a_page():
    pages = "\n".join(path.read_text() for path in (CHECKOUT / "book" / "api").glob("*.md"))
    documented = set(re.findall(r"automodule:: ([\w.]+)", pages))
    rooms = {value.__name__ for name in rpstn.__all__ if isinstance(value := getattr(rpstn, name), types.ModuleType)}
    assert rooms <= documented
    for name in documented:
        importlib.import_module(name)
