"""A thread that reads ahead: in order, bounded, and without hiding an error."""

import threading

import pytest

from rpstn.errors import UserError
from rpstn.runs.ahead import Ahead


class Asked:
    stop = False

    def __bool__(self):
        return self.stop


def test_ahead_is_in_order_bounded_and_raises_where_the_error_was():
    taken = []

    def items():
        for index in range(100):
            taken.append(index)
            yield index
        raise UserError("broken")

    ahead = Ahead(items(), size=3)
    assert next(ahead) == 0 and len(taken) <= 6
    found = [0]
    with pytest.raises(UserError, match="broken"):
        for item in ahead:
            found.append(item)
    assert found == list(range(100)) and next(ahead, None) is None
    ahead.close()


def test_ahead_can_be_left_early_and_closes_its_source():
    closed = []

    def items():
        try:
            yield from range(10**9)
        finally:
            closed.append(True)

    ahead = Ahead(items())
    next(ahead)
    ahead.close()
    assert closed == [True] and not ahead._thread.is_alive()


def test_a_camera_drops_what_nobody_takes():
    ready = threading.Event()

    def items():
        yield from range(50)
        ready.set()

    ahead = Ahead(items(), size=4, drop=True)
    assert ready.wait(20)
    # The end may push nothing out: it waits until there is room.
    found = list(ahead)
    assert found == sorted(found) and found[-1] == 49 and len(found) == 50 - ahead.dropped <= 5


def test_a_stop_ends_the_wait_for_a_source_that_hangs(monkeypatch):
    monkeypatch.setattr("rpstn.runs.ahead._PATIENCE", 0.1)
    forever, asked = threading.Event(), Asked()

    def items():
        yield 1
        forever.wait(60)

    ahead = Ahead(items())
    timer = threading.Timer(0.3, setattr, (asked, "stop", True))
    timer.start()
    assert list(ahead.until(asked)) == [1] and not forever.is_set()
    ahead.close()
    assert ahead._thread.is_alive(), "left behind, not waited for"
    forever.set()
