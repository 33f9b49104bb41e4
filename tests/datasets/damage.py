"""Ways to damage any file, and the check that every damaged data set gives one error that says where and why."""

import os
import pickle
import re
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rpstn.datasets import read_splits
from rpstn.datasets.check import check_dataset
from rpstn.errors import UserError

SPLITS = ("train", "val", "test")


class Trap:
    """Makes the file it names when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def emptied(path):
    path.write_bytes(b"")


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def removed(path):
    path.unlink()


def folder_instead(path):
    path.unlink()
    path.mkdir()


def noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(3000))


def text(path):
    path.write_text("<html>404 not found</html>")


def pickled(path):
    path.write_bytes(pickle.dumps(Trap(path.parent / "sprung")))


def pickled_npz(path):
    """A NumPy archive with a pickled object array under the label file's name."""
    kept = path.parent / "kept.npz"
    np.savez(kept, joints=np.array([Trap(path.parent / "sprung"), None], dtype=object))
    kept.replace(path)


def pickled_npy(path):
    with path.open("wb") as file:
        np.save(file, np.array([Trap(path.parent / "sprung"), None], dtype=object), allow_pickle=True)


def zipped(path):
    data = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(path.name, data)


ANY_FILE = {
    "emptied": emptied,
    "truncated": truncated,
    "removed": removed,
    "a folder in its place": folder_instead,
    "noise": noise,
    "a web page": text,
    "a pickle": pickled,
    "a pickled .npz": pickled_npz,
    "a pickled .npy": pickled_npy,
    "zipped": zipped,
}


def assert_one_error(name: str, root: Path, file: str, reason: str, *, pixels: bool = False, others: bool = False) -> None:
    """The data set under root cannot be opened, or only without what is damaged; the message names file and reason.

    pixels  the labels are sound: the fault is found when the pixels are looked at, by check_dataset.
    others  the damage touches one clip only: with faults collected, every other clip is there.
    """
    start = time.perf_counter()
    if pixels:
        report = check_dataset(name, root)
        messages = list(report.faults)
        assert len(messages) == 1, messages
    else:
        with pytest.raises(UserError) as caught:
            read_splits(name, root)
        messages = [str(caught.value)]
        faults: list[UserError] = []
        try:
            splits = read_splits(name, root, faults=faults)
        except UserError as error:
            assert not others, f"the rest cannot be read: {error}"
            messages.append(str(error))
        else:
            assert len(faults) == 1, faults
            messages.append(str(faults[0]))
            assert not others or sum(map(len, splits.values())) > 0
    for message in messages:
        assert file in message, message
        assert re.search(reason, message), message
        assert ";" in message or "known are" in message or "there are" in message, f"no remedy in: {message}"
        assert "\n" not in message.strip() and len(message) < 1500
    assert not list(root.rglob("sprung")), "a file of the data set ran code"
    assert time.perf_counter() - start < 20
