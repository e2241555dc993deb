"""Global batches, and the rows of them that this rank holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.engine.shards import Layout
from dtrain.errors import DataError
from dtrain.random import Stream

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.types import Array


@dataclass(frozen=True)
class Batch:
    """This rank's rows of a global batch. place: where the global batch starts in the epoch, in samples."""

    layout: Layout
    place: int
    x: Array
    y: Array | None


class Batches:
    """Cuts the samples of an epoch into global batches, and takes this rank's rows of each.

    rows: the samples. batch_size: global. shards, first, last: how many shards, and which are this rank's.
    dtype: of x. parts: micro-batches a batch.
    """

    def __init__(
        self, rows: Rows, batch_size: int, shards: int, first: int, last: int, dtype: Any, parts: int = 1
    ) -> None:
        self.samples = len(rows)
        self.count = -(-self.samples // batch_size)
        self._rows, self._size, self._parts = rows, batch_size, parts
        self._shards, self._first, self._last = shards, first, last
        self._dtype = np.dtype(dtype)
        self._layouts: dict[int, Layout] = {}

    def order(self, seed: int, epoch: int) -> Array:
        """Returns the order of all samples in this epoch: a function of the seed and the epoch alone."""
        return Stream(seed, "shuffle", epoch).permutation(self.samples)

    def cut(self, index: int, order: Array | None = None) -> Iterator[Batch]:
        """Yields the micro-batches of batch `index`: samples in `order`, or as they are stored."""
        start = index * self._size
        stop = min(start + self._size, self.samples)
        for part in range(self._parts):
            a = start + (stop - start) * part // self._parts
            b = start + (stop - start) * (part + 1) // self._parts
            layout = self._layout(b - a)
            mine = slice(a + layout.start, a + layout.stop)
            indices = np.arange(mine.start, mine.stop) if order is None else order[mine]
            x, y = self._rows.rows(indices)
            if not self._rows.whole:
                _check_finite(x, indices)
            yield Batch(layout, a, self._cast(x), y if y is None or y.dtype.kind in "iub" else self._cast(y))

    def _layout(self, rows: int) -> Layout:
        layout = self._layouts.get(rows)
        if layout is None:
            layout = self._layouts[rows] = Layout(rows, self._shards, self._first, self._last)
        return layout

    def _cast(self, x: Array) -> Array:
        if x.dtype == self._dtype:
            return x
        if x.dtype == np.uint8:  # an image
            return np.multiply(x, self._dtype.type(1 / 255), dtype=self._dtype)
        return x.astype(self._dtype)


def _check_finite(x: Array, indices: Array) -> None:
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        bad = ~np.isfinite(x.reshape(len(x), -1)).all(axis=1)
        sample = int(indices[bad.argmax()])
        raise DataError(f"sample {sample} of the data holds a value that is not finite; clean the data")
