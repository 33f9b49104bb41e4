"""One clip of the embedded set: from its plan to its files."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

from rpstn.datasets.clip import ABSENT, VISIBLE
from rpstn.datasets.penn_action import PENN_ACTION_ORIGIN as ORIGIN
from rpstn.embedded.bodies import make_body, pose_body
from rpstn.embedded.camera import Camera, follow
from rpstn.embedded.motion import with_proportions
from rpstn.embedded.plan import SPLITS, ClipPlan, clip_poses
from rpstn.embedded.render import Rendered, make_lens, render
from rpstn.embedded.scene import make_place, make_things

_HEADER = b"MATLAB 5.0 MAT-file, RPSTN embedded data set"


def _seed(plan: ClipPlan, purpose: int, index: int) -> np.random.SeedSequence:
    """Return a seed; those of different splits and purposes never meet."""
    return np.random.SeedSequence([plan.seed, 2, SPLITS.index(plan.split), purpose, index])


def draw_clip(plan: ClipPlan, frames: int, size: int) -> tuple[Rendered, str]:
    """Render a planned clip. Returns it and the view in Penn Action's words (front, back, left, right)."""
    rng = np.random.default_rng(_seed(plan, 0, plan.index))
    # Each person occurs in at most three clips, in val and test all of one group; each place in one clip.
    body = make_body(_seed(plan, 1, plan.body))
    points, matrices = with_proportions(clip_poses(plan, frames, rng), body.lengths)
    vertices, normals = pose_body(body, points, matrices)
    lift = _lift(vertices[..., 1].min(1))
    points[..., 1] += lift[:, None]
    vertices[..., 1] += lift[:, None].astype(np.float32)
    camera = follow(rng, vertices, size)
    place = make_place(_seed(plan, 2, plan.index), camera, vertices)
    things = make_things(_seed(plan, 3, plan.index), camera, points, place)
    rendered = render(body, points, matrices, camera, place, things, make_lens(rng), rng, (vertices, normals))
    return rendered, _view(camera, matrices)


def _lift(lowest: np.ndarray) -> np.ndarray:
    """Return how far to lift each frame (T,) so that the body stands on the ground: one shift for the clip, so that flights stay
    flights, and what still would lie below the ground softly raised.
    """
    shift = -np.percentile(lowest, 15)
    deep = np.maximum(0.0, -(lowest + shift) - 0.005)
    padded = np.pad(deep, 3, mode="edge")
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
    return shift + np.convolve(padded, kernel / kernel.sum(), mode="valid")


def _view(camera: Camera, matrices: np.ndarray) -> str:
    """Say where the person faces, in the middle of the clip, as seen in the image."""
    middle = len(matrices) // 2
    x, _, z = camera.axes[middle] @ matrices[middle, 0, :, 0]
    if abs(z) > abs(x):
        return "front" if z < 0 else "back"
    return "left" if x < 0 else "right"


def write_clip(plan: ClipPlan, root: Path, frames: int, size: int) -> str:
    """Draw a clip and write its frames and label file below root. Returns the sha256 of all that was written."""
    rendered, view = draw_clip(plan, frames, size)
    name = f"{plan.number:04d}"
    folder = root / "frames" / name
    folder.mkdir()  # not its parents: a cleared-away making must stay away
    digest = hashlib.sha256()
    for index, frame in enumerate(rendered.frames, start=1):
        done, code = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, rendered.quality])
        if not done:
            raise RuntimeError(f"OpenCV could not encode frame {index} of clip {name}")
        (folder / f"{index:06d}.jpg").write_bytes(code.tobytes())
        digest.update(code.tobytes())
    label = label_bytes(plan, rendered, view)
    (root / "labels" / f"{name}.mat").write_bytes(label)
    digest.update(label)
    return digest.hexdigest()


def label_bytes(plan: ClipPlan, rendered: Rendered, view: str) -> bytes:
    """Make the label file in Penn Action's form, with the extra truth under keys of its own."""
    frames, height, width = rendered.frames.shape[:3]
    absent = rendered.state == ABSENT
    stored = np.where(absent[..., None], 1.0, rendered.joints + ORIGIN)
    content = {
        "action": np.array([plan.action]),
        "pose": np.array([view]),
        "x": stored[..., 0],
        "y": stored[..., 1],
        "visibility": (rendered.state == VISIBLE).astype(np.uint8),
        "train": np.array([[-1 if plan.split == "test" else 1]], np.int32),
        "bbox": rendered.corners.astype(np.float64) + ORIGIN,
        "dimensions": np.array([[height, width, frames]], np.uint16),
        "nframes": np.array([[frames]], np.uint16 if frames > 255 else np.uint8),
        "state": rendered.state,
        "occluded_by": rendered.occluded_by,
        "source": np.array([plan.group]),
        "split": np.array([plan.split]),
        "held_out": np.array([[plan.held_out]], np.uint8),
        "motion": np.array([plan.motion]),
        "body": np.array([f"{plan.split}-{plan.body:03d}"]),
        "place": np.array([f"{plan.split}-{plan.index:03d}"]),
    }
    buffer = io.BytesIO()
    savemat(buffer, content, do_compression=True)
    # The first 116 bytes are free text, in which SciPy notes the time of day.
    return _HEADER.ljust(116) + buffer.getvalue()[116:]
