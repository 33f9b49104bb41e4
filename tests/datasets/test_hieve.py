"""HiEve: XML files by their published description, flags that run against the usual ones, tracks, and damaged files."""

import pickle
import time

import cv2
import numpy as np
import pytest

from rpstn.datasets import ABSENT, OCCLUDED, VISIBLE, DamagedClipsWarning, open_dataset, read_splits
from rpstn.datasets.check import check_dataset
from rpstn.datasets.formats.hieve_xml import TAGS
from rpstn.errors import UserError
from rpstn.skeletons import HIEVE

HEIGHT, WIDTH = 48, 64
# As the format's page spells them, part index 0 to 13.
PARTS = ["Nose", "Chest", "Right-shoulder", "Right-elbow", "Right-wrist", "Left-shoulder", "Left-elbow", "Left-wrist"]
PARTS += ["Right-hip", "Right-knee", "Right-ankle", "Left-hip", "Left-knee", "Left-ankle"]
FLAGS = [0, 1, -1] + [0] * 11


def position(name, number):
    return np.random.default_rng(sum(name.encode())).integers(5, 30, (14, 2)) + [number, 0]


def person(name, number, joints=True, action="walking-alone", flags=FLAGS):
    points = position(name, number).tolist()
    # What is not annotated has no place.
    stored = [(*((-1, -1) if flag == -1 else point), flag) for point, flag in zip(points, flags, strict=True)]
    parts = "".join(f"<{part}>{x},{y},{flag}</{part}>" for part, (x, y, flag) in zip(PARTS, stored, strict=True))
    return (
        f"<object><name>{name}</name><action>{action}</action><pose>unspecified</pose><truncated>0</truncated>"
        f"<bndbox><xmin>{2 + number}</xmin><ymin>3</ymin><xmax>{40 + number}</xmax><ymax>45</ymax>"
        f"{parts if joints else ''}</bndbox></object>"
    )


def annotation(number, people, size=(HEIGHT, WIDTH)):
    return (
        f"<annotation><folder>hm_in_fighting1</folder><filename>{number}.jpg</filename>"
        f"<source><database>Unknown</database></source>"
        f"<size><width>{size[1]}</width><height>{size[0]}</height><depth>3</depth></size><segmented>0</segmented>"
        f"{''.join(people)}</annotation>"
    )


def write(root, video, files, frames, part=""):
    """files: frame number -> people."""
    labels, images = root / "labels" / part / video, root / "images" / part / video
    for folder in (labels, images):
        folder.mkdir(parents=True, exist_ok=True)
    for number, people in files.items():
        (labels / f"{number:06d}.xml").write_text(annotation(number, people))
    for number in range(frames):
        image = np.full((HEIGHT, WIDTH, 3), (20 * number, 100, 50), np.uint8)
        cv2.imwrite(str(images / f"{number:06d}.jpg"), image)


def scene():
    """P-1 in frames 0 to 2 and 4, P-2 in 1 and 2, P-10 in 4; frame 3 has no file."""
    return {
        0: [person("P-1", 0)],
        1: [person("P-1", 1, action="riding"), person("P-2", 1, flags=[0] * 14)],
        2: [person("P-2", 2), person("P-1", 2)],
        4: [person("P-1", 4), person("P-10", 4)],
    }


@pytest.fixture
def root(tmp_path):
    for number in range(1, 12):
        write(tmp_path, str(number), scene(), 5)
    return tmp_path


def clips(root, video="2"):
    found = read_splits("hieve", root, splits=("train", "val"))
    return {clip.truth.track.person: clip for dataset in found.values() for clip in dataset if clip.group == video}


def test_reads_the_described_layout(root):
    found = clips(root)
    assert list(found) == ["P-1", "P-2", "P-10"] and [len(clip) for clip in found.values()] == [5, 2, 1]
    assert open_dataset("hieve", root).skeleton == HIEVE and TAGS == tuple(part.lower() for part in PARTS)
    clip = found["P-2"]
    assert (clip.id, clip.group, clip.action) == ("2_P-2", "2", "walking-alone")
    for index, number in enumerate((1, 2)):
        labeled = clip.visibility[index] != ABSENT
        assert labeled.sum() == (14, 13)[index]
        np.testing.assert_array_equal(clip.joints[index, labeled], position("P-2", number)[labeled])
        np.testing.assert_array_equal(clip.boxes[index], [2 + number, 3, 38, 42])
    assert [path.name for path in clip.frames.paths] == ["000001.jpg", "000002.jpg"]
    assert clip.frames.size == (HEIGHT, WIDTH)
    assert np.abs(clip.frames.read([0, 1])[:, 0, 0, 2].astype(int) - [20, 40]).max() < 6


def test_flags_are_inverted(root):
    """0 is visible, 1 hidden, -1 not annotated."""
    clip = clips(root)["P-1"]
    assert clip.visibility[0].tolist() == [VISIBLE, OCCLUDED, ABSENT] + [VISIBLE] * 11
    assert clip.joints[0, 2].tolist() == [0, 0]


def test_a_frame_without_a_file(root):
    clip = clips(root)["P-1"]
    assert clip.truth.track.labeled.tolist() == [True, True, True, False, True] and not clip.visibility[3].any()
    np.testing.assert_allclose(clip.boxes[3], [5, 3, 38, 42])
    assert clip.truth.track.actions == ("walking-alone", "riding", "walking-alone", "", "walking-alone")


def test_people_without_joints(root):
    """A small person has a box only. One who never has joints gives no clip."""
    files = {0: [person("P-1", 0)], 1: [person("P-1", 1, joints=False), person("P-3", 1, joints=False)], 2: [person("P-1", 2)]}
    write(root, "small", files, 3)
    found = clips(root, "small")
    assert list(found) == ["P-1"] and found["P-1"].truth.track.labeled.all()
    assert found["P-1"].visibility.any(axis=1).tolist() == [True, False, True]


def test_joint_outside_the_image_is_absent_and_counted(root):
    inside = position("P-1", 0)[3]
    text = person("P-1", 0).replace(f"<Right-elbow>{inside[0]},{inside[1]},0", f"<Right-elbow>{WIDTH},5,0")
    write(root, "edge", {0: [text]}, 1)
    clip = clips(root, "edge")["P-1"]
    assert clip.visibility[0, 3] == ABSENT and clip.truth.joints_outside == 1


def test_splits(root):
    with pytest.raises(UserError, match="the labels of its own test videos are not public"):
        open_dataset("hieve", root, "test")
    found = read_splits("hieve", root, seed=2)
    sources = {name: {clip.group for clip in dataset} for name, dataset in found.items()}
    assert len(sources["val"]) == 2 and len(sources["train"]) == 9 and not sources["test"]
    assert not sources["val"] & sources["train"]
    assert [clip.group for clip in found["train"]][::3] == sorted(sources["train"], key=int)
    write(root, "30", scene(), 5, "test")
    assert {clip.group for clip in open_dataset("hieve", root, "test")} == {"30"}
    write(root, "31", scene(), 5, "train")
    assert {"31"} <= {clip.group for split in ("train", "val") for clip in open_dataset("hieve", root, split)}


def test_missing_files_and_images(root):
    double = root / "images" / "2" / "3.png"
    double.touch()
    with pytest.raises(UserError, match=r"3\.png: 000003\.jpg is frame 3 too"):
        clips(root)
    double.unlink()
    (root / "images" / "2" / "000003.jpg").unlink()
    with pytest.raises(UserError, match="has no image of frame 3, through which P-1 goes"):
        clips(root)
    with pytest.warns(DamagedClipsWarning, match="has no image of frame 3"):
        found = [open_dataset("hieve", root, split, skip_damaged=True) for split in ("train", "val")]
    assert sum(map(len, found)) == 32
    (root / "images" / "2").rename(root / "elsewhere")
    with pytest.raises(UserError, match="no such folder with the frames of 2; make it with ffmpeg"):
        clips(root)
    assert sum(len(open_dataset("hieve", root, split, labels_only=True)) for split in ("train", "val")) == 33
    (root / "labels").rename(root / "gone")
    with pytest.raises(UserError, match="no label files"):
        open_dataset("hieve", root)


BOMB = (
    '<!DOCTYPE a [<!ENTITY l "lol">' + "".join(f'<!ENTITY l{n} "{f"&l{n - 1 if n else str()};" * 10}">' for n in range(12)) + "]>"
)
# A whole file instead of frame 1's.
FILES = {
    "empty": (lambda text: b"", "not a readable XML file"),
    "blank": (lambda text: b"  \n", "not a readable XML file"),
    "truncated": (lambda text: text[: len(text) // 2], "not a readable XML file"),
    "two roots": (lambda text: text + text, "not a readable XML file"),
    "json": (lambda text: b'{"annotation": {}}', "not a readable XML file"),
    "pickled": (lambda text: pickle.dumps(text), "not a readable XML file"),
    "an image": (lambda text: cv2.imencode(".jpg", np.zeros((4, 4, 3), np.uint8))[1].tobytes(), "not a readable XML file"),
    "unknown encoding": (lambda text: b'<?xml version="1.0" encoding="klingon"?>' + text, "not a readable XML file"),
    "unknown entity": (lambda text: text.replace(b"riding", b"&secret;"), "not a readable XML file"),
    "a DOCTYPE": (lambda text: b"<!DOCTYPE annotation>" + text, "refused, it has a DOCTYPE"),
    "an outer DOCTYPE": (lambda text: b'<!DOCTYPE a SYSTEM "http://localhost/a.dtd">' + text, "refused, it has a DOCTYPE"),
    "a file's entity": (
        lambda text: b'<!DOCTYPE a [<!ENTITY s SYSTEM "file:///etc/hostname">]>' + text.replace(b"riding", b"&s;"),
        "refused, it has a DOCTYPE",
    ),
    "entities without end": (lambda text: BOMB.encode() + text.replace(b"riding", b"&l11;"), "refused, it has a DOCTYPE"),
    "nested without end": (lambda text: b"<a>" * 100_000 + b"</a>" * 100_000, "holds 'a', expected annotation"),
    "another kind": (lambda text: b"<html><body/></html>", "holds 'html', expected annotation"),
    "no size": (lambda text: text.replace(b"size>", b"extent>"), "lacks size"),
    "no width": (lambda text: text.replace(b"<width>64</width>", b""), "lacks width"),
    "width a word": (lambda text: text.replace(b">64<", b">wide<"), "width is 'wide'"),
    "width zero": (lambda text: text.replace(b">64<", b">0<"), "size is 0x48"),
    "width NaN": (lambda text: text.replace(b">64<", b">nan<"), "width is 'nan'"),
    "another size": (lambda text: text.replace(b">64<", b">66<"), "another image size"),
    "no name": (lambda text: text.replace(b"<name>P-1</name>", b""), "object 0: lacks name"),
    "empty name": (lambda text: text.replace(b"P-1<", b"<"), "object 0: lacks name"),
    "name twice": (lambda text: text.replace(b"P-2", b"P-1"), "P-1 is there twice"),
}
# Damage to P-1 in frame 1, by text.
NOSE = f"<Nose>{','.join(str(v) for v in position('P-1', 1)[0])},0</Nose>"
PEOPLE = {
    "no box": (("bndbox>", "box>"), "lacks bndbox"),
    "no side": (("<xmax>41</xmax>", ""), "lacks xmax"),
    "side a word": (("<xmax>41<", "<xmax>right<"), "xmax is 'right'"),
    "side NaN": (("<xmax>41<", "<xmax>nan<"), "xmax is 'nan'"),
    "side infinite": (("<xmax>41<", "<xmax>inf<"), "xmax is 'inf'"),
    "zero box": (("<xmax>41<", "<xmax>3<"), "a box without extent"),
    "box turned round": (("<ymax>45<", "<ymax>1<"), "a box without extent"),
    "box elsewhere": (
        (
            "<xmin>3</xmin><ymin>3</ymin><xmax>41</xmax><ymax>45</ymax>",
            "<xmin>900</xmin><ymin>900</ymin><xmax>1000</xmax><ymax>1000</ymax>",
        ),
        "joints lie in or near",
    ),
    "no nose": ((NOSE, ""), "lacks the joints nose"),
    "another joint": ((NOSE, NOSE + "<Tail>1,2,0</Tail>"), "has tail, which are no joints"),
    "side twice": (("<xmax>41<", "<xmax>40</xmax><xmax>41<"), "xmax is there twice"),
    "joint twice": ((NOSE, NOSE + NOSE), "nose is there twice"),
    "empty joint": ((NOSE, "<Nose></Nose>"), "nose is ''"),
    "two numbers": ((NOSE, "<Nose>4,5</Nose>"), "expected x,y,flag"),
    "four numbers": ((NOSE, "<Nose>4,5,0,1</Nose>"), "expected x,y,flag"),
    "joint a word": ((NOSE, "<Nose>left,5,0</Nose>"), "expected x,y,flag"),
    "joint NaN": ((NOSE, "<Nose>nan,5,0</Nose>"), "which is no position"),
    "joint's y NaN": ((NOSE, "<Nose>4,nan,0</Nose>"), "which is no position"),
    "joint far out": ((NOSE, "<Nose>1e300,5,0</Nose>"), "which is no position"),
    "COCO's flag": ((NOSE, "<Nose>4,5,2</Nose>"), "has the flag 2, expected 0, 1 or -1"),
    "flag NaN": ((NOSE, "<Nose>4,5,nan</Nose>"), "has the flag nan"),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hieve")
    write(folder, "7", scene(), 5, "test")
    return folder, folder / "labels" / "test" / "7" / "000001.xml"


def expect(folder, path, reason, left):
    with pytest.raises(UserError, match=reason) as caught:
        open_dataset("hieve", folder, "test")
    assert str(path) in str(caught.value)
    with pytest.warns(DamagedClipsWarning, match=reason) as warned:
        dataset = open_dataset("hieve", folder, "test", skip_damaged=True)
    assert {clip.truth.track.person: int(clip.truth.track.labeled.sum()) for clip in dataset} == left
    assert warned[0].message.count == 1
    report = check_dataset("hieve", folder, pixels=False)
    assert len(report.faults) == 1 and report.splits["test"].clips == len(left)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_one_error_or_a_frame_without_labels(small, name):
    folder, path = small
    change, reason = FILES[name]
    path.write_bytes(change(annotation(1, scene()[1]).encode()))
    start = time.monotonic()
    expect(folder, path, reason, {"P-1": 3, "P-2": 1, "P-10": 1})
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("name", PEOPLE)
def test_a_damaged_person_is_one_error_or_left_out(small, name):
    folder, path = small
    (before, after), reason = PEOPLE[name]
    first, second = scene()[1]
    assert before in first
    path.write_text(annotation(1, [first.replace(before, after), second]))
    expect(folder, path, reason, {"P-2": 2, "P-10": 1})


def test_other_damage(small):
    folder, path = small
    path.write_text(annotation(1, scene()[1]))
    odd = path.with_name("frame.xml")
    odd.write_text(annotation(1, []))
    expect(folder, odd, "named by its frame's number", {"P-1": 4, "P-2": 2, "P-10": 1})
    odd = odd.rename(path.with_name("1.xml"))
    expect(folder, odd, "named by its frame's number, 000000.xml, one file per frame", {"P-1": 4, "P-2": 2, "P-10": 1})
    odd = odd.rename(path.with_name("900000.xml"))
    odd.write_text(annotation(1, [person("P-1", 1)]))
    expect(folder, path.parent, "P-1 goes from frame 0 to 900000, longer than a video", {"P-2": 2, "P-10": 1})
    odd.unlink()
    path.write_text(annotation(1, []))


def test_nobody(tmp_path):
    write(tmp_path, "7", {0: [], 1: []}, 2, "test")
    with pytest.raises(UserError, match="nobody is in its label files"):
        open_dataset("hieve", tmp_path, "test")
    write(tmp_path, "7", {0: [person("P-1", 0, joints=False)]}, 2, "test")
    with pytest.raises(UserError, match="nobody in it has a labeled joint"):
        open_dataset("hieve", tmp_path, "test")
    outside = person("P-1", 0, flags=[-1] * 13 + [0])
    x, y = position("P-1", 0)[13]
    write(tmp_path, "7", {0: [outside.replace(f"{x},{y},0", "500,500,0")]}, 2, "test")
    with pytest.raises(UserError, match="P-1 has all joints outside the image of 64x48"):
        open_dataset("hieve", tmp_path, "test")


def test_upper_and_lower_case_of_a_suffix(root):
    """A file that is passed over would be a frame without labels."""
    (root / "labels" / "2" / "000004.xml").rename(root / "labels" / "2" / "000004.XML")
    assert {name: len(clip) for name, clip in clips(root).items()} == {"P-1": 5, "P-2": 2, "P-10": 1}
