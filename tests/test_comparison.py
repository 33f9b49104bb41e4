"""What is said of two networks' training is what their manifests say."""

import pytest

from rpstn.comparison import how_trained

RUN = {
    "steps": 350, "init": "runs/a/encoder/best.pt", "lr": 0.0015, "relation": "on", "propagation": "matching",
    "out": "runs/a/rpstn", "augmentation": {"flip": 0.5},
}  # fmt: skip


def test_a_fair_comparison_is_called_one():
    plain = RUN | {"relation": "off", "propagation": "none", "out": "runs/a/frame_by_frame"}
    said = how_trained({"RPSTN": RUN, "frame by frame": plain})
    assert said == "Both networks made 350 training steps from the same encoder."
    assert how_trained({"a": RUN, "b": plain, "c": RUN}).startswith("All 3 networks made 350 training steps from the same")


@pytest.mark.parametrize(
    "change, expected, absent",
    [
        ({"steps": 700}, "different numbers of training steps (RPSTN: 350, alone: 700) from the same encoder", "also differ"),
        ({"init": "runs/b/encoder/best.pt"}, "different starts (RPSTN: `runs/a/encoder/best.pt`, alone: `runs/b/", "same enc"),
        ({"init": None}, "alone: fresh weights", "the same encoder"),
        ({"lr": 0.003}, "also differ in lr (RPSTN: 0.0015, alone: 0.003)", "different"),
        ({"augmentation": {"flip": 0.0}}, "also differ in augmentation.", "flip"),
    ],
)
def test_a_difference_is_named(change, expected, absent):
    said = how_trained({"RPSTN": RUN, "alone": RUN | change})
    assert expected in said and absent not in said


def test_what_is_not_known_is_not_claimed():
    said = how_trained({"RPSTN": RUN, "alone": None})
    assert "alone" in said and "not known" in said and "same" not in said
    both = how_trained({"a": RUN | {"init": None}, "b": RUN | {"init": None}})
    assert both == "Both networks made 350 training steps from fresh weights."
    with pytest.raises(ValueError, match="no network"):
        how_trained({})
