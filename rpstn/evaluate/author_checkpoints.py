"""Image networks scored from their authors' own files, as published tables have it, without a training step.

SimpleBaseline and HRNet differ from what is trained here in five places, all of which move a score by a point or more
together: the crop (256 x 192 px, black beyond the image), the order of colors, the position that a heatmap pixel stands
for, the quarter of a pixel at the end, and the shift of the mirrored heatmaps. Here is the authors' way of each, as their code
and configurations have it:

    crop      the box's middle c comes to (width / 2, height / 2); the box grows to the crop's aspect, then by 1.25 a side
    joints    heatmap pixel u is at input pixel 4 u                    (`rpstn.models.author_checkpoints.author_decode`)
    mirror    heatmaps of the mirrored image move one pixel right    (`rpstn.models.author_checkpoints.flip_test`, shift)

Sources: github.com/microsoft/human-pose-estimation.pytorch (Xiao, Wu, Wei, ECCV 2018) and
github.com/leoxiaobin/deep-high-resolution-net.pytorch (Sun et al., CVPR 2019), both MIT; read, not copied.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from rpstn.datasets.clip import Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.transforms import apply_affine, invert_affine
from rpstn.errors import UserError
from rpstn.models.author_checkpoints import author_decode, author_input, load_author_checkpoint
from rpstn.models.author_checkpoints import flip_test as both_ways
from rpstn.models.image import IMAGE_NETWORKS, check_image_size, image_network
from rpstn.models.pixels import normalize
from rpstn.models.state_dicts import read_state_dict
from rpstn.runs.progress import tqdm
from rpstn.skeletons import skeleton_of

# By the number of joints: whose joints they are, and the authors' crop as (height, width) in px.
_KINDS = {17: ("coco", (256, 192)), 16: ("mpii", (256, 256))}
PADDING = 1.25


def load_author_network(
    path: str | Path, network: str, image_size: tuple[int, int] | None = None
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """Load an author checkpoint, a `.pth`: the network in eval mode, and metadata with skeleton, dataset, input, image_size.

    network     one of `rpstn.models.image.IMAGE_NETWORKS`: the file does not say which it is of.
    image_size  (height, width) of the crop in px; None: 256 x 192 for COCO's joints, 256 x 256 for MPII's. Files for 384 x 288
                exist; nothing in them says so.
    Raises UserError for an unknown network, a file that cannot be read or does not fit, joints of neither set, and a size that
    the network cannot take.
    """
    if network not in IMAGE_NETWORKS:
        raise UserError(f"no network of the authors is called {network!r}; known are {', '.join(IMAGE_NETWORKS)}")
    state, where = read_state_dict(path)
    last = state.get("final_layer.weight")
    if last is None or len(last) not in _KINDS:
        found = "no final_layer" if last is None else f"{len(last)} joints"
        raise UserError(f"{where} has {found}; files of the authors have 17 joints (COCO) or 16 (MPII)")
    skeleton, usual = _KINDS[len(last)]
    size = usual if image_size is None else tuple(image_size)
    for length in size:
        try:
            check_image_size(length)
        except ValueError as error:
            raise UserError(f"image_size {size[0]} {size[1]}: {error}") from error
    model = load_author_checkpoint(image_network(network, len(last)), state)
    return model, {"skeleton": skeleton, "dataset": skeleton, "input": author_input(network), "image_size": size}


def author_crop(box: np.ndarray, size: tuple[int, int], padding: float = PADDING) -> np.ndarray:
    """Compute the affine map (2,3) from source pixels to the pixels of a crop of (height, width) px.

        p_input = k (p_source - c) + (width, height) / 2,    k = width / (w' padding)

    box  x, y, width, height; c = (x + width / 2, y + height / 2), and w' is the width of the smallest box of the crop's aspect
         that holds it. The crop's middle is width / 2, half a pixel from that of `rpstn.datasets.transforms.crop_affine`.
    Raises ValueError for a box without extent.
    """
    x, y, width, height = (float(value) for value in box)
    if not (np.isfinite([x, y, width, height]).all() and width > 0 and height > 0):
        raise ValueError(f"box {[x, y, width, height]} gives no crop")
    rows, columns = size
    k = columns / (max(width, height * columns / rows) * padding)
    return np.array([[k, 0.0, columns / 2 - k * (x + width / 2)], [0.0, k, rows / 2 - k * (y + height / 2)]])


def author_box(clip: Clip, frame: int, dataset: str) -> np.ndarray:
    """Return the box that the authors crop by: the clip's, but for COCO's own boxes.

    Those lose a pixel of width and height and what lies outside the image; a detector's are taken as they are.
    """
    box = clip.boxes[frame].astype(np.float64)
    if dataset != "coco" or (clip.truth.coco and clip.truth.coco.detected):
        return box
    height, width = clip.frames.size
    low = np.maximum(box[:2], 0)
    high = np.minimum(low + np.maximum(box[2:] - 1, 0), [width - 1, height - 1])
    extent = high - low
    return np.concatenate([low, extent]) if (extent > 0).all() else box


def predict_author_network(
    model: torch.nn.Module,
    metadata: dict[str, Any],
    dataset: ClipDataset,
    *,
    batch: int = 32,
    flip_test: bool = True,
    refine: str = "quarter",
    amp: bool = False,
    progress: bool = True,
) -> Predictions:
    """Predict the joints of every frame of every clip in source pixels, each frame cropped by its own box.

    model, metadata  of `load_author_network`; the model on the device it is to run on.
    flip_test        average with the mirrored image, as published tables do.
    refine           of `rpstn.models.author_checkpoints.author_decode`.
    Confidences are the heights of the heatmaps' peaks, by which COCO's score weighs a pose.
    """
    device = next(model.parameters()).device
    size = metadata["image_size"]
    swap = skeleton_of(metadata).flip_permutation
    joints = [np.full((len(clip), len(dataset.skeleton), 2), np.nan, np.float32) for clip in dataset]
    confidence = [np.full((len(clip), len(dataset.skeleton)), np.nan, np.float32) for clip in dataset]
    places = [(clip, frame) for clip, entry in enumerate(dataset) for frame in range(len(entry))]

    def load(place: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        clip = dataset[place[0]]
        affine = author_crop(author_box(clip, place[1], dataset.name), size)
        image = clip.frames.read([place[1]])[0]
        # Beyond the image is black, as in the authors' crops; networks have learned what that means.
        return cv2.warpAffine(image, affine, (size[1], size[0]), flags=cv2.INTER_LINEAR), affine

    with (
        ThreadPoolExecutor(2) as pool,
        tqdm(total=len(places), desc=f"predict {dataset.name} {dataset.split}", unit="frame", disable=not progress) as bar,
    ):
        for first in range(0, len(places), batch):
            here = places[first : first + batch]
            crops, affines = zip(*pool.map(load, here), strict=True)
            pixels = normalize(torch.from_numpy(np.stack(crops)).to(device), metadata["input"])
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=amp):
                heatmaps = both_ways(model, pixels, swap, shift=True) if flip_test else model(pixels)
            stride = size[1] / heatmaps.shape[-1]
            positions, heights = (value.cpu().numpy() for value in author_decode(heatmaps.float(), stride, refine))
            for row, ((clip, frame), affine) in enumerate(zip(here, affines, strict=True)):
                joints[clip][frame] = apply_affine(positions[row], invert_affine(affine))
                confidence[clip][frame] = heights[row]
            bar.update(len(here))
    return Predictions(tuple(clip.id for clip in dataset), joints, confidence, [None] * len(dataset), window=1)
