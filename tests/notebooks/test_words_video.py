"""What is said of one video."""

from types import SimpleNamespace

import numpy as np

from rpstn.notebooks import words


class Seen(SimpleNamespace):
    def __len__(self):
        return len(self.frames)


class Joints(list):
    name = "penn_action"


WEIGHTS = SimpleNamespace(name="best.safetensors", trained_on="data set embedded", val_pck=0.9, command="rpstn train")
SEEN = {
    "frames": np.zeros((4, 30, 40, 3)), "scale": 1.0, "fps": 25.0, "status": ("found", "followed", "lost", "followed"),
    "weights": WEIGHTS, "skeleton": Joints(range(13)),
}  # fmt: skip


def test_what_was_watched():
    assert words.video_row(Seen(**SEEN), "auto") == {
        "frames": "4", "size (px)": "40 x 30", "scaled for the figures by": "", "frames per second": "25",
        "boxes": "following the pose", "lost (% of frames)": "25.0",
    }  # fmt: skip
    row = words.video_row(Seen(**SEEN | {"scale": 0.5}), "1,2,3,4")
    assert row["scaled for the figures by"] == "0.50" and row["boxes"] == "1,2,3,4"


def test_with_which_weights():
    said = words.weights_words(Seen(**SEEN))
    assert said.startswith(
        "**Weights:** `best.safetensors`, trained on data set embedded (`PCK@0.2` on its val split: 90.0%). They find the 13 "
        "joints of the skeleton `penn_action`."
    )
    assert "`rpstn train` trains on your own copy" in said
    unknown = SimpleNamespace(**vars(WEIGHTS) | {"val_pck": None})
    assert "PCK" not in words.weights_words(Seen(**SEEN | {"weights": unknown}))


def test_the_limit():
    assert words.limit_words(0.25, "its val split") == (
        "For these weights the limit is 0.25. It was measured on its val split: a tenth of the visible joints there lie below it."
    )
    assert "It is **assumed**: nothing was measured" in words.limit_words(0.25, None)


def test_a_summary():
    assert words.summary_table({"head": {"a": None, "b": 0.123, "c": 3}}) == {"head": {"a": "-", "b": "0.12", "c": "3"}}


def test_whether_doubt_is_a_guide():
    doubt, hidden = np.array([[True, False], [False, False]]), np.array([[True, True], [False, False]])
    assert words.doubt_words(doubt, None).endswith(
        "25.0% of the joints well. Which joints truly are hidden is not known for this video."
    )
    assert words.doubt_words(doubt, hidden) == (
        "The network does not see 25.0% of the joints well. Truly hidden are 50.0%. Of these the network notices 50%; of the "
        "joints that it calls hidden, 100% are. **Here its doubt is a fair guide to what can be seen.**"
    )
    assert "**Here its doubt says little about what can be seen.**" in words.doubt_words(doubt, ~doubt)
    assert words.doubt_words(doubt, np.zeros_like(hidden)).endswith("Truly hidden are 0.0%.")


def test_what_joints_take():
    table = words.taken_table(np.array([[0.2, 0.4], [np.nan, 0.6]]), np.array([[False, True], [True, True]]))
    assert table["joints that the network sees well"] == {"taken from others (%)": "20.0", "joints": "1"}
    assert table["joints that the network does not see well"] == {"taken from others (%)": "50.0", "joints": "2"}
    assert words.taken_table(np.full((1, 1), np.nan), np.array([[True]]))["joints that the network sees well"]["joints"] == "0"
