"""From a video to poses and files."""

from rpstn.video.drawing import compare_poses, draw_pose
from rpstn.video.webm import WebmWriter, write_webm

__all__ = [
    "WebmWriter",
    "compare_poses",
    "draw_pose",
    "write_webm",
]
