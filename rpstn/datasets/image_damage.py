"""Damaged image files, of which decoders draw what they can."""

from __future__ import annotations

from collections.abc import Sequence

_JPEG, _END, _SCAN = b"\xff\xd8", b"\xff\xd9", 0xDA
_ALONE = (*range(0xD0, 0xD8), 0x01, 0xFF)  # markers without a length; FF fills
# What libjpeg and OpenCV's reader of TIFFs say of pixels that they could not decode.
_WORDS = ("premature end", "bad huffman code", "extraneous bytes before marker", "tiff_error", "corrupt jpeg data")
# A few bytes more before the end: some cameras write them, and all pixels are there.
_HARMLESS = "extraneous bytes before marker 0xd9"


def damage_in(said: Sequence[str]) -> str:
    """Find the first line of a decoder's messages that tells of pixels which are not those that were stored; "" for none."""
    for line in said:
        lower = line.lower()
        if any(word in lower for word in _WORDS) and _HARMLESS not in lower:
            return line.rpartition("TIFF_Error")[2].strip(" :")
    return ""


def is_cut_short(data: bytes) -> bool:
    """Say whether a JPEG lacks its end. False for what is no JPEG.

    The end is looked for behind the head, where the small image that cameras put there has an end of its own.
    """
    if not data.startswith(_JPEG):
        return False
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == _SCAN:
            break
        place += 1 if marker == 0xFF else 2 if marker in _ALONE else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data.find(_END, place) < 0
