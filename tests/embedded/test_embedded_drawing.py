"""The embedded data set: drawing, and states that are exact, on scenes made by hand."""

import dataclasses

import numpy as np
import pytest

from rpstn.datasets.clip import ABSENT, OCCLUDED, VISIBLE
from rpstn.embedded.bodies import make_body, pose_body
from rpstn.embedded.build_motion import POINTS, SEGMENTS
from rpstn.embedded.camera import Camera
from rpstn.embedded.clips import draw_clip
from rpstn.embedded.mesh import template
from rpstn.embedded.motion import load_motions, with_proportions
from rpstn.embedded.plan import plan_clips
from rpstn.embedded.raster import rasterize
from rpstn.embedded.render import BY_BODY, BY_THING, JOINTS, Lens, render
from rpstn.embedded.scene import Light, Place, Thing
from rpstn.skeletons import PENN_ACTION

WHOLE_SET = {"train": 240, "val": 30, "test": 60}


def studio(distance: float = 4.0, size: int = 160, frames: int = 1) -> Camera:
    """A camera at x = distance that looks along -x at a person who faces it."""
    axes = np.array([[0.0, 0.0, -1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    return Camera(
        np.tile([distance, 0.9, 0.0], (frames, 1)), np.tile(axes, (frames, 1, 1)), np.full(frames, 280.0),
        np.full((frames, 2), (size - 1) / 2), size,
    )  # fmt: skip


def plain_place() -> Place:
    gray = np.full((64, 64, 3), 128, np.uint8)
    light = Light(np.array([0.5, 0.8, 0.33]), np.full(3, 0.5), np.full(3, 0.4), np.full(3, 0.2), 0.5, 1.0)
    return Place(gray, gray, 10.0, gray, 10.0, np.array([-5.0, 0, 0]), np.array([0, 0, 1.0]), light, 0.5)


CLEAR = Lens(0.0, 0.0, 0.0, 0.0, 1.0, 1.0, np.ones(3, np.float32), 0.0, 95)


@pytest.fixture(scope="module")
def standing():
    """A person at the end of getting up, who stands and is turned to face +x: body, points, matrices of one frame."""
    motion = load_motions()["jump"]
    body = make_body(np.random.SeedSequence(5))
    poses = motion.poses[:1]
    points, matrices = with_proportions(poses, body.lengths)
    points = points - points[:, :1] * (1, 0, 1)
    return body, points, matrices


def draw(standing, things=(), camera=None):
    body, points, matrices = standing
    return render(body, points, matrices, camera or studio(), plain_place(), list(things), CLEAR, np.random.default_rng(0))


def slab(x: float, y: float, z: float, side: float) -> Thing:
    """An opaque square whose middle is at (x, y, z)."""
    texture = np.full((32, 32, 4), 255, np.uint8)
    return Thing("slab", texture, np.array([[x, y - side / 2, z]]), side, side)


def test_left_and_right_are_the_persons_own(standing):
    body, points, matrices = standing
    seen = draw(standing)
    for name in ("shoulder", "hip", "knee", "ankle", "wrist"):  # facing the camera: the left is at the image's right
        assert seen.joints[0, PENN_ACTION.index(f"left_{name}"), 0] > seen.joints[0, PENN_ACTION.index(f"right_{name}"), 0]
    assert seen.joints[0, PENN_ACTION.index("head"), 1] < seen.joints[0, PENN_ACTION.index("left_hip"), 1]
    toes = pose_body(body, points, matrices)[0][0][body.template.weights[:, SEGMENTS.index("left_ankle")] > 0.9]
    assert toes[:, 0].max() > points[0, POINTS.index("left_ankle"), 0] + 0.1  # feet point forward


def test_a_slab_before_a_joint_hides_it_and_no_other(standing):
    points = standing[1]
    free = draw(standing)
    for name in ("left_ankle", "right_knee", "left_shoulder", "head"):
        joint = PENN_ACTION.index(name)
        assert free.state[0, joint] == VISIBLE
        eye, goal = studio().position[0], points[0, JOINTS[joint]]
        at = goal + 0.3 * (eye - goal)
        hidden = draw(standing, [slab(*at, 0.08)])
        expected, cause = free.state.copy(), free.occluded_by.copy()
        expected[0, joint], cause[0, joint] = OCCLUDED, BY_THING
        np.testing.assert_array_equal(hidden.state, expected, err_msg=name)
        np.testing.assert_array_equal(hidden.occluded_by, cause, err_msg=name)


def test_a_slab_behind_the_body_hides_nothing(standing):
    free, behind = draw(standing), draw(standing, [slab(-1.0, 0.9, 0.0, 3.0)])
    np.testing.assert_array_equal(free.state, behind.state)
    np.testing.assert_array_equal(free.occluded_by, behind.occluded_by)
    assert np.abs(free.frames.astype(int) - behind.frames).max() > 20  # it is there to be seen, beside the body
    row, column = free.joints[0, PENN_ACTION.index("left_hip"), ::-1].round().astype(int)
    assert np.abs(free.frames[0, row, column].astype(int) - behind.frames[0, row, column]).max() < 3


def test_a_slab_that_covers_all_hides_all(standing):
    seen = draw(standing, [slab(1.5, 0.9, 0.0, 3.0)])
    assert (seen.state == OCCLUDED).all() and (seen.occluded_by == BY_THING).all()


def test_seen_from_the_side_the_far_arm_and_hip_are_hidden_by_the_body(standing):
    # From the person's left (z < 0), looking along +z.
    axes = np.array([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    camera = dataclasses.replace(studio(), position=np.array([[0.0, 0.9, -4.0]]), axes=axes[None])
    seen = draw(standing, camera=camera)
    for name, state in (("left_shoulder", VISIBLE), ("right_shoulder", OCCLUDED), ("left_hip", VISIBLE), ("right_hip", OCCLUDED)):
        assert seen.state[0, PENN_ACTION.index(name)] == state, name
    assert seen.occluded_by[0, PENN_ACTION.index("right_hip")] == BY_BODY


def test_outside_the_frame_is_absent(standing):
    camera = studio()
    camera = dataclasses.replace(camera, center=camera.center + (0.0, 60.0))
    seen = draw(standing, camera=camera)
    outside = seen.joints[0, :, 1] > 159
    assert outside.any() and not outside.all()
    np.testing.assert_array_equal(seen.state[0] == ABSENT, outside)
    assert seen.corners[0, 3] == 159


def test_box_holds_the_body_and_visible_joints_lie_on_it(standing):
    """Against the body drawn alone: a black place, the body's own pixels are all that is lit."""
    body, points, matrices = standing
    seen = draw(standing)
    vertices, _ = pose_body(body, points, matrices)
    outline, depth = studio().project(vertices)
    pixel, *_ = rasterize(outline[0] * 2 + 0.5, depth[0], body.template.faces, 320, 320)
    mask = np.zeros((320, 320), bool)
    mask.ravel()[pixel] = True
    rows, columns = (np.flatnonzero(mask.any(axis)) / 2 - 0.25 for axis in (1, 0))
    x0, y0, x1, y1 = seen.corners[0]
    assert x0 <= columns[0] + 0.01 and x1 >= columns[-1] - 0.01 and y0 <= rows[0] + 0.01 and y1 >= rows[-1] - 0.01
    assert columns[0] - x0 < 1 and x1 - columns[-1] < 1 and rows[0] - y0 < 1 and y1 - rows[-1] < 1  # and is tight
    for joint in np.flatnonzero(seen.state[0] == VISIBLE):
        column, row = np.round(seen.joints[0, joint] * 2 + 0.5).astype(int)
        assert mask[row, column], PENN_ACTION.joints[joint]


def test_rasterizer_against_every_triangle_at_every_pixel():
    rng = np.random.default_rng(0)
    points, depth = rng.uniform(-3, 33, (40, 2)), rng.uniform(1, 3, 40)
    faces = rng.integers(0, 40, (60, 3))
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 0] != faces[:, 2])]
    pixel, face, weights, z = rasterize(points, depth, faces, 30, 30)
    nearest = np.full((30, 30), np.inf)
    y, x = np.mgrid[:30, :30]
    for a, b, c in faces:
        (ax, ay), (bx, by), (cx, cy) = points[a], points[b], points[c]
        area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
        if area >= 0:
            continue
        wb = ((x - ax) * (cy - ay) - (cx - ax) * (y - ay)) / area
        wc = ((bx - ax) * (y - ay) - (x - ax) * (by - ay)) / area
        value = depth[a] + wb * (depth[b] - depth[a]) + wc * (depth[c] - depth[a])
        nearest = np.where((wb >= 0) & (wc >= 0) & (wb + wc <= 1), np.minimum(nearest, value), nearest)
    drawn = np.full(900, np.inf)
    drawn[pixel] = z
    both = np.isfinite(nearest.ravel()) & np.isfinite(drawn)
    assert both.sum() > 200 and (np.isfinite(nearest.ravel()) != np.isfinite(drawn)).sum() <= 2
    assert (np.abs(drawn[both] - nearest.ravel()[both]) < 1e-3).mean() > 0.99
    np.testing.assert_allclose((weights * depth[faces[face]].T).sum(0), z, atol=1e-3)


def test_template_is_a_closed_surface_of_human_volume():
    for hair, skirt in (("short", False), ("long", True)):
        shape = template(hair, skirt)
        edges = np.sort(np.concatenate([shape.faces[:, [0, 1]], shape.faces[:, [1, 2]], shape.faces[:, [2, 0]]]), axis=1)
        _, counts = np.unique(edges, axis=0, return_counts=True)
        assert (counts % 2 == 0).all()  # no edge is open
        corners = shape.vertices[shape.faces]
        volume = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
        assert 0.04 < volume < 0.12  # cubic meters; positive: faces turn outward
        np.testing.assert_allclose(shape.weights.sum(1), 1, atol=1e-5)


def test_clips_show_mostly_visible_joints_and_short_occlusions():
    plans = plan_clips(0, WHOLE_SET)[::33]
    states = [draw_clip(plan, 24, 96)[0].state for plan in plans]
    share = np.mean([state == VISIBLE for state in states])
    assert 0.55 < share < 0.92
    back = sum(
        (state[t, k] == OCCLUDED) and (state[t - 1, k] == VISIBLE)
        for state in states for t in range(1, 24) for k in range(13)
    )  # fmt: skip
    assert back > 50
