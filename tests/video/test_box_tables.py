"""Tables of boxes: several people stay several, and nothing in a table is passed over."""

import json

import numpy as np
import pytest

from rpstn.cli import main as cli
from rpstn.errors import UserError
from rpstn.video.boxes import read_boxes

from ..predicting import EMBEDDED, config, read

ANN, BOB = [20.0, 20.0, 110.0, 110.0], [10.0, 10.0, 90.0, 140.0]
TWO = "0,ann,20,20,110,110\n0,bob,10,10,90,140\n"


def written(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "head",
    [
        "frame,id,x,y,width,height",
        "frame,track_id,x,y,width,height",
        "frame,person,x,y,width,height",
        "frame,person_id,x,y,w,h",
        "Frame, Track ID, X, Y, Width, Height",
        "\ufeffframe,PERSON-ID,x,y,w,h",
        '"frame","id","x","y","width","height"',
        "frame,id,x,y,width,height,",  # a spreadsheet's empty column
    ],
)
def test_a_column_of_ids_keeps_people_apart(tmp_path, head):
    boxes = read_boxes(written(tmp_path, "boxes.csv", f"{head}\n{TWO},,,,,\n"))
    assert boxes.ids == ("ann", "bob") and boxes.dropped == 0
    np.testing.assert_array_equal([boxes.at(0)["ann"], boxes.at(0)["bob"]], [ANN, BOB])


@pytest.mark.parametrize("key", ["id", "track_id", "person", "person_id", "Track-ID"])
def test_a_key_of_ids_keeps_people_apart(tmp_path, key):
    for box in ({"box": ANN}, {"bbox": ANN}, dict(zip(("x", "y", "w", "h"), ANN, strict=True))):
        entries = [{"frame": 0, key: number, **box} for number in (1, 2)]
        for content in (entries, {"boxes": entries}):
            boxes = read_boxes(written(tmp_path, "boxes.json", content))
            assert boxes.ids == ("1", "2") and boxes.at(0)["2"].tolist() == ANN


def test_an_id_is_the_same_as_text_and_as_a_number(tmp_path):
    """A column with gaps makes 1.0 of 1 in pandas; JSON has both ways."""
    assert read_boxes(written(tmp_path, "a.csv", "frame,id,x,y,w,h\n0,1,1,2,3,4\n1,1.0,1,2,3,4\n2, 1 ,1,2,3,4\n")).ids == ("1",)
    entries = [{"frame": frame, "id": name, "box": ANN} for frame, name in enumerate((1, "1", 1.0))]
    assert read_boxes(written(tmp_path, "a.json", entries)).ids == ("1",)
    assert read_boxes(written(tmp_path, "b.json", [{"frame": 0, "id": None, "box": ANN}])).ids == ("1",)


@pytest.mark.parametrize(
    ("text", "frames"),
    [
        ("frame;x;y;width;height\n0;1,5;2;3;4\n3;1,5;2;3;4\n", [0, 3]),
        ("frame\tx\ty\twidth\theight\n0\t1.5\t2\t3\t4\n", [0]),
        ("frame,x,y,width,height\n0.0,1.5,2,3,4\n2.0,1.5,2,3,4\n", [0, 2]),
        ("frame;x;y;width;height\n1,0;1,5;2;3;4\n", [1]),
    ],
)
def test_ways_to_write_numbers(tmp_path, text, frames):
    boxes = read_boxes(written(tmp_path, "boxes.csv", text))
    assert boxes.people["1"][0].tolist() == frames and boxes.people["1"][1][0].tolist() == [1.5, 2, 3, 4]


def test_a_frame_without_anybody_needs_no_id(tmp_path):
    csv = written(tmp_path, "a.csv", "frame,id,x,y,w,h\n0,ann,1,2,3,4\n1,,,,,\n")
    entries = written(tmp_path, "a.json", [{"frame": 0, "id": "ann", "box": [1, 2, 3, 4]}, {"frame": 1, "box": None}])
    for path in (csv, entries):
        assert read_boxes(path).ids == ("ann",) and read_boxes(path).dropped == 1


HEAD = "frame,x,y,width,height\n"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.csv", f"frame,player,x,y,width,height\n{TWO}", "unknown names: 'player'.*track_id"),
        ("a.csv", "frame,x1,y1,x2,y2\n0,1,2,3,4\n", "'x1', 'y1', 'x2', 'y2'.*write frame,x,y,width,height"),
        ("a.csv", "frame,x,y,width,height,score\n0,1,2,3,4,1\n", "'score'"),
        ("a.csv", "frame,id,track_id,x,y,width,height\n0,1,2,1,2,3,4\n", "'id' and 'track_id'"),
        ("a.csv", "frame,x,x,y,width,height\n0,1,1,2,3,4\n", "'x' and 'x'"),
        ("a.csv", f"{HEAD}0,1,2,3,4,7\n", "line 2.*head line does not name"),
        ("a.csv", ",frame,x,y,width,height\n5,0,1,2,3,4\n", "line 2.*head line does not name"),
        ("a.csv", "0,1,2,3,4\n1,1,2,3,4\n", "numbers, no head line"),
        ("a.csv", f"{HEAD}0,1,2,3,4\n0,9,2,3,4\n", "frame 0 has two boxes and no id"),
        ("a.csv", "frame,id,x,y,w,h\n0,ann,1,2,3,4\n0,ann,9,2,3,4\n", "frame 0 has two boxes of person ann"),
        ("a.csv", "frame,id,x,y,w,h\n0,ann,1,2,3,4\n1,,1,2,3,4\n", "1 of 2 boxes have no id.*frame 1"),
        ("a.csv", f"{HEAD}0.5,1,2,3,4\n", "line 2: frame '0.5' is no whole number"),
        ("a.csv", f"{HEAD}1_0,1,2,3,4\n", "line 2: '1_0' is no number"),
        ("a.csv", f'{HEAD}0,"1,5",2,3,4\n', "line 2: '1,5' is no number"),
        ("a.csv", f'frame,id,x,y,w,h\n0,"ann,1,2,3,4\n{TWO}', "no line of a table"),
        ("a.json", [{"frame": 0, "player": 1, "box": ANN}], "entry 0 holds unknown names: 'player'"),
        ("a.json", [{"image_id": 0, "category_id": 1, "bbox": ANN, "score": 1}], "'image_id', 'category_id', 'score'"),
        ("a.json", {"boxes": [ANN], "format": "xyxy"}, "unknown names: 'format'"),
        ("a.json", [ANN, {"frame": 0, "box": ANN}], "some entries name their frame"),
        ("a.json", [{"frame": 0, "box": ANN}, None], "some entries name their frame"),
        ("a.json", [{"frame": 0, "id": "a", "box": ANN}, {"frame": 1, "box": ANN}], "1 of 2 boxes have no id"),
        ("a.json", [{"frame": 0, "box": ANN}, {"frame": 0, "box": BOB}], "two boxes and no id"),
        ("a.json", [{"frame": 0, "box": ANN, "bbox": BOB}], "'box' and 'bbox'"),
        ("a.json", [{"frame": 0, "box": ANN, "x": 3}], "the box is given twice"),
        ("a.json", '[{"frame": 0, "frame": 1, "box": [1, 2, 3, 4]}]', "stands twice"),
        ("a.json", [{"frame": True, "box": ANN}], "True is no number"),
        ("a.json", [{"frame": 0.5, "box": ANN}], "frame 0.5 is no whole number"),
        ("a.json", [{"frame": 0, "box": "1234"}], "four numbers"),
        ("a.json", [{"frame": 0, "id": [1], "box": ANN}], "neither text nor a number"),
        ("a.json", '[{"frame": 0, "id": NaN, "box": [1, 2, 3, 4]}]', "neither text nor a number"),
    ],
)
def test_what_would_be_lost_is_refused_by_name(tmp_path, name, content, reason):
    with pytest.raises(UserError, match=f"{name}.*{reason}"):
        read_boxes(written(tmp_path, name, content))


def test_ids_of_a_mapping_that_are_one_as_text():
    with pytest.raises(UserError, match="1, '1' are not all different"):
        read_boxes({1: [ANN], "1": [BOB]})


def test_a_table_that_is_not_utf8_is_told_so(tmp_path):
    (tmp_path / "boxes.csv").write_bytes("frame,id,x,y,w,h\n0,Jürgen,1,2,3,4\n".encode("latin-1"))
    with pytest.raises(UserError, match="boxes.csv: is no text in UTF-8.*save it as UTF-8"):
        read_boxes(tmp_path / "boxes.csv")


def test_two_people_of_a_tracker_are_two_in_the_results(dance, tmp_path, capsys):
    """The table of most trackers; read as one person's, the second box of each frame would have been an error, or the first's."""
    rows = "".join(f"{frame},{track},{x},20,110,110\n" for frame in range(2) for track, x in ((7, 20), (9, 30)))
    path = written(tmp_path, "boxes.csv", f"frame,track_id,x,y,width,height\n{rows}")
    words = ["predict", str(dance), "--checkpoint", str(EMBEDDED), "--device", "cpu", "--frames", "2", "--no-draw"]
    assert cli.main([*words, "--boxes", str(path), "--out", str(tmp_path / "out")]) == 0
    assert [[person["id"] for person in entry["people"]] for entry in read(tmp_path / "out")["frames"]] == [["7", "9"]] * 2
    path.write_text(path.read_text().replace("track_id", "player"))
    assert cli.main([*words, "--boxes", str(path), "--out", str(tmp_path / "no")]) == 2
    assert "'player'" in capsys.readouterr().err and not config(dance, tmp_path / "no").folder.exists()
