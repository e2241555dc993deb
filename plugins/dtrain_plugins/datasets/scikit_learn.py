"""The tables that come with scikit-learn, read without importing it: 1 s and 90 MB a process are saved."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from dtrain import Array, ArrayRows, DataError

from .checks import Named, opened, reading, rows_of


def file_of(dataset: str, name: str) -> Path:
    """Returns the path of one of scikit-learn's data files. Raises DataError where there is none."""
    try:
        spec = importlib.util.find_spec("sklearn")
    except ValueError:  # something in sys.modules calls itself sklearn and has no spec
        spec = None
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder, "datasets/data", name)
        if path.exists():
            return path
    raise DataError(
        f"{dataset}: expected the file that comes with scikit-learn, got no scikit-learn with it; "
        'pip install "dtrain[demo]", or choose another dataset in data.name'
    )


def table_of(dataset: str, name: str, shape: tuple[int, int], skip: int = 0, comma: bool = True) -> Array:
    """Returns a table of numbers, float64. Raises DataError for a missing or damaged file.

    skip: lines in front of the table. comma: what stands between the cells of a row, else blanks.
    """
    path = file_of(dataset, name)
    separator = b"," if comma else None
    with reading(path, f"the {dataset} of scikit-learn"), opened(path) as file:
        lines = file.readlines()[skip:]
        table = np.array([[float(cell) for cell in line.split(separator)] for line in lines], np.float64)
    if table.shape != shape:
        raise DataError(
            f"{path}: expected a table of shape {shape}, got {table.shape}; install scikit-learn again"
        )
    return table


def standardized(x: Array) -> Array:
    """Returns the columns with mean 0 and variance 1 over all rows."""
    centred = x - x.mean(axis=0)
    result: Array = centred / np.sqrt((centred**2).mean(axis=0))
    return result


def table_rows(dataset: str, x: Array, y: Array, scaled: bool) -> ArrayRows:
    """Returns the rows of a table of features and its targets, both checked."""
    return rows_of(
        Named(standardized(x) if scaled else x, f"{dataset}, features"), Named(y, f"{dataset}, targets")
    )
