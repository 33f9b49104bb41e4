"""Memory and time of `rpstn predict` over a long video: neither may grow.

    python -m benchmarks.predict_memory [--minutes 10] [--no-draw]

A 320x240 video of 15 frames a second is made by running one clip of the embedded test set forth and back, then predicted with
"auto". Printed: resident memory after the first minute of video and at its end, and time per frame in the first and in the last
minute. They are written to results/predict_memory.json with the manifest, which names the weights.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from rpstn.datasets import open_dataset
from rpstn.datasets.sources import checksums
from rpstn.runs import manifest, write_json
from rpstn.runs.devices import choose_device
from rpstn.runs.directory import clean_commit
from rpstn.video import WebmWriter
from rpstn.video.job import PredictConfig, predict_video
from rpstn.video.stream import PoseStream

FPS = 15


@dataclass(frozen=True)
class Memory:
    """What to run."""

    minutes: float = 10.0  # of video
    root: Path | None = None  # folder of the embedded data set; None: $RPSTN_DATA/embedded, else data/embedded
    draw: bool = True  # with the annotated video
    device: str = "auto"
    out: Path = Path("results/predict_memory.json")


def resident() -> float:
    """MiB of this process in memory (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def make_video(path: Path, frames: np.ndarray, count: int) -> None:
    """`count` frames: the clip forth and back, in the middle of a gray 320x240 image."""
    writer = WebmWriter(path, FPS)
    there_and_back = [*range(len(frames)), *range(len(frames) - 2, 0, -1)]
    for index in range(count):
        image = np.full((240, 320, 3), 128, np.uint8)
        pixels = frames[there_and_back[index % len(there_and_back)]]
        height, width = pixels.shape[:2]
        image[(240 - height) // 2 :][:height, (320 - width) // 2 :][:, :width] = pixels
        writer.write(image)
    writer.close()


def measure(config: Memory) -> dict[str, Any]:
    """Runs it once, and returns what it wrote: the measured numbers by name, and the manifest."""
    dataset = open_dataset("embedded", config.root, split="test")
    clip = dataset[0]
    count = round(config.minutes * 60 * FPS)
    minute = min(60 * FPS, count // 3)  # of a shorter video, its thirds
    marks: list[tuple[float, float, float]] = []
    step = PoseStream.step

    def counted(self: PoseStream, index: int, pixels: np.ndarray) -> list:
        if index in (0, minute, count - minute, count - 1):
            marks.append((time.perf_counter(), time.process_time(), resident()))
        return step(self, index, pixels)

    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder, "long.webm")
        make_video(video, clip.frames.read(range(len(clip))), count)
        PoseStream.step = counted  # type: ignore[method-assign]
        try:
            out = Path(folder, "out")
            result = predict_video(PredictConfig(str(video), out=out, draw=config.draw, device=config.device), progress=False)
        finally:
            PoseStream.step = step  # type: ignore[method-assign]
    (begun, begun_cpu, _), (first, first_cpu, early), (last, last_cpu, _), (end, end_cpu, late) = marks
    found: dict[str, Any] = {
        "frames": result.frames,
        "drawn": config.draw,
        "mib_after_first_minute": early,
        "mib_at_end": late,
        "growth_mib": late - early,
        "mib_after_files": resident(),
        "ms_per_frame_first_minute": 1000 * (first - begun) / minute,
        "ms_per_frame_last_minute": 1000 * (end - last) / (minute - 1),
        # Of all threads: what a busy machine does to the clock it does not do to these.
        "cpu_ms_per_frame_first_minute": 1000 * (first_cpu - begun_cpu) / minute,
        "cpu_ms_per_frame_last_minute": 1000 * (end_cpu - last_cpu) / (minute - 1),
        "frames_per_second": result.frames / result.seconds,
    }
    for name, value in found.items():
        print(f"{name:30} {value:.2f}")
    found["manifest"] = manifest(
        config,
        device=choose_device(config.device),
        data=checksums(dataset),
        seconds=result.seconds,
        weights={"name": result.weights.name, "sha256": result.weights.sha256},
    )
    write_json(config.out, found)
    return found


if __name__ == "__main__":
    config = tyro.cli(Memory, description=__doc__)
    clean_commit()
    measure(config)
