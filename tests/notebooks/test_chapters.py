"""Notebooks call the package and hold prose that a person wrote: they define nothing, and choose no sentence by code."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.py"))
CHAPTERS = [*NOTEBOOKS, *sorted((ROOT / "book").glob("*.md"))]

# Phrases that the project's table of words replaces.
REPLACED = re.compile(
    r"told apart|can(not)? be told|as filmed|\banew\b|\bwiring\b|\b(one|rows?) a (joint|frame|clip|network|rule)\b"
)


def nodes(path):
    return list(ast.walk(ast.parse(path.read_text().replace("%matplotlib", "#"))))


def text(node):
    """How many characters of literal text an expression holds."""
    return sum(len(part.value) for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_defines_nothing(notebook):
    defined = [node.name for node in nodes(notebook) if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    assert not defined, f"move {defined} into the package"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_chooses_no_sentence(notebook):
    """Sentences that depend on numbers are templates of rpstn.notebooks.words, where every branch is tested."""
    found = nodes(notebook)
    formatted = [part for node in found if isinstance(node, ast.JoinedStr) for part in ast.walk(node)]
    assert not [part.lineno for part in formatted if isinstance(part, ast.IfExp)], "a conditional expression in an f-string"
    chosen = [node.lineno for node in found if isinstance(node, ast.IfExp) and max(text(node.body), text(node.orelse)) > 40]
    assert not chosen, f"lines {chosen} choose between sentences"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_speaks_the_fields_words(chapter):
    prose = [line for line in chapter.read_text().splitlines() if chapter.suffix == ".md" or line.startswith("#")]
    assert not [line for line in prose if REPLACED.search(line)]
