"""From what a user calls a video to the source of its frames.

Every source gives (H,W,3) uint8 RGB of one size, with the time at which each frame is to be shown. Nothing is kept: a source
that is iterated holds one frame. Frames are counted as they are decoded, since headers are often wrong, and times are the
stream's own where it has them, so a variable frame rate stays one.
"""

from __future__ import annotations

import os
import re
from numbers import Real
from typing import Any

import numpy as np

from rpstn.datasets.image_pages import is_image
from rpstn.errors import UserError
from rpstn.runs.paths import expanded
from rpstn.video.input.arrays import ArrayInput, is_frames
from rpstn.video.input.camera import Camera, camera_index
from rpstn.video.input.frames import DEFAULT_FPS, FPS, VideoInput, usable
from rpstn.video.input.images import FrameFolder, ImageFile
from rpstn.video.input.video_file import VideoFile

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/+", re.IGNORECASE)  # of two letters at least: C:/ is a drive


def unused_rate(source: VideoInput, fps: float | None) -> list[str]:
    """Say that a rate was given in vain, for a source with times of its own; an empty list where it was used, or none given."""
    if fps is None or not isinstance(source, VideoFile | Camera):
        return []
    return [f"fps {fps:g} was not used: {source.name} has times of its own, a folder has none"]


def open_input(video: Any, fps: float | None = None) -> VideoInput:
    """Open the source that `video` names.

    video  path of a video file, of an image file (one upright frame, or all the images that it holds) or of a folder of images
           (in the order of the numbers in their names); a camera's index, as a number or as text; an array or tensor (T,H,W,3),
           (T,H,W,4), (T,H,W,1) or (T,H,W) of uint8, RGB, or of one frame (H,W,3) or (H,W); or a list of such frames.
    fps    frames per second of images or an array, which have no times of their own.

    Raises UserError for what is not there or is no such thing. A file or folder without frames and a camera that gives none
    raise it when the first frame is asked for.
    """
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, Real) or not usable(fps)):
        raise UserError(f"fps is {fps!r}; give frames per second between {FPS[0]:g} and {FPS[1]:g}")
    if is_frames(video):
        return ArrayInput(video, fps or DEFAULT_FPS)
    if isinstance(video, int | np.integer) and not isinstance(video, bool):
        return Camera(int(video))
    if not isinstance(video, str | os.PathLike) or isinstance(os.fspath(video), bytes):
        raise UserError(
            f"video is of type {type(video).__name__}; give a path, a camera's index, or frames: a uint8 array (T,H,W,3) of RGB, "
            "or a list of such arrays (H,W,3)"
        )
    if not os.fspath(video):  # as of a shell's variable that is not set; as a path, it would be the working directory
        raise UserError("the path of the video is empty; name a video, an image or a folder")
    path = expanded(video)
    if os.path.isdir(path):  # Path.is_dir raises OSError for a name that is too long
        return FrameFolder(path, fps or DEFAULT_FPS)
    if os.path.isfile(path):
        return ImageFile(path, fps or DEFAULT_FPS) if is_image(path) else VideoFile(path)
    index = camera_index(video)
    if index is not None:
        return Camera(index)
    raise UserError(_why_not_there(os.fspath(video)))


def _why_not_there(video: str) -> str:
    if video.lower().startswith("file:/"):
        return f"{video}: addresses are not read; give the path alone, without file://"
    if _ADDRESS.match(video):
        return (
            f"{video}: addresses are not read. Save the video as a file and give that (a stream, for example, with ffmpeg -i "
            "ADDRESS -t 60 clip.mp4), or read frames with cv2.VideoCapture and give them to rpstn.predict as an array of RGB"
        )
    if os.path.exists(video):
        return f"{video}: this is neither a file nor a folder; give a camera by its index, such as 0, or save the video as a file"
    return f"{video}: there is no such video file or folder; check the path, or give a camera's index such as 0"
