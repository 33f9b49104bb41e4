"""Build the book: Jupyter Book over book/, with warnings as errors. `python -m rpstn.notebooks.build`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rpstn.errors import UserError
from rpstn.notebooks import CHECKOUT


def pages(source: Path) -> list[str]:
    """List all pages that _toc.yml names, in order, without suffix; the front page first."""
    import yaml

    toc = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))

    def below(entry: dict[str, Any]) -> list[str]:
        here = [entry["file"]] if "file" in entry else []
        inner = [*entry.get("parts", []), *entry.get("chapters", []), *entry.get("sections", [])]
        return here + [page for item in inner for page in below(item)]

    return [toc["root"], *below(toc)]


def build(root: Path = CHECKOUT, out: Path | None = None) -> Path:
    """Build the book of a checkout from nothing; returns its index.html.

    root: folder with _config.yml and book/. out: folder in which _build/ is made; the checkout if not given.
    Raises UserError for a page that is missing, before anything is built, and for a build with warnings.
    """
    source, out = root / "book", out or root
    missing = [page for page in pages(source) if not any((source / f"{page}{suffix}").is_file() for suffix in (".md", ".ipynb"))]
    if missing:
        raise UserError(f"book: no page {', '.join(missing)}; executed/ is written by `rpstn run` (`make notebooks`)")
    # All pages: one that is kept from the last build would not repeat its warnings.
    start = "from jupyter_book.cli.main import main; main()"  # the script's shebang breaks if a checkout moves
    command = [sys.executable, "-c", start, "build", str(source), "--path-output", str(out)]
    command += ["--config", str(root / "_config.yml"), "--toc", str(source / "_toc.yml")]
    command += ["--all", "--quiet", "-n", "-W", "--keep-going"]
    index = out / "_build" / "html" / "index.html"
    index.unlink(missing_ok=True)
    finished = subprocess.run(command, cwd=root)
    if finished.returncode or not index.is_file():
        raise UserError("book: not built, for the warnings and errors above; fix them, then call `make html`")
    return index


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the book as the command line says, and print where it is; returns 1 if it could not be built."""
    parser = argparse.ArgumentParser(prog="python -m rpstn.notebooks.build", description="Build the book of this checkout.")
    parser.add_argument("--out", type=Path, help="folder in which _build/ is made (the checkout)")
    try:
        index = build(out=parser.parse_args(arguments).out)
    except UserError as error:
        print(f"rpstn: error: {error}", file=sys.stderr)
        return 1
    print(index)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
