"""How well `rpstn predict` does on real clips that its weights never saw: with boxes given, and when it has to find the person.

    python -m benchmarks.predict_quality --root data/sub_jhmdb [--checkpoint FILE] [--clips 12]

Three ways on the same clips: windows of 8 frames with one crop each, as `rpstn evaluate` does it; streaming with each frame's
box; and streaming with "auto", which gets no box at all. PCK@0.2 by person size, in percent, each mean with its 95 % bootstrap
interval over groups (`rpstn.metrics.intervals`; none for fewer than five). Labels are converted to the checkpoint's skeleton;
joints that a data set does not have are not scored. With "auto", a person whom it loses, or never finds, counts as wrong in each
frame.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from rpstn.datasets import open_dataset
from rpstn.datasets.clip import ClipDataset
from rpstn.datasets.convert import convert_dataset
from rpstn.datasets.sources import checksums
from rpstn.evaluate.inference import predict_clips
from rpstn.metrics.scores import score
from rpstn.metrics.tables import aligned, table
from rpstn.models.files import find_weights
from rpstn.models.weights import describe_weights
from rpstn.runs import manifest, write_json
from rpstn.runs.directory import clean_commit
from rpstn.video.network import PoseNetwork
from rpstn.video.predict import predict_streamed
from rpstn.video.stream import LOST
from rpstn.video.tracking import Following


@dataclass(frozen=True)
class Quality:
    """What to measure on."""

    checkpoint: Path | None = None  # None: the weights that come with the package
    dataset: str = "sub_jhmdb"
    root: Path | None = None  # folder of the data set; None: $RPSTN_DATA/<name>, else data/<name>
    fold: int = 1
    split: str = "test"
    clips: int = 12  # evenly taken from the split; 0: all
    device: str = "auto"
    out: Path = Path("results/predict_quality.json")


def choose(dataset: ClipDataset, count: int) -> ClipDataset:
    """`count` clips, evenly over the split, so that all its classes have a part."""
    if not count or count >= len(dataset):
        return dataset
    return replace(dataset, clips=tuple(dataset[round(place)] for place in np.linspace(0, len(dataset) - 1, count)))


def measure(config: Quality) -> dict[str, Any]:
    """Scores of the three ways, how often "auto" was lost, and the manifest: what it wrote."""
    begun = time.monotonic()
    checkpoint = find_weights(config.checkpoint)
    network = PoseNetwork.load(checkpoint, config.device)
    given = open_dataset(config.dataset, config.root, split=config.split, fold=config.fold, skip_damaged=True)
    dataset = choose(convert_dataset(given, network.skeleton), config.clips)
    weights = describe_weights(checkpoint, network.metadata)
    following = Following.by(weights.calibration)
    found = {"windows": predict_clips(network.model, dict(network.metadata), dataset, progress=False)}
    for name in ("given", "auto"):
        found[name], states = predict_streamed(network, dataset, following, boxes_given=name == "given")
    lost = np.mean([state == LOST for clip in states for state in clip])
    scores = {name: score(predictions, dataset)["scores"]["person"]["all"] for name, predictions in found.items()}
    result = {
        "weights": weights.name,
        "on": f"{config.dataset}, split {config.split} {config.fold}",
        "clips": len(dataset),
        "groups": len({clip.group for clip in dataset}),
        "frames": sum(len(clip) for clip in dataset),
        "pck": scores,
        "lost": float(lost),
        "manifest": manifest(
            replace(config, root=config.root and Path(config.root.name)),  # places are of no interest to others
            device=network.device,
            data=checksums(dataset),
            seconds=time.monotonic() - begun,
            weights={"name": weights.name, "sha256": weights.sha256},
        ),
    }
    counted = ", ".join(f"{result[name]} {name}" for name in ("clips", "groups", "frames"))
    print(f"{result['weights']} on {result['on']}: {counted}, PCK@0.2 person, percent\n{aligned(table(scores))}")
    print(f"auto: lost in {100 * lost:.1f} % of the frames")
    write_json(config.out, result)
    return result


if __name__ == "__main__":
    config = tyro.cli(Quality, description=__doc__)
    clean_commit()
    measure(config)
