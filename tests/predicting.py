"""What the tests of `rpstn predict` share: settings, reading its result, and a signal at a chosen frame."""

import json
import signal

from rpstn.models.files import WEIGHTS
from rpstn.video.job import PredictConfig
from rpstn.video.stream import PoseStream

EMBEDDED = WEIGHTS / "embedded_rpstn.pt"
LENGTH = 10  # frames of the fixture `dance`
BOX = "20,20,110,110"  # around the person of `dance`: without a search, a run is several times as fast
FILES = {"poses.json", "poses.csv", "annotated.webm"}


def config(video, out, **more):
    settings = {"checkpoint": EMBEDDED, "out": out, "relation": True, "device": "cpu", "fps": 10.0}
    return PredictConfig(str(video), **(settings | more))


def read(path):
    return json.loads((path / "poses.json").read_text())


def interrupt_at(monkeypatch, frame, number=signal.SIGINT):
    """The signal comes while the network works on that frame."""
    step = PoseStream.step

    def interrupted(self, index, pixels):
        if index == frame:
            signal.raise_signal(number)
            signal.raise_signal(number)  # a key pressed twice changes nothing
        return step(self, index, pixels)

    monkeypatch.setattr(PoseStream, "step", interrupted)
