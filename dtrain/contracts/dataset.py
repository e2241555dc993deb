"""What a dataset is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from dtrain.errors import DataError, shortlist

from .configurable import Configurable
from .schema import Schema

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

    def own_numbers(self, indices: Array) -> Array:
        """Return the numbers that these samples have in the dataset, by which messages call them."""
        return own_numbers(self.of, self.indices[indices])


def own_numbers(rows: Rows, indices: Array) -> Array:
    """Return the numbers that samples have in the dataset of which `rows` is all, a part, or another view."""
    find = getattr(rows, "own_numbers", None)
    found: Array = indices if find is None else find(indices)
    return found


class Dataset(Configurable):
    """Samples to train on, and maybe samples of its own to validate on.

    A dataset sets `train` and `validation` in `__init__`; `validation = None` lets the config hold some out.
    Its options are the keys of `[data]`. A file that is missing or wrong raises `DataError`. One whose source has
    names for columns or classes sets `schema`; it is kept with the run, and other data are mapped by it.
    """

    examples: ClassVar[list[dict[str, Any]]] = []
    """How the checks build this part: options. Without any, a dataset is built by its defaults, where all its options
    have one; one that needs a file is checked with a config, `dtrain plugins check NAME --config FILE`."""

    schema: Schema = Schema()
    """Names of columns and classes, and the kind of the target."""

    warnings: Sequence[str] = ()
    """What the user should know of the source, one line each; printed before the first step, and by `evaluate`."""

    train: Rows
    validation: Rows | None = None

    def conform(self, recorded: Schema) -> None:
        """Map columns and classes onto those of the data that a run was trained on, by name.

        Afterwards `train` and `validation` have the recorded columns in the recorded order and the recorded numbers
        of the classes, and `schema` equals `recorded`. Raises DataError for a column that is missing, a class that is
        unknown, and a target of another kind, without naming the source.
        """
        features, classes = _matching(recorded, self.schema)
        if features is not None or classes is not None:
            self.train = MappedRows(self.train, features, classes)
            if self.validation is not None:
                self.validation = MappedRows(self.validation, features, classes)
        self.schema = recorded


class MappedRows:
    """Another Rows with its columns and classes in another order.

    columns: which columns of x (rows, n) are taken, in order; None: all of x as it is. classes: the new number of
    each class of y; None: y as it is.
    """

    def __init__(self, of: Rows, columns: Array | None, classes: Array | None) -> None:
        self._of, self._columns, self._classes = of, columns, classes
        self.shape = of.shape if columns is None else (len(columns),)
        self.whole = of.whole

    def __len__(self) -> int:
        return len(self._of)

    def rows(self, indices: Array) -> tuple[Array, Array | None]:
        x, y = self._of.rows(indices)
        if self._columns is not None:
            x = x.take(self._columns, axis=1)
        if y is not None and self._classes is not None:
            y = self._classes.take(y)
        return x, y

    def own_numbers(self, indices: Array) -> Array:
        """Return the numbers that these samples have in the dataset."""
        return own_numbers(self._of, indices)


def _matching(recorded: Schema, found: Schema) -> tuple[Array | None, Array | None]:
    """Return (columns, classes) for `MappedRows`; None for what is as recorded already."""
    if recorded.target_kind and found.target_kind and recorded.target_kind != found.target_kind:
        raise DataError(
            f"expected a target of kind {recorded.target_kind!r}, as in training, got {found.target_kind!r}; "
            "correct the target"
        )
    columns = columns_of(recorded.features, found.features)
    if recorded.targets and not found.targets:  # samples without a target, to predict for
        return columns, None
    if recorded.classes == found.classes:
        return columns, None
    return columns, numbers_of_classes(recorded.classes, found.classes)


def columns_of(recorded: tuple[str, ...], found: tuple[str, ...]) -> Array | None:
    """Return where each recorded column is among those found; None where nothing needs to move.

    Raises DataError for a column that is missing or was not recorded; without names on one side columns go by place.
    """
    if not recorded or not found or recorded == found:
        return None
    place = {name: index for index, name in enumerate(found)}
    for name in recorded:
        if name not in place:
            raise DataError(
                f"expected the columns of training, got {shortlist(found)} without {name!r}; rename or add the column"
            )
    for name in found:
        if name not in recorded:
            raise DataError(
                f"expected the columns of training, {shortlist(recorded)}, got {name!r} too; leave it out"
            )
    return np.array([place[name] for name in recorded], np.intp)


def numbers_of_classes(recorded: tuple[str, ...], found: tuple[str, ...]) -> Array:
    """Return the recorded number of each class found, (classes,). Raises DataError for one that was not recorded."""
    if not recorded or not found:
        was, got = ("names", "numbers") if recorded else ("numbers", "names")
        raise DataError(f"expected a target of {was}, as in training, got one of {got}; correct the target")
    place = {name: index for index, name in enumerate(recorded)}
    unknown = [name for name in found if name not in place]
    if unknown:
        raise DataError(
            f"expected the classes of training, {shortlist(recorded)}, got {unknown[0]!r} too; "
            "correct its rows, or train a new run"
        )
    return np.array([place[name] for name in found], np.int64)
