"""Reading that overlaps with work: items are taken from their source in a thread, ahead of whoever uses them.

The queue is bounded, so a source that is faster waits and memory does not grow. OpenCV and torch release Python's lock while
they work. Training reads its windows with torch's DataLoader instead.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
AHEAD = 8  # items that may wait
_END = object()
_POLL = 0.1  # seconds after which a thread that waits looks whether it is still wanted
_PATIENCE = 3.0  # seconds that a source is given to end


class Ahead(Generic[Item]):
    """Take the items of an iterable in a thread, up to `size` ahead of the caller; a context manager, which closes it.

    drop     where nobody takes them in time, forget the oldest instead of waiting: for a camera.
    dropped  how many were forgotten.
    An error of the iterable is raised where its item would have come. `close` stops the thread.
    """

    def __init__(self, items: Iterable[Item], size: int = AHEAD, drop: bool = False) -> None:
        self._items, self._drop = items, drop
        self._queue: queue.Queue[Any] = queue.Queue(size)
        self._stop = threading.Event()
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="items ahead", daemon=True)
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

    def until(self, asked: object) -> Iterator[Item]:
        """Give the items that are left; end as soon as `asked` is true, also while the source hangs."""
        while (item := self._take(asked)) is not _END:
            yield item

    def _take(self, asked: object = False) -> Any:
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

    def __enter__(self) -> Ahead[Item]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Stop taking items; a second call does nothing. A thread whose source hangs is abandoned until the program ends."""
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
