"""Tables of scores: every number in its place, in Markdown, in a terminal and in the README."""

import pytest

from rpstn.errors import UserError
from rpstn.metrics.tables import aligned, means
from rpstn.notebooks.readme import BEGIN, END, insert, main, published
from rpstn.runs import write_json


def scores(base):
    """What metrics["scores"] holds, with numbers that tell where they come from."""
    part = {
        (reference, subset): {"mean": base + row / 10 + column / 100, "interval": [base, base + 0.5]}
        for row, reference in enumerate(("person", "torso"))
        for column, subset in enumerate(("all", "visible", "occluded"))
    }
    part["torso", "occluded"]["mean"] = None
    return {
        reference: {subset: part[reference, subset] for subset in ("all", "visible", "occluded")}
        for reference in ("person", "torso")
    }


RESULTS = {
    "rows": {"RPSTN": scores(0.4), "frame by frame": scores(0.2)},
    "measured_on": {"dataset": "embedded", "test_clips": 60},
}


def test_means_by_reference_and_visibility():
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in means(RESULTS["rows"]).splitlines()]
    person, torso = ([f"{name}: {subset}" for subset in ("all", "visible", "occluded")] for name in ("person", "torso"))
    assert lines[0][1:] == [person[0], "95 % interval", *person[1:], *torso] and len({len(line) for line in lines}) == 1
    assert lines[2] == ["RPSTN", "40.0", "40.0 to 90.0", "41.0", "42.0", "50.0", "51.0", ""]
    assert lines[3][:2] == ["frame by frame", "20.0"]
    with pytest.raises(ValueError, match="no rows"):
        means({})


def test_a_terminal_has_columns():
    shown = aligned("|  | head | mean |\n| --- | ---: | ---: |\n| all | 5.0 | 71.25 |\n| occluded |  | 3.0 |")
    lines = [line.rstrip() for line in shown.splitlines()]
    assert lines == [
        "          head   mean",
        "all        5.0  71.25",
        "occluded          3.0",
    ]


def test_the_readme_takes_what_was_measured(tmp_path, capsys):
    """Inserting replaces what stood there, changes nothing else, and twice is once."""
    text, results = tmp_path / "README.md", tmp_path / "embedded.json"
    text.write_text(f"# Title\n\n{BEGIN}\nold\n{END}\n\nend\n")
    write_json(results, RESULTS)
    for _ in range(2):
        assert main([str(text), str(results)]) == 0
        assert text.read_text() == f"# Title\n\n{BEGIN}\n\n{published(RESULTS)}\n\n{END}\n\nend\n"
    assert "Measured on: dataset embedded, test clips 60." in text.read_text()
    assert main([str(text), str(tmp_path / "none.json")]) == 2 and "none.json" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["nothing", BEGIN, f"{END} {BEGIN}", f"{BEGIN} {END} {BEGIN} {END}"])
def test_a_text_without_its_place_is_refused(text):
    with pytest.raises(UserError, match="each once"):
        insert(text, "table")
