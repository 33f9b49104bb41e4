"""Checkpoints: a network's weights, its configuration, and its training, in one file of plain values and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from rpstn.errors import UserError
from rpstn.models.config import RPSTNConfig
from rpstn.models.files import find_weights, is_safetensors, load_tensors, read_tensors, save_tensors
from rpstn.models.image import FrameByFrame, ImageConfig, image_model
from rpstn.models.rpstn import RPSTN
from rpstn.runs.devices import choose_device
from rpstn.runs.files import replacing
from rpstn.runs.renamed import rename_keys
from rpstn.skeletons import skeleton_of

FORMAT = 1
# Required metadata, and their types.
METADATA = {"skeleton": str, "size": int, "sigma": int | float, "frames": int, "dataset": str, "input": str}


def save_atomically(values: dict[str, Any], path: str | Path) -> None:
    """Save by torch.save; a reader finds the old file or the new one, never a part. Raises OSError if it cannot be written."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(values, file)
        except RuntimeError as error:
            # torch still closes its archive after a failure, such as a full disk, and raises an error about that. In a file
            # that it opens itself, the reason would be lost.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def save_checkpoint(path: str | Path, model: RPSTN | FrameByFrame, metadata: dict[str, Any], *, half: bool = False) -> None:
    """Write a checkpoint: safetensors, or with torch's own format where the file's suffix is `.pt`, for older programs.

    model     an RPSTN, or an image network of `rpstn.models.image.image_model`.
    metadata  skeleton (name), size (input pixels), sigma (heatmap pixels), frames (clip length in training), dataset (name),
              input (how pixels are normalized); more may follow.
    half      weights as float16, for shipped files: half the size, and scores that differ by less than their interval.
    Raises ValueError for metadata that lack one of these, and for a network that has no configuration.
    """
    missing = [key for key in METADATA if key not in metadata]
    if missing:
        raise ValueError(f"a checkpoint's metadata lacks {', '.join(missing)}")
    if model.config is None:
        raise ValueError("a network without a configuration cannot be saved; make it with image_model")
    state = model.state_dict()
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    header = {"format": FORMAT, "config": model.config.to_dict(), "metadata": dict(metadata)}
    if Path(path).suffix == ".pt":
        save_atomically({**header, "state_dict": state}, path)
    else:
        save_tensors(path, state, header)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a file, or shipped weights by name, and check format, keys, types and finite weights.

    Raises UserError for a missing, broken or foreign file, naming it and what is wrong with it.
    """
    path = find_weights(path)
    content: Any
    if is_safetensors(path):
        state, header = read_tensors(path)
        content = {**header, "state_dict": state}
    else:
        content = load_tensors(path, remedy="train one with `rpstn train`, or give another file")
    if isinstance(content, dict) and "meta" in content:  # as older versions wrote it
        content = {**content, "metadata": content["meta"], "config": rename_keys(content.get("config"))}
    if (
        not isinstance(content, dict)
        or content.get("format") != FORMAT
        or not {"config", "metadata", "state_dict"} <= content.keys()
    ):
        raise UserError(f"{path} is not an RPSTN checkpoint of format {FORMAT}; give a file that `rpstn train` wrote")
    if fault := _fault(content):
        raise UserError(f"{path} is damaged: {fault}; train again, or give another file")
    return content


def _fault(content: dict[str, Any]) -> str:
    """Say what is wrong with a checkpoint's parts; empty if nothing is."""
    config, metadata, state = content["config"], content["metadata"], content["state_dict"]
    for name, part in (("config", config), ("metadata", metadata), ("state_dict", state)):
        if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
            return f"its {name} is no table of names"
    for key, kind in METADATA.items():
        if not isinstance(metadata.get(key), kind):
            return f"its metadata has {key} {metadata.get(key)!r}"
    try:
        joints = len(skeleton_of(metadata))
    except (TypeError, ValueError) as error:
        return f"its skeleton is none ({error})"
    if config.get("joints") != joints:
        return f"its config has {config.get('joints')} joints, its skeleton {metadata['skeleton']} has {joints}"
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            return f"its weights {key} are no tensor"
        if not value.isfinite().all():
            return f"its weights {key} are not all finite"
    return ""


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> tuple[RPSTN | FrameByFrame, dict[str, Any]]:
    """Load a network in evaluation mode, float32, and its metadata (with "config" added).

    path  of a file that training wrote, or the name of shipped weights, such as embedded_rpstn.
    An RPSTN or an image network: both take frames (B,T,3,H,W) and return an RPSTNOutput. Raises UserError for a file that is
    missing or damaged, and for a device that does not exist.
    """
    place = choose_device(device)
    content = read_checkpoint(path)
    with naming_the_file(path):
        if "network" in content["config"]:
            model: RPSTN | FrameByFrame = image_model(ImageConfig(**content["config"]))
        else:
            model = RPSTN(RPSTNConfig.from_dict(content["config"]))
        model.load_state_dict(content["state_dict"], strict=True)
    return model.eval().to(place), {**content["metadata"], "config": content["config"]}


@contextmanager
def naming_the_file(path: str | Path) -> Iterator[None]:
    """Turn what a network's configuration or its weights raise into one UserError that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            f"{path}: the weights do not fit the network it names; the file is damaged, use another. {error}"
        ) from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: its network is not one of this version ({error}); train again, or update rpstn") from error


def check_fold(metadata: Mapping[str, Any], fold: int | None, where: str | Path = "the checkpoint") -> None:
    """Raise UserError where a checkpoint was trained on another split of sub_jhmdb than `fold`.

    The splits share clips: what is test in one is training in another. So a network must neither be scored on another split nor
    initialize a network of another split.
    metadata  of the checkpoint; without a split it passes.
    fold      `ClipDataset.fold` of the data; None, for a data set without such splits, fits every network.
    where     how an error calls the checkpoint.
    """
    trained = metadata.get("fold") if metadata.get("dataset") == "sub_jhmdb" else None
    if None not in (trained, fold) and trained != fold:
        raise UserError(
            f"{where} was trained on split {trained} of sub_jhmdb, among whose training clips are test clips of split {fold}; "
            f"take a network that was trained on split {fold}, or the data of split {trained} (fold {trained})"
        )
