from __future__ import annotations

import numpy as np

from dtrain import Array, Output, Target

from .checks import check_signs
from .pointwise import Points, Pointwise


class Perceptron(Pointwise):
    """The perceptron's criterion: −Σ t·y over a row's outputs that are misclassified, t·y ≤ 0.

    y: (rows, …), ⟨w, x⟩ (or its `sign`, straight through). target: t = −1 or 1, of the same shape, or (rows,)
    for a single output; classes 0 and 1 are taken as −1 and 1. values: (rows,). dy = −t where t·y ≤ 0, and 0
    elsewhere: a subgradient, with which a step of size 1 on one row is Rosenblatt's rule w ← w + t·x; at y = 0
    it learns, so that weights may start at 0. `predict` gives −1 or 1.

    Raises ValueError for other targets.

    Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the brain",
    1958.
    """

    takes = ("labels",)
    answers = "labels"
    expects = "scores"
    threshold = 0.0
    mean = False
    examples = [{"input": (1,), "target": "classes"}]

    def check(self, target: Target, output: Output) -> None:
        check_signs(target)

    def points(self, y: Array, target: Array) -> Points:
        t = np.where(target.real > 0, y.dtype.type(1), y.dtype.type(-1))
        slope = np.where((t * y).real <= 0, -t, 0)
        return slope * y, lambda: slope

    def predict(self, y: Array) -> Array:
        return np.where(y.real > 0, y.dtype.type(1), y.dtype.type(-1))
