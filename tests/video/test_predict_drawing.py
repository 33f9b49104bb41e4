"""What is said and drawn of predicted poses: the summary in words, and the image with its relation."""

import numpy as np
import pytest

from rpstn.models.weights import Limit
from rpstn.skeletons import PENN_ACTION
from rpstn.video.input.frames import Frame
from rpstn.video.output.files import frame_entry
from rpstn.video.output.overlay import LONGEST_STAND, AnnotatedVideo, Annotator, scale_of
from rpstn.video.output.summary import doubt_notes, summarize_poses, summary_lines
from rpstn.video.stream import FOLLOWED, GIVEN, LOST, PersonPose


class TestSummary:
    def entries(self, confidences, statuses=None, present=None):
        for index, value in enumerate(confidences):
            confidence = np.full(13, 0.9, np.float32)
            confidence[5] = value
            status = FOLLOWED if statuses is None else statuses[index]
            pose = PersonPose("1", np.array([0, 0, 9, 9]), np.zeros((13, 2)), confidence, None, status)
            here = present is None or present[index]
            yield frame_entry(index, index / 10, [pose] if here else [], 0.4)

    def test_hidden_for_how_long_and_seen_when(self):
        summary = summarize_poses(self.entries([0.9, 0.1, 0.1, 0.1, 0.9, 0.1, 0.9, 0.1, 0.1, 0.1]), PENN_ACTION)
        wrist = summary["1"]["joints"]["left_wrist"]
        assert wrist["hidden"] == 7
        assert wrist["stretches"] == [
            {"first": 1, "frames": 3, "seconds": 0.3, "seen_again": 4},
            {"first": 7, "frames": 3, "seconds": 0.3, "seen_again": None},
        ]
        assert summary["1"]["joints"]["head"] == {"hidden": 0, "stretches": []}
        said = "\n".join(summary_lines(summary))
        assert "left wrist: hidden in 7 frames; longest 3 frames (0.30 s) from frame 1, seen again in frame 4" in said

    def test_lost_hides_all_and_absence_ends_a_stretch(self):
        summary = summarize_poses(self.entries([0.9] * 4, [FOLLOWED, LOST, LOST, LOST]), PENN_ACTION)
        assert summary["1"]["lost"] == 3 and summary["1"]["joints"]["head"]["hidden"] == 3
        away = summarize_poses(self.entries([0.1] * 9, present=[1, 1, 1, 0, 0, 1, 1, 1, 1]), PENN_ACTION)["1"]
        assert [part["frames"] for part in away["joints"]["left_wrist"]["stretches"]] == [3, 4] and away["frames"] == 7

    def test_nobody(self):
        assert summary_lines(summarize_poses([], PENN_ACTION)) == ["no box lay in any frame, so there are no poses"]
        lost = summarize_poses(self.entries([0.1] * 12, [LOST] * 12), PENN_ACTION)
        assert summary_lines(lost) == ["person 1: not seen in any of 12 frames"]

    def test_the_words_are_those_of_the_numbers(self):
        """In a lost frame all joints are hidden: with 12 of 13 equal, none was hidden only "now and then"."""
        lines = summary_lines(summarize_poses(self.entries([0.1] * 4, [FOLLOWED, LOST, LOST, LOST]), PENN_ACTION))
        assert lines[0] == "person 1: 4 frames, not seen in 3 of them" and lines[-1] == "  8 more: hidden in 3 frames"
        assert summary_lines(summarize_poses(self.entries([0.9] * 4), PENN_ACTION))[0] == "person 1: 4 frames with a pose"
        assert summary_lines(summarize_poses(self.entries([0.1] * 4), PENN_ACTION), shown=0)[2] == "  1 more: hidden in 4 frames"
        mixed = list(self.entries([0.1] * 4))
        mixed[0]["people"][0]["hidden"] = [0, 5]
        assert summary_lines(summarize_poses(mixed, PENN_ACTION), shown=0)[2] == "  2 more: hidden in 1 to 4 frames"

    def test_given_boxes_around_nobody(self):
        """A mean of (12 * 0.9 + 0.1) / 13 = 0.84 lies below a limit of 0.85."""
        for limit, low in ((0.85, 3), (0.8, 0)):
            summary = summarize_poses(self.entries([0.1] * 3 + [0.9], [GIVEN] * 4), PENN_ACTION, limit)
            limits = Limit(limit, "measured on val"), Limit(0.4, "measured on val")
            assert summary["1"]["low_confidence"] == low and len(doubt_notes(summary, *limits)) == bool(low)
            half = summarize_poses(self.entries([0.1, 0.9], [GIVEN] * 2), PENN_ACTION, limit)
            assert not doubt_notes(half, *limits), "half is not most"
        summary = summarize_poses(self.entries([0.1] * 3 + [0.9], [GIVEN] * 4), PENN_ACTION, 0.85)
        (said,) = doubt_notes(summary, Limit(0.85, "measured on val"), Limit(0.4, "measured on val"))
        assert "nobody in 3 of 4 boxes" in said and "0.84 to 0.84, and below 0.85 nobody counts as seen (measured on val)" in said


class TestDrawing:
    def entry(self, confidence, status=FOLLOWED):
        joints = np.column_stack([np.linspace(20, 140, 13), np.linspace(140, 20, 13)])
        pose = PersonPose("1", np.array([10, 10, 140, 140]), joints, np.full(13, confidence, np.float32), np.eye(13), status)
        return frame_entry(0, 0.0, [pose], 0.4, relation=True)

    def at_joint(self, image, scale):
        place = round(20 * scale + (scale - 1) / 2), round(140 * scale + (scale - 1) / 2)
        return image[place[1], place[0]].astype(int)

    def test_joints_have_the_color_of_their_confidence_and_hidden_ones_are_hollow(self):
        pixels = np.full((160, 160, 3), 90, np.uint8)
        annotator = Annotator(PENN_ACTION, (160, 160), 0.4)
        high, low = (self.at_joint(annotator.draw(pixels, self.entry(value)), annotator.scale) for value in (1.0, 0.5))
        assert high[0] > 200 and high[2] < 100, "yellow"
        assert low[1] > low[0] and abs(high - low).max() > 60, "green"
        empty = self.at_joint(annotator.draw(pixels, self.entry(0.1)), annotator.scale)
        assert abs(empty - high).max() > 60
        assert (annotator.draw(pixels, self.entry(0.9, LOST)) != annotator.draw(pixels, self.entry(0.9))).any()

    def test_the_matrix_follows_the_order_of_the_limbs(self):
        annotator = Annotator(PENN_ACTION, (160, 160), 0.4, relation=True)
        entry = self.entry(0.9)
        weights = np.zeros((13, 13))
        row, column = PENN_ACTION.index("left_elbow"), PENN_ACTION.index("right_hip")
        weights[row, column] = 1
        entry["people"][0]["relation"] = weights.tolist()
        panel = annotator.draw(np.zeros((160, 160, 3), np.uint8), entry)[:, annotator.width :]
        dark = np.argwhere((panel == (0, 68, 136)).all(axis=-1))
        cell = np.ptp(dark[:, 0]) + 1
        margin = min(92, (annotator.height + 34) // 4)
        assert np.ptp(dark[:, 1]) + 1 == cell and dark[:, 0].min() == 24 + cell * PENN_ACTION.order.index(row)
        assert dark[:, 1].min() == margin + cell * PENN_ACTION.order.index(column)

    def test_the_box_is_where_its_pixels_are(self):
        """Its left edge runs through the middle of the pixels at x = 10."""
        pixels = np.zeros((160, 160, 3), np.uint8)
        annotator = Annotator(PENN_ACTION, (160, 160), 0.4)
        image = annotator.draw(pixels, self.entry(0.9))
        (columns,) = np.nonzero((image[:, :100] == 200).all(axis=-1).sum(axis=0) > 0.5 * annotator.height)
        assert annotator.scale > 1 and columns.tolist() == [round(10 * annotator.scale + (annotator.scale - 1) / 2)]

    @pytest.mark.parametrize("size", [(1, 1), (3, 500), (160, 160), (2160, 3840)])
    def test_every_size_is_drawn(self, size):
        annotator = Annotator(PENN_ACTION, size, 0.4, relation=True)
        image = annotator.draw(np.zeros((*size, 3), np.uint8), self.entry(0.9))
        assert image.dtype == np.uint8 and max(annotator.height, annotator.width) <= 1280
        assert scale_of((240, 320)) == 2 and scale_of((1080, 1920)) < 1


def test_a_long_gap_is_cut_once(tmp_path):
    """A minute without frames stands for ten seconds; the frames after it stand for one image each again."""
    video = AnnotatedVideo(tmp_path / "video.webm", Annotator(PENN_ACTION, (16, 16), 0.4), 25.0)
    for index in range(6):
        time = 60 + (index - 1) / 25 if index else 0.0
        video.draw((Frame(index, time, np.zeros((16, 16, 3), np.uint8)), frame_entry(index, time, [], 0.4)))
    video.close()
    assert video.writer.count == LONGEST_STAND + 5
