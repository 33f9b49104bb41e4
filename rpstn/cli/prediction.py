"""`rpstn predict`."""

from __future__ import annotations

import sys
from typing import Annotated

import tyro

from rpstn.cli.words import Options
from rpstn.video.job import PredictConfig, predict_video
from rpstn.video.output.summary import summary_lines


def predict(config: Annotated[Options[PredictConfig], tyro.conf.PositionalRequiredArgs]) -> int:
    """Predict the poses of a video, a folder of images or a camera into files.

    What files of boxes and the results hold: "Files in, files out" in the book's chapter "Your own video"
    (notebooks/14_your_video.py).
    """
    result = predict_video(config)
    rate = f", {result.frames / result.seconds:.1f} per second" if not config.resume and result.seconds else ""
    print(f"{config.video}: {result.frames} frames{rate}" + ("" if result.complete else ", interrupted"))
    notes = [f"note: {note}" for note in result.notes]
    for line in (*result.weights.lines(config.hidden_below), *notes, *summary_lines(result.summary)):
        print(line)
    for path in result.files:
        print(path)
    if result.signal is not None and not result.complete:
        print("rpstn: interrupted; continue with --resume, or start over with --overwrite", file=sys.stderr)
        return 128 + result.signal
    return 0
