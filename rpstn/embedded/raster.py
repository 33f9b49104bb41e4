"""A triangle rasterizer in NumPy: which triangle is seen at each pixel, and how far away.

All triangles of a frame at once. They are sorted into classes by the size of their pixel box; each class is tested
against all pixels of its boxes in one array operation; the nearest triangle wins by an integer minimum over a key made of
depth and triangle number. Pixel centers are at integers. Depth is linear over a (small) triangle.
"""

from __future__ import annotations

import numpy as np

_FAR = np.iinfo(np.int64).max
_EDGES = (3, 5, 8, 12, 20, 40, 80, 160, 320, 640)
DEPTH_UNIT = 1e-5  # meters; the resolution of the depth order


def rasterize(
    points: np.ndarray, depth: np.ndarray, faces: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Find the nearest triangle at every pixel that any covers.

    points (V, 2) pixels x, y; depth (V,) meters from the camera's plane, all positive where it matters; faces (F, 3),
    turning counter-clockwise on the screen when seen from outside; the others are culled.
    Returns pixel (N,) indices y * width + x in rising order, face (N,), weights (3, N) of the face's corners, depth (N,).
    """
    # One array per coordinate and corner: reductions over axes of length two or three are slow in NumPy.
    f0, f1, f2 = np.ascontiguousarray(faces.T)
    px, py = np.ascontiguousarray(points.T.astype(np.float32))
    x0, x1, x2, y0, y1, y2 = px[f0], px[f1], px[f2], py[f0], py[f1], py[f2]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    kept = np.flatnonzero(area < -1e-6)
    x0, x1, x2, y0, y1, y2, area = (v[kept] for v in (x0, x1, x2, y0, y1, y2, area))
    left, right = np.ceil(np.minimum(np.minimum(x0, x1), x2)), np.floor(np.maximum(np.maximum(x0, x1), x2))
    top, bottom = np.ceil(np.minimum(np.minimum(y0, y1), y2)), np.floor(np.maximum(np.maximum(y0, y1), y2))
    z = depth.astype(np.float32)
    z0, z1, z2 = z[f0[kept]], z[f1[kept]], z[f2[kept]]
    keep = (right >= left) & (bottom >= top) & (np.minimum(np.minimum(z0, z1), z2) > 0.05)
    keep &= (right >= 0) & (bottom >= 0) & (left < width) & (top < height)
    chosen = np.flatnonzero(keep)
    kept = kept[chosen]
    x0, x1, x2, y0, y1, y2, z0, z1, z2, area = (v[chosen] for v in (x0, x1, x2, y0, y1, y2, z0, z1, z2, area))
    left, top, right, bottom = (v[chosen].astype(np.int32) for v in (left, top, right, bottom))
    side = np.maximum(right - left, bottom - top) + 1
    # Weights of corners 1 and 2, and depth, as affine functions of the pixel.
    ax, ay, bx, by = (y2 - y0) / area, (x0 - x2) / area, (y0 - y1) / area, (x1 - x0) / area
    zx, zy = ax * (z1 - z0) + bx * (z2 - z0), ay * (z1 - z0) + by * (z2 - z0)
    buffer = np.full(height * width, _FAR, np.int64)
    low = 0
    for high in _EDGES:
        part = np.flatnonzero((side > low) & (side <= high))
        low = high
        if len(part) == 0:
            continue
        span = np.arange(high, dtype=np.int32)
        column, row = left[part, None] + span, top[part, None] + span  # (n, high)
        dx, dy = column - x0[part, None], row - y0[part, None]
        first = (ax[part, None] * dx)[:, None, :] + (ay[part, None] * dy)[:, :, None]  # (n, high y, high x)
        second = (bx[part, None] * dx)[:, None, :] + (by[part, None] * dy)[:, :, None]
        inside = (np.minimum(first, second) >= -1e-5) & (first + second <= 1 + 1e-5)
        inside &= ((column >= 0) & (column < width))[:, None, :] & ((row >= 0) & (row < height))[:, :, None]
        triangle, down, across = np.nonzero(inside)
        number = part[triangle]
        value = z0[number] + zx[number] * dx[triangle, across] + zy[number] * dy[triangle, down]
        key = ((value * (1 / DEPTH_UNIT)).astype(np.int64) << 24) | number
        np.minimum.at(buffer, row[triangle, down].astype(np.int64) * width + column[triangle, across], key)
    pixel = np.flatnonzero(buffer != _FAR)
    face = buffer[pixel] & 0xFFFFFF
    row, column = np.divmod(pixel, width)
    dx, dy = column - x0[face], row - y0[face]
    w1 = ax[face] * dx + ay[face] * dy
    w2 = bx[face] * dx + by[face] * dy
    value = z0[face] + zx[face] * dx + zy[face] * dy
    return pixel, kept[face], np.stack([1 - w1 - w2, w1, w2]).astype(np.float32), value.astype(np.float32)
