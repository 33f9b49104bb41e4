"""The one style of all figures: colors, names and positions of joints, and details that several figures share."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from rpstn.errors import UserError
from rpstn.skeletons import Skeleton

STYLE = Path(__file__).with_name("style.mplstyle")
_SETTINGS = matplotlib.rc_params_from_file(STYLE, use_default_template=False)
COLORS = _SETTINGS["axes.prop_cycle"].by_key()["color"]
BLUE, VERMILION, GREEN, PURPLE, SKY_BLUE, ORANGE, GRAY = COLORS
# Lines of reference and small text; what has no value, and frames in which something is hidden.
DARK, LIGHT = _SETTINGS["xtick.color"], "#d9d9d9"
# The person's left, right, and what lies between.
SIDES = {"left": VERMILION, "right": BLUE, "middle": GREEN}
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

Parameters = ParamSpec("Parameters")
Drawn = TypeVar("Drawn")


def use_style() -> None:
    """Give the book's style to all further figures of this process."""
    plt.style.use(STYLE)


def styled(function: Callable[Parameters, Drawn]) -> Callable[Parameters, Drawn]:
    """Make a function draw in the book's style, whatever style is set around it."""

    @functools.wraps(function)
    def drawing(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Drawn:
        plt.get_backend()  # chosen now: chosen inside the context, its being interactive would be undone at the end
        with plt.style.context(STYLE):
            return function(*args, **kwargs)

    return drawing


def side(joint: str) -> str:
    """Tell the side of a joint by its name: "left", "right" or "middle"."""
    prefix = joint.partition("_")[0]
    return prefix if prefix in ("left", "right") else "middle"


def short(joint: str) -> str:
    """Shorten a joint's name for an axis: "L shoulder"."""
    return joint.replace("left_", "L ").replace("right_", "R ").replace("_", " ")


def standing(skeleton: Skeleton) -> np.ndarray:
    """Lay out a schematic pose (K,2) that faces the reader, for drawings without an image."""
    positions = []
    for joint in skeleton.joints:
        name = joint.removeprefix("left_").removeprefix("right_")
        if name not in STANDING:
            raise UserError(f"no position is known for joint {joint!r}; give the pose to draw on as `joints`")
        x, y = STANDING[name]
        positions.append((-x if side(joint) == "right" else x, y))
    return np.array(positions, dtype=np.float64)


def bare(ax: Axes) -> None:
    """Take ticks, grid and frame away from axes that show an image or a figure."""
    ax.set(xticks=[], yticks=[])
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)


def legend_above(ax: Axes, columns: int) -> None:
    """Put the legend above the axes."""
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=columns)
