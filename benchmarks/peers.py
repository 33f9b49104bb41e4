"""Compare networks of others with ours: the same frames, the same crops, the same joints, timed in one run.

    python -m benchmarks.peers --root JHMDB [--checkpoint FILE] [--mediapipe peers/bin/python] [--lightning FILE]

Every frame of a test split is cropped by its own box (x 1.25) to the network's square; joints that a peer does not have follow
from those it has (`rpstn.evaluate.zero_shot`). Beside the scores: a joint under a gray box that lies anywhere in it, every eighth
frame; parameters, multiplications, and milliseconds a crop, one at a time. Peers live in environments of their own:
`benchmarks/peer_mediapipe.py` says how to make MediaPipe's. What is not given is not compared. Written to results/peers.json.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro

from benchmarks.real_people import measure
from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ABSENT, Clip, ClipDataset
from rpstn.datasets.predictions import Predictions
from rpstn.datasets.sources import checksums
from rpstn.datasets.transforms import apply_affine, invert_affine
from rpstn.datasets.windows import Window, make_window
from rpstn.evaluate.zero_shot import in_joints_of, load_movenet
from rpstn.heatmaps import decode
from rpstn.models import load_checkpoint
from rpstn.models.convolutions import fuse
from rpstn.models.cost import cost
from rpstn.models.files import find_weights
from rpstn.models.movenet import SIDES, decode_movenet
from rpstn.models.pixels import normalize
from rpstn.runs.directory import clean_commit, manifest
from rpstn.runs.files import write_json
from rpstn.runs.memory import keep_memory
from rpstn.runs.progress import tqdm

# Crops (N,S,S,3), of which the first so many are a video -> joints (N,K,2) in pixels of the crop, confidences (N,K), seconds.
Crops = Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray, float]]
# The box that hides a joint: its color, its side as a fraction of the person's; in every so many-th frame.
GRAY, HIDDEN, EVERY = 127, 0.25, 8
LEFT_OUT = (
    "MediaPipe lite and heavy: not in its package, fetched from the network at their first use",
    "BlazePose heavy: TensorFlow.js alone runs it",
)


@dataclass(frozen=True)
class Peers:
    """What to compare, and on what."""

    root: Path  # folder of Sub-JHMDB
    fold: int = 1
    checkpoint: Path | None = None  # ours, frame by frame in its first step; None: the weights that come with the package
    mediapipe: Path | None = None  # Python of an environment with mediapipe
    lightning: Path | None = None  # what `rpstn convert movenet-lightning.json` wrote
    every: int = 1  # take each so many-th frame
    out: Path = Path("results/peers.json")


def movenet(path: Path, name: str) -> tuple[Crops, dict[str, Any]]:
    """Make MoveNet a peer."""
    model, _ = load_movenet(path, name)
    known = {"size": SIDES[name], **_cost(model, SIDES[name])}
    fuse(model)  # as `rpstn predict` runs its network

    @torch.inference_mode()
    def run(crops: np.ndarray, video: int) -> tuple[np.ndarray, np.ndarray, float]:
        found, begun = [], time.perf_counter()
        for crop in crops:
            found.append(decode_movenet(model.heads(normalize(torch.from_numpy(crop)[None], "rgb_symmetric"))))
        seconds = time.perf_counter() - begun
        return *(torch.cat(parts).numpy() for parts in zip(*found, strict=True)), seconds  # type: ignore[return-value]

    return run, known


def ours(path: Path) -> tuple[Crops, dict[str, Any]]:
    """Make a checkpoint of ours a peer: each crop as the first frame of a stream."""
    model, metadata = load_checkpoint(path)
    size = metadata["size"]
    known = {"size": size, **_cost(OneFrame(model), size)}
    fuse(model.eval(), fold=True)

    @torch.inference_mode()
    def run(crops: np.ndarray, video: int) -> tuple[np.ndarray, np.ndarray, float]:
        found, begun = [], time.perf_counter()
        for crop in crops:
            pixels = normalize(torch.from_numpy(crop)[None], metadata["input"])
            found.append(decode(model(pixels[:, None]).heatmaps[:, 0], 4.0))
        seconds = time.perf_counter() - begun
        return *(torch.cat(parts).numpy() for parts in zip(*found, strict=True)), seconds  # type: ignore[return-value]

    return run, known


class OneFrame(torch.nn.Module):
    """A network of clips (B,T,3,H,W) as one of images (B,3,H,W)."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        heatmaps: torch.Tensor = self.model(images[:, None]).heatmaps
        return heatmaps


def mediapipe(python: Path) -> tuple[Crops, dict[str, Any]]:
    """Make MediaPipe a peer, in its own environment."""
    script = Path(__file__).with_name("peer_mediapipe.py")

    def run(crops: np.ndarray, video: int) -> tuple[np.ndarray, np.ndarray, float]:
        with tempfile.TemporaryDirectory() as folder:
            np.savez(Path(folder) / "crops.npz", crops=crops, video=video)
            words = [python, script, Path(folder) / "crops.npz", Path(folder) / "found.npz"]
            subprocess.run([str(word) for word in words], check=True, capture_output=True)
            with np.load(Path(folder) / "found.npz", allow_pickle=False) as content:
                joints, seconds = content["joints"], content["seconds"]
        return joints[..., :2], joints[..., 2], float(seconds.sum())

    return run, {"size": 256, "parameters": None, "macs": None}  # its file does not say


def _cost(model: torch.nn.Module, size: int) -> dict[str, Any]:
    known = cost(model, (size, size))
    return {"parameters": known.parameters, "macs": known.multiply_adds}


def thinned(dataset: ClipDataset, every: int) -> ClipDataset:
    """Score every so many-th frame alone: the joints of all others count as absent."""

    def thin(clip: Clip) -> Clip:
        visibility = np.full_like(clip.visibility, ABSENT)
        visibility[::every] = clip.visibility[::every]
        return replace(clip, visibility=visibility)

    return replace(dataset, clips=tuple(thin(clip) for clip in dataset))


def compare(dataset: ClipDataset, run: Crops, size: int, every: int, coco: bool) -> dict[str, Any]:
    """Score one peer on a split, and on one joint hidden in every eighth of these frames.

    coco  its joints are COCO's, and those of the data set follow from them.
    """
    joints = [np.full((len(clip), len(dataset.skeleton), 2), np.nan, np.float32) for clip in dataset]
    confidence = [np.full((len(clip), len(dataset.skeleton)), np.nan, np.float32) for clip in dataset]
    hits, seconds, count, rng = [], 0.0, 0, np.random.default_rng(0)
    for number, clip in enumerate(tqdm(dataset, unit="clip")):
        frames = range(0, len(clip), every)
        windows = [make_window(clip, dataset.skeleton, frame, 1, size) for frame in frames]
        hidden = [_hide(window, rng) for window in windows[::EVERY]]
        crops = np.concatenate([window.frames for window in windows] + [pixels for pixels, _ in hidden])
        found = run(crops, len(windows) if every == 1 else 0)
        seconds, count = seconds + found[2], count + len(windows) + len(hidden)
        poses = [
            in_joints_of(dataset.skeleton, points, values) if coco else (points, values)
            for points, values in zip(found[0], found[1], strict=True)
        ]
        for frame, window, (points, values) in zip(frames, windows, poses, strict=False):
            joints[number][frame] = apply_affine(points, invert_affine(window.affine))
            confidence[number][frame] = values
        for window, (_, joint), (points, _) in zip(windows[::EVERY], hidden, poses[len(windows) :], strict=True):
            error = np.linalg.norm(points[joint] - window.joints[0, joint])
            hits.append(bool(error <= 0.2 * size / 1.25))
    predictions = Predictions(tuple(clip.id for clip in dataset), joints, confidence, [None] * len(dataset), window=1)
    scores = measure(predictions, dataset)
    return {**scores, "hidden": float(np.mean(hits)), "hidden_joints": len(hits), "milliseconds": 1000 * seconds / count}


def _hide(window: Window, rng: np.random.Generator) -> tuple[np.ndarray, int]:
    """Paint a gray box over one joint of a crop, which lies anywhere in it: frames (1,S,S,3), and the joint."""
    frames, size = window.frames.copy(), window.frames.shape[1]
    joint = int(rng.choice(np.flatnonzero(window.visibility[0] != ABSENT)))
    side = HIDDEN * size / 1.25
    low = np.rint(window.joints[0, joint] - rng.uniform(0, side, 2)).astype(int)
    (x1, y1), (x2, y2) = np.clip(low, 0, size), np.clip(low + int(side), 0, size)
    frames[:, y1:y2, x1:x2] = GRAY
    return frames, joint


def main() -> None:
    """Compare those that are given, and write."""
    keep_memory()
    config = tyro.cli(Peers, description=__doc__)
    clean_commit()
    dataset = thinned(open_dataset("sub_jhmdb", config.root, "test", fold=config.fold), config.every)
    peers: dict[str, tuple[Crops, dict[str, Any]]] = {
        "MoveNet Thunder": movenet(find_weights("movenet_thunder"), "movenet_thunder"),
        "ours, frame by frame": ours(find_weights(config.checkpoint)),
    }
    if config.lightning is not None:
        peers["MoveNet Lightning"] = movenet(config.lightning, "movenet_lightning")
    if config.mediapipe is not None:
        peers["MediaPipe Pose, full"] = mediapipe(config.mediapipe)
    rows = {}
    for name, (run, known) in peers.items():
        rows[name] = known | compare(dataset, run, known["size"], config.every, coco=not name.startswith("ours"))
        found = {key: f"{100 * rows[name][key]['mean_13']:.1f}" for key in ("person 0.2", "torso 0.2", "torso 0.1")}
        hidden, milliseconds = 100 * rows[name]["hidden"], rows[name]["milliseconds"]
        print(name, found, f"hidden {hidden:.1f}", f"{milliseconds:.0f} ms", flush=True)
        about = manifest(config, device="cpu", data=checksums(dataset))
        write_json(config.out, {"rows": rows, "left_out": list(LEFT_OUT), "manifest": about})


if __name__ == "__main__":
    main()
