"""What is said of the data, of one clip's kernels, and of measured speed."""

import numpy as np
import pytest

from rpstn.notebooks import words


def test_groups_of_two_splits():
    assert words.shared_groups_words(0) == "No group is in both train and test: nothing that is tested was trained on."
    assert words.shared_groups_words(1).startswith("**1 group** in both train and test")


def test_how_many_joints_are_occluded():
    occluded = np.array([[True, False], [True, False]])
    assert "not known" in words.occluded_words(np.zeros((2, 2), bool), [])
    assert words.occluded_words(occluded, []) == "Of all joints, 50.0% are occluded."
    by = [np.array([[1, 0]]), np.array([[2, 0]])]
    assert words.occluded_words(occluded, by) == (
        "Of all joints, 50.0% are occluded; 50% of these by the person's own body, the others by something else."
    )


def test_for_how_long_they_are():
    assert "on purpose" in words.hidden_so_far_words(np.array([]))
    assert words.hidden_so_far_words(np.array([-1, 1, 5, 6])) == (
        "Of the occluded joints, 25% were not visible before in their clip, and 50% have been hidden for up to five frames."
    )


def test_whether_kernels_change():
    assert words.kernel_change_words(0.02).endswith(
        "They hardly change in this clip: what is carried is almost the same in every frame."
    )
    assert words.kernel_change_words(0.3) == (
        "On average the kernels lie 30 % of their length from the clip's mean kernels. They change from frame to frame."
    )


@pytest.mark.parametrize(
    ("pose", "image", "said"),
    [
        (0.01, 0.015, "Almost nothing is carried here."),
        (0.4, 0.2, "depends on the pose 2.0 times as much as on the image."),
        (0.1, 0.3, "depends on the image 3.0 times as much as on the pose."),
        (0.3, 0.29, "depends on pose and image about equally."),
    ],
)
def test_what_is_carried(pose, image, said):
    assert said in words.carried_words(pose, image, True) and "has learned to carry" in words.carried_words(pose, image, True)
    assert words.carried_words(pose, image, False).endswith("this is where the network starts, not what it learns to carry.")


ROW = {"name": "matching", "setting": "small", "theirs": 0.2, "ours": 0.05, "ratio": 4.0, "asked": 5.0, "agreement": 1e-6}
ROW |= {"extra": {"share of matrix rate": "20%"}}


def test_measured_speed():
    row = words.bench_table([ROW])[0]
    assert (
        row["released style, ms"] == "200" and row["here, ms"] == "50" and row["target"] == "5" and row["difference"] == "1e-06"
    )
    row = words.bench_table([ROW | {"asked": None, "agreement": None}])[0]
    assert row["target"] == row["difference"] == ""
    assert words.targets_words([ROW]) == "Below the target: matching, small (4.0 of 5)."
    assert words.targets_words([ROW | {"asked": None}, ROW | {"ratio": 6.0}]) == "All rows reach their target."
    assert words.matching_words([ROW, ROW | {"name": "other"}]) == (
        "The matching is 4.0 times as fast as the released way, at 20% of the matrix rate. "
        "5 times would take 1.2 times that share."
    )
