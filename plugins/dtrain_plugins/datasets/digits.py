"""The dataset `digits`."""

from __future__ import annotations

import numpy as np

from dtrain import DataError, Dataset

from .checks import Named, opened, reading, rows_of
from .scikit_learn import file_of

_COLUMNS = 65  # 64 pixels of 0 … 16, and the class
_WHITE = 16


class Digits(Dataset):
    """1,797 handwritten digits of 8×8 pixels, from the file that comes with scikit-learn.

    x (1797, 64): float32, pixels divided by 16, in [0, 1]. y (1797,): int64, the digit 0 … 9.
    scikit-learn is not imported, only found. There is no split of its own: `data.validation` holds some out.

    Raises DataError when the file is missing or damaged.
    E. Alpaydin & C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository
    (1998), its test part.
    """

    examples = [{}]

    def __init__(self) -> None:
        path = file_of("digits", "digits.csv.gz")
        with reading(path, "the digits of scikit-learn"), opened(path) as file:
            table = np.array([[int(cell) for cell in line.split(b",")] for line in file], np.int64)
        if table.shape[1:] != (_COLUMNS,):
            got = f"a table of shape {table.shape}"
        elif table.min() < 0 or table.max() > _WHITE:
            got = f"{table.min()} … {table.max()}"
        else:
            got = ""
        if got:
            expected = f"{_COLUMNS} columns of 0 … {_WHITE}"
            raise DataError(f"{path}: expected {expected}, got {got}; install scikit-learn again")
        x = (table[:, :-1] / _WHITE).astype(np.float32)
        self.train = rows_of(Named(x, f"{path}, pixels"), Named(table[:, -1], f"{path}, classes"))
