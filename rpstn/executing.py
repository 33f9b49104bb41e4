"""Executing one notebook with papermill, in a kernel of this interpreter, so that only a whole result is
kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rpstn.errors import OutOfRange, UserError
from rpstn.executed import clean
from rpstn.progress import TEXT
from rpstn.runs import replacing

# What tqdm draws inside a cell: "steps:  40%|####      | 4/10", shown as "steps:  40%".
PROGRESS = re.compile(r"[^\r\n]*?\d+%(?=\|)")
# Errors that say what the user can change: a kernel passes on their names alone.
_MISTAKES = {error.__name__ for error in (UserError, OutOfRange)}


def execute(
    notebook: Any,
    values: Mapping[str, Any],
    out: Path,
    failed: Path,
    kernel_name: str,
    label: str | None = None,
) -> str | None:
    """Execute a notebook and move the result to its place; returns None, or what went wrong, in short.

    values: of its parameters. out: file to write if it runs to its end; failed: file for how far it came if
    not. kernel_name: see `kernel`. label: what the progress bar is called; None for no bar. Errors: UserError where the
    notebook raised one.
    """
    import nbformat
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.engines import papermill_engines
    from papermill.exceptions import PapermillExecutionError

    papermill_engines.register("rpstn", _engine())
    problem, mistake = None, None
    with tempfile.TemporaryDirectory() as scratch:
        draft = Path(scratch) / out.name
        source = Path(scratch) / f"source-{out.name}"
        nbformat.write(_with_kernel(notebook), source)
        layout = "{desc}  cell {n_fmt}/{total_fmt}  {elapsed}{postfix}"
        bar = {"desc": label, "leave": False, "ncols": 90, "bar_format": layout} if label else False
        try:
            papermill.execute_notebook(
                source,
                draft,
                parameters=dict(values),
                engine_name="rpstn",
                kernel_name=kernel_name,
                progress_bar=bar,
                cwd=Path.cwd(),
            )
        except PapermillExecutionError as error:
            said = " ".join(f"{error.ename}: {error.evalue}".split())
            problem = f"failed in cell {error.exec_count}: {said}"
            mistake = error.evalue if error.ename in _MISTAKES else None
        except DeadKernelError:
            problem = "lost its kernel, most often for want of memory"
        if problem:
            failed.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(draft if draft.is_file() else source, failed)
            if mistake is not None:
                raise UserError(f"notebook {out.stem[3:]}: {mistake}; as far as it came: {failed}")
            return f"{problem}\n  as far as it came: {failed}; call rpstn run again to go on from here"
        result = clean(nbformat.read(draft, as_version=4), values)
        with replacing(out) as place:
            nbformat.write(result, place)
    return None


def _engine() -> Any:
    """Papermill's engine, which also shows beside its bar how far the running cell is by its own progress
    bar.
    """
    from papermill.engines import NBClientEngine

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
            return super().execute_managed_notebook(manager, kernel_name, **settings)

    return Engine


def _with_kernel(notebook: Any) -> Any:
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return notebook


@contextmanager
def kernel() -> Iterator[str]:
    """A kernel of this very interpreter, whatever kernels are registered on the machine; gives its name."""
    before = {name: os.environ.get(name) for name in ("JUPYTER_PATH", "PYDEVD_DISABLE_FILE_VALIDATION")}
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "kernels" / "rpstn-run"
        place.mkdir(parents=True)
        spec = {
            "argv": [
                sys.executable,
                "-m",
                "ipykernel_launcher",
                "--log-level=ERROR",
                "-f",
                "{connection_file}",
            ],
            "display_name": "rpstn run",
            "language": "python",
            "env": {TEXT: "1"},
        }
        (place / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")
        os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [folder, before["JUPYTER_PATH"]]))
        os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
        try:
            yield place.name
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value
