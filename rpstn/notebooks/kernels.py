"""Kernels of this very interpreter, reached through files and not through ports that another program could take."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rpstn.runs.environment import environment
from rpstn.runs.progress import TEXT

# How often a kernel that ends before its first reply is started where only ports are to be had.
STARTS = 3
# What tqdm draws inside a cell: "steps:  40%|####      | 4/10", shown as "steps:  40%".
PROGRESS = re.compile(r"[^\r\n]*?\d+%(?=\|)")


@contextmanager
def kernel() -> Iterator[str]:
    """Register a kernel of this very interpreter, whatever kernels the machine has; gives its name."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "kernels" / "rpstn-run"
        place.mkdir(parents=True)
        start = [sys.executable, "-m", "ipykernel_launcher", "--log-level=ERROR", "-f", "{connection_file}"]
        spec = {"argv": start, "display_name": "rpstn run", "language": "python", "env": {TEXT: "1"}}
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        searched = os.pathsep.join(filter(None, [folder, os.environ.get("JUPYTER_PATH")]))
        with environment(JUPYTER_PATH=searched, PYDEVD_DISABLE_FILE_VALIDATION="1"):
            yield place.name


@contextmanager
def transport() -> Iterator[dict[str, str]]:
    """Choose how Jupyter speaks to one kernel; gives options of its KernelManager, none for TCP ports.

    Jupyter looks for free ports and lets go of them, and the kernel binds them a second later: until then any program may take
    one, and the kernel ends. Socket files in a folder of the kernel's own cannot be taken. They need a system that has them and
    a short path.
    """
    import zmq

    longest = zmq.IPC_PATH_MAX_LEN - len("/rpstn-12345678/k-5")
    places = (tempfile.gettempdir(), "/tmp") if os.name != "nt" and zmq.has("ipc") else ()
    short = [place for place in places if len(os.fsencode(place)) <= longest and os.access(place, os.W_OK)]
    if not short:
        yield {}
        return
    with tempfile.TemporaryDirectory(prefix="rpstn-", dir=short[0]) as folder:
        yield {"transport": "ipc", "ip": os.path.join(folder, "k")}


def engine() -> Any:
    """Make papermill's engine, which also shows after its bar how far the running cell is by its own progress bar."""
    from papermill.engines import NBClientEngine
    from traitlets.config import Config

    class Echo:
        def __init__(self, bar: Any) -> None:
            self.bar = bar

        def write(self, text: str) -> None:
            found = PROGRESS.findall(text)
            if found and self.bar is not None:
                self.bar.set_postfix_str(found[-1].strip())

        def flush(self) -> None: ...

    class Engine(NBClientEngine):
        @classmethod
        def execute_managed_notebook(cls, manager: Any, kernel_name: str, **settings: Any) -> Any:
            settings["stderr_file"] = Echo(manager.pbar)
            starts = 0
            while True:
                starts += 1
                with transport() as options:
                    try:
                        settings["config"] = Config({"KernelManager": options})
                        return super().execute_managed_notebook(manager, kernel_name, **settings)
                    except RuntimeError as error:  # Jupyter has no class for it
                        # Nothing has run yet. With socket files the reason is another one, which will not pass.
                        if options or starts == STARTS or "before replying" not in str(error):
                            raise

    return Engine
