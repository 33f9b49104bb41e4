"""The author checkpoints of SimpleBaseline and HRNet: their keys, their input, and how their heatmaps are decoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn

from rpstn.heatmaps import decode
from rpstn.models.image import SIMPLE_BASELINES, WithRelation
from rpstn.models.state_dicts import load_strictly, read_state_dict


def load_author_checkpoint(
    network: nn.Module, path_or_state_dict: str | Path | Mapping[str, torch.Tensor], *, head: bool = True
) -> nn.Module:
    """Load an author checkpoint of SimpleBaseline or HRNet by its own keys; return the network in evaluation mode.

    network             of `image_network`, of the file's kind, depth and joints, bare or `with_relation`: its JRE is kept.
    path_or_state_dict  a file (read with weights_only=True; no code in it runs) or a state dict, with or without `module.`.
    head                False keeps the network's `final_layer`, to start on other joints than the file's.
    `author_input` names the input that the file's network takes; heatmap pixel u is its input pixel 4 u: decode with
    `author_decode`. `rpstn.evaluate.author_checkpoints` combines all of it.
    Raises UserError for a file that cannot be read, and for weights that do not fit, naming every key that is missing, unexpected
    or of another shape.
    """
    state, where = read_state_dict(path_or_state_dict)
    own = ("final_layer.",) if not head else ()
    taken = {key: (key, value) for key, value in state.items() if not (own and key.startswith(own))}
    load_strictly(network.network if isinstance(network, WithRelation) else network, taken, where, optional=own)
    return network.eval()


def author_input(name: str) -> str:
    """Name the input that an author checkpoint of that network takes, as `rpstn.models.pixels.normalize` does.

    HRNet's authors read images as RGB (COLOR_RGB: true in their configurations); SimpleBaseline's kept OpenCV's BGR, and still
    applied ImageNet's means, which are for RGB, in their order (COLOR_RGB: false). With the other order a network still finds
    people, but fewer.
    """
    return "bgr_imagenet" if name in SIMPLE_BASELINES else "rgb_imagenet"


def author_decode(heatmaps: torch.Tensor, stride: float = 4.0, refine: str = "quarter") -> tuple[torch.Tensor, torch.Tensor]:
    """Decode heatmaps of an author checkpoint into joints (...,K,2) in input pixels and confidences (...,K).

    The authors' code places heatmap pixel u at input pixel stride * u, `rpstn.heatmaps.decode` at the center of the
    stride x stride pixels that it covers.
    refine  "quarter": the highest pixel and a quarter of a pixel towards the higher neighbor, as in that code: on both axes or,
            at the edge (the first two columns and rows, and the last ones), on none; a map without a positive value has its
            joint at (0, 0). "gaussian" and "none" as `rpstn.heatmaps.decode`.
    """
    joints, confidence = decode(heatmaps, stride, refine)
    joints = joints - (stride - 1) / 2
    if refine == "quarter":
        peak, _ = decode(heatmaps, stride, "none")
        peak = peak - (stride - 1) / 2
        last = stride * (torch.tensor([heatmaps.shape[-1], heatmaps.shape[-2]], device=peak.device) - 1)
        inner = ((peak > stride) & (peak < last)).all(dim=-1, keepdim=True)
        joints = torch.where(inner, joints, peak) * (confidence > 0)[..., None]
    return joints, confidence


def flip_test(network: nn.Module, images: torch.Tensor, flip_permutation: Sequence[int], *, shift: bool = False) -> torch.Tensor:
    """Average the heatmaps (B,K,h,w) of images (B,3,H,W) and of their mirror images, left and right joints swapped.

    shift  moves the mirrored heatmaps one pixel to the right first, as the authors' code does: with its grid (see
           `author_decode`) mirroring displaces them by 3/4 of a pixel. With this project's grid it must be off.
    """
    heatmaps = network(images)
    mirrored = network(images.flip(-1)).flip(-1)[:, list(flip_permutation)]
    if shift:
        mirrored = torch.cat([mirrored[..., :1], mirrored[..., :-1]], dim=-1)
    return (heatmaps + mirrored) / 2
