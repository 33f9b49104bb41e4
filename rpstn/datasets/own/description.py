"""The dataset.json of one's own data (see reader.py): what it says of the skeleton, and checks of what stands in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from rpstn.datasets.boxes import FARTHEST
from rpstn.errors import UserError
from rpstn.skeletons import SKELETONS, Skeleton, get_skeleton

FILE = "dataset.json"
REMEDY = "see rpstn.datasets.own for what it must hold"
_KEYS = ("name", "skeleton", "clips")
_SKELETON_KEYS = ("joints", "limbs", "flip_pairs", "torso", "order", "sigmas", "unscored", "name")


def read_description(root: Path) -> tuple[Path, dict[str, Any]]:
    """The path and the content of root/dataset.json, its outermost level checked."""
    path = root / FILE
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_without_repeats)
    except OSError as error:
        raise UserError(f"{path}: cannot read it ({error.strerror}); {REMEDY}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not a readable JSON file ({error}); {REMEDY}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no object; {REMEDY}")
    known_keys(f"{path}", content, _KEYS)
    content.setdefault("name", "own")
    lacking = [key for key in _KEYS if key not in content]
    if lacking:
        raise UserError(f"{path}: lacks {', '.join(lacking)}; {REMEDY}")
    if not isinstance(content["clips"], list) or not content["clips"]:
        raise UserError(f"{path}: clips is no list with clips; {REMEDY}")
    return path, content


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of a JSON file. ValueError where a key repeats: of its values all but the last would be lost."""
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r:.80} is there twice in one object")
    return found


def read_skeleton(root: Path) -> Skeleton:
    """The skeleton that root/dataset.json describes. Raises UserError naming the file and what is wrong."""
    path, content = read_description(root)
    stated = content["skeleton"]
    if isinstance(stated, str):
        try:
            return get_skeleton(stated)
        except UserError as error:
            raise UserError(f"{path}: {error}") from error
    if not isinstance(stated, dict):
        raise UserError(f"{path}: skeleton is neither an object nor a name; {REMEDY}")
    known_keys(f"{path}: skeleton", stated, _SKELETON_KEYS)
    joints = _names(path, "joints", stated.get("joints"))
    if not joints:
        raise UserError(f"{path}: skeleton has no joints; {REMEDY}")
    if len(set(joints)) != len(joints):
        raise UserError(f"{path}: skeleton's joint names repeat in {joints}; give each joint its own name")
    limbs, flips = (_pairs(path, key, stated.get(key, []), joints) for key in ("limbs", "flip_pairs"))
    (torso,) = _pairs(path, "torso", [stated.get("torso")], joints)
    if torso[0] == torso[1]:
        raise UserError(f"{path}: skeleton's torso is one joint twice; name two whose distance is the body's size")
    swapped = [joint for pair in flips for joint in pair]
    if len(set(swapped)) != len(swapped):
        raise UserError(f"{path}: skeleton's flip_pairs name a joint twice; each has one place after mirroring")
    order = _indices(path, "order", stated["order"], joints) if "order" in stated else tuple(range(len(joints)))
    if sorted(order) != list(range(len(joints))):
        raise UserError(f"{path}: skeleton's order must name each of the {len(joints)} joints once; correct it, or leave it out")
    sigmas = stated.get("sigmas")
    if sigmas is not None:
        found = numbers(f"{path}: skeleton", "sigmas", sigmas, (len(joints),))
        if not (found > 0).all():
            raise UserError(f"{path}: skeleton's sigmas must be positive; {REMEDY}")
        sigmas = tuple(found.tolist())
    unscored = _indices(path, "unscored", stated.get("unscored", []), joints)
    name = stated.get("name", content["name"])
    if not isinstance(name, str):
        raise UserError(f"{path}: skeleton's name is {name!r:.80}, expected a text; {REMEDY}")
    try:
        skeleton = Skeleton(name, joints, limbs, flips, torso, order, sigmas, unscored)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    # Checkpoints and scores carry the name: it must not stand for two skeletons.
    if name in SKELETONS and SKELETONS[name] != skeleton:
        raise UserError(f"{path}: a skeleton called {name!r} is there already and is another; choose another name")
    return skeleton


def known_keys(where: str, content: dict[str, Any], keys: tuple[str, ...]) -> None:
    """UserError for a key that means nothing: most often a misspelled one."""
    unknown = [key for key in content if key not in keys]
    if unknown:
        raise UserError(f"{where} has the key {unknown[0]!r:.80}; known are {', '.join(keys)}")


def numbers(where: str, key: str, value: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """A nested list of finite numbers as float64; None in shape is any length from 1 on."""
    try:
        array = np.array(value)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind not in "iuf":
        raise UserError(f"{where}: {key} holds what are no numbers, or rows of different length; correct it")
    fits = array.ndim == len(shape) and all(
        found == wanted if wanted is not None else found > 0 for found, wanted in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = tuple("any" if side is None else side for side in shape)
        raise UserError(f"{where}: {key} has shape {array.shape}, expected {wanted}; correct it")
    array = array.astype(np.float64)  # first: the magnitude of the smallest whole number is no whole number
    if not np.isfinite(array).all() or np.abs(array).max() > FARTHEST:
        raise UserError(f"{where}: {key} holds a value that is no number of pixels; correct it")
    return array


def _names(path: Path, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise UserError(f"{path}: skeleton's {key} is {value!r:.80}, expected a list of names; {REMEDY}")
    return tuple(value)


def _indices(path: Path, key: str, value: Any, joints: tuple[str, ...]) -> tuple[int, ...]:
    names = _names(path, key, value)
    unknown = [name for name in names if name not in joints]
    if unknown:
        raise UserError(f"{path}: skeleton's {key} names {unknown[0]!r:.80}, which is no joint; there are {', '.join(joints)}")
    return tuple(joints.index(name) for name in names)


def _pairs(path: Path, key: str, value: Any, joints: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    if not isinstance(value, list):
        raise UserError(f"{path}: skeleton's {key} is {value!r:.80}, expected pairs of names; {REMEDY}")
    found = []
    for pair in value:
        indices = _indices(path, key, pair, joints)
        if len(indices) != 2:
            raise UserError(f"{path}: skeleton's {key} holds {pair!r:.80}, expected two names; {REMEDY}")
        found.append((indices[0], indices[1]))
    return tuple(found)
