"""The README's table of results, made from results/NAME.json and never typed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rpstn.errors import UserError
from rpstn.metrics.tables import means
from rpstn.notebooks.results import measured_on
from rpstn.runs.files import read_json, write_text

# Between these two comments a text holds a table that is made, not typed.
BEGIN, END = "<!-- results: made by `make readme` -->", "<!-- end of results -->"


def published(results: Mapping[str, Any]) -> str:
    """Make the README's part of results/NAME.json: the table of `means`, and a line that says what it was measured on."""
    return f"{means(results['rows'])}\n\n{measured_on(results)}"


def insert(text: str, content: str) -> str:
    """Put `content` between the two comments of a text. Raises UserError unless both are there, once each."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise UserError(f"a table goes between the lines {BEGIN!r} and {END!r}; write each once, in this order")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n\n{content}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Put the table of a results file into a text, as the command line says."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if len(words) != 2:
        print("usage: python -m rpstn.notebooks.readme TEXT.md RESULTS.json", file=sys.stderr)
        return 2
    place = Path(words[0])
    try:
        write_text(place, insert(place.read_text(encoding="utf-8"), published(read_json(words[1]))))
    except (UserError, OSError) as error:
        print(f"rpstn: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
