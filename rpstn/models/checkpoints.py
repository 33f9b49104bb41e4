"""Checkpoints: a network, what it computes, and what it was trained for, in one file of plain values and tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from rpstn.devices import choose_device
from rpstn.errors import UserError
from rpstn.models.files import find_weights, load_tensors
from rpstn.models.rpstn import RPSTN, RPSTNConfig
from rpstn.runs import replacing
from rpstn.skeletons import Skeleton, skeleton_of

if TYPE_CHECKING:
    from rpstn.models.image import FrameByFrame

FORMAT = 1
# What a meta must have, and of which type.
META = {"skeleton": str, "size": int, "sigma": int | float, "frames": int, "dataset": str, "input": str}


def save_atomically(values: dict, path: str | Path) -> None:
    """torch.save, but a reader finds the old file or the new one, never a part. OSError where it cannot be written."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save(values, file)
        except RuntimeError as error:
            # torch still ends its archive after a failure, such as a full disk, and raises what that comes to. In a file that
            # it opens itself, the reason would be lost.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise


def save_checkpoint(path: str | Path, model: RPSTN | FrameByFrame, meta: dict, *, half: bool = False) -> None:
    """Writes a checkpoint.

    model an RPSTN, or an image network of `rpstn.models.image_config.image_model`.
    meta  skeleton (name), size (input px), sigma (heatmap px), frames (clip length in training), dataset (name),
          input (what the pixels are); more may follow.
    half  weights as float16, for files that are shipped: half the size, and scores that differ by less than their interval.
    """
    missing = [key for key in META if key not in meta]
    if missing:
        raise ValueError(f"a checkpoint's meta lacks {', '.join(missing)}")
    state = model.state_dict()
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    save_atomically({"format": FORMAT, "config": model.config.to_dict(), "meta": dict(meta), "state_dict": state}, path)


def read_checkpoint(path: str | Path) -> dict:
    """Read a file, or shipped weights by their name, checked: format, keys, types, finite weights.

    Raises UserError for a missing, broken or foreign file, naming it and what is wrong with it.
    """
    path = find_weights(path)
    content = load_tensors(path, remedy="train one with `rpstn train`, or give another file")
    if not isinstance(content, dict) or content.get("format") != FORMAT or not {"config", "meta", "state_dict"} <= content.keys():
        raise UserError(f"{path} is not an RPSTN checkpoint of format {FORMAT}; give a file that `rpstn train` wrote")
    if fault := _fault(content):
        raise UserError(f"{path} is damaged: {fault}; train again, or give another file")
    return content


def _fault(content: dict) -> str:
    """What is wrong with a checkpoint's parts; empty where nothing is."""
    config, meta, state = content["config"], content["meta"], content["state_dict"]
    for name, part in (("config", config), ("meta", meta), ("state_dict", state)):
        if not isinstance(part, dict) or not all(isinstance(key, str) for key in part):
            return f"its {name} is no table of names"
    for key, kind in META.items():
        if not isinstance(meta.get(key), kind):
            return f"its meta has {key} {meta.get(key)!r}"
    try:
        joints = len(skeleton_of(meta))
    except (TypeError, ValueError) as error:
        return f"its skeleton is none ({error})"
    if config.get("joints") != joints:
        return f"its config has {config.get('joints')} joints, its skeleton {meta['skeleton']} has {joints}"
    for key, value in state.items():
        if not isinstance(value, torch.Tensor):
            return f"its weights {key} are no tensor"
        if not value.isfinite().all():
            return f"its weights {key} are not all finite"
    return ""


def load_checkpoint(path: str | Path, device: str | torch.device = "cpu") -> tuple[RPSTN | FrameByFrame, dict]:
    """Load a network in eval mode, float32, and its meta (with "config" added).

    path  of a file that training wrote, or the name of shipped weights, such as embedded_rpstn.
    An RPSTN, or an image network as one of clips: both take frames (B,T,3,H,W) and return an RPSTNOutput. Raises UserError for a
    file that is missing or damaged, and for a device that is not there.
    """
    place = choose_device(device)
    content = read_checkpoint(path)
    with _named(path):
        if "network" in content["config"]:
            from rpstn.models.image_config import ImageConfig, image_model  # late: they need this module

            model: RPSTN | FrameByFrame = image_model(ImageConfig(**content["config"]))
        else:
            model = RPSTN(RPSTNConfig.from_dict(content["config"]))
        model.load_state_dict(content["state_dict"], strict=True)
    return model.eval().to(place), {**content["meta"], "config": content["config"]}


@contextmanager
def _named(path: str | Path) -> Iterator[None]:
    """Turns what a network's description or its weights raise into one UserError that names the file."""
    try:
        yield
    except RuntimeError as error:
        raise UserError(
            f"{path}: the weights do not fit the network it names; the file is damaged, use another. {error}"
        ) from error
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: its network is not one of this version ({error}); train again, or update rpstn") from error


def check_fold(meta: Mapping[str, Any], fold: int | None, where: str | Path = "the checkpoint") -> None:
    """Raises UserError where a checkpoint was trained on another official split of sub_jhmdb than the one it is to meet.

    The splits share clips: what is test in one is training in another. So a network must neither be scored on another split nor
    lend its weights to a network of another split.
    meta   of the checkpoint. Those that do not say on which split they were trained pass.
    fold   `ClipDataset.fold` of the data; None, for a data set without such splits, fits every network.
    where  how an error calls the checkpoint.
    """
    trained = meta.get("fold") if meta.get("dataset") == "sub_jhmdb" else None
    if None not in (trained, fold) and trained != fold:
        raise UserError(
            f"{where} was trained on split {trained} of sub_jhmdb, among whose training clips are test clips of split {fold}; "
            f"take a network that was trained on split {fold}, or the data of split {trained} (fold {trained})"
        )


def start_from(model: RPSTN, path: str | Path, skeleton: Skeleton | None = None, fold: int | None = None) -> list[str]:
    """Starts a network from another's checkpoint: what both have is copied.

    The checkpoint's encoder and head, trained frame by frame, become this network's encoder and head and, where the
    backbones are the same, its initializer too: P and F answer the same question. Returns the names of the modules copied.
    skeleton  of the data that this network is to learn, where it may be one that only the checkpoint describes.
    fold      official split of that data (`check_fold`).
    Raises UserError for a damaged file, and where the joints, the encoder or the official split differ.
    """
    content = read_checkpoint(path)
    if "network" in content["config"]:
        raise UserError(f"{path} holds the image network {content['config']['network']}, not an RPSTN; start from an RPSTN")
    check_fold(content["meta"], fold, path)
    with _named(path):
        other = RPSTNConfig.from_dict(content["config"])
    trained = skeleton_of(content["meta"])
    alike = (other.joints, other.skeleton) == (model.config.joints, model.config.skeleton)
    if not alike or (skeleton is not None and trained.joints != skeleton.joints):
        wanted = skeleton.name if skeleton is not None else model.config.skeleton
        raise UserError(
            f"{path} is for {other.joints} joints of skeleton {trained.name}, this network for {model.config.joints} of "
            f"{wanted}; start from a checkpoint of the same skeleton: train that one with convert_to {wanted}"
        )
    if other.input != model.config.input:
        raise UserError(f"{path} expects input {other.input}, this network {model.config.input}; choose the same input")
    if other.encoder != model.config.encoder:
        raise UserError(f"{path} has encoder {other.encoder}, this network {model.config.encoder}; choose the same encoder")
    state = content["state_dict"]
    copies = {"encoder": "encoder", "head": "head"}
    if any(key.startswith("norm.") for key in state) and isinstance(model.norm, nn.BatchNorm2d):
        copies["norm"] = "norm"
    if model.config.propagation != "none":
        if other.propagation != "none" and other.initializer == model.config.initializer:
            copies |= {"initializer": "initializer", "initializer_head": "initializer_head"}
        elif other.encoder == model.config.initializer:
            copies |= {"initializer": "encoder", "initializer_head": "head"}
        if other.propagation == model.config.propagation:
            copies |= {"propagator": "propagator"} if other.propagation == "matching" else {"fuse": "fuse", "join": "join"}
    if model.relation is not None and other.relation == model.config.relation:
        copies["relation"] = "relation"
    for target, source in copies.items():
        part = {key[len(source) + 1 :]: value for key, value in state.items() if key.startswith(f"{source}.")}
        with _named(path):
            getattr(model, target).load_state_dict(part, strict=True)
    return list(copies)
