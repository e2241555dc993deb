"""The dataset `iris`."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dtrain import Dataset

from .scikit_learn import table_of, table_rows

_SPECIES = ("setosa", "versicolor", "virginica")


class Iris(Dataset):
    """150 flowers of three species, 50 each, from the file that comes with scikit-learn.

    x (150, 4): float64, length and width of sepal and petal in cm. y (150,): int64, the species: 0 setosa,
    1 versicolor, 2 virginica. scikit-learn is not imported, only found. No split of its own.

    scaled: whether each column of x is shifted to mean 0 and scaled to variance 1, over all samples.
    positive: a species that becomes 1, and both others 0; setosa can be separated by a plane, the others not.

    Raises DataError when the file is missing or damaged.
    R. A. Fisher, "The use of multiple measurements in taxonomic problems", 1936.
    """

    examples = [{}, {"positive": "setosa", "scaled": False}]

    def __init__(
        self, scaled: bool = True, positive: Literal["setosa", "versicolor", "virginica"] | None = None
    ) -> None:
        table = table_of("iris", "iris.csv", (150, 5), skip=1)
        y = table[:, -1].astype(np.int64)
        if positive is not None:
            y = (y == _SPECIES.index(positive)).astype(np.int64)
        self.train = table_rows("iris", table[:, :-1], y, scaled)
