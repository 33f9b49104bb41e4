"""Poses over time without a network: hold, velocity, one-euro and Kalman filters. What a memory has to beat.

Every filter is causal: its value at frame t depends on frames up to t. Joints are (T,K,2) in any pixels; `known` (T,K) says
where a joint was observed. Where it was not, the filter says where it expects it; before the first observation that is NaN.
"""

from __future__ import annotations

import numpy as np

from rpstn.errors import positive


def hold(joints: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Say that a joint that is not observed is where it was last observed.

    joints (T,K,2), known (T,K) -> (T,K,2). Raises ValueError for shapes that do not fit.
    """
    joints, known = _checked(joints, known)
    last, _ = _last_two(known)
    held = np.take_along_axis(joints, last.clip(0)[..., None], axis=0)
    return np.where((last >= 0)[..., None], held, np.nan)


def velocity(joints: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Say that a joint that is not observed goes on as it moved between its last two observations.

        p_t = p_b + (t - b) (p_b - p_a) / (b - a),    a < b the last two frames in which it was observed, b <= t

    With one observation it is held. joints (T,K,2), known (T,K) -> (T,K,2). Raises ValueError for shapes that do not fit.
    """
    joints, known = _checked(joints, known)
    last, before = _last_two(known)
    there = np.take_along_axis(joints, last.clip(0)[..., None], axis=0)
    earlier = np.take_along_axis(joints, before.clip(0)[..., None], axis=0)
    frames = np.arange(len(joints))[:, None]
    ahead = np.where(before >= 0, (frames - last) / np.maximum(last - before, 1), 0.0)
    moved = there + ahead[..., None] * (there - np.where((before >= 0)[..., None], earlier, there))
    return np.where((last >= 0)[..., None], moved, np.nan)


def one_euro(
    joints: np.ndarray,
    known: np.ndarray,
    rate: float = 25.0,
    *,
    cutoff: float = 1.0,
    beta: float = 0.05,
    slope_cutoff: float = 1.0,
) -> np.ndarray:
    """Smooth by a low-pass filter whose cutoff rises with speed: steady joints are calmed, fast ones hardly delayed.

        x'_t = x'_{t-1} + a (x_t - x'_{t-1}),    a = 1 / (1 + rate / (2 pi f)),    f = cutoff + beta |slope'|

    with the slope smoothed in the same way at slope_cutoff (Casiez, Roussel, Vogel, "1 euro Filter", CHI 2012). A joint that is
    not observed stays at its last smoothed position.

    rate                  frames per second.
    cutoff, slope_cutoff  Hz; beta in Hz per (pixel per second).
    joints (T,K,2), known (T,K) -> (T,K,2). Raises ValueError for shapes that do not fit and for a rate or cutoff not above 0.
    """
    joints, known = _checked(joints, known)
    rate, cutoff, slope_cutoff = positive("rate", rate), positive("cutoff", cutoff), positive("slope_cutoff", slope_cutoff)

    def share(frequency: np.ndarray | float) -> np.ndarray:
        return np.asarray(1 / (1 + rate / (2 * np.pi * frequency)))

    smooth = np.full_like(joints, np.nan)
    position, slope = np.full(joints.shape[1:], np.nan), np.zeros(joints.shape[1:])
    for t, (observed, seen) in enumerate(zip(joints, known, strict=True)):
        fresh = seen & np.isnan(position[:, 0])
        position[fresh] = observed[fresh]
        change = (observed - position) * rate
        going = (seen & ~fresh)[:, None]
        slope = np.where(going, slope + share(slope_cutoff) * (change - slope), slope)
        weight = share(cutoff + beta * np.abs(slope))
        position = np.where(going, position + weight * (observed - position), position)
        smooth[t] = position
    return smooth


def kalman(
    joints: np.ndarray, known: np.ndarray, *, measurement: float = 2.0, acceleration: float = 1.0, decay: float = 0.9
) -> np.ndarray:
    """Filter by a Kalman filter of position and velocity, each coordinate for itself.

        (p, v)_{t+1} = (p + v, decay v) + noise,    observed p + noise

    measurement   standard deviation of what is observed, pixels.
    acceleration  standard deviation of the change of velocity, pixels per frame and frame.
    decay         what is left of a velocity after a frame: below 1, a joint that is not observed comes to rest.
    joints (T,K,2), known (T,K) -> (T,K,2). Raises ValueError for shapes that do not fit and for deviations not above 0.
    """
    joints, known = _checked(joints, known)
    r, q = positive("measurement", measurement) ** 2, positive("acceleration", acceleration) ** 2
    step = np.array([[1.0, 1.0], [0.0, decay]])
    noise = q * np.array([[0.25, 0.5], [0.5, 1.0]])
    count = joints.shape[1]
    mean = np.full((count, 2, 2), np.nan)  # joint, coordinate, (position, velocity)
    spread = np.zeros((count, 2, 2))  # the same for both coordinates
    filtered = np.full_like(joints, np.nan)
    for t, (observed, seen) in enumerate(zip(joints, known, strict=True)):
        mean, spread = mean @ step.T, step @ spread @ step.T + noise
        fresh = seen & np.isnan(mean[:, 0, 0])
        mean[fresh] = np.stack([observed[fresh], np.zeros_like(observed[fresh])], axis=-1)
        spread[fresh] = np.diag([r, 10 * q])
        going = seen & ~fresh
        gain = spread[going, :, 0] / (spread[going, 0, 0] + r)[:, None]
        mean[going] += (observed[going] - mean[going, :, 0])[..., None] * gain[:, None, :]
        spread[going] -= gain[:, :, None] * spread[going, 0][:, None, :]
        filtered[t] = mean[:, :, 0]
    return filtered


def _checked(joints: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    joints, known = np.asarray(joints, np.float64), np.asarray(known, bool)
    if joints.ndim != 3 or joints.shape[-1] != 2 or known.shape != joints.shape[:2]:
        raise ValueError(f"joints must be (T,K,2) and known (T,K), not {joints.shape} and {known.shape}")
    return joints, known & np.isfinite(joints).all(axis=-1)


def _last_two(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find for each frame the last two frames in which each joint was observed, itself included; -1 where there is none."""
    last, before = np.full(known.shape, -1), np.full(known.shape, -1)
    latest, previous = np.full(known.shape[1], -1), np.full(known.shape[1], -1)
    for t, seen in enumerate(known):
        previous, latest = np.where(seen, latest, previous), np.where(seen, t, latest)
        last[t], before[t] = latest, previous
    return last, before
