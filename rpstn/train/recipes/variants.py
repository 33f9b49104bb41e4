"""The variants of RPSTN that the book compares."""

from __future__ import annotations

from rpstn.errors import UserError, suggest

# What each variant changes in the full network.
VARIANTS: dict[str, dict[str, str]] = {
    "rpstn": {},
    "frame_by_frame": {"relation": "off", "propagation": "none"},
    "without_propagation": {"propagation": "none"},
    "without_relation": {"relation": "off"},
    "concat": {"propagation": "concat"},
}

# What a variant, and each training before it, is called in figures and tables.
TITLES = {
    "images": "images",
    "encoder": "encoder",
    "rpstn": "RPSTN",
    "frame_by_frame": "frame by frame",
    "without_propagation": "without propagation",
    "without_relation": "without relation",
    "concat": "concat",
}


def check_variant(name: str) -> str:
    """Return the name of a variant. Raises UserError for an unknown one."""
    if name not in VARIANTS:
        raise UserError(f"no variant is called {name!r}{suggest(name, VARIANTS)}; known are {', '.join(VARIANTS)}")
    return name
