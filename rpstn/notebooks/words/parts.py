"""What the data hold, what the JRE makes of one pose, and what a propagator carries."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rpstn.notebooks.words.common import plural


def shared_groups_words(count: int) -> str:
    """Say whether groups are in both train and test."""
    if count:
        return f"**{plural(count, 'group')}** in both train and test: the data set's own split is kept as it is."
    return "No group is in both train and test: nothing that is tested was trained on."


def occluded_words(occluded: np.ndarray, by: Sequence[np.ndarray]) -> str:
    """Say how many joints are occluded, and how many of them by the person's own body.

    occluded  bool. by: what hides each joint, in parts that together have its shape, 1 for the own body; empty where not known.
    """
    if not occluded.any():
        return "No joint is marked as occluded in this data set: whether a joint was hidden is not known."
    text = f"Of all joints, {occluded.mean():.1%} are occluded"
    if not len(by):
        return f"{text}."
    own = (np.concatenate(by)[occluded] == 1).mean()
    return f"{text}; {own:.0%} of these by the person's own body, the others by something else."


def hidden_so_far_words(frames: np.ndarray) -> str:
    """Say for how long occluded joints have been hidden. frames: since each was last visible; -1 where it never was."""
    if not len(frames):
        return "The chapter on occlusion studies this data set by hiding joints on purpose."
    return (
        f"Of the occluded joints, {(frames < 0).mean():.0%} were not visible before in their clip, and "
        f"{((frames >= 1) & (frames <= 5)).mean():.0%} have been hidden for up to five frames."
    )


def kernel_change_words(change: float) -> str:
    """Say whether kernels change within a clip. change: their mean distance from the clip's mean, as a fraction of its length."""
    text = f"On average the kernels lie {100 * change:.2g} % of their length from the clip's mean kernels. "
    if change < 0.05:
        return text + "They hardly change in this clip: what is carried is almost the same in every frame."
    return text + "They change from frame to frame."


def carried_words(pose: float, image: float, trained: bool) -> str:
    """Say whether what is carried depends on the pose or on the image.

    pose, image  change of the matched features when another clip's heatmaps, or features, make the kernels; fractions.
    trained      whether the weights are.
    """
    if max(pose, image) < 0.02:
        text = "Almost nothing is carried here. "
    elif pose > 1.2 * image:
        text = f"What is carried depends on the pose {pose / max(image, 1e-12):.1f} times as much as on the image. "
    elif image > 1.2 * pose:
        text = f"What is carried depends on the image {image / max(pose, 1e-12):.1f} times as much as on the pose. "
    else:
        text = "What is carried depends on pose and image about equally. "
    if trained:
        return text + "The weights are trained: this is what the network has learned to carry."
    return text + "The weights are untrained: this is where the network starts, not what it learns to carry."
