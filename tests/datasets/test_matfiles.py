"""The reader of .mat files: equal to SciPy's on whole files, and never worse than an error on damaged ones."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from rpstn.datasets.formats.mat import holds, read_mat
from rpstn.errors import UserError

SHARED = Path(__file__).parents[3] / "shared" / "data"
VALUES = {
    "numbers": np.arange(24.0).reshape(2, 3, 4) / 7,
    "single": np.array([[1.5, -2.5]], np.float32),
    "small": np.array([[-3, 4]], np.int8),
    "large": np.array([[2**62, 5]], np.int64),
    "short": np.arange(3, dtype=np.uint16)[None],
    "truth": np.array([[True, False]]),
    "complex": np.array([[1 + 2j, 3]]),
    "text": "squat \u00fc",
    "rows": np.array(["ab", "c"]),
    "empty": np.zeros((0, 3)),
    "no_text": "",
    "one": 7,
}


def read(path, *keys):
    return read_mat(path, keys, "mend it")


def same(ours, theirs):
    assert ours.shape == theirs.shape
    if theirs.dtype.kind == "U":
        # Rows are padded to one length; SciPy keeps the blanks.
        assert [row.rstrip() for row in theirs.ravel()] == ours.ravel().tolist()
    else:
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("packed", [False, True])
def test_equal_to_scipy(tmp_path, packed):
    path = tmp_path / "a.mat"
    savemat(path, VALUES, do_compression=packed)
    found, expected = read(path, *VALUES), loadmat(path)
    assert list(found) == list(VALUES)
    for key in VALUES:
        same(found[key], expected[key])
    assert found["single"].dtype == np.float32 and found["large"].dtype == np.int64 and found["truth"].dtype == np.uint8
    assert list(read(path, "one", "nothing")) == ["one"]


def test_cells_and_structs(tmp_path):
    path = tmp_path / "a.mat"
    inner = np.array([(1.0, "x"), (2.0, "y")], dtype=[("n", object), ("t", object)])
    savemat(path, {"s": {"a": np.ones((2, 2)), "b": {"c": "deep"}}, "many": inner, "cells": np.array([[3.0, "z"]], dtype=object)})
    found = read(path, "s", "many", "cells")
    assert found["s"].shape == (1, 1) and found["s"][0, 0]["a"].tolist() == [[1, 1], [1, 1]]
    assert found["s"][0, 0]["b"][0, 0]["c"].tolist() == ["deep"]
    assert [item["t"][0] for item in found["many"].ravel()] == ["x", "y"]
    assert found["cells"][0, 0].item() == 3 and found["cells"][0, 1].tolist() == ["z"]
    assert holds(found["s"]) == "a struct" and holds(found["cells"]) == "cells"


def big_endian(path):
    """A variable as an old workstation wrote it: the other order of bytes."""

    def element(kind, data):
        return struct.pack(">II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    values = np.array([1.5, 2.5, -4], ">f8").tobytes()
    parts = element(6, struct.pack(">II", 6, 0)) + element(5, struct.pack(">ii", 1, 3)) + element(1, b"x") + element(9, values)
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack(">H", 0x0100) + b"MI" + element(14, parts))


def test_the_other_order_of_bytes(tmp_path):
    big_endian(tmp_path / "a.mat")
    assert read(tmp_path / "a.mat", "x")["x"].tolist() == [[1.5, 2.5, -4]] == loadmat(tmp_path / "a.mat")["x"].tolist()


def repack(path, change):
    """The only packed element of a file with its content changed and packed again."""
    data = path.read_bytes()
    packed = change(zlib.decompress(data[136:]))
    path.write_bytes(data[:128] + struct.pack("<II", 15, len(packed)) + packed)


def place(value):
    """Sets four bytes of the unpacked element: its tag, flags, dimensions, name and numbers follow each other."""
    where, number = value
    return lambda data: zlib.compress(data[:where] + struct.pack("<I", number) + data[where + 4 :])


CHANGES = {
    "class 99": place((16, 99)),
    "a sparse array": place((16, 5)),
    "a function": place((16, 16)),
    "an opaque object": place((16, 17)),
    "cells without end": place((16, 1)),
    "a struct": place((16, 2)),
    "a text": place((16, 4)),
    "flags of another type": place((8, 9)),
    "flags of another size": place((12, 4)),
    "dimensions of another type": place((24, 9)),
    "one dimension": place((28, 4)),
    "a size too large": place((32, 2**31 - 1)),
    "a negative size": place((32, 2**32 - 1)),
    "two large sizes": lambda data: place((36, 2**31 - 1))(zlib.decompress(place((32, 2**31 - 1))(data))),
    "numbers of an unknown type": place((48, 77)),
    "more bytes than there are": place((52, 2**32 - 1)),
    "fewer bytes": place((52, 8)),
    "an element of 4 GiB": place((4, 2**32 - 8)),
    "an element of no size": place((4, 0)),
    "no array": place((0, 9)),
    "an end too early": lambda data: zlib.compress(data[:-9]),
    "bytes too many": lambda data: zlib.compress(data + b"more"),
    "nothing": lambda data: zlib.compress(b""),
    "a bomb": lambda data: zlib.compress(data[:8] + b"\0" * 50_000_000),
    "no end": lambda data: zlib.compress(data)[:-6],
    "another checksum": lambda data: zlib.compress(data)[:-1] + b"?",
    "no zlib": lambda data: b"hello, world",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_each_number_is_checked(tmp_path, change):
    path = tmp_path / "a.mat"
    savemat(path, {"x": np.arange(6.0).reshape(2, 3) / 3}, do_compression=True)
    repack(path, change)
    with pytest.raises(UserError, match=r"a\.mat: not a readable MAT file \(.+\); mend it"):
        read(path, "x")


def test_matlabs_own_quirk(tmp_path):
    """An array that fills 16 KiB exactly has no end of its packed stream; elsewhere a missing end is damage."""
    for numbers, whole in ((2041, True), (2040, False)):
        path = tmp_path / f"{numbers}.mat"
        values = np.linspace(0, 1, numbers)[None] * np.pi
        savemat(path, {"x": values}, do_compression=True)
        packer = zlib.compressobj()
        repack(path, lambda data, packer=packer: packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))
        if whole:
            np.testing.assert_array_equal(read(path, "x")["x"], values)
        else:
            with pytest.raises(UserError, match="cut short"):
                read(path, "x")


def test_newer_files_say_what_to_do(tmp_path):
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + b"\0" * 400)
    with pytest.raises(UserError, match="save it in MATLAB with -v7"):
        read(path, "x")


def test_deep_nesting_ends(tmp_path):
    def element(kind, data):
        return struct.pack("<II", kind, len(data)) + data + b"\0" * (-len(data) % 8)

    inner = b""
    for _ in range(3000):
        flags = element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, b"x")
        inner = element(14, flags + inner)
    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + struct.pack("<H", 0x0100) + b"IM" + inner)
    with pytest.raises(UserError, match="without end"):
        read(path, "x")


def test_any_flipped_bit(tmp_path):
    """Thousands of files, each with some bits flipped: a UserError or an array, and nothing else."""
    generator = np.random.default_rng(0)
    path = tmp_path / "a.mat"
    values = VALUES | {"s": {"a": 1.0, "b": "text"}, "cells": np.array([[3.0, "z"]], dtype=object)}
    refused = 0
    for packed in (False, True):
        savemat(path, values, do_compression=packed)
        data = path.read_bytes()
        for _ in range(1500):
            broken = bytearray(data)
            for place in generator.integers(100, len(data), generator.integers(1, 4)):
                broken[place] ^= 1 << int(generator.integers(8))
            path.write_bytes(broken)
            try:
                found = read(path, *VALUES, "s", "cells")
                assert all(isinstance(value, np.ndarray) for value in found.values())
            except UserError:
                refused += 1
    assert refused > 1000


@pytest.mark.skipif(not SHARED.is_dir(), reason="no official label files here")
def test_equal_to_scipy_on_official_files():
    files = sorted(SHARED.glob("Penn_Action/labels/*.mat"))[::40] + sorted(SHARED.glob("JHMDB/*/*/*/*.mat"))[::40]
    files += [path for name in ("1605", "1833") if (path := SHARED / f"Penn_Action/labels/{name}.mat").is_file()]
    assert files
    for path in files:
        expected = {key: value for key, value in loadmat(path).items() if not key.startswith("__")}
        found = read(path, *expected)
        assert list(found) == list(expected)
        for key in expected:
            same(found[key], expected[key])
