"""Damage to a video's container, which takes whole frames out of the file: what is left plays on as if nothing were missing.

FFmpeg goes on at the next place that it knows. Its list of packets lacks what lay between, and reading never fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np

MATROSKA, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x1f\x43\xb6\x75"
_ENTERED = (b"\x18\x53\x80\x67", _CLUSTER, b"\xa0")  # segment, cluster, group of a block
_BLOCKS = (b"\xa1", b"\xa3")
# What else these consist of, in Matroska.
_OTHERS = tuple(
    bytes.fromhex(name)
    for name in "1a45dfa3 114d9b74 1549a966 1654ae6b 1c53bb6b 1254c367 1043a770 1941a469 ec bf e7 ab a7 5854 af "
    "9b fb fd 75a1 75a2 a2 a4 fa 8e".split()
)
_TS, _SYNC = 188, 0x47  # bytes of a packet of an MPEG transport stream, and the first of them
_TS_AT_ONCE = 100_000
_NULL = 0x1FFF  # the stream that fills gaps, and counts nothing


def is_damaged(path: Path) -> bool:
    """Say whether a Matroska or WebM file, or an MPEG transport stream, is damaged before its last frames.

    False for what was only cut short, and for other containers: MP4, MOV and AVI list their frames apart from them.
    """
    try:
        with path.open("rb") as file:
            start = file.read(3 * _TS + 1)
            file.seek(0)
            if start.startswith(MATROSKA):
                return _matroska(file)
            if len(start) > _TS and start[0] == start[_TS] == _SYNC or start[_TS::_TS] == bytes([_SYNC] * 3):
                return _transport_stream(file)
    except OSError:  # whoever decodes it says so
        pass
    return False


def _matroska(file: BinaryIO) -> bool:
    """Walk over the elements. Segments, clusters and groups are entered, also those of unknown size; no frame is read."""
    while len(head := file.read(13)) > 1:
        name = head[: 9 - head[0].bit_length()]
        width = 9 - head[len(name)].bit_length() if len(name) < len(head) else 9
        first = len(name) + width
        if name not in (*_ENTERED, *_BLOCKS, *_OTHERS) or width > 8:
            return _goes_on(file)
        if name in _BLOCKS and first < len(head) and not head[first] & 0x80:  # the number of its track, 1 to 126
            return _goes_on(file)
        size = int.from_bytes(head[len(name) : first], "big") & ((1 << 7 * width) - 1)
        file.seek(first - len(head) + (0 if name in _ENTERED else size), 1)
    return False


def _goes_on(file: BinaryIO) -> bool:
    """Say whether frames follow."""
    last = b""
    while data := file.read(1 << 20):
        if _CLUSTER in last + data:
            return True
        last = data[-3:]
    return False


def _transport_stream(file: BinaryIO) -> bool:
    """Look for packets that are none, and for those that are missing by the counters, 0 to 15, of each stream."""
    counted: dict[int, int] = {}
    while len(data := file.read(_TS * _TS_AT_ONCE)) >= _TS:
        packets = np.frombuffer(data[: len(data) // _TS * _TS], np.uint8).reshape(-1, _TS).astype(int)
        if (packets[:, 0] != _SYNC).any():
            return True
        streams = (packets[:, 1] & 0x1F) << 8 | packets[:, 2]
        filled, counters = packets[:, 3] & 0x10 > 0, packets[:, 3] & 0xF
        # A stream that was joined from several says so where they meet.
        joined = (packets[:, 3] & 0x20 > 0) & (packets[:, 4] > 0) & (packets[:, 5] & 0x80 > 0)
        for stream in set(streams[filled].tolist()) - {_NULL}:
            chosen = (streams == stream) & filled
            values, new = counters[chosen], joined[chosen]
            before = np.concatenate([[counted.get(stream, values[0])], values[:-1]])
            # A packet may come twice.
            if (~new & ((values - before) % 16 > 1)).any():
                return True
            counted[stream] = int(values[-1])
    return False
