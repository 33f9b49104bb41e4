"""A thread that writes behind the network, and signals that ask a run to stop."""

import signal

import pytest

from rpstn.video.threads import Behind, stop_when_asked


def test_behind_does_all_in_order_and_tells_errors():
    done = []
    behind = Behind(done.append, size=2)
    for index in range(20):
        behind.put(index)
    behind.close()
    assert done == list(range(20))

    def fail(item):
        raise OSError("disk full")

    behind = Behind(fail, size=2)
    with pytest.raises(OSError, match="disk full"):
        for index in range(50):
            behind.put(index)
    behind.close()


def test_outside_the_block_a_signal_is_a_signal():
    with stop_when_asked() as asked:
        assert not asked
        signal.raise_signal(signal.SIGINT)
        assert asked and asked.signal == signal.SIGINT
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
