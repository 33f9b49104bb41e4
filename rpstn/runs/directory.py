"""Runs that can be traced and repeated: seeds, run directories, manifests.

A run is a directory. Its `manifest.json` says with which parameters, code, packages, data and device the
numbers beside it came about. Files appear whole or not at all: each is written beside itself, then moved.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.metadata
import os
import platform
import random
import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rpstn.errors import UserError, check_seed
from rpstn.runs.files import plain, portable, read_json, write_json
from rpstn.runs.parts import part_of
from rpstn.runs.paths import expanded
from rpstn.runs.renamed import rename_keys
from rpstn.runs.same_run import BEFORE, differences, recorded

if TYPE_CHECKING:
    import numpy as np

PACKAGES = ("rpstn", "torch", "numpy", "scipy", "opencv-python")
MANIFEST = "manifest.json"
DIRTY = "-dirty"  # at the end of a commit: files differ from it


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Python, NumPy and torch, on every device, and return a NumPy generator of the same seed.

    Code of this package takes its randomness from explicit generators; the global ones are seeded for
    what a library draws by itself. Errors: UserError for a seed outside 0 .. 2**32 - 1.
    """
    import numpy as np  # late, as torch: `rpstn --help` needs neither
    import torch

    check_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    return np.random.default_rng(seed)


def clean_commit() -> str | None:
    """Return the commit of the checkout for a number that is to be published; None outside a checkout.

    Raises UserError where files differ from the commit, since nobody else could make that number.
    """
    commit = git_commit()
    refuse_dirty({"this checkout": commit})
    return commit


def refuse_dirty(commits: Mapping[str, str | None]) -> None:
    """Raise UserError for a commit, by what was made with it, whose files were changed: its numbers are not published."""
    dirty = [name for name, commit in commits.items() if commit is not None and commit.endswith(DIRTY)]
    if dirty:
        raise UserError(
            f"{', '.join(dirty)}: files differ from the commit, so nobody could make these numbers again; commit the changes, or "
            "put them aside, and make the run again"
        )


def git_commit(directory: str | Path | None = None) -> str | None:
    """Return the commit of the checkout that holds this package, "-dirty" added where files differ; None outside one.

    Files in results/ do not count: no number comes from them, and a series of scores is written there one by one.
    """
    directory = Path(directory) if directory else Path(__file__).resolve().parents[2]
    if not (directory / ".git").exists():
        return None
    try:
        commit = _git(directory, "rev-parse", "HEAD")
        changed = _git(directory, "status", "--porcelain", "--untracked-files=no", "--", ".", ":(exclude)results")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + (DIRTY if changed else "")


def _git(directory: Path, *arguments: str) -> str:
    command = ["git", "-C", str(directory), *arguments]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=30, check=True).stdout.strip()


def versions() -> dict[str, str]:
    """Collect the versions of Python and of the packages that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def describe_device(device: Any = "cpu") -> str:
    """Describe a device: the GPU's name, or the processor and the number of threads torch uses."""
    import torch

    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return device.type
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
        if found:
            return found.group(1).strip()
    return platform.processor() or platform.machine()


def manifest(
    parameters: Any,
    *,
    seed: int | None = None,
    device: Any = "cpu",
    data: str | Mapping[str, str] | None = None,
    seconds: float | None = None,
    metrics: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Collect what has to be known to trace a run's numbers, ready for JSON and free of absolute paths.

    parameters: a configuration dataclass or mapping; `str` values that are absolute paths are shortened too.
    data: checksum of the data set's labels, or checksums by name. seconds: wall time of the run.
    """
    settings = plain(parameters)
    if isinstance(settings, dict):
        settings = recorded(settings)
        settings = {
            name: portable(value) if isinstance(value, str) and os.path.isabs(value) else value
            for name, value in settings.items()
        }
        seed = settings.get("seed") if seed is None else seed
    return plain(
        {
            "parameters": settings,
            "seed": seed,
            "commit": git_commit(),
            "versions": versions(),
            "device": describe_device(device),
            "data": data,
            "seconds": None if seconds is None else round(seconds, 3),
            "metrics": metrics or {},
            **more,
        }
    )


def defaults(config: Any) -> dict[str, Any]:
    """Collect by name what a run had that records nothing of a setting: it is older than the setting.

    That is the default of the configuration, or of its class; or what `rpstn.runs.same_run.BEFORE` says.
    """
    if not dataclasses.is_dataclass(config):
        return {}
    known: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        if inner := part_of(field):
            known |= defaults(inner)
        elif field.default is not dataclasses.MISSING:
            known[field.name] = BEFORE.get(field.name, field.default)
    return plain(known)


class RunDirectory:
    """The directory of one run.

    config.json is written when the run starts, manifest.json when it ends: a directory with both is finished.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = expanded(path)
        self._start = time.monotonic()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    @property
    def finished(self) -> bool:
        """Whether the run came to its end."""
        return (self.path / MANIFEST).is_file()

    @property
    def config(self) -> dict[str, Any] | None:
        """The configuration that the run was started with, or None."""
        return rename_keys(read_json(self.path / "config.json")) if (self.path / "config.json").is_file() else None

    @property
    def manifest(self) -> dict[str, Any]:
        """The manifest of a finished run. Errors: UserError if there is none."""
        return rename_keys(read_json(self.path / MANIFEST))

    def start(self, config: Any) -> RunDirectory:
        """Create the directory and write config.json, for a new run or the continuation of the same one.

        config.json keeps settings as they were first given, relative paths from the project's folder. Two ways to write the
        same path are the same configuration, and so are settings that change no number (`rpstn.runs.same_run`).
        Errors: UserError if the directory holds a run of another configuration.
        """
        wanted, found = recorded(plain(config)), self.config
        differing = "" if found is None else differences(defaults(config) | found, wanted)
        if differing:
            raise UserError(
                f"{self.path}: holds a run of another configuration ({differing}); give what was given there to resume it, or "
                "choose another out directory"
            )
        self.path.mkdir(parents=True, exist_ok=True)
        if found is None:
            write_json(self.path / "config.json", wanted)
        self._start = time.monotonic()
        return self

    def finish(self, parameters: Any, *, seconds: float | None = None, **parts: Any) -> dict[str, Any]:
        """Write manifest.json, with which the run counts as finished, and return it.

        seconds: wall time; the time since `start` if not given.
        """
        elapsed = time.monotonic() - self._start if seconds is None else seconds
        result = manifest(parameters, seconds=elapsed, **parts)
        write_json(self.path / MANIFEST, result)
        return result
