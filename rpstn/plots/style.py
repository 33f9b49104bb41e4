"""The one style of all figures, and the names and places of joints in them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import numpy as np

from rpstn.errors import UserError
from rpstn.skeletons import Skeleton

STYLE = Path(__file__).with_name("style.mplstyle")
# The person's left, right, and what lies between.
SIDES = {"left": "#D55E00", "right": "#0072B2", "middle": "#009E73"}
# Where joints are in a figure that faces the reader: x to the right, y down. The person's left is on the
# right.
STANDING = {
    "head": (0, 0), "face": (0, 0), "neck": (0, 1), "belly": (0, 2.6),
    "nose": (0, 0.1), "eye": (0.3, -0.25), "ear": (0.65, 0),
    "shoulder": (0.9, 1.2), "elbow": (1.5, 2.5), "wrist": (1.7, 3.8),
    "hip": (0.6, 3.9), "knee": (0.75, 5.8), "ankle": (0.8, 7.7),
    "head_top": (0, -0.9), "head_bottom": (0, 0.9), "upper_neck": (0, 0.95), "thorax": (0, 1.25), "chest": (0, 1.25),
    "pelvis": (0, 3.9),
}  # fmt: skip

Figure = TypeVar("Figure", bound=Callable[..., Any])


def use_style() -> None:
    """Give the book's style to all further figures of this process."""
    plt.style.use(STYLE)


def styled(function: Figure) -> Figure:
    """The function, drawing in the book's style whatever the surroundings have set."""

    @functools.wraps(function)
    def drawing(*arguments: Any, **settings: Any) -> Any:
        plt.get_backend()  # chosen now: chosen inside the context, its being interactive would be undone at the end
        with plt.style.context(STYLE):
            return function(*arguments, **settings)

    return drawing


def side(joint: str) -> str:
    """ "left", "right" or "middle", by the joint's name."""
    found = joint.partition("_")[0]
    return found if found in ("left", "right") else "middle"


def short(joint: str) -> str:
    """A joint's name for an axis: "L shoulder"."""
    return joint.replace("left_", "L ").replace("right_", "R ").replace("_", " ")


def standing(skeleton: Skeleton) -> np.ndarray:
    """A schematic pose (K,2) that faces the reader, for drawings without an image."""
    places = []
    for joint in skeleton.joints:
        name = joint.removeprefix("left_").removeprefix("right_")
        if name not in STANDING:
            raise UserError(f"no place is known for joint {joint!r}; give the pose to draw on as `joints`")
        x, y = STANDING[name]
        places.append((-x if side(joint) == "right" else x, y))
    return np.array(places, dtype=np.float64)
