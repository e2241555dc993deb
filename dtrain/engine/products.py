"""Rows × matrix where the bits of a row must not depend on its place in a block: in inference."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dtrain.random import Words, uniform_from

if TYPE_CHECKING:
    from dtrain.types import Array, Shape

DISTINCT, ORDERS = 64, 3
"""A trial compares so many different rows, at least, in so many orders: a row that was computed in another way may
have the same bits by chance, most often a few in a hundred times."""


class Way(NamedTuple):
    """How one product is computed: `samples` rows a call of BLAS; `lanes`: as (wᵀ·xᵀ)ᵀ, rows along the vectors."""

    samples: int
    lanes: bool = False

    def multiply(self, x: Array, w: Array, out: Array) -> None:
        """Writes x·w to `out`: (rows, …, n) times (n, m), C-contiguous, to (rows, …, m)."""
        tiles = len(x) // self.samples
        x3, out3 = x.reshape(tiles, -1, w.shape[0]), out.reshape(tiles, -1, w.shape[1])
        if self.lanes:
            np.copyto(out3, np.matmul(w.T, x3.transpose(0, 2, 1)).transpose(0, 2, 1))
        else:
            np.matmul(x3, w, out3)


class RowProducts:
    """Products of blocks with a matrix, in each of which all rows are computed alike.

    A BLAS kernel takes a block in tiles, and the rows at the edge of a tile, of a thread's share or of the block in
    other code, which adds in another order. Which shapes are affected depends on the processor: with OpenBLAS 0.3.31,
    float64 of 257 columns on AVX-512 and most of float32 on AVX2 (Haswell, Zen). So a shape is tried when it is first
    met: of a block in another order, the results must be the same in that order. The widest tile for which they are
    is taken: the whole block, that transposed, a half of it, …, one row a call, which cannot fail. Trials use numbers
    of their own, so that the choice, and with it the result, depends on shapes, processor, BLAS and its threads
    alone. May be used by several threads.
    """

    def __init__(self) -> None:
        self._ways: dict[Any, Way] = {}

    def multiply(self, x: Array, w: Array, out: Array) -> None:
        """Writes x·w to `out`, C-contiguous: (rows, …, n) times (n, m) to (rows, …, m)."""
        if not x.size:
            out.fill(0)
            return
        x = np.ascontiguousarray(x)
        if not (w.flags.c_contiguous or w.flags.f_contiguous):
            w = np.ascontiguousarray(w)
        key = x.shape, w.shape[1], x.dtype.char, w.dtype.char, w.flags.c_contiguous
        way = self._ways.get(key)
        if way is None:
            way = self._ways[key] = find_way(*key)
        way.multiply(x, w, out)


def find_way(shape: Shape, columns: int, x_dtype: Any, w_dtype: Any, rows_first: bool) -> Way:
    """Returns the widest way in which all rows of a block of this shape are computed alike.

    rows_first: whether the matrix is C-contiguous, and not the transpose of one that is.
    """
    rows = samples = shape[0]
    w = _numbers((shape[-1], columns) if rows_first else (columns, shape[-1]), w_dtype, 0)
    w = w if rows_first else w.T
    blocks = range(1, 1 + -(-DISTINCT // rows))
    while samples > 1:
        for way in (Way(samples), Way(samples, lanes=True)):
            if all(_alike(way, _numbers(shape, x_dtype, which), w) for which in blocks):
                return way
        samples = samples // 2 if samples % 2 == 0 else 1
    return Way(1)


def _alike(way: Way, x: Array, w: Array) -> bool:
    """Return whether the rows of a block have the same bits at other places in it."""
    y = _product(way, x, w)
    orders = (np.argsort(_numbers((len(x),), np.float64, which)) for which in range(ORDERS))
    return all((_product(way, x[order], w) == y[order]).all() for order in orders)


def _product(way: Way, x: Array, w: Array) -> Array:
    y = np.empty((*x.shape[:-1], w.shape[1]), np.result_type(x, w))
    way.multiply(x, w, y)
    return y


def _numbers(shape: Shape, dtype: Any, which: int) -> Array:
    """Returns numbers of (−1, 1), one period of which is no multiple of any tile."""
    return np.resize(np.roll(_period(), 61 * which).astype(dtype), shape)


@lru_cache(1)
def _period() -> Array:
    return 2 * uniform_from(Words(0, "products").read(1024, 0), np.dtype(np.float64))[:4093] - 1
