"""Parameters of a notebook: which cells can be checked, and what texts and values become."""

import re

import pytest

from rpstn.errors import UserError
from rpstn.notebooks.parameters import Parameter, read_parameters


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("steps = 3  # no type", "is no parameter"),
        ("steps: int", "is no parameter"),
        ("steps: int | None = 3", "not one that can be checked"),
        ("steps: dict = {}", "not one that can be checked"),
        ("steps: list = []", "not one that can be checked"),
        ("steps: Optional[list] = None", "not one that can be checked"),
        ("steps: float = 1e999", "is not a finite number"),
        ("steps: int = 2 * 3", "must be a plain value"),
        ("steps: int = 'a'", "is not a whole number"),
        ("steps: int = ", "line 1 is no Python"),
    ],
)
def test_parameters_cells_that_cannot_be_checked(source, said):
    with pytest.raises(UserError, match=re.escape(said)):
        read_parameters(source)


def test_texts_become_values():
    cases = [
        ("int", "12", 12),
        ("float", "1e-3", 1e-3),
        ("float", 2, 2.0),
        ("str", "12", "12"),
        ("bool", "no", False),
        ("Optional[int]", "none", None),
        ("Optional[int]", "4", 4),
        ("list[str]", "a,b", ["a", "b"]),
        ("list[int]", "[1, 2]", [1, 2]),
        ("list[int]", "", []),
        ("list[float]", "0.1, 3", [0.1, 3.0]),
        ("list[float]", [0, 8], [0.0, 8.0]),
        ("list[float]", "(0.1, 0.3)", [0.1, 0.3]),
        ("list[str]", " a , b c ", ["a", "b c"]),
        ("Optional[list[int]]", "1,2", [1, 2]),
    ]
    for annotation, given, wanted in cases:
        value = Parameter("x", annotation, None, "").convert(given)
        assert value == wanted and type(value) is type(wanted)
        if isinstance(value, list):
            assert [type(item) for item in value] == [type(item) for item in wanted]


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        *[("float", text) for text in ("nan", "-nan", "inf", "-Infinity", "1e999", "", "1,5", float("nan"), 10**400)],
        *[("int", text) for text in ("1.0", "nan", "1e3", 1.0, True, None, "9" * 5000)],
        *[("list[float]", given) for given in ("0.1,nan", "0.1,,0.3", "[0.1", "{0.1: 1}", "{0.1, 0.3}", [True], [None], 0.1)],
        *[("list[str]", given) for given in ("{'rpstn': 1}", {"rpstn": 1}, ["a", 1], [{}], "a,,b", ",", "[" * 5000)],
        *[("list[int]", given) for given in ("1,2.5", [1, 2.0], "[1, 'a']", None)],
        *[("Optional[float]", given) for given in ("nan", float("inf"), [], "")],
        *[("bool", given) for given in ("perhaps", 2, "", None, [])],
        *[("str", given) for given in (1, None, ["a"], {})],
    ],
)
def test_values_of_another_type_are_refused(annotation, given):
    with pytest.raises(UserError, match="parameter x: "):
        Parameter("x", annotation, None, "").convert(given)
