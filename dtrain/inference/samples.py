"""What a network is asked about: arrays, `.npy` files and the run's own data, as rows that fit it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import ArrayRows
from dtrain.data import hold_out
from dtrain.errors import ConfigError, DataError

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.types import Array, Shape

    from .trained import Trained

SPLITS = ("validation", "train", "all")
"""The samples held out; those trained on; the dataset's training samples, held out or not."""

NUMBERS = "biuf"


def rows_of(x: Any, shape: Shape, where: str) -> ArrayRows:
    """Returns samples of this shape. Raises DataError for anything else.

    x: (n, *shape), numbers, also none; an array, or what NumPy makes one of.
    """
    x = numbers(x, where)
    if x.ndim == 0 or x.shape[1:] != shape:
        hint = "; one sample needs an axis for the rows: x[None]" if x.shape == shape else ""
        raise DataError(f"{where}: expected shape {_with_rows(shape)}, got {x.shape}{hint}")
    return ArrayRows(x)


def numbers(value: Any, where: str) -> Array:
    """Returns an array of numbers. Raises DataError for what is none."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise DataError(f"{where}: expected an array, got what is none: {_line(error)}") from error
    if array.dtype.kind not in NUMBERS:
        raise DataError(f"{where}: expected numbers, got dtype {array.dtype}")
    return array


def _with_rows(shape: Shape) -> str:
    return f"({', '.join(['rows', *map(str, shape)])}{',' if not shape else ''})"


def rows_in(path: Path, shape: Shape) -> ArrayRows:
    """Returns the samples of a `.npy` file, memory-mapped: only the rows that are asked for are read."""
    return rows_of(_mapped(path), shape, str(path))


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


def rows_of_run(trained: Trained, split: str) -> Rows:
    """Returns samples of the config's dataset. Raises ConfigError or DataError where there are none that fit."""
    config, dataset = trained.config, trained.dataset
    rows: Rows | None = dataset.train
    if split != "all":
        train, validation = hold_out(dataset, config.data.validation, config.seed)
        rows = train if split == "train" else validation
    if rows is None:
        raise ConfigError(
            f"{config.data.where}: expected validation samples, got none; take others by --split train or all"
        )
    shape = trained.network.input_shape
    if rows.shape != shape:
        raise DataError(f"{config.data.where}: expected samples of shape {shape}, got {rows.shape}")
    return rows


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
