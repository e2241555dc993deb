from __future__ import annotations

import numpy as np

from dtrain import Array

from .pointwise import Points, Pointwise, floored


class KlDivergence(Pointwise):
    """The Kullback–Leibler divergence of y from the target: Σ t·log(t/y), over all outputs of a row.

    y: (rows, …, K), probabilities, as of a `softmax` layer. target: probabilities t ≥ 0 of the same shape, which
    add up to 1 to within 0.001. values: (rows,); where a row has several places, the sum over them. dy = −t/y, of
    y's shape. 0·log 0 = 0; a y below 1e-14 (float32) or 1e-20 (float64) counts as that.

    Kullback & Leibler, "On information and sufficiency", 1951.
    """

    takes = ("distribution",)
    answers = "class"
    expects = "probabilities"
    remedy = "put a softmax layer behind it, or take softmax_cross_entropy, which differs by a constant"
    mean = False
    examples = [{"input": (3,), "target": "distribution", "range": (0.05, 1.0)}]

    def points(self, y: Array, target: Array) -> Points:
        p = floored(y)
        ratio = target / p  # near 1 where t is near y, which the difference of two logarithms would not show
        return target * np.log(np.where(target.real > 0, ratio, 1)), lambda: -ratio
