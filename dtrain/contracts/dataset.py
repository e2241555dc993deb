"""What a dataset is."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from dtrain.errors import DataError

if TYPE_CHECKING:
    from dtrain.types import Array, Shape


class Rows(Protocol):
    """Samples that can be read by index."""

    shape: Shape
    """The shape of one sample's x."""

    whole: bool
    """All arrays are in memory and were checked when they were read; otherwise each batch is checked."""

    def __len__(self) -> int: ...

    def rows(self, indices: Array) -> tuple[Array, Array | None]:
        """Returns (x, y) of these samples in this order, in the stored dtype; indices are int64, each < len.

        x: (n, *shape); uint8 means an image, scaled to [0, 1] by the engine. y: (n, …) or None.
        """


class ArrayRows:
    """Rows of arrays, in memory or memory-mapped. Raises `DataError` when x and y differ in length."""

    def __init__(self, x: Array, y: Array | None = None, whole: bool = True) -> None:
        if y is not None and len(y) != len(x):
            raise DataError(f"expected as many rows in y as in x, {len(x)}, got {len(y)}")
        # Plain views: a row of an np.memmap would be an np.memmap.
        self.x, self.y, self.whole = np.asarray(x), None if y is None else np.asarray(y), whole
        self.shape: Shape = self.x.shape[1:]
        self._take_x = _take_from(self.x)
        self._take_y = None if self.y is None else _take_from(self.y)

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, indices: Array) -> tuple[Array, Array | None]:
        return self._take_x(indices, 0), None if self._take_y is None else self._take_y(indices, 0)


def _take_from(array: Array) -> Callable[[Array, int], Array]:
    """Returns what takes (indices, axis 0) from the array as it lies."""
    if array.flags.c_contiguous:
        return array.take
    return lambda indices, _: np.ascontiguousarray(array[indices])  # take would first copy the whole array


class Subset:
    """Some of another Rows, chosen by index."""

    def __init__(self, of: Rows, indices: Array) -> None:
        self.of, self.indices = of, np.asarray(indices, np.int64)
        self.shape, self.whole = of.shape, of.whole

    def __len__(self) -> int:
        return len(self.indices)

    def rows(self, indices: Array) -> tuple[Array, Array | None]:
        return self.of.rows(self.indices[indices])


class Dataset:
    """Samples to train on, and maybe samples of its own to validate on.

    A dataset sets `train` and `validation` in `__init__`; `validation = None` lets the config hold some out.
    Its options are the keys of `[data]`. A file that is missing or wrong raises `DataError`.
    """

    examples: ClassVar[list[dict[str, Any]]] = []
    """How the checks build this part: options. None by default: most datasets need a file."""

    train: Rows
    validation: Rows | None = None
