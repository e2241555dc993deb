"""The dataset `diabetes`."""

from __future__ import annotations

from dtrain import Dataset

from .scikit_learn import table_of, table_rows


class Diabetes(Dataset):
    """442 patients and how far their diabetes had gone a year later, from the files that come with scikit-learn.

    x (442, 10): float64: age, sex, body mass index, blood pressure and six measures of blood serum.
    y (442,): float64, the progression, 25 … 346. scikit-learn is not imported, only found. No split of its own.

    scaled: whether each column of x is shifted to mean 0 and scaled to variance 1, over all samples.

    Raises DataError when a file is missing or damaged.
    Efron, Hastie, Johnstone & Tibshirani, "Least angle regression", 2004.
    """

    examples = [{}, {"scaled": False}]

    def __init__(self, scaled: bool = True) -> None:
        x = table_of("diabetes", "diabetes_data_raw.csv.gz", (442, 10), comma=False)
        y = table_of("diabetes", "diabetes_target.csv.gz", (442, 1))
        self.train = table_rows("diabetes", x, y[:, 0], scaled)
