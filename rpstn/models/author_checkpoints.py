"""The official checkpoints of SimpleBaseline and HRNet: their keys, their pixels, and how their heatmaps are read."""

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
    """Loads an official checkpoint of SimpleBaseline or HRNet by its own keys, and returns the network in eval mode.

    network             of `image_network`, of the file's kind, depth and joints, bare or `with_relation`: its JRE stays as it is.
    path_or_state_dict  a file (read with weights_only=True; no code in it runs) or a state dict, with or without `module.`.
    head                False leaves `final_layer` as it is, to start on other joints than the file's.
    What pixels the file's network takes is said by `author_input`; heatmap pixel u stands for its input pixel 4 u: decode with
    `author_decode`. `rpstn.evaluate.author_checkpoints` puts all of it together.
    Raises UserError for a file that cannot be read, and for weights that do not fit, naming every key that is missing, unexpected
    or of another shape.
    """
    state, where = read_state_dict(path_or_state_dict)
    own = ("final_layer.",) if not head else ()
    taken = {key: (key, value) for key, value in state.items() if not (own and key.startswith(own))}
    load_strictly(network.network if isinstance(network, WithRelation) else network, taken, where, optional=own)
    return network.eval()


def author_input(name: str) -> str:
    """What pixels an official checkpoint of that network takes, as `rpstn.models.pixels.normalize` names it.

    HRNet's authors read images as RGB (their configurations say COLOR_RGB: true); SimpleBaseline's left OpenCV's BGR as it
    is, and took ImageNet's means, which are for RGB, in their order all the same (COLOR_RGB: false). Fed with the other
    order a network still finds people, but fewer.
    """
    return "bgr_imagenet" if name in SIMPLE_BASELINES else "rgb_imagenet"


def author_decode(heatmaps: torch.Tensor, stride: float = 4.0, refine: str = "quarter") -> tuple[torch.Tensor, torch.Tensor]:
    """Joints (...,K,2) in input pixels and confidences (...,K) of a network trained by the official code.

    That code puts heatmap pixel u at input pixel stride * u, where `rpstn.heatmaps.decode` puts it at the middle of the
    stride x stride pixels it covers.
    refine  "quarter": the highest pixel and a quarter of a pixel towards the higher neighbor, as that code does it: on both
            axes or, at the edge, on none, the edge being the first two columns and rows and the last one; and a map without a
            positive value has its joint at (0, 0). "gaussian" and "none" as `rpstn.heatmaps.decode`.
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
    """Heatmaps (B,K,h,w), the mean over the images (B,3,H,W) and their mirror image, left and right joints exchanged.

    shift  moves the mirrored heatmaps one pixel to the right first, as the official code does: with its grid (see
           `author_decode`) mirroring displaces them by 3/4 of a pixel. With this project's grid it must be off.
    """
    heatmaps = network(images)
    mirrored = network(images.flip(-1)).flip(-1)[:, list(flip_permutation)]
    if shift:
        mirrored = torch.cat([mirrored[..., :1], mirrored[..., :-1]], dim=-1)
    return (heatmaps + mirrored) / 2
