from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Shape

from .checks import check_classes
from .pointwise import Points, Rowwise, floored


class CrossEntropy(Rowwise):
    """Cross entropy of probabilities: −log y_k, k the class. Behind a `softmax` layer.

    y: (rows, …, K), probabilities. target: (rows, …), classes k = 0 … K−1, of any whole type. values: (rows,);
    where a row has several places, the sum over them, so that a long row counts more. dy = −onehot(k)/y_k, of
    y's shape. A y_k below the dtype's ε (1.2e-7, 2.2e-16) counts as ε: values are finite, at most 16 or 36 a
    place. On logits, `softmax_cross_entropy` is precise for any.

    Raises ValueError for targets that are missing, no whole numbers, of another shape or outside 0 … K−1.

    Shannon, "A mathematical theory of communication", 1948.
    """

    examples = [{"input": (5,), "target": "classes"}]

    def check(self, target: Array | None, shape: Shape) -> None:
        check_classes("cross_entropy", target, shape)

    def some(self, y: Array, target: Array) -> Points:
        index = target[..., None].astype(np.int64)
        chosen = floored(np.take_along_axis(y, index, axis=-1))
        values = np.einsum("ij->i", -np.log(chosen).reshape(len(y), prod(target.shape[1:])))

        def backward() -> Array:
            dy = np.zeros_like(y)
            np.put_along_axis(dy, index, -1 / chosen, axis=-1)
            return dy

        return values, backward
