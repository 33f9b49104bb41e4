"""One's own data from files as cameras, phones and spreadsheets write them."""

import struct

import cv2
import numpy as np
import pytest

from rpstn.cli.main import main
from rpstn.datasets import ABSENT, open_dataset
from rpstn.datasets.check import check_dataset
from rpstn.datasets.own import own_clip, write_own
from rpstn.errors import UserError
from rpstn.video.input.source import open_input

from .test_decoding import damage, number_of, write_video
from .test_own import ARM, described

HEIGHT, WIDTH = 48, 64
JOINTS = [[10.0, 20.0], [5.0, 9.5], [30.0, 30.0]]


def image(number, height=HEIGHT, width=WIDTH):
    return np.full((height, width, 3), 15 * number, np.uint8)


def folder(root, names, **sizes):
    """Images of those names in root/f, each as bright as its position in the list says."""
    (root / "f").mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(root / "f" / name), image(number, **sizes))
    return root


def entry(length, **more):
    return {"id": "a", "split": "test", "frames": "f", "joints": [JOINTS] * length} | more


def opened(root, *entries):
    return open_dataset("own", described(root, list(entries)), "test")


def with_orientation(path, orientation, pixels):
    """A JPEG whose EXIF says how to turn it."""
    _, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 100])
    exif = b"Exif\0\0II*\0" + struct.pack("<IHHHIII", 8, 1, 0x112, 3, 1, orientation, 0)
    data = data.tobytes()
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_images_are_turned_upright(tmp_path, orientation):
    root = folder(tmp_path, ["0.jpg"])
    stored = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    stored[:16, :16] = 255  # a corner to recognize
    with_orientation(root / "f" / "1.jpg", orientation, stored)
    (root / "f" / "0.jpg").unlink()
    (clip,) = opened(root, entry(1))
    turns = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
    upright = np.rot90(stored, turns)
    assert clip.frames.size == upright.shape[:2]
    (read,) = clip.frames.read([0])
    assert np.abs(read.astype(int) - upright).mean() < 3
    np.testing.assert_array_equal(read, next(iter(open_input(root / "f"))).pixels)
    assert check_dataset("own", root).ok


def test_images_of_other_formats_are_named(tmp_path):
    root = folder(tmp_path, ["1.jpg", "5.jpg"])
    for name in ("2.HEIC", "3.heic", "4.heic", "notes.txt"):
        (root / "f" / name).write_bytes(b"ftypheic")
    with pytest.raises(UserError, match=r"f: 3 images in a format that is not read \(3 .heic: 2.HEIC, 3.heic, 4.heic\)"):
        opened(root, entry(2))


@pytest.mark.parametrize("name", ["1.tif", "1.png", "1.webp"])
def test_a_file_with_several_images_is_no_frame(tmp_path, name):
    root = folder(tmp_path, ["0.png"])
    pages = [image(number) for number in range(5)]
    if name == "1.tif":
        cv2.imwritemulti(str(root / "f" / name), pages)
    else:
        animation = cv2.Animation()
        animation.frames, animation.durations = pages, np.full(5, 40)
        cv2.imwriteanimation(str(root / "f" / name), animation)
    clip = opened(root, entry(2))[0]
    with pytest.raises(UserError, match=rf"{name}: 5 images in one file"):
        clip.frames.read([1])
    (fault,) = check_dataset("own", root).faults
    assert name in fault


def video_entry(length, **more):
    return {"id": "a", "split": "test", "video": "a.avi", "joints": [JOINTS] * length} | more


@pytest.mark.parametrize("kind", ["images", "video", "array"])
def test_a_joint_outside_is_absent_wherever_the_frames_are(tmp_path, kind):
    joints = [[[10.0, 20.0], [5.0, 9.5], [30.0, HEIGHT + 2.0]], [[10, 20], [WIDTH + 5, 9.5], [-3, 30]]]
    if kind == "images":
        (clip,) = opened(folder(tmp_path, ["0.png", "1.png"]), entry(2, joints=joints))
    elif kind == "video":
        write_video(tmp_path / "a.avi", frames=np.stack([image(0), image(1)]))
        (clip,) = opened(tmp_path, video_entry(2, joints=joints))
    else:
        clip = own_clip("a", np.stack([image(0), image(1)]), np.array(joints))
    assert (clip.visibility != ABSENT).tolist() == [[True, True, False], [True, False, False]]
    assert clip.truth.joints_outside == 3
    if kind != "array":  # around (10, 20) and (5, 9.5); frame 1 has the box of frame 0
        assert clip.boxes.tolist() == pytest.approx(np.tile([5 - 1.575, 9.5 - 1.575, 8.15, 13.65], (2, 1)), abs=1e-4)


@pytest.mark.parametrize("kind", ["images", "video"])
@pytest.mark.parametrize(("point", "words"), [([9999, 20], "9999, 20"), ([10, 310], "10, 310"), ([-300, 20], "-300, 20")])
def test_a_mistyped_coordinate_is_a_fault(tmp_path, kind, point, words, capsys):
    joints = [JOINTS, JOINTS, [JOINTS[0], point, JOINTS[2]]]
    if kind == "images":
        described(folder(tmp_path, ["0.png", "1.png", "2.png"]), [entry(3, joints=joints)])
    else:
        write_video(tmp_path / "a.avi", frames=np.stack([image(number) for number in range(3)]))
        described(tmp_path, [video_entry(3, joints=joints)])
    (fault,) = check_dataset("own", tmp_path).faults
    assert f"clip 'a': left_hand of frame 2 lies at ({words}), far outside the {WIDTH}x{HEIGHT} pixels" in fault
    assert main(["data", "check", "own", str(tmp_path)]) == 1
    assert words in capsys.readouterr().out


def test_a_mistyped_box_is_a_fault(tmp_path):
    root = folder(tmp_path, ["0.png", "1.png"])
    with pytest.raises(UserError, match=r"clip 'a': the box \(5, 5, 9999, 20\) of frame 1 reaches far outside"):
        opened(root, entry(2, boxes=[[5, 5, 30, 20], [5, 5, 9999, 20]]))


def test_check_names_the_frames_of_a_video_that_cannot_be_decoded(tmp_path):
    write_video(tmp_path / "a.avi")
    damage(tmp_path / "a.avi", [0, 7])
    (clip,) = opened(tmp_path, video_entry(16))
    assert [number_of(frame) for frame in clip.frames.read([1, 8])] == [1, 8]
    report = check_dataset("own", tmp_path)
    assert len(report.faults) == 1 and report.pixels == "14 frames decoded"
    assert "a.avi: 2 frames (0, 7) of 16 cannot be decoded" in report.faults[0]


def test_sizes_that_differ_are_faults(tmp_path):
    root = folder(tmp_path, ["0.png", "1.png", "2.png"])
    cv2.imwrite(str(root / "f" / "1.png"), image(1, 32, 32))
    clip = opened(root, entry(3))[0]
    assert len(clip.frames.read([0, 2])) == 2
    with pytest.raises(UserError, match=r"1\.png: the image has 32x32 pixels"):
        clip.frames.read([1])
    (fault,) = check_dataset("own", root).faults
    assert "1.png: 32x32 pixels, labels for 64x48" in fault


HEADS = {
    "blanks after commas": "frame, joint, x, y, visibility\n0, neck, 10, 20, 1\n",
    "blanks before commas": "frame ,joint ,x ,y ,visibility\n0 ,neck ,10 ,20 ,1\n",
    "quotes and blanks": 'frame, "joint", x, y, visibility\n0, "neck", 10, 20, 1\n',
    "empty lines": "frame,joint,x,y,visibility\n\n0,neck,10,20,1\n  \n,,,,\n\n",
    "the byte order mark and line ends of Windows": "\ufeffframe,joint,x,y,visibility\r\n0,neck,10,20,1\r\n",
}


@pytest.mark.parametrize("case", HEADS)
def test_tables_as_programs_write_them(tmp_path, case):
    root = folder(tmp_path, ["0.png"])
    (root / "a.csv").write_text(HEADS[case], encoding="utf-8", newline="")
    (clip,) = opened(root, {"id": "a", "split": "test", "frames": "f", "labels": "a.csv", "boxes": [[0, 0, 20, 30]]})
    assert clip.visibility.tolist() == [[1, 0, 0]] and clip.joints[0, 0].tolist() == [10, 20]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ("frame,joint,x,y,confidence", "has the column 'confidence'"),
        ("frame,joint,x,y,track_id", "has the column track_id, a clip shows one person"),
        ("frame,joint,x,y,person", "one person"),
        ("frame,joint,x,y,x", "the column x twice"),
        ("frame;joint;x;y", "separate fields by commas"),
        ("frame,joint,x", "lacks y"),
    ],
)
def test_unknown_columns_are_named(tmp_path, head, words):
    root = folder(tmp_path, ["0.png"])
    (root / "a.csv").write_text(f"{head}\n0,neck,10,20,7\n")
    with pytest.raises(UserError, match=rf"a\.csv: the head line .*{words}"):
        opened(root, {"id": "a", "split": "test", "frames": "f", "labels": "a.csv"})


def test_a_key_that_repeats_is_an_error(tmp_path):
    root = described(folder(tmp_path, ["0.png"]), [entry(1)])
    path = root / "dataset.json"
    path.write_text(path.read_text().replace('"frames": "f"', '"frames": "g", "frames": "f"'))
    with pytest.raises(UserError, match="'frames' is there twice"):
        open_dataset("own", root, "test")


def test_empty_splits_say_why(tmp_path):
    root = described(folder(tmp_path, ["0.png"]), [entry(1, split="train")])
    with pytest.raises(UserError, match="'val' is empty.* one group, 'a', .*add a clip with the split \"val\", or cut a clip"):
        open_dataset("own", root, "val")
    described(root, [entry(1, split="train", id=f"{number}", action=f"{number}") for number in range(2)])
    with pytest.raises(UserError, match="'val' is empty.* no action of train has two groups.*add a clip"):
        open_dataset("own", root, "val")
    described(root, [entry(1, split="train")])
    with pytest.raises(UserError, match=r"'test' is empty.*\(1 in train\); give some the split \"test\" in dataset.json"):
        open_dataset("own", root, "test")


def test_the_home_folder_may_be_written_as_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    clip = own_clip("a", image(1)[None], np.array([JOINTS]))
    assert write_own("~/sets/own", {"test": [clip]}, ARM) == tmp_path / "sets" / "own"
    assert len(open_dataset("own", "~/sets/own", "test")) == 1 and check_dataset("own", "~/sets/own").ok
    monkeypatch.setenv("RPSTN_DATA", "~/sets")
    assert len(open_dataset("own", split="test")) == 1
    with pytest.raises(UserError, match="the root given is empty"):  # as of a shell's variable that is not set
        open_dataset("own", "")
    with pytest.raises(UserError, match="'~/f', which leads out of the folder"):
        opened(tmp_path, entry(1, frames="~/f"))
    with pytest.raises(UserError, match=r"'\.gif', which is not read again"):
        write_own(tmp_path / "b", {"test": [clip]}, ARM, suffix=".gif")


@pytest.mark.parametrize("suffix", [".jpg", ".tif", ".webp"])
def test_an_image_is_no_video(tmp_path, suffix):
    """FFmpeg would give one frame of it, and a photo of a phone sideways."""
    path = tmp_path / f"a{suffix}"
    if suffix == ".jpg":
        with_orientation(path, 6, image(3))
    else:
        cv2.imwrite(str(path), image(3))
    still = {"id": "a", "split": "test", "video": path.name, "joints": [JOINTS]}
    with pytest.raises(UserError, match=rf"a\{suffix}: is an image, no video; put it into a folder"):
        opened(tmp_path, still)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("0.0,neck,5,6,2.0", [5, 6]),
        ("0,neck,5,6,2.", [5, 6]),
        ("0.5,neck,5,6,2", "has the frame '0.5', expected a whole number from 0 on"),
        ("x,neck,5,6,2", "has the frame 'x', expected a whole number from 0 on"),
        ("7,neck,5,6,2", "has the frame '7'; there are 0 to 0"),
        ("0,neck,1_5,6,2", "has x '1_5', expected a number of pixels"),
        ("0,neck,5,6,1.5", "has visibility '1.5'"),
    ],
)
def test_numbers_of_tables(tmp_path, line, found):
    root = folder(tmp_path, ["1.png"])
    (root / "a.csv").write_text(f"frame,joint,x,y,visibility\n{line}\n0,left_hand,9,9,1\n")
    labeled = {"id": "a", "split": "test", "frames": "f", "labels": "a.csv"}
    if isinstance(found, str):
        with pytest.raises(UserError, match=found):
            opened(root, labeled)
    else:
        assert opened(root, labeled)[0].joints[0, 0].tolist() == found


@pytest.mark.parametrize(
    ("boxes", "found"),
    [
        ([[0, 0, 9999, 9]] * 2, "reaches far outside the 64x48 pixels"),
        ([[0, 0, 0, 9], [np.nan] * 4], "none of its 2 boxes has an extent"),
        ([0, 0, 9, 9], r"boxes \(4,\) must be \(frames, 4\)"),
        ([[np.nan] * 4, [1, 2, 30, 20]], [[1, 2, 30, 20]] * 2),
    ],
)
def test_boxes_of_arrays_are_checked_as_those_of_tables(boxes, found):
    frames = np.stack([image(1), image(2)])
    if isinstance(found, str):
        with pytest.raises(UserError, match=found):
            own_clip("a", frames, [JOINTS] * 2, boxes=boxes)
    else:
        made = own_clip("a", frames, [JOINTS] * 2, boxes=boxes)
        assert made.boxes.tolist() == found and made.truth.boxes_repaired == 1


def test_a_data_set_is_replaced_whole_or_not_at_all(tmp_path):
    """Its clips may be those that are replaced, and one of them may be broken."""
    made = [own_clip(name, np.stack([image(number)] * 2), [JOINTS] * 2) for number, name in ((3, "a"), (7, "b"))]
    root = write_own(tmp_path / "own", {"test": made}, ARM)
    before = open_dataset("own", root, "test")
    write_own(root, {"test": before}, ARM, overwrite=True)
    again = open_dataset("own", root, "test")
    assert [number_of(clip.frames.read([1])[0]) for clip in again] == [3, 7]
    (root / "frames" / "b" / "000001.png").write_bytes(b"")
    stored = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"b/000001\.png: broken image"):
        write_own(root, {"test": again}, ARM, overwrite=True)
    assert {path: path.read_bytes() for path in root.rglob("*") if path.is_file()} == stored
    with pytest.raises(UserError, match="broken image"):
        write_own(tmp_path / "new", {"test": again}, ARM)
    assert not list((tmp_path / "new").iterdir())
    (tmp_path / "new" / "frames" / "a").mkdir(parents=True)
    with pytest.raises(UserError, match="new/frames: there is a data set already"):
        write_own(tmp_path / "new", {"test": made}, ARM)


@pytest.mark.parametrize("box", [[70, 5, 10, 10], [5, 60, 10, 10], [-30, 5, 10, 10]])
def test_a_box_beside_the_frame_is_a_fault(tmp_path, box):
    """Not as far out as a typing error, but it shows nothing."""
    root = folder(tmp_path, ["1.png"])
    clip = {"id": "a", "split": "test", "frames": "f", "joints": [JOINTS], "boxes": [box]}
    with pytest.raises(UserError, match="of frame 0 lies outside the 64x48 pixels of its frames; correct it"):
        opened(root, clip)
    with pytest.raises(UserError, match="of frame 0 lies outside the 64x48 pixels"):
        own_clip("a", image(1)[None], [JOINTS], boxes=[box])


def test_a_folder_is_no_video_and_a_file_no_folder(tmp_path):
    root = folder(tmp_path, ["1.png"])
    for key, value, words in (
        ("video", "f", r'f: is a folder, and "video" of .* names none; name it as "frames"'),
        ("frames", "f/1.png", r'1.png: is a file, and "frames" of .* names none; name it as "video"'),
    ):
        with pytest.raises(UserError, match=words):
            opened(root, {"id": "a", "split": "test", key: value, "joints": [JOINTS]})
