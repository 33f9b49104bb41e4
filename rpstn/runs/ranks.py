"""Processes that torchrun starts side by side: the first does the work, the others have none yet."""

from __future__ import annotations

import os


def idle_rank() -> str | None:
    """Say why this process is to stop at once; None for the first of torchrun's processes, and where torchrun started none."""
    rank, count = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    if "TORCHELASTIC_RUN_ID" not in os.environ or rank == "0":
        return None
    return f"process {rank} stops here: torchrun started {count}, but the work is not shared yet; process 0 does it alone"
