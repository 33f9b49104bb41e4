"""Shipped weights: the joints that each finds in three synthetic clips are those on record."""

from pathlib import Path

import numpy as np
import pytest
import torch

from rpstn.heatmaps import decode
from rpstn.models import STRIDE, load_checkpoint
from rpstn.models.files import shipped_weights
from rpstn.models.pixels import normalize

GOLDEN = Path(__file__).parents[1] / "golden" / "shipped_joints.npz"
SEEDS, LENGTH = (2, 5, 12), 3
TRAINED_HERE = sorted(set(shipped_weights()) - {"movenet_thunder"})  # which test_movenet.py holds to its own graph
TOLERANCE = 5e-4  # pixels; float32 differs from float64 by up to 7e-5


def synthetic_clip(seed: int, size: int) -> np.ndarray:
    """Draw frames (T,S,S,3) uint8: rectangles that move over a checkerboard of random colors. Integers only, so exact."""
    rng = np.random.default_rng(seed)
    squares = rng.integers(0, 256, (1, size // 16, size // 16, 3))
    frames = squares.repeat(16, axis=1).repeat(16, axis=2).repeat(LENGTH, axis=0)
    for _ in range(12):
        color, start = rng.integers(0, 256, 3), rng.integers(0, size // 2, 2)
        extent, velocity = rng.integers(size // 16, size // 3, 2), rng.integers(-3, 4, 2)
        for t in range(LENGTH):
            top, left = np.maximum(start + size // 8 + t * velocity, 0)
            frames[t, top : top + extent[0], left : left + extent[1]] = color
    return frames.astype(np.uint8)


@torch.inference_mode()
def found_joints(name: str) -> np.ndarray:
    """Predict joints (clips, T, K, 2) in pixels of the crop."""
    model, metadata = load_checkpoint(name)
    clips = torch.from_numpy(np.stack([synthetic_clip(seed, metadata["size"]) for seed in SEEDS]))
    joints = [decode(model(normalize(clip[None], metadata["input"])).heatmaps[0], STRIDE)[0] for clip in clips]
    return torch.stack(joints).numpy()


def record() -> None:
    """Write the golden file: `python -c "from tests.models.test_shipped import record; record()"`, after a change of weights."""
    np.savez_compressed(GOLDEN, **{name: found_joints(name) for name in TRAINED_HERE})


def test_every_shipped_checkpoint_is_on_record():
    with np.load(GOLDEN) as golden:
        assert set(golden) == set(TRAINED_HERE)


@pytest.mark.parametrize("name", TRAINED_HERE)
def test_shipped_weights_find_the_recorded_joints(name):
    with np.load(GOLDEN) as golden:
        np.testing.assert_allclose(found_joints(name), golden[name], rtol=0, atol=TOLERANCE)
