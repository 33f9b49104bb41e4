"""Names that older versions gave to settings: their checkpoints, runs, manifests, options and parameters are still read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# Old name -> today's. Of settings: in checkpoints, config.json and manifest.json, and as options of the command line.
SETTINGS = {
    "beside": "aux_dataset",
    "beside_root": "aux_root",
    "beside_share": "aux_fraction",
    "cells": "runs",
    "colour": "color",
    "erasing_side": "erasing_size",
    "pictures": "images",
    "tumble": "full_rotation_prob",
    "wiring": "variant",
}
# Of a notebook's parameters.
PARAMETERS = SETTINGS | {
    "deviations": "standard_deviations",
    "film": "webm",
    "pictures_beside": "aux_fraction",
    "pictures_lr": "images_lr",
    "pictures_root": "images_root",
    "pictures_size": "images_size",
    "pictures_steps": "images_steps",
}
# In the files of an ablation's run.
ABLATION = SETTINGS | {"cell": "run", "sources": "groups"}
# In a study of results/ablations.json; today its groups are those of the clips.
STUDY = SETTINGS | {"cells": "rows", "groups": "joint_types", "sources": "groups"}
# Of the values in a *.calibration.json.
CALIBRATION = {"hidden_found": "hidden_detected", "right": "correct", "sure_from": "confident_from"}
# Of how a box follows a pose, in the journal of an interrupted prediction.
FOLLOWING = {"middle": "center_rate", "side": "size_rate", "sure": "confident_from"}


def rename_keys(value: Any, names: Mapping[str, str] = SETTINGS) -> Any:
    """Return plain values, as JSON holds them, with the keys of all mappings under today's names."""
    if isinstance(value, Mapping):
        return {names.get(key, key): rename_keys(item, names) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rename_keys(item, names) for item in value]
    return value
