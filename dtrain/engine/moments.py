"""Sums over the rows of each shard: plain, and of squares about a centre of its own."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

import numpy as np

from dtrain.types import Array

WIDE = {"e": ("d", "d"), "f": ("d", "d"), "d": ("g", "d"), "F": ("D", "D"), "D": ("G", "D")}
"""dtype → of the sums, of the results. Squares about zero lose (mean/std)² of their precision: one width up."""


def column_sums(weights: Array, x: Array, shards: int, out: Array) -> None:
    """Weighs and adds n rows a shard, x (shards·n, width) → out (shards, width): a product is the fastest."""
    if shards == 1:
        weights.dot(x, out[0])
    else:
        np.matmul(weights, x.reshape(shards, len(weights), x.shape[1]), out)


def place_sums(x: Array, axes: tuple[int, ...]) -> Array:
    """Adds each row's numbers over `axes`; the places of channels-last images by a product, in a tenth of the time."""
    last = 1 + len(axes)
    if x.dtype.char not in "fdFD" or axes != tuple(range(1, last)):
        return x.sum(axis=axes)
    places = prod(x.shape[1:last])
    block = x.reshape(len(x), places, prod(x.shape[last:]))
    return np.matmul(np.ones(places, x.dtype), block).reshape(len(x), *x.shape[last:])


ENOUGH = 512
"""Numbers in a row beside a vector from which longer rows gain nothing."""

MANY = 1024
"""Rows below which repeating the vector costs more than short loops do."""


def rows_as_one(n: int, width: int) -> int:
    """Returns how many of n rows to take as one where a vector is subtracted: NumPy's loops are as long as a row.

    A power of two that divides n; 1 where rows are long already.
    """
    if width > ENOUGH // 8 or n < MANY:
        return 1
    return min(n & -n, 1 << (ENOUGH // width).bit_length() - 1)


class ShardMoments:
    """Σx and Σx² of each of `shards` shards of `n` rows, one width up; keeps the arrays that this takes."""

    def __init__(self, shards: int, n: int, width: int, dtype: np.dtype[Any]) -> None:
        self._parts = np.empty((3, shards, width), dtype)
        self._broad: tuple[tuple[int, int, int], Array, Array] | None = None
        if (rows := rows_as_one(n, width)) > 1:
            repeated = np.empty((shards, rows, width), dtype)
            block = (shards, n // rows, rows * width)
            self._broad = block, repeated, repeated.reshape(shards, 1, rows * width)
        self._block = (shards, n, width) if shards > 1 else None
        weights, ones = np.full(n, 1 / n, dtype), np.ones(n, dtype)
        if shards == 1:
            self._centre, self._first, self._second = self._parts[:, 0]
            self._mean, self._sum = weights.dot, ones.dot
            self._from_rows = self._centre
        else:
            self._centre, self._first, self._second = self._parts
            self._mean, self._sum = partial(np.matmul, weights), partial(np.matmul, ones)
            self._from_rows = self._centre[:, None]
        self._wide = np.empty(self._parts.shape, WIDE[dtype.char][0])
        self._of_wide = tuple(self._wide)
        self._n = np.array(n, self._wide.dtype)

    def __call__(self, x: Array, d: Array, out: Array) -> None:
        """x, and scratch d: (shards·n, width) → out (shards, 2, width), wide."""
        if self._block is not None:
            x, d = x.reshape(self._block), d.reshape(self._block)
        self._mean(x, self._centre)
        if self._broad is None:
            np.subtract(x, self._from_rows, d)
        else:
            block, repeated, centres = self._broad
            np.copyto(repeated, self._parts[0][:, None])
            np.subtract(x.reshape(block), centres, d.reshape(block))
        self._sum(d, self._first)
        self._sum(np.multiply(d, d, d), self._second)
        np.copyto(self._wide, self._parts)
        c, s, q = self._of_wide
        sums = np.multiply(c, self._n, out[:, 0])
        np.add(sums, s, sums)  # Σx = n·c + Σd
        np.add(s, sums, s)
        np.multiply(s, c, s)
        np.add(s, q, out[:, 1])  # Σx² = c·(n·c + 2Σd) + Σd²
