"""How both sides of a comparison are timed: turn about, each as it would run, and what the machine can do at best."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import torch

from rpstn.runs.memory import keep_memory


@dataclass(frozen=True)
class Row:
    """One comparison. Seconds of one call of either side; agreement: max |a - b| / max |b| of what they compute."""

    name: str
    setting: str
    theirs: float
    ours: float
    agreement: float | None
    asked: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        return self.theirs / self.ours


def alternate(sides: list[Callable[[], Any]], device: torch.device, repeats: int, *, warm_up: bool = False) -> list[float]:
    """Median seconds of each side; one call of each goes before, to warm up.

    warm_up  one call goes before each time, for what takes milliseconds: directly after a turn of the other side its threads
             still wait for more on the same cores, and caches hold its numbers.
    """
    times: list[list[float]] = [[] for _ in sides]
    for repeat in range(repeats + 1):
        for side, found in zip(sides, times, strict=True):
            if warm_up:
                side()
            if device.type == "cuda":
                torch.cuda.synchronize()
            start = time.perf_counter()
            took = side()
            if device.type == "cuda":
                torch.cuda.synchronize()
            if repeat:
                found.append(took if isinstance(side, Elsewhere) else time.perf_counter() - start)
    return [statistics.median(found) for found in times]


@contextmanager
def yardstick(make: Callable[[torch.device, bool], Callable[[], Any]], device: torch.device, quick: bool) -> Iterator[Callable]:
    """The released way of computing, ready to be timed beside ours."""
    if device.type == "cuda":  # whose memory torch keeps for both
        yield make(device, quick)
        return
    keep_memory()
    theirs = Elsewhere(make, quick)
    try:
        yield theirs
    finally:
        theirs.close()


class Elsewhere:
    """A call that another process makes, on the CPU; returns the seconds that it took there.

    make   (device, quick) -> the function to be called; of a module, so that the other process finds it.
    """

    def __init__(self, make: Callable[[torch.device, bool], Callable[[], Any]], quick: bool):
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, make, quick, torch.get_num_threads()), daemon=True)
        self._process.start()
        there.close()

    def __call__(self) -> float:
        self._pipe.send("go")
        try:
            return self._pipe.recv()
        except EOFError:
            raise RuntimeError(f"the process of the yardstick ended with exit code {self._process.exitcode}") from None

    def close(self) -> None:
        self._pipe.close()
        self._process.join(20)
        if self._process.is_alive():
            self._process.kill()


def _serve(pipe: Connection, make: Callable, quick: bool, threads: int) -> None:
    torch.set_num_threads(threads)
    run = make(torch.device("cpu"), quick)
    while True:
        try:
            pipe.recv()
        except EOFError:
            return
        start = time.perf_counter()
        run()
        pipe.send(time.perf_counter() - start)


def apart(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    ours, theirs = ours.detach().float(), theirs.detach().float()
    return float((ours - theirs).abs().max() / theirs.abs().max())


def matmul_rate(device: torch.device, dtype: torch.dtype, side: int = 2048) -> float:
    """Floating-point operations a second of a large matrix product: what this machine can do at best."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / alternate([lambda: a @ b], device, 5)[0]


def copy_rate(device: torch.device, count: int = 2**25) -> float:
    """Bytes a second, read and written, of copying a large tensor."""
    a = torch.randn(count, device=device)
    b = torch.empty_like(a)
    return 8 * count / alternate([lambda: b.copy_(a)], device, 5)[0]
