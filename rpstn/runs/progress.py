"""The progress bar: a widget in a notebook that somebody looks at, else a line of text, which `rpstn run` reads and shows."""

from __future__ import annotations

import os

# Set where a notebook runs with nobody before it: a widget would say nothing to the terminal.
TEXT = "RPSTN_PROGRESS_AS_TEXT"

if TEXT in os.environ:
    from tqdm import tqdm
else:
    from tqdm.auto import tqdm

__all__ = ["TEXT", "tqdm"]
