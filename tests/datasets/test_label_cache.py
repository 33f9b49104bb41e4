"""The cache of labels: it never changes what is read, is checked, survives damage, and is fast on the real set."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from rpstn.datasets import penn_action, read_splits
from rpstn.datasets.formats.cache import LEAST, cache_places, cached_records
from rpstn.errors import UserError

from .test_penn_action import label, write

REAL = Path(__file__).parents[3] / "shared" / "data" / "Penn_Action"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the official label files are not here")
COUNT = LEAST + 4

# Videos (train, test) by action, counted from the label files with SciPy alone.
OFFICIAL = {
    "baseball_pitch": (104, 63),
    "baseball_swing": (115, 58),
    "bench_press": (69, 71),
    "bowl": (135, 85),
    "clean_and_jerk": (43, 45),
    "golf_swing": (89, 77),
    "jump_rope": (40, 42),
    "jumping_jacks": (56, 56),
    "pullup": (98, 101),
    "pushup": (104, 107),
    "situp": (50, 50),
    "squat": (114, 117),
    "strum_guitar": (46, 48),
    "tennis_forehand": (80, 77),
    "tennis_serve": (115, 71),
}


@pytest.fixture(autouse=True)
def user_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Reader:
    """Counts what it reads. A file is one number; "bad" is damaged."""

    def __init__(self):
        self.read = []

    def __call__(self, path):
        self.read.append(path.name)
        text = path.read_text()
        if text == "bad":
            raise UserError(f"{path}: bad; make it good")
        return {
            "points": np.arange(6, dtype=np.float32).reshape(3, 2) * float(text),
            "states": np.full((3,), int(text) % 3, np.uint8),
            "none": np.zeros((0, 4), np.int16),
            "name": f"clip {text} – ü",
            "number": int(text),
            "fraction": 0.1,
            "truth": True,
        }


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "set" / "labels"
    folder.mkdir(parents=True)
    for index in range(COUNT):
        (folder / f"{index:04d}.txt").write_text(str(index))
    return sorted(folder.iterdir())


def read(files, version="1", least=LEAST):
    reader = Reader()
    return cached_records(files, reader, root=files[0].parents[1], version=version, least=least), reader.read


def place(files):
    return cache_places(files[0].parents[1])[0]


def same(a, b):
    assert list(a) == list(b)
    for path in a:
        assert list(a[path]) == list(b[path])
        for key, value in a[path].items():
            other = b[path][key]
            assert type(value) is type(other)
            if isinstance(value, np.ndarray):
                assert value.dtype == other.dtype and value.shape == other.shape
            np.testing.assert_array_equal(value, other)


def test_second_time_nothing_is_read(files):
    first, names = read(files)
    assert len(names) == COUNT and place(files).is_file()
    second, names = read(files)
    assert names == []
    same(first, second)
    second[files[0]]["points"][:] = -1  # one's own copy
    same(first, read(files)[0])


def test_only_what_changed_is_read_again(files):
    read(files)
    files[3].write_text("1000")
    state = files[5].stat()
    files[5].write_text("9")  # of the same length and set back to the same second, not to the same nanosecond
    os.utime(files[5], ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    new = files[0].with_name("9999.txt")
    new.write_text("7")
    removed = files.pop(8)
    removed.unlink()
    records, names = read([*files, new])
    assert names == [files[3].name, files[5].name, new.name]
    assert records[files[3]]["number"] == 1000 and records[files[5]]["number"] == 9 and removed not in records
    assert read([*files, new])[1] == []
    assert removed.name not in json.loads(np.load(place(files))["index"].tobytes())["records"]


def test_another_version_of_the_reader_reads_all(files):
    read(files)
    assert len(read(files, version="2")[1]) == COUNT and read(files, version="2")[1] == []


def test_damage_is_never_kept(files):
    files[2].write_text("bad")
    records, _ = read(files)
    assert isinstance(records[files[2]], UserError)
    records, names = read(files)
    assert isinstance(records[files[2]], UserError) and names == [files[2].name]
    files[2].write_text("22")
    records, names = read(files)
    assert records[files[2]]["number"] == 22 and names == [files[2].name] and read(files)[1] == []


def replace_array(path, **arrays):
    with np.load(path) as stored:
        held = dict(stored) | arrays
    np.savez(path.with_suffix(""), **{key: value for key, value in held.items() if value is not None})


def change_index(path, change):
    with np.load(path) as stored:
        index = json.loads(stored["index"].tobytes())
    change(index)
    replace_array(path, index=np.frombuffer(json.dumps(index).encode(), np.uint8))


def flip_a_byte(path):
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("blob.npy")
    data[info.header_offset + 400] ^= 0xFF
    path.write_bytes(data)


def pickled(path):
    np.savez(path.with_suffix(""), index=np.array([{"a": 1}, None], dtype=object), blob=np.zeros(3, np.uint8))


def change_directory(path, offset, value):
    """Another byte in the archive's entry for the first array."""
    data = bytearray(path.read_bytes())
    data[data.rindex(b"PK\1\2", 0, data.rindex(b"PK\1\2")) + offset] = value
    path.write_bytes(data)


def say_packed(path):
    path.write_bytes(path.read_bytes().replace(b"\x93NUMPY", b"\xffNUMPY"))  # a kind of block that zlib does not have
    change_directory(path, 10, 8)


def far_offset(index):
    index["records"]["0000.txt"][1]["points"]["offset"] = 10**9


def beyond_all(index):
    index["records"]["0000.txt"][1]["points"]["offset"] = 10**30


def objects(index):
    index["records"]["0000.txt"][1]["points"]["dtype"] = "|O"


def negative(index):
    index["records"]["0000.txt"][1]["points"]["shape"] = [-1, 2]


def no_state(index):
    index["records"]["0000.txt"] = 3


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "no archive": lambda path: path.write_bytes(b"hello" * 100),
    "a byte flipped": flip_a_byte,
    "pickled": pickled,
    "no blob": lambda path: replace_array(path, blob=None),
    "short blob": lambda path: replace_array(path, blob=np.zeros(5, np.uint8)),
    "no JSON": lambda path: replace_array(path, index=np.zeros(5, np.uint8)),
    "JSON of another kind": lambda path: replace_array(path, index=np.frombuffer(b"[1, 2]", np.uint8)),
    "an archive of a later version": lambda path: change_directory(path, 6, 99),
    "encrypted": lambda path: change_directory(path, 8, 1),
    "packed, it says": say_packed,
    "packed in an unknown way": lambda path: change_directory(path, 10, 77),
    "nested without end": lambda path: replace_array(path, index=np.full(200_000, ord("["), np.uint8)),
    "offset beyond all numbers": lambda path: change_index(path, beyond_all),
    "offset": lambda path: change_index(path, far_offset),
    "object arrays": lambda path: change_index(path, objects),
    "negative shape": lambda path: change_index(path, negative),
    "records": lambda path: change_index(path, no_state),
    "no records": lambda path: change_index(path, lambda index: index.pop("records")),
    "another format": lambda path: change_index(path, lambda index: index.update(format=99)),
    "a folder in its place": lambda path: (path.unlink(), path.mkdir()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_cache_is_made_again(files, damage):
    first, _ = read(files)
    damage(place(files))
    again, names = read(files)
    assert len(names) == COUNT
    same(first, again)
    assert read(files)[1] == []
    assert not list(place(files).parent.glob("*.part"))


def test_where_the_root_cannot_be_written_it_lies_with_the_user(files, user_cache):
    root = files[0].parents[1]
    root.chmod(0o555)
    try:
        first, _ = read(files)
        assert not place(files).exists() and len(list((user_cache / "rpstn").iterdir())) == 1
        again, names = read(files)
    finally:
        root.chmod(0o755)
    assert names == []
    same(first, again)


def test_where_nothing_can_be_written_all_is_read(files, user_cache):
    root = files[0].parents[1]
    user_cache.write_text("a file where the folder would be")
    root.chmod(0o555)
    try:
        assert len(read(files)[1]) == len(read(files)[1]) == COUNT
    finally:
        root.chmod(0o755)


def test_few_files_need_none(files):
    assert len(read(files[:5])[1]) == len(read(files[:5])[1]) == 5 and not place(files).exists()


def test_penn_action_is_the_same_with_and_without(tmp_path, monkeypatch):
    root = tmp_path / "penn"
    for index in range(COUNT):
        content = label(3, 1 if index % 2 else -1, seed=index)
        if index == 4:
            content |= {"state": np.full((3, 13), 2, np.uint8), "occluded_by": np.arange(39, dtype=np.uint8).reshape(3, 13) % 3}
            content |= {"motion": "walk", "held_out": np.uint8(1), "source": "s:1", "split": "val"}
        write(root, f"{index:04d}", content, frames=False)

    def clips():
        splits = read_splits("penn_action", root, labels_only=True)
        return {split: (dataset.checksum(), [clip.extra for clip in dataset]) for split, dataset in splits.items()}

    first = clips()
    calls = []
    original = penn_action.read_label
    monkeypatch.setattr(penn_action, "read_label", lambda path: calls.append(path) or original(path))
    second = clips()
    assert not calls
    np.testing.assert_equal(second, first)
    assert any("occluded_by" in extra for extra in second["val"][1])
    # A file that was spoiled since is found, though the cache has its labels.
    savemat(root / "labels" / "0007.mat", label() | {"x": np.zeros((4, 2))})
    with pytest.raises(UserError, match=r"0007\.mat: x has shape"):
        clips()
    faults = []
    assert sum(map(len, read_splits("penn_action", root, labels_only=True, faults=faults).values())) == COUNT - 1
    assert len(faults) == 1


@real
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_official_set_opens_in_little_memory(user_cache):
    """All 2,326 files in a process of its own, read and from the cache: under 500 MB."""
    # The peak that the system keeps per program: that of getrusage would hold what the parent had, too.
    code = (
        "from rpstn.datasets import read_splits;"
        f"splits = read_splits('penn_action', {str(REAL)!r}, labels_only=True);"
        "peak = [line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')];"
        "print(peak[0], *(dataset.checksum() for dataset in splits.values()))"
    )
    first, second = (subprocess.check_output([sys.executable, "-c", code], text=True).split() for _ in range(2))
    assert second[1:] == first[1:]
    assert max(int(first[0]), int(second[0])) < 500_000


@real
def test_the_official_set_has_the_published_counts():
    """1,258 and 1,068 videos, 163,841 frames, 15 actions; val is cut from train."""
    for _ in range(2):  # read, and from the cache
        splits = read_splits("penn_action", REAL, labels_only=True)
        assert len(splits["train"]) + len(splits["val"]) == 1258 and len(splits["test"]) == 1068
        actions = {}
        for dataset in splits.values():
            for clip in dataset:
                counts = actions.setdefault(clip.action, [0, 0])
                counts[dataset.split == "test"] += 1
        assert sum(len(clip) for dataset in splits.values() for clip in dataset) == 163_841
        assert {name: tuple(counts) for name, counts in actions.items()} == OFFICIAL
