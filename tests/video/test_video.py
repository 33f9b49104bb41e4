"""What C code prints while videos are opened and written."""

import os
import threading
from contextlib import ExitStack

from rpstn.runs.quiet import quiet


def test_blocks_that_overlap_bring_stderr_back(capfd):
    """The first begins and ends before the second, as in two threads; nested ones too."""
    first, second = ExitStack(), ExitStack()
    first.enter_context(quiet())
    second.enter_context(quiet())
    os.write(2, b"in both ")
    first.close()
    os.write(2, b"in one ")
    second.close()
    os.write(2, b"heard")
    with quiet(), quiet():
        os.write(2, b" nested")
    assert capfd.readouterr().err == "heard"


def test_many_threads_leave_stderr_as_it_was(capfd):
    before = os.fstat(2)
    start = threading.Barrier(4)

    def work():
        start.wait()
        for _ in range(200):
            with quiet():
                os.write(2, b"x")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before) and capfd.readouterr().err == ""
