"""The dataset `linnerud`."""

from __future__ import annotations

from typing import Literal

import numpy as np

from dtrain import Dataset

from .scikit_learn import table_of, table_rows

_COUNTS = ("chins", "situps", "jumps")


class Linnerud(Dataset):
    """20 men of a fitness club and how often each did an exercise: real counts, from files of scikit-learn.

    x (20, 3): float64: weight in pounds, waist in inches, pulse a minute. y (20,): int64, a count.
    scikit-learn is not imported, only found. No split of its own.

    target: which exercise: "chins" (1 … 17), "situps" (50 … 251) or "jumps" (25 … 250).
    scaled: whether each column of x is shifted to mean 0 and scaled to variance 1, over all samples.

    Raises DataError when a file is missing or damaged.
    Tenenhaus, "La régression PLS: théorie et pratique", 1998, whose data they are.
    """

    examples = [{}, {"target": "jumps", "scaled": False}]

    def __init__(self, target: Literal["chins", "situps", "jumps"] = "chins", scaled: bool = True) -> None:
        x = table_of("linnerud", "linnerud_physiological.csv", (20, 3), skip=1, comma=False)
        y = table_of("linnerud", "linnerud_exercise.csv", (20, 3), skip=1, comma=False)
        self.train = table_rows("linnerud", x, y[:, _COUNTS.index(target)].astype(np.int64), scaled)
