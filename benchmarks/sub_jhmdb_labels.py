"""Measure how far rebuilt joints of Sub-JHMDB lie from official ones, on frames whose official joints are known.

    python -m benchmarks.sub_jhmdb_labels --root JHMDB --official JHMDB_mmpose_frames/test_jhmdb_sub1.json

The joints of a root may be rebuilt from published normalized poses, where the original files are not at hand. `official` is a
json in COCO's form, as mmpose has it, with the clip's name and the frame's number in each file_name. Written to
results/sub_jhmdb_labels.json: the mean and largest distance in px, and on how many joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

from rpstn.datasets.sub_jhmdb import read_clip
from rpstn.runs.directory import clean_commit, manifest
from rpstn.runs.files import read_json, write_json


@dataclass(frozen=True)
class Labels:
    """What to compare."""

    root: Path  # folder of Sub-JHMDB
    official: Path  # json in COCO's form
    about: str = "rebuilt from published normalized poses"  # how the joints came about
    out: Path = Path("results/sub_jhmdb_labels.json")


def distances(config: Labels) -> dict[str, np.ndarray]:
    """Return the distance of each joint in px, (15,) by clip and frame; official coordinates are 1-based, as JHMDB's are."""
    content = read_json(config.official)
    images = {image["id"]: image["file_name"] for image in content["images"]}
    found = {}
    for person in content["annotations"]:
        clip, frame = Path(images[person["image_id"]]).parts[-2:]
        (action,) = {path.parent.name for path in config.root.glob(f"joint_positions/*/{clip}")}
        joints = read_clip(config.root, clip, action, labels_only=True).joints[int(Path(frame).stem) - 1]
        official = np.array(person["keypoints"]).reshape(-1, 3)[:, :2] - 1
        found[f"{clip}/{frame}"] = np.linalg.norm(joints - official, axis=1)
    return found


def main() -> None:
    """Measure, and write the result."""
    config = tyro.cli(Labels, description=__doc__)
    clean_commit()
    found = distances(config)
    values = np.concatenate(list(found.values()))
    result = {
        "joints": config.about,
        "mean_px": float(values.mean()),
        "largest_px": float(values.max()),
        "compared": len(values),
        "frames": {name: float(part.mean()) for name, part in found.items()},
    }
    write_json(config.out, {**result, "manifest": manifest(config)})


if __name__ == "__main__":
    main()
