"""Work that overlaps: frames are taken ahead of the network in one thread, and drawn behind it in another.

Queues are bounded, so whoever is fastest waits and memory does not grow. OpenCV and torch let go of Python's lock while they
work.
"""

from __future__ import annotations

import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
AHEAD, BEHIND = 8, 16  # frames that may wait before and after the network
_END = object()
_POLL = 0.1  # seconds after which a thread that waits looks whether it is still wanted
_PATIENCE = 3.0  # seconds that a source is given to end


class Ahead(Generic[Item]):
    """Items of an iterable, taken by a thread up to `size` ahead of the caller.

    drop     where nobody takes them in time, forget the oldest instead of waiting: for a camera.
    dropped  how many were forgotten.
    An error of the iterable is raised where its item would have come. `close` stops the thread.
    """

    def __init__(self, items: Iterable[Item], size: int = AHEAD, drop: bool = False) -> None:
        self._items, self._drop = items, drop
        self._queue: queue.Queue[Any] = queue.Queue(size)
        self._stop = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="frames ahead", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        items = iter(self._items)
        try:
            for item in items:
                if not self._put(item, self._drop):
                    break
            self._put(_END)
        except BaseException as error:  # whatever it is, it belongs to the caller
            self._put(_Failure(error))
        finally:
            close = getattr(items, "close", None)  # a generator lets go of its file or camera
            if close is not None:
                close()

    def _put(self, item: Any, drop: bool = False) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=0 if drop else _POLL, block=not drop)
                return True
            except queue.Full:
                if drop:
                    with contextlib.suppress(queue.Empty):
                        self._queue.get_nowait()
                        self.dropped += 1
        return False

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        item = self._take()
        if item is _END:
            raise StopIteration
        return item

    def until(self, asked: StopAsked) -> Iterator[Item]:
        """The items that are left; ends as soon as a stop is asked for, also while the source hangs."""
        while (item := self._take(asked)) is not _END:
            yield item

    def _take(self, asked: StopAsked | None = None) -> Any:
        while not asked:
            try:
                item = self._queue.get(timeout=_POLL)
            except queue.Empty:
                continue
            if item is _END or isinstance(item, _Failure):
                self._queue.put(_END)
            if isinstance(item, _Failure):
                raise item.error
            return item
        return _END

    def close(self) -> None:
        """Stop taking items; a second call does nothing. A thread whose source hangs is left behind until the program ends."""
        if self._stop.is_set():
            return
        self._stop.set()
        with contextlib.suppress(queue.Empty):
            while True:
                self._queue.get_nowait()
        self._thread.join(_PATIENCE)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class Behind(Generic[Item]):
    """Calls a function with items, in order, in a thread up to `size` behind the caller.

    An error of the function is raised once, by the next `put` or by `close`, which waits until all is done; what comes after it
    is thrown away.
    """

    def __init__(self, function: Callable[[Item], None], size: int = BEHIND) -> None:
        self._function = function
        self._queue: queue.Queue[Any] = queue.Queue(size)
        self._error: BaseException | None = None
        self._told = False
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
        """Hand over an item; waits while the queue is full."""
        self._raise()
        self._queue.put(item)

    def close(self) -> None:
        """Wait for all items."""
        if self._thread.is_alive():
            self._queue.put(_END)
            self._thread.join()
        self._raise()

    def _raise(self) -> None:
        if self._error is not None and not self._told:
            self._told = True
            raise self._error


class StopAsked:
    """Whether the user has asked to stop; `signal` is the number of what asked, or None."""

    signal: int | None = None

    def __bool__(self) -> bool:
        return self.signal is not None


@contextlib.contextmanager
def stop_when_asked() -> Iterator[StopAsked]:
    """Within the block Ctrl-C and SIGTERM raise nothing: they set what the block asks for between two frames.

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
