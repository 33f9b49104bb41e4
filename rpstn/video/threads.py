"""What happens while the network works: frames that it is done with are drawn in a thread, and a signal asks it to stop.

`rpstn.runs.ahead` takes frames from their source in another thread.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
BEHIND = 16  # frames that may wait after the network
_END = object()


class Behind(Generic[Item]):
    """Call a function with items, in order, in a thread up to `size` behind the caller.

    An error of the function is raised once, by the next `put` or by `close`, which waits until all is done; items that follow
    it are thrown away.
    """

    def __init__(self, function: Callable[[Item], None], size: int = BEHIND) -> None:
        self._function = function
        self._queue: queue.Queue[Any] = queue.Queue(size)
        self._error: BaseException | None = None
        self._raised = False
        self._thread = threading.Thread(target=self._run, name="frames behind", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (item := self._queue.get()) is not _END:
            if self._error is None:  # after an error the rest is thrown away, so that nobody waits
                try:
                    self._function(item)
                except BaseException as error:
                    self._error = error

    def put(self, item: Item) -> None:
        """Hand over an item; wait while the queue is full."""
        self._raise()
        self._queue.put(item)

    def close(self) -> None:
        """Wait for all items."""
        if self._thread.is_alive():
            self._queue.put(_END)
            self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None and not self._raised:
            self._raised = True
            raise self._error


class StopAsked:
    """Whether the user has asked to stop; `signal` is the number of what asked, or None."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextlib.contextmanager
def stop_when_asked() -> Iterator[StopAsked]:
    """Keep Ctrl-C and SIGTERM from raising anything in the block: they set what the block asks for between two frames.

    So no file is left half-written, however often the keys are pressed. Outside the main thread, where signals cannot be taken,
    nothing changes.
    """
    asked = StopAsked()

    def take(number: int, _frame: Any) -> None:
        asked.signal = asked.signal or number

    before = {}
    with contextlib.suppress(ValueError):
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, take)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
