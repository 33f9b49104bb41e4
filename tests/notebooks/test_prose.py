"""The book's chapters: their code runs as it is printed."""

import re
from pathlib import Path

import pytest

CHAPTERS = sorted((Path(__file__).parents[2] / "book").glob("*.md"))


@pytest.mark.parametrize("chapter", [path for path in CHAPTERS if "```python" in path.read_text()], ids=lambda path: path.stem)
def test_the_code_of_a_chapter_runs_from_top_to_bottom(chapter, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", chapter.read_text(), re.MULTILINE | re.DOTALL)
    namespace: dict = {"__name__": chapter.stem}
    for number, block in enumerate(blocks, start=1):
        exec(compile(block, f"{chapter.name}, block {number}", "exec"), namespace)
