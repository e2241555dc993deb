"""Count, mean and variance over the rows of the global batch, or of its groups of shards."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from .groups import slots
from .moments import WIDE, ShardMoments

if TYPE_CHECKING:
    from dtrain.types import Array

    from .shards import Layout
    from .totals import Totals

SMALLER = {"f": 2.0**-80, "F": 2.0**-80}
"""dtype → a factor that makes the squares of all its numbers numbers, too; none for float64: its variances overflow."""

FAR = {char: float(np.finfo(WIDE[char][0]).eps / np.finfo(char).eps) ** 2 for char in "dD"}
"""dtype → the share of mean² below which a variance has lost more to Σx² than x itself was rounded; then squares are
taken about the mean. None for float32: sums one width up hold whatever float32 tells apart."""

_ZERO = np.zeros(())


class BatchMoments:
    """Merges the shards' sums in the tree; keeps the arrays that this takes. All calls are blocking collectives.

    x: (rows·per_row, width). empty: gives scratch. correct: whether sums are taken once more, of smaller numbers where
    their squares overflow, of x less its mean where that is far from 0: all ranks see that in the same totals.
    """

    def __init__(self, empty: Callable[..., Array]) -> None:
        self._empty = empty
        self._kernels: dict[Any, ShardMoments] = {}
        self._numbers: dict[tuple[int, str], Array] = {}

    def of_all(
        self, x: Array, per_row: int, layout: Layout, totals: Totals, correct: bool = True
    ) -> tuple[int, Array, Array]:
        """Returns the count, and mean and variance of each column, (width,)."""
        char = x.dtype.char
        wide, narrow = WIDE[char]
        count = layout.rows * per_row
        both = totals.add(self._sums(x, per_row, layout))
        np.divide(both, self._number(max(count, 1), wide), both)  # 1/count would be rounded once more
        mean, variance = both[0], both[1]
        np.subtract(variance, np.multiply(mean, mean), variance)
        if narrow != "D":
            np.maximum(variance, _ZERO, out=variance)
        if wide != narrow:
            mean, variance = mean.astype(narrow), variance.astype(narrow)
        if correct and char in SMALLER and not isfinite(variance.dot(variance).real):
            again = self.of_all(self._smaller(x), per_row, layout, totals, correct=False)
            mean, variance = _corrected(char, (mean, variance), again[1:])
        if correct and (far := _far(char, mean, variance)) is not None:
            centred = np.subtract(x, mean, self._empty(x.shape, x.dtype))
            again = self.of_all(centred, per_row, layout, totals, correct=False)
            variance = np.where(far, again[2], variance)
        return count, mean, variance

    def of_groups(
        self, x: Array, per_row: int, group: int, layout: Layout, totals: Totals, correct: bool = True
    ) -> tuple[Array, Array, Array]:
        """Returns the count of each group, int64 (groups,), and mean and variance, (groups, width)."""
        char = x.dtype.char
        wide, narrow = WIDE[char]
        sums = self._sums(x, per_row, layout).reshape(layout.shards, 2 * x.shape[1])
        counts = np.array(layout.sizes, wide) * per_row
        partials = np.concatenate((sums, counts[:, None]), axis=1)
        total = totals.add(slots(partials, totals, group))
        count = total[:, -1].real.astype(np.int64)
        mean, square = np.split(total[:, :-1] / np.maximum(count, 1)[:, None], 2, axis=1)
        variance = square - mean * mean
        if narrow != "D":
            np.maximum(variance, _ZERO, out=variance)
        mean, variance = mean.astype(narrow), variance.astype(narrow)
        if correct and char in SMALLER and not np.isfinite(variance).all():
            again = self.of_groups(self._smaller(x), per_row, group, layout, totals, correct=False)
            mean, variance = _corrected(char, (mean, variance), again[1:])
        if correct and (far := _far(char, mean, variance)) is not None:
            shards = np.arange(totals.first, totals.first + layout.shards)
            centres = mean.take(np.repeat(shards // group, np.array(layout.sizes) * per_row), axis=0)
            again = self.of_groups(
                np.subtract(x, centres, centres), per_row, group, layout, totals, correct=False
            )
            variance = np.where(far, again[2], variance)
        return count, mean, variance

    def _sums(self, x: Array, per_row: int, layout: Layout) -> Array:
        """Returns Σx and Σx² of each local shard, one width up: (shards, 2, width)."""
        d = self._empty(x.shape, x.dtype)
        partials = np.empty((layout.shards, 2, x.shape[1]), WIDE[x.dtype.char][0])
        if layout.ones:
            self._kernel(x, 1, x.shape[0])(x, d, partials)
            return partials
        for first, shards, row, size in layout.groups:
            to = partials[first : first + shards]
            if size:
                rows = slice(row * per_row, (row + shards * size) * per_row)
                self._kernel(x, shards, size * per_row)(x[rows], d[rows], to)
            else:
                to.fill(0)
        return partials

    def _kernel(self, x: Array, shards: int, n: int) -> ShardMoments:
        key = shards, n, x.shape[1], x.dtype.char
        kernel = self._kernels.get(key)
        if kernel is None:
            kernel = self._kernels[key] = ShardMoments(shards, n, x.shape[1], x.dtype)
        return kernel

    def _number(self, count: int, dtype: str) -> Array:
        """Returns a number as an array without a dimension, which NumPy takes faster than Python's."""
        number = self._numbers.get((count, dtype))
        if number is None:
            number = self._numbers[count, dtype] = np.array(count, dtype)
        return number

    def _smaller(self, x: Array) -> Array:
        return np.multiply(x, x.dtype.type(SMALLER[x.dtype.char]), self._empty(x.shape, x.dtype))


def _far(char: str, mean: Array, variance: Array) -> Array | None:
    """Return which means are so many deviations from 0 that squares about 0 lose the variance; None: none of them."""
    if char not in FAR:
        return None
    far: Array = variance.real < FAR[char] * np.multiply(mean, mean).real
    return far if np.count_nonzero(far) else None


def _corrected(char: str, found: tuple[Array, Array], of_smaller: tuple[Array, Array]) -> tuple[Array, Array]:
    """Returns mean and variance, from those of the smaller numbers where squares have overflowed."""
    scale = SMALLER[char]
    good = np.isfinite(found[1])
    mean, variance = of_smaller[0] / scale, of_smaller[1] / scale**2
    return np.where(good, found[0], mean), np.where(good, found[1], variance)
