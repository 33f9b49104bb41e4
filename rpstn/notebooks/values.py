"""Values of notebooks' parameters that have the right type but name nothing that exists: refused before a kernel starts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rpstn.errors import OutOfRange, UserError
from rpstn.notebooks.parameters import Parameter
from rpstn.runs.paths import check_folder

# The least value of numbers, and of those in a list, that no configuration of the package checks.
_FROM_ONE = "arrows every fold hidden_up_to limit longest repeats shown"
_FROM_ZERO = "clip clips cuts_each each frame looked_at seed seeds standard_deviations start table_start"
_LEAST = dict.fromkeys(_FROM_ONE.split(), 1) | dict.fromkeys(_FROM_ZERO.split(), 0)


def check_values(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> None:
    """Raise UserError for a number below the least, an empty list, a folder that cannot be made, and a data set, clip, frame or
    joint that is not there.

    parameters, values: of one notebook, all of them. Its data set is opened where it looks at one clip or joint.
    """
    for name, value in values.items():
        items = value if isinstance(value, list) else [value]
        if not items and parameters[name].default:
            raise UserError(f"parameter {name} is an empty list; name at least one: {parameters[name].comment}")
        if name in _LEAST and any(item is not None and item < _LEAST[name] for item in items):
            raise UserError(f"parameter {name} is {value}, and starts at {_LEAST[name]}; it is: {parameters[name].comment}")
    out = values.get("out")
    if out is not None and not Path(out).is_dir():  # runs that are only read may lie in a read-only folder
        check_folder(out)
    if values.get("video") is None and {"clip", "joint"} & set(values):
        _check_clip(values)


def _check_clip(values: Mapping[str, Any]) -> None:
    """Check that the split has the clip, the clip the frame, and the skeleton the joint."""
    from rpstn.datasets import open_dataset

    name, fold = values.get("dataset", "embedded"), values.get("fold", 1)
    data = open_dataset(name, values.get("root"), split=values.get("split", "test"), fold=fold, labels_only=True)
    try:
        clip = data[values.get("clip") or 0]
    except OutOfRange as error:
        raise UserError(f"parameter clip: {error}") from None
    if "joint" in values:
        data.skeleton.index(values["joint"])
    if "frame" in values:
        last = len(clip) - (2 if "frames" in values else 1)  # a stretch of frames has a second one
        if values["frame"] > last:
            raise UserError(f"parameter frame is {values['frame']}; clip {values['clip']} of {name} takes 0 to {last}")
    if "frame" in values and values.get("frames", 2) < 2:
        raise UserError(f"parameter frames is {values['frames']}; what is carried from frame to frame needs at least 2")
