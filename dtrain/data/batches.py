"""Global batches, and the rows of them that this rank holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dtrain.contracts import own_numbers
from dtrain.engine.shards import Layout
from dtrain.random import Stream

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.types import Array


class Batch(NamedTuple):
    """This rank's rows of a global batch.

    place: where the global batch starts in the epoch, in samples. problem: why these rows cannot be used;
    x and y are then zeros, so that this rank can finish the step with the others, who hear of it there.
    several: whether it is one of several micro-batches.
    """

    layout: Layout
    place: int
    x: Array
    y: Array | None
    problem: str | None = None
    several: bool = False


class GlobalBatch:
    """One global batch, to be gone through as often as wanted: a single micro-batch is kept, several are cut anew."""

    def __init__(self, cut: Callable[[], Iterator[Batch]], parts: int) -> None:
        self._cut, self._parts = cut, parts
        self._kept: list[Batch] | None = None

    def __iter__(self) -> Iterator[Batch]:
        if self._parts > 1:
            return self._cut()
        if self._kept is None:
            self._kept = list(self._cut())
        return iter(self._kept)


class Batches:
    """Cuts the samples of an epoch into global batches, and takes this rank's rows of each.

    rows: the samples. batch_size: global. shards, first, last: how many shards, and which are this rank's.
    dtype: of x. parts: micro-batches a batch. replacement: an epoch draws samples at random, each as if none had
    been drawn before, instead of all of them in a random order. check: raises ValueError for targets that do not
    fit; asked for each batch of data that are not in memory.
    """

    def __init__(
        self, rows: Rows, batch_size: int, shards: int, first: int, last: int, dtype: Any, parts: int = 1,
        replacement: bool = False, check: Callable[[Array | None], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.samples = len(rows)
        self.count = -(-self.samples // batch_size)
        self._rows, self._size, self._parts, self._replacement = rows, batch_size, parts, replacement
        self._shards, self._first, self._last = shards, first, last
        self._dtype = np.dtype(dtype)
        self._check = check
        self._layouts: dict[int, Layout] = {}

    def size_of(self, index: int) -> int:
        """Returns how many samples global batch `index` holds."""
        return min(self._size, self.samples - index * self._size)

    @cached_property
    def reference(self) -> Array | float:
        """The target of the first sample, float64, of the shape of one; 0 where there is none, or none that is finite.

        Targets of the same data lie near it, on every rank and whoever reads it.
        """
        _, y = self._rows.rows(np.zeros(1, np.int64))
        if y is None:
            return 0.0
        first: Array = (self._cast(y) if y.dtype.kind == "f" else y)[0].astype(np.float64)
        return np.where(np.isfinite(first), first, 0.0)

    def order(self, seed: int, epoch: int) -> Array:
        """Returns the samples of this epoch in their order: a function of the seed and the epoch alone."""
        stream = Stream(seed, "shuffle", epoch)
        if not self._replacement:
            return stream.permutation(self.samples)
        drawn = (stream.uniform((self.samples,)) * self.samples).astype(np.int64)
        return np.minimum(drawn, self.samples - 1)

    def whole(self, index: int, order: Array | None = None) -> GlobalBatch:
        """Returns what `cut` yields, for a step that goes through it several times."""
        return GlobalBatch(partial(self.cut, index, order), self._parts)

    def cut(self, index: int, order: Array | None = None) -> Iterator[Batch]:
        """Yields the micro-batches of batch `index`: samples in `order`, or as they are stored."""
        start, rows, parts = index * self._size, self.size_of(index), self._parts
        for part in range(parts):
            a, b = start + rows * part // parts, start + rows * (part + 1) // parts
            layout = self._layout(b - a)
            first, last = a + layout.start, a + layout.stop
            yield self._batch(layout, a, np.arange(first, last) if order is None else order[first:last])

    def none(self) -> Batch:
        """Returns a batch of no rows."""
        return self._batch(self._layout(0), 0, np.arange(0))

    def _batch(self, layout: Layout, place: int, indices: Array) -> Batch:
        x, y = self._rows.rows(indices)
        problem = None if self._rows.whole else self._problem(x, y, indices)
        if problem is not None:
            x, y = np.zeros_like(x), None if y is None else np.zeros_like(y)
        if y is not None and y.dtype.kind == "f":
            y = self._cast(y)
        return Batch(layout, place, self._cast(x), y, problem, self._parts > 1)

    def _problem(self, x: Array, y: Array | None, indices: Array) -> str | None:
        """Returns what is wrong with rows that were never looked at before; they are called as the dataset does."""
        numbers = own_numbers(self._rows, indices)
        for name, array in (("x", x), ("y", y)):
            if array is not None and array.dtype.kind == "f" and not np.isfinite(array).all():
                bad = ~np.isfinite(array.reshape(len(array), -1)).all(axis=1)
                return f"[data]: {name} of sample {numbers[bad.argmax()]} is not finite; clean the data"
        try:
            self._check(y)
        except ValueError as error:
            return f"[data], samples {numbers.min()} to {numbers.max()}: {error}"
        return None

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
