"""What a user may type wrongly: one line, exit code 2, nothing made, in every command."""

import contextlib
import io
import json
import os
import subprocess
import sys
import warnings

import pytest

from rpstn.cli import main as cli
from rpstn.cli.streams import escaping
from rpstn.errors import UserError
from rpstn.runs.paths import check_file, check_folder

from ..conftest import CHECKOUT
from .test_cli import refused

# What a command cannot do without.
NEEDS = {
    "data make": "NAME",
    "data check": "NAME",
    "publish": "--name",
    "ablate merge": "FOLDER",
    "predict": "VIDEO",
    "calibrate": "CHECKPOINT",
    "convert": "CHECKPOINT",
    "export": "CHECKPOINT",
}


@pytest.mark.parametrize("command", [*cli._COMMANDS, "ablate"])
def test_an_unknown_option_is_one_line(command, capsys):
    given = ["x"] if NEEDS.get(command, "-")[0] != "-" else []
    assert "unknown words: --nonsense" in refused(capsys, *command.split(), *given, "--nonsense")


@pytest.mark.parametrize("command", NEEDS)
def test_what_is_missing_is_named(command, capsys):
    said = refused(capsys, *command.split())
    assert f"missing: {NEEDS[command]}" in said and said.endswith(f"see rpstn {command} --help")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("train --stepz 3", "unknown words: --stepz, 3; did you mean --steps?; see rpstn train --help"),
        ("train --steps 0", "steps must be at least 1, not 0"),
        ("train --steps many", "--steps: 'many' is not a whole number"),
        ("train --steps ----", "--steps: '----' is not a whole number"),
        ("train --lr", "--lr needs a value"),
        ("train --lr fast", "--lr: 'fast' is not a number"),
        ("train --lr nan", "--lr: 'nan' is not a finite number"),
        ("train --sigma inf", "--sigma: 'inf' is not a finite number"),
        ("train --augmentation.erasing-size 0.1 nan", "erasing-size"),
        ("train --augmentation.erasing-side 0.1 nan", "erasing-size"),
        ("train --relation perhaps", "relation must be one of on, off, manual, not 'perhaps'"),
        ("train three steps", "unknown words: three, steps"),
        ("evaluate --checkpont x", "unknown words: --checkpont, x; did you mean --checkpoint?"),
        ("evaluate", "no checkpoint is given"),
        ("folds", "no checkpoint is given"),
        ("evaluate --checkpoint x --threshold nan", "--threshold: 'nan' is not a finite number"),
        ("predict a.mp4 --hidden-below nan", "--hidden-below: 'nan' is not a finite number"),
        ("export x -o y --tolerance=-inf", "--tolerance: '-inf' is not a finite number"),
        ("run --profil smoke", "did you mean --profile?"),
        ("ablate --runs nonsense", "no run is called 'nonsense'"),
        ("ablate run --runs nonsense", "no run is called 'nonsense'"),
        ("ablate mrege x", "rpstn ablate has no command 'mrege'; did you mean 'merge'?"),
        ("data", "name one of: list, make, check; see rpstn data --help"),
    ],
)
def test_a_wrong_word_is_told_in_one_line(words, said, capsys):
    assert said in refused(capsys, *words.split())


def test_a_long_path_is_not_broken(capsys, tmp_path):
    """Tyro breaks lines at 80 columns, in the middle of a word if need be."""
    word = "--" + "long" * 40
    assert word in refused(capsys, "train", word)


@pytest.mark.parametrize("columns", ["40", None])
def test_the_terminal_is_left_as_it_was(columns, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    refused(capsys, "train", "--nonsense")
    assert os.environ.get("COLUMNS") == columns


@pytest.mark.parametrize("command", [*cli._COMMANDS, "data", "ablate"])
def test_every_command_explains_itself(command, capsys):
    assert cli.main([*command.split(), "--help"]) == 0
    captured = capsys.readouterr()
    assert f"usage: rpstn {command}" in captured.out and not captured.err


@pytest.mark.parametrize(
    "words",
    ["train --out", "evaluate --checkpoint", "predict", "data make embedded", "data check own", "run data --out", "convert x -o"],
)
def test_an_empty_word_is_no_path(words, capsys, tmp_path, monkeypatch):
    """Python takes the empty path for the working directory."""
    monkeypatch.chdir(tmp_path)
    assert "is empty" in refused(capsys, *words.split(), "")
    assert not list(tmp_path.iterdir())


def test_an_option_followed_by_nothing(capsys):
    assert "--out= is followed by nothing" in refused(capsys, "train", "--out=")


def test_an_empty_text_may_be_a_parameter(capsys):
    assert cli.main(["run", "data", "--list", "-p", "root", ""]) == 0
    assert "root: Optional[str] = ''" in capsys.readouterr().out


def test_a_parameter_is_name_and_value(capsys):
    for words in (["clip", "3"], ["clip=3"]):
        assert cli.main(["run", "jre", "--list", "-p", *words]) == 0
        assert "clip: int = 3 " in capsys.readouterr().out
    assert cli.main(["run", "data", "--list", "-p", "root", "a=b"]) == 0
    assert "root: Optional[str] = 'a=b'" in capsys.readouterr().out
    for words in (["-p"], ["-p", "clip"], ["-p", "clip", "--list"], ["--parameter", "clip"]):
        assert f"{words[0]} NAME VALUE" in refused(capsys, "run", "jre", *words)


OUTS = {
    "train": "train --root R --out OUT",
    "evaluate": "evaluate --root R --checkpoint embedded_rpstn --out OUT",
    "folds": "folds --root R --checkpoint x --out OUT",
    "publish": "publish --name x --out OUT",
    "ablate": "ablate --root R --out OUT",
    "predict": "predict R --out OUT",
    "run": "run data --profile smoke --out OUT",
    "bench": "bench matching --quick --out OUT/x.json",
    "convert": "convert x -o OUT/x.pt",
    "data make": "data make embedded OUT/x",
}


@pytest.mark.parametrize("command", OUTS)
@pytest.mark.parametrize("place", ["file", "below a file", "nowhere"])
def test_a_place_that_takes_no_results_is_told_before_the_work(command, place, capsys, tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    out = {"file": tmp_path / "file", "below a file": tmp_path / "file" / "a" / "b", "nowhere": "/proc/nowhere/b"}[place]
    if place == "nowhere" and not os.path.isdir("/proc/self"):
        pytest.skip("needs a folder in which nobody can write")
    words = OUTS[command].replace("OUT", str(out)).replace("R ", f"{tmp_path} ")
    assert str(out).split("/a/")[0] in refused(capsys, *words.split())
    assert [path.name for path in tmp_path.iterdir()] == ["file"] and (tmp_path / "file").read_text() == "mine"


def test_a_read_only_folder_is_told(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    check_folder(tmp_path / "new" / "deep")
    check_file(tmp_path / "new" / "file.json")
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write into folders without the permission
    with pytest.raises(UserError, match="nothing can be written to .*Permission denied"):
        check_folder(tmp_path / "new" / "deep")
    with pytest.raises(UserError, match="is a folder"):
        check_file(tmp_path)


def test_a_disk_that_is_full_later_is_one_line(capsys, monkeypatch):
    for error, said in [
        (OSError(28, "No space left on device"), "No space left on device"),
        (PermissionError(13, "Permission denied", "/a/b"), "/a/b: Permission denied"),
    ]:

        def fail(words, error=error):
            raise error

        monkeypatch.setattr(cli, "_dispatch", fail)
        assert said in refused(capsys, "train")
    monkeypatch.setattr(cli, "_dispatch", lambda words: os.stat(-1))
    with pytest.raises(OSError):  # a fault of the program keeps its traceback
        cli.main(["train"])


def written(text, encoding):
    """The bytes that a stream of an encoding gets of a text."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True)
    with contextlib.redirect_stdout(stream), escaping():
        print(text, end="")
    assert stream.errors == "strict", "left as it was"
    return stream.buffer.getvalue()


@pytest.mark.parametrize(
    ("text", "encoding", "wanted"),
    [
        ("élan", "utf-8", "élan".encode()),
        ("élan", "latin-1", b"\xe9lan"),
        ("élan → 腕 😀", "ascii", rb"\xe9lan \u2192 \u8155 \U0001f600"),
        ("→", "latin-1", rb"\u2192"),
        ("a \udcc3\udca9 b", "ascii", "a é b".encode()),  # a file's name in UTF-8, which an ASCII system cannot decode
        ("a \udcff b", "ascii", rb"a \udcff b"),
        ("a \udcff b", "utf-8", rb"a \udcff b"),
        ("\ud800", "utf-8", rb"\ud800"),
    ],
)
def test_any_text_can_be_printed(text, encoding, wanted):
    assert written(text, encoding) == wanted


# Words as a process of its own would get them, in a system whose encoding lacks their characters.
ONE_AFTER_ANOTHER = """
import json, os, sys
from rpstn.cli.main import main
for words in json.loads(sys.argv[1]):
    code = main([os.fsdecode(word.encode()) for word in words])
    for stream in (sys.stdout, sys.stderr):
        print(f"\\n{code} is the exit code", file=stream, flush=True)
"""


def test_paths_that_the_terminal_cannot_show(tmp_path, embedded_root):
    """After the work is done, and in what fails; bars, tables and files, too."""
    place = tmp_path / "Käse 腕"
    place.mkdir()
    (place / "set").symlink_to(embedded_root)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LC_", "LANG", "PYTHON"))}
    ascii_system = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    small = ["--frames", "2", "--size", "64"]
    steps = [
        (["data", "make", "embedded", f"{place}/made", "--train", "1", "--val", "1", "--test", "1", "--workers", "1", *small], 0),
        (["data", "check", "embedded", f"{place}/missing"], 2),
        (["train", "--root", f"{place}/set", "--out", f"{place}/run", "--steps", "1", "--batch", "2", *small], 0),
        (["evaluate", "--root", f"{place}/set", "--checkpoint", f"{place}/run/best.safetensors", "--out", f"{place}/scores"], 0),
        (["predict", f"{place}/made/frames/0001", "--checkpoint", "embedded_rpstn", "--out", f"{place}/poses"], 0),
    ]
    command = [sys.executable, "-c", ONE_AFTER_ANOTHER, json.dumps([words for words, _ in steps])]
    environment = kept | ascii_system | {"PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    streams = (done.stdout.decode("utf-8"), done.stderr.decode("utf-8", "replace"))
    assert done.returncode == 0 and "Traceback" not in streams[1], streams[1]
    parts = ([part.rpartition("\n") for part in stream.split(" is the exit code\n")[:-1]] for stream in streams)
    for (words, code), (out, _, ended), (said, _, _) in zip(steps, *parts, strict=True):
        assert ended == f"{code}", f"{words}\n{said}"
        assert str(place) in (out if code == 0 else said)
    assert (place / "scores" / "metrics.json").is_file() and (place / "poses" / "poses.csv").is_file()


def test_warnings_are_one_line_of_ours(embedded_root, tmp_path, capsys, monkeypatch):
    """Not a place in the code, and not several lines."""
    from rpstn.cli import data

    monkeypatch.setattr(data, "list_sets", lambda: warnings.warn("two clips\n  are left out", UserWarning, stacklevel=1))
    before = warnings.showwarning
    assert cli.main(["data", "list"]) == 0 and warnings.showwarning is before
    assert capsys.readouterr().err == "rpstn: warning: two clips are left out\n"
