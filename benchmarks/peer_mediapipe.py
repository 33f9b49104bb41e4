"""Run MediaPipe Pose over crops, for benchmarks.peers, with the Python of an environment that has mediapipe and not this package.

    python -m venv peers && peers/bin/pip install mediapipe==0.10.14
    peers/bin/python benchmarks/peer_mediapipe.py CROPS.npz OUT.npz

CROPS.npz: "crops" (N,S,S,3) uint8 RGB, of which the first "video" are consecutive frames, the others each for itself. OUT.npz:
"joints" (N,17,3), COCO's joints in pixels of the crop with MediaPipe's visibility, NaN where it found nobody; "seconds" (N,). The
full model alone: the lite and heavy ones are not in the package, which fetches them from the network at their first use.
"""

import sys
import time

import mediapipe
import numpy as np

COCO = (0, 2, 5, 7, 8, 11, 12, 13, 14, 15, 16, 23, 24, 25, 26, 27, 28)  # MediaPipe's number of each of COCO's joints


def main() -> None:
    """Read crops, find joints, write them."""
    given, out = sys.argv[1:]
    with np.load(given, allow_pickle=False) as content:
        crops, video = content["crops"], int(content["video"])
    joints = np.full((len(crops), len(COCO), 3), np.nan, np.float32)
    seconds = np.zeros(len(crops))
    networks = [mediapipe.solutions.pose.Pose(static_image_mode=still, model_complexity=1) for still in (False, True)]
    for index, crop in enumerate(crops):
        network = networks[index >= video]
        begun = time.perf_counter()
        found = network.process(crop).pose_landmarks
        seconds[index] = time.perf_counter() - begun
        if found is not None:
            marks = [found.landmark[number] for number in COCO]
            joints[index] = [(mark.x * crop.shape[1] - 0.5, mark.y * crop.shape[0] - 0.5, mark.visibility) for mark in marks]
    np.savez(out, joints=joints, seconds=seconds)


if __name__ == "__main__":
    main()
