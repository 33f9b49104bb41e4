"""Output that a terminal may not be able to show: file names and text outside its encoding are escaped, not an error."""

from __future__ import annotations

import codecs
import contextlib
import io
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def escaping() -> Iterator[None]:
    r"""Let standard output and error take any text while it lasts.

    Python raises UnicodeEncodeError where a stream's encoding lacks a character, be it after hours of work. Here it becomes an
    escape, such as \\xe9. A file name's bytes that Python could not decode (PEP 383) are passed on as they came.
    """
    codecs.register_error("rpstn", _escape)
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, io.TextIOWrapper)]
    before = [stream.errors for stream in streams]
    for stream in streams:
        stream.reconfigure(errors="rpstn")
    try:
        yield
    finally:
        for stream, errors in zip(streams, before, strict=True):
            with contextlib.suppress(ValueError):  # closed, when the reader of our output has closed it
                stream.reconfigure(errors=errors)


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """Return a file name's bytes in UTF-8, which a system of another encoding keeps undecoded; else escapes of the characters."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    with contextlib.suppress(UnicodeError):
        raw = error.object[error.start : error.end].encode("ascii", "surrogateescape")
        raw.decode("utf-8")
        return raw, error.end
    return codecs.backslashreplace_errors(error)
