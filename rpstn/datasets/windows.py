"""Windows: a few frames of a clip, cropped and varied together, and the sequence of them to train on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE, Clip, ClipDataset
from rpstn.datasets.hiding import Texture, half_box, hide
from rpstn.datasets.sources import FrameCache
from rpstn.datasets.transforms import Augmentation, apply_affine, warp, window_box
from rpstn.errors import UserError
from rpstn.skeletons import Skeleton


@dataclass(frozen=True)
class Window:
    """Frames of one clip as the network takes them.

    frames      (T,S,S,3) uint8 RGB.
    joints      (T,K,2) float32, input pixels. Where flipped, left and right are exchanged: they are the
                person's again.
    visibility  (T,K) uint8. ABSENT also: joints outside the crop, and all joints past the clip's end.
    affine      (2,3), source pixels to input pixels.
    clip        the clip's index where it comes from a data set, else -1.
    start       index of its first frame in the clip.
    """

    frames: np.ndarray
    joints: np.ndarray
    visibility: np.ndarray
    affine: np.ndarray
    clip: int
    start: int
    flipped: bool


def make_window(
    clip: Clip,
    skeleton: Skeleton,
    start: int,
    length: int,
    size: int,
    augmentation: Augmentation | None = None,
    rng: np.random.Generator | None = None,
    stride: int = 1,
    *,
    cache: FrameCache | None = None,
    index: int = -1,
    texture: Texture | None = None,
) -> Window:
    """Cut frames start, start + stride, ... of a clip, `length` of them, in one crop around all their boxes.

    Past the clip's end (or, with a negative stride, before its start) the last frame is repeated and all
    joints are ABSENT there. Without an augmentation nothing is random and rng may be None.

    texture  images for occluders to show (`rpstn.datasets.hiding`).

    Score predictions with the clip's visibility, not the window's: a joint that the crop cuts off
    still counts.
    """
    if not 0 <= start < len(clip) or length < 1 or stride == 0:
        raise UserError(
            f"no window from frame {start}, {length} long with stride {stride}, in a clip of {len(clip)}; its frames are 0 to "
            f"{len(clip) - 1}"
        )
    augmentation = augmentation or Augmentation.none()
    if rng is None:
        if augmentation != Augmentation.none():
            raise ValueError("an augmentation needs rng")
        rng = np.random.default_rng(0)
    wanted = start + stride * np.arange(length)
    chosen = wanted.clip(0, len(clip) - 1)
    indices = chosen.tolist()
    affine, flipped = augmentation.affine(_box(clip, chosen, skeleton, augmentation, rng), size, rng)

    pixels = cache.read(clip.frames, indices) if cache is not None else clip.frames.read(indices)
    frames = augmentation.recolor(warp(pixels, affine, size), rng)
    covers = [augmentation.erase(frames, rng)]

    joints = apply_affine(clip.joints[chosen], affine).astype(np.float32)
    visibility = clip.visibility[chosen].copy()
    if flipped:
        permutation = list(skeleton.flip_permutation)
        joints, visibility = joints[:, permutation], visibility[:, permutation]
    if augmentation.hiding and rng.random() < augmentation.hiding:
        covers.append(hide(frames, joints, visibility, skeleton, augmentation.hiding_frames, rng, texture))
    for hidden in covers:
        low, high = hidden[:, None, :2] - 0.5, hidden[:, None, 2:] - 0.5
        covered = ((joints >= low) & (joints < high)).all(axis=-1)
        visibility[covered & (visibility == VISIBLE)] = OCCLUDED
    visibility[~((joints >= -0.5) & (joints <= size - 0.5)).all(axis=-1)] = ABSENT
    visibility[wanted != chosen] = ABSENT
    return Window(frames, joints, visibility, affine, index, start, flipped)


def _box(clip: Clip, frames: np.ndarray, skeleton: Skeleton, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Choose what a window shows of these frames: all boxes, or by chance the joints of half a body."""
    half = None
    if augmentation.half_body and rng.random() < augmentation.half_body:
        half = half_box(clip.joints[frames], clip.visibility[frames], skeleton, rng)
    return window_box(clip.boxes[frames]) if half is None else half


class TrainingWindows(Dataset[dict[str, torch.Tensor]]):
    """Training windows by the global index of the sample: i = step * batch + position in the batch.

    Epoch e goes once through all clips in the order permutation(seed, e); everything else about sample i is
    drawn from default_rng((seed, i)). So sample i is the same in whatever order or process it is made, and
    training resumes exactly by starting at i.

    frames, size  frames per window, input pixels a side.
    steps, batch  len() is their product.
    cache         of decoded frames; None: a gigabyte's worth.

    An item is a dictionary: frames (T,S,S,3) uint8, joints (T,K,2) float32 in input pixels, visibility
    (T,K) uint8.
    """

    def __init__(
        self,
        dataset: ClipDataset,
        frames: int,
        size: int,
        *,
        steps: int,
        batch: int,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        cache: FrameCache | None = None,
    ) -> None:
        for name, value in (("frames", frames), ("size", size), ("steps", steps), ("batch", batch)):
            if value < 1:
                raise UserError(f"training windows: {name} is {value}; give a whole number from 1 on")
        if len(dataset) == 0:
            raise UserError(f"data set {dataset.name}: split {dataset.split!r} has no clips to train on; choose another")
        self.dataset, self.frames, self.size = dataset, frames, size
        self.steps, self.batch, self.seed = steps, batch, seed
        self.augmentation = Augmentation() if augmentation is None else augmentation
        self.cache = FrameCache() if cache is None else cache
        self._epoch: tuple[int, np.ndarray] = (-1, np.empty(0, int))

    def __len__(self) -> int:
        return self.steps * self.batch

    def window(self, index: int) -> Window:
        """Make sample `index` with all that is known of it."""
        if not 0 <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        clip_index = self._clip(index)
        clip = self.dataset[clip_index]
        rng = np.random.default_rng((self.seed, index))
        stride = int(rng.choice(self.augmentation.strides))
        span = (self.frames - 1) * stride
        start = int(rng.integers(0, max(len(clip) - span, 1)))
        if rng.random() < self.augmentation.reverse:
            start, stride = min(start + span, len(clip) - 1), -stride
        return make_window(
            clip,
            self.dataset.skeleton,
            start,
            self.frames,
            self.size,
            self.augmentation,
            rng,
            stride,
            cache=self.cache,
            index=clip_index,
            texture=self._texture,
        )

    def _texture(self, rng: np.random.Generator) -> np.ndarray:
        """Read a frame of any clip, for occluders to show."""
        clip = self.dataset[int(rng.integers(len(self.dataset)))]
        frame: np.ndarray = self.cache.read(clip.frames, [int(rng.integers(len(clip)))])[0]
        return frame

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        window = self.window(index)
        return {
            "frames": torch.from_numpy(window.frames),
            "joints": torch.from_numpy(window.joints),
            "visibility": torch.from_numpy(window.visibility),
        }

    def _clip(self, index: int) -> int:
        epoch, position = divmod(index, len(self.dataset))
        known, order = self._epoch
        if known != epoch:
            # A third number keeps this stream apart from those of the samples.
            order = np.random.default_rng((self.seed, epoch, 1)).permutation(len(self.dataset))
            # One assignment, so that threads see epoch and order together.
            self._epoch = (epoch, order)
        return int(order[position])
