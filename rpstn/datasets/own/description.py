"""The dataset.json of one's own data (see reader.py): what it says of the skeleton, and checks of what stands in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rpstn.datasets.formats import coco_json
from rpstn.errors import UserError
from rpstn.skeletons import SKELETONS, Skeleton, get_skeleton

FILE = "dataset.json"
REMEDY = "see rpstn.datasets.own for what it must hold"
_KEYS = ("name", "skeleton", "clips")
_SKELETON_KEYS = ("joints", "limbs", "flip_pairs", "torso", "order", "sigmas", "unscored", "name")


def read_description(root: Path) -> tuple[Path, dict[str, Any]]:
    """Read the path and the content of root/dataset.json, its outermost level checked."""
    path = root / FILE
    content = coco_json.read_json(path, REMEDY)
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


def read_skeleton(root: Path) -> Skeleton:
    """Read the skeleton that root/dataset.json describes. Raises UserError naming the file and what is wrong."""
    path, content = read_description(root)
    stated = content["skeleton"]
    if isinstance(stated, str):
        with _located(path):
            return get_skeleton(stated)
    return parse_skeleton(path, stated, content["name"])


def parse_skeleton(path: Path, stated: Any, name: Any) -> Skeleton:
    """Make the skeleton of an object in dataset.json, which is called `path` in messages; name is the data set's."""
    skeleton = _skeleton(path, stated, name)
    # Checkpoints and scores carry the name: it must not stand for two skeletons.
    if SKELETONS.get(skeleton.name, skeleton) != skeleton:
        raise UserError(f"{path}: a skeleton called {skeleton.name!r} is there already and is another; choose another name")
    return skeleton


def _skeleton(path: Path, stated: Any, name: Any) -> Skeleton:
    if not isinstance(stated, dict):
        raise UserError(f"{path}: skeleton is neither an object nor a name; {REMEDY}")
    known_keys(f"{path}: skeleton", stated, _SKELETON_KEYS)
    joints = _names(path, "joints", stated.get("joints"))
    if not joints:
        raise UserError(f"{path}: skeleton has no joints; {REMEDY}")
    odd = [joint for joint in joints if not is_plain(joint)]
    if odd:
        raise UserError(
            f"{path}: skeleton has the joint {odd[0]!r:.80}, which a table cannot name: blanks at its ends, control characters, "
            f"or half a character; rename it"
        )
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
    sigmas = None
    if stated.get("sigmas") is not None:
        found = coco_json.numbers(stated, "sigmas", (len(joints),), f"{path}: skeleton", "correct it")
        if not (found > 0).all():
            raise UserError(f"{path}: skeleton's sigmas must be positive; {REMEDY}")
        sigmas = tuple(found.tolist())
    unscored = _indices(path, "unscored", stated.get("unscored", []), joints)
    name = stated.get("name", name)
    if not isinstance(name, str):
        raise UserError(f"{path}: skeleton's name is {name!r:.80}, expected a text; {REMEDY}")
    with _located(path):
        return Skeleton(name, joints, limbs, flips, torso, order, sigmas, unscored)


@contextmanager
def _located(path: Path) -> Iterator[None]:
    """Put the file's name in front of a UserError."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def is_plain(name: str) -> bool:
    """Say whether a table and a file can hold a name as it is: no blanks at its ends, no control characters, whole in UTF-8."""
    if not name or name != name.strip() or any(ord(character) < 32 for character in name):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:  # half of a pair of surrogates
        return False
    return True


def known_keys(where: str, content: dict[str, Any], keys: tuple[str, ...]) -> None:
    """Raise UserError for a key that means nothing: most often a misspelled one."""
    unknown = [key for key in content if key not in keys]
    if unknown:
        raise UserError(f"{where} has the key {unknown[0]!r:.80}; known are {', '.join(keys)}")


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
