"""Memory that a process has used and will use again is kept, in large pages, not given back to the system after each step.

A training step asks for the same large blocks as the step before. The C library of Linux gives each of them back when it is
freed, and the system clears every page again when it is next asked for: on a CPU that takes a fifth of a training step, and
most of the time of `rpstn.models.global_matching` (`rpstn bench matching`). The blocks are made of pages of 4 KiB, unless a
program asks for large ones: PyTorch does where an environment variable says so, and a training step of MoveNet takes 2.4 s
instead of 4.1 s.
"""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache

_LARGE_PAGES = "THP_MEM_ALLOC_ENABLE"
# Parameters of mallopt in <malloc.h>: blocks mapped one by one, free memory from which some is given back, and what is asked
# for beyond need.
_KEEP = {-4: 0, -1: 2**31 - 1, -2: 2**26}


def keep_memory() -> bool:
    """Keep freed memory for the next step, and ask for large pages, for the rest of the process; return whether it could.

    It can with glibc, the C library of most Linux systems; elsewhere nothing happens. Changes speed alone: no number changes, and
    the process stays as large as its largest step. Large pages come only where no large tensor was made before the first call.
    For whoever owns the process, the command line or a notebook: the library itself never calls this.
    """
    library = _glibc()
    if library is None:
        return False
    os.environ.setdefault(_LARGE_PAGES, "1")  # PyTorch reads it once, when it first asks for memory
    took_effect = [library.mallopt(name, value) == 1 for name, value in _KEEP.items()]
    return all(took_effect)


@cache
def _glibc() -> ctypes.CDLL | None:
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "gnu_get_libc_version") else None
