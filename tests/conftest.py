"""What all tests share: a small embedded data set made once, one thread a worker, no garbage collection of what is imported."""

import gc
import os

if "PYTEST_XDIST_WORKER" in os.environ:  # before torch is loaded: two workers on two cores, one thread each
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path

import pytest
from filelock import FileLock

CHECKOUT = Path(__file__).resolve().parent.parent
SHARED = CHECKOUT.parent / "shared" / "data"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect no garbage while tests are imported, and never look at what was imported again.

    Nothing of it is garbage: going through torch's modules and the syntax trees of all tests, over and over, took more than half
    of the time in which tests are found, in each worker.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


# What takes longest by far: begun first, so that no worker is left with it at the end.
LONG = ("notebooks/test_book.py", "notebooks/test_lab.py", "test_types.py", "notebooks/test_recorded_sets.py")


def pytest_collection_modifyitems(items):
    """Put the files that take longest first; `make test` gives them out in this order, each to one worker."""
    order = {CHECKOUT / "tests" / name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(LONG)))


def pytest_runtest_setup(item):
    """Skip a test that is marked with `data("COCO")` where ../shared/data/COCO is not there."""
    for marker in item.iter_markers("data"):
        for folder in marker.args:
            if not (SHARED / folder).exists():
                pytest.skip(f"no ../shared/data/{folder}")


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The folder with pyproject.toml."""
    return CHECKOUT


@pytest.fixture(scope="session")
def data_root(tmp_path_factory) -> Path:
    """A folder for $RPSTN_DATA that holds a small set named embedded: 8 train, 3 val and 4 test clips.

    Made once for all workers. Do not change it: copy what a test wants to break.
    """
    from rpstn.embedded import make_embedded

    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with FileLock(shared / "data.lock"):
        root = shared / "data"
        if not (root / "made").is_file():
            make_embedded(root / "embedded", counts={"train": 8, "val": 3, "test": 4}, progress=False)
            (root / "made").touch()
    return root


@pytest.fixture(scope="session")
def embedded_root(data_root) -> Path:
    """The root of the small embedded data set. Do not change it."""
    return data_root / "embedded"


@pytest.fixture(scope="session")
def dance(embedded_root, tmp_path_factory) -> Path:
    """A folder of frames: lossless, so that runs can be compared bit for bit. Do not change it."""
    import cv2

    from rpstn.datasets import open_dataset

    from .predicting import LENGTH

    place = tmp_path_factory.mktemp("videos") / "dance"
    place.mkdir()
    clip = open_dataset("embedded", embedded_root, split="test")[0]
    for index, pixels in enumerate(clip.frames.read(range(LENGTH))):
        cv2.imwrite(str(place / f"{index}.png"), pixels[..., ::-1])
    return place


@pytest.fixture(scope="session")
def whole_run(dance, tmp_path_factory):
    """The result of a prediction of `dance` to its end, with relations. Do not change its files."""
    from rpstn.video.job import predict_video

    from .predicting import config

    return predict_video(config(dance, tmp_path_factory.mktemp("whole") / "out"), progress=False)


@pytest.fixture
def committed(monkeypatch):
    """A checkout without changes, whatever state this one is in: numbers are published from commits alone."""
    monkeypatch.setattr("rpstn.runs.directory.git_commit", lambda directory=None: "0" * 40)
