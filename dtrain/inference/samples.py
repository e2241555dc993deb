"""What a network is asked about, as rows that fit it: arrays, tables with column names, and `.npy` files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import ArrayRows, Schema, columns_of, numbers_of_classes
from dtrain.errors import DataError

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.types import Array, Shape

    from .trained import Trained

NUMBERS = "biuf"
TEXT = "OUST"  # object, bytes and strings of fixed or variable length


def rows_of(trained: Trained, x: Any, where: str) -> ArrayRows:
    """Return samples of the shape that the network takes. Raises DataError for anything else.

    x: (n, *shape), numbers, also none; an array, or what NumPy makes one of. The columns of a table that names them
    (a data frame) are taken by name where the run has names, in any order.
    """
    shape = trained.network.input_shape
    x = numbers(_columns_by_name(trained, x, where), where)
    if x.ndim == 0 or x.shape[1:] != shape:
        hint = "; one sample needs an axis for the rows: x[None]" if x.shape == shape else ""
        raise DataError(f"{where}: expected shape {_with_rows(shape)}, got {x.shape}{hint}")
    rows = ArrayRows(x)
    check_scaling(trained, rows, where)
    return rows


def _columns_by_name(trained: Trained, x: Any, where: str) -> Any:
    names = getattr(x, "column_names", None)  # of pyarrow
    if names is None:
        names = getattr(x, "columns", None)  # of pandas and polars
    features = trained.schema.features
    if names is None or not features:
        return x
    try:
        columns = columns_of(features, tuple(map(str, names)))
    except DataError as error:
        raise DataError(f"{where}: {error}") from error
    table = np.asarray(x)
    return table if columns is None else table[:, columns]


def check_scaling(trained: Trained, rows: Rows, where: str) -> None:
    """Raise DataError for images where the run was trained on numbers, and the reverse."""
    if trained.data is None or not len(rows):
        return
    recorded, dtype = trained.data.train.x, rows.rows(np.arange(1))[0].dtype
    if bool(recorded.scaling) != (dtype == np.uint8):
        raise DataError(
            f"{where}: expected dtype {recorded.dtype}, as in training, got {dtype}; "
            "uint8 is scaled to [0, 1], other dtypes are not"
        )


def targets_of(trained: Trained, y: Any, where: str) -> tuple[Array | None, Schema]:
    """Return targets as numbers, and what is known of them; names become the numbers of their classes in training.

    Raises DataError for a class that was not in the training, and for what is no number or no array of rows.
    """
    if y is None:
        return None, Schema()
    classes = trained.schema.classes
    array = _array(y, where)
    if array.ndim == 0:
        raise DataError(f"{where}: expected a target for each sample, got a single one")
    if not classes or array.dtype.kind not in TEXT:
        return numbers(array, where), Schema()
    names = [name.decode() if isinstance(name, bytes) else str(name) for name in array.reshape(-1)]
    unique, places = np.unique(np.array(names, object), return_inverse=True)
    try:
        return numbers_of_classes(classes, tuple(unique))[places].reshape(array.shape), trained.schema
    except DataError as error:
        raise DataError(f"{where}: {error}") from error


def numbers(value: Any, where: str) -> Array:
    """Return an array of numbers. Raises DataError for what is none."""
    array = _array(value, where)
    if array.dtype.kind not in NUMBERS:
        raise DataError(f"{where}: expected numbers, got dtype {array.dtype}")
    return array


def _array(value: Any, where: str) -> Array:
    try:
        return np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{where}: expected an array, got what is none: {_line(error)}") from error


def _with_rows(shape: Shape) -> str:
    return f"({', '.join(['rows', *map(str, shape)])}{',' if not shape else ''})"


def rows_in(trained: Trained, path: Path) -> ArrayRows:
    """Return the samples of a `.npy` file, memory-mapped: only the rows that are asked for are read."""
    return rows_of(trained, _mapped(path), str(path))


def _mapped(path: Path) -> Array:
    try:
        array: Any = np.lib.format.open_memmap(path, mode="r")  # never unpickles
        expected, got = array.offset + array.nbytes, path.stat().st_size
    except OSError as error:
        raise DataError(f"{path}: expected a .npy file, got: {error.strerror or error}") from error
    except Exception as error:  # a literal parser on any bytes: half of the built-in exceptions
        raise DataError(f"{path}: expected a .npy file of numbers, got another ({_line(error)})") from error
    if got != expected:
        raise DataError(f"{path}: expected {expected} bytes, as its header says, got {got}; write it again")
    return array


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
