"""The dataset `npy`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dtrain import Dataset

from .checks import Named, check_alike, reading, rows_of
from .npy_format import HEAD, check_size, header_of


class Npy(Dataset):
    """Arrays of `.npy` files, memory-mapped: a rank reads the rows of its batches and nothing else.

    x: the file of the samples, (n, …); uint8 means images, scaled to [0, 1] when a batch is cut.
    y: the file of their targets, (n, …); without it there are none (pretraining).
    x_validation, y_validation: files of samples to validate on, (m, …); may be left out.
    For speed the files should be in C order, as `numpy.save` writes contiguous arrays.

    Raises DataError for a damaged or truncated file, files that do not fit each other, and a dtype other than
    bool, integers and floats; the numbers themselves are checked batch by batch. ValueError for
    `y_validation` without `x_validation`, and the reverse where there is a `y`.
    """

    def __init__(
        self,
        x: Path,
        y: Path | None = None,
        x_validation: Path | None = None,
        y_validation: Path | None = None,
    ) -> None:
        if x_validation is None and y_validation is not None:
            raise ValueError("expected x_validation beside y_validation, got none; name both or neither")
        if x_validation is not None and y is not None and y_validation is None:
            raise ValueError("expected y_validation beside x_validation, got none; name both or neither")
        x_map, y_map = _mapped(x), None if y is None else _mapped(y)
        self.train = rows_of(x_map, y_map, whole=False)
        if x_validation is not None:
            xv_map, yv_map = _mapped(x_validation), None if y_validation is None else _mapped(y_validation)
            self.validation = rows_of(xv_map, yv_map, whole=False)
            check_alike(x_map, xv_map, x=True)
            if y_map is not None and yv_map is not None:
                check_alike(y_map, yv_map, x=False)


def _mapped(path: Path) -> Named:
    where = str(path)
    with reading(path, "a .npy file"):
        with path.open("rb") as file:
            header = header_of(file.read(HEAD), where)
            check_size(header, os.fstat(file.fileno()).st_size - header.offset, where)
            numbers = np.memmap(
                file,
                dtype=header.dtype,
                mode="r",
                offset=header.offset,
                shape=header.shape,
                order="F" if header.fortran else "C",
            )
        return Named(numbers, where)
