"""Filters: exact where their assumption holds, causal, and honest about what was never seen."""

import numpy as np
import pytest

from rpstn.filters import hold, kalman, one_euro, velocity

FILTERS = [hold, velocity, one_euro, kalman]
T, K = 40, 3


@pytest.fixture
def walk():
    """Joints at constant velocities, and a stretch in which they are hidden."""
    speed = np.array([[1.0, 0.5], [-2.0, 0.0], [0.0, 0.0]])
    joints = np.array([50.0, 60.0]) + np.arange(T)[:, None, None] * speed
    known = np.ones((T, K), bool)
    known[20:26] = False
    return joints, known


def test_hold_stays_and_velocity_goes_on(walk):
    joints, known = walk
    np.testing.assert_array_equal(hold(joints, known)[20:26], np.broadcast_to(joints[19], (6, K, 2)))
    np.testing.assert_allclose(velocity(joints, known), joints)
    np.testing.assert_array_equal(hold(joints, known)[known], joints[known])


@pytest.mark.parametrize("filtered", FILTERS)
def test_filters_look_back_only(filtered, walk):
    joints, known = walk
    whole = filtered(joints, known)
    for end in (1, 10, 22, 30):
        np.testing.assert_allclose(filtered(joints[:end], known[:end]), whole[:end])


@pytest.mark.parametrize("filtered", FILTERS)
def test_what_was_never_seen_is_nowhere(filtered, walk):
    joints, known = walk
    known[:5, 0], known[:, 1] = False, False
    found = filtered(joints, known)
    assert np.isnan(found[:5, 0]).all() and np.isfinite(found[5:, 0]).all() and np.isnan(found[:, 1]).all()
    joints[30] = np.nan  # what is not a number was not observed, whatever `known` says
    assert np.isfinite(filtered(joints, known)[30, 0]).all()


@pytest.mark.parametrize("filtered", FILTERS)
def test_joints_do_not_know_of_each_other_nor_of_the_origin(filtered, walk):
    joints, known = walk
    known[3:9, 0] = False
    whole = filtered(joints, known)
    np.testing.assert_allclose(filtered(joints[:, :1], known[:, :1]), whole[:, :1])
    np.testing.assert_allclose(filtered(joints + 1000, known), whole + 1000)


@pytest.mark.parametrize(("filtered", "settings"), [(one_euro, {}), (kalman, {"acceleration": 0.1})])
def test_smoothing_calms_a_joint_that_rests(filtered, settings):
    rng = np.random.default_rng(0)
    still = np.full((200, 1, 2), 80.0)
    noisy = still + rng.normal(0, 2, still.shape)
    found = filtered(noisy, np.ones((200, 1), bool), **settings)
    assert (found - still)[20:].std() < 0.6 * (noisy - still)[20:].std()


def test_kalman_follows_a_steady_motion_and_comes_to_rest_where_it_is_hidden(walk):
    joints, known = walk
    found = kalman(joints, known, decay=1.0)
    assert np.abs(found - joints)[19].max() < 0.3 and np.abs(found - joints)[25].max() < 2
    known[20:] = False
    moved = np.abs(np.diff(kalman(joints, known)[20:, 1, 0]))
    assert (np.diff(moved) < 0).all() and moved[-1] < 0.5


@pytest.mark.parametrize("filtered", FILTERS)
def test_shapes_that_do_not_fit_are_refused(filtered):
    with pytest.raises(ValueError, match="joints must be"):
        filtered(np.zeros((5, 3)), np.ones((5, 3)))
    with pytest.raises(ValueError, match="joints must be"):
        filtered(np.zeros((5, 3, 2)), np.ones((5, 2)))


@pytest.mark.parametrize(
    ("filtered", "wrong"), [(one_euro, "rate"), (one_euro, "cutoff"), (kalman, "measurement"), (kalman, "acceleration")]
)
def test_settings_that_cannot_work_are_refused(filtered, wrong, walk):
    with pytest.raises(ValueError, match=wrong):
        filtered(*walk, **{wrong: 0.0})
