"""PoseTrack2018: tracks of several people, frames that nobody labeled, boxes, and damaged files."""

import copy
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from rpstn.datasets import ABSENT, VISIBLE, DamagedClipsWarning, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.posetrack import BOX_GROWTH, hull_box
from rpstn.datasets.transforms import crop_affine
from rpstn.datasets.windows import make_window
from rpstn.errors import UserError
from rpstn.skeletons import HIEVE, POSETRACK18

REAL = Path(__file__).parents[3] / "shared" / "data" / "PoseTrack18"
HEIGHT, WIDTH = 48, 64
real = pytest.mark.skipif(not REAL.is_dir(), reason="no real PoseTrack2018 frames here")
VIDEO = "000342_mpii_test"


def position(track, number):
    """Joints (17,2) of a person in a frame; the ears are never labeled."""
    joints = np.random.default_rng(track).integers(8, 30, (17, 2)) + [number, 0]
    joints[3:5] = 0
    return joints


def image_id(number):
    return 10003420000 + number


def person(track, number, **other):
    joints = position(track, number)
    stored = [float(value) for index, (x, y) in enumerate(joints) for value in (x, y, index not in (3, 4))]
    labeled = np.delete(joints, (3, 4), axis=0)
    entry = {"id": image_id(number) * 100 + track, "image_id": image_id(number), "track_id": track, "category_id": 1}
    entry |= {"keypoints": stored, "scores": [], "bbox": hull_box(labeled).tolist(), "bbox_head": [5, 6, 7 + number, 8]}
    return entry | other


def content(video, people, labeled, frames=8, part="val"):
    images = [
        {
            "id": image_id(number),
            "frame_id": image_id(number),
            "vid_id": video[:6],
            "file_name": f"images/{part}/{video}/{number:06d}.jpg",
            "nframes": frames,
            "is_labeled": number in labeled,
        }
        for number in range(frames)
    ]
    for number in labeled:
        images[number] |= {"ignore_regions_x": [[0, 9, 9 + number], [1, 2]], "ignore_regions_y": [[0, 0, 9], [1, 2]]}
    category = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(POSETRACK18.joints)}
    return {"images": images, "annotations": people, "categories": [category]}


def write(root, video, stored, part="val"):
    (root / "annotations" / part).mkdir(parents=True, exist_ok=True)
    folder = root / "images" / part / video
    folder.mkdir(parents=True, exist_ok=True)
    for image in stored["images"]:
        number = int(Path(image["file_name"]).stem)
        cv2.imwrite(str(folder / f"{number:06d}.jpg"), np.full((HEIGHT, WIDTH, 3), (20 * number, 100, 50), np.uint8))
    (root / "annotations" / part / f"{video}.json").write_text(json.dumps(stored))


def two_people():
    """Person 0 in frames 0, 4 and 7, person 5 in frames 4 and 7; frames 1 to 3, 5 and 6 are not labeled."""
    return content(VIDEO, [person(0, 0), person(0, 4), person(5, 4), person(5, 7), person(0, 7)], (0, 4, 7))


@pytest.fixture
def root(tmp_path):
    write(tmp_path, VIDEO, two_people())
    for number in range(12):
        video = f"{number:06d}_bonn_train"
        write(tmp_path, video, content(video, [person(1, 0), person(2, 0)], (0,), 1, "train"), "train")
    return tmp_path


def test_one_clip_for_each_track(root):
    dataset = open_dataset("posetrack18", root, "test")
    assert dataset.skeleton == POSETRACK18 and [clip.id for clip in dataset] == [f"{VIDEO}_0", f"{VIDEO}_5"]
    first, second = dataset
    assert [len(first), len(second)] == [8, 4] and {first.group, second.group} == {VIDEO}
    assert [clip.truth.track.person for clip in dataset] == ["0", "5"]
    for clip, start, track in ((first, 0, 0), (second, 4, 5)):
        for number in clip.truth.track.labeled.nonzero()[0] + start:
            np.testing.assert_array_equal(clip.joints[number - start], position(track, number))
    assert [path.name for path in second.frames.paths] == ["000004.jpg", "000005.jpg", "000006.jpg", "000007.jpg"]
    pixels = second.frames.read([0, 3])[:, 0, 0, 2]
    assert np.abs(pixels.astype(int) - [80, 140]).max() < 6 and second.frames.size == (HEIGHT, WIDTH)


def test_frames_between_labels(root):
    """Nothing is claimed of a frame that nobody labeled; the box moves evenly through it."""
    clip = open_dataset("posetrack18", root, "test")[0]
    assert clip.truth.track.labeled.tolist() == [True, False, False, False, True, False, False, True]
    assert not clip.visibility[[1, 2, 3, 5, 6]].any()
    assert (np.delete(clip.visibility[[0, 4, 7]], (3, 4), axis=1) == VISIBLE).all()
    assert (clip.visibility[:, [3, 4]] == ABSENT).all() and POSETRACK18.unscored == (3, 4)
    start, end = clip.boxes[0], clip.boxes[4]
    assert end[0] - start[0] == 4
    for number in range(5):
        np.testing.assert_allclose(clip.boxes[number], start + (end - start) * number / 4, rtol=1e-6)


def test_a_person_who_is_missing_from_a_labeled_frame(root):
    write(root, VIDEO, content(VIDEO, [person(0, 0), person(5, 4), person(0, 7)], (0, 4, 7)))
    clip = open_dataset("posetrack18", root, "test")[0]
    assert clip.truth.track.labeled.nonzero()[0].tolist() == [0, 7] and not clip.visibility[4].any()
    assert clip.truth.track.frame_labeled.nonzero()[0].tolist() == [0, 4, 7]


def test_what_the_score_needs(root):
    clip = open_dataset("posetrack18", root, "test")[1]
    assert clip.truth.track.image_ids.tolist() == [image_id(number) for number in (4, 5, 6, 7)]
    np.testing.assert_array_equal(clip.truth.head_boxes[[0, 3]], [[5, 6, 11, 8], [5, 6, 14, 8]])
    assert np.isnan(clip.truth.head_boxes[1:3]).all()
    assert clip.truth.annotated.sum(axis=1).tolist() == [15, 0, 0, 15]
    regions = clip.truth.track.ignore_regions
    assert [len(polygons) for polygons in regions] == [1, 0, 0, 1]  # two points enclose nothing
    np.testing.assert_array_equal(regions[0][0], [[0, 0], [9, 0], [13, 9]])


def test_frames_that_the_file_does_not_list(root):
    stored = two_people()
    stored["images"] = [image for image in stored["images"] if image["is_labeled"]]
    (root / "annotations" / "val" / f"{VIDEO}.json").write_text(json.dumps(stored))
    clip = open_dataset("posetrack18", root, "test")[0]
    assert len(clip) == 8 and clip.truth.track.image_ids.tolist()[:5] == [image_id(0), -1, -1, -1, image_id(4)]
    assert clip.frames.read([2]).shape == (1, HEIGHT, WIDTH, 3)


def test_boxes_are_enlarged_once(root):
    """The clip has the stored box; the crop around it is 1.25 times its longer side."""
    clip = open_dataset("posetrack18", root, "test")[0]
    box = np.array(person(0, 0)["bbox"], np.float32)
    np.testing.assert_array_equal(clip.boxes[0], box)
    window = make_window(clip, POSETRACK18, 0, 1, 64)
    np.testing.assert_allclose(window.affine, crop_affine(box, 64))
    assert window.affine[0, 0] == pytest.approx(64 / (1.25 * box[2:].max()))


def test_the_sets_rule_for_boxes():
    np.testing.assert_allclose(hull_box(np.array([[10, 10], [20, 50]])), [8.5, 4, 10 * BOX_GROWTH, 40 * BOX_GROWTH])
    np.testing.assert_allclose(hull_box(np.array([[10, 10], [30, 10]])), [7, 8.7, 26, 2.6])
    assert hull_box(np.array([[3, 4], [3, 4]])) is None


@pytest.mark.parametrize("skeleton", [POSETRACK18, HIEVE], ids=lambda skeleton: skeleton.name)
def test_skeletons_of_several_people(skeleton):
    """A flip exchanges left and right of each joint that has sides; limbs hold the body together and cross it at the hips."""
    for index, other in enumerate(skeleton.flip_permutation):
        mirrored = skeleton.joints[other].replace("left", "?").replace("right", "left").replace("?", "right")
        assert skeleton.joints[index] == mirrored
    reached = {0}
    for _ in skeleton.joints:
        reached |= {joint for limb in skeleton.limbs if reached & set(limb) for joint in limb}
    assert len(reached) == len(skeleton)
    for limb in skeleton.limbs:
        sides = {skeleton.joints[joint].split("_")[0] for joint in limb}
        assert not {"left", "right"} <= sides or {skeleton.joints[joint].split("_")[1] for joint in limb} == {"hip"}
    assert [skeleton.joints[joint] for joint in skeleton.torso] == ["right_shoulder", "left_hip"]


@pytest.mark.parametrize("stored", [None, [], "absent"])
def test_a_missing_box_is_made_from_the_joints(root, stored):
    people = [person(0, 0)]
    box = people[0].pop("bbox")
    if stored != "absent":
        people[0]["bbox"] = stored
    write(root, VIDEO, content(VIDEO, people, (0,)))
    clip = open_dataset("posetrack18", root, "test")[0]
    np.testing.assert_allclose(clip.boxes[0], box, rtol=1e-6)
    assert clip.truth.boxes_repaired == 1


def test_people_without_joints_and_joints_outside(root):
    outside = person(0, 0)
    outside["keypoints"][0:2] = [-30, 5]
    nobody = person(3, 0, keypoints=[0] * 51)
    stored = content(VIDEO, [outside, nobody], (0,))
    for image in stored["images"]:
        image |= {"height": HEIGHT, "width": WIDTH}
    write(root, VIDEO, stored)
    (clip,) = open_dataset("posetrack18", root, "test")
    assert clip.visibility[0, 0] == ABSENT and clip.truth.annotated[0, 0] and clip.truth.joints_outside == 1


def test_val_is_cut_from_train_by_video(root):
    splits = read_splits("posetrack18", root, seed=1)
    sources = {name: {clip.group for clip in dataset} for name, dataset in splits.items()}
    assert len(sources["val"]) == 2 and len(sources["train"]) == 10 and sources["test"] == {VIDEO}
    assert not sources["val"] & sources["train"] and all(len(splits[name]) == 2 * len(sources[name]) for name in sources)
    assert {clip.group for clip in open_dataset("posetrack18", root, "val", seed=1)} == sources["val"]


def test_missing_files_and_images(root, tmp_path_factory):
    with pytest.raises(UserError, match="no label files"):
        open_dataset("posetrack18", tmp_path_factory.mktemp("empty"), "test")
    (root / "images" / "val" / VIDEO / "000006.jpg").unlink()
    with pytest.raises(UserError, match="000006.jpg: missing, though track 0"):
        open_dataset("posetrack18", root, "test")
    assert len(open_dataset("posetrack18", root, "test", labels_only=True)) == 2
    write(root, VIDEO, two_people())
    (root / "images" / "val" / VIDEO).rename(root / "elsewhere")
    with pytest.raises(UserError, match="cannot list this folder of images"):
        open_dataset("posetrack18", root, "test")


BYTES = {
    "empty": (lambda data: b"", "is empty"),
    "blank": (lambda data: b"\n\n", "is empty"),
    "truncated": (lambda data: data[: len(data) // 2], "not a readable JSON file"),
    "pickled": (lambda data: pickle.dumps(json.loads(data)), "not a readable JSON file"),
    "an image": (lambda data: cv2.imencode(".jpg", np.zeros((4, 4, 3), np.uint8))[1].tobytes(), "not a readable JSON file"),
    "nested without end": (lambda data: b'{"a":' * 100_000, "not a readable JSON file"),
    "a list": (lambda data: b"[]", "holds a list where an object"),
    "a string": (lambda data: b'"video"', "holds a string where an object"),
}
# Damage to the whole file.
CONTENTS = {
    "no images": (lambda c: c.pop("images"), "lacks images"),
    "images empty": (lambda c: c.update(images=[]), "images is empty"),
    "images a table": (lambda c: c.update(images={}), "images is an object"),
    "no annotations": (lambda c: c.pop("annotations"), "lacks annotations"),
    "nobody": (lambda c: c.update(annotations=[]), "nobody in it"),
    "nobody labeled": (lambda c: [p.update(keypoints=[0] * 51) for p in c["annotations"]], "nobody in it"),
    "people are lists": (lambda c: c.update(annotations=[[1]]), "entry 0 is a list"),
    "no categories": (lambda c: c.pop("categories"), "lacks categories"),
    "COCO's joints": (lambda c: c["categories"][0]["keypoints"].__setitem__(1, "left_eye"), "the keypoints of category person"),
    "another category": (lambda c: c["annotations"][2].update(category_id=2), "category_id is '2', not that of a person, 1"),
    "no image id": (lambda c: c["images"][0].pop("id"), "lacks id"),
    "image twice": (lambda c: c["images"].append(c["images"][0]), "this frame is there twice"),
    "image without name": (lambda c: c["images"][2].pop("file_name"), "file_name is 'None'"),
    "image elsewhere": (lambda c: c["images"][2].update(file_name="images/../../000002.jpg"), "leads out of"),
    "image with half a letter": (lambda c: c["images"][2].update(file_name="images/val/\ud800/000002.jpg"), "file_name is"),
    "image in a long folder": (lambda c: c["images"][2].update(file_name=f"images/{'v' * 256}/000002.jpg"), "file_name is"),
    "image not numbered": (lambda c: c["images"][2].update(file_name="images/val/x/a.jpg"), "does not end in the frame's number"),
    "images of two videos": (lambda c: c["images"][2].update(file_name="images/val/x/000002.jpg"), "lie in several folders"),
    "two sizes": (lambda c: [i.update(width=9 + n, height=9) for n, i in enumerate(c["images"])], "differ in size"),
    "half a size": (lambda c: c["images"][0].update(width=9), "lacks height"),
    "labeled maybe": (lambda c: c["images"][0].update(is_labeled="yes"), "is_labeled is 'yes'"),
    "regions of numbers": (lambda c: c["images"][0].update(ignore_regions_x=[1, 2]), "no list of lists"),
    "regions one-sided": (lambda c: c["images"][0].pop("ignore_regions_x"), "do not fit together"),
    "regions NaN": (lambda c: c["images"][0]["ignore_regions_x"][0].__setitem__(0, float("nan")), "not finite, or too large"),
    "unknown image": (lambda c: c["annotations"][0].update(image_id=3), "image_id 3 is not among"),
    "no image": (lambda c: c["annotations"][0].pop("image_id"), "lacks image_id"),
    "no track": (lambda c: c["annotations"][0].pop("track_id"), "lacks track_id"),
    "track below 0": (lambda c: c["annotations"][0].update(track_id=-1), "track_id is '-1'"),
    "track a string": (lambda c: c["annotations"][0].update(track_id="a"), "track_id is 'a'"),
}
# Damage to track 0 alone.
TRACKS = {
    "no joints": (lambda p: p.pop("keypoints"), "lacks keypoints"),
    "joint missing": (lambda p: p.update(keypoints=p["keypoints"][:-3]), r"shape \(48,\)"),
    "joints null": (lambda p: p.update(keypoints=None), "no plain numbers"),
    "joint a string": (lambda p: p["keypoints"].__setitem__(0, "12"), "no plain numbers"),
    "joint NaN": (lambda p: p["keypoints"].__setitem__(0, float("nan")), "not finite, or too large"),
    "joint far out": (lambda p: p["keypoints"].__setitem__(0, 1e9), "not finite, or too large"),
    "unknown flag": (lambda p: p["keypoints"].__setitem__(2, 5), "a flag other than"),
    "half a flag": (lambda p: p["keypoints"].__setitem__(2, 0.5), "a flag other than"),
    "zero box": (lambda p: p.update(bbox=[1, 2, 0, 0]), "a box without extent"),
    "negative box": (lambda p: p.update(bbox=[1, 2, 5, -5]), "a box without extent"),
    "box NaN": (lambda p: p.update(bbox=[1, float("nan"), 5, 5]), "bbox holds a value"),
    "box of three": (lambda p: p.update(bbox=[1, 2, 3]), r"bbox has shape \(3,\)"),
    "box elsewhere": (lambda p: p.update(bbox=[90000, 90000, 10, 10]), "0 of 15 joints lie in or near"),
    "box 0": (lambda p: p.update(bbox=0), r"bbox has shape \(\)"),
    "box false": (lambda p: p.update(bbox=False), "bbox holds what"),
    "box an empty string": (lambda p: p.update(bbox=""), "bbox holds what"),
    "no box and one joint": (lambda p: p.update(bbox=None, keypoints=[9, 9, 1] + [0] * 48), "nor joints that span one"),
    "head box of two": (lambda p: p.update(bbox_head=[1, 2]), r"bbox_head has shape \(2,\)"),
    "head box 0": (lambda p: p.update(bbox_head=0), r"bbox_head has shape \(\)"),
    "head box of no extent": (lambda p: p.update(bbox_head=[1, 1, 0, 0]), r"bbox_head is \[.*a box without extent"),
    "head box turned round": (lambda p: p.update(bbox_head=[9, 9, -5, 5]), r"bbox_head is \[.*a box without extent"),
    "head box a string": (lambda p: p.update(bbox_head="none"), "bbox_head holds what"),
    "twice in a frame": (lambda p: p.update(image_id=image_id(4)), "track 0 is in frame 4 twice"),
    "in a frame not labeled": (lambda p: p.update(image_id=image_id(2)), "the file calls not labeled"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A sound video beside the one that gets damaged."""
    folder = tmp_path_factory.mktemp("posetrack")
    write(folder, VIDEO, two_people())
    write(folder, "000001_other", content("000001_other", [person(9, 0)], (0,), 1))
    return folder, folder / "annotations" / "val" / f"{VIDEO}.json"


def expect(folder, path, reason, left):
    """One error that names the file and the reason; or that part left out, and counted."""
    with pytest.raises(UserError, match=reason) as caught:
        open_dataset("posetrack18", folder, "test")
    assert str(path) in str(caught.value)
    with pytest.warns(DamagedClipsWarning, match=reason) as warned:
        dataset = open_dataset("posetrack18", folder, "test", skip_damaged=True)
    assert [clip.id for clip in dataset] == left and warned[0].message.count == 1
    report = check_dataset("posetrack18", folder, pixels=False)
    assert len(report.faults) == 1 and report.splits["test"].clips == len(left)


@pytest.mark.parametrize("name", [*BYTES, *CONTENTS])
def test_a_damaged_file_is_one_error_or_left_out(small, name):
    folder, path = small
    if name in BYTES:
        change, reason = BYTES[name]
        path.write_bytes(change(json.dumps(two_people()).encode()))
    else:
        change, reason = CONTENTS[name]
        stored = copy.deepcopy(two_people())
        change(stored)
        path.write_text(json.dumps(stored))
    expect(folder, path, reason, ["000001_other_9"])


@pytest.mark.parametrize("name", TRACKS)
def test_a_damaged_track_is_one_error_or_left_out(small, name):
    folder, path = small
    change, reason = TRACKS[name]
    stored = two_people()
    change(stored["annotations"][0])
    path.write_text(json.dumps(stored))
    expect(folder, path, reason, ["000001_other_9", f"{VIDEO}_5"])


def test_all_joints_outside_the_image(small):
    folder, path = small
    stored = two_people()
    for image in stored["images"]:
        image |= {"height": HEIGHT, "width": WIDTH}
    for entry in stored["annotations"]:
        if entry["track_id"] == 0:
            entry["keypoints"] = [value + 500 if index % 3 < 2 else value for index, value in enumerate(entry["keypoints"])]
    path.write_text(json.dumps(stored))
    expect(folder, path, "track 0 has all its joints outside", ["000001_other_9", f"{VIDEO}_5"])


def test_a_wrong_frame_number_does_not_fill_the_memory(small):
    folder, path = small
    stored = two_people()
    stored["images"][7]["file_name"] = f"images/val/{VIDEO}/900000.jpg"
    stored["annotations"] = [entry for entry in stored["annotations"] if entry["track_id"] == 0]
    path.write_text(json.dumps(stored))
    expect(folder, path, "goes from frame 0 to 900000, longer than a video", ["000001_other_9"])


@real
def test_real_sample():
    dataset = open_dataset("posetrack18", REAL, "test")
    assert len(dataset) == 14 and len({clip.group for clip in dataset}) == 3
    for clip in dataset:
        stored = json.loads((REAL / "annotations" / "val" / f"{clip.group}.json").read_text())
        (entry,) = [entry for entry in stored["annotations"] if str(entry["track_id"]) == clip.truth.track.person]
        joints = np.array(entry["keypoints"]).reshape(17, 3)
        np.testing.assert_allclose(clip.joints[0], joints[:, :2], rtol=1e-6)
        np.testing.assert_array_equal(clip.truth.annotated[0], joints[:, 2] > 0)
        np.testing.assert_allclose(clip.boxes[0], entry["bbox"], rtol=1e-6)
        np.testing.assert_allclose(hull_box(joints[joints[:, 2] > 0, :2]), entry["bbox"], rtol=1e-3)
        np.testing.assert_array_equal(clip.truth.head_boxes[0], entry["bbox_head"])
        assert clip.truth.track.image_ids.tolist() == [entry["image_id"]]
    assert sum(clip.truth.joints_outside for clip in dataset) == 1
    assert dataset[0].frames.read([0]).shape == (1, 1080, 1920, 3)
