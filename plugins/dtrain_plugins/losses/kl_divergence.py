from __future__ import annotations

import numpy as np

from dtrain import Array, Shape

from .checks import check_numbers, check_range
from .pointwise import Points, Pointwise, floored


class KlDivergence(Pointwise):
    """The Kullback–Leibler divergence of y from the target: Σ t·log(t/y), over all outputs of a row.

    y: (rows, …, K), probabilities, as of a `softmax` layer. target: probabilities t ≥ 0 of the same shape;
    that they add up to 1 is the data's business. values: (rows,); where a row has several places, the sum over
    them. dy = −t/y, of y's shape. 0·log 0 = 0; a y below 1e-14 (float32) or 1e-20 (float64)
    counts as that.

    Raises ValueError for targets that are missing, of another shape or below 0.

    Kullback & Leibler, "On information and sufficiency", 1951.
    """

    name = "kl_divergence"
    mean = False
    examples = [{"input": (1,), "target": "classes", "range": (0.01, 0.99)}]

    def check(self, target: Array | None, shape: Shape) -> None:
        check_range(self.name, check_numbers(self.name, target, shape), "probabilities, at least 0", 0)

    def points(self, y: Array, target: Array) -> Points:
        p = floored(y)
        ratio = target / p  # near 1 where t is near y, which the difference of two logarithms would not show
        return target * np.log(np.where(target.real > 0, ratio, 1)), lambda: -ratio
