"""The dataset `breast_cancer`."""

from __future__ import annotations

import numpy as np

from dtrain import Dataset

from .scikit_learn import table_of, table_rows


class BreastCancer(Dataset):
    """569 tumours, malignant or benign, from the file that comes with scikit-learn.

    x (569, 30): float64, measures of the cell nuclei in an image. y (569,): int64, 0 malignant (212),
    1 benign (357). scikit-learn is not imported, only found. No split of its own.

    scaled: whether each column of x is shifted to mean 0 and scaled to variance 1, over all samples.

    Raises DataError when the file is missing or damaged.
    Street, Wolberg & Mangasarian, "Nuclear feature extraction for breast tumor diagnosis", 1993.
    """

    examples = [{}, {"scaled": False}]

    def __init__(self, scaled: bool = True) -> None:
        table = table_of("breast_cancer", "breast_cancer.csv", (569, 31), skip=1)
        self.train = table_rows("breast_cancer", table[:, :-1], table[:, -1].astype(np.int64), scaled)
