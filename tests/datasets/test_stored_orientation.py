"""Images of the published sets are read as they are stored, whatever their metadata say of turning: so their labels are given."""

import struct

import cv2
import numpy as np
import pytest

from rpstn.datasets import open_dataset
from rpstn.datasets.check import check_dataset
from rpstn.datasets.windows import make_window

from . import test_coco, test_hieve, test_mpii, test_posetrack

HEIGHT, WIDTH = 48, 64
SPOT = (44, 12)  # x, y of a red spot on gray; turned or mirrored in any way, it lies elsewhere


def tagged_image(path, orientation, order):
    """A JPEG whose EXIF asks for a rotation or a mirror image."""
    image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
    cv2.circle(image, SPOT, 4, (0, 0, 255), -1)
    tag = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, 1) + tag + bytes(4)
    segment = b"Exif\0\0" + tiff
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1].tobytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + data[2:])


def coco(root):
    joints = np.random.default_rng(0).integers(8, 40, (17, 2))
    joints[0] = SPOT
    person = test_coco.person(1, 51, joints, [2] * 17, bbox=[4, 2, 56, 44])
    test_coco.write(root, "val2017", test_coco.content([51], [person]))


def mpii(root):
    people = [test_mpii.entry(index) for index in (1, 2)]
    for person in people:
        person["joints"] = [[SPOT[0] + 1, SPOT[1] + 1]] + [[10.0 + joint, 20.0 + joint] for joint in range(15)]  # 1-based
        person |= {"center": [32.0, 24.0], "scale": 0.28}
    test_mpii.write_lists(root, people[:1], people[1:])


def posetrack18(root):
    person = test_posetrack.person(0, 0)
    person["keypoints"][:3] = [*map(float, SPOT), 1.0]
    person["bbox"] = [4.0, 2.0, 56.0, 44.0]
    test_posetrack.write(root, test_posetrack.VIDEO, test_posetrack.content(test_posetrack.VIDEO, [person], (0,), 1))


def hieve(root):
    person = test_hieve.person("P-1", 0)
    x, y = test_hieve.position("P-1", 0)[0]
    person = person.replace(f"<Nose>{x},{y},", f"<Nose>{SPOT[0]},{SPOT[1]},").replace("<xmax>40<", "<xmax>60<")
    test_hieve.write(root, "7", {0: [person]}, 1, "test")


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
@pytest.mark.parametrize("write", [coco, mpii, posetrack18, hieve])
def test_labels_and_pixels_stay_together(write, orientation, tmp_path):
    write(tmp_path)
    for number, path in enumerate(sorted(tmp_path.rglob("*.jpg"))):
        tagged_image(path, orientation, "<>"[number % 2])
    clip = (dataset := open_dataset(write.__name__, tmp_path, "test"))[0]
    frame = clip.frames.read([0])[0]
    assert frame.shape == (HEIGHT, WIDTH, 3)
    assert tuple(clip.joints[0, 0]) == SPOT and np.abs(frame[SPOT[1], SPOT[0]].astype(int) - [255, 0, 0]).max() < 40
    # In the crop that a network sees, which is what evaluation predicts on.
    window = make_window(clip, dataset.skeleton, 0, 1, 64)
    x, y = np.rint(window.joints[0, 0]).astype(int)
    assert np.abs(window.frames[0, y, x].astype(int) - [255, 0, 0]).max() < 60
    assert not [fault for fault in check_dataset(write.__name__, tmp_path).faults if "pixels" in fault]


def test_the_tag_is_one_that_opencv_follows(tmp_path):
    """Otherwise the test above would hold for any reader."""
    for order in "<>":
        tagged_image(tmp_path / "a.jpg", 6, order)
        assert cv2.imread(str(tmp_path / "a.jpg")).shape[:2] == (WIDTH, HEIGHT)
