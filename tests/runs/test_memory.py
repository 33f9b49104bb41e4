"""Memory kept between steps: the system hands out each page once."""

import os
import subprocess
import sys

import pytest

from rpstn.runs import memory

# Pages that the system hands out for a block as large as a layer's output, as a share of the block's.
FAULTS = """
import resource, torch
from rpstn.runs.memory import keep_memory

def faults(repeats):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(repeats):
        torch.ones(2**23)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() / (repeats * 2**25)

torch.set_num_threads(1)
returned = faults(4)
assert keep_memory()
faults(16)
print(returned, faults(8))
"""


@pytest.mark.skipif(memory._glibc() is None, reason="memory is kept with glibc alone")
def test_freed_memory_is_not_asked_of_the_system_again():
    usual = {name: value for name, value in os.environ.items() if name not in ("GLIBC_TUNABLES", memory._LARGE_PAGES)}
    command = [sys.executable, "-c", FAULTS]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=usual).stdout
    returned, kept = map(float, out.split())
    assert returned > 0.5 and kept < 0.05


def test_other_systems_are_left_alone(monkeypatch):
    memory._glibc.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert memory.keep_memory() is False
    memory._glibc.cache_clear()
