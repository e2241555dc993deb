from __future__ import annotations

import numpy as np

from dtrain import Array, Shape

from .checks import check_numbers, check_range
from .pointwise import Points, Pointwise, floored


class BinaryCrossEntropy(Pointwise):
    """−t·log p − (1 − t)·log(1 − p), the mean over a row's outputs, each a question of two classes.

    y: (rows, …), probabilities p of class 1, or logits z with p = σ(z). target: t in [0, 1], of the same shape,
    or (rows,) for a single output; 0 and 1 of any type are classes. values: (rows,). dy, of y's shape, is
    ((1 − t)/(1 − p) − t/p)/outputs, or for logits (σ(z) − t)/outputs. `predict` gives p.

    from_logits: whether y holds logits: fused, so that none overflows, and precise for any; give it no
    `sigmoid` layer then. Of probabilities, p and 1 − p count as the dtype's ε (1.2e-7, 2.2e-16) where they
    are below it: values are finite, at most 16 or 36.

    Raises ValueError for targets that are missing, of another shape or outside [0, 1].

    Good, "Rational decisions", 1952.
    """

    name = "binary_cross_entropy"
    examples = [
        {"input": (1,), "target": "classes"},
        {"from_logits": True, "input": (1,), "target": "classes"},
    ]

    def __init__(self, from_logits: bool = False) -> None:
        self.from_logits = from_logits

    def check(self, target: Array | None, shape: Shape) -> None:
        check_range(self.name, check_numbers(self.name, target, shape), "targets from 0 to 1", 0, 1)

    def points(self, y: Array, target: Array) -> Points:
        if self.from_logits:
            positive, t = y.real > 0, _decay(y)
            each = np.where(positive, y, 0) - y * target + np.log1p(t)
            return each, lambda: np.where(positive, 1, t) / (1 + t) - target
        p, q = floored(y), floored(1 - y)
        other = 1 - target
        return -target * np.log(p) - other * np.log(q), lambda: other / q - target / p

    def predict(self, y: Array) -> Array:
        if not self.from_logits:
            return y
        t = _decay(y)
        return np.where(y.real > 0, 1, t) / (1 + t)


def _decay(y: Array) -> Array:
    return np.exp(np.where(y.real > 0, -y, y))
