"""A camera that more or less follows a person: its path, where it looks, its zoom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """Perspective cameras of T frames: position (T, 3) meters; axes (T, 3, 3), rows right, up, forward; focal (T,) pixels;
    center (T, 2) pixels where the forward axis meets the image of `size` x `size` pixels.
    """

    position: np.ndarray
    axes: np.ndarray
    focal: np.ndarray
    center: np.ndarray
    size: int

    def at(self, frame: int) -> Camera:
        """Return the camera of one frame alone."""
        part = slice(frame, frame + 1)
        return Camera(self.position[part], self.axes[part], self.focal[part], self.center[part], self.size)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project world points (T, N, 3) to pixels (T, N, 2), x right and y down, and depths (T, N) in meters."""
        local = (points - self.position[:, None]) @ self.axes.transpose(0, 2, 1)
        depth = local[..., 2]
        scale = self.focal[:, None] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        x = self.center[:, None, 0] + scale * local[..., 0]
        y = self.center[:, None, 1] - scale * local[..., 1]
        return np.stack([x, y], -1), depth

    def plane(self, frame: int, origin: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Return the homography (3, 3) from (u, v, 1) of the plane origin + u a + v b to homogeneous pixels of one frame."""
        axes, focal = self.axes[frame], self.focal[frame]
        local = axes @ np.stack([a, b, origin - self.position[frame]], -1)
        intrinsic = np.array([[focal, 0, self.center[frame, 0]], [0, -focal, self.center[frame, 1]], [0, 0, 1]])
        return intrinsic @ local


def smooth_noise(rng: np.random.Generator, count: int, width: float, channels: int) -> np.ndarray:
    """Draw (count, channels) noise of about unit size that changes over `width` frames."""
    pad = int(4 * width) + 1
    raw = rng.standard_normal((count + 2 * pad, channels))
    kernel = np.exp(-0.5 * (np.arange(-pad, pad + 1) / width) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    return np.stack([np.convolve(raw[:, k], kernel, mode="valid")[:count] for k in range(channels)], -1)


def _smooth(path: np.ndarray, width: float) -> np.ndarray:
    """Smooth a path (T, 3) over frames by a Gaussian, ends continued by their last value."""
    pad = int(4 * width) + 1
    kernel = np.exp(-0.5 * (np.arange(-pad, pad + 1) / width) ** 2)
    kernel /= kernel.sum()
    padded = np.pad(path, ((pad, pad), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, k], kernel, mode="valid") for k in range(path.shape[1])], -1)


def follow(rng: np.random.Generator, vertices: np.ndarray, size: int) -> Camera:
    """Make a camera for a body's surface (T, V, 3): the person fills about half to four fifths of the image."""
    frames = len(vertices)
    middle = (vertices.min(1) + vertices.max(1)) / 2
    mean = middle.mean(0)
    path = _smooth(middle, rng.uniform(1.5, 4))
    share = rng.uniform(0.9, 1.0)
    target = mean + share * (path - mean)
    azimuth = rng.uniform(0, 2 * np.pi)
    elevation = np.radians(np.clip(rng.normal(9, 9), -4, 38))
    distance = rng.uniform(3.2, 7.5) + 0.3 * np.ptp(middle[:, [0, 2]], axis=0).max()
    position = mean + distance * np.array(
        [np.cos(azimuth) * np.cos(elevation), np.sin(elevation), np.sin(azimuth) * np.cos(elevation)]
    )
    position[1] = max(position[1], 0.35)
    travel = rng.uniform(0, 0.7) * (path - mean) * (1.0, 0.0, 1.0)  # a camera that walks along
    drift = np.linspace(-0.5, 0.5, frames)[:, None] * rng.normal(0, 0.2, 3) * (1.0, 0.2, 1.0)
    if rng.random() < 0.5:  # or sideways past them, at up to 1 m/s or so
        side = np.array([-np.sin(azimuth), 0.0, np.cos(azimuth)])
        drift += np.linspace(-0.5, 0.5, frames)[:, None] * rng.choice((-1, 1)) * rng.uniform(0.017, 0.075) * frames * side
    shake = rng.uniform(0.0, 0.012) * smooth_noise(rng, frames, 2.5, 3)
    position = position + travel + drift + shake
    target = target + rng.uniform(0.0, 0.012) * smooth_noise(rng, frames, 1.5, 3)
    forward = target - position
    forward /= np.linalg.norm(forward, axis=-1, keepdims=True)
    right = np.cross(forward, (0.0, 1.0, 0.0))
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    up = np.cross(right, forward)
    roll = np.radians(rng.normal(0, 1.5))
    right, up = np.cos(roll) * right + np.sin(roll) * up, np.cos(roll) * up - np.sin(roll) * right
    axes = np.stack([right, up, forward], 1)
    zoom = 1.0 + np.linspace(-0.5, 0.5, frames) * rng.normal(0, 0.06)
    unit = Camera(position, axes, zoom, np.zeros((frames, 2)), size)
    outline, _ = unit.project(vertices[:, ::12])
    low, high = outline.min(1), outline.max(1)
    longer = (high - low).max(-1)
    wanted = rng.uniform(0.58, 0.84) * size / np.median(longer)
    fitting = 0.48 * size / np.abs(np.stack([low, high])).max()
    # One clip in eight is framed too tightly, so that joints leave the image.
    focal = wanted * 1.1 if rng.random() < 0.125 else max(min(wanted, fitting), 0.48 * size / np.median(longer))
    slack = np.maximum(0.0, 0.5 * size - focal * np.abs(np.stack([low, high])).max((0, 1)))
    center = (size - 1) / 2 + rng.uniform(-0.8, 0.8, 2) * slack
    return Camera(position, axes, focal * zoom, np.broadcast_to(center, (frames, 2)).copy(), size)
