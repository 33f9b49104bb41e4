"""The embedded data set: real human motion, drawn bodies, exact truth. Made on the spot by `make_embedded`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rpstn.embedded.make import make_embedded

__all__ = ["make_embedded"]


def __getattr__(name: str) -> Any:
    # Imported when asked for, so that importing the package draws in neither OpenCV nor SciPy.
    if name == "make_embedded":
        from rpstn.embedded.make import make_embedded

        return make_embedded
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
