"""What transforms of images share: shapes, whole numbers from uniform ones, windows, bilinear resampling."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from dtrain import Array, ConfigError, Context

_PIECE = 1 << 15
"""Numbers of the images that are changed at a time."""


def check(x: Array, part: str) -> None:
    """Raises ConfigError for rows that are no images."""
    if x.ndim not in (3, 4):
        raise ConfigError(
            f"{part} takes images, (rows, H, W) or (rows, H, W, C), got samples of shape {x.shape[1:]}"
        )


def by_rows(x: Array, context: Context, change: Callable[[Array, slice], Array]) -> Array:
    """Returns change(x[rows], rows), a few images at a time: what comes up on the way stays in the cache."""
    out = context.empty(x.shape, x.dtype)
    step = max(1, _PIECE // max(1, prod(x.shape[1:])))
    for start in range(0, len(x), step):
        rows = slice(start, start + step)
        out[rows] = change(x[rows], rows)
    return out


def whole(u: Array, count: int) -> Array:
    """Maps float64 numbers of (0, 1) to 0 … count − 1, int64, evenly."""
    return (u * count).astype(np.int64)


def pad(x: Array, height: int, width: int, mode: Any = "constant", fill: float = 0.0) -> Array:
    """Returns images with `height` more rows of pixels above and below, `width` more columns on both sides."""
    widths = [(0, 0), (height, height), (width, width), (0, 0)][: x.ndim]
    return np.pad(x, widths, mode, constant_values=fill) if mode == "constant" else np.pad(x, widths, mode)


def windows(x: Array, top: Array, left: Array, height: int, width: int) -> Array:
    """Returns a window of each image, with corners of its own: top, left (rows,) → (rows, height, width, …)."""
    image = np.arange(len(x))[:, None, None]
    row = top[:, None, None] + np.arange(height)[:, None]
    column = left[:, None, None] + np.arange(width)
    return x[image, row, column]


def warp(x: Array, matrix: tuple[Array, Array, Array, Array], fill: float, context: Context) -> Array:
    """Returns images whose pixel at p, from the centre, is x at (a, b; c, d)·p, bilinear between pixels.

    matrix: a, b, c, d, float64 (rows,) each; p is (down, right). Beyond the edge there is `fill`.
    """
    height, width = x.shape[1:3]
    middle, centre = (height - 1) / 2, (width - 1) / 2
    down, right = np.arange(height)[:, None] - middle, np.arange(width) - centre

    def warped(images: Array, rows: slice) -> Array:
        a, b, c, d = (entry[rows, None, None] for entry in matrix)
        return _bilinear(images, a * down + b * right + middle, c * down + d * right + centre, fill)

    return by_rows(x, context, warped)


def _bilinear(x: Array, row: Array, column: Array, fill: float) -> Array:
    """Returns x at fractional places, (rows, H, W) each."""
    height, width = x.shape[1:3]
    framed = pad(x, 1, 1, fill=fill)  # places further out than the frame are moved onto it
    row, column = np.clip(row + 1, 0, height + 1), np.clip(column + 1, 0, width + 1)
    top, left = np.minimum(row.astype(np.int64), height), np.minimum(column.astype(np.int64), width)
    shape = row.shape + (1,) * (x.ndim - 3)
    low, near = (part.astype(x.dtype).reshape(shape) for part in (row - top, column - left))
    line = width + 2
    corner = np.arange(len(x))[:, None, None] * ((height + 2) * line) + top * line + left
    pixels = framed.reshape(-1, *x.shape[3:])

    def at(offset: int) -> Array:
        upper, lower = pixels.take(corner + offset, axis=0), pixels.take(corner + (offset + line), axis=0)
        lower -= upper
        lower *= low
        upper += lower
        return upper

    y, right = at(0), at(1)
    right -= y
    right *= near
    y += right
    return y
