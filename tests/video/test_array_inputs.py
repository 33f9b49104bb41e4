"""Frames in memory: each shape is either clear or refused with the way to give it."""

import re

import numpy as np
import pytest
import torch

from rpstn.errors import UserError
from rpstn.video.input.source import open_input
from rpstn.video.predict import predict

from ..predicting import EMBEDDED


def zeros(*shape, kind=np.uint8):
    return np.zeros(shape, kind)


def ramp(*shape):
    return np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        ((20, 30), 1), ((20, 30, 1), 1), ((20, 30, 3), 1), ((20, 30, 4), 1),
        ((1, 20, 30), 1), ((7, 20, 30), 7),
        ((3, 20, 30, 3), 3), ((2, 20, 30, 1), 2), ((2, 20, 30, 4), 2), ((3, 3, 3, 3), 3),
    ],
)  # fmt: skip
def test_clear_shapes(shape, count):
    array = ramp(*shape)
    for given in (array, torch.from_numpy(array)):
        frames = [frame.pixels for frame in open_input(given)]
        assert len(frames) == count
        gray = array.ndim == 2 or (array.ndim == 3 and shape[2] > 4) or shape[-1] == 1
        whole = array.reshape(count, *frames[0].shape[:2], -1)
        expected = np.repeat(whole, 3, axis=-1) if gray else whole[..., :3]
        np.testing.assert_array_equal(np.stack(frames), expected)


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (zeros(3, 20, 30), "one image with its channels first, or 3 gray frames.*np.moveaxis(frames, 0, -1).*frames[..., None]"),
        (zeros(4, 20, 30), "or 4 gray frames"),
        (zeros(20, 30, 2), "an image has 1, 3 or 4 channels"),
        (zeros(5, 3, 20, 30), "np.moveaxis(frames, 1, -1)"),
        (zeros(5, 1, 20, 30), "np.moveaxis(frames, 1, -1)"),
        (zeros(3, 5, 20, 30), "np.moveaxis(frames, 0, -1)"),
        (zeros(5, 20, 30, 2), "give (T,H,W,3)"),
        (zeros(2, 5, 20, 30, 3), "several videos are given one after another"),
        (zeros(8), "give (T,H,W,3)"),
        (zeros(), "give (T,H,W,3)"),
        (zeros(0, 20, 30, 3), "at least one frame"),
        (zeros(5, 20, 0, 3), "at least one frame"),
        (zeros(5, 20, 30, 3, kind=float), "float64, not uint8.*0 to 1, give (frames * 255).round().astype(np.uint8)"),
        (zeros(5, 20, 30, 3, kind=np.float16), "float16, not uint8"),
        (zeros(5, 20, 30, 3, kind=int), "int64, not uint8.*frames.astype(np.uint8)"),
        (zeros(5, 20, 30, 3, kind=np.uint16), "(frames // 257).astype(np.uint8)"),
        (zeros(5, 20, 30, 3, kind=bool), "bool, not uint8"),
        (torch.zeros(5, 3, 20, 30), "float32, not uint8.*(frames * 255).round().to(torch.uint8)"),
        (torch.zeros(5, 20, 30, 3, dtype=torch.bfloat16), "bfloat16, not uint8"),
        (torch.zeros(5, 3, 20, 30, dtype=torch.uint8), "np.moveaxis(frames, 1, -1)"),
        ([], "list of frames is empty"),
        ([zeros(20, 30, 3), zeros(3, 20, 30)], "frame 1 of the list has the shape (3, 20, 30).*np.moveaxis(frame, 0, -1)"),
        ([zeros(20, 30, 3), zeros(20, 30, 3, kind=float)], "frame 1 of the list.*float64"),
        ([zeros(2, 20, 30, 3)], "frame 0 of the list"),
        (["a.png", "b.png"], "of type list; give a path"),
        ([[1, 2]], "of type list"),
        (iter([zeros(20, 30, 3)]), "or a list of such arrays"),
        (None, "NoneType"),
        (True, "bool"),
        (b"a.mp4", "bytes"),
        (1.5, "float"),
    ],
)
def test_what_is_not_clear_is_refused(array, said):
    with pytest.raises(UserError, match=".*".join(re.escape(part) for part in said.split(".*"))):
        open_input(array)


def test_one_image_is_one_frame_and_not_its_rows(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    one = predict(image, EMBEDDED, device="cpu")
    assert one.poses.shape == (1, 13, 2)
    for same in (image[None], [image], torch.from_numpy(image), image[:, ::-1][:, ::-1]):
        np.testing.assert_array_equal(predict(same, EMBEDDED, device="cpu").poses, one.poses)


def test_a_list_of_other_sizes_is_scaled_as_a_folder_is():
    source = open_input([np.full((20, 30, 3), 9, np.uint8), np.full((20, 20), 9, np.uint8), np.full((20, 30, 4), 9, np.uint8)])
    frames = [frame.pixels for frame in source]
    assert {frame.shape for frame in frames} == {(20, 30, 3)} and "frame 1 has 20x20 pixels" in source.notes[0]
    assert (frames[1][:, 5:25] == 9).all() and (frames[1][:, :5] == 0).all() and source.count == 3


def test_a_matrix_is_an_image_of_two_axes():
    for given in (np.asmatrix(ramp(20, 30)), [np.asmatrix(ramp(20, 30))]):
        (frame,) = open_input(given)
        np.testing.assert_array_equal(frame.pixels[..., 0], ramp(20, 30))
