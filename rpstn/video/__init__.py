"""From a video to poses and files.

A video becomes poses in this order, a frame at a time:

    input/          source -> frames: a file, a folder, a camera, an array
    boxes.py        where the people are, as a user gives it; box_tables.py reads the files
    network.py      one crop of one frame -> joints, confidences, relations, state
    tracking.py     the pose in this frame -> the box in the next
    stream.py       frame after frame, everything above: PoseStream

and goes to whoever asked:

    predict.py      `rpstn.predict`: arrays in memory
    watch.py        the same with frames and boxes, for figures
    job.py          `rpstn predict`: files of a video of any length, which can be resumed; threads.py overlaps its work
    output/         the files: poses.json, poses.csv, annotated.webm
    calibrate.py    which confidence counts as low, measured on labeled clips
"""

from rpstn.video.output.drawing import compare_poses, draw_pose
from rpstn.video.output.webm import WebmWriter, write_webm

__all__ = ["WebmWriter", "compare_poses", "draw_pose", "write_webm"]
