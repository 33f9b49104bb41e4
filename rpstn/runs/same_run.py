"""Whether two configurations are one run: which settings change no number, and what differs in the others, in words."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from rpstn.runs.paths import expanded, from_project, project_folder

_FOLDERS = ("root", "aux_root", "out")
PATHS = (*_FOLDERS, "init", "encoder_weights", "initializer_weights")  # settings of a run that are paths
# Settings that earlier versions did not record, at what they did.
BEFORE = {
    "augmentation.half_body": 0.0,
    "augmentation.hiding": 0.0,
    "augmentation.hiding_frames": 10,
    "carry": "none",
    "ema": 0.0,
    "encoder_rate": 1.0,
    "kernel_start": "average",
    "occluded_weight": 1.0,
    "validate_by": "person 0.2",
}
# Settings that change neither weights nor scores: a run is resumed with other ones, and compared with runs of other ones.
NUMBERLESS = frozenset({"out", "workers", "device", "save_every", "calibration_frames"})


def recorded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with relative paths as they read from the project's folder, wherever in it one works."""

    def is_path(name: str, value: Any) -> bool:  # weights may have a name that is no file's, such as "imagenet"
        return name in PATHS and isinstance(value, str) and (name in _FOLDERS or os.path.exists(value))

    return {name: from_project(value) if is_path(name, value) else value for name, value in settings.items()}


def differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    """Name what differs between the settings of a run and those asked for, "" where nothing does that changes a number.

    Settings in tables have names such as augmentation.flip. Relative and absolute paths that lead to one place are the same.
    """
    there, here = _flat(found), _flat(wanted)
    there = {name: value for name, value in BEFORE.items() if name in here} | there
    names = [name for name in sorted({*there, *here} - NUMBERLESS) if _value(there, name) != _value(here, name)]
    return "; ".join(f"{name}: {_word(there, name)} there, {_word(here, name)} now" for name in names)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return flat


def _value(settings: Mapping[str, Any], name: str) -> Any:
    given = settings.get(name)
    return os.path.abspath(project_folder() / expanded(given)) if name in PATHS and isinstance(given, str) else given


def _word(settings: Mapping[str, Any], name: str) -> str:
    value = str(settings.get(name, "nothing"))
    return value if len(value) < 60 or name in PATHS else f"{value[:12]}..."  # of a checksum or a table, the start is enough
